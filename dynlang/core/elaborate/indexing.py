"""Indexing: elements, subarrays, slices and gathers of arrays of anything, and elements of lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dynlang.check import typed
from dynlang.core.build import integer
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.values import Value
from dynlang.core.nodes import Arm, Atom, Case, For, If, Literal, Operation, SumDeclaration, Variable
from dynlang.core.sizes import rename_telescope
from dynlang.diag import InternalError, NotBuilt
from dynlang.source import Span
from dynlang.types import INT, ArrayType, IndexType, ListType, Size, SumType, Type


@dataclass(frozen=True, slots=True)
class Window:
    """A slice of one axis."""

    start: Atom
    count: Size
    step: int


@dataclass(frozen=True, slots=True)
class Items:
    """Evaluated items of an index: atoms (ints, or arrays of ints that gather) and windows."""

    items: tuple[Atom | Window, ...]
    type: Type

    @property
    def is_element(self) -> bool:
        return all(not isinstance(one, Window) and one.type == INT for one in self.items)


def item_atoms(frame: Frame, value: Value, items: Sequence[typed.Expression | typed.SliceItem], kind: Type | None = None) -> Items:
    """The items evaluated, each int that isn't known to be inside checked."""
    from dynlang.core.elaborate.expressions import expression

    assert isinstance(value.type, ArrayType)
    found: list[Atom | Window] = []
    for axis, item in enumerate(items):
        bound = value.type.shape[axis]
        assert isinstance(bound, Size)
        if isinstance(item, typed.SliceItem):
            found.append(Window(expression(frame, item.start).atom, frame.size(item.count), item.step))
        else:
            found.append(checked_index(frame, expression(frame, item), bound, item))
    return Items(tuple(found), kind if kind is not None else value.type)


def checked_index(frame: Frame, index: Value, bound: Size, node: typed.Expression) -> Atom:
    """An index inside ``0..bound``: by the type that the checker gave it here, or by a check; a negative literal counts from
    the end. A variable of type ``idx<n + 1>`` is an int where it indexes n items."""
    if isinstance(node.type, IndexType):
        return index.atom
    if isinstance(node.type, ArrayType):
        if not isinstance(node.type.element, IndexType):
            check_indices(frame, index.atom, bound, node.span)
        return index.atom
    atom = index.atom
    if isinstance(atom, Literal):
        value = int(atom.value)
        size = bound + value if value < 0 else Size.constant(value)
        inside = size if value < 0 else bound - value - 1
        if inside.has_no_negative_coefficient():
            return frame.builder.size(size)
        if value < 0:
            atom = frame.builder.size(size)
    return check_index(frame, atom, bound, node.span)


def check_index(frame: Frame, index: Atom, bound: Size, span: Span | None) -> Atom:
    limit = frame.builder.size(bound)
    (checked,) = frame.builder.emit(Operation("check_index", (index, limit), (("code", "DYN0902"),)), ["i"], span=span)
    return checked


def check_indices(frame: Frame, indices: Atom, bound: Size, span: Span | None) -> None:
    """Every int of an array or list is inside ``0..bound``; where one isn't, the first is the error's."""
    builder = frame.builder
    limit = builder.size(bound)
    if isinstance(indices.type, ListType):
        check_each(frame, indices, builder.operation("list_length", indices, name="length"), limit, span)
        return
    assert isinstance(indices.type, ArrayType)
    shape = [size for size in indices.type.shape if isinstance(size, Size)]
    low = builder.operation("greater_equal", indices, integer(0), name="low")
    high = builder.operation("less", indices, limit, name="high")
    fine = builder.operation("reduce_all", builder.operation("logical_and", low, high, name="inside"), name="fine")

    def complain() -> list[Atom]:
        total = Size.constant(1)
        for size in shape:
            total = total * size
        flat = indices if len(shape) == 1 else frame.builder.operation("reshape", indices, sizes=[total])
        check_each(frame, flat, frame.builder.size(total), limit, span)
        return []

    builder.emit(If(fine, builder.inside().block(), frame.block(complain)), types=(), span=span)


