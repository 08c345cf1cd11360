"""Loops over elements that reduce what they make, in the order of the kernels of reductions.

Two blocks of lanes side by side, joined by a fixed tree; the rest one by one (`kernels/reductions.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.native.emit import splat_constant, vector
from dynlang.native.kernels.reductions import CHAINS, across, combine, identity, lanes_of
from dynlang.native.lower.elementwise import ElementLoop, Input, constant_mask
from dynlang.native.lower.frame import Frame
from dynlang.native.lower.layout import REGISTER
from dynlang.ssa.nodes import Region


class FoldingLoop(ElementLoop):
    """`folds`: for each result the reduction that it is, all of one dtype, or None for an array."""

    def __init__(self, frame: Frame, region: Region, inputs: Sequence[Input], outputs: Sequence[tuple[str, str]], count: str,
                 folds: Sequence[str | None]) -> None:
        super().__init__(frame, region, inputs, outputs, count)
        self.places = [place for place, fold in enumerate(folds) if fold is not None]
        self.words = {place: str(folds[place]) for place in self.places}
        self.dtypes = {place: outputs[place][1] for place in self.places}

    def emit_folds(self) -> dict[int, str]:
        """The reductions, by the places of their results."""
        (lanes,) = {lanes_of(dtype) for dtype in self.dtypes.values()}
        known = int(self.count) if self.count.isdigit() else None
        starts = self.starts()
        totals = {place: identity(self.words[place], self.dtypes[place]) for place in self.places}
        if known is None or known >= CHAINS * lanes:
            totals = self.blocks(starts, lanes)
        if known is not None:
            return self.known_rest(starts, known // (CHAINS * lanes) * CHAINS * lanes, known, lanes, totals)
        if self.is_long() and self.f.target.vector_bytes >= 32:
            return self.rest_in_vectors(starts, lanes, totals)
        return self.rest_one_by_one(starts, lanes, totals)

    def step(self, place: int, width: int, x: str, y: str) -> str:
        return combine(self.f, self.words[place], self.dtypes[place], width, x, y)

    def whole(self, lanes: int) -> str:
        """How many elements whole blocks have."""
        block = CHAINS * lanes
        return str(int(self.count) // block * block) if self.count.isdigit() else self.f.bit_and(self.count, -block)

    def blocks(self, starts: Sequence[str], lanes: int) -> dict[int, str]:
        """Whole blocks, joined."""
        f, splats = self.f, self.splats(lanes)
        kinds = {place: vector(REGISTER[self.dtypes[place]], lanes) for place in self.places}
        first = [(kinds[place], splat_constant(kinds[place], identity(self.words[place], self.dtypes[place])))
                 for place in self.places for _ in range(CHAINS)]
        with f.loop(0, self.whole(lanes), CHAINS * lanes, first) as loop:
            made = [self.turn(starts, f.add(loop.index, chain * lanes), splats, lanes, None) for chain in range(CHAINS)]
            loop.next = [self.step(place, lanes, loop.carried[CHAINS * k + chain], made[chain][place])
                         for k, place in enumerate(self.places) for chain in range(CHAINS)]
        return {place: across(f, self.words[place], self.dtypes[place], loop.carried[CHAINS * k:CHAINS * (k + 1)])
                for k, place in enumerate(self.places)}

    def known_rest(self, starts: Sequence[str], first: int, count: int, lanes: int, totals: dict[int, str]) -> dict[int, str]:
        """Fewer elements than two blocks: in vectors whose lanes are then taken one by one."""
        masked = self.is_long() and self.f.target.vector_bytes >= 32
        while first < count:
            width = lanes
            while not masked and width > count - first:
                width //= 2
            left = min(width, count - first)
            mask = constant_mask(left, width) if left < width else None
            made = self.turn(starts, str(first), self.splats(width), width, mask)
            totals = {place: self.lane_by_lane(place, totals[place], made[place], width, left) for place in self.places}
            first += left
        return totals

    def lane_by_lane(self, place: int, total: str, values: str, width: int, left: int) -> str:
        kind = vector(REGISTER[self.dtypes[place]], width)
        for lane in range(left):
            total = self.step(place, 1, total, self.f.extract(kind, values, lane) if width > 1 else values)
        return total

    def rest_one_by_one(self, starts: Sequence[str], lanes: int, totals: dict[int, str]) -> dict[int, str]:
        """A block of lanes that are taken one by one, if there are as many elements left; the others by themselves."""
        f, splats = self.f, self.splats(lanes)
        kinds = [REGISTER[self.dtypes[place]] for place in self.places]
        end = f.bit_and(self.count, -lanes)
        before = [(kind, totals[place]) for kind, place in zip(kinds, self.places, strict=True)]
        with f.loop(self.whole(lanes), end, lanes, before) as block:
            made = self.turn(starts, block.index, splats, lanes, None)
            block.next = [self.lane_by_lane(place, total, made[place], lanes, lanes)
                          for place, total in zip(self.places, block.carried, strict=True)]
        splats = self.splats(1)
        with f.loop(end, self.count, carried=list(zip(kinds, block.carried, strict=True))) as loop:
            made = self.turn(starts, loop.index, splats, 1, None)
            loop.next = [self.step(place, 1, total, made[place]) for place, total in zip(self.places, loop.carried, strict=True)]
        return dict(zip(self.places, loop.carried, strict=True))

    def rest_in_vectors(self, starts: Sequence[str], lanes: int, totals: dict[int, str]) -> dict[int, str]:
        """Long functions are computed for many elements at once, under a mask; the lanes are then taken one by one from the stack."""
        f, splats = self.f, self.splats(lanes)
        rooms = {place: f.slot(vector(REGISTER[self.dtypes[place]], lanes)) for place in self.places}
        carried = [(REGISTER[self.dtypes[place]], totals[place]) for place in self.places]
        with f.loop(self.whole(lanes), self.count, lanes, carried) as loop:
            left = f.minimum(f.sub(self.count, loop.index), lanes)
            made = self.turn(starts, loop.index, splats, lanes, f.first_lanes(left, lanes))
            for place in self.places:
                f.store(vector(REGISTER[self.dtypes[place]], lanes), made[place], rooms[place])
            with f.loop(0, left, carried=[(kind, total) for (kind, _), total in zip(carried, loop.carried, strict=True)]) as inner:
                elements = [f.load(REGISTER[self.dtypes[place]], f.offset(rooms[place], inner.index, REGISTER[self.dtypes[place]]))
                            for place in self.places]
                inner.next = [self.step(place, 1, total, element)
                              for place, total, element in zip(self.places, inner.carried, elements, strict=True)]
            loop.next = list(inner.carried)
        return dict(zip(self.places, loop.carried, strict=True))
