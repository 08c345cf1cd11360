"""Libraries for C: the header compiles as C99 and C++17, and a C program gets what the interpreter says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dynlang.check import typed
from dynlang.native.build import build_library
from dynlang.native.library.interface import Interface, describe, group_slots
from dynlang.native.library.loaders import with_loaders
from dynlang.source import NOWHERE, Source
from dynlang.ssa.build import operations_in
from dynlang.ssa.parse import parse_module
from dynlang.types import F32, INT, UNIT, ArrayType, RecordType, Size, StringType, SumType, TupleType, Type

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

MODULE = """
sum @Tree<d> { Leaf(word: i64) Node(left: box @Tree<d>, right: box @Tree<d>) Tagged(x: f32[d], name: str) Nil() }

func @total(%d: i64, %w: f32[%d], %b: f32, %t: box @Tree<%d>) -> (f32[%d]) with {recursive = true, sizes = 1, export = "total",
    parameter_labels = ["d", "m.w", "m.b", "t"], result_labels = ["result"]} {
  %r: f32[%d] = switch %t (%word: i64) {
    %f: f32 = convert %word {dtype = "f32"}
    %scaled: f32[%d] = mul %w, %f
    yield %scaled
  } (%l: box @Tree<%d>, %x: box @Tree<%d>) {
    %a: f32[%d] = call %d, %w, %b, %l {function = "total"}
    %c: f32[%d] = call %d, %w, %b, %x {function = "total"}
    %s: f32[%d] = add %a, %c
    release %a
    release %c
    yield %s
  } (%v: f32[%d], %name: str) {
    retain %v
    yield %v
  } () {
    %z: f32[%d] = fill %b sizes [%d]
    yield %z
  }
  return %r
}

func @make(%d: i64, %x: f32[%d]) -> (f32[%d], f32) with {sizes = 1, export = "make", parameter_labels = ["d", "x"],
    result_labels = ["result.w", "result.b"]} {
  %half: f32 = constant {value = 0.5}
  retain %x
  return %x, %half
}

func @step(%d: i64, %w: f32[%d], %b: f32, %i: i64, %rate: f32) -> (i64, f32[%d], f32) with {sizes = 1, export = "step", owned = [1],
    inout = [[1, 1], [2, 2]], parameter_labels = ["d", "m.w", "m.b", "i", "rate"], result_labels = ["result", "m.w", "m.b"]} {
  %j: i64 = check_index %i, %d
  %u: f32[%d] = update %w, %j, %rate
  %c: f32 = add %b, %rate
  return %j, %u, %c
}

func @double(%n: i64, %k: i64, %x: f32[%n], %s: str) -> (f32[%m], i64) with {sizes = 1, export = "double",
    parameter_labels = ["n", "k", "x", "s"], result_labels = ["result.0", "result.1"]} {
  %two: i64 = constant {value = 2}
  %m: i64 = mul %n, %two
  %y: f32[%m] = concat %x, %x
  %l: i64 = string_length %s
  return %y, %l
}
"""

D, N = Size.variable("d"), Size.variable("n")
MODEL, TREE = RecordType("main.Model", (D,)), SumType("Tree", (D,))


def function(name: str, sizes: tuple[str, ...], returns: Type, *parameters: tuple[str, Type, str]) -> typed.Function:
    made = tuple(typed.Parameter(typed.Local(label, kind), mode) for label, kind, mode in parameters)
    return typed.Function(f"main.{name}", "fn", (), sizes, made, returns, (), NOWHERE, export=True, documentation=f"What {name} does.")


def interface() -> Interface:
    vector = ArrayType(F32, (N,))
    functions = [
        function("total", ("d",), ArrayType(F32, (D,)), ("m", MODEL, "value"), ("t", TREE, "value")),
        function("make", ("d",), MODEL, ("x", ArrayType(F32, (D,)), "value")),
        function("step", ("d",), INT, ("m", MODEL, "inout"), ("i", INT, "value"), ("rate", F32, "value")),
        function("double", ("n",), TupleType((ArrayType(F32, (2 * N,)), INT)), ("k", INT, "value"), ("x", vector, "value"),
                 ("s", StringType(), "value")),
    ]
    program = typed.Program("main", functions={one.name: one for one in functions})
    return describe("my-lib", program, parse_module(MODULE))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    module = parse_module(MODULE)
    source = Source("my.dyn", "\n" * 9)
    for operation in operations_in(module.functions["step"].body):
        operation.span = source.span(6, 6)
    made = build_library(module, folder, "my_lib", interface())
    assert [one.name for one in made] == ["libmy_lib.so", "libmy_lib.a", "my_lib.h"]
    return folder


PROGRAM = r"""
#include "my_lib.h"
#include <stdio.h>
#include <string.h>

#define CHECK(call) do { int32_t code = (call); if (code) { printf("%s: %d, %s\n", #call, code, my_lib_error(c)); return 1; } } while (0)

