"""What sums and products of f16 and bf16 mean: computed in f32 and rounded once (rule 22); and their bytes.

The order of additions is part of the meaning, so that native code and the interpreters give the same bits: from the first
element to the last, starting from zero. A product of two half numbers is exact in f32. A reduction over axes that aren't
neighbours sums the last run of neighbours first; what it hands on is f32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

HALVES = ("f16", "bf16")
HalfMeaning = Callable[[Any, list[Any], Mapping[str, Any], tuple[int, ...], str], Any]
"""As `Meaning`, with the half type at the end. The result may be f32: whoever asks rounds it to the type of the result."""


def neighbours(axes: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of neighbouring axes: `neighbours([0, 1, 3])` is [(0, 2), (3, 4)]."""
    runs: list[tuple[int, int]] = []
    for axis in axes:
        if runs and runs[-1][1] == axis:
            runs[-1] = (runs[-1][0], axis + 1)
        else:
            runs.append((axis, axis + 1))
    return runs


def reduction(word: str, start: float) -> HalfMeaning:
    """``add`` and ``multiply``, one element after the other."""

    def meaning(np: Any, a: list[Any], attributes: Mapping[str, Any], sizes: tuple[int, ...], dtype: str) -> Any:
        x = np.asarray(a[0], np.float32)
        axes = attributes.get("axes")
        for first, last in reversed(neighbours(range(x.ndim) if axes is None else sorted(axes))):
            outer, inner = x.shape[:first], x.shape[last:]
            flat = x.reshape(*outer, -1, *inner) if x.size else np.zeros((*outer, 0, *inner), np.float32)
            starts = np.full((*outer, 1, *inner), start, np.float32)
            with np.errstate(all="ignore"):
                x = np.take(getattr(np, word).accumulate(np.concatenate([starts, flat], axis=first), axis=first), -1, axis=first)
        return x

    return meaning


def chain(np: Any, left: Any, right: Any, start: Any) -> Any:
    """start + left @ right in f32, term by term."""
    left, right = np.asarray(left, np.float32), np.asarray(right, np.float32)
    total = np.array(start, np.float32)
    with np.errstate(all="ignore"):
        for k in range(right.shape[0]):
            total = total + np.multiply.outer(left[..., k], right[k])
    return total


def contraction(np: Any, a: list[Any], attributes: Mapping[str, Any], sizes: tuple[int, ...], dtype: str) -> Any:
    return chain(np, a[0], a[1], np.zeros(a[0].shape[:-1] + a[1].shape[1:], np.float32))


def matvecs(np: Any, a: list[Any], attributes: Mapping[str, Any], sizes: tuple[int, ...], dtype: str) -> Any:
    return chain(np, a[1], a[0].T, np.zeros((a[1].shape[0], a[0].shape[0]), np.float32))


def accumulate_outer(np: Any, a: list[Any], attributes: Mapping[str, Any], sizes: tuple[int, ...], dtype: str) -> Any:
    return chain(np, a[1][:, None], a[2][None, :], a[0])


def accumulate_matmul_nt(np: Any, a: list[Any], attributes: Mapping[str, Any], sizes: tuple[int, ...], dtype: str) -> Any:
    return chain(np, a[1], a[2].T, a[0])


def accumulate_matmul_tn(np: Any, a: list[Any], attributes: Mapping[str, Any], sizes: tuple[int, ...], dtype: str) -> Any:
    return chain(np, a[1].T, a[2], a[0])


def scatter_add(np: Any, a: list[Any], attributes: Mapping[str, Any], sizes: tuple[int, ...], dtype: str) -> Any:
    """Each addition is one to an element in memory, and rounds it."""
    from dynlang.ops.dtypes import convert

    result = a[0].copy()
    rows = np.reshape(a[2], (-1, *np.shape(a[2])[np.ndim(a[1]):]))
    for index, row in zip(np.ravel(a[1]), rows, strict=True):
        result[index] = convert(np.asarray(result[index], np.float32) + np.asarray(row, np.float32), dtype)
    return result


def numbers_to_bytes(np: Any, a: list[Any], attributes: Mapping[str, Any], sizes: tuple[int, ...], dtype: str) -> Any:
    """bf16 is the upper half of the f32 that carries it."""
    numbers = np.ascontiguousarray(a[0])
    if dtype == "bf16":
        numbers = (numbers.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    return numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()


MEANINGS: dict[str, HalfMeaning] = {
    "reduce_sum": reduction("add", 0.0),
    "reduce_prod": reduction("multiply", 1.0),
    "dot": contraction,
    "matvec": contraction,
    "vecmat": contraction,
    "matmul": contraction,
    "matvecs": matvecs,
    "accumulate_outer": accumulate_outer,
    "accumulate_matmul_nt": accumulate_matmul_nt,
    "accumulate_matmul_tn": accumulate_matmul_tn,
    "scatter_add": scatter_add,
    "numbers_to_bytes": numbers_to_bytes,
}
