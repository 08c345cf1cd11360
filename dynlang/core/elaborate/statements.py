"""Statements: variables become values, early exits become results.

A list of statements is elaborated up to the end of a **region**: a function body, a trip of a loop, or a stretch of
statements that may be left early. Everything that leaves the region (its end, `return`, `break`, `continue`) gives the
region's results. What stands after a branch that may leave goes into the arms that don't, so no flag is needed
for `return` outside of loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dynlang.check import typed
from dynlang.core.build import integer, text, truth
from dynlang.core.elaborate.expressions import bind, expression
from dynlang.core.elaborate.formats import joined_text
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import own_sizes
from dynlang.core.elaborate.module import Instance
from dynlang.core.elaborate.places import Held, read_steps, write_place
from dynlang.core.elaborate.values import NOTHING, Value
from dynlang.core.nodes import Arm, Atom, Block, Case, For, If, Literal, Operation, Variable, While
from dynlang.core.sizes import rename_telescope
from dynlang.diag import InternalError
from dynlang.types import BOOL, INT, UNIT, IndexType, Size, SumType, Type

BAR = 30
"""Characters of a progress bar."""
LARGEST_COPY = 2
"""Statements after a branch that are copied into several arms; more are put behind a flag."""


# ---------------------------------------------------------------- regions


@dataclass
class Region:
    """What the end of a list of statements gives, by how it is reached."""

    frame: Frame

    def finish(self, how: str, value: Value) -> list[Atom]:
        raise NotImplementedError

    def telescope(self) -> tuple[Variable, ...]:
        raise NotImplementedError

    def returned_atoms(self, value: Value) -> list[Atom]:
        """A value as the function returns it."""
        frame = self.frame
        return frame.retyped_atoms(frame.stored(value), frame.layouts.stored(frame.returns))


@dataclass
class FunctionRegion(Region):
    """A function: its result, then its `inout` parameters."""

    handed_back: list[tuple[str, Type]]

    def finish(self, how: str, value: Value) -> list[Atom]:
        if how == "end" and self.frame.returns != UNIT:
            own = self.frame.placeholders(self.frame.layouts.stored(self.frame.returns))
        else:
            own = self.returned_atoms(value)
        return [*own, *self.frame.current(self.handed_back)]

    def telescope(self) -> tuple[Variable, ...]:
        return self.frame.telescope([("result", self.frame.returns), *self.handed_back])


@dataclass
class FlaggedRegion(Region):
    """A trip of a loop, or statements that may be left: values of locals; then whether it goes on; then the returned value.

    `leaves` has a flag that is true while the region's surroundings go on; `returns` a flag and a value for `return`.
    `held` stands in the value's place in a trip that doesn't return: what the trip began with, so nothing is made for it.
    """

    kinds: list[tuple[str, Type]]
    leaves: bool
    returns: bool
    ends_on_continue: bool = True
    held: tuple[Atom, ...] = ()

    def finish(self, how: str, value: Value) -> list[Atom]:
        frame = self.frame
        atoms = frame.current(self.kinds)
        if self.leaves:
            atoms.append(truth(how == "end" or (how == "continue" and self.ends_on_continue)))
        if self.returns:
            atoms.append(truth(how == "return"))
            places = frame.layouts.stored(frame.returns)
            atoms += self.returned_atoms(value) if how == "return" else self.held or frame.placeholders(places)
        return atoms

    def enter(self, carried: Sequence[Variable]) -> None:
        """Begins a trip with what the loop carries."""
        self.split(carried)
        if self.returns:
            self.held = tuple(carried[len(carried) - len(self.frame.layouts.stored(self.frame.returns)):])

    def extra(self) -> list[tuple[str, Type]]:
        flags: list[tuple[str, Type]] = [("going", BOOL)] if self.leaves else []
        return flags + ([("returned", BOOL), ("result", self.frame.returns)] if self.returns else [])

    def telescope(self) -> tuple[Variable, ...]:
        return self.frame.telescope([*self.kinds, *self.extra()])

    def initial(self) -> list[Atom]:
        """The results before anything has happened."""
        return self.finish("end", NOTHING)

    def split(self, atoms: Sequence[Variable]) -> tuple[Variable | None, Variable | None, Value]:
        """Takes the locals' values over; gives the two flags and the returned value."""
        frame = self.frame
        count = sum(len(frame.layouts.entries(kind)) for _, kind in self.kinds)
        frame.assign_all(self.kinds, atoms[:count])
        rest = list(atoms[count:])
        going = rest.pop(0) if self.leaves else None
        if not self.returns:
            return going, None, NOTHING
        return going, rest[0], frame.unstored(frame.returns, rest[1:])


