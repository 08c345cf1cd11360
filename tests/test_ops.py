"""Every row of the op table: native code at -O0 and -O2 is the same bit for bit, and is what the row's NumPy meaning says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dynlang.native import target as targets
from dynlang.native.jit import Compiled, compile_module
from dynlang.ops import OPS
from dynlang.ops.dtypes import NUMPY, convert
from dynlang.ops.table import Op
from dynlang.ssa.interpret import interpret
from dynlang.ssa.nodes import Array, Module, Scalar, ValueType
from dynlang.ssa.parse import parse_module

FLOATS, INTEGERS = ("f32", "f64"), ("i64", "i32", "i16", "i8", "u8")
ACCEPTED = {"float": FLOATS, "integer": INTEGERS, "number": FLOATS + INTEGERS, "bool": ("bool",), "any": (*FLOATS, *INTEGERS, "bool")}
SIZES = (0, 1, 5, 8, 31, 300)

# -- values


def numbers(dtype: str, shape: tuple[int, ...], seed: int, domain: str = "") -> Any:
    """Values of a dtype: a few awkward ones, the rest random. `positive`, `shift` and `unit` keep to where the row is defined."""
    random = np.random.default_rng(seed)
    kind = np.dtype(NUMPY[dtype])
    if kind.kind == "b":
        return random.random(shape) < 0.5
    if kind.kind in "iu":
        low, high = (0, np.iinfo(kind).bits) if domain == "shift" else (max(-40, np.iinfo(kind).min), 41)
        found = random.integers(low, high, shape).astype(kind)
        return np.where(found == 0, np.asarray(3, kind), found) if domain == "divisor" else found
    found = (random.standard_normal(shape) * 3).astype(kind)
    flat = found.reshape(-1)
    special = [0.0, -0.0, 1.0, -1.0, 0.5, 88.0, -88.0, 1e-5, np.inf, -np.inf, np.nan]
    if flat.size > 20 and not domain:
        flat[: len(special)] = special
    return np.abs(found) + np.asarray(0.01, kind) if domain == "positive" else found


DOMAINS = {
    "log": "positive",
    "sqrt": "positive",
    "log1p": "positive",
    "floor_division": "divisor",
    "floor_modulo": "divisor",
    "shift_left": "shift",
    "shift_right": "shift",
}

# -- comparing


def same_bits(left: Any, right: Any) -> bool:
    left, right = np.asarray(left), np.asarray(right)
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()


def distance(native: Any, wanted: Any) -> float:
    """The largest distance in units in the last place; NaN equals NaN, 0 equals -0."""
    native, wanted = np.asarray(native), np.asarray(wanted)
    assert native.shape == wanted.shape and native.dtype == wanted.dtype
    if native.dtype.kind != "f":
        return 0.0 if np.array_equal(native, wanted) else float("inf")
    both = (native == wanted) | (np.isnan(native) & np.isnan(wanted))
    if both.all():
        return 0.0
    with np.errstate(all="ignore"):
        unit = np.spacing(np.maximum(np.abs(wanted), np.finfo(wanted.dtype).tiny))
        far = np.abs(native.astype(np.float64) - wanted.astype(np.float64)) / unit
    return float(np.nanmax(np.where(both, 0.0, np.where(np.isnan(far), np.inf, far))))


def compiled(text: str) -> tuple[Module, list[Compiled]]:
    module = parse_module(text)
    return module, [compile_module(module, level, cache=False) for level in (0, 2)]


# -- elementwise rows


def dtypes_of(row: Op) -> Sequence[str]:
    accepted = ACCEPTED[row.accepts[-1]]
    return [one for one in accepted if ("float" if one in FLOATS else "bool" if one == "bool" else "integer") in row.lower]


def elementwise_text(row: Op, dtypes: Sequence[str] = ()) -> str:
    """For each dtype a function on arrays, one on scalars, and, for two operands, one with a scalar on the right."""
    parts = []
    for dtype in dtypes or dtypes_of(row):
        kinds = ["bool" if accepted == "bool" else dtype for accepted in row.accepts]
        for target in ["f32", "f64", "i64", "i32", "u8", "bool"] if row.name == "convert" else [""]:
            result = "bool" if row.has("comparison") else target or dtype
            extra = f' {{dtype = "{target}"}}' if target else ""
            for form in forms(row):
                shaped = [kind + ("[%n]" if letter == "a" else "") for kind, letter in zip(kinds, form, strict=True)]
                kind = result + ("[%n]" if "a" in form else "")
                parameters = ", ".join(["%n: i64", *(f"%x{i}: {one}" for i, one in enumerate(shaped))])
                operands = ", ".join(f"%x{i}" for i in range(len(kinds)))
                head = f"func @{dtype}.{target}.{form}({parameters}) -> ({kind})"
                parts.append(f"{head} {{\n  %r: {kind} = {row.name} {operands}{extra}\n  return %r\n}}")
    return "\n".join(parts)


def forms(row: Op) -> list[str]:
    count = len(row.operands)
    return ["a" * count, "s" * count] + (["a" * (count - 1) + "s"] if count > 1 else [])


ELEMENTWISE = [name for name, row in OPS.items() if row.has("elementwise")]


HALVES = ("f16", "bf16")


@pytest.mark.parametrize("target", [targets.host(), targets.X86_64], ids=["host", "x86-64"])
@pytest.mark.parametrize("dtype", HALVES)
def test_half_types(dtype: str, target: targets.Target) -> None:
    """Arithmetic of half types is done in f32 and rounded once; the least machine converts on the bits."""
    rows = [OPS[name] for name in ("add", "mul", "neg", "less", "select", "exp", "maximum")]
    text = "\n".join(elementwise_text(row, [dtype]).replace("func @", f"func @{row.name}.") for row in rows)
    text += "\n".join(
        conversion_text(source, goal) for source, goal in ((dtype, "f32"), (dtype, "f64"), ("f32", dtype), ("f64", dtype), (dtype, "i32"))
    )
    module = parse_module(text)
    code = compile_module(module, 2, cache=False, target=target)
    for name, function in module.functions.items():
        kinds = [str(scalar_dtype(one.type)) for one in function.parameters[1:]]
        arguments = [
            21,
            *(
                converted_numbers(kind, (21,), place) if is_array(one.type) else converted_numbers(kind, (), place)
                for place, (kind, one) in enumerate(zip(kinds, function.parameters[1:], strict=True))
            ),
        ]
        (found,), (wanted,) = code.call(name, arguments), interpret(module, name, arguments)
        assert np.array_equal(found, wanted, equal_nan=np.asarray(wanted).dtype.kind == "f"), name


def conversion_text(source: str, goal: str) -> str:
    return (
        f"func @convert.{source}.{goal}(%n: i64, %x: {source}[%n]) -> ({goal}[%n]) {{\n"
        f'  %r: {goal}[%n] = convert %x {{dtype = "{goal}"}}\n  return %r\n}}\n'
    )


def scalar_dtype(kind: ValueType) -> str:
    element = kind.element if isinstance(kind, Array) else kind
    assert isinstance(element, Scalar)
    return element.dtype


def is_array(kind: ValueType) -> bool:
    return isinstance(kind, Array)


def converted_numbers(dtype: str, shape: tuple[int, ...], seed: int) -> Any:
    """Moderate values that the dtype holds exactly."""
    found = np.random.default_rng(seed).standard_normal(shape) * 3
    return found < 0 if dtype == "bool" else convert(found, dtype)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name: str) -> None:
    row = OPS[name]
    module, (slow, fast) = compiled(elementwise_text(row))
    for function in module.functions:
        dtype, _, form = function.split(".")
        for size in SIZES if "a" in form else (1,):
            kinds = ["bool" if accepted == "bool" else dtype for accepted in row.accepts]
            shapes = [(size,) if letter == "a" else () for letter in form]
            made = [
                numbers(kind, shape, 7 * i + size, DOMAINS.get(name, "") if i == len(kinds) - 1 or name != "floor_division" else "")
                for i, (kind, shape) in enumerate(zip(kinds, shapes, strict=True))
            ]
            arguments = [size, *made]
            (left,), (right,) = slow.call(function, arguments), fast.call(function, arguments)
            (wanted,) = interpret(module, function, arguments)
            assert same_bits(left, right), (function, size)
            assert distance(right, wanted) <= row.tolerance, (function, size, right, wanted)
    assert slow.live_blocks() == fast.live_blocks() == 0


# -- all other rows: programs that use them


@dataclass(frozen=True)
class Case:
    """A function `@f` and its arguments. `ops`: the rows it is about; `slack`: the relative error of another order of addition."""

    ops: str
    text: str
    arguments: tuple[Any, ...]
    slack: float = 0.0


def close(native: Any, wanted: Any, slack: float) -> bool:
    """Equal values of any kind; numbers within the slack."""
    if hasattr(wanted, "constructor"):
        return native.constructor == wanted.constructor and close(list(native.fields), list(wanted.fields), slack)
    if isinstance(wanted, (list, tuple)):
        return len(native) == len(wanted) and all(close(a, b, slack) for a, b in zip(native, wanted, strict=True))
    if isinstance(wanted, bytes) or np.asarray(wanted).dtype.kind not in "f":
        return np.array_equal(native, wanted)
    return np.shape(native) == np.shape(wanted) and np.allclose(native, wanted, rtol=slack, atol=slack, equal_nan=True)


def f32(*shape: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def whole(*shape: int, below: int = 9, seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(0, below, shape)


def row(name: str, parameters: str, result: str, operation: str, *arguments: Any, slack: float = 0.0, before: str = "") -> Case:
    """A function of one operation: `operation` gives `%r`. A first operand that is consumed is a parameter that the function owns."""
    owned = " with {owned = [" + ", ".join(str(i) for i, one in enumerate(parameters.split(", %")) if "%d:" in "%" + one.lstrip("%")) + "]}"
    flags = owned if "%d:" in parameters else ""
    return Case(
        name, f"func @f({parameters}) -> ({result}){flags} {{\n{before}\n  %r: {result} = {operation}\n  return %r\n}}", arguments, slack
    )


def array_cases() -> list[Case]:
    found = [
        row("fill", "%n: i64, %v: f32", "f32[%n, 3]", "fill %v sizes [%n, 3]", 5, 2.5),
        row("fill", "%n: i64", "f64[%n]", "fill %z sizes [%n]", 37, before="%z: f64 = constant {value = 0.0}"),
        row("fill", "%n: i64, %v: bool", "bool[%n]", "fill %v sizes [%n]", 100, True),
        row("fill", "%n: i64, %v: str", "str[%n]", "fill %v sizes [%n]", 4, b"word"),
        Case(
            "empty",
            "func @f(%n: i64, %s: str) -> (str[%n]) { %e: str[%n] = empty sizes [%n] %z: i64 = constant {value = 0} "
            "%one: i64 = constant {value = 1} retain %s retain %s "
            "%a: str[%n] = update %e, %z, %s %b: str[%n] = update %a, %one, %s return %b }",
            (2, b"ab"),
        ),
        row("iota", "%n: i64", "i64[%n]", "iota sizes [%n]", 9),
        row("broadcast", "%n: i64, %m: i64, %x: f32[%m]", "f32[%n, %m]", "broadcast %x sizes [%n]", 3, 5, f32(5)),
        row("broadcast", "%n: i64, %x: i64", "i64[%n]", "broadcast %x sizes [%n]", 6, 3),
        row("reshape", "%n: i64, %x: f32[%n, 2, 3]", "f32[%n, 6]", "reshape %x sizes [%n, 6]", 4, f32(4, 2, 3)),
        row("reverse", "%n: i64, %x: f32[%n, 2]", "f32[%n, 2]", "reverse %x", 5, f32(5, 2)),
        row("reverse", "%n: i64, %x: i64[%n]", "i64[%n]", "reverse %x", 0, whole(0)),
        row(
            "concat",
            "%n: i64, %m: i64, %k: i64, %x: f32[%n, 2], %y: f32[%m, 2]",
            "f32[%k, 2]",
            "concat %x, %y",
            3,
            4,
            7,
            f32(3, 2),
            f32(4, 2),
        ),
        row("transpose", "%n: i64, %m: i64, %x: f32[%n, %m]", "f32[%m, %n]", "transpose %x {permutation = [1, 0]}", 17, 9, f32(17, 9)),
        row("transpose", "%n: i64, %x: i64[%n, 2, 3]", "i64[3, %n, 2]", "transpose %x {permutation = [2, 0, 1]}", 4, whole(4, 2, 3)),
        row("slice", "%n: i64, %k: i64, %i: i64, %x: f32[%n]", "f32[%k]", "slice %x, %i sizes [%k]", 9, 4, 3, f32(9)),
        row(
            "slice",
            "%n: i64, %m: i64, %i: i64, %x: f32[%n, %m]",
            "f32[2, %m]",
            "slice %x, %i, %z sizes [2, %m]",
            6,
            5,
            3,
            f32(6, 5),
            before="%z: i64 = constant {value = 0}",
        ),
        row("slice", "%n: i64, %i: i64, %j: i64, %x: f32[%n, %n]", "f32[2, 3]", "slice %x, %i, %j sizes [2, 3]", 6, 1, 2, f32(6, 6)),
        row("slice", "%n: i64, %i: i64, %x: i64[%n, %n]", "i64[2, 2]", "slice %x, %i, %i sizes [2, 2] {steps = [2, 3]}", 7, 1, whole(7, 7)),
        row("at", "%n: i64, %i: i64, %x: f32[%n, 3]", "f32[3]", "at %x, %i", 4, 2, f32(4, 3)),
        row("at", "%n: i64, %i: i64, %x: bool[%n, 3]", "bool", "at %x, %i, %i", 4, 2, whole(4, 3) > 4),
        row("at", "%n: i64, %i: i64, %x: str[%n]", "str", "at %x, %i", 2, 1, np.array([b"a", b"bc"], dtype=object)),
        row("gather", "%n: i64, %k: i64, %x: f32[%n, 3], %i: i64[%k]", "f32[%k, 3]", "gather %x, %i", 5, 7, f32(5, 3), whole(7, below=5)),
        row(
            "gather",
            "%n: i64, %k: i64, %x: f64[%n], %i: i32[%k, 2]",
            "f64[%k, 2]",
            "gather %x, %i",
            5,
            3,
            np.arange(5.0),
            whole(3, 2, below=5).astype("i4"),
        ),
        row("update", "%n: i64, %i: i64, %d: f32[%n, 3], %v: f32[3]", "f32[%n, 3]", "update %d, %i, %v", 4, 2, f32(4, 3), f32(3, seed=2)),
        row("update", "%n: i64, %i: i64, %d: i64[%n], %v: i64", "i64[%n]", "update %d, %i, %v", 4, 2, whole(4), 70),
        row(
            "update_slice",
            "%n: i64, %i: i64, %d: f32[%n, %n], %v: f32[2, 3]",
            "f32[%n, %n]",
            "update_slice %d, %i, %i, %v",
            6,
            1,
            f32(6, 6),
            f32(2, 3),
        ),
        row(
            "update_slice",
            "%n: i64, %i: i64, %d: f32[%n], %v: f32[3]",
            "f32[%n]",
            "update_slice %d, %i, %v {steps = [2]}",
            9,
            1,
            f32(9),
            f32(3, seed=3),
        ),
    ]
    for dtype in ("f32", "f64", "i64", "i32"):
        kind = np.dtype(NUMPY[dtype])
        d, v, w = f32(5, 11), f32(11, seed=2), f32(3, 4, seed=5)
        d, v, w = ((one * 9).astype(kind) for one in (d, v, w))
        n = f"%n: i64, %i: i64, %d: {dtype}[%n, 11]"
        out = f"{dtype}[%n, 11]"
        found += [
            row("accumulate", f"{n}, %v: {dtype}[%n, 11]", out, "accumulate %d, %v", 5, 2, d, d[::-1].copy()),
            row("accumulate", f"%d: {dtype}, %v: {dtype}", dtype, "accumulate %d, %v", kind.type(4), kind.type(5)),
            row("accumulate_at", f"{n}, %v: {dtype}[11]", out, "accumulate_at %d, %i, %v", 5, 2, d, v),
            row("accumulate_at", f"{n}, %v: {dtype}", out, "accumulate_at %d, %i, %i, %v", 5, 2, d, kind.type(7)),
            row("accumulate_slice", f"{n}, %v: {dtype}[3, 4]", out, "accumulate_slice %d, %i, %i, %v", 5, 2, d, w),
            row(
                "scatter_add",
                f"{n}, %k: i64[4], %v: {dtype}[4, 11]",
                out,
                "scatter_add %d, %k, %v",
                5,
                2,
                d,
                np.array([1, 3, 1, 0]),
                d[:4].copy(),
            ),
            row(
                "scatter_add",
                f"%n: i64, %d: {dtype}[%n], %k: i64[4], %v: {dtype}[4]",
                f"{dtype}[%n]",
                "scatter_add %d, %k, %v",
                11,
                v,
                np.array([1, 3, 1, 0]),
                v[:4].copy(),
            ),
        ]
    return found


def reduction_cases() -> list[Case]:
    found = []
    for dtype in ("f32", "f64", "i64", "i32", "u8"):
        kind = np.dtype(NUMPY[dtype])
        floating = kind.kind == "f"
        slack = {"f32": 1e-5, "f64": 1e-13}.get(dtype, 0.0)
        for word in ("sum", "prod", "max", "min"):
            for n in (0, 1, 7, 300) if word in ("sum", "prod") or floating else (1, 7, 300):
                x = np.clip(f32(n, seed=n) * (1 if floating else 5), 0 if dtype == "u8" else -100, 100).astype(kind)
                found.append(row(f"reduce_{word}", f"%n: i64, %x: {dtype}[%n]", dtype, f"reduce_{word} %x", n, x, slack=slack))
            y = np.abs(f32(3, 5, 9) * 4).astype(kind)
            for axes, shape in (((0,), "[5, 9]"), ((1,), "[%n, 9]"), ((2,), "[%n, 5]"), ((0, 2), "[5]"), ((1, 2), "[%n]"), ((0, 1, 2), "")):
                text = f"reduce_{word} %x {{axes = [{', '.join(map(str, axes))}]}}"
                found.append(row(f"reduce_{word}", f"%n: i64, %x: {dtype}[%n, 5, 9]", dtype + shape, text, 3, y, slack=slack))
        for word in ("argmax", "argmin"):
            x = (f32(40) * 3).astype(kind)
            found.append(row(word, f"%n: i64, %x: {dtype}[%n]", "i64", f"{word} %x", 40, x))
            y = (f32(4, 6, 3) * 3).astype(kind)
            found.append(row(word, f"%n: i64, %x: {dtype}[%n, 6, 3]", "i64[%n, 3]", f"{word} %x {{axes = [1]}}", 4, y))
    broken = np.array([1.0, np.nan, 3.0, np.nan], np.float32)
    found += [
        row(word, "%n: i64, %x: f32[%n]", "f32" if "reduce" in word else "i64", f"{word} %x", 4, broken)
        for word in ("reduce_max", "reduce_min", "argmax", "argmin")
    ]
    truth = whole(6, 5) > 1
    for word in ("reduce_all", "reduce_any"):
        found.append(row(word, "%n: i64, %x: bool[%n, 5]", "bool[%n]", f"{word} %x {{axes = [1]}}", 6, truth))
        found.append(row(word, "%n: i64, %x: bool[%n]", "bool", f"{word} %x", 0, np.zeros(0, bool)))
    return found


def product_cases() -> list[Case]:
    found = []
    for dtype in ("f32", "f64", "i64"):
        kind, slack = np.dtype(NUMPY[dtype]), {"f32": 3e-4, "f64": 1e-12}.get(dtype, 0.0)

        def made(*shape: int, kind: Any = kind) -> Any:
            return (f32(*shape, seed=sum(shape)) * (1 if kind.kind == "f" else 4)).astype(kind)

        for m, k, n in ((0, 1, 2), (1, 1, 1), (3, 5, 7), (33, 17, 40), (64, 64, 64), (2, 0, 3)):
            sizes = "%m: i64, %k: i64, %n: i64"
            matrix, vector = f"{dtype}[%m, %k]", f"{dtype}[%k]"
            found += [
                row("dot", f"{sizes}, %a: {vector}, %b: {vector}", dtype, "dot %a, %b", m, k, n, made(k), made(k), slack=slack),
                row(
                    "matvec",
                    f"{sizes}, %a: {matrix}, %b: {vector}",
                    f"{dtype}[%m]",
                    "matvec %a, %b",
                    m,
                    k,
                    n,
                    made(m, k),
                    made(k),
                    slack=slack,
                ),
                row(
                    "vecmat", f"{sizes}, %a: {dtype}[%m], %b: {matrix}", vector, "vecmat %a, %b", m, k, n, made(m), made(m, k), slack=slack
                ),
                row(
                    "matmul",
                    f"{sizes}, %a: {matrix}, %b: {dtype}[%k, %n]",
                    f"{dtype}[%m, %n]",
                    "matmul %a, %b",
                    m,
                    k,
                    n,
                    made(m, k),
                    made(k, n),
                    slack=slack,
                ),
            ]
            if kind.kind != "f":
                continue
            d = f"{sizes}, %d: {dtype}[%m, %n]"
            found += [
                row(
                    "accumulate_outer",
                    f"{d}, %a: {dtype}[%m], %b: {dtype}[%n]",
                    f"{dtype}[%m, %n]",
                    "accumulate_outer %d, %a, %b",
                    m,
                    k,
                    n,
                    made(m, n),
                    made(m),
                    made(n),
                    slack=slack,
                ),
                row(
                    "accumulate_matmul_nt",
                    f"{d}, %a: {matrix}, %b: {dtype}[%n, %k]",
                    f"{dtype}[%m, %n]",
                    "accumulate_matmul_nt %d, %a, %b",
                    m,
                    k,
                    n,
                    made(m, n),
                    made(m, k),
                    made(n, k),
                    slack=slack,
                ),
                row(
                    "accumulate_matmul_tn",
                    f"{d}, %a: {dtype}[%k, %m], %b: {dtype}[%k, %n]",
                    f"{dtype}[%m, %n]",
                    "accumulate_matmul_tn %d, %a, %b",
                    m,
                    k,
                    n,
                    made(m, n),
                    made(k, m),
                    made(k, n),
                    slack=slack,
                ),
            ]
    return found


def rows_cases() -> list[Case]:
    """Touched rows: pushes, a sum of two sets, merging, and the dense table, of rows and of scalars."""
    kind = "rows<f32>[%v, 3]"
    given = [(int(i), f32(3, seed=i)) for i in whole(25, below=6)]
    one = "%v: i64, %d: " + kind
    return [
        Case(
            "rows_empty rows_count accumulate_at rows_index rows_row",
            f"""
