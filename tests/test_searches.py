"""Searches (`stdlib/search.dyn`): the design's programs run as they stand. What searches find is tested in `language/searches.dyn`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "programs"

MAKE = """
import nn

record Model<v, d>:
    embed: nn.Table<v, d>
    cell:  nn.GruCell<d, d>
    out:   nn.Linear<d, v>

proc main(to: str):
    var rng = Rng(seed=3)
    let m: Model<96, 64> = nn.init(&rng)
    save(m, to)
"""


def run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dynlang", "run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, cwd=folder).stdout


def test_the_cheapest_way_through_a_grid(tmp_path: Path) -> None:
    assert run(tmp_path, str(FOLDER / "grid.dyn")) == "(2, 2) 3.0\n"


def test_beam_search_over_characters(tmp_path: Path) -> None:
    (tmp_path / "make.dyn").write_text(MAKE)
    run(tmp_path, "make.dyn", "--to", "chars.safetensors")
    found = run(tmp_path, str(FOLDER / "beam.dyn"), "--length", "12")
    assert len(found) == 13 and found == run(tmp_path, str(FOLDER / "beam.dyn"), "--length", "12")
    wider = run(tmp_path, str(FOLDER / "beam.dyn"), "--length", "12", "--width", "1")
    assert len(wider) == 13


@pytest.mark.parametrize("name", ["search", "graph"])
def test_a_file_named_like_a_module_of_the_library_imports_that(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.dyn").write_text(f"import {name}\n\nproc main():\n    print(1)\n")
    assert run(tmp_path, f"{name}.dyn") == "1\n"
