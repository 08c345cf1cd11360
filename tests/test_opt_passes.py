"""Every pass: its docstring's example, and that it changes no meaning."""

from __future__ import annotations

import itertools
import sys
import textwrap

import numpy as np
import pytest

from dynlang.native.jit import compile_module
from dynlang.ops import OPS
from dynlang.ops.dtypes import NUMPY
from dynlang.opt import PASSES, check_order, optimise
from dynlang.opt.fold import FOLDS, fold
from dynlang.ssa.interpret import interpret
from dynlang.ssa.nodes import Module
from dynlang.ssa.parse import parse_module
from dynlang.ssa.print import print_module
from dynlang.ssa.verify import verify


def examples(documentation: str) -> tuple[str, str]:
    """The texts after `Before:` and `After`, each an indented paragraph."""
    _, _, rest = documentation.partition("Before:")
    before, _, after = rest.partition("After")
    after = after.partition(":\n")[2]
    return textwrap.dedent(before), textwrap.dedent(after)


def canonical(module: Module) -> str:
    """The text with values numbered in order, so that names don't matter."""
    text, names = print_module(module), {}
    import re

    return re.sub(r"%[A-Za-z0-9_.]+", lambda match: names.setdefault(match[0], f"%{len(names)}"), text)


@pytest.mark.parametrize("one", PASSES, ids=lambda one: one.name)
def test_example_of_the_docstring(one) -> None:
    before, after = examples(sys.modules[one.run.__module__].__doc__ or "")
    assert before.strip() and after.strip(), f"the pass {one.name} shows no example"
    module, expected = parse_module(before), parse_module(after)
    verify(module)
    verify(expected)
    changed = one.run(module)
    verify(changed)
    if "without what is unused" in (sys.modules[one.run.__module__].__doc__ or ""):
        changed = next(each for each in PASSES if each.name == "drop_unused").run(changed)
    assert canonical(changed) == canonical(expected)
    assert print_module(parse_module(before)) == print_module(module), "the pass changed its input"


def test_order_is_checked() -> None:
    with pytest.raises(Exception, match="needs simplify"):
        check_order([one for one in PASSES if one.name != "simplify"])


def test_a_broken_pass_is_named(tmp_path, monkeypatch) -> None:
    from dynlang.opt import verify_after

    monkeypatch.setenv("DYN_DUMP", str(tmp_path))
    module = parse_module("func @f(%x: f32) -> (f32) {\n %y: i64 = add %x, %x\n return %x\n}")
    with pytest.raises(Exception, match="after the pass bad: .*@f") as caught:
        verify_after("bad", 3, module)
    assert "%y is int" in str(caught.value)
    assert (tmp_path / "03-bad.ssa").exists()


def test_levels() -> None:
    module = parse_module("func @f(%x: f32) -> (f32) {\n %y: f32 = add %x, %x\n return %x\n}")
    assert "add" in print_module(optimise(module, 0))
    assert "add" not in print_module(optimise(module, 1))


def simplified(body: str) -> str:
    text = f"func @f(%x: f32, %n: i64, %v: f32[4]) -> (f32, i64, f32[4]) {{\n {body}\n}}"
    return print_module(optimise(parse_module(text), only=["simplify", "drop_unused"], check=True))


@pytest.mark.parametrize(("body", "gone"), [
    ("%c: f32 = constant {value = 0.0}\n %y: f32 = sub %x, %c\n return %y, %n, %v", True),
    ("%c: f32 = constant {value = -0.0}\n %y: f32 = sub %x, %c\n return %y, %n, %v", False),
    ("%c: f32 = constant {value = 0.0}\n %y: f32 = add %x, %c\n return %y, %n, %v", False),
    ("%c: f32 = constant {value = 0.0}\n %y: f32 = mul %x, %c\n return %y, %n, %v", False),
    ("%c: i64 = constant {value = 0}\n %m: i64 = mul %c, %n\n %y: i64 = add %m, %n\n return %x, %y, %v", True),
    ("%c: i64 = constant {value = 0}\n %y: i64 = floor_division %n, %c\n return %x, %y, %v", False),
    ("%c: f32 = constant {value = 1.0}\n %y: f32[4] = div %v, %c\n return %x, %n, %y", True),
    ("%y: f32[4] = neg %v\n %z: f32[4] = neg %y\n return %x, %n, %z", True),
    ("%y: f32 = convert %x {dtype = \"f32\"}\n return %y, %n, %v", True),
    ("%y: f32[4] = stop_gradient %v\n return %x, %n, %y", True),
])
def test_only_exact_laws_are_used(body: str, gone: bool) -> None:
    """An operation goes only if no bit changes: not `x + 0.0`, which is 0.0 for -0.0."""
    assert (len(simplified(body).splitlines()) == 3) == gone


SAMPLES: dict[str, list[int | float | bool]] = {
    "f32": [0.0, -0.0, 1.0, 0.1, -2.5, 3e38, 1e-45, 16777217.0], "f64": [0.0, -0.0, 0.1, -7.0, 1e308, 5e-324],
    "i64": [0, 1, -1, 7, -5, 2**62, -(2**63), 2**53 + 1], "i32": [0, 1, -3, 2**31 - 1, -(2**31)], "bool": [False, True],
}


def test_constants_are_those_of_their_dtype() -> None:
    assert fold("sub", ["f32", "f32"], [1.0, 0.9], "f32") == float(np.float32(1.0) - np.float32(0.9))
    assert fold("equal", ["f32", "f64"], [0.9, 0.9], "bool") is False
    assert fold("convert", ["f32"], [0.9], "f64") == float(np.float32(0.9))


