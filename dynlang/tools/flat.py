"""Named arrays, as users write and read them, to and from the flat values that a compiled function takes and gives.

A record's fields are `m.leaf.w`, a tuple's items `p.0`; a value of a sum type is a few arrays, in pre-order:

    t.tag             the constructor's number at each node, parents before their children
    t.Leaf.word       the field `word` of each Leaf, one after another in the same order
    t.Note.n, t.Note.pitches     a field of varying length: all its elements, one after another
    t.Line.words.length          of a field that is a list how many items each has; the items of all are in `t.Line.words`

A list is its items side by side, `xs` of shape [items, d]; of pairs `xs.0` and `xs.1`. Sizes are found from the arrays, and compared:

>>> equations = [Equation("w", "axis 1", Size.variable("n"), 785), Equation("x", "axis 0", Size.variable("n"), 784)]
>>> solve_sizes(equations, {})
Traceback (most recent call last):
    ...
dynlang.tools.flat.BadArgument: axis 0 of `x` has 784 elements, but n is 785 by axis 1 of `w`
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynlang import diag
from dynlang.core.evaluate import SumValue
from dynlang.core.nodes import Function, SumDeclaration, Variable
from dynlang.ops.dtypes import NUMPY, round_to_bf16
from dynlang.types import (
    ArrayType,
    ListType,
    RowsType,
    ScalarType,
    Size,
    StringType,
    SumType,
    Type,
    size_variables,
)


class BadArgument(Exception):
    """What was given doesn't fit the function; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Equation:
    """The array called `name` has `actual` elements along `axis`, where its type says `size`."""

    name: str
    axis: str
    size: Size
    actual: int


def solve_sizes(equations: Sequence[Equation], known: Mapping[str, int]) -> dict[str, int]:
    """The size variables, each from an equation in which it alone is unknown and linear; all equations then hold."""
    values = dict(known)
    origin: dict[str, Equation] = {}
    pending = True
    while pending:
        pending = False
        for equation in equations:
            unknown = equation.size.variables() - values.keys()
            if len(unknown) == 1:
                (name,) = unknown
                found = _solve_linear(equation, name, values)
                if found is not None:
                    values[name], origin[name], pending = found, equation, True
    for equation in equations:
        if equation.size.variables() <= values.keys():
            _compare(equation, values, origin)
    return values


def _solve_linear(equation: Equation, name: str, values: Mapping[str, int]) -> int | None:
    """The value of `name` that makes the equation hold, if the size is linear in it."""
    at = [equation.size.evaluate({**values, name: value}) for value in (0, 1, 2)]
    slope = at[1] - at[0]
    if slope == 0 or at[2] - at[1] != slope:
        return None
    value, rest = divmod(equation.actual - at[0], slope)
    if rest or value < 0:
        raise BadArgument(f"{equation.axis} of `{equation.name}` has {equation.actual} elements, "
                          f"which is {equation.size} for no {name}")
    return value


def _compare(equation: Equation, values: Mapping[str, int], origin: Mapping[str, Equation]) -> None:
    wanted = equation.size.evaluate(values)
    if wanted == equation.actual:
        return
    reasons = [f"{name} is {values[name]}{_by(origin.get(name))}" for name in sorted(equation.size.variables())]
    reason = f", but {' and '.join(reasons)}" if reasons else f" instead of {wanted}"
    if reasons and equation.size.single_variable is None:
        reason = f" instead of {equation.size} = {wanted}: {' and '.join(reasons)}"
    raise BadArgument(f"{equation.axis} of `{equation.name}` has {equation.actual} elements{reason}")


def known(size: object) -> Size:
    """A size of Core, where none is unknown."""
    assert isinstance(size, Size)
    return size


def _by(origin: Equation | None) -> str:
    return f" by {origin.axis} of `{origin.name}`" if origin else ""


# ---------------------------------------------------------------- dtypes


