"""The derivative of one function as a program of its own, for `dync grad`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dynlang.core.build import number
from dynlang.core.nodes import Atom, Block, Function, Jvp, Let, Module, Variable, Vjp
from dynlang.core.sizes import rename_telescope
from dynlang.core.walk import Names
from dynlang.diag import CompileError
from dynlang.grad.engine import Engine
from dynlang.grad.errors import NotDifferentiable
from dynlang.grad.prune import pruned
from dynlang.types import ScalarType


def gradient_program(module: Module, function: str, wrt: Sequence[int] | None = None, forward: bool = False) -> Module:
    """``f_grad(args) -> (results, gradients)``: of the first differentiable result, a scalar; other results are auxiliary.

    `wrt` are positions of parameters (default: all that carry derivatives). With `forward`, ``f_jvp(args, tangents)``."""
    engine = Engine(module)
    target = module.functions[function]
    tangents = engine.tangents
    carrying = [k for k, one in enumerate(target.parameters) if tangents.carries(one.type)]
    positions = tuple(carrying if wrt is None else wrt)
    if not positions or not all(k in carrying for k in positions):
        raise CompileError(
            NotDifferentiable(f"'{function}' has no parameter here that a derivative could be taken with respect to", target.span)
        )
    made = _forward(engine, target, positions) if forward else _reverse(engine, target, positions)
    engine.state.functions[made.name] = made
    engine.answer_all()
    return replace(pruned(engine, frozenset({made.name})), roots=(made.name,))


def _results(names: Names, target: Function) -> tuple[Variable, ...]:
    return rename_telescope(target.results, names.fresh, {}, {})


def _reverse(engine: Engine, target: Function, positions: tuple[int, ...]) -> Function:
    tangents = engine.tangents
    chosen = next((k for k, one in enumerate(target.results) if isinstance(one.type, ScalarType) and tangents.carries(one.type)), None)
    if chosen is None:
        raise CompileError(NotDifferentiable(f"'{target.name}' has no result that is one float: give a cotangent with vjp", target.span))
    kind = target.results[chosen].type
    assert isinstance(kind, ScalarType)
    names = Names([one.name for one in target.parameters])
    results = _results(names, target)
    gradients = tuple(Variable(names.fresh(f"d_{target.parameters[k].name}"), tangents.of(target.parameters[k].type)) for k in positions)
    cotangents = tuple(number(1.0, kind.dtype) if k == chosen else None for k in range(len(target.results)))
    request = Let((*results, *gradients), Vjp(target.name, target.parameters, positions, cotangents), target.span)
    return _function(engine, target, "grad", target.parameters, (*results, *gradients), request)


def _forward(engine: Engine, target: Function, positions: tuple[int, ...]) -> Function:
    tangents = engine.tangents
    names = Names([one.name for one in target.parameters])
    results = _results(names, target)
    given = {k: Variable(names.fresh(f"d_{target.parameters[k].name}"), tangents.of(target.parameters[k].type)) for k in positions}
    made = tuple(Variable(names.fresh(f"d_{one.name}"), tangents.of(one.type)) for one in results if tangents.carries(one.type))
    along: tuple[Atom | None, ...] = tuple(given.get(k) for k in range(len(target.parameters)))
    request = Let((*results, *made), Jvp(target.name, target.parameters, along), target.span)
    return _function(engine, target, "tangent", (*target.parameters, *given.values()), (*results, *made), request)


def _function(
    engine: Engine, target: Function, suffix: str, parameters: tuple[Variable, ...], results: tuple[Variable, ...], request: Let
) -> Function:
    name = engine.state.function_names.fresh(f"{target.name}_{suffix}")
    labels = target.parameter_labels + tuple(one.name for one in parameters[len(target.parameters) :]) if target.parameter_labels else ()
    return replace(
        target,
        name=name,
        parameters=parameters,
        results=results,
        body=Block((request,), results),
        inout=target.inout,
        export=None,
        derivative=None,
        checkpoint=False,
        parameter_labels=labels,
        result_labels=(),
        documentation=f"The derivative of {target.name}.",
    )
