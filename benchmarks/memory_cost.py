"""What one step more of a sparse memory costs at growing numbers of slots, forward and backward: `python benchmarks/memory_cost.py`.

Eight slots of 32 numbers are looked at in a step, four are read and written (`memory.SparseMemory`); they are drawn from 1,024 that lie
evenly in the whole memory, so that equally much is touched. The processor time of a step is that of 4,500 steps less that of 500, over
4,000, so that what is done once (a gradient for all slots starts as zeros) isn't part of it. Printed: nanoseconds a step, and the
exponents with which they grow.
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

FEW, MANY = 500, 4500
PROGRAM = '''
import memory

fn told<s, w, t>(start: f32[s, w], keys: f32[t, w], near: idx<s>[t, 8]) -> f32:
    var mem: memory.SparseMemory<s, w> = memory.empty_sparse()
    mem.rows = start
    var total = 0.0
    for key, few in zip(keys, near):
        let at = mem.among(few, key, 4, strength=3.0)
        let found = mem.read(at)
        mem.remember(at, gate=0.5, strength=0.9, add=tanh(found + key))
        total += found @ key
    return total

proc main(s: int, t: int, rounds: int, gradient: bool = false):
    var rng = Rng(seed=1)
    let start: f32[s, 32] = normal(s, 32, &rng)
    let keys: f32[t, 32] = normal(t, 32, &rng)
    let drawn: int[t * 8] = uniform_int_vector(1024, &rng)
    let near = reshape(s // 1024 * drawn, t, 8) as idx<s>[t, 8]
    var total = 0.0
    for _ in rounds:
        if gradient:
            let l, (a, b) = value_and_grad(told, wrt=(start, keys))(start, keys, near)
            total += l + a[0, 0] + b[0, 0]
        else:
            total += told(start, keys, near)
    print(total)
'''


def seconds(program: Path, slots: int, steps: int, rounds: int, *more: str) -> float:
    """The processor time of so many rounds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [program, "--s", str(slots), "--t", str(steps), "--rounds", str(rounds), *more]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def nanoseconds(program: Path, slots: int, rounds: int, *more: str) -> float:
    """What a step costs: the median of five differences."""
    found = [seconds(program, slots, MANY, rounds, *more) - seconds(program, slots, FEW, rounds, *more) for _ in range(5)]
    return 1e9 * statistics.median(found) / rounds / (MANY - FEW)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    sizes = [1024, 4096, 16384, 65536]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "cost.dyn", Path(folder) / "cost"
        source.write_text(PROGRAM, encoding="utf-8")
        subprocess.run([sys.executable, "-m", "dynlang", "build", source, "-o", program], check=True, capture_output=True)
        print(f"{'slots':>6} {'forward':>9} {'gradient':>9}  (ns a step)")
        for slots in sizes:
            found.append((nanoseconds(program, slots, rounds), nanoseconds(program, slots, rounds, "--gradient")))
            print(f"{slots:>6} {found[-1][0]:>9.0f} {found[-1][1]:>9.0f}", flush=True)
    for k, what in enumerate(("forward", "gradient")):
        print(f"{what}: grows with exponent {math.log(found[-1][k] / found[0][k]) / math.log(sizes[-1] / sizes[0]):.3f}")


if __name__ == "__main__":
    main()
