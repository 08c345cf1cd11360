"""What memories (`stdlib/memory.dyn`) hold and give, beside the equations of their papers written in NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dyn_calls import WAYS, Call, callable_program
from dynlang.diag import CompileError
from dynlang.ssa.interpret import RunTimeError

PROGRAM = """
import memory

fn turing<s, w, t>(rows: f64[s, w], at: f64[s], keys: f64[t, w], erase: f64[t, w], add: f64[t, w], gates: f64[t], shifts: f64[t, 3],
                   powers: f64[t]) -> (f64[s, w], f64[s], f64[w]):
    var mem: Memory<s, w, f64> = memory.empty()
    mem.rows = rows
    var place = at
    for i in t:
        place = mem.locate(keys[i], 3.0, place, gates[i], shifts[i], powers[i])
        mem.write(place, erase[i], add[i])
    let found = mem.read(place)
    return mem.rows, place, mem.last_read

fn sparsely<s, w, t>(rows: f64[s, w], keys: f64[t, w], add: f64[t, w], gates: f64[t]) -> (f64[s, w], f64[t, w], int[t]):
    var mem: memory.SparseMemory<s, w, f64> = memory.empty_sparse()
    mem.rows = rows
    var found: f64[t, w] = zeros(t, w)
    var oldest: int[t] = zeros(t)
    for i in t:
        let at = mem.address(keys[i], 3, strength=2.0)
        found[i] = mem.read(at)
        oldest[i] = mem.oldest()
        mem.remember(at, gates[i], 0.9, add[i])
    return mem.rows, found, oldest

fn computer<t>(rows: f64[5, 3], x: f64[t, 28]) -> (f64[5, 3], f64[5], f64[5, 5], f64[5], f64[2, 5], f64[t, 2, 3]):
    var mem: memory.DncMemory<5, 3, 2, f64> = memory.empty_dnc()
    mem.rows = rows
    var found: f64[t, 2, 3] = zeros(t, 2, 3)
    for i in t:
        found[i] = mem.step(memory.interface(x[i]))
    return mem.rows, mem.usage, mem.links, mem.precedence, mem.reading, found

fn stored<t>(keys: f64[t, 2], values: f64[t, 3], query: f64[2]) -> (f64[t, 3], f64[3], int):
    var kept: memory.Store<5, 2, 3, f64> = memory.empty_store()
    var found: f64[t, 3] = zeros(t, 3)
    for i in t:
        found[i] = kept.attend(query, strength=0.7)
        kept.append(keys[i], values[i], wrap=true)
    return found, kept.nearest(query, 2), kept.filled()

fn asked(words: f64[3, 7, 4], times: f64[3, 5, 4], a: idx<7>[3], b: idx<7>[2], question: idx<7>[2]) -> f64[7]:
    let net: memory.EndToEnd<7, 4, 2, 5, f64> = memory.EndToEnd(words, times)
    let story: List<idx<7>[?]> = [a, b]
    return net(story, question)

fn looked_up<n, d>(maps: f64[2, d, d], query: f64[d], keys: f64[n, d], values: f64[n, d]) -> f64[d]:
    let net: memory.KeyValue<d, 2, f64> = memory.KeyValue(maps)
    return net(query, keys, values)

fn product(first: f64[4, 2], second: f64[4, 2], values: f64[16, 3], query: f64[4]) -> (int[4], f64[4], f64[3]):
    let keys: memory.ProductKeys<4, 2, 3, f64> = memory.ProductKeys(first, second, values)
    let at = keys.address(query, 4)
    return at.slots, at.weights, keys(query, 3)

fn dense<s, w>(rows: f64[s, w], key: f64[w]) -> (f64[s], f64[w]):
    var mem = Memory(rows=rows, last_read=key)
    let at = mem.address(key, 2.0)
    mem.write(at, key, key)
    return at, mem.read(at)

fn few<s, w>(rows: f64[s, w], key: f64[w], k: int) -> (int[?], f64[?], f64[w]):
    var mem = Memory(rows=rows, last_read=key)
    let at = mem.address_sparse(key, k)
    return at.slots, at.weights, mem.read_sparse(at)

fn oldest(s: int) -> int:
    let mem: memory.SparseMemory<s, 2, f64> = memory.empty_sparse()
    return mem.oldest()

fn full<t>(s: int, keys: f64[t, 2]) -> f64[2]:
    var kept: memory.Store<s, 2, 2, f64> = memory.empty_store()
    for key in keys:
        kept.append(key, key)
    return kept.attend([0.5, 1.0])

fn allocated<s>(usage: f64[s]) -> f64[s]:
    return memory.allocation(usage)
