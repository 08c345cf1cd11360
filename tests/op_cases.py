"""Small SSA programs for the rows of the op table that are not elementwise: what `test_ops.py` runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dynlang.ops.dtypes import NUMPY


@dataclass(frozen=True)
class Case:
    """A function `@f` and its arguments. `ops`: the rows it is about; `slack`: the relative error of another order of addition."""

    ops: str
    text: str
    arguments: tuple[Any, ...]
    slack: float = 0.0


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
        row("constant_array", "", "f32[3]", 'constant_array sizes [3] {dtype = "f32", numbers = bytes "0000803f000000c00000003f"}'),
        row("constant_array", "", "u8[2]", 'constant_array sizes [2] {dtype = "u8", numbers = bytes "01ff"}'),
        row("broadcast", "%n: i64, %m: i64, %x: f32[%m]", "f32[%n, %m]", "broadcast %x sizes [%n]", 3, 5, f32(5)),
        row("broadcast", "%n: i64, %x: i64", "i64[%n]", "broadcast %x sizes [%n]", 6, 3),
        row("reshape", "%n: i64, %x: f32[%n, 2, 3]", "f32[%n, 6]", "reshape %x sizes [%n, 6]", 4, f32(4, 2, 3)),
        row("retype", "%n: i64, %m: i64, %x: f32[%n, 3]", "f32[%m, 3]", "retype %x sizes [%m, 3]", 4, 4, f32(4, 3)),
        Case(
            "retype",
            "func @f(%n: i64, %m: i64, %x: list<f32[%n]>) -> (list<f32[%m]>) { %y: list<f32[%m]> = retype %x sizes [%m] return %y }",
            (4, 4, [(f32(4),), (f32(4),)]),
        ),
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
                row("matvecs", f"{sizes}, %a: {matrix}, %b: {dtype}[%n, %k]", f"{dtype}[%n, %m]", "matvecs %a, %b", m, k, n,
                    made(m, k), made(n, k), slack=slack),
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
        Case(
            "list_take",
            f"func @f(%d: {kind}, %i: i64, %s: str) -> ({kind}, i64, str) with {{owned = [0]}} "
            f"{{ %l: {kind}, %a: i64, %b: str = list_take %d, %i retain %s %m: {kind} = list_set %l, %i, %i, %s return %m, %a, %b }}",
            (items, 7, b"more"),
        ),
        Case(
            "take",
            "func @f(%d: str[9], %i: i64, %s: str) -> (str[9], str) with {owned = [0]} "
            "{ %l: str[9], %b: str = take %d, %i retain %s %m: str[9] = update %l, %i, %s return %m, %b }",
            (np.array([b"item %d" % i for i in range(9)], dtype=object), 7, b"more"),
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
