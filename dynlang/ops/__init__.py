"""The op table: one row per primitive, read by every stage. `OPS[name]` is the row."""

from dynlang.ops.table import OPS, Op

__all__ = ["OPS", "Op"]