def function_body(frame: Frame, instance: Instance) -> Block:
    """The body of an instance."""
    function = instance.function
    handed_back = [(one.local.name, instance.locals[one.local.name].type) for one in function.parameters if one.mode == "inout"]
    frame.region = FunctionRegion(frame, handed_back)
    results = tail(frame, function.body, frame.region)
    return frame.builder.block(*results)


def expanded_body(frame: Frame, function: typed.Function) -> Value:
    """The value of a body in place of a call: known functions stay known where it is straight."""
    *before, last = function.body
    facts = frame.elaborator.facts
    if isinstance(last, typed.Return) and not any(facts.escapes(one) for one in before):
        for one in before:
            statement(frame, one)
        return expression(frame, last.value) if last.value is not None else NOTHING
    handed_back = [(one.local.name, frame.locals[one.local.name].type) for one in function.parameters if one.mode == "inout"]
    region = FunctionRegion(frame, handed_back)
    frame.region = region
    results = tail(frame, function.body, region)
    count = len(frame.layouts.entries(frame.returns))
    frame.assign_all(handed_back, results[count:])
    return frame.unstored(frame.returns, results[:count])


# ---------------------------------------------------------------- lists of statements


def tail(frame: Frame, statements: Sequence[typed.Statement], region: Region) -> list[Atom]:
    """The region's results, from a point whose end is the region's end."""
    facts = frame.elaborator.facts
    for position, one in enumerate(statements):
        if not facts.escapes(one):
            statement(frame, one)
            continue
        frame.builder.span = getattr(one, "span", None) or frame.builder.span
        rest = tuple(statements[position + 1:])
        match one:
            case typed.Return(value, _):
                return region.finish("return", NOTHING if value is None else expression(frame, value))
            case typed.Break():
                return region.finish("break", NOTHING)
            case typed.Continue():
                return region.finish("continue", NOTHING)
            case typed.If() | typed.Match():
                return tail_branch(frame, one, rest, region)
            case typed.For() | typed.While():
                return after_leaving(frame, loop(frame, one), rest, region)
        raise InternalError(f"{type(one).__name__} can't be left", frame.builder.span)
    return region.finish("end", NOTHING)


def arms_of(one: typed.If | typed.Match) -> list[tuple[typed.Statement, ...]]:
    if isinstance(one, typed.If):
        return [one.then, one.otherwise]
    return [arm.body for arm in one.arms] + ([one.otherwise] if one.otherwise is not None else [])


def falls_through(statements: Sequence[typed.Statement]) -> bool:
    """Whether the end of these statements can be reached, as far as their shape tells."""
    if not statements:
        return True
    last = statements[-1]
    if isinstance(last, (typed.Return, typed.Break, typed.Continue)):
        return False
    if isinstance(last, (typed.If, typed.Match)):
        return any(falls_through(arm) for arm in arms_of(last))
    return True


def tail_branch(frame: Frame, one: typed.If | typed.Match, rest: tuple[typed.Statement, ...], region: Region) -> list[Atom]:
    going_on = sum(falls_through(arm) for arm in arms_of(one))
    simple = len(rest) <= LARGEST_COPY and not any(isinstance(after, (typed.If, typed.Match, typed.For, typed.While)) for after in rest)
    facts = frame.elaborator.facts.of(one)
    if going_on > 1 and not simple and not (facts.breaks and facts.continues):
        return behind_flag(frame, one, rest, region)
    telescope = region.telescope()
    if isinstance(one, typed.If):
        condition = expression(frame, one.condition).atom
        blocks = [frame.block(lambda arm=arm: tail(frame, (*arm, *rest), region)) for arm in (one.then, one.otherwise)]
        return list(frame.merge(If(condition, *blocks), telescope, one.span))
    return list(match(frame, one, telescope, lambda arm: tail(frame, (*arm, *rest), region)))


