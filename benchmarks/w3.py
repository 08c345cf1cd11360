"""W3, a network of 784, 512, 512 and 10 units at batch size one: `python benchmarks/w3.py SUITE [--peers ort,jax] [--rounds 3]`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workload import Timed, Work, Workload, main, write_safetensors

LAYERS = ("first", "second", "third")
WEIGHTS = 784 * 512 + 512 * 512 + 512 * 10


def write(folder: Path, inputs: Any) -> None:
    weights = {f"{layer}.{part}": inputs[f"{part.upper() if part == 'w' else part}{place}"]
               for place, layer in enumerate(LAYERS, 1) for part in ("w", "b")}
    write_safetensors(folder / "weights.safetensors", weights)
    write_safetensors(folder / "samples.safetensors", {"xs": inputs["x"], "labels": inputs["y"]})


def expected(module: Any, inputs: Any) -> Mapping[str, Any]:
    logits, losses = module.reference(inputs)
    return {"logit": logits, "trained": losses}


WORKLOAD = Workload(
    "W3", "w3_mlp", "w3.dyn", "input", "MLP 784-512-512-10, batch size one", write, expected,
    (Timed("infer", "infer", "logit", lambda inputs: len(inputs["y"]), lambda _: Work(2 * WEIGHTS, 4 * WEIGHTS, 4 * WEIGHTS)),
     Timed("train", "train", "trained", lambda inputs: len(inputs["y"]), lambda _: Work(6 * WEIGHTS, 12 * WEIGHTS, 4 * WEIGHTS))),
    40, ("c-openblas", "c-plain", "torch", "ort", "jax", "torch-compile"))

if __name__ == "__main__":
    main(WORKLOAD, __doc__)
