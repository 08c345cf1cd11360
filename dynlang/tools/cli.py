"""`dync`: the command line. Reads the arguments, hands over to one verb, turns what happens into an exit status.

    0  done             1  the program or another input is at fault       2  the command line is
    70 a bug of dync    130 interrupted                                   141 the reader of the output has gone

A verb is a row of `VERBS`; its function is imported when it is used, so `dync --help` stays quick.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

EXIT_INPUT, EXIT_USAGE, EXIT_BUG, EXIT_INTERRUPTED, EXIT_PIPE = 1, 2, 70, 130, 141

Arguments = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True, slots=True)
class Verb:
    """`run` is `module:function`; it takes the parsed arguments and returns the exit status (None is 0)."""

    name: str
    help: str
    run: str
    arguments: Arguments


class Parser(argparse.ArgumentParser):
    """argparse forgives an output that can't be written; `dync --help > /dev/full` must not."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if message:
            (file or sys.stderr).write(message)


def one_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .dyn file")


def several_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help=".dyn files")


def level(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-O", dest="level", type=int, choices=range(4), default=2, metavar="0..3",
                        help="optimisation, 2 unless told; results are the same bits at every level")


def inspection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--time", action="store_true", help="say how long each stage took")
    parser.add_argument("--dump", metavar="DIR", help="write the program after each stage into DIR")
    parser.add_argument("--verify", action="store_true", help="check the compiler's own invariants after each stage")


def run_arguments(parser: argparse.ArgumentParser) -> None:
    level(parser)
    inspection(parser)
    one_file(parser)
    parser.add_argument("flags", metavar="...", nargs=argparse.REMAINDER,
                        help="flags of the program: the parameters of its main (--help lists them)")


def build_arguments(parser: argparse.ArgumentParser) -> None:
    one_file(parser)
    parser.add_argument("-o", "--output", metavar="PATH", help="the executable, or the folder for --lib")
    parser.add_argument("--lib", action="store_true",
                        help="a shared library, a static library and a C header for the exported functions")
    parser.add_argument("--target", metavar="NAME", default="host", help="the machine to build for (default: this one)")
    level(parser)
    inspection(parser)


def check_arguments(parser: argparse.ArgumentParser) -> None:
    several_files(parser)
    parser.add_argument("--json", action="store_true", help="print what was found as JSON, one object a line")
    parser.add_argument("--copies", action="store_true", help="list where an array, a list or a record can be copied, and why")


def fmt_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help=".dyn files; - formats standard input to standard output")
    parser.add_argument("--check", action="store_true", help="change nothing; show what would change, and exit 1 if anything would")


def fix_arguments(parser: argparse.ArgumentParser) -> None:
    several_files(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    parser.add_argument("--check", action="store_true", help="the same; exit 1 if a file would change")


def test_arguments(parser: argparse.ArgumentParser) -> None:
    several_files(parser)
    parser.add_argument("-k", dest="only", metavar="WORDS", help="run only those whose title contains WORDS")
    level(parser)


def grad_arguments(parser: argparse.ArgumentParser) -> None:
    one_file(parser)
    parser.add_argument("function", metavar="FN", help="the function to differentiate")
    parser.add_argument("--wrt", metavar="NAME", action="append", help="the parameter (default: the first); repeatable")
    parser.add_argument("--forward", action="store_true", help="forward mode")
    parser.add_argument("--residuals", action="store_true", help="what a call saves for its backward instead: types, values, bytes")


def ir_arguments(parser: argparse.ArgumentParser) -> None:
    one_file(parser)
    parser.add_argument("--stage", choices=["ast", "core", "cut", "grad", "ssa", "llvm", "asm"], default="ssa",
                        help="ast: as formatted; core; cut: core without alternatives that nothing makes; grad: after "
                             "differentiation; ssa: after the passes of -O")
    parser.add_argument("--fusion", action="store_true", help="in place of a stage: what each comprehension became, and why")
    parser.add_argument("--function", metavar="F", action="append", help="only this function; repeatable")
    level(parser)
    inspection(parser)


def call_arguments(parser: argparse.ArgumentParser) -> None:
    one_file(parser)
    parser.add_argument("function", metavar="FN", help="the function to call")
    parser.add_argument("--in", dest="input", metavar="A.npz", help="its arguments, by parameter name")
    parser.add_argument("--out", dest="output", metavar="B.npz", help="where its results go (default: printed)")
    parser.add_argument("--backend", choices=["native", "interp"], default="native")
    level(parser)


def repl_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", help="definitions to begin with")


def new_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="folder to create")


def explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", nargs="?", help="such as DYN0301; without it, all codes are listed")


def doc_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="*",
                        help="a module of the library (nn), a name in it (nn.Linear), or a .dyn file; without it, the modules are listed")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--html", action="store_true", help="one page that needs nothing else")
    form.add_argument("--markdown", action="store_true", help="Markdown, also on a terminal")
    form.add_argument("--text", action="store_true", help="plain text, also into a file")
    parser.add_argument("-o", "--output", metavar="PATH", help="write it there")


def nothing(parser: argparse.ArgumentParser) -> None:
    """`doctor` takes no arguments."""


