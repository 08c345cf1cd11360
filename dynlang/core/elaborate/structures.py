"""Leaves inside lists, sums, and arrays of those, which are there only when the program runs.

A list or array is walked by a loop. A sum, or a record that holds lists of itself, is walked by a function of its own, one
for each type, which calls itself; it is given what the function of leaves has captured. The state of a fold and the number
of the next leaf are locals under names that no program has, so that loops and branches carry them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dynlang.check import typed
from dynlang.core.build import Builder
from dynlang.core.elaborate.comprehensions import again
from dynlang.core.elaborate.formats import joined_text
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import Items, indexed, list_item, unboxed_element, updated
from dynlang.core.elaborate.values import Abstraction, Value, rename_places
from dynlang.core.nodes import Atom, Call, For, Function, Literal, Variable
from dynlang.core.walk import Names
from dynlang.types import (
    FLOATS,
    INT,
    UNIT,
    ArrayType,
    FunctionType,
    IndexType,
    ListType,
    RowsType,
    ScalarType,
    Size,
    StringType,
    SumType,
    TangentType,
    Type,
)

STATE, NUMBER = "leaf.state", "leaf.number"
STRING = StringType()
Visit = Callable[[Frame, "Walk", Sequence[Value], Atom], Value]


@dataclass(frozen=True)
class Walk:
    """One ``map_leaves`` or ``fold_leaves``: the node, what its function reads around it, and how values are visited."""

    node: typed.MapLeaves | typed.FoldLeaves
    captures: tuple[str, ...]
    visit: Visit
    depth: int = 0
    named: str = ""
    """What errors call it, if it isn't the program's own."""

    @property
    def maps(self) -> bool:
        return isinstance(self.node, typed.MapLeaves)

    @property
    def word(self) -> str:
        return self.named or ("map_leaves" if self.maps else "fold_leaves")

    @property
    def kind(self) -> str:
        return self.node.function.type_variable.kind


# ---------------------------------------------------------------- what is a leaf


def leaf_dtype(kind: Type) -> str | None:
    """The dtype of a leaf's numbers; None if it is no leaf."""
    match kind:
        case ScalarType(dtype) | ArrayType(ScalarType(dtype), _):
            return dtype
        case RowsType(dtype, _):
            return dtype
    return None


def is_leaf(kind: Type, wanted: str) -> bool:
    dtype = leaf_dtype(kind)
    if dtype is None:
        return False
    return dtype in FLOATS if wanted == "float" else dtype != "bool" if wanted == "number" else True


def holds_leaf(frame: Frame, kind: Type, wanted: str) -> bool:
    """Whether a value of a Core type can have a leaf of the kind anywhere in it."""
    seen: set[str] = set()
    waiting: list[Type] = [kind]
    while waiting:
        one = waiting.pop()
        if is_leaf(one, wanted):
            return True
        match one:
            case ArrayType(element, _):
                waiting.append(element)
            case ListType(elements):
                waiting += elements
            case SumType(name, _) if name not in seen:
                seen.add(name)
                declared = frame.elaborator.sums.get(name)
                if declared is None or name in frame.layouts.function_sums:
                    return True
                waiting += [field.type for each in declared.constructors for field in each.fields]
    return False


# ---------------------------------------------------------------- walking


def extended(frame: Frame, walk: Walk, path: Atom, *more: Atom | str) -> Atom:
    """A path with a step more; nobody asks for it where the function takes no `Leaf`."""
    return joined_text(frame, [path, *more]) if walk.node.with_info else path


def walk_inside(frame: Frame, walk: Walk, values: Sequence[Value], path: Atom) -> Value:
    """The leaves inside a list, a sum, or an array of such, of every value at once."""
    kind = values[0].type
    inner = replace(walk, depth=walk.depth + 1)
    match kind:
        case ListType():
            return walk_list(frame, inner, values, path)
        case ArrayType():
            return walk_array(frame, inner, values, path)
        case SumType() | FunctionType() | TangentType():
            at_root = isinstance(path, Literal) and path.value == ""
            return walk_apart(frame, inner, values, path if at_root else extended(frame, walk, path, "."))
    return values[0]


