"""What must stand before what in a stretch of operations, as sets of positions: bit i of an int is operation i.

An operation depends on the operations that make its operands and the sizes of its types; checks, effects, calls and open
loops keep their order among themselves; what isn't elementwise stays behind the checks before it, which may be what makes
it safe (`at` behind the check of its index); an operation that may write an operand in place stays behind all that read it
before. `contract` treats several operations as one from then on, if nothing outside stands between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dynlang.ops import OPS
from dynlang.opt.drop_unused import must_stay
from dynlang.ssa.build import operations_in, sizes_of
from dynlang.ssa.lanes import written_into
from dynlang.ssa.nodes import Function, Operation, Value

Owned = Mapping[str, frozenset[int]]
"""For each function the parameters that it takes over, and so may write."""


def bits(members: int) -> Iterator[int]:
    """The positions in a set, in order: `list(bits(0b1010)) == [1, 3]`."""
    while members:
        low = members & -members
        yield low.bit_length() - 1
        members ^= low


class Dependences:
    """`before[i]`: what operation i directly depends on. `above[i]`, `below[i]`: all that must come before and after it."""

    def __init__(self, operations: Sequence[Operation], owned: Owned) -> None:
        self.position: dict[Value, int] = {}
        self.users: dict[Value, int] = {}
        self.before: list[int] = []
        kept = 0
        for index, one in enumerate(operations):
            needed, kept_here = self.needed(one), any(map(must_stay, [one, *inside(one)]))
            for value in written(one, owned):
                needed |= self.users.get(value, 0)
            for value in used(one):
                self.users[value] = self.users.get(value, 0) | 1 << index
            if kept_here or not is_total(one):
                needed |= kept
            if kept_here:
                kept = 1 << index
            self.position.update((value, index) for value in one.results)
            self.before.append(needed & ~(1 << index))
        last = len(operations) - 1
        if operations[last].name in ("yield", "return"):
            self.before[last] |= (1 << last) - 1
        self.close()

    def needed(self, one: Operation) -> int:
        """The operations of the stretch that make what this one uses."""
        found = 0
        for value in used(one):
            if value in self.position:
                found |= 1 << self.position[value]
            for size in sizes_of(value.type):
                if size in self.position:
                    found |= 1 << self.position[size]
        for value in one.results:
            for size in sizes_of(value.type):
                if size in self.position:
                    found |= 1 << self.position[size]
        return found

    def close(self) -> None:
        count = len(self.before)
        self.above = [0] * count
        self.below = [0] * count
        for index in range(count):
            for one in bits(self.before[index]):
                self.above[index] |= self.above[one] | 1 << one
        for index in range(count - 1, -1, -1):
            for one in bits(self.before[index]):
                self.below[one] |= self.below[index] | 1 << index

    def after_all(self, members: int) -> int:
        """What comes after every operation of a group, which is contracted or single."""
        return self.below[next(bits(members))]

    def contract(self, members: int) -> bool:
        """Make several operations one, if nothing outside must stand between them."""
        above = below = 0
        for one in bits(members):
            above |= self.above[one]
            below |= self.below[one]
        if above & below & ~members:
            return False
        above, below = above & ~members, below & ~members
        for one in bits(members):
            self.above[one], self.below[one] = above, below
        for one in bits(below):
            self.above[one] |= members | above
        for one in bits(above):
            self.below[one] |= members | below
        return True


def is_total(one: Operation) -> bool:
    """Whether an operation is safe on any operands of its types."""
    row = OPS.get(one.name)
    return one.name == "constant" or (row is not None and row.has("elementwise"))


def inside(one: Operation) -> Iterator[Operation]:
    for region in one.regions:
        yield from operations_in(region)


def used(one: Operation) -> set[Value]:
    """Every value that an operation, or one inside it, uses; sizes too."""
    found: set[Value] = set()
    for each in [one, *inside(one)]:
        found.update(each.operands)
        found.update(size for size in each.sizes if isinstance(size, Value))
        if each is not one:
            found.update(size for value in each.results for size in sizes_of(value.type))
            found.update(size for region in each.regions for value in region.parameters for size in sizes_of(value.type))
    found.update(size for region in one.regions for value in region.parameters for size in sizes_of(value.type))
    return found


def changed(function: Function, owned: Owned) -> set[Value]:
    """The arrays that a function writes, its own and those that it is given for that; all others can be read anywhere in it."""
    found = {value for one in function.body.operations for value in written(one, owned)}
    return found | {function.parameters[place] for place in owned[function.name]}


def written(one: Operation, owned: Owned) -> set[Value]:
    """The references that an operation may write in place: what it consumes to do so, hands to a callee that owns it, carries
    through a loop or takes apart."""
    found: set[Value] = set()
    for each in [one, *inside(one)]:
        row = OPS.get(each.name)
        if row is not None and row.has("consumes"):
            found.update(each.operands[:1])
        elif each.name == "call":
            found.update(each.operands[position] for position in owned[str(each.attributes["function"])])
        elif each.name == "nest":
            found.update(each.operands[position] for position in written_into(each))
        elif each.name in ("for", "while", "switch"):
            found.update(value for value in each.operands if value.counted)
    return found
