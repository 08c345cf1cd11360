"""An element that is taken out of a container, changed and put back leaves the container while it is changed.

Law: every result is the same. `list_get` and `at` share a reference with the container, so a change of the element would copy it.
Where the same place of the same container is written afterwards, and nothing reads the container in between, the element
is moved out (`list_take`, `take`; nothing stands in its place) just before it is changed: it has one owner, and
``xs[i][j] = v`` costs the same for long elements as for short ones.

Before:

    func @f(%x: list<f32[4]>, %i: i64, %j: i64, %v: f32) -> (list<f32[4]>) with {owned = [0]} {
      %a: f32[4] = list_get %x, %i
      %b: f32[4] = update %a, %j, %v
      %y: list<f32[4]> = list_set %x, %i, %b
      return %y
    }

After (and without what is unused then):

    func @f(%x: list<f32[4]>, %i: i64, %j: i64, %v: f32) -> (list<f32[4]>) with {owned = [0]} {
      %rest: list<f32[4]>, %a: f32[4] = list_take %x, %i
      %b: f32[4] = update %a, %j, %v
      %y: list<f32[4]> = list_set %rest, %i, %b
      return %y
    }
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dynlang.opt.depend import used
from dynlang.ssa.build import copy_function, map_functions, operations_in
from dynlang.ssa.nodes import Array, Function, List, Module, Operation, Region, Value
from dynlang.ssa.ownership import consumed_operands

READ_BY = {"list_set": "list_get", "update": "at"}
TAKEN_BY = {"list_set": "list_take", "update": "take"}
TAKEN_BY_READ = {"list_get": "list_take", "at": "take"}
ALIASES = frozenset({"reshape", "retype", "regroup"})
"""Operations whose result is the block that they read."""


def take(module: Module) -> Module:
    return map_functions(module, lambda one: _Taking(copy_function(one), module.functions).run() if changes(one) else one)


def changes(function: Function) -> bool:
    return any(is_put(one) for one in operations_in(function.body))


def straight(region: Region) -> Iterator[Operation]:
    """The operations that run at most once when the region does."""
    for one in region.operations:
        yield one
        if one.name in ("if", "switch"):
            for inner in one.regions:
                yield from straight(inner)


def is_put(one: Operation) -> bool:
    """Whether an operation puts one element that is a reference, or has some, into a container."""
    match one.name, one.operands[0].type if one.operands else None:
        case "list_set", List(elements):
            return any(not hasattr(kind, "dtype") for kind in elements)
        case "update", Array(element, shape):
            return one.operands[-1].counted and len(one.operands) == len(shape) + 2 and not isinstance(element, Array)
    return False


class _Taking:
    """The pass on a function that is its own copy: regions are rewritten in place."""

    def __init__(self, function: Function, functions: Mapping[str, Function]) -> None:
        self.function = function
        self.functions = functions
        self.reads: dict[Value, Operation] = {}

    def run(self) -> Function:
        self.region(self.function.body)
        return self.function

    def region(self, region: Region) -> None:
        made: list[Operation] = []
        for one in region.operations:
            if one.name in TAKEN_BY_READ:
                self.reads.update(dict.fromkeys(one.results, one))
            for inner in one.regions:
                self.region(inner)
            if one.name == "switch" and one.operands[0] in self.reads:
                for arm in one.regions:
                    self.give_up(arm, self.reads[one.operands[0]])
            if is_put(one):
                self.put(made, one)
            made.append(one)
        region.operations[:] = made

    def give_up(self, arm: Region, read: Operation) -> None:
        """A case of a sum that was read from a container, and that puts another one there on every path: the container lets go of the
        old one first, so that the parts of it have one owner."""
        container, *places = read.operands
        puts = [one for one in straight(arm) if container in one.operands and is_put(one)]
        others = [one for one in operations_in(arm) if container in one.operands and one not in puts]
        if not puts or others or any(one.operands[0] is not container or self.places(one) != places for one in puts):
            return
        rest = Value("rest", container.type)
        dropped = [Value(value.name, value.type) for value in read.results]
        for one in puts:
            one.operands[0] = rest
        arm.operations.insert(0, Operation(TAKEN_BY_READ[read.name], [container, *places], [rest, *dropped], {}, [], (), puts[0].span))

    def put(self, made: list[Operation], one: Operation) -> None:
        """Moves the element out where it begins to change, if it is read before and the container isn't in between."""
        container, places = one.operands[0], self.places(one)
        first = self.reading(made, READ_BY[one.name], container, places)
        if first is None:
            return
        items = [value for value in made[first].results if value.counted]
        behind = len(made) if any(value in one.operands for value in items) else None
        change = next((k for k in range(first + 1, len(made)) if self.may_change(made[k], items)), behind)
        if change is None or any(container in used(each) for each in made[change:]):
            return
        rest = Value("rest", container.type)
        moved = {value: Value(value.name, value.type) for value in made[first].results}
        taken = Operation(TAKEN_BY[one.name], [container, *places], [rest, *moved.values()], {}, [], (), one.span)
        counted = {value: moved[value] for value in items}
        for each in [*made[change:], one]:
            substitute(each, counted)
        one.operands[0] = rest
        made.insert(change, taken)

    @staticmethod
    def places(one: Operation) -> list[Value]:
        """The indices of the place that is written."""
        assert isinstance(one.operands[0].type, (List, Array))
        return one.operands[1:2] if isinstance(one.operands[0].type, List) else one.operands[1:-1]

    @staticmethod
    def reading(made: list[Operation], name: str, container: Value, places: list[Value]) -> int | None:
        """The last operation that reads the same place, unless the container is changed behind it."""
        wanted = [container, *places]
        for position in range(len(made) - 1, -1, -1):
            each = made[position]
            if each.name == name and each.operands == wanted:
                return position
            if container in each.results:
                return None
        return None

    def may_change(self, one: Operation, items: list[Value]) -> bool:
        """Whether an operation takes over one of the elements, or gives it another name."""
        if one.regions:
            return any(value in used(one) for value in items)
        if one.name in ALIASES:
            return one.operands[0] in items
        return any(one.operands[i] in items for i in consumed_operands(one, self.functions))


def substitute(one: Operation, replacements: Mapping[Value, Value]) -> None:
    """The operation, and those inside it, use other values."""
    one.operands[:] = [replacements.get(value, value) for value in one.operands]
    for region in one.regions:
        for inner in region.operations:
            substitute(inner, replacements)
