"""W11, two layers of 4,096 units of which 2 % are active: `python benchmarks/w11.py SUITE [--peers torch-embedding_bag] [--rounds 3]`.

Weights are handed over row by input, as to `torch.nn.functional.embedding_bag`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workload import Timed, Work, Workload, main, write_safetensors


def write(folder: Path, inputs: Any) -> None:
    import numpy as np

    x = np.zeros((len(inputs["idx"]), len(inputs["W1"])), np.float32)
    for row, places, values in zip(x, inputs["idx"], inputs["val"], strict=True):
        row[places] = values
    write_safetensors(folder / "weights.safetensors", {"w1": inputs["W1"].T.copy(), "w2": inputs["W2"].T.copy()})
    write_safetensors(folder / "inputs.safetensors", {"x": x})


def expected(module: Any, inputs: Any) -> Mapping[str, Any]:
    return {"unit": module.reference(inputs)}


def work(inputs: Any) -> Work:
    """The weights of active units in two layers."""
    touched = 2 * inputs["idx"].shape[1] * len(inputs["W1"])
    return Work(2 * touched, 4 * touched, 4 * (inputs["W1"].size + inputs["W2"].size))


WORKLOAD = Workload(
    "W11", "w11_sparse", "w11.dyn", "input", "4,096-4,096-4,096, 2 % of the units active", write, expected,
    (Timed("infer", "infer", "unit", lambda inputs: len(inputs["idx"]), work),), 25,
    ("c-event", "numpy-dense", "torch-dense", "torch-gather", "torch-embedding_bag", "numpy-gather", "scipy"))

if __name__ == "__main__":
    main(WORKLOAD, __doc__)
