"""A graph of a million nodes and ten million arcs is read and trains a graph convolutional network; prints seconds and peak memory.

    python benchmarks/large_graph.py [--nodes 1000000] [--arcs 10000000]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--arcs", type=int, default=10_000_000)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        inputs, program = Path(folder) / "arcs.npz", Path(folder) / "large_graph"
        ends = rng.integers(0, options.nodes, (2, options.arcs), dtype=np.int32)
        np.savez(inputs, source=ends[0], target=ends[1])
        subprocess.run([sys.executable, "-m", "dynlang", "build", HERE / "large_graph.dyn", "-o", program], check=True)
        del ends
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        subprocess.run([program, "--inputs", inputs, "--nodes", str(options.nodes)], check=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"peak memory {peak / 2**20:.2f} GiB" + (" (or less: the compiler took as much)" if peak == before else ""))


if __name__ == "__main__":
    main()
