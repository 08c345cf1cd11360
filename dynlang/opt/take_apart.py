"""Small arrays of known sizes become the numbers that they hold.

Law: every result has the same bits: numbers are added and multiplied in the order in which the kernels do it. An array is taken
apart where it is made; it is put together again where an operation needs it whole, once, and where it was made. What a loop
carries or a branch gives is carried and given number by number if nothing there asks for the whole; a box that a branch
makes for a `switch` to take apart becomes that branch's numbers; a loop of few turns over such arrays is written out, and one
over a list that was made element by element (`contents.py`).

Before:

    func @f(%x: f64[%n, 2], %n: i64, %i: i64, %s: f64) -> (f64) {
      %r: f64[2] = at %x, %i
      %y: f64[2] = mul %r, %s
      %z: f64 = dot %y, %r
      return %z
    }

After (and without what is unused then):

    func @f(%x: f64[%n, 2], %n: i64, %i: i64, %s: f64) -> (f64) {
      %k: i64 = constant {value = 0}
      %a: f64 = at %x, %i, %k
      %l: i64 = constant {value = 1}
      %b: f64 = at %x, %i, %l
      %y: f64 = mul %a, %s
      %w: f64 = mul %b, %s
      %c: f64 = constant {value = 0.0}
      %p: f64 = multiply_add %y, %a, %c
      %z: f64 = multiply_add %w, %b, %p
      return %z
    }
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import prod

from dynlang.ops import OPS
from dynlang.opt.contents import Contents
from dynlang.opt.drop_unused import drop_unused
from dynlang.opt.fold import FOLDS, fold
from dynlang.opt.numbers import RULES, WIDE, Piece, asks_for_whole, flat, has_rule, most_computed, numbers_of, small_shape
from dynlang.opt.recall import nothing
from dynlang.opt.share import repeatable_functions, share
from dynlang.ssa.build import I64, Builder, Copier, operations_in, with_body
from dynlang.ssa.nodes import Array, Box, Function, List, Module, Operation, Region, Scalar, Value

FEW_TURNS = 4
LONGEST_BODY = 500
"""Turns of a loop that is written out, and its operations after that."""
LARGEST = 4000
"""Operations of a function that is left alone: its code is long already."""


def take_apart(module: Module) -> Module:
    """The pass; functions that it changes are cleaned up, since numbers that were made for an array are often not needed."""
    functions, repeatable = dict(module.functions), repeatable_functions(module)
    for name, one in module.functions.items():
        if worthwhile(one):
            made = Module(module.sums, {name: _Apart(module, one).run()})
            functions[name] = drop_unused(share(made, repeatable)).functions[name]
    return Module(module.sums, functions, module.roots)


def worthwhile(one: Function) -> bool:
    """Whether an operation works on a small array, a branch makes a box, or a list is read from its end."""
    operations = list(operations_in(one.body))
    return len(operations) <= LARGEST and any(
        (has_rule(each) and small_shape(value.type)) or (each.name == "if" and isinstance(value.type, Box)) or each.name == "list_pop"
        for each in operations for value in each.results)


@dataclass(slots=True, eq=False)
class Held:
    """A small array: its numbers, or itself, or both. `home` is where it is made, and so where it is taken apart or put together."""

    kind: Array
    home: Region
    numbers: list[Value] | None = None
    whole: Value | None = None
    apart: bool = False
    """Made of numbers, not read from a whole."""

    @property
    def shape(self) -> tuple[int, ...]:
        return small_shape(self.kind) or ()


@dataclass(slots=True, eq=False)
class Choice:
    """A box that a branch makes in each of its arms: the condition, and of each arm the constructor and what the fields hold."""

    condition: Value
    constructors: tuple[str, str]
    fields: tuple[list[Held | Value], list[Held | Value]]

    def numbers(self) -> list[Value]:
        """All fields, number by number."""
        return [number for values in self.fields for one in values
                for number in ((one.numbers or []) if isinstance(one, Held) else [one])]


@dataclass(slots=True)
class _Apart:
    module: Module
    function: Function
    copier: Copier = field(default_factory=Copier)
    held: dict[Value, Held] = field(default_factory=dict)
    choices: dict[Value, Choice] = field(default_factory=dict)
    contents: Contents[Held | Value] = field(default_factory=lambda: Contents())
    constants: dict[Value, object] = field(default_factory=dict)
    origins: dict[Value, Operation] = field(default_factory=dict)
    users: dict[Value, list[Operation]] = field(default_factory=dict)
    loops: dict[Value, bool] = field(default_factory=dict)
    """Whether a small array that a loop carries stays apart, by the loop's parameter."""
    wholes: dict[Value, bool] = field(default_factory=dict)
    """What `needed_whole` found."""

    def run(self) -> Function:
        for one in operations_in(self.function.body):
            self.origins.update(dict.fromkeys(one.results, one))
            for value in one.operands:
                self.users.setdefault(value, []).append(one)
        return with_body(self.function, self.region(self.function.body), self.copier)

    # -- regions

    def region(self, old: Region) -> Region:
        made = Region([self.copier.define(one) for one in old.parameters])
        for one in old.parameters:
            self.keep(made, one)
        self.into(made, old.operations)
        return made

    def into(self, made: Region, operations: list[Operation]) -> None:
        for one in operations:
            if not self.special(made, one):
                self.plain(made, one)

    def keep(self, made: Region, old: Value) -> None:
        """Remember a small array that is whole."""
        if small_shape(old.type) and isinstance(old.type, Array):
            self.held[old] = Held(old.type, made, None, self.copier(old))

    def special(self, made: Region, one: Operation) -> bool:
        """Operations that are done on numbers."""
        match one.name:
            case "if":
                return self.arms(made, one, "if", self.copier.many(one.operands), one.regions)
            case "switch":
                return self.chosen(made, one)
            case "for" | "while":
                return self.written_out(made, one) or self.carried(made, one)
            case "list_pop" | "list_length":
                return self.unpacked(made, one)
            case "at" | "slice" if one.operands[0] not in self.held:
                self.plain(made, one)
                self.read(made, one)
                return True
            case "update" | "accumulate_at" if one.operands[0] not in self.held:
                return self.write(made, one)
        return has_rule(one) and self.computed(made, one)

    def plain(self, made: Region, one: Operation) -> None:
        """An operation as it is, on whole arrays."""
        for value in one.operands:
            self.whole(value)
        copy = self.copier.operation(one, self.region)
        made.operations.append(copy)
        self.remember(copy, [self.state(value) for value in one.operands])
        for value in one.results:
            self.held.pop(value, None)
            self.keep(made, value)

    def remember(self, copy: Operation, states: list[Held | Value]) -> None:
        """What is known of the result: a number, the elements of a list, the fields of a box."""
        match copy.name:
            case "constant":
                self.constants[copy.results[0]] = copy.attributes["value"]
            case "list_empty":
                self.contents.empty.add(copy.results[0])
            case "list_push":
                self.contents.pushed[copy.results[0]] = copy.operands[0], states[1:]
            case "construct":
                self.contents.boxes[copy.results[0]] = str(copy.attributes["constructor"]), states
            case _ if copy.name in FOLDS and len(copy.results) == 1 and isinstance(copy.results[0].type, Scalar):
                self.fold(copy, copy.results[0].type.dtype)

    def fold(self, copy: Operation, dtype: str) -> None:
        """An index that is computed from those of loops that are written out becomes a constant."""
        values = [self.constants.get(value) for value in copy.operands]
        dtypes = [value.type.dtype for value in copy.operands if isinstance(value.type, Scalar)]
        if dtype in ("i64", "bool") and all(isinstance(value, int) for value in values):
            found = fold(copy.name, dtypes, values, dtype)  # type: ignore[arg-type]
            if found is not None:
                copy.name, copy.operands, copy.attributes = "constant", [], {"value": found}
                self.constants[copy.results[0]] = found

    def unpacked(self, made: Region, one: Operation) -> bool:
        """The last element of a list that was pushed here, or how many elements were."""
        new = self.copier(one.operands[0])
        if one.name == "list_length":
            count = self.contents.length(new)
            if count is not None:
                (self.copier.replacements[one.results[0]],) = self.indices(Builder(made, one.span), (count,))
            return count is not None
        if new not in self.contents.pushed:
            return False
        rest, states = self.contents.pushed[new]
        for result, state in zip(one.results, [rest, *states], strict=True):
            self.bind(result, state)
        return True

    # -- numbers and wholes

    def numbers(self, old: Value) -> list[Value]:
        """The numbers of a small array, read from it where it was made."""
        held = self.held[old]
        if held.numbers is None:
            assert held.whole is not None
            b = Builder(held.home)
            held.numbers = [b.value("at", [held.whole, *self.indices(b, place)], held.kind.element, hint=old.name)
                            for place in product(*map(range, held.shape))]
        return held.numbers

    def indices(self, b: Builder, place: tuple[int, ...]) -> list[Value]:
        made = [b.constant(index, "i64") for index in place]
        self.constants.update(zip(made, place, strict=True))
        return made

    def whole(self, old: Value) -> None:
        """Put a small array together, where it isn't whole."""
        held = self.held.get(old)
        if held is None:
            return
        if held.whole is None:
            assert held.numbers is not None
            b = Builder(held.home)
            made = b.value("fill", held.numbers[:1], held.kind, sizes=held.kind.shape, hint=old.name)
            for place in product(*map(range, held.shape)):
                value = held.numbers[flat(place, held.shape)]
                if value is not held.numbers[0]:
                    made = b.value("update", [made, *self.indices(b, place), value], held.kind, hint=old.name)
            held.whole = made
        self.copier.replacements[old] = held.whole

    def piece(self, old: Value) -> Piece | None:
        """An operand as numbers; None for what isn't a number or a small array."""
        if old in self.held:
            return Piece(self.numbers(old), self.held[old].shape)
        new = self.copier(old)
        return Piece([new], (), self.constants.get(new)) if isinstance(new.type, Scalar) else None

    def computed(self, made: Region, one: Operation) -> bool:
        """An operation on small arrays, done number by number."""
        if len(one.results) != 1 or not (small_shape(one.results[0].type) or any(value in self.held for value in one.operands)):
            return False
        if not small_shape(one.results[0].type) and not isinstance(one.results[0].type, Scalar):
            return False
        if any(value not in self.held and not isinstance(self.copier(value).type, Scalar) for value in one.operands):
            return False
        if self.is_loop(one) and self.needed_whole(one.results[0]):
            return False
        pieces = [piece for value in one.operands if (piece := self.piece(value)) is not None]
        numbers = numbers_of(Builder(made, one.span), one, pieces)
        if numbers is None:
            return False
        self.give(made, one.results[0], numbers)
        return True

    def is_loop(self, one: Operation) -> bool:
        """Whether vectors of numbers pay for an operation."""
        row, shape = OPS.get(one.name), small_shape(one.results[0].type)
        return row is not None and row.has("elementwise") and shape is not None and prod(shape) >= WIDE

    def needed_whole(self, old: Value) -> bool:
        """Whether an operation asks for an array whole, or for what is computed from it element by element."""
        if old not in self.wholes:
            self.wholes[old] = False
            users = self.users.get(old, ())
            self.wholes[old] = any(map(asks_for_whole, users)) or any(
                self.needed_whole(one.results[0]) for one in users if len(one.results) == 1 and self.is_loop(one))
        return self.wholes[old]

    def give(self, made: Region, old: Value, numbers: list[Value]) -> None:
        """The numbers that stand for a value from here on."""
        if isinstance(old.type, Array):
            self.held[old] = Held(old.type, made, numbers, apart=True)
        else:
            self.copier.replacements[old] = numbers[0]

    # -- reading from large arrays, writing to them

    def read(self, made: Region, one: Operation) -> None:
        """The numbers of a row or a window, beside the row itself: whichever isn't used is dropped."""
        result, source = one.results[0], self.copier(one.operands[0])
        if result not in self.held or not isinstance(source.type, Array) or one.attributes.get("steps"):
            return
        b, held = Builder(made, one.span), self.held[result]
        starts = self.copier.many(one.operands[1:])
        held.numbers = []
        for place in product(*map(range, held.shape)):
            moved = self.indices(b, place)
            if one.name == "slice":
                moved = [b.value("add", [start, index], I64) for start, index in zip(starts, moved, strict=True)]
            else:
                moved = [*starts, *moved]
            held.numbers.append(b.value("at", [source, *moved], held.kind.element, hint=result.name))

    def write(self, made: Region, one: Operation) -> bool:
        """The numbers of an array that isn't whole are written, or added, one by one."""
        held = self.held.get(one.operands[-1])
        if held is None or not held.apart or not isinstance(one.operands[0].type, Array):
            return False
        b = Builder(made, one.span)
        target, *indices = self.copier.many(one.operands[:-1])
        for place, value in zip(product(*map(range, held.shape)), held.numbers or [], strict=True):
            target = b.value(one.name, [target, *indices, *self.indices(b, place), value], target.type, hint=one.results[0].name)
        self.copier.replacements[one.results[0]] = target
        return True

    # -- branches

    def arms(self, made: Region, one: Operation, name: str, operands: list[Value], regions: list[Region]) -> bool:
        """An `if` or `switch`, its small results number by number where an arm has them so."""
        bodies = []
        for region in regions:
            body = Region([self.copier.define(value) for value in region.parameters])
            for value in region.parameters:
                self.keep(body, value)
            self.into(body, region.operations[:-1])
            bodies.append(body)
        ends: list[list[Value]] = [[] for _ in bodies]
        results: list[Value] = []
        for place, old in enumerate(one.results):
            given = [region.operations[-1].operands[place] for region in regions]
            if small_shape(old.type) and all(value in self.held for value in given) and any(self.held[value].apart for value in given):
                results += self.split(made, old)
                for end, value in zip(ends, given, strict=True):
                    end += self.numbers(value)
            elif name == "if" and (choice := self.choice(made, operands[0], old, given, bodies, ends)):
                self.choices[old] = choice
                results += choice.numbers()
            else:
                for end, value in zip(ends, given, strict=True):
                    self.whole(value)
                    end.append(self.copier(value))
                results.append(self.copier.define(old))
                self.keep(made, old)
        for body, end in zip(bodies, ends, strict=True):
            Builder(body).emit("yield", end)
        made.operations.append(Operation(name, operands, results, {}, bodies, (), one.span))
        return True

    def split(self, home: Region, old: Value) -> list[Value]:
        """New numbers for a small array, made by what stands next in its home."""
        assert isinstance(old.type, Array)
        fresh = [Value(old.name, old.type.element) for _ in range(prod(small_shape(old.type) or ()))]
        self.held[old] = Held(old.type, home, fresh, apart=True)
        return fresh

    def choice(self, made: Region, condition: Value, old: Value, given: list[Value], bodies: list[Region],
               ends: list[list[Value]]) -> Choice | None:
        """A box that each arm constructs and only switches look into: its fields become results, zeros where the other arm has none."""
        found = [self.origins.get(value) for value in given if len(self.users[value]) == 1]
        makers = [maker for maker in found if maker is not None and maker.name == "construct"]
        names = [str(maker.attributes["constructor"]) for maker in makers]
        if not isinstance(old.type, Box) or len(set(names)) != 2 or any(user.name != "switch" for user in self.users.get(old, ())):
            return None
        if not all(isinstance(value.type, Scalar) or value in self.held for maker in makers for value in maker.operands):
            return None
        fields: tuple[list[Held | Value], list[Held | Value]] = [], []
        for arm, maker in enumerate(makers):
            for value in maker.operands:
                numbers = self.numbers(value) if value in self.held else [self.copier(value)]
                fresh = [Value(value.name, number.type) for number in numbers]
                fields[arm].append(Held(value.type, made, fresh, apart=True) if isinstance(value.type, Array) else fresh[0])
                ends[arm] += numbers
                ends[1 - arm] += [nothing(bodies[1 - arm], number) for number in numbers]
        return Choice(condition, (names[0], names[1]), fields)

    def chosen(self, made: Region, one: Operation) -> bool:
        """A switch on a box that is no more is a branch on what chose its constructor; one on a box that was made here is that case."""
        box = self.contents.boxes.get(self.copier(one.operands[0]))
        if box is not None:
            return self.inside(made, one, *box)
        found = self.choices.get(one.operands[0])
        if found is None:
            return self.arms(made, one, "switch", self.copier.many(one.operands), one.regions)
        regions = [self.case_of(one, name) for name in found.constructors]
        for region, fields in zip(regions, found.fields, strict=True):
            for parameter, value in zip(region.parameters, fields, strict=True):
                self.bind(parameter, value)
        return self.arms(made, one, "if", [found.condition], [Region([], region.operations) for region in regions])

    def case_of(self, one: Operation, constructor: str) -> Region:
        """What a switch does with a constructor."""
        kind = one.operands[0].type
        assert isinstance(kind, Box)
        return one.regions[[each.name for each in self.module.sums[kind.sum].constructors].index(constructor)]

    def inside(self, made: Region, one: Operation, constructor: str, fields: list[Held | Value]) -> bool:
        """A switch on a known constructor: what it does then, in its place."""
        region = self.case_of(one, constructor)
        for parameter, state in zip(region.parameters, fields, strict=True):
            self.bind(parameter, state)
        self.into(made, region.operations[:-1])
        for result, value in zip(one.results, region.operations[-1].operands, strict=True):
            self.bind(result, self.state(value))
        return True

    # -- loops

    def bind(self, old: Value, state: Held | Value) -> None:
        """What a value is from here on."""
        if isinstance(state, Held):
            self.held[old] = state
        else:
            self.held.pop(old, None)
            self.copier.replacements[old] = state

    def state(self, old: Value) -> Held | Value:
        return self.held.get(old) or self.copier(old)

    def written_out(self, made: Region, one: Operation) -> bool:
        """A loop of few turns whose index is that of a small array, or that reads or makes a known list, turn by turn."""
        turns = self.constants.get(self.copier(one.operands[0])) if one.name == "for" else None
        body = one.regions[-1]
        if not isinstance(turns, int) or turns > FEW_TURNS or not (turns < 1 or indexes_small(body) or self.lists(one)):
            return False
        if turns * sum(1 for _ in operations_in(body)) > LONGEST_BODY:
            return False
        states = [self.state(value) for value in one.operands[1:]]
        for turn in range(turns):
            index = Builder(made).constant(turn, "i64")
            self.constants[index] = turn
            for parameter, state in zip(body.parameters, [index, *states], strict=True):
                self.bind(parameter, state)
            with self.copier.turn():
                self.into(made, body.operations[:-1])
            states = [self.state(value) for value in body.operations[-1].operands]
        for value, state in zip(one.results, states, strict=True):
            self.bind(value, state)
        return True

    def lists(self, one: Operation) -> bool:
        """Whether a loop carries a list whose length is known."""
        return any(isinstance(value.type, List) and self.contents.length(self.copier(value)) is not None for value in one.operands[1:])

    def carried(self, made: Region, one: Operation) -> bool:
        """A loop that carries small arrays number by number, where nothing in it asks for one as a whole."""
        body = one.regions[-1]
        counts = 1 if one.name == "for" else 0  # operands, and parameters, that are not carried
        starts, ends = one.operands[counts:], body.operations[-1].operands
        apart = [all(self.stays_apart(region.parameters[place + counts], end) for region in one.regions) for place, end in enumerate(ends)]
        if not any(apart):
            return False
        operands = self.copier.many(one.operands[:counts])
        for start, numbers in zip(starts, apart, strict=True):
            operands += self.spread(start, numbers)
        regions = [self.carrying(region, counts, apart, apart if region is body else [False]) for region in one.regions]
        results = self.parted(made, one.results, apart)
        made.operations.append(Operation(one.name, operands, results, one.attributes, regions, self.copier.sizes(one.sizes), one.span))
        return True

    def carrying(self, old: Region, counts: int, apart: list[bool], given: list[bool]) -> Region:
        """The body of a loop, or what it asks before each turn; `given`: which of its results are numbers of a small array."""
        inner = Region([self.copier.define(value) for value in old.parameters[:counts]])
        inner.parameters += self.parted(inner, old.parameters[counts:], apart)
        self.into(inner, old.operations[:-1])
        ends = zip(old.operations[-1].operands, given, strict=True)
        Builder(inner).emit("yield", [value for end, numbers in ends for value in self.spread(end, numbers)])
        return inner

    def parted(self, home: Region, values: list[Value], apart: list[bool]) -> list[Value]:
        """What a loop carries, as parameters or results."""
        made: list[Value] = []
        for old, numbers in zip(values, apart, strict=True):
            made += self.split(home, old) if numbers else [self.copier.define(old)]
            if not numbers:
                self.keep(home, old)
        return made

    def spread(self, old: Value, numbers: bool) -> list[Value]:
        """A value as what stands for it: its numbers, or itself."""
        if numbers:
            return list(self.numbers(old))
        self.whole(old)
        return [self.copier(old)]

    def stays_apart(self, parameter: Value, end: Value) -> bool:
        """Whether all that a loop does to a small array, from what it is given to what it hands on, can be done on numbers."""
        if parameter not in self.loops:
            self.loops[parameter] = True  # until something else is found, for loops may ask for each other
            self.loops[parameter] = self.is_apart(parameter, end)
        return self.loops[parameter]

    def is_apart(self, parameter: Value, end: Value) -> bool:
        if small_shape(parameter.type) is None or not self.on_numbers(parameter):
            return False
        while end is not parameter:
            one = self.origins.get(end)
            if one is None or not self.on_numbers(end) or not (has_rule(one) or one.name in ("if", "for", "while")):
                return False
            if one.name not in IN_PLACE:
                break
            end = one.operands[0]
        return True

    def on_numbers(self, value: Value) -> bool:
        """Whether each user of a small array needs its numbers only."""
        return all(self.takes_numbers(user, value) for user in self.users.get(value, ()))

    def takes_numbers(self, user: Operation, value: Value) -> bool:
        if user.name == "yield":
            return True
        if user.name in ("for", "while"):
            counts = 1 if user.name == "for" else 0
            places = [place for place, start in enumerate(user.operands[counts:]) if start is value]
            ends = user.regions[-1].operations[-1].operands
            return all(self.stays_apart(region.parameters[place + counts], ends[place]) for place in places for region in user.regions)
        if not has_rule(user) or any(small_shape(each.type) is None and not isinstance(each.type, Scalar) for each in user.results):
            return user.name in ("update", "accumulate_at") and value is user.operands[-1]
        if user.name in INDEXING:
            indices = user.operands[1:] if user.name in ("at", "slice") else user.operands[1:-1]
            return all(self.is_constant(index) for index in indices)
        return user.name in RULES or prod(small_shape(value.type) or ()) <= most_computed(user.name)

    def is_constant(self, old: Value) -> bool:
        one = self.origins.get(old)
        return self.copier(old) in self.constants or (one is not None and one.name == "constant")


IN_PLACE = frozenset({"update", "update_slice", "accumulate", "accumulate_at", "accumulate_slice"})
INDEXING = frozenset({"at", "slice", "update", "update_slice", "accumulate_at", "accumulate_slice"})


def indexes_small(body: Region) -> bool:
    """Whether a loop's index, or one computed from it, is a place in a small array."""
    indices = {body.parameters[0]}
    for one in operations_in(body):
        if one.name in INDEXING and small_shape(one.operands[0].type) and not indices.isdisjoint(one.operands[1:]):
            return True
        if one.name in COUNTING and not indices.isdisjoint(one.operands):
            indices.update(one.results)
    return False


COUNTING = frozenset({"add", "sub", "mul", "check_index"})
