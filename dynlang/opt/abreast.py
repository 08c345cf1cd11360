"""Several turns of a loop are done together.

Law: every result has the same bits. Where turns depend on nothing but their index, and each writes places of its own, as the
directions of a Jacobian do, four of them (eight, in single precision) become one: a number that differs between them becomes as many
numbers side by side (`f64x4`, one vector register), and an array of such numbers an array by vectors. What is the same in all turns
is computed once for those that go together. Inner loops must be the same for all; where turns part at a branch, each arm is gone
through if one of them takes it. If the count is no multiple, the last group begins earlier: some turns are computed a second time, to
the same end. Fewer turns than lanes are done one after the other.

Before:

    func @f(%x: f64[%n], %n: i64, %y: f64[20], %zero: f64) -> (f64[20]) with {owned = [2]} {
      %many: i64 = constant {value = 20}
      %z: f64[20] = for %many, %y (%i: i64, %r: f64[20]) {
        %d: f64 = convert %i {dtype = "f64"}
        %s: f64 = for %n, %zero (%k: i64, %t: f64) {
          %a: f64 = at %x, %k
          %b: f64 = sin %a
          %c: f64 = mul %b, %d
          %e: f64 = mul %c, %t
          %g: f64 = add %e, %d
          yield %g
        }
        %u: f64[20] = update %r, %i, %s
        yield %u
      }
      return %z
    }

After (and without what is unused then):

    func @f(%x: f64[%n], %n: i64, %y: f64[20], %zero: f64) -> (f64[20]) with {owned = [2]} {
      %c: i64 = constant {value = 5}
      %lanes: i64 = constant {value = 4}
      %r: f64[20] = for %c, %y (%group: i64, %r.1: f64[20]) {
        %start: i64 = mul %group, %lanes
        %c.1: i64 = constant {value = 1}
        %i: i64 = add %start, %c.1
        %c.2: i64 = constant {value = 2}
        %i.1: i64 = add %start, %c.2
        %c.3: i64 = constant {value = 3}
        %i.2: i64 = add %start, %c.3
        %d: f64 = convert %start {dtype = "f64"}
        %d.1: f64 = convert %i {dtype = "f64"}
        %d.2: f64 = convert %i.1 {dtype = "f64"}
        %d.3: f64 = convert %i.2 {dtype = "f64"}
        %d.4: f64x4 = pack %d, %d.1, %d.2, %d.3
        %pack: f64x4 = pack %zero, %zero, %zero, %zero
        %s: f64x4 = for %n, %pack (%k: i64, %t: f64x4) {
          %a: f64 = at %x, %k
          %b: f64 = sin %a
          %pack.1: f64x4 = pack %b, %b, %b, %b
          %c.4: f64x4 = mul %pack.1, %d.4
          %e: f64x4 = mul %c.4, %t
          %g: f64x4 = add %e, %d.4
          yield %g
        }
        %unpack: f64 = unpack %s {place = 0}
        %unpack.1: f64 = unpack %s {place = 1}
        %unpack.2: f64 = unpack %s {place = 2}
        %unpack.3: f64 = unpack %s {place = 3}
        %u: f64[20] = update %r.1, %start, %unpack
        %u.1: f64[20] = update %u, %i, %unpack.1
        %u.2: f64[20] = update %u.1, %i.1, %unpack.2
        %u.3: f64[20] = update %u.2, %i.2, %unpack.3
        yield %u.3
      }
      return %r
    }
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from math import prod

from dynlang.opt.drop_unused import drop_unused
from dynlang.opt.share import repeatable_functions, share
from dynlang.opt.turns import Reader, Turns, can_pack, is_collected
from dynlang.ssa.build import I64, Builder, Copier, Dimension, operations_in, with_body
from dynlang.ssa.nodes import Array, Function, Module, Operation, Region, Scalar, Value, ValueType


def abreast(module: Module) -> Module:
    """The pass; functions that it changes are cleaned up, those that go with several turns are new."""
    if not any(one.name == "for" for function in module.functions.values() for one in operations_in(function.body)):
        return module
    versions = _Versions(Reader(module.functions, repeatable_functions(module)))
    changed = {name: made for name, one in module.functions.items() if (made := _Abreast(one, versions).changed()) is not None}
    changed |= versions.functions
    tidy = drop_unused(share(Module(module.sums, changed), versions.reader.repeatable)).functions
    return Module(module.sums, {**module.functions, **tidy}, module.roots)


class _Versions:
    """Functions that are called for several turns at once, made when they are asked for."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.functions: dict[str, Function] = {}

    def of(self, one: Operation, varies: Container[Value], lanes: int) -> str:
        """The name of the function that does a call for so many turns. A float that varies is a parameter by several side by side, an
        int several parameters."""
        differ = [place for place, value in enumerate(one.operands) if value in varies]
        old = self.reader.functions[str(one.attributes["function"])]
        name = f"{old.name}.x{lanes}.{'.'.join(map(str, differ))}"
        if name not in self.functions:
            self.functions[name] = old
            together = _Together(self, Copier(), origins_of(old), self.reader.call(one, varies).varies, frozenset(), lanes)
            self.functions[name] = together.function(old, name)
        return name


