"""What the checker accepts never reads or writes outside of an array, and index types cost nothing when a program runs."""

from __future__ import annotations

import ctypes
import re
import shutil
from pathlib import Path

import pytest

from dynlang import diag, pipeline
from dynlang.ssa import interpret
from dynlang.ssa.build import operations_in
from dynlang.tools.execute import compiled
from dynlang.tools.running import failure

READ = "fn read(n: int) -> f32[?]:\n    return ones(n)\n\n"


def outcome(path: Path, text: str, level: int) -> str:
    """What a test block ends with: "" or the error's title."""
    path.write_text(f"{READ}{text}", encoding="utf-8")
    ssa = pipeline.build(pipeline.Request(path, level=level, tests=True, verify=True), until="opt")
    natively, interpreted = "", ""
    with compiled(ssa, ["test.0"], level) as code:
        try:
            code.call("test.0")
        except diag.CompileError as error:
            natively = str(error)
    try:
        interpret.interpret(ssa, "test.0", [])
    except interpret.RunTimeError as error:
        interpreted = str(failure(ssa, error.message, error.line))
    assert natively == interpreted
    return natively


CASES = Path(__file__).parent / "cases" / "sizes.txt"
"""Programs with what the run ends with: a title, a test block, and below `---` a part of the error, or nothing."""

PROGRAMS = {title: rest.split("\n---\n") for title, _, rest in
            (one.partition("\n") for one in CASES.read_text(encoding="utf-8").split("====\n"))}


@pytest.mark.parametrize("title", PROGRAMS)
def test_a_program_ends_as_it_should(title: str, tmp_path: Path) -> None:
    text, wanted = PROGRAMS[title]
    found = outcome(tmp_path / "program.dyn", text, 2)
    assert wanted.strip() in found if wanted.strip() else not found, found


PROVEN = """
fn flat<h, w>(x: f32[h * w], y: f32[h, w]) -> f32:
    var total = 0.0
    for i in h:
        for j in w:
            total += x[i * w + j] * y[i, j]
    return total

fn blur<h, w>(x: f32[h, w]) -> f32[h - 2, w - 2]:
    return [[sum(x[i + a, j + b] for a in 3, b in 3) for j in w - 2] for i in h - 2]

fn chase<n>(next: idx<n>[n], start: idx<n>, steps: int) -> idx<n>:
    var at = start
    for _ in steps:
        at = next[at]
    return at

fn ring<n>(x: f32[n], by: int) -> f32:
    var total = 0.0
    for i in n:
        total += x[(i + by) % n]
    return total

fn literals<n>(x: f32[n + 3]) -> f32:
    return x[0] + x[2] + x[n] + x[n + 2] + x[-1]

fn rows<n, m>(x: f32[n, m], ids: idx<n>[4]) -> f32[4, m]:
    return x[ids]

fn best<n>(x: f32[n], y: f32[n]) -> f32:
    return y[argmax(x)]
"""


@pytest.mark.parametrize("name", re.findall(r"^fn (\w+)", PROVEN, re.M))
def test_an_index_type_needs_no_check(name: str, tmp_path: Path) -> None:
    path = tmp_path / "proven.dyn"
    path.write_text(PROVEN, encoding="utf-8")
    ssa = pipeline.build(pipeline.Request(path, level=2, entries=(name,)), until="opt")
    found = [one.name for function in ssa.functions.values() for one in operations_in(function.body)]
    assert found and "check_index" not in found
    assert found.count("check") == {"best": 1, "blur": 2, "ring": 1}.get(name, 0), "sizes of results, nothing to choose from, division by 0"


def test_an_int_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "int.dyn"
    path.write_text("fn at<n>(x: f32[n], i: int) -> f32:\n    return x[i]\n", encoding="utf-8")
    ssa = pipeline.build(pipeline.Request(path, level=2, entries=("at",)), until="opt")
    assert [one.name for one in operations_in(ssa.functions["at"].body)].count("check_index") == 1


LIBRARY = """
export fn first<n>(x: f32[n], k: int) -> f32[k]:
    return [x[i as idx<n>] for i in k]

export fn tile(k: int, x: f32[k], m: int) -> f32[m, k]:
    return [x for _ in m]
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_int_arguments_are_sizes_in_c(tmp_path: Path) -> None:
    from dynlang.tools.cli import main

    (tmp_path / "sizes.dyn").write_text(LIBRARY, encoding="utf-8")
    assert main(["build", "--lib", str(tmp_path / "sizes.dyn"), "-o", str(tmp_path / "libsizes")]) in (0, None)
    header = next(tmp_path.rglob("sizes.h")).read_text(encoding="utf-8")
    assert "sizes_first(sizes_context *context, int64_t n, const float *x, int64_t k, float *result);" in header
    assert "sizes_tile(sizes_context *context, int64_t k, const float *x, int64_t m, float *result);" in header
    library = ctypes.CDLL(str(next(tmp_path.rglob("libsizes.so"))))
    library.sizes_create.restype = ctypes.c_void_p
    library.sizes_error.restype = ctypes.c_char_p
    context = ctypes.c_void_p(library.sizes_create())
    x, result = (ctypes.c_float * 3)(1, 2, 3), (ctypes.c_float * 6)()
    assert library.sizes_first(context, ctypes.c_int64(3), x, ctypes.c_int64(2), result) == 0 and list(result)[:2] == [1, 2]
    assert library.sizes_tile(context, ctypes.c_int64(3), x, ctypes.c_int64(2), result) == 0 and list(result) == [1, 2, 3, 1, 2, 3]
    assert library.sizes_tile(context, ctypes.c_int64(-3), x, ctypes.c_int64(2), result) == 10
    assert library.sizes_error(context) == b"the size k is -3"
    assert library.sizes_first(context, ctypes.c_int64(3), x, ctypes.c_int64(-2), result) != 0
    assert b"the size k is -2" in library.sizes_error(context)
    library.sizes_destroy(context)
