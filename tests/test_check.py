"""The checker: what it accepts, what it makes of it, and each error on its line with its code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dynlang.check import typed
from dynlang.check.program import check_program, check_source
from dynlang.check.walk import nodes
from dynlang.diag import CompileError, Diagnostic, render
from dynlang.types import ArrayType, FunctionType, IndexType, ScalarType, Size, TypeVariable

CASES = Path(__file__).parent / "cases" / "check"
MARK = re.compile(r"    # ! (DYN\d{4}) (.*)$")


def found_in(text: str) -> list[Diagnostic]:
    """The errors of a program, or else its warnings."""
    try:
        return list(check_source(text, "case.dyn").warnings)
    except CompileError as problem:
        return problem.diagnostics


def line_of(one: Diagnostic) -> int:
    return one.span.line if one.span is not None else 0


def body_of(text: str, name: str = "f") -> tuple[typed.Statement, ...]:
    program = check_source(text)
    return program.functions[f"{program.module}.{name}"].body


ERRORS = (CASES / "errors.txt").read_text(encoding="utf-8").rstrip("\n").split("\n====\n")


@pytest.mark.parametrize("case", ERRORS, ids=[re.findall(r"DYN\d{4}", case)[0] for case in ERRORS])
def test_each_error_is_reported_on_its_line(case: str) -> None:
    wanted = [(number, match[1], match[2]) for number, line in enumerate(case.split("\n"), 1) if (match := MARK.search(line))]
    source = "\n".join(MARK.sub("", line) for line in case.split("\n"))
    found = found_in(source)
    assert [(line_of(one), one.code, one.title) for one in sorted(found, key=line_of)] == wanted
    assert all(render(one) for one in found)


# ---------------------------------------------------------------- what is made of programs


def test_a_callable_record_is_a_call_of_its_method() -> None:
    (statement,) = body_of("import nn\nfn f<n>(m: nn.Linear<n, 3>, x: f32[n]) -> f32[3]:\n    return m(x)\n")
    assert isinstance(statement, typed.Return) and isinstance(statement.value, typed.Call)
    assert statement.value.function == "nn.Linear.call"
    assert statement.value.sizes == (Size.variable("n"), Size.constant(3)) and statement.value.types == (ScalarType("f32"),)


def test_a_smaller_rank_is_broadcast() -> None:
    (statement,) = body_of("fn f<n, m>(x: f32[n, m], y: f32[m]) -> f32[n, m]:\n    return x + y\n")
    assert isinstance(statement, typed.Return) and isinstance(statement.value, typed.Primitive)
    right = statement.value.arguments[1]
    assert isinstance(right, typed.Broadcast) and right.leading == (Size.variable("n"),)


def test_index_arithmetic_keeps_its_bound() -> None:
    text = "fn f<h, w>(x: f32[h*w], i: idx<h>, j: idx<w>) -> f32:\n    let k = i*w + j\n    return x[k]\n"
    bind = body_of(text)[0]
    assert isinstance(bind, typed.Bind)
    assert bind.binding.value.type == IndexType(Size.variable("h") * Size.variable("w"))


def test_a_lambda_takes_its_types_from_the_call() -> None:
    text = "fn twice<n>(f: f32[n] -> f32[n], x: f32[n]) -> f32[n]:\n    return f(f(x))\n"
    text += "fn f() -> f32[2]:\n    return twice(x => x + 1.0, [1.0, 2.0])\n"
    (statement,) = body_of(text)
    assert isinstance(statement, typed.Return) and isinstance(statement.value, typed.Call)
    function = statement.value.arguments[0]
    vector = ArrayType(ScalarType("f32"), (Size.constant(2),))
    assert isinstance(function, typed.Lambda) and function.type == FunctionType((vector,), vector)


def test_an_unapplied_gradient_is_a_lambda_around_a_derivative() -> None:
    text = "fn g(x: f32) -> f32:\n    return x * x\nfn f() -> f32:\n    let d = grad(grad(g))\n    return d(1.0)\n"
    bind = body_of(text)[0]
    assert isinstance(bind, typed.Bind) and isinstance(bind.binding.value, typed.Lambda)
    assert sum(isinstance(node, typed.Derivative) for node in nodes(bind)) == 2


def test_sizes_of_opened_values_are_bound_before_they_are_used() -> None:
    text = "fn g(n: int) -> f32[?]:\n    return zeros(n)\nfn f() -> f32:\n    let x = g(3)\n    let y = x + x\n    return sum(y)\n"
    bind = body_of(text)[0]
    assert isinstance(bind, typed.Bind) and isinstance(bind.binding.value, typed.Open)
    (name,) = bind.binding.value.names
    assert bind.binding.value.type == ArrayType(ScalarType("f32"), (Size.variable(name),))


def test_a_nested_function_is_lifted_with_what_it_captures() -> None:
    text = "fn f<n>(x: f32[n], k: f32) -> f32:\n    fn g(y: f32[n]) -> f32:\n        return sum(x * y) * k\n    return g(x)\n"
    program = check_source(text)
    lifted = program.functions[f"{program.module}.f.g"]
    assert lifted.sizes == ("n",) and [one.local.name for one in lifted.parameters] == ["k", "x", "y"]


def test_literals_take_the_type_of_their_context() -> None:
    text = "fn f<T: float>(x: T, y: f64) -> T:\n    let z = y * 2 + 1.5\n    return x * 2.0\n"
    literals = [node for node in nodes(body_of(text)) if isinstance(node, typed.Literal)]
    assert [str(one.type) for one in literals] == ["f64", "f64", "T"]
    assert literals[2].type == TypeVariable("T", "float")


def test_a_sum_type_that_repeats_an_imported_one_is_that_type() -> None:
    text = "import data\ntype Tree:\n    Leaf(word: int)\n    Node(left: Tree, right: Tree)\n"
    text += "fn f(t: Tree) -> int:\n    return data.leaves(t)\n"
    assert check_source(text).functions


def test_a_long_sum_is_cut_into_pieces() -> None:
    text = "fn f(x: f32) -> f32:\n    return " + " + ".join(["x"] * 20_000) + "\n"
    (statement,) = body_of(text)
    assert isinstance(statement, typed.Return) and isinstance(statement.value, typed.Sequence)
    assert len(statement.value.bindings) == 199


def test_several_errors_in_one_run_and_none_twice() -> None:
    text = "fn f(x: f32) -> f32:\n    let y = undefined_name\n    let z = y + y\n    return z + other_name\n"
    assert [(one.span.line, one.code) for one in found_in(text) if one.span] == [(2, "DYN0201"), (4, "DYN0201")]


def test_modules_beside_the_main_file(tmp_path: Path) -> None:
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "round.dyn").write_text("fn area(r: f32) -> f32:\n    return pi * r * r\n")
    (tmp_path / "main.dyn").write_text("import shapes.round as round\nproc main():\n    print(round.area(1.0))\n")
    program = check_program(tmp_path / "main.dyn")
    assert program.main == "main.main" and "shapes.round.area" in program.functions


def test_an_import_leads_nowhere_outside(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secret.dyn").write_text("let x = 1\n")
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "inside").symlink_to(tmp_path / "other")
    (tmp_path / "program" / "main.dyn").write_text("import inside.secret\n")
    with pytest.raises(CompileError) as problem:
        check_program(tmp_path / "program" / "main.dyn")
    assert [one.code for one in problem.value.diagnostics] == ["DYN0206"]


def test_a_broken_cache_file_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dynlang.check import cache

    monkeypatch.setenv("DYNC_CACHE", str(tmp_path))
    check_source("import nn\n")
    stored = [file for file in tmp_path.iterdir() if file.name.startswith("checked-nn-")]
    assert len(stored) == 1
    again = check_source("import nn\n")
    assert isinstance(again.functions, cache.Layers) and "nn.Linear.call" in again.functions
    for damage in (b"", b"garbage", stored[0].read_bytes()[:-7]):
        stored[0].write_bytes(damage)
        assert check_source("import nn\n").functions["nn.Linear.call"].parameters == again.functions["nn.Linear.call"].parameters
