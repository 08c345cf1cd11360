"""Alternatives of sum types that nothing in a program makes, cut before anything is derived from them.

Law: what is called from outside (the roots of the module) gives what it gave. A module of unknown roots is left as it is.

    type Method = Plain(rate: f64) | Adaptive(rate: f64)

    fn step(y: f64, by: Method) -> f64:           fn step(y: f64, by: Method) -> f64:
        match by:                                     match by:
            Plain(rate): y - rate                         Plain(rate): y - rate
            Adaptive(rate): adapted(y, rate)
                                                  and `adapted` is gone, if nothing else calls it
    fn main() = step(1.0, Plain(0.1))

What is made is the least set that holds
- the constructors that reached code applies, an arm being reached when its constructor is made;
- all constructors of the types in the roots' signatures, and in the fields of these: values come from outside, or go there;
- what derivatives are made of: the zeros of tangents, lazy values, and of a tangent the alternatives of its primal (and the reverse).
A type of which nothing is made keeps all: code that looks at it never runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from dynlang.core.nodes import Block, Call, Case, Construct, Function, Jvp, Let, Module, SumDeclaration, Vjp
from dynlang.core.tangents import TangentTypes, is_lazy_sum, tangent_constructor_name, tangent_sum_name, tangent_zero_name
from dynlang.core.walk import blocks_of, map_blocks, statements_in, sums_in
from dynlang.types import SumType, Type

Alternative = tuple[str, str]
"""A sum's name and one of its constructors."""


def without_unmade(module: Module) -> Module:
    """The module without alternatives that nothing makes, their arms, and the functions that only these reach.

    >>> from dynlang.core.nodes import Constructor, SumDeclaration
    >>> shape = SumDeclaration("Shape", (), (Constructor("Round", ()), Constructor("Flat", ())))
    >>> made = Block((Let((), Construct(SumType("Shape", ()), "Round", ())),), ())
    >>> cut = without_unmade(Module({"Shape": shape}, {"main": Function("main", (), (), made)}, ("main",)))
    >>> [one.name for one in cut.sums["Shape"].constructors]
    ['Round']
    """
    if not module.roots or all(len(one.constructors) < 2 for one in module.sums.values()):
        return module
    found = _Made(module)
    found.run()
    sums = {name: _kept(one, found.made) for name, one in module.sums.items()}
    if all(sums[name] is one for name, one in module.sums.items()):
        return module
    functions = {name: _cut(one, found.made) for name, one in module.functions.items() if name in found.reached}
    return Module(_still_differentiable(module.sums, sums, functions), functions, module.roots)


def _kept(declaration: SumDeclaration, made: Mapping[Alternative, None]) -> SumDeclaration:
    kept = tuple(one for one in declaration.constructors if (declaration.name, one.name) in made)
    return declaration if len(kept) in (0, len(declaration.constructors)) else replace(declaration, constructors=kept)


def _cut(function: Function, made: Mapping[Alternative, None]) -> Function:
    """The function without arms that are never taken."""

    def let(one: Let) -> Let:
        if not isinstance(one.right, Case):
            return one
        name = sum_of(one.right)
        arms = tuple(arm for arm in one.right.arms if (name, arm.constructor) in made)
        return one if len(arms) == len(one.right.arms) else replace(one, right=Case(one.right.scrutinee, arms))

    def block(one: Block) -> Block:
        statements = tuple(map(let, one.statements))
        same = all(new is old for new, old in zip(statements, one.statements, strict=True))
        return one if same else Block(statements, one.results)

    body = map_blocks(function.body, block)
    return function if body is function.body else replace(function, body=body)


def sum_of(case: Case) -> str:
    assert isinstance(case.scrutinee.type, SumType)
    return case.scrutinee.type.name


