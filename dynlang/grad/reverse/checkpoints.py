"""Loops that keep a few states: ``for x in checkpoint(xs, slots=8)``, ``while checkpoint(c)``.

The forward keeps what the loop carries at the beginning of some trips, in `slots` places at most, and pushes no tape. The backward
goes through the trips from the last to the first: from the nearest state kept it runs the trips up to this one again, keeping
states on the way in the places that are free, then this trip's forward and its backward, side by side.

Which states are kept is decided while the number of trips is unknown (Wang, Moin and Iaccarino 2009, minimal repetition dynamic
checkpointing). Each has a level. A new one goes into a free place, at level 0; else into the place of one that is dispensable,
whose level is below that of a later one; else into that of the trip before, one level higher. With s places no trip of
binomial(s + t, t) is run more than t times again, which is as few as can be.

Gradients have the bits of those without a schedule: the same operations, on the same numbers, in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dynlang.core.build import Builder, Signature, integer
from dynlang.core.nodes import Arm, Atom, Block, Case, For, Function, If, Let, Operation, Variable, While
from dynlang.core.sizes import rename_telescope
from dynlang.core.walk import Names, Substitution
from dynlang.grad.adjoints import Region
from dynlang.grad.dead import without_dead_code
from dynlang.grad.reverse.context import Reversal
from dynlang.grad.reverse.loops import Trip, final_values, loop_demands, reverse_trips, write_back
from dynlang.grad.state import State, type_name
from dynlang.types import INT, ListType, Size, SumType

LEVEL, FOUND = "level", "found"


def reverse_scheduled(r: Reversal, statement: Let, loop: For | While, region: Region) -> list[Let]:
    incoming, rewinds = loop_demands(r, statement, loop, region)
    mask = {k for k, one in enumerate(incoming) if one is not None}
    if not mask and not rewinds:
        return [statement]
    trip, mask = reverse_trips(r, loop, region, mask, [])
    touched = [name for name, start in trip.destinations.items() if trip.region.adjoints.get(name) is not start]
    return _Schedule(r, statement, loop, region, trip, sorted(mask), touched, rewinds, incoming).emit()


class _Schedule:
    """Puts the two loops together. `state` is the type of a state that is kept, `kept` of the list of them: (trip, level, state)."""

    def __init__(self, r: Reversal, statement: Let, loop: For | While, region: Region, trip: Trip, mask: list[int],
                 touched: list[str], rewinds: list[int], incoming: Sequence[Atom | None]) -> None:
        self.r, self.statement, self.loop, self.region, self.trip = r, statement, loop, region, trip
        self.mask, self.touched, self.rewinds, self.incoming = mask, touched, rewinds, incoming
        self.state, constructors = r.residual_type("State", [("", loop.carried)])
        self.constructor = constructors[""]
        self.kept = ListType((INT, INT, self.state))
        assert loop.slots is not None
        self.keep = keeping(r.engine.state, self.state, loop.slots, type_name(r.function.name))

    def fresh(self, name: str) -> Variable:
        return Variable(self.r.names.fresh(name), self.kept)

    def emit(self) -> list[Let]:
        kept = self.fresh("states")
        count = self.loop.count if isinstance(self.loop, For) else Variable(self.r.names.fresh("trips"), INT)
        self.backward(kept, count)
        return self.forward(kept, count)

    def keep_state(self, builder: Builder, kept: Atom, step: Atom, carried: Sequence[Atom], state: SumType) -> Variable:
        """``kept = keep(sizes, kept, step, State(carried))``."""
        made = builder.construct(state, self.constructor, *carried, name="state")
        sizes = [builder.size(one) for one in state.arguments if isinstance(one, Size)]
        return builder.call(self.keep, *sizes, kept, step, made, names=["states"])[0]

    # -- forward

    def forward(self, kept: Variable, count: Atom) -> list[Let]:
        """The primal loop, which keeps states instead of a tape; a `while` counts its trips."""
        r, loop, span = self.r, self.loop, self.statement.span
        empty, inside = self.fresh("states"), self.fresh("states")
        builder = r.engine.state.builder(r.names, r.known)
        builder.span = span
        step = loop.index if isinstance(loop, For) else Variable(r.names.fresh("trip"), INT)
        after = self.keep_state(builder, inside, step, loop.carried, self.state)
        extra: list[tuple[Variable, Variable, Atom, Atom]] = [(kept, inside, empty, after)]
        if isinstance(loop, While):
            assert isinstance(count, Variable)
            extra.append((count, step, integer(0), builder.operation("add", step, integer(1), name="trip")))
        outputs, carried, initial, results = (tuple(one[k] for one in extra) for k in range(4))
        changed = replace(
            loop,
            carried=(*loop.carried, *carried),
            initial=(*loop.initial, *initial),  # type: ignore[arg-type]
            body=Block((*builder.statements, *loop.body.statements), (*loop.body.results, *results)),
            slots=None,
        )
        start = Let((empty,), Operation("list_empty", (), (("elements", self.kept.elements),)), span)
        return [start, Let((*self.statement.variables, *outputs), changed, span)]  # type: ignore[arg-type]

    # -- backward

    def backward(self, kept: Variable, count: Atom) -> None:
        """Carried: sizes, cotangents, destinations, arrays as they were before the trip, states."""
        r, region, trip, loop = self.r, self.region, self.trip, self.loop
        arrays = [Variable(r.names.fresh(f"{loop.carried[k].name}_before"), loop.carried[k].type) for k in self.rewinds]
        inside = self.fresh("states")
        carried = [*trip.sizes.values(), *(trip.cotangents[k] for k in self.mask), *(trip.destinations[name] for name in self.touched),
                   *arrays, inside]
        initial = [self.statement.variables[k] for k in trip.sizes]
        for k in self.mask:
            value, variable = self.incoming[k], self.statement.variables[k]
            initial.append(r.engine.adjoints.zeros_like(region, variable) if value is None else value)  # type: ignore[arg-type]
        handed = r.engine.adjoints.hand_over(region, [r.variable(name) for name in self.touched])
        initial += [handed[name] for name in self.touched]  # type: ignore[misc]
        initial += [region.primal.get(self.statement.variables[k].name, self.statement.variables[k]) for k in self.rewinds]  # type: ignore[misc]
        initial.append(kept)
        index = Variable(r.names.fresh("back"), INT)
        primal_count = r.primal(region, count)
        body = self.trip_again(index, primal_count, inside)
        variables = rename_telescope(carried, r.names.fresh, {}, {})
        region.builder.append(
            Let(tuple(variables), For(index, primal_count, tuple(carried), tuple(initial), body), region.builder.span))
        write_back(r, region, loop, (self.mask, self.touched, self.rewinds), variables[len(trip.sizes):-1])

    def trip_again(self, index: Variable, count: Atom, kept: Variable) -> Block:
        """One trip of the backward: the state before trip ``count - 1 - index``, its forward, its backward."""
        r, loop, trip = self.r, self.loop, self.trip
        builder = self.region.builder.inside()
        last = builder.operation("sub", count, integer(1), name="last")
        step = loop.index if isinstance(loop, For) else Variable(r.names.fresh("trip"), INT)
        builder.append(Let((step,), Operation("sub", (last, index)), self.statement.span))
        rest = self.restore(builder, kept, step)
        forward = [self.beside_its_backward(one) for one in r.engine.quiet.body(Block(tuple(trip.forward), ())).statements]
        results = final_values(r, loop, trip, self.mask, self.touched)
        results += [trip.region.primal.get(loop.carried[k].name, loop.carried[k]) for k in self.rewinds]
        block = trip.region.builder.block(*results)
        whole = Block((*builder.statements, *forward, *block.statements), (*block.results, rest))
        return without_dead_code(whole, r.engine.may_go)

    def beside_its_backward(self, statement: Let) -> Let:
        """A statement of the forward in one function with its backward, which binds the names inside of it again."""
        renamed = Substitution(self.outer(), self.r.names).block(Block((statement,), ())).statements[0]
        return replace(renamed, variables=statement.variables)

    def outer(self) -> dict[str, Atom]:
        """Arrays of outside that the backward has as they were, under other names."""
        return dict(self.region.primal)

    def restore(self, builder: Builder, kept: Variable, step: Variable) -> Variable:
        """Binds what the loop carries to its values before a trip; gives the states that are left."""
        r, loop = self.r, self.loop
        popped, start, level, state = builder.operations("list_pop", kept, names=["states", "start", LEVEL, "state"])
        here = builder.operation("equal", start, step, name="here")
        again = builder.inside()
        back = again.operation("list_push", popped, start, level, state, name="states")
        (left,) = builder.bind(If(here, Block((), (popped,)), again.block(back)), [Variable("states", self.kept)])
        fields = rename_telescope(loop.carried, r.names.fresh, {}, {})
        opened = builder.bind(Case(state, (Arm(self.constructor, fields, Block((), fields)),)), loop.carried)
        distance = builder.operation("sub", step, start, name="distance")
        body, carried, trip = self.run_again(builder, start, step)
        rest = self.fresh("states")
        right = For(trip, distance, carried, (*opened, left), body)
        builder.append(Let((*loop.carried, rest), right, self.statement.span))
        return rest

    def run_again(self, outside: Builder, start: Variable, until: Variable) -> tuple[Block, tuple[Variable, ...], Variable]:
        """A trip that is only run, and the state after it kept where one more follows."""
        r, loop = self.r, self.loop
        trip = Variable(r.names.fresh("k"), INT)
        carried = rename_telescope(loop.carried, r.names.fresh, {}, {})
        states = self.fresh("states")
        builder = outside.inside()
        here = builder.operation("add", start, trip, name="trip")
        mapping: dict[str, Atom] = {**self.outer(), **{old.name: new for old, new in zip(loop.carried, carried, strict=True)}}
        if isinstance(loop, For):
            mapping[loop.index.name] = here
        results = builder.splice(Substitution(mapping, r.names).block(r.engine.quiet.body(loop.body)))
        following = builder.operation("add", here, integer(1), name="trip")
        more = builder.operation("less", following, until, name="more")
        keeping_ = builder.inside()
        sizes = {old.name: keeping_.size_of(new) for old, new in zip(loop.carried, results, strict=True) if old.type == INT}
        kind = Substitution(sizes=sizes).type(self.state)
        assert isinstance(kind, SumType)
        kept = self.keep_state(keeping_, states, following, results, kind)
        (after,) = builder.bind(If(more, keeping_.block(kept), Block((), (states,))), [Variable("states", self.kept)])
        return builder.block(*results, after), (*carried, states), trip


def keeping(state: State, kind: SumType, slots: int, owner: str) -> str:
    """The function that takes up a state: ``(sizes.., states, step, state) -> states``, in place."""
    name = state.function_names.fresh(f"keep_{owner}")
    sizes = tuple(Variable(str(one), INT) for one in kind.arguments)
    states, step = Variable("states", ListType((INT, INT, kind))), Variable("step", INT)
    one, result = Variable("state", kind), Variable("result", ListType((INT, INT, kind)))
    parameters = (*sizes, states, step, one)
    state.signatures[name] = Signature(parameters, (result,))
    builder = state.builder(Names([each.name for each in (*parameters, result)]))
    length = builder.operation("list_length", states, name="length")
    room = builder.operation("less", length, integer(slots), name="room")
    free, full = builder.inside(), builder.inside()
    taken = free.operation("list_push", states, step, integer(0), one, name="states")
    replaced = _replacing(full, states, length, step, one) if slots > 1 else states
    (found,) = builder.bind(If(room, free.block(taken), full.block(replaced)), [result])
    state.add_function(Function(name, parameters, (result,), builder.block(found), len(sizes), ((len(sizes), 0),),
                                documentation="Keeps a state of a loop, in the place of one that can be missed if there is none free."))
    return name


def _replacing(builder: Builder, states: Variable, length: Variable, step: Variable, one: Variable) -> Atom:
    """In the place of the last state that a later one of a higher level makes dispensable, else in that of the last, one level higher."""
    kind = states.type
    highest, found, k = (Variable(builder.names.fresh(name), INT) for name in ("highest", FOUND, "k"))
    body = builder.inside()
    place = body.operation("sub", body.operation("sub", length, integer(1)), k, name="place")
    _, level, _ = body.operations("list_get", states, place, names=["start", LEVEL, "held"])
    lower = body.operation("logical_and", body.operation("less", level, highest), body.operation("equal", found, integer(0)))
    chosen = body.operation("select", lower, place, found, name=FOUND)
    most = body.operation("maximum", highest, level, name="highest")
    scan = For(k, builder.operation("sub", length, integer(1)), (highest, found), (integer(-1), integer(0)), body.block(most, chosen))
    _, at = builder.emit(scan, ["highest", FOUND])
    some, none = builder.inside(), builder.inside()
    carried, position = Variable(builder.names.fresh("states"), kind), Variable(builder.names.fresh("k"), INT)
    shift = some.inside()
    here = shift.operation("add", at, position, name="place")
    values = shift.operations("list_get", carried, shift.operation("add", here, integer(1)), names=["start", LEVEL, "held"])
    moved = shift.operation("list_set", carried, here, *values, name="states")
    trips = some.operation("sub", some.operation("sub", length, integer(1)), at)
    (shifted,) = some.emit(For(position, trips, (carried,), (states,), shift.block(moved)), ["states"])
    shorter = some.operations("list_pop", shifted, names=["states", "start", LEVEL, "held"])[0]
    placed = some.operation("list_push", shorter, step, integer(0), one, name="states")
    without, _, last, _ = none.operations("list_pop", states, names=["states", "start", LEVEL, "held"])
    raised = none.operation("add", last, integer(1), name=LEVEL)
    above = none.operation("list_push", without, step, raised, one, name="states")
    condition = builder.operation("less", integer(0), at, name="some")
    return builder.bind(If(condition, some.block(placed), none.block(above)), [Variable("states", kind)])[0]
