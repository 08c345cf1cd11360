"""The examples whose gradients are counted: layers and functions of the library, constructs, and the design's programs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from cost_measure import Growth, growth
from dynlang import pipeline
from dynlang.core.evaluate import evaluate
from dynlang.core.nodes import Module
from dynlang.grad import gradient_program

FOLDER = Path(__file__).parent / "costs"
PROGRAMS = Path(__file__).parent / "programs"
ENTRY = re.compile(r'^fn (\w+)[^\n]*:\n    """costs', re.M)


@dataclass(frozen=True)
class Example:
    """One function, as differentiation sees it; `addition` is text behind the program of `path`."""

    name: str
    path: Path
    function: str
    addition: str = ""

    def core(self) -> Module:
        return _core(self.path, self.addition, self.function)

    def measure(self, copies: bool = False) -> Growth:
        return growth(self.core(), self.function, copies=copies)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """The gradient of a function of one vector, by the interpreter."""
        made = gradient_program(self.core(), self.function)
        return evaluate(made, f"{self.function}_grad", [np.int64(len(x)), x])[-1]


@cache
def _core(path: Path, addition: str, function: str) -> Module:
    if not addition:
        entries = tuple(ENTRY.findall(path.read_text(encoding="utf-8")))
        return pipeline.build(pipeline.Request(path, entries=entries), until="core")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / path.name
        whole.write_text(f"{path.read_text(encoding='utf-8')}\n{addition}", encoding="utf-8")
        return pipeline.build(pipeline.Request(whole, entries=(function,)), until="core")


def examples() -> Iterator[Example]:
    for path in (FOLDER / "constructs.dyn", FOLDER / "layers.dyn", FOLDER / "functions.dyn", FOLDER / "memories.dyn"):
        for function in ENTRY.findall(path.read_text(encoding="utf-8")):
            yield Example(f"{path.stem}.{function}", path, function)
    seen: dict[str, int] = {}
    for part in (FOLDER / "programs.txt").read_text(encoding="utf-8").split("\n## ")[1:]:
        program, _, addition = part.partition("\n")
        seen[program] = seen.get(program, 0) + 1
        yield Example(f"programs.{program}{seen[program] if seen[program] > 1 else ''}", PROGRAMS / f"{program}.dyn", "counted", addition)
