# ruff: noqa: E501
"""Random expressions of a type: `Expressions.e(scope, type, depth)`.

Laws: the text has this type in every place that asks for it; with `known=False` also where nothing asks for a type. It ends without
an error: positions are taken modulo sizes, divisors are literals. Floats of what is stored are bounded (see `tame`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from random_programs import types as t
from random_programs.types import BOOL, F64, INT, STR, Arr, Data, Fun, Idx, Num, Size, Str, Tup, Type
from random_programs.vocabulary import Function, World, variables

NUMBERS = ("0.5", "0.25", "-0.75", "1.5", "0.125", "-0.3", "0.9", "0.0", "1.0")
UNARY = (
    "tanh({})",
    "sin({})",
    "cos({})",
    "sigmoid({})",
    "relu({})",
    "abs({})",
    "exp(tanh({}))",
    "log(1.5 + tanh({}))",
    "sin({}) ** 2",
    "(-{})",
    "tanh({}) ** 3",
    "sqrt(1.25 + sin({}))",
    "erf({})",
    "softplus(tanh({}))",
    "silu({})",
    "square(sin({}))",
)
Choice = tuple[int, Callable[[], str]]


@dataclass(frozen=True)
class Name:
    """A local: `free` may be assigned and lent."""

    text: str
    type: Type
    free: bool = False


@dataclass
class Scope:
    """The locals that are seen, the latest last. `growing`: inside of a loop, where values must not grow from trip to trip."""

    names: list[Name] = field(default_factory=list)
    loop: bool = False
    depth: int = 0
    hidden: frozenset[str] = frozenset()

    def inner(self, loop: bool | None = None) -> Scope:
        return Scope(list(self.names), self.loop if loop is None else loop, self.depth + 1, self.hidden)

    def closed(self, *added: Name) -> Scope:
        """As a lambda or comprehension sees it: nothing may be assigned."""
        scope = Scope([Name(one.text, one.type) for one in self.names], False, self.depth + 1, self.hidden)
        for one in added:
            scope.add(one)
        return scope

    def without(self, *texts: str) -> Scope:
        return Scope([one for one in self.names if one.text not in texts], self.loop, self.depth, self.hidden | set(texts))

    def add(self, name: Name) -> None:
        self.names = [one for one in self.names if one.text != name.text] + [name]


class Expressions:
    """`self.out` is where `let` lines go that an expression needs before its statement."""

    def __init__(self, seed: int, world: World, tag: str) -> None:
        self.pick = random.Random(seed)
        self.world = world
        self.tag = tag
        self.count = 0
        self.lines: list[str] = []
        self.indent = 0
        self.fuel = 0
        self.base = Scope()
        """What a hoisted `let` may read."""

    # -- helpers

    def chance(self, p: float) -> bool:
        return self.pick.random() < p

    def fresh(self, letter: str = "v") -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def write(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def one(self, *texts: str) -> str:
        return self.pick.choice(texts)

    def hoisted(self, kind: Type) -> str:
        """A new name for a value of a type, bound before the statement."""
        name = self.fresh("h")
        self.write(f"let {name}: {kind} = {self.simplest(self.base, kind)}")
        self.base.add(Name(name, kind))
        return name

    # -- what is there

    def places(self, scope: Scope, free: bool = False, deep: int = 2) -> Iterator[Name]:
        """Names, fields and items that can be read; only those that can be assigned, if `free`."""
        for name in scope.names:
            if name.free or not free:
                yield from self.inside(scope, name, deep)

    def inside(self, scope: Scope, name: Name, deep: int) -> Iterator[Name]:
        yield name
        if deep == 0:
            return
        match name.type:
            case Data(record, arguments) if record in self.world.records:
                made = self.world.records[record]
                given = dict(zip(made.generics, arguments, strict=True))
                for one in made.fields:
                    yield from self.inside(scope, Name(f"{name.text}.{one.name}", t.substituted(one.type, given), name.free), deep - 1)
            case Arr(element, shape) if not name.type.is_open and not isinstance(element, Fun):
                used = self.pick.randint(1, len(shape))
                rest = Arr(element, shape[used:]) if used < len(shape) else element
                at = ", ".join(self.position(scope, size) for size in name.type.known[:used])
                yield from self.inside(scope, Name(f"{name.text}[{at}]", rest, name.free), deep - 1)

    def position(self, scope: Scope, size: Size) -> str:
        """An index below a size."""
        held = [one.text for one in scope.names if one.type == Idx(size)]
        ints = [one.text for one in scope.names if one.type == INT or isinstance(one.type, Idx)]
        choices = held * 3 + [f"{one} % {size.operand}" for one in ints[-3:]] + ["0", f"{self.pick.randrange(9)} % {size.operand}"]
        constant = size.constant
        if constant:
            choices += [str(self.pick.randrange(constant)), "-1"]
        return self.pick.choice(choices)

    def held(self, scope: Scope, kind: Type) -> list[str]:
        return [one.text for one in self.places(scope) if one.type == kind]

    # -- expressions

    def e(self, scope: Scope, kind: Type, depth: int = 2, known: bool = True) -> str:
        self.fuel -= 1
        if depth <= 0 or self.fuel <= 0 or self.chance(0.2):
            return self.simplest(scope, kind, known)
        choices = [*self.common(scope, kind, depth - 1, known), *self.special(scope, kind, depth - 1, known)]
        if not choices:
            return self.simplest(scope, kind, known)
        weights = [weight for weight, _ in choices]
        return self.pick.choices(choices, weights)[0][1]()

    def simplest(self, scope: Scope, kind: Type, known: bool = True) -> str:
        """Something that is there, or a literal."""
        held = self.held(scope, kind)
        if held and self.chance(0.85):
            return held[-1 - min(int(self.pick.expovariate(0.4)), len(held) - 1)]
        return self.literal(scope, kind, known)

    def literal(self, scope: Scope, kind: Type, known: bool = True) -> str:
        match kind:
            case Num("bool"):
                return self.one("true", "false")
            case Num() if kind.is_float:
                text = self.pick.choice(NUMBERS)
                return text if known or (kind.dtype == "f32" and not text.startswith("-")) else f"{kind}({text})"
            case Num():
                text = str(self.pick.choice((0, 1, 2, 3, 5, 7, 100)))
                return text if known or kind == INT else f"{kind}({text})"
            case Str():
                return self.one('"a"', '"bc d"', '""', '"π e"', '"x,y"')
            case Idx(size):
                return f"{self.pick.randrange(5)} % {size.operand}"
            case Arr() if kind.is_open and None not in kind.shape[1:]:
                return self.open_array(scope, kind)
            case Arr():
                return self.filled(scope, kind, known)
            case Tup(items):
                return f"({', '.join(self.simplest(scope, one, known) for one in items)})"
            case Fun():
                return self.function(scope, kind, 1, known)
            case Data("List", (item,)):
                assert not isinstance(item, Size)
                return (
                    "List()"
                    if known and self.chance(0.4)
                    else f"listed([{self.simplest(scope, item, False)}, {self.simplest(scope, item, False)}])"
                )
            case Data():
                return self.construct(scope, kind, 0, known)
        raise AssertionError(kind)

    def open_array(self, scope: Scope, kind: Arr) -> str:
        inner: Type = Arr(kind.element, kind.shape[1:]) if kind.shape[1:] else kind.element
        i = self.fresh("j")
        return f"[{self.simplest(scope.closed(Name(i, INT)), inner, False)} for {i} in {self.pick.randint(1, 4)} if {i} != {self.pick.randint(0, 3)}]"

    def filled(self, scope: Scope, kind: Arr, known: bool) -> str:
        sizes = ", ".join(map(str, kind.known))
        if isinstance(kind.element, Num) and self.chance(0.6):
            if known and kind.element.is_float and self.chance(0.4):
                return f"{self.one('zeros', 'ones')}({sizes})"
            return f"fill({self.simplest(scope, kind.element, False)}, {sizes})"
        return self.comprehension(scope, kind, 0, known)

    def axes(self, scope: Scope, sizes: Sequence[Size]) -> tuple[str, Scope, list[str]]:
        names = [self.fresh("j") for _ in sizes]
        inner = scope.closed(*(Name(name, Idx(size)) for name, size in zip(names, sizes, strict=True)))
        return ", ".join(f"{name} in {size}" for name, size in zip(names, sizes, strict=True)), inner, names

    def comprehension(self, scope: Scope, kind: Arr, depth: int, known: bool) -> str:
        sizes = kind.known
        if len(sizes) > 1 and self.chance(0.4):
            header, inner, _ = self.axes(scope, sizes[:1])
            return f"[{self.comprehension(inner, Arr(kind.element, sizes[1:]), depth, known)} for {header}]"
        header, inner, _ = self.axes(scope, sizes)
        return f"[{self.e(inner, kind.element, depth, known)} for {header}]"

    def construct(self, scope: Scope, kind: Data, depth: int, known: bool) -> str:
        if kind.name in self.world.records:
            made = self.world.records[kind.name]
            if not known and any(one.islower() for one in made.generics) and kind.name not in ("Dense", "Store"):
                return self.hoisted(kind)
            given = dict(zip(made.generics, kind.arguments, strict=True))
            by_place = self.chance(0.2)
            parts = []
            for one in made.fields:
                if one.default and not by_place and self.chance(0.4):
                    continue
                value = self.e(scope, t.substituted(one.type, given), depth, known)
                parts.append(value if by_place else f"{one.name}={value}")
            return f"{made.name}({', '.join(parts)})"
        made = self.world.sums[kind.name]
        given = dict(zip(made.generics, kind.arguments, strict=True))
        fine = [
            (name, fields)
            for name, fields in made.constructors
            if (depth > 0 or not any(kind.name in str(one.type) for one in fields))
            and (known or not variables_missing(made.generics, fields))
        ]
        if not fine:
            return self.hoisted(kind)
        name, fields = self.pick.choice(fine)
        if not fields:
            return name
        return f"{name}({', '.join(self.e(scope, t.substituted(one.type, given), depth - 1, known) for one in fields)})"

    def function(self, scope: Scope, kind: Fun, depth: int, known: bool) -> str:
        names = [self.fresh("z") for _ in kind.parameters]
        inner = scope.closed(*(Name(name, one) for name, one in zip(names, kind.parameters, strict=True)))
        typed = not known or self.chance(0.15)
        shown = [f"{name}: {one}" if typed else name for name, one in zip(names, kind.parameters, strict=True)]
        left = shown[0] if len(shown) == 1 and not typed else f"({', '.join(shown)})"
        saved = self.fuel
        self.fuel = min(self.fuel, 12)
        body = self.tame(inner, kind.result, depth, known and not typed)
        self.fuel = saved
        if isinstance(kind.result, Tup) and not body.startswith("("):
            body = f"({body})"
        return f"({left} => {body})"

    def tame(self, scope: Scope, kind: Type, depth: int = 2, known: bool = True) -> str:
        """An expression that may be stored or go round a loop: floats are bounded, ints small."""
        text = self.e(scope, kind, depth, known)
        inner = kind.element if isinstance(kind, Arr) and not kind.is_open else kind
        if isinstance(inner, Num) and inner.is_float and not text.replace(".", "").isalnum():
            return f"{self.one('tanh', 'sin', 'tanh')}({text})"
        if kind == INT and self.chance(0.7):
            return f"-(({text}) % 11)"
        return text

    # -- forms that every type has

    def common(self, scope: Scope, kind: Type, d: int, known: bool) -> list[Choice]:
        choices: list[Choice] = [(3, lambda: self.simplest(scope, kind, known))]
        if not any(isinstance(part, Arr) and part.is_open for part in t.parts(kind)):
            choices.append(
                (1, lambda: f"({self.e(scope, kind, d, known)} if {self.e(scope, BOOL, d)} else {self.e(scope, kind, d, known)})")
            )
        if not isinstance(kind, Fun):
            choices += [(2, lambda one=one, given=given: self.call(scope, one, given, d, known)) for one, given in self.callable(kind)]
        functions = [one for one in self.places(scope) if isinstance(one.type, Fun) and one.type.result == kind]
        choices += [(2, lambda one=one: self.applied(scope, one, d)) for one in functions[-2:]]
        return choices

    def applied(self, scope: Scope, name: Name, d: int) -> str:
        assert isinstance(name.type, Fun)
        return f"{name.text}({', '.join(self.e(scope, one, d) for one in name.type.parameters)})"

    def callable(self, kind: Type) -> list[tuple[Function, dict[str, Any]]]:
        found = []
        for one in self.pick.sample(self.world.functions, min(12, len(self.world.functions))):
            if one.result is not None and not one.lends:
                given = t.match(one.result, kind)
                if given is not None and self.completed(one, given):
                    found.append((one, given))
        return found[:3]

    def completed(self, one: Function, given: dict[str, Any]) -> bool:
        """Choose what the result leaves open; whether the kinds of type parameters are kept."""
        for name in sorted(variables(parameter.type for parameter in one.parameters) | {name for name, _ in one.kinds}):
            if name not in given:
                given[name] = self.small_type(dict(one.kinds).get(name, "any")) if name.isupper() else self.small_size()
        return all(self.fits(given[name], kind) for name, kind in one.kinds)

    @staticmethod
    def fits(kind: Any, wanted: str) -> bool:
        if wanted == "any":
            return not any(isinstance(part, Idx) or (isinstance(part, Arr) and part.is_open) for part in t.parts(kind))
        return isinstance(kind, Num) and (kind.dtype in ("f64", "f32") if wanted == "float" else kind.dtype in ("f64", "f32", "int", "i32"))

    def small_type(self, wanted: str = "any") -> Type:
        if wanted == "float":
            return self.pick.choice((F64, F64, t.F32))
        if wanted == "number":
            return self.pick.choice((F64, F64, t.F32, INT, Num("i32")))
        n, m = Size.name("n"), Size.name("m")
        return self.pick.choice(
            (
                F64,
                F64,
                INT,
                t.F32,
                STR,
                BOOL,
                Num("i16"),
                t.array(F64, n),
                t.array(F64, m),
                Tup((F64, INT)),
                Data("Option", (F64,)),
                t.array(INT, n),
            )
        )

    def small_size(self) -> Size:
        n, m = Size.name("n"), Size.name("m")
        one = Size.number(1)
        return self.pick.choice((n, n, m, m, n + one, m + n, Size.number(2) * n, Size.number(3), Size.number(2), n * m))

    def call(self, scope: Scope, one: Function, given: dict[str, Any], d: int, known: bool) -> str:
        """A call of a function that lends nothing."""
        determined = variables([one.result]) if known and one.result is not None else set()
        parts, named = [], False
        for parameter in one.parameters:
            if parameter.default and self.chance(0.5):
                named = True
                continue
            kind = t.substituted(parameter.type, given)
            closed = variables([parameter.type]) <= determined and not t.sizes_in(parameter.type) & t.OWN
            text = self.e(scope, kind, d, closed and not (one.owner and parameter.name == "self"))
            if one.owner and parameter.name == "self":
                parts.append(text if text.replace(".", "").isidentifier() else f"({text})")
            else:
                named = named or (not one.owner and self.chance(0.08))
                parts.append(f"{parameter.name}={text}" if named else text)
        if one.owner:
            return f"{parts[0]}.{one.name}({', '.join(parts[1:])})" if one.name != "call" else f"{parts[0]}({', '.join(parts[1:])})"
        return f"{one.name}({', '.join(parts)})"

    def special(self, scope: Scope, kind: Type, d: int, known: bool) -> list[Choice]:
        raise NotImplementedError


def variables_missing(generics: Sequence[str], fields: Sequence[Any]) -> bool:
    """Whether a constructor's fields leave a parameter of its type open."""
    return not set(generics) <= variables(one.type for one in fields)


__all__ = ["F64", "INT", "Choice", "Expressions", "Name", "Scope"]
