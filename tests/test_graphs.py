"""Graphs: the design's programs run as they stand, and layers give what their formulas give, written out in NumPy."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dyn_calls import Call, callable_program
from marks import LONG

FOLDER = Path(__file__).parent
Array = np.ndarray


def output(name: str, *flags: str) -> str:
    command = [sys.executable, "-m", "dynlang", "run", str(FOLDER / "programs" / name), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


def test_a_convolutional_network_learns() -> None:
    losses = [float(one) for one in re.findall(r"epoch \d+: (\S+)", output("gcn.dyn"))]
    assert len(losses) == 50 and losses[-1] < 0.5 * losses[0]


def test_energy_of_a_molecule() -> None:
    assert np.isfinite(float(output("mpnn.dyn")))


LARGE = """
import gnn
import graph
import nn

fn loss<n, e>(m: gnn.Gcn<8, 8>, g: Graph<n, e>, x: f32[n, 8]) -> f32:
    return mean(row @ row for row in m(g, x))

proc main(n: int = 1000000, e: int = 10000000):
    let g = graph.from_lists(n, [(k * 7919 + k // 13) % n for k in e], [(k * 104729 + k // 7) % n for k in e])
    var rng = Rng(seed=1)
    let x: f32[n, 8] = normal(n, 8, &rng)
    var m: gnn.Gcn<8, 8> = nn.init(&rng)
    for _ in 3:
        let l, d = value_and_grad(loss)(m, g, x)
        sgd(&m, d, 0.1)
        print(l)
    print(sum(g.out_degree(v) for v in g.nodes))
"""


@LONG
def test_a_large_graph_in_little_memory(tmp_path: Path) -> None:
    """A million nodes and ten million arcs load and train within 4 GB; measured: half a GB."""
    (tmp_path / "large.dyn").write_text(LARGE)
    subprocess.run([sys.executable, "-m", "dynlang", "build", "large.dyn"], cwd=tmp_path, check=True, timeout=300)
    limited = ["bash", "-c", "ulimit -v 4000000 && exec ./large"]
    *losses, arcs = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300).stdout.split()
    assert arcs == "10000000" and float(losses[2]) < float(losses[0])


# ---------------------------------------------------------------- layers, written out

random = np.random.default_rng(11)
NODES, ARCS = 6, 14
arcs = random.integers(NODES - 1, size=(ARCS, 2))
arcs[1], arcs[2] = arcs[0], (2, 2)
x = random.standard_normal((NODES, 3))
bond = random.standard_normal((ARCS, 2))


def into(v: int) -> list[int]:
    """The arcs into a node."""
    return [k for k, (_, target) in enumerate(arcs) if target == v]


def heard(v: int, h: Array) -> list[Array]:
    return [h[arcs[k, 0]] for k in into(v)]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def gru(w: dict[str, Array], message: Array, h: Array) -> Array:
    reset, keep = np.split(sigmoid(w["m.update.gates.w"] @ np.concatenate([message, h]) + w["m.update.gates.b"]), 2)
    fresh = np.tanh(w["m.update.candidate.w"] @ np.concatenate([message, reset * h]) + w["m.update.candidate.b"])
    return (1 - keep) * h + keep * fresh


def gcn(w: dict[str, Array]) -> Array:
    adjacency = np.eye(NODES)
    for source, target in arcs:
        adjacency[target, source] += 1
    scale = np.diag(adjacency.sum(axis=1) ** -0.5)
    return scale @ adjacency @ scale @ x @ w["m.w"] + w["m.bias"]


def sage(w: dict[str, Array]) -> Array:
    mean = [np.mean(heard(v, x), axis=0) if into(v) else np.zeros(3) for v in range(NODES)]
    return x @ w["m.own"] + np.array(mean) @ w["m.heard"] + w["m.bias"]


def sage_max(w: dict[str, Array]) -> Array:
    h = np.maximum(x @ w["m.pool.w"].T + w["m.pool.b"], 0)
    most = [np.max(heard(v, h), axis=0) if into(v) else np.zeros(4) for v in range(NODES)]
    return x @ w["m.own"] + np.array(most) @ w["m.heard"] + w["m.bias"]


def gat(w: dict[str, Array]) -> Array:
    heads = []
    for k in range(2):
        h = x @ w["m.w"][:, 3 * k:3 * k + 3]
        rows = []
        for v in range(NODES):
            others = np.array([h[v], *heard(v, h)])
            scores = others @ w["m.from"][k] + h[v] @ w["m.to"][k]
            weights = np.exp(np.where(scores > 0, scores, 0.2 * scores))
            rows.append(weights @ others / weights.sum())
        heads.append(np.array(rows))
    return np.concatenate(heads, axis=1) + w["m.bias"]


def gin(w: dict[str, Array]) -> Array:
    z = (1 + w["m.eps"]) * x + np.array([np.sum(heard(v, x), axis=0) + np.zeros(3) for v in range(NODES)])
    return np.maximum(z @ w["m.mlp.first.w"].T + w["m.mlp.first.b"], 0) @ w["m.mlp.second.w"].T + w["m.mlp.second.b"]


def mpnn(w: dict[str, Array]) -> Array:
    h = x
    for _ in range(2):
        message = [(w["m.matrix.w"] @ bond[k] + w["m.matrix.b"]).reshape(3, 3) @ h[arcs[k, 0]] for k in range(ARCS)]
        h = np.array([gru(w, w["m.bias"] + sum(message[k] for k in into(v)), h[v]) for v in range(NODES)])
    return h


def gated(w: dict[str, Array]) -> Array:
    h = x
    for _ in range(2):
        there, back = (h @ w[f"m.{name}.w"].T + w[f"m.{name}.b"] for name in ("along", "against"))
        messages = [np.concatenate([sum(heard(v, there), np.zeros(3)), sum((back[b] for a, b in arcs if a == v), np.zeros(3))])
                    for v in range(NODES)]
        h = np.array([gru(w, messages[v], h[v]) for v in range(NODES)])
    return h


kind = random.integers(2, size=ARCS)


def relational(w: dict[str, Array]) -> Array:
    y = x @ w["m.own"] + w["m.bias"]
    for r in range(2):
        for v in range(NODES):
            chosen = [x[arcs[k, 0]] @ w["m.w"][r] for k in into(v) if kind[k] == r]
            y[v] += np.mean(chosen, axis=0) if chosen else 0
    return y


GRU = {"update.gates.w": (6, 6), "update.gates.b": (6,), "update.candidate.w": (3, 6), "update.candidate.b": (3,)}
LAYERS: list[tuple[Callable[[dict[str, Array]], Array], dict[str, tuple[int, ...]], dict[str, Array]]] = [
    (gcn, {"w": (3, 4), "bias": (4,)}, {}),
    (sage, {"own": (3, 4), "heard": (3, 4), "bias": (4,)}, {}),
    (sage_max, {"pool.w": (4, 3), "pool.b": (4,), "own": (3, 2), "heard": (4, 2), "bias": (2,)}, {}),
    (gat, {"w": (3, 6), "from": (2, 3), "to": (2, 3), "bias": (6,)}, {}),
    (gin, {"eps": (), "mlp.first.w": (5, 3), "mlp.first.b": (5,), "mlp.second.w": (2, 5), "mlp.second.b": (2,)}, {}),
    (mpnn, {"matrix.w": (9, 2), "matrix.b": (9,), "bias": (3,), **GRU}, {"bond": bond}),
    (gated, {"along.w": (3, 3), "along.b": (3,), "against.w": (3, 3), "against.b": (3,), **GRU, "update.gates.w": (6, 9),
             "update.candidate.w": (3, 9)}, {}),
    (relational, {"w": (2, 3, 4), "own": (3, 4), "bias": (4,)}, {"kind": kind}),
]


OTHERS = ["laplacian", "eigenvectors", "chebyshev", "top_k_pool", "readout", "cross", "mesh_conv", "pooled", "arc_softmax",
          "relational_over", "spectral"]


@pytest.fixture(scope="module")
def call() -> Iterator[Call]:
    with callable_program(FOLDER / "language" / "_graph_layers.dyn", [layer.__name__ for layer, _, _ in LAYERS] + OTHERS, "2") as found:
        yield found


@pytest.mark.parametrize(("layer", "shapes", "more"), LAYERS, ids=lambda one: getattr(one, "__name__", ""))
def test_a_layer_is_its_formula(call: Call, layer: Callable[[dict[str, Array]], Array], shapes: dict[str, tuple[int, ...]],
                                more: dict[str, Array]) -> None:
    weights = {f"m.{name}": np.asarray(random.standard_normal(shape)) for name, shape in shapes.items()}
    found = call(layer.__name__, **weights, arcs=arcs, x=x, **more)["result"]
    assert np.allclose(found, layer(weights), rtol=0, atol=1e-12)


def test_a_softmax_over_what_a_node_hears(call: Call) -> None:
    """Scores far apart, and so large that their exponentials overflow."""
    scores = random.standard_normal(ARCS) * 30 + 800
    weights = np.exp(scores - scores.max(), dtype=np.longdouble)
    expected = [weights[k] / weights[into(arcs[k, 1])].sum() for k in range(ARCS)]
    assert np.allclose(call("arc_softmax", n=NODES, arcs=arcs, scores=scores)["result"], np.array(expected, float), rtol=1e-12, atol=0)


def test_a_graph_for_each_kind_of_arc(call: Call) -> None:
    w = {"m.w": random.standard_normal((2, 3, 4)), "m.own": random.standard_normal((3, 4)), "m.bias": random.standard_normal(4)}
    parts = [arcs[kind == r] for r in range(2)]
    matrices = [np.zeros((NODES, NODES)) for _ in parts]
    for matrix, part in zip(matrices, parts, strict=True):
        np.add.at(matrix, (part[:, 1], part[:, 0]), 1)
    means = [matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1) for matrix in matrices]
    expected = x @ w["m.own"] + w["m.bias"] + sum(mean @ x @ one for mean, one in zip(means, w["m.w"], strict=True))
    found = call("relational_over", **w, arcs=parts[0], others=parts[1], x=x)["result"]
    assert min(map(len, parts)) > 0 and np.allclose(found, expected, rtol=0, atol=1e-12)


# ---------------------------------------------------------------- pooling, nodes of two kinds, meshes


def test_pooling_by_top_k(call: Call) -> None:
    direction = random.standard_normal((1, 3))
    nodes, edges, pooled = call("top_k_pool", **{"m.direction": direction}, arcs=arcs, x=x, k=3).values()
    score = x @ direction[0] / np.linalg.norm(direction)
    assert nodes.tolist() == np.argsort(-score)[:3].tolist()
    assert edges.tolist() == [k for k, (a, b) in enumerate(arcs) if a in nodes and b in nodes]
    assert np.allclose(pooled, np.tanh(score[nodes])[:, None] * x[nodes], rtol=0, atol=1e-12)


def test_readout(call: Call) -> None:
    w = {f"m.{name}": random.standard_normal(shape) for name, shape in
         {"gate.w": (2, 7), "gate.b": (2,), "value.w": (2, 7), "value.b": (2,)}.items()}
    states = random.standard_normal((NODES, 4))
    both = np.concatenate([states, x], axis=1)
    expected = sigmoid(both @ w["m.gate.w"].T + w["m.gate.b"]) * np.tanh(both @ w["m.value.w"].T + w["m.value.b"])
    assert np.allclose(call("readout", **w, states=states, x=x)["result"], expected.sum(axis=0), rtol=0, atol=1e-12)


def test_nodes_of_two_kinds(call: Call) -> None:
    w = {f"layer.{name}": random.standard_normal(shape) for name, shape in {"heard": (3, 2), "own": (1, 2), "bias": (2,)}.items()}
    y, between = random.standard_normal((4, 1)), np.array([(5, 0), (0, 3), (2, 0), (5, 0)])
    heard = [[x[a] for a, b in between if b == v] for v in range(4)]
    mean = np.array([np.mean(one, axis=0) if one else np.zeros(3) for one in heard])
    expected = y @ w["layer.own"] + mean @ w["layer.heard"] + w["layer.bias"]
    assert np.allclose(call("cross", **w, arcs=between, x=x, y=y)["result"], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("turn", range(3))
def test_mesh_convolution(call: Call, turn: int) -> None:
    """Two triangles of a square with an edge in common; it doesn't count which comes first and where they begin."""
    faces = np.array([[0, 1, 2], [2, 1, 3]])[::1 if turn < 2 else -1]
    faces = np.roll(faces, turn, axis=1)
    features = {frozenset(one): random.standard_normal(2) for one in ((0, 1), (1, 2), (0, 2), (1, 3), (2, 3))}
    w, bias = random.standard_normal((5, 2, 3)), random.standard_normal(3)
    order = list(dict.fromkeys(frozenset((face[j], face[(j + 1) % 3])) for face in faces.tolist() for j in range(3)))
    ends, found = call("mesh_conv", **{"m.w": w, "m.bias": bias}, n=4, faces=faces, x=np.array([features[one] for one in order])).values()
    assert [frozenset(one) for one in ends.tolist()] == order
    nothing = [np.zeros(2), np.zeros(2)]
    first, second = ([features[frozenset(one)] for one in sides] for sides in (((0, 2), (0, 1)), ((1, 3), (2, 3))))
    own = {frozenset((1, 2)): (first, second), frozenset((0, 1)): ([features[frozenset((1, 2))], features[frozenset((0, 2))]], nothing)}
    for edge, ((a, b), (c, d)) in own.items():
        terms = [features[edge], abs(a - c), a + c, abs(b - d), b + d]
        assert np.allclose(found[order.index(edge)], sum(t @ m for t, m in zip(terms, w, strict=True)) + bias, rtol=0, atol=1e-12)


def test_pooling_of_unions(call: Call) -> None:
    sums, means, largest = call("pooled", sizes=np.array([2, 0, 4]), x=x).values()
    parts = [x[:2], x[2:]]
    assert np.allclose(sums, [parts[0].sum(axis=0), np.zeros(3), parts[1].sum(axis=0)], rtol=0, atol=1e-12)
    assert np.allclose(means, [parts[0].mean(axis=0), np.zeros(3), parts[1].mean(axis=0)], rtol=0, atol=1e-12)
    assert np.array_equal(largest, [parts[0].max(axis=0), np.full(3, -np.inf), parts[1].max(axis=0)])


# ---------------------------------------------------------------- spectra


def matrices() -> tuple[Array, Array, Array]:
    """The Laplacian, the normalised one and the adjacency."""
    adjacency = np.zeros((NODES, NODES))
    for source, target in arcs:
        adjacency[target, source] += 1
    degree = adjacency.sum(axis=1)
    scale = np.where(degree > 0, np.maximum(degree, 1) ** -0.5, 0)
    return np.diag(degree) - adjacency, np.diag(1.0 * (degree > 0)) - scale[:, None] * adjacency * scale, adjacency


def test_laplacians(call: Call) -> None:
    plain, even, adjacency = matrices()
    found = list(call("laplacian", arcs=arcs, x=x[:, 0]).values())
    for one, other in zip(found, (plain, even, adjacency, even @ x[:, 0]), strict=True):
        assert np.allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("count", [1, 4, NODES])
def test_eigenvectors(call: Call, count: int, largest: bool) -> None:
    """Two components, so the eigenvalue 0 is there twice."""
    adjacency = matrices()[2] + matrices()[2].T
    laplacian = np.diag(adjacency.sum(axis=1)) - adjacency
    expected = np.sort(np.linalg.eigvalsh(laplacian))[::-1 if largest else 1][:count]
    values, vectors, filtered = call("eigenvectors", arcs=arcs, x=x[:, 0], k=count, largest=largest).values()
    assert np.allclose(values, expected, rtol=0, atol=1e-12)
    assert np.allclose(vectors @ vectors.T, np.eye(count), rtol=0, atol=1e-12)
    assert np.allclose(vectors @ laplacian, values[:, None] * vectors, rtol=0, atol=1e-11)
    gains = np.diag(np.arange(1.0, count + 1))
    assert np.allclose(filtered[:, 0], vectors.T @ gains @ vectors @ x[:, 0], rtol=0, atol=1e-12)


def test_convolution_in_the_spectrum(call: Call) -> None:
    """The filter as one matrix from all features of all nodes to all features of all nodes."""
    values, waves = np.linalg.eigh(matrices()[2] + matrices()[2].T)
    values, vectors, filters = values[:4], waves.T[:4], random.standard_normal((4, 3, 2))
    whole = sum(np.kron(np.outer(wave, wave), w.T) for wave, w in zip(vectors, filters, strict=True))
    found = call("spectral", **{"m.filters": filters}, values=values, vectors=vectors, x=x)["result"]
    assert np.allclose(found.ravel(), whole @ x.ravel(), rtol=0, atol=1e-12)


def test_a_large_spectrum(call: Call) -> None:
    """A grid of pixels, whose eigenvalues are known and mostly there twice."""
    size = 14
    edges = [(size * i + j, size * i + j + 1) for i in range(size) for j in range(size - 1)]
    edges += [(size * i + j, size * i + size + j) for i in range(size - 1) for j in range(size)]
    waves = 2 - 2 * np.cos(np.pi * np.arange(size) / size)
    values, *_ = call("eigenvectors", arcs=np.array(edges), x=np.zeros(size * size), k=9, largest=False).values()
    assert np.allclose(values, np.sort((waves[:, None] + waves).ravel())[:9], rtol=0, atol=1e-12)


def test_chebyshev_filters(call: Call) -> None:
    filters = random.standard_normal((4, 3, 2))
    scaled = 2 / 1.5 * matrices()[1] - np.eye(NODES)
    powers = [np.eye(NODES), scaled]
    powers += [2 * scaled @ powers[1] - powers[0]]
    powers += [2 * scaled @ powers[2] - powers[1]]
    found = call("chebyshev", filters=filters, arcs=arcs, x=x)["result"]
    assert np.allclose(found, sum(t @ x @ w for t, w in zip(powers, filters, strict=True)), rtol=0, atol=1e-12)


def test_a_filter_of_a_constant() -> None:
    assert output("chebyshev.dyn") == "[[2.0], [2.0], [2.0], [2.0]]\n"
