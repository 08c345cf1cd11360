"""What the checker knows while it reads one body: names in scope, sizes and where they came from, the rules in force.

`infer` and `expect` are the two directions of the checker. Each kind of expression has one handler, registered with
`@handles(ast.Name)` in the module that is about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dynlang.check import typed
from dynlang.check.declarations.world import Generic, Signature, Symbol, World
from dynlang.check.statements.varying import computed_names
from dynlang.diag import Diagnostic, Diagnostics, Label
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    INT,
    ErrorType,
    IndexType,
    Size,
    Type,
    open_unknowns,
    unknowns,
)

ERROR = ErrorType()
SIZE_PARAMETER = "a size parameter"
"""The origin of a declared size."""

Handler = Callable[["Context", Any, "Type | None"], typed.Expression]
HANDLERS: dict[type, Handler] = {}


def handles(*kinds: type) -> Callable[[Handler], Handler]:
    """Registers the function that infers expressions of these kinds."""

    def register(handler: Handler) -> Handler:
        for kind in kinds:
            HANDLERS[kind] = handler
        return handler

    return register


# ---------------------------------------------------------------- what a local name means


@dataclass(frozen=True, slots=True)
class LocalEntry:
    """A variable. `size`: what it is as a size, for immutable ints whose value is a polynomial."""

    local: typed.Local
    span: Span
    size: Size | None = None


@dataclass(frozen=True, slots=True)
class SizeEntry:
    size: Size
    span: Span


@dataclass(frozen=True, slots=True)
class TypeEntry:
    type: Type
    span: Span


@dataclass(frozen=True, slots=True)
class NestedEntry:
    """A nested function; its captures stand in the signature."""

    signature: Signature
    span: Span


Entry = LocalEntry | SizeEntry | TypeEntry | NestedEntry


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a size variable came from, for messages: "the size of `words`, opened here"."""

    text: str
    span: Span


