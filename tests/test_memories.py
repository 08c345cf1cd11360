"""Memories (`stdlib/memory.dyn`): as handles of a C host, against NumPy, and what a step costs."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cost_measure import Plan, growth
from dynlang import pipeline
from marks import LONG

FOLDER = Path(__file__).parent
RECALL = FOLDER / "programs" / "recall.dyn"
NEEDS_CC = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

HOST = r"""
#include <stdio.h>
#include "recall.h"

int main(int count, char **arguments) {
    recall_context *context = recall_create();
    recall_Controller *controller;
    recall_Memory *memory;
    if (recall_Controller_load(context, 4, 16, 8, "controller.safetensors", &controller) != RECALL_OK) return 1;
    if (recall_Memory_load(context, 16, 8, "memory.safetensors", &memory) != RECALL_OK) return 2;
    for (int k = 0; k < 6; k++) {
        float x[4] = {0, 0, 0, 0}, y[4];
        x[k % 4] = 1;
        if (recall_step(context, controller, memory, x, y) != RECALL_OK) return 3;
        printf("%.6f %.6f %.6f %.6f\n", y[0], y[1], y[2], y[3]);
    }
    if (recall_Memory_save(context, memory, "after.safetensors") != RECALL_OK) return 4;
    recall_Memory_free(context, memory);
    recall_Controller_free(context, controller);
    printf("%d blocks left\n", (int)recall_live_blocks(context));
    recall_destroy(context);
    return 0;
}
"""

LAYERS = {"net": (12, 4), "out": (12, 4), "key": (4, 8), "read": (4, 8), "wipe": (4, 8), "add": (4, 8)}
Weights = dict[str, np.ndarray]


def controller(seed: int) -> Weights:
    """Weights of the design's controller with d = 4 and w = 8."""
    draw = np.random.default_rng(seed)
    weights = {f"{name}.w": draw.standard_normal((outputs, inputs)) for name, (inputs, outputs) in LAYERS.items()}
    biases = {f"{name}.b": draw.standard_normal(outputs) for name, (_, outputs) in LAYERS.items()}
    return {name: value.astype(np.float32) for name, value in (weights | biases).items()}