def check_each(frame: Frame, items: Atom, count: Atom, limit: Atom, span: Span | None) -> None:
    """Checks one int after another."""
    index = Variable(frame.builder.names.fresh("i"), INT)
    with frame.inside() as builder:
        read = "list_get" if isinstance(items.type, ListType) else "at"
        item = builder.operation(read, items, index, name="item")
        builder.emit(Operation("check_index", (item, limit), (("code", "DYN0902"),)), ["item"], span=span)
        body = builder.block()
    frame.builder.emit(For(index, count, (), (), body), types=(), span=span)


# ---------------------------------------------------------------- arrays


def indexed(frame: Frame, value: Value, items: Items) -> Value:
    """``value[items]``."""
    kind = value.type
    assert isinstance(kind, ArrayType)
    if any(not isinstance(one, Window) and isinstance(one.type, ArrayType) for one in items.items):
        return gathered(frame, value, items)
    shape = remaining_shape(kind, items)
    atoms = tuple(indexed_atom(frame, one, items) for one in value.atoms)
    if shape:
        return Value(ArrayType(kind.element, shape), atoms)
    return opened_element(frame, kind.element, atoms)


@dataclass(frozen=True, slots=True)
class Piece:
    """``value[items]``, not read yet: the next index, or field, goes on from here, and nothing on the way is copied.

    An array of records is an array for each field, so ``layers[i].w[j]`` is ``layers.w[i, j]``."""

    value: Value
    items: tuple[Atom, ...] = ()

    @property
    def type(self) -> Type:
        """The type of what is named, where that is an array; else of what it is a part of."""
        kind = self.value.type
        return ArrayType(kind.element, kind.shape[len(self.items):]) if isinstance(kind, ArrayType) else kind

    @property
    def is_element(self) -> bool:
        return isinstance(self.value.type, ArrayType) and len(self.items) == len(self.value.type.shape)


def read(frame: Frame, piece: Piece) -> Value:
    return indexed(frame, piece.value, Items(piece.items, piece.value.type)) if piece.items else piece.value


def item_of(frame: Frame, piece: Piece, items: Sequence[typed.Expression | typed.SliceItem]) -> tuple[Piece, Items]:
    """``piece[items]``, and the items from the beginning of its array. A piece that is an element holds an array: it is read."""
    if piece.is_element:
        piece = Piece(read(frame, piece))
    own = item_atoms(frame, Value(piece.type, piece.value.atoms), items)
    gathers = any(not isinstance(one, Window) and isinstance(one.type, ArrayType) for one in own.items)
    if gathers and piece.items:
        piece = Piece(read(frame, piece))
    whole = Items((*piece.items, *own.items), piece.value.type)
    if whole.is_element:
        return Piece(piece.value, tuple(one for one in whole.items if not isinstance(one, Window))), whole
    return Piece(indexed(frame, piece.value, whole)), whole


def part_of(frame: Frame, piece: Piece, step: str | int) -> tuple[Piece, bool]:
    """A field or item of a piece, and whether it is the same place of the array of that field."""
    from dynlang.core.elaborate.places import select_part

    kind = piece.value.type
    flat = piece.is_element and piece.items and isinstance(kind, ArrayType) and not frame.layouts.is_boxed(kind.element)
    value = piece.value if flat else read(frame, piece)
    return Piece(select_part(frame, value, step)[0], piece.items if flat else ()), bool(flat)


def remaining_shape(kind: ArrayType, items: Items) -> tuple[Size, ...]:
    shape: list[Size] = []
    for axis, size in enumerate(kind.shape):
        assert isinstance(size, Size)
        if axis >= len(items.items):
            shape.append(size)
            continue
        item = items.items[axis]
        if isinstance(item, Window):
            shape.append(item.count)
    return tuple(shape)


def indexed_atom(frame: Frame, array: Atom, items: Items) -> Atom:
    builder = frame.builder
    lead = 0
    while lead < len(items.items) and not isinstance(items.items[lead], Window):
        lead += 1
    current = array
    if lead:
        current = builder.operation("at", array, *(one for one in items.items[:lead] if not isinstance(one, Window)),
                                    name=name_of(array))
    rest = items.items[lead:]
    return windowed(frame, current, rest) if rest else current


