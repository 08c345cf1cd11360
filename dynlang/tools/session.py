"""A session: declarations that grow, variables that keep their values, and entries that are compiled one at a time.

An entry of statements becomes a `proc` whose parameters are the variables that it uses (those it may change are `inout`) and
whose results are the value to show and the new variables. So nothing is compiled twice, and an entry that fails or
is interrupted changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from dynlang import diag, pipeline
from dynlang.check import typed
from dynlang.check.context import Context, LocalEntry
from dynlang.check.declarations.world import World, show
from dynlang.check.modules import Loader
from dynlang.check.program import RECURSION, check_bodies, declare_modules
from dynlang.check.statements.bodies import close_nested
from dynlang.check.statements.statement import check_block, check_statements
from dynlang.core.elaborate.values import Layouts
from dynlang.ops.table import SURFACE
from dynlang.source import Source
from dynlang.syntax import nodes as ast
from dynlang.syntax.parser import parse_entry
from dynlang.tools.procedure import returning, shown_value, span_of, with_functions
from dynlang.tools.rendering import Renderer, canonical
from dynlang.tools.running import Program
from dynlang.types import (
    FunctionType,
    Size,
    TupleType,
    Type,
    Unknown,
    open_unknowns,
    parts,
    substitute,
    unknowns,
)

MODULE = "main"
ENTRY = "entry"
DECLARATIONS = (ast.Import, ast.FromImport, ast.Function, ast.Record, ast.TypeDef, ast.Alias)
Answer = dict[str, Any]


@dataclass(frozen=True)
class Variable:
    """A variable of the session: its type, without sizes that are not numbers, and its flat values."""

    type: Type
    mutable: bool
    values: tuple[Any, ...]


class Session:
    """`enter` runs an entry and tells what to show."""

    def __init__(self) -> None:
        sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))
        self.declarations: dict[str, str] = {}
        self.variables: dict[str, Variable] = {}
        self.world, self.program = self._checked({})

    # ---------------------------------------------------------------- what the prompt asks

    def enter(self, text: str, name: str = "<prompt>") -> Answer:
        """Run an entry: a command that begins with `:`, declarations, or statements."""
        try:
            if text.lstrip().startswith(":"):
                return {"text": self.command(text.strip())}
            source = Source(name, text if text.endswith("\n") else text + "\n")
            entry = parse_entry(source, final=True)
            if entry.diagnostics:
                raise diag.CompileError(entry.diagnostics)
            declared = [one for one in entry.items if isinstance(one, DECLARATIONS)]
            lines = self.declare(declared) if declared else []
            statements = [one for one in entry.items if not isinstance(one, DECLARATIONS)]
            if statements:
                lines += self.run(statements)
            return {"text": "\n".join(lines), "declared": bool(declared) and not statements}
        except diag.CompileError as error:
            return {"error": diag.render_all(error.diagnostics, colour=diag.colour_wanted())}

    def names(self) -> Answer:
        """All names in sight, for completion."""
        return {"names": sorted({*self.variables, *self.world.visible(MODULE), *SURFACE})}

    def command(self, text: str) -> str:
        word, _, rest = text.partition(" ")
        match word:
            case ":type":
                _, statements = self._statements(self._expression(rest))
                return show(statements[-1].value.type) if isinstance(statements[-1], typed.Evaluate) else "no value"
            case ":time":
                return self.timed(rest)
            case ":grad":
                return self.derivative(rest)
            case ":ir":
                return pipeline.text_of("opt", pipeline.build(self._request(self.program, rest), until="opt")).rstrip()
            case ":names":
                return "\n".join([f"{name}: {show(one.type)}" for name, one in self.variables.items()] + list(self.declarations))
            case ":load":
                answer = self.enter(Path(rest).read_text(encoding="utf-8"), rest)
                return answer.get("error") or answer.get("text") or ""
            case ":reset":
                self.declarations.clear()
                self.variables.clear()
                self.world, self.program = self._checked({})
                return "forgotten"
        return f"there is no command {word}; :help lists them"

    # ---------------------------------------------------------------- declarations

    def declare(self, items: Sequence[Any]) -> list[str]:
        """Add declarations, or replace those of the same name; all that stand must agree with the new ones."""
        changed = {declared_name(item): item.span.text for item in items}
        together = {**{name: text for name, text in self.declarations.items() if name not in changed}, **changed}
        self.world, self.program = self._checked(together)
        self.declarations = together
        lines = [str(self.world.signatures[f"{MODULE}.{name}"]) for name in changed if f"{MODULE}.{name}" in self.world.signatures]
        for name in list(self.variables):
            if any(f"{MODULE}.{one}" in nominal_names(self.variables[name].type) for one in changed):
                del self.variables[name]
                lines.append(f"{name} is forgotten: its type was declared again")
        return lines

    def _checked(self, declarations: dict[str, str]) -> tuple[World, typed.Program]:
        """The declarations as a module, checked."""
        loader = Loader(Path.cwd())
        main = loader.load_main(Source("<session>", "\n\n".join(declarations.values()) + "\n"), None)
        if loader.problems:
            raise diag.CompileError(loader.problems)
        world, diagnostics = World(), diag.Diagnostics()
        modules = [loader.modules[name] for name in loader.order]
        declare_modules(modules, world, diagnostics)
        program = check_bodies(modules, world, diagnostics, main, loader)
        diagnostics.raise_errors()
        return world, program

    # ---------------------------------------------------------------- statements

    def run(self, items: Sequence[Any]) -> list[str]:
        """Compile and run statements; the lines to show."""
        context, statements = self._statements(items)
        entry = Entry(self, context, statements)
        results = entry.call(self._compiled(entry))
        lines = []
        if entry.shown is not None:
            kind, values = results.pop(0)
            lines.append(f"{show(kind)} = {self._render(kind, values)}")
        for (name, local), (kind, values) in zip(entry.new, results, strict=True):
            self.variables[name] = Variable(kind, local.mutable, values)
            lines.append(f"{name}: {show(kind)} = {self._render(kind, values)}")
        return lines

    def timed(self, text: str) -> str:
        """How long an expression takes, warm: the median of many runs."""
        from dynlang.tools.execute import human

        context, statements = self._statements(self._expression(text))
        entry = Entry(self, context, statements)
        with self._compiled(entry) as program:
            times = program.seconds(ENTRY, entry.arguments())
        return f"{human(sorted(times)[len(times) // 2])}, the median of {len(times)} runs; the first {human(times[0])}"

    def derivative(self, function: str) -> str:
        from dynlang.tools.derivative import derivative_of

        return derivative_of(pipeline.build(self._request(self.program, function), until="core"), function).rstrip()

    def _expression(self, text: str) -> Sequence[Any]:
        entry = parse_entry(Source("<prompt>", text + "\n"), final=True)
        if entry.diagnostics:
            raise diag.CompileError(entry.diagnostics)
        return entry.items

    def _statements(self, items: Sequence[Any]) -> tuple[Context, tuple[typed.Statement, ...]]:
        """Statements in the light of the session's variables."""
        diagnostics = diag.Diagnostics()
        context = Context(self.world, MODULE, diagnostics, "", True, None, body=check_block)
        for name, one in self.variables.items():
            context.declare(name, one.type, items[0].span, mutable=one.mutable)
        statements = check_statements(context, items)
        diagnostics.raise_errors()
        return context, statements

    def _compiled(self, entry: Entry) -> Program:
        from dynlang.native.jit import compile_module

        ssa = pipeline.build(self._request(entry.program, ENTRY), until="opt")
        return Program(compile_module(ssa, 2, [ENTRY]), ssa)

    def _request(self, program: typed.Program, *entries: str) -> pipeline.Request:
        return pipeline.Request(Path("<session>"), entries=entries, keep={"ast": None, "typed": program})

    def _render(self, kind: Type, values: Sequence[Any]) -> str:
        return Renderer(self.program).text(kind, values)


