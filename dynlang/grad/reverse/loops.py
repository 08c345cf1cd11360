"""`for` and `while`: the forward pushes each trip's residual on a tape, the backward is a `for` that pops it.

Carried by the backward: cotangents of the carried values, destinations of captured active variables, arrays being rewound,
sizes of the carried values whose size changes, the tape. Which carried values have a cotangent is a fixpoint: the body is
reversed, looked at, and reversed again with more. Variables bound outside are captured, never taped. The tape's element is
a residual with one constructor; `prune` lays its fields side by side where nothing else holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dynlang.core.build import integer
from dynlang.core.nodes import Arm, Atom, Block, Case, Construct, For, Let, Operation, Variable, While
from dynlang.core.sizes import rename_telescope
from dynlang.core.walk import free_variables
from dynlang.grad.adjoints import Region
from dynlang.grad.reverse.context import Reversal, can_rewind, root
from dynlang.grad.reverse.extremes import extreme_of, reverse_extreme
from dynlang.grad.reverse.residuals import Packed
from dynlang.grad.reverse.statements import reverse_block
from dynlang.grad.state import copy_names, restore_names
from dynlang.types import INT, ListType, Size, SumType, size_variables, substitute


@dataclass(slots=True)
class Trip:
    """The reversal of one trip: variables that its backward starts with, its region and its forward."""

    sizes: dict[int, Variable]
    cotangents: dict[int, Variable]
    destinations: dict[str, Variable]
    arrays: dict[int, Variable]
    region: Region
    forward: list[Let]


def reverse_loop(r: Reversal, statement: Let, loop: For | While, region: Region) -> list[Let]:
    if loop.slots is not None:
        from dynlang.grad.reverse.checkpoints import reverse_scheduled

        return reverse_scheduled(r, statement, loop, region)
    extreme = extreme_of(loop) if isinstance(loop, For) else None
    if extreme is not None:
        assert isinstance(loop, For)
        return reverse_extreme(r, statement, loop, extreme, region)
    incoming, rewinds = loop_demands(r, statement, loop, region)
    mask = {k for k, one in enumerate(incoming) if one is not None}
    if not mask and not rewinds:
        return [statement]
    trip, mask = reverse_trips(r, loop, region, mask, rewinds)
    touched = [name for name, start in trip.destinations.items() if trip.region.adjoints.get(name) is not start]
    packed = _pack(r, loop, trip, sorted(mask), touched, rewinds)
    return _Emission(r, statement, loop, region, trip, packed, sorted(mask), touched, rewinds, incoming).emit()


def loop_demands(r: Reversal, statement: Let, loop: For | While, region: Region) -> tuple[list[Atom | None], list[int]]:
    """The cotangents of a loop's results, and which of the carried arrays it changes in place."""
    incoming = [r.engine.adjoints.take(region, one) for one in statement.variables]
    functions = r.engine.state.functions
    rewinds = [
        k
        for k, one in enumerate(loop.carried)
        if can_rewind(one.type) and loop.body.results[k] != one and root(loop.body, loop.body.results[k], functions) == one
    ]
    return incoming, rewinds


def reverse_trips(r: Reversal, loop: For | While, region: Region, mask: set[int], rewinds: list[int]) -> tuple[Trip, set[int]]:
    """Reverses the body until the carried cotangents are those that it leaves."""
    bound = {one.name for one in loop.carried}
    captured = [one for one in free_variables(loop.body) if r.is_active(one) and one.name not in bound]
    saved_names = copy_names(r.names)
    while True:
        trip = _start(r, loop, region, mask, rewinds, captured)
        cotangents: list[Atom | None] = [trip.cotangents.get(k) for k in range(len(loop.carried))]
        for k, one in enumerate(cotangents):
            if one is not None:
                cotangents[k] = r.engine.adjoints.retype(trip.region.builder, one, r.tangent(loop.body.results[k].type))
        trip.forward = reverse_block(r, loop.body, cotangents, trip.region)
        more = {k for k, one in enumerate(loop.carried) if trip.region.adjoints.get(one.name) is not None} - mask
        if not more:
            return trip, mask
        mask = mask | more
        restore_names(r.names, saved_names)


