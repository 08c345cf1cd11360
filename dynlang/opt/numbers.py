"""What an operation does to small arrays, said number by number: the same operations in the same order as the kernels do them.

    numbers_of(b, "dot", ...) of f64[2], f64[2]  ->  multiply_add(x1, y1, multiply_add(x0, y0, 0.0))

A rule gives the numbers of the (one) result in row-major order, or None where it can't.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from struct import unpack

from dynlang.ops import OPS
from dynlang.ops.dtypes import PACKED
from dynlang.ssa.build import Builder, dtype_of
from dynlang.ssa.nodes import Array, Operation, Scalar, Value, ValueType

DTYPES = frozenset({"f64", "f32", "i64", "i32", "bool"})
MOST_NUMBERS = 32
"""Elements of an array that is taken apart."""
MOST_TERMS = 64
"""Multiplications of a product of matrices that is written out."""
MOST_SUMMED = 15
"""Terms that every kernel adds one by one; of more it makes lanes."""
MOST_PRODUCTS = {"f64": 7, "f32": 15}
"""The same of inner products."""
DEAR = 8
"""What a row of the op table costs for which vectors pay."""
WIDE = 8
"""Elements from which on a loop of vectors isn't dearer than numbers one by one, where the array is needed whole in the end."""
MOST_COMPUTED, MOST_DEAR = 16, 3
"""Elements of an elementwise operation, and of a dear one, that is done number by number."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An operand: a number (of no sizes) or the numbers of an array. `constant`: what a number is, where that is known."""

    numbers: list[Value]
    shape: tuple[int, ...] = ()
    constant: object = None

    @property
    def index(self) -> int | None:
        return self.constant if isinstance(self.constant, int) and not isinstance(self.constant, bool) else None


Rule = Callable[[Builder, Operation, Sequence[Piece]], list[Value] | None]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    def register(made: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, made))
        return made

    return register


def small_shape(kind: ValueType) -> tuple[int, ...] | None:
    """The sizes of an array that can be taken apart."""
    if not isinstance(kind, Array) or not isinstance(kind.element, Scalar) or kind.element.dtype not in DTYPES or not kind.shape:
        return None
    sizes = tuple(size for size in kind.shape if isinstance(size, int))
    return sizes if len(sizes) == len(kind.shape) and 1 <= prod(sizes) <= MOST_NUMBERS else None


def has_rule(one: Operation) -> bool:
    row = OPS.get(one.name)
    return one.name in RULES or (row is not None and row.has("elementwise"))