class Entry:
    """The procedure that statements become: what it takes from the session, and what it gives back."""

    def __init__(self, session: Session, context: Context, statements: tuple[typed.Statement, ...]):
        self.session = session
        span = span_of(statements)
        own = set(session.variables)
        self.used = [name for name in session.variables if name in set(names_in((statements, *context.nested)))]
        self.new = [(name, one.local) for name, one in context.scopes[0].items()
                    if isinstance(one, LocalEntry) and one.local.name not in own]
        self.shown = shown_value(statements)
        values = [] if self.shown is None else [self.shown]
        values += [typed.LocalReference(local.type, span, local) for _, local in self.new]
        body, self.returns = returning(statements, values, span)
        if any(holds_function(one) for one in self.returns.items):
            raise diag.NotBuilt("a function as a variable of a session", span, hint="declare it: fn f(x: ...) -> ...:")
        parameters = tuple(typed.Parameter(typed.Local(name, one.type, one.mutable), "inout" if one.mutable else "value")
                           for name, one in ((name, session.variables[name]) for name in self.used))
        function = typed.Function(f"{MODULE}.{ENTRY}", "proc", (), (), parameters, self.returns, body, span)
        functions = close_nested((function, *context.nested), context.captured_sizes)
        self.program = with_functions(session.program, {one.name: one for one in functions})
        self.layouts = Layouts(self.program, {})

    def arguments(self) -> list[Any]:
        return [value for name in self.used for value in self.session.variables[name].values]

    def call(self, program: Program) -> list[tuple[Type, tuple[Any, ...]]]:
        """Run it; the session's variables have their new values then, and each result its type."""
        with program:
            found = [canonical(value, program.ssa.sums) for value in program.call(ENTRY, self.arguments())]
        sizes = unknowns(self.returns)
        names = tuple(f"?{position}" for position in range(len(sizes)))
        numbers = {name: Size.constant(int(value)) for name, value in zip(names, found, strict=False)}
        kinds = substitute(open_unknowns(self.returns, names), numbers)
        assert isinstance(kinds, TupleType)
        at = len(sizes)
        results = []
        for kind in kinds.items:
            count = len(self.layouts.data(kind))
            results.append((kind, tuple(found[at:at + count])))
            at += count
        for name in self.used:
            before = self.session.variables[name]
            if before.mutable:
                self.session.variables[name] = replace(before, values=tuple(found[at:at + len(before.values)]))
                at += len(before.values)
        return results


# ---------------------------------------------------------------- on typed trees


def names_in(node: Any) -> Iterator[str]:
    """The names of all locals and sizes that a typed tree mentions."""
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, typed.Local):
            yield one.name
        elif isinstance(one, Size):
            yield from one.variables()
        elif isinstance(one, tuple | list):
            pending += one
        elif is_dataclass(one) and type(one).__module__.startswith("dynlang.") and type(one).__name__ != "Span":
            pending += [getattr(one, field.name) for field in fields(one)]


def declared_name(item: Any) -> str:
    """What a declaration is replaced by: its name, or the path of an import."""
    return item.name.text if hasattr(item, "name") else f"import {item.path.text}"


def nominal_names(kind: Type) -> set[str]:
    found = {kind.name} if hasattr(kind, "name") else set()  # type: ignore[union-attr]
    return found.union(*(nominal_names(one) for one in parts(kind) if not isinstance(one, Size | Unknown)))


def holds_function(kind: Type) -> bool:
    return isinstance(kind, FunctionType) or any(holds_function(one) for one in parts(kind) if not isinstance(one, Size | Unknown))
