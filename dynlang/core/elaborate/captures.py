"""The derivative with respect to a function that is known when compiling: that of what it captured (rule 28).

A program holds it as ``Tangent<f64 -> f64>``, a sum with a constructor for each stored function of the type; an instance that was
made for the function has a parameter for each capture.

    joined_changes     the derivatives of the captures, as the sum
    parted_change      the reverse; of a `Zero`, zeros
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dynlang.core.build import Builder, truth
from dynlang.core.elaborate.alternatives import captured
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import own_sizes
from dynlang.core.elaborate.module import Elaborator, StoredForm
from dynlang.core.elaborate.settled import cases, opened_lazy, unsettled, zero_of
from dynlang.core.elaborate.values import AnyFunction, FunctionSum, FunctionValue, StoredFunction
from dynlang.core.nodes import Atom, Call, Function, SumType, Variable
from dynlang.core.walk import Names
from dynlang.types import INT, UNIT, FunctionType, Size, Type, substitute


def captures_floats(frame: Frame, function: AnyFunction) -> bool:
    """Whether what a function has captured carries derivatives."""
    return isinstance(function, StoredFunction) or any(
        any(frame.layouts.tangent(atom.type) is not None for atom in value.atoms)
        or any(captures_floats(frame, inner) for inner in value.functions) for value in function.bound)


def width(function: AnyFunction) -> int:
    """How many parameters of an instance a function argument is."""
    if isinstance(function, StoredFunction):
        return 1
    return sum(len(value.atoms) + sum(map(width, value.functions)) for value in function.bound)


def joined_changes(frame: Frame, function: FunctionValue, kind: FunctionType, changes: Mapping[int, Atom]) -> Atom:
    """The derivative with respect to a function; `changes` has those of the captures that carry one, by their places among the
    parameters of an instance."""
    form = frame.elaborator.stored_form(frame, function, kind)
    made = frame.layouts.function_tangent(kind)
    tangents = frame.layouts.tangents
    declaration = frame.elaborator.sums[made.name]
    own = (*form.sizes(frame), *form.atoms)
    constructor = tangents.constructor(form.sum.name, form.constructor)
    places = tangents.fields(form.sum.name, form.constructor)
    declared = declaration.constructor(constructor).fields
    sizes = own_sizes(declaration, made)
    fields: list[Atom] = []
    for one, field in zip(places, declared, strict=True):
        if one.active:
            change = changes[one.position - len(form.slots)]
            fields.append(unsettled(frame, change.type, change, substitute(field.type, sizes)))
            continue
        fields.append(own[one.position])
        sizes[field.name] = frame.builder.size_of(own[one.position])
    return frame.builder.construct(made, constructor, *fields, name="d")


def parted_change(frame: Frame, function: FunctionValue, kind: FunctionType, change: Atom) -> list[Atom]:
    """The derivatives of the captures that carry one, in the order of an instance's parameters."""
    form = frame.elaborator.stored_form(frame, function, kind)
    given = (*(frame.builder.size(one) for one in form.sum.arguments if isinstance(one, Size)), *form.sizes(frame), *form.atoms, change)
    return list(frame.builder.emit(Call(opening(frame.elaborator, form), given)))


def opening(elaborator: Elaborator, form: StoredForm) -> str:
    """The function that takes the derivative with respect to a function of the family apart: one for each constructor."""
    key = ("captures", form.sum.name, form.constructor)
    if key not in elaborator.generated:
        made = Opening(elaborator, form, elaborator.function_names.fresh("captures_of"))
        elaborator.generated[key] = made.name
        elaborator.signatures[made.name] = made.signature
        elaborator.open_functions(made.family.type, made.make)
    return elaborator.generated[key]


@dataclass
class Opening:
    """``captures_of(sizes, captures, change) -> changes of the captures``."""

    elaborator: Elaborator
    form: StoredForm
    name: str

    @property
    def family(self) -> FunctionSum:
        return self.elaborator.layouts.function_sums[self.form.sum.name]

    @property
    def captures(self) -> tuple[Variable, ...]:
        return next(fields for name, _, fields in self.family.constructors.values() if name == self.form.constructor)

    @property
    def changing(self) -> list[tuple[int, Type]]:
        """The captures that carry a derivative, with its type."""
        found = ((position, self.elaborator.layouts.tangent(one.type)) for position, one in enumerate(self.captures))
        return [(position, kind) for position, kind in found if kind is not None]

    @property
    def signature(self) -> Function:
        sizes = tuple(Variable(one, INT) for one in self.family.sizes)
        names = Names(one.name for one in (*sizes, *self.captures))
        kind = self.elaborator.layouts.function_tangent(self.family.type)
        change = Variable(names.fresh("change"), SumType(kind.name, tuple(map(Size.variable, self.family.sizes))))
        results = tuple(Variable(names.fresh("d"), kind) for _, kind in self.changing)
        return Function(self.name, (*sizes, *self.captures, change), results, Builder(names, self.elaborator.scope).block(), len(sizes))

    def make(self) -> None:
        signature = self.signature
        names = Names(one.name for one in (*signature.parameters, *signature.results))
        sizes = {one: Size.variable(one) for one in self.family.sizes}
        frame = Frame(self.elaborator, Builder(names, self.elaborator.scope), {}, sizes, {}, UNIT, self.name)
        made = cases(frame, signature.parameters[-1], [one.type for one in signature.results],
                     lambda chosen, fields: self.arm(frame, chosen, fields))
        self.elaborator.functions[self.name] = Function(self.name, signature.parameters, signature.results,
                                                        frame.builder.block(*made), signature.sizes)

    def arm(self, frame: Frame, chosen: int, fields: Sequence[Variable]) -> list[Atom]:
        """What a constructor of the derivative says of the captures; the first is `Zero`, the others go with the family's."""
        names = [name for name, _, _ in self.family.constructors.values()]
        if not chosen:
            return list(self.zeros(frame))
        if names[chosen - 1] != self.form.constructor:
            frame.check(truth(False), "a derivative with respect to a function belongs to that function, and this is another's", None)
            return list(self.zeros(frame))
        zeros = iter(self.changing)
        found: list[Atom] = []
        places = frame.layouts.tangents.fields(self.form.sum.name, self.form.constructor)
        for place, field in zip(places, fields, strict=True):
            if not place.active:
                continue
            position, kind = next(zeros)
            if frame.layouts.tangents.is_lazy(field.type):
                field_atom = opened_lazy(frame, field, kind, lambda position=position: self.zero(frame, position),
                                         lambda held, kind=kind: frame.retyped_atom(held, kind))
            else:
                field_atom = frame.retyped_atom(field, kind)
            found.append(field_atom)
        return found

    def zeros(self, frame: Frame) -> Iterator[Atom]:
        return (self.zero(frame, position) for position, _ in self.changing)

    def zero(self, frame: Frame, position: int) -> Atom:
        """No change of a capture."""
        _, function, fields = next(one for one in self.family.constructors.values() if one[0] == self.form.constructor)
        places = {one.name: position for position, one in enumerate(fields)}
        source = next(one.source for one in captured(frame, function, "", places) if one.position == position)
        wanted = dict(self.changing)[position]
        return unsettled(frame, source, zero_of(frame, source, fields[position]), wanted)