def exactly(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """The array as `dtype`, contiguous; an error if any element would change."""
    wanted = np.dtype(NUMPY[dtype])
    kinds = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}[wanted.kind]
    if array.dtype.kind not in kinds:
        raise BadArgument(f"`{name}` holds {array.dtype} numbers, which are not {dtype}")
    with np.errstate(all="ignore"):
        if wanted.kind == "b":
            return np.asarray(array.view(np.uint8) != 0, order="C").reshape(array.shape)  # a file may hold other bytes than 0 and 1
        converted = round_to_bf16(array.astype(wanted)) if dtype == "bf16" else array.astype(wanted)
        same = converted.astype(array.dtype) == array
    if array.dtype.kind == "f":
        same |= np.isnan(array)
    if wanted.kind == "f" and array.dtype.kind != "f":
        same = np.asarray(converted.astype(object) == array.astype(object))  # as Python compares: exactly
    elif wanted.kind in "iu":
        same &= (converted < 0) == (array < 0)  # -1 and 255 of 8 bits are one pattern, and two numbers
    if not same.all():
        example = array[~same].ravel()[0]
        raise BadArgument(f"`{name}` holds {example}, which is no {dtype}: round it first, e.g. by `.astype`")
    return np.asarray(converted, order="C").reshape(array.shape)


def check_indices(name: str, given: Any, limit: int) -> None:
    """Raise where an index is outside of 0..limit: it is looked at here, and never again inside."""
    array = np.asarray(given)
    outside = (array < 0) | (array >= limit)
    if outside.any():
        raise BadArgument(f"`{name}` holds the index {array[outside].ravel()[0]}, which is outside 0..{limit}")


# ---------------------------------------------------------------- arrays to values


