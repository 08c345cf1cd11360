"""Derivatives as programs hold them, and as differentiation makes them.

Differentiation fills in the derivatives of lists inside of lists, and of items with sizes of their own, where something is added to
them: until then they are a Zero that knows no sizes (`core.tangents`). For a program ``Tangent<List<List<f32>>>`` is a list of
lists: `settled` makes it, by the value that the derivative belongs to; `unsettled` is the reverse. Both are the identity for
all that isn't such a list or array.

    settled(List<List<f32>>, [[1], [2, 3]], [Zero, Value([4, 5])])    is    [[0], [4, 5]]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dynlang.core.build import Builder, number
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import opened_element, own_sizes
from dynlang.core.elaborate.values import Abstraction, Layouts, Place
from dynlang.core.nodes import Arm, Atom, Call, Case, For, Function, Variable
from dynlang.core.sizes import expand, plain, rename_telescope
from dynlang.core.walk import Names
from dynlang.diag import InternalError
from dynlang.types import (
    INT,
    UNIT,
    ArrayType,
    ListType,
    RowsType,
    ScalarType,
    Size,
    SumType,
    Type,
    map_type,
    substitute,
    tangent,
)


def shape_of(kind: Type) -> str:
    """A type without its sizes."""
    return str(map_type(kind, lambda one: Size.constant(1) if isinstance(one, Size) else one, lambda _: None))


def resized(frame: Frame, atom: Atom, wanted: Type) -> Atom:
    """An array under sizes that only the run can tell to be its own."""
    known = frame.builder.known
    found, wanted = expand(atom.type, known), expand(wanted, known)
    if plain(found) == plain(wanted) or not isinstance(found, ArrayType) or not isinstance(wanted, ArrayType):
        return atom
    for one, other in zip(found.shape, wanted.shape, strict=True):
        if one != other and isinstance(one, Size) and isinstance(other, Size):
            left, right = frame.builder.size(one), frame.builder.size(other)
            same = frame.builder.operation("equal", left, right, name="same")
            frame.check(same, "values of one structure have equal sizes, not {} and {}", frame.builder.span, "DYN0901", right, left)
    return frame.retyped_atom(atom, wanted)


def wanted_type(frame: Frame, source: Type, primal: Type) -> Type:
    found = frame.layouts.tangent_of_place(source, primal)
    if found is None:
        raise InternalError(f"a derivative of {source}", frame.builder.span)
    return expand(found, frame.builder.known)


def settled(frame: Frame, source: Type, primal: Atom, made: Atom) -> Atom:
    """The derivative `made` of the place `primal`, of type `source`, as the program holds it."""
    if frame.layouts.tangents.is_lazy(made.type):
        return opened_lazy(frame, made, wanted_type(frame, source, primal.type), lambda: zero_of(frame, source, primal),
                           lambda held: settled(frame, source, primal, held))
    if isinstance(made.type, RowsType):
        return made
    wanted = wanted_type(frame, source, primal.type)
    if shape_of(wanted) == shape_of(made.type):
        return resized(frame, made, wanted)
    if isinstance(source, ListType):
        length = frame.builder.operation("list_length", made, name="length")
        return filled_list(frame, wanted, length, lambda index: settled_item(
            frame, source.elements[0], list_atoms(frame, primal, index), list_atoms(frame, made, index)))
    assert isinstance(source, ArrayType)
    return filled_array(frame, wanted, lambda inner, indices: settled_item(
        frame, source.element, [inner.operation("at", primal, *indices, name="x")],
        [inner.operation("at", made, *indices, name="dx")])[0])


def settled_item(frame: Frame, element: Type, primal: Sequence[Atom], made: Sequence[Atom]) -> list[Atom]:
    if frame.layouts.is_boxed(element):
        return [through_function(frame, "settled", element, [primal[0], made[0]], settled_box, box_of_derivative)]
    given = iter(made)
    return [settled(frame, place.source, atom, next(given))
            for place, atom in zip(frame.layouts.places(element), primal, strict=True)
            if frame.layouts.tangent(atom.type) is not None]


def settled_box(frame: Frame, element: Type, atoms: Sequence[Atom]) -> Atom:
    """Both boxes opened; the box of the derivative holds it without gaps."""
    primal, made = atoms
    value = opened_element(frame, element, (primal,))
    own = frame.stored(value)
    kind = made.type
    assert isinstance(kind, SumType) and isinstance(primal.type, SumType)
    tangents = frame.layouts.tangents
    fields_of = tangents.fields(primal.type.name, frame.elaborator.sums[primal.type.name].constructors[0].name)

    def filled(chosen: int, fields: Sequence[Variable]) -> list[Atom]:
        at = {one.position: field for one, field in zip(fields_of, fields, strict=True) if one.active} if chosen else {}
        sources = [one.source for one in sourced(frame, element, own)]
        atoms = [own[position] if place.type == INT
                 else settled(frame, sources[position], own[position], at[position]) if position in at
                 else zero_of(frame, sources[position], own[position])
                 for place, position in frame.layouts.tangent_places(element)]
        return [boxed(frame, tangent(element), atoms)]

    return cases(frame, made, [frame.layouts.box(tangent(element))], filled)[0]


def boxed(frame: Frame, element: Type, atoms: Sequence[Atom]) -> Atom:
    box = frame.layouts.box(element)
    constructor = frame.elaborator.sums[box.name].constructors[0].name
    return frame.builder.construct(box, constructor, *frame.retyped_atoms(atoms, frame.layouts.stored(element)), name="box")


# ---------------------------------------------------------------- the reverse


def unsettled(frame: Frame, source: Type, value: Atom, wanted: Type) -> Atom:
    """A derivative that a program holds, as differentiation takes it: `wanted` is its type there."""
    tangents = frame.layouts.tangents
    if tangents.is_lazy(wanted) and not tangents.is_lazy(value.type):
        assert isinstance(wanted, SumType)
        held = unsettled(frame, source, value, own_field(frame, wanted))
        return frame.builder.construct(wanted, tangents.value_constructor(wanted), held, name="d")
    if shape_of(wanted) == shape_of(value.type):
        return value
    if isinstance(source, ListType):
        assert isinstance(wanted, ListType)
        length = frame.builder.operation("list_length", value, name="length")
        return filled_list(frame, wanted, length, lambda index: unsettled_item(
            frame, source.elements[0], list_atoms(frame, value, index), wanted.elements))
    assert isinstance(source, ArrayType) and isinstance(wanted, ArrayType)
    return filled_array(frame, wanted, lambda inner, indices: unsettled_item(
            frame, source.element, [inner.operation("at", value, *indices, name="dx")], [wanted.element])[0])


def unsettled_item(frame: Frame, element: Type, value: Sequence[Atom], wanted: Sequence[Type]) -> list[Atom]:
    layouts = frame.layouts
    if layouts.is_boxed(element):
        (kind,) = wanted
        assert isinstance(kind, SumType)
        made = layouts.tangent(layouts.box(element))
        assert isinstance(made, SumType)
        return [through_function(frame, "unsettled", element, list(value), unsettled_box, derivative_of_box)]
    sources = [place.source for place in layouts.places(element) if isinstance(place.entry, Variable)]
    places = [(sources[position], place) for place, position in layouts.tangent_places(element)]
    return [unsettled(frame, one, atom, kind) for (one, _), atom, kind in zip(places, value, wanted, strict=True)]


def unsettled_box(frame: Frame, element: Type, atoms: Sequence[Atom]) -> Atom:
    layouts = frame.layouts
    value = opened_element(frame, tangent(element), tuple(atoms))
    box = layouts.box(element)
    layouts.tangents.tangent_sum(box.name)
    made = layouts.tangent(box)
    assert isinstance(made, SumType)
    declaration = frame.elaborator.sums[made.name]
    own = {position: atom for (_, position), atom in zip(layouts.tangent_places(element), frame.stored(value), strict=True)}
    sources = [one.source for one in layouts.places(element)]
    constructor = declaration.constructors[1]
    primal = frame.elaborator.sums[box.name].constructors[0].name
    sizes = own_sizes(declaration, made)
    fields: list[Atom] = []
    for one, field in zip(layouts.tangents.fields(box.name, primal), constructor.fields, strict=True):
        kind = substitute(field.type, sizes)
        atom = own[one.position] if field.type == INT else unsettled(frame, sources[one.position], own[one.position], kind)
        if field.type == INT:
            sizes[field.name] = frame.builder.size_of(atom)
        fields.append(atom)
    return frame.builder.construct(made, constructor.name, *fields, name="d")


# ---------------------------------------------------------------- zeros


def zero_of(frame: Frame, source: Type, primal: Atom) -> Atom:
    """The derivative of a place that nothing depends on, as the program holds it."""
    return zero_like(frame, source, primal, wanted_type(frame, source, primal.type))


def zero_like(frame: Frame, source: Type, primal: Atom, wanted: Type) -> Atom:
    """Zero of a type; a list has as many items as the value, or derivative, that it is like."""
    builder, layouts = frame.builder, frame.layouts
    match wanted:
        case ScalarType(dtype):
            return number(0.0, dtype)
        case RowsType(dtype, shape):
            return builder.operation("rows_empty", sizes=shape, dtype=dtype, name="zero")
        case SumType(name, _) if name in layouts.tangents.zero_of:
            return builder.construct(wanted, layouts.tangents.zero_of[name], name="zero")
        case SumType(name, _) if name.endswith("Tangent"):
            layouts.tangents.tangent_sum(name.removesuffix("Tangent"))
            return builder.construct(wanted, layouts.tangents.zero_of[name], name="zero")
        case ArrayType(ScalarType(dtype), shape):
            sizes = [one for one in shape if isinstance(one, Size)]
            return builder.operation("fill", number(0.0, dtype), sizes=sizes, name="zero")
        case ArrayType():
            assert isinstance(source, ArrayType)
            return filled_array(frame, wanted, lambda inner, indices: zero_item(
                frame, source.element, [inner.operation("at", primal, *indices, name="x")])[0])
        case ListType():
            assert isinstance(source, ListType)
            length = builder.operation("list_length", primal, name="length")
            return filled_list(frame, wanted, length,
                               lambda index: zero_item(frame, source.elements[0], list_atoms(frame, primal, index)))
    raise InternalError(f"the zero of {wanted}", builder.span)


def zero_item(frame: Frame, element: Type, primal: Sequence[Atom]) -> list[Atom]:
    """Zero for an item of a list or array, from the places of the value's item, or of a derivative's."""
    if frame.layouts.is_boxed(element):
        return [through_function(frame, "zero", element, [primal[0]], zero_box, box_of_derivative)]
    return [zero_of(frame, place.source, atom) for place, atom in zip(frame.layouts.places(element), primal, strict=True)
            if frame.layouts.tangent_of_place(place.source, atom.type) is not None]


def zero_box(frame: Frame, element: Type, atoms: Sequence[Atom]) -> Atom:
    own = frame.stored(opened_element(frame, element, tuple(atoms)))
    sources = [one.source for one in sourced(frame, element, own)]
    return boxed(frame, tangent(element), [own[position] if place.type == INT else zero_of(frame, sources[position], own[position])
                                           for place, position in frame.layouts.tangent_places(element)])


# ---------------------------------------------------------------- loops, cases, functions


def sourced(frame: Frame, kind: Type, atoms: Sequence[Atom]) -> Iterator[Place]:
    """The places of a value as it is stored; the types that the program has for them are over the value's own sizes."""
    own: dict[str, Size] = {}
    for place, atom in zip(frame.layouts.places(kind), atoms, strict=True):
        if place.source == INT and place.path.startswith("?"):
            own[place.path] = frame.builder.size_of(atom)
        yield replace(place, source=substitute(place.source, own)) if own else place


