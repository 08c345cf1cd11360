"""`dync build`: a native program from `main`, or a library for C from the exported functions."""

from __future__ import annotations

import argparse
from pathlib import Path

from dynlang import diag, pipeline
from dynlang.native.program import Flag
from dynlang.tools import flags
from dynlang.tools.inspect import built, request_of
from dynlang.types import ScalarType


class NothingExported(diag.Diagnostic):
    """A library of a program without exports."""

    code = "DYN0033"


class LibraryName(diag.Diagnostic):
    """A library under the name of one that every program of the system may load."""

    code = "DYN0034"


SYSTEM_LIBRARIES = frozenset({
    "c", "m", "dl", "pthread", "rt", "util", "resolv", "crypt", "nsl", "anl", "thread_db", "z", "gcc", "gcc_s", "stdc++", "c++", "c++abi",
    "unwind", "atomic", "gomp", "omp", "quadmath", "asan", "tsan", "ubsan", "System", "objc"})
"""A shared library of such a name hides the system's own from all that is loaded with it."""


def build(arguments: argparse.Namespace) -> int | None:
    return library(arguments) if arguments.lib else executable(arguments)


def executable(arguments: argparse.Namespace) -> None:
    """One program, named after the file unless told otherwise."""
    from dynlang.native.build import build_executable

    request = request_of(arguments, target=arguments.target)
    program = pipeline.build(request, until="typed")
    main = pipeline.main_of(program, request)
    output = Path(arguments.output or Path(arguments.file).stem)
    known = flags.flags_of(main, program)
    help_text = flags.help_text(output.name, known, main.documentation)
    ssa = built(request, until="opt")
    with pipeline.steps_shown(request):
        build_executable(ssa, output, [native_flag(flag) for flag in known], help_text, optimisation=request.level,
                         target=pipeline.target_of(request))


def native_flag(flag: flags.Flag) -> Flag:
    return Flag(flag.option, flag.type.dtype if isinstance(flag.type, ScalarType) else "str", flag.default)


def library(arguments: argparse.Namespace) -> None:
    """A shared library, a static library and a header, in a folder."""
    from dynlang.native.build import build_library
    from dynlang.native.library.interface import describe

    request = request_of(arguments, target=arguments.target, library=True)
    ssa = built(request, until="opt")
    stem = Path(arguments.file).stem
    if stem in SYSTEM_LIBRARIES:
        hint = "give the file another name: the library is called after it"
        title = f"the library of {arguments.file} would be lib{stem}, which the system has already"
        raise diag.CompileError([LibraryName(title, hint=hint)])
    interface = describe(stem, request.keep["typed"], ssa)
    if not interface.exports:
        raise diag.CompileError([NothingExported(f"{arguments.file} exports nothing", hint="begin a function with `export fn`")])
    with pipeline.steps_shown(request):
        made = build_library(ssa, Path(arguments.output or "."), stem, interface, request.level, pipeline.target_of(request))
    for path in made:
        print(path)
