"""What of a loop differs from turn to turn, and whether its turns may go abreast (`abreast.py`)."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from dynlang.ops import OPS
from dynlang.opt.depend import used
from dynlang.opt.share import has_effect
from dynlang.ssa.build import BOOL, operations_in, sizes_of
from dynlang.ssa.nodes import Array, Function, Operation, Region, Scalar, Value

LANES = {"f64": 4, "f32": 8}
"""Turns that go abreast: 32 bytes of the widest number that differs between them."""
LEAST_WORK, LEAST_IN_ALL = 3, 32
"""Operations that inner loops do on numbers of several turns, or the whole turn does, for the change to pay."""
SHORTEST = 8
"""Operations of a turn that is looked at, if it neither calls nor loops."""
LONGEST = 4000
"""Operations of a turn, or of a function, that is left alone: its code is long already."""
SHARE_ALONE = 4
"""One operation in so many, at most, may be done turn by turn."""
WRITES = ("update", "update_slice")
Users = Mapping[Value, Sequence[Operation]]


@dataclass(frozen=True, slots=True)
class Turns:
    """`varies`: the values that differ from turn to turn; `writes`: the operations that put what a turn makes into its own place."""

    loop: Operation
    varies: frozenset[Value]
    writes: frozenset[Operation]
    lanes: int


@dataclass(frozen=True, slots=True)
class Called:
    """A function some of whose arguments vary: what varies in it, which of its results do, and whether it can be done for several
    turns at once; the floats that vary in it; what it does abreast and turn by turn, outside of inner loops and inside of one."""

    varies: frozenset[Value]
    results: frozenset[int]
    fits: bool
    dtypes: frozenset[str] = frozenset()
    outside: tuple[int, int] = (0, 0)
    inside: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class Reader:
    """Looks at loops, and at the functions that they call, each once for the arguments that vary."""

    functions: Mapping[str, Function]
    repeatable: frozenset[str]
    called: dict[tuple[str, frozenset[int]], Called] = field(default_factory=dict)

    def turns_of(self, loop: Operation, users: Users, count: int | None) -> Turns | None:
        """What the turns of a loop are, if they may go abreast and something is gained. `count`: how many there are, if it is known."""
        (body,) = loop.regions
        writes = collected(body, users)
        if not writes or (len(body.operations) < SHORTEST and not any(one.name in ("for", "call") for one in operations_in(body))):
            return None
        if is_long(body):
            return None
        varies = self.all_that_varies(body, {body.parameters[0]}, writes)
        if not _own_places(body, writes, varies) or not all(self.fits(one, varies, writes) for one in operations_in(body)):
            return None
        lanes = min((LANES[one] for one in self.dtypes(body, varies)), default=0)
        if count is not None and lanes == LANES["f32"] > count:
            lanes = LANES["f64"]
        if not lanes or (count is not None and count < lanes):
            return None
        for inner, least in ((False, LEAST_WORK), (True, LEAST_IN_ALL)):
            work, alone = self.work(body, varies, inner)
            if work >= least and work >= SHARE_ALONE * alone:
                return Turns(loop, frozenset(varies), writes, lanes)
        return None

    def all_that_varies(self, body: Region, first: set[Value], writes: frozenset[Operation] = frozenset()) -> set[Value]:
        varies, before = set(first), 0
        while len(varies) > before:
            before = len(varies)
            self.mark(body, varies, writes)
        return varies

    def call(self, one: Operation, varies: Container[Value]) -> Called:
        """What a call comes to whose arguments vary like this."""
        key = str(one.attributes["function"]), frozenset(place for place, value in enumerate(one.operands) if value in varies)
        if key not in self.called:
            function = self.functions[key[0]]
            every = frozenset(range(len(function.results)))
            self.called[key] = Called(frozenset(), every, False)
            if not function.recursive and key[0] in self.repeatable and not is_long(function.body):
                inside = self.all_that_varies(function.body, {function.parameters[place] for place in key[1]})
                results = frozenset(place for place, value in enumerate(function.body.operations[-1].operands) if value in inside)
                sizes = {size for value in [*function.parameters, *function.results] for size in sizes_of(value.type)}
                fits = (inside.isdisjoint(sizes) and all(_can_vary(function.parameters[place], inside) for place in key[1])
                        and all(can_pack(function.results[place]) for place in results)
                        and all(self.fits(each, inside) for each in operations_in(function.body)))
                dtypes = frozenset(self.dtypes(function.body, inside))
                counts = [self.work(function.body, inside, within) for within in (False, True)]
                self.called[key] = Called(frozenset(inside), results, fits, dtypes, *counts)
        return self.called[key]

    def mark(self, region: Region, varies: set[Value], writes: frozenset[Operation]) -> None:
        """Add what depends on values that vary, once through."""
        for one in region.operations:
            if one in writes:
                continue
            if one.name == "for":
                (body,) = one.regions
                carried = zip(one.operands[1:], body.parameters[1:], body.operations[-1].operands, one.results, strict=True)
                for first, parameter, following, result in carried:
                    if first in varies or following in varies:
                        varies.update((parameter, result))
                self.mark(body, varies, writes)
            elif one.name in ("if", "switch"):
                for inner in one.regions:
                    self.mark(inner, varies, writes)
                    ends = zip(one.results, inner.operations[-1].operands, strict=True)
                    varies.update(result for result, value in ends if value in varies)
                if one.operands[0] in varies:
                    varies.update(one.results)
                    varies.update(value for inner in one.regions for value in inner.parameters)
            elif one.name == "call":
                if not varies.isdisjoint(one.operands):
                    varies.update(one.results[place] for place in self.call(one, varies).results)
            elif not varies.isdisjoint(used(one)):
                varies.update(one.results)

    def fits(self, one: Operation, varies: set[Value], writes: frozenset[Operation] = frozenset()) -> bool:
        """Whether an operation, without those inside it, can be done for several turns."""
        if has_effect(one) or (one.name == "call" and one.attributes["function"] not in self.repeatable):
            return False
        if any(size in varies for value in one.results for size in sizes_of(value.type)) or any(size in varies for size in one.sizes):
            return False
        if one.regions and one.name not in _RULES:
            return varies.isdisjoint(used(one))
        if one in writes or one.name in ("yield", "return") or (varies.isdisjoint(one.operands) and varies.isdisjoint(one.results)):
            return True
        if not all(_can_vary(value, varies) for value in one.results):
            return False
        if one.name == "call":
            return self.call(one, varies).fits
        if one.name == "if" and one.operands[0] in varies:
            return _either(one, varies)
        rule = _RULES.get(one.name)
        if rule is not None:
            return rule(one, varies)
        row = OPS.get(one.name)
        numbers = all(isinstance(value.type, Scalar) and value.type.dtype not in ("f16", "bf16") for value in [*one.operands, *one.results])
        return row is not None and row.has("elementwise") and not row.has("check") and numbers

    def dtypes(self, body: Region, varies: Container[Value]) -> set[str]:
        """The floats that vary, in the functions that are called, too."""
        found: set[str] = set()
        for one in operations_in(body):
            found.update(dtype for value in [*one.operands, *one.results] if value in varies and (dtype := float_of(value)) is not None)
            if one.name == "call" and any(value in varies for value in one.operands):
                found |= self.call(one, varies).dtypes
        return found

    def work(self, region: Region, varies: Container[Value], inner: bool) -> tuple[int, int]:
        """How many operations in inner loops go abreast, and how many turn by turn. `inner`: this is inside of one."""
        abreast = alone = 0
        for one in region.operations:
            below = [self.work(body, varies, inner or one.name == "for") for body in one.regions]
            if one.name == "call" and any(value in varies for value in one.operands):
                below = [self.call(one, varies).inside if inner else self.call(one, varies).outside]
            for counts in below:
                abreast, alone = abreast + counts[0], alone + counts[1]
            if below or one.name in ("yield", "return") or not inner or not any(value in varies for value in [*one.operands, *one.results]):
                continue
            if one.name in ("at", "update", "accumulate_at"):
                alone += any(value in varies for value in (one.operands[1:] if one.name == "at" else one.operands[1:-1]))
            elif all(map(can_pack, [*one.operands, *one.results])):
                abreast += 1
            else:
                alone += 1
        return abreast, alone


def float_of(value: Value) -> str | None:
    """The dtype of a number, or of an array's, that can travel beside others."""
    kind = value.type.element if isinstance(value.type, Array) else value.type
    return kind.dtype if isinstance(kind, Scalar) and kind.dtype in LANES else None


