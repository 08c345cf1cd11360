"""Repairs: tried before they are shown, and written by `dync fix`.

A stage that finds an error gives the edits that may be meant. Each is tried here on the text in memory: the program is checked
again, and the repair is offered only if the error is gone and no other has taken its place.
"""

from __future__ import annotations

import argparse
import difflib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from dynlang.diag import CompileError, Diagnostic, Edit, Repair
from dynlang.source import Source, read_source
from dynlang.tools.cli import EXIT_INPUT, complain, show

FIRST = 10
"""How many errors are repaired on trial in one run: what is shown to people must come soon."""

SECONDS = 2.0
"""How long repairs are tried, in time of this process: a busy machine offers the same ones."""

LONGEST = 100_000
"""Characters of a file in which repairs are tried for a message; `dync fix` tries them in any file."""

SYNTAX = "DYN01"


def with_fixes(
    error: CompileError, main: Path | None, first: int = FIRST, seconds: float = SECONDS, longest: int = LONGEST
) -> list[Diagnostic]:
    """The errors, the first of them with the repair that was tried and works. `main`: the file whose program was checked."""
    until = time.process_time() + seconds
    found = error.diagnostics
    known = [*found, *error.silent]
    kept: list[Diagnostic] = []
    tried = 0
    for one in found:
        fixed = None
        short = one.span is not None and len(one.span.source.text) <= longest
        if one.repairs and short and tried < first and time.process_time() < until:
            tried += 1
            fixed = first_that_works(one, known, main, until)
        kept.append(replace(one, fix=fixed) if fixed is not None else one)
    return kept


def first_that_works(error: Diagnostic, found: Sequence[Diagnostic], main: Path | None, until: float) -> Repair | None:
    """The first repair that works. A repair without rivals may bring to light what the error has hidden further down."""
    alone = len(error.repairs) == 1
    for repair in error.repairs[:3]:
        if time.process_time() < until and works(repair, error, found, main, alone):
            return repair
    return None


def works(repair: Repair, error: Diagnostic, found: Sequence[Diagnostic], main: Path | None, alone: bool = False) -> bool:
    """Whether the error is gone from the repaired text, and no error has come; `alone`: none above the next line of the repair.

    What an ill-typed variable is used for is silent until the variable has a type."""
    source = repair.edits[0].span.source
    if any(edit.span.source is not source for edit in repair.edits):
        return False
    before = Counter(what(one) for one in found if one.severity == "error")
    before[what(error)] -= 1
    problem = problem_of(Source(source.name, edited(source.text, repair.edits)), main)
    after = problem.diagnostics if problem is not None else []
    if error.code.startswith(SYNTAX):  # with the text right, the checker may have its say
        after = [one for one in after if one.code.startswith(SYNTAX) or touches(one, repair)]
    left = Counter(what(one) for one in after)
    new = [one for one in after if left[what(one)] > before[what(one)]]
    return all(alone and is_below(one, repair) and what(one) != what(error) for one in new)


def is_below(error: Diagnostic, repair: Repair) -> bool:
    """Whether an error stands in the same file, below the lines that a repair writes, which may be more than it found."""
    last = max(repair.edits, key=lambda edit: edit.span.end)
    shift = sum(edit.text.count("\n") - edit.span.text.count("\n") for edit in repair.edits)
    if error.span is None or error.span.source.name != last.span.source.name:
        return False
    return error.span.line > last.span.end_line + max(0, shift)


def what(error: Diagnostic) -> tuple[str, str]:
    """An error without its place, which a repair may shift."""
    return error.code, error.title


def touches(error: Diagnostic, repair: Repair) -> bool:
    """Whether an error stands on the line of an edit."""
    return error.span is not None and any(edit.span.line == error.span.line for edit in repair.edits)


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text after the edits, which don't overlap."""
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end), reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def problem_of(source: Source, main: Path | None) -> CompileError | None:
    """What is wrong with a program when this text stands for the file of its name."""
    from dynlang.check.program import check

    path = Path(source.name) if Path(source.name).is_file() else None
    try:
        if main is None or path is None or path.resolve() == main.resolve():
            check(source, path, False)
        else:
            check(read_source(main), main, False, {path.resolve(): source})
    except CompileError as error:
        return error
    return None


# ---------------------------------------------------------------- dync fix


def fix(arguments: argparse.Namespace) -> int:
    """Repair files until nothing more can be repaired; show what changes."""
    from dynlang.tools.inspect import replace_file

    status = 0
    for file in arguments.files:
        try:
            before = read_source(file)
        except CompileError as error:
            show(error.diagnostics)
            status = EXIT_INPUT
            continue
        after, left, count = repaired(before, Path(file))
        if count:
            print("".join(difference(file, before.text, after)), end="")
            if arguments.check or arguments.dry_run:
                status = EXIT_INPUT if arguments.check else status
            elif problem := replace_file(Path(file), after):
                status = complain(f"`{file}` can't be written: {problem}")
        if left:
            show(left)
            status = EXIT_INPUT
    return status


def repaired(source: Source, path: Path) -> tuple[str, list[Diagnostic], int]:
    """The text of a file with all repairs that work, the errors that are left, and how many repairs there were."""
    count = 0
    seen = {source.text}
    problem = problem_of(source, path)
    while problem is not None:
        tried = with_fixes(problem, path, len(problem.diagnostics), 60.0, len(source.text) + 1)
        fixed = next((one.fix for one in tried if one.fix is not None and in_file(one.fix, source)), None)
        if fixed is None:
            return source.text, tried, count
        source = Source(source.name, edited(source.text, fixed.edits))
        if source.text in seen:
            return source.text, tried, count
        seen.add(source.text)
        count += 1
        problem = problem_of(source, path)
    return source.text, [], count


def in_file(repair: Repair, source: Source) -> bool:
    return repair.edits[0].span.source.name == source.name


def difference(file: str, before: str, after: str) -> list[str]:
    """A unified diff of two texts."""
    lines = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), file, file, n=1)
    return [line if line.endswith("\n") else f"{line}\n\\ no line end\n" for line in lines]