def origins_of(function: Function) -> dict[Value, Operation]:
    return {value: one for one in operations_in(function.body) for value in one.results}


class _Abreast:
    """The pass on a function: outer loops first."""

    def __init__(self, function: Function, versions: _Versions) -> None:
        self.function, self.versions = function, versions
        self.copier = Copier()
        self.origins: dict[Value, Operation] = {}
        self.found: dict[Operation, Turns] = {}

    def changed(self) -> Function | None:
        """The function, if one of its loops is changed."""
        loops = [one for one in operations_in(self.function.body) if one.name == "for" and any(map(is_collected, one.results))]
        if not loops:
            return None
        self.origins = origins_of(self.function)
        users: dict[Value, list[Operation]] = {}
        for one in operations_in(self.function.body):
            for value in one.operands:
                users.setdefault(value, []).append(one)
        for one in loops:
            turns = self.versions.reader.turns_of(one, users, self.count(one))
            if turns is not None:
                self.found[one] = turns
        return with_body(self.function, self.region(self.function.body), self.copier) if self.found else None

    def region(self, old: Region) -> Region:
        made = Region([self.copier.define(one) for one in old.parameters])
        for one in old.operations:
            turns = self.found.get(one)
            if turns is None:
                made.operations.append(self.copier.operation(one, self.region))
            else:
                together = _Together(self.versions, self.copier, self.origins, turns.varies, turns.writes, turns.lanes)
                together.loop(Builder(made, one.span), one, self.count(one))
        return made

    def count(self, loop: Operation) -> int | None:
        """The turns of a loop, if they are known."""
        origin = self.origins.get(loop.operands[0])
        value = origin.attributes["value"] if origin is not None and origin.name == "constant" else None
        return value if isinstance(value, int) else None


