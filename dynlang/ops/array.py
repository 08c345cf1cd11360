"""Ops on whole arrays: making, shaping, indexing, reducing, contracting, and accumulating into destinations.

`sizes` are the result's sizes where operands don't determine them. Indices and starts are ints inside their bounds: what
isn't known to be is checked before, by `check_index`. An op that consumes its first operand returns it changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynlang.ops.elementwise import scalar_of
from dynlang.ops.table import Meaning, Op, ResultRule
from dynlang.types import INT, ArrayType, RowsType, ScalarType, Size, Type

Kinds = tuple[Type, ...]
Attributes = Mapping[str, Any]
Sizes = tuple[Size, ...]


def array_of(kind: Type, op: str) -> ArrayType:
    if not isinstance(kind, ArrayType):
        raise TypeError(f"{op} needs an array, not {kind}")
    return kind


def _filled(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    return (ArrayType(kinds[0], sizes),)


def _counted(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    return (ArrayType(INT, sizes),)


def _broadcast(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    if isinstance(kinds[0], ArrayType):
        return (ArrayType(kinds[0].element, sizes + tuple(kinds[0].shape)),)
    return (ArrayType(kinds[0], sizes),)


def _reshaped(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    return (ArrayType(array_of(kinds[0], "reshape").element, sizes),)


def _transposed(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    array = array_of(kinds[0], "transpose")
    return (ArrayType(array.element, tuple(array.shape[axis] for axis in attributes["permutation"])),)


def _first(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    return (kinds[0],)


def _first_plain(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    array = array_of(kinds[0], "the op")
    return (ArrayType(array.element, array.shape),)


def _sliced(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    return (ArrayType(array_of(kinds[0], "slice").element, sizes),)


def _concatenated(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    arrays = [array_of(kind, "concat") for kind in kinds]
    total = Size.constant(0)
    for array in arrays:
        if array.shape[1:] != arrays[0].shape[1:] or array.element != arrays[0].element:
            raise TypeError(f"concat of {arrays[0]} and {array}: all but the first size must agree")
        total = total + Size.of(array.shape[0])  # type: ignore[arg-type]
    return (ArrayType(arrays[0].element, (total, *arrays[0].shape[1:])),)


def _item(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    array = array_of(kinds[0], "an index")
    rest = array.shape[len(kinds) - 1:]
    return (ArrayType(array.element, rest) if rest else array.element,)


def _gathered(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    array, indices = array_of(kinds[0], "gather"), array_of(kinds[1], "gather")
    return (ArrayType(array.element, tuple(indices.shape) + tuple(array.shape[1:])),)


def _reduced(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    array = array_of(kinds[0], "a reduction")
    axes = attributes.get("axes")
    rest = () if axes is None else tuple(size for axis, size in enumerate(array.shape) if axis not in axes)
    return (ArrayType(array.element, rest) if rest else array.element,)


def _reduced_to_index(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    (kind,) = _reduced(kinds, attributes, sizes)
    return (ArrayType(INT, kind.shape) if isinstance(kind, ArrayType) and attributes.get("axes") is not None else INT,)


def _dotted(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    """Contracts the last axis of the first with the first axis of the second."""
    left, right = array_of(kinds[0], "@"), array_of(kinds[1], "@")
    if left.shape[-1] != right.shape[0]:
        raise TypeError(f"@ contracts {left.shape[-1]} with {right.shape[0]}")
    if scalar_of(left) != scalar_of(right):
        raise TypeError(f"@ of {left} and {right}: the dtypes differ")
    shape = tuple(left.shape[:-1]) + tuple(right.shape[1:])
    return (ArrayType(left.element, shape) if shape else left.element,)


def reduction(name: str, meaning: Meaning, derivative: Any, documentation: str, accepts: str = "number", result: ResultRule = _reduced,
              traits: frozenset[str] = frozenset(), tolerance: float = 0.0) -> Op:
    return Op(name, ("x",), (accepts,), result, meaning, derivative, {}, traits, None, tolerance, 1.0, "vector", documentation)


def _dotted_rows(kinds: Kinds, attributes: Attributes, sizes: Sizes) -> Kinds:
    """Contracts the last axes of two matrices; the rows of the second come first."""
    left, right = array_of(kinds[0], "@"), array_of(kinds[1], "@")
    if len(left.shape) != 2 or len(right.shape) != 2 or left.shape[1] != right.shape[1]:
        raise TypeError(f"rows of {left} can't be multiplied by rows of {right}")
    if scalar_of(left) != scalar_of(right):
        raise TypeError(f"products of {left} and {right}: the dtypes differ")
    return (ArrayType(left.element, (right.shape[0], left.shape[0])),)


def contraction(name: str, operands: tuple[str, str], derivative: Mapping[str, str], documentation: str, result: Any = _dotted,
                meaning: Meaning = lambda np, a, attributes, sizes: a[0] @ a[1]) -> Op:
    """`tolerance` here is in units of sum |a||b| * 2**-mantissa per term: the order of addition differs from NumPy's."""
    return Op(name, operands, ("array", "array"), result, meaning, derivative, {}, frozenset({"bilinear"}), None, 1.0, 2.0, "matrix", documentation)