func @f(%v: i64, %n: i64, %x: f32[%n, 3]) -> ({kind}, i64, i64, f32[3]) {{
  %e: {kind} = rows_empty sizes [%v, 3] {{dtype = "f32"}}
  %r: {kind} = for %n, %e (%i: i64, %t: {kind}) {{
    %row: f32[3] = at %x, %i
    %u: {kind} = accumulate_at %t, %i, %row
    release %row
    yield %u
  }}
  %c: i64 = rows_count %r
  %two: i64 = constant {{value = 2}}
  %j: i64 = rows_index %r, %two
  %y: f32[3] = rows_row %r, %two
  return %r, %c, %j, %y
}}""",
            (40, 21, f32(21, 3)),
        ),
        row("rows_add", one + f", %y: {kind}", kind, "rows_add %d, %y", 9, given, given[:7]),
        row("rows_merge", one, kind, "rows_merge %d", 9, given, slack=1e-6),
        row("rows_merge", one, kind, "rows_merge %d", 9, []),
        row("rows_dense", "%v: i64, %x: " + kind, "f32[%v, 3]", 'rows_dense %x sizes [%v, 3] {dtype = "f32"}', 9, given, slack=1e-6),
        row(
            "scatter_add", one + ", %k: i64[4], %y: f32[4, 3]", kind, "scatter_add %d, %k, %y", 9, given, np.array([1, 2, 2, 0]), f32(4, 3)
        ),
        row("accumulate", one + f", %y: {kind}", kind, "accumulate %d, %y", 9, given, given[:7]),
        row(
            "accumulate_at",
            "%v: i64, %d: rows<f64>[%v], %y: f64",
            "rows<f64>[%v]",
            "accumulate_at %d, %v, %y",
            9,
            [(1, np.float64(2.0))],
            5.0,
        ),
    ]


def list_cases() -> list[Case]:
    kind = "list<i64, str>"
    items = [(i, b"item %d" % i) for i in range(9)]
    return [
        row("list_push", f"%d: {kind}, %i: i64, %s: str", kind, "list_push %d, %i, %s", items, 7, b"more", before="retain %s"),
        row("list_set", f"%d: {kind}, %i: i64, %s: str", kind, "list_set %d, %i, %i, %s", items, 7, b"more", before="retain %s"),
        row("list_length", f"%x: {kind}", "i64", "list_length %x", items),
        Case("list_get", f"func @f(%x: {kind}, %i: i64) -> (i64, str) {{ %a: i64, %b: str = list_get %x, %i return %a, %b }}", (items, 4)),
        Case(
            "list_pop",
            f"func @f(%d: {kind}) -> ({kind}, i64, str) with {{owned = [0]}} "
            f"{{ %l: {kind}, %a: i64, %b: str = list_pop %d return %l, %a, %b }}",
            (items,),
        ),
        Case("list_empty", "func @f() -> (list<f32[3]>) { %l: list<f32[3]> = list_empty return %l }", ()),
    ]


def text_cases() -> list[Case]:
    found = [
        row("string_concat", "%a: str, %b: str", "str", "string_concat %a, %b", b"ab", "ü".encode()),
        row("string_slice", "%a: str, %i: i64, %j: i64", "str", "string_slice %a, %i, %j", b"abcdef", 2, 99),
        row("string_code", "%a: str, %i: i64", "i64", "string_code %a, %i", b"abc", 1),
        row("string_char", "%i: i64", "str", "string_char %i", 0x1F600),
        row("string_find", "%a: str, %b: str, %i: i64", "i64", "string_find %a, %b, %i", b"hello", b"l", 0),
        row("string_length", "%a: str", "i64", "string_length %a", b""),
        row("format_bool", "%a: bool", "str", "format_bool %a", True),
        row("format_text", "%a: str", "str", 'format_text %a {specification = ">8"}', b"abc"),
        row("format_text", "%a: str", "str", 'format_text %a {specification = ""}', b"abc"),
        row(
            "bytes_to_numbers",
            "%n: i64, %a: str, %i: i64",
            "f32[%n]",
            'bytes_to_numbers %a, %i sizes [%n] {dtype = "f32"}',
            3,
            b"x" + f32(4).tobytes(),
            5,
        ),
        row("numbers_to_bytes", "%n: i64, %x: f64[%n]", "str", "numbers_to_bytes %x", 3, np.arange(3.0)),
        row("random_bits", "%n: i64, %a: i64, %b: i64", "i32[%n]", "random_bits %a, %b, %a sizes [%n]", 11, 5, 7),
        row("check_index", "%i: i64, %n: i64", "i64", "check_index %i, %n", 3, 4),
        Case(
            "constant", 'func @f() -> (str, f32) { %s: str = constant {value = "text"} %x: f32 = constant {value = 0.1} return %s, %x }', ()
        ),
    ]
    for name, left, right in (
        ("string_equal", b"ab", b"ab"),
        ("string_equal", b"ab", b"ac"),
        ("string_less", b"ab", b"abc"),
        ("string_less", b"b", b"a"),
    ):
        found.append(row(name, "%a: str, %b: str", "bool", f"{name} %a, %b", left, right))
    for text in (b"12", b"-7", b"x", b"", b"99999999999999999999"):
        found.append(
            Case("string_parse_int", "func @f(%a: str) -> (bool, i64) { %g: bool, %n: i64 = string_parse_int %a return %g, %n }", (text,))
        )
    for text in (b"1.5", b"-1e-3", b"nan", b"1.5x"):
        found.append(
            Case(
                "string_parse_float", "func @f(%a: str) -> (bool, f64) { %g: bool, %n: f64 = string_parse_float %a return %g, %n }", (text,)
            )
        )
    for specification in ("", ">6", "05", "x"):
        found.append(row("format_int", "%i: i64", "str", f'format_int %i {{specification = "{specification}"}}', 42))
    for specification in ("", ".4f", "10.3e", "g", ".1%"):
        text = f'format_float %x {{specification = "{specification}", single = true}}'
        found.append(row("format_float", "%x: f64", "str", text, float(np.float32(0.1))))
    return found


ALL_CASES = [*array_cases(), *reduction_cases(), *product_cases(), *rows_cases(), *list_cases(), *text_cases()]
FAMILIES = sorted({name for case in ALL_CASES for name in case.ops.split()})


def merged(found: Sequence[Case]) -> str:
    """The cases' functions in one module, as `@f0`, `@f1`, ..."""
    return "\n".join(case.text.replace("@f(", f"@f{place}(") for place, case in enumerate(found))


@pytest.mark.parametrize("name", FAMILIES)
def test_row(name: str) -> None:
    found = [case for case in ALL_CASES if name in case.ops.split()]
    module, (slow, fast) = compiled(merged(found))
    for place, case in enumerate(found):
        function = f"f{place}"
        left, right = slow.call(function, case.arguments), fast.call(function, case.arguments)
        wanted = interpret(module, function, case.arguments)
        assert close(right, wanted, case.slack), (case.text, right, wanted)
        assert close(left, right, 0.0), case.text
    assert slow.live_blocks() == fast.live_blocks() == 0


EFFECTS = {"print", "write_text", "write_error", "is_terminal", "read_file", "write_file", "clock"}
FAILING = {"check", "fail"}


def test_every_row_has_a_case() -> None:
    missing = set(OPS) - set(ELEMENTWISE) - set(FAMILIES) - EFFECTS - FAILING
    assert not missing, f"rows without a test: {sorted(missing)}"