def walk_item(frame: Frame, walk: Walk, items: Sequence[Value], path: Atom) -> Value:
    """An item of a list or array; a record that holds lists of itself has a function that calls itself."""
    if frame.layouts.holds_itself(items[0].type):
        return walk_apart(frame, walk, items, path)
    return walk.visit(frame, walk, items, path)


def loop(frame: Frame, walk: Walk, length: Atom, whole: Value, step: Callable[[Atom, Value], Value]) -> Value:
    """A loop that carries the whole, if it changes, and what else the walk carries."""
    held = f"leaf.whole{walk.depth}"
    frame.locals[held] = whole
    kinds = frame.carried_locals([*([held] if walk.maps else []), STATE, NUMBER])
    names = frame.builder.names
    carried, initial = frame.telescope(kinds), frame.current(kinds)
    index = Variable(names.fresh("k"), INT)
    with frame.inside() as builder:
        frame.assign_all(kinds, carried)
        frame.locals[held] = step(index, frame.locals[held])
        block = builder.block(*frame.current(kinds))
    results = frame.merge(For(index, length, carried, tuple(initial), block), again(carried, names.fresh), walk.node.span)
    frame.assign_all(kinds, results)
    return frame.locals.pop(held)


def walk_list(frame: Frame, walk: Walk, values: Sequence[Value], path: Atom) -> Value:
    lengths = [frame.builder.operation("list_length", one.atom, name="length") for one in values]
    for other in lengths[1:]:
        same = frame.builder.operation("equal", lengths[0], other, name="same")
        frame.check(same, f"`{walk.word}` takes lists of one length, not {{}} and {{}}", walk.node.span, "DYN0901", lengths[0], other)

    def step(index: Atom, whole: Value) -> Value:
        items = [list_item(frame, one, index) for one in (whole, *values[1:])]
        new = walk_item(frame, walk, items, extended(frame, walk, path, "[", index, "]"))
        if not walk.maps:
            return whole
        assert isinstance(whole.type, ListType)
        atoms = unboxed_element(frame, whole.type.elements[0], new)
        return Value(whole.type, (frame.builder.operation("list_set", whole.atom, index, *atoms, name="list"),))

    return loop(frame, walk, lengths[0], values[0], step)


def walk_array(frame: Frame, walk: Walk, values: Sequence[Value], path: Atom) -> Value:
    """An array of lists or sums, along its first axis."""
    kind = values[0].type
    assert isinstance(kind, ArrayType) and isinstance(kind.shape[0], Size)

    def step(index: Atom, whole: Value) -> Value:
        items = [indexed(frame, one, Items((index,), one.type)) for one in (whole, *values[1:])]  # type: ignore[arg-type]
        new = walk_item(frame, walk, items, extended(frame, walk, path, "[", index, "]"))
        return updated(frame, whole, Items((index,), whole.type), new) if walk.maps else whole  # type: ignore[arg-type]

    return loop(frame, walk, frame.builder.size(kind.shape[0]), values[0], step)


# ---------------------------------------------------------------- what is recursive


@dataclass(frozen=True)
class Surroundings:
    """What the function that walks a recursive type is given besides: names and values, each type over sizes of its own."""

    abstraction: Abstraction
    locals: tuple[tuple[str, Type], ...]
    sizes: tuple[tuple[str, Size], ...]
    types: tuple[tuple[str, Type], ...]


def surroundings(frame: Frame, walk: Walk, values: Sequence[Value]) -> Surroundings:
    abstraction = Abstraction(prefix="s")
    facts = frame.elaborator.facts.of((walk.node.function.body, walk.node.function.parameters))
    for one in values:
        abstraction.type(one.type)
    names = [name for name in (*walk.captures, STATE, NUMBER) if name in frame.locals]
    locals = tuple((name, abstraction.type(frame.locals[name].type)) for name in names)
    sizes = tuple((name, abstraction.size(frame.sizes[name])) for name in sorted(facts.sizes) if name in frame.sizes and name not in names)
    types = tuple((name, abstraction.type(frame.types[name])) for name in sorted(facts.types) if name in frame.types)
    return Surroundings(abstraction, locals, sizes, types)


