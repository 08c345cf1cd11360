"""Every op row with a derivative: Richardson differences, the complex step, the dot product against forward mode, second order in
both modes; f32 and half types against f64. A new row without its case fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from dynlang.core.evaluate import evaluate, value_of
from dynlang.grad import gradient_program
from dynlang.grad.rules import RULES
from dynlang.ops import OPS
from dynlang.ops.dtypes import NUMPY
from dynlang.ops.table import Op
from dynlang.types import BOOL, F64, INT, ArrayType, ListType, RowsType, ScalarType, Type, map_type
from grad_checks import Program, array, check, with_requests

POSITIVE = {"sqrt", "log", "log1p", "power", "div"}


def differentiable(row: Op) -> bool:
    if row.derivative is None or row.derivative == {}:
        return False
    return bool({"float", "number", "any", "array", "list", "rows"} & set(row.accepts) or not row.operands)


def elementwise(row: Op) -> bool:
    return row.has("elementwise") and row.name != "convert"


def away_from_kinks(shape: tuple[int, ...], seed: int, positive: bool) -> np.ndarray:
    random = np.random.default_rng(seed)
    x = random.uniform(0.4, 1.5, shape)
    return x if positive else x * np.where(random.random(shape) < 0.5, -1, 1)


def elementwise_cases() -> list[tuple[str, tuple[bool, ...]]]:
    """Each op with arrays and scalars in every operand; at least one array, or all scalars."""
    found = []
    for row in OPS.values():
        if elementwise(row) and differentiable(row):
            count = len(row.operands)
            found += [(row.name, tuple(bool(bits >> k & 1) for k in range(count))) for bits in range(2**count)]
    return found


@pytest.mark.parametrize(("name", "arrays"), elementwise_cases(), ids=str)
def test_elementwise(name: str, arrays: tuple[bool, ...]) -> None:
    row = OPS[name]
    for n in (4, 1, 0) if any(arrays) else (1,):
        p = Program()
        scalars: tuple[Type, ...] = tuple(BOOL if accepts == "bool" else F64 for accepts in row.accepts)
        kinds = [ArrayType(kind, array("n").shape) if many else kind for kind, many in zip(scalars, arrays, strict=True)]
        result = array("n") if any(arrays) else F64
        names = [f"x{k}" for k in range(len(kinds))]
        p.function("f", ["n"], dict(zip(names, kinds, strict=True)), {"r": result}, lambda w, n, *given: getattr(w, name)(*given))
        values = []
        for k, (kind, many) in enumerate(zip(scalars, arrays, strict=True)):
            shape = (n,) if many else ()
            if kind == BOOL:
                values.append(np.random.default_rng(k).random(shape) < 0.5)
            else:
                values.append(away_from_kinks(shape, 7 * k + n, name in POSITIVE) + 0.1 * k)
        wrt = [k + 1 for k, operand in enumerate(row.operands) if isinstance(row.derivative, Mapping) and operand in row.derivative]
        check(p.module, "f", [n, *values], wrt)
        if n:
            check_second_order(p, [n, *values], wrt)


def check_second_order(p: Program, values: list[object], wrt: list[int], forward: bool = True) -> None:
    """The gradient of <f, f>, differentiated in both modes."""
    f = p.functions["f"]
    (result,) = f.results
    plain = isinstance(result.type, ArrayType) or result.type == F64
    assert plain, "an op that gives no numbers is checked through a function that does"
    parameters = {one.name: one.type for one in f.parameters[f.sizes :]}

    def squared(w, *given):
        r = w.call("f", *given)
        return w.reduce_sum(w.mul(r, r)) if isinstance(result.type, ArrayType) else w.mul(r, r)

    p.function("g", [one.name for one in f.parameters[: f.sizes]], parameters, {"y": F64}, squared)
    made = gradient_program(p.module, "g", wrt)
    check(made, "g_grad", values, wrt, forward=forward, tolerance=1e-6, step=1e-3)


# ---------------------------------------------------------------- the other rows, one or more programs each

Case = tuple[dict[str, Type], dict[str, Type], Callable[..., object], list[object], list[int]]
CASES: dict[str, list[Case]] = {}
A, B, C = (np.random.default_rng(k).standard_normal for k in range(3))


def case(
    op: str, parameters: dict[str, Type], result: Type, body: Callable[..., object], values: list[object], wrt: list[int] | None = None
) -> None:
    carrying = [k for k, kind in enumerate(parameters.values()) if _floats(kind)]
    CASES.setdefault(op, []).append((parameters, {"r": result}, body, values, carrying if wrt is None else wrt))


def _floats(kind: Type) -> bool:
    return kind == F64 or (isinstance(kind, ArrayType) and kind.element == F64) or isinstance(kind, ListType)


def integers(*shape: str | int) -> ArrayType:
    return ArrayType(INT, array(*shape).shape)


F32 = ScalarType("f32")
for shape in ((3, 2), (1, 1), (0, 2)):
    n, m = shape
    matrix, transposed = array(n, m), array(m, n)
    x = A(shape)
    case("fill", {"x": F64}, matrix, lambda w, x, n=n, m=m: w.fill(x, sizes=[n, m]), [0.7])
    case("broadcast", {"x": F64}, matrix, lambda w, x, n=n, m=m: w.broadcast(x, sizes=[n, m]), [0.7])
    case("broadcast", {"x": array(m)}, matrix, lambda w, x, n=n: w.broadcast(x, sizes=[n]), [A(m)])
    case("reshape", {"x": matrix}, array(n * m), lambda w, x, n=n, m=m: w.reshape(x, sizes=[n * m]), [x])
    case("retype", {"x": matrix}, matrix, lambda w, x, n=n, m=m: w.retype(w.sin(x), sizes=[n, m]), [x])
    case("transpose", {"x": matrix}, transposed, lambda w, x: w.transpose(x, permutation=(1, 0)), [x])
    case("reverse", {"x": matrix}, matrix, lambda w, x: w.reverse(x), [x])
    case(
        "concat",
        {"x": matrix, "y": array(2, m)},
        array(n + 2, m),
        lambda w, x, y: w.concat(x, y, x) if False else w.concat(x, y),
        [x, B((2, m))],
    )
    case("reduce_sum", {"x": matrix}, F64, lambda w, x: w.reduce_sum(x), [x])
    case("reduce_sum", {"x": matrix}, array(m), lambda w, x: w.reduce_sum(x, axes=(0,)), [x])
    case("reduce_sum", {"x": matrix}, array(n), lambda w, x: w.reduce_sum(x, axes=(1,)), [x])
    case("reduce_prod", {"x": matrix}, F64, lambda w, x: w.reduce_prod(x), [x])
    case("reduce_prod", {"x": matrix}, array(m), lambda w, x: w.reduce_prod(x, axes=(0,)), [np.where(x == x.max(initial=-9), 0.0, x)])
    for word in ("reduce_max", "reduce_min"):
        case(word, {"x": matrix}, F64, lambda w, x, word=word: getattr(w, word)(x), [x]) if n else None
        case(word, {"x": matrix}, array(m), lambda w, x, word=word: getattr(w, word)(x, axes=(0,)), [x]) if n else None
        case(word, {"x": matrix}, array(n), lambda w, x, word=word: getattr(w, word)(x, axes=(1,)), [x])
    case("dot", {"x": array(n), "y": array(n)}, F64, lambda w, x, y: w.dot(x, y), [A(n), B(n)])
    case("matvec", {"w_": matrix, "x": array(m)}, array(n), lambda w, a, b: w.matvec(a, b), [x, B(m)])
    case("vecmat", {"x": array(n), "w_": matrix}, array(m), lambda w, a, b: w.vecmat(a, b), [B(n), x])
    case("matmul", {"a": matrix, "b": array(m, 4)}, array(n, 4), lambda w, a, b: w.matmul(a, b), [x, B((m, 4))])
    case("matvecs", {"w_": matrix, "x": array(4, m)}, array(4, n), lambda w, a, b: w.matvecs(a, b), [x, B((4, m))])
    case("accumulate", {"d": matrix, "v": matrix}, matrix, lambda w, d, v: w.accumulate(d, v), [x, B(shape)])
    case(
        "accumulate_outer",
        {"d": matrix, "u": array(n), "v": array(m)},
        matrix,
        lambda w, d, u, v: w.accumulate_outer(d, u, v),
        [x, A(n), B(m)],
    )
    case(
        "accumulate_matmul_nt",
        {"d": matrix, "a": array(n, 4), "b": array(m, 4)},
        matrix,
        lambda w, d, a, b: w.accumulate_matmul_nt(d, a, b),
        [x, A((n, 4)), B((m, 4))],
    )
    case(
        "accumulate_matmul_tn",
        {"d": matrix, "a": array(4, n), "b": array(4, m)},
        matrix,
        lambda w, d, a, b: w.accumulate_matmul_tn(d, a, b),
        [x, A((4, n)), B((4, m))],
    )
    case("gather", {"x": array(5, m), "i": integers(n)}, matrix, lambda w, x, i: w.gather(x, i), [A((5, m)), np.arange(n) // 2])
    case(
        "gather",
        {"x": array(5), "i": integers(2, n)},
        array(2, n),
        lambda w, x, i: w.gather(x, i),
        [A(5), np.arange(2 * n).reshape(2, n) // 3],
    )
    case(
        "scatter_add",
        {"d": array(5, m), "i": integers(n), "v": matrix},
        array(5, m),
        lambda w, d, i, v: w.scatter_add(d, i, v),
        [A((5, m)), np.arange(n) // 2, x],
    )
matrix, x = array(3, 2), A((3, 2))
cube, y = array(2, 3, 4), A((2, 3, 4))
case("transpose", {"x": cube}, array(4, 2, 3), lambda w, x: w.transpose(x, permutation=(2, 0, 1)), [y])
case("reduce_sum", {"x": cube}, array(3), lambda w, x: w.reduce_sum(x, axes=(0, 2)), [y])
case("reduce_max", {"x": cube}, array(2, 4), lambda w, x: w.reduce_max(x, axes=(1,)), [y])
case("reduce_prod", {"x": cube}, array(2), lambda w, x: w.reduce_prod(x, axes=(1, 2)), [y])
case("slice", {"x": matrix}, array(2, 1), lambda w, x: w.slice(x, 1, 0, sizes=[2, 1]), [x])
case("slice", {"x": array(7)}, array(3), lambda w, x: w.slice(x, 1, sizes=[3], steps=(2,)), [A(7)])
case("at", {"x": matrix, "i": INT}, array(2), lambda w, x, i: w.at(x, i), [x, 1])
case("at", {"x": matrix, "i": INT}, F64, lambda w, x, i: w.at(x, i, 0), [x, 2])
case("at", {"x": array(3, 2, table=True), "i": INT}, array(2), lambda w, x, i: w.tanh(w.at(x, i)), [x, 1])
case("update", {"x": matrix, "i": INT, "v": array(2)}, matrix, lambda w, x, i, v: w.update(w.tanh(x), i, v), [x, 1, B(2)])
case("update", {"x": matrix, "i": INT, "v": F64}, matrix, lambda w, x, i, v: w.update(w.tanh(x), i, 1, v), [x, 1, 0.4])
case("update_slice", {"x": matrix, "v": array(2, 1)}, matrix, lambda w, x, v: w.update_slice(w.tanh(x), 1, 1, v), [x, B((2, 1))])
case("update_slice", {"x": array(7), "v": array(3)}, array(7), lambda w, x, v: w.update_slice(w.tanh(x), 0, v, steps=(3,)), [A(7), B(3)])
case("accumulate_at", {"d": matrix, "i": INT, "v": array(2)}, matrix, lambda w, d, i, v: w.accumulate_at(w.tanh(d), i, v), [x, 1, B(2)])
case(
    "accumulate_slice",
    {"d": array(7), "v": array(3)},
    array(7),
    lambda w, d, v: w.accumulate_slice(w.tanh(d), 1, v, steps=(2,)),
    [A(7), B(3)],
)
case("convert", {"x": array(3)}, array(3), lambda w, x: w.convert(w.convert(x, dtype="f64"), dtype="f64"), [A(3)])


def _rows(w, table_rows):
    return w.rows_empty(sizes=[3, 2], dtype="f64")


def rows_program(w, x, v):
    """Rows filled, added to others, merged and read."""
    rows = w.accumulate_at(w.accumulate_at(_rows(w, x), 1, x), 2, v)
    more = w.scatter_add(_rows(w, x), w.iota(sizes=[2]), w.broadcast(v, sizes=[2]))
    return w.rows_merge(w.rows_add(rows, more))


case(
    "rows_dense",
    {"x": array(2), "v": array(2)},
    matrix,
    lambda w, x, v: w.tanh(w.rows_dense(rows_program(w, x, v), sizes=[3, 2], dtype="f64")),
    [A(2), B(2)],
)
CASES["rows_add"] = CASES["rows_merge"] = CASES["rows_dense"]
elements = (array(2), INT)


def list_program(w, x, v):
    l = w.list_push(w.list_push(w.list_empty(elements=elements), x, 1), w.tanh(v), 2)
    l = w.list_set(l, 0, w.mul(v, x), 5)
    rest, last, _ = w.many("list_pop", l)
    rest = w.retype(rest, sizes=[2])
    return w.mul(last, w.exp(w.many("list_get", rest, w.sub(w.list_length(rest), 1))[0]))


case("list_push", {"x": array(2), "v": array(2)}, array(2), list_program, [A(2), B(2)])
for op in ("list_pop", "list_get", "list_set", "list_empty"):
    CASES[op] = CASES["list_push"]
case(
    "rows_row",
    {"x": array(2), "v": array(2)},
    array(2),
    lambda w, x, v: w.tanh(w.rows_row(w.accumulate_at(w.accumulate_at(_rows(w, x), 1, x), 2, w.exp(v)), 1)),
    [A(2), B(2)],
)


def rows_in_turn(w, x, v):
    """The sum over contributions, some of which don't depend on v, of a function of their places."""
    rows = w.rows_add(w.accumulate_at(_rows(w, x), 1, x), w.accumulate_at(w.accumulate_at(_rows(w, x), 2, v), 1, w.mul(v, v)))
    merged = w.rows_merge(rows)
    return w.loop(
        w.rows_count(merged),
        [w.fill(0.0, sizes=[2])],
        lambda u, k, total: u.add(total, u.mul(u.exp(u.rows_row(merged, k)), u.convert(u.rows_index(merged, k), dtype="f64"))),
    )


