"""The steps behind the last stage, for `--time`: LLVM, the linker, loading.

    with watched(lambda name, seconds, note: print(name, seconds, note)):
        compile_module(ssa)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Report = Callable[[str, float, str], None]
_report: ContextVar[Report | None] = ContextVar("report", default=None)


@contextmanager
def watched(report: Report) -> Iterator[None]:
    """Inside, each step that ends is reported: its name, its seconds, and a word such as "from the cache"."""
    before = _report.set(report)
    try:
        yield
    finally:
        _report.reset(before)


@contextmanager
def step(name: str) -> Iterator[list[str]]:
    """One step; what is put into the list is told with it."""
    began = time.perf_counter()
    notes: list[str] = []
    yield notes
    report = _report.get()
    if report is not None:
        report(name, time.perf_counter() - began, ", ".join(notes))