def windowed(frame: Frame, array: Atom, items: Sequence[Atom | Window]) -> Atom:
    """Slices of some axes, elements of others."""
    kind = array.type
    assert isinstance(kind, ArrayType)
    starts: list[Atom] = []
    counts: list[Size] = []
    kept: list[Size] = []
    steps: list[int] = []
    for axis, size in enumerate(kind.shape):
        assert isinstance(size, Size)
        item = items[axis] if axis < len(items) else Window(integer(0), size, 1)
        window = item if isinstance(item, Window) else Window(item, Size.constant(1), 1)
        starts.append(window.start)
        counts.append(window.count)
        steps.append(window.step)
        if isinstance(item, Window):
            kept.append(window.count)
    attributes: dict[str, Any] = {"steps": tuple(steps)} if any(step != 1 for step in steps) else {}
    if counts == list(kind.shape) and not attributes:
        current: Atom = array
    else:
        current = frame.builder.operation("slice", array, *starts, sizes=counts, name=name_of(array), **attributes)
    return current if len(kept) == len(counts) else frame.builder.operation("reshape", current, sizes=kept, name=name_of(array))


def gathered(frame: Frame, value: Value, items: Items) -> Value:
    kind = value.type
    assert isinstance(kind, ArrayType)
    if len(items.items) != 1 or isinstance(items.items[0], Window):
        raise NotBuilt("a gather beside other indices", frame.builder.span)
    indices = items.items[0]
    assert isinstance(indices.type, ArrayType)
    atoms = tuple(frame.builder.operation("gather", one, indices, name=name_of(one)) for one in value.atoms)
    return Value(ArrayType(kind.element, (*indices.type.shape, *kind.shape[1:])), atoms)


def name_of(atom: Atom) -> str:
    return atom.name if isinstance(atom, Variable) else "t"


def opened_element(frame: Frame, element: Type, atoms: tuple[Atom, ...]) -> Value:
    """An element of an array or list from its places: out of its box, if it is in one."""
    if not frame.layouts.is_boxed(element):
        return frame.unstored(element, atoms)
    (box,) = atoms
    assert isinstance(box.type, SumType)
    if box.type.name not in frame.elaborator.sums:
        raise NotBuilt("an item of the gradient of a list or array whose items have sizes of their own", frame.builder.span)
    constructor = frame.elaborator.sums[box.type.name].constructors[0]
    sizes = own_sizes(frame.elaborator.sums[box.type.name], box.type)
    fields = rename_telescope(constructor.fields, frame.builder.names.fresh, sizes, frame.builder.known)
    telescope = rename_telescope(constructor.fields, frame.builder.names.fresh, sizes, frame.builder.known)
    with frame.inside() as inner:
        body = inner.block(*fields)
    results = frame.merge(Case(box, (Arm(constructor.name, fields, body),)), telescope)
    return frame.unstored(element, results)


def own_sizes(declaration: SumDeclaration, kind: SumType) -> dict[str, Size]:
    return {name: size for name, size in zip(declaration.sizes, kind.arguments, strict=True) if isinstance(size, Size)}


def unboxed_element(frame: Frame, element: Type, value: Value) -> tuple[Atom, ...]:
    """The places of an element as an array or list holds it: the reverse of `opened_element`."""
    atoms = tuple(frame.retyped_atoms(frame.stored(value), frame.layouts.stored(element)))
    if not frame.layouts.is_boxed(element):
        return atoms
    box = frame.layouts.box(element)
    constructor = frame.elaborator.sums[box.name].constructors[0].name
    return (frame.builder.construct(box, constructor, *atoms, name="box"),)


def updated(frame: Frame, value: Value, items: Items, new: Value, old: Value | None = None) -> Value:
    """``value`` with ``value[items]`` replaced; arrays whose part is that of `old` are left alone."""
    kind = value.type
    assert isinstance(kind, ArrayType)
    if len(items.items) == 1 and not isinstance(items.items[0], Window) and isinstance(items.items[0].type, ArrayType):
        return scattered(frame, value, items.items[0], new)
    shape = remaining_shape(kind, items)
    parts = new.atoms if shape else unboxed_element(frame, kind.element, new)
    before: Sequence[Atom | None] = old.atoms if old is not None and len(old.atoms) == len(parts) else (None,) * len(parts)
    atoms: list[Atom] = []
    for array, part, same in zip(value.atoms, parts, before, strict=True):
        atoms.append(array if part == same else updated_atom(frame, array, items, part))
    return Value(kind, tuple(atoms))


