"""Sizes of SSA values as polynomials, so that equal sizes are recognised wherever they were computed.

`%m = mul %n, %two` and, elsewhere, `%k = add %n, %n` are both ``2*n``: an `f32[%m]` is an `f32[%k]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dynlang import types
from dynlang.diag import InternalError
from dynlang.ssa.build import Dimension
from dynlang.ssa.nodes import Array, Box, List, Operation, Region, Rows, Scalar, String, Value, ValueType
from dynlang.types import Size

LARGEST_POLYNOMIAL = 64
"""Terms; what is longer is a size of its own, so that no chain of products can make a pass slow."""


class Polynomials:
    """The polynomial of every i64 value, over the values that are no arithmetic of sizes (`roots`)."""

    __slots__ = ("found", "name", "roots")

    def __init__(self, name: Callable[[Value], str] | None = None) -> None:
        self.found: dict[Value, Size] = {}
        self.roots: dict[str, Value] = {}
        self.name = name or (lambda value: f"{value.name}'{len(self.roots)}")

    def visit(self, operation: Operation) -> None:
        """Learn what an operation computes."""
        if len(operation.results) == 1:
            size = self._arithmetic(operation)
            if size is not None and len(size.terms) <= LARGEST_POLYNOMIAL:
                self.found[operation.results[0]] = size

    def visit_all(self, region: Region) -> None:
        for one in region.operations:
            self.visit(one)
            for inner in one.regions:
                self.visit_all(inner)

    def _arithmetic(self, operation: Operation) -> Size | None:
        if operation.results[0].type != _I64:
            return None
        match operation.name:
            case "constant":
                return Size.constant(int(operation.attributes["value"]))  # type: ignore[call-overload]
            case "add":
                return self(operation.operands[0]) + self(operation.operands[1])
            case "sub":
                return self(operation.operands[0]) - self(operation.operands[1])
            case "mul":
                return self(operation.operands[0]) * self(operation.operands[1])
            case "floor_division":
                divisor = self(operation.operands[1]).value
                return self(operation.operands[0]) // divisor if divisor is not None and divisor > 0 else None
        return None

    def __call__(self, size: Dimension) -> Size:
        if isinstance(size, int):
            return Size.constant(size)
        known = self.found.get(size)
        if known is None:
            name = self.name(size)
            self.roots[name] = size
            known = self.found[size] = Size.variable(name)
        return known

    def many(self, sizes: Iterable[Dimension]) -> tuple[Size, ...]:
        return tuple(map(self, sizes))

    def core(self, kind: ValueType) -> types.Type:
        """The type as Core writes it, with polynomials over the roots."""
        match kind:
            case Scalar(dtype):
                return types.ScalarType(dtype)
            case Array(element, shape):
                return types.ArrayType(self.core(element), self.many(shape))
            case Box(name, sizes):
                return types.SumType(name, self.many(sizes))
            case List(elements):
                return types.ListType(tuple(map(self.core, elements)))
            case String():
                return types.StringType()
            case Rows(dtype, shape):
                return types.RowsType(dtype, self.many(shape))
        raise InternalError(f"{kind} is no type of SSA")


_I64 = Scalar("i64")


def row_attributes(operation: Operation, core: Callable[[ValueType], types.Type]) -> dict[str, object]:
    """An operation's attributes as its row wants them: `list_empty` and `empty` have their element types in their result."""
    attributes = dict(operation.attributes)
    kind = operation.results[0].type if operation.name == "list_empty" else None
    if isinstance(kind, List):
        attributes["elements"] = tuple(map(core, kind.elements))
    if operation.name == "empty" and isinstance(operation.results[0].type, Array):
        attributes["element"] = core(operation.results[0].type.element)
    return attributes
