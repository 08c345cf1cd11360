"""Products of one large matrix with a vector of each turn of a loop are done for many turns at once, the matrix being read once.

Law: every result has the same bits: `matvecs` sums as `matvec` does, a row of `matmul` as `vecmat` does where rows aren't short. A loop
goes in blocks of TURNS turns. What the vector of a product comes from, values carried from turn to turn among it, goes through the
block in a loop of its own; then come the products of the block; then the rest of the body, in a second loop, which is told what the
first one has found by a list. So a product may neither come from its own result nor from that of a turn before. In the second loop,
and in the first one, the next such product is looked for. A body may fail, but not have effects, call, or hold an open loop; which
of two failures is told may differ.

Before:

    func @f(%n: i64, %w: f32[128, 128], %x: f32[%n, 128], %h: f32[128]) -> (f32[128]) {
      %last: f32[128] = for %n, %h (%i: i64, %c: f32[128]) {
        %a: f32[128] = at %x, %i
        %e: f32[128] = exp %a
        %y: f32[128] = matvec %w, %e
        %s: f32[128] = mul %y, %e
        %d: f32[128] = mul %c, %s
        yield %d
      }
      return %last
    }

After:

    func @f(%n: i64, %w: f32[128, 128], %x: f32[%n, 128], %h: f32[128]) -> (f32[128]) {
      %turns: i64 = constant {value = 32}
      %past: i64 = constant {value = 31}
      %more: i64 = add %n, %past
      %blocks: i64 = floor_division %more, %turns
      %last: f32[128] = for %blocks, %h (%block: i64, %o: f32[128]) {
        %start: i64 = mul %block, %turns
        %left: i64 = sub %n, %start
        %rows: i64 = minimum %left, %turns
        %none: f32[%rows, 128] = empty sizes [%rows, 128]
        %nothing: list<f32[128]> = list_empty
        %given: f32[%rows, 128], %told: list<f32[128]> = for %rows, %none, %nothing
            (%j: i64, %v: f32[%rows, 128], %l: list<f32[128]>) {
          %i: i64 = add %start, %j
          %a: f32[128] = at %x, %i
          %e: f32[128] = exp %a
          %v2: f32[%rows, 128] = update %v, %j, %e
          %l2: list<f32[128]> = list_push %l, %e
          yield %v2, %l2
        }
        %ys: f32[%rows, 128] = matvecs %w, %given
        %p: f32[128] = for %rows, %o (%k: i64, %c: f32[128]) {
          %e2: f32[128] = list_get %told, %k
          %y: f32[128] = at %ys, %k
          %s: f32[128] = mul %y, %e2
          %d: f32[128] = mul %c, %s
          yield %d
        }
        yield %p
      }
      return %last
    }
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from dynlang.ops import OPS
from dynlang.opt.depend import inside, is_total, used
from dynlang.opt.drop_unused import KEPT, must_stay
from dynlang.opt.share import has_effect
from dynlang.opt.take import substitute
from dynlang.ssa.build import I64, Builder, Copier, copy_function, map_functions, operations_in, sizes_of
from dynlang.ssa.nodes import Array, Function, List, Module, Operation, Region, Scalar, Value

TURNS = 32
"""Turns of a block: enough that the matrix's way through the memory counts little, and few enough that their rows stay in a cache."""
LEAST_BYTES = 1 << 16
"""Of a matrix that doesn't stay in the nearest cache; the way through a smaller one costs less than the lists do."""
SHORT_ROW_BYTES = 256
"""Rows up to this length are summed differently by `vecmat` and `matmul` (`native/kernels`)."""
BYTES = {"f32": 4, "f64": 8}


def distribute(module: Module) -> Module:
    def changed(function: Function) -> Function:
        if not any(may_gain(one) for one in operations_in(function.body)):
            return function
        function = copy_function(function)
        _in_region(function.body)
        return function

    return map_functions(module, changed)


def may_gain(loop: Operation) -> bool:
    return loop.name == "for" and any(_matrix(one) is not None for one in loop.regions[0].operations)


def _matrix(one: Operation) -> Value | None:
    """The matrix of a product that may be worth it, by its sizes."""
    if one.name not in ("matvec", "vecmat"):
        return None
    matrix = one.operands[0 if one.name == "matvec" else 1]
    if not isinstance(matrix.type, Array) or not isinstance(matrix.type.element, Scalar) or matrix.type.element.dtype not in BYTES:
        return None
    sizes = [size for size in matrix.type.shape if isinstance(size, int)]
    each = BYTES[matrix.type.element.dtype]
    if len(sizes) != 2 or each * prod(sizes) < LEAST_BYTES or (one.name == "vecmat" and each * sizes[1] <= SHORT_ROW_BYTES):
        return None
    return matrix


def _vector(product: Operation) -> Value:
    return product.operands[1 if product.name == "matvec" else 0]


