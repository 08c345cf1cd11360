"""W1 from hand-made Core: what the back half of the compiler makes of the TreeLSTM, apart from the front.

    python benchmarks/backend_w1.py PEERS [--rounds 7] [--dump FOLDER]

PEERS is the folder that holds w1_treelstm.py: inputs and reference are its own. Prints microseconds a tree for inference and
for a training step (building the trees is measured by itself and taken off), and the errors against the reference.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
LEAVES = ("E", "W", "U", "b", "Wc", "bc")


def compiled(dump: Path | None) -> Any:
    """The program in this process."""
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]
    from backend_programs import tree_lstm  # type: ignore[import-not-found]
    from dynlang.grad import differentiate
    from dynlang.native.jit import compile_module
    from dynlang.native.lower import lower as native_text
    from dynlang.native.target import host
    from dynlang.opt import optimise
    from dynlang.ssa.lower import lower
    from dynlang.ssa.print import print_module

    entries = ["infer", "train", "plant"]
    module = optimise(lower(differentiate(tree_lstm("f32").module)), 2)
    if dump:
        dump.mkdir(exist_ok=True, parents=True)
        (dump / "w1.ssa").write_text(print_module(module))
        (dump / "w1.ll").write_text(native_text(module, host(), entries))
    return compile_module(module, 2, entries, cache=False)


def seconds(call: Any) -> float:
    """Of processor time: others may share the machine."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dump", type=Path)
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(options.peers))
    import w1_treelstm as w1  # type: ignore[import-not-found]
    from common import err  # type: ignore[import-not-found]

    d = w1.gen()
    code = compiled(options.dump)
    leaves = [d[name] for name in LEAVES]
    count, nodes = len(d["label"]), len(d["word"])
    forest = [d[name].astype("int64") for name in ("off", "L", "R", "word")]
    sizes = [w1.V, w1.H, 5, count, nodes]
    calls = {
        "plant": lambda: code.call("plant", [count, nodes, *forest]),
        "infer": lambda: code.call("infer", [*sizes, *leaves, *forest]),
        "train": lambda: code.call("train", [*sizes, *leaves, *forest, d["label"].astype("int64"), w1.LR]),
    }
    logits, losses = w1.reference(d)
    print(f"infer error {err(calls['infer']()[0], logits):.1e}, train error {err(calls['train']()[0][:w1.NCHK], losses):.1e}, "
          f"blocks left {code.live_blocks()}")
    found = {name: [1e6 * seconds(call) / count for _ in range(options.rounds)] for name, call in calls.items()}
    plant = median(found["plant"])
    print(f"plant {plant:.1f} us a tree (with the call from Python)")
    for name in ("infer", "train"):
        print(f"{name} {median(found[name]) - plant:.1f} us a tree, best {min(found[name]) - plant:.1f}")


if __name__ == "__main__":
    main()
