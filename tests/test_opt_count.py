"""Reference counts are right on every path: the interpreter counts blocks, and none is left, lost or freed twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dynlang.core.evaluate import SumValue
from dynlang.opt import optimise
from dynlang.ssa.balance import check_balance
from dynlang.ssa.interpret import CountError, interpret
from dynlang.ssa.parse import parse_module
from dynlang.ssa.verify import InvalidSSA, verify

TREES = """
sum @Tree { Leaf(x: f32) Node(l: box @Tree, r: box @Tree) }
sum @Chain { End() Link(head: f32[3], tail: box @Chain) }
"""


def counted(text: str, name: str, *arguments: Any) -> list[Any]:
    """The result with counts inserted and checked; it agrees with the uncounted meaning."""
    module = parse_module(TREES + text)
    verify(module)
    plain = interpret(module, name, arguments)
    ready = optimise(module, only=["count_references"], check=True)
    found = interpret(ready, name, arguments, count=True)
    assert repr(found) == repr(plain)
    return found


@pytest.mark.parametrize(("body", "message"), [
    ("%y: f32[3] = add %x, %x\n return", "%y is never released"),
    ("%y: f32[3] = add %x, %x\n release %y\n release %y\n return", "%y is used after its end"),
    ("release %x\n return", "%x is consumed, but not owned"),
    ("%y: f32[3] = add %x, %x\n if %b {\n release %y\n yield\n } {\n yield\n }\n return", "in one branch and not in another"),
    ("%y: f32[3] = add %x, %x\n for %n (%i: i64) {\n release %y\n yield\n }\n return", "consumed by a turn of the loop"),
    ("retain %x\n return", "%x is never released"),
])
def test_counts_are_checked_without_a_run(body: str, message: str) -> None:
    with pytest.raises(InvalidSSA, match=message):
        check_balance(parse_module(f"func @f(%n: i64, %b: bool, %x: f32[3]) -> () {{\n {body}\n}}"))


def leaf(x: float) -> SumValue:
    return SumValue("Leaf", (np.float32(x),))


def node(left: SumValue, right: SumValue) -> SumValue:
    return SumValue("Node", (left, right))


def test_uncounted_code_leaks() -> None:
    module = parse_module("func @f(%x: f32[3]) -> (f32) {\n %y: f32[3] = add %x, %x\n %s: f32 = reduce_sum %y\n return %s\n}")
    with pytest.raises(CountError, match="1 blocks are alive"):
        interpret(module, "f", [np.ones(3)], count=True)


def test_freeing_twice_is_seen() -> None:
    module = parse_module("func @f(%x: f32[3]) -> () {\n %y: f32[3] = add %x, %x\n release %y\n release %y\n return\n}")
    with pytest.raises(CountError, match="freed twice"):
        interpret(module, "f", [np.ones(3)], count=True)


def test_use_after_the_end_is_seen() -> None:
    text = "func @f(%x: f32[3]) -> (f32) {\n %y: f32[3] = add %x, %x\n release %y\n %s: f32 = reduce_sum %y\n return %s\n}"
    with pytest.raises(CountError, match="after it was freed"):
        interpret(parse_module(text), "f", [np.ones(3)], count=True)


def test_a_tree_is_rebuilt_by_recursion() -> None:
    text = """
    func @double(%t: box @Tree) -> (box @Tree) with {recursive = true} {
      %u: box @Tree = switch %t case Leaf(%x: f32) {
        %y: f32 = add %x, %x
        %b: box @Tree = construct %y {sum = "Tree", constructor = "Leaf"}
        yield %b
      } case Node(%l: box @Tree, %r: box @Tree) {
        %l2: box @Tree = call %l {function = "double"}
        %b2: box @Tree = construct %l2, %r {sum = "Tree", constructor = "Node"}
        yield %b2
      }
      return %u
    }
    func @f(%t: box @Tree, %n: i64) -> (box @Tree) {
      %u: box @Tree = for %n, %t (%i: i64, %c: box @Tree) {
        %d: box @Tree = call %c {function = "double"}
        yield %d
      }
      return %u
    }
    """
    counted(text, "f", node(node(leaf(1), leaf(2)), leaf(3)), 5)


def test_an_owned_box_gives_its_payload_away() -> None:
    """The array inside is unique once the box is gone, so the update writes in place: only one block is made for it."""
    text = """
    func @f(%c: box @Chain, %v: f32) -> (box @Chain) with {owned = [0]} {
      %zero: i64 = constant {value = 0}
      %u: box @Chain = switch %c case End() {
        %e: box @Chain = construct {sum = "Chain", constructor = "End"}
        yield %e
      } case Link(%h: f32[3], %t: box @Chain) {
        %h2: f32[3] = update %h, %zero, %v
        %t2: box @Chain = call %t, %v {function = "f"}
        %b: box @Chain = construct %h2, %t2 {sum = "Chain", constructor = "Link"}
        yield %b
      }
      return %u
    }
    """
    chain = SumValue("End", ())
    for x in range(4):
        chain = SumValue("Link", (np.full(3, x, np.float32), chain))
    counted(text, "f", chain, 7.0)
    ready = optimise(parse_module(TREES + text), only=["count_references"])
    assert "retain" not in str([one.name for one in ready.functions["f"].body.operations])


@pytest.mark.parametrize("n", [0, 1, 4])
def test_loops_own_what_they_carry(n: int) -> None:
    text = """
    func @f(%n: i64, %x: f32[3], %w: f32[3]) -> (f32[3], list<f32[3], i64>, str) {
      %l: list<f32[3], i64> = list_empty
      %s: str = constant {value = "ab"}
      %one: i64 = constant {value = 1}
      %x2: f32[3], %l2: list<f32[3], i64>, %s2: str = for %n, %x, %l, %s
          (%i: i64, %a: f32[3], %b: list<f32[3], i64>, %c: str) {
        %a2: f32[3] = accumulate %a, %w
        %b2: list<f32[3], i64> = list_push %b, %a2, %i
        %d: str = string_concat %c, %s
        %k: i64 = list_length %b2
        %many: bool = greater %k, %one
        %b3: list<f32[3], i64>, %a3: f32[3] = if %many {
          %b4: list<f32[3], i64>, %p: f32[3], %q: i64 = list_pop %b2
          yield %b4, %p
        } {
          yield %b2, %w
        }
        yield %a3, %b3, %d
      }
      return %x2, %l2, %s2
    }
    """
    counted(text, "f", n, np.arange(3), np.ones(3))


def test_while_borrows_in_its_condition() -> None:
    text = """
    func @f(%t: box @Tree) -> (i64, list<box @Tree>) with {owned = [0]} {
      %empty: list<box @Tree> = list_empty
      %work: list<box @Tree> = list_push %empty, %t
      %zero: i64 = constant {value = 0}
      %one: i64 = constant {value = 1}
      %n: i64, %rest: list<box @Tree> = while %zero, %work (%k: i64, %w: list<box @Tree>) {
        %left: i64 = list_length %w
        %more: bool = greater %left, %zero
        yield %more
      } (%k.2: i64, %w.2: list<box @Tree>) {
        %w.3: list<box @Tree>, %top: box @Tree = list_pop %w.2
        %w.4: list<box @Tree> = switch %top case Leaf(%x: f32) {
          yield %w.3
        } case Node(%l: box @Tree, %r: box @Tree) {
          %a: list<box @Tree> = list_push %w.3, %l
          %b: list<box @Tree> = list_push %a, %r
          yield %b
        }
        %k.3: i64 = add %k.2, %one
        yield %k.3, %w.4
      }
      return %n, %rest
    }
    """
    found = counted(text, "f", node(node(leaf(1), leaf(2)), node(leaf(3), leaf(4))))
    assert found[0] == 7


def test_one_argument_borrowed_and_consumed() -> None:
    text = """
    func @g(%x: f32[3], %d: f32[3]) -> (f32[3]) with {owned = [1]} {
      %y: f32[3] = accumulate %d, %x
      %z: f32[3] = accumulate %y, %x
      return %z
    }
    func @f(%x: f32[3]) -> (f32[3], f32[3]) {
      %y: f32[3] = add %x, %x
      %z: f32[3] = call %y, %y {function = "g"}
      %l: list<f32[3], f32[3]> = list_empty
      %m: list<f32[3], f32[3]> = list_push %l, %z, %z
      %zero: i64 = constant {value = 0}
      %p: f32[3], %q: f32[3] = list_get %m, %zero
      %q2: f32[3] = accumulate %q, %q
      return %q2, %p
    }
    """
    counted(text, "f", np.arange(3))


def test_in_place_writes_need_one_reference() -> None:
    """A borrowed array is copied before it is written, an owned one isn't."""
    text = """
    func @borrowed(%x: f32[3], %v: f32) -> (f32[3], f32) {
      %zero: i64 = constant {value = 0}
      %y: f32[3] = update %x, %zero, %v
      %s: f32 = at %x, %zero
      return %y, %s
    }
    """
    found = counted(text, "borrowed", np.arange(3), 5.0)
    assert found[1] == 0


def test_arrays_of_boxes() -> None:
    text = """
    func @f(%t: box @Tree, %n: i64) -> (box @Tree[%n], box @Tree) {
      %zero: i64 = constant {value = 0}
      %a: box @Tree[%n] = fill %t sizes [%n]
      %first: box @Tree = at %a, %zero
      %both: box @Tree = construct %first, %t {sum = "Tree", constructor = "Node"}
      %b: box @Tree[%n] = update %a, %zero, %both
      return %b, %both
    }
    """
    counted(text, "f", leaf(1), 3)
