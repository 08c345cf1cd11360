"""W2, a language model of one LSTM layer, one sentence at a time: `python benchmarks/w2.py SUITE [--peers ort,jax] [--rounds 3]`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workload import Timed, Work, Workload, main, write_safetensors

NAMES = {"words.rows": "E", "inputs": "W", "hidden": "U", "bias": "b", "out.w": "Wo", "out.b": "bo"}
RECURRENT = 1024 * 256
WEIGHTS = 2 * RECURRENT + 2000 * 256
"""Numbers in the matrices that each token goes through. All but the recurrent one can be read once for a whole sentence."""


def write(folder: Path, inputs: Any) -> None:
    import numpy as np

    write_safetensors(folder / "weights.safetensors", {name: inputs[key] for name, key in NAMES.items()})
    np.savez(folder / "corpus.npz", words=inputs["w"].astype(np.int64), starts=inputs["off"].astype(np.int64))


def expected(module: Any, inputs: Any) -> Mapping[str, Any]:
    losses, trained = module.reference(inputs)
    return {"loss": losses, "trained": trained}


def tokens(inputs: Any) -> float:
    """Predicted words in all sentences."""
    return len(inputs["w"]) - (len(inputs["off"]) - 1)


WORKLOAD = Workload(
    "W2", "w2_lstmlm", "w2.dyn", "token", "LSTM language model, width 256, 2,000 words", write, expected,
    (Timed("infer", "infer", "loss", tokens, lambda _: Work(2 * WEIGHTS, 4 * RECURRENT, 4 * WEIGHTS)),
     Timed("train", "train", "trained", tokens, lambda _: Work(6 * WEIGHTS, 8 * RECURRENT, 4 * WEIGHTS))),
    5, ("c-openblas", "torch-nn.LSTM", "torch-cell", "ort", "jax", "dynet"))

if __name__ == "__main__":
    main(WORKLOAD, __doc__)