def behind_flag(frame: Frame, one: typed.If | typed.Match, rest: tuple[typed.Statement, ...], region: Region) -> list[Atom]:
    """The branch gives values and flags; what follows runs where it wasn't left."""
    facts = frame.elaborator.facts.of(one)
    kinds = frame.carried_locals(facts.assigned)
    inner = FlaggedRegion(frame, kinds, facts.breaks or facts.continues, facts.returns, ends_on_continue=False)
    results = tail_branch(frame, one, (), inner)
    going, returned, value = inner.split(results)  # type: ignore[arg-type]
    how = "break" if facts.breaks else "continue"
    return after_leaving(frame, (going, returned, value), rest, region, how)


def after_leaving(frame: Frame, left: tuple[Variable | None, Variable | None, Value], rest: tuple[typed.Statement, ...],
                  region: Region, how: str = "") -> list[Atom]:
    """What follows something that may have returned, or (with `how`) have left the region otherwise."""
    going, returned, value = left
    if returned is not None:
        telescope = region.telescope()
        then = frame.block(lambda: region.finish("return", value))
        otherwise = frame.block(lambda: after_leaving(frame, (going, None, value), rest, region, how))
        return list(frame.merge(If(returned, then, otherwise), telescope))
    if going is not None and how:
        telescope = region.telescope()
        then = frame.block(lambda: tail(frame, rest, region))
        otherwise = frame.block(lambda: region.finish(how, NOTHING))
        return list(frame.merge(If(going, then, otherwise), telescope))
    return tail(frame, rest, region)


def match(frame: Frame, one: typed.Match, telescope: Sequence[Variable], body) -> tuple[Variable, ...]:
    """A `Case` with an arm for each constructor; `body` elaborates an arm's statements to results."""
    value = expression(frame, one.scrutinee)
    kind = value.atom.type
    if not isinstance(kind, SumType):
        raise InternalError(f"a match on a {kind}", one.span)
    declaration = frame.elaborator.sums[kind.name]
    named = {frame.layouts.constructor_names[kind.name, arm.constructor]: arm for arm in one.arms}
    assert isinstance(value.type, SumType)
    arms: list[Arm] = []
    for constructor in declaration.constructors:
        arm = named.get(constructor.name)
        with frame.inside() as builder:
            hints = iter_names(frame, value.type, arm, constructor.fields)
            fields = rename_telescope(constructor.fields, lambda _, hints=hints: builder.names.fresh(next(hints)),
                                      own_sizes(declaration, kind), builder.known)
            if arm is not None:
                bind_fields(frame, value.type, arm, fields)
            statements = arm.body if arm is not None else one.otherwise
            if statements is None:
                raise InternalError(f"no arm for {constructor.name}", one.span)
            results = body(statements)
            arms.append(Arm(constructor.name, fields, builder.block(*results)))
    return frame.merge(Case(value.atom, tuple(arms)), telescope, one.span)


def field_types(frame: Frame, kind: SumType, constructor: str) -> list[Type]:
    """The types of a constructor's payload, as the program declares them."""
    from dynlang.core.elaborate.values import generic_arguments
    from dynlang.types import substitute

    declaration = frame.elaborator.program.sums[kind.name]
    sizes, types = generic_arguments(declaration.generics, kind.arguments)
    found = next(one for one in declaration.constructors if one.name == constructor)
    return [substitute(one, sizes, types) for _, one in found.fields]


def bind_fields(frame: Frame, kind: SumType, arm: typed.Arm, fields: Sequence[Variable]) -> None:
    at = 0
    for local, declared in zip(arm.fields, field_types(frame, kind, arm.constructor), strict=True):
        count = len(frame.layouts.entries(declared))
        value = frame.unstored(declared, fields[at:at + count])
        at += count
        if local is not None:
            frame.bind(local, value)


