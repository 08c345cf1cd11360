"""Values of a session as text: whole where they are small, in outline where they are large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynlang.check import typed
from dynlang.check.declarations.world import show
from dynlang.core.elaborate.values import Layouts
from dynlang.core.evaluate import SumValue
from dynlang.core.nodes import SumDeclaration
from dynlang.types import (
    ArrayType,
    IndexType,
    ListType,
    RecordType,
    RowsType,
    ScalarType,
    StringType,
    SumType,
    TangentType,
    TupleType,
    Type,
)

LONGEST_LIST = 40
"""Items of a list, and keys of a map, that are shown one by one."""
WHOLE = 60
"""Elements of an array that are shown one by one, and constructors of a sum."""


@dataclass
class Tagged:
    """A value of a sum that names its constructor by number, so that it means the same to every module."""

    tag: int
    fields: tuple[Any, ...]


def canonical(value: Any, sums: Mapping[str, SumDeclaration]) -> Any:
    """The value with `Tagged` for each `SumValue`; iterative, since trees may be deep."""
    tags = {one.name: tag for declaration in sums.values() for tag, one in enumerate(declaration.constructors)}
    root: list[Any] = []
    order: list[tuple[Any, list[Any], list[list[Any]]]] = []
    pending: list[tuple[Any, list[Any]]] = [(value, root)]
    while pending:
        one, target = pending.pop()
        places: list[list[Any]] = []
        if isinstance(one, SumValue):
            inner: Sequence[Any] = one.fields
        elif isinstance(one, list | tuple):
            inner = one
        elif isinstance(one, np.ndarray) and one.dtype == object:
            inner = list(one.flat)
        else:
            target.append(one)
            continue
        for field in inner:
            places.append([])
            pending.append((field, places[-1]))
        order.append((one, target, places))
    for one, target, places in reversed(order):
        found = tuple(place[0] for place in places)
        if isinstance(one, SumValue):
            target.append(Tagged(tags[one.constructor], found))
        elif isinstance(one, np.ndarray):
            made = np.empty(len(found), object)
            made[:] = found
            target.append(made.reshape(one.shape))
        else:
            target.append(type(one)(found))
    return root[0]


class Renderer:
    """Renders flat values by their types; the types mention no size that isn't a number."""

    def __init__(self, program: typed.Program):
        self.program = program
        self.layouts = Layouts(program, {})

    def text(self, kind: Type, values: Sequence[Any]) -> str:
        return self._walk(kind, iter(values))

    def _walk(self, kind: Type, values: Iterator[Any]) -> str:
        match kind:
            case ScalarType() | IndexType():
                return scalar(next(values))
            case StringType():
                return f'"{bytes(next(values)).decode("utf-8", "replace")}"'
            case ArrayType(ScalarType() | IndexType()):
                return array(next(values))
            case TupleType(items):
                return f"({', '.join(self._walk(item, values) for item in items)})"
            case RecordType("maps.Map", (key, held)):
                return self._map(key, held, values)  # type: ignore[arg-type]
            case RecordType(name):
                inside = ", ".join(f"{field}={self._walk(one, values)}" for field, one in self.layouts.fields(kind))
                return f"{name.rpartition('.')[2]}({inside})"
            case SumType():
                return self._sum(kind, next(values))
            case RowsType():
                return f"{len(next(values))} touched rows"
            case ListType((element,)):
                return self._list(element, next(values))
        for _ in self.layouts.data(kind):
            next(values)
        return "..." if isinstance(kind, TangentType) else f"a {show(kind)}"

    def _list(self, element: Type, items: Sequence[Sequence[Any]]) -> str:
        """A short list with its items; of a long one the number."""
        if len(items) > LONGEST_LIST or self.layouts.is_boxed(element):
            return f"a list of {len(items)}"
        return f"[{', '.join(self._walk(element, iter(item)) for item in items)}]"

    def _map(self, key: Type, held: Type, values: Iterator[Any]) -> str:
        """``{key: value}``, from the fields of the library's record."""
        names, items, alive, _, _ = (next(values) for _ in range(5))
        living = [position for position, (one,) in enumerate(alive) if one]
        if len(living) > LONGEST_LIST or self.layouts.is_boxed(held):
            return f"a map of {len(living)} keys"
        pairs = (f"{self._walk(key, iter(names[at]))}: {self._walk(held, iter(items[at]))}" for at in living)
        return f"{{{', '.join(pairs)}}}"

    def _sum(self, kind: SumType, value: Tagged) -> str:
        """Constructors by name, at most `WHOLE` of them."""
        budget = [WHOLE]

        def walk(kind: SumType, value: Tagged) -> str:
            budget[0] -= 1
            if budget[0] < 0:
                return "..."
            constructor = self.program.sums[kind.name].constructors[value.tag]
            parts = []
            left = list(value.fields)
            for _, one in constructor.fields:
                if isinstance(one, SumType) and left and isinstance(left[0], Tagged):
                    parts.append(walk(one, left.pop(0)))
                elif isinstance(one, ScalarType | IndexType):
                    parts.append(scalar(left.pop(0)))
                else:
                    parts.append("...")
                    del left[:1]
            return f"{constructor.name}({', '.join(parts)})" if parts else constructor.name

        return walk(kind, value)


def scalar(value: Any) -> str:
    """A number as Dyn prints it."""
    return str(bool(value)).lower() if isinstance(value, bool | np.bool_) else str(value)


def array(value: np.ndarray) -> str:
    """All elements of a small array; the least, mean and largest of a large one."""
    if value.size <= WHOLE:
        return np.array2string(value, separator=", ", formatter={"all": scalar}, max_line_width=10_000).replace("\n", "")
    if value.dtype.kind != "f":
        return f"{value.size} elements, {value.min()} to {value.max()}"
    bad = int(np.count_nonzero(~np.isfinite(value)))
    spread = f"{value.size} elements, {value.min():.4g} to {value.max():.4g}, mean {value.mean():.4g}"
    return f"{spread}, {bad} not finite" if bad else spread
