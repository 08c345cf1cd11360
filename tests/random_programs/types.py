"""Types and sizes of generated programs: parsed from Dyn, printed as Dyn, matched against each other.

>>> match(parse("Option<Q[2*n]>"), parse("Option<f64[4*k + 2]>"))
{'Q': Num(dtype='f64'), 'n': Size(terms=((('k',), 2), ((), 1)))}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FLOATS = ("f64", "f32", "f16", "bf16")
INTEGERS = ("int", "i32", "i16", "i8", "u8")


@dataclass(frozen=True)
class Size:
    """A polynomial: pairs of variables and a coefficient, the larger products first. `n // 2` is a variable of its own."""

    terms: tuple[tuple[tuple[str, ...], int], ...]

    @staticmethod
    def of(terms: Mapping[tuple[str, ...], int]) -> Size:
        held = [(names, factor) for names, factor in terms.items() if factor]
        return Size(tuple(sorted(held, key=lambda one: (-len(one[0]), one[0]))))

    @staticmethod
    def number(value: int) -> Size:
        return Size.of({(): value})

    @staticmethod
    def name(text: str) -> Size:
        return Size.of({(text,): 1})

    def __add__(self, other: Size) -> Size:
        found = dict(self.terms)
        for names, factor in other.terms:
            found[names] = found.get(names, 0) + factor
        return Size.of(found)

    def __mul__(self, other: Size) -> Size:
        found: dict[tuple[str, ...], int] = {}
        for left, a in self.terms:
            for right, b in other.terms:
                names = tuple(sorted(left + right))
                found[names] = found.get(names, 0) + a * b
        return Size.of(found)

    def __sub__(self, other: Size) -> Size:
        return self + other * Size.number(-1)

    def divided(self, by: int) -> Size | None:
        return None if any(factor % by for _, factor in self.terms) else Size(tuple((names, factor // by) for names, factor in self.terms))

    @property
    def constant(self) -> int | None:
        return dict(self.terms).get((), 0) if all(not names for names, _ in self.terms) else None

    def __str__(self) -> str:
        parts = ["*".join([str(factor), *names] if factor != 1 or not names else names) for names, factor in self.terms]
        return " + ".join(parts).replace("+ -", "- ") or "0"

    @property
    def operand(self) -> str:
        """As a part of a product."""
        return (
            str(self)
            if len(self.terms) == 1 and (self.constant is not None or (self.terms[0][1] == 1 and len(self.terms[0][0]) == 1))
            else f"({self})"
        )


@dataclass(frozen=True)
class Num:
    dtype: str

    def __str__(self) -> str:
        return self.dtype

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def is_integer(self) -> bool:
        return self.dtype in INTEGERS


@dataclass(frozen=True)
class Idx:
    size: Size

    def __str__(self) -> str:
        return f"idx<{self.size}>"


@dataclass(frozen=True)
class Str:
    def __str__(self) -> str:
        return "str"


@dataclass(frozen=True)
class Var:
    """A type parameter."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Arr:
    """`element[shape]`; the size None is `?`."""

    element: Type
    shape: tuple[Size | None, ...]

    def __str__(self) -> str:
        inner = f"({self.element})" if isinstance(self.element, Fun) else str(self.element)
        return f"{inner}[{', '.join('?' if size is None else str(size) for size in self.shape)}]"

    @property
    def is_open(self) -> bool:
        return None in self.shape

    @property
    def known(self) -> tuple[Size, ...]:
        """The sizes of an array that has no `?`."""
        return tuple(size for size in self.shape if size is not None)


@dataclass(frozen=True)
class Tup:
    items: tuple[Type, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


@dataclass(frozen=True)
class Fun:
    parameters: tuple[Type, ...]
    result: Type

    def __str__(self) -> str:
        one = self.parameters[0] if len(self.parameters) == 1 else None
        left = f"({', '.join(map(str, self.parameters))})" if one is None or isinstance(one, Fun | Tup) else str(one)
        return f"{left} -> {f'({self.result})' if isinstance(self.result, Fun) else self.result}"


@dataclass(frozen=True)
class Data:
    """A record or sum type, or `List`."""

    name: str
    arguments: tuple[Type | Size, ...] = ()

    def __str__(self) -> str:
        return self.name + (f"<{', '.join(map(str, self.arguments))}>" if self.arguments else "")


Type = Num | Idx | Str | Var | Arr | Tup | Fun | Data
STR, BOOL, INT, F64, F32 = Str(), Num("bool"), Num("int"), Num("f64"), Num("f32")


def array(element: Type, *shape: Size | None) -> Arr:
    return Arr(element, shape)


def list_of(item: Type) -> Data:
    return Data("List", (item,))


# ---------------------------------------------------------------- reading


class Reader:
    """Reads a type: `Reader("List<(Q, f64[n + 1])> -> int").type()`."""

    def __init__(self, text: str) -> None:
        self.tokens = re.findall(r"->|//|\w+|[^\s\w]", text)

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, wanted: str = "") -> str:
        token = self.tokens.pop(0)
        assert not wanted or token == wanted, (token, wanted, self.tokens)
        return token

    def type(self) -> Type:
        if self.peek() == "(":
            self.take()
            items = [self.type()]
            while self.peek() == ",":
                self.take()
                items.append(self.type())
            self.take(")")
            left: Type = Tup(tuple(items)) if len(items) > 1 else items[0]
        else:
            items, left = [], self.named(self.take())
        while self.peek() == "[":
            left, items = Arr(left, self.sizes()), []
        if self.peek() == "->":
            self.take()
            return Fun(tuple(items) if len(items) > 1 else (left,), self.type())
        return left

    def named(self, name: str) -> Type:
        if name == "idx":
            self.take("<")
            size = self.size()
            self.take(">")
            return Idx(size)
        if name in FLOATS + INTEGERS + ("bool",):
            return Num(name)
        if name == "str":
            return STR
        if self.peek() != "<":
            return Var(name) if len(name) == 1 else Data(name)
        arguments: list[Type | Size] = []
        while self.peek() in ("<", ","):
            self.take()
            arguments.append(
                self.type() if self.peek()[0].isupper() or self.peek() in ("(", "str", *FLOATS, *INTEGERS, "bool") else self.size()
            )
        self.take(">")
        return Data(name, tuple(arguments))

    def sizes(self) -> tuple[Size | None, ...]:
        found: list[Size | None] = []
        while self.peek() in ("[", ","):
            self.take()
            found.append(self.size() if self.peek() != "?" or not self.take() else None)
        self.take("]")
        return tuple(found)

    def size(self) -> Size:
        left = self.product()
        while self.peek() in ("+", "-"):
            left = left + self.product() if self.take() == "+" else left - self.product()
        return left

    def product(self) -> Size:
        left = self.factor()
        while self.peek() == "*":
            self.take()
            left = left * self.factor()
        return left

    def factor(self) -> Size:
        token = self.take()
        return Size.number(int(token)) if token.isdigit() else Size.name(token)


