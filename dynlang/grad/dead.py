"""Dead code: statements, results of constructs and carried values that nobody reads.

A statement may go if it can't fail, loop for ever or act; calls may go when they call a generated backward or adder.
A variable that a kept type mentions is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from dynlang.core.nodes import Arm, Atom, Block, Call, Case, Construct, For, If, Let, Operation, Right, Variable, While
from dynlang.core.walk import blocks_of, free_in_right, free_variables
from dynlang.ops import OPS
from dynlang.types import size_variables

MayGo = Callable[[str], bool]


def removable(right: Right, call: MayGo) -> bool:
    match right:
        case Operation(op):
            return not (OPS[op].has("check") or OPS[op].has("effect"))
        case Construct():
            return True
        case Call(function, _):
            return call(function)
        case Case() | If() | For():
            return all(removable(statement.right, call) for _, block in blocks_of(right) for statement in block.statements)
    return False


def without_dead_code(block: Block, call: MayGo) -> Block:
    """The block without what its results don't need. What has been made lean once isn't looked through again, so that a
    nest of blocks whose outer ones are made later is walked once."""
    if block.lean:
        return block
    live = {name for atom in block.results if isinstance(atom, Variable) for name in (atom.name, *size_variables(atom.type))}
    kept: list[Let] = []
    for statement in reversed(block.statements):
        if not any(one.name in live for one in statement.variables) and removable(statement.right, call):
            continue
        made = _shrunk(statement, live, call)
        for variable in made.variables:
            live |= size_variables(variable.type)
        live.update(one.name for one in free_in_right(made.right))
        kept.append(made)
    found = Block(tuple(reversed(kept)), block.results)
    object.__setattr__(found, "lean", True)
    return found


def needed(variables: Sequence[Variable], live: Iterable[str]) -> list[int]:
    """Positions that are live, and those whose ints the kept types mention."""
    names = set(live)
    keep: set[int] = set()
    for position in reversed(range(len(variables))):
        if variables[position].name in names:
            keep.add(position)
            names |= size_variables(variables[position].type)
    return sorted(keep)


def _results(block: Block, keep: Sequence[int], call: MayGo) -> Block:
    if len(keep) == len(block.results):
        return without_dead_code(block, call)
    return without_dead_code(Block(block.statements, tuple(block.results[k] for k in keep)), call)


def _shrunk(statement: Let, live: set[str], call: MayGo) -> Let:
    """The statement with only the results that are read."""
    right = statement.right
    match right:
        case Case(scrutinee, arms):
            keep = needed(statement.variables, live)
            if _is_lean(right, keep):
                return statement
            made: Right = Case(scrutinee, tuple(Arm(arm.constructor, arm.fields, _results(arm.body, keep, call)) for arm in arms))
        case If(condition, then, otherwise):
            keep = needed(statement.variables, live)
            if _is_lean(right, keep):
                return statement
            made = If(condition, _results(then, keep, call), _results(otherwise, keep, call))
        case For() | While():
            keep, made = _shrunk_loop(statement, right, live, call)
        case _:
            return statement
    return replace(statement, variables=tuple(statement.variables[k] for k in keep), right=made)


def _is_lean(right: Case | If, keep: Sequence[int]) -> bool:
    """Whether nothing in the branches can go while these results are read."""
    return all(block.lean and len(keep) == len(block.results) for _, block in blocks_of(right))


def _shrunk_loop(statement: Let, right: For | While, live: set[str], call: MayGo) -> tuple[list[int], For | While]:
    carried = right.carried
    names = {carried[k].name for k, one in enumerate(statement.variables) if one.name in live}
    if isinstance(right, While):
        names |= {one.name for one in free_variables(right.condition)}
    while True:
        keep = needed(carried, names)
        body = _results(right.body, keep, call)
        read = {one.name for one in free_variables(body)} | {carried[k].name for k in keep}
        more = {one.name for one in carried if one.name in read}
        if more <= {carried[k].name for k in keep}:
            break
        names |= more

    def pick(values: Sequence[Atom]) -> tuple[Atom, ...]:
        return tuple(values[k] for k in keep)

    return keep, replace(right, carried=tuple(carried[k] for k in keep), initial=pick(right.initial), body=body)
