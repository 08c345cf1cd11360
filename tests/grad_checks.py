"""Builds Core by hand, and checks derivatives of it: differences, and the dot product with forward mode."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from complex_step import STEP, evaluate_complex
from dynlang.core.build import Builder, Scope, Signature, integer, number
from dynlang.core.evaluate import Counter, SumValue, evaluate
from dynlang.core.nodes import (
    Arm,
    Atom,
    Block,
    Case,
    Constructor,
    For,
    Function,
    If,
    Jvp,
    Let,
    Module,
    SumDeclaration,
    Variable,
    Vjp,
    While,
)
from dynlang.core.verify import verify
from dynlang.core.walk import Names
from dynlang.grad import differentiate
from dynlang.grad.engine import Engine
from dynlang.grad.tangents import Tangents
from dynlang.types import BOOL, F64, INT, ArrayType, ListType, RowsType, ScalarType, Size, SumType, Type

Value = Any
_numbers = [np.random.default_rng(1)]


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Every test begins with the same random numbers, alone or among others."""
    _numbers[0] = np.random.default_rng(1)


def random(*shape: int) -> np.ndarray:
    return _numbers[0].standard_normal(shape) * 0.5


def random_indices(n: int, count: int | None = None) -> np.ndarray:
    return _numbers[0].integers(n, size=n if count is None else count)


def size(text: str | int) -> Size:
    """A size from a name, a number or a product of them: ``3*d``."""
    total = Size.constant(1)
    for part in str(text).split("*"):
        total = total * (Size.constant(int(part)) if part.isdigit() else Size.variable(part))
    return total


def array(*shape: str | int, table: bool = False) -> ArrayType:
    return ArrayType(F64, tuple(map(size, shape)), table)


