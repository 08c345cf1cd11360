"""A deep stack for the interpreters: the recursion of a program is theirs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")
STACK_BYTES = 512 << 20


def on_deep_stack(work: Callable[[], Answer], recursion_limit: int) -> Answer:
    """What `work` gives or raises, run on a thread of its own with a large stack and at least this recursion limit.

    >>> def depth(n: int) -> int:
    ...     return 0 if n == 0 else 1 + depth(n - 1)
    >>> on_deep_stack(lambda: depth(50_000), 100_000)
    50000
    """
    answer: list[Answer] = []
    failure: list[BaseException] = []

    def run() -> None:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, recursion_limit))
        try:
            answer.append(work())
        except BaseException as error:
            failure.append(error)
        finally:
            sys.setrecursionlimit(limit)

    previous = threading.stack_size(STACK_BYTES)
    try:
        worker = threading.Thread(target=run, daemon=True)
        worker.start()
    finally:
        threading.stack_size(previous)
    worker.join()
    if failure:
        raise failure[0]
    return answer[0]
