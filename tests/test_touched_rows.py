"""The gradient of a lookup and the optimisers touch the rows that were looked up, at a cost that the size of the table doesn't change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cost_measure import copied_elements
from dynlang import pipeline
from dynlang.core.evaluate import Counter, evaluate
from dynlang.core.nodes import Module
from dynlang.core.simplify import simplify
from dynlang.grad import differentiate

SMALL, LARGE = 1024, 65536
GROWTH = 0.05
"""The largest power of the table's size with which a cost may grow."""

PROGRAM = """
import nn

record Deep<v>:
    parts: List<nn.Table<v, 3, f64>>
    flat:  nn.Table<v, 2, f64>
    k:     f64

fn loss<v>(t: nn.Table<v, 4, f64>, ids: idx<v>[6]) -> f64:
    return sum(sum(tanh(t(i)) * t(j)) for i in ids for j in ids)

fn deep_loss<v>(m: Deep<v>, ids: idx<v>[6]) -> f64:
    var total: f64 = 0.0
    for i in ids:
        for part in m.parts:
            total += m.k * sum(part(i) ** 2)
        total += sum(m.flat(i) * m.flat(ids[0]))
    return total

fn gathered<v>(t: nn.Table<v, 4, f64>, ids: idx<v>[6]) -> f64:
    return sum(t.rows[ids] ** 3)

fn with_gather<v>(t: inout nn.Table<v, 4, f64>, ids: idx<v>[6]):
    sgd(&t, grad(gathered)(t, ids), 0.1)

fn with_sgd<v>(t: inout nn.Table<v, 4, f64>, ids: idx<v>[6]):
    sgd(&t, grad(loss)(t, ids), 0.1)

fn with_clipping<v>(t: inout nn.Table<v, 4, f64>, ids: idx<v>[6]):
    sgd(&t, clip_norm(grad(loss)(t, ids), 0.5), 0.1)

fn with_two<v>(t: inout nn.Table<v, 4, f64>, ids: idx<v>[6]):
    var total = grad(loss)(t, ids)
    add_scaled(&total, grad(gathered)(t, ids), 2.0)
    sgd(&t, total, 0.1)

fn with_momentum<v>(t: inout nn.Table<v, 4, f64>, state: inout Momentum<nn.Table<v, 4, f64>>, ids: idx<v>[6]):
    momentum(&t, &state, grad(loss)(t, ids), 0.1)

fn with_adam<v>(t: inout nn.Table<v, 4, f64>, state: inout Adam<nn.Table<v, 4, f64>>, ids: idx<v>[6]):
    adam(&t, &state, grad(loss)(t, ids), 0.1)

fn with_adagrad<v>(t: inout nn.Table<v, 4, f64>, state: inout Adagrad<nn.Table<v, 4, f64>>, ids: idx<v>[6]):
    adagrad(&t, &state, grad(loss)(t, ids), 0.1)

fn inside<v>(m: inout Deep<v>, ids: idx<v>[6]):
    sgd(&m, grad(deep_loss)(m, ids), 0.1)
"""

IDS = np.array([5, 900, 5, 17, 900, 5])


def tables(size: int, *widths: int) -> list[np.ndarray]:
    return [np.random.default_rng(k).uniform(0.1, 0.9, (size, width)) for k, width in enumerate(widths)]


def arguments(name: str, size: int) -> list[object]:
    """The arguments of a step at a size of the table."""
    table, mean, square = tables(size, 4, 4, 4)
    states: dict[str, list[object]] = {"with_momentum": [mean], "with_adam": [mean, square, np.int64(3)], "with_adagrad": [square]}
    if name == "inside":
        parts = tables(size, 3, 3, 2)
        return [np.int64(size), [[parts[0]], [parts[1]]], parts[2], np.float64(1.5), IDS]
    return [np.int64(size), table, *states.get(name, []), IDS]


STEPS = ("with_gather", "with_sgd", "with_clipping", "with_two", "with_momentum", "with_adam", "with_adagrad", "inside")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Module:
    path = tmp_path_factory.mktemp("tables") / "tables.dyn"
    path.write_text(PROGRAM)
    return pipeline.build(pipeline.Request(path, entries=STEPS), until="core")


@pytest.fixture(scope="module")
def program(core: Module) -> Module:
    return simplify(differentiate(core), STEPS)


class Elements(Counter):
    """Counts what is done to elements: a list hands over its items as they are."""

    def count(self, op: str, cost: float, arguments: Sequence[Any], results: Sequence[Any]) -> None:
        if not op.startswith("list_"):
            super().count(op, cost, arguments, results)


def steps(program: Module, name: str, size: int) -> float:
    counter = Elements()
    evaluate(program, name, arguments(name, size), counter)
    return counter.steps


def exponent(small: float, large: float) -> float:
    """The power of the table's size with which a cost grows."""
    return math.log(max(large, 1.0) / max(small, 1.0)) / math.log(LARGE / SMALL)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_costs_the_same_whatever_the_size_of_the_table(program: Module, name: str) -> None:
    small, large = (steps(program, name, size) for size in (SMALL, LARGE))
    assert small > 50 and exponent(small, large) < GROWTH, (small, large)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_copies_no_table(program: Module, name: str) -> None:
    assert copied_elements(program, name, arguments(name, SMALL)) < SMALL


def test_only_the_rows_that_were_looked_up_change(program: Module) -> None:
    for name in STEPS:
        given = arguments(name, SMALL)
        found = evaluate(program, name, given)
        before = [one for one in given if isinstance(one, np.ndarray) and one.ndim == 2]
        after = [one for one in found if isinstance(one, np.ndarray) and one.ndim == 2]
        assert len(before) == len(after)
        for old, new in zip(before, after, strict=True):
            changed = np.flatnonzero((old != new).any(axis=1))
            assert set(changed) == {5, 17, 900}, name