case("rows_row", {"x": array(2), "v": array(2)}, array(2), rows_in_turn, [A(2), B(2)])
case("rows_row", {"x": array(2), "v": array(2)}, array(2), rows_in_turn, [A(2), B(2)], [1])


@pytest.mark.parametrize("name", [row.name for row in OPS.values() if differentiable(row) and not elementwise(row)])
def test_other_rows(name: str) -> None:
    assert name in CASES, f"the row {name} has a derivative and no test"
    for parameters, results, body, values, wrt in CASES[name]:
        p = Program()
        p.function("f", [], parameters, results, body)
        check(p.module, "f", values, wrt)
        tables = any(isinstance(kind, ArrayType) and kind.row_sparse for kind in parameters.values())
        if not tables and all(np.size(np.asarray(one)) for one in values):
            check_second_order(p, values, wrt)


# ---------------------------------------------------------------- smaller floats

EXACT_ROWS = {"rows_add", "rows_merge", "rows_row", "rows_dense", "convert", *(name for name in OPS if name.startswith("list_"))}
"""Rows whose programs above name f64 themselves (they move numbers, and compute none); the last test converts."""


def narrow(kind: Type, dtype: str) -> Type:
    return map_type(kind, lambda size: size, lambda one: ScalarType(dtype) if one == F64 else None)