def iter_names(frame: Frame, kind: SumType, arm: typed.Arm | None, fields: Sequence[Variable]):
    """Wished names of an arm's fields: the user's where the payload is one value."""
    if arm is None:
        return iter([one.name for one in fields])
    names: list[str] = []
    for local, declared in zip(arm.fields, field_types(frame, kind, arm.constructor), strict=True):
        count = len(frame.layouts.entries(declared))
        own = [one.name for one in fields[len(names):len(names) + count]]
        names += [local.name] if local is not None and count == 1 else own
    return iter(names)


# ---------------------------------------------------------------- single statements


def statement(frame: Frame, one: typed.Statement) -> None:
    """A statement that control leaves at its end only."""
    span = getattr(one, "span", None)
    if span is not None:
        frame.builder.span = span
    match one:
        case typed.Bind(binding):
            bind(frame, binding)
        case typed.Assign():
            assign(frame, one)
        case typed.If() | typed.Match():
            branch(frame, one)
        case typed.For() | typed.While():
            loop(frame, one)
        case typed.Assert():
            check_assertion(frame, one)
        case typed.Evaluate(value):
            expression(frame, value)
        case typed.Missing(place):
            frame.builder.span = place
            frame.builder.operations("fail", text("this isn't written yet: `...`"))
        case _:
            raise InternalError(f"no elaboration of {type(one).__name__}", span)


def assign(frame: Frame, one: typed.Assign) -> None:
    """The places' indices are read first, then the value; then all are written, left to right."""
    held: list[Held | None] = [read_steps(frame, place) if place is not None and place.steps else None for place in one.places]
    value = expression(frame, one.value)
    if len(one.places) == 1:
        parts = [value]
    else:
        parts = frame.items(value)
    for place, part, steps in zip(one.places, parts, held, strict=True):
        if place is not None:
            if not place.steps:
                frame.wish(part, place.root.name)
            write_place(frame, place, part, steps)


def branch(frame: Frame, one: typed.If | typed.Match) -> None:
    """A branch whose arms all end; locals assigned in any arm are merged."""
    kinds = frame.carried_locals(frame.elaborator.facts.of(tuple(arms_of(one))).assigned)

    def arm(statements: Sequence[typed.Statement]) -> list[Atom]:
        for inner in statements:
            statement(frame, inner)
        return frame.current(kinds)

    if isinstance(one, typed.If):
        condition = expression(frame, one.condition).atom
        if isinstance(condition, Literal):
            chosen = one.then if condition.value else one.otherwise
            for inner in chosen:
                statement(frame, inner)
            return
        telescope = frame.telescope(kinds)
        blocks = [frame.block(lambda statements=statements: arm(statements)) for statements in (one.then, one.otherwise)]
        results: Sequence[Variable] = frame.merge(If(condition, *blocks), telescope, one.span)
    else:
        results = match(frame, one, frame.telescope(kinds), arm)
    frame.assign_all(kinds, results)


def check_assertion(frame: Frame, one: typed.Assert) -> None:
    condition = expression(frame, one.condition).atom
    shown = f"assertion failed: {one.condition.span.text}"
    if one.message is None:
        frame.check(condition, shown, one.span, "DYN0906")
        return
    message = one.message

    def complain() -> list[Atom]:
        given = expression(frame, message).atom
        frame.builder.operations("fail", joined_text(frame, [f"{shown}: ", given]))
        return []

    then = frame.builder.inside().block()
    frame.builder.emit(If(condition, then, frame.block(complain)), types=(), span=one.span)


# ---------------------------------------------------------------- loops


def loop(frame: Frame, one: typed.For | typed.While) -> tuple[Variable | None, Variable | None, Value]:
    """A loop. What may leave it: the flag that it has returned, and the returned value; its own breaks stay inside."""
    facts = frame.elaborator.facts
    inside = facts.of(one.body)
    assigned = facts.of((one.condition, one.body) if isinstance(one, typed.While) else one.body).assigned
    kinds = frame.carried_locals(assigned)
    region = FlaggedRegion(frame, kinds, inside.breaks or inside.returns, inside.returns)
    if isinstance(one, typed.While):
        results = while_loop(frame, one, region)
    elif region.leaves:
        results = for_with_exit(frame, one, region)
    else:
        results = for_loop(frame, one, region)
    _, returned, value = region.split(results)
    return None, returned, value


