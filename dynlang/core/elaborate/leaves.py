"""Structure-generic code: ``map_leaves``, ``make_leaves`` and ``fold_leaves``, written out leaf by leaf.

Every leaf is handed over as a vector. A table whose tangent is rows is handed over row by touched row. Leaves inside lists
and sums, which only the running program knows, are the matter of `structures`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from dynlang.check import typed
from dynlang.core.build import integer, text, truth
from dynlang.core.elaborate.expressions import expression, handles
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.rows import map_rows, touched, whole
from dynlang.core.elaborate.settled import resized
from dynlang.core.elaborate.structures import NUMBER, STATE, Walk, extended, holds_leaf, is_leaf, leaf_dtype, walk_inside
from dynlang.core.elaborate.values import AnyFunction, FunctionValue, StoredFunction, Value, is_binder
from dynlang.core.nodes import Atom, Literal
from dynlang.core.sizes import expand
from dynlang.diag import InternalError
from dynlang.source import Span
from dynlang.types import (
    BOOL,
    INT,
    ArrayType,
    FunctionType,
    ListType,
    RecordType,
    RowsType,
    ScalarType,
    Size,
    SumType,
    TangentType,
    Type,
    TypeVariable,
    substitute,
)


@dataclass(frozen=True, slots=True)
class LeafPlace:
    """A place of a value: its position as the value is stored, its path, its type in the program, and what stands there."""

    position: int
    path: str
    source: Type
    held: Atom | AnyFunction

    def atom(self, frame: Frame) -> Atom:
        if isinstance(self.held, (FunctionValue, StoredFunction)):
            assert isinstance(self.source, FunctionType)
            return frame.stored_function(self.held, self.source)
        return self.held


def places_of(frame: Frame, value: Value, wanted: str, leads: bool) -> list[LeafPlace]:
    """The places of a value that are leaves of the kind, or hold some. Functions beside those of the value that leads count all."""
    found: list[LeafPlace] = []
    sizes: dict[str, Size] = {}
    atoms, functions = iter(value.atoms), iter(value.functions)
    for position, place in enumerate(frame.layouts.places(value.type)):
        if isinstance(place.entry, FunctionType):
            function = next(functions)
            if not leads or captures_leaf(frame, function, wanted):
                found.append(LeafPlace(position, place.path.lstrip("."), substitute(place.source, sizes), function))
            continue
        atom = next(atoms)
        if is_binder(place.entry):
            sizes[place.path] = frame.builder.size_of(atom)
        elif holds_leaf(frame, place.entry.type, wanted):
            found.append(LeafPlace(position, place.path.lstrip("."), substitute(place.source, sizes), atom))
    return found


def captures_leaf(frame: Frame, function: AnyFunction, wanted: str) -> bool:
    """Whether a function may have captured a leaf of the kind."""
    return isinstance(function, StoredFunction) or any(
        any(holds_leaf(frame, atom.type, wanted) for atom in value.atoms)
        or any(captures_leaf(frame, inner, wanted) for inner in value.functions) for value in function.bound)


# ---------------------------------------------------------------- one leaf


def leaf_shape(kind: Type) -> tuple[Size, ...]:
    match kind:
        case ArrayType(_, shape) | RowsType(_, shape):
            return tuple(size for size in shape if isinstance(size, Size))
    return ()


def product_of(sizes: Sequence[Size]) -> Size:
    total = Size.constant(1)
    for size in sizes:
        total = total * size
    return total


def as_vector(frame: Frame, atom: Atom) -> Atom:
    """The elements in row-major order."""
    if not isinstance(atom.type, ArrayType):
        return frame.builder.operation("fill", atom, sizes=[Size.constant(1)], name="leaf")
    shape = leaf_shape(expand(atom.type, frame.builder.known))
    return atom if len(shape) == 1 else frame.builder.operation("reshape", atom, sizes=[product_of(shape)], name="leaf")


def from_vector(frame: Frame, vector: Atom, kind: Type) -> Atom:
    """The reverse of `as_vector`."""
    if not isinstance(kind, ArrayType):
        return frame.builder.operation("at", vector, integer(0), name="leaf")
    return frame.retyped_atom(vector, kind)


def run_leaf(frame: Frame, function: typed.LeafFunction, vectors: Sequence[Atom], dtype: str, count: Size,
             others: Sequence[Value] = ()) -> Value:
    """The function's body for one leaf: `others` come before the vectors (a state, an info record)."""
    locals, sizes, types = dict(frame.locals), dict(frame.sizes), dict(frame.types)
    frame.types = {**frame.types, function.type_variable.name: ScalarType(dtype)}
    frame.sizes = {**frame.sizes, function.size_variable: count}
    frame.locals = dict(frame.locals)
    vector_type = ArrayType(ScalarType(dtype), (count,))
    values = [*others, *(Value(vector_type, (resized(frame, one, vector_type),)) for one in vectors)]
    if len(values) != len(function.parameters):
        raise InternalError(f"{len(values)} leaf arguments for {len(function.parameters)} parameters", frame.builder.span)
    for parameter, value in zip(function.parameters, values, strict=True):
        frame.bind(parameter, value)
    result = expression(frame, function.body)
    frame.locals, frame.sizes, frame.types = locals, sizes, types
    return result


