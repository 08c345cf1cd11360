"""Answers to requests: a `Vjp` becomes calls of f_forward and f_backward, a `Jvp` a call of f_jvp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dynlang.core.build import Builder, number
from dynlang.core.nodes import Atom, Block, Call, Function, Jvp, Let, Literal, Operation, Variable, Vjp
from dynlang.core.sizes import expand, plain, size_of
from dynlang.core.walk import rebuild
from dynlang.diag import CompileError
from dynlang.grad.adjoints import Region
from dynlang.grad.errors import NotDifferentiable
from dynlang.grad.levels import ORDERS
from dynlang.grad.state import Key
from dynlang.ops.elementwise import scalar_of
from dynlang.types import INT, ArrayType, Size, StringType, SumType, Type, map_type, substitute

if TYPE_CHECKING:
    from dynlang.grad.engine import Engine


def write_vjp(
    engine: Engine,
    builder: Builder,
    name: str,
    arguments: Sequence[Atom],
    asked: Sequence[bool],
    cotangents: Sequence[Atom | None],
    results: Sequence[Variable] | None = None,
) -> tuple[tuple[Variable, ...], dict[int, Atom]]:
    """Both calls; gives the function's results and the gradients by position, as far as they aren't zero.

    `results` are the variables to bind the function's results to (default: new ones)."""
    function = engine.state.functions[name]
    mask = tuple(one is not None for one in cotangents)
    reached = engine.activity.reached(name, asked, mask)
    inout = {parameter for parameter, _ in function.inout}
    fresh = tuple(on and k not in inout and _starts_fresh(engine, name, k) for k, on in enumerate(reached))
    pair = engine.reverse(Key(name, reached, mask, fresh))
    called = builder.call(pair.forward, *arguments, names=[one.name for one in function.results])
    bound, residual = called[:-1], called[-1]
    if results is not None:
        residual = _residual_after(residual, bound, results)
        builder.statements[-1] = replace(builder.statements[-1], variables=(*results, residual))
        bound = tuple(results)
    sizes = [arguments[k] for k in pair.passed] + [bound[k] for k in pair.extras]
    again = [arguments[k] for k in pair.again]
    given = [_fitted(engine, builder, one, result) for one, result in zip(cotangents, bound, strict=True) if one is not None]
    zeros = [engine.adjoints.zeros_like(Region(builder), _as_declared(engine, name, arguments[k], k)) for k in pair.destinations]
    hands_back = dict(function.inout)
    after = [bound[hands_back[k]] for k in pair.rewound]
    found = builder.call(
        pair.backward, *sizes, *again, residual, *given, *zeros, *after, names=["d"] * (len(pair.wanted) + len(pair.rewound))
    )
    return bound, dict(zip(pair.wanted, found, strict=False))


def _as_declared(engine: Engine, function: str, argument: Atom, position: int) -> Atom:
    """An argument as its parameter is declared: an array that is made in sight may be an embedding table there."""
    declared, kind = engine.state.functions[function].parameters[position].type, argument.type
    if isinstance(argument, Variable) and isinstance(declared, ArrayType) and isinstance(kind, ArrayType) and declared.row_sparse:
        return replace(argument, type=replace(kind, row_sparse=True))
    return argument


def _fitted(engine: Engine, builder: Builder, cotangent: Atom, result: Variable) -> Atom:
    """A cotangent under the sizes of the result that it belongs to: those that only the run tells are compared."""
    wanted = expand(engine.tangents.of(result.type), builder.known)
    found = expand(cotangent.type, builder.known)
    if plain(found) == plain(wanted):
        return cotangent
    for given, needed in zip(_sizes(found), _sizes(wanted), strict=True):
        if given != needed:
            left, right = builder.size(given), builder.size(needed)
            same = builder.operation("equal", left, right, name="same")
            message = "the cotangent has {} items along an axis where the result has {}"
            builder.emit(Operation("check", (same, left, right), (("message", message), ("code", "DYN0901"))))
    return engine.adjoints.retype(builder, cotangent, wanted)


def _sizes(kind: Type) -> list[Size]:
    found: list[Size] = []
    map_type(kind, lambda one: found.append(one) or one if isinstance(one, Size) else one, lambda _: None)
    return found


def _starts_fresh(engine: Engine, function: str, position: int) -> bool:
    """Weights get a destination from the start, so that the functions made for them serve everywhere."""
    kind = engine.state.functions[function].parameters[position].type
    weight = isinstance(kind, ArrayType) and (len(kind.shape) > 1 or kind.row_sparse)
    return not weight and not engine.is_threaded(function, position)


def _residual_after(residual: Variable, called: Sequence[Variable], results: Sequence[Variable]) -> Variable:
    """The residual with its sizes in terms of the names that the results have in the program."""
    sizes = {mine.name: size_of(theirs) for mine, theirs in zip(called, results, strict=True) if mine.type == INT}
    kind: Type = substitute(residual.type, sizes)
    assert isinstance(kind, SumType)
    return Variable(residual.name, kind)