class _Made:
    """The fixed point: arms wait until their constructor is made."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.made: dict[Alternative, None] = {}
        self.reached: set[str] = set()
        self.waiting: dict[Alternative, list[Block]] = {}
        self.looked_at: dict[str, None] = {}
        self.whole: set[str] = set()
        self.todo: list[Block] = []
        self.partners = dict(_partners(module.sums))
        self.primals = {tangent_sum_name(name): name for name in module.sums}

    def run(self) -> None:
        for name in self.module.sums:
            self.of_derivatives(name)
        for name in self.module.roots:
            self.reach(name)
            function = self.module.functions[name]
            for one in (*function.parameters, *function.results):
                self.all_in(one.type)
        self.scan()
        while unknown := [name for name in self.looked_at if not self.has_any(name)]:
            for name in unknown:
                self.all_of(name)
            self.scan()

    def of_derivatives(self, name: str) -> None:
        """Differentiation makes these itself."""
        if is_lazy_sum(self.module.sums[name]):
            self.all_of(name)
        tangent = tangent_sum_name(name)
        if tangent in self.module.sums:
            self.make(tangent, tangent_zero_name(tangent))

    def has_any(self, name: str) -> bool:
        return any((name, one.name) in self.made for one in self.module.sums[name].constructors)

    def all_in(self, kind: Type) -> None:
        for name in sums_in(kind):
            self.all_of(name)

    def all_of(self, name: str) -> None:
        """Every value of a sum, whatever is in it."""
        if name in self.whole or name not in self.module.sums:
            return
        self.whole.add(name)
        for constructor in self.module.sums[name].constructors:
            self.make(name, constructor.name)
            for one in constructor.fields:
                self.all_in(one.type)

    def make(self, name: str, constructor: str) -> None:
        alternative: Alternative | None = (name, constructor)
        while alternative is not None and alternative not in self.made:
            self.made[alternative] = None
            self.todo += self.waiting.pop(alternative, ())
            alternative = self.partners.get(alternative)      # a sum's tangent, or the sum of a tangent

    def reach(self, name: str) -> None:
        if name in self.reached:
            return
        self.reached.add(name)
        function = self.module.functions[name]
        self.todo.append(function.body)
        if function.derivative is not None:
            self.reach(function.derivative.rule)

    def scan(self) -> None:
        while self.todo:
            for statement in self.todo.pop().statements:
                match statement.right:
                    case Construct(kind, constructor):
                        self.make(kind.name, constructor)
                    case Call(function) | Vjp(function) | Jvp(function):
                        self.reach(function)
                    case Case() as case:
                        self.look(case)
                    case right:
                        self.todo += [inner for _, inner in blocks_of(right)]

    def look(self, case: Case) -> None:
        name = sum_of(case)
        self.looked_at[name] = self.looked_at[self.primals.get(name, name)] = None
        for arm in case.arms:
            alternative = name, arm.constructor
            if alternative in self.made:
                self.todo.append(arm.body)
            else:
                self.waiting.setdefault(alternative, []).append(arm.body)


def _partners(sums: Mapping[str, SumDeclaration]) -> Iterator[tuple[Alternative, Alternative]]:
    """Alternatives of sums and of their tangents: where there are values of one, there are values of the other."""
    for name, declaration in sums.items():
        tangent = tangent_sum_name(name)
        if tangent in sums:
            for one in declaration.constructors:
                mine, its = (name, one.name), (tangent, tangent_constructor_name(tangent, one.name))
                yield mine, its
                yield its, mine


def _still_differentiable(before: Mapping[str, SumDeclaration], sums: dict[str, SumDeclaration],
                          functions: Mapping[str, Function]) -> dict[str, SumDeclaration]:
    """A sum whose alternatives with floats are gone carries derivatives still where the program names its tangent: that is declared,
    which says so (`core.tangents`)."""
    carried = TangentTypes(dict(before), lambda name: tangent_sum_name(name) in before)
    carrying = TangentTypes(sums, lambda name: tangent_sum_name(name) in sums)
    lost = {name for name in before if carried.carries(SumType(name, ())) and not carrying.carries(SumType(name, ()))}
    named = set(_sums_named(functions.values())) if lost else set()
    wanted = [name for name in sums if name in lost and tangent_sum_name(name) in named]
    declaring = TangentTypes(sums, lambda name: name in wanted or tangent_sum_name(name) in sums)
    for name in wanted:
        declaring.tangent_sum(name)
    return sums


def _sums_named(functions: Iterable[Function]) -> Iterator[str]:
    """The sums in the types of all that functions bind."""
    for function in functions:
        for one in (*function.parameters, *function.results):
            yield from sums_in(one.type)
        for statement in statements_in(function.body):
            for one in statement.variables:
                yield from sums_in(one.type)
