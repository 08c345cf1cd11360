"""Elementwise operations of one shape become one loop.

Law: every result has the same bits. A group computes what its members computed, in their order, element by element; it is
formed only where no operation outside it stands between its members. Chains and siblings that read one array are joined:
the gates of an LSTM cell are one loop with several results. An input that is a contiguous piece of an array (a `slice` of
leading elements, a row by `at`) is read from that array directly, at an offset; unless the array is written
in between, which would then need a copy. So is an array that a `broadcast` repeats over leading axes. The outer product of two vectors
with which a gradient begins is computed where it is read: a number for each row times a number for each column.

Before:

    func @f(%h: i64, %g: f32[%n], %c: f32[%h]) -> (f32[%h], f32[%h]) {
      %two: i64 = constant {value = 2}
      %n: i64 = mul %h, %two
      %zero: i64 = constant {value = 0}
      %a: f32[%h] = slice %g, %zero sizes [%h]
      %b: f32[%h] = slice %g, %h sizes [%h]
      %i: f32[%h] = sigmoid %a
      %u: f32[%h] = tanh %b
      %p: f32[%h] = mul %i, %u
      %d: f32[%h] = add %p, %c
      %t: f32[%h] = tanh %d
      return %d, %t
    }

After (and without what is unused then):

    func @f(%h: i64, %g: f32[%n], %c: f32[%h]) -> (f32[%h], f32[%h]) {
      %two: i64 = constant {value = 2}
      %n: i64 = mul %h, %two
      %zero: i64 = constant {value = 0}
      %d: f32[%h], %t: f32[%h] = fused %g, %g, %c, %zero, %h sizes [%h] {offsets = [3, 4, none]} (%a: f32, %b: f32, %x: f32) {
        %i: f32 = sigmoid %a
        %u: f32 = tanh %b
        %p: f32 = mul %i, %u
        %e: f32 = add %p, %x
        %s: f32 = tanh %e
        yield %e, %s
      }
      return %d, %t
    }
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from math import prod

from dynlang.ops import OPS
from dynlang.opt.depend import Dependences, Owned, bits, used, written
from dynlang.opt.pieces import Steps, begins
from dynlang.ssa.build import I64, Builder, Dimension, copy_function, map_functions, operations_in
from dynlang.ssa.nodes import Array, Function, Module, Operation, Region, Scalar, Value
from dynlang.ssa.shapes import Polynomials
from dynlang.types import Size

DTYPES = frozenset({"f64", "f32", "i64", "i32", "bool"})
"""Half types and bytes round after every operation in ways of their own; they stay single operations."""
SCALAR_FORM = {"accumulate": "add"}
"""What an operation in place is inside a loop, where `reuse` gives it back its place."""
MOST_OPERATIONS = 48
MOST_INPUTS = 20
SHORTEST_ROW = 8
"""Elements of an array that is repeated: shorter ones make a loop of nothing but beginnings and ends."""
STRETCH = 256
"""Operations that are looked at together: what depends on what costs the square of it."""
Shape = tuple[Size, ...]


def fuse(module: Module) -> Module:
    owned = {name: one.owned for name, one in module.functions.items()}
    return map_functions(module, lambda one: fuse_function(one, owned))


def fuse_function(one: Function, owned: Owned) -> Function:
    """`owned`: what each function takes over, and so may write."""
    return _Fusing(copy_function(one), owned).run() if any(map(is_elementwise, operations_in(one.body))) else one


def is_elementwise(one: Operation) -> bool:
    row = OPS.get(one.name)
    if row is None or not (row.has("elementwise") or one.name in SCALAR_FORM) or len(one.results) != 1:
        return False
    return all(dtype_of(value) in DTYPES for value in [*one.operands, *one.results]) and isinstance(one.results[0].type, Array)


def dtype_of(value: Value) -> str:
    match value.type:
        case Scalar(dtype) | Array(Scalar(dtype)):
            return dtype
    return ""


class _Fusing:
    """The pass on a function that is its own copy: regions are rewritten in place, innermost first."""

    def __init__(self, function: Function, owned: Owned) -> None:
        self.function = function
        self.owned = owned
        self.sizes = Polynomials()
        self.sizes.visit_all(function.body)
        self.definitions: dict[Value, Operation] = {}

    def run(self) -> Function:
        self.define(self.function.body)
        self.region(self.function.body)
        return self.function

    def may_join(self, one: Operation) -> bool:
        """What can be a member of a group."""
        return is_elementwise(one) or self.is_product(one)

    def is_product(self, one: Operation) -> bool:
        """The outer product of two vectors alone: added to a matrix of zeros."""
        if one.name != "accumulate_outer" or dtype_of(one.results[0]) not in DTYPES:
            return False
        base = self.definitions.get(one.operands[0])
        start = self.definitions.get(base.operands[0]) if base is not None and base.name == "fill" else None
        return start is not None and start.name == "constant" and repr(start.attributes["value"]) == "0.0"

    def define(self, region: Region) -> None:
        for one in region.operations:
            self.definitions.update(dict.fromkeys(one.results, one))
            for inner in one.regions:
                self.define(inner)

    def region(self, region: Region) -> None:
        for one in region.operations:
            for inner in one.regions:
                self.region(inner)
        around = _Around(region, self.owned)
        starts = range(0, len(region.operations), STRETCH)
        region.operations = [one for start in starts for one in self.stretch(around, start)]

    def stretch(self, around: _Around, start: int) -> list[Operation]:
        operations = around.operations[start:start + STRETCH]
        return _Stretch(self, around, start, operations).rewritten() if any(map(self.may_join, operations)) else operations


class _Around:
    """What a stretch needs to know of its whole region."""

    def __init__(self, region: Region, owned: Owned) -> None:
        self.operations = region.operations
        self.uses = Counter(value for one in region.operations for value in used(one))
        """How many operations of the region use a value."""
        self.position = {value: index for index, one in enumerate(region.operations) for value in one.results}
        self.writers: dict[Value, list[int]] = {}
        for index, one in enumerate(region.operations):
            for value in written(one, owned):
                self.writers.setdefault(value, []).append(index)


class _Stretch:
    """Groups among operations that stand in a row. A group is a set of operations as the bits of an int."""

    def __init__(self, owner: _Fusing, around: _Around, start: int, operations: list[Operation]) -> None:
        self.owner = owner
        self.around = around
        self.start = start
        self.operations = operations
        self.depend = Dependences(operations, owner.owned)
        self.group: dict[int, int] = {}
        self.shapes: dict[int, Shape] = {}
        self.reads: dict[int, frozenset[Value]] = {}

    def rewritten(self) -> list[Operation]:
        for position, one in enumerate(self.operations):
            if self.owner.may_join(one):
                self.place(position, one)
        groups = {members: _Loop(self, members).operations() for members in dict.fromkeys(self.group.values()) if self.worthwhile(members)}
        return list(self.ordered(groups)) if groups else self.operations

    # -- forming groups

    def place(self, position: int, one: Operation) -> None:
        """Give an operation to the groups that it reads from, or that read what it reads, as far as that is possible."""
        kind = one.results[0].type
        assert isinstance(kind, Array)
        members = 1 << position
        self.group[position] = members
        self.shapes[position] = self.owner.sizes.many(kind.shape)
        shared = () if self.owner.is_product(one) else one.operands
        self.reads[members] = frozenset(self.base(value)[0] for value in shared if isinstance(value.type, Array))
        sources = [self.depend.position[value] for value in one.operands if value in self.depend.position]
        for other in [self.group[source] for source in sources if source in self.group] + self.siblings(position):
            members = self.group[position]
            if other != members and other in self.reads:
                self.join(members, other, position)

    def siblings(self, position: int) -> list[int]:
        """Groups of the same shape that read an array which this operation reads."""
        reads = self.reads[1 << position]
        return [members for members, known in self.reads.items() if not reads.isdisjoint(known)]

    def join(self, one: int, other: int, position: int) -> None:
        together = one | other
        first = next(bits(other))
        if self.shapes[first] != self.shapes[position] or together.bit_count() > MOST_OPERATIONS:
            return
        inputs = {value for each in bits(together) for value in self.operations[each].operands if not self.made_in(value, together)}
        if len(inputs) > MOST_INPUTS or not self.depend.contract(together):
            return
        read = self.reads.pop(one) | self.reads.pop(other)
        self.reads[together] = read
        for each in bits(together):
            self.group[each] = together

    def made_in(self, value: Value, members: int) -> bool:
        position = self.depend.position.get(value)
        return position is not None and bool(members >> position & 1)

    def worthwhile(self, members: int) -> bool:
        """Several operations, or one that reads a piece of an array; an accumulation or product alone has a kernel of its own."""
        if members.bit_count() > 1:
            return True
        position = next(bits(members))
        if not is_elementwise(self.operations[position]):
            return False
        operands = [value for value in self.operations[position].operands if isinstance(value.type, Array)]
        return any(self.piece(value, members) is not None or self.repeated(value, members) is not None for value in operands)

    # -- pieces of arrays

    def base(self, value: Value) -> tuple[Value, Steps]:
        """The array that a value is a contiguous piece of, and where it begins: index times stride, summed.

        Pieces are followed in this region only: what happens to the array between them and here is then known."""
        steps: Steps = ()
        while value in self.around.position:
            one = self.owner.definitions[value]
            found = begins(one, self.owner.sizes)
            if found is None:
                break
            steps += found
            value = one.operands[0]
        return value, steps

    def piece(self, value: Value, members: int) -> tuple[Value, Steps] | None:
        """Where to read a piece of an array from, if it can be read there: nothing writes the array before the group is done."""
        base, steps = self.base(value)
        if not steps:
            return None
        return (base, steps) if self.stays(base, self.first_use(value), members) else None

    def stays(self, base: Value, first: int, members: int) -> bool:
        """Whether an array that is used at the position `first` isn't written before a group is done."""
        after = self.depend.after_all(members)
        for writer in self.around.writers.get(base, ()):
            place = writer - self.start
            behind = place >= len(self.operations) or (place >= 0 and after >> place & 1)
            if not behind and writer > first:
                return False
        return True

    def repeated(self, value: Value, members: int) -> Value | None:
        """The array that a value repeats over its leading axes, if it can be read instead."""
        if value not in self.around.position:
            return None
        one = self.owner.definitions[value]
        kind = one.operands[0].type if one.name == "broadcast" else None
        if not isinstance(kind, Array) or not self.stays(one.operands[0], self.around.position[value], members):
            return None
        row = prod(self.owner.sizes.many(kind.shape), start=Size.constant(1)).value
        return one.operands[0] if row is None or row >= SHORTEST_ROW else None

    def first_use(self, value: Value) -> int:
        """Where the outermost piece of the array is taken."""
        found = 0
        while value in self.around.position and begins(self.owner.definitions[value], self.owner.sizes) is not None:
            found = self.around.position[value]
            value = self.owner.definitions[value].operands[0]
        return found

    def escapes(self, value: Value, members: int) -> bool:
        """Whether a member's result is used outside the group."""
        return self.around.uses[value] > (self.depend.users.get(value, 0) & members).bit_count()

    # -- the stretch in its new order

    def ordered(self, groups: dict[int, list[Operation]]) -> Iterator[Operation]:
        """Every operation behind what it depends on, otherwise in the old order; a group as late as its last member stood."""
        nodes = {position: 1 << position for position in range(len(self.operations))}
        for members in groups:
            nodes.update((position, members) for position in bits(members))
        before = dict.fromkeys(nodes.values(), 0)
        for position, members in nodes.items():
            before[members] |= self.depend.before[position] & ~members
        waiting = {members: {nodes[position] for position in bits(needed)} for members, needed in before.items()}
        followers: dict[int, list[int]] = {}
        for members, needed in waiting.items():
            for one in needed:
                followers.setdefault(one, []).append(members)
        ready = [(members.bit_length(), members) for members, needed in waiting.items() if not needed]
        heapify(ready)
        while ready:
            _, members = heappop(ready)
            yield from groups.get(members) or [self.operations[members.bit_length() - 1]]
            for follower in followers.get(members, ()):
                waiting[follower].discard(members)
                if not waiting[follower]:
                    heappush(ready, (follower.bit_length(), follower))


