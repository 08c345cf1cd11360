"""Comprehensions that are one op on whole arrays.

An expression is lifted over the axes of a comprehension: what doesn't mention an axis stays as it is, ``x[i]`` with
the axis alone is ``x``, and an elementwise op of lifted operands is the op on arrays. So ``[f(x) for x in xs]``
is elementwise where f's body is, ``sum(w[i, j] * x[j] for j)`` inside ``for i`` is ``w @ x``, and a reduction of a lifted
body is a reduction of an array.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dynlang.check import typed
from dynlang.core.build import integer
from dynlang.core.elaborate.expressions import expression, literal_atom, scalar_dtype
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.values import Value
from dynlang.core.nodes import Atom
from dynlang.ops import OPS
from dynlang.ops.halves import HALVES
from dynlang.types import FLOATS, ArrayType, IndexType, ScalarType, Size


@dataclass
class Axes:
    """The axes that are lifted: their indices, sizes, and locals that stand for ``xs[index]``."""

    indices: tuple[str, ...]
    sizes: tuple[Size, ...]
    elements: dict[str, typed.Expression] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)


def axes_of(frame: Frame, node: typed.Comprehension) -> Axes | None:
    """The axes, if all they bind are elements of arrays under the index alone."""
    axes = Axes(tuple(one.index.name for one in node.axes), tuple(frame.size(one.count) for one in node.axes))
    axes.own |= set(axes.indices)
    for axis in node.axes:
        for binding in axis.bindings:
            if len(binding.locals) != 1 or binding.locals[0] is None:
                return None
            axes.elements[binding.locals[0].name] = binding.value
            axes.own.add(binding.locals[0].name)
            axes.own |= frame.elaborator.facts.of(binding.value).bound
    return axes


def mentions(frame: Frame, node: typed.Expression, axes: Axes) -> bool:
    facts = frame.elaborator.facts.of(node)
    return not axes.own.isdisjoint(facts.read) or not axes.own.isdisjoint(facts.sizes)


def lifted_comprehension(frame: Frame, node: typed.Comprehension) -> Value | None:
    """The comprehension as ops on arrays; None where it isn't one."""
    if node.guard is not None:
        return None
    axes = axes_of(frame, node)
    if axes is None:
        return None
    if node.kind == "array":
        return _lifted_array(frame, node, axes)
    return _lifted_reduction(frame, node, axes)


def _lifted_array(frame: Frame, node: typed.Comprehension, axes: Axes) -> Value | None:
    kind = frame.type(node.type)
    inner = node.body
    if isinstance(inner, typed.Comprehension) and inner.kind == "sum" and inner.guard is None:
        found = product(frame, axes, inner)
        if found is not None:
            return Value(kind, (found,))
    if not isinstance(kind, ArrayType) or not isinstance(kind.element, (ScalarType, IndexType)) or len(kind.shape) != len(axes.indices):
        return None
    if not can_lift(frame, inner, axes):
        return None
    return Value(kind, (lift(frame, inner, axes),))


ROWS = {"sum": "reduce_sum", "prod": "reduce_prod", "any": "reduce_any", "all": "reduce_all", "max": "reduce_max", "min": "reduce_min",
        "argmax": "argmax", "argmin": "argmin", "count": "reduce_sum", "mean": "reduce_sum"}  # fmt: skip
"""The row that reduces an array as the comprehension reduces items."""


def _lifted_reduction(frame: Frame, node: typed.Comprehension, axes: Axes) -> Value | None:
    kind = frame.type(node.type)
    op = ROWS.get(node.kind)
    if op is None or not isinstance(kind, (ScalarType, IndexType)):
        return None
    if not can_lift(frame, node.body, axes) or not mentions(frame, node.body, axes):
        return None
    if node.kind == "sum":
        found = inner_product(frame, axes, node.body)
        if found is not None:
            return Value(kind, (found,))
    halves = isinstance(kind, ScalarType) and kind.dtype in HALVES
    if halves and node.kind in ("sum", "mean") and factors(node.body) is not None:
        return None  # as arrays the products would be rounded before they are added
    array = lift(frame, node.body, axes)
    count = frame.builder.size(items(axes))
    floats = isinstance(kind, ScalarType) and kind.dtype in FLOATS
    if node.kind in ("argmax", "argmin", "mean") or (node.kind in ("max", "min") and not floats):
        frame.check(frame.builder.operation("greater", count, integer(0), name="some"), f"{node.kind} of nothing", node.span)
    if node.kind == "count" or (node.kind == "mean" and halves):
        array = frame.builder.operation("convert", array, dtype="i64" if node.kind == "count" else "f32", name="terms")
    reduced = frame.builder.operation(op, array, name=node.kind)
    if node.kind == "mean":
        assert isinstance(kind, ScalarType)
        return Value(kind, (divided(frame, reduced, count, kind.dtype),))
    return Value(kind, (reduced,))


