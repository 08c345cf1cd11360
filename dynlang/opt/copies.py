"""Where a copy can happen: the changes of blocks that may have several owners when the program runs.

An operation that consumes its operand writes in place if the operand's count is one, and copies it first otherwise. The counts
are known: `count_references` has put a `retain` wherever something else still needs a value. So this follows, from the
operations that make a block to those that change it, whether another reference may exist; and says which one.

Law: a program copies nothing at an operation that isn't listed. (What is listed may still run with a count of one: a branch
that isn't taken, a second trip.)

    func @f(%x: f32[4], %i: i64, %v: f32) -> (f32[4], f32) {
      retain %x
      %y: f32[4] = update %x, %i, %v          <- a copy: %x belongs to the caller

For each value two things are followed: whether the block itself may be shared, and whether a block inside it may. Of a
function's parameters this is left open (`Cause.incoming`), and asked at each call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from dynlang.ops import OPS
from dynlang.opt.depend import used
from dynlang.source import Span
from dynlang.ssa.nodes import Array, Box, Function, List, Module, Operation, Region, Value, ValueType
from dynlang.ssa.ownership import consumed_operands, stores


@dataclass(frozen=True, slots=True)
class Reason:
    """Which other reference there may be. `kind`: again (used later), trip (a loop needs it each time), caller (a parameter),
    part (it stays inside something), kept (it was put somewhere else, too), constant."""

    kind: str
    span: Span | None
    once: bool = False
    """Only what a loop begins with has it: after the first trip it is gone."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a block may be shared: a reason, or what was handed in as parameters (position, whether inside of it)."""

    reason: Reason | None = None
    incoming: frozenset[tuple[int, bool]] = frozenset()

    def __or__(self, other: Cause) -> Cause:
        stronger = self.reason is None or (self.reason.once and other.reason is not None and not other.reason.once)
        reason = other.reason if stronger else self.reason
        if reason is self.reason and other.incoming <= self.incoming:
            return self
        return Cause(reason, self.incoming | other.incoming)

    def at_first(self) -> Cause:
        """What holds in the first trip of a loop."""
        return self if self.reason is None or self.reason.once else Cause(replace(self.reason, once=True), self.incoming)

    def __bool__(self) -> bool:
        return self.reason is not None or bool(self.incoming)


UNSHARED = Cause()
TAKES = frozenset({"list_take", "take"})


@dataclass(slots=True)
class State:
    """What is known of a value: its block is shared, a block inside it is; and both as far as it is this function's doing."""

    top: Cause = UNSHARED
    deep: Cause = UNSHARED
    kept: Cause = UNSHARED
    deep_kept: Cause = UNSHARED


@dataclass(frozen=True, slots=True)
class Site:
    """An operation that may copy what it changes."""

    operation: Operation
    function: Function
    reason: Reason
    in_loop: bool


@dataclass
class Summary:
    """What callers must know of a function, and what is left to be asked of them."""

    results: list[tuple[Cause, Cause]] = field(default_factory=list)
    kept: dict[int, tuple[Cause, Cause]] = field(default_factory=dict)
    sites: dict[Operation, tuple[Cause, bool]] = field(default_factory=dict)
    calls: dict[Operation, list[tuple[Cause, Cause]]] = field(default_factory=dict)


def copies(module: Module) -> list[Site]:
    """The places where a copy can happen, in a module whose counts are in it."""
    bodies = {name: _Body(one, module) for name, one in module.functions.items()}
    summaries = {name: Summary() for name in bodies}
    changed = True
    while changed:
        changed = False
        for name, body in bodies.items():
            found = body.run(summaries)
            if found != summaries[name]:
                summaries[name], changed = found, True
    return resolve(module, summaries)


def resolve(module: Module, summaries: dict[str, Summary]) -> list[Site]:
    """The sites that are reached with a shared block: what calls hand in is followed from the roots."""
    handed: dict[str, dict[tuple[int, bool], Reason]] = {name: {} for name in (module.roots or module.functions)}

    def known(name: str, cause: Cause) -> Reason | None:
        return cause.reason or next((handed[name][one] for one in sorted(cause.incoming) if one in handed[name]), None)

    work = list(handed)
    while work:
        name = work.pop()
        for call, arguments in summaries[name].calls.items():
            callee = str(call.attributes["function"])
            fresh = callee not in handed
            inside = handed.setdefault(callee, {})
            for position, causes in enumerate(arguments):
                for deep, cause in enumerate(causes):
                    reason = known(name, cause)
                    if reason is not None and (position, bool(deep)) not in inside:
                        inside[position, bool(deep)] = reason
                        fresh = True
            if fresh:
                work.append(callee)
    found = []
    for name in handed:
        for operation, (cause, in_loop) in summaries[name].sites.items():
            reason = known(name, cause)
            if reason is not None:
                found.append(Site(operation, module.functions[name], reason, in_loop))
    return found