def numbers_of(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    """The numbers of an operation's result."""
    made = RULES.get(one.name, elementwise)
    return made(b, one, pieces)


def element_of(one: Operation) -> Scalar:
    return Scalar(dtype_of(one.results[0].type))


def flat(indices: Sequence[int], shape: Sequence[int]) -> int:
    """The place of an element: `flat((1, 2), (3, 4)) == 6`."""
    place = 0
    for index, size in zip(indices, shape, strict=True):
        place = place * size + index
    return place


def window(pieces: Sequence[Piece], shape: Sequence[int]) -> range | None:
    """The places under leading indices that are known and inside."""
    indices = [one.index for one in pieces]
    if any(index is None or not 0 <= index < size for index, size in zip(indices, shape, strict=False)):
        return None
    rest = shape[len(indices):]
    first = flat([index or 0 for index in indices] + [0] * len(rest), shape)
    return range(first, first + prod(rest))


def cut(one: Operation, starts: Sequence[Piece], shape: Sequence[int], counts: Sequence[int]) -> list[int] | None:
    """The places of a window of which the starts are known, in its row-major order."""
    steps = one.attributes.get("steps") or [1] * len(shape)
    firsts = [piece.index for piece in starts]
    assert isinstance(steps, (list, tuple))
    axes: list[list[int]] = []
    for first, step, count, size in zip(firsts, steps, counts, shape, strict=True):
        if first is None or (count and not (0 <= first < size and 0 <= first + step * (count - 1) < size)):
            return None
        axes.append([first + step * k for k in range(count)])
    return [flat(place, shape) for place in product(*axes)]


# ---------------------------------------------------------------- element by element


def most_computed(name: str) -> int:
    """Elements for which an elementwise operation is done number by number."""
    return MOST_COMPUTED if OPS[name].cost < DEAR else MOST_DEAR


def asks_for_whole(one: Operation) -> bool:
    """Whether a rule would refuse an operation for its sizes alone, so that its operands are put together again."""
    shapes = [small_shape(value.type) for value in one.operands if isinstance(value.type, Array)]
    row = OPS.get(one.name)
    if one.name == "reduce_sum" and shapes[0] is not None:
        axes = one.attributes.get("axes")
        summed = shapes[0] if not isinstance(axes, tuple) else [shapes[0][int(axis)] for axis in axes]
        return prod(summed) > MOST_SUMMED
    if one.name in ("dot", "matvec", "vecmat", "matmul"):
        left, right = shapes
        most = MOST_PRODUCTS.get(element_of(one).dtype, 0)
        by_lanes = left is not None and right is not None and len(right) == 1 and left[-1] > most
        return left is None or right is None or by_lanes
    if row is not None and row.has("elementwise"):
        return max(prod(shape) if shape else MOST_NUMBERS + 1 for shape in shapes) > most_computed(one.name)
    return False


def elementwise(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    count = max(len(piece.numbers) for piece in pieces)
    if count > most_computed(one.name):
        return None
    columns = [piece.numbers if piece.shape else piece.numbers * count for piece in pieces]
    return [b.value(one.name, numbers, element_of(one), one.attributes) for numbers in zip(*columns, strict=True)]


@rule("accumulate")
def accumulate(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    return added(b, one, pieces[0].numbers, range(len(pieces[0].numbers)), pieces[1].numbers)


def added(b: Builder, one: Operation, numbers: list[Value], places: Sequence[int], more: list[Value]) -> list[Value]:
    """The numbers with others added at some places."""
    made = list(numbers)
    for place, value in zip(places, more, strict=True):
        made[place] = b.value("add", [made[place], value], element_of(one))
    return made


# ---------------------------------------------------------------- making and shaping


@rule("fill")
def fill(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    return pieces[0].numbers * prod(one.sizes)  # type: ignore[arg-type]


@rule("constant_array")
def constant_array(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    dtype = element_of(one).dtype
    data = one.attributes["numbers"]
    assert isinstance(data, bytes)
    return [b.constant(number, dtype) for number in unpack(f"<{prod(one.sizes)}{PACKED[dtype]}", data)]  # type: ignore[arg-type]


@rule("iota")
def iota(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    return [b.constant(number, "i64") for number in range(int(one.sizes[0]))]  # type: ignore[call-overload]


@rule("broadcast")
def broadcast(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    return pieces[0].numbers * prod(one.sizes)  # type: ignore[arg-type]


@rule("reshape")
def reshape(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    """Sizes that differ stand where nothing ever comes: in the arm of a stored function of other sizes."""
    return pieces[0].numbers if len(pieces[0].numbers) == prod(small_shape(one.results[0].type) or ()) else None


@rule("transpose")
def transpose(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    order, shape = one.attributes["permutation"], pieces[0].shape
    assert isinstance(order, (list, tuple))
    ranges = [range(shape[axis]) for axis in order]
    back = [list(order).index(axis) for axis in range(len(shape))]
    return [pieces[0].numbers[flat([place[axis] for axis in back], shape)] for place in product(*ranges)]


@rule("reverse")
def reverse(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    run = prod(pieces[0].shape[1:])
    numbers = pieces[0].numbers
    return [value for first in range(len(numbers) - run, -1, -run) for value in numbers[first:first + run]]


@rule("concat")
def concat(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    return [value for piece in pieces for value in piece.numbers]


@rule("slice")
def slice_(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    places = cut(one, pieces[1:], pieces[0].shape, [int(size) for size in one.sizes])  # type: ignore[call-overload]
    return None if places is None else [pieces[0].numbers[place] for place in places]


# ---------------------------------------------------------------- indexing


@rule("at")
def at(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    places = window(pieces[1:], pieces[0].shape)
    return None if places is None else [pieces[0].numbers[place] for place in places]


@rule("update")
def update(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    places = window(pieces[1:-1], pieces[0].shape)
    if places is None:
        return None
    made = list(pieces[0].numbers)
    made[places.start:places.stop] = pieces[-1].numbers
    return made


@rule("update_slice")
def update_slice(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    places = cut(one, pieces[1:-1], pieces[0].shape, pieces[-1].shape) if pieces[-1].shape else None
    if places is None:
        return None
    made = list(pieces[0].numbers)
    for place, value in zip(places, pieces[-1].numbers, strict=True):
        made[place] = value
    return made


@rule("accumulate_at")
def accumulate_at(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    places = window(pieces[1:-1], pieces[0].shape)
    return None if places is None else added(b, one, pieces[0].numbers, places, pieces[-1].numbers)


@rule("accumulate_slice")
def accumulate_slice(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    places = cut(one, pieces[1:-1], pieces[0].shape, pieces[-1].shape) if pieces[-1].shape else None
    return None if places is None else added(b, one, pieces[0].numbers, places, pieces[-1].numbers)


# ---------------------------------------------------------------- sums and products


@rule("reduce_sum")
def reduce_sum(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    """All numbers, or those along one axis, one after the other from 0."""
    numbers, shape = pieces[0].numbers, pieces[0].shape
    axes = one.attributes.get("axes")
    if axes is not None and len(axes) != len(shape):  # type: ignore[arg-type]
        if len(axes) != 1:  # type: ignore[arg-type]
            return None
        axis = int(axes[0]) % len(shape)  # type: ignore[index]
    else:
        axis, shape = 0, (len(numbers),)
    if shape[axis] > MOST_SUMMED:
        return None
    inner = prod(shape[axis + 1:])
    starts = [first + place for first in range(0, len(numbers), inner * shape[axis]) for place in range(inner)]
    return [chain(b, one, [numbers[start + inner * k] for k in range(shape[axis])]) for start in starts]


def chain(b: Builder, one: Operation, numbers: list[Value]) -> Value:
    kind = element_of(one)
    total = b.constant(0 if kind.dtype[0] == "i" else 0.0, kind.dtype)
    for value in numbers:
        total = b.value("add", [total, value], kind)
    return total


Terms = Callable[[int], tuple[Value, Value]]


def inner_product(b: Builder, one: Operation, depth: int, terms: Terms, start: Value | None = None) -> Value:
    """The chain of products and additions, from 0 unless told."""
    kind = element_of(one)
    total = start or b.constant(0.0, kind.dtype)
    for k in range(depth):
        total = b.value("multiply_add", [*terms(k), total], kind)
    return total


@rule("dot", "matvec", "vecmat", "matmul")
def contract(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    left, right = pieces
    depth = left.shape[-1]
    rows, columns = len(left.numbers) // depth, len(right.numbers) // depth
    dtype = element_of(one).dtype
    by_lanes = len(right.shape) == 1 and depth > MOST_PRODUCTS.get(dtype, 0)
    if dtype not in MOST_PRODUCTS or rows * columns * depth > MOST_TERMS or by_lanes:
        return None

    def terms(i: int, j: int) -> Terms:
        return lambda k: (left.numbers[i * depth + k], right.numbers[k * columns + j])

    return [inner_product(b, one, depth, terms(i, j)) for i in range(rows) for j in range(columns)]


@rule("accumulate_outer", "accumulate_matmul_nt", "accumulate_matmul_tn")
def accumulated_product(b: Builder, one: Operation, pieces: Sequence[Piece]) -> list[Value] | None:
    """d + a b: how the operands' elements lie is what tells the three apart."""
    d, x, y = pieces
    depth = {"accumulate_outer": 1, "accumulate_matmul_nt": x.shape[-1], "accumulate_matmul_tn": x.shape[0]}[one.name]
    rows, columns = len(x.numbers) // depth, len(y.numbers) // depth
    if element_of(one).dtype not in MOST_PRODUCTS or rows * columns * depth > MOST_TERMS:
        return None
    (row, left), (right, column) = ((depth, 1), (1, depth)) if one.name == "accumulate_matmul_nt" else ((1, rows), (columns, 1))

    def terms(i: int, j: int) -> Terms:
        return lambda k: (x.numbers[i * row + k * left], y.numbers[k * right + j * column])

    places = product(range(rows), range(columns))
    return [inner_product(b, one, depth, terms(i, j), start) for (i, j), start in zip(places, d.numbers, strict=True)]
