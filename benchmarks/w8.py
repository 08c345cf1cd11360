"""W8, the memory network of the peers' suite, run from Dyn and beside JAX (one compiled scan) and torch.

    python benchmarks/w8.py PEERS [--jax JAX_PYTHON] [--torch TORCH_PYTHON] [--rounds 200]

PEERS is the folder that holds w8_memory.py, whose inputs, reference and way of timing are used. The Dyn program is built to an
executable that reads the inputs as safetensors and times itself. Each row holds microseconds a sequence, forward or with gradient.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from peers import peer_rows, print_rows, run_rounds
from w1 import write_safetensors

HERE = Path(__file__).parent
NAMES = {"inputs": "W", "hidden": "U", "bias": "b", "heads.w": "Wp", "heads.b": "bp", "out.w": "Wo", "out.b": "bo", "start": "M0"}


def build_dyn(folder: Path, inputs: dict[str, Any]) -> Path:
    """The program, beside its inputs."""
    write_safetensors(folder / "weights.safetensors", {name: inputs[key] for name, key in NAMES.items()})
    write_safetensors(folder / "sequence.safetensors", {"xs": inputs["x"], "wanted": inputs["t"]})
    program = folder / "w8"
    subprocess.run([sys.executable, "-m", "dynlang", "build", HERE / "w8.dyn", "-o", program], check=True)
    return program


def rows(found: dict[str, list[float]], reference: Any) -> list[dict[str, Any]]:
    """The two rows, with the error against torch in f64."""
    from common import err  # type: ignore[import-not-found]

    errors = {"fwd": err(found["loss"][0], reference["l"]), "grad": err(found["start"], reference["g"].ravel())}
    return [{"w": "W8", "peer": "dyn", "what": what, "unit": "sequence", "us": 1e6 * median(found[what]), "us_min": 1e6 * min(found[what]),
             "n": len(found[what]), "threads": 1, "err": errors[what]} for what in ("fwd", "grad")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--jax", help="an interpreter that has JAX; without it JAX is left out")
    parser.add_argument("--torch", help="an interpreter that has torch, which also makes the reference; without it torch is left out")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(options.peers))
    import w8_memory  # type: ignore[import-not-found]

    theirs = [row for python, peer in ((options.torch, "torch"), (options.jax, "jax")) if python
              for row in peer_rows(options.peers, python, "w8_memory.py", peer)]
    with tempfile.TemporaryDirectory() as folder:
        ours = rows(run_rounds(build_dyn(Path(folder), w8_memory.gen()), options.rounds), w8_memory.ref_file())
    print_rows(ours, theirs)


if __name__ == "__main__":
    main()