class Answers:
    """Replaces the requests in one function."""

    def __init__(self, engine: Engine, function: Function) -> None:
        self.engine, self.function, self.names = engine, function, engine.state.names_of(function)

    def block(self, block: Block) -> Block:
        statements: list[Let] = []
        for statement in block.statements:
            right = statement.right
            if isinstance(right, (Vjp, Jvp)) and self.engine.is_too_deep(self.function.name, right.function):
                statements += self.too_deep(statement, right)
            elif isinstance(statement.right, Vjp):
                statements += self.vjp(statement, statement.right)
            elif isinstance(statement.right, Jvp):
                statements += self.jvp(statement, statement.right)
            else:
                statements.append(replace(statement, right=rebuild(statement.right, lambda atom: atom, self.block)))
        return Block(tuple(statements), block.results)

    def too_deep(self, statement: Let, request: Vjp | Jvp) -> list[Let]:
        """An error; the values behind it are never computed."""
        engine, builder = self.engine, self.builder(statement)
        function = engine.state.functions[request.function]
        text = f"derivatives of a function inside itself are nested more than {ORDERS} deep"
        builder.append(Let((), Operation("fail", (Literal(text, StringType()),)), statement.span))
        results, further = statement.variables[: len(function.results)], statement.variables[len(function.results) :]
        builder.append(Let(results, Call(function.name, request.arguments), statement.span))
        carrying = [one for one in results if engine.tangents.carries(one.type)]
        like = [request.arguments[k] for k in request.wrt] if isinstance(request, Vjp) else carrying
        for variable, one in zip(further, like, strict=True):
            bind(builder, variable, engine.adjoints.zeros_like(Region(builder), one))
        return builder.statements

    def builder(self, statement: Let) -> Builder:
        builder = self.engine.state.builder(self.names)
        builder.span = statement.span
        return builder

    def vjp(self, statement: Let, request: Vjp) -> list[Let]:
        """``results, residual = f_forward(args); gradients = f_backward(sizes, args, residual, cotangents, ..)``."""
        engine, state = self.engine, self.engine.state
        function = state.functions[request.function]
        if not function.pure:
            raise CompileError(NotDifferentiable(f"'{function.name}' is a proc: it has no derivative", statement.span))
        if function.derivative is not None:
            return self.vjp(statement, replace(request, function=engine.wrapper(function)))
        asked = tuple(k in request.wrt for k in range(len(function.parameters)))
        for one in engine.zero_gradients(statement, request):
            if one.severity == "error":
                raise CompileError(one)
            engine.diagnostics.add(one)
        builder = self.builder(statement)
        results, gradients = statement.variables[: len(function.results)], statement.variables[len(function.results) :]
        _, found = write_vjp(engine, builder, request.function, request.arguments, asked, request.cotangents, results)
        for k, variable in zip(request.wrt, gradients, strict=True):
            argument = _as_declared(engine, request.function, request.arguments[k], k)
            value = found[k] if k in found else engine.adjoints.zeros_like(Region(builder), argument)
            bind(builder, variable, value)
        return builder.statements

    def jvp(self, statement: Let, request: Jvp) -> list[Let]:
        """``results, tangents of the active results = f_jvp(args, tangents)``; other differentiable results have zero tangents."""
        engine, tangents = self.engine, self.engine.tangents
        function = engine.state.functions[request.function]
        if not function.pure:
            raise CompileError(NotDifferentiable(f"'{function.name}' is a proc: it has no derivative", statement.span))
        if function.derivative is not None:
            return self.jvp(statement, replace(request, function=engine.wrapper(function)))
        active = tuple(
            one is not None and tangents.carries(place.type) for one, place in zip(request.tangents, function.parameters, strict=True)
        )
        name = engine.forward(request.function, active)
        on = engine.activity.results(request.function, active)
        given = [one for one, yes in zip(request.tangents, active, strict=True) if yes and one is not None]
        results, wanted = statement.variables[: len(function.results)], statement.variables[len(function.results) :]
        carrying = [k for k, one in enumerate(function.results) if tangents.carries(one.type)]
        builder = self.builder(statement)
        builder.call(name, *request.arguments, *given)
        made = [variable for k, variable in zip(carrying, wanted, strict=True) if on[k]]
        builder.statements[-1] = replace(builder.statements[-1], variables=(*results, *made))
        for k, variable in zip(carrying, wanted, strict=True):
            if not on[k]:
                bind(builder, variable, engine.adjoints.zeros_like(Region(builder), results[k]))
        return builder.statements


def bind(builder: Builder, variable: Variable, value: Atom) -> None:
    """``variable = value``: the statement that binds the value takes the name."""
    if isinstance(value, Literal):
        zero = number(0.0, scalar_of(value.type))
        builder.statements.append(Let((variable,), Operation("add", (value, zero)), builder.span))
        return
    for k, one in enumerate(builder.statements):
        if value in one.variables:
            builder.statements[k] = replace(one, variables=tuple(variable if v == value else v for v in one.variables))
            return
    raise AssertionError("a gradient is bound by a statement of the answer")