@dataclass
class Context:
    """The state of checking one function body, constant, test or benchmark."""

    world: World
    module: str
    diagnostics: Diagnostics
    owner: str = ""
    """The function's name as its author wrote it; "" for tests and benchmarks."""
    is_proc: bool = False
    returns: Type | None = None
    scopes: list[dict[str, Entry]] = field(default_factory=lambda: [{}])
    taken: set[str] = field(default_factory=set)
    origins: dict[str, Origin] = field(default_factory=dict)
    declared: dict[str, Span] = field(default_factory=dict)
    local_sizes: dict[str, Size] = field(default_factory=dict)
    """What immutable int locals are as sizes, by their unique names."""
    signed: set[str] = field(default_factory=set)
    """The sizes that are ints of the program, and may be negative."""
    nonnegative: set[Size] = field(default_factory=set)
    """Sizes that the parameters have, and that can't be negative for all their signs."""
    nested: list[typed.Function] = field(default_factory=list)
    nested_signatures: dict[str, Signature] = field(default_factory=dict)
    captured_sizes: dict[str, frozenset[str]] = field(default_factory=dict)
    """The sizes that each nested function can see around it."""
    failed: bool = False
    """Whether this body has an error: what follows from it isn't reported, too."""
    captured: set[str] = field(default_factory=set)
    """The variables that a nested function has from around it, by unique name."""
    loops: int = 0
    keeps_values: bool = False
    """Whether a value may stand alone as a statement: what a benchmark computes is its point."""
    following: Sequence[ast.Statement] = ()
    """What comes after a `var` without a type: it decides whether the variable is an index or an int."""
    fields: dict[tuple[str, str], typed.Local] = field(default_factory=dict)
    """The variables that hold the fields of unknown size of immutable variables."""
    naming: str = ""
    """The variable that the expression at hand is bound to: sizes that it opens are named after it."""
    uses: int = 0
    trials: int = 0
    """How many trials are inside of one another here."""
    resizable: bool = False
    """Whether a variable of unknown size was declared, which statements may read several times."""
    slice_ends: dict[Size, typed.Local] = field(default_factory=dict)
    """The ends of slices that ints of the program were computed to: `x[:n - k]` and `y[:n - k]` have one size."""
    opened_places: list[tuple[typed.Place, typed.Local, tuple[str, ...]]] = field(default_factory=list)
    """Places of unknown size in which the statement at hand changes items, and the variables that stand for them, sizes known."""
    is_simple: bool = False
    """Whether the statement at hand has no blocks, so that something can stand before and behind it."""
    snapshots: dict[str, typed.Local] = field(default_factory=dict)
    """What such variables hold while the statement at hand runs, opened once."""
    qualified: str = ""
    """What nested functions are named after; differs from body to body."""
    parameters: set[str] = field(default_factory=set)
    frozen: str = ""
    """Not empty inside lambdas and comprehensions, where nothing outer is assigned or lent: says which."""
    frozen_depth: int = 0
    result_span: Span | None = None
    """Where the function's result type is written."""
    body: Callable[[Context, ast.Block], tuple[typed.Statement, ...]] | None = None
    settled: Mapping[int, Any] = field(default_factory=dict)
    """What declarations without a type are to be, after an earlier reading of the body (`settle.py`)."""
    demands: dict[int, Any] = field(default_factory=dict)
    """What this reading asks of such declarations."""
    initial: dict[int, typed.Expression] = field(default_factory=dict)
    """The values that such declarations give."""
    refused: set[tuple[int, int, Type]] = field(default_factory=set)
    """Expressions, by their place, that don't become ones of a type: each is asked once in a reading."""
    numbers: dict[str, int] = field(default_factory=dict)
    """The last number that a name was given to be unique."""

    # ---------------------------------------------------------------- names

    def unique(self, name: str) -> str:
        """A name that nothing else in this function has: `h`, then `h_2`."""
        candidate, number = name, self.numbers.get(name, 1)
        while candidate in self.taken:
            number += 1
            candidate = f"{name}_{number}"
        self.numbers[name] = number
        self.taken.add(candidate)
        return candidate

    def declare(
        self, name: str, kind: Type, span: Span, mutable: bool = False, size: Size | None = None, unique: str = ""
    ) -> typed.Local:
        """A new variable of the innermost scope; it hides outer ones of its name. `unique`: its unique name, if that is settled."""
        from dynlang.check.fitting.opening import is_resizable

        if mutable and isinstance(kind, IndexType) and name in computed_names(self.following):
            kind = INT
        local = typed.Local(unique or self.unique(name), kind, mutable)
        self.taken.add(local.name)
        self.declared[local.name] = span
        self.resizable = self.resizable or (mutable and is_resizable(self, kind))
        if is_int(kind) and not mutable:
            size = size if size is not None else Size.variable(local.name)
            self.local_sizes[local.name] = size
            if size.single_variable == local.name and not isinstance(kind, IndexType):
                self.signed.add(local.name)
            text = f"an index below {kind.bound}" if isinstance(kind, IndexType) else "an int, known when it runs"
            self.origins.setdefault(local.name, Origin(text, span))
        if name != "_":
            self.scopes[-1][name] = LocalEntry(local, span, size)
        return local

    def declare_size(self, name: str, span: Span, text: str) -> Size:
        """A new size variable of the innermost scope."""
        unique = self.unique(name)
        self.origins[unique] = Origin(text, span)
        self.scopes[-1][name] = SizeEntry(Size.variable(unique), span)
        return Size.variable(unique)

    def fresh_size(self, name: str, text: str, span: Span) -> str:
        """A size variable that no program text can name: an opened unknown."""
        unique = self.unique(name)
        self.origins[unique] = Origin(text, span)
        return unique

    def fresh_size_of(self, local: typed.Local, text: str, span: Span) -> None:
        """An int variable of the compiler as a size."""
        self.local_sizes[local.name] = Size.variable(local.name)
        self.signed.add(local.name)
        self.origins[local.name] = Origin(text, span)

    def temporary(self, name: str, kind: Type) -> typed.Local:
        """A variable of the compiler, which no program text can name."""
        return typed.Local(self.unique(name), kind)

    def find(self, name: str) -> Entry | None:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def symbol(self, name: str) -> Symbol | None:
        return self.world.lookup(self.module, name)

    def names(self) -> set[str]:
        """All names in sight, for suggestions."""
        found = set(self.world.visible(self.module))
        for scope in self.scopes:
            found |= set(scope)
        return found

    def size_names(self) -> set[str]:
        """The size variables that names in scope stand for."""
        found: set[str] = set()
        for scope in self.scopes:
            for entry in scope.values():
                if isinstance(entry, SizeEntry):
                    found |= entry.size.variables()
                elif isinstance(entry, LocalEntry) and entry.local.name in self.local_sizes:
                    found |= self.local_sizes[entry.local.name].variables()
        return found

    @contextmanager
    def scope(self) -> Iterator[dict[str, Entry]]:
        self.scopes.append({})
        try:
            yield self.scopes[-1]
        finally:
            self.scopes.pop()

    @contextmanager
    def inside(self, what: str) -> Iterator[None]:
        """Within a lambda or comprehension, what stands outside of it can't be assigned or lent."""
        before = self.frozen, self.frozen_depth, self.is_proc
        self.frozen, self.frozen_depth = what, len(self.scopes)
        self.is_proc = self.is_proc and what != "a lambda"
        self.scopes.append({})
        try:
            yield
        finally:
            self.scopes.pop()
            self.frozen, self.frozen_depth, self.is_proc = before

    def is_frozen(self, name: str) -> bool:
        """Whether a name is declared outside of the lambda or comprehension that we are in."""
        return bool(self.frozen) and not any(name in scope for scope in self.scopes[self.frozen_depth :])

    @staticmethod
    def origin(text: str, span: Span) -> Origin:
        return Origin(text, span)

    # ---------------------------------------------------------------- errors

    def report(self, found: Diagnostic) -> None:
        self.diagnostics.add(found)
        self.failed = self.failed or found.severity == "error"

    def fail(self, found: Diagnostic) -> typed.Expression:
        """Report, and stand for the expression that can't be understood."""
        self.report(found)
        assert found.span is not None
        return typed.Literal(ERROR, found.span, 0)

    @contextmanager
    def trial(self) -> Iterator[Diagnostics]:
        """Errors within are looked at, not reported; names made within are forgotten."""
        before, taken, origins, fields = self.diagnostics, set(self.taken), dict(self.origins), dict(self.fields)
        numbers, ends = dict(self.numbers), dict(self.slice_ends)
        nested, signatures, failed, opened = list(self.nested), dict(self.nested_signatures), self.failed, list(self.opened_places)
        demands, innermost, entries = dict(self.demands), self.scopes[-1], dict(self.scopes[-1])
        self.diagnostics = Diagnostics(limit=1)
        self.trials += 1
        try:
            yield self.diagnostics
        finally:
            self.trials -= 1
            self.diagnostics, self.taken, self.origins, self.fields = before, taken, origins, fields
            self.numbers, self.slice_ends = numbers, ends
            self.nested, self.nested_signatures, self.failed, self.opened_places = nested, signatures, failed, opened
            self.demands = demands
            innermost.clear()
            innermost.update(entries)

    def origin_label(self, name: str) -> Label | None:
        """The place that a size variable came from."""
        origin = self.origins.get(name)
        return Label(origin.span, f"`{name}` is {origin.text}") if origin else None

    # ---------------------------------------------------------------- expressions

    def infer(self, node: ast.Expr, hint: Type | None = None) -> typed.Expression:
        """The expression, of whatever type it has; the hint only helps where the expression leaves a choice."""
        naming, self.naming = self.naming, ""
        found = self.infer_packed(node, hint)
        return self.open(found, describe(node), naming)

    def infer_packed(self, node: ast.Expr, hint: Type | None = None) -> typed.Expression:
        """Like `infer`, but unknown sizes of the type stay closed."""
        return HANDLERS[type(node)](self, node, hint)

    def expect(self, node: ast.Expr, wanted: Type, role: str = "") -> typed.Expression:
        """The expression as a value of a type; an error where it isn't one. `role` says what asks for it."""
        from dynlang.check.fitting.fit import fit

        return fit(self, self.infer(node, wanted), wanted, role)

    def open(self, value: typed.Expression, what: str = "this value", naming: str = "") -> typed.Expression:
        """Unknown sizes of the value become new size variables (rule 4); `naming` is the variable that the value is bound to."""
        closed = unknowns(value.type)
        if not closed or isinstance(value.type, ErrorType):
            return value
        text = f"{'the size' if len(closed) == 1 else 'a size'} of {came_from(what, naming)}, known when it runs"
        wish = f"size_of_{naming}" if naming else size_name(what)
        names = tuple(self.fresh_size(one.name or wish, text, value.span) for one in closed)
        return typed.Open(open_unknowns(value.type, names), value.span, value, names)

    def signature_of(self, name: str) -> Signature:
        return self.nested_signatures.get(name) or self.world.signatures[name]


