"""Declarations, read from Dyn: what `vocabulary.dyn` offers, with the types that calls need."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from random_programs.types import Size, Type, parse


@dataclass(frozen=True)
class Parameter:
    name: str
    type: Type
    lent: bool = False
    default: bool = False


@dataclass(frozen=True)
class Function:
    """`owner`: the record whose method it is; its first parameter is `self`. `kinds`: what type parameters must be."""

    name: str
    kinds: tuple[tuple[str, str], ...]
    parameters: tuple[Parameter, ...]
    result: Type | None
    owner: str = ""

    @property
    def lends(self) -> bool:
        return any(one.lent for one in self.parameters)


@dataclass(frozen=True)
class Record:
    name: str
    generics: tuple[str, ...]
    fields: tuple[Parameter, ...]
    kinds: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Sum:
    name: str
    generics: tuple[str, ...]
    constructors: tuple[tuple[str, tuple[Parameter, ...]], ...]


@dataclass
class World:
    """What a program may use."""

    functions: list[Function]
    records: dict[str, Record]
    sums: dict[str, Sum]

    def copy(self) -> World:
        return World(list(self.functions), dict(self.records), dict(self.sums))


def split_outside(text: str) -> list[str]:
    """At commas that stand in no bracket: `a: (P, Q), k: int` has two parts."""
    found, depth = [""], 0
    for token in re.findall(r"->|.", text):
        depth += {"(": 1, "[": 1, "<": 1, ")": -1, "]": -1, ">": -1}.get(token, 0)
        if token == "," and depth == 0:
            found.append("")
        else:
            found[-1] += token
    return [one.strip() for one in found if one.strip()]


def generics_of(text: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The names of `p, Q, T: float = f32`, and the kinds of those that have one."""
    names, kinds = [], []
    for one in split_outside(text):
        name, _, kind = one.partition("=")[0].partition(":")
        names.append(name.strip())
        if name.strip()[0].isupper():
            kinds.append((name.strip(), kind.strip() or "any"))
    return tuple(names), tuple(kinds)


def open_sizes(text: str) -> str:
    """In a parameter `?p` is a size parameter; for a caller the size may be anything."""
    return re.sub(r"\?\w+", "?", text)


def parameter_of(text: str) -> Parameter:
    name, _, rest = text.partition(":")
    kind, default, _ = rest.partition("=") if "=" in rest else (rest, "", "")
    kind = open_sizes(kind.strip())
    return Parameter(name.strip(), parse(kind.removeprefix("inout ")), kind.startswith("inout "), bool(default))


HEADER = re.compile(r"^fn (\w+)(?:<(.*?)>)?\((.*):$")
RECORD = re.compile(r"^record (\w+)(?:<(.*)>)?:$")
SUM = re.compile(r"^type (\w+)(?:<(.*)>)?:$")


def read_function(header: str, owner: Record | None = None) -> Function:
    found = HEADER.match(header)
    assert found, header
    _, kinds = generics_of(found[2] or "")
    end = next(place for place in range(len(found[3])) if found[3][: place + 1].count(")") > found[3][: place + 1].count("("))
    result = found[3][end + 1 :].removeprefix(" -> ")
    parameters = []
    for part in split_outside(found[3][:end]):
        if owner is not None and part.startswith("self"):
            arguments = f"<{', '.join(owner.generics)}>" if owner.generics else ""
            parameters.append(Parameter("self", parse(owner.name + arguments), "inout" in part))
        else:
            parameters.append(parameter_of(part))
    return Function(
        found[1], kinds + (owner.kinds if owner else ()), tuple(parameters), parse(result) if result else None, owner.name if owner else ""
    )


def read(text: str) -> World:
    """The declarations of a program, without what stands in functions."""
    world = World([], {}, {})
    owner: Record | Sum | None = None
    for line in text.splitlines():
        bare = re.sub(r"\s+#.*", "", line).rstrip()
        if record := RECORD.match(bare):
            names, kinds = generics_of(record[2] or "")
            owner = world.records[record[1]] = Record(record[1], names, (), kinds)
        elif one := SUM.match(bare):
            owner = world.sums[one[1]] = Sum(one[1], generics_of(one[2] or "")[0], ())
        elif bare.startswith("fn "):
            owner = None
            world.functions.append(read_function(bare))
        elif isinstance(owner, Record) and re.match(r"    \w+ *: ", bare):
            owner = world.records[owner.name] = Record(owner.name, owner.generics, (*owner.fields, parameter_of(bare)), owner.kinds)
        elif isinstance(owner, Record) and bare.startswith("    fn "):
            world.functions.append(read_function(bare.strip(), owner))
        elif isinstance(owner, Sum) and (case := re.match(r"    (\w+)(?:\((.*)\))?$", bare)):
            fields = tuple(parameter_of(part) for part in split_outside(case[2] or ""))
            owner = world.sums[owner.name] = Sum(owner.name, owner.generics, (*owner.constructors, (case[1], fields)))
    return world


TEXT = (Path(__file__).parent / "vocabulary.dyn").read_text(encoding="utf-8")


@functools.cache
def vocabulary() -> World:
    return read(TEXT)


@functools.cache
def _items() -> tuple[tuple[str, str, frozenset[str]], ...]:
    """The declarations: the names that each has, its text, and the words in it."""
    found = []
    for text in re.split(r"\n(?=(?:fn|record|type) )", TEXT)[1:]:
        name = re.match(r"\w+ (\w+)", text)
        assert name
        names = [name[1], *(re.findall(r"^    (\w+)", text, re.M) if text.startswith("type") else [])]
        found.append((" ".join(names), text.strip() + "\n", frozenset(re.findall(r"\w+", text))))
    return tuple(found)


def used(program: str) -> str:
    """The declarations of the vocabulary that a program needs."""
    wanted: set[int] = set()
    words = set(re.findall(r"\w+", program))
    while True:
        more = {place for place, (names, _, _) in enumerate(_items()) if place not in wanted and words & set(names.split())}
        if not more:
            return "\n".join(_items()[place][1] for place in sorted(wanted))
        wanted |= more
        for place in more:
            words |= _items()[place][2]


def variables(types: Iterable[object]) -> set[str]:
    """The names of type and size parameters that are left in types."""
    return {name for one in types for name in re.findall(r"(?<![\w.])[A-Zpqr](?!\w)", str(one))}


__all__ = ["Function", "Parameter", "Record", "Size", "Sum", "World", "used", "variables", "vocabulary"]