def info_record(frame: Frame, path: Atom, kind: Type, parameter: typed.Local) -> Value:
    """The `Leaf` that tells the function what it is given, by the names of its fields; the next leaf has the next number."""
    record = frame.type(parameter.type)
    assert isinstance(record, RecordType)
    shape = leaf_shape(kind)
    index = frame.locals[NUMBER].atom
    following = integer(int(index.value) + 1) if isinstance(index, Literal) else frame.builder.operation("add", index, integer(1), name="i")
    frame.locals[NUMBER] = Value(INT, (following,))
    atoms: list[Atom] = []
    for name, _ in frame.layouts.fields(record):
        match name:
            case "path":
                atoms.append(path)
            case "shape":
                atoms += [integer(len(shape)), shape_array(frame, shape)]
            case "index":
                atoms.append(index)
            case "count":
                atoms.append(frame.builder.size(product_of(shape)))
            case "dtype":
                atoms.append(text(leaf_dtype(kind) or ""))
            case _:
                raise InternalError(f"a leaf has no {name}", frame.builder.span)
    return Value(record, tuple(atoms))


def shape_array(frame: Frame, shape: Sequence[Size]) -> Atom:
    builder = frame.builder
    array = builder.operation("fill", integer(0), sizes=[Size.constant(len(shape))], name="shape")
    for axis, size in enumerate(shape):
        array = builder.operation("update", array, integer(axis), builder.size(size), name="shape")
    return array


# ---------------------------------------------------------------- the three forms


@handles(typed.MapLeaves)
def map_leaves(frame: Frame, node: typed.MapLeaves) -> Value:
    values = [expression(frame, one) for one in node.arguments]
    with own_locals(frame):
        found = visit(frame, walk_of(frame, node), values, text(""))
    return Value(frame.type(node.type), found.atoms, found.functions)


@handles(typed.FoldLeaves)
def fold_leaves(frame: Frame, node: typed.FoldLeaves) -> Value:
    state = expression(frame, node.initial)
    values = [expression(frame, one) for one in node.arguments]
    with own_locals(frame):
        frame.locals[STATE] = frame.retyped(state, frame.type(node.type))
        visit(frame, walk_of(frame, node), values, text(""))
        return frame.locals[STATE]


@contextmanager
def own_locals(frame: Frame) -> Iterator[None]:
    """The state and the number of the next leaf belong to one walk: functions of leaves may walk other values."""
    outer = {name: frame.locals[name] for name in (STATE, NUMBER) if name in frame.locals}
    frame.locals.pop(STATE, None)
    frame.locals[NUMBER] = Value(INT, (integer(0),))
    try:
        yield
    finally:
        frame.locals.pop(STATE, None)
        frame.locals.pop(NUMBER, None)
        frame.locals.update(outer)


def walk_of(frame: Frame, node: typed.MapLeaves | typed.FoldLeaves) -> Walk:
    facts = frame.elaborator.facts.of((node.function.body, node.function.parameters))
    return Walk(node, tuple(name for name in facts.read if name in frame.locals and name not in facts.bound), visit)


def visit(frame: Frame, walk: Walk, values: Sequence[Value], path: Atom) -> Value:
    """Every leaf of the first value, with its partners in the others; the first value as it comes out."""
    changed: dict[int, Atom] = {}
    for row in matched_places(frame, walk, values):
        given = [one.atom(frame) for one in row]
        new = visit_place(frame, walk, [one.source for one in row], given, step_to(frame, walk, path, row[0].path))
        changed[row[0].position] = new
    return replaced(frame, values[0], changed) if walk.maps else values[0]


