"""W4, an epoch of a graph convolutional network on a graph of Cora's size: `python benchmarks/w4.py SUITE [--peers jax-sparse-x]`.

The inputs are made with SciPy, which must be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workload import Timed, Work, Workload, main, once


def write(folder: Path, inputs: Any) -> None:
    import numpy as np

    x = inputs["X"]
    whole = {name: array.astype(np.int64) for name, array in
             {"source": inputs["src"], "target": inputs["dst"], "row": x.indptr, "column": x.indices, "y": inputs["y"]}.items()}
    np.savez(folder / "inputs.npz", value=x.data, **whole, **{name: inputs[name] for name in ("W1", "b1", "W2", "b2")})


def expected(module: Any, inputs: Any) -> Mapping[str, Any]:
    return {"loss": module.reference(inputs)}


def work(inputs: Any) -> Work:
    """The products alone: each entry of X and of S takes a row of 16 numbers forward and one back, S one of 7 each way, too. Bytes are
    the rows that are read and written; they lie in the near caches."""
    entries, links = inputs["X"].nnz, inputs["S"].nnz
    numbers = 2 * entries * 16 + 2 * links * (16 + 7)
    return Work(2 * numbers, 4 * numbers, 4 * inputs["W1"].size)


WORKLOAD = Workload(
    "W4", "w4_gcn", "w4.dyn", "epoch", "GCN, 2,708 nodes, sparse features, whole graph", write, expected,
    (Timed("epoch", "epoch", "loss", once, work),), 500,
    ("c-csr", "torch-csr", "torch-dense-x", "pyg", "jax-dense-x", "jax-sparse-x"))

if __name__ == "__main__":
    main(WORKLOAD, __doc__)
