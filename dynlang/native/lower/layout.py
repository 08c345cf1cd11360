"""How values lie in registers and memory: LLVM types, bytes of an element, 8-byte slots, and which blocks have children.

A *kind* here is a `ValueType` without its sizes (`bare`): what the code that frees or copies a block needs to know.

>>> bare(Array(Scalar("f32"), (3, 4)))
Array(element=Scalar(dtype='f32'), shape=())
"""

from __future__ import annotations

from dynlang import types
from dynlang.native.emit import vector
from dynlang.ops.dtypes import BYTES
from dynlang.ssa.nodes import Array, Box, List, Rows, Scalar, String, ValueType

REGISTER = {"f64": "double", "f32": "float", "f16": "i16", "bf16": "i16", "i64": "i64", "i32": "i32", "i16": "i16", "i8": "i8",
            "u8": "i8", "bool": "i1"}
"""Half types travel as their bits: arithmetic on them is done in f32."""
FLOATS = frozenset({"f64", "f32", "f16", "bf16"})


def family(dtype: str) -> str:
    """float, integer or bool: the key of a row's lowerings."""
    return "float" if dtype in FLOATS else "bool" if dtype == "bool" else "integer"


SLOT_BYTES = 8
LIST_HEADER = 16
"""A list's block: length, capacity, then `slots per element` slots an element."""
ROWS_HEADER = 16
"""A rows block: count, capacity, then the indices (i64 each), then the rows."""


def bare(kind: ValueType) -> ValueType:
    """The kind of a type: the same without sizes."""
    match kind:
        case Array(element, _):
            return Array(bare(element), ())
        case Box(name, _):
            return Box(name)
        case List(elements):
            return List(tuple(map(bare, elements)))
        case Rows(dtype, _):
            return Rows(dtype, ())
    return kind


def register(kind: ValueType) -> str:
    """The LLVM type of a value of this type: a scalar's own, `ptr` for every block."""
    return vector(REGISTER[kind.dtype], kind.lanes) if isinstance(kind, Scalar) else "ptr"


def memory(kind: ValueType) -> str:
    """The LLVM type of an array's element in memory: as in registers, but a bool takes a byte."""
    text = register(kind)
    return "i8" if text == "i1" else text


def element_bytes(kind: ValueType) -> int:
    """Bytes of one element of an array."""
    return BYTES[kind.dtype] * kind.lanes if isinstance(kind, Scalar) else SLOT_BYTES


def counted(kind: ValueType) -> bool:
    return not isinstance(kind, Scalar)


def has_children(kind: ValueType) -> bool:
    """Whether blocks of this kind may hold references to others."""
    match kind:
        case Array(element, _):
            return counted(element)
        case Box():
            return True
        case List(elements):
            return any(map(counted, elements))
    return False


def of_core(kind: types.Type) -> ValueType:
    """The kind of a Core type, as constructor fields have them.

    >>> of_core(types.ArrayType(types.F32, (types.Size.variable("n"),)))
    Array(element=Scalar(dtype='f32'), shape=())
    """
    match kind:
        case types.ScalarType(dtype):
            return Scalar(dtype)
        case types.IndexType():
            return Scalar("i64")
        case types.ArrayType(element, _):
            return Array(of_core(element), ())
        case types.SumType(name, _):
            return Box(name)
        case types.ListType(elements):
            return List(tuple(map(of_core, elements)))
        case types.StringType():
            return String()
        case types.RowsType(dtype, _):
            return Rows(dtype, ())
    raise TypeError(f"{kind} has no place in memory")


def spell(kind: ValueType) -> str:
    """A readable name for a kind, used in symbols: `list.box.Tree.i64`."""
    match kind:
        case Scalar(dtype, lanes):
            return dtype if lanes == 1 else f"{dtype}x{lanes}"
        case Array(element, _):
            return f"array.{spell(element)}"
        case Box(name, _):
            return f"box.{name}"
        case List(elements):
            return ".".join(["list", *map(spell, elements)])
        case String():
            return "str"
        case Rows(dtype, _):
            return f"rows.{dtype}"
    raise TypeError(kind)
