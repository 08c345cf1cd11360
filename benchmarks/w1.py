"""W1, the TreeLSTM of the peers' suite, run from Dyn and beside `torch` node by node.

    python benchmarks/w1.py PEERS [--python TORCH_PYTHON] [--rounds 15]

PEERS is the folder that holds w1_treelstm.py. The inputs and the reference are generated there; the Dyn program is
built to an executable that reads them as safetensors and s-expressions, and times itself. Prints one ROW of JSON for
inference and one for training, as the peers do, then torch's rows and the ratios.
"""

from __future__ import annotations

import argparse
import json
import resource
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from peers import peer_rows

HERE = Path(__file__).parent


def workload(peers: Path) -> Any:
    """The module that describes W1."""
    sys.path.insert(0, str(peers))
    import w1_treelstm  # type: ignore[import-not-found]

    return w1_treelstm


def tree_text(left: Any, right: Any, word: Any) -> str:
    """The s-expression of a tree given in post-order."""
    texts: list[str] = []
    for l, r, w in zip(left, right, word, strict=True):
        texts.append(str(w) if w >= 0 else f"({texts[l]} {texts[r]})")
    return texts[-1]


def write_safetensors(path: Path, tensors: dict[str, Any]) -> None:
    header, data = {}, b""
    for name, array in tensors.items():
        start = len(data)
        data += array.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [start, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def build_dyn(folder: Path, inputs: dict[str, Any], trees: list[Any]) -> Path:
    """The program, beside its inputs."""
    lines = [f"{label} {tree_text(left, right, word)}" for left, right, word, label in trees]
    (folder / "trees.txt").write_text("\n".join(lines) + "\n")
    names = {"embed.rows": "E", "leaf": "W", "node": "U", "bias": "b", "out.w": "Wc", "out.b": "bc"}
    write_safetensors(folder / "weights.safetensors", {name: inputs[key] for name, key in names.items()})
    program = folder / "w1"
    subprocess.run([sys.executable, "-m", "dynlang", "build", HERE / "treelstm_w1.dyn", "-o", program], check=True)
    return program


def run_dyn(program: Path, rounds: int, epochs: int) -> tuple[dict[str, list[float]], float]:
    """What the program printed, by the first word of the line; the CPU seconds that it took."""
    command = [program, "--trees", "trees.txt", "--weights", "weights.safetensors", "--rounds", str(rounds), "--epochs", str(epochs)]
    before = cpu_seconds()
    done = subprocess.run(command, cwd=program.parent, check=True, capture_output=True, text=True)
    found: dict[str, list[float]] = {}
    for line in done.stdout.splitlines():
        word, number, *_ = line.split()
        found.setdefault(word, []).append(float(number))
    return found, cpu_seconds() - before


def cpu_seconds() -> float:
    """Of all child processes so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def rows(program: Path, count: int, w1: Any, inputs: dict[str, Any]) -> list[dict[str, Any]]:
    """The two rows, as `common.report` prints them; CPU time is that of the process, less that of a run without rounds."""
    from common import calibrate, err  # type: ignore[import-not-found]

    reference, losses = w1.reference(inputs)
    gflops, copy = calibrate()
    trees = len(inputs["label"])
    _, start = run_dyn(program, 0, 0)
    made = []
    for what, printed, expected in (("infer", "logit", reference), ("train", "loss", losses)):
        found, seconds = run_dyn(program, count * (what == "infer"), count * (what == "train"))
        micros = sorted(1e6 * one / trees for one in found[what])
        cpu = 1e6 * (seconds - start) / count / trees
        made.append({"w": "W1", "peer": "dyn", "what": what, "unit": "tree", "us": median(micros), "us_min": micros[0],
                     "us_p90": micros[int(0.9 * len(micros))], "us_cpu": cpu, "n": len(micros), "threads": 1,
                     "sgemm": gflops, "copy": copy, "sgemms": cpu * 1e-6 / (2 * 1024**3 / gflops / 1e9),
                     "err": err(found[printed], expected)})
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--python", help="an interpreter that has torch; without it torch is left out")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    w1 = workload(options.peers)
    inputs = w1.gen()
    with tempfile.TemporaryDirectory() as folder:
        ours = rows(build_dyn(Path(folder), inputs, w1.trees(inputs)), options.rounds, w1, inputs)
    theirs = peer_rows(options.peers, options.python, "w1_treelstm.py", "torch-node") if options.python else []
    for row in ours + theirs:
        print("ROW " + json.dumps(row))
    for row in ours:
        for other in theirs:
            if other.get("what") == row["what"]:
                print(f"{row['what']}: {row['us_cpu']:.1f} us a tree, torch {other['us_cpu']:.1f} us of CPU time: "
                      f"{other['us_cpu'] / row['us_cpu']:.1f} times as fast, error {row['err']:.1e}")


if __name__ == "__main__":
    main()
