"""One op in the backward: the text of a row turned into Core, and contributions to the operands' adjoints.

A rule sees an `OpReversal`: operands and results as available in the backward, cotangents of the results. It answers with
`give(i, value)`, a contribution to operand i, or `into(i, op, ...)`, an op that adds into operand i's destination.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from dynlang.core.build import Builder, number
from dynlang.core.nodes import Atom, Literal, Operation, Variable
from dynlang.diag import InternalError
from dynlang.grad.activity import operand_names
from dynlang.grad.adjoints import Adjoints, Region, as_rows
from dynlang.grad.tangents import array_sizes, dense, is_number
from dynlang.ops import OPS
from dynlang.ops.elementwise import scalar_of
from dynlang.types import ArrayType, RowsType, ScalarType, Type

Environment = Mapping[str, Atom | Sequence[Atom]]

BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "power"}
COMPARE = {ast.Gt: "greater", ast.GtE: "greater_equal", ast.Lt: "less", ast.LtE: "less_equal", ast.Eq: "equal", ast.NotEq: "not_equal"}

# ---------------------------------------------------------------- text of a row


@cache
def parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def mentions(text: str, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(parsed(text)))


class Expressions:
    """Derivative texts of one op as Core; what is computed twice, as in ``x * x``, is computed once."""

    def __init__(self, builder: Builder, environment: Environment, dtype: str) -> None:
        self.builder, self.environment, self.dtype = builder, environment, dtype
        self._made: dict[tuple[str, tuple[Atom, ...]], Atom] = {}

    def value(self, text: str, hint: str = "t") -> Atom:
        """``g * (1.0 - result * result)`` becomes three statements; literals are of the operands' dtype."""
        return self.translate(parsed(text), hint)

    def emit(self, op: str, *arguments: Atom, name: str) -> Atom:
        key = op, arguments
        if key not in self._made:
            self._made[key] = self.builder.operation(op, *arguments, name=name)
        return self._made[key]

    def arguments(self, nodes: Sequence[ast.expr]) -> list[Atom]:
        """Arguments of a call in a text; a starred one stands for several."""
        given: list[Atom] = []
        for one in nodes:
            if isinstance(one, ast.Starred):
                assert isinstance(one.value, ast.Name)
                given += self.environment[one.value.id]  # type: ignore[arg-type]
            else:
                given.append(self.translate(one))
        return given

    def translate(self, node: ast.expr, hint: str = "t") -> Atom:
        match node:
            case ast.Name(name):
                value = self.environment[name]
                assert isinstance(value, (Variable, Literal)), f"{name} stands for several operands"
                return value
            case ast.Constant(value):
                return number(float(value), self.dtype)  # type: ignore[arg-type]
            case ast.UnaryOp(ast.USub(), operand):
                return self.emit("neg", self.translate(operand), name=hint)
            case ast.BinOp(left, operator, right):
                return self.emit(BINARY[type(operator)], self.translate(left), self.translate(right), name=hint)
            case ast.Compare(left, [operator], [right]):
                return self.emit(COMPARE[type(operator)], self.translate(left), self.translate(right), name=hint)
            case ast.Call(ast.Name(name), arguments):
                return self.emit(name, *self.arguments(arguments), name=hint)
        raise InternalError(f"the derivative text has {ast.unparse(node)}")


def environment_of(op: str, arguments: Sequence[Atom], results: Sequence[Atom]) -> dict[str, Atom | Sequence[Atom]]:
    """Operand names and `result` for a row's text; a starred operand is a sequence."""
    found: dict[str, Atom | Sequence[Atom]] = {}
    for name, value in zip(operand_names(op, len(arguments)), arguments, strict=True):
        if name.startswith("*"):
            found.setdefault(name[1:], [])
            found[name[1:]] += [value]  # type: ignore[operator]
        else:
            found[name] = value
    for name in OPS[op].operands:
        if name.startswith("*"):
            found.setdefault(name[1:], [])
    if len(results) == 1:
        found["result"] = results[0]
    return found


def fitted(builder: Builder, value: Atom, kind: Type) -> Atom:
    """A contribution in the shape of its operand: summed for a scalar operand of an array op, spread where a scalar stands for an array."""
    if isinstance(kind, ScalarType) and isinstance(value.type, ArrayType):
        return builder.operation("reduce_sum", value)
    if isinstance(kind, ArrayType) and isinstance(value.type, ScalarType):
        return builder.operation("fill", value, sizes=array_sizes(kind))
    return value


# ---------------------------------------------------------------- what a rule sees


class OpReversal:
    """One operation in the backward."""

    def __init__(
        self,
        region: Region,
        adjoints: Adjoints,
        active: set[str],
        operation: Operation,
        arguments: Sequence[Atom],
        results: Sequence[Atom],
        cotangents: Sequence[Atom | None],
        outputs: Sequence[Variable],
    ) -> None:
        self.region, self.adjoints, self.active = region, adjoints, active
        self.operation, self.arguments, self.results, self.cotangents = operation, arguments, results, cotangents
        self.outputs = outputs

    @property
    def builder(self) -> Builder:
        return self.region.builder

    @property
    def g(self) -> Atom:
        """The cotangent of the first result, which there is."""
        value = self.cotangents[0]
        assert value is not None
        return value

    def operand(self, position: int) -> Atom:
        """The operand of the primal, to ask for its type and adjoint."""
        return self.operation.arguments[position]

    def wants(self, position: int) -> bool:
        operand = self.operand(position)
        return isinstance(operand, Variable) and operand.name in self.active

    def hint(self, position: int) -> str:
        operand = self.operand(position)
        return f"d_{operand.name}" if isinstance(operand, Variable) else "d"

    def give(self, position: int, value: Atom) -> None:
        if self.wants(position):
            operand = self.operand(position)
            if is_number(operand.type):
                value = fitted(self.builder, value, operand.type)
            if is_table(operand.type):
                value = self.rows(operand, value)
            self.adjoints.accumulate(self.region, operand, value, self.active)

    def destination(self, position: int) -> Atom:
        operand = self.operand(position)
        assert isinstance(operand, Variable)
        return self.adjoints.destination(self.region, operand)

    def set_destination(self, position: int, value: Atom) -> None:
        operand = self.operand(position)
        assert isinstance(operand, Variable)
        self.region.adjoints[operand.name] = value

    def into(self, position: int, op: str, *arguments: Atom, **attributes: Any) -> None:
        if not self.wants(position):
            return
        operand = self.operand(position)
        if is_table(operand.type) and not adds_rows(op, arguments):
            zeros = self.builder.zeros(dense(operand.type))
            self.give(position, self.builder.operation(op, zeros, *arguments, **attributes))
            return
        self.set_destination(
            position, self.builder.operation(op, self.destination(position), *arguments, name=self.hint(position), **attributes)
        )

    def rows(self, operand: Atom, value: Atom) -> Atom:
        return rows_of(self.builder, operand, value)


def rows_of(builder: Builder, table: Atom, value: Atom) -> Atom:
    """A dense cotangent of an embedding table as rows: every row of it."""
    if isinstance(value.type, RowsType) or not isinstance(table.type, ArrayType):
        return value
    return as_rows(builder, value, RowsType(scalar_of(table.type), array_sizes(table.type)))


def is_table(kind: Type) -> bool:
    return isinstance(kind, ArrayType) and kind.row_sparse


def adds_rows(op: str, arguments: Sequence[Atom]) -> bool:
    """Whether an accumulation touches whole rows, as `Rows` can hold."""
    return op == "scatter_add" or (op == "accumulate_at" and len(arguments) == 2)
