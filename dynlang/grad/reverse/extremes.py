"""A loop that finds the smallest or the largest: one trip alone has a cotangent, that of the item which was taken last.

    total = inf                            total, place = inf, -1
    for i in n:                            for i in n:
        total = min(total, f(i))               if not total <= f(i): place = i
                                               total = min(total, f(i))

The backward is that of ``f(place)``, once, instead of n trips of which all but one carry zeros: the derivative of a nearest
neighbour among n costs that of one distance. Which item that is follows the rule of the op: the first of equals, a NaN before numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from dynlang.core.build import integer
from dynlang.core.nodes import Atom, Block, For, If, Let, Operation, Variable
from dynlang.core.walk import Names, Substitution, free_variables
from dynlang.grad.adjoints import Region
from dynlang.grad.reverse.context import Reversal
from dynlang.types import BOOL, INT, ArrayType

STAYS = {"minimum": "less_equal", "maximum": "greater_equal"}
"""What holds of the value so far and the item where the value stays."""


@dataclass(frozen=True, slots=True)
class Extreme:
    """The op, the item, and what a trip computes for it."""

    op: str
    item: Variable
    body: tuple[Let, ...]


def extreme_of(loop: For) -> Extreme | None:
    """What a loop finds the smallest or largest of, if it does nothing else."""
    if len(loop.carried) != 1 or isinstance(loop.carried[0].type, ArrayType):
        return None
    (carried,), (result,) = loop.carried, loop.body.results
    last = next((one for one in loop.body.statements if result in one.variables), None)
    if last is None or not isinstance(last.right, Operation) or last.right.op not in STAYS:
        return None
    before, item = last.right.arguments
    if before != carried or not isinstance(item, Variable):
        return None
    body = tuple(one for one in loop.body.statements if one is not last)
    read = {one.name for one in free_variables(Block(body, (item,)))}
    return None if read & {carried.name, last.variables[0].name} else Extreme(last.right.op, item, body)


def reverse_extreme(r: Reversal, statement: Let, loop: For, extreme: Extreme, region: Region) -> list[Let]:
    """The loop with the place of its item; the backward of that item."""
    from dynlang.grad.reverse.branches import reverse_branches

    cotangent = r.engine.adjoints.take(region, statement.variables[0])
    if cotangent is None:
        return [statement]
    place, forward = _with_place(r, statement, loop, extreme)
    found, value = Variable(r.names.fresh("found"), BOOL), Variable(r.names.fresh(extreme.item.name), extreme.item.type)
    for one in (place, found, value):
        r.variables[one.name] = one
    r.active.add(value.name)
    asked = Let((found,), Operation("greater_equal", (place, integer(0))), statement.span)
    again = If(found, _copy(r, loop, extreme, place), Block((), loop.initial))
    region.adjoints[value.name] = cotangent
    return [forward, asked, *reverse_branches(r, Let((value,), again, statement.span), again, region)]


def _with_place(r: Reversal, statement: Let, loop: For, extreme: Extreme) -> tuple[Variable, Let]:
    place, inside, after = (Variable(r.names.fresh("place"), INT) for _ in range(3))
    stays = Variable(r.names.fresh("stays"), BOOL)
    more = (
        Let((stays,), Operation(STAYS[extreme.op], (loop.carried[0], extreme.item)), statement.span),
        Let((after,), Operation("select", (stays, inside, loop.index)), statement.span),
    )
    body = Block((*loop.body.statements, *more), (*loop.body.results, after))
    start: tuple[Atom, ...] = (*loop.initial, integer(-1))
    extended = For(loop.index, loop.count, (*loop.carried, inside), start, body)
    return place, Let((*statement.variables, place), extended, statement.span)


class _Numbered(Names):
    """Names of one copy: no name that is given again after names were taken back belongs to it."""

    def __init__(self, names: Names, number: int) -> None:
        super().__init__()
        self.names, self.number = names, number

    def fresh(self, wish: str) -> str:
        return self.names.fresh(f"{wish}_at{self.number}")


def _copy(r: Reversal, loop: For, extreme: Extreme, place: Variable) -> Block:
    """The trip of the item, under new names that are as active and as known as the old ones."""
    r.copies += 1
    copy = Substitution({loop.index.name: place}, _Numbered(r.names, r.copies))
    block = copy.block(Block(extreme.body, (extreme.item,)))
    for old, new in copy.atoms.items():
        if not isinstance(new, Variable) or new is place:
            continue
        r.variables[new.name] = new
        if old in r.active:
            r.active.add(new.name)
        if old in r.consumed:
            r.consumed.add(new.name)
        if old in r.known:
            r.known[new.name] = copy.size(r.known[old])
    return block
