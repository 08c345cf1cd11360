"""Values of Python to blocks of a compiled program, and back.

The values are those of `core/evaluate.py`: NumPy scalars and arrays (of `object` where the elements are references), a sum has
a `constructor` (or a `tag`) and `fields`, a list is a Python list of tuples, a string `bytes`, rows a list of (index, row).
Trees of any depth are walked with an explicit stack.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from dynlang import types
from dynlang.core.evaluate import SumValue
from dynlang.core.nodes import SumDeclaration
from dynlang.native.lower.layout import LIST_HEADER, ROWS_HEADER, SLOT_BYTES, of_core
from dynlang.ops.dtypes import BYTES, NUMPY, convert
from dynlang.ssa.nodes import Array, Box, List, Rows, Scalar, String, Value, ValueType

FORMATS = {"f64": "<d", "f32": "<f", "f16": "<e", "i64": "<q", "i32": "<i", "i16": "<h", "i8": "<b", "u8": "<B", "bool": "<?"}


class Heap(Protocol):
    """What the marshalling needs of a loaded program."""

    sums: Mapping[str, SumDeclaration]

    def allocate(self, size: int) -> int: ...


def elements_to_bytes(array: Any, dtype: str) -> bytes:
    """The little-endian bytes of an array in row-major order."""
    if dtype == "bf16":
        return (np.ascontiguousarray(array, np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return np.ascontiguousarray(array, NUMPY[dtype]).tobytes()


def elements_from_bytes(data: bytes, dtype: str, shape: Sequence[int]) -> Any:
    if dtype == "bf16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(tuple(shape))
    return np.frombuffer(data, NUMPY[dtype]).reshape(tuple(shape)).copy()


def scalar_to_slot(value: Any, dtype: str) -> bytes:
    """A scalar at the beginning of 8 bytes."""
    if dtype == "bf16":
        return elements_to_bytes(convert(np.asarray(value, np.float64), "bf16"), "bf16").ljust(8, b"\0")
    if dtype in ("f64", "f32", "f16"):
        with np.errstate(over="ignore"):
            return np.asarray(value, NUMPY[dtype]).tobytes().ljust(8, b"\0")
    if dtype == "bool":
        return bytes([bool(value)]).ljust(8, b"\0")
    wrapped = int(value) & ((1 << 8 * BYTES[dtype]) - 1)
    return wrapped.to_bytes(BYTES[dtype], "little").ljust(8, b"\0")


def scalar_from_slot(data: bytes, dtype: str) -> Any:
    return elements_from_bytes(data[: BYTES[dtype]], dtype, ())[()]


# ---------------------------------------------------------------- to blocks


class Writer:
    """Makes blocks. `value` gives the 8 bytes of a slot; references in it are owned by whoever takes the slot."""

    def __init__(self, heap: Heap) -> None:
        self.heap = heap
        self._pending: list[Callable[[], None]] = []

    def value(self, value: Any, kind: ValueType) -> bytes:
        """The slot of a value, with all blocks behind it made."""
        room = ctypes.create_string_buffer(SLOT_BYTES)
        self._write(ctypes.addressof(room), value, kind)
        while self._pending:
            self._pending.pop()()
        return room.raw

    def _write(self, place: int, value: Any, kind: ValueType) -> None:
        """Fill the slot at `place`; what lies behind a reference is filled later."""
        if isinstance(kind, Scalar):
            ctypes.memmove(place, scalar_to_slot(value, kind.dtype), SLOT_BYTES)
            return
        block = self._block(value, kind)
        ctypes.memmove(place, struct.pack("<q", block), SLOT_BYTES)

    def _block(self, value: Any, kind: ValueType) -> int:
        match kind:
            case String():
                data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
                return self._filled(data)
            case Array(Scalar(dtype), _):
                return self._filled(elements_to_bytes(value, dtype))
            case Array(element, _):
                items = list(np.asarray(value, dtype=object).ravel())
                return self._slots(b"", [(item, element) for item in items])
            case List(elements):
                flat = [(part, one) for item in value for part, one in zip(item, elements, strict=True)]
                return self._slots(struct.pack("<qq", len(value), len(value)), flat)
            case Rows(dtype, _):
                rows = b"".join(elements_to_bytes(row, dtype) for _, row in value)
                indices = b"".join(struct.pack("<q", int(index)) for index, _ in value)
                return self._filled(struct.pack("<qq", len(value), len(value)) + indices + rows)
            case Box(name, _):
                declaration = self.heap.sums[name]
                tag = tag_of(value, declaration)
                fields = declaration.constructors[tag].fields
                parts = list(zip(value.fields, (of_core(one.type) for one in fields), strict=True))
                return self._slots(struct.pack("<q", tag), parts)
        raise TypeError(kind)

    def _filled(self, data: bytes) -> int:
        block = self.heap.allocate(len(data))
        ctypes.memmove(block, data, len(data))
        return block

    def _slots(self, head: bytes, parts: Sequence[tuple[Any, ValueType]]) -> int:
        block = self.heap.allocate(len(head) + SLOT_BYTES * len(parts))
        ctypes.memmove(block, head, len(head))
        first = block + len(head)
        for place, (value, kind) in enumerate(parts):
            self._pending.append(functools.partial(self._write, first + SLOT_BYTES * place, value, kind))
        return block


def tag_of(value: Any, declaration: SumDeclaration) -> int:
    """The number of a value's constructor, which it may give by number or by name."""
    tag = getattr(value, "tag", None)
    if tag is not None:
        return int(tag)
    return [one.name for one in declaration.constructors].index(value.constructor)