@pytest.mark.parametrize("name", sorted(FOLDS))
def test_folding_agrees_with_the_row(name: str) -> None:
    """Bit for bit, wherever it gives a value."""
    row, folded = OPS[name], 0
    targets = list(SAMPLES) if name == "convert" else [""]
    for dtype, samples in SAMPLES.items():
        if dtype[0] not in {"float": "f", "integer": "i", "bool": "b", "number": "fi", "any": "fib"}[row.accepts[0]]:
            continue
        for values in itertools.product(samples, repeat=len(row.operands)):
            for target in targets:
                result = target or ("bool" if row.has("comparison") else dtype)
                given = [np.dtype(NUMPY[dtype]).type(value) for value in values]
                found = fold(name, [dtype] * len(values), [value.item() for value in given], result)
                if found is None:
                    continue
                with np.errstate(all="ignore"):
                    expected = np.dtype(NUMPY[result]).type(row.meaning(np, given, {"dtype": target}, ()))
                assert np.dtype(NUMPY[result]).type(found).tobytes() == expected.tobytes(), (values, found, expected)
                folded += 1
    assert folded >= 2


def fused(body: str, results: str = "f32[4]", parameters: str = "") -> str:
    text = f"func @f(%x: f32[4], %i: i64[4], %m: f32[9, 4], %k: i64{parameters}) -> ({results}) {{\n {body}\n}}"
    names = [one.name for one in PASSES if one.name != "take_apart"]  # which leaves nothing of so small arrays
    return print_module(optimise(parse_module(text), check=True, only=names))


def test_what_a_check_makes_safe_stays_behind_it() -> None:
    """The condition is fused with a later operation; the gather must not slip in front of the check meanwhile."""
    text = fused("""
      %zero: i64 = constant {value = 0}
      %low: bool[4] = greater_equal %i, %zero
      %fine: bool = reduce_all %low
      check %fine {message = "an index is out of range", code = "DYN0902"}
      %y: f32[4] = gather %x, %i
      %z: f32[4] = add %x, %x
      %high: bool[4] = less %i, %zero
      %w: f32[4] = select %high, %y, %z
      return %w
    """)
    assert text.index("check %fine") < text.index("gather")


def test_a_written_array_is_not_read_late() -> None:
    """The row is taken before the array is changed; to read it from there later would need a copy of the whole array."""
    text = fused("""
      %row: f32[4] = at %m, %k
      %y: f32[9, 4] = update %m, %k, %x
      %z: f32[4] = at %y, %k
      %s: f32[4] = add %row, %z
      %t: f32[4] = mul %s, %x
      return %t, %y
    """, "f32[4], f32[9, 4]")
    assert "= at %m" in text and "= at %y" not in text


def test_a_row_that_a_loop_reads_stays_out_of_it() -> None:
    """The array is taken apart outside, and written between."""
    text = fused("""
      %row: f32[4] = at %m, %k
      %y: f32[9, 4] = update %m, %k, %x
      %r: f32[4] = for %k, %x (%j: i64, %c: f32[4]) {
        %d: f32[4] = mul %c, %row
        %e: f32[4] = add %d, %row
        yield %e
      }
      return %r, %y
    """, "f32[4], f32[9, 4]")
    assert "= at %m" in text


def test_an_index_that_is_inside_is_not_checked() -> None:
    body = """
      %two: i64 = constant {value = 2}
      %m: i64 = mul %n, %two
      %l: i64 = add %n, %n
      %s: i64 = for %m, %two (%j: i64, %c: i64) {
        %a: i64 = check_index %j, %l {code = "DYN0902"}
        %b: i64 = check_index %a, %n {code = "DYN0902"}
        %d: i64 = add %b, %c
        yield %d
      }
      return %x, %s, %v
    """
    assert simplified(body).count("check_index") == 1


@pytest.mark.parametrize(("width", "folded"), [("9", True), ("%n", True), ("3", False)])
def test_a_row_that_is_repeated_is_read_in_place(width: str, folded: bool) -> None:
    text = f"""func @f(%m: i64, %n: i64, %x: f32[%m, {width}], %b: f32[{width}], %i: i64) -> (f32[%m, {width}]) with {{owned = [2]}} {{
      %c: f32[%m, {width}] = broadcast %b sizes [%m]
      %y: f32[%m, {width}] = add %x, %c
      %d: f32[%m, {width}] = broadcast %b sizes [%m]
      %r: f32[{width}] = at %x, %i
      %e: f32[%m, {width}] = broadcast %r sizes [%m]
      %z: f32[%m, {width}] = mul %y, %d
      %w: f32[%m, {width}] = sub %z, %e
      return %w
    }}"""
    module = parse_module(text)
    ready = optimise(module, check=True)
    assert ("broadcast" not in print_module(ready)) == folded
    for rows in (0, 1, 4):
        size = 3 if width == "3" else 9
        x = np.arange(rows * size, dtype=np.float32).reshape(rows, size)
        arguments = [rows, size, x, np.linspace(0, 1, size), 0]
        if rows:
            expected = interpret(module, "f", arguments)[0]
            assert interpret(ready, "f", arguments, count=True)[0].tobytes() == expected.tobytes()
            assert compile_module(ready).call("f", arguments)[0].tobytes() == expected.tobytes()
