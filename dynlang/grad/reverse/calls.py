"""Calls: the forward calls f_forward and keeps the callee's residual, the backward calls f_backward.

A function with a rule is called as it is, and its rule in the backward. Two active arguments that are one variable are
one destination: the function is specialised to the aliasing first.
"""

from __future__ import annotations

from dataclasses import replace

from dynlang.core.nodes import Atom, Call, Function, Let, Variable
from dynlang.core.sizes import expand, plain, size_of, telescope_types
from dynlang.core.walk import Substitution
from dynlang.diag import CompileError
from dynlang.grad.adjoints import Region
from dynlang.grad.errors import NotDifferentiable
from dynlang.grad.reverse.context import Reversal
from dynlang.grad.state import Key, Pair
from dynlang.grad.tangents import is_number
from dynlang.types import ArrayType, Size, SumType, Type


def reverse_call(r: Reversal, statement: Let, call: Call, region: Region) -> list[Let]:
    state = r.engine.state
    function = state.functions[call.function]
    if call.function in state.adders:
        return _reverse_adder(r, statement, call, function, region)
    if function.derivative is not None:
        return _reverse_with_rule(r, statement, call, function, region)
    call, function = _without_aliases(r, call, function)
    active = tuple(map(r.is_active, call.arguments))
    if any(active):
        r.engine.refuse_surrogate(call.function, statement.span)
    cotangents = [r.engine.adjoints.take(region, one) for one in statement.variables]
    _complete(r, statement, call, active, region, cotangents)
    mask = tuple(one is not None for one in cotangents)
    rewound = _rewound(function)
    if not any(mask) and not rewound:
        return [statement]
    if not function.pure:
        raise CompileError(NotDifferentiable(f"'{function.name}' is a proc: it has no derivative", statement.span))
    reached = r.engine.activity.reached(call.function, active, mask)
    reached = tuple(on or (active[k] and _consumed_with_cotangent(function, k, mask)) for k, on in enumerate(reached))
    if not any(reached) and not rewound:
        return [statement]
    inout = {parameter for parameter, _ in function.inout}
    fresh = tuple(
        on and k not in inout and _has_nothing(region, call.arguments[k]) and not r.engine.is_threaded(call.function, k)
        for k, on in enumerate(reached)
    )
    pair = r.engine.reverse(Key(call.function, reached, mask, fresh))
    return _emit(r, statement, call, function, region, pair, cotangents)


def _complete(r: Reversal, statement: Let, call: Call, active: tuple[bool, ...], region: Region, cotangents: list[Atom | None]) -> None:
    """Recursive functions get small zeros for missing cotangents, if their own calls have one: one pair of functions serves the
    root and the rest."""
    if all(one is None for one in cotangents) or not r.engine.is_recursive(call.function):
        return
    results = r.engine.activity.call(call.function, active)
    for k, variable in enumerate(statement.variables):
        small = is_number(variable.type) and not _is_wide(variable.type)
        if cotangents[k] is None and results[k] and small and r.engine.is_read(call.function, k):
            cotangents[k] = r.engine.adjoints.zeros_like(region, variable)


def _is_wide(kind: Type) -> bool:
    return isinstance(kind, ArrayType) and len(kind.shape) > 1


def _rewound(function: Function) -> tuple[int, ...]:
    from dynlang.grad.reverse.context import can_rewind

    return tuple(parameter for parameter, _ in function.inout if can_rewind(function.parameters[parameter].type))


def _consumed_with_cotangent(function: Function, parameter: int, mask: tuple[bool, ...]) -> bool:
    return any(p == parameter and mask[result] for p, result in function.inout)


def _has_nothing(region: Region, argument: Atom) -> bool:
    return isinstance(argument, Variable) and region.adjoints.get(argument.name) is None and argument.name not in region.constructed


def _emit(
    r: Reversal, statement: Let, call: Call, function: Function, region: Region, pair: Pair, cotangents: list[Atom | None]
) -> list[Let]:
    """``a'.., arrays before = f_backward(sizes, arguments, residual, cotangents, destinations, arrays after)``."""
    builder = region.builder
    state = r.engine.state
    residual = Variable(r.names.fresh(f"{_short(call.function)}_saved"), residual_type(r, statement, call, pair))
    sizes = [r.primal(region, call.arguments[k]) for k in pair.passed] + [r.primal(region, statement.variables[k]) for k in pair.extras]
    again = [r.primal(region, call.arguments[k]) for k in pair.again]
    present = [one for one in cotangents if one is not None]
    wanted = [argument for k in pair.destinations if isinstance(argument := call.arguments[k], Variable)]
    handed = r.engine.adjoints.hand_over(region, wanted)
    destinations = [handed[one.name] for one in wanted]
    hands_back = dict(function.inout)
    after = [region.primal.get(statement.variables[hands_back[k]].name, statement.variables[hands_back[k]]) for k in pair.rewound]
    hints = [f"d_{a.name}" if isinstance(a := call.arguments[k], Variable) else "d" for k in pair.wanted]
    hints += [f"{call.arguments[k]}_before" for k in pair.rewound]
    given = _retyped(r, region, pair.backward, [*sizes, *again, residual, *present, *destinations, *after])
    found = builder.call(pair.backward, *given, names=hints)
    for k, value in zip(pair.wanted, found, strict=False):
        argument = call.arguments[k]
        assert isinstance(argument, Variable)
        value = r.engine.adjoints.retype(builder, value, r.tangent(argument.type))
        r.engine.adjoints.accumulate(region, argument, value, r.active)
    for k, value in zip(pair.rewound, found[len(pair.wanted) :], strict=True):
        argument = call.arguments[k]
        if isinstance(argument, Variable):
            region.primal[argument.name] = value
    assert pair.forward in state.signatures or pair.forward in state.functions
    return [replace(statement, variables=(*statement.variables, residual), right=Call(pair.forward, call.arguments))]


