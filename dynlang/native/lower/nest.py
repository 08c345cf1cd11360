"""`nest`: the elements of a row by blocks of registers, the loops of the region inside of each block.

    for each block of elements:                what a block carries through the loops stays in registers:
        total = 0                              a sum over neighbours reads their rows, and writes its own once
        for k in neighbours: total += w[ids[k]][block]
        y[block] = total

Where rows are long, and many of them are added up, that would read a little of each, and again a little of each, from far apart.
Then GROUP turns of the loop go along the row together, which is kept in memory meanwhile: the same additions in the same order.

A block has as many vectors as fit into the registers beside what the region needs; the last one goes under a mask. The region runs
once even where there is no element, under a mask of nothing, because its checks must be made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dynlang.native.emit import vector
from dynlang.native.lower.control import TURNS
from dynlang.native.lower.elementwise import apply, constant_mask, dtype_of, load_lanes, store_lanes
from dynlang.native.lower.frame import Frame, lowers
from dynlang.native.lower.layout import REGISTER, memory, register
from dynlang.native.lower.memory import element_of
from dynlang.ops.dtypes import BYTES
from dynlang.ssa.build import operations_in
from dynlang.ssa.lanes import lanes_of, rows_before, rows_written
from dynlang.ssa.nodes import Operation, Region, Scalar, Value

VECTORS = 8
"""Registers for what loops carry: half of those that a machine has."""
LONG = 1024
"""Elements of a row from which on a loop goes along it, GROUP turns at a time."""
GROUP = 8
LONGEST_TURN = 6
"""Operations on lanes in a turn that goes along the row with others."""
LONGEST_BLOCK = 40
"""Operations on lanes, times vectors, of a block: the code is written out for each vector."""


@lowers("nest")
def lower_nest(frame: Frame, operation: Operation) -> None:
    rows: list[tuple[str, str, str]] = []
    for place, word, operand in rows_written(operation):
        result = operation.results[place]
        if word is None:
            block = start = frame.allocate_array(result.type)
        else:
            block = frame.own(operation.operands[operand])
            start = frame.f.offset(block, frame[operation.operands[operand + 1]], memory(element_of(result.type)))
        frame.define(result, block)
        rows.append((start, word or "set", dtype_of(result)))
    _Nest(frame, operation, rows).emit()


class _Nest:
    def __init__(self, frame: Frame, operation: Operation, rows: Sequence[tuple[str, str, str]]) -> None:
        self.frame = frame
        self.f = frame.f
        (region,) = operation.regions
        self.region = region
        self.before = list(rows_before(operation))
        self.rows = rows
        """Where each result goes: (pointer, "set" or "add", dtype)."""
        self.count = frame.product(operation.sizes)
        self.lanes = lanes_of(region)
        widths = [BYTES[dtype_of(value)] for value in self.lanes] + [BYTES[dtype] for _, _, dtype in rows]
        self.width = max(1, frame.f.target.vector_bytes // min([one for one in widths if one >= 4], default=4))
        self.values: dict[Value, list[str]] = {}
        """The vectors of each lane."""
        self.start = "0"
        self.masks: list[str | None] = []

    def vectors(self) -> int:
        """How many vectors a block has at most."""
        operations = list(operations_in(self.region))
        carried = max((sum(value in self.lanes for value in one.results) for one in operations if one.name == "for"), default=0)
        computed = sum(1 for one in operations if not self.lanes.isdisjoint(one.results) and one.name != "for")
        return max(1, min(VECTORS // max(1, carried), LONGEST_BLOCK // max(1, computed)))

    def emit(self) -> None:
        loop = self.long_loop()
        if loop is None or (self.count.isdigit() and int(self.count) < LONG):
            self.blocks()
            return
        f = self.f
        many = f.icmp("sge", self.frame[loop.operands[0]], GROUP)
        if not self.count.isdigit():
            many = f.binary("and", "i1", many, f.icmp("sge", self.count, LONG))
        choice = f.choose(many)
        with choice.yes():
            self.groups(loop)
        with choice.no():
            self.blocks()

    def blocks(self) -> None:
        if self.count.isdigit():
            self.known(int(self.count))
        else:
            self.unknown()

    def known(self, count: int) -> None:
        """Blocks of one size, then what is left in a block of its own."""
        most = self.vectors() * self.width
        whole = count // most * most
        if whole == most:
            self.block("0", [None] * self.vectors())
        elif whole:
            with self.f.loop(0, whole, most) as loop:
                self.block(loop.index, [None] * self.vectors())
        if whole < count or count == 0:
            full, left = divmod(count - whole, self.width)
            rest = [constant_mask(left, self.width)] if left or count == 0 else []
            self.block(str(whole), [None] * full + (rest if self.width > 1 else []))

    def unknown(self) -> None:
        """Large blocks, then smaller ones under masks."""
        f, few = self.f, min(2, self.vectors())
        most = self.vectors() * self.width
        whole = f.mul(f.value(f"udiv i64 {self.count}, {most}"), most)
        with f.loop(0, whole, most) as loop:
            self.block(loop.index, [None] * self.vectors())
        some = f.binary("or", "i1", f.icmp("slt", whole, self.count), f.icmp("eq", self.count, 0))
        with f.when(some), f.repeat([("i64", whole)]) as loop:
            start = loop.carried[0]
            left = f.sub(self.count, start)
            self.block(start, [f.first_lanes(f.sub(left, place * self.width), self.width) for place in range(few)])
            following = f.add(start, few * self.width)
            loop.break_if(f.icmp("sge", following, self.count))
            loop.next = [following]

    # -- long rows

    def long_loop(self) -> Operation | None:
        """The one loop of the region, if it adds up the row that is written, in few and straight operations."""
        loops = [one for one in self.region.operations if one.name in ("for", "if")]
        if len(loops) != 1 or loops[0].name != "for" or len(self.rows) != 1 or self.rows[0][1] != "set" or self.before:
            return None
        (loop,) = loops
        (body,) = loop.regions
        own = {value for one in self.region.operations for value in one.results}
        simple = len(loop.results) == 1 and loop.results[0] in self.lanes and loop.operands[0] not in own
        lanes = sum(1 for one in body.operations if not self.lanes.isdisjoint(one.results))
        straight = not any(one.regions for one in body.operations) and lanes <= LONGEST_TURN
        return loop if simple and straight and dtype_of(loop.results[0]) == self.rows[0][2] else None

    def groups(self, loop: Operation) -> None:
        """The row in memory: its first value, then the turns of the loop, several at once, then what is done to the sum."""
        f, (body,) = self.f, loop.regions
        place = self.region.operations.index(loop)
        before, behind = self.region.operations[:place], self.region.operations[place + 1:-1]
        same = [one for one in before if self.lanes.isdisjoint(one.results)]
        differing = [one for one in before if one not in same]
        (yielded,) = self.region.operations[-1].operands
        self.run(same)
        self.columns(differing, lambda: self.vectors_of(loop.operands[1]))
        count = self.frame[loop.operands[0]]
        whole = f.bit_and(count, -GROUP)
        for start, stop, turns in (("0", whole, GROUP), (whole, count, 1)):
            with f.loop(start, stop, turns) as group:
                self.frame.poll()
                known = [self.turn(body, group.index if not turn else f.add(group.index, turn)) for turn in range(turns)]
                self.columns(differing, lambda known=known: self.turns(body, known))
        if behind or yielded is not loop.results[0]:
            def finish() -> list[str]:
                self.values[loop.results[0]] = self.loaded(self.rows[0][0], self.rows[0][2])
                self.run(behind)
                return self.vectors_of(yielded)

            self.columns(differing, finish)

    def turn(self, body: Region, index: str) -> dict[Value, str]:
        """What is the same for all elements in one turn of the loop."""
        self.frame.define(body.parameters[0], index)
        same = [one for one in body.operations[:-1] if self.lanes.isdisjoint(one.results)]
        self.run(same)
        values = [body.parameters[0], *(value for one in same for value in one.results)]
        return {value: self.frame[value] for value in values}

    def turns(self, body: Region, known: Sequence[dict[Value, str]]) -> list[str]:
        """Several turns on the elements at hand, one behind the other."""
        found = self.loaded(self.rows[0][0], self.rows[0][2])
        for one in known:
            for value, operand in one.items():
                self.frame.define(value, operand)
            self.values[body.parameters[1]] = found
            self.run([one for one in body.operations[:-1] if not self.lanes.isdisjoint(one.results)])
            found = self.vectors_of(body.operations[-1].operands[0])
        return found

    def loaded(self, pointer: str, dtype: str) -> list[str]:
        """What stands in a row."""
        return [load_lanes(self.f, dtype, pointer, self.place(place), self.width, mask) for place, mask in enumerate(self.masks)]

    def columns(self, before: Sequence[Operation], made: Callable[[], list[str]]) -> None:
        """Along the row, vector by vector: what `made` gives stands there afterwards."""
        f = self.f
        pointer, _, dtype = self.rows[0]

        def at(start: str, mask: str | None) -> None:
            self.start, self.masks = start, [mask]
            self.values.clear()
            self.run(before)
            store_lanes(f, dtype, made()[0], pointer, start, self.width, mask)

        whole = str(int(self.count) // self.width * self.width) if self.count.isdigit() else f.bit_and(self.count, -self.width)
        with f.loop(0, whole, self.width) as loop:
            at(loop.index, None)
        if whole != self.count:
            with f.when(f.icmp("slt", whole, self.count)):
                at(whole, f.first_lanes(f.sub(self.count, whole), self.width))

    def block(self, start: str, masks: Sequence[str | None]) -> None:
        """The region for the elements from `start` on, a vector for each mask."""
        f = self.f
        self.start, self.masks = start, list(masks)
        self.values.clear()
        for value, place in self.before:
            pointer, _, dtype = self.rows[place]
            self.values[value] = self.loaded(pointer, dtype)
        yielded = self.operations(self.region)
        for (pointer, word, dtype), value in zip(self.rows, yielded, strict=True):
            for place, (vectors, mask) in enumerate(zip(self.vectors_of(value), self.masks, strict=True)):
                index = self.place(place)
                if word == "add":
                    before = load_lanes(f, dtype, pointer, index, self.width, mask)
                    vectors = apply(f, "add", {}, [dtype, dtype], [before, vectors], self.width)
                store_lanes(f, dtype, vectors, pointer, index, self.width, mask)

    def place(self, vector_: int) -> str:
        """The first element of a vector of the block."""
        if not vector_:
            return self.start
        if self.start.isdigit():
            return str(int(self.start) + vector_ * self.width)
        return self.f.add(self.start, vector_ * self.width)

    def vectors_of(self, value: Value) -> list[str]:
        """A value by vectors; what is the same for all elements stands in every lane."""
        if value in self.values:
            return self.values[value]
        dtype = dtype_of(value)
        return [self.f.splat(vector(REGISTER[dtype], self.width), self.frame[value])] * len(self.masks)

    # -- the region

    def operations(self, region: Region) -> list[Value]:
        self.run(region.operations[:-1])
        return region.operations[-1].operands

    def run(self, operations: Sequence[Operation]) -> None:
        for one in operations:
            if one.name == "for":
                self.loop(one)
            elif one.name == "if":
                self.branch(one)
            elif one.name == "element":
                self.element(one)
            elif self.lanes.isdisjoint(one.results):
                self.frame.operation(one)
            else:
                operands = [self.vectors_of(value) for value in one.operands]
                dtypes = [dtype_of(value) for value in one.operands]
                self.values[one.results[0]] = [
                    apply(self.f, one.name, one.attributes, dtypes, [each[place] for each in operands], self.width)
                    for place in range(len(self.masks))]

    def element(self, one: Operation) -> None:
        array, start = one.operands
        dtype = dtype_of(one.results[0])
        pointer = self.f.offset(self.frame[array], self.frame[start], memory(Scalar(dtype)))
        self.values[one.results[0]] = [load_lanes(self.f, dtype, pointer, self.place(place), self.width, mask)
                                       for place, mask in enumerate(self.masks)]

    def flat(self, values: Sequence[Value], like: Sequence[Value]) -> list[tuple[str, str]]:
        """LLVM types and operands of values, each lane vector by vector. `like`: the values that they become."""
        found: list[tuple[str, str]] = []
        for value, become in zip(values, like, strict=True):
            if become in self.lanes:
                kind = vector(REGISTER[dtype_of(value)], self.width)
                found += [(kind, one) for one in self.vectors_of(value)]
            else:
                found.append((register(value.type), self.frame[value]))
        return found

    def bind(self, values: Sequence[Value], operands: Sequence[str]) -> None:
        left = list(operands)
        for value in values:
            if value in self.lanes:
                self.values[value] = left[:len(self.masks)]
                del left[:len(self.masks)]
            else:
                self.frame.define(value, left.pop(0))

    def loop(self, one: Operation) -> None:
        """Asks now and then whether to stop."""
        f, (body,) = self.f, one.regions
        index, *parameters = body.parameters
        count = self.frame[one.operands[0]]
        first = self.flat(one.operands[1:], parameters)
        with f.repeat([("i64", "0"), *first]) as stretch:
            stop = f.minimum(f.add(stretch.carried[0], TURNS), count)
            carried = [(kind, operand) for (kind, _), operand in zip(first, stretch.carried[1:], strict=True)]
            with f.loop(stretch.carried[0], stop, carried=carried) as loop:
                self.frame.define(index, loop.index)
                self.bind(parameters, loop.carried)
                yielded = self.operations(body)
                loop.next = [operand for _, operand in self.flat(yielded, parameters)]
            stretch.break_if(f.icmp("sge", stop, count))
            self.frame.poll()
            stretch.next = [stop, *loop.carried]
        self.bind(one.results, loop.carried)

    def branch(self, one: Operation) -> None:
        """Both arms end in one block; every vector of a result comes from the arm that was taken."""
        f = self.f
        labels, join = [f.label("then"), f.label("otherwise")], f.label("join")
        f.branch_if(self.frame[one.operands[0]], *labels)
        ends: list[tuple[list[tuple[str, str]], str]] = []
        for label, region in zip(labels, one.regions, strict=True):
            f.place(label)
            made = self.flat(self.operations(region), one.results)
            ends.append((made, f.block))
            f.branch(join)
        f.place(join)
        merged = [f.phi(yes[0], [(yes[1], ends[0][1]), (no[1], ends[1][1])]) for yes, no in zip(ends[0][0], ends[1][0], strict=True)]
        self.bind(one.results, merged)
