"""The reference meaning of Core, with NumPy: slow, plain, and what native code is compared with.

Values: scalars are NumPy scalars, arrays NumPy arrays (of `object` where the elements are sums, strings or lists), a sum is a
`SumValue`, a list a Python list of tuples, a string `bytes`, rows a list of (index, row).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dynlang.core.deep import on_deep_stack
from dynlang.core.nodes import (
    Atom,
    Block,
    Call,
    Case,
    Construct,
    For,
    If,
    Let,
    Literal,
    Module,
    Operation,
    Variable,
    While,
)
from dynlang.diag import CompileError, InternalError
from dynlang.diag.running import RunError
from dynlang.ops import OPS
from dynlang.ops.dtypes import NUMPY, round_to_bf16
from dynlang.ops.memory import Failure
from dynlang.source import Span, blamed
from dynlang.types import ArrayType, ScalarType, Size, StringType, Type


class SumValue:
    """A constructor with its fields."""

    __slots__ = ("constructor", "fields")

    def __init__(self, constructor: str, fields: tuple[Any, ...]) -> None:
        self.constructor = constructor
        self.fields = fields

    def copy(self) -> SumValue:
        return self

    def __repr__(self) -> str:
        return f"{self.constructor}({', '.join(map(repr, self.fields))})"


@dataclass
class Counter:
    """What an evaluation cost: operations (the row's cost for each element of result or reduced operand), and what leads from one
    to the next: calls, values constructed, branches taken, trips of loops."""

    operations: float = 0.0
    by_op: dict[str, int] = field(default_factory=dict)
    constructed: int = 0
    calls: int = 0
    branches: int = 0
    trips: int = 0

    @property
    def steps(self) -> float:
        """All of it: the cost on a machine where each of these takes one step."""
        return self.operations + self.constructed + self.calls + self.branches + self.trips

    def count(self, op: str, cost: float, arguments: Sequence[Any], results: Sequence[Any]) -> None:
        self.by_op[op] = self.by_op.get(op, 0) + 1
        self.operations += cost * _work(op, arguments, results)


def _work(op: str, arguments: Sequence[Any], results: Sequence[Any]) -> int:
    """Elements handled: of the larger of operands and results; a contraction multiplies its sizes; in-place rows count what they touch."""
    row = OPS[op]
    if row.has("bilinear"):
        left, right = np.shape(arguments[0]), np.shape(arguments[1])
        return int(np.prod(left, dtype=np.int64) * np.prod(right[1:], dtype=np.int64))
    if row.unit == "matrix":
        inner = int(np.shape(arguments[1])[0]) if op.endswith("_tn") else int(np.prod(np.shape(arguments[1])[1:], dtype=np.int64))
        return int(np.size(arguments[0])) * max(1, inner)
    if row.has("consumes"):
        return sum(int(np.size(one)) for one in arguments[1:] if isinstance(one, (np.ndarray, np.generic))) or 1
    sizes = [int(np.size(one)) for one in results if isinstance(one, np.ndarray)]
    if not sizes and not row.has("elementwise"):
        sizes = [int(np.size(one)) for one in arguments if isinstance(one, np.ndarray)] if op not in ("at",) else []
    return max(sizes, default=1)


def evaluate(module: Module, function: str, arguments: Sequence[Any], counter: Counter | None = None) -> list[Any]:
    """The results of a function. Deep recursion is allowed: it runs on a thread with a large stack.

    A failed check raises `CompileError` with a `RunError` that carries the source place."""

    def run() -> list[Any]:
        with np.errstate(all="ignore"):
            machine = _Machine(module, counter)
            places = module.functions[function].parameters
            return list(machine.call(function, [value_of(one, place.type) for one, place in zip(arguments, places, strict=True)]))

    return on_deep_stack(run, 1_000_000)


def value_of(value: Any, kind: Type) -> Any:
    """A host value in the representation of a type: Python numbers and lists become NumPy's."""
    match kind:
        case ScalarType(dtype):
            made = np.dtype(NUMPY[dtype]).type(value)
            return round_to_bf16(made)[()] if dtype == "bf16" else made
        case ArrayType(ScalarType(dtype), _):
            made = np.asarray(value, NUMPY[dtype])
            return round_to_bf16(made) if dtype == "bf16" else made
        case ArrayType():
            return value if isinstance(value, np.ndarray) else object_array(value)
        case StringType():
            return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        case _:
            return value


def object_array(items: Sequence[Any]) -> np.ndarray:
    made = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        made[position] = item
    return made


class _Machine:
    def __init__(self, module: Module, counter: Counter | None) -> None:
        self.module = module
        self.counter = counter

    def call(self, name: str, arguments: Sequence[Any]) -> list[Any]:
        function = self.module.functions.get(name)
        if function is None:
            raise InternalError(f"the interpreter finds no function {name}")
        if self.counter:
            self.counter.calls += 1
        values = {place.name: value for place, value in zip(function.parameters, arguments, strict=True)}
        return self.block(function.body, values)

    def block(self, block: Block, values: dict[str, Any]) -> list[Any]:
        """Names are unique in a function, so one dictionary serves all its blocks."""
        for statement in block.statements:
            found = self.right(statement, values)
            for variable, value in zip(statement.variables, found, strict=True):
                values[variable.name] = value
        return [self.atom(one, values) for one in block.results]

    def atom(self, atom: Atom, values: Mapping[str, Any]) -> Any:
        if isinstance(atom, Variable):
            return values[atom.name]
        return _literal(atom)

    def atoms(self, atoms: Sequence[Atom], values: Mapping[str, Any]) -> list[Any]:
        return [values[one.name] if isinstance(one, Variable) else _literal(one) for one in atoms]

    def right(self, statement: Let, values: dict[str, Any]) -> Sequence[Any]:
        right = statement.right
        match right:
            case Operation():
                return self.operation(right, statement, values)
            case Call(function, arguments):
                try:
                    return self.call(function, self.atoms(arguments, values))
                except CompileError as error:
                    raise at_caller(error, statement.span) from None
            case Construct(_, constructor, arguments):
                if self.counter:
                    self.counter.constructed += 1
                return (SumValue(constructor, tuple(self.atoms(arguments, values))),)
            case Case(scrutinee, arms):
                if self.counter:
                    self.counter.branches += 1
                value = self.atom(scrutinee, values)
                arm = next(one for one in arms if one.constructor == value.constructor)
                values.update((place.name, one) for place, one in zip(arm.fields, value.fields, strict=True))
                return self.block(arm.body, values)
            case If(condition, then, otherwise):
                if self.counter:
                    self.counter.branches += 1
                return self.block(then if self.atom(condition, values) else otherwise, values)
            case For(index, count, carried, initial, body):
                return self.loop(index, int(self.atom(count, values)), carried, self.atoms(initial, values), body, values)
            case While(carried, initial, condition, body):
                return self.while_loop(carried, self.atoms(initial, values), condition, body, values)
        raise InternalError(f"the interpreter meets a {type(right).__name__}: derivatives are answered before", statement.span)

    def loop(self, index: Variable, count: int, carried: Sequence[Variable], current: list[Any], body: Block,
             values: dict[str, Any]) -> list[Any]:
        for trip in range(count):
            values[index.name] = np.int64(trip)
            values.update((place.name, one) for place, one in zip(carried, current, strict=True))
            current = self.block(body, values)
        if self.counter:
            self.counter.trips += count
        return current

    def while_loop(self, carried: Sequence[Variable], current: list[Any], condition: Block, body: Block,
                   values: dict[str, Any]) -> list[Any]:
        while True:
            values.update((place.name, one) for place, one in zip(carried, current, strict=True))
            if not self.block(condition, values)[0]:
                return current
            current = self.block(body, values)
            if self.counter:
                self.counter.trips += 1

    def operation(self, operation: Operation, statement: Let, values: Mapping[str, Any]) -> Sequence[Any]:
        row = OPS[operation.op]
        arguments = self.atoms(operation.arguments, values)
        sizes = tuple(size_value(size, values) for size in operation.sizes)
        if any(size < 0 for size in sizes):
            negative = next(size for size in zip(operation.sizes, sizes, strict=True) if size[1] < 0)
            raise failed(f"the size {negative[0]} is {negative[1]}", statement.span)
        try:
            found = row.mean(np, arguments, dict(operation.attributes), sizes, first_dtype(operation))
        except Failure as error:
            raise failed(str(error), statement.span) from None
        results = found if isinstance(found, tuple) else (found,)
        if self.counter:
            self.counter.count(operation.op, row.cost, arguments, results)
        return [represented(one, place.type) for one, place in zip(results, statement.variables, strict=True)]


def first_dtype(operation: Operation) -> str | None:
    """The dtype of the numbers in the first operand, if there are any."""
    kind = operation.arguments[0].type if operation.arguments else None
    kind = kind.element if isinstance(kind, ArrayType) else kind
    return kind.dtype if isinstance(kind, ScalarType) else None


def at_caller(error: CompileError, call: Span | None) -> CompileError:
    """The error of a call, where it belongs (`source.blamed`)."""
    return CompileError([replace(one, span=blamed(one.span, call)) for one in error.diagnostics])


def failed(text: str, span: Span | None) -> CompileError:
    return CompileError(RunError(text, span))


def size_value(size: Size, values: Mapping[str, Any]) -> int:
    constant = size.value
    return constant if constant is not None else int(size.evaluate({name: int(values[name]) for name in size.variables()}))


def represented(value: Any, kind: Type) -> Any:
    """A result of NumPy in the representation of its type: no 0-d arrays, the declared dtype, bf16 rounded."""
    if isinstance(kind, ScalarType):
        made = np.dtype(NUMPY[kind.dtype]).type(value)
        return round_to_bf16(made)[()] if kind.dtype == "bf16" else made
    if isinstance(kind, ArrayType) and isinstance(kind.element, ScalarType):
        made = np.asarray(value, NUMPY[kind.element.dtype])
        return round_to_bf16(made) if kind.element.dtype == "bf16" else made
    return value


def _literal(literal: Literal) -> Any:
    match literal.type:
        case ScalarType(dtype):
            made = np.asarray(literal.value).astype(NUMPY[dtype])[()]
            return round_to_bf16(made)[()] if dtype == "bf16" else made
        case _:
            return str(literal.value).encode("utf-8", "surrogateescape")
