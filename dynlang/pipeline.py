"""The way of a program through the compiler, as a list of rows.

`STAGES` is read from top to bottom: each row turns the form of the row above into its own. `build` runs them up to the
one asked for; `--time`, `--dump` and `--verify` follow the same list. Stages are imported when they run, so checking
a program loads neither NumPy nor LLVM.

>>> [stage.name for stage in STAGES]
['ast', 'typed', 'core', 'cut', 'grad', 'ssa', 'opt', 'llvm']
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynlang import diag


@dataclass(frozen=True, slots=True)
class Request:
    """What to build. `entries` are the functions that must be callable in the result; empty: main and the exports.

    `level` is -O; `target` the name of the machine (see `native`); `tests` asks for the `test` and `bench` blocks too,
    `library` for functions that load and save the records of the exports.
    """

    path: Path
    entries: tuple[str, ...] = ()
    level: int = 2
    target: str = "host"
    tests: bool = False
    library: bool = False
    timing: bool = False
    verify: bool = False
    dump: Path | None = None
    keep: dict[str, Any] = field(default_factory=dict, compare=False)
    """The form after each stage that has run, by the stage's name."""
    warnings: list[diag.Diagnostic] = field(default_factory=list, compare=False)
    """What the stages that have run found worth a look."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`run(form, request)` makes this stage's form; `text` prints it; `verify` raises if an invariant is broken.

    A stage `aside` isn't on the way of the others: it runs when it is asked for."""

    name: str
    run: Callable[[Any, Request], Any]
    text: str
    verify: str
    why: str
    aside: bool = False


def _load(name: str) -> Callable[..., Any]:
    """`module:function`, imported now; a stage that isn't there says so."""
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("dynlang"):
            raise
        raise diag.NotBuilt(f"{module}.{function}") from error


def _parse(_: None, request: Request) -> Any:
    """The main file alone: the other modules are read by the checker, as it meets their imports."""
    from dynlang.source import read_source

    module, found = _load("dynlang.syntax.parser:parse")(read_source(request.path))
    errors = [one for one in found if one.severity == "error"]
    if errors:
        raise diag.CompileError(errors)
    return module


def _check(_: Any, request: Request) -> Any:
    program = _load("dynlang.check.program:check_program")(request.path)
    request.warnings.extend(program.warnings)
    return _load("dynlang.native.library.loaders:with_loaders")(program) if request.library else program


def _elaborate(program: Any, request: Request) -> Any:
    return _load("dynlang.core.elaborate:elaborate")(program, request.entries, tests=request.tests)


def _cut(core: Any, _: Request) -> Any:
    """Where alternatives go, what is left of functions becomes simple in turns: the ends of calls, then what stands beside them."""
    cut = _load("dynlang.core.unmade:without_unmade")(core)
    read = _load("dynlang.core.simplify:without_unread")(cut)
    return read if cut is core else _load("dynlang.core.simplify:simplify")(read, rounds=4)


def _differentiate(core: Any, request: Request) -> Any:
    made = _load("dynlang.grad:differentiate")(core, request.warnings, request.keep.get("core"))
    return _load("dynlang.core.simplify:simplify")(made, core.roots)


def _lower(core: Any, _: Request) -> Any:
    return _load("dynlang.ssa.lower:lower")(core)


def _optimise(ssa: Any, request: Request) -> Any:
    return _load("dynlang.opt:optimise")(ssa, request.level, check=request.verify or None)


def _emit(ssa: Any, request: Request) -> Any:
    roots = request.entries or [name for name, function in ssa.functions.items() if name == "main" or function.export]
    return _load("dynlang.native.lower:lower")(ssa, target_of(request), roots)


def target_of(request: Request) -> Any:
    """The machine that is built for."""
    if request.target == "host":
        return _load("dynlang.native.target:host")()
    raise diag.NotBuilt(f"the target `{request.target}`")


def main_of(program: Any, request: Request) -> Any:
    """The typed `proc main`."""
    if program.main is None:
        hint = "it exports functions: `--lib` builds a library of them" if program.exported else "a program begins there: proc main():"
        raise diag.CompileError([_load("dynlang.check.errors:MissingMain")(f"{request.path} has no `proc main`", hint=hint)])
    return program.functions[program.main]


