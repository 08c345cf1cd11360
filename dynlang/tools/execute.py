"""The verbs that run programs: run, test, bench."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from dynlang import diag, pipeline
from dynlang.tools import flags
from dynlang.tools.cli import EXIT_INPUT, EXIT_USAGE, complain, show
from dynlang.tools.inspect import built, request_of
from dynlang.tools.procedure import with_benches
from dynlang.tools.running import Program


def run(arguments: argparse.Namespace) -> int | None:
    """Compile in memory, then call main with its flags."""
    request = request_of(arguments)
    program = pipeline.build(request, until="typed")
    main = pipeline.main_of(program, request)
    known = flags.flags_of(main, program)
    try:
        values = flags.parse(arguments.flags, known)
    except flags.BadFlag as error:
        return complain(f"{error} (`dync run {arguments.file} --help` lists the flags)", EXIT_USAGE)
    if values is None:
        print(flags.help_text(f"dync run {arguments.file}", known, main.documentation))
        return None
    ssa = built(request, until="opt")
    with pipeline.steps_shown(request):
        ready = compiled(ssa, ["main"], request.level)
    with ready as code:
        sys.stdout.flush()
        code.call("main", [flags.slot(value) for value in values])
    return None


def compiled(ssa: Any, names: list[str], level: int) -> Program:
    from dynlang.native.jit import compile_module

    return Program(compile_module(ssa, level, names), ssa)


def test(arguments: argparse.Namespace) -> int:
    """Run the tests of each file; a failure is shown at its place, and the rest go on."""
    passed = failed = 0
    for file, title, action in blocks(arguments):
        try:
            action()
            passed += 1
        except diag.CompileError as error:
            failed += 1
            print(f"FAILED {file}: {title}", flush=True)
            show(error.diagnostics)
    print(f"{passed} passed" + (f", {failed} failed" if failed else ""))
    return EXIT_INPUT if failed else 0


def bench(arguments: argparse.Namespace) -> int | None:
    """Time the benchmarks of each file: the median of as many runs as a second has, at least one."""
    for file in arguments.files:
        request = pipeline.Request(Path(file), level=arguments.level)
        program = pipeline.build(request, until="typed")
        kept = [place for place, block in enumerate(program.benches) if (arguments.only or "") in block.title]
        request.keep["typed"], names = with_benches(program, kept)
        if not names:
            continue
        ssa = built(replace(request, entries=tuple(names)), until="opt")
        with compiled(ssa, names, arguments.level) as code:
            for name, place in zip(names, kept, strict=True):
                times = sorted(code.seconds(name))
                print(f"{program.benches[place].title:<40} {human(times[len(times) // 2]):>10}  of {len(times)} runs", flush=True)
    return None


def blocks(arguments: argparse.Namespace) -> Iterator[tuple[str, str, Any]]:
    """The tests in the files, as (file, title, what runs it). A file that doesn't compile is a failed test."""
    for file in arguments.files:
        try:
            yield from tests_of(file, arguments.only or "", arguments.level)
        except diag.CompileError as error:
            yield file, "it doesn't compile", raising(error)


def tests_of(file: str, only: str, level: int) -> Iterator[tuple[str, str, Any]]:
    request = pipeline.Request(Path(file), level=level, tests=True)
    program = pipeline.build(request, until="typed")
    wanted = [(place, block) for place, block in enumerate(program.tests) if only in block.title]
    if not wanted:
        return
    ssa = built(request, until="opt")
    names = [f"test.{place}" for place, _ in wanted]
    with compiled(ssa, names, level) as code:
        for name, (_, block) in zip(names, wanted, strict=True):
            yield file, block.title, lambda name=name: code.call(name)


def raising(error: Exception) -> Any:
    def action() -> None:
        raise error

    return action


def human(seconds: float) -> str:
    """Three digits and a unit: 0.00123 is `1.23 ms`.

    >>> human(0.00123), human(4.56e-6)
    ('1.23 ms', '4.56 us')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