class Program:
    """A module under construction."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self.sums: dict[str, SumDeclaration] = {}
        self.signatures: dict[str, Signature] = {}
        self.scope = Scope(lambda name: self.signatures[name], lambda name: self.sums[name])

    @property
    def module(self) -> Module:
        return Module(self.sums, self.functions)

    def sum(self, name: str, sizes: Sequence[str], **constructors: dict[str, Any]) -> SumType:
        self.sums[name] = SumDeclaration(
            name,
            tuple(sizes),
            tuple(
                Constructor(constructor, tuple(Variable(field, kind) for field, kind in fields.items()))
                for constructor, fields in constructors.items()
            ),
        )
        return SumType(name, tuple(map(Size.variable, sizes)))

    def function(
        self,
        name: str,
        sizes: Sequence[str],
        parameters: Mapping[str, Type],
        results: Mapping[str, Type],
        body: Callable[..., Any],
        **options: Any,
    ) -> str:
        places = tuple([Variable(one, INT) for one in sizes] + [Variable(one, kind) for one, kind in parameters.items()])
        outputs = tuple(Variable(one, kind) for one, kind in results.items())
        self.signatures[name] = Signature(places, outputs)
        writer = Writer(Builder(Names([one.name for one in (*places, *outputs)]), self.scope))
        found = body(writer, *places)
        atoms = (found,) if not isinstance(found, (tuple, list)) else tuple(found)
        self.functions[name] = Function(name, places, outputs, writer.builder.block(*atoms), len(sizes), **options)
        return name


class Writer:
    """Short names for writing Core by hand: ``w.tanh(x)`` is an op, ``w.call("f", x)`` a call."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def __getattr__(self, op: str) -> Callable[..., Variable]:
        def emit(*arguments: Atom | int | float, sizes: Sequence[str | int | Size] = (), name: str = "t", **attributes: Any) -> Variable:
            return self.builder.operation(
                op, *map(atom, arguments), sizes=[one if isinstance(one, Size) else size(one) for one in sizes], name=name, **attributes
            )

        return emit

    def many(self, op: str, *arguments: Atom, **attributes: Any) -> tuple[Variable, ...]:
        return self.builder.operations(op, *arguments, **attributes)

    def call(self, function: str, *arguments: Atom | int | float) -> Any:
        found = self.builder.call(function, *map(atom, arguments))
        return found[0] if len(found) == 1 else found

    def construct(self, kind: SumType, constructor: str, *arguments: Atom | float) -> Variable:
        return self.builder.construct(kind, constructor, *map(atom, arguments))

    def case(self, scrutinee: Variable, results: Sequence[Type], **arms: Callable[..., Any]) -> Any:
        kind = scrutinee.type
        assert isinstance(kind, SumType)
        declaration = self.builder.scope.sum(kind.name)
        sizes = dict(zip(declaration.sizes, kind.arguments, strict=True))
        from dynlang.core.sizes import rename_telescope

        made = []
        for constructor in declaration.constructors:
            fields = rename_telescope(constructor.fields, self.builder.names.fresh, sizes, {})  # type: ignore[arg-type]
            made.append(Arm(constructor.name, fields, self.block(arms[constructor.name], *fields)))
        return self.bind(Case(scrutinee, tuple(made)), results)

    def branch(self, condition: Atom, results: Sequence[Type], then: Callable[[Writer], Any], otherwise: Callable[[Writer], Any]) -> Any:
        return self.bind(If(condition, self.block(then), self.block(otherwise)), results)

    def loop(self, count: Atom | int, initial: Sequence[Atom | float], body: Callable[..., Any]) -> Any:
        starts = tuple(map(atom, initial))
        index = Variable(self.builder.names.fresh("i"), INT)
        carried = tuple(Variable(self.builder.names.fresh("p"), one.type) for one in starts)
        right = For(index, atom(count), carried, starts, self.block(body, index, *carried))
        return self.bind(right, [one.type for one in carried])

    def until(self, initial: Sequence[Atom | float], condition: Callable[..., Any], body: Callable[..., Any]) -> Any:
        starts = tuple(map(atom, initial))
        carried = tuple(Variable(self.builder.names.fresh("p"), one.type) for one in starts)
        right = While(carried, starts, self.block(condition, *carried), self.block(body, *carried))
        return self.bind(right, [one.type for one in carried])

    def block(self, body: Callable[..., Any], *given: Atom) -> Block:
        inner = Writer(self.builder.inside())
        found = body(inner, *given)
        atoms = tuple(map(atom, found if isinstance(found, (tuple, list)) else (found,)))
        return inner.builder.block(*atoms)

    def bind(self, right: Any, kinds: Sequence[Type]) -> Any:
        found = self.builder.bind(right, [Variable("r", kind) for kind in kinds])
        return found[0] if len(found) == 1 else found


def atom(value: Any) -> Atom:
    if isinstance(value, int):
        return integer(value)
    return number(value, "f64") if isinstance(value, float) else value


# ---------------------------------------------------------------- requests


def with_requests(module: Module, name: str, wrt: Sequence[int], forward: bool = True) -> tuple[Module, str, str | None]:
    """Adds ``vjp_f(args, cotangents)`` and ``jvp_f(args, tangents)``, and differentiates."""
    engine = Engine(module)
    tangents, target = engine.tangents, module.functions[name]
    active = tuple(k in wrt for k in range(len(target.parameters)))
    on = engine.activity.results(name, active)
    names = Names([one.name for one in (*target.parameters, *target.results)])
    functions = dict(module.functions)
    cotangents = tuple(
        Variable(names.fresh(f"ct_{one.name}"), tangents.of(one.type)) if yes else None for one, yes in zip(target.results, on, strict=True)
    )
    extra_sizes = [one for one in target.results if one.type == INT and any(one.name in str(c.type) for c in cotangents if c is not None)]
    assert not extra_sizes, "results of unknown size are checked through a function that sums them"
    gradients = tuple(Variable(names.fresh(f"g_{target.parameters[k].name}"), tangents.of(target.parameters[k].type)) for k in wrt)
    reverse_name, forward_name = f"check_vjp_{name}", f"check_jvp_{name}"
    functions[reverse_name] = _request(
        target,
        reverse_name,
        tuple(one for one in cotangents if one is not None),
        gradients,
        Vjp(name, target.parameters, tuple(wrt), cotangents),
        names,
    )
    if forward:
        given = tuple(
            Variable(names.fresh(f"dx_{one.name}"), tangents.of(one.type)) if k in wrt else None for k, one in enumerate(target.parameters)
        )
        made = tuple(Variable(names.fresh(f"dy_{one.name}"), tangents.of(one.type)) for one in target.results if tangents.carries(one.type))
        functions[forward_name] = _request(
            target, forward_name, tuple(one for one in given if one is not None), made, Jvp(name, target.parameters, given), names
        )
    made_module = differentiate(Module(engine.state.sums, functions))
    verify(made_module)
    return made_module, reverse_name, forward_name if forward else None


