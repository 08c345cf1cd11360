"""What a row of the op table holds, and the table itself, put together from the families beside this file.

A row says everything that is known of a primitive in one place. Stages ask the row; none of them lists ops by name:
the checker its operand kinds and result, the verifiers the same, the interpreter its NumPy meaning, differentiation its
derivative, the optimiser its traits, the native back end its lowering, the tests all of it.

What the standard library can express without loss is not an op.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dynlang.types import Size, Type

ResultRule = Callable[[tuple[Type, ...], Mapping[str, Any], tuple[Size, ...]], tuple[Type, ...]]
Meaning = Callable[[Any, list[Any], Mapping[str, Any], tuple[int, ...]], Any]


@dataclass(frozen=True, slots=True)
class Op:
    """One primitive.

    operands    names, used by `derivative`; a last (or middle) name with ``*`` stands for any number
    accepts     what each operand may be: float | integer | number | bool | any (arrays of these or scalars),
                or a word of its own: int (one i64), array, vector, matrix, list, rows, str
    result      (operand types, attributes, sizes) -> result types, on Core types; raises TypeError with a reason
    meaning     (numpy, operands, attributes, sizes) -> result, or a tuple of several: the reference semantics
    derivative  operand -> its cotangent, as Dyn text over the operands, `result` and the cotangent `g`; text that mentions
                `d` is an update of the operand's destination; an operand that is missing has no derivative (zero);
                None in place of the mapping: not differentiable; "rule": `grad/rules.py` has a function of the op's name
    lower       elementwise ops: LLVM text with {t} type, {0} {1} {2} operands, keyed by float / integer / bool;
                "math" asks `native/vectormath.py`; other ops are emitted by `native/` by name
    traits      elementwise, commutative, associative, comparison, diagonal (forward mode = the derivative text with tangents),
                linear (in every float operand), check (may fail: kept, never moved), effect (procs only),
                consumes (the first operand is updated in place when its count is one)
    surface     the name under which programs call it; None: made by the compiler (or by an operator)
    tolerance   largest allowed distance of native from `meaning`, in units in the last place of the result, of f32 and f64; 0 is
                equality; half types, computed in f32 and rounded once, are equal where it is 0, else at most 1 apart
    cost, unit  operations per result element and the unit of an accelerator that does them
    """

    name: str
    operands: tuple[str, ...]
    accepts: tuple[str, ...]
    result: ResultRule
    meaning: Meaning
    derivative: Mapping[str, str] | str | None = None
    lower: Mapping[str, str] = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    surface: str | None = None
    tolerance: float = 0.0
    cost: float = 1.0
    unit: str = "vector"
    documentation: str = ""

    def has(self, trait: str) -> bool:
        return trait in self.traits

    def mean(self, np: Any, operands: list[Any], attributes: Mapping[str, Any], sizes: tuple[int, ...], dtype: str | None) -> Any:
        """The reference semantics on operands whose first holds numbers of `dtype`: half types are computed in f32,
        and rounded by whoever asks; their sums and products have meanings of their own."""
        from dynlang.ops.halves import HALVES, MEANINGS

        half = MEANINGS.get(self.name) if dtype in HALVES else None
        if half is not None and dtype is not None and not isinstance(operands[0], list):
            return half(np, operands, attributes, sizes, dtype)
        if dtype == "f16" and self.has("elementwise") and self.name != "convert":
            operands = [np.float32(one) if one.dtype == np.float16 else one for one in map(np.asarray, operands)]
        return self.meaning(np, operands, attributes, sizes)


def _collect() -> dict[str, Op]:
    from dynlang.ops import array, elementwise, memory, text

    table: dict[str, Op] = {}
    for family in (elementwise, array, memory, text):
        for row in family.ROWS:
            if row.name in table:
                raise ValueError(f"two rows are called {row.name}")
            table[row.name] = row
    return table


OPS: dict[str, Op] = _collect()
SURFACE: dict[str, Op] = {row.surface: row for row in OPS.values() if row.surface}
