"""What a file holds is looked at where `load` makes it: indices are inside, and records are as the library would have made them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """import graph
import safetensors
import sparse

record Saved<n, e>:
    arcs:   Graph<n, e>
    across: graph.Between<n, n, e>
    events: sparse f32[n]
    table:  sparse f32[n, n]

record Plain:
    events: f32[?]
    ids:    int[?]

record Indexed:
    events: f32[?]
    ids:    idx<3>[?]

proc main(which: int):
    let pairs = [(0, 1), (2, 1), (1, 2)]
    var kept = Saved(graph.from_arcs(3, pairs), graph.between(3, 3, pairs), sparse(3, [(1, 1.0), (2, 3.0)]), sparse(identity(3)))
    if which == 1:
        kept.arcs.in_edge = [0, 2, 1]
    if which == 2:
        kept.across.out_start = [0, 1, 3, 3]
    if which == 3:
        kept.events = sparse.Vector(stored=sparse.Entries(indices=[2, 1], values=[1.0, 3.0]))
    if which == 4:
        kept.events = sparse.Vector(stored=sparse.Entries(indices=[1, 1], values=[1.0, 3.0]))
    if which == 5:
        kept.table = sparse.Matrix(stored=sparse.Rows(starts=[0, 2, 1, 2], columns=[0, 1], values=[1.0, 3.0]))
    if which == 6:
        kept.table = sparse.Matrix(stored=sparse.Rows(starts=[0, 2, 2, 2], columns=[1, 0], values=[1.0, 3.0]))
    let again: Saved<3, 3> = safetensors.decode(safetensors.encode(kept))
    print(again == kept)
    if which == 7:
        let read: Indexed = safetensors.decode(safetensors.encode(Plain([0.5], [2, 3])))
        print(read)
"""
GRAPH = "the indices of a graph aren't those of its arcs: `graph.{}` makes them"
SAID = ["", GRAPH.format("from_lists"), GRAPH.format("between"),
        "the indices of a sparse vector don't grow: 1 comes after 2", "the indices of a sparse vector don't grow: 1 comes after 1",
        "the starts of a sparse matrix's rows don't grow from 0 to the number of entries, 2",
        "the columns of a sparse matrix don't grow in row 0: 0 comes after 1", "index 3 is outside 0..3"]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("load")
    (folder / "saved.dyn").write_text(PROGRAM, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "dynlang", "build", "saved.dyn", "-o", "saved"], cwd=folder, check=True)
    return folder / "saved"


@pytest.mark.parametrize("which", range(len(SAID)))
def test_what_was_saved_is_looked_at(program: Path, which: int) -> None:
    done = subprocess.run([program, "--which", str(which)], capture_output=True, text=True, timeout=60, check=False)
    if SAID[which]:
        assert done.returncode == 1 and done.stderr.startswith(f"error: {SAID[which]} (line ")
    else:
        assert (done.returncode, done.stdout) == (0, "true\n")
