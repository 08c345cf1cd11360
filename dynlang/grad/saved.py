"""How many bytes the forward of a derivative saves for its backward, as polynomials in the sizes.

The forward is read: its residual is a construction of values, and where a value was bound tells how often it is made: once in a call,
in each trip of a loop, at each node of a recursion. A number counts its bytes, an array its elements, everything else 8 for a
reference, and what it refers to if the forward made it; what the arguments hold is theirs. An array that is held twice may be counted
twice, so that what is said is never too little.

    saved(made, "f_grad", core.functions["f"]) -> Saved("A call of `f`", 4*d + 16, inner=Saved("each trip of the loop at line 3", 4*d))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from dynlang.core.nodes import Atom, Block, Call, Case, Construct, For, Function, If, Let, Literal, Module, Operation, Variable, While
from dynlang.core.sizes import size_of
from dynlang.core.walk import blocks_of, statements_in
from dynlang.grad.state import known_sizes
from dynlang.ops.dtypes import BYTES
from dynlang.source import Source
from dynlang.types import INT, ArrayType, ListType, ScalarType, Size, SumType, Type, substitute

REFERENCE = Size.constant(8)


@dataclass(frozen=True, slots=True)
class Field:
    """One value that is saved: its name, its type, the bytes it takes, and the line where it was made."""

    name: str
    type: Type
    size: Size
    made: str


@dataclass(frozen=True, slots=True)
class Saved:
    """What is saved as often as `what` says; `inner` are those parts that are saved at other times, `count` times in this one where
    that is a polynomial in the sizes."""

    what: str
    size: Size
    fields: tuple[Field, ...]
    inner: tuple[Saved, ...]
    count: Size | None = None

    def all(self) -> Iterator[Saved]:
        yield self
        for one in self.inner:
            yield from one.all()

    @property
    def total(self) -> Size:
        """The bytes of this part, with those of the inner ones that are counted."""
        found = self.size
        for one in self.inner:
            if one.count is not None:
                found = found + one.count * one.total
        return found

    def uncounted(self) -> Iterator[Saved]:
        """The parts inside of it that happen as often as the values say."""
        for one in self.inner:
            if one.count is None:
                yield one
            yield from one.uncounted()


def saved(module: Module, gradient: str, target: Function) -> Saved:
    """What a call of `target` saves, whose derivative is the function `gradient` of the module."""
    what = f"A call of `{target.name}`"
    body = module.functions[gradient].body
    statement = next((one for one in body.statements if isinstance(one.right, Call)), None)
    if statement is None:
        return Saved(what, Size.constant(0), (), ())
    home = target.span.source if target.span is not None else None
    sizes = {one.name for one in target.parameters if one.type == INT}
    reading = _Reading(module, module.functions[gradient], {}, frozenset(), _Place(home, frozenset(sizes)))
    part = _Part()
    for residual in statement.variables[len(target.results) :]:
        reading.hold(residual, part)
        part.size = part.size - REFERENCE  # it is handed over, not held
    return part.saved(what)


def residual_sums(module: Module, gradient: str, original: Module, results: int) -> list[str]:
    """The sum types that differentiation made for the residual of `gradient`, in the order in which they are met."""
    statement = next((one for one in module.functions[gradient].body.statements if isinstance(one.right, Call)), None)
    todo = [one.type for one in statement.variables[results:]] if statement is not None else []
    found: dict[str, None] = {}
    while todo:
        kind = todo.pop(0)
        match kind:
            case SumType(name, _) if name not in original.sums and name not in found:
                found[name] = None
                todo += [one.type for constructor in module.sums[name].constructors for one in constructor.fields]
            case ListType(elements):
                todo += elements
            case ArrayType(element, _):
                todo.append(element)
    return list(found)


@dataclass(frozen=True, slots=True)
class _Place:
    """The file whose lines need no name, and the ints that a size may be told in."""

    home: Source | None
    sizes: frozenset[str]

    def line_of(self, statement: Let) -> str:
        span = statement.span
        if span is None:
            return ""
        return f"line {span.line}" if span.source is self.home else f"{PurePath(span.source.name).name}:{span.line}"


@dataclass(slots=True)
class _Part:
    """A `Saved` in the making."""

    size: Size = field(default_factory=lambda: Size.constant(0))
    fields: list[Field] = field(default_factory=list)
    inner: list[Saved] = field(default_factory=list)

    def add(self, variable: Variable, kind: Type, size: Size, made: str) -> None:
        self.size = self.size + size
        self.fields.append(Field(variable.name, kind, size, made))

    def saved(self, what: str, count: Size | None = None) -> Saved:
        return Saved(what, self.size, tuple(self.fields), tuple(self.inner), count)


class _Reading:
    """One function of the forward; `sizes` are its int parameters in terms of the caller's."""

    def __init__(self, module: Module, function: Function, sizes: Mapping[str, Size], callers: frozenset[str], place: _Place) -> None:
        self.module, self.function, self.sizes, self.place = module, function, sizes, place
        self.known = known_sizes(function)
        self.callers = callers | {function.name}
        self.bound: dict[str, tuple[Let, int]] = {
            one.name: (statement, k) for statement in statements_in(function.body) for k, one in enumerate(statement.variables)
        }
        self.carried: dict[str, Atom] = {}
        for statement in statements_in(function.body):
            if isinstance(statement.right, (For, While)):
                loop = statement.right
                self.carried.update((one.name, after) for one, after in zip(loop.carried, loop.body.results, strict=True))
        self.given = {one.name for one in function.parameters} if len(self.callers) == 2 else set()
        for statement in statements_in(function.body):
            self.given |= {one.name for binders, _ in blocks_of(statement.right) for one in binders if isinstance(statement.right, Case)}

    def kind(self, variable: Variable) -> Type:
        return substitute(variable.type, self.sizes)

    def hold(self, atom: Atom, part: _Part, beside: Sequence[Atom] = ()) -> None:
        """Adds what is kept alive by a value that is saved, together with those `beside` it."""
        if not isinstance(atom, Variable):
            return
        kind = self.kind(atom)
        statement, place = self.bound.get(atom.name, (None, 0))
        if isinstance(kind, ScalarType):
            part.add(atom, kind, Size.constant(BYTES[kind.dtype]), self.made(atom))
        elif isinstance(kind, ArrayType) and isinstance(kind.element, ScalarType):
            shared = atom.name in self.given or self.carried.get(atom.name) in beside or self.last_of_trips(atom, beside)
            part.add(atom, kind, REFERENCE if shared else self.array(kind), self.made(atom))
        elif isinstance(kind, ListType) and statement is not None and isinstance(statement.right, (For, While)):
            part.add(atom, kind, REFERENCE, self.made(atom))
            self.trips(statement, statement.right, place, part)
        elif isinstance(kind, SumType) and statement is not None:
            self.sum(atom, kind, statement, place, part)
        else:
            part.add(atom, kind, REFERENCE, self.made(atom))

    def array(self, kind: ArrayType) -> Size:
        assert isinstance(kind.element, ScalarType)
        total = REFERENCE
        elements = Size.constant(BYTES[kind.element.dtype])
        for one in kind.shape:
            elements = elements * one if isinstance(one, Size) else elements
        return total + elements

    def last_of_trips(self, atom: Variable, beside: Sequence[Atom]) -> bool:
        """Whether a loop's result is what its last trip pushed on a list that is held, too."""
        statement, place = self.bound.get(atom.name, (None, 0))
        if statement is None or not isinstance(statement.right, (For, While)):
            return False
        body = statement.right.body
        tapes = [k for k, one in enumerate(statement.variables) if one in beside and isinstance(one.type, ListType)]
        return any(body.results[place] in pushed(body, k) for k in tapes)

    def trips(self, statement: Let, loop: For | While, place: int, part: _Part) -> None:
        """What each trip of a loop pushes on a list."""
        inner = _Part()
        kept = self.kept(loop.body, place)
        if kept is not None:
            state, slots = kept
            self.hold(state, inner)
            inner.size = inner.size + REFERENCE + REFERENCE
            what = f"each of at most {slots} states of the loop at {self.place.line_of(statement)}"
            part.inner.append(inner.saved(what, Size.constant(slots)))
            return
        elements = pushed(loop.body, place)
        for element in elements:
            self.hold(element, inner, elements)
        for one, start in zip(loop.carried, loop.initial, strict=True):
            if isinstance(one.type, ArrayType) and one in elements and self.carried[one.name] in elements:
                self.hold(start, part)
        count = self.count(loop)
        trips = "each trip" if count is None else f"each of the {count} trips"
        part.inner.append(inner.saved(f"{trips} of the loop at {self.place.line_of(statement)}", count))

    def kept(self, body: Block, place: int) -> tuple[Atom, int] | None:
        """The state that a trip of a scheduled loop hands to its keeper, and how many that one keeps."""
        for one in body.statements:
            if isinstance(one.right, Call) and one.variables[0] == body.results[place]:
                keeper = self.module.functions[one.right.function]
                slots = next((each.right.arguments[1] for each in keeper.body.statements
                              if isinstance(each.right, Operation) and each.right.op == "less"), None)
                return (one.right.arguments[-1], int(slots.value)) if isinstance(slots, Literal) else None
        return None

    def count(self, loop: For | While) -> Size | None:
        """How many trips a loop makes, if that is a polynomial in the sizes."""
        if isinstance(loop, While):
            return None
        found = substituted(size_of(loop.count, self.known), self.sizes)
        return found if found.variables() <= self.place.sizes else None

    def sum(self, atom: Variable, kind: SumType, statement: Let, place: int, part: _Part) -> None:
        line = self.place.line_of(statement)
        at = f" at {line}" if line else ""
        match statement.right:
            case Construct(_, _, arguments):
                part.size = part.size + REFERENCE
                for one in arguments:
                    self.hold(one, part, arguments)
            case Call(name, arguments):
                part.size = part.size + REFERENCE
                if name not in self.callers:
                    self.call(self.module.functions[name], arguments, place, part)
            case Case(_, arms):
                part.size = part.size + REFERENCE
                part.inner += [
                    self.branch(arm.body, place, f"each {arm.constructor} of the match{at}") for arm in arms
                ]
            case If(_, then, otherwise):
                part.size = part.size + REFERENCE
                part.inner += [
                    self.branch(then, place, f"each time that the `if`{at} holds"),
                    self.branch(otherwise, place, f"each time that the `if`{at} doesn't hold"),
                ]
            case _:
                part.add(atom, kind, REFERENCE, self.made(atom))

    def branch(self, block: Block, place: int, what: str) -> Saved:
        inner = _Part()
        self.hold(block.results[place], inner)
        inner.size = inner.size - REFERENCE
        return inner.saved(what)

    def call(self, function: Function, arguments: Sequence[Atom], place: int, part: _Part) -> None:
        """What a callee saves belongs to the caller's part, its own loops and branches aside."""
        sizes = {
            one.name: substituted(size_of(argument, self.known), self.sizes)
            for one, argument in zip(function.parameters, arguments, strict=True)
            if one.type == INT
        }
        inner = _Reading(self.module, function, sizes, self.callers, self.place)
        below = _Part()
        inner.hold(function.body.results[place], below)
        part.size = part.size + below.size - REFERENCE
        part.fields += below.fields
        part.inner += below.inner

    def made(self, variable: Variable) -> str:
        """Where a value comes from: the op and its line."""
        if variable.name in self.carried:
            return "before the trip"
        statement, _ = self.bound.get(variable.name, (None, 0))
        if statement is None:
            return "given"
        right = statement.right
        what = right.op if isinstance(right, Operation) else "a call" if isinstance(right, Call) else ""
        return ", ".join(one for one in (what, self.place.line_of(statement)) if one)