def scattered(frame: Frame, value: Value, indices: Atom, new: Value) -> Value:
    """``value[indices] = new``, item by item: of one that is picked twice the last counts."""
    if not isinstance(indices.type, ArrayType) or len(indices.type.shape) != 1:
        raise NotBuilt("assigning to the items that an array of indices of several axes picks", frame.builder.span)
    size = indices.type.shape[0]
    assert isinstance(size, Size)
    names = frame.builder.names
    count, index = frame.builder.size(size), Variable(names.fresh("i"), INT)
    carried = tuple(Variable(names.fresh(name_of(one)), one.type) for one in value.atoms)
    with frame.inside() as builder:
        place = builder.operation("at", indices, index, name="place")
        changed = [builder.operation("update", array, place, builder.operation("at", part, index, name="item"), name=name_of(array))
                   for array, part in zip(carried, new.atoms, strict=True)]
        body = builder.block(*changed)
    telescope = tuple(Variable(names.fresh(name_of(one)), one.type) for one in value.atoms)
    return Value(value.type, frame.merge(For(index, count, carried, value.atoms, body), telescope))


def updated_atom(frame: Frame, array: Atom, items: Items, part: Atom) -> Atom:
    builder = frame.builder
    if not any(isinstance(one, Window) for one in items.items):
        if any(isinstance(one.type, ArrayType) for one in items.items if not isinstance(one, Window)):
            raise NotBuilt("assigning to gathered elements: use scatter_add or a loop", builder.span)
        indices = [one for one in items.items if not isinstance(one, Window)]
        kind = array.type
        assert isinstance(kind, ArrayType)
        wanted = kind.shape[len(indices):]
        if wanted and not isinstance(part.type, ArrayType):
            part = builder.operation("fill", part, sizes=[one for one in wanted if isinstance(one, Size)])
        return builder.operation("update", array, *indices, part, name=name_of(array))
    kind = array.type
    assert isinstance(kind, ArrayType)
    starts: list[Atom] = []
    counts: list[Size] = []
    steps: list[int] = []
    for axis, size in enumerate(kind.shape):
        assert isinstance(size, Size)
        item = items.items[axis] if axis < len(items.items) else Window(integer(0), size, 1)
        window = item if isinstance(item, Window) else Window(item, Size.constant(1), 1)
        starts.append(window.start)
        counts.append(window.count)
        steps.append(window.step)
    if not isinstance(part.type, ArrayType):
        part = builder.operation("fill", part, sizes=counts)
    elif part.type.shape != tuple(counts):
        part = builder.operation("reshape", part, sizes=counts)
    attributes: dict[str, Any] = {"steps": tuple(steps)} if any(step != 1 for step in steps) else {}
    return builder.operation("update_slice", array, *starts, part, name=name_of(array), **attributes)


# ---------------------------------------------------------------- lists


def list_position(frame: Frame, value: Value, node: typed.Expression) -> Atom:
    """A checked position; a negative literal counts from the end."""
    from dynlang.core.elaborate.expressions import expression

    builder = frame.builder
    position = expression(frame, node).atom
    length = builder.operation("list_length", value.atom, name="length")
    if isinstance(position, Literal) and int(position.value) < 0:
        position = builder.operation("add", length, position, name="i")
    (checked,) = builder.emit(Operation("check_index", (position, length), (("code", "DYN0902"),)), ["i"], span=node.span)
    return checked


def list_item(frame: Frame, value: Value, position: Atom) -> Value:
    """The element at a position inside the list."""
    if not isinstance(value.type, ListType):
        raise InternalError(f"{value.type} is not a list")
    atoms = frame.builder.operations("list_get", value.atom, position, names=["item"] * 8)
    return opened_element(frame, value.type.elements[0], atoms)