def has_parts(kind: ValueType) -> bool:
    """Whether a block of this kind can hold other blocks."""
    match kind:
        case Array(element, _):
            return not hasattr(element, "dtype")
        case List(elements):
            return any(not hasattr(one, "dtype") for one in elements)
    return isinstance(kind, Box)


@dataclass(frozen=True, slots=True)
class Level:
    """Where the walk stands in one region: its operations, the one at hand, and what the region belongs to."""

    region: Region
    position: int
    owner: Operation | None


class _Body:
    """One function. `run` goes over it until nothing changes, and gives its summary."""

    def __init__(self, function: Function, module: Module) -> None:
        self.function = function
        self.module = module
        self.state: defaultdict[Value, State] = defaultdict(State)
        self.parts: dict[Value, Value] = {}
        self.reads: dict[Value, Operation] = {}
        self.opened: set[Value] = set()
        self.boxes: dict[Value, Value] = {}
        self.constants: set[Value] = set()
        self.later: dict[int, dict[Value, list[int]]] = {}
        self.levels: list[Level] = []
        self.summary = Summary()
        self.changed = False
        for position, one in enumerate(function.parameters):
            state = self.state[one]
            if position in function.owned:
                state.top, state.deep = Cause(None, frozenset({(position, False)})), Cause(None, frozenset({(position, True)}))
            else:
                state.top = state.deep = Cause(Reason("caller", function.span))

    def run(self, summaries: dict[str, Summary]) -> Summary:
        self.summaries = summaries
        self.changed = True
        while self.changed:
            self.changed = False
            self.summary = Summary(results=[(UNSHARED, UNSHARED)] * len(self.function.results))
            self.region(self.function.body, None)
        for position, one in enumerate(self.function.parameters):
            state = self.state[one]
            if state.kept or state.deep_kept:
                self.summary.kept[position] = (state.kept, state.deep_kept)
        return self.summary

    # -- what is known

    def top(self, value: Value) -> Cause:
        state = self.state[value]
        return state.top | state.kept

    def deep(self, value: Value) -> Cause:
        state = self.state[value]
        return state.deep | state.deep_kept

    def add(self, value: Value, top: Cause = UNSHARED, deep: Cause = UNSHARED) -> None:
        if not value.counted:
            return
        state = self.state[value]
        before = state.top, state.deep
        state.top, state.deep = state.top | top, state.deep | deep
        self.changed = self.changed or before != (state.top, state.deep)

    def keep(self, value: Value, cause: Cause) -> None:
        """Another reference to the value goes on living: so what the value is a part of has a shared part."""
        state = self.state[value]
        before = state.kept
        state.kept |= cause
        self.changed = self.changed or before != state.kept
        while value in self.parts:
            value = self.parts[value]
            self.keep_inside(value, cause)

    def keep_inside(self, value: Value, cause: Cause) -> None:
        state = self.state[value]
        before = state.deep_kept
        state.deep_kept |= cause
        self.changed = self.changed or before != state.deep_kept

    # -- which use it is that needs the old value

    def uses(self, region: Region) -> dict[Value, list[int]]:
        """The positions at which a region uses each value, inner regions included; counts don't use."""
        found = self.later.get(id(region))
        if found is None:
            found = self.later[id(region)] = {}
            for position, one in enumerate(region.operations):
                if one.name not in ("retain", "release"):
                    for value in used(one):
                        found.setdefault(value, []).append(position)
        return found

    def again(self, value: Value) -> Cause:
        """What still needs a value at the operation at hand."""
        if value in self.constants:
            return Cause(Reason("constant", None))
        for level in reversed(self.levels):
            here = level.region.operations[level.position]
            positions = self.uses(level.region).get(value, [])
            after = next((k for k in positions if k > level.position), None)
            if after is not None:
                return Cause(Reason("again", place_of(level.region.operations[level.position + 1:after + 1], value)))
            if level is self.levels[-1] and (here.operands.count(value) > 1 or any(value in used(one) for one in inner(here))):
                return Cause(Reason("again", use_span(here, value)))
            if value in level.region.parameters or any(value in one.results for one in level.region.operations):
                break
            if level.owner is not None and level.owner.name in ("for", "while"):
                return Cause(Reason("trip", level.owner.span))
        if value in self.boxes and value not in self.opened:
            here = self.levels[-1].region.operations[self.levels[-1].position]
            return Cause(Reason("again", here.span)) if self.boxes[value] in here.operands else self.again(self.boxes[value])
        if value in self.function.parameters and self.function.parameters.index(value) not in self.function.owned:
            return Cause(Reason("caller", self.function.span))
        return Cause(Reason("part", here_span(self.levels)))

    # -- the walk

    def region(self, region: Region, owner: Operation | None) -> list[Value]:
        """The values that a region gives."""
        operations = region.operations
        retained: list[Value] = []
        for position, one in enumerate(operations):
            self.levels.append(Level(region, position, owner))
            if one.name == "retain":
                (value,) = one.operands
                if not self.opens(region, owner, value, position):
                    retained.append(value)
            elif one.name != "release":
                self.operation(one, retained)
                retained = []
            self.levels.pop()
        return operations[-1].operands

    def opens(self, region: Region, owner: Operation | None, value: Value, position: int) -> bool:
        """Whether a retain takes a payload out of a box that dies: the first one of a payload in such an arm."""
        if owner is None or owner.name != "switch" or value not in region.parameters or value not in self.opened:
            return False
        return not any(one.name == "retain" and one.operands[0] is value for one in region.operations[:position])

    def operation(self, one: Operation, retained: Sequence[Value]) -> None:
        row = OPS.get(one.name)
        changed = one.operands[0] if row is not None and row.has("consumes") and one.operands and one.operands[0].counted else None
        consumed = [one.operands[i] for i in consumed_operands(one, self.module.functions)]
        kept = list(retained)
        if changed is not None and changed in kept:
            kept.remove(changed)
        for value in kept:
            stored = one.name == "construct" or any(stores(one, i) for i, each in enumerate(one.operands) if each is value)
            self.keep(value, Cause(Reason("kept", one.span)) if stored and one.span is not None else self.again(value))
        for value in consumed[1:] if changed is not None else consumed:
            if value in self.parts and "reuse" not in one.attributes:
                self.keep(value, Cause(Reason("part", one.span)))
        if changed is not None:
            self.change(one, changed, changed in retained)
        elif "reuse" not in one.attributes:
            getattr(self, f"do_{one.name}", self.read)(one)

    def change(self, one: Operation, changed: Value, retained: bool) -> None:
        """An operation that writes its first operand in place, or in a copy."""
        cause = self.top(changed) | (self.again(changed) if retained else UNSHARED)
        inside = self.deep(changed)
        if cause:
            before = self.summary.sites.get(one, (UNSHARED, False))[0]
            in_loop = any(level.owner is not None and level.owner.name in ("for", "while") for level in self.levels)
            self.summary.sites[one] = (before | cause, in_loop)
            if has_parts(changed.type):
                inside |= cause
                self.keep_inside(changed, cause)
        for position, value in enumerate(one.operands[1:], 1):
            if stores(one, position):
                inside |= self.top(value) | self.deep(value)
            elif value.counted and has_parts(value.type):
                inside |= Cause(Reason("part", one.span))
                self.keep_inside(value, Cause(Reason("part", one.span)))
        first, *rest = one.results
        self.add(first, UNSHARED, inside)
        for item in rest:
            self.add(item, inside, inside)

    def read(self, one: Operation) -> None:
        """A row that borrows: a reference in its result is one more to what the operands hold."""
        if one.name == "fused":
            return
        for result in one.results:
            if not result.counted:
                continue
            for value in one.operands:
                if value.counted and has_parts(value.type):
                    self.part(result, value, one)
                elif value.counted and has_parts(result.type):
                    self.keep(value, Cause(Reason("kept", one.span)))
                    self.add(result, UNSHARED, Cause(Reason("kept", one.span)))

    def part(self, result: Value, whole: Value, one: Operation) -> None:
        """`result` is, or holds, what stays in `whole`."""
        cause = self.again(whole)
        if one.name in ("list_get", "at"):
            self.parts[result] = whole
            self.reads[result] = one
            self.add(result, Cause(Reason("part", cause.reason.span if cause.reason is not None else one.span)), self.deep(whole) | cause)
        else:
            self.keep_inside(whole, Cause(Reason("kept", one.span)))
            self.add(result, UNSHARED, self.deep(whole) | Cause(Reason("kept", one.span)))

    # -- structure

    def do_constant(self, one: Operation) -> None:
        self.constants.update(one.results)
        self.add(one.results[0], Cause(Reason("constant", one.span)))

    def do_reshape(self, one: Operation) -> None:
        """The same block under another type; if the old name dies here, nothing is shared."""
        (value,), (result,) = one.operands, one.results
        level = self.levels[-1]
        for following in level.region.operations[level.position + 1:]:
            if following.name not in ("retain", "release"):
                break
            if following.name == "release" and following.operands[0] is value:
                self.add(result, self.top(value), self.deep(value))
                return
        cause = self.again(value)
        self.keep(value, cause)
        self.add(result, self.top(value) | cause, self.deep(value))

    def do_construct(self, one: Operation) -> None:
        inside = UNSHARED
        for value in one.operands:
            if value.counted:
                inside |= self.top(value) | self.deep(value)
        self.add(one.results[0], UNSHARED, inside)

    def flow(self, targets: Iterable[Value], sources: Iterable[Value], at_first: bool = False) -> None:
        for target, source in zip(targets, sources, strict=True):
            if source.counted:
                top = self.top(source)
                self.add(target, top.at_first() if at_first else top, self.deep(source))

    def do_if(self, one: Operation) -> None:
        for region in one.regions:
            self.flow(one.results, self.region(region, one))

    def do_switch(self, one: Operation) -> None:
        box = one.operands[0]
        for region in one.regions:
            dies = any(each.name == "release" and each.operands[0] is box for each in region.operations)
            top, inside = self.let_go(region, box)
            whole = top | inside
            for value in region.parameters:
                if value.counted:
                    self.boxes[value] = box
                    if dies:
                        self.opened.add(value)
                        self.add(value, whole, inside)
                    else:
                        self.parts[value] = box
                        self.add(value, whole | self.again(box), inside)
            self.flow(one.results, self.region(region, one))

    def let_go(self, region: Region, box: Value) -> tuple[Cause, Cause]:
        """Why a box, and what is inside it, may be shared in a case: not for what it was read from, if that lets go of it there."""
        read, whole = self.reads.get(box), self.parts.get(box)
        if read is None or whole is None or not any(one.name in TAKES and one.operands == read.operands for one in region.operations):
            return self.top(box), self.deep(box)
        retained = any(one.name == "retain" and one.operands[0] is whole for one in region.operations)
        inside = self.deep(whole) | self.top(whole) | (Cause(Reason("kept", read.span)) if retained else UNSHARED)
        return self.state[box].kept | inside, self.state[box].deep_kept | inside

    def do_for(self, one: Operation) -> None:
        (body,) = one.regions
        self.loop(one, one.operands[1:], body.parameters[1:], body)

    def do_while(self, one: Operation) -> None:
        condition, body = one.regions
        self.flow(condition.parameters, one.operands)
        self.flow(condition.parameters, body.operations[-1].operands)
        self.region(condition, one)
        self.loop(one, one.operands, body.parameters, body)

    def loop(self, one: Operation, first: Sequence[Value], carried: Sequence[Value], body: Region) -> None:
        self.flow(carried, first, at_first=True)
        self.flow(one.results, first)
        self.flow(carried, self.region(body, one))
        self.flow(one.results, body.operations[-1].operands)

    def do_return(self, one: Operation) -> None:
        for position, value in enumerate(one.operands):
            top, deep = self.summary.results[position]
            if value.counted:
                self.summary.results[position] = (top | self.top(value), deep | self.deep(value))

    def do_yield(self, one: Operation) -> None:
        """The region's owner takes the values over."""

    def do_call(self, one: Operation) -> None:
        name = str(one.attributes["function"])
        callee, summary = self.module.functions[name], self.summaries[name]
        for position, (kept, inside) in summary.kept.items():
            value = one.operands[position]
            if kept:
                self.keep(value, Cause(Reason("kept", one.span)))
            if inside:
                self.keep_inside(value, Cause(Reason("kept", one.span)))
        arguments = [(self.top(value), self.deep(value)) if value.counted else (UNSHARED, UNSHARED) for value in one.operands]
        self.summary.calls[one] = [pair if i in callee.owned else (UNSHARED, UNSHARED) for i, pair in enumerate(arguments)]
        for result, causes in zip(one.results, summary.results or [(UNSHARED, UNSHARED)] * len(one.results), strict=True):
            if result.counted:
                self.add(result, *(self.outside(cause, arguments) for cause in causes))

    @staticmethod
    def outside(cause: Cause, arguments: Sequence[tuple[Cause, Cause]]) -> Cause:
        """A callee's cause as its caller sees it."""
        found = Cause(cause.reason)
        for position, deep in sorted(cause.incoming):
            found |= arguments[position][deep]
        return found


def inner(one: Operation) -> Iterable[Operation]:
    return [each for region in one.regions for each in region.operations]


def use_span(one: Operation, value: Value) -> Span | None:
    """Where an operation, or one inside it, uses a value."""
    for each in inner(one):
        if each.name not in ("retain", "release") and value in used(each):
            found = use_span(each, value)
            return found if found is not None else one.span
    return one.span


def place_of(operations: Sequence[Operation], value: Value) -> Span | None:
    """Where the last of these operations uses a value; if it has no place of its own, the statement before it."""
    places = (use_span(operations[-1], value), *(one.span for one in reversed(operations)))
    return next((span for span in places if span is not None), None)


def here_span(levels: Sequence[Level]) -> Span | None:
    return levels[-1].region.operations[levels[-1].position].span if levels else None


__all__ = ["Cause", "Reason", "Site", "copies"]