class Reader:
    """Takes a function's arguments out of named arrays; `finish` refuses what is left over."""

    def __init__(self, sums: Mapping[str, SumDeclaration], arrays: Mapping[str, np.ndarray]):
        self.sums = sums
        self.arrays = arrays
        self.used: set[str] = set()

    def take(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise BadArgument(f"`{name}` is missing")
        self.used.add(name)
        return np.asarray(self.arrays[name])

    def finish(self, sizes: Sequence[str] = ()) -> None:
        extra = sorted(set(self.arrays) - self.used - set(sizes))
        if extra:
            raise BadArgument(f"the function has no parameter `{extra[0]}`")

    def arguments(self, function: Function, labels: Sequence[str]) -> list[Any]:
        """The flat values of all parameters, sizes included."""
        parameters = list(zip(function.parameters, labels, strict=True))
        sized = set().union(*(size_variables(one.type) for one in function.parameters)) if parameters else set()
        values_of = {label for one, label in parameters if one.name not in sized}
        given = {one.name: self._integer(label) for one, label in parameters
                 if one.name in sized and label in self.arrays and label not in values_of}
        values = solve_sizes(self._equations(parameters), given)
        found = []
        for one, label in parameters:
            if one.name in sized:
                if one.name not in values:
                    raise BadArgument(f"the size {one.name} follows from no array: give it as `{label}`")
                found.append(values[one.name])
            else:
                found.append(self.value(label, one.type, values))
        return found

    def _integer(self, label: str) -> int:
        array = exactly(label, self.take(label), "i64")
        if array.ndim:
            raise BadArgument(f"`{label}` is one int, but an array of shape {array.shape} was given")
        return int(array)

    def _equations(self, parameters: Sequence[tuple[Variable, str]]) -> list[Equation]:
        found = []
        for one, label in parameters:
            if isinstance(one.type, ArrayType) and isinstance(one.type.element, ScalarType):
                shape = self.take(label).shape
                self._same_rank(label, len(shape), len(one.type.shape))
                found += [Equation(label, f"axis {axis}", known(size), actual)
                          for axis, (size, actual) in enumerate(zip(one.type.shape, shape, strict=True))]
            elif isinstance(one.type, SumType):
                found += self._sum_equations(label, one.type)
            elif isinstance(one.type, ListType):
                found += self._list_equations(label, one.type)
        return found

    def _list_equations(self, label: str, kind: ListType) -> list[Equation]:
        """What the items of a list tell of its sizes: ``xs`` of shape [items, d]."""
        found = []
        for name, one in item_names(label, kind.elements):
            shape = np.shape(self.arrays.get(name, ()))
            if isinstance(one, ArrayType) and len(shape) == len(one.shape) + 1:
                found += [Equation(name, f"axis {axis}", known(size), shape[axis]) for axis, size in enumerate(one.shape, 1)]
        return found

    def _sum_equations(self, label: str, kind: SumType) -> list[Equation]:
        """What the arrays of a sum's fields tell of its sizes: ``t.Leaf.x`` of shape [leaves, d]."""
        declaration = self.sums[kind.name]
        if nests_with_other_sizes(declaration):
            return []
        own = {name: known(size) for name, size in zip(declaration.sizes, kind.arguments, strict=True)}
        found = []
        for constructor in declaration.constructors:
            for field in constructor.fields:
                name = f"{label}.{constructor.name}.{field.name}"
                shape = np.shape(self.arrays.get(name, ()))
                if isinstance(field.type, ArrayType) and len(shape) == len(field.type.shape) + 1:
                    found += [Equation(name, f"axis {axis + 1}", known(size).substitute(own.get), shape[axis + 1])
                              for axis, size in enumerate(field.type.shape) if known(size).variables() <= own.keys()]
        return found

    @staticmethod
    def _same_rank(label: str, given: int, wanted: int) -> None:
        if given != wanted:
            raise BadArgument(f"`{label}` has {wanted} axes, but an array with {given} was given")

    def value(self, label: str, kind: Type, sizes: Mapping[str, int]) -> Any:
        """The value of one parameter."""
        match kind:
            case ScalarType(dtype):
                array = exactly(label, self.take(label), dtype)
                self._same_rank(label, array.ndim, 0)
                return array[()]
            case ArrayType(ScalarType(dtype)):
                return exactly(label, self.take(label), dtype)
            case StringType():
                return self._text(label)
            case SumType():
                return SumReader(self, label, sizes).read(kind)
            case ListType(elements):
                return self._list(label, elements, sizes)
        raise diag.NotBuilt(f"a parameter of type {kind} from arrays: `{label}`")

    def _text(self, label: str) -> bytes:
        array = self.take(label)
        found = texts(label, array)
        self._same_rank(label, array.ndim, 0)
        return found[0]

    def _list(self, label: str, elements: Sequence[Type], sizes: Mapping[str, int]) -> list[tuple[Any, ...]]:
        """The elements of a list of scalars, of texts or of arrays of one shape."""
        columns: list[Any] = []
        for name, kind in item_names(label, elements):
            if isinstance(kind, StringType):
                columns.append(texts(name, self.take(name)))
                self._same_rank(name, self.take(name).ndim, 1)
                continue
            scalar = kind.element if isinstance(kind, ArrayType) else kind
            if not isinstance(scalar, ScalarType):
                raise diag.NotBuilt(f"a list of {kind} from arrays: `{label}`")
            array = exactly(name, self.take(name), scalar.dtype)
            shape = tuple(known(size).evaluate(sizes) for size in kind.shape) if isinstance(kind, ArrayType) else ()
            if array.ndim == 0 or array.shape[1:] != shape:
                wanted = ", ".join(map(str, ("items", *shape)))
                raise BadArgument(f"`{name}` is a list, an array of shape [{wanted}], and one of shape {list(array.shape)} was given")
            columns.append(array)
        for (name, _), column in zip(item_names(label, elements), columns, strict=True):
            if len(column) != len(columns[0]):
                raise BadArgument(f"`{name}` has {len(column)} items, and `{label}.0` has {len(columns[0])}")
        return list(zip(*columns, strict=True))


def texts(label: str, array: np.ndarray) -> list[bytes]:
    """All texts of an array, one after another."""
    if array.dtype.kind not in "US" and array.size:
        raise BadArgument(f"`{label}` holds {array.dtype} numbers, which are no text")
    return [one if isinstance(one, bytes) else one.encode("utf-8", "surrogateescape") for one in array.ravel().tolist()]


def nests_with_other_sizes(declaration: SumDeclaration) -> bool:
    """Whether a field's arrays may belong to values of other sizes, inside of one: ``Level(x: f32[n], below: Pyramid<2*n>)``."""
    same = tuple(map(Size.variable, declaration.sizes))
    fields = (field.type for one in declaration.constructors for field in one.fields)
    return any(isinstance(kind, SumType) and kind.name == declaration.name and kind.arguments != same for kind in fields)


class SumReader:
    """Reads one value of a sum type in pre-order; every array has a position of its own."""

    def __init__(self, reader: Reader, label: str, sizes: Mapping[str, int]):
        self.reader = reader
        self.label = label
        self.sizes = sizes
        self.tags = exactly(f"{label}.tag", reader.take(f"{label}.tag"), "i64").ravel()
        self.next_tag = 0
        self.next: dict[str, int] = {}

    def read(self, kind: SumType) -> SumValue:
        """Without recursion: a tree may be deeper than Python's stack."""
        root: list[Any] = []
        pending: list[tuple[SumType, Mapping[str, int], list[Any]]] = [(kind, self.sizes, root)]
        order: list[tuple[str, list[Any], list[Any]]] = []
        while pending:
            kind, outer, target = pending.pop()
            declaration = self.reader.sums[kind.name]
            constructor = declaration.constructors[self._tag(declaration)]
            scope = {name: known(size).evaluate(outer)
                     for name, size in zip(declaration.sizes, kind.arguments, strict=True)}
            fields: list[Any] = []
            children = []
            for number, field in enumerate(constructor.fields):
                if isinstance(field.type, SumType):
                    place: list[Any] = []
                    fields.append(place)
                    children.append((field.type, scope, place))
                else:
                    items = (constructor.items[number] or None) if constructor.items else None
                    value = self._field(f"{constructor.name}.{field.name}", field.type, scope, items)
                    bound = constructor.bound(number)
                    if bound is not None:
                        check_indices(f"{self.label}.{constructor.name}.{field.name}", value, bound.evaluate(scope))
                    fields.append([value])
                    if isinstance(field.type, ScalarType) and field.type.dtype == "i64":
                        scope = {**scope, field.name: int(value)}
            order.append((constructor.name, fields, target))
            pending += reversed(children)
        for name, fields, target in reversed(order):
            target.append(SumValue(name, tuple(place[0] for place in fields)))
        self._finish()
        return root[0]

    def _tag(self, declaration: SumDeclaration) -> int:
        if self.next_tag >= len(self.tags):
            raise BadArgument(f"`{self.label}.tag` ends before the value is complete")
        tag = int(self.tags[self.next_tag])
        self.next_tag += 1
        if not 0 <= tag < len(declaration.constructors):
            raise BadArgument(f"`{self.label}.tag` holds {tag}, but {declaration.name.rpartition('.')[2]} has "
                              f"{len(declaration.constructors)} constructors")
        return tag

    def _next(self, label: str, count: int) -> np.ndarray:
        """The next elements of an array, from where the value before ended."""
        array = self.reader.take(label)
        at = self.next.get(label, 0)
        if at + count > array.size:
            raise BadArgument(f"`{label}` has too few elements")
        self.next[label] = at + count
        return array.ravel()[at:at + count]

    def _items(self, label: str, elements: Sequence[Type], scope: Mapping[str, int], bounds: Sequence[Size | None] | None) -> Any:
        """The next list of numbers or texts, whose length stands beside."""
        length = int(exactly(f"{label}.length", self._next(f"{label}.length", 1), "i64")[0])
        if length < 0:
            raise BadArgument(f"`{label}.length` holds {length}")
        columns: list[Any] = []
        for place, (name, kind) in enumerate(item_names(label, elements)):
            piece = self._next(name, length) if isinstance(kind, (StringType, ScalarType)) else None
            if isinstance(kind, StringType) and piece is not None:
                columns.append(texts(name, piece))
            elif isinstance(kind, ScalarType) and piece is not None and bounds is not None:
                columns.append(exactly(name, piece, kind.dtype))
                bound = bounds[place]
                if bound is not None:
                    check_indices(name, columns[-1], bound.evaluate(scope))
            else:
                raise diag.NotBuilt(f"a list of {kind} in a sum from arrays: `{label}`")
        return list(zip(*columns, strict=True))

    def _field(self, name: str, kind: Type, scope: Mapping[str, int], items: Sequence[Size | None] | None) -> Any:
        label = f"{self.label}.{name}"
        if isinstance(kind, StringType):
            return texts(label, self._next(label, 1))[0]
        if isinstance(kind, ListType):
            return self._items(label, kind.elements, scope, items)
        scalar = kind.element if isinstance(kind, ArrayType) else kind
        if not isinstance(scalar, ScalarType):
            raise diag.NotBuilt(f"a field of type {kind} from arrays: `{label}`")
        shape = tuple(known(size).evaluate(scope) for size in kind.shape) if isinstance(kind, ArrayType) else ()
        if any(size < 0 for size in shape):
            raise BadArgument(f"an array of `{label}` has {min(shape)} elements by the fields before it")
        return exactly(label, self._next(label, math.prod(shape)).reshape(shape), scalar.dtype)[()]

    def _finish(self) -> None:
        if self.next_tag < len(self.tags):
            raise BadArgument(f"`{self.label}.tag` goes on after the value is complete")
        for label, at in self.next.items():
            if at < self.reader.arrays[label].size:
                raise BadArgument(f"`{label}` has too many elements")


# ---------------------------------------------------------------- values to arrays


def write_results(
    labels: Sequence[str], kinds: Sequence[Type], values: Sequence[Any], sums: Mapping[str, SumDeclaration]
) -> dict[str, np.ndarray]:
    """The arrays that spell a function's results."""
    found: dict[str, np.ndarray] = {}
    for label, kind, value in zip(labels, kinds, values, strict=True):
        match kind:
            case SumType():
                found |= write_sum(label, kind, value, sums)
            case RowsType():
                found[f"{label}.index"] = np.array([index for index, _ in value], np.int64)
                found[f"{label}.row"] = np.array([row for _, row in value])
            case StringType():
                found[label] = np.array(shown(value))
            case ListType(elements):
                for position, (name, one) in enumerate(item_names(label, elements)):
                    found[name] = stacked_items([item[position] for item in value], one)
            case _:
                found[label] = np.asarray(value)
    return found


def item_names(label: str, elements: Sequence[Type]) -> list[tuple[str, Type]]:
    """The arrays that a list's items are in: ``xs``, or ``xs.0`` and ``xs.1`` of pairs."""
    names = [label] if len(elements) == 1 else [f"{label}.{position}" for position in range(len(elements))]
    return list(zip(names, elements, strict=True))


def shown(text: Any) -> str:
    """A text's bytes as a str; what is no UTF-8 is replaced."""
    return bytes(text).decode("utf-8", "replace")


def stacked_items(items: Sequence[Any], kind: Type) -> np.ndarray:
    """The items of a list side by side; where their shapes differ, the elements one after another."""
    if isinstance(kind, StringType):
        return np.array([shown(one) for one in items], np.str_)
    scalar = kind.element if isinstance(kind, ArrayType) else kind
    if not isinstance(scalar, ScalarType):
        raise diag.NotBuilt(f"a list of {kind} as arrays")
    arrays = [np.asarray(one, NUMPY[scalar.dtype]) for one in items]
    if not arrays:
        return np.zeros(0, NUMPY[scalar.dtype])
    same = len({one.shape for one in arrays}) == 1
    return np.stack(arrays) if same else np.concatenate([one.ravel() for one in arrays])


def write_sum(label: str, kind: SumType, value: SumValue, sums: Mapping[str, SumDeclaration]) -> dict[str, np.ndarray]:
    """The reverse of `SumReader`."""
    tags: list[int] = []
    columns: dict[str, list[np.ndarray]] = {}
    runs: dict[str, list[np.ndarray]] = {}
    pending: list[tuple[SumType, SumValue]] = [(kind, value)]
    while pending:
        kind, value = pending.pop()
        names = [constructor.name for constructor in sums[kind.name].constructors]
        tags.append(names.index(value.constructor))
        constructor = sums[kind.name].constructors[tags[-1]]
        children = []
        for field, content in zip(constructor.fields, value.fields, strict=True):
            name = f"{label}.{constructor.name}.{field.name}"
            if isinstance(field.type, SumType):
                children.append((field.type, content))
            elif isinstance(field.type, ListType):
                columns.setdefault(f"{name}.length", []).append(np.asarray(len(content)))
                for place, (part, one) in enumerate(item_names(name, field.type.elements)):
                    runs.setdefault(part, []).append(stacked_items([item[place] for item in content], one).ravel())
            else:
                columns.setdefault(name, []).append(np.asarray(shown(content) if isinstance(field.type, StringType) else content))
        pending += reversed(children)
    stacked = {name: np.stack(items) if len({item.shape for item in items}) == 1
               else np.concatenate([item.ravel() for item in items]) for name, items in columns.items()}
    joined = {name: np.concatenate(items) for name, items in runs.items()}
    return {f"{label}.tag": np.array(tags, np.int32), **stacked, **joined}
