"""Pairs per second of gensim's PoincareModel and of train.dyn, one after the other in one run, on one thread.

    apt-get install wordnet-base
    pip install gensim
    python examples/wordnet/baseline.py [--pairs 100000]

Both go through the pairs of the noun hierarchy in random order, with 10 dimensions and 10 others to each pair. gensim is timed on a part
of an epoch, in its own batches of 10, train.dyn on one epoch. The time of reading is not counted.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def pairs(nouns: Path) -> list[tuple[str, str]]:
    """(below, above) of the transitive closure of `@` and `@i`."""
    up: dict[str, list[str]] = {}
    for line in nouns.read_text(encoding="latin-1").splitlines():
        if not line.startswith(" "):
            words = line.split("|")[0].split()
            at = 4 + 2 * int(words[3], 16)
            pointers = (words[at + 1 + 4 * k : at + 5 + 4 * k] for k in range(int(words[at])))
            up[words[0]] = [target for symbol, target, part, _ in pointers if symbol in ("@", "@i") and part == "n"]
    found: list[tuple[str, str]] = []
    for synset, parents in up.items():
        above: set[str] = set()
        waiting = list(parents)
        while waiting:
            one = waiting.pop()
            if one not in above:
                above.add(one)
                waiting += up[one]
        found += [(synset, one) for one in above]
    return found


def gensim_rate(relations: list[tuple[str, str]], count: int) -> float:
    try:
        import numpy as np
        from gensim.models.poincare import PoincareModel  # type: ignore[import-not-found]
    except ImportError:
        sys.exit("the package `gensim` isn't installed: pip install gensim")
    np.seterr(all="ignore")
    model = PoincareModel(relations, size=10, negative=10, seed=1)
    order = np.random.default_rng(1).permutation(len(model.all_relations))[:count]
    chosen = [model.all_relations[i] for i in order]
    begin = time.perf_counter()
    for start in range(0, len(chosen), 10):
        model._train_on_batch(chosen[start : start + 10])
    return len(chosen) / (time.perf_counter() - begin)


def dyn_rate(nouns: Path) -> float:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "train"
        build = [sys.executable, "-m", "dynlang", "build", str(HERE / "train.dyn"), "-o", str(program)]
        subprocess.run(build, check=True)
        words = [str(program), "--nouns", str(nouns), "--epochs", "1", "--every", "100000"]
        text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+) pairs/s", text)
    assert found is not None, text
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nouns", type=Path, default=Path("/usr/share/wordnet/data.noun"))
    parser.add_argument("--pairs", type=int, default=100000, help="how many pairs gensim is timed on")
    options = parser.parse_args()
    if not options.nouns.exists():
        sys.exit(f"{options.nouns} isn't there: apt-get install wordnet-base")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    relations = pairs(options.nouns)
    theirs = gensim_rate(relations, options.pairs)
    ours = dyn_rate(options.nouns)
    print(f"{len(relations)} pairs; gensim {theirs:.0f} pairs/s, train.dyn {ours:.0f} pairs/s: {ours / theirs:.1f} times")


if __name__ == "__main__":
    main()
