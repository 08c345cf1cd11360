"""Names that a printed program may use."""

from __future__ import annotations

from dynlang.ops.table import SURFACE

_KEYWORDS = """
    let var fn proc record type match if elif else while for in return import from export test bench and or not true false as
    break continue pass assert inout self idx int str bool List Map sparse f64 f32 f16 bf16 i64 i32 i16 i8 u8 rows
"""
_BUILTINS = """
    zeros ones fill identity normal uniform uniform_int split concat stack reshape transpose len print fail range zip reversed
    enumerate progress map_leaves fold_leaves make_leaves sum prod max min mean any all argmax argmin logsumexp count grad
    value_and_grad vjp jvp where bytes_to_numbers rows_empty rows_dense debug checkpoint pi e
"""
KEYWORDS = frozenset(_KEYWORDS.split())
BUILTINS = frozenset(_BUILTINS.split())
RESERVED = KEYWORDS | BUILTINS | frozenset(SURFACE)


def identifier(name: str) -> str:
    cleaned = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    return cleaned if cleaned and not cleaned[0].isdigit() else f"x{cleaned}"


def field_name(name: str) -> str:
    cleaned = identifier(name)
    return f"{cleaned}_" if cleaned in RESERVED else cleaned
