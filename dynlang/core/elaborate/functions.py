"""Calls: of functions by name, of function values, with lent places, or expanded in place where functions are returned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dynlang.check import typed
from dynlang.core.elaborate.expressions import expression, handles
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.module import Prepared, SizeAtom, has_function
from dynlang.core.elaborate.order import in_order
from dynlang.core.elaborate.places import read_place, write_place
from dynlang.core.elaborate.values import AnyFunction, FunctionValue, StoredFunction, Value
from dynlang.core.nodes import Atom, Call
from dynlang.core.sizes import expand, size_of
from dynlang.types import INT, FunctionType, Size, SumType, Type, substitute

DEEPEST_CAPTURE = 2
DEEPEST_EXPANSION = 6
"""How deep calls are replaced by bodies that make calls; further in, the functions that a call returns are stored."""


@handles(typed.FunctionReference)
def function_reference(frame: Frame, node: typed.FunctionReference) -> Value:
    return Value(frame.type(node.type), (), (instantiated(frame, node),))


@handles(typed.Lambda)
def lambda_value(frame: Frame, node: typed.Lambda) -> Value:
    return Value(frame.type(node.type), (), (frame.elaborator.lift(node, frame),))


@handles(typed.Call)
def call(frame: Frame, node: typed.Call) -> Value:
    return call_passed(frame, lambda: instantiated(frame, node), node.arguments, node)


def instantiated(frame: Frame, node: typed.FunctionReference | typed.Call) -> FunctionValue:
    function = frame.elaborator.program.functions[node.function]
    return FunctionValue(function, tuple(map(frame.type, node.types)), tuple(map(frame.size, node.sizes)))


@handles(typed.CallValue)
def call_value(frame: Frame, node: typed.CallValue) -> Value:
    function = expression(frame, node.function).functions[0]
    return call_passed(frame, lambda: function, node.arguments, node)


def call_passed(frame: Frame, function: Callable[[], AnyFunction], passed: Sequence[typed.Passed],
                node: typed.Expression) -> Value:
    """A call whose arguments may lend places: scalars are read first, left to right; lent places are written back.

    The function and the type of the result may mention sizes that the arguments open."""
    outer = frame.builder.span

    def read(position: int) -> tuple[Value, object]:
        one = passed[position]
        return read_place(frame, one.place) if isinstance(one, typed.Lend) else (expression(frame, one), None)

    places = [one.place if isinstance(one, typed.Lend) else None for one in passed]
    found = in_order(frame, passed, read)
    values, steps = [value for value, _ in found], [held for _, held in found]
    for position, one in enumerate(passed):
        if isinstance(one, typed.Lend):
            values[position] = read_place(frame, one.place, steps[position])[0]
    frame.builder.span = node.span
    lent = [one is not None for one in places]
    value, handed_back = call_function_lending(frame, function(), values, frame.type(node.type), lent)
    for place, held, back in zip(places, steps, handed_back, strict=True):
        if place is not None:
            assert back is not None
            write_place(frame, place, back, held)
    frame.builder.span = outer
    return value


def call_function(frame: Frame, function: AnyFunction, arguments: Sequence[Value], result: Type) -> Value:
    return call_function_lending(frame, function, arguments, result, [False] * len(arguments))[0]


def call_function_lending(frame: Frame, function: AnyFunction, arguments: Sequence[Value], result: Type,
                          lent: Sequence[bool]) -> tuple[Value, list[Value | None]]:
    """The result, and for each argument that is lent its value afterwards."""
    arguments = [frame.unstored(one.type, frame.stored(one)) if is_lent else one for one, is_lent in zip(arguments, lent, strict=True)]
    if isinstance(function, StoredFunction):
        return apply_stored(frame, function, arguments, result, lent)
    everything = [*function.bound, *arguments]
    if returns_function(function) and may_expand(frame, function.function):
        value, frame_after = expand_call(frame, function, everything)
        backs: list[Value | None] = [
            frame_after.locals[parameter.local.name] if is_lent else None
            for parameter, is_lent in zip(function.function.parameters[len(function.bound):], lent, strict=True)]
        return frame.retyped(value, result), backs
    everything = [tamed(frame, one) for one in everything]
    prepared = frame.elaborator.instance(function.function, function.types, function.sizes, everything)
    atoms = argument_atoms(frame, prepared)
    results = frame.builder.emit(Call(prepared.instance.name, atoms), [one.name for one in prepared.instance.results])
    return results_of(frame, prepared, results, result, arguments, lent)


def may_expand(frame: Frame, function: typed.Function) -> bool:
    expanding = frame.elaborator.expanding
    return len(expanding) <= DEEPEST_EXPANSION and not any(one is function for one in expanding)


def returns_function(function: FunctionValue) -> bool:
    """Whether a function's result holds a function, which is known if the call is expanded in place (rule 19).

    One that calls itself is made as an instance, and the function that it returns is stored."""
    if has_function(function.function.returns):
        return True
    names = {one.name: kind for one, kind in zip(function.function.types, function.types, strict=True)}
    return bool(names) and has_function(substitute(function.function.returns, {}, names))


def results_of(frame: Frame, prepared: Prepared, results: Sequence[Atom], result: Type,
               arguments: Sequence[Value], lent: Sequence[bool]) -> tuple[Value, list[Value | None]]:
    """The values that a call's results are: its own, and the lent ones handed back."""
    instance = prepared.instance
    value = frame.unstored(result, frame.retyped_atoms(results[:instance.returned], frame.layouts.stored(result)))
    at = instance.returned
    backs: list[Value | None] = []
    for argument, is_lent in zip(arguments, lent, strict=True):
        if not is_lent:
            backs.append(None)
            continue
        places = frame.layouts.stored(argument.type)
        backs.append(frame.unstored(argument.type, frame.retyped_atoms(results[at:at + len(places)], places)))
        at += len(places)
    return value, backs


