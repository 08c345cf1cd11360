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

from collections.abc import Iterator

from dynlang.ops import OPS
from dynlang.opt.depend import used
from dynlang.opt.drop_unused import must_stay
from dynlang.opt.share import FRESH
from dynlang.ssa.build import Copier, map_functions, operations_in, sizes_of, with_body
from dynlang.ssa.nodes import Array, Box, Function, Module, Operation, Region, Scalar, Value
from dynlang.ssa.ownership import TAKES_ALL

BRANCHES = frozenset({"if", "switch", "for", "yield", "construct", "constant"})
"""What may leave though it is no row of the op table."""
DIVIDES = frozenset({"floor_division", "floor_modulo"})
"""Checked before, and perhaps in the loop."""


def hoist(module: Module) -> Module:
    return map_functions(module, hoist_function)


def hoist_function(one: Function) -> Function:
    return _Hoisting().function(one) if any(each.name in ("for", "while") for each in operations_in(one.body)) else one


class _Hoisting:
    """Loops from the inside out: what leaves an inner loop may leave the outer one too."""

    def __init__(self) -> None:
        self.copier = Copier()

    def function(self, one: Function) -> Function:
        return with_body(one, self.region(one.body), self.copier)

    def region(self, old: Region) -> Region:
        made = Region([self.copier.define(one) for one in old.parameters])
        for one in old.operations:
            copy = self.copier.operation(one, self.region)
            if copy.name in ("for", "while"):
                for region in copy.regions:
                    made.operations += leave(region)
            made.operations.append(copy)
        return made


def leave(region: Region) -> list[Operation]:
    """Take the operations out of a loop's region that depend on nothing inside it."""
    inside: set[Value] = set(region.parameters)
    gone: set[Operation] = set()
    checked = False
    for one in region.operations:
        if (is_scalar(one) or (not checked and is_pure(one))) and inside.isdisjoint(depends(one)):
            gone.add(one)
        else:
            inside.update(one.results)
            checked = checked or any(map(must_stay, each_in(one)))
    call_back(region, gone)
    moved = [one for one in region.operations if one in gone]
    region.operations = [one for one in region.operations if one not in gone]
    return moved


def is_scalar(one: Operation) -> bool:
    """Arithmetic on single numbers, which nothing can make fail."""
    row = OPS.get(one.name)
    return one.name == "constant" or (row is not None and row.has("elementwise") and not row.has("check") and one.name not in DIVIDES
                                      and all(isinstance(value.type, Scalar) for value in [*one.operands, *one.results]))


def is_pure(one: Operation) -> bool:
    """Whether an operation, with those inside it, only makes numbers, arrays of numbers or boxes, and can't fail or go on for ever."""
    def fine(each: Operation) -> bool:
        row = OPS.get(each.name)
        known = each.name in BRANCHES or (row is not None and not row.has("check") and not row.has("effect") and each.name not in DIVIDES)
        return known and all(map(is_plain, each.results))

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


def call_back(region: Region, gone: set[Operation]) -> None:
    """Leave in the loop what the rest of it takes over, what is only made for it, and all that depends on these."""
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

    work = [one for one in reversed(region.operations) if one in gone]
    while work:
        one = work.pop()
        if one in gone and needed_here(one):
            back = [one]
            while back:
                other = back.pop()
                gone.discard(other)
                work += [origin[value] for value in depends(other) if value in origin]
                back += [each for each in users(other) if each in gone]


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