def _in_region(region: Region) -> None:
    """The loops of a region, inner ones first."""
    made: list[Operation] = []
    for one in region.operations:
        for inner in one.regions:
            _in_region(inner)
        made += _in_blocks(one) if may_gain(one) and _Cut.of(one) is not None else [one]
    region.operations[:] = made


def _in_blocks(loop: Operation) -> list[Operation]:
    """A loop as one over blocks of turns, each of which is cut."""
    (body,) = loop.regions
    count, *starts = loop.operands
    outside = Builder(Region([]), loop.span)
    turns = outside.constant(TURNS, "i64", "turns")
    more = outside.value("add", [count, outside.constant(TURNS - 1, "i64", "past")], I64, hint="more")
    blocks = outside.value("floor_division", [more, turns], I64, hint="blocks")
    carried = [Value(one.name, one.type) for one in body.parameters[1:]]
    inside = Builder(Region([Value("block", I64), *carried]), loop.span)
    start = inside.value("mul", [inside.region.parameters[0], turns], I64, hint="start")
    left = inside.value("sub", [count, start], I64, hint="left")
    rows = inside.value("minimum", [left, turns], I64, hint="rows")
    turn, ends = body.parameters[0], [Value(one.name, one.type) for one in loop.results]
    body.parameters[0] = Value("turn", I64)
    body.operations.insert(0, Operation("add", [start, body.parameters[0]], [turn], span=loop.span))
    for one in _cut(Operation("for", [rows, *carried], ends, loop.attributes, [body], span=loop.span)):
        inside.append(one)
    inside.emit("yield", ends)
    outside.emit("for", [blocks, *starts], loop.results, loop.attributes, [inside.region])
    return outside.region.operations


def _cut(loop: Operation) -> list[Operation]:
    """A loop of few turns, cut at every product at which it can be."""
    cut = _Cut.of(loop)
    if cut is None:
        return [loop]
    b = Builder(Region([]), loop.span)
    first, product, second = cut.parts(b)
    return [*b.region.operations, *_cut(first), *product, *_cut(second)]