int main(void) {
    my_lib_context *c = my_lib_create();
    my_lib_Model *m = 0;
    my_lib_Tree *a, *b, *t, *n;
    const float w[3] = {1, 2, 3}, tag[3] = {10, 20, 30};
    float sum[3], twice[6];
    int64_t place, length;
    if (my_lib_abi_version() != MY_LIB_ABI_VERSION) return 2;
    CHECK(my_lib_make(c, 3, w, &m));
    CHECK(my_lib_Tree_Leaf(c, 2, &a));
    CHECK(my_lib_Tree_Tagged(c, 3, tag, "a name", &b));
    CHECK(my_lib_Tree_Node(c, a, b, &t));
    CHECK(my_lib_Tree_Nil(c, &n));
    CHECK(my_lib_Tree_Node(c, t, n, &t));
    CHECK(my_lib_total(c, m, t, sum));
    printf("%g %g %g\n", sum[0], sum[1], sum[2]);
    CHECK(my_lib_step(c, m, 1, 0.25f, &place));
    CHECK(my_lib_total(c, m, t, sum));
    printf("%g %g %g, %d, tag %d\n", sum[0], sum[1], sum[2], (int)place, (int)my_lib_Tree_tag(t));
    CHECK(my_lib_double(c, 3, 7, w, "four", twice, &length));
    printf("%g %g %d\n", twice[2], twice[5], (int)length);
    printf("%d: %s\n", my_lib_total(c, 0, t, sum), my_lib_error(c));
    my_lib_Tree_release(c, t);
    printf("%d: %s\n", my_lib_step(c, m, 9, 0.25f, &place), my_lib_error(c));
    printf("%d: %s\n", my_lib_step(c, m, 0, 0.25f, &place), my_lib_error(c));
    my_lib_Model_free(c, m);
    CHECK(my_lib_make(c, 3, w, &m));
    my_lib_Model_free(c, m);
    printf("%d\n", my_lib_make(c, -1, w, &m));
    CHECK(my_lib_Tree_Leaf(c, 1, &t));
    for (int i = 0; i < 100000; i++) {
        CHECK(my_lib_Tree_Leaf(c, 1, &a));
        CHECK(my_lib_Tree_Node(c, t, a, &t));
    }
    CHECK(my_lib_make(c, 3, w, &m));
    printf("%d: %s\n", my_lib_total(c, m, t, sum), my_lib_error(c));
    my_lib_set_stack(c, 7 << 20);
    my_lib_destroy(c);
    return 0;
}
"""

SAID = """12.5 24.5 36.5
12.75 21.25 36.75, 1, tag 1
3 3 4
10: m is null
2: index 9 is outside 0..3 (line 7)
11: m was broken by an earlier error, or is freed
10
4: a Tree nests too deeply
"""


@pytest.mark.parametrize("linked", ["shared", "static"])
def test_a_c_program(library: Path, tmp_path: Path, linked: str) -> None:
    (tmp_path / "use.c").write_text(PROGRAM)
    with_library = [f"-L{library}", "-lmy_lib", f"-Wl,-rpath,{library}"] if linked == "shared" else [library / "libmy_lib.a"]
    strict = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([*strict, f"-I{library}", tmp_path / "use.c", "-o", tmp_path / "use", *with_library], check=True)
    done = subprocess.run([tmp_path / "use"], capture_output=True, text=True, check=False)
    assert done.stdout == SAID
    assert done.returncode == 0


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_the_header_is_cpp(library: Path, tmp_path: Path) -> None:
    (tmp_path / "use.cpp").write_text('#include "my_lib.h"\nint main() { my_lib_destroy(my_lib_create()); }\n')
    subprocess.run(["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{library}", "-fsyntax-only", tmp_path / "use.cpp"],
                   check=True)


def test_only_the_interface_is_visible(library: Path) -> None:
    found = subprocess.run(["nm", "-D", "--defined-only", library / "libmy_lib.so"], capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1] for line in found.splitlines()}
    assert names
    assert all(name.startswith("my_lib_") for name in names)


def test_slots_without_a_label_belong_to_what_follows() -> None:
    assert group_slots(["v", "m.w", "", "m.b", "t"], ["m", "t"], 1) == [range(1, 4), range(4, 5)]
    assert group_slots(["", "x", "xs"], ["x", "xs"], 0) == [range(2), range(2, 3)]


def test_records_of_exports_can_be_loaded_and_saved() -> None:
    record = typed.Record("main.Model", (typed.Generic("d", "size"),), (("w", ArrayType(F32, (D,))),))
    one = function("total", ("d",), F32, ("m", MODEL, "value"))
    io = {name: function(name, (), UNIT) for name in ("load", "save")}
    program = typed.Program("main", {"main.Model": record}, functions={
        one.name: one, **{f"safetensors.{name}": made for name, made in io.items()}})
    added = with_loaders(program)
    assert added.functions["main.Model_load"].returns == MODEL
    assert [one.local.name for one in added.functions["main.Model_save"].parameters] == ["model", "path"]