def is_long(region: Region) -> bool:
    return any(place >= LONGEST for place, _ in enumerate(operations_in(region)))


def can_pack(value: Value) -> bool:
    """Whether a value that varies stands beside those of other turns; ints of several turns are that many values."""
    return float_of(value) is not None or value.type == BOOL


def is_collected(value: Value) -> bool:
    """Whether a loop may take up in it what its turns make."""
    return isinstance(value.type, Array) and isinstance(value.type.element, Scalar)


def collected(body: Region, users: Users) -> frozenset[Operation]:
    """The operations by which each array that the loop carries takes up results, if it is used for nothing else; else none."""
    here, found = set(body.operations), set[Operation]()
    for place, value in enumerate(body.parameters[1:]):
        while True:
            if len(users.get(value, ())) != 1 or not is_collected(value):
                return frozenset()
            (one,) = users[value]
            if one is body.operations[-1] and one.operands[place] is value:
                break
            fits = one in here and one.name in WRITES and one.operands[0] is value and not one.attributes.get("steps")
            if not fits or value in one.operands[1:]:
                return frozenset()
            found.add(one)
            value = one.results[0]
    return frozenset(found)


def _own_places(body: Region, writes: frozenset[Operation], varies: set[Value]) -> bool:
    """Whether each turn writes places of its own: the index itself, or moved by what is the same in all turns, on one axis."""
    origins = {value: one for one in body.operations for value in one.results}

    def moved(value: Value) -> bool:
        one = origins.get(value)
        if one is None or one.name not in ("add", "sub"):
            return value is body.parameters[0]
        x, y = one.operands
        return (x is body.parameters[0] and y not in varies) or (one.name == "add" and y is body.parameters[0] and x not in varies)

    places: dict[Value, Value] = {}
    for one in body.operations:
        if one not in writes:
            continue
        differ = [(axis, value) for axis, value in enumerate(one.operands[1:-1]) if value in varies]
        if len(differ) != 1 or not moved(differ[0][1]):
            return False
        ((axis, value),) = differ
        places[one.results[0]] = places.get(one.operands[0], value)
        kind = one.operands[-1].type
        one_wide = one.name == "update" or (isinstance(kind, Array) and kind.shape[axis] == 1)
        if places[one.results[0]] is not value or not one_wide or not _can_vary(one.operands[-1], varies):
            return False
    return True


