"""What one step more of a sparse memory costs at growing numbers of slots, forward and backward: `python benchmarks/memory_cost.py`.

Eight slots of 32 numbers are looked at in a step, four are read and written (`memory.SparseMemory`); they are drawn from 1,024 that lie
evenly in the whole memory, so that equally much is touched. A step is what 4,500 steps cost less what 500 cost, over 4,000, so that what
is done once (a gradient for all slots starts as zeros) isn't part of it.

Counted are instructions where the machine lets `perf` count them, which no other program disturbs. Else it is processor time: the sizes
take turns, so that a busy minute meets all of them, and of each run the least time is kept, for what disturbs a run makes it slower.
Printed: the cost of a step, the exponents with which it grows, and how far the least and the next time of a run are apart: an exponent
is known to about that over log(64).
"""

from __future__ import annotations

import argparse
import math
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FEW, MANY = 500, 4500
SIZES = (1024, 4096, 16384, 65536)
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


Run = tuple[int, bool, int]
"""Slots, whether the gradient is taken, and steps."""


def counts_instructions() -> bool:
    """Whether `perf` is there and the machine has the counter."""
    if shutil.which("perf") is None:
        return False
    found = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", "true"], capture_output=True, text=True)
    return found.returncode == 0 and found.stderr.split(",")[0].strip().isdigit()


def cost(program: Path, run: Run, rounds: int, counted: bool) -> float:
    """Instructions, or nanoseconds of processor time, of so many rounds."""
    slots, gradient, steps = run
    command = [str(program), "--s", str(slots), "--t", str(steps), "--rounds", str(rounds), *(["--gradient"] if gradient else [])]
    if counted:
        found = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", *command], check=True, capture_output=True, text=True)
        return float(found.stderr.strip().splitlines()[-1].split(",")[0])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e9 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measured(program: Path, rounds: int, turns: int, counted: bool) -> dict[Run, list[float]]:
    """What each run cost in each turn, the least first."""
    found: dict[Run, list[float]] = {(slots, gradient, steps): [] for slots in SIZES for gradient in (False, True) for steps in (FEW, MANY)}
    for turn in range(turns):
        for run in (list(found) if turn % 2 == 0 else list(found)[::-1]):
            found[run].append(cost(program, run, rounds, counted))
    return {run: sorted(costs) for run, costs in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    counted = counts_instructions()
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "cost.dyn", Path(folder) / "cost"
        source.write_text(PROGRAM, encoding="utf-8")
        subprocess.run([sys.executable, "-m", "dynlang", "build", source, "-o", program], check=True, capture_output=True)
        found = measured(program, options.rounds, 1 if counted else options.turns, counted)
    print(f"{'slots':>6} {'forward':>9} {'gradient':>9}  ({'instructions' if counted else 'ns of processor time'} a step)")
    steps = {(slots, gradient): (found[slots, gradient, MANY][0] - found[slots, gradient, FEW][0]) / options.rounds / (MANY - FEW)
             for slots in SIZES for gradient in (False, True)}
    for slots in SIZES:
        print(f"{slots:>6} {steps[slots, False]:>9.0f} {steps[slots, True]:>9.0f}")
    for gradient, what in ((False, "forward"), (True, "gradient")):
        exponent = math.log(steps[SIZES[-1], gradient] / steps[SIZES[0], gradient]) / math.log(SIZES[-1] / SIZES[0])
        apart = max(costs[min(1, len(costs) - 1)] / costs[0] - 1 for (_, one, _), costs in found.items() if one == gradient)
        print(f"{what}: grows with exponent {exponent:.3f}; the two least times of a run differ by at most {100 * apart:.1f} %")


if __name__ == "__main__":
    main()