def save_file(tensors: Weights, path: Path) -> None:
    """A safetensors file of f32 arrays."""
    header, data = {}, b""
    for name, value in tensors.items():
        header[name] = {"dtype": "F32", "shape": value.shape, "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def load_file(path: Path) -> Weights:
    """The f32 arrays of a safetensors file."""
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    entries = {name: one for name, one in json.loads(content[8:start]).items() if name != "__metadata__"}
    return {name: np.frombuffer(content[start + one["data_offsets"][0]:start + one["data_offsets"][1]], np.float32).reshape(one["shape"])
            for name, one in entries.items()}


def run(folder: Path, *command: str) -> list[str]:
    """The lines that a command prints."""
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.splitlines()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def address(rows: np.ndarray, key: np.ndarray, strength: float) -> np.ndarray:
    """Content addressing, in NumPy."""
    return softmax(strength * (rows @ key) / (np.linalg.norm(rows, axis=1) * np.linalg.norm(key) + 1e-6))


def step(weights: Weights, rows: np.ndarray, last: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The design's `step` in NumPy: the rows, what was read last, and the result."""

    def layer(name: str, x: np.ndarray) -> np.ndarray:
        return weights[f"{name}.w"] @ x + weights[f"{name}.b"]

    h = np.tanh(layer("net", np.concatenate([x, last])))
    at = address(rows, layer("key", h), 5.0)
    rows = rows * (1 - np.outer(at, sigmoid(layer("wipe", h)))) + np.outer(at, layer("add", h))
    last = address(rows, layer("read", h), 5.0) @ rows
    return rows, last, layer("out", np.concatenate([h, last]))


@NEEDS_CC
def test_a_host_keeps_a_memory(tmp_path: Path) -> None:
    weights = controller(seed=1)
    rows, last = np.random.default_rng(2).standard_normal((16, 8)).astype(np.float32), np.zeros(8, np.float32)
    save_file(weights, tmp_path / "controller.safetensors")
    save_file({"rows": rows, "last_read": last}, tmp_path / "memory.safetensors")
    (tmp_path / "host.c").write_text(HOST)
    run(tmp_path, sys.executable, "-m", "dynlang", "build", str(RECALL), "--lib", "-o", "out")
    run(tmp_path, "cc", "-std=c99", "-Wall", "-Werror", "host.c", "-Iout", "out/librecall.a", "-lm", "-o", "host")
    *lines, left = run(tmp_path, "./host")
    for k, line in enumerate(lines):
        rows, last, expected = step(weights, rows, last, np.eye(4)[k % 4])
        assert np.allclose([float(one) for one in line.split()], expected, atol=2e-4)
    after = load_file(tmp_path / "after.safetensors")
    assert len(lines) == 6 and left == "0 blocks left"
    assert np.allclose(after["rows"], rows, atol=2e-4) and np.allclose(after["last_read"], last, atol=2e-4)


def test_recall_is_learned() -> None:
    losses = [float(line.split()[1]) for line in run(Path.cwd(), sys.executable, "-m", "dynlang", "run", str(RECALL), "--steps", "60")]
    assert len(losses) == 60 and losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize(("name", "slots"), [("sparse", (64, 1024)), ("few", (1024, 65536)), ("indexed", (64, 1024)),
                                             pytest.param("indexed", (1024, 65536), marks=LONG)])
def test_a_sparse_step_costs_what_it_touches(name: str, slots: tuple[int, int]) -> None:
    """Counted: what four steps more cost and save, at few slots and at many."""
    path = FOLDER / "costs" / "memories.dyn"
    core = pipeline.build(pipeline.Request(path, entries=(name,)), until="core")
    fixed = {"w": "2", "near": "np.arange(8 * t).reshape(t, 8) % s", "start": "np.sin(np.arange(s * w)).reshape(s, w)",
             "filled": "np.arange(16) * (s // 16)"}
    steps = []
    for s in slots:
        first, last = growth(core, name, Plan("t", (4, 8), {"s": str(s), **fixed}, ("start", "keys"))).costs
        steps.append([getattr(last, one) - getattr(first, one) for one in ("primal", "gradient", "saved")])
    exponents = np.log(np.array(steps[1]) / np.array(steps[0])) / np.log(slots[1] / slots[0])
    assert np.all(exponents < 0.05), (steps, exponents)


INDEX = """
import nearest

proc main(n: int):
    var rng = Rng(seed=2)
    let rows: f32[n, 32] = normal(n, 32, &rng)
    let mem: nearest.IndexedMemory<n, 32, 4> = nearest.memory_of(rows, &rng)
    var looked = 0
    var right = 0
    for j in 200:
        let i = j * (n // 200)
        let other: f32[32] = normal(32, &rng)
        let key = rows[i] + 0.25 * other
        looked += len(mem.index.candidates(key))
        if mem.address(key, 1).slots[0] == i:
            right += 1
    print(looked, right)
"""


def test_an_index_looks_at_few_slots_however_many_there_are(tmp_path: Path) -> None:
    """Counted in full memories: the slots that are looked at for a key near one of them, which is found (20 degrees off, mostly)."""
    (tmp_path / "index.dyn").write_text(INDEX)
    run(tmp_path, sys.executable, "-m", "dynlang", "build", "index.dyn")
    (few, found), (many, found_of_many) = ([int(one) for one in run(tmp_path, "./index", "--n", n)[0].split()] for n in ("1024", "65536"))
    assert np.log(many / few) / np.log(64) < 0.05 and many / 200 < 60
    assert found > 190 and found_of_many > 180


def test_nothing_of_all_slots_is_saved_in_a_step(tmp_path: Path) -> None:
    """`dync grad`: the polynomial of what is saved has no term in slots and trips; by methods that lend a record, too."""
    for path, name in [(FOLDER / "costs" / "memories.dyn", "sparse"), (FOLDER / "costs" / "memories.dyn", "few")]:
        first = run(tmp_path, sys.executable, "-m", "dynlang", "grad", str(path), name, "--wrt", "start", "--wrt", "keys")[0]
        assert "saves" in first and "s*t" not in first, first
