"""What a loop computes anew from the same operands is computed once, before it.

Law: every result is the same; only what can't fail is moved, so no error appears or disappears, and nothing that reads an
array moves in front of a check, which may be what makes it safe. Whole arrays, branches and inner loops leave, too, but
not what the loop goes on to write: each turn needs its own.

Before:

    func @f(%n: i64, %x: f32, %w: f32[4]) -> (f32, f32[4]) {
      %zero: f32 = constant {value = 0.0}
      %y: f32, %s: f32[4] = for %n, %x, %w (%i: i64, %a: f32, %v: f32[4]) {
        %z: f32 = mul %x, %x
        %e: f32[4] = exp %w
        %d: f32[4] = fill %zero sizes [4]
        %u: f32[4] = update %d, %i, %a
        %b: f32 = dot %e, %u
        %t: f32 = add %z, %b
        yield %t, %u
      }
      return %y, %s
    }

After:

    func @f(%n: i64, %x: f32, %w: f32[4]) -> (f32, f32[4]) {
      %zero: f32 = constant {value = 0.0}
      %z: f32 = mul %x, %x
      %e: f32[4] = exp %w
      %y: f32, %s: f32[4] = for %n, %x, %w (%i: i64, %a: f32, %v: f32[4]) {
        %d: f32[4] = fill %zero sizes [4]
        %u: f32[4] = update %d, %i, %a
        %b: f32 = dot %e, %u
        %t: f32 = add %z, %b
        yield %t, %u
      }
      return %y, %s
    }
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dynlang.ops import OPS
from dynlang.opt.depend import used
from dynlang.opt.drop_unused import drop_unused, must_stay
from dynlang.opt.share import FRESH
from dynlang.opt.take import substitute
from dynlang.ssa.build import I64, Copier, map_functions, operations_in, sizes_of, with_body
from dynlang.ssa.nodes import Array, Box, Function, Module, Operation, Region, Scalar, Value
from dynlang.ssa.ownership import TAKES_ALL

MOST_LOOKED_AT = 5000
"""Values that an inner loop carries, times its operations: each value is looked at by itself."""
BRANCHES = frozenset({"if", "switch", "for", "yield", "construct", "constant"})
"""What may leave though it is no row of the op table."""
CHECKS = frozenset({"check", "check_index"})
DIVIDES = frozenset({"floor_division", "floor_modulo"})
"""Checked before, and perhaps in the loop."""


@dataclass(frozen=True, slots=True)
class May:
    """What may leave a loop besides what can't fail: checks, and calls of some functions."""

    checks: bool
    calls: frozenset[str]


def hoist(module: Module) -> Module:
    safe, fails = pure_functions(module, False), pure_functions(module, True)
    return map_functions(module, lambda one: _Hoisting(safe, fails).function(one) if has_loops(one) else one)


def has_loops(one: Function) -> bool:
    return any(each.name in ("for", "while") for each in operations_in(one.body))


def pure_functions(module: Module, checks: bool) -> May:
    """The functions whose calls are pure: they end, take over nothing, and do nothing but what is pure."""
    found: set[str] = set()
    changed = True
    while changed:
        may = May(checks, frozenset(found))
        more = {name for name, one in module.functions.items() if name not in found and not one.recursive and not one.owned
                and all(is_pure(each, may) for each in one.body.operations[:-1])}
        found |= more
        changed = bool(more)
    return May(checks, frozenset(found))


class _Hoisting:
    """Loops from the inside out: what leaves an inner loop may leave the outer one too.

    `safe`, `fails`: what may leave any loop, and one that has a turn at least."""

    def __init__(self, safe: May, fails: May) -> None:
        self.safe = safe
        self.fails = fails
        self.copier = Copier()
        self.constants: dict[Value, object] = {}

    def function(self, one: Function) -> Function:
        return with_body(one, self.region(one.body), self.copier)

    def region(self, old: Region) -> Region:
        made = Region([self.copier.define(one) for one in old.parameters])
        for one in old.operations:
            copy = self.copier.operation(one, self.region)
            if copy.name == "constant":
                self.constants[copy.results[0]] = copy.attributes["value"]
            if copy.name in ("for", "while"):
                turns = self.constants.get(copy.operands[0]) if copy.name == "for" else 0
                for region in copy.regions:
                    made.operations += leave(region, self.fails if isinstance(turns, int) and turns > 0 else self.safe)
            made.operations.append(copy)
        return made