VERBS = (
    Verb("run", "compile in memory and run main", "dynlang.tools.execute:run", run_arguments),
    Verb("build", "write a native program, or a library for C", "dynlang.tools.build:build", build_arguments),
    Verb("check", "report errors, write nothing", "dynlang.tools.inspect:check", check_arguments),
    Verb("fmt", "format files in place", "dynlang.tools.inspect:fmt", fmt_arguments),
    Verb("fix", "apply the repairs that the errors offer", "dynlang.tools.repairs:fix", fix_arguments),
    Verb("test", "run the tests in the files", "dynlang.tools.execute:test", test_arguments),
    Verb("bench", "time the benchmarks in the files", "dynlang.tools.execute:bench", test_arguments),
    Verb("grad", "print the derivative of a function as Dyn", "dynlang.tools.inspect:grad", grad_arguments),
    Verb("ir", "print a program at any stage", "dynlang.tools.inspect:ir", ir_arguments),
    Verb("call", "call one function on arrays from an .npz file", "dynlang.tools.call:call", call_arguments),
    Verb("repl", "interactive session", "dynlang.tools.repl:repl", repl_arguments),
    Verb("doc", "show what a module offers", "dynlang.tools.docs.command:doc", doc_arguments),
    Verb("new", "start a project that runs", "dynlang.tools.newproject:new", new_arguments),
    Verb("doctor", "what this machine can do", "dynlang.tools.doctor:doctor", nothing),
    Verb("explain", "what an error code means, with an example", "dynlang.tools.explain:explain", explain_arguments),
)


def make_parser() -> argparse.ArgumentParser:
    from dynlang import __version__

    parser = Parser(
        prog="dync", description="The compiler of Dyn, a language for dynamic neural networks.",
        epilog="`dync FILE.dyn` is `dync run FILE.dyn`. `dync VERB --help` says more.")
    parser.add_argument("--version", action="version", version=f"dync {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        description = f"{verb.help[0].upper()}{verb.help[1:]}."
        verb.arguments(verbs.add_parser(verb.name, help=verb.help, description=description))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point of `dync`. Never raises: returns the exit status."""
    _open_closed_output()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0].endswith(".dyn"):
        arguments.insert(0, "run")
    try:
        status = guarded(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _forget_output()
        return EXIT_PIPE
    except OSError as error:
        _forget_output()
        return complain(f"the output can't be written: {error.strerror or error}")


def guarded(arguments: list[str]) -> int:
    """Run the verb; an error of the input is printed, a bug becomes a report, Ctrl-C a status."""
    try:
        parsed = make_parser().parse_args(arguments)
        verb = next(verb for verb in VERBS if verb.name == parsed.verb)
        module, _, function = verb.run.partition(":")
        return getattr(importlib.import_module(module), function)(parsed) or 0
    except SystemExit as leaving:  # argparse: 0 after --help, 2 for a mistake
        return leaving.code if isinstance(leaving.code, int) else EXIT_USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        return _after_exception(error, arguments)


def _after_exception(error: Exception, arguments: list[str]) -> int:
    from dynlang import diag

    if isinstance(error, diag.InternalError):
        show(error.diagnostics)
        return EXIT_BUG
    if isinstance(error, diag.CompileError):
        show(with_fixes(error, arguments), error.left_off)
        return EXIT_INPUT
    if isinstance(error, OSError) and error.filename is None and error.errno is not None:
        raise error  # standard output: the file system is full, or the like
    show([diag.CompilerBug(
        f"internal error: {type(error).__name__}: {str(error)[:200]}",
        notes=(f"the details are in {write_report(arguments)}",),
        hint="this is a bug of dync: please report it, with that file and the program that shows it")])
    return EXIT_BUG


def with_fixes(error: Any, arguments: list[str]) -> Sequence:
    """The errors with the repairs that work; of the files on the command line, the first is the program's."""
    if not any(one.repairs for one in error.diagnostics):
        return error.diagnostics
    from pathlib import Path

    from dynlang.tools import repairs

    files = [Path(one) for one in arguments if one.endswith(".dyn")]
    return repairs.with_fixes(error, files[0] if files else None)


def write_report(arguments: list[str]) -> str:
    """The trace of the exception at hand, in a file; its name."""
    descriptor, name = tempfile.mkstemp(prefix="dync-report-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(f"dync {' '.join(arguments)}\n\n{traceback.format_exc()}")
    return name


def show(diagnostics: Sequence, left_off: int = 0) -> None:
    """Print diagnostics to standard error: the first of them, and how many more there are."""
    from dynlang import diag

    print(diag.render_all(diagnostics, colour=diag.colour_wanted(), left_off=left_off), file=sys.stderr)


def complain(message: str, status: int = EXIT_INPUT) -> int:
    """An error that has no place in a source file."""
    print(f"error: {message}", file=sys.stderr)
    return status


def _open_closed_output() -> None:
    """Python has no `sys.stdout` where the descriptor is closed (`>&-`). Printing then fails as it does on a full disk, errors are lost,
    and no file that is opened later takes the descriptor's number."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_WRONLY)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _forget_output() -> None:
    """Nothing more can be written: keep the interpreter from trying again on its way out."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


if __name__ == "__main__":
    raise SystemExit(main())
