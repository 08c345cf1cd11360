"""The verbs that look at programs without running them: check, fmt, grad, ir."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from dynlang import diag, pipeline
from dynlang.source import read_source
from dynlang.tools.cli import EXIT_INPUT, complain, show


def request_of(arguments: argparse.Namespace, **more: Any) -> pipeline.Request:
    """The request that a verb's options spell."""
    dump = getattr(arguments, "dump", None)
    return pipeline.Request(
        Path(arguments.file), level=getattr(arguments, "level", 2), timing=getattr(arguments, "time", False),
        verify=getattr(arguments, "verify", False), dump=Path(dump) if dump else None, **more)


def built(request: pipeline.Request, until: str) -> Any:
    """The form after a stage; warnings that came up on the way are shown, once."""
    form = pipeline.build(request, until)
    if request.warnings:
        show(request.warnings)
        request.warnings.clear()
    return form


def check(arguments: argparse.Namespace) -> int:
    """Everything the front end finds in several files, in the order of the files; what two report is shown once."""
    from dynlang.tools.gradients import derivatives_in
    from dynlang.tools.repairs import with_fixes

    found: list[diag.Diagnostic] = []
    left_off = 0
    for file in arguments.files:
        try:
            program = pipeline.build(pipeline.Request(Path(file)), until="typed")
            new = [*program.warnings, *derivatives_in(program)]
        except diag.CompileError as error:
            new = with_fixes(error, Path(file))
            left_off += error.left_off
        shown = {str(one) for one in found}
        found += [one for one in new if str(one) not in shown]
    failed = any(one.severity == "error" for one in found)
    copies = copies_in(arguments.files) if arguments.copies and not failed else []
    if arguments.json:
        for one in [*found, *copies]:
            print(json.dumps(diag.to_json(one), ensure_ascii=False))
        return EXIT_INPUT if failed else 0
    if found:
        show(found, left_off)
    if copies:
        print(diag.render_all(copies, colour=diag.colour_wanted(sys.stdout), limit=len(copies)))
    return EXIT_INPUT if failed else 0


def copies_in(files: list[str]) -> list[diag.Diagnostic]:
    """Where the programs can copy a value."""
    from dynlang.tools.copies import copies_of

    found: dict[str, diag.Diagnostic] = {}
    for file in files:
        for one in copies_of(Path(file)):
            found.setdefault(str(one), one)
    return list(found.values())


def fmt(arguments: argparse.Namespace) -> int:
    """Rewrite each file in the canonical style; a file with a syntax error is left as it is."""
    from dynlang.syntax.formatter import format_source

    status = 0
    for file in arguments.files:
        name = "standard input" if file == "-" else file
        try:
            before = standard_input() if file == "-" else read_source(file).text
            after = format_source(before, name)
        except diag.CompileError as error:
            show(error.diagnostics)
            status = EXIT_INPUT
            continue
        if file == "-" and not arguments.check:
            print(after, end="")
        elif before == after:
            continue
        elif arguments.check:
            print(f"{name} would change\n{difference(before, after, name)}", end="")
            status = EXIT_INPUT
        elif error := replace_file(Path(file), after):
            status = complain(f"`{file}` can't be written: {error}")
        else:
            print(f"{file} formatted")
    return status


def standard_input() -> str:
    """What is piped in; a `CompileError` says what keeps it from being text."""
    import sys

    from dynlang.source import decode_source

    return decode_source("standard input", sys.stdin.buffer.read()).text


def difference(before: str, after: str, name: str) -> str:
    """How a text changes, as `diff -u` shows it."""
    import difflib

    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, f"{name}, formatted", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def replace_file(path: Path, text: str) -> str | None:
    """Put `text` in the place of a file at once: whoever reads it sees the old or the new. The error, if any."""
    target = path.resolve()
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        return error.strerror or str(error)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, target.stat().st_mode)
        os.replace(name, target)
    except OSError as error:
        os.unlink(name)
        return error.strerror or str(error)
    return None


def ir(arguments: argparse.Namespace) -> int | None:
    """Print the program after a stage; `--function` keeps the functions named."""
    if arguments.fusion:
        from dynlang.tools.fusion import fusion_text

        print(fusion_text(request_of(arguments), tuple(arguments.function or ())))
        return None
    stage = {"ssa": "opt", "asm": "llvm"}.get(arguments.stage) or str(arguments.stage)
    request = request_of(arguments)
    if stage != "ast":
        request = replace(request, entries=tuple(arguments.function or default_entries(pipeline.build(request, until="typed"))))
    form = built(request, until=stage)
    if arguments.stage == "asm":
        from dynlang.native.target import compile_assembly

        print(compile_assembly(form, pipeline.target_of(request), request.level), end="")
        return None
    print(pipeline.text_of(stage, form).rstrip("\n"))
    return None


def default_entries(program: Any) -> list[str]:
    """What `ir` shows of a program: all that main and the exports reach (no name), or every function that can stand alone."""
    own = [one for one in program.own if one.name.rpartition(".")[0] == program.module]
    if program.main is not None or any(one.export for one in own):
        return []
    return [one.name.rpartition(".")[2] for one in own if not any(is_function(parameter.local.type) for parameter in one.parameters)]


def is_function(kind: Any) -> bool:
    from dynlang.types import FunctionType

    return isinstance(kind, FunctionType)


def grad(arguments: argparse.Namespace) -> int | None:
    """The derivative of one function, printed as a program that `dync check` accepts."""
    from dynlang.tools.derivative import derivative_text
    from dynlang.tools.flat import BadArgument

    try:
        print(derivative_text(Path(arguments.file), arguments.function, arguments.wrt or [], forward=arguments.forward,
                              residuals=arguments.residuals), end="")
    except BadArgument as error:
        return complain(str(error))
    return None