def _start(r: Reversal, loop: For | While, region: Region, mask: set[int], rewinds: list[int], captured: Sequence[Variable]) -> Trip:
    inner = Region(region.builder.inside(), {}, dict(region.primal), dict(region.constructed))
    mentioned = {name for k in mask for name in size_variables(loop.carried[k].type)}
    sizes = {k: Variable(r.names.fresh(f"{one.name}_after"), INT) for k, one in enumerate(loop.carried) if one.name in mentioned}
    after = {loop.carried[k].name: Size.variable(one.name) for k, one in sizes.items()}
    cotangents = {
        k: Variable(r.names.fresh(f"d_{loop.carried[k].name}"), substitute(r.tangent(loop.carried[k].type), after)) for k in sorted(mask)
    }
    destinations = {one.name: Variable(r.names.fresh(f"d_{one.name}"), r.tangent(one.type)) for one in captured}
    arrays = {k: Variable(r.names.fresh(f"{loop.carried[k].name}_after"), loop.carried[k].type) for k in rewinds}
    inner.adjoints.update(destinations)
    for k, variable in arrays.items():
        result = loop.body.results[k]
        assert isinstance(result, Variable)
        inner.primal[result.name] = variable
    return Trip(sizes, cotangents, destinations, arrays, inner, [])


def _pack(r: Reversal, loop: For | While, trip: Trip, mask: list[int], touched: list[str], rewinds: list[int]) -> Packed:
    """The trip's backward ends with the cotangents before the trip, the destinations and the arrays rewound."""
    inner = trip.region
    results = final_values(r, loop, trip, mask, touched)
    results += [inner.primal.get(loop.carried[k].name, loop.carried[k]) for k in rewinds]
    return r.pack(loop.carried, trip.forward, inner.builder.block(*results))


def final_values(r: Reversal, loop: For | While, trip: Trip, mask: Sequence[int], touched: Sequence[str]) -> list[Atom]:
    """Sizes and cotangents of the carried values before the trip, and the destinations after it."""
    adjoints, inner = r.engine.adjoints, trip.region
    results: list[Atom] = [loop.carried[k] for k in trip.sizes]
    for k in mask:
        value = inner.adjoints.get(loop.carried[k].name)
        results.append(
            adjoints.zeros_like(inner, loop.carried[k]) if value is None else adjoints.force(inner.builder, value, loop.carried[k])
        )
    return results + [adjoints.force(inner.builder, inner.adjoints[name], r.variable(name)) for name in touched]


Held = tuple[list[int], list[str], list[int]]


def write_back(r: Reversal, region: Region, loop: For | While, held: Held, values: Sequence[Variable]) -> None:
    """Adjoints and arrays after the backward loop, of what it `held`: cotangents of carried values, destinations of captured
    variables, arrays that are rewound. Captured destinations are written back before the initial values' share is added."""
    mask, touched, rewinds = held
    first, second = len(mask), len(mask) + len(touched)
    for name, value in zip(touched, values[first:second], strict=True):
        r.engine.adjoints.accumulate(region, r.variable(name), value, r.active)
    for k, value in zip(mask, values[:first], strict=True):
        start = loop.initial[k]
        r.engine.adjoints.accumulate(region, start, r.engine.adjoints.retype(region.builder, value, r.tangent(start.type)), r.active)
    for k, value in zip(rewinds, values[second : second + len(rewinds)], strict=True):
        start = loop.initial[k]
        if isinstance(start, Variable):
            region.primal[start.name] = value


