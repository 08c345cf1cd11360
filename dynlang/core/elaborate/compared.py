"""A function that compares its result with the cotangent that a program pulls back, between the forward and the backward.

A cotangent of a list or a sum has the structure of the result, which only the run can tell. So what is differentiated is

    fn f_compared(x, ct):            the parameters of f, and the cotangent, by which nothing is differentiated
        let y = f(x)
        the structure of y is that of ct, or an error
        return y

and `f` itself runs once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dynlang.core.build import Builder
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.leaves import check_structure
from dynlang.core.elaborate.module import Instance
from dynlang.core.elaborate.values import Value, rename_places
from dynlang.core.nodes import Atom, Call, Function
from dynlang.core.sizes import expand
from dynlang.core.walk import Names
from dynlang.source import Span
from dynlang.types import INT, Size, TupleType, Type, substitute, tangent


@dataclass(frozen=True)
class Compared:
    """The function, and its arguments: those of the function that it calls, and the cotangent."""

    name: str
    atoms: tuple[Atom, ...]


def compared(frame: Frame, instance: Instance, atoms: Sequence[Atom], of: Type, cotangent: Value, span: Span) -> Compared:
    """`of` is the part of the instance's result that the cotangent belongs to: all of it, or the first of several."""
    elaborator = frame.elaborator
    key = ("compared", instance.name, of, id(span.source), span.start)
    name = elaborator.generated.get(key)
    if name is None:
        name = elaborator.generated[key] = elaborator.function_names.fresh(f"{instance.name}_compared")
        make(frame, name, instance, of, span)
    declared = elaborator.signatures[name].parameters[len(instance.parameters):]
    known = frame.builder.known
    sizes = {place.name: frame.builder.size_of(atom) for place, atom in zip(instance.parameters, atoms, strict=True) if place.type == INT}
    given: list[Atom] = []
    for place, atom in zip(declared, frame.stored(cotangent), strict=True):
        given.append(frame.retyped_atom(atom, expand(substitute(place.type, sizes), known)))
        if place.type == INT:
            sizes[place.name] = frame.builder.size_of(given[-1])
    return Compared(name, (*atoms, *given))


def make(outer: Frame, name: str, instance: Instance, of: Type, span: Span) -> None:
    elaborator, layouts = outer.elaborator, outer.layouts
    names = Names(one.name for one in (*instance.parameters, *instance.results))
    sizes = {one.name: Size.variable(one.name) for one in instance.parameters if one.type == INT}
    frame = Frame(elaborator, Builder(names, elaborator.scope, span=span), {}, sizes, dict(instance.types), instance.returns, name)
    kind = tangent(of)
    places = tuple(rename_places(layouts.stored(kind), names.fresh, {}, "ct"))
    declared = Function(name, (*instance.parameters, *places), instance.results, frame.builder.block(), instance.sizes, instance.inout)
    elaborator.signatures[name] = declared
    results = frame.builder.emit(Call(instance.name, tuple(instance.parameters)), [one.name for one in instance.results])
    stored = layouts.stored(instance.returns)
    value = frame.unstored(instance.returns, frame.retyped_atoms(results[:len(stored)], stored))
    if of != instance.returns and isinstance(instance.returns, TupleType):
        value = frame.items(value)[0]
    check_structure(frame, "vjp", value, frame.unstored(kind, places), span)
    elaborator.functions[name] = Function(name, declared.parameters, instance.results, frame.builder.block(*results),
                                          instance.sizes, instance.inout)