def list_atoms(frame: Frame, items: Atom, index: Atom) -> list[Atom]:
    kind = items.type
    assert isinstance(kind, ListType)
    return list(frame.builder.operations("list_get", items, index, names=["item"] * len(kind.elements)))


def filled_list(frame: Frame, kind: Type, length: Atom, item: Callable[[Atom], Sequence[Atom]]) -> Atom:
    assert isinstance(kind, ListType)
    names = frame.builder.names
    empty = frame.builder.operation("list_empty", elements=kind.elements, name="empty")
    carried, index = Variable(names.fresh("list"), kind), Variable(names.fresh("k"), INT)
    with frame.inside() as inner:
        longer = inner.operation("list_push", carried, *item(index), name="list")
        block = inner.block(longer)
    return frame.merge(For(index, length, (carried,), (empty,), block), (Variable(names.fresh("list"), kind),))[0]


def filled_array(frame: Frame, kind: Type, item: Callable[[Builder, tuple[Variable, ...]], Atom]) -> Atom:
    """An array whose items are made one after another, along all axes."""
    assert isinstance(kind, ArrayType)
    names = frame.builder.names
    sizes = [one for one in kind.shape if isinstance(one, Size)]
    start = frame.builder.operation("fill", frame.placeholder(kind.element), sizes=sizes, name="empty")

    def along(whole: Atom, indices: tuple[Variable, ...], rest: Sequence[Size]) -> Atom:
        if not rest:
            return frame.builder.operation("update", whole, *indices, item(frame.builder, indices), name="array")
        carried, index = Variable(names.fresh("array"), kind), Variable(names.fresh("k"), INT)
        count = frame.builder.size(rest[0])
        with frame.inside() as inner:
            block = inner.block(along(carried, (*indices, index), rest[1:]))
        return frame.merge(For(index, count, (carried,), (whole,), block), (Variable(names.fresh("array"), kind),))[0]

    return along(start, (), sizes)