class _Together:
    """Operations that go abreast. Values that are the same in all turns are those of the copier; of the others, floats, arrays
    of them and bools stand side by side (`packed`), ints one for each turn (`apart`)."""

    def __init__(self, versions: _Versions, copier: Copier, origins: dict[Value, Operation], varying: Container[Value],
                 writes: frozenset[Operation], lanes: int) -> None:
        self.versions, self.copier, self.origins, self.varying, self.writes, self.lanes = versions, copier, origins, varying, writes, lanes
        self.apart: dict[Value, list[Value]] = {}
        self.packed: list[dict[Value, Value]] = [{}]
        """In each region around the place at hand, the innermost last."""
        self.taken: list[Value] = []
        """Of each branch around the place at hand where turns parted, which of them are here."""

    # -- the loop

    def loop(self, b: Builder, loop: Operation, count: int | None) -> None:
        """The loop by groups; where the count isn't known, turn by turn if it turns out to be small."""
        if count is not None:
            whole = count % self.lanes == 0
            made = self.groups(b, loop, self.copier(loop.operands[0]), b.constant(-(-count // self.lanes), "i64"), whole)
            self.copier.replacements.update(zip(loop.results, made, strict=True))
            return
        turns = self.copier(loop.operands[0])
        enough = b.elementwise("greater_equal", turns, b.constant(self.lanes, "i64"), hint="enough")
        few, many = Builder(Region([]), b.span), Builder(Region([]), b.span)
        few.append(self.copier.operation(loop))
        few.emit("yield", self.copier.many(loop.results))
        rounded = many.elementwise("add", turns, many.constant(self.lanes - 1, "i64"))
        groups = many.elementwise("floor_division", rounded, many.constant(self.lanes, "i64"), hint="groups")
        many.emit("yield", self.groups(many, loop, turns, groups, False))
        results = [self.copier.define(one) for one in loop.results]
        b.emit("if", [enough], results, {}, [many.region, few.region])

    def groups(self, b: Builder, loop: Operation, turns: Value, groups: Value, whole: bool) -> list[Value]:
        """The loop over groups of turns; what the loop itself gives."""
        (old,) = loop.regions
        index, *carried = old.parameters
        first = self.copier.many(loop.operands[1:])
        lanes = b.constant(self.lanes, "i64", hint="lanes")
        last = None if whole else b.elementwise("sub", turns, lanes, hint="last")
        body = Builder(Region([Value("group", I64), *map(self.copier.define, carried)]), b.span)
        start = body.elementwise("mul", body.region.parameters[0], lanes, hint="start")
        if last is not None:
            start = body.elementwise("minimum", start, last, hint="start")
        self.apart[index] = [start, *(body.elementwise("add", start, body.constant(lane, "i64"), hint=index.name)
                                      for lane in range(1, self.lanes))]
        self.operations(body, old.operations[:-1])
        body.emit("yield", self.copier.many(old.operations[-1].operands))
        results = [Value(parameter.name, parameter.type) for parameter in body.region.parameters[1:]]
        return b.emit("for", [groups, *first], results, {}, [body.region])

    def operations(self, b: Builder, operations: Sequence[Operation]) -> None:
        for one in operations:
            b.span = one.span
            if one in self.writes:
                self.write(b, one)
            elif not self.varies(one):
                b.append(self.copier.operation(one))
            elif one.name in _RULES:
                _RULES[one.name](self, b, one)
            else:
                self.numbers(b, one)

    def varies(self, one: Operation) -> bool:
        """Whether an operation, or one inside it, makes or uses what differs from turn to turn."""
        inside = (each for region in one.regions for each in operations_in(region))
        return any(value in self.varying for each in (one, *inside) for value in [*each.operands, *each.results])

    def region(self, old: Region, parameters: list[Value], like: Sequence[Value]) -> Region:
        """A region inside the loop; `like`: the values that it yields to."""
        b = Builder(Region(parameters))
        self.operations(b, old.operations[:-1])
        b.emit("yield", [self.fitting(b, value, one) for value, one in zip(old.operations[-1].operands, like, strict=True)])
        self.packed.pop()
        return b.region

    def fitting(self, b: Builder, value: Value, place: Value) -> Value:
        """A value as the place needs it where it goes."""
        return self.together(b, value) if place in self.varying else self.copier(value)

    def define(self, old: Value) -> Value:
        """A fresh value in the place of one, side by side where it varies."""
        if old not in self.varying:
            return self.copier.define(old)
        made = Value(old.name, self.kind(old.type))
        self.packed[-1][old] = made
        return made

    def kind(self, kind: ValueType) -> ValueType:
        if isinstance(kind, Array):
            return Array(self.kind(kind.element), self.copier.sizes(kind.shape))
        assert isinstance(kind, Scalar)
        return Scalar(kind.dtype, self.lanes)

    # -- functions

    def function(self, old: Function, name: str) -> Function:
        """A function of its own for several turns."""
        parameters: list[Value] = []
        owned: set[int] = set()
        for place, one in enumerate(old.parameters):
            if place in old.owned:
                owned.add(len(parameters))
            if one in self.varying and not can_pack(one):
                self.apart[one] = [Value(one.name, one.type) for _ in range(self.lanes)]
                parameters += self.apart[one]
            else:
                parameters.append(self.define(one))
        b = Builder(Region(parameters))
        *operations, last = old.body.operations
        self.operations(b, operations)
        b.emit("return", [self.together(b, value) if value in self.varying else self.copier(value) for value in last.operands])
        results = [Value(one.name, self.kind(one.type)) if value in self.varying else self.copier.define(one)
                   for one, value in zip(old.results, last.operands, strict=True)]
        self.copier.finish()
        return Function(name, b.region, results, frozenset(owned), documentation=old.documentation, span=old.span)

    def call(self, b: Builder, one: Operation) -> None:
        arguments: list[Value] = []
        for value in one.operands:
            if value not in self.varying:
                arguments.append(self.copier(value))
            else:
                arguments += [self.together(b, value)] if can_pack(value) else self.each(b, value)
        name = self.versions.of(one, self.varying, self.lanes)
        b.emit("call", arguments, [self.define(value) for value in one.results], {**one.attributes, "function": name})

    # -- values

    def together(self, b: Builder, old: Value) -> Value:
        """A value side by side for all turns."""
        for known in self.packed:
            if old in known:
                return known[old]
        if isinstance(old.type, Scalar):
            numbers = self.apart.get(old) or [self.copier(old)] * self.lanes
            made = b.value("pack", numbers, self.kind(old.type))
            self.packed[-1][old] = made
            return made
        origin = self.origins.get(old)
        if origin is not None and origin.name == "fill" and isinstance(origin.operands[0].type, Scalar):
            number = self.together(b, origin.operands[0])
            return b.value("fill", [number], self.kind(old.type), sizes=self.copier.sizes(origin.sizes), hint=old.name)
        if origin is not None and origin.name == "empty":
            return b.value("empty", [], self.kind(old.type), sizes=self.copier.sizes(origin.sizes), hint=old.name)
        return self.interleaved(b, [self.copier(old)] * self.lanes)

    def each(self, b: Builder, old: Value) -> list[Value]:
        """A value for each turn."""
        if old not in self.varying:
            return [self.copier(old)] * self.lanes
        if old in self.apart:
            return self.apart[old]
        whole = self.together(b, old)
        if isinstance(old.type, Scalar):
            return [self.one_of(b, whole, lane) for lane in range(self.lanes)]
        assert isinstance(whole.type, Array) and isinstance(whole.type.element, Scalar)
        number, shape = Scalar(whole.type.element.dtype), whole.type.shape
        total = product(b, shape)
        rows = b.value("regroup", [whole], Array(number, (total, self.lanes)))
        turned = b.value("transpose", [rows], Array(number, (self.lanes, total)), {"permutation": (1, 0)})
        parts = [b.value("at", [turned, b.constant(lane, "i64")], Array(number, (total,))) for lane in range(self.lanes)]
        return [b.value("reshape", [part], Array(number, shape), sizes=shape) for part in parts]

    def one_of(self, b: Builder, packed: Value, lane: int) -> Value:
        assert isinstance(packed.type, Scalar)
        return b.value("unpack", [packed], Scalar(packed.type.dtype), {"place": lane})

    def interleaved(self, b: Builder, rows: Sequence[Value]) -> Value:
        """An array of each turn, as one array of numbers side by side."""
        kind = rows[0].type
        assert isinstance(kind, Array) and isinstance(kind.element, Scalar)
        element, total = Scalar(kind.element.dtype, self.lanes), product(b, kind.shape)
        flat = {row: b.value("reshape", [row], Array(kind.element, (total,)), sizes=(total,)) for row in rows}
        room = b.value("empty", [], Array(element, (total,)), sizes=(total,))
        body = Builder(Region([Value("k", I64), Value("room", room.type)]), b.span)
        index, carried = body.region.parameters
        numbers = {row: body.value("at", [one, index], kind.element) for row, one in flat.items()}
        packed = body.value("pack", [numbers[row] for row in rows], element)
        body.emit("yield", [body.value("update", [carried, index, packed], room.type)])
        count = b.constant(total, "i64") if isinstance(total, int) else total
        (whole,) = b.emit("for", [count, room], [Value("packed", room.type)], {}, [body.region])
        return b.value("reshape", [whole], Array(element, kind.shape), sizes=kind.shape)

    # -- operations

    def give(self, b: Builder, old: Value, turn_by_turn: list[Value]) -> None:
        """What was computed turn by turn."""
        if can_pack(old):
            self.packed[-1][old] = b.value("pack", turn_by_turn, self.kind(old.type), hint=old.name)
        else:
            self.apart[old] = turn_by_turn

    def numbers(self, b: Builder, one: Operation) -> None:
        """Arithmetic on floats and bools goes side by side, with ints turn by turn."""
        (result,) = one.results
        if all(map(can_pack, [*one.operands, result])):
            operands = [self.together(b, value) for value in one.operands]
            self.packed[-1][result] = b.value(one.name, operands, self.kind(result.type), one.attributes, hint=result.name)
            return
        operands = list(zip(*(self.each(b, value) for value in one.operands), strict=True))
        self.give(b, result, [b.value(one.name, each, result.type, one.attributes, hint=result.name) for each in operands])

    def element(self, b: Builder, one: Operation) -> None:
        """At the same place in all turns, or at a place of each turn's own."""
        array, *indices = one.operands
        (result,) = one.results
        if not any(index in self.varying for index in indices):
            operands = [self.together(b, array), *self.copier.many(indices)]
            self.packed[-1][result] = b.value("at", operands, self.kind(result.type), hint=result.name)
            return
        places = list(zip(*(self.each(b, value) for value in indices), strict=True))
        if array in self.varying:
            whole = self.together(b, array)
            there = [b.value("at", [whole, *place], self.kind(result.type)) for place in places]
            self.give(b, result, [self.one_of(b, packed, lane) for lane, packed in enumerate(there)])
            return
        kind = self.copier.kind(result.type)
        found = [b.value("at", [self.copier(array), *place], kind, hint=result.name) for place in places]
        if isinstance(kind, Array):
            self.packed[-1][result] = self.interleaved(b, found)
        else:
            self.give(b, result, found)

    def update(self, b: Builder, one: Operation) -> None:
        """Also of a number that is added to what stands there."""
        array, *indices, value = one.operands
        made, kind, adds = self.together(b, array), self.kind(one.results[0].type), one.name == "accumulate_at"
        if not any(index in self.varying for index in indices):
            place, new = self.copier.many(indices), self.together(b, value)
            if adds:
                new = b.value("add", [b.value("at", [made, *place], new.type), new], new.type)
            made = b.value("update", [made, *place, new], kind, hint=one.results[0].name)
        else:
            element = self.kind(value.type)
            places = zip(*(self.each(b, index) for index in indices), strict=True)
            for lane, (place, number) in enumerate(zip(places, self.each(b, value), strict=True)):
                before = b.value("at", [made, *place], element)
                if adds:
                    number = b.value("add", [self.one_of(b, before, lane), number], number.type)
                numbers = [number if turn == lane else self.one_of(b, before, turn) for turn in range(self.lanes)]
                made = b.value("update", [made, *place, b.value("pack", numbers, element)], kind, hint=one.results[0].name)
        self.packed[-1][one.results[0]] = made

    def fill(self, b: Builder, one: Operation) -> None:
        (result,) = one.results
        number, sizes = self.together(b, one.operands[0]), self.copier.sizes(one.sizes)
        self.packed[-1][result] = b.value("fill", [number], self.kind(result.type), sizes=sizes, hint=result.name)

    def reshape(self, b: Builder, one: Operation) -> None:
        (result,) = one.results
        whole, sizes = self.together(b, one.operands[0]), self.copier.sizes(one.sizes)
        self.packed[-1][result] = b.value("reshape", [whole], self.kind(result.type), sizes=sizes, hint=result.name)

    def matmul(self, b: Builder, one: Operation) -> None:
        """Columns of several turns are columns of one matrix."""
        x, y = self.copier(one.operands[0]), self.together(b, one.operands[1])
        (result,) = one.results
        assert isinstance(x.type, Array) and isinstance(y.type, Array) and isinstance(x.type.element, Scalar)
        number, (rows, depth), columns = x.type.element, x.type.shape, y.type.shape[1]
        wide = product(b, (columns, self.lanes))
        flat = b.value("regroup", [y], Array(number, (depth, wide)))
        made = b.value("matmul", [x, flat], Array(number, (rows, wide)), one.attributes, hint=result.name)
        self.packed[-1][result] = b.value("regroup", [made], self.kind(result.type), hint=result.name)

    def inner_loop(self, b: Builder, one: Operation) -> None:
        (old,) = one.regions
        index, *carried = old.parameters
        first = [self.fitting(b, value, place) for value, place in zip(one.operands[1:], carried, strict=True)]
        self.packed.append({})
        body = self.region(old, [self.copier.define(index), *map(self.define, carried)], carried)
        b.emit("for", [self.copier(one.operands[0]), *first], [self.define(value) for value in one.results], one.attributes, [body])

    def branch(self, b: Builder, one: Operation) -> None:
        if one.operands[0] in self.varying:
            self.either(b, one)
            return
        regions = []
        for old in one.regions:
            self.packed.append({})
            regions.append(self.region(old, [self.copier.define(value) for value in old.parameters], one.results))
        b.emit(one.name, [self.copier(one.operands[0])], [self.define(value) for value in one.results], one.attributes, regions)

    def either(self, b: Builder, one: Operation) -> None:
        """A branch where turns may part: each arm is gone through if one of them takes it, and each takes what its arm gives."""
        condition = self.together(b, one.operands[0])
        found = []
        for place, asked in enumerate((condition, b.value("logical_not", [condition], condition.type))):
            if self.taken:
                asked = b.value("logical_and", [asked, self.taken[-1]], asked.type)
            self.taken.append(asked)
            found.append(self.arm(b, one, place))
            self.taken.pop()
        for result, yes, no in zip(one.results, *found, strict=True):
            self.packed[-1][result] = b.value("select", [condition, yes, no], yes.type, hint=result.name)

    def arm(self, b: Builder, one: Operation, place: int) -> list[Value]:
        """What an arm gives, side by side; nothing in particular if no turn takes it."""
        old = one.regions[place]
        if len(old.operations) == 1:
            return [self.together(b, value) for value in old.operations[-1].operands]
        some, *others = [self.one_of(b, self.taken[-1], lane) for lane in range(self.lanes)]
        for each in others:
            some = b.elementwise("logical_or", some, each)
        self.packed.append({})
        taken = self.region(old, [], one.results)
        other = Builder(Region([]), one.span)
        dtypes = [str(value.type.dtype) for value in one.results if isinstance(value.type, Scalar)]
        zeros = {dtype: other.constant(False if dtype == "bool" else 0.0, dtype) for dtype in dict.fromkeys(dtypes)}
        wide = {dtype: other.value("pack", [zero] * self.lanes, Scalar(dtype, self.lanes)) for dtype, zero in zeros.items()}
        other.emit("yield", [wide[dtype] for dtype in dtypes])
        results = [Value(value.name, self.kind(value.type)) for value in one.results]
        return b.emit("if", [some], results, {}, [taken, other.region])

    def write(self, b: Builder, one: Operation) -> None:
        """What each turn makes goes to its own place; a column of each is a stripe of them."""
        target, *indices, value = one.operands
        made, result = self.copier(target), one.results[0]
        own = next(axis for axis, index in enumerate(indices) if index in self.varying)
        places = list(zip(*(self.each(b, index) for index in indices), strict=True))
        if one.name == "update_slice" and own == len(indices) - 1 and value in self.varying:
            whole = self.together(b, value)
            assert isinstance(whole.type, Array) and isinstance(value.type, Array)
            stripe = b.value("regroup", [whole], Array(self.copier.kind(value.type.element), (*whole.type.shape[:-1], self.lanes)))
            made = b.value("update_slice", [made, *places[0], stripe], made.type, one.attributes, hint=result.name)
        else:
            for place, part in zip(places, self.each(b, value), strict=True):
                made = b.value(one.name, [made, *place, part], made.type, one.attributes, hint=result.name)
        self.copier.replacements[result] = made


def product(b: Builder, sizes: Sequence[Dimension]) -> Dimension:
    """The product of sizes, computed now as far as it is known."""
    known, total = prod(one for one in sizes if isinstance(one, int)), None
    for one in sizes:
        if isinstance(one, Value):
            total = one if total is None else b.elementwise("mul", total, one)
    if total is None:
        return known
    return total if known == 1 else b.elementwise("mul", total, b.constant(known, "i64"))


_RULES = {"at": _Together.element, "update": _Together.update, "fill": _Together.fill, "reshape": _Together.reshape,
          "matmul": _Together.matmul, "for": _Together.inner_loop, "if": _Together.branch, "switch": _Together.branch,
          "accumulate_at": _Together.update, "call": _Together.call}