# ---------------------------------------------------------------- from blocks


UNKNOWN = -1
"""A size that can't be computed here; an array with one such size has it from its bytes."""


def with_sizes(kind: ValueType, size: Callable[[Value | int], int]) -> ValueType:
    """A type with all its sizes as numbers."""
    match kind:
        case Array(element, shape):
            return Array(with_sizes(element, size), tuple(map(size, shape)))
        case Box(name, sizes):
            return Box(name, tuple(map(size, sizes)))
        case List(elements):
            return List(tuple(with_sizes(one, size) for one in elements))
        case Rows(dtype, shape):
            return Rows(dtype, tuple(map(size, shape)))
    return kind


def field_type(kind: types.Type, sizes: Mapping[str, int]) -> ValueType:
    """The type of a constructor's field, its sizes as numbers."""
    def size(one: types.SizeArgument | types.Type) -> int:
        if not isinstance(one, types.Size) or any(sizes.get(name, UNKNOWN) < 0 for name in one.variables()):
            return UNKNOWN
        return one.evaluate(sizes)

    match kind:
        case types.ArrayType(element, shape):
            return Array(field_type(element, sizes), tuple(map(size, shape)))
        case types.SumType(name, arguments):
            return Box(name, tuple(map(size, arguments)))
        case types.ListType(elements):
            return List(tuple(field_type(one, sizes) for one in elements))
        case types.RowsType(dtype, shape):
            return Rows(dtype, tuple(map(size, shape)))
    return of_core(kind)