def parse(text: str) -> Type:
    return Reader(text).type()


# ---------------------------------------------------------------- matching


def substituted(kind: Any, given: Mapping[str, Any]) -> Any:
    """A type or size with its parameters replaced."""
    put = lambda one: substituted(one, given)  # noqa: E731
    match kind:
        case Size(terms):
            total = Size(())
            for names, factor in terms:
                product = Size.number(factor)
                for name in names:
                    product = product * given.get(name, Size.name(name))
                total = total + product
            return total
        case Var(name):
            return given.get(name, kind)
        case Idx(size):
            return Idx(put(size))
        case Arr(element, shape):
            inner = put(element)
            sizes = tuple(None if size is None else put(size) for size in shape)
            return Arr(inner.element, (*sizes, *inner.shape)) if isinstance(inner, Arr) else Arr(inner, sizes)
        case Tup(items):
            return Tup(tuple(map(put, items)))
        case Fun(parameters, result):
            return Fun(tuple(map(put, parameters)), put(result))
        case Data(name, arguments):
            return Data(name, tuple(map(put, arguments)))
    return kind


def match(pattern: Any, kind: Any, given: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """What the parameters of a pattern stand for, so that it is the type; None if it can't be. `given` is written to."""
    given = {} if given is None else given
    return given if matches(pattern, kind, given) else None


def matches(pattern: Any, kind: Any, given: dict[str, Any]) -> bool:
    if isinstance(pattern, Var):
        return given.setdefault(pattern.name, kind) == kind
    if isinstance(pattern, Size):
        return isinstance(kind, Size) and size_matches(pattern, kind, given)
    if type(pattern) is not type(kind):
        return False
    match pattern:
        case Idx(size):
            return matches(size, kind.size, given)
        case Arr(element, shape):
            if isinstance(element, Var) and len(kind.shape) > len(shape):
                rest = Arr(kind.element, kind.shape[len(shape) :])
                return matches(element, rest, given) and all_match(shape, kind.shape[: len(shape)], given)
            return matches(element, kind.element, given) and all_match(shape, kind.shape, given)
        case Tup(items):
            return all_match(items, kind.items, given)
        case Fun(parameters, result):
            return all_match(parameters, kind.parameters, given) and matches(result, kind.result, given)
        case Data(name, arguments):
            return name == kind.name and all_match(arguments, kind.arguments, given)
    return pattern == kind


def all_match(patterns: Any, kinds: Any, given: dict[str, Any]) -> bool:
    return len(patterns) == len(kinds) and all(
        one is other if one is None or other is None else matches(one, other, given) for one, other in zip(patterns, kinds, strict=True)
    )


def size_matches(pattern: Size, size: Size, given: dict[str, Any]) -> bool:
    """One unknown, linear: `2*n + 1` is `4*k + 3` for n = 2*k + 1."""
    pattern = substituted(pattern, given)
    unknown = [(names, factor) for names, factor in pattern.terms if any(name.islower() and name not in OWN for name in names)]
    if not unknown:
        return pattern == size
    names, factor = unknown[0]
    if len(unknown) > 1 or len(names) != 1:
        return False
    found = (size - (pattern - Size.of({names: factor}))).divided(factor)
    if found is None or any(coefficient < 0 for _, coefficient in found.terms) or not found.terms:
        return False
    given[names[0]] = found
    return True


OWN = {"n", "m"}
"""Sizes of the program itself; those of the vocabulary have other names."""


def parts(kind: Any) -> list[Any]:
    """A type and all types in it."""
    match kind:
        case Arr(element, _):
            return [kind, *parts(element)]
        case Tup(items):
            return [kind, *(part for item in items for part in parts(item))]
        case Fun(parameters, result):
            return [kind, *(part for one in (*parameters, result) for part in parts(one))]
        case Data(_, arguments):
            return [kind, *(part for one in arguments if not isinstance(one, Size) for part in parts(one))]
    return [kind]


def sizes_in(kind: Any) -> set[str]:
    """Names of the sizes in a type."""
    found: set[str] = set()
    for part in parts(kind):
        sizes = (
            [part.size]
            if isinstance(part, Idx)
            else part.shape
            if isinstance(part, Arr)
            else ([one for one in part.arguments if isinstance(one, Size)] if isinstance(part, Data) else [])
        )
        found |= {name for size in sizes if size is not None for names, _ in size.terms for name in names}
    return found
