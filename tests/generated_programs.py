"""Random well-typed Dyn programs: `program(seed)` is source with the functions `all_of`, `loss`, `slopes` and `forward`.

The law: the checker accepts a program, it ends without an error, and it means the same everywhere (program_oracles.py lists the
ways). Its numbers are tame by construction: what is stored was sent through `tanh` or `sin`, or is a mean of such; positions are
taken modulo a size; loops have a few trips; recursion burns fuel.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

TYPES = {
    "S": "T", "V": "T[n]", "W": "T[m]", "M": "T[n, m]", "C": "T[n, m, 2]", "I": "int", "B": "bool", "X": "idx<n>", "Str": "str",
    "R": "Pair<n>", "Tree": "Tree<n>", "O": "Option<T>", "OV": "Option<T[n]>", "L": "List<T>", "LV": "List<T[n]>", "U": "T[?]",
    "P": "(T, T[n])", "F": "T -> T", "K": "int[n]", "E": "Enum", "A": "Pair<n>[m]",
}
"""The type that each kind of value has; T is the float type of the program."""

PREAMBLE = '''record Pair<n>:
    v: T[n]
    s: T
    k: int = 1

    fn norm(self) -> T:
        return tanh(sum(self.v * self.v) + self.s * f(self.k % 3))

    fn move(self: inout, by: T):
        self.s = tanh(self.s + by)
        self.v *= 0.5

type Tree<n>:
    Leaf(v: T[n])
    Node(left: Tree<n>, right: Tree<n>)
    Scaled(by: T, of: Tree<n>)
    Nil

type Option<Q>:
    Some(value: Q)
    Nothing

type Enum:
    Red
    Green
    Blue(depth: int)

fn f(k: int) -> T:
    return T(k)

fn total<n>(t: Tree<n>) -> T[n]:
    match t:
        Leaf(v):
            return v
        Node(left, right):
            return tanh(total(left) + 0.5 * total(right))
        Scaled(by, of):
            return by * total(of)
        Nil:
            return zeros(n)

fn size<n>(t: Tree<n>) -> int:
    match t:
        Node(left, right):
            return size(left) + size(right)
        Scaled(_, of):
            return size(of)
        Leaf(_) | Nil:
            return 1

fn twice<Q>(g: Q -> Q, x: Q) -> Q:
    return g(g(x))

fn adder(k: T) -> (T -> T):
    return x => tanh(x + k)

fn rank(e: Enum) -> int:
    match e:
        Red:
            return 0
        Green:
            return 1
        Blue(depth) if depth > 2:
            return 2
        Blue(depth):
            return depth

fn bump<n>(v: inout T[n], k: int, by: T):
    v[k % n] = tanh(by)

fn or_else<Q>(o: Option<Q>, other: Q) -> Q:
    match o:
        Some(value):
            return value
        Nothing:
            return other
'''

LETTERS = {"I": "k", "i": "j", "F": "g", "U": "q", "K": "z"}
"""What names begin with, where the kind's own letter would make names of number types: `i8`, `u8`, `f64`."""

NUMBERS = ("0.5", "0.25", "-0.75", "1.5", "0.125", "-0.3", "0.9")


@dataclass
class Scope:
    """The names of each kind that may be read, those that may be assigned, and where the statement stands."""

    names: dict[str, list[str]] = field(default_factory=dict)
    variables: dict[str, list[str]] = field(default_factory=dict)
    loop: bool = False
    depth: int = 0

    def inner(self, loop: bool | None = None) -> Scope:
        return Scope({k: list(v) for k, v in self.names.items()}, {k: list(v) for k, v in self.variables.items()},
                     self.loop if loop is None else loop, self.depth + 1)

    def closed(self) -> Scope:
        """As a lambda or a comprehension sees it: nothing may be assigned."""
        return Scope({k: list(v) for k, v in self.names.items()}, {}, False, self.depth + 1)

    def add(self, kind: str, name: str, variable: bool = False) -> None:
        for kinds in (self.names, self.variables):
            for held in kinds.values():
                while name in held:
                    held.remove(name)
        self.names.setdefault(kind, []).append(name)
        if variable:
            self.variables.setdefault(kind, []).append(name)

    def has(self, kind: str) -> bool:
        return bool(self.names.get(kind))


@dataclass(frozen=True)
class Signature:
    """A generated function: the kinds of its parameters, whether each is lent, and the kinds of its results."""

    name: str
    parameters: tuple[tuple[str, bool], ...]
    results: tuple[str, ...]
    recursive: bool