"""

NAMES = tuple(line[3:].split("(")[0].split("<")[0] for line in PROGRAM.splitlines() if line.startswith("fn "))
draw = np.random.default_rng(5)


@pytest.fixture(scope="module", params=WAYS)
def call(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    path = tmp_path_factory.mktemp("memories") / "memories.dyn"
    path.write_text(PROGRAM)
    with callable_program(path, [f"memories.{name}" for name in NAMES], request.param) as made:
        yield lambda name, **arrays: made(f"memories.{name}", **arrays)


def agree(found: dict[str, np.ndarray], *expected: Any) -> None:
    """The results in their order; all within 1e-12."""
    assert len(found) == len(expected)
    for (name, one), other in zip(found.items(), expected, strict=True):
        assert np.allclose(one, other, rtol=1e-11, atol=1e-12), name


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def cosines(rows: np.ndarray, key: np.ndarray) -> np.ndarray:
    return rows @ key / (np.linalg.norm(rows, axis=1) * np.linalg.norm(key) + 1e-6)


def test_turing_machine(call: Call) -> None:
    s, w, t = 6, 4, 3
    rows, at = draw.standard_normal((s, w)), softmax(draw.standard_normal(s))
    keys, add, erase = draw.standard_normal((t, w)), draw.standard_normal((t, w)), sigmoid(draw.standard_normal((t, w)))
    gates, shifts, powers = draw.uniform(size=t), softmax(draw.standard_normal((t, 3))), draw.uniform(1, 3, t)
    found = call("turing", rows=rows, at=at, keys=keys, erase=erase, add=add, gates=gates, shifts=shifts, powers=powers)
    for i in range(t):
        mixed = gates[i] * softmax(3 * cosines(rows, keys[i])) + (1 - gates[i]) * at
        moved = sum(shifts[i][j + 1] * np.roll(mixed, j) for j in (-1, 0, 1))
        at = moved ** powers[i] / (moved ** powers[i]).sum()
        rows = rows * (1 - np.outer(at, erase[i])) + np.outer(at, add[i])
    agree(found, rows, at, at @ rows)


def test_sparse_access_memory(call: Call) -> None:
    s, w, t = 7, 3, 12
    rows, keys = draw.standard_normal((s, w)), draw.standard_normal((t, w))
    add, gates = draw.standard_normal((t, w)), draw.uniform(size=t)
    found = call("sparsely", rows=rows, keys=keys, add=add, gates=gates)
    rows, order, reads, oldest = rows.copy(), list(range(s)), [], []
    for i in range(t):
        scores = cosines(rows, keys[i])
        slots = np.argsort(-scores, kind="stable")[:3]
        weights = softmax(2 * scores[slots])
        reads.append(weights @ rows[slots])
        for slot in slots:
            order.remove(slot)
            order.append(slot)
        free = order[0]
        oldest.append(free)
        rows[free] = 0
        rows[slots] += 0.9 * gates[i] * np.outer(weights, add[i])
        rows[free] += 0.9 * (1 - gates[i]) * add[i]
        for slot in [*slots, free]:
            order.remove(slot)
            order.append(slot)
    agree(found, rows, np.array(reads), np.array(oldest))


def test_differentiable_neural_computer(call: Call) -> None:
    s, w, r, t = 5, 3, 2, 4
    rows, x = draw.standard_normal((s, w)), draw.standard_normal((t, r * w + 5 * r + 3 * w + 3))
    assert x.shape[1] == 28
    found = call("computer", rows=rows, x=x)
    usage, written, precedence, links, reading = np.zeros(s), np.zeros(s), np.zeros(s), np.zeros((s, s)), np.zeros((r, s))
    reads = []
    for one in x:
        parts = np.split(one, np.cumsum([r * w, r, w, 1, w, w, r, 1, 1]))
        keys, strengths, key, strength, erase, add, free, allocate, write, modes = parts
        usage = (usage + written - usage * written) * np.prod(1 - sigmoid(free)[:, None] * reading, axis=0)
        order, fresh, left = np.argsort(usage, kind="stable"), np.zeros(s), 1.0
        for j in order:
            fresh[j], left = (1 - usage[j]) * left, left * usage[j]
        content = softmax((1 + np.logaddexp(0, strength)) * cosines(rows, key))
        at = sigmoid(write) * (sigmoid(allocate) * fresh + (1 - sigmoid(allocate)) * content)
        rows = rows * (1 - np.outer(at, sigmoid(erase))) + np.outer(at, add)
        links = (1 - at[:, None] - at[None, :]) * links + np.outer(at, precedence)
        np.fill_diagonal(links, 0)
        precedence, written = (1 - at.sum()) * precedence + at, at
        heads = []
        for h in range(r):
            by_content = softmax((1 + np.logaddexp(0, strengths[h])) * cosines(rows, keys.reshape(r, w)[h]))
            back, same, ahead = softmax(modes.reshape(r, 3)[h])
            heads.append(back * links.T @ reading[h] + same * by_content + ahead * links @ reading[h])
        reading = np.array(heads)
        reads.append(reading @ rows)
    agree(found, rows, usage, links, precedence, reading, np.array(reads))


def test_stores(call: Call) -> None:
    keys, values, query = draw.standard_normal((8, 2)), draw.standard_normal((8, 3)), draw.standard_normal(2)
    expected = [np.zeros(3)]
    for n in range(1, 8):
        kept = np.arange(max(0, n - 5), n)
        expected.append(softmax(0.7 * keys[kept] @ query) @ values[kept])
    scores = keys[3:] @ query
    best = np.argsort(-scores)[:2]
    agree(call("stored", keys=keys, values=values, query=query), np.array(expected), softmax(scores[best]) @ values[3:][best], 5)


def test_end_to_end_memory_network(call: Call) -> None:
    words, times = draw.standard_normal((3, 7, 4)), draw.standard_normal((3, 5, 4))
    story, question = [np.array([1, 2, 0]), np.array([4, 6])], np.array([2, 5])

    def embedded(table: np.ndarray, ids: np.ndarray) -> np.ndarray:
        j, k = np.arange(1, len(ids) + 1)[:, None] / len(ids), np.arange(1, 5)[None, :] / 4
        return (table[ids] * ((1 - j) - k * (1 - 2 * j))).sum(0)

    u = embedded(words[0], question)
    for hop in range(2):
        keys = np.array([embedded(words[hop], one) + times[hop, 1 - i] for i, one in enumerate(story)])
        values = np.array([embedded(words[hop + 1], one) + times[hop + 1, 1 - i] for i, one in enumerate(story)])
        u = u + softmax(keys @ u) @ values
    agree(call("asked", words=words, times=times, a=story[0], b=story[1], question=question), words[2] @ u)


def test_key_value_memory_network(call: Call) -> None:
    maps, query = draw.standard_normal((2, 4, 4)), draw.standard_normal(4)
    keys, values = draw.standard_normal((6, 4)), draw.standard_normal((6, 4))
    q = query
    for one in maps:
        q = one @ (q + softmax(keys @ q) @ values)
    agree(call("looked_up", maps=maps, query=query, keys=keys, values=values), q)


def test_product_keys(call: Call) -> None:
    """The best of all pairs, although only pairs of the best halves are looked at."""
    first, second, values, query = (draw.standard_normal(shape) for shape in [(4, 2), (4, 2), (16, 3), (4,)])
    scores = ((first @ query[:2])[:, None] + (second @ query[2:])[None, :]).ravel()
    best = np.argsort(-scores)
    found = call("product", first=first, second=second, values=values, query=query)
    agree(found, best[:4], softmax(scores[best[:4]]), softmax(scores[best[:3]]) @ values[best[:3]])


def test_no_slots(call: Call) -> None:
    nothing = np.zeros((0, 3))
    agree(call("dense", rows=nothing, key=np.ones(3)), np.zeros(0), np.zeros(3))
    agree(call("few", rows=nothing, key=np.ones(3), k=0), np.zeros(0), np.zeros(0), np.zeros(3))
    agree(call("full", s=0, keys=np.zeros((0, 2))), np.zeros(2))
    agree(call("allocated", usage=np.zeros(0)), np.zeros(0))
    for name, arguments, words in [("few", {"rows": nothing, "key": np.ones(3), "k": 1}, "1 slots of a memory that has 0"),
                                   ("oldest", {"s": 0}, "zero slots"), ("full", {"s": 0, "keys": np.ones((1, 2))}, "all 0 slots")]:
        with pytest.raises((CompileError, RunTimeError), match=words):
            call(name, **arguments)


def test_more_than_there_is(call: Call) -> None:
    rows = draw.standard_normal((4, 3))
    for name, arguments, words in [("few", {"rows": rows, "key": np.ones(3), "k": 5}, "5 slots of a memory that has 4"),
                                   ("few", {"rows": rows, "key": np.ones(3), "k": -1}, "-1"),
                                   ("full", {"s": 2, "keys": np.ones((3, 2))}, "all 2 slots")]:
        with pytest.raises((CompileError, RunTimeError), match=words):
            call(name, **arguments)


def test_keys_that_are_no_numbers(call: Call) -> None:
    """NaN in a key is NaN in every weight; in a row, that row comes last."""
    rows = draw.standard_normal((4, 3))
    nan = np.full(3, np.nan)
    assert np.all(np.isnan(call("dense", rows=rows, key=nan)["result.0"]))
    found = list(call("few", rows=rows, key=nan, k=2).values())
    assert list(found[0]) == [0, 1] and np.all(np.isnan(found[1])) and np.all(np.isnan(found[2]))
    damaged = rows.copy()
    damaged[1] = np.nan
    found = list(call("few", rows=damaged, key=np.ones(3), k=3).values())
    assert sorted(found[0]) == [0, 2, 3] and abs(found[1].sum() - 1) < 1e-12


def test_a_memory_and_a_key_of_zeros(call: Call) -> None:
    at, read = call("dense", rows=np.zeros((4, 3)), key=np.zeros(3)).values()
    assert np.allclose(at, 0.25) and np.all(read == 0)
