"""W7, inference by minimising an energy and the gradient through it: `python benchmarks/w7.py SUITE [--peers jax,c-plain] [--rounds 3]`.

Dyn is measured by `energy.minimize` (dyn) and by a loop written out (dyn-loop).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workload import Timed, Work, Workload, main, once, write_safetensors

NAMES = {"a": "A", "b": "B", "c": "b", "w": "w"}
STEP = 2 * 2 * 128 * 32
"""Floating point operations of one inner step: W y and its transpose."""


def write(folder: Path, inputs: Any) -> None:
    write_safetensors(folder / "weights.safetensors", {name: inputs[key] for name, key in NAMES.items()})
    write_safetensors(folder / "samples.safetensors", {"xs": inputs["x"], "wanted": inputs["t"]})


def expected(module: Any, inputs: Any) -> Mapping[str, Any]:
    found, slope = module.reference(inputs)
    return {"found": found, "found_loop": found, "slope": slope, "slope_loop": slope}


def timed(what: str, word: str, checked: str, steps: int) -> tuple[Timed, Timed]:
    return (Timed(what, word, checked, once, lambda _: Work(steps * STEP)),
            Timed(what, f"{word}_loop", f"{checked}_loop", once, None, "dyn-loop"))


WORKLOAD = Workload(
    "W7", "w7_energy", "w7.dyn", "input", "50 gradient steps on an energy of 32 numbers", write, expected,
    (*timed("infer", "infer", "found", 50), *timed("train-grad", "grad", "slope", 150)),
    200, ("c-plain", "torch-autograd", "torch-hand", "jax", "torch-compile"))

if __name__ == "__main__":
    main(WORKLOAD, __doc__)