class Generator:
    """Writes a program from a seed: `Generator(7).program()`."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.dtype = "f64" if self.pick.random() < 0.8 else "f32"
        self.functions: list[Signature] = []
        self.count = 0
        self.lines: list[str] = []
        self.indent = 0
        self.budget = 0
        self.results: tuple[str, ...] = ()
        self.calls = True

    # -- text

    def write(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        self.write(header)
        self.indent += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.write("pass")
        self.indent -= 1

    def fresh(self, kind: str) -> str:
        self.count += 1
        return f"{LETTERS.get(kind, kind.lower())}{self.count}"

    def chance(self, p: float) -> bool:
        return self.pick.random() < p

    def name(self, scope: Scope, kind: str) -> str:
        """A name of this kind; one of the latest more often."""
        held = scope.names[kind]
        return held[-1 - min(int(self.pick.expovariate(0.5)), len(held) - 1)]

    # -- expressions: e(kind) is an operand that may stand anywhere

    def literal(self) -> str:
        return self.pick.choice(NUMBERS)

    def e(self, scope: Scope, kind: str, depth: int = 2) -> str:
        """An expression of a kind. Floats are about as tame as what they are made of: see `tame`."""
        if depth > 0 and self.chance(0.75):
            choices = getattr(self, f"of_{kind}")(scope, depth - 1)
            possible = [one for one in choices if one is not None]
            if possible:
                return self.pick.choice(possible)()
        if scope.has(kind):
            return self.name(scope, kind)
        return self.fallback(scope, kind)

    def fallback(self, scope: Scope, kind: str) -> str:
        match kind:
            case "S": return f"{self.name(scope, 'V')}[{self.index(scope)}]"
            case "I": return str(self.pick.randint(-3, 9))
            case "B": return self.pick.choice(("true", "false"))
            case "X": return f"({self.e(scope, 'I', 1)}) % n"
            case "Str": return self.pick.choice(('"a"', '"bc"', '""', '"π"'))
            case "M": return f"[{self.name(scope, 'V')}[i] * {self.name(scope, 'W')}[j] for i, j]"
            case "C": return f"[{self.e(scope, 'M', 0)}[i, j] * (f(q) - 0.5) for i in n, j in m, q in 2]"
            case "R": return f"Pair(v={self.e(scope, 'V', 1)}, s={self.e(scope, 'S', 1)})"
            case "Tree": return f"Leaf({self.e(scope, 'V', 1)})"
            case "O": return f"Some({self.e(scope, 'S', 1)})"
            case "OV": return f"Some({self.e(scope, 'V', 1)})"
            case "U": return f"[u for u in {self.name(scope, 'V')} if u > {self.literal()}]"
            case "P": return f"({self.e(scope, 'S', 1)}, {self.e(scope, 'V', 1)})"
            case "F": return f"adder({self.e(scope, 'S', 1)})"
            case "K": return f"[{self.e(scope, 'I', 0)} + i for i in n]"
            case "E": return self.pick.choice(("Red", "Green", f"Blue({self.e(scope, 'I', 1)} % 4)"))
            case "A": return f"[Pair(v={self.name(scope, 'V')} * u, s=u) for u in {self.name(scope, 'W')}]"
            case "L" | "LV": return "List()"
        raise AssertionError(kind)

    def index(self, scope: Scope) -> str:
        """A position in n, safe."""
        if scope.has("X") and self.chance(0.6):
            return self.name(scope, "X")
        return f"{self.e(scope, 'I', 1)} % n" if self.chance(0.3) and scope.has("I") else self.e(scope, "X", 1)

    def unary(self) -> str:
        return self.pick.choice(("tanh", "sin", "cos", "sigmoid", "relu", "abs", "-", "exp_", "sqrt_", "log_", "square"))

    def apply(self, text: str) -> str:
        match self.unary():
            case "-": return f"(-{text})" if not text.startswith("-") else text
            case "exp_": return f"exp(tanh({text}))"
            case "sqrt_": return f"sqrt({text} * {text} + 0.1)"
            case "log_": return f"log(1.5 + tanh({text}))"
            case "square": return f"sin({text}) ** 2"
            case name: return f"{name}({text})"

    def binary(self, scope: Scope, kind: str, d: int) -> str:
        left = self.e(scope, kind, d)
        right = self.literal() if self.chance(0.3) else self.e(scope, self.pick.choice((kind, kind, "S")), d)
        operator = self.pick.choice(("+", "-", "*", "*"))
        if self.chance(0.08):
            return f"(({left}) / (1.5 + {right} * {right}))" if right[0] != "-" else f"(({left}) / 2.0)"
        if self.chance(0.15) and kind == "S":
            return f"{self.pick.choice(('max', 'min'))}({left}, {right})"
        return f"({left} {operator} {right})"

    def conditional(self, scope: Scope, kind: str, d: int) -> str:
        return f"({self.e(scope, kind, d)} if {self.e(scope, 'B', d)} else {self.e(scope, kind, d)})"

    def of_S(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        n, e = self.name, self.e
        v = lambda: e(scope, "V", d)  # noqa: E731
        inner = self.with_names(scope, S="u")
        return [
            lambda: self.apply(e(scope, "S", d)), lambda: self.binary(scope, "S", d), lambda: self.binary(scope, "S", d),
            lambda: f"{n(scope, 'V')}[{self.index(scope)}]", lambda: f"mean({v()})", lambda: f"tanh(sum({v()}))",
            lambda: f"tanh({v()} @ {v()})", lambda: f"{self.pick.choice(('max', 'min'))}({v()})", lambda: f"tanh(logsumexp({v()}))",
            lambda: self.conditional(scope, "S", d),
            lambda: f"tanh(sum({e(inner, 'S', d)} for u in {v()}))",
            lambda: f"tanh(sum(u * {e(inner, 'S', d)} for u in {v()} if {e(inner, 'B', d)}))",
            lambda: f"mean({e(scope, 'M', d)})",
            lambda: f"tanh(prod(1.0 + 0.1 * {v()}))",
            lambda: f"tanh(max({e(inner, 'S', d)} for u in {n(scope, 'W')}))",
            (lambda: f"{n(scope, 'M')}[{self.index(scope)}, {e(scope, 'I', 1)} % m]") if scope.has("M") else None,
            (lambda: f"tanh(sum({n(scope, 'C')}[i, j, 1] * {n(scope, 'W')}[j] for i, j))") if scope.has("C") else None,
            (lambda: f"{n(scope, 'R')}.{self.pick.choice(('s', 'norm()'))}") if scope.has("R") else None,
            (lambda: f"{n(scope, 'F')}({e(scope, 'S', d)})") if scope.has("F") else None,
            lambda: f"twice({self.function(scope, d)}, {e(scope, 'S', d)})",
            (lambda: f"or_else({e(scope, 'O', d)}, {e(scope, 'S', d)})"),
            (lambda: f"tanh(sum(u for u in {n(scope, 'U')}))") if scope.has("U") else None,
            (lambda: f"tanh(sum(u for u in {n(scope, 'L')}))") if scope.has("L") else None,
            (lambda: f"tanh(f({n(scope, 'I')} % 5) * 0.3)") if scope.has("I") else None,
            (lambda: f"tanh(sum(p.s * p.norm() for p in {n(scope, 'A')}))") if scope.has("A") else None,
            lambda: f"{self.dtype}({self.pick.choice(('f32', 'f64'))}({e(scope, 'S', d)}))" if self.dtype == "f32" else f"f64({e(scope, 'S', d)})",
        ]

    def of_V(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        n, e = self.name, self.e
        inner = self.with_names(scope, S="u")
        at = self.with_names(scope, X="i")
        return [
            lambda: self.apply(e(scope, "V", d)), lambda: self.binary(scope, "V", d), lambda: self.binary(scope, "V", d),
            lambda: f"[{e(inner, 'S', d)} for u in {e(scope, 'V', d)}]",
            lambda: f"[{n(scope, 'V')}[i] * {e(at, 'S', d)} for i in n]",
            lambda: f"[c1 * c2 for c1, c2 in zip({e(scope, 'V', d)}, {e(scope, 'V', d)})]",
            lambda: f"[{n(scope, 'V')}[(i + {e(scope, 'I', 0)}) % n] for i in n]",
            lambda: f"tanh({e(scope, 'M', d)} @ {e(scope, 'W', d)})",
            lambda: f"mean({e(scope, 'M', d)}, axis=1)",
            lambda: f"max({e(scope, 'M', d)}, axis=1)",
            lambda: f"reverse({e(scope, 'V', d)})",
            lambda: f"softmax({e(scope, 'V', d)})",
            lambda: self.conditional(scope, "V", d),
            lambda: f"[tanh(sum({n(scope, 'V')}[j] for j if j <= i)) for i in n]",
            (lambda: f"[tanh(sum({n(scope, 'M')}[i, j] * {n(scope, 'W')}[j] for j)) for i]") if scope.has("M") else None,
            (lambda: f"[tanh(sum({n(scope, 'C')}[i, j, q] for j, q)) for i]") if scope.has("C") else None,
            (lambda: f"{n(scope, 'R')}.v") if scope.has("R") else None,
            lambda: f"total({e(scope, 'Tree', d)})",
            (lambda: f"or_else({e(scope, 'OV', d)}, {e(scope, 'V', d)})"),
            (lambda: f"tanh(sum(x for x in {n(scope, 'LV')}))") if scope.has("LV") else None,
            (lambda: f"tanh({self.dtype}({n(scope, 'K')} % 7) * 0.2)") if scope.has("K") else None,
            (lambda: f"scatter_add(0.5 * {n(scope, 'V')}, [{self.index(scope)}, {self.index(scope)}], [{e(scope, 'S', d)}, {e(scope, 'S', d)}])"),
            (lambda: f"tanh(sum(p.v for p in {n(scope, 'A')}))") if scope.has("A") else None,
            lambda: f"({self.pick.choice(('2.0 * ', ''))}{n(scope, 'V')} + {n(scope, 'V')}) * 0.5",
            lambda: f"fill({e(scope, 'S', d)}, n)",
        ]

    def of_W(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        n, e = self.name, self.e
        inner = self.with_names(scope, S="u")
        return [
            lambda: self.apply(e(scope, "W", d)), lambda: self.binary(scope, "W", d),
            lambda: f"[{e(inner, 'S', d)} for u in {e(scope, 'W', d)}]",
            lambda: f"tanh({e(scope, 'V', d)} @ {e(scope, 'M', d)})",
            lambda: f"mean({e(scope, 'M', d)}, axis=0)",
            (lambda: f"{n(scope, 'M')}[{self.index(scope)}]") if scope.has("M") else None,
            (lambda: f"[p.s for p in {n(scope, 'A')}]") if scope.has("A") else None,
            (lambda: f"{n(scope, 'C')}[{self.index(scope)}, :, 0]") if scope.has("C") else None,
        ]

    def of_M(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        n, e = self.name, self.e
        return [
            lambda: self.apply(e(scope, "M", d)), lambda: self.binary(scope, "M", d), lambda: f"({e(scope, 'M', d)} * {e(scope, 'W', d)})",
            lambda: f"[{n(scope, 'V')}[i] * {n(scope, 'W')}[j] for i, j]",
            lambda: f"[row * {e(scope, 'S', d)} for row in {e(scope, 'M', d)}]",
            lambda: f"[[{self.apply('c2')} * c1 for c2 in {e(scope, 'W', d)}] for c1 in {e(scope, 'V', d)}]",
            lambda: f"transpose([[c1 - c2 for c1 in {e(scope, 'V', d)}] for c2 in {e(scope, 'W', d)}])",
            lambda: f"[{e(scope, 'M', 0)}[i, j] if i <= j else {e(scope, 'S', d)} for i in n, j in m]" if scope.has("M") else e(scope, "M", 0),
            (lambda: f"{n(scope, 'C')}[:, :, {self.pick.randrange(2)}]") if scope.has("C") else None,
            (lambda: f"tanh(sum({n(scope, 'C')}, axis=2))") if scope.has("C") else None,
            lambda: f"tanh({e(scope, 'M', d)} @ [[c1 * c2 for c1 in {n(scope, 'W')}] for c2 in {n(scope, 'W')}])",
            lambda: self.conditional(scope, "M", d),
            lambda: f"reshape(reshape({e(scope, 'M', d)}, n * m), n, m)",
        ]

    def of_C(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        n, e = self.name, self.e
        return [
            lambda: self.apply(e(scope, "C", d)), lambda: self.binary(scope, "C", d),
            lambda: f"[{n(scope, 'V')}[i] * {n(scope, 'W')}[j] * (f(q) - 0.4) for i in n, j in m, q in 2]",
            lambda: f"[[[c1, c2] for c2 in {n(scope, 'W')}] for c1 in {n(scope, 'V')}]" ,
            lambda: f"transpose(stack({e(scope, 'M', d)}, {e(scope, 'M', d)}), 1, 2, 0)",
        ]

    def of_I(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        n, e = self.name, self.e
        inner = self.with_names(scope, S="u")
        return [
            lambda: f"({e(scope, 'I', d)} {self.pick.choice('+-*')} {e(scope, 'I', d)})",
            lambda: f"({e(scope, 'I', d)} {self.pick.choice(('//', '%'))} {self.pick.choice(('3', '-2', '5'))})",
            lambda: f"{self.pick.choice(('max', 'min'))}({e(scope, 'I', d)}, {e(scope, 'I', d)})",
            lambda: f"abs({e(scope, 'I', d)})", lambda: "len({})".format(n(scope, "V")), lambda: "n", lambda: "m",
            lambda: f"argmax({e(scope, 'V', d)})", lambda: f"argmin({e(scope, 'W', d)})",
            lambda: f"count({e(inner, 'B', d)} for u in {n(scope, 'V')})",
            lambda: f"sum(i * {e(scope, 'I', 0)} for i in {self.pick.randint(0, 4)})",
            lambda: f"int({self.pick.choice(('i8', 'u8', 'i16', 'i32'))}({e(scope, 'I', d)}))",
            lambda: f"int({e(scope, 'B', d)})",
            lambda: self.conditional(scope, "I", d),
            (lambda: f"{n(scope, 'R')}.k") if scope.has("R") else None,
            lambda: f"size({e(scope, 'Tree', d)})",
            lambda: f"rank({e(scope, 'E', d)})",
            (lambda: f"sum({n(scope, 'K')})") if scope.has("K") else None,
            (lambda: f"{n(scope, 'K')}[{self.index(scope)}]") if scope.has("K") else None,
            (lambda: f"len({n(scope, 'U')})") if scope.has("U") else None,
            (lambda: f"len({n(scope, 'L')})") if scope.has("L") else None,
            (lambda: f"len({n(scope, 'Str')})") if scope.has("Str") else None,
        ]

    def of_B(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        n, e = self.name, self.e
        return [
            lambda: f"{e(scope, 'S', d)} {self.pick.choice('<>')} {self.literal()}",
            lambda: f"{e(scope, 'I', d)} {self.pick.choice(('<', '>', '==', '!=', '<=', '>='))} {e(scope, 'I', d)}",
            lambda: f"{e(scope, 'I', d)} % {self.pick.randint(2, 3)} == {self.pick.randint(0, 2)}",
            lambda: f"({e(scope, 'B', d)} {self.pick.choice(('and', 'or'))} {e(scope, 'B', d)})",
            lambda: f"(not {e(scope, 'B', 0)})",
            lambda: f"{self.pick.choice(('any', 'all'))}({e(scope, 'V', d)} > 0.1)",
            (lambda: f"{n(scope, 'Str')} == {e(scope, 'Str', d)}") if scope.has("Str") else None,
        ]

    def of_X(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        e = self.e
        return [lambda: f"argmax({e(scope, 'V', d)})", lambda: f"({e(scope, 'I', d)}) % n", lambda: f"argmin({e(scope, 'V', d)})"]

    def of_Str(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        e = self.e
        return [
            lambda: f"({e(scope, 'Str', d)} + {e(scope, 'Str', d)})", lambda: f'f"<{{{e(scope, "I", 0)}}}>"',
            lambda: self.conditional(scope, "Str", d), lambda: f'f"{{{self.name(scope, "Str")}}}!"' if scope.has("Str") else '"q"',
        ]

    def of_R(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        e = self.e
        return [
            lambda: f"Pair(v={e(scope, 'V', d)}, s={e(scope, 'S', d)}, k={e(scope, 'I', d)} % 5)", lambda: f"Pair(v={e(scope, 'V', d)}, s={e(scope, 'S', d)})",
            lambda: self.conditional(scope, "R", d), (lambda: f"{self.name(scope, 'A')}[{e(scope, 'I', 1)} % m]") if scope.has("A") else None,
        ]

    def of_A(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        inner = self.with_names(scope, S="u")
        return [lambda: f"[{self.e(inner, 'R', d)} for u in {self.e(scope, 'W', d)}]"]

    def of_Tree(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        e = self.e
        return [
            lambda: f"Leaf({e(scope, 'V', d)})", lambda: f"Node({e(scope, 'Tree', d)}, {e(scope, 'Tree', d)})",
            lambda: f"Scaled({e(scope, 'S', d)}, {e(scope, 'Tree', d)})", lambda: f"Node(Leaf({e(scope, 'V', d)}), Nil)",
        ]

    def of_O(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        return [lambda: f"Some({self.e(scope, 'S', d)})", lambda: f"(Some({self.e(scope, 'S', d)}) if {self.e(scope, 'B', d)} else Nothing)"]

    def of_OV(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        return [lambda: f"Some({self.e(scope, 'V', d)})", lambda: f"(Nothing if {self.e(scope, 'B', d)} else Some({self.e(scope, 'V', d)}))"]

    def of_U(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        inner = self.with_names(scope, S="u")
        return [
            lambda: f"[{self.e(inner, 'S', d)} for u in {self.e(scope, 'V', d)} if {self.e(inner, 'B', d)}]",
            lambda: f"concat({self.e(scope, 'U', d)}, {self.e(scope, 'V', d)})" if scope.has("U") else f"concat({self.e(scope, 'V', d)}, {self.e(scope, 'W', d)})",
            lambda: f"{self.name(scope, 'V')}[:{self.e(scope, 'X', 0)}]" if scope.has("X") else self.fallback(scope, "U"),
        ]

    def of_P(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        return [lambda: f"({self.e(scope, 'S', d)}, {self.e(scope, 'V', d)})"]

    def of_K(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        inner = self.with_names(scope, I="u")
        return [
            (lambda: f"[{self.e(inner, 'I', d)} for u in {self.name(scope, 'K')}]") if scope.has("K") else None,
            lambda: f"[{self.e(self.with_names(scope, X='i'), 'I', d)} for i in n]",
            (lambda: f"({self.name(scope, 'K')} {self.pick.choice(('+', '-', '*'))} {self.e(scope, 'I', d)})") if scope.has("K") else None,
        ]

    def of_E(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        return [lambda: f"Blue({self.e(scope, 'I', d)} % 4)", lambda: self.conditional(scope, "E", 0)]

    def of_L(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        return []

    of_LV = of_L

    def of_F(self, scope: Scope, d: int) -> list[Callable[[], str] | None]:
        return [lambda: f"adder({self.e(scope, 'S', d)})", lambda: self.function(scope, d)]

    def function(self, scope: Scope, d: int) -> str:
        if scope.has("F") and self.chance(0.3):
            return self.name(scope, "F")
        inner = self.with_names(scope.closed(), S="z")
        return self.pick.choice((f"(z => tanh({self.e(inner, 'S', d)} + z))", f"adder({self.e(scope, 'S', d)})", "sin"))

    def with_names(self, scope: Scope, **names: str) -> Scope:
        inner = scope.closed()
        for kind, name in names.items():
            inner.add(kind, name)
            inner.names[kind] += [name, name]
        return inner

    def tame(self, scope: Scope, kind: str, depth: int = 3) -> str:
        """An expression that may be stored: floats are bounded."""
        text = self.e(scope, kind, depth)
        if kind in ("S", "V", "W", "M", "C") and not re.fullmatch(r"\w+", text):
            return f"{self.pick.choice(('tanh', 'sin', 'tanh'))}({text})"
        if kind == "I":
            return f"({text}) % 11"
        return text

    # -- statements

    def statements(self, scope: Scope, count: int) -> bool:
        """Write some; whether the end of the block can be reached."""
        for _ in range(count):
            if self.budget <= 0:
                return True
            self.budget -= 1
            nested = scope.depth < 3 and self.chance(0.4)
            kind = self.pick.choice(("branch", "branch", "loop", "each", "until", "match", "match_tree", "nested")) if nested else self.pick.choice(
                ("bind", "bind", "bind", "bind", "variable", "variable", "assign", "assign", "assign", "element", "element", "call", "call",
                 "method", "push", "unpack", "leave"))
            if getattr(self, f"do_{kind}")(scope):
                return False
        return True

    KINDS = ("S", "S", "S", "V", "V", "V", "W", "M", "I", "B", "X", "Str", "R", "Tree", "O", "OV", "U", "P", "F", "K", "E", "C", "L", "LV", "A")

    def annotated(self, kind: str, name: str) -> str:
        return f"{name}: {TYPES[kind]}"

    def do_bind(self, scope: Scope, variable: bool = False) -> None:
        kind = self.pick.choice(self.KINDS)
        name = self.fresh(kind)
        value = self.tame(scope, kind)
        if not variable and scope.depth > 0 and self.chance(0.15) and scope.has(kind):
            outer = [one for one in scope.names[kind] if re.fullmatch(r"[a-z]+\d+", one)]
            name = self.pick.choice(outer) if outer else name
        plain = kind in ("V", "W", "M", "R", "B", "C", "K", "S") and re.match(r"(tanh|sin)\(", value) and self.chance(0.4)
        self.write(f"{'var' if variable else 'let'} {name if plain else self.annotated(kind, name)} = {value}")
        scope.add(kind, name, variable)

    def do_variable(self, scope: Scope) -> None:
        self.do_bind(scope, variable=True)

    def target(self, scope: Scope, kinds: Sequence[str]) -> tuple[str, str] | None:
        held = [(kind, name) for kind in kinds for name in scope.variables.get(kind, ())]
        return self.pick.choice(held) if held else None

    def do_assign(self, scope: Scope) -> None:
        found = self.target(scope, ("S", "S", "V", "V", "W", "M", "I", "B", "Str", "R", "Tree", "O", "OV", "U", "P", "K", "E", "F", "A", "C"))
        if found is None:
            return self.do_variable(scope)
        kind, name = found
        if kind in ("S", "V", "W", "M") and self.chance(0.3):
            other = self.tame(scope, self.pick.choice((kind, "S")), 2)
            self.write(f"{name} {self.pick.choice(('*=', '*=', '-=', '+='))} {other}" if not scope.loop else f"{name} = 0.5 * {name} + 0.5 * {other}")
        elif kind == "Str" and scope.loop:
            self.write(f"{name} = {self.fallback(scope, 'Str')}")
        elif kind == "U" and scope.loop:
            self.write(f"{name} = {self.fallback(scope, 'U')}")
        elif kind in ("S", "V") and self.chance(0.2) and len(scope.variables[kind]) > 1:
            a, b = self.pick.sample(scope.variables[kind], 2)
            self.write(f"{a}, {b} = {b}, {a}")
        elif kind == "Tree" and scope.loop and self.chance(0.7):
            self.write(f"{name} = Scaled({self.e(scope, 'S', 1)}, {name})")
        elif kind == "F":
            self.write(f"{name} = {self.pick.choice(('sin', 'tanh'))}" if scope.loop else f"{name} = adder({self.e(scope, 'S', 1)})")
        else:
            self.write(f"{name} = {self.tame(scope, kind, 2)}")

    def do_element(self, scope: Scope) -> None:
        found = self.target(scope, ("V", "V", "M", "K", "R", "W", "C", "A", "L", "LV"))
        if found is None:
            return self.do_variable(scope)
        kind, name = found
        i = self.index(scope)
        value = self.tame(scope, "S", 2)
        match kind:
            case "V" if self.chance(0.2):
                self.write(f"{name}[::2] = {value} * {name}[::2]")
            case "V":
                self.write(f"{name}[{i}] {self.pick.choice(('=', '*=', '='))} {value}")
            case "W":
                self.write(f"{name}[{self.e(scope, 'I', 1)} % m] = {value}")
            case "M":
                self.write(self.pick.choice((
                    f"{name}[{i}, {self.e(scope, 'I', 1)} % m] = {value}", f"{name}[{i}] = {self.tame(scope, 'W', 2)}",
                    f"{name}[:, {self.e(scope, 'I', 1)} % m] = {self.tame(scope, 'V', 2)}", f"{name}[{i}] *= {value}")))
            case "C":
                self.write(f"{name}[{i}, :, {self.pick.randrange(2)}] = {self.tame(scope, 'W', 2)}")
            case "K":
                self.write(f"{name}[{i}] {self.pick.choice(('=', '+='))} {self.tame(scope, 'I', 2)}")
            case "R":
                self.write(self.pick.choice((f"{name}.s = {value}", f"{name}.v[{i}] = {value}", f"{name}.k = {self.tame(scope, 'I', 1)}", f"{name}.v = {self.tame(scope, 'V', 2)}")))
            case "A":
                j = f"{self.e(scope, 'I', 1)} % m"
                self.write(self.pick.choice((f"{name}[{j}].s = {value}", f"{name}[{j}] = {self.e(scope, 'R', 1)}", f"{name}[{j}].v[{i}] = {value}", f"{name}[{j}].move({value})")))
            case "L" | "LV":
                with self.block(f"if len({name}) > 1:"):
                    self.write(f"{name}[{self.pick.choice(('0', '-1', '1'))}] = {self.tame(scope, kind.removeprefix('L') or 'S', 2)}")

    def do_method(self, scope: Scope) -> None:
        found = self.target(scope, ("R", "V"))
        if found is None:
            return self.do_variable(scope)
        kind, name = found
        if kind == "R":
            self.write(f"{name}.move({self.e(scope, 'S', 1)})" if self.chance(0.6) else f"bump(&{name}.v, {self.e(scope, 'I', 1)}, {self.e(scope, 'S', 1)})")
        else:
            self.write(f"bump(&{name}, {self.e(scope, 'I', 1)}, {self.e(scope, 'S', 1)})")

    def do_push(self, scope: Scope) -> None:
        found = self.target(scope, ("L", "LV"))
        if found is None:
            kind = self.pick.choice(("L", "LV"))
            name = self.fresh(kind)
            self.write(f"var {self.annotated(kind, name)} = List()")
            scope.add(kind, name, variable=True)
            return
        kind, name = found
        element = kind.removeprefix("L") or "S"
        if self.chance(0.25):
            with self.block(f"if len({name}) > 0:"):
                self.write(f"let {self.fresh(element)} = {name}.pop()")
        else:
            self.write(f"{name}.push({self.tame(scope, element, 2)})")

    def do_unpack(self, scope: Scope) -> None:
        if not scope.has("P"):
            return self.do_bind(scope)
        s, v = self.fresh("S"), self.fresh("V")
        self.write(f"let {s}, {v} = {self.name(scope, 'P')}")
        scope.add("S", s)
        scope.add("V", v)

    def do_leave(self, scope: Scope) -> bool:
        if scope.depth == 0:
            self.do_bind(scope)
            return False
        choice = self.pick.random()
        if scope.loop and choice < 0.6:
            with self.block(f"if {self.e(scope, 'B', 2)}:"):
                self.write(self.pick.choice(("break", "continue")))
        elif choice < 0.85:
            with self.block(f"if {self.e(scope, 'B', 2)}:"):
                self.leave(scope)
        elif choice < 0.9 and scope.loop:
            self.write(self.pick.choice(("break", "continue")))
            return True
        elif choice < 0.95 and not scope.loop:
            self.leave(scope)
            return True
        return False

    def leave(self, scope: Scope) -> None:
        self.write("return " + ", ".join(self.tame(scope, kind, 2) for kind in self.results))

    def do_call(self, scope: Scope) -> None:
        callable_here = [one for one in self.functions if not scope.loop or self.chance(0.5)] if self.calls and scope.depth < 3 else []
        if not callable_here:
            return self.do_bind(scope)
        one = self.pick.choice(callable_here)
        arguments: list[str] = []
        used: set[str] = set()
        for kind, lent in one.parameters:
            if lent:
                free = [name for name in scope.variables.get(kind, ()) if name not in used]
                if not free:
                    name = self.fresh(kind)
                    self.write(f"var {self.annotated(kind, name)} = {self.tame(scope, kind, 1)}")
                    scope.add(kind, name, variable=True)
                    free = [name]
                name = self.pick.choice(free)
                used.add(name)
                arguments.append(f"&{name}")
            else:
                arguments.append("")
        for place, (kind, lent) in enumerate(one.parameters):
            if not lent:
                hidden = scope.closed()
                for held in hidden.names.values():
                    held[:] = [name for name in held if name not in used]
                for needed in ("V", "W"):
                    if not hidden.has(needed):
                        name = self.fresh(needed)
                        self.write(f"let {name} = {self.name(scope, needed)}")
                        scope.add(needed, name)
                        hidden.add(needed, name)
                arguments[place] = self.e(hidden, kind, 1)
        if one.recursive:
            arguments.append(self.pick.choice(("1", "2", "0")))
        names = [self.fresh(kind) for kind in one.results]
        self.write(f"let {', '.join(names)} = {one.name}({', '.join(arguments)})")
        for kind, name in zip(one.results, names, strict=True):
            scope.add(kind, name)

    def body(self, scope: Scope) -> bool:
        return self.statements(scope, self.pick.randint(1, 4))

    def do_branch(self, scope: Scope) -> bool:
        ends = []
        with self.block(f"if {self.e(scope, 'B', 2)}:"):
            ends.append(self.body(scope.inner()))
        if self.chance(0.25):
            with self.block(f"elif {self.e(scope, 'B', 2)}:"):
                ends.append(self.body(scope.inner()))
        if self.chance(0.6):
            with self.block("else:"):
                ends.append(self.body(scope.inner()))
            return not any(ends)
        return False

    def do_loop(self, scope: Scope) -> None:
        i = self.fresh("i")
        over, kind = self.pick.choice((("n", "X"), ("n", "X"), (str(self.pick.randint(0, 3)), "I"), ("1..n", "X"), ("reversed(3)", "I")))
        with self.block(f"for {i} in {over}:"):
            inner = scope.inner(loop=True)
            inner.add(kind, i)
            self.body(inner)

    def do_each(self, scope: Scope) -> None:
        choices = [("S", self.name(scope, "V")), ("S", self.name(scope, "W"))]
        choices += [("W", self.name(scope, "M"))] if scope.has("M") else []
        choices += [("S", self.name(scope, "U"))] if scope.has("U") else []
        choices += [("S", self.name(scope, "L"))] if scope.has("L") else []
        choices += [("V", self.name(scope, "LV"))] if scope.has("LV") else []
        choices += [("R", self.name(scope, "A"))] * 2 if scope.has("A") else []
        kind, over = self.pick.choice(choices)
        name, i = self.fresh(kind), self.fresh("i")
        inner = scope.inner(loop=True)
        header = f"for {name} in {over}:"
        if self.chance(0.25):
            header = f"for {i}, {name} in enumerate({over}):"
            inner.add("I", i)
        inner.add(kind, name)
        with self.block(header):
            self.body(inner)

    def do_until(self, scope: Scope) -> None:
        k = self.fresh("k")
        self.write(f"var {k} = 0")
        condition = f"{k} < {self.pick.randint(0, 3)}"
        if self.chance(0.4):
            condition += f" and {self.e(scope, 'B', 1)}"
        with self.block(f"while {condition}:"):
            self.write(f"{k} += 1")
            inner = scope.inner(loop=True)
            inner.add("I", k)
            self.body(inner)

    def do_match(self, scope: Scope) -> bool:
        ends = []
        choice = self.pick.randrange(4)
        if choice == 0:
            with self.block(f"match {self.e(scope, 'O', 1)}:"):
                ends.append(self.arm(scope, "Some({})", "S"))
                ends.append(self.arm(scope, "Nothing"))
        elif choice == 1:
            with self.block(f"match {self.e(scope, 'E', 1)}:"):
                ends.append(self.arm(scope, "Red"))
                if self.chance(0.5):
                    ends.append(self.arm(scope, "Green"))
                    if self.chance(0.5):
                        self.arm(scope, "Blue({}) if " + self.e(scope, "B", 1), "I")
                    ends.append(self.arm(scope, "Blue({})", "I"))
                else:
                    ends.append(self.arm(scope, "_"))
        elif choice == 2:
            with self.block(f"match {self.e(scope, 'I', 1)} % 4, {self.e(scope, 'B', 1)}:"):
                ends.append(self.arm(scope, "0, true"))
                ends.append(self.arm(scope, "1 | 2, _"))
                ends.append(self.arm(scope, "{}, _", "I"))
        else:
            with self.block(f"match {self.e(scope, 'OV', 1)}, {self.e(scope, 'O', 1)}:"):
                ends.append(self.arm(scope, "Some({}), Some({})", "V", "S"))
                ends.append(self.arm(scope, "Some({}), _", "V"))
                ends.append(self.arm(scope, "_, {}", "O"))
        return not any(ends)

    def arm(self, scope: Scope, pattern: str, *kinds: str) -> bool:
        inner = scope.inner()
        names = [self.fresh(kind) for kind in kinds]
        with self.block(pattern.format(*names) + ":"):
            for kind, name in zip(kinds, names, strict=True):
                inner.add(kind, name)
            return self.body(inner)

    def do_match_tree(self, scope: Scope) -> bool:
        ends = []
        with self.block(f"match {self.e(scope, 'Tree', 2)}:"):
            ends.append(self.arm(scope, "Leaf({})", "V"))
            if self.chance(0.4):
                ends.append(self.arm(scope, "Node(Leaf({}), {})", "V", "Tree"))
            ends.append(self.arm(scope, "Node({}, {})", "Tree", "Tree"))
            if self.chance(0.5):
                ends.append(self.arm(scope, "Scaled({}, {})", "S", "Tree"))
                ends.append(self.arm(scope, "Nil"))
            else:
                ends.append(self.arm(scope, "_"))
        return not any(ends)

    def do_nested(self, scope: Scope) -> bool:
        """A function in the function, that captures."""
        if scope.loop:
            return self.do_branch(scope)
        name = self.fresh("h")
        inner = self.with_names(scope.closed(), S="z")
        with self.block(f"fn {name}(z: T) -> T:"):
            before, self.results = self.results, ("S",)
            inner.depth = 2
            calls, self.calls = self.calls, False
            for _ in range(self.pick.randint(0, 2)):
                self.do_bind(inner)
            self.write(f"return {self.tame(inner, 'S', 2)}")
            self.results, self.calls = before, calls
        scope.add("F", name)
        return False

    # -- functions

    PARAMETERS = ("S", "M", "I", "R", "Tree", "O", "L", "F", "K", "E", "X", "Str", "U", "C", "B", "LV", "P", "A")
    RESULTS = ("S", "V", "W", "M", "I", "R", "Tree", "B", "O", "Str", "U", "K", "P", "L", "LV", "E", "A")

    def define(self, name: str) -> None:
        lendable = ("V", "S", "R", "M", "L", "I", "Tree", "LV", "A", "K", "U")
        kinds = ["V", "W", *self.pick.sample(self.PARAMETERS, self.pick.randint(1, 4))]
        lent = [kind in lendable and self.chance(0.2) for kind in kinds]
        recursive = self.chance(0.3)
        results = ("S", *self.pick.sample(self.RESULTS, self.pick.randint(1, 2)))
        names = [self.fresh(kind) for kind in kinds]
        scope = Scope()
        parameters = []
        for kind, one, inout in zip(kinds, names, lent, strict=True):
            parameters.append(f"{one}: {'inout ' if inout else ''}{TYPES[kind]}")
            scope.add(kind, one, inout)
        if recursive:
            parameters.append("fuel: int")
        self.results, self.budget, self.calls = results, self.pick.randint(4, 18), True
        signature = Signature(name, tuple(zip(kinds, lent, strict=True)), results, recursive)
        self.write(f"fn {name}<n, m>({', '.join(parameters)}) -> ({', '.join(TYPES[kind] for kind in results)}):")
        self.indent = 1
        if recursive:
            with self.block("if fuel <= 0:"):
                self.leave(scope)
        if self.statements(scope, self.budget):
            if recursive:
                found = [self.fresh(kind) for kind in results]
                for kind, one, inout in zip(kinds[:2], names, lent, strict=False):
                    if inout:
                        copy = self.fresh(kind)
                        self.write(f"let {copy} = {one}")
                        scope.add(kind, copy)
                arguments = [f"&{one}" if inout else self.e(self.without(scope, names, lent), kind, 1)
                             for kind, one, inout in zip(kinds, names, lent, strict=True)]
                self.write(f"let {', '.join(found)} = {name}({', '.join([*arguments, 'fuel - 1'])})")
                for kind, one in zip(results, found, strict=True):
                    scope.add(kind, one)
            self.leave(scope)
        self.indent = 0
        self.write("")
        self.functions.append(signature)

    @staticmethod
    def without(scope: Scope, names: Sequence[str], lent: Sequence[bool]) -> Scope:
        """The scope as arguments beside lent ones may see it."""
        hidden = scope.closed()
        gone = {one for one, inout in zip(names, lent, strict=True) if inout}
        for held in hidden.names.values():
            held[:] = [one for one in held if one not in gone]
        return hidden

    def entry(self) -> None:
        """`all_of` gives many kinds of result; `loss` is what is differentiated."""
        scope = Scope()
        for kind, name in zip("VWMSI", "xwask", strict=True):
            scope.add(kind, name)
        self.results = ("S", "V", "I", "Str", "M", "K")
        self.budget, self.calls = self.pick.randint(4, 12), True
        self.write(f"fn all_of<n, m>({PARAMETERS}) -> ({', '.join(TYPES[kind] for kind in self.results)}):")
        self.indent = 1
        for _ in range(2):
            self.do_call(scope)
        if self.statements(scope, self.budget):
            self.do_call(scope)
            self.leave(scope)
        self.indent = 0
        self.write("")

    def program(self) -> str:
        for k in range(self.pick.randint(1, 3)):
            self.define(f"f{k}")
        self.entry()
        text = PREAMBLE + "\n" + "\n".join(self.lines) + ENTRIES
        return re.sub(r"\bT\b", self.dtype, text)


PARAMETERS = "x: T[n], w: T[m], a: T[n, m], s: T, k: int"
ENTRIES = f"""
fn loss<n, m>({PARAMETERS}) -> T:
    let r, v, _, _, b, _ = all_of(x, w, a, s, k)
    return r + sum(sin(v)) + 0.5 * sum(b) + 0.1 * sum(x * x) + 0.1 * sum(w) + 0.1 * sum(a * a) * s

fn slopes<n, m>({PARAMETERS}) -> (T[n], T[m], T[n, m], T):
    return grad(loss, wrt=(0, 1, 2, 3))(x, w, a, s, k)

fn packed<n, m>(p: (T[n], T[m], T[n, m], T), k: int) -> T:
    let x, w, a, s = p
    return loss(x, w, a, s, k)

fn forward<n, m>({PARAMETERS}, dx: T[n], dw: T[m], da: T[n, m], ds: T) -> T:
    let _, change = jvp(p => packed(p, k), (x, w, a, s), (dx, dw, da, ds))
    return change
"""


def program(seed: int) -> str:
    """The program of a seed."""
    return Generator(seed).program()
