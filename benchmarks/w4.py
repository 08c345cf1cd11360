"""W4, the graph convolutional network of the peers' suite, run from Dyn and beside JAX with sparse features.

    python benchmarks/w4.py PEERS --python JAX_PYTHON [--epochs 500]

PEERS is the folder that holds w4_gcn.py; JAX_PYTHON an interpreter that has jax and scipy. The inputs and the reference are generated
there; the Dyn program is built to an executable that reads them from an .npz file and times itself. Prints a ROW of JSON, as the peers
do, then those of JAX and of plain C, and the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from peers import peer_rows

HERE = Path(__file__).parent
INPUTS = """
import sys, json
sys.path.insert(0, sys.argv[1])
import numpy as np, w4_gcn as w4
from common import calibrate
d = w4.gen()
whole = lambda a: a.astype(np.int64)
np.savez(sys.argv[2], source=whole(d["src"]), target=whole(d["dst"]), row=whole(d["X"].indptr), column=whole(d["X"].indices),
         value=d["X"].data, y=whole(d["y"]), **{name: d[name] for name in w4.PAR})
print("MADE " + json.dumps([list(w4.reference(d)), calibrate()]))
"""
ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def make_inputs(peers: Path, python: str, path: Path) -> tuple[list[float], tuple[float, float]]:
    """Writes the inputs; the losses of the first epochs, and the speed of the machine: GFLOP/s of a product, GB/s of a copy."""
    done = subprocess.run([python, "-c", INPUTS, peers, path], check=True, capture_output=True, text=True, env=ENVIRONMENT)
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("MADE ")]
    losses, (gflops, copy) = json.loads(line.removeprefix("MADE "))
    return losses, (gflops, copy)


def run_dyn(folder: Path, epochs: int) -> list[tuple[float, float]]:
    """Seconds and loss of each epoch."""
    program = folder / "w4"
    subprocess.run([sys.executable, "-m", "dynlang", "build", HERE / "w4.dyn", "-o", program], check=True)
    command = [program, "--inputs", "inputs.npz", "--epochs", str(epochs)]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    words = [line.split() for line in done.stdout.splitlines()]
    return [(float(seconds), float(loss)) for _, seconds, loss in words]


def dyn_row(measured: list[tuple[float, float]], losses: list[float], speed: tuple[float, float]) -> dict[str, Any]:
    micros = sorted(1e6 * seconds for seconds, _ in measured)
    middle = median(micros)
    error = max(abs(loss - expected) / abs(expected) for (_, loss), expected in zip(measured, losses, strict=False))
    return {"w": "W4", "peer": "dyn", "what": "epoch", "unit": "epoch", "us": middle, "us_min": micros[0],
            "us_p90": micros[int(0.9 * len(micros))], "n": len(micros), "threads": 1,
            "sgemm": speed[0], "copy": speed[1], "sgemms": middle * 1e-6 / (2 * 1024**3 / speed[0] / 1e9),
            "err": error}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--python", required=True, help="an interpreter that has jax and scipy")
    parser.add_argument("--epochs", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        losses, speed = make_inputs(options.peers, options.python, Path(folder) / "inputs.npz")
        ours = dyn_row(run_dyn(Path(folder), options.epochs), losses, speed)
    theirs = [row for peer in ("jax-sparse-x", "c-csr") for row in peer_rows(options.peers, options.python, "w4_gcn.py", peer)]
    rows = [ours, *theirs]
    for row in rows:
        print("ROW " + json.dumps(row))
    for row in rows[1:]:
        if "us" in row:
            print(f"{ours['us']:.0f} us an epoch, {row['peer']} {row['us']:.0f} us: {row['us'] / ours['us']:.2f} times as fast "
                  f"(least times: {row['us_min'] / ours['us_min']:.2f}), error {ours['err']:.1e}")


if __name__ == "__main__":
    main()
