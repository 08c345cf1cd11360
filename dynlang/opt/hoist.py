"""Scalars that a loop computes anew from the same operands are computed once, before it.

Law: every result is the same; only what can't fail is moved, so no error appears or disappears.

Before:

    func @f(%n: i64, %x: f32) -> (f32) {
      %y: f32 = for %n, %x (%i: i64, %a: f32) {
        %z: f32 = mul %x, %x
        %b: f32 = add %a, %z
        yield %b
      }
      return %y
    }

After:

    func @f(%n: i64, %x: f32) -> (f32) {
      %z: f32 = mul %x, %x
      %y: f32 = for %n, %x (%i: i64, %a: f32) {
        %b: f32 = add %a, %z
        yield %b
      }
      return %y
    }
"""

from __future__ import annotations

from dynlang.ops import OPS
from dynlang.ssa.build import Copier, map_functions, operations_in, with_body
from dynlang.ssa.nodes import Function, Module, Operation, Region, Scalar, Value

EXPENSIVE_TO_HOLD = frozenset({"constant"})
"""Cheaper to make again than to keep; they stand at the top of their function anyway."""


def hoist(module: Module) -> Module:
    return map_functions(module, hoist_function)


def hoist_function(one: Function) -> Function:
    return _Hoisting().function(one) if any(each.name in ("for", "while") for each in operations_in(one.body)) else one


def movable(one: Operation) -> bool:
    row = OPS.get(one.name)
    return (row is not None and row.has("elementwise") and not row.has("check")
            and one.name not in ("floor_division", "floor_modulo")
            and all(isinstance(value.type, Scalar) for value in [*one.operands, *one.results]))


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
    gone, stay = [], []
    for one in region.operations:
        if movable(one) and not any(value in inside for value in one.operands):
            gone.append(one)
        else:
            stay.append(one)
            inside.update(one.results)
    region.operations = stay
    return gone