def items(axes: Axes) -> Size:
    """How many items the axes have together."""
    total = Size.constant(1)
    for size in axes.sizes:
        total = total * size
    return total


def divided(frame: Frame, total: Atom, many: Atom, dtype: str) -> Atom:
    """A sum by the number of its terms, in the type of the sum, rounded to the type of the terms."""
    divisor = in_dtype(frame, many, scalar_dtype(total.type) or dtype)
    return in_dtype(frame, frame.builder.operation("div", total, divisor, name="mean"), dtype)


def in_dtype(frame: Frame, atom: Atom, dtype: str) -> Atom:
    return atom if scalar_dtype(atom.type) == dtype else frame.builder.operation("convert", atom, dtype=dtype, name="rounded")


# ---------------------------------------------------------------- products


def factors(node: typed.Expression) -> tuple[typed.Expression, typed.Expression] | None:
    """The two factors of a product of floats."""
    if isinstance(node, typed.Primitive) and node.op == "mul" and isinstance(node.type, ScalarType) and node.type.dtype in FLOATS:
        return node.arguments[0], node.arguments[1]
    return None


def bare(frame: Frame, node: typed.Expression, elements: dict[str, typed.Expression]) -> tuple[typed.Expression, tuple[str, ...]] | None:
    """An array and the locals that index it, for ``w[i, j]`` and for names that stand for it."""
    if isinstance(node, typed.LocalReference) and node.local.name in elements:
        return bare(frame, elements[node.local.name], elements)
    if not isinstance(node, typed.Index):
        return None
    names: list[str] = []
    for item in node.items:
        if not isinstance(item, typed.LocalReference) or not isinstance(item.type, IndexType):
            return None
        names.append(item.local.name)
    inner = bare(frame, node.value, elements) if isinstance(node.value, (typed.Index, typed.LocalReference)) else None
    if inner is not None:
        return inner[0], (*inner[1], *names)
    return node.value, tuple(names)


def runs_over(frame: Frame, array: typed.Expression, names: tuple[str, ...], axes: Axes) -> bool:
    """Whether the indices run over the whole array: ``x[i] for i in n`` may leave out the last of n + 1 items."""
    kind = frame.type(array.type)
    sizes = dict(zip(axes.indices, axes.sizes, strict=True))
    return isinstance(kind, ArrayType) and kind.shape == tuple(sizes.get(name) for name in names)


def product(frame: Frame, outer: Axes, inner: typed.Comprehension) -> Atom | None:
    """``[sum(w[i, j] * x[j] for j) for i]`` as ``w @ x``, and the same for matrices and for the other order."""
    axes = axes_of(frame, inner)
    pair = factors(inner.body)
    if axes is None or pair is None or len(axes.indices) != 1:
        return None
    elements = {**outer.elements, **axes.elements}
    found = [bare(frame, one, elements) for one in pair]
    if found[0] is None or found[1] is None:
        return None
    both = Axes(outer.indices + axes.indices, outer.sizes + axes.sizes, elements, outer.own | axes.own)
    arrays = [one for one in found if one is not None]
    if any(mentions(frame, array, both) or not runs_over(frame, array, names, both) for array, names in arrays):
        return None
    (j,) = axes.indices
    for (left, left_names), (right, right_names) in ((arrays[0], arrays[1]), (arrays[1], arrays[0])):
        op = _product_op(left_names, right_names, outer.indices, j)
        if op is None:
            continue
        a, b = expression(frame, left), expression(frame, right)
        return frame.builder.operation(op, a.atom, b.atom, name="product")
    return None