def replaced(frame: Frame, value: Value, changed: Mapping[int, Atom]) -> Value:
    """The value with other atoms at some places."""
    atoms, functions = list(value.atoms), list(value.functions)
    at = behind = 0
    for position, entry in enumerate(frame.layouts.entries(value.type)):
        if isinstance(entry, FunctionType):
            if position in changed:
                functions[behind] = StoredFunction(entry, changed[position])
            behind += 1
        else:
            atoms[at] = changed.get(position, atoms[at])
            at += 1
    return Value(value.type, tuple(atoms), tuple(functions))


def visit_place(frame: Frame, walk: Walk, sources: Sequence[Type], given: Sequence[Atom], path: Atom) -> Atom:
    """What comes out for a place of the first value."""
    if is_leaf(given[0].type, walk.kind):
        return visit_leaf(frame, walk, given, path)
    values = [frame.unstored(source, (atom,)) for source, atom in zip(sources, given, strict=True)]
    return frame.stored(walk_inside(frame, walk, values, path))[0]


def step_to(frame: Frame, walk: Walk, path: Atom, name: str) -> Atom:
    """The path of a place, with a dot where there is something before it."""
    if not walk.node.with_info or not name:
        return path
    return text(name) if isinstance(path, Literal) and path.value == "" else extended(frame, walk, path, f".{name}")


def visit_leaf(frame: Frame, walk: Walk, given: Sequence[Atom], path: Atom) -> Atom:
    """The function of leaves applied to one: the new leaf, or the new state, which stays among the locals."""
    node, kind = walk.node, given[0].type
    if isinstance(node, typed.MapLeaves) and any(isinstance(one.type, RowsType) for one in given):
        return map_rows(frame, node, path, given)
    atoms = given if walk.maps else [touched(frame, one) for one in given] if len(given) == 1 else [whole(frame, one) for one in given]
    kind = expand(atoms[0].type, frame.builder.known)
    dtype = leaf_dtype(kind)
    assert dtype is not None
    others = [] if walk.maps else [frame.locals[STATE]]
    if node.with_info:
        others.append(info_record(frame, path, kind, node.function.parameters[len(others)]))
    result = run_leaf(frame, node.function, [as_vector(frame, one) for one in atoms], dtype, product_of(leaf_shape(kind)), others)
    if walk.maps:
        return from_vector(frame, result.atom, given[0].type)
    frame.locals[STATE] = frame.retyped(result, frame.locals[STATE].type)
    return given[0]


def matched_places(frame: Frame, walk: Walk, values: Sequence[Value]) -> list[list[LeafPlace]]:
    """The places of the first value, each with its partner in every value. A derivative has no place for ints: those are left out."""
    first, *others = [places_of(frame, value, walk.kind, k == 0) for k, value in enumerate(values)]
    by_path = [{one.path: one for one in own} for own in others]
    return [[place, *(own[place.path] for own in by_path)] for place in first if all(place.path in own for own in by_path)]


# ---------------------------------------------------------------- structures that go together


def has_structure(frame: Frame, kind: Type) -> bool:
    """Whether values of a type may have different alternatives, lengths, or sizes."""
    return any(isinstance(one.source, (SumType, ListType, FunctionType, TangentType)) or one.path.startswith("?")
               or (isinstance(one.source, ArrayType) and not isinstance(one.source.element, ScalarType))
               for one in frame.layouts.places(kind))


def check_structure(frame: Frame, word: str, value: Value, change: Value, span: Span) -> None:
    """That a derivative which a program hands over belongs to a value: the same alternatives, lengths and sizes (or `Zero`)."""
    number, size = TypeVariable("L'", "float"), "agree.size"
    vector = ArrayType(number, (Size.variable(size),))
    fine, mine, theirs = typed.Local("agree.fine", BOOL), typed.Local("agree.value", vector), typed.Local("agree.change", vector)
    function = typed.LeafFunction(number, size, (fine, mine, theirs), typed.LocalReference(BOOL, span, fine))
    node = typed.FoldLeaves(BOOL, span, function, typed.Literal(BOOL, span, True), ())
    frame.elaborator.kept.append(node)
    with own_locals(frame):
        frame.locals[STATE] = Value(BOOL, (truth(True),))
        visit(frame, replace(walk_of(frame, node), named=word), [value, change], text(""))