class _Loop:
    """The fused operation of a group, behind the arithmetic of its offsets."""

    def __init__(self, stretch: _Stretch, members: int) -> None:
        self.stretch = stretch
        self.members = members
        self.made = Builder(Region([]))
        self.inner = Builder(Region([]))
        self.inside: dict[Value, Value] = {}
        """What stands in the loop's region for a value outside."""
        self.operands: list[Value] = []
        self.offsets: list[Value | None] = []
        self.known: dict[Steps, Value] = {}
        self.columns: list[int] = []
        """Inputs of which the loop reads a number for each row."""
        self.rank: int | None = None
        """Axes of the arrays that the loop repeats."""

    def operations(self) -> list[Operation]:
        group = [self.stretch.operations[position] for position in bits(self.members)]
        for one in group:
            self.member(one)
        results = [value for one in group for value in one.results if self.stretch.escapes(value, self.members)]
        self.inner.emit("yield", [self.inside[value] for value in results])
        shaped = group[-1].results[0].type
        assert isinstance(shaped, Array)
        self.made.span = group[-1].span
        places = {value: len(self.operands) + place for place, value in enumerate(dict.fromkeys(filter(None, self.offsets)))}
        attributes: dict[str, object] = {"offsets": tuple(places.get(value) if value else None for value in self.offsets)} if places else {}
        if self.columns:
            attributes["columns"] = tuple(self.columns)
        self.made.emit("fused", [*self.operands, *places], results, attributes, [self.inner.region], shaped.shape)
        return self.made.region.operations

    def product(self, one: Operation) -> None:
        """An outer product: a number for each row times what is repeated in each."""
        _, left, right = one.operands
        column, row = (self.bring(value, value) for value in (left, right))
        self.columns.append(self.inner.region.parameters.index(column))
        self.rank = 1
        kind, hint = column.type, one.results[0].name
        zero = self.inner.constant(0.0, dtype_of(column))
        self.inner.span = one.span
        product = self.inner.value("mul", [column, row], kind, hint=hint)
        self.inside[one.results[0]] = self.inner.value("add", [zero, product], kind, hint=hint)

    def member(self, one: Operation) -> None:
        if one.name == "accumulate_outer":
            self.product(one)
            return
        for value in one.operands:
            if value not in self.inside:
                self.input(value)
        kind = one.results[0].type
        assert isinstance(kind, Array)
        self.inner.span = one.span
        given = [self.inside[value] for value in one.operands]
        name, hint = SCALAR_FORM.get(one.name, one.name), one.results[0].name
        self.inside[one.results[0]] = self.inner.value(name, given, kind.element, one.attributes, hint=hint)

    def input(self, value: Value) -> None:
        """Bring a value from outside into the loop: a constant as itself, anything else as an operand."""
        definition = self.stretch.owner.definitions.get(value)
        if definition is not None and definition.name == "constant":
            self.inside[value] = self.inner.constant(definition.attributes["value"], dtype_of(value), value.name)
            return
        source, offset = value, None
        row = self.stretch.repeated(value, self.members)
        if row is not None and isinstance(row.type, Array) and self.rank in (None, len(row.type.shape)):
            self.rank, source = len(row.type.shape), row
        elif isinstance(value.type, Array) and (found := self.stretch.piece(value, self.members)) is not None:
            source, offset = found[0], self.offset(found[1])
        self.inside[value] = self.bring(value, source, offset)

    def bring(self, value: Value, source: Value, offset: Value | None = None) -> Value:
        """A new operand; the number of it that the loop's region reads."""
        self.operands.append(source)
        self.offsets.append(offset)
        number = Value(value.name, Scalar(dtype_of(value)))
        self.inner.region.parameters.append(number)
        return number

    def offset(self, steps: Steps) -> Value:
        """The sum of index times stride; equal ones of a loop are one value."""
        if steps not in self.known:
            total: Value | None = None
            for index, sizes in steps:
                if self.stretch.owner.sizes(index).value != 0:
                    term = self.distance(index, sizes)
                    total = term if total is None else self.made.value("add", [total, term], I64, hint="offset")
            self.known[steps] = total or steps[0][0]
        return self.known[steps]

    def distance(self, index: Value, sizes: tuple[Dimension, ...]) -> Value:
        stride = prod(one for one in sizes if isinstance(one, int))
        factors = [one for one in sizes if isinstance(one, Value)] + [self.made.constant(stride, "i64")] * (stride != 1)
        for factor in factors:
            index = self.made.value("mul", [index, factor], I64, hint="offset")
        return index