def _can_vary(value: Value, varies: Container[Value]) -> bool:
    """Whether a value is the same in all turns, or one that can be kept for several turns."""
    kind = value.type
    if value not in varies:
        return True
    return float_of(value) is not None or (isinstance(kind, Scalar) and kind.dtype not in ("f16", "bf16"))


def _at(one: Operation, varies: set[Value]) -> bool:
    array, *indices = one.operands
    number = isinstance(one.results[0].type, Scalar)
    return number or (float_of(one.results[0]) is not None and (array not in varies or varies.isdisjoint(indices)))


def _update(one: Operation, varies: set[Value]) -> bool:
    _, *indices, value = one.operands
    return float_of(one.results[0]) is not None and (isinstance(value.type, Scalar) or varies.isdisjoint(indices))


def _loop(one: Operation, varies: set[Value]) -> bool:
    return one.operands[0] not in varies and all(value not in varies or can_pack(value) for value in one.results)


def _either(one: Operation, varies: set[Value]) -> bool:
    """Whether both arms of a branch can be gone through if turns part there: nothing in them fails, or reads what only some may."""
    def fine(each: Operation) -> bool:
        row = OPS.get(each.name)
        if each.name == "at":
            return isinstance(each.results[0].type, Scalar) and varies.isdisjoint(each.operands[1:])
        known = each.name in ("constant", "if", "yield") or (row is not None and row.has("elementwise") and not row.has("check"))
        return known and all(isinstance(value.type, Scalar) for value in [*each.operands, *each.results])

    packed = all(can_pack(value) and isinstance(value.type, Scalar) for value in one.results)
    return packed and all(fine(each) for region in one.regions for each in operations_in(region))


_RULES = {
    "at": _at,
    "update": _update,
    "fill": lambda one, varies: isinstance(one.operands[0].type, Scalar) and float_of(one.results[0]) is not None,
    "reshape": lambda one, varies: float_of(one.results[0]) is not None,
    "matmul": lambda one, varies: one.operands[0] not in varies and float_of(one.results[0]) is not None,
    "for": _loop,
    "if": _loop,
    "switch": _loop,
    "accumulate_at": lambda one, varies: _update(one, varies) and isinstance(one.operands[-1].type, Scalar),
}
"""Operations that can be done for several turns, besides those on numbers."""