STAGES = (
    Stage("ast", _parse, "dynlang.syntax.printer:print_module", "",
          "what the user wrote, whole, with spans and comments; the checker reads it together with what it imports", aside=True),
    Stage("typed", _check, "", "",
          "errors are the user's up to here, and the compiler's after"),
    Stage("core", _elaborate, "dynlang.core.print:print_module", "dynlang.core.verify:verify",
          "one type for each function, no lambdas: small enough to differentiate"),
    Stage("cut", _cut, "dynlang.core.print:print_module", "dynlang.core.verify:verify",
          "alternatives that nothing makes, results that nobody reads: before derivatives of them are made"),
    Stage("grad", _differentiate, "dynlang.core.print:print_module", "dynlang.core.verify:verify",
          "while structure, types and sum types are still there"),
    Stage("ssa", _lower, "dynlang.ssa.print:print_module", "dynlang.ssa.verify:verify",
          "before the passes: they need uses and definitions"),
    Stage("opt", _optimise, "dynlang.ssa.print:print_module", "dynlang.ssa.verify:verify",
          "last on tensors: fusion and reference counts see whole arrays"),
    Stage("llvm", _emit, "", "",
          "text: what follows is LLVM's"),
)


def build(request: Request, until: str = "llvm") -> Any:
    """The form of `request.path` after the stage named `until`; what has run for this request isn't run again."""
    form: Any = None
    with garbage_kept():
        for stage in STAGES:
            if stage.aside and stage.name != until and request.dump is None:
                continue
            if stage.name not in request.keep:
                request.keep[stage.name] = _run(stage, form, request)
            form = request.keep[stage.name]
            if stage.name == until:
                return form
    raise ValueError(f"there is no stage {until!r}")


BUILDS = itertools.count()
BUILDS_KEPT = 16
"""Programs that a process builds before it looks for garbage."""


@contextlib.contextmanager
def garbage_kept() -> Iterator[None]:
    """Cycles aren't collected inside: a compiler makes millions of objects that live to its end, and looking through them
    again and again took most of the time of large programs. Afterwards they count as old, not as all to be looked through at once.
    A process that builds many programs collects what the earlier ones left, now and then."""
    collecting = gc.isenabled()
    if collecting and next(BUILDS) % BUILDS_KEPT == BUILDS_KEPT - 1:
        gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.freeze()
            gc.unfreeze()
            gc.enable()


def _run(stage: Stage, before: Any, request: Request) -> Any:
    """One stage, with what `--time`, `--dump` and `--verify` ask for."""
    began = time.perf_counter()
    form = stage.run(before, request)
    if request.timing:
        show_time(stage.name, time.perf_counter() - began)
    if request.dump is not None and (stage.text or isinstance(form, str)):
        request.dump.mkdir(parents=True, exist_ok=True)
        file = request.dump / f"{STAGES.index(stage):02}-{stage.name}.txt"
        file.write_text(text_of(stage.name, form), encoding="utf-8")
    if request.verify and stage.verify:
        _verify(stage, form)
    return form


def show_time(name: str, seconds: float, note: str = "") -> None:
    """One line of `--time`."""
    print(f"{name:>8} {1e3 * seconds:8.1f} ms{f'  ({note})' if note else ''}", file=sys.stderr)


@contextlib.contextmanager
def steps_shown(request: Request) -> Iterator[None]:
    """Inside, `--time` shows what comes after the stages, too: LLVM, the linker."""
    if not request.timing:
        yield
        return
    from dynlang.native.steps import watched

    with watched(show_time):
        yield


def text_of(name: str, form: Any) -> str:
    """The text of a form, as its stage prints it."""
    stage = next(stage for stage in STAGES if stage.name == name)
    return form if isinstance(form, str) else _load(stage.text)(form)


def _verify(stage: Stage, form: Any) -> None:
    """Check the invariants of a form; a broken one names the stage and leaves the form in a file."""
    try:
        _load(stage.verify)(form)
    except diag.NotBuilt:
        raise
    except Exception as error:
        import tempfile

        with tempfile.NamedTemporaryFile("w", prefix=f"dync-{stage.name}-", suffix=".txt", delete=False) as file:
            file.write(text_of(stage.name, form))
        raise diag.InternalError(f"after {stage.name}: {error} (the program is in {file.name})") from error