class Reader:
    """Copies values out of blocks. Types have numbers for sizes (`with_sizes`)."""

    def __init__(self, sums: Mapping[str, SumDeclaration]) -> None:
        self.sums = sums
        self._pending: list[Callable[[], None]] = []
        self._finish: list[Callable[[], None]] = []

    def value(self, slot: bytes, kind: ValueType) -> Any:
        """The value in a slot of 8 bytes."""
        found: list[Any] = [None]
        self._read(slot, kind, _setter(found, 0))
        while self._pending:
            self._pending.pop()()
        while self._finish:
            self._finish.pop()()
        return found[0]

    def _read(self, slot: bytes, kind: ValueType, done: Callable[[Any], None]) -> None:
        if isinstance(kind, Scalar):
            done(scalar_from_slot(slot, kind.dtype))
            return
        (block,) = struct.unpack("<q", slot)
        match kind:
            case String():
                done(ctypes.string_at(block, payload_bytes(block)))
            case Array(Scalar(dtype), shape):
                done(elements_from_bytes(ctypes.string_at(block, payload_bytes(block)), dtype, _known(shape)))
            case Array(element, shape):
                self._read_array(block, element, _known(shape), done)
            case List(elements):
                self._read_list(block, elements, done)
            case Rows(dtype, shape):
                self._read_rows(block, dtype, shape, done)
            case Box():
                self._pending.append(lambda: self._read_box(block, kind, done))

    def _read_array(self, block: int, element: ValueType, shape: tuple[int, ...], done: Callable[[Any], None]) -> None:
        count = payload_bytes(block) // SLOT_BYTES
        items = np.empty(count, dtype=object)
        for place in range(count):
            self._read(slot_at(block, place), element, _setter(items, place))
        done(items.reshape(shape))

    def _read_list(self, block: int, elements: tuple[ValueType, ...], done: Callable[[Any], None]) -> None:
        (length,) = struct.unpack("<q", slot_at(block, 0))
        items: list[Any] = [[None] * len(elements) for _ in range(length)]
        done(items)
        for place, parts in enumerate(items):
            for number, one in enumerate(elements):
                self._read(slot_at(block + LIST_HEADER, place * len(elements) + number), one, _setter(parts, number))
        self._finish.append(lambda: items.__setitem__(slice(None), [tuple(one) for one in items]))

    def _read_rows(self, block: int, dtype: str, shape: Sequence[Value | int], done: Callable[[Any], None]) -> None:
        count, capacity = struct.unpack("<qq", ctypes.string_at(block, ROWS_HEADER))
        start = block + ROWS_HEADER
        size = (payload_bytes(block) - ROWS_HEADER) // capacity - 8 if capacity else 0
        indices = struct.unpack(f"<{count}q", ctypes.string_at(start, 8 * count))
        first = start + 8 * capacity
        done([(index, elements_from_bytes(ctypes.string_at(first + place * size, size), dtype, _known(shape[1:])))
              for place, index in enumerate(indices)])

    def _read_box(self, block: int, kind: Box, done: Callable[[Any], None]) -> None:
        declaration = self.sums[kind.sum]
        (tag,) = struct.unpack("<q", slot_at(block, 0))
        constructor = declaration.constructors[tag]
        sizes = {name: value for name, value in zip(declaration.sizes, kind.sizes, strict=False) if isinstance(value, int)}
        fields: list[Any] = [None] * len(constructor.fields)
        made = SumValue(constructor.name, ())
        done(made)
        for place, one in enumerate(constructor.fields):
            self._read(slot_at(block, place + 1), field_type(one.type, sizes), _setter(fields, place))
            if of_core(one.type) == Scalar("i64"):
                sizes[one.name] = int(fields[place])
        self._finish.append(lambda: setattr(made, "fields", tuple(fields)))


def _known(shape: Sequence[Value | int]) -> tuple[int, ...]:
    """A shape NumPy can use: at most one size left open."""
    sizes = tuple(one for one in shape if isinstance(one, int))
    return sizes if sizes.count(UNKNOWN) <= 1 else (UNKNOWN,)


def _setter(target: Any, place: int) -> Callable[[Any], None]:
    def done(value: Any) -> None:
        target[place] = value

    return done


def slot_at(block: int, place: int) -> bytes:
    return ctypes.string_at(block + SLOT_BYTES * place, SLOT_BYTES)


def payload_bytes(block: int) -> int:
    """How many bytes a block holds: the word before its data."""
    return struct.unpack("<q", ctypes.string_at(block - 8, 8))[0]