def walk_apart(frame: Frame, walk: Walk, values: Sequence[Value], path: Atom) -> Value:
    """A call of the function that walks this type."""
    around = surroundings(frame, walk, values)
    kinds = tuple(around.abstraction.type(one.type) for one in values)
    key = ("leaves", id(walk.node), kinds, around.locals, around.sizes, around.types)
    elaborator = frame.elaborator
    name = elaborator.generated.get(key)
    if name is None:
        name = elaborator.generated[key] = elaborator.function_names.fresh("leaves_of")
        of = kinds[0].of if isinstance(kinds[0], TangentType) else kinds[0]
        if isinstance(of, FunctionType):
            elaborator.open_functions(of, lambda: make_walker(frame, walk, name, kinds, around))
        else:
            make_walker(frame, walk, name, kinds, around)
    sizes = tuple(frame.builder.size(size) for size in around.abstraction.names)
    atoms = [atom for local, _ in around.locals for atom in frame.stored(frame.locals[local])]
    atoms += [atom for one in values for atom in frame.stored(one)]
    results = frame.builder.emit(Call(name, (*sizes, *atoms, path)))
    changed, kind = values[0], values[0].type
    places = frame.layouts.stored(kind) if walk.maps else ()
    if walk.maps:
        changed = frame.unstored(kind, frame.retyped_atoms(results[:len(places)], places))
    frame.assign_all(frame.carried_locals([STATE, NUMBER]), results[len(places):])
    return changed


def make_walker(frame: Frame, walk: Walk, name: str, kinds: Sequence[Type], around: Surroundings) -> None:
    """The function itself: sizes, captures, the state and number, the values and the path; it gives the value, state and number."""
    elaborator, layouts = frame.elaborator, frame.layouts
    size_names = tuple(around.abstraction.names.values())
    names = Names(size_names)
    inner = Frame(elaborator, Builder(names, elaborator.scope, span=walk.node.span), {}, {}, dict(around.types), UNIT, name)
    inner.sizes = {one: Size.variable(one) for one in size_names} | dict(around.sizes)
    parameters = [Variable(one, INT) for one in size_names]
    for label, kind in around.locals:
        places = rename_places(layouts.stored(kind), names.fresh, {}, label.rpartition(".")[2])
        parameters += places
        inner.locals[label] = inner.unstored(kind, places)
        if kind == INT or isinstance(kind, IndexType):
            inner.sizes[label] = Size.variable(places[0].name)
    values: list[Value] = []
    for kind in kinds:
        places = rename_places(layouts.stored(kind), names.fresh, {}, "x")
        parameters += places
        values.append(inner.unstored(kind, places))
    path = Variable(names.fresh("path"), STRING)
    parameters.append(path)
    carried = inner.carried_locals([STATE, NUMBER])
    outcome = [*([("x", kinds[0])] if walk.maps else []), *carried]
    results = tuple(place for label, kind in outcome
                    for place in rename_places(layouts.stored(kind), names.fresh, {}, label.rpartition(".")[2]))
    declared = Function(name, tuple(parameters), results, inner.builder.block(), len(size_names))
    elaborator.signatures[name] = declared
    from dynlang.core.elaborate.alternatives import match_all

    changed = match_all(inner, walk, values, path) if has_alternatives(kinds[0]) else walk.visit(inner, walk, values, path)
    atoms = [*(inner.retyped_atoms(inner.stored(changed), layouts.stored(kinds[0])) if walk.maps else ()), *inner.current(carried)]
    elaborator.functions[name] = replace(declared, body=inner.builder.block(*atoms))


def has_alternatives(kind: Type) -> bool:
    """Whether a value is of a sum: of one that is declared, of all stored functions of a type, or of the derivatives of those."""
    of = kind.of if isinstance(kind, TangentType) else kind
    return isinstance(of, (SumType, FunctionType))
