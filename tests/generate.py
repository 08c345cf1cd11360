"""Checks many random programs, each in a process of its own, and shrinks those that fail.

    python tests/generate.py --count 2000 --seed 7        what fails is kept in the folder `failures`, whole and shrunk
    python tests/generate.py --show 7                     print the program of a seed
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from generated_programs import program
from program_oracles import failure_of


def isolate(work: Callable[[], str | None], seconds: float) -> str | None:
    """What `work` gives, in a process of its own: a crash or a hang is a failure too."""
    context = multiprocessing.get_context("fork")
    inbox, outbox = context.Pipe(duplex=False)

    def send() -> None:
        outbox.send(work())

    child = context.Process(target=send)
    child.start()
    outbox.close()
    try:
        found = inbox.recv() if inbox.poll(seconds) else f"hang: nothing after {seconds:.0f} s"
    except EOFError:
        child.join()
        found = f"crash: exit status {child.exitcode}"
    if child.is_alive():
        child.kill()
    child.join()
    return found


def isolated(text: str, seed: int, seconds: float = 60.0) -> str | None:
    """`failure_of` in a process of its own."""

    def work() -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            return failure_of(text, seed, Path(folder))

    return isolate(work, seconds)


def kind_of(failure: str | None) -> str:
    """A failure without its numbers and names: two programs that share it fail for one reason, probably."""
    if failure is None:
        return ""
    head = re.sub(r"\S*program\.dyn:\d+:\d+|\S*/\S+:\d+:\d+", "", failure)
    if "Different" in head:
        return re.sub(r" is .*", "", re.sub(r"result \d+", "result", head))[:60]
    return re.sub(r"`[^`]*`|'[^']*'|\b[a-z_]*\d+\w*|[-+]?\d[\d.e+-]*", "_", head)[:90]


def pieces(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Statements with what stands under them, as ranges of lines; the large ones first."""
    depth = [len(line) - len(line.lstrip()) if line.strip() else -1 for line in lines]
    found = []
    for start, own in enumerate(depth):
        if own < 0:
            continue
        end = start + 1
        while end < len(lines) and (depth[end] > own or depth[end] < 0):
            end += 1
        found.append((start, end))
    return iter(sorted(found, key=lambda one: one[0] - one[1]))


def smaller(lines: list[str]) -> Iterator[list[str]]:
    """Programs with one statement or declaration less, a block in place of its statement, or a shorter expression."""
    for start, end in pieces(lines):
        yield lines[:start] + lines[end:]
        if end - start > 1:
            yield lines[:start] + [line.removeprefix("    ") for line in lines[start + 1:end]] + lines[end:]
    for place, line in enumerate(lines):
        for shorter in shorter_lines(line):
            yield [*lines[:place], shorter, *lines[place + 1:]]


def shorter_lines(line: str) -> Iterator[str]:
    """The line with a bracketed expression, or the call that it belongs to, replaced by its inside or by a name."""
    for match in re.finditer(r"\w*\(", line):
        if line.lstrip().startswith(("fn ", "type ", "record ")):
            return
        level, end = 1, match.end()
        while end < len(line) and level:
            level += {"(": 1, ")": -1}.get(line[end], 0)
            end += 1
        inside = line[match.end():end - 1]
        for shorter in (*inside.split(", "), "0.5", "x", "w", "a", "s", "k", "1", "true", "false"):
            if len(shorter) < end - match.start():
                yield line[:match.start()] + shorter + line[end:]


def shrink(text: str, seed: int, failure: str, seconds: float = 60.0) -> str:
    """A smaller program that fails in the same way."""
    wanted, deadline = kind_of(failure), time.monotonic() + seconds
    lines = text.splitlines()
    progress = True
    while progress and time.monotonic() < deadline:
        progress = False
        for candidate in smaller(lines):
            if time.monotonic() > deadline:
                break
            if kind_of(isolated("\n".join(candidate) + "\n", seed, 20.0)) == wanted:
                lines, progress = candidate, True
                break
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="check random programs")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--show", type=int, help="print the program of a seed, and do nothing else")
    parser.add_argument("--shrink", type=float, default=60.0, metavar="SECONDS", help="time for each new kind of failure; 0: none")
    parser.add_argument("--out", type=Path, default=Path("failures"), help="the folder of programs that fail")
    given = parser.parse_args()
    if given.show is not None:
        print(program(given.show))
        return 0
    from dynlang.tools import execute  # noqa: F401  (imported once, before the processes are forked)

    kinds: dict[str, int] = {}
    for seed in range(given.seed, given.seed + given.count):
        text = program(seed)
        failure = isolated(text, seed)
        if failure is None:
            continue
        kind = kind_of(failure)
        kinds[kind] = kinds.get(kind, 0) + 1
        print(f"seed {seed}: {failure}", flush=True)
        if kinds[kind] == 1:
            given.out.mkdir(parents=True, exist_ok=True)
            (given.out / f"{seed}.dyn").write_text(text, encoding="utf-8")
            if given.shrink:
                (given.out / f"{seed}-small.dyn").write_text(shrink(text, seed, failure, given.shrink), encoding="utf-8")
    print(f"{given.count} programs, {sum(kinds.values())} failures of {len(kinds)} kinds")
    for kind, count in sorted(kinds.items(), key=lambda one: -one[1]):
        print(f"{count:5} {kind}")
    return 1 if kinds else 0


if __name__ == "__main__":
    raise SystemExit(main())