@dataclass(slots=True)
class _Cut:
    """A loop in two: `above` is what the vector of `product` comes from, `carried` the places of the values carried to the next turn
    that it comes from. The rest comes behind the product."""

    loop: Operation
    product: Operation
    above: set[Operation]
    carried: set[int]

    @classmethod
    def of(cls, loop: Operation) -> _Cut | None:
        """The first place at which a loop can be cut."""
        (body,) = loop.regions
        own = {*body.parameters, *(value for one in body.operations for value in one.results)}
        if any(one.name in KEPT or has_effect(one) for one in operations_in(body)) or any(size in own for size in _sizes_in(body)):
            return None
        for one in body.operations:
            matrix = _matrix(one)
            if matrix is not None and matrix not in own:
                found = cls._above(loop, one)
                if found is not None:
                    return found
        return None

    @classmethod
    def _above(cls, loop: Operation, product: Operation) -> _Cut | None:
        (body,) = loop.regions
        origin = {value: one for one in body.operations for value in one.results}
        place = {value: i for i, value in enumerate(body.parameters[1:])}
        position = {one: i for i, one in enumerate(body.operations)}
        guards = [one for one in body.operations if any(map(must_stay, (one, *inside(one))))]
        above: set[Operation] = set()
        carried: set[int] = set()
        work = [_vector(product)]
        while work:
            value = work.pop()
            if value in place and place[value] not in carried:
                carried.add(place[value])
                work.append(body.operations[-1].operands[place[value]])
            if value in origin and origin[value] not in above:
                above.add(origin[value])
                work += used(origin[value])
            if not work:
                partial = [position[one] for one in above if not is_total(one)]
                # What is carried may be safe by a check at the end of the turn before.
                last = len(position) if carried else max(partial, default=0)
                missing = [one for one in guards if partial and position[one] < last and one not in above]
                above.update(missing)
                work = [value for one in missing for value in used(one)]
        return None if product in above or not above else cls(loop, product, above, carried)

    @property
    def body(self) -> Region:
        return self.loop.regions[0]

    @property
    def rows(self) -> Value:
        return self.loop.operands[0]

    def parts(self, b: Builder) -> tuple[Operation, list[Operation], Operation]:
        """The first loop, the products and the second loop; what stands before them goes to the builder."""
        below = [one for one in self.body.operations[:-1] if one not in self.above and one is not self.product]
        others = [i for i in range(len(self.loop.results)) if i not in self.carried]
        told, copies = self._told(below, [self.body.operations[-1].operands[i] for i in others], self._again())
        first, vectors, found = self._first(b, told)
        (result,) = self.product.results
        assert isinstance(result.type, Array)
        products = Value(result.name, Array(result.type.element, (self.rows, *result.type.shape)))
        matrix = _matrix(self.product)
        assert matrix is not None
        name, operands = ("matvecs", [matrix, vectors]) if self.product.name == "matvec" else ("matmul", [vectors, matrix])
        product = Operation(name, operands, [products], span=self.product.span)
        return first, [product], self._second(below, others, copies, products, told, found)

    def _first(self, b: Builder, told: Sequence[Value]) -> tuple[Operation, Value, Value | None]:
        """The loop that goes through what the vectors come from, the vectors, and the list of what the second loop is told."""
        body, mine, turn = self.body, sorted(self.carried), self.body.parameters[0]
        vector = _vector(self.product)
        assert isinstance(vector.type, Array)
        sizes = (self.rows, vector.type.shape[0])
        panel = Array(vector.type.element, sizes)
        begin = [self.loop.operands[i + 1] for i in mine] + [b.value("empty", [], panel, sizes=sizes, hint="vectors")]
        parameters = [turn, *(body.parameters[i + 1] for i in mine), Value("vectors", panel)]
        first = Builder(Region(parameters, [one for one in body.operations if one in self.above]), self.loop.span)
        ends = [body.operations[-1].operands[i] for i in mine]
        ends.append(first.value("update", [parameters[-1], turn, vector], panel, hint="vectors"))
        vectors, found = Value("vectors", panel), None
        results = [*(self.loop.results[i] for i in mine), vectors]
        if told:
            kind = List(tuple(one.type for one in told))
            begin.append(b.value("list_empty", [], kind, hint="found"))
            parameters.append(Value("found", kind))
            ends.append(first.value("list_push", [parameters[-1], *told], kind, hint="found"))
            found = Value("found", kind)
            results.append(found)
        first.emit("yield", ends)
        loop = Operation("for", [self.rows, *begin], results, self.loop.attributes, [first.region], span=self.loop.span)
        return loop, vectors, found

    def _second(self, below: Sequence[Operation], others: Sequence[int], copies: Sequence[Operation], products: Value,
                told: Sequence[Value], found: Value | None) -> Operation:
        """The loop over the rest of the body."""
        body, turn = self.body, Value("turn", I64)
        second = Builder(Region([turn, *(body.parameters[i + 1] for i in others)]), self.loop.span)
        replaced: dict[Value, Value] = {body.parameters[0]: turn}
        copier = Copier(replaced)
        for each in copies:
            second.append(copier.operation(each))
        if found is not None:
            fresh = [Value(each.name, each.type) for each in told]
            second.emit("list_get", [found, turn], fresh)
            replaced.update(zip(told, fresh, strict=True))
        second.emit("at", [products, turn], self.product.results)
        for each in below:
            substitute(each, replaced)
            second.append(each)
        ends = [body.operations[-1].operands[i] for i in others]
        second.emit("yield", [replaced.get(value, value) for value in ends])
        operands, results = [self.rows, *(self.loop.operands[i + 1] for i in others)], [self.loop.results[i] for i in others]
        return Operation("for", operands, results, self.loop.attributes, [second.region], span=self.loop.span)

    def _again(self) -> set[Value]:
        """Numbers that cost nothing to compute once more from the turn alone, as elements of arrays that are there before the loop."""
        (body,) = self.loop.regions
        own = {value for one in body.operations for value in one.results} | set(body.parameters[1:])
        found: set[Value] = set()
        for one in body.operations:
            row = OPS.get(one.name)
            cheap = one.name in ("constant", "at") or (row is not None and row.has("elementwise") and row.cost <= 1)
            here = one in self.above and all(value not in own or value in found for value in one.operands)
            if here and cheap and all(isinstance(value.type, Scalar) for value in one.results):
                found.update(one.results)
        return found

    def _told(self, below: Sequence[Operation], ends: Sequence[Value], again: set[Value]) -> tuple[list[Value], list[Operation]]:
        """What the second loop must be told by the first, and what it computes again, in their order in the body."""
        (body,) = self.loop.regions
        wanted = set(ends).union(*map(used, below))
        copies: list[Operation] = []
        for one in reversed(body.operations):
            if one in self.above and any(value in again and value in wanted for value in one.results):
                copies.insert(0, one)
                wanted.update(one.operands)
        made = [body.parameters[i + 1] for i in sorted(self.carried)]
        made += [value for one in body.operations if one in self.above for value in one.results if value not in again]
        return [value for value in made if value in wanted], copies


def _sizes_in(body: Region) -> Iterator[Value]:
    """Every value that is a size of something in a region."""
    for one in operations_in(body):
        yield from (size for size in one.sizes if isinstance(size, Value))
        for value in [*one.results, *(each for region in one.regions for each in region.parameters)]:
            yield from sizes_of(value.type)
    for value in body.parameters:
        yield from sizes_of(value.type)