def _request(
    target: Function, name: str, extra: tuple[Variable, ...], made: tuple[Variable, ...], request: Vjp | Jvp, names: Names
) -> Function:
    results = tuple(Variable(names.fresh(one.name), one.type) for one in target.results)
    return Function(
        name, (*target.parameters, *extra), (*results, *made), Block((Let((*results, *made), request),), (*results, *made)), target.sizes
    )


# ---------------------------------------------------------------- tangent values


class Space:
    """Vectors of a tangent type, as values of the evaluator."""

    def __init__(self, module: Module, seed: int = 0) -> None:
        self.engine = Engine(module)
        self.tangents: Tangents = self.engine.tangents
        self.random = np.random.default_rng(seed)

    def vector(self, value: Value, kind: Type, lazy_owner: str | None = None) -> Value:
        """A random tangent at a value."""
        match kind:
            case ScalarType():
                return self.random.standard_normal()
            case ArrayType(_, _, True):
                return [(k, self.random.standard_normal(np.shape(row))) for k, row in enumerate(value)]
            case ArrayType(ScalarType(), _):
                return self.random.standard_normal(np.shape(value))
            case ArrayType(element, _):
                made = np.empty(len(value), object)
                for k, one in enumerate(value):
                    made[k] = self.vector(one, element)
                return made
            case RowsType():
                return [(index, self.random.standard_normal(np.shape(row))) for index, row in value]
            case ListType(elements):
                return [
                    tuple(self.vector(part, element) for part, element in zip(one, elements, strict=True) if self.tangents.carries(element))
                    for one in value
                ]
            case SumType(name, _):
                return self.sum_vector(value, name)
        raise AssertionError(kind)

    def sum_vector(self, value: SumValue, name: str) -> SumValue:
        declaration = self.engine.state.sums[name].constructor(value.constructor)
        fields = []
        for one in self.tangents.fields(name, value.constructor):
            field, kind = value.fields[one.position], declaration.fields[one.position].type
            if not one.active:
                fields.append(field)
                continue
            made, wanted = self.vector(field, kind), self.tangents.field(kind, name)
            fields.append(
                SumValue(self.tangents.value_constructor(wanted), (made,))
                if isinstance(wanted, SumType) and self.tangents.is_lazy(wanted) and not self.tangents.is_lazy(kind)
                else made
            )
        return SumValue(self.tangents.constructor(name, value.constructor), tuple(fields))

    def is_zero(self, value: Value) -> bool:
        return isinstance(value, SumValue) and value.constructor in self.tangents.zero_of.values()

    def held(self, value: Value) -> Value:
        lazy = {self.engine.state.sums[name].constructors[1].name for name in self.tangents.lazy_of}
        return value.fields[0] if isinstance(value, SumValue) and value.constructor in lazy else value

    def inner(self, left: Value, right: Value) -> float:
        if self.is_zero(left) or self.is_zero(right):
            return 0.0
        left, right = self.held(left), self.held(right)
        if isinstance(left, SumValue):
            return sum(self.inner(a, b) for a, b in zip(left.fields, right.fields, strict=True) if not isinstance(a, (int, np.integer)))
        if (
            isinstance(left, list)
            and left
            and isinstance(left[0], tuple)
            and len(left[0]) == 2
            and isinstance(left[0][0], (int, np.integer))
        ):
            dense = self.dense(right)
            return sum(np.sum(row * dense[index]).item() for index, row in left if index in dense)
        if isinstance(left, list):
            return sum(self.inner(a, b) for x, y in zip(left, right, strict=True) for a, b in zip(x, y, strict=True))
        if isinstance(left, np.ndarray) and left.dtype == object:
            return sum(self.inner(a, b) for a, b in zip(left, right, strict=True))
        return np.sum(np.asarray(left) * np.asarray(right)).item()

    @staticmethod
    def dense(rows: list[tuple[int, Any]]) -> dict[int, Any]:
        found: dict[int, Any] = {}
        for index, row in rows:
            found[int(index)] = found.get(int(index), 0.0) + row
        return found

    def move(self, value: Value, along: Value, step: complex, kind: Type) -> Value:
        """value + step * along."""
        if self.is_zero(along) or not self.tangents.carries(kind):
            return value
        match kind:
            case ArrayType(_, _, True):
                made = np.array(value, np.result_type(value, step))
                for index, row in along:
                    made[index] += step * row
                return made
            case ScalarType():
                return value + step * self.held(along)
            case ArrayType(ScalarType(), _):
                return value + step * self.held(along)
            case ArrayType(element, _):
                made = np.empty(len(value), object)
                for k, (one, d) in enumerate(zip(value, self.held(along), strict=True)):
                    made[k] = self.move(one, d, step, element)
                return made
            case ListType(elements):
                return [self._move_element(one, d, step, elements) for one, d in zip(value, self.held(along), strict=True)]
            case SumType(name, _):
                declaration = self.engine.state.sums[name].constructor(value.constructor)
                fields = list(value.fields)
                for one, d in zip(self.tangents.fields(name, value.constructor), along.fields, strict=True):
                    if one.active:
                        fields[one.position] = self.move(fields[one.position], d, step, declaration.fields[one.position].type)
                return SumValue(value.constructor, tuple(fields))
        raise AssertionError(kind)

    def _move_element(self, one: tuple[Value, ...], d: tuple[Value, ...], step: complex, elements: tuple[Type, ...]) -> tuple[Value, ...]:
        rest = iter(d)
        return tuple(
            self.move(part, next(rest), step, kind) if self.tangents.carries(kind) else part
            for part, kind in zip(one, elements, strict=True)
        )

    def covector_product(self, cotangent: Value, value: Value, kind: Type) -> Any:
        """<cotangent, value> of a result, where the value is seen as a vector."""
        if self.is_zero(cotangent) or not self.tangents.carries(kind):
            return 0.0
        cotangent = self.held(cotangent)
        match kind:
            case RowsType():
                return self.inner(cotangent, value)
            case SumType(name, _) if name in self.tangents.lazy_of:
                return 0.0 if self.is_zero(value) else self.covector_product(cotangent, self.held(value), self.tangents.lazy_of[name])
            case SumType(name, _):
                if self.is_zero(value):
                    return 0.0
                declaration = self.engine.state.sums[name].constructor(value.constructor)
                return sum(
                    self.covector_product(c, value.fields[one.position], declaration.fields[one.position].type)
                    for one, c in zip(self.tangents.fields(name, value.constructor), cotangent.fields, strict=True)
                    if one.active
                )
            case ArrayType(ScalarType(), _) | ScalarType():
                return np.sum(np.asarray(cotangent) * np.asarray(value)).item()
            case ArrayType(element, _):
                return sum(self.covector_product(c, one, element) for c, one in zip(cotangent, value, strict=True))
            case ListType(elements):
                total = 0.0
                for c, one in zip(cotangent, value, strict=True):
                    carrying = [(part, element) for part, element in zip(one, elements, strict=True) if self.tangents.carries(element)]
                    total += sum(self.covector_product(ct, part, element) for ct, (part, element) in zip(c, carrying, strict=True))
                return total
        raise AssertionError(kind)