@dataclass(slots=True)
class _Emission:
    """Puts the two loops together."""

    r: Reversal
    statement: Let
    loop: For | While
    region: Region
    trip: Trip
    packed: Packed
    mask: list[int]
    touched: list[str]
    rewinds: list[int]
    incoming: list[Atom | None]

    def emit(self) -> list[Let]:
        wrap = self.element() if self.packed.saved else None
        tape = Variable(self.r.names.fresh("tape"), ListType((wrap[0],))) if wrap is not None else None
        count = self.loop.count if isinstance(self.loop, For) else Variable(self.r.names.fresh("trips"), INT)
        self.backward(tape, count, wrap)
        return self.forward(tape, count, wrap)

    # -- the tape

    def element(self) -> tuple[SumType, str]:
        """The type of the tape's element, and its constructor."""
        kind, constructors = self.r.residual_type("Trip", [("", self.packed.saved)])
        return kind, constructors[""]

    # -- backward

    def backward(self, tape: Variable | None, count: Atom, wrap: tuple[SumType, str] | None) -> None:
        r, region, trip = self.r, self.region, self.trip
        carried = (
            [*trip.sizes.values()]
            + [trip.cotangents[k] for k in self.mask]
            + [trip.destinations[name] for name in self.touched]
            + [trip.arrays[k] for k in self.rewinds]
        )
        initial = self.initial()
        if tape is not None:
            carried.append(Variable(r.names.fresh(tape.name), tape.type))
            initial.append(tape)
        body = self.backward_body(carried[-1] if tape is not None else None, count, wrap)
        index = Variable(r.names.fresh("back"), INT)
        body = self.with_index(body, index, count)
        variables = rename_telescope(carried, r.names.fresh, {}, {})
        region.builder.append(
            Let(tuple(variables), For(index, r.primal(region, count), tuple(carried), tuple(initial), body), region.builder.span)
        )
        write_back(r, region, self.loop, (self.mask, self.touched, self.rewinds), variables[len(trip.sizes) :])

    def initial(self) -> list[Atom]:
        r, region = self.r, self.region
        found: list[Atom] = [self.statement.variables[k] for k in self.trip.sizes]
        for k in self.mask:
            value = self.incoming[k]
            variable = self.statement.variables[k]
            found.append(r.engine.adjoints.zeros_like(region, variable) if value is None else value)
        handed = r.engine.adjoints.hand_over(region, [r.variable(name) for name in self.touched])
        found += [handed[name] for name in self.touched]
        found += [region.primal.get(self.statement.variables[k].name, self.statement.variables[k]) for k in self.rewinds]
        return found

    def backward_body(self, tape: Variable | None, count: Atom, wrap: tuple[SumType, str] | None) -> Block:
        backward, saved = self.packed.backward, self.packed.saved
        if tape is None or wrap is None:
            return backward
        rest = Variable(self.r.names.fresh(tape.name), tape.type)
        kind, constructor = wrap
        held = Variable(self.r.names.fresh("saved"), kind)
        pop = Let((rest, held), Operation("list_pop", (tape,)), self.statement.span)
        outputs = rename_telescope(
            [one if isinstance(one, Variable) else Variable("d", one.type) for one in backward.results], self.r.names.fresh, {}, {}
        )
        opened = Let(outputs, Case(held, (Arm(constructor, saved, backward),)), self.statement.span)
        return Block((pop, opened), (*outputs, rest))

    def with_index(self, body: Block, index: Variable, count: Atom) -> Block:
        """The primal's index, counted down, where the body reads it."""
        if not isinstance(self.loop, For) or self.loop.index.name not in {one.name for one in free_variables(body)}:
            return body
        inner = self.region.builder.inside()
        last = inner.operation("sub", self.r.primal(Region(inner), count), integer(1), name="last")
        down = Let((self.loop.index,), Operation("sub", (last, index)), self.statement.span)
        return Block((*inner.statements, down, *body.statements), body.results)

    # -- forward

    def forward(self, tape: Variable | None, count: Atom, wrap: tuple[SumType, str] | None) -> list[Let]:
        """The primal loop with a tape, and a count of its trips if it is a `while`."""
        r, span = self.r, self.statement.span
        before: list[Let] = []
        body = list(self.packed.forward)
        extra: list[tuple[Variable, Variable, Atom, Atom]] = []
        if tape is not None and wrap is not None:
            assert isinstance(tape.type, ListType)
            empty, inside, pushed = (Variable(r.names.fresh(tape.name), tape.type) for _ in range(3))
            before.append(Let((empty,), Operation("list_empty", (), (("elements", tape.type.elements),)), span))
            held = Variable(r.names.fresh("saved"), wrap[0])
            body.append(Let((held,), Construct(wrap[0], wrap[1], self.packed.saved), span))
            body.append(Let((pushed,), Operation("list_push", (inside, held)), span))
            extra.append((tape, inside, empty, pushed))
        if isinstance(self.loop, While):
            assert isinstance(count, Variable)
            inside, more = Variable(r.names.fresh("trip"), INT), Variable(r.names.fresh("trip"), INT)
            body.append(Let((more,), Operation("add", (inside, integer(1))), span))
            extra.append((count, inside, integer(0), more))
        outputs, carried, initial, results = (tuple(one[k] for one in extra) for k in range(4))
        changed = replace(
            self.loop,
            carried=(*self.loop.carried, *carried),
            initial=(*self.loop.initial, *initial),  # type: ignore[arg-type]
            body=Block(tuple(body), (*self.loop.body.results, *results)),
        )
        return [*before, Let((*self.statement.variables, *outputs), changed, span)]  # type: ignore[arg-type]
