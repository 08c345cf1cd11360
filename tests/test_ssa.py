"""SSA's text form, its verifier, and its interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from dynlang.core.evaluate import SumValue
from dynlang.diag import CompileError
from dynlang.ssa.interpret import RunTimeError, interpret
from dynlang.ssa.parse import parse_module
from dynlang.ssa.print import print_module
from dynlang.ssa.verify import InvalidSSA, verify

EVERYTHING = """roots @f

sum @Tree<d> {
  Leaf(w: f32[2*d - 1, (d + 1) // 2])
  "Node<x>"(left: box @Tree<d>, right: box @Tree<d>, n: i64, l: list<f32[n], i64>, s: str)
}

func @f(%d: i64, %t: box @Tree<%d>, %x: f32[%m], %r: rows<f32>[%d, 3]) -> (%k: i64, f32[%k]) with \
{owned = [2], recursive = true, sizes = 1, inout = [[2, 1]], export = "a\\"b\\n", parameter_labels = ["d", "t.u"]} {
  %two: i64 = constant {value = 2}
  %m: i64 = mul %d, %two
  %l: list<f32> = list_empty
  %y: i64, %q: f64 = switch %t case Leaf(%w: f32[%d, 3]) {
    %z: f64 = constant {value = inf}
    %zz: f64 = constant {value = -1e-05}
    yield %d, %z
  } case "Node<x>"(%n.1: f32) {
    %s: str = constant {value = "\\u{7f}é"}
    %nan: f64 = constant {value = nan}
    %b: bool = constant {value = true}
    yield %m, %nan
  }
  %v: f32[%m] = for %d, %x (%i: i64, %a: f32[%m]) {
    yield %a
  }
  release %v
  return %d, %x
}
"""


def test_the_text_form_reads_back() -> None:
    assert print_module(parse_module(EVERYTHING)) == EVERYTHING


def test_names_are_made_unique() -> None:
    module = parse_module("func @f(%x: f32) -> (f32) {\n %y: f32 = add %x, %x\n return %y\n}")
    for one in module.functions["f"].body.operations[0].results:
        one.name = "x y"
    module.functions["f"].parameters[0].name = "x y"
    assert "%x_y.1: f32 = add %x_y, %x_y" in print_module(module)


@pytest.mark.parametrize(("text", "message"), [
    ("func @f( -> () { return }", "this is not SSA"),
    ("func @f() -> () { %x: f32 = add %y, %y return }", "uses %y, which it doesn't define"),
    ("func @f(%x: f32, %x: f32) -> () { return }", "defines %x twice"),
])
def test_bad_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(CompileError, match=message) as caught:
        parse_module(text)
    assert [one.code for one in caught.value.diagnostics] == ["DYN0090"]


TREE = "sum @Tree<d> { Leaf(w: f32[d]) Node(l: box @Tree<d>, r: box @Tree<d>) Any(n: i64, x: f32[2*n]) }\n"


@pytest.mark.parametrize(("body", "message"), [
    ("%y: f32 = add %x, %n\n return %y", "different dtypes"),
    ("%y: f32 = add %x, %x\n return %n", "the return: %n is int, not f32"),
    ("%y: f32[3] = add %x, %x\n return %x", "%y is f32\\[3\\], the row says f32"),
    ("%y: f32 = nothing %x\n return %x", "there is no operation nothing"),
    ("%y: f32 = exp %x, %x\n return %x", "exp takes 1 operands, not 2"),
    ("%y: i64 = exp %n\n return %x", "operand %n: i64 is not of kind float"),
    ("%y: f32 = if %b {\n %z: f32 = add %x, %x\n yield %z\n } {\n yield %z\n }\n return %y", "%z is used where it isn't known"),
    ("%y: f32 = if %b {\n yield %x\n } {\n yield\n }\n return %y", "a yield: 0 values for 1"),
    ("%y: f32 = if %b {\n %z: f32 = add %x, %x\n } {\n yield %x\n }\n return %y", "a region doesn't end with yield"),
    ("%y: f32 = if %x {\n yield %x\n } {\n yield %x\n }\n return %y", "if needs one bool"),
    ("%y: f32[%k] = fill %x sizes [%k]\n %k: i64 = add %n, %n\n return %x", "%k is used where it isn't known"),
    ("%y: f32[%k] = add %v, %v\n %k: i64 = constant {value = 3}\n return %x", "the size %k of %y isn't known yet"),
    ("%y: f32 = call %x {function = \"g\"}\n return %x", "there is no function @g"),
    ("%y: f32 = call %x {function = \"f\"}\n return %x", "1 arguments for 5"),
    ("%y: box @Tree<%n> = construct %v {sum = \"Tree\", constructor = \"Leaf\"}\n return %x",
     "the field %v is f32\\[3\\], not f32\\[%n\\]"),
    ("%y: f32 = switch %t case Leaf(%w: f32[%n]) {\n yield %x\n } {\n yield %x\n }\n return %x", "2 regions for 3 constructors"),
    ("%y: f32 = for %n, %x (%i: i64, %a: f32) {\n yield %i\n }\n return %x", "the yield: %i is int, not f32"),
    ("%y: f32 = while %x (%a: f32) {\n yield %a\n } (%c: f32) {\n yield %c\n }\n return %x", "yields one bool"),
    ("retain %x\n return %x", "retain takes one reference"),
    ("return %x\n return %x", "return stands before the end"),
    ("%y: f32 = constant {value = true}\n %z: i64 = constant {value = 1.5}\n return %x", "1.5 is no i64"),
])
def test_broken_promises_are_named(body: str, message: str) -> None:
    text = f"{TREE}func @f(%n: i64, %x: f32, %b: bool, %t: box @Tree<%n>, %v: f32[3]) -> (f32) {{\n {body}\n}}"
    with pytest.raises(InvalidSSA, match=message) as caught:
        verify(parse_module(text))
    assert "@f" in str(caught.value)


def test_owned_parameters_are_references() -> None:
    with pytest.raises(InvalidSSA, match="owns its parameter 0, which is no reference"):
        verify(parse_module("func @f(%x: f32) -> () with {owned = [0]} {\n return\n}"))


def test_equal_sizes_are_recognised_wherever_they_are_computed() -> None:
    verify(parse_module(TREE + """
    func @twice(%n: i64, %x: f32[%m]) -> (%k: i64, f32[%k]) {
      %two: i64 = constant {value = 2}
      %m: i64 = mul %n, %two
      %k2: i64 = add %n, %n
      %y: f32[%m] = add %x, %x
      return %k2, %y
    }
    func @f(%n: i64, %t: box @Tree<%n>) -> (f32) {
      %zero: f32 = constant {value = 0.0}
      %i: i64 = constant {value = 0}
      %s: f32 = switch %t case Leaf(%w: f32[%n]) {
        yield %zero
      } case Node(%l: box @Tree<%n>, %r: box @Tree<%n>) {
        yield %zero
      } case Any(%m: i64, %x: f32[%mm]) {
        %mm: i64 = add %m, %m
        %k: i64, %y: f32[%k] = call %m, %x {function = "twice"}
        %k2: i64, %y2: f32[%k2] = for %n, %k, %y (%j: i64, %c: i64, %v: f32[%c]) {
          %u: f32[%c] = mul %v, %v
          yield %c, %u
        }
        %a: f32 = reduce_sum %y2
        yield %a
      }
      return %s
    }
    """))


def test_the_interpreter_runs_loops_switches_and_recursion() -> None:
    module = parse_module(TREE + """
    func @sum(%n: i64, %t: box @Tree<%n>) -> (f32) with {recursive = true} {
      %s: f32 = switch %t case Leaf(%w: f32[%n]) {
        %a: f32 = reduce_sum %w
        yield %a
      } case Node(%l: box @Tree<%n>, %r: box @Tree<%n>) {
        %a1: f32 = call %n, %l {function = "sum"}
        %a2: f32 = call %n, %r {function = "sum"}
        %a3: f32 = add %a1, %a2
        yield %a3
      } case Any(%m: i64, %x: f32[%mm]) {
        %mm: i64 = add %m, %m
        %a4: f32 = reduce_sum %x
        yield %a4
      }
      return %s
    }
    """)
    verify(module)
    leaf = SumValue("Leaf", (np.ones(3, np.float32),))
    tree = SumValue("Node", (leaf, SumValue("Any", (np.int64(1), np.array([2, 3], np.float32)))))
    assert interpret(module, "sum", [3, tree]) == [8]


def test_errors_of_the_program() -> None:
    module = parse_module("""
    func @down(%n: i64) -> (i64) with {recursive = true} {
      %m: i64 = call %n {function = "down"}
      return %m
    }
    func @at(%i: i64, %n: i64) -> (i64) {
      %j: i64 = check_index %i, %n {code = "BOUNDS"}
      return %j
    }
    func @make(%n: i64) -> (f32[%n]) {
      %x: f32 = constant {value = 1.0}
      %y: f32[%n] = fill %x sizes [%n]
      return %y
    }
    """)
    with pytest.raises(RunTimeError, match="down calls itself too deeply"):
        interpret(module, "down", [1])
    with pytest.raises(RunTimeError, match="index 5 is outside 0..3"):
        interpret(module, "at", [5, 3])
    with pytest.raises(RunTimeError, match="a size is -1"):
        interpret(module, "make", [-1])
    assert interpret(module, "at", [2, 3]) == [2]


def test_pieces_of_arrays_in_a_fused_loop() -> None:
    module = parse_module("""
    func @f(%x: f32[2, 3], %i: i64, %c: f32) -> (f32[3], bool[3]) {
      %y: f32[3], %b: bool[3] = fused %x, %c, %i sizes [3] {offsets = [2, none]} (%a: f32, %k: f32) {
        %s: f32 = add %a, %k
        %t: bool = less %a, %k
        yield %s, %t
      }
      return %y, %b
    }
    """)
    verify(module)
    y, b = interpret(module, "f", [np.arange(6, dtype=np.float32).reshape(2, 3), 2, 3.0])
    assert y.tolist() == [5, 6, 7] and b.tolist() == [True, False, False]