def cases(frame: Frame, value: Atom, kinds: Sequence[Type], body: Callable[[int, Sequence[Variable]], Sequence[Atom]]) -> tuple[Atom, ...]:
    """A `Case` with results of these types; `body` is told which constructor it is, and its fields."""
    kind = value.type
    assert isinstance(kind, SumType)
    declaration = frame.elaborator.sums[kind.name]
    arms: list[Arm] = []
    for position, constructor in enumerate(declaration.constructors):
        with frame.inside() as builder:
            fields = rename_telescope(constructor.fields, builder.names.fresh, own_sizes(declaration, kind), builder.known)
            arms.append(Arm(constructor.name, fields, builder.block(*body(position, fields))))
    return frame.merge(Case(value, tuple(arms)), [Variable(frame.builder.names.fresh("d"), one) for one in kinds])


def opened_lazy(frame: Frame, value: Atom, wanted: Type, zero: Callable[[], Atom], held: Callable[[Atom], Atom]) -> Atom:
    return cases(frame, value, [wanted], lambda chosen, fields: [held(fields[0]) if chosen else zero()])[0]


def own_field(frame: Frame, lazy: SumType) -> Type:
    declaration = frame.elaborator.sums[lazy.name]
    return substitute(declaration.constructors[1].fields[0].type, own_sizes(declaration, lazy))


