"""Pieces of arrays: rows, windows and other shapes of the same numbers, which can be read where they stand.

``at %x, %i`` of an f64[n, m] is the piece that begins at element i * m; so is ``slice %x, %i, 0`` of whole rows, and a reshape begins
where its array does.
"""

from __future__ import annotations

from dynlang.ssa.build import Dimension
from dynlang.ssa.nodes import Array, Operation, Scalar, Value
from dynlang.ssa.shapes import Polynomials

Steps = tuple[tuple[Value, tuple[Dimension, ...]], ...]
"""Where a piece of an array begins: the sum of an index times the product of sizes."""


def of_numbers(one: Operation) -> bool:
    """Whether an operation reads an array of numbers."""
    kind = one.operands[0].type if one.operands else None
    return isinstance(kind, Array) and isinstance(kind.element, Scalar)


def strides(window: Operation) -> tuple[int, ...]:
    """How far apart a slice takes items, by axis."""
    steps = window.attributes.get("steps")
    return tuple(map(int, steps)) if isinstance(steps, tuple) else (1,) * len(window.sizes)


def begins(one: Operation, sizes: Polynomials) -> Steps | None:
    """The offset of a piece's first element in the array that it is taken from; None if the operation takes no piece."""
    if not of_numbers(one):
        return None
    kind = one.operands[0].type
    assert isinstance(kind, Array)
    if one.name == "reshape":
        return ()
    if one.name == "at" and isinstance(one.results[0].type, Array):
        return tuple((index, kind.shape[axis + 1:]) for axis, index in enumerate(one.operands[1:]))
    if one.name == "slice" and all(step == 1 for step in strides(one)) and takes_whole_rows(one, 1, sizes):
        return ((one.operands[1], kind.shape[1:]),)
    return None


def takes_whole_rows(window: Operation, first: int, sizes: Polynomials) -> bool:
    """Whether a slice takes its axes from `first` on from 0 to their ends."""
    kind = window.operands[0].type
    assert isinstance(kind, Array)
    rest = zip(window.operands[1 + first:], window.sizes[first:], kind.shape[first:], strict=True)
    return all(sizes(start).value == 0 and sizes(count) == sizes(whole) for start, count, whole in rest)