def narrow_values(values: list[object], kinds: list[Type], dtype: str) -> list[object]:
    """Values that the smaller type holds exactly, so that both gradients are taken at one point."""
    return [
        np.asarray(value_of(one, narrow(kind, dtype)), np.float64) if scalar(kind) == F64 else one
        for one, kind in zip(values, kinds, strict=True)
    ]


def scalar(kind: Type) -> Type:
    return kind.element if isinstance(kind, ArrayType) else kind


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("name", [row.name for row in OPS.values() if differentiable(row) and row.name not in EXACT_ROWS])
def test_smaller_floats(name: str, dtype: str) -> None:
    """Gradients of f32 and half types are those of f64, up to a few roundings."""
    for parameters, result, body, values, wrt in narrow_cases(name):
        gradients: list[list[object]] = []
        kinds = list(parameters.values())
        given = narrow_values(values, kinds, dtype)
        for now in ("f64", dtype):
            p = Program()
            p.function("f", [], {one: narrow(kind, now) for one, kind in parameters.items()}, {"r": narrow(result, now)}, body)
            made, reverse, _ = with_requests(p.module, "f", wrt, forward=False)
            primal = evaluate(p.module, "f", given)
            ones = [value_of(np.ones(np.shape(primal[0])), narrow(result, now))]
            gradients.append(evaluate(made, reverse, [*given, *ones])[1:])
        for exact, found, k in zip(*gradients, wrt, strict=True):
            if (isinstance(exact, np.ndarray) and exact.dtype == object) or isinstance(exact, list):
                continue
            assert np.asarray(found).dtype == np.dtype(NUMPY[dtype]), name
            error = np.max(np.abs(np.asarray(found, np.float64) - exact) / (1 + np.abs(exact)), initial=0.0)
            assert error <= ROUNDINGS * UNIT[dtype], (name, dtype, k, error / UNIT[dtype])