def for_loop(frame: Frame, one: typed.For, region: FlaggedRegion) -> tuple[Variable, ...]:
    count = expression(frame, one.count).atom
    progress = Progress.begin(frame, one, count)
    carried = region.telescope()
    initial = frame.retyped_atoms(region.initial(), carried)
    index = Variable(frame.builder.names.fresh(index_name(one)), INT)
    with frame.inside() as builder:
        region.enter(carried)
        enter_trip(frame, one, index)
        progress.step(frame, index)
        results = tail(frame, one.body, region)
        body = builder.block(*results)
    telescope = region.telescope()
    done = frame.merge(For(index, count, carried, tuple(initial), body, one.slots), telescope, one.span)
    progress.end(frame)
    return done


def enter_trip(frame: Frame, one: typed.For, index: Variable) -> None:
    frame.bind(one.index, Value(frame.type(one.index.type), (index,)))
    for binding in one.bindings:
        bind(frame, binding)


def index_name(one: typed.For) -> str:
    return one.index.name if one.index.name and one.index.name != "_" else "i"


def for_with_exit(frame: Frame, one: typed.For, region: FlaggedRegion) -> tuple[Variable, ...]:
    """A ``for`` that may be left is a ``while`` over its index."""
    count = expression(frame, one.count).atom
    progress = Progress.begin(frame, one, count)
    index = Variable(frame.builder.names.fresh(index_name(one)), INT)
    carried = region.telescope()
    initial = [integer(0), *frame.retyped_atoms(region.initial(), carried)]
    going = going_flag(frame, region, carried)
    with frame.inside() as builder:
        more = builder.operation("less", index, count, name="more")
        condition = builder.block(builder.operation("logical_and", more, going, name="both"))
    with frame.inside() as builder:
        region.enter(carried)
        enter_trip(frame, one, index)
        progress.step(frame, index)
        following = builder.operation("add", index, integer(1), name="next")
        results = tail(frame, one.body, region)
        body = builder.block(following, *results)
    last = Variable(frame.builder.names.fresh("trips"), INT)
    telescope = region.telescope()
    results = frame.merge(While((index, *carried), tuple(initial), condition, body, one.slots), (last, *telescope), one.span)
    progress.end(frame)
    return results[1:]


def going_flag(frame: Frame, region: FlaggedRegion, carried: Sequence[Variable]) -> Variable:
    return carried[sum(len(frame.layouts.entries(kind)) for _, kind in region.kinds)]


def while_loop(frame: Frame, one: typed.While, region: FlaggedRegion) -> tuple[Variable, ...]:
    facts = frame.elaborator.facts
    if facts.of(one.condition).assigned:
        return while_with_effects(frame, one, region)
    carried = region.telescope()
    initial = frame.retyped_atoms(region.initial(), carried)
    with frame.inside() as builder:
        region.split(carried)
        holds = expression(frame, one.condition).atom if not region.leaves else None
        if holds is None:
            going = going_flag(frame, region, carried)
            other = builder.inside().block(truth(False))
            inner = frame.block(lambda: [expression(frame, one.condition).atom])
            (holds,) = frame.merge(If(going, inner, other), frame.telescope([("holds", BOOL)]), one.span)
        condition = builder.block(holds)
    with frame.inside() as builder:
        region.enter(carried)
        body = builder.block(*tail(frame, one.body, region))
    return frame.merge(While(carried, tuple(initial), condition, body, one.slots), region.telescope(), one.span)


