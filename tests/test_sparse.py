"""Sparse values (`stdlib/sparse.dyn`): against NumPy, in files and in C, and what a step costs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cost_measure import Plan, growth
from dyn_calls import callable_program
from dynlang import pipeline

PROGRAM = '''
import sparse

fn products(i: int[?k], j: int[k], u: f64[k], p: int[?l], q: int[l], v: f64[l], x: f64[6],
            y: f64[5]) -> (f64[5, 5], f64[5], f64[6], f64[5, 6]):
    let a = sparse.matrix(5, 6, i, j, u)
    let b = sparse.matrix(5, 6, p, q, v)
    return dense(a @ transpose(b)), a @ x, y @ a, dense(a * b + 2.0 * a - b)

fn compressed<k>(i: int[k], j: int[k], u: f64[k]) -> (int[6], int[?], f64[?]):
    let a = sparse.matrix(5, 6, i, j, u)
    return a.starts, a.columns, a.values

fn sum_of<n>(a: sparse f64[n]) -> f64:
    return sum(a)

export fn made<k>(m: int, n: int, rows: int[k], columns: int[k], values: f32[k]) -> sparse f32[m, n]:
    return sparse.matrix(m, n, rows, columns, values)

export fn times<m, n>(a: sparse f32[m, n], x: f32[n]) -> f32[m]:
    return a @ x

export fn strongest<n>(x: f32[n], k: int) -> sparse f32[n]:
    return top_k(x, k)

export fn total<n>(a: sparse f32[n]) -> f32:
    return sum(a)
'''

COSTS = '''
import nn
import sparse

record Weights<n, h>:
    rows: nn.Table<n, h, f64>

fn touched<n, h, k>(m: Weights<n, h>, at: idx<n>[k], values: f64[k]) -> f64:
    let a: sparse f64[n] = sparse.Vector(stored=sparse.Entries(indices=at, values=values))
    return sum((a @ m.rows.rows) ** 2)

fn mixture<e, n, k>(experts: f64[e, n, n], gate: f64[k], at: idx<e>[k], x: f64[n]) -> f64:
    let chosen: sparse f64[e] = sparse.Vector(stored=sparse.Entries(indices=at, values=gate))
    return sum(sum(tanh(experts[i] @ x) * v for i, v in zip(chosen.indices, chosen.values)))
'''

HOST = r'''
#include <stdio.h>
#include "events.h"

int main(void) {
    events_context *context = events_create();
    const int64_t rows[] = {2, 0, 2}, columns[] = {1, 3, 1};
    const float values[] = {1.5f, -2.0f, 0.5f}, x[] = {1, 2, 3, 4};
    float y[3], sum;
    events_Matrix *a;
    events_Vector *b;
    if (events_made(context, 3, 3, 4, rows, columns, values, &a) || events_times(context, a, x, y)) return 1;
    printf("%g %g %g\n", y[0], y[1], y[2]);
    if (events_strongest(context, 4, x, 2, &b) || events_total(context, b, &sum)) return 1;
    events_Matrix_free(context, a);
    events_Vector_free(context, b);
    printf("%g %d\n", sum, (int)events_live_blocks(context));
    printf("%d\n", events_strongest(context, 4, x, 5, &b) != 0);
    events_destroy(context);
    return 0;
}
'''


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sparse") / "events.dyn"
    path.write_text(PROGRAM)
    return path


def entries(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values in any order, some places twice, and the dense matrix."""
    random = np.random.default_rng(seed)
    i, j, values = random.integers(5, size=count), random.integers(6, size=count), random.standard_normal(count)
    dense = np.zeros((5, 6))
    np.add.at(dense, (i, j), values)
    return i, j, values, dense


def test_against_numpy(program: Path) -> None:
    with callable_program(program, ("products", "compressed"), "2") as call:
        for seed, (first, second) in enumerate([(12, 9), (0, 7), (30, 60), (1, 0)]):
            i, j, u, a = entries(seed, first)
            p, q, v, b = entries(seed + 10, second)
            x, y = np.arange(6.0) - 2.5, np.arange(5.0) + 0.5
            found = call("products", i=i, j=j, u=u, p=p, q=q, v=v, x=x, y=y)
            for name, expected in zip("0123", (a @ b.T, a @ x, y @ a, a * b + 2 * a - b), strict=True):
                np.testing.assert_allclose(found[f"result.{name}"], expected, atol=1e-12)
            rows = call("compressed", i=i, j=j, u=u)
            places = sorted(set(zip(i.tolist(), j.tolist(), strict=True)))
            assert rows["result.0"].tolist() == np.searchsorted([one for one, _ in places], np.arange(6)).tolist()
            assert rows["result.1"].tolist() == [column for _, column in places]
            np.testing.assert_allclose(rows["result.2"], [a[place] for place in places], atol=1e-12)


def test_entries_come_and_go_as_arrays(program: Path) -> None:
    def called(indices: list[int]) -> subprocess.CompletedProcess[str]:
        stored = {"a.stored.indices": np.array(indices), "a.stored.values": np.array([1.5, 2.0])}
        np.savez(program.parent / "a.npz", **stored, n=np.int64(4))  # type: ignore[arg-type]
        command = [sys.executable, "-m", "dynlang", "call", program, "sum_of", "--in", program.parent / "a.npz"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert called([1, 3]).stdout == "result f64[] 3.5\n"
    assert "the index 4, which is outside 0..4" in called([1, 4]).stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_handles_in_c(program: Path) -> None:
    folder = program.parent
    (folder / "host.c").write_text(HOST)
    subprocess.run([sys.executable, "-m", "dynlang", "build", program, "--lib", "-o", "out"], cwd=folder, check=True, capture_output=True)
    compiler = ["cc", "-std=c99", "-Wall", "-Werror", "host.c", "-Iout", "out/libevents.a", "-lm", "-o", "host"]
    subprocess.run(compiler, cwd=folder, check=True)
    done = subprocess.run(["./host"], cwd=folder, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["-8 0 4", "7 0", "1"]


@pytest.mark.parametrize(("name", "wrt"), [("touched", ("m", "values")), ("mixture", ("gate", "x"))])
def test_a_step_costs_what_it_touches(name: str, wrt: tuple[str, ...], tmp_path: Path) -> None:
    """Counted: what a gradient costs and saves with few rows or experts, and with many."""
    path = tmp_path / "costs.dyn"
    path.write_text(COSTS)
    core = pipeline.build(pipeline.Request(path, entries=(name,)), until="core")
    size = {"touched": "n", "mixture": "e"}[name]
    fixed = {"k": "3", "h": "4", "n": "4", "at": f"np.arange(3) * ({size} // 4)"}
    fixed.pop(size, None)
    first, last = growth(core, name, Plan(size, (16, 1024), fixed, wrt)).costs
    assert (first.primal, first.gradient, first.saved) == (last.primal, last.gradient, last.saved)