def argument_atoms(frame: Frame, prepared: Prepared) -> tuple[Atom, ...]:
    """Sizes as ints, and the rest under the types that the instance declares."""
    builder = frame.builder
    atoms: list[Atom] = []
    sizes = {}
    for place, given in zip(prepared.instance.parameters, prepared.atoms, strict=True):
        if isinstance(given, SizeAtom):
            atom = builder.size(given.size)
            sizes[place.name] = given.size
        else:
            wanted = expand(substitute(place.type, sizes), builder.known)
            atom = frame.retyped_atom(given, wanted)
            if place.type == INT:
                sizes[place.name] = size_of(atom, builder.known)
        atoms.append(atom)
    return tuple(atoms)


def expand_call(frame: Frame, function: FunctionValue, arguments: Sequence[Value]) -> tuple[Value, Frame]:
    """The call's body in its place: for functions whose result is a function (rule 19: it stays known)."""
    from dynlang.core.elaborate.statements import expanded_body

    declared = function.function
    types = dict(zip((one.name for one in declared.types), function.types, strict=True))
    sizes = dict(zip(declared.sizes, function.sizes, strict=True))
    elaborator = frame.elaborator
    inner = Frame(elaborator, frame.builder, {}, sizes, types, frame.type(declared.returns), declared.name)
    inner.returns = inner.type(declared.returns)
    for parameter, value in zip(declared.parameters, arguments, strict=True):
        kind = inner.type(parameter.local.type)
        inner.bind(parameter.local, frame.retyped(value, kind))
    elaborator.expanding.append(declared)
    try:
        return expanded_body(inner, declared), inner
    finally:
        elaborator.expanding.pop()


def apply_stored(frame: Frame, function: StoredFunction, arguments: Sequence[Value], result: Type,
                 lent: Sequence[bool]) -> tuple[Value, list[Value | None]]:
    """A call through the family's ``apply``."""
    prepared = prepared_apply(frame, function, arguments)
    results = frame.builder.emit(Call(prepared.instance.name, argument_atoms(frame, prepared)))
    return results_of(frame, prepared, results, result, arguments, lent)


def tamed(frame: Frame, value: Value) -> Value:
    """The value, functions that captured functions of their own code over and over turned into sums (rule 19).

    Recursion that hands on ``x => g(x) + 1`` for g would ask for another instance in each turn."""
    if not any(isinstance(one, FunctionValue) and own_layers(one) > DEEPEST_CAPTURE for one in value.functions):
        return value
    kinds = [one for one in frame.layouts.entries(value.type) if isinstance(one, FunctionType)]
    functions = tuple(one if isinstance(one, StoredFunction) else StoredFunction(kind, frame.stored_function(one, kind))
                      for one, kind in zip(value.functions, kinds, strict=True))
    return Value(value.type, value.atoms, functions)


def own_layers(function: AnyFunction) -> int:
    """How often a function's code stands in what it captured, itself included, at most."""
    counts: dict[int, int] = {}
    chain: list[AnyFunction] = [function]
    while chain:
        one = chain.pop()
        if isinstance(one, FunctionValue):
            counts[id(one.function)] = counts.get(id(one.function), 0) + 1
            chain += [inner for value in one.bound for inner in value.functions]
    return max(counts.values(), default=0)


def prepared_apply(frame: Frame, function: StoredFunction, arguments: Sequence[Value]) -> Prepared:
    kind = function.atom.type
    assert isinstance(kind, SumType)
    name = frame.elaborator.apply(kind)
    atoms: list[Atom] = [SizeAtom(size) for size in kind.arguments if isinstance(size, Size)]  # type: ignore[misc]
    atoms.append(function.atom)
    for value, wanted in zip(arguments, function.type.parameters, strict=True):
        atoms += frame.stored(frame.retyped(value, wanted))
    return Prepared(frame.elaborator.signatures[name], tuple(atoms))