def through_function(frame: Frame, word: str, element: Type, atoms: Sequence[Atom],
                     body: Callable[[Frame, Type, Sequence[Atom]], Atom], result_of: Callable[[Layouts, Type], Type]) -> Atom:
    """A call of the function that does `body` for items of a type: types may hold lists of themselves."""
    elaborator = frame.elaborator
    abstraction = Abstraction(prefix="s")
    abstract = abstraction.type(element)
    kinds = tuple(abstraction.type(one.type) for one in atoms)
    key = (word, abstract, kinds)
    name = elaborator.generated.get(key)
    result = result_of(frame.layouts, abstract)
    if name is None:
        name = elaborator.generated[key] = elaborator.function_names.fresh(f"{word}_of")
        sizes = tuple(Variable(one, INT) for one in abstraction.names.values())
        names = Names(one.name for one in sizes)
        parameters = tuple(Variable(names.fresh("x"), one) for one in kinds)
        results = (Variable(names.fresh("result"), result),)
        signature = Function(name, (*sizes, *parameters), results, Builder(names, elaborator.scope).block(), len(sizes))
        elaborator.signatures[name] = signature
        inner = Frame(elaborator, Builder(names, elaborator.scope, span=frame.builder.span), {},
                      {one.name: Size.variable(one.name) for one in sizes}, {}, UNIT, name)
        found = body(inner, abstract, parameters)
        elaborator.functions[name] = Function(name, signature.parameters, results, inner.builder.block(found), len(sizes))
    given = tuple(frame.builder.size(size) for size in abstraction.names)
    return frame.builder.emit(Call(name, (*given, *atoms)), [word])[0]


def box_of_derivative(layouts: Layouts, element: Type) -> Type:
    """What `settled` makes of an item with sizes of its own."""
    return layouts.box(tangent(element))


def derivative_of_box(layouts: Layouts, element: Type) -> Type:
    """What differentiation makes of it."""
    box = layouts.box(element)
    layouts.tangents.tangent_sum(box.name)
    found = layouts.tangent(box)
    assert found is not None
    return found
