"""Which values of a function are states of one variable: so that a derivative adds to its destinations as a person would write it.

    d2 = accumulate_at(d, i, v)        ``d[i] += v``, if nobody reads d afterwards: d2 takes the place of d
    d3 = call f(x, d2)                 ``f(x, &d)``, if f hands back what it was lent

A parameter that all ways through a function end by handing back, changed in place or not at all, is *lent*: it is printed `inout`, and
the result is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dynlang.core.nodes import Atom, Block, Call, Case, For, Function, If, Jvp, Let, Module, Operation, Variable, Vjp, While
from dynlang.core.print.sizes import hidden_sizes
from dynlang.core.walk import atoms_of, blocks_of, free_variables, statements_in
from dynlang.ops import OPS
from dynlang.types import FLOATS, ArrayType, ListType, RowsType, ScalarType, StringType, Type, size_variables

Lent = Mapping[int, int]
"""Positions of parameters, each with that of the result which hands it back."""


@dataclass
class Places:
    """`taken[y] = x`: y takes the place of x. `roots`: variables whose place is taken by another, declared with `var`."""

    taken: dict[str, str] = field(default_factory=dict)
    roots: set[str] = field(default_factory=set)

    def root(self, name: str) -> str:
        while name in self.taken:
            name = self.taken[name]
        return name


def has_first_value(kind: Type) -> bool:
    """Whether there is some value of the type to begin with, for a variable that is assigned before it is read."""
    if isinstance(kind, ArrayType):
        return isinstance(kind.element, ScalarType)
    return isinstance(kind, (ScalarType, StringType, ListType, RowsType))


def may_change(kind: Type) -> bool:
    """Whether a value of the type is worth changing in place."""
    if isinstance(kind, ArrayType):
        return isinstance(kind.element, ScalarType)
    return isinstance(kind, (RowsType, ListType)) or (isinstance(kind, ScalarType) and kind.dtype in FLOATS)


class Analysis:
    """The places of one function. `lent` is what is believed of the functions that it calls."""

    def __init__(self, function: Function, lent: Mapping[str, Lent]) -> None:
        self.function, self.lent = function, lent
        self.edges: dict[str, tuple[str, bool]] = {}
        """The place that a variable takes, and whether that is worth a variable by itself: adding to a whole value is a mere ``+``."""
        self.variable: set[str] = set()
        """What can be declared with `var`."""
        self.types = {one.name: one.type for one in function.parameters}
        for statement in statements_in(function.body):
            self.types |= {one.name: one.type for one in statement.variables}
            self.types |= {one.name: one.type for binders, _ in blocks_of(statement.right) for one in binders}
        live: set[str] = set()
        self.leaves: list[Sequence[Atom]] = []
        self.block(function.body, live, tail=True)

    # -- from the last statement to the first; `live` is what is read later

    def block(self, block: Block, live: set[str], tail: bool = False) -> None:
        last = block.statements[-1] if block.statements else None
        ends = tail and last is not None and isinstance(last.right, (If, Case)) and last.variables == block.results and bool(last.variables)
        if tail and not ends:
            self.leaves.append(block.results)
        if not ends:
            live.update(one.name for one in block.results if isinstance(one, Variable))
        for statement in reversed(block.statements):
            live.difference_update(one.name for one in statement.variables)
            self.statement(statement, live, ends and statement is last)
            live.update(one.name for one in atoms_of(statement.right) if isinstance(one, Variable))

    def statement(self, statement: Let, live: set[str], tail: bool) -> None:
        right = statement.right
        match right:
            case Operation(op, arguments) if OPS[op].has("consumes") and arguments and statement.variables:
                self.take(statement.variables[0], arguments[0], arguments[1:], live, op != "accumulate")
            case Operation() if len(statement.variables) == 1:
                self.variable.add(statement.variables[0].name)
            case Call(function, arguments):
                for parameter, result in self.lent.get(function, {}).items():
                    others = (*arguments[:parameter], *arguments[parameter + 1:])
                    self.take(statement.variables[result], arguments[parameter], others, live, True)
            case If() | Case():
                self.choice(statement, right, live, tail)
            case For() | While():
                self.loop(statement, right, live)

    def take(self, result: Variable, source: Atom, others: Sequence[Atom], live: set[str], alone: bool) -> None:
        self.variable.add(result.name)
        if (isinstance(source, Variable) and source.type == result.type and may_change(source.type)
                and source.name not in live and source not in others):
            self.edges[result.name] = source.name, alone

    def choice(self, statement: Let, right: If | Case, live: set[str], tail: bool) -> None:
        before, after = dict(self.edges), set(live)
        self.arms(right, live, tail)
        if tail:
            return
        taken = self.handed_on(statement, right, after)
        if isinstance(right, If) and not (right.then.statements and right.otherwise.statements):
            printable = True
        else:
            printable = all(one.name in taken or has_first_value(one.type) for one in statement.variables)
        if not printable:
            self.edges, outer = before, {one.name for _, arm in blocks_of(right) for one in free_variables(arm)}
            self.arms(right, live | outer, tail)
            return
        self.variable.update(one.name for one in statement.variables)
        self.edges |= {name: (source, True) for name, source in taken.items()}

    def arms(self, right: If | Case, live: set[str], tail: bool) -> None:
        reads: set[str] = set()
        for _, arm in blocks_of(right):
            inside = set(live)
            self.block(arm, inside, tail)
            reads |= inside
        live |= reads

    def handed_on(self, statement: Let, right: If | Case, after: set[str]) -> dict[str, str]:
        """Results that are, in each arm, what became of one variable from before."""
        arms = [arm for _, arm in blocks_of(right)]
        bound = {one.name for fields, _ in blocks_of(right) for one in fields}
        bound |= {one.name for arm in arms for inner in statements_in(arm) for one in inner.variables}
        ends = [{self.root(atom) for atom in atoms} for atoms in zip(*(arm.results for arm in arms), strict=True)]
        found: dict[str, str] = {}
        for result, roots in zip(statement.variables, ends, strict=True):
            (root, *rest) = roots
            if (not rest and root is not None and root not in bound and root not in after and may_change(result.type)
                    and sum(root in others for others in ends) == 1 and self.types[root] == result.type):
                found[result.name] = root
        return found

    def loop(self, statement: Let, right: For | While, live: set[str]) -> None:
        carried = {one.name for one in right.carried}
        inside = set(live)
        for binders, block in blocks_of(right):
            inside |= {one.name for one in free_variables(block)} - {one.name for one in binders}
        around = frozenset(inside)
        for _, block in reversed(blocks_of(right)):
            self.block(block, inside)
        live |= inside - carried
        for place, first in zip(right.carried, right.initial, strict=True):
            others = [one for one in right.initial if one == first]
            self.variable.add(place.name)
            if (isinstance(first, Variable) and first.type == place.type and may_change(first.type) and first.name not in around
                    and len(others) == 1):
                self.edges[place.name] = first.name, True
        self.variable.update(one.name for one in statement.variables)
        self.edges |= {one.name: (place.name, True) for one, place in zip(statement.variables, right.carried, strict=True)
                       if may_change(one.type) and one.type == place.type}

    # -- what was found

    def root(self, atom: Atom) -> str | None:
        if not isinstance(atom, Variable):
            return None
        name = atom.name
        while name in self.edges:
            name = self.edges[name][0]
        return name

    def handed_back(self) -> dict[int, int]:
        """Parameters that each way through the function hands back."""
        function = self.function
        place = {one.name: number for number, one in enumerate(function.parameters)}
        found: dict[int, int] = {}
        ends = [{self.root(leaf[number]) for leaf in self.leaves} for number in range(len(function.results))]
        for number, roots in enumerate(ends):
            (root, *rest) = roots or {None}
            if rest or root not in place or sum(root in others for others in ends) != 1:
                continue
            parameter = function.parameters[place[root]]
            if all(leaf[number] == parameter for leaf in self.leaves):
                continue  # handed back as it came
            if may_change(parameter.type) and parameter.type == function.results[number].type:
                found[place[root]] = number
        return found

    def hopes(self) -> dict[int, int]:
        """Parameters that come back at some ends, while a call decides what comes back at the others."""
        made = [one.variables for one in statements_in(self.function.body) if isinstance(one.right, Call)]
        calls = {one.name for variables in made for one in variables}
        place = {one.name: number for number, one in enumerate(self.function.parameters)}
        found: dict[int, int] = {}
        for number, result in enumerate(self.function.results):
            roots = {self.root(leaf[number]) for leaf in self.leaves} - calls
            if len(roots) == 1 and (root := next(iter(roots))) in place and may_change(result.type):
                found.setdefault(place[root], number)
        return found

    def places(self, lent: Lent) -> Places:
        """What is printed as changes of one variable: `lent` are the parameters of this function that are."""
        given = {self.function.parameters[number].name for number in lent}
        edges = {name: edge for name, edge in self.edges.items() if edge[0] in self.edges or edge[0] in self.variable or edge[0] in given}
        worth = {self.root_in(edges, name) for name, (_, alone) in edges.items() if alone} | given
        taken = {name: source for name, (source, _) in edges.items() if self.root_in(edges, name) in worth}
        return Places(taken, (set(taken.values()) - taken.keys() - given))

    @staticmethod
    def root_in(edges: Mapping[str, tuple[str, bool]], name: str) -> str:
        while name in edges:
            name = edges[name][0]
        return name


# ---------------------------------------------------------------- a module


def lent_parameters(module: Module) -> tuple[dict[str, Lent], dict[str, Places]]:
    """Which parameters the functions are lent, and the places of each function: what is believed at first is what may be; what
    turns out not to be is given up, until nothing changes."""
    closed = set(kept_as_they_are(module))
    lent: dict[str, dict[int, int]] = {}
    refused: set[tuple[str, int, int]] = set()
    while True:
        found = {name: Analysis(one, lent) for name, one in module.functions.items()}
        changed = False
        for name, one in found.items():
            if name in closed:
                continue
            proved, believed = one.handed_back(), lent.get(name, {})
            wrong = {(name, *pair) for pair in believed.items() if proved.get(pair[0]) != pair[1]}
            hidden = hidden_sizes(one.function)
            fresh = {parameter: result for parameter, result in (one.hopes() | proved).items()
                     if (name, parameter, result) not in refused and believed.get(parameter) != result
                     and not size_variables(one.function.parameters[parameter].type) & hidden}
            if wrong or fresh:
                changed = True
                refused |= wrong
                lent[name] = {p: r for p, r in (believed | fresh).items() if (name, p, r) not in refused}
        if not changed:
            return dict(lent), {name: one.places(lent.get(name, {})) for name, one in found.items()}


def kept_as_they_are(module: Module) -> Iterator[str]:
    """Functions that somebody else calls: from outside, by a derivative, or as a rule."""
    yield from module.roots or module.functions
    for name, function in module.functions.items():
        if function.export is not None or not function.pure or name.startswith(("test.", "bench.")):
            yield name
        if function.derivative is not None:
            yield from (name, function.derivative.rule)
        for statement in statements_in(function.body):
            if isinstance(statement.right, (Vjp, Jvp)):
                yield statement.right.function
