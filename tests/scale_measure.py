"""What compiling a program costs: seconds of CPU time for each stage, and memory, in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynlang import diag, pipeline

GIB = 1 << 30


@dataclass(frozen=True)
class Cost:
    """`seconds` of each stage that ended; `error` is the first line of the error that ended the compiler, or what killed it."""

    seconds: dict[str, float] = field(default_factory=dict)
    megabytes: float = 0.0
    error: str = ""

    @property
    def check(self) -> float:
        """Reading and checking."""
        return self.seconds.get("typed", 0.0)

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def cost(text: str, until: str = "object", level: int = 2, seconds: int = 60, memory: int = 4 * GIB) -> Cost:
    """Compile a program up to a stage, or to object code. More than `seconds` or `memory` end it; the error says so."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.dyn"
        path.write_text(text, encoding="utf-8")
        return cost_of_file(path, until, level, seconds, memory)


def cost_of_file(path: Path, until: str = "object", level: int = 2, seconds: int = 60, memory: int = 4 * GIB) -> Cost:
    context = multiprocessing.get_context("fork")
    inbox, outbox = context.Pipe(duplex=False)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds + 1, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        compiled(path, until, level, outbox.send)

    child = context.Process(target=work)
    child.start()
    outbox.close()
    spent: dict[str, float] = {}
    error, peak = "killed", 0.0
    try:
        while True:
            match inbox.recv():
                case str(stage), float(time_spent):
                    spent[stage] = time_spent
                case str(error), int(peak):
                    break
    except EOFError:
        error = f"killed after {', '.join(spent) or 'nothing'}"
    child.join()
    return Cost(spent, peak / 1024, error)


def compiled(path: Path, until: str, level: int, tell: Callable[[Any], None]) -> None:
    """The stages, one after the other; each is told with its seconds, at last the error and the peak of memory."""
    request = pipeline.Request(path, level=level, tests="proc main" not in path.read_text(encoding="utf-8"))
    error = ""
    clock = Clock(tell)
    try:
        for stage in pipeline.STAGES:
            if stage.aside or (stage.name == "llvm" and until != "object"):
                continue
            pipeline.build(request, until=stage.name)
            clock.tick(stage.name)
            if stage.name == until:
                break
        if until == "object":
            from dynlang.native.target import compile_object

            compile_object(request.keep["llvm"], pipeline.target_of(request), level)
            clock.tick("object")
    except diag.CompileError as found:
        clock.tick("error")
        error = str(found).split("\n")[0]
    except MemoryError:
        error = "killed for its memory"
    tell((error, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


class Clock:
    """Tells each stage with the CPU time since the one before."""

    def __init__(self, tell: Callable[[Any], None]):
        self.tell = tell
        self.last = time.process_time()

    def tick(self, stage: str) -> None:
        now = time.process_time()
        self.tell((stage, now - self.last))
        self.last = now