def _product_op(left: tuple[str, ...], right: tuple[str, ...], outer: tuple[str, ...], j: str) -> str | None:
    if len(outer) == 1:
        if left == (outer[0], j) and right == (j,):
            return "matvec"
        if left == (j,) and right == (j, outer[0]):
            return "vecmat"
    if len(outer) == 2 and left == (outer[0], j) and right == (j, outer[1]):
        return "matmul"
    return None


def inner_product(frame: Frame, axes: Axes, body: typed.Expression) -> Atom | None:
    """``sum(x[i] * y[i] for i)`` as ``x @ y``."""
    pair = factors(body)
    if pair is None or len(axes.indices) != 1:
        return None
    found = [bare(frame, one, axes.elements) for one in pair]
    arrays = [one for one in found if one is not None]
    if len(arrays) != 2 or any(names != axes.indices or mentions(frame, array, axes) for array, names in arrays):
        return None
    if not all(runs_over(frame, array, names, axes) for array, names in arrays):
        return None
    values = [expression(frame, array) for array, _ in arrays]
    return frame.builder.operation("dot", values[0].atom, values[1].atom, name="product")


# ---------------------------------------------------------------- elementwise


def can_lift(frame: Frame, node: typed.Expression, axes: Axes) -> bool:
    """Whether every part is invariant and can't fail, an element under the axes alone, or an elementwise op of such."""
    if isinstance(node, typed.LocalReference) and node.local.name in axes.elements:
        return can_lift(frame, axes.elements[node.local.name], axes)
    if isinstance(node, (typed.Literal, typed.SizeValue)):
        return not mentions(frame, node, axes)
    if isinstance(node, typed.LocalReference):
        return node.local.name not in axes.own and isinstance(node.type, (ScalarType, IndexType))
    if isinstance(node, typed.Index):
        return _is_whole(frame, node, axes)
    if isinstance(node, typed.Convert):
        return isinstance(node.type, ScalarType) and can_lift(frame, node.value, axes)
    if isinstance(node, typed.Primitive):
        row = OPS.get(node.op)
        return (row is not None and row.has("elementwise") and isinstance(node.type, ScalarType)
                and node.op not in ("floor_division", "floor_modulo")
                and all(can_lift(frame, one, axes) for one in node.arguments))
    return False


def _is_whole(frame: Frame, node: typed.Index, axes: Axes) -> bool:
    """``x[i, j]`` with exactly the axes, in their order, or ``x[i]`` with one of a single axis."""
    found = bare(frame, node, axes.elements)
    if found is None or mentions(frame, found[0], axes) or found[1] != axes.indices:
        return False
    if not isinstance(found[0], (typed.LocalReference, typed.Field)):
        return False
    kind = frame.type(found[0].type)
    return isinstance(kind, ArrayType) and kind.shape == axes.sizes and isinstance(kind.element, (ScalarType, IndexType))


def lift(frame: Frame, node: typed.Expression, axes: Axes) -> Atom:
    """The array of an expression's values over the axes."""
    found = _lifted(frame, node, axes)
    if isinstance(found.type, ArrayType):
        return found
    return frame.builder.operation("fill", found, sizes=axes.sizes, name="t")


def _lifted(frame: Frame, node: typed.Expression, axes: Axes) -> Atom:
    if isinstance(node, typed.LocalReference) and node.local.name in axes.elements:
        return _lifted(frame, axes.elements[node.local.name], axes)
    if isinstance(node, typed.Literal):
        return literal_atom(frame, frame.type(node.type), node.value)
    if isinstance(node, typed.Index):
        found = bare(frame, node, axes.elements)
        assert found is not None
        return expression(frame, found[0]).atom
    if isinstance(node, typed.Convert):
        value = _lifted(frame, node.value, axes)
        kind = frame.type(node.type)
        assert isinstance(kind, ScalarType)
        return value if scalar_dtype(value.type) == kind.dtype else frame.builder.operation("convert", value, dtype=kind.dtype)
    if isinstance(node, typed.Primitive):
        return frame.builder.operation(node.op, *(_lifted(frame, one, axes) for one in node.arguments), name="t")
    return expression(frame, node).atom
