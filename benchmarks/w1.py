"""W1, a binary TreeLSTM of width 128, one tree at a time: `python benchmarks/w1.py SUITE [--peers jax,torch-node] [--rounds 3]`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workload import Timed, Work, Workload, main, write_safetensors

NAMES = {"embed.rows": "E", "leaf": "W", "node": "U", "bias": "b", "out.w": "Wc", "out.b": "bc"}


def tree_text(left: Any, right: Any, word: Any) -> str:
    """The s-expression of a tree given in post-order."""
    texts: list[str] = []
    for l, r, w in zip(left, right, word, strict=True):
        texts.append(str(w) if w >= 0 else f"({texts[l]} {texts[r]})")
    return texts[-1]


def trees(inputs: Any) -> list[tuple[Any, Any, Any, int]]:
    """Left and right children and words of each tree in post-order, and its label."""
    begins, ends = inputs["off"][:-1], inputs["off"][1:]
    return [(inputs["L"][a:b], inputs["R"][a:b], inputs["word"][a:b], int(label))
            for a, b, label in zip(begins, ends, inputs["label"], strict=True)]


def write(folder: Path, inputs: Any) -> None:
    lines = [f"{label} {tree_text(left, right, word)}" for left, right, word, label in trees(inputs)]
    (folder / "trees.txt").write_text("\n".join(lines) + "\n")
    write_safetensors(folder / "weights.safetensors", {name: inputs[key] for name, key in NAMES.items()})


def expected(module: Any, inputs: Any) -> Mapping[str, Any]:
    logits, losses = module.reference(inputs)
    return {"logit": logits, "loss": losses}


def count(inputs: Any) -> float:
    return len(inputs["label"])


def operations(inputs: Any) -> float:
    """Floating point operations of the products of one tree, going forward: 3 x 128 by 128 at a leaf, 5 x 128 by 256 above."""
    leaves = int((inputs["word"] >= 0).sum())
    inner = len(inputs["word"]) - leaves
    return (leaves * 2 * 384 * 128 + inner * 2 * 640 * 256) / count(inputs)


WORKLOAD = Workload(
    "W1", "w1_treelstm", "w1.dyn", "tree", "binary TreeLSTM, width 128, trees of 5 to 50 leaves", write, expected,
    (Timed("infer", "infer", "logit", count, lambda inputs: Work(operations(inputs))),
     Timed("train", "train", "loss", count, lambda inputs: Work(3 * operations(inputs)))),
    15, ("c-level", "c-node", "torch-node", "torch-level", "torch-level-compiled", "dynet", "dynet-autobatch", "jax"))

if __name__ == "__main__":
    main(WORKLOAD, __doc__)
