"""What is made of graphs, read off them and drawn from them, against plain Python on random arcs, with loops, duplicates and isolated
nodes among them, down to graphs without arcs and without nodes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dyn_calls import Call, callable_program

PROGRAM = Path(__file__).parent / "language" / "_graphs.dyn"
NAMES = ["indexed", "simple", "without_loops", "reversed", "undirected", "with_loops", "subgraph", "union", "levels", "components", "walk",
         "has_arc", "biased_walk", "second_steps", "drawn", "sampled"]
Arcs = list[tuple[int, int]]

random = np.random.default_rng(5)
GRAPHS: list[tuple[int, Arcs]] = [(n, [tuple(random.integers(max(n - 1, 1), size=2).tolist()) for _ in range(e)])
                                  for n, e in ((9, 25), (12, 9), (5, 40), (1, 3), (4, 0))]


@pytest.fixture(scope="module")
def call() -> Iterator[Call]:
    with callable_program(PROGRAM, NAMES, "2") as found:
        yield found


def results(call: Call, name: str, n: int, arcs: Arcs, **more: object) -> list[list]:
    found = call(name, n=n, arcs=np.array(arcs, dtype=np.int64).reshape(-1, 2), **more)
    return [array.tolist() for array in found.values()]


def pairs(arcs: Arcs) -> list[list[int]]:
    return [list(arc) for arc in arcs]


def induced(nodes: list[int], arcs: Arcs) -> tuple[list[list[int]], list[int]]:
    kept = [k for k, (a, b) in enumerate(arcs) if a in nodes and b in nodes]
    return [[nodes.index(arcs[k][0]), nodes.index(arcs[k][1])] for k in kept], kept


@pytest.mark.parametrize(("n", "arcs"), GRAPHS)
def test_indices(call: Call, n: int, arcs: Arcs) -> None:
    into = [[k for k, (_, b) in enumerate(arcs) if b == v] for v in range(n)]
    out = [[k for k, (a, _) in enumerate(arcs) if a == v] for v in range(n)]
    in_edges, out_edges = [k for row in into for k in row], [k for row in out for k in row]
    assert results(call, "indexed", n, arcs) == [list(map(len, into)), list(map(len, out)), in_edges, [arcs[k][0] for k in in_edges],
                                                 out_edges, [arcs[k][1] for k in out_edges]]


@pytest.mark.parametrize(("n", "arcs"), GRAPHS)
def test_other_arcs(call: Call, n: int, arcs: Arcs) -> None:
    assert results(call, "simple", n, arcs) == [[k for k, arc in enumerate(arcs) if arc not in arcs[:k]]]
    assert results(call, "without_loops", n, arcs) == [[k for k, (a, b) in enumerate(arcs) if a != b]]
    back = [(b, a) for a, b in arcs]
    assert results(call, "reversed", n, arcs) == [pairs(back), True]
    assert results(call, "undirected", n, arcs) == [pairs(arcs + back)]
    assert results(call, "with_loops", n, arcs) == [pairs(arcs) + [[v, v] for v in range(n)]]


@pytest.mark.parametrize(("n", "arcs"), GRAPHS)
def test_parts(call: Call, n: int, arcs: Arcs) -> None:
    for count in {0, n // 2, n}:
        nodes = random.permutation(n)[:count].tolist()
        ends, kept = induced(nodes, arcs)
        places = [nodes.index(v) if v in nodes else -1 for v in range(n)]
        edges = [kept.index(k) if k in kept else -1 for k in range(len(arcs))]
        assert results(call, "subgraph", n, arcs, nodes=np.array(nodes, dtype=np.int64)) == [ends, kept, places, edges]


@pytest.mark.parametrize(("n", "arcs"), GRAPHS)
def test_unions(call: Call, n: int, arcs: Arcs) -> None:
    m, others = 3, [(0, 2), (1, 1)]
    moved = [*pairs(arcs), *([a + n, b + n] for a, b in others), *([a + n + m, b + n + m] for a, b in arcs)]
    starts, firsts = [0, n, n + m, 2 * n + m], [0, len(arcs), len(arcs) + 2, 2 * len(arcs) + 2]
    found = results(call, "union", n, arcs, m=m, others=np.array(others))
    assert found == [moved, [0] * n + [1] * m + [2] * n, starts, firsts, pairs(others)]


@pytest.mark.parametrize(("n", "arcs"), GRAPHS)
def test_searches(call: Call, n: int, arcs: Arcs) -> None:
    for start in range(n):
        level = {start: 0}
        while new := {b for a, b in arcs if a in level} - set(level):
            level |= dict.fromkeys(new, max(level.values()) + 1)
        assert results(call, "levels", n, arcs, start=start) == [[level.get(v, -1) for v in range(n)]]
    owner = list(range(n))
    for _ in range(n):
        for a, b in arcs:
            owner[a] = owner[b] = min(owner[a], owner[b])
    assert results(call, "components", n, arcs) == [[sorted(set(owner)).index(one) for one in owner]]


@pytest.mark.parametrize(("n", "arcs"), GRAPHS)
def test_walks(call: Call, n: int, arcs: Arcs) -> None:
    for start in range(n):
        walks = results(call, "walk", n, arcs, start=start, steps=8, seed=start)
        walks += results(call, "biased_walk", n, arcs, start=start, steps=8, seed=start, back=4.0, away=0.1)
        for nodes in walks:
            assert nodes[0] == start and len(nodes) == 9
            for a, b in pairwise(nodes):
                assert (a, b) in arcs or (a == b and all(one != a for one, _ in arcs))


@pytest.mark.parametrize(("n", "arcs"), GRAPHS)
def test_arcs_between_two_nodes(call: Call, n: int, arcs: Arcs) -> None:
    assert results(call, "has_arc", n, arcs) == [[[(a, b) in arcs for b in range(n)] for a in range(n)]]


@pytest.mark.parametrize(("back", "away"), [(1.0, 1.0), (4.0, 0.25), (0.001, 50.0), (1e6, 1e6)])
def test_biased_walks_are_those_of_node2vec(call: Call, back: float, away: float) -> None:
    """The probability of each second step by the formula of Grover and Leskovec: arcs one way and both, two of them twice, a dead end;
    with 1e6 twice most proposals are in vain."""
    arcs = [(0, 1), (1, 0), (0, 2), (1, 2), (1, 2), (1, 3), (2, 4), (2, 5), (4, 4), (0, 4), (4, 3), (4, 3), (4, 1)]
    count = 4000
    (found,) = results(call, "second_steps", 6, arcs, start=0, count=count, back=back, away=away)
    for v in range(6):
        for x in range(6):
            out = [b for a, b in arcs if a == v]
            weight = {b: 1 / back if b == 0 else 1.0 if (0, b) in arcs else 1 / away for b in out}
            second = out.count(x) * weight[x] / sum(weight[b] for b in out) if x in out else float(not out and x == v)
            expected = [b for a, b in arcs if a == 0].count(v) / 3 * second
            assert abs(found[v][x] - count * expected) <= 5 * (count * expected * (1 - expected)) ** 0.5


@pytest.mark.parametrize(("n", "arcs"), GRAPHS)
def test_samples(call: Call, n: int, arcs: Arcs) -> None:
    seeds = random.permutation(n)[:2].tolist()
    nodes, edges, ends = results(call, "sampled", n, arcs, seeds=np.array(seeds), counts=np.array([2, 3]), seed=1)
    assert nodes[:len(seeds)] == seeds and len(set(nodes)) == len(nodes) and len(set(edges)) == len(edges)
    assert [[nodes[a], nodes[b]] for a, b in ends] == pairs([arcs[k] for k in edges])
    degree = [sum(b == v for _, b in arcs) for v in range(n)]
    given = [sum(b == place for _, b in ends) for place in range(len(nodes))]
    first = {nodes.index(arcs[k][0]) for k, (_, b) in zip(edges, ends, strict=True) if b < len(seeds)} - set(range(len(seeds)))
    for place, v in enumerate(nodes):
        expected = min(degree[v], 2) if place < len(seeds) else min(degree[v], 3) if place in first else 0
        assert given[place] == expected


def test_arcs_are_drawn_evenly(call: Call) -> None:
    """Each of ten arcs into a node is among three that are drawn in three cases of ten, each first step of a walk as likely."""
    arcs = [(k, 0) for k in range(1, 11)] + [(0, k) for k in range(1, 11)]
    chosen, first = results(call, "drawn", 11, arcs, count=1500)
    assert all(abs(k - 450) < 5 * (1500 * 0.3 * 0.7) ** 0.5 for k in chosen[:10])
    assert all(abs(k - 150) < 5 * (1500 * 0.1 * 0.9) ** 0.5 for k in first[1:])
