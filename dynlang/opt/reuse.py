"""An elementwise loop writes over an operand that dies in it.

Law: every result is the same, and so is every count. The loop owns such an operand (attribute `reuse`: pairs of result and
operand). If its count is one when the program runs, the result takes its block, else a new one, and the reference is
released. An element is read before the same element is written, so an operand read at an offset is never reused, nor
written while another input reads a piece of it.

Before:

    func @f(%x: f32[4], %g: f32[4], %r: f32) -> (f32[4]) with {owned = [0]} {
      %s: f32[4] = mul %g, %r
      %y: f32[4] = sub %x, %s
      release %x
      release %s
      return %y
    }

After:

    func @f(%x: f32[4], %g: f32[4], %r: f32) -> (f32[4]) with {owned = [0]} {
      %s: f32[4] = mul %g, %r
      %y: f32[4] = sub %x, %s {reuse = [[0, 0]]}
      release %s
      return %y
    }
"""

from __future__ import annotations

from dynlang.ops import OPS
from dynlang.ssa.build import fused_offsets, map_functions
from dynlang.ssa.nodes import Array, Function, Module, Operation, Region, Scalar, Value
from dynlang.ssa.shapes import Polynomials


def reuse(module: Module) -> Module:
    return map_functions(module, lambda function: _Reusing(function).run())


class _Reusing:
    """Values are shared with the old function, operations and regions are new."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.sizes = Polynomials()
        self.sizes.visit_all(function.body)

    def run(self) -> Function:
        one = self.function
        return Function(one.name, self.region(one.body), one.results, one.owned, one.recursive, one.sizes, one.inout, one.export,
                        one.parameter_labels, one.result_labels, one.documentation, one.span)

    def region(self, old: Region) -> Region:
        made = Region(old.parameters)
        position = 0
        while position < len(old.operations):
            one = old.operations[position]
            position += 1
            behind = position
            while behind < len(old.operations) and old.operations[behind].name == "release":
                behind += 1
            dying = {each.operands[0] for each in old.operations[position:behind]}
            pairs = self.pairs(one, dying) if dying and is_loop(one) else ()
            attributes = {**one.attributes, "reuse": pairs} if pairs else one.attributes
            regions = one.regions if one.name == "fused" else [self.region(inner) for inner in one.regions]
            made.operations.append(Operation(one.name, one.operands, one.results, attributes, regions, one.sizes, one.span))
            taken = {one.operands[operand] for _, operand in pairs}
            made.operations += [each for each in old.operations[position:behind] if each.operands[0] not in taken]
            position = behind
        return made

    def pairs(self, one: Operation, dying: set[Value]) -> tuple[tuple[int, int], ...]:
        """Which result takes the block of which operand."""
        offsets = fused_offsets(one) if one.name == "fused" else (None,) * len(one.operands)
        in_pieces = {value for value, place in zip(one.operands, offsets, strict=False) if place is not None}
        found: list[tuple[int, int]] = []
        taken: set[Value] = set()
        for position, result in enumerate(one.results):
            for operand, place in enumerate(offsets):
                value = one.operands[operand]
                free = value in dying and value not in in_pieces and value not in taken
                if place is None and free and self.same_block(value, result):
                    found.append((position, operand))
                    taken.add(value)
                    break
        return tuple(found)

    def same_block(self, one: Value, other: Value) -> bool:
        if not isinstance(one.type, Array) or not isinstance(other.type, Array) or one.type.element != other.type.element:
            return False
        return self.sizes.many(one.type.shape) == self.sizes.many(other.type.shape)


def is_loop(one: Operation) -> bool:
    """Elementwise over arrays of numbers."""
    row = OPS.get(one.name)
    if one.name != "fused" and (row is None or not row.has("elementwise")):
        return False
    return any(isinstance(value.type, Array) and isinstance(value.type.element, Scalar) for value in one.results)
