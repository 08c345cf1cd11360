"""W8, a memory network over 40 steps, forward and with its gradient: `python benchmarks/w8.py SUITE [--peers jax,torch] [--rounds 3]`.

The reference is what torch computes in f64; the suite's torch peer makes it, so it is measured first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workload import Timed, Work, Workload, main, once, write_safetensors

NAMES = {"inputs": "W", "hidden": "U", "bias": "b", "heads.w": "Wp", "heads.b": "bp", "out.w": "Wo", "out.b": "bo", "start": "M0"}


def write(folder: Path, inputs: Any) -> None:
    write_safetensors(folder / "weights.safetensors", {name: inputs[key] for name, key in NAMES.items()})
    write_safetensors(folder / "sequence.safetensors", {"xs": inputs["x"], "wanted": inputs["t"]})


def expected(module: Any, inputs: Any) -> Mapping[str, Any]:
    reference = module.ref_file()
    return {"loss": reference["l"], "start": reference["g"]}


def work(inputs: Any) -> Work:
    """The products of 40 steps: controller, interface, output, and five heads that go over the memory twice."""
    weights = sum(inputs[name].size for name in ("W", "U", "Wp", "Wo"))
    return Work(40 * (2 * weights + 5 * 2 * 2 * inputs["M0"].size), 40 * 4 * weights, 4 * weights)


WORKLOAD = Workload(
    "W8", "w8_memory", "w8.dyn", "sequence", "LSTM with a memory of 128 x 32, 40 steps", write, expected,
    (Timed("fwd", "fwd", "loss", once, work),
     Timed("grad", "grad", "start", once, lambda inputs: Work(3 * work(inputs).operations, 2 * work(inputs).moved, work(inputs).within))),
    200, ("torch", "jax"))

if __name__ == "__main__":
    main(WORKLOAD, __doc__)