def leave(region: Region, may: May) -> list[Operation]:
    """Take the operations out of a loop's region that depend on nothing inside it.

    A loop that has one turn at least fails at the first check of its first turn that fails: such a check may leave."""
    inside: set[Value] = set(region.parameters)
    gone: set[Operation] = set()
    made: list[Operation] = []
    replacements: dict[Value, Value] = {}
    proven: dict[Operation, list[Operation]] = {}
    checked = False
    for place, one in enumerate(region.operations):
        if replacements:
            substitute(one, replacements)
        pure = is_scalar(one) or (not checked and is_pure(one, may))
        if pure and inside.isdisjoint(depends(one)):
            gone.add(one)
        else:
            part = steady_part(one, inside, made, region.operations[place + 1:], replacements) if pure and one.name == "for" else []
            made += part
            gone.update(part)
            inside.update(one.results)
            proven[one] = part
            checked = checked or (not part and any(map(must_stay, each_in(one))))
        made.append(one)
    region.operations = made
    call_back(region, gone, proven)
    moved = [one for one in region.operations if one in gone]
    region.operations = [one for one in region.operations if one not in gone]
    return moved


def steady_part(one: Operation, inside: set[Value], before: list[Operation], behind: list[Operation],
                replacements: dict[Value, Value]) -> list[Operation]:
    """Of an inner loop, what it computes in each turn of the outer one anew: a loop of its own for those of its values that depend on
    nothing inside. A loop that carries values and their tangents is such a one, where the tangent's direction is what changes.

    `replacements` learns which results are those of the new loop."""
    origin = {value: each for each in before for value in each.results}
    made_here = {value for each in each_in(one) for value in each.results}
    made_here.update(value for each in each_in(one) for region in each.regions for value in region.parameters)
    free = [value for value in depends(one) if value not in made_here]
    if inside.isdisjoint(free) or len(one.results) * sum(1 for _ in each_in(one)) > MOST_LOOKED_AT:
        return []

    def part(places: list[int]) -> Function:
        body = Region(list(free), [one, Operation("return", [one.results[place] for place in places], [])])
        return drop_unused(Module({}, {"part": Function("part", body, [one.results[place] for place in places])})).functions["part"]

    def steady(place: int) -> bool:
        result, start = one.results[place], one.operands[place + 1]
        if not is_plain(result) or result.type == I64 or (result.counted and taken_behind(result, behind)):
            return False
        if start in origin and start.counted and origin[start].name not in FRESH:
            return False
        alone = part([place])
        needed = {value for each in operations_in(alone.body) for value in depends(each)}
        return all(old not in inside for old, new in zip(free, alone.parameters, strict=True) if new in needed)

    places = [place for place in range(len(one.results)) if steady(place)]
    if not places or len(places) == len(one.results):
        return []
    found = part(places)
    copier = Copier(dict(zip(found.parameters, free, strict=True)))
    fresh: list[Operation] = []
    for value in found.body.operations[0].operands[1:]:
        maker = origin.get(copier(value))
        if maker is not None and maker.name in FRESH and value.counted:
            fresh.append(Copier().operation(maker))
            copier.replacements[value] = fresh[-1].results[0]
    loops = [copier.operation(each) for each in found.body.operations[:-1]]
    copier.finish()
    replacements.update(zip([one.results[place] for place in places], copier.many(found.body.operations[-1].operands), strict=True))
    return [*fresh, *loops]


def is_scalar(one: Operation) -> bool:
    """Arithmetic on single numbers, which nothing can make fail."""
    row = OPS.get(one.name)
    return one.name == "constant" or (row is not None and row.has("elementwise") and not row.has("check") and one.name not in DIVIDES
                                      and all(isinstance(value.type, Scalar) for value in [*one.operands, *one.results]))


