"""How time is measured: CPU seconds on one pinned core, and in units of a product of matrices that was timed just before and after.

The clock of a shared machine drifts and neighbours take time, so figures of different processes compare by these units alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
SIDE = 1024
"""Of the square matrices whose product is the unit."""


def one_core() -> dict[str, str]:
    """Pin this process and those it starts to the idlest core; the environment that keeps libraries at one thread."""
    cores = getattr(os, "sched_getaffinity", lambda _: set())(0)
    if len(cores) > 1 and Path("/proc/stat").exists():
        before = idle_ticks()
        time.sleep(0.3)
        after = idle_ticks()
        os.sched_setaffinity(0, {max(cores, key=lambda core: after[core] - before[core])})
    return {**os.environ, **dict.fromkeys(THREADS, "1"), "JAX_PLATFORMS": "cpu", "PYTHONDONTWRITEBYTECODE": "1"}


def idle_ticks() -> dict[int, int]:
    """Of each core, since the machine started."""
    rows = [line.split() for line in Path("/proc/stat").read_text().splitlines() if line.startswith("cpu")]
    return {int(row[0][3:]): int(row[4]) for row in rows if len(row[0]) > 3}


@dataclass(frozen=True, slots=True)
class Time:
    """`cpu`: median CPU seconds of one call; `units`: the same in products of two matrices; `first`: wall seconds of the first call."""

    cpu: float
    units: float
    first: float


def timed(call: Callable[[], Any], seconds: float) -> Time:
    """Time a call for about so long. The first call, where peers compile, is kept apart."""
    start = time.perf_counter()
    call()
    first = time.perf_counter() - start
    call()
    before = unit()
    cpu = cpu_seconds(call, seconds)
    return Time(cpu, cpu / ((before + unit()) / 2), first)


def cpu_seconds(call: Callable[[], Any], seconds: float) -> float:
    """The median of samples of at least 0.2 ms each."""
    start = time.process_time()
    call()
    repeats = max(1, int(2e-4 / max(time.process_time() - start, 1e-7)))
    samples: list[float] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(samples) < 3:
        start = time.process_time()
        for _ in range(repeats):
            call()
        samples.append((time.process_time() - start) / repeats)
    return median(samples)


def unit() -> float:
    """CPU seconds of one single precision product of two square matrices, by NumPy's BLAS."""
    import numpy as np

    random = np.random.default_rng(0)
    left, right = (random.standard_normal((SIDE, SIDE), dtype=np.float32) for _ in range(2))
    out = np.empty_like(left)
    return cpu_seconds(lambda: np.dot(left, right, out=out), 0.15)