UNIT = {"f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}
ROUNDINGS = 16


def narrow_cases(name: str) -> list[tuple[dict[str, Type], Type, Callable[..., object], list[object], list[int]]]:
    row = OPS[name]
    if not elementwise(row):
        return [(parameters, results["r"], body, values, wrt) for parameters, results, body, values, wrt in CASES[name]
                if not any(isinstance(kind, ArrayType) and kind.row_sparse for kind in parameters.values())]
    accepts = [BOOL if one == "bool" else F64 for one in row.accepts]
    parameters: dict[str, Type] = {f"x{k}": ArrayType(kind, array(4).shape) for k, kind in enumerate(accepts)}
    values: list[object] = [
        np.array([True, False, True, False]) if kind == BOOL else away_from_kinks((4,), 7 * k + 3, name in POSITIVE) + 0.1 * k
        for k, kind in enumerate(accepts)
    ]
    wrt = [k for k, operand in enumerate(row.operands) if isinstance(row.derivative, Mapping) and operand in row.derivative]
    return [(parameters, array(4), lambda w, *given: getattr(w, name)(*given), values, wrt)]


def test_half_and_single_precision_convert() -> None:
    p = Program()
    p.function("f", [], {"x": ArrayType(F32, array(3).shape)}, {"r": array(3)}, lambda w, x: w.convert(x, dtype="f64"))
    made, name, _ = with_requests(p.module, "f", [0])
    found = evaluate(made, name, [np.ones(3, np.float32), np.array([1.0, 2.0, 3.0])])[1]
    assert found.dtype == np.float32 and found.tolist() == [1.0, 2.0, 3.0]


def test_rows_type_is_the_gradient_of_a_table() -> None:
    p = Program()
    p.function("f", ["v"], {"E": array("v", 2, table=True), "i": INT}, {"r": F64}, lambda w, v, E, i: w.reduce_sum(w.tanh(w.at(E, i))))
    made = check(p.module, "f", [5, A((5, 2)), 3], [1])
    assert isinstance(made.functions["check_vjp_f"].results[1].type, RowsType)
    p.function("g", ["v"], {"E": array("v", 2, table=True), "x": array(2)}, {"r": array("v")}, lambda w, v, E, x: w.matvec(E, x))
    check(p.module, "g", [5, A((5, 2)), B(2)], [1, 2])
    p.function(
        "h", ["v"], {"E": array("v", 2, table=True)}, {"r": F64}, lambda w, v, E: w.reduce_sum(w.reduce_max(w.tanh(w.mul(E, E)), axes=(1,)))
    )
    check(p.module, "h", [5, A((5, 2))], [1])


def test_an_op_has_a_derivative_of_one_kind() -> None:
    """A text in a row that a rule overrides would mean nothing; a row that names a rule has one."""
    assert {name for name, row in OPS.items() if row.derivative == "rule"} == set(RULES)