def is_pure(one: Operation, may: May) -> bool:
    """Whether an operation, with those inside it, only makes numbers, arrays of numbers or boxes, can't go on for ever, and fails at
    most as it may."""
    def fine(each: Operation) -> bool:
        row = OPS.get(each.name)
        known = each.name in BRANCHES or (row is not None and not row.has("check") and not row.has("effect") and each.name not in DIVIDES)
        allowed = each.attributes.get("function") in may.calls if each.name == "call" else may.checks and each.name in CHECKS
        return (known or allowed) and all(map(is_plain, each.results))

    return one.name != "yield" and all(map(fine, each_in(one)))


def is_plain(value: Value) -> bool:
    kind = value.type
    return isinstance(kind, (Scalar, Box)) or (isinstance(kind, Array) and isinstance(kind.element, Scalar))


def each_in(one: Operation) -> Iterator[Operation]:
    """An operation and those inside it."""
    yield one
    for region in one.regions:
        yield from operations_in(region)


def depends(one: Operation) -> set[Value]:
    """What must stand before an operation: what it uses, the sizes of what it makes."""
    return used(one) | {size for value in one.results for size in sizes_of(value.type)}


def call_back(region: Region, gone: set[Operation], proven: Mapping[Operation, list[Operation]]) -> None:
    """Leave in the loop what the rest of it takes over, what is only made for it, and all that depends on these.

    `proven`: for what stays, what made its checks before the loop."""
    origin = {value: one for one in region.operations for value in one.results}
    uses: dict[Value, list[Operation]] = {}
    for one in region.operations:
        for value in depends(one):
            uses.setdefault(value, []).append(one)

    def users(one: Operation) -> list[Operation]:
        return [each for value in one.results for each in uses.get(value, ())]

    def needed_here(one: Operation) -> bool:
        made_for_others = one.name in FRESH or one.name == "constant"
        counted = {value for value in one.results if value.counted}
        return (made_for_others and gone.isdisjoint(users(one))) or any(takes(each, counted) for each in users(one) if each not in gone)

    def bring_back(one: Operation) -> None:
        back = [one]
        while back:
            other = back.pop()
            gone.discard(other)
            work.extend(origin[value] for value in depends(other) if value in origin)
            back += [each for each in users(other) if each in gone]

    work = [one for one in reversed(region.operations) if one in gone]
    while work:
        while work:
            one = work.pop()
            if one in gone and needed_here(one):
                bring_back(one)
        for one in in_front_of_a_check(region, gone, proven):
            bring_back(one)


def in_front_of_a_check(region: Region, gone: set[Operation], proven: Mapping[Operation, list[Operation]]) -> list[Operation]:
    """What left though a check before it stayed."""
    checked, found = False, []
    for one in region.operations:
        if one in gone:
            found += [one] * (checked and not is_scalar(one))
        elif any(map(must_stay, each_in(one))):
            part = proven.get(one)
            checked = checked or not part or not gone.issuperset(part)
    return found


def taken_behind(value: Value, behind: list[Operation]) -> bool:
    """Whether operations may write a value, under this name or as an array of other sizes."""
    names = {value}
    for one in behind:
        if one.name == "reshape" and one.operands[0] in names:
            names.update(one.results)
        elif takes(one, names):
            return True
    return False


def takes(one: Operation, values: set[Value]) -> bool:
    """Whether an operation may write one of the values, keep it, or hand it on."""
    if not values:
        return False
    row = OPS.get(one.name)
    taking = one.name in TAKES_ALL or one.name in ("call", "reshape") or (row is not None and row.has("consumes"))
    if taking and any(value in values for value in one.operands):
        return True
    if one.name == "switch" and one.operands[0] in values:
        values = values | {value for region in one.regions for value in region.parameters if value.counted}
    return any(takes(each, values) for region in one.regions for each in region.operations)
