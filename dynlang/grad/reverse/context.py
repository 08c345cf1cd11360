"""What the reversal of one function shares among its constructs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dynlang.core.nodes import Atom, Block, Call, Case, For, Function, If, Let, Operation, Variable, While
from dynlang.core.walk import Names, blocks_of
from dynlang.grad.adjoints import Region
from dynlang.grad.reverse.residuals import Packed, pack
from dynlang.grad.state import type_name
from dynlang.types import ArrayType, Size, SumType, Type, size_variables

if TYPE_CHECKING:
    from dynlang.grad.engine import Engine

CHAINED = frozenset({"update", "update_slice", "accumulate_at"})
"""Ops that change one array in place and can be taken back by putting the old part in again."""


@dataclass(slots=True)
class Reversal:
    """A function being reversed.

    active    names that depend on the active parameters
    known     int variables that have a size polynomial
    consumed  names of values that are updated in place
    variables the function's variables by name
    extras    names of forward statements that only a backward may need
    copies    of loop bodies, each under names of its own
    """

    engine: Engine
    function: Function
    names: Names
    active: set[str]
    known: dict[str, Size]
    consumed: set[str]
    variables: dict[str, Variable]
    extras: set[str] = field(default_factory=set)
    copies: int = 0

    def variable(self, name: str) -> Variable:
        return self.variables[name]

    def primal(self, region: Region, atom: Atom) -> Atom:
        """The value of a primal atom in the backward; an int that is a size polynomial is computed from its variables."""
        if not isinstance(atom, Variable):
            return atom
        if atom.name in self.known:
            return region.builder.size(self.known[atom.name])
        return region.primal.get(atom.name, atom)

    def is_active(self, atom: Atom) -> bool:
        return isinstance(atom, Variable) and atom.name in self.active

    def tangent(self, kind: Type) -> Type:
        return self.engine.tangents.of(kind)

    def pack(self, bound: tuple[Variable, ...], forward: list[Let], backward: Block) -> Packed:
        return pack(bound, forward, backward, self.consumed, self.extras, self.names, self.engine.may_go)

    def residual_type(self, what: str, variants: list[tuple[str, tuple[Variable, ...]]]) -> tuple[SumType, dict[str, str]]:
        """Declares a residual sum with a constructor per variant. Its size parameters are what the fields' types mention from
        outside; gives the type and the constructor's name of each variant."""
        state = self.engine.state
        name = state.declare_residual(f"{type_name(self.function.name)}{what}")
        sizes: dict[str, None] = {}
        for _, fields in variants:
            own = {one.name for one in fields}
            sizes.update((one, None) for field_ in fields for one in sorted(size_variables(field_.type)) if one not in own)
        constructors = {variant: state.constructor_names.fresh(f"{name}{variant}") for variant, _ in variants}
        state.define_sum(name, sizes, [(constructors[variant], fields) for variant, fields in variants])
        return SumType(name, tuple(Size.variable(one) for one in sizes)), constructors


def root(block: Block, atom: Atom, functions: dict[str, Function]) -> Atom:
    """The array that an array of this block was, before the updates in place that lead to it."""
    definitions = {one.name: (statement, k) for statement in block.statements for k, one in enumerate(statement.variables)}
    while isinstance(atom, Variable) and atom.name in definitions:
        statement, k = definitions[atom.name]
        before = _before(statement, k, functions)
        if before is None:
            return atom
        atom = before
    return atom


def _before(statement: Let, k: int, functions: dict[str, Function]) -> Atom | None:
    """The array that result k of a statement was before it, if the statement changes it in place."""
    right = statement.right
    match right:
        case Operation(op, arguments) if op in CHAINED:
            return arguments[0]
        case For(_, _, carried, initial, body) | While(carried, initial, _, body):
            return initial[k] if root(body, body.results[k], functions) == carried[k] else None
        case Call(name, arguments):
            return next((arguments[i] for i, j in functions[name].inout if j == k), None) if name in functions else None
        case Case() | If():
            return common_root(right, k, functions)
    return None


def common_root(right: Case | If, k: int, functions: dict[str, Function]) -> Variable | None:
    """The outer array that result k of every branch is, or was before updates."""
    roots = {root(block, block.results[k], functions) for _, block in blocks_of(right)}
    bound = {one.name for binders, _ in blocks_of(right) for one in binders}
    inner = {one.name for _, block in blocks_of(right) for statement in block.statements for one in statement.variables}
    if len(roots) != 1:
        return None
    found = roots.pop()
    return found if isinstance(found, Variable) and found.name not in bound | inner else None


def can_rewind(kind: Type) -> bool:
    return isinstance(kind, ArrayType)