# ---------------------------------------------------------------- the check


def check(
    module: Module,
    name: str,
    arguments: Sequence[Value],
    wrt: Sequence[int],
    forward: bool = True,
    tolerance: float = 1e-9,
    seed: int = 0,
    step: float = 4e-3,
    exact: float | None = 1e-13,
) -> Module:
    """Reverse mode agrees with Richardson differences (relative), to 1e-12 with forward mode, and to `exact` with the complex step."""
    verify(module)
    made, reverse_name, forward_name = with_requests(module, name, wrt, forward)
    space = Space(module, seed)
    target = module.functions[name]
    on = space.engine.activity.results(name, tuple(k in wrt for k in range(len(target.parameters))))
    values = evaluate(module, name, arguments)
    vectors = {k: space.vector(arguments[k], target.parameters[k].type) for k in wrt}
    cotangents = {k: space.vector(values[k], one.type) for k, one in enumerate(target.results) if on[k]}
    found = evaluate(made, reverse_name, [*arguments, *cotangents.values()])
    gradients = found[len(values) :]
    reverse = sum(space.inner(gradient, vectors[k]) for gradient, k in zip(gradients, wrt, strict=True))
    if forward_name is not None:
        tangents = evaluate(made, forward_name, [*arguments, *vectors.values()])[len(values) :]
        carrying = [k for k, one in enumerate(target.results) if space.tangents.carries(one.type)]
        dot = sum(space.inner(cotangents[k], d) for k, d in zip(carrying, tangents, strict=True) if on[k])
        agree("dot product", name, dot, reverse, 1e-12)

    def at(distance: complex) -> Any:
        moved = [space.move(one, vectors[k], distance, target.parameters[k].type) if k in wrt else one for k, one in enumerate(arguments)]
        results = evaluate_complex(module, name, moved) if isinstance(distance, complex) else evaluate(module, name, moved)
        return sum(space.covector_product(cotangents[k], results[k], target.results[k].type) for k in cotangents)

    if exact is not None:
        agree("complex step", name, complex(at(STEP * 1j)).imag / STEP, reverse, exact)
    table = [(at(step / 2**i) - at(-step / 2**i)) / (2 * step / 2**i) for i in range(4)]
    for order in range(1, 4):
        table = [(4**order * b - a) / (4**order - 1) for a, b in pairwise(table)]
    agree("differences", name, table[0], reverse, tolerance)
    return made


