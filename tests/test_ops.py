"""Every row of the op table: native code at -O0 and -O2 is the same bit for bit, and is what the row's NumPy meaning says."""

from __future__ import annotations

from collections.abc import Sequence
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
from op_cases import ALL_CASES, Case

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


def half_distance(native: Any, wanted: Any, dtype: str) -> float:
    """The largest distance in units in the last place of a half type; NaN equals NaN."""
    native, wanted = np.asarray(native, np.float64), np.asarray(wanted, np.float64)
    both = (native == wanted) | (np.isnan(native) & np.isnan(wanted))
    bits, least = {"f16": (10, -24), "bf16": (7, -133)}[dtype]
    with np.errstate(all="ignore"):
        unit = 2.0 ** np.maximum(np.floor(np.log2(np.abs(wanted))) - bits, least)
        far = np.abs(native - wanted) / unit
    return float(np.max(np.where(both, 0.0, np.where(np.isfinite(far), far, np.inf)), initial=0.0))


FLOAT_ROWS = [name for name in OPS if OPS[name].has("elementwise") and "float" in OPS[name].lower and name != "convert"]


@pytest.mark.parametrize("name", FLOAT_ROWS)
def test_half_types_of_every_row(name: str) -> None:
    """A row that is exact is so on half types; any other is at most one unit in the last place away."""
    row = OPS[name]
    text = "\n".join(elementwise_text(row, [dtype]) for dtype in HALVES)
    module, (slow, fast) = compiled(text)
    for function in module.functions:
        dtype, _, form = function.split(".")
        kinds = ["bool" if accepted == "bool" else dtype for accepted in row.accepts]
        for size in (0, 5, 300) if "a" in form else (1,):
            shapes = [(size,) if letter == "a" else () for letter in form]
            given = [
                rounded_to(numbers("bool" if kind == "bool" else "f32", shape, 7 * i + size, DOMAINS.get(name, "")), kind)
                for i, (kind, shape) in enumerate(zip(kinds, shapes, strict=True))
            ]
            (left,), (right,) = slow.call(function, [size, *given]), fast.call(function, [size, *given])
            (wanted,) = interpret(module, function, [size, *given])
            assert same_bits(left, right), (function, size)
            if row.has("comparison"):
                assert np.array_equal(right, wanted), (function, size)
            else:
                assert half_distance(right, wanted, dtype) <= min(row.tolerance, 1.0), (function, size)


def rounded_to(x: Any, dtype: str) -> Any:
    with np.errstate(all="ignore"):
        found = convert(x, dtype)
    return found if found.ndim else found[()]


def test_every_float_row_states_a_bound() -> None:
    """0 where the result is exact, which holds of what one instruction does; at most 8 units in the last place for the rest."""
    words = """neg abs sign sqrt floor ceil round add sub mul div maximum minimum relu equal not_equal less less_equal greater
               greater_equal select stop_gradient"""
    exact = set(words.split())
    assert {name for name in FLOAT_ROWS if OPS[name].tolerance == 0} == exact
    assert all(1 <= OPS[name].tolerance <= 8 for name in FLOAT_ROWS if name not in exact)


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


def close(native: Any, wanted: Any, slack: float) -> bool:
    """Equal values of any kind; numbers within the slack."""
    if hasattr(wanted, "constructor"):
        return native.constructor == wanted.constructor and close(list(native.fields), list(wanted.fields), slack)
    if isinstance(wanted, (list, tuple)):
        return len(native) == len(wanted) and all(close(a, b, slack) for a, b in zip(native, wanted, strict=True))
    if isinstance(wanted, bytes) or np.asarray(wanted).dtype.kind not in "f":
        return np.array_equal(native, wanted)
    return np.shape(native) == np.shape(wanted) and np.allclose(native, wanted, rtol=slack, atol=slack, equal_nan=True)


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


EFFECTS = {"print", "write_text", "write_error", "debug_text", "is_terminal", "read_file", "write_file", "clock",
           "file_exists", "sleep", "environment", "has_environment"}
FAILING = {"check", "fail"}


def test_every_row_has_a_case() -> None:
    missing = set(OPS) - set(ELEMENTWISE) - set(FAMILIES) - EFFECTS - FAILING
    assert not missing, f"rows without a test: {sorted(missing)}"
