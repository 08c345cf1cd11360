"""What differentiation knows of a module while it adds to it: functions and sums, made and in the making."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dynlang.core.build import Builder, Scope, Signature
from dynlang.core.nodes import Constructor, Function, Module, SumDeclaration, Variable
from dynlang.core.sizes import size_of_right
from dynlang.core.walk import Names, bound_in, statements_in
from dynlang.diag import InternalError
from dynlang.types import Size


@dataclass(frozen=True, slots=True)
class Key:
    """One derivative of a function. Each tuple has an entry for every parameter, `cotangents` for every result.

    active      a cotangent of this parameter is wanted
    cotangents  this result has a cotangent
    fresh       no destination comes in for this parameter: its cotangent is made inside
    """

    function: str
    active: tuple[bool, ...]
    cotangents: tuple[bool, ...]
    fresh: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """The two functions made for a key; the order of the backward's parameters and results.

    backward(sizes: parameters `passed`, results `extras`; parameters `again`; residual; cotangents; destinations of `destinations`;
             final values of `rewound`) -> (cotangents of the active parameters in order; values of `rewound` before the call)

    Parameters are handed to the backward again rather than saved: the caller has them, or saves them once.
    """

    key: Key
    forward: str
    backward: str
    residual: str
    passed: tuple[int, ...]
    extras: tuple[int, ...]
    again: tuple[int, ...]
    destinations: tuple[int, ...]
    rewound: tuple[int, ...]

    @property
    def wanted(self) -> tuple[int, ...]:
        return tuple(position for position, on in enumerate(self.key.active) if on)


def type_name(text: str) -> str:
    """``nn.encode_all`` as a type's name: ``NnEncodeAll``."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text) if word)


class State:
    """The module under work. `signature` and `sum` answer for what is only registered, so that recursion ties its knots."""

    def __init__(self, module: Module) -> None:
        self.functions: dict[str, Function] = dict(module.functions)
        self.sums: dict[str, SumDeclaration] = dict(module.sums)
        self.signatures: dict[str, Signature] = {}
        self.generated: set[str] = set()
        self.backwards: set[str] = set()
        self.residuals: set[str] = set()
        self.adders: set[str] = set()
        self.scope = Scope(self.signature, self.sum)
        self.function_names = Names(self.functions)
        self.sum_names = Names(self.sums)
        self.constructor_names = Names(one.name for declaration in self.sums.values() for one in declaration.constructors)

    def signature(self, name: str) -> Signature:
        function = self.functions.get(name)
        if function is not None:
            return Signature(function.parameters, function.results)
        if name not in self.signatures:
            raise InternalError(f"differentiation finds no function {name}")
        return self.signatures[name]

    def sum(self, name: str) -> SumDeclaration:
        return self.sums[name]

    def add_function(self, function: Function) -> None:
        self.functions[function.name] = function
        self.generated.add(function.name)

    def declare_residual(self, wish: str) -> str:
        """Registers a residual type without constructors yet."""
        name = self.sum_names.fresh(wish)
        self.residuals.add(name)
        return name

    def define_sum(self, name: str, sizes: Iterable[str], constructors: Iterable[tuple[str, tuple[Variable, ...]]]) -> SumDeclaration:
        """Constructor names are unique in the module: a taken one gets a number."""
        made = tuple(Constructor(constructor, fields) for constructor, fields in constructors)
        self.sums[name] = SumDeclaration(name, tuple(sizes), made)
        return self.sums[name]

    def names_of(self, function: Function) -> Names:
        taken = {one.name for one in (*function.parameters, *function.results)}
        taken.update(one.name for one in bound_in(function.body))
        return Names(taken)

    def builder(self, names: Names, known: dict[str, Size] | None = None) -> Builder:
        builder = Builder(names, self.scope)
        builder.known.update(known or {})
        return builder

    def module(self) -> Module:
        return Module(dict(self.sums), dict(self.functions))


def known_sizes(function: Function) -> dict[str, Size]:
    """Int variables of a function that have a polynomial."""
    known: dict[str, Size] = {}
    for statement in statements_in(function.body):
        if len(statement.variables) == 1:
            size = size_of_right(statement.right, known)
            if size is not None:
                known[statement.variables[0].name] = size
    return known


def copy_names(names: Names) -> Names:
    """The same names taken: to try a generation that may be thrown away."""
    copied = Names()
    copied._taken = set(names._taken)
    copied._next = dict(names._next)
    return copied


def restore_names(names: Names, saved: Names) -> None:
    names._taken, names._next = set(saved._taken), dict(saved._next)