def while_with_effects(frame: Frame, one: typed.While, region: FlaggedRegion) -> tuple[Variable, ...]:
    """The condition changes variables: it is evaluated before the loop and at the end of each trip."""
    outer = FlaggedRegion(frame, region.kinds, True, region.returns)
    holds = expression(frame, one.condition).atom
    carried = outer.telescope()
    initial = outer.initial()
    at = sum(len(frame.layouts.entries(kind)) for _, kind in region.kinds)
    initial[at] = holds
    initial = frame.retyped_atoms(initial, carried)
    condition = frame.builder.inside().block(carried[at])
    with frame.inside() as builder:
        outer.enter(carried)
        region.held = outer.held
        results = trip_then_condition(frame, one, region, outer)
        body = builder.block(*results)
    results = frame.merge(While(carried, tuple(initial), condition, body, one.slots), outer.telescope(), one.span)
    return results if region.leaves else (*results[:at], *results[at + 1:])


def trip_then_condition(frame: Frame, one: typed.While, region: FlaggedRegion, outer: FlaggedRegion) -> list[Atom]:
    trip = tail(frame, one.body, region)
    going, returned, value = region.split(trip)  # type: ignore[arg-type]

    def again() -> list[Atom]:
        holds = expression(frame, one.condition).atom
        atoms = outer.finish("end", NOTHING)
        atoms[sum(len(frame.layouts.entries(kind)) for _, kind in outer.kinds)] = holds
        return atoms

    if going is None:
        return again()
    telescope = outer.telescope()
    stop = "return" if returned is not None else "break"
    if returned is None:
        blocks = frame.block(again), frame.block(lambda: outer.finish(stop, value))
        return list(frame.merge(If(going, *blocks), telescope, one.span))
    with frame.inside() as builder:
        inner = frame.block(lambda: outer.finish("return", value)), frame.block(lambda: outer.finish("break", NOTHING))
        left = frame.merge(If(returned, *inner), outer.telescope(), one.span)
        otherwise = builder.block(*left)
    return list(frame.merge(If(going, frame.block(again), otherwise), telescope, one.span))


# ---------------------------------------------------------------- progress


@dataclass
class Progress:
    """The line of ``progress(e, text)``: on a terminal, rewritten at each trip."""

    shown: Atom | None = None
    label: Atom | None = None
    count: Atom | None = None

    @staticmethod
    def begin(frame: Frame, one: typed.For, count: Atom) -> Progress:
        if one.progress is None:
            return Progress()
        label = expression(frame, one.progress).atom
        shown = frame.builder.operation("is_terminal", integer(2), name="shown")
        return Progress(shown, label, count)

    def step(self, frame: Frame, index: Atom) -> None:
        """``text [#####.....] 12/40``, when another hundredth of the trips begins."""
        if self.shown is None:
            return
        assert self.label is not None and self.count is not None
        label, count = self.label, self.count
        builder = frame.builder
        before = builder.operation("floor_division", builder.operation("mul", index, integer(100)), count, name="before")
        trip = builder.operation("add", index, integer(1), name="trip")
        part = builder.operation("floor_division", builder.operation("mul", trip, integer(100)), count, name="part")
        moved = builder.operation("not_equal", part, before, name="moved")

        def write() -> list[Atom]:
            inner = frame.builder
            filled = inner.operation("floor_division", inner.operation("mul", part, integer(BAR)), integer(100), name="filled")
            left = inner.operation("sub", integer(BAR), filled, name="left")
            done = inner.operation("string_slice", text("#" * BAR), integer(0), filled, name="done")
            rest = inner.operation("string_slice", text("." * BAR), integer(0), left, name="rest")
            line = joined_text(frame, ["\r", label, " [", done, rest, "] ", trip, "/", count])
            inner.operations("write_error", line)
            return []

        shown = builder.operation("logical_and", self.shown, moved, name="shown")
        builder.emit(If(shown, frame.block(write), builder.inside().block()), types=())

    def end(self, frame: Frame) -> None:
        if self.shown is None:
            return

        def write() -> list[Atom]:
            frame.builder.operations("write_error", text("\r\x1b[K"))
            return []

        self._when_shown(frame, write)

    def _when_shown(self, frame: Frame, write) -> None:
        assert self.shown is not None
        otherwise = frame.builder.inside().block()
        frame.builder.emit(If(self.shown, frame.block(write), otherwise), types=())


__all__ = ["IndexType", "Operation", "Size", "expanded_body", "function_body", "statement", "tail"]