def _retyped(r: Reversal, region: Region, function: str, arguments: list[Atom]) -> list[Atom]:
    """Arguments under the types of a function's parameters: that two sizes are equal, which the forward knew, the backward may not."""
    builder = region.builder
    wanted = telescope_types(r.engine.state.signatures[function].parameters, arguments, {}, builder.known)
    pairs = [(one, expand(kind, builder.known)) for one, kind in zip(arguments, wanted, strict=True)]
    return [one if plain(expand(one.type, builder.known)) == plain(kind) else r.engine.adjoints.retype(builder, one, kind)
            for one, kind in pairs]


def _short(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def residual_type(r: Reversal, statement: Let, call: Call, pair: Pair) -> SumType:
    """The residual's type at a call: its sizes are those of the arguments and results."""
    arguments = [size_of(call.arguments[k], r.known) for k in pair.passed]
    return SumType(pair.residual, (*arguments, *(Size.variable(statement.variables[k].name) for k in pair.extras)))


def _reverse_adder(r: Reversal, statement: Let, call: Call, function: Function, region: Region) -> list[Let]:
    """Sums of tangents are linear: the cotangent goes to both."""
    value = r.engine.adjoints.take(region, statement.variables[0])
    if value is not None:
        for argument in call.arguments[function.sizes :]:
            r.engine.adjoints.accumulate(region, argument, value, r.active)
    return [statement]


def _reverse_with_rule(r: Reversal, statement: Let, call: Call, function: Function, region: Region) -> list[Let]:
    """``cotangents of the arguments = rule(arguments, results that it reads, cotangents of the results)``."""
    engine, tangents = r.engine, r.engine.tangents
    cotangents = [engine.adjoints.take(region, one) for one in statement.variables]
    if all(one is None for one in cotangents):
        return [statement]
    assert function.derivative is not None
    given: list[Atom] = []
    for value, variable in zip(cotangents, statement.variables, strict=True):
        if tangents.carries(variable.type):
            given.append(engine.adjoints.zeros_like(region, variable) if value is None else value)
    read = [statement.variables[k] for k in function.derivative.reads]
    arguments = [r.primal(region, one) for one in (*call.arguments, *read)]
    carrying = [k for k, one in enumerate(function.parameters) if tangents.carries(one.type)]
    hints = [f"d_{call.arguments[k]}" for k in carrying]
    found = region.builder.call(function.derivative.rule, *arguments, *given, names=hints)
    for k, value in zip(carrying, found, strict=True):
        if r.is_active(call.arguments[k]):
            engine.adjoints.accumulate(region, call.arguments[k], value, r.active)
    return [statement]


# ---------------------------------------------------------------- f(x, x)


def _without_aliases(r: Reversal, call: Call, function: Function) -> tuple[Call, Function]:
    """``f(x, x)`` becomes ``f_same(x)``, whose one parameter stands for both; sizes that agree are merged as well."""
    first: dict[str, int] = {}
    same: dict[int, int] = {}
    for k, argument in enumerate(call.arguments):
        if isinstance(argument, Variable) and r.is_active(argument):
            if argument.name in first:
                same[k] = first[argument.name]
            else:
                first[argument.name] = k
    if not same:
        return call, function
    for k, argument in enumerate(call.arguments[: function.sizes]):
        earlier = next((j for j in range(k) if call.arguments[j] == argument), None)
        if earlier is not None:
            same[k] = earlier
    name = _specialised(r, function, same)
    kept = tuple(argument for k, argument in enumerate(call.arguments) if k not in same)
    return Call(name, kept), r.engine.state.functions[name]


def _specialised(r: Reversal, function: Function, same: dict[int, int]) -> str:
    state = r.engine.state
    key = function.name, tuple(sorted(same.items()))
    if key in r.engine.aliased:
        return r.engine.aliased[key]
    name = state.function_names.fresh(f"{function.name}_same")
    r.engine.aliased[key] = name
    renamed = Substitution({function.parameters[k].name: function.parameters[j] for k, j in same.items()})
    kept = [k for k in range(len(function.parameters)) if k not in same]
    parameters = tuple(Variable(function.parameters[k].name, renamed.type(function.parameters[k].type)) for k in kept)
    results = tuple(Variable(one.name, renamed.type(one.type)) for one in function.results)
    inout = tuple((kept.index(p), result) for p, result in function.inout if p in kept)
    state.functions[name] = replace(
        function,
        name=name,
        parameters=parameters,
        results=results,
        body=renamed.block(function.body),
        inout=inout,
        export=None,
        sizes=sum(1 for k in kept if k < function.sizes),
        parameter_labels=(),
        result_labels=(),
    )
    return name