def pushed(body: Block, place: int) -> tuple[Atom, ...]:
    """What a trip pushes on the list that is the result at `place`."""
    for one in body.statements:
        if isinstance(one.right, Operation) and one.right.op == "list_push" and one.variables[0] == body.results[place]:
            return one.right.arguments[1:]
    return ()


def substituted(size: Size, sizes: Mapping[str, Size]) -> Size:
    return size.substitute(sizes.get)


# ---------------------------------------------------------------- as text


def summary(found: Saved) -> str:
    """Comment lines: ``# A call of `f` saves 4*d + 8 bytes, and in`` and a line for each part that is saved more often."""
    inner = [one for one in found.uncounted() if one.total != Size.constant(0)]
    head = f"# {found.what} saves {found.total} bytes{', and in' if inner else ''}\n"
    return head + "".join(f"#   {one.what}: {one.total}\n" for one in inner)


def table(found: Saved) -> str:
    """All that is saved, value by value, as comment lines."""
    lines = []
    for part in found.all():
        if part.fields or part.inner or part is found:
            lines.append(f"{part.what}: {part.size}")
            wide = [max(map(len, column)) for column in zip(*map(_cells, part.fields), strict=True)]
            lines += ["    " + "  ".join(map(str.ljust, _cells(one), wide)).rstrip() for one in part.fields]
    return "".join(f"# {line}\n" for line in lines)


def _cells(one: Field) -> tuple[str, str, str, str]:
    return one.name, str(one.type), str(one.size), one.made
