"""Demand decides what is saved: the free variables of a backward that its forward binds.

A saved variable is computed again instead when its op is cheap and all leaves of its expression are saved anyway or bound
outside. Arrays that are updated in place are never computed from: keeping one alive would copy it. An index that the forward
has checked is what it was before the check: the backward doesn't check it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from dynlang.core.nodes import Atom, Block, Call, Case, For, Function, If, Let, Operation, Variable, While
from dynlang.core.walk import Names, Substitution, blocks_of, free_variables, rebuild, statements_in
from dynlang.grad.dead import MayGo, without_dead_code
from dynlang.ops import OPS
from dynlang.types import INT, ArrayType, ListType, size_variables

CHEAP_SHAPES = frozenset({"slice", "concat", "at", "fill", "broadcast", "reshape", "transpose", "reverse", "iota", "constant_array"})


AGAIN = 8
"""The largest cost of an array's element that is computed again: that of `exp`, `tanh`, `sigmoid`, which many at a time take as long
as to write an element to memory and to read it. Up to 60 % fewer bytes for at most 0.7 of a primal."""


def is_cheap(statement: Let) -> bool:
    """Whether a statement is computed again rather than its result saved, if what it reads is there anyway: moves of numbers, single
    steps of arithmetic, elementary functions of arrays up to the cost of an `exp`, anything on single ints. Products, sums and
    calls are not."""
    right = statement.right
    if not isinstance(right, Operation):
        return False
    row = OPS[right.op]
    if right.op in CHEAP_SHAPES or right.op == "check_index":
        return True
    if row.has("check") or not row.has("elementwise"):
        return False
    kind = statement.variables[0].type
    return kind == INT or row.cost <= (AGAIN if isinstance(kind, ArrayType) else 1)


def read_again(right: Operation) -> tuple[Atom, ...]:
    """What a cheap operation reads when it is computed again: of an index that was checked, the index alone."""
    return right.arguments[:1] if right.op == "check_index" else right.arguments


@dataclass(frozen=True, slots=True)
class Packed:
    """Forward statements, backward, and the variables to save in the order of their definition."""

    forward: list[Let]
    backward: Block
    saved: tuple[Variable, ...]


def consumed_arrays(function: Function, inout: Callable[[str], tuple[int, ...]]) -> set[str]:
    """Names of values that an op or an `inout` call updates in place, through loops and branches: the least fixpoint. What a trip
    leaves is updated by the next one.

    `inout` gives the consumed parameters of each function."""
    found: set[str] = set()
    while True:
        before = len(found)
        for statement in statements_in(function.body):
            match statement.right:
                case Operation(op, arguments) if OPS[op].has("consumes") and isinstance(arguments[0], Variable):
                    found.add(arguments[0].name)
                case Call(name, arguments):
                    found.update(one.name for position in inout(name) if isinstance(one := arguments[position], Variable))
                case For(_, _, carried, initial, body) | While(carried, initial, _, body):
                    for one, *values in zip(carried, initial, body.results, strict=True):
                        if one.name in found:
                            found.update(value.name for value in values if isinstance(value, Variable))
                case Case() | If():
                    for _, block in blocks_of(statement.right):
                        found.update(value.name for one, value in zip(statement.variables, block.results, strict=True)
                                     if one.name in found and isinstance(value, Variable))
        if len(found) == before:
            return found


def pack(
    bound: Iterable[Variable], forward: Sequence[Let], backward: Block, consumed: set[str], extras: set[str], names: Names, may_go: MayGo
) -> Packed:
    """What a block saves. `extras` are names of forward statements that are there for the backward only."""
    backward = without_dead_code(backward, may_go)
    definitions: dict[str, tuple[Variable, Let | None]] = {one.name: (one, None) for one in bound}
    for statement in forward:
        definitions.update((one.name, (one, statement)) for one in statement.variables)
    kept, backward = _hoist_lengths(list(forward), backward, definitions, names)
    order = {name: position for position, name in enumerate(definitions)}
    read = free_variables(backward)
    saved = sorted((one for one in read if one.name in definitions), key=lambda one: order[one.name])
    given = [one for one in read if one.name not in definitions or definitions[one.name][1] is None]
    saved, again = _recomputed(saved, definitions, consumed, {name for one in given for name in size_variables(one.type)})
    again.sort(key=lambda one: order[one.variables[0].name])
    backward = _unchecked(Block((*again, *backward.statements), backward.results), again)
    held = {one.name for one in saved}
    kept = [one for one in kept if not (one.variables and all(v.name in extras and v.name not in held for v in one.variables))]
    return Packed(kept, backward, tuple(definitions[one.name][0] for one in saved))


Definitions = dict[str, tuple[Variable, Let | None]]
LONGEST = 20
"""Statements at most that compute one variable again."""


def _recomputed(
    saved: list[Variable], definitions: Definitions, consumed: set[str], in_types: set[str]
) -> tuple[list[Variable], list[Let]]:
    """Splits the demanded variables into those that are saved and statements that compute the others again. The sizes of what is
    saved, and those `in_types` of what is given, are saved, too."""
    held = {one.name for one in saved}
    moved: dict[str, Let] = {}
    for one in reversed(saved):
        found = None
        if not isinstance(one.type, ListType) and one.name not in in_types:
            held.discard(one.name)
            found = _expression(one.name, held, moved, definitions, consumed)
        if found is None:
            held.add(one.name)
            in_types.update(size_variables(one.type))
        else:
            moved.update(found)
    return [one for one in saved if one.name in held], list(moved.values())


def _unchecked(backward: Block, again: Sequence[Let]) -> Block:
    """``i = check_index(k, n)`` among what is computed again goes, and i is k."""
    checked: dict[str, Atom] = {}
    for one in again:
        if isinstance(one.right, Operation) and one.right.op == "check_index":
            index = one.right.arguments[0]
            checked[one.variables[0].name] = checked.get(index.name, index) if isinstance(index, Variable) else index
    if not checked:
        return backward
    kept = tuple(one for one in backward.statements if not (one.variables and one.variables[0].name in checked))
    return Substitution(checked).block(Block(kept, backward.results))


def _expression(name: str, held: set[str], moved: dict[str, Let], definitions: Definitions, consumed: set[str]) -> dict[str, Let] | None:
    """Cheap statements that compute a variable from what is saved or bound outside, if there are some."""
    found: dict[str, Let] = {}
    todo = [name]
    while todo:
        one = todo.pop()
        if one in found or one in moved:
            continue
        if one not in definitions or one in held:
            if one in consumed:
                return None
            continue
        statement = definitions[one][1]
        if statement is None or len(found) == LONGEST or not is_cheap(statement):
            return None
        assert isinstance(statement.right, Operation)
        found[one] = statement
        todo += [atom.name for atom in read_again(statement.right) if isinstance(atom, Variable)]
        todo += [inner for size in statement.right.sizes for inner in size.variables()]
        todo += size_variables(definitions[one][0].type)
    return found


def _hoist_lengths(
    forward: list[Let], backward: Block, definitions: dict[str, tuple[Variable, Let | None]], names: Names
) -> tuple[list[Let], Block]:
    """A length of a list that the forward holds is computed there: saving the list itself would keep it alive."""
    if not any(isinstance(one.type, ListType) and one.name in definitions for one in free_variables(backward)):
        return forward, backward
    found: dict[str, Variable] = {}
    renamed: dict[str, Variable] = {}
    for statement in statements_in(backward):
        right = statement.right
        if isinstance(right, Operation) and right.op == "list_length" and isinstance(right.arguments[0], Variable):
            name = right.arguments[0].name
            if name in definitions:
                found.setdefault(name, Variable(names.fresh(f"{name}_length"), INT))
                renamed[statement.variables[0].name] = found[name]
    if not found:
        return forward, backward
    for name, variable in found.items():
        statement = Let((variable,), Operation("list_length", (definitions[name][0],)))
        position = next((k + 1 for k, one in enumerate(forward) if any(v.name == name for v in one.variables)), 0)
        forward.insert(position, statement)
    rebuilt: dict[str, tuple[Variable, Let | None]] = {}
    for name, definition in definitions.items():
        rebuilt[name] = definition
        if name in found:
            rebuilt[found[name].name] = (found[name], None)
    definitions.clear()
    definitions.update(rebuilt)

    def without(block: Block) -> Block:
        kept = tuple(one for one in block.statements if not (one.variables and one.variables[0].name in renamed))
        return Block(tuple(replace(one, right=rebuild(one.right, lambda atom: atom, without)) for one in kept), block.results)

    return forward, Substitution(renamed).block(without(backward))