WORST: dict[str, tuple[float, str]] = {}
"""The largest relative error of each kind of check in this run; with DYN_MEASURE=1 it is printed at the end."""


def agree(check: str, name: str, expected: float, found: float, tolerance: float) -> None:
    error = abs(expected - found) / (1 + abs(expected))
    kind = f"{check} to {tolerance:g}"
    if error > WORST.get(kind, (0.0, ""))[0]:
        WORST[kind] = error, os.environ.get("PYTEST_CURRENT_TEST", name).partition(" ")[0]
    assert error <= tolerance, (name, check, expected, found)


def _show_worst() -> None:
    for kind, (error, name) in sorted(WORST.items()):
        print(f"{kind}: {error:.2g}, in {name}")


if os.environ.get("DYN_MEASURE"):
    atexit.register(_show_worst)


def operations(module: Module, name: str, arguments: Sequence[Value]) -> float:
    counter = Counter()
    evaluate(module, name, arguments, counter)
    return counter.operations + counter.constructed + counter.calls


__all__ = [
    "BOOL",
    "F64",
    "INT",
    "ArrayType",
    "Function",
    "ListType",
    "Program",
    "SumValue",
    "array",
    "check",
    "operations",
    "random",
    "random_indices",
    "same_numbers",
    "size",
    "with_requests",
]