def accumulator(name: str, operands: tuple[str, ...], meaning: Meaning, derivative: Any, documentation: str, unit: str = "vector") -> Op:
    return Op(name, operands, ("any",) * len(operands), _first, meaning, derivative, {}, frozenset({"consumes", "accumulates"}), name, 1.0, 2.0,
              unit, documentation)


def _axes(attributes: Attributes) -> Any:
    axes = attributes.get("axes")
    return None if axes is None else tuple(axes)


def _argument(word: str) -> Meaning:
    def meaning(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
        axes = _axes(attributes)
        function = getattr(np, word)
        if axes is None:
            return np.int64(function(a[0]))
        return function(a[0], axis=axes[0]).astype(np.int64)

    return meaning


def _slice(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    steps = attributes.get("steps") or (1,) * len(sizes)
    window = tuple(slice(int(start), int(start) + count * step, step) for start, count, step in zip(a[1:], sizes, steps, strict=False))
    return a[0][window].copy()


def _write_slice(np: Any, a: list[Any], add: bool, attributes: Attributes) -> Any:
    result, value = a[0].copy(), a[-1]
    steps = attributes.get("steps") or (1,) * len(a[1:-1])
    window = tuple(slice(int(start), int(start) + count * step, step) for start, count, step in zip(a[1:-1], np.shape(value), steps, strict=False))
    result[window] = result[window] + value if add else value
    return result


def _at(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    found = a[0][tuple(int(i) for i in a[1:])]
    return found.copy() if isinstance(found, np.ndarray) else found


def _update(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    result = a[0].copy()
    result[tuple(int(i) for i in a[1:-1])] = a[-1]
    return result


def _take(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    left, place = a[0].copy(), tuple(int(i) for i in a[1:])
    left[place] = None
    return left, a[0][place]


def _accumulate_at(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    if isinstance(a[0], list):
        return [*a[0], (int(a[1]), a[-1])]
    result, where = a[0].copy(), tuple(int(i) for i in a[1:-1])
    result[where] = result[where] + a[-1]
    return result


def _scatter_add(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    if isinstance(a[0], list):
        return a[0] + [(int(i), row) for i, row in zip(np.ravel(a[1]), np.reshape(a[2], (-1, *np.shape(a[2])[np.ndim(a[1]):])), strict=True)]
    result = a[0].copy()
    np.add.at(result, a[1], a[2])
    return result


def _reshape(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    return np.reshape(a[0], sizes).copy()


def _fill(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    """Numbers keep their dtype; strings, sums and lists are objects (as `bytes` NumPy would cut later elements to the first's length)."""
    if isinstance(a[0], (np.generic, bool, int, float)):
        return np.full(sizes, a[0], dtype=np.asarray(a[0]).dtype)
    made = np.empty(sizes, dtype=object)
    made.fill(a[0])
    return made


def _empty(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    from dynlang.ops.dtypes import NUMPY

    element = attributes["element"]
    dtype = getattr(element, "dtype", None) if not isinstance(element, ArrayType) else None
    return np.zeros(sizes, NUMPY[dtype]) if dtype in NUMPY else np.full(sizes, None, dtype=object)


def _constant_array(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    from dynlang.ops.dtypes import NUMPY

    return np.frombuffer(attributes["numbers"], np.dtype(NUMPY[attributes["dtype"]]).newbyteorder("<")).reshape(sizes).copy()


def _identity(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    return a[0] + a[1]


ROWS: list[Op] = [
    # -- making
    Op("fill", ("v",), ("any",), _filled, _fill, "rule", {},
       frozenset({"linear"}), documentation="An array of `sizes`, every element v."),
    Op("empty", (), (), lambda kinds, attributes, sizes: (ArrayType(attributes["element"], sizes),), _empty, {},
       documentation="An array of `sizes` of elements of type attribute `element`, each to be written before it is read."),
    Op("constant_array", (), (), lambda kinds, attributes, sizes: (ArrayType(ScalarType(attributes["dtype"]), sizes),), _constant_array, {},
       documentation="An array of `sizes` known when compiling: attribute `numbers`, its little-endian bytes, of attribute `dtype`."),
    Op("iota", (), (), _counted, lambda np, a, attributes, sizes: np.arange(sizes[0], dtype=np.int64), {}, {}, documentation="0, 1, ... n - 1."),
    # -- shaping
    Op("broadcast", ("x",), ("any",), _broadcast, lambda np, a, attributes, sizes: np.broadcast_to(a[0], (*sizes, *np.shape(a[0]))).copy(),
       "rule", {}, frozenset({"linear"}), documentation="x repeated over new leading axes `sizes`."),
    Op("reshape", ("x",), ("array",), _reshaped, _reshape, "rule", {}, frozenset({"linear"}), documentation="The same elements in row-major order under new sizes."),
    Op("transpose", ("x",), ("array",), _transposed, lambda np, a, attributes, sizes: np.transpose(a[0], attributes["permutation"]).copy(), "rule", {},
       frozenset({"linear"}), documentation="Axes permuted: axis i of the result is axis permutation[i] of x."),
    Op("reverse", ("x",), ("array",), _first_plain, lambda np, a, attributes, sizes: a[0][::-1].copy(), {"x": "reverse(g)"}, {}, frozenset({"linear"}), "reverse",
       documentation="The first axis backwards."),
    Op("slice", ("x", "*starts"), ("array", "int"), _sliced, _slice, "rule", {}, frozenset({"linear"}),
       documentation="A window: one start an axis, `sizes` counts; attribute `steps` (default all 1)."),
    Op("concat", ("*x",), ("array",), _concatenated, lambda np, a, attributes, sizes: np.concatenate(a, axis=0), "rule", {}, frozenset({"linear"}),
       documentation="Joined along the first axis."),
    # -- indexing
    Op("at", ("x", "*indices"), ("array", "int"), _item, _at, {"x": "accumulate_at(d, *indices, g)"},
       {}, frozenset({"linear"}), documentation="The element, or the subarray, under the leading indices."),
    Op("gather", ("x", "indices"), ("array", "array"), _gathered, lambda np, a, attributes, sizes: a[0][a[1]], {"x": "scatter_add(d, indices, g)"}, {},
       frozenset({"linear"}), "gather", documentation="x[i] for every i of an array of indices, stacked."),
    Op("update", ("x", "*indices", "v"), ("array", "int", "any"), _first_plain, _update, "rule", {}, frozenset({"consumes"}), "update",
       documentation="x with the element or subarray under the leading indices replaced by v."),
    Op("take", ("x", "*indices"), ("array", "int"), lambda kinds, attributes, sizes: (kinds[0], *_item(kinds, attributes, sizes)), _take, None, {},
       frozenset({"consumes"}), documentation="x, of references, with nothing in the place of an element, to be written before it is read, and that element."),
    Op("update_slice", ("x", "*starts", "v"), ("array", "int", "any"), _first_plain, lambda np, a, attributes, sizes: _write_slice(np, a, False, attributes), "rule", {},
       frozenset({"consumes"}), documentation="x with a window (one start an axis; the counts are v's sizes; `steps`) replaced by v."),
    # -- reducing (attribute `axes`: a tuple, absent for all)
    reduction("reduce_sum", lambda np, a, attributes, sizes: np.sum(a[0], axis=_axes(attributes), dtype=a[0].dtype), "rule", "Sum; of nothing 0.", tolerance=1.0,
              traits=frozenset({"linear"})),
    reduction("reduce_prod", lambda np, a, attributes, sizes: np.prod(a[0], axis=_axes(attributes), dtype=a[0].dtype), "rule", "Product; of nothing 1.", tolerance=1.0),
    reduction("reduce_max", lambda np, a, attributes, sizes: np.max(a[0], axis=_axes(attributes), initial=-np.inf if a[0].dtype.kind == "f" else None), "rule",
              "Maximum, NaN if there is one; of no floats -inf; of no ints an error (checked before)."),
    reduction("reduce_min", lambda np, a, attributes, sizes: np.min(a[0], axis=_axes(attributes), initial=np.inf if a[0].dtype.kind == "f" else None), "rule",
              "Minimum, NaN if there is one; of no floats inf; of no ints an error (checked before)."),
    reduction("argmax", _argument("argmax"), {}, "Index of the first maximum (one axis, or a vector); not empty (checked before).", result=_reduced_to_index),
    reduction("argmin", _argument("argmin"), {}, "Index of the first minimum (one axis, or a vector); not empty (checked before).", result=_reduced_to_index),
    reduction("reduce_all", lambda np, a, attributes, sizes: np.all(a[0], axis=_axes(attributes)), {}, "All true; of nothing true.", "bool"),
    reduction("reduce_any", lambda np, a, attributes, sizes: np.any(a[0], axis=_axes(attributes)), {}, "Any true; of nothing false.", "bool"),
    # -- contracting
    contraction("dot", ("x", "y"), {"x": "g * y", "y": "g * x"}, "Inner product of two vectors."),
    contraction("matvec", ("w", "x"), {"w": "accumulate_outer(d, g, x)", "x": "vecmat(g, w)"}, "Matrix times vector."),
    contraction("vecmat", ("x", "w"), {"x": "matvec(w, g)", "w": "accumulate_outer(d, x, g)"}, "Vector times matrix."),
    contraction("matmul", ("a", "b"), {"a": "accumulate_matmul_nt(d, g, b)", "b": "accumulate_matmul_tn(d, a, g)"}, "Matrix times matrix."),
    contraction("matvecs", ("w", "x"), {"w": "accumulate_matmul_tn(d, g, x)", "x": "matmul(g, w)"}, "Matrix times each row of x, with the sums of `matvec`.",
                _dotted_rows, lambda np, a, attributes, sizes: a[1] @ a[0].T),
    # -- accumulating into a destination
    accumulator("accumulate", ("d", "v"), _identity, {"d": "g", "v": "g"}, "d + v."),
    accumulator("accumulate_at", ("d", "*indices", "v"), _accumulate_at, "rule", "d with v added under the leading indices; of `Rows` one more row."),
    accumulator("accumulate_slice", ("d", "*starts", "v"), lambda np, a, attributes, sizes: _write_slice(np, a, True, attributes), "rule",
                "d with v added to a window (`steps` as in slice)."),
    accumulator("scatter_add", ("d", "indices", "v"), _scatter_add, "rule", "d with v[k] added to d[indices[k]], duplicates too."),
    accumulator("accumulate_outer", ("d", "u", "v"), lambda np, a, attributes, sizes: a[0] + np.outer(a[1], a[2]).astype(a[0].dtype),
                {"d": "g", "u": "matvec(g, v)", "v": "vecmat(u, g)"}, "d + u v^T.", "matrix"),
    accumulator("accumulate_matmul_nt", ("d", "a", "b"), lambda np, a, attributes, sizes: a[0] + a[1] @ a[2].T,
                {"d": "g", "a": "matmul(g, b)", "b": "accumulate_matmul_tn(d, g, a)"}, "d + a b^T.", "matrix"),
    accumulator("accumulate_matmul_tn", ("d", "a", "b"), lambda np, a, attributes, sizes: a[0] + a[1].T @ a[2],
                {"d": "g", "a": "accumulate_matmul_nt(d, b, g)", "b": "matmul(a, g)"}, "d + a^T b.", "matrix"),
]


def _rows(kind: Type) -> RowsType:
    if not isinstance(kind, RowsType):
        raise TypeError(f"touched rows are needed, not {kind}")
    return kind


def _merge_rows(np: Any, rows: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    merged: dict[int, Any] = {}
    for index, row in rows:
        merged[index] = merged[index] + row if index in merged else row
    return list(merged.items())


def _dense_rows(np: Any, rows: list[tuple[int, Any]], dtype: str, sizes: tuple[int, ...]) -> Any:
    from dynlang.ops.dtypes import NUMPY

    result = np.zeros(sizes, NUMPY[dtype])
    for index, row in rows:
        result[index] += row
    return result


ROWS += [
    # -- touched rows: the tangent of an embedding table, a list of (index, row) in the order of the additions
    Op("rows_empty", (), (), lambda kinds, attributes, sizes: (RowsType(attributes["dtype"], sizes),), lambda np, a, attributes, sizes: [], {},
       documentation="No row touched, of a table of `sizes` (attribute `dtype`)."),
    Op("rows_add", ("x", "y"), ("rows", "rows"), _first, lambda np, a, attributes, sizes: a[0] + a[1], {"x": "g", "y": "g"}, {}, frozenset({"consumes", "linear"}),
       surface="rows_add", documentation="The contributions of both, x's first."),
    Op("rows_merge", ("x",), ("rows",), _first, lambda np, a, attributes, sizes: _merge_rows(np, a[0]), {"x": "g"}, {}, frozenset({"consumes", "linear"}),
       surface="rows_merge", documentation="One row an index, in the order of first touch."),
    Op("rows_count", ("x",), ("rows",), lambda kinds, attributes, sizes: (INT,), lambda np, a, attributes, sizes: np.int64(len(a[0])), {},
       surface="rows_count", documentation="How many contributions."),
    Op("rows_index", ("x", "k"), ("rows", "int"), lambda kinds, attributes, sizes: (INT,), lambda np, a, attributes, sizes: np.int64(a[0][int(a[1])][0]), {},
       surface="rows_index", documentation="The table index of contribution k."),
    Op("rows_row", ("x", "k"), ("rows", "int"), lambda kinds, attributes, sizes: (ArrayType(ScalarType(_rows(kinds[0]).dtype), _rows(kinds[0]).shape[1:]),),
       lambda np, a, attributes, sizes: a[0][int(a[1])][1], "rule", surface="rows_row", documentation="The row of contribution k."),
    Op("rows_dense", ("x",), ("rows",), lambda kinds, attributes, sizes: (ArrayType(ScalarType(_rows(kinds[0]).dtype), _rows(kinds[0]).shape),),
       lambda np, a, attributes, sizes: _dense_rows(np, a[0], attributes["dtype"], sizes), "rule", {},
       frozenset({"linear"}), documentation="The whole table of gradients (`sizes` its shape, attribute `dtype`)."),
]
