"""`nest`: rows that are written, added to, made of what stands there, summed up by loops; by the interpreter and natively, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from dynlang.native.jit import compile_module
from dynlang.opt import optimise
from dynlang.ssa.interpret import interpret
from dynlang.ssa.parse import parse_module
from dynlang.ssa.print import print_module
from dynlang.ssa.verify import InvalidSSA, verify

BODIES = {
    "a row is written": ("set", "%a: f64[%b] = at %x, %i\n %r: f64[%b] = abs %a"),
    "a row is made of what stands there": ("set", "%a: f64[%b] = at %y, %i\n %c: f64[%b] = at %x, %i\n %t: f64[%b] = mul %a, %c\n"
                                                  " %r: f64[%b] = sub %a, %t"),
    "a row is added": ("add", "%a: f64[%b] = at %x, %i\n %r: f64[%b] = mul %a, %s"),
    "a sum is written": ("set", """%z: f64[%b] = fill %s sizes [%b]
 %r: f64[%b] = for %n, %z (%k: i64, %total: f64[%b]) {
   %u: i64 = at %ids, %k
   %a: f64[%b] = at %x, %u
   %t: f64[%b] = add %total, %a
   yield %t
 }"""),
    "a sum with a guard is added": ("add", """%z: f64[%b] = fill %s sizes [%b]
 %r: f64[%b] = for %n, %z (%k: i64, %total: f64[%b]) {
   %u: i64 = at %ids, %k
   %c: bool = less %k, %u
   %t: f64[%b] = if %c {
     %a: f64[%b] = at %x, %u
     %d: f64[%b] = add %total, %a
     yield %d
   } {
     yield %total
   }
   yield %t
 }"""),
}


def program(word: str, body: str) -> str:
    name = {"set": "update", "add": "accumulate_at"}[word]
    return f"""func @f(%n: i64, %b: i64, %x: f64[%n, %b], %y: f64[%n, %b], %ids: i64[%n], %i: i64, %s: f64) -> (f64[%n, %b]) {{
 {body}
 %w: f64[%n, %b] = {name} %y, %i, %r
 return %w
}}"""


@pytest.mark.parametrize("width", [0, 1, 6, 8, 23, 40, 70, 1030])
@pytest.mark.parametrize("what", BODIES)
def test_rows(what: str, width: int) -> None:
    module = parse_module(program(*BODIES[what]))
    ready = optimise(module, check=True)
    assert "nest" in print_module(ready)
    assert print_module(parse_module(print_module(ready))) == print_module(ready)
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(11, width)), rng.normal(size=(11, width))
    arguments = [11, width, x, y, rng.integers(0, 11, 11), 2, 0.25]
    kept = y.copy()
    expected = interpret(module, "f", arguments)[0]
    assert interpret(ready, "f", arguments, count=True)[0].tobytes() == expected.tobytes()
    assert compile_module(ready).call("f", arguments)[0].tobytes() == expected.tobytes()
    assert y.tobytes() == kept.tobytes()


@pytest.mark.parametrize(("inside", "reason"), [
    ("%t: f64 = element %x, %i\n %k: i64 = convert %t {dtype = \"i64\"}\n %r: f64 = element %x, %k", "differs from element to element"),
    ("%r: f64 = reduce_sum %x", "reduce_sum can't be in a nest"),
    ("%r: f64 = convert %i {dtype = \"f64\"}\n yield %r, %r", "stands before the end|for each result"),
])
def test_what_no_nest_may_hold(inside: str, reason: str) -> None:
    text = f"""func @f(%b: i64, %x: f64[%b], %i: i64) -> (f64[%b]) {{
      %y: f64[%b] = nest sizes [%b] {{into = [none]}} {{
        {inside}
        yield %r
      }}
      return %y
    }}"""
    with pytest.raises(InvalidSSA, match=reason):
        verify(parse_module(text))


def test_an_element_stands_in_a_nest() -> None:
    text = "func @f(%x: f64[4], %i: i64) -> (f64) {\n %y: f64 = element %x, %i\n return %y\n}"
    with pytest.raises(InvalidSSA, match="stands in a nest"):
        verify(parse_module(text))


BACKWARDS = """func @f(%n: i64, %b: i64, %x: f64[%n, %b], %s: f64) -> (f64[%n, %b]) {
  %one: i64 = constant {value = 1}
  %last: i64 = sub %n, %one
  %y: f64[%n, %b] = fill %s sizes [%n, %b]
  %z: f64[%n, %b] = for PLACES, %y (%k: i64, %old: f64[%n, %b]) {
    %i: i64 = sub %last, %k
    %row: f64[%b] = at %x, INDEX
    %new: f64[%n, %b] = accumulate_at %old, INDEX, %row
    yield %new
  }
  return %z
}"""


@pytest.mark.parametrize(("places", "index", "gained"), [
    ("%n", "%i", True), ("%n", "%k", True), ("%last", "%k", False), ("%n", "%last", False)])
@pytest.mark.parametrize("start", [0.0, -0.0, 2.0])
def test_a_filled_array_that_is_added_to_once_in_each_place_is_written(places: str, index: str, gained: bool, start: float) -> None:
    module = parse_module(BACKWARDS.replace("PLACES", places).replace("INDEX", index))
    ready = optimise(module, check=True)
    assert ("empty" in print_module(ready)) == gained == ('into = ["set"]' in print_module(ready))
    arguments = [7, 9, np.where(np.arange(63).reshape(7, 9) % 2, -0.0, 1.5), start]
    expected = interpret(module, "f", arguments)[0]
    assert interpret(ready, "f", arguments, count=True)[0].tobytes() == expected.tobytes()
    assert compile_module(ready).call("f", arguments)[0].tobytes() == expected.tobytes()


@pytest.mark.parametrize("width", [1, 8, 40])
def test_a_row_of_which_a_loop_reads_one_item_stands_before_the_nest(width: int) -> None:
    module = parse_module("""func @f(%b: i64, %x: f64[%b], %s: f64, %n: i64) -> (f64[%b]) {
 %row: f64[%b] = abs %x
 %z: f64[%b] = fill %s sizes [%b]
 %r: f64[%b] = for %n, %z (%k: i64, %total: f64[%b]) {
   %q: i64 = floor_modulo %k, %b
   %one: f64 = at %row, %q
   %c: f64[%b] = fill %one sizes [%b]
   %t: f64[%b] = add %total, %c
   yield %t
 }
 return %r
}""")
    ready = optimise(module, check=True)
    assert "nest" in print_module(ready)
    x = np.random.default_rng(3).normal(size=width)
    expected = interpret(module, "f", [width, x, 0.25, 5])[0]
    assert interpret(ready, "f", [width, x, 0.25, 5])[0].tobytes() == expected.tobytes()
    assert compile_module(ready).call("f", [width, x, 0.25, 5])[0].tobytes() == expected.tobytes()
