"""Long straight lines are cut into pieces of bounded length, and mean what they meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dynlang import pipeline
from dynlang.native.lower import outline
from scale_programs import straight_gradient
from test_language import FOLDER, wrong

SHORT = ("sums", "records", "lists", "text", "control", "function_values", "everyday_gradients")


@pytest.mark.parametrize("name", SHORT)
def test_programs_in_small_pieces_give_the_same(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Everything that can cross from one piece to another does: sizes, blocks, booleans, fields, values of loops."""
    monkeypatch.setattr(outline, "LONGEST", 6)
    monkeypatch.setattr(outline, "OWN", 2)
    monkeypatch.setattr(outline, "PIECE", 3)
    assert not wrong(FOLDER / f"{name}.dyn", 0, oracle=False)


def test_pieces_leave_every_bit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from dynlang.native.jit import compile_module

    path = tmp_path / "program.dyn"
    path.write_text(straight_gradient(12).partition("\nproc main")[0]
                    + "\n\nfn slope(x: f32) -> f32:\n    return grad(f)(x)\n", encoding="utf-8")
    ssa = pipeline.build(pipeline.Request(path, entries=("slope",)), until="opt")
    found = []
    for longest in (100_000, 10):
        monkeypatch.setattr(outline, "LONGEST", longest)
        monkeypatch.setattr(outline, "OWN", 2)
        monkeypatch.setattr(outline, "PIECE", 5)
        found += [compile_module(ssa, level, ["slope"], cache=False).call("slope", [0.5]) for level in (0, 2)]
    assert found == [found[0]] * 4 and found[0][0] != 0.0, found


@pytest.mark.parametrize("statements", [1_500, 4_000])
def test_what_llvm_sees_at_once_is_bounded(tmp_path: Path, statements: int) -> None:
    """However long a straight line is, the instructions between two functions, or fences, are some thousand."""
    path = tmp_path / "program.dyn"
    path.write_text(straight_gradient(statements), encoding="utf-8")
    text = pipeline.build(pipeline.Request(path))
    lengths = [one.count("\n") for one in re.split(r"^define|^ *call void asm", text, flags=re.MULTILINE)]
    assert max(lengths) < 4 * outline.LONGEST, sorted(lengths)[-5:]
