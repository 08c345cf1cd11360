"""W11, two layers of 4,096 units of which 2 % are active, run from Dyn and beside what others have for it.

    python benchmarks/w11.py PEERS [--python TORCH_PYTHON] [--rounds 15]

PEERS is the folder that holds w11_sparse.py. Weights and inputs are generated there, the weights handed over row by input as to
`torch.nn.functional.embedding_bag`; the Dyn program is built to an executable that reads them as safetensors and times itself. Prints a
ROW of JSON for each, as the peers do, then the ratios of CPU time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from peers import peer_rows
from w1 import HERE, cpu_seconds, write_safetensors

OTHERS = ("torch-embedding_bag", "numpy-gather", "torch-dense", "numpy-dense")


def workload(peers: Path) -> Any:
    """The module that describes W11."""
    sys.path.insert(0, str(peers))
    import w11_sparse  # type: ignore[import-not-found]

    return w11_sparse


def build_dyn(folder: Path, w11: Any) -> Path:
    """The program, beside its inputs."""
    import numpy as np

    inputs = w11.gen()
    x = np.zeros((w11.NB, w11.N), np.float32)
    for row, places, values in zip(x, inputs["idx"], inputs["val"], strict=True):
        row[places] = values
    write_safetensors(folder / "weights.safetensors", {"w1": inputs["W1"].T.copy(), "w2": inputs["W2"].T.copy()})
    write_safetensors(folder / "inputs.safetensors", {"x": x})
    program = folder / "w11"
    subprocess.run([sys.executable, "-m", "dynlang", "build", HERE / "sparse_w11.dyn", "-o", program], check=True)
    return program


def run_dyn(program: Path, rounds: int) -> tuple[list[str], float]:
    """The lines that the program printed, and the CPU seconds that it took."""
    command = [program, "--weights", "weights.safetensors", "--inputs", "inputs.safetensors", "--rounds", str(rounds)]
    before = cpu_seconds()
    done = subprocess.run(command, cwd=program.parent, check=True, capture_output=True, text=True)
    return done.stdout.splitlines(), cpu_seconds() - before


def outputs(lines: list[str], count: int, size: int) -> Any:
    """The active units that the program printed, as dense rows."""
    import numpy as np

    found = np.zeros((count, size))
    for line in lines:
        word, *rest = line.split()
        if word == "unit":
            found[int(rest[0]), int(rest[1])] = float(rest[2])
    return found


def row(program: Path, rounds: int, w11: Any) -> dict[str, Any]:
    """The row, as `common.report` prints it; CPU time is that of the process, less that of a run without rounds."""
    from common import calibrate, err  # type: ignore[import-not-found]

    gflops, copy = calibrate()
    lines, start = run_dyn(program, 0)
    expected = w11.reference(w11.gen())
    wrong = err(outputs(lines, len(expected), w11.N), expected)
    assert wrong < 1e-4, f"the results differ by {wrong}"
    lines, seconds = run_dyn(program, rounds)
    micros = sorted(1e6 * float(line.split()[1]) / w11.NB for line in lines if line.startswith("infer"))
    cpu = 1e6 * (seconds - start) / rounds / w11.NB
    return {"w": "W11", "peer": "dyn", "what": "infer", "unit": "input", "us": median(micros), "us_min": micros[0],
            "us_p90": micros[int(0.9 * len(micros))], "us_cpu": cpu, "n": len(micros), "threads": 1, "sgemm": gflops, "copy": copy,
            "sgemms": cpu * 1e-6 / (2 * 1024**3 / gflops / 1e9), "err": wrong}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--python", help="an interpreter that has torch; without it the others are left out")
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    w11 = workload(options.peers)
    with tempfile.TemporaryDirectory() as folder:
        ours = row(build_dyn(Path(folder), w11), options.rounds, w11)
    print("ROW " + json.dumps(ours))
    others = OTHERS if options.python else ()
    for other in (one for name in others for one in peer_rows(options.peers, options.python, "w11_sparse.py", name)):
        print("ROW " + json.dumps(other))
        print(f"{ours['us_cpu']:.0f} us an input, {other['peer']} {other['us_cpu']:.0f} us of CPU time: "
              f"{other['us_cpu'] / ours['us_cpu']:.1f} times as fast, error {ours['err']:.1e}")


if __name__ == "__main__":
    main()
