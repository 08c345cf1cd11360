"""Checks many random programs, a batch at a time in a process of its own, and shrinks those that fail.

    python tests/generate.py --count 3000 --seed 1        what fails is kept in the folder `failures`, whole and shrunk
    python tests/generate.py --show 7                     print the program of a seed
    python tests/generate.py --laws gradients --count 2000

The programs are those of `random_programs/` (types of all kinds, declared at random); `--arrays` takes those of
`generated_programs.py` (one set of types, deeper statements) instead, one by one.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

import generated_programs
import program_oracles
from random_programs import oracle
from random_programs.program import program, together

LAWS = {"all": oracle.ALL, "values": oracle.VALUES, "gradients": oracle.GRADIENTS}
Failure = Callable[[str], str | None]
"""What is wrong with a program, in one line; None if nothing is."""


def isolate(work: Callable[[], Any], seconds: float) -> Any:
    """What `work` gives, in a process of its own; a text if it crashes or takes too long."""
    context = multiprocessing.get_context("fork")
    inbox, outbox = context.Pipe(duplex=False)

    def send() -> None:
        gc.disable()
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
    """What is wrong with a program of `generated_programs`."""

    def work() -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            return program_oracles.failure_of(text, seed, Path(folder))

    return isolate(work, seconds)


Found = tuple[oracle.Failure | None, oracle.Count]


def batch(seeds: Sequence[int], laws: oracle.Laws, text: str | None = None, seconds: float = 60.0) -> Found:
    """What is wrong with programs of `random_programs` in one file, and what was counted."""

    def work() -> Found:
        count = oracle.Count()
        with tempfile.TemporaryDirectory() as folder:
            return oracle.failure_of(seeds, Path(folder), count, text, laws), count

    found = isolate(work, seconds * (1 + len(seeds)))
    return found if isinstance(found, tuple) else (oracle.Failure(found), oracle.Count())


# ---------------------------------------------------------------- shrinking


def kind_of(failure: str | None) -> str:
    """A failure without its numbers and names: two programs that share it fail for one reason, probably."""
    if failure is None:
        return ""
    head = re.sub(r"\S*\.dyn:\d+:\d+|\S*/\S+:\d+:\d+|\(the program is in .*", "", failure)
    if "Different" in head:
        return re.sub(r" is .*", "", re.sub(r"result \d+", "result", head))[:60]
    return re.sub(r"`[^`]*`|'[^']*'|<.*>|\b[a-z_]*\d+\w*|[-+]?\d[\d.e+-]*", "_", head)[:90]


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
    for match in re.finditer(r"\w*[(\[]", line):
        if line.lstrip().startswith(("fn ", "type ", "record ")):
            return
        level, end = 1, match.end()
        while end < len(line) and level:
            level += {"(": 1, "[": 1, ")": -1, "]": -1}.get(line[end], 0)
            end += 1
        inside = line[match.end():end - 1]
        for shorter in (*inside.split(", "), "0.5", "x", "w", "a", "s", "k", "1", "true", "false", "Tip", "Nothing"):
            if len(shorter) < end - match.start():
                yield line[:match.start()] + shorter + line[end:]


def shrink(text: str, failure: str, failure_of: Failure, seconds: float = 60.0) -> str:
    """A smaller program that fails in the same way."""
    wanted, deadline = kind_of(failure), time.monotonic() + seconds
    lines = text.splitlines()
    progress = True
    while progress and time.monotonic() < deadline:
        progress = False
        for candidate in smaller(lines):
            if time.monotonic() > deadline:
                break
            if kind_of(failure_of("\n".join(candidate) + "\n")) == wanted:
                lines, progress = candidate, True
                break
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- many programs


def failing(seeds: Sequence[int], total: oracle.Count, laws: oracle.Laws) -> Iterator[tuple[int, str]]:
    """The seeds whose programs fail, each with what is wrong: a program that the failure of a batch names is tried alone, and the
    batch without it; a batch whose failure names none is cut in halves."""
    if not seeds:
        return
    failure, count = batch(seeds, laws)
    if failure is None:
        total.add(count)
    elif len(seeds) == 1:
        yield seeds[0], failure.text
    else:
        for suspect in failure.suspects[:1]:
            alone = list(failing([suspect], total, laws))
            yield from alone
            rest = [seed for seed in seeds if seed != suspect]
            if alone:
                yield from failing(rest, total, laws)
            else:
                yield from halves(rest, total, laws)
            return
        yield from halves(seeds, total, laws)


def halves(seeds: Sequence[int], total: oracle.Count, laws: oracle.Laws) -> Iterator[tuple[int, str]]:
    middle = len(seeds) // 2
    yield from failing(seeds[:middle], total, laws)
    yield from failing(seeds[middle:], total, laws)


def array_failures(seeds: Sequence[int], total: oracle.Count) -> Iterator[tuple[int, str]]:
    for seed in seeds:
        failure = isolated(generated_programs.program(seed), seed)
        total.programs += failure is None
        if failure is not None:
            yield seed, failure


def text_of(failure: oracle.Failure | None) -> str | None:
    return None if failure is None else failure.text


def keep(seed: int, failure: str, laws: oracle.Laws, given: argparse.Namespace) -> None:
    """The program of a new kind of failure, whole and shrunk."""
    text = generated_programs.program(seed) if given.arrays else together([laws.program(seed)])
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{seed}.dyn").write_text(text, encoding="utf-8")
    if given.shrink:
        one: Failure = (lambda candidate: isolated(candidate, seed, 20.0)) if given.arrays else (
            lambda candidate: text_of(batch([seed], laws, candidate, 20.0)[0]))
        (given.out / f"{seed}-small.dyn").write_text(shrink(text, failure, one, given.shrink), encoding="utf-8")


def warm_up() -> None:
    """Import and read what all programs need, once, before the processes are forked."""
    with tempfile.TemporaryDirectory() as folder:
        oracle.failure_of([1], Path(folder), oracle.Count(), laws=oracle.Laws(small=True, texts=False, verify=False))


def main() -> int:
    parser = argparse.ArgumentParser(description="check random programs")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--show", type=int, help="print the program of a seed, and do nothing else")
    parser.add_argument("--batch", type=int, default=10, help="programs in one file")
    parser.add_argument("--arrays", action="store_true", help="the programs of generated_programs.py")
    parser.add_argument("--laws", choices=LAWS, default="all", help="values: O0 = O2 = interpreter, quickly; gradients: of all programs")
    parser.add_argument("--small", action="store_true", help="programs of a third of the statements")
    parser.add_argument("--shrink", type=float, default=60.0, metavar="SECONDS", help="time for each new kind of failure; 0: none")
    parser.add_argument("--out", type=Path, default=Path("failures"), help="the folder of programs that fail")
    given = parser.parse_args()
    if given.show is not None:
        print(generated_programs.program(given.show) if given.arrays else program(given.show, small=given.small))
        return 0
    kinds: dict[str, int] = {}
    laws = replace(LAWS[given.laws], small=given.small)
    warm_up()
    total, began = oracle.Count(), time.monotonic()
    for start in range(given.seed, given.seed + given.count, given.batch):
        seeds = range(start, min(start + given.batch, given.seed + given.count))
        for seed, failure in array_failures(seeds, total) if given.arrays else failing(seeds, total, laws):
            kind = kind_of(failure)
            kinds[kind] = kinds.get(kind, 0) + 1
            print(f"seed {seed}: {failure}", flush=True)
            if kinds[kind] == 1:
                keep(seed, failure, laws, given)
    print(f"{given.count} programs in {time.monotonic() - began:.0f} s, {sum(kinds.values())} failures of {len(kinds)} kinds")
    print(total)
    for kind, count in sorted(kinds.items(), key=lambda one: -one[1]):
        print(f"{count:5} {kind}")
    return 1 if kinds else 0


if __name__ == "__main__":
    raise SystemExit(main())
