"""`distribute`: products of one matrix in a loop, many turns at once: bit by bit what the loop gives turn by turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dyn_calls import callable_program
from dynlang import pipeline
from dynlang.opt.distribute import distribute
from dynlang.ssa.build import operations_in
from dynlang.ssa.parse import parse_module
from dynlang.ssa.verify import verify

PROGRAM = """
record Cell:
    words: f32[9, 130]
    inputs: f32[260, 130]
    hidden: f32[130, 260]
    out: f32[140, 130]

fn loss<n>(c: Cell, words: idx<9>[n], y: f32[140]) -> f32:
    var state = zeros(130)
    var total: f32 = 0.0
    for t in n:
        let a = tanh(c.inputs @ c.words[words[t]] + state @ c.hidden)
        state = 0.5 * state + 0.1 * (a @ c.inputs)
        if t % 3 != 1:
            total += sum(sigmoid(c.out @ state) * y)
    return total

export fn loss_of<n>(w: f32[9, 130], i: f32[260, 130], h: f32[130, 260], o: f32[140, 130], words: int[n], y: f32[140]) -> f32:
    return loss(Cell(w, i, h, o), [word as idx<9> for word in words], y)

export fn slope<n>(w: f32[9, 130], i: f32[260, 130], h: f32[130, 260], o: f32[140, 130], words: int[n],
                   y: f32[140]) -> (f32[9, 130], f32[260, 130], f32[130, 260], f32[140, 130]):
    let g = grad(loss)(Cell(w, i, h, o), [word as idx<9> for word in words], y)
    return g.words, g.inputs, g.hidden, g.out

export fn followed(w: f32[130, 130], x: f32[130], n: int) -> f32[130]:
    var v = x
    for _ in n:
        v = tanh(w @ v)
    return v

export fn read(w: f32[130, 130], x: f32[40, 130], places: int[40], n: int) -> f32[130]:
    var total = zeros(130)
    for t in n:
        total = total * 0.5 + w @ x[places[t]]
    return total
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("distribute") / "cells.dyn"
    path.write_text(PROGRAM)
    return path


def inputs(n: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(n)
    made = {name: (0.1 * draw.standard_normal(shape)).astype(np.float32)
            for name, shape in {"w": (9, 130), "i": (260, 130), "h": (130, 260), "o": (140, 130), "y": (140,)}.items()}
    return {**made, "words": draw.integers(0, 9, n)}


def test_blocks_of_turns_have_the_bits_of_single_turns(program: Path) -> None:
    found = []
    for way in ("0", "2"):
        with callable_program(program, ["loss_of", "slope"], way) as call:
            found.append([call(name, **inputs(n)) for name in ("loss_of", "slope") for n in (33, 0, 1, 32, 70)])
    for plain, native in zip(*found, strict=True):
        assert all(np.array_equal(one, two) for one, two in zip(plain.values(), native.values(), strict=True))
    with callable_program(program, ["loss_of"], "interp") as call:
        (one,), (two,) = call("loss_of", **inputs(33)).values(), found[1][0].values()
        assert np.allclose(one, two, rtol=1e-4)


def test_a_loop_goes_in_blocks_where_a_product_needs_no_other_turn(program: Path) -> None:
    module = pipeline.build(pipeline.Request(program, entries=("loss_of", "followed", "read")), until="opt")

    def names(function: str) -> list[str]:
        return [one.name for one in operations_in(module.functions[function].body)]

    assert names("loss_of").count("matvecs") == 1, "that of the words; those of the state follow each other, one stands in a branch"
    assert "vecmat" in names("loss_of")
    assert "matvecs" not in names("followed") and "matvec" in names("followed")
    assert "matvecs" in names("read") and "matvec" not in names("read")


def test_a_failing_turn_fails(program: Path) -> None:
    draw = np.random.default_rng(0)
    w, x = draw.standard_normal((130, 130)).astype(np.float32), draw.standard_normal((40, 130)).astype(np.float32)
    places = np.arange(40)
    with callable_program(program, ["read"], "2") as call:
        expected = np.zeros(130)
        for row in x:
            expected = expected * 0.5 + w @ row
        assert np.allclose(call("read", w=w, x=x, places=places, n=np.int64(40))["result"], expected, atol=1e-3)
        places[37] = 40
        with pytest.raises(Exception, match="40"):
            call("read", w=w, x=x, places=places, n=np.int64(40))


def test_what_is_carried_isnt_read_before_the_check_of_the_turn_before() -> None:
    module = distribute(parse_module("""
func @f(%n: i64, %m: i64, %k: i64, %w: f32[128, 128], %x: f32[%m, 128], %h: f32[128]) -> (f32[128]) {
  %one: i64 = constant {value = 1}
  %last: i64, %sum: f32[128] = for %n, %k, %h (%i: i64, %place: i64, %c: f32[128]) {
    %a: f32[128] = at %x, %place
    %y: f32[128] = matvec %w, %a
    %d: f32[128] = add %c, %y
    %next: i64 = add %place, %one
    %safe: i64 = check_index %next, %m
    yield %next, %d
  }
  return %sum
}"""))
    verify(module)
    names = [one.name for one in operations_in(module.functions["f"].body)]
    assert names.index("check_index") < names.index("matvecs")
