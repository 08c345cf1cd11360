"""W7, inference by minimising an energy and the gradient through it, run from Dyn and beside JAX (one compiled scan), torch and plain C.

    python benchmarks/w7.py PEERS [--jax JAX_PYTHON] [--torch TORCH_PYTHON] [--rounds 200]

PEERS is the folder that holds w7_energy.py, whose inputs, reference and way of timing are used. The Dyn program is built to an
executable that reads the inputs as safetensors and times itself: by `energy.minimize`, and by a loop written out. Each row holds
microseconds an input, of inference or of the gradient through it.
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
WRITTEN = {"": "dyn-minimize", "_loop": "dyn-loop"}


def build_dyn(folder: Path, inputs: dict[str, Any]) -> Path:
    """The program, beside its inputs."""
    names = {"a": "A", "b": "B", "c": "b", "w": "w"}
    write_safetensors(folder / "weights.safetensors", {name: inputs[key] for name, key in names.items()})
    write_safetensors(folder / "samples.safetensors", {"xs": inputs["x"], "wanted": inputs["t"]})
    program = folder / "w7"
    subprocess.run([sys.executable, "-m", "dynlang", "build", HERE / "w7.dyn", "-o", program], check=True)
    return program


def rows(found: dict[str, list[float]], answers: Any, slope: Any) -> list[dict[str, Any]]:
    """Four rows, with the errors against the reference in f64."""
    from common import err  # type: ignore[import-not-found]

    made = []
    for how, peer in WRITTEN.items():
        for what, word, printed, expected in (("infer", "infer", "found", answers), ("train-grad", "grad", "slope", slope)):
            seconds = found[word + how]
            made.append({"w": "W7", "peer": peer, "what": what, "unit": "input", "us": 1e6 * median(seconds), "us_min": 1e6 * min(seconds),
                         "n": len(seconds), "threads": 1, "err": err(found[printed + how], expected)})
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--jax", help="an interpreter that has JAX; without it JAX is left out")
    parser.add_argument("--torch", help="an interpreter that has torch; without it torch is left out")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(options.peers))
    import w7_energy  # type: ignore[import-not-found]

    inputs = w7_energy.gen()
    theirs = peer_rows(options.peers, sys.executable, "w7_energy.py", "c-plain")
    with tempfile.TemporaryDirectory() as folder:
        ours = rows(run_rounds(build_dyn(Path(folder), inputs), options.rounds), *w7_energy.reference(inputs))
    theirs += [row for python, peer in ((options.torch, "torch-autograd"), (options.jax, "jax")) if python
               for row in peer_rows(options.peers, python, "w7_energy.py", peer)]
    print_rows(ours, theirs)


if __name__ == "__main__":
    main()