def came_from(what: str, naming: str = "") -> str:
    """Whose size it is, and where that came from.

    >>> came_from("the result of `tokenize`", "ws"), came_from("this value", "ws"), came_from("the result of `tokenize`")
    ('`ws`, from `tokenize`', '`ws`', 'the result of `tokenize`')
    """
    if not naming:
        return what
    return f"`{naming}`" if what in ("this value", f"`{naming}`") else f"`{naming}`, from {what.removeprefix('the result of ')}"


def size_name(what: str) -> str:
    """The name of a size that is opened, after what it belongs to.

    >>> size_name("the result of `data.lines`"), size_name("this value")
    ('size_of_lines', 'size')
    """
    named = what.partition("`")[2].partition("`")[0].rpartition(".")[2]
    return f"size_of_{named}" if named.isidentifier() else "size"


def describe(node: ast.Expr) -> str:
    """An expression in a message: a name or a call by name, else "this value"."""
    match node:
        case ast.Name(text):
            return f"`{text}`"
        case ast.Attribute(ast.Name(left), name):
            return f"`{left}.{name.text}`"
        case ast.Call(function):
            inner = describe(function)
            return "this value" if inner == "this value" else f"the result of {inner}"
        case ast.Index(value):
            inner = describe(value)
            return "this value" if inner == "this value" else f"an item of {inner}"
        case ast.Attribute(_, name):
            return f"`.{name.text}`"
    return "this value"


def generic_entries(generics: tuple[Generic, ...]) -> dict[str, Entry]:
    """The parameters of a declaration as names of a scope."""
    entries: dict[str, Entry] = {}
    for one in generics:
        argument = one.argument
        entries[one.name] = SizeEntry(argument, one.span) if isinstance(argument, Size) else TypeEntry(argument, one.span)  # type: ignore[arg-type]
    return entries


def is_int(kind: Type) -> bool:
    return kind == INT or isinstance(kind, IndexType)
