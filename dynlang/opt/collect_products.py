"""Outer products that a loop or a recursion adds to a matrix one by one are collected and added as one matrix product.

Law: every result has the same bits. A matrix to which vectors' products are only added becomes itself and two panels of
DEPTH rows, into which the vectors are copied; a full panel is added by `accumulate_matmul_tn`, which adds its rows in their
order, as `accumulate_outer` would have. So the matrix goes through the memory once for DEPTH products. Functions that add to
a parameter and hand it back get a twin, `NAME.collecting`, that takes and gives the panels; the function itself opens the
panels, calls the twin and closes them.

Before:

    func @f(%n: i64, %d: f32[9, 7], %x: f32[9], %y: f32[7]) -> (f32[9, 7]) {
      %e: f32[9, 7] = for %n, %d (%i: i64, %p: f32[9, 7]) {
        %q: f32[9, 7] = accumulate_outer %p, %x, %y
        yield %q
      }
      return %e
    }

After:

    func @f(%n: i64, %d: f32[9, 7], %x: f32[9], %y: f32[7]) -> (f32[9, 7]) {
      %l: f32[32, 9] = empty sizes [32, 9]
      %r: f32[32, 7] = empty sizes [32, 7]
      %k: i64 = constant {value = 0}
      %e: f32[9, 7], %le: f32[32, 9], %re: f32[32, 7], %ke: i64 = for %n, %d, %l, %r, %k
          (%i: i64, %p: f32[9, 7], %lp: f32[32, 9], %rp: f32[32, 7], %kp: i64) {
        %lq: f32[32, 9] = update %lp, %kp, %x
        %rq: f32[32, 7] = update %rp, %kp, %y
        %one: i64 = constant {value = 1}
        %next: i64 = add %kp, %one
        %depth: i64 = constant {value = 32}
        %full: bool = greater_equal %next, %depth
        %q: f32[9, 7], %kq: i64 = if %full {
          %added: f32[9, 7] = accumulate_matmul_tn %p, %lq, %rq
          %none: i64 = constant {value = 0}
          yield %added, %none
        } {
          yield %p, %next
        }
        yield %q, %lq, %rq, %kq
      }
      %zero: i64 = constant {value = 0}
      %left: f32[%ke, 9] = slice %le, %zero, %zero sizes [%ke, 9]
      %right: f32[%ke, 7] = slice %re, %zero, %zero sizes [%ke, 7]
      %sum: f32[9, 7] = accumulate_matmul_tn %e, %left, %right
      return %sum
    }
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dynlang.ssa.build import BOOL, I64, Builder, Copier, operations_in
from dynlang.ssa.nodes import Array, Function, Module, Operation, Region, Scalar, Value

DEPTH = 32
"""Rows of a panel: deep enough that the product runs at the speed of arithmetic, and the panels stay in the nearest cache."""
DTYPES = (Scalar("f32"), Scalar("f64"))
Places = dict[str, tuple[int, ...]]
"""For each function the parameters that are matrices to be collected for."""


def collect_products(module: Module) -> Module:
    if not any(one.name == "accumulate_outer" for function in module.functions.values() for one in operations_in(function.body)):
        return module
    flows = {name: _Flow(one) for name, one in module.functions.items()}
    places = _collecting_parameters(flows)
    reach = {name: _reachable(flows, name) for name, found in places.items() if found}
    functions: dict[str, Function] = {}
    for name, flow in flows.items():
        functions[name] = _Rewriting(flow, flows, places, reach).plain()
        if places[name]:
            functions[twin_name(name)] = _Rewriting(flow, flows, places, reach).twin()
    return Module(module.sums, functions, module.roots)


def twin_name(name: str) -> str:
    return f"{name}.collecting"


def is_matrix(value: Value) -> bool:
    return isinstance(value.type, Array) and value.type.element in DTYPES and len(value.type.shape) == 2


def _reachable(flows: Mapping[str, _Flow], name: str) -> set[str]:
    """The functions that a function may call, directly or not."""
    found: set[str] = set()
    work = [name]
    while work:
        called = {str(one.attributes["function"]) for one in flows[work.pop()].calls} - found
        found |= called
        work += called
    return found


# ---------------------------------------------------------------- where a matrix is only added to


@dataclass(frozen=True, slots=True)
class _Use:
    """`owner`: the operation whose region ends in this `yield`; None for other operations."""

    operation: Operation
    position: int
    owner: Operation | None = None


class _Flow:
    """Uses of the values of a function, and through which values a matrix is handed on while products are added to it."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.uses: dict[Value, list[_Use]] = {}
        self.calls = [one for one in operations_in(function.body) if one.name == "call"]
        self._survey(function.body, None)

    def _survey(self, region: Region, owner: Operation | None) -> None:
        for one in region.operations:
            for position, value in enumerate(one.operands):
                self.uses.setdefault(value, []).append(_Use(one, position, owner if one.name == "yield" else None))
            for inner in one.regions:
                self._survey(inner, one)

    def web(self, start: Value, places: Places, flows: Mapping[str, _Flow], loop: Operation | None = None) -> set[Value] | None:
        """The values that a matrix goes through while products are added to it; None if anything else is done with it.

        It may leave at the `return` of the result that hands a parameter back, or at the end of the body of `loop`."""
        found, work = {start}, [start]
        while work:
            for use in self.uses.get(work.pop(), ()):
                through = self._through(use, start, places, flows, loop)
                if through is None:
                    return None
                work += [value for value in through if value not in found]
                found.update(through)
        return found if self._is_closed(found) else None

    def adds(self, web: Iterable[Value], places: Places) -> bool:
        """Whether a product is added on the way, here or in a function that is called."""
        uses = [use for value in web for use in self.uses.get(value, ())]
        return any(one.operation.name == "accumulate_outer"
                   or (one.operation.name == "call" and one.position in places[str(one.operation.attributes["function"])]) for one in uses)

    def _through(self, use: _Use, start: Value, places: Places, flows: Mapping[str, _Flow],
                 loop: Operation | None) -> tuple[Value, ...] | None:
        one, position = use.operation, use.position
        match one.name:
            case "accumulate_outer" if position == 0:
                return (one.results[0],)
            case "call":
                callee = str(one.attributes["function"])
                if position not in places.get(callee, ()) or one.operands.count(one.operands[position]) > 1:
                    return None
                return (one.results[dict(flows[callee].function.inout)[position]],)
            case "for" if position > 0:
                return (one.regions[0].parameters[position], one.results[position - 1])
            case "yield" if use.owner is not None:
                if loop is not None and use.owner is loop:
                    return () if loop.regions[0].parameters[position + 1] is start else None
                if use.owner.name in ("if", "switch", "for"):
                    return (use.owner.results[position],)
            case "return":
                parameters = self.function.parameters
                return () if any(parameters[p] is start and r == position for p, r in self.function.inout) else None
        return None

    def _is_closed(self, web: set[Value]) -> bool:
        """Whether nothing but the web flows into the web."""
        for one in operations_in(self.function.body):
            for position, result in enumerate(one.results):
                if result not in web or one.name not in ("if", "switch", "for"):
                    continue
                if any(region.operations[-1].operands[position] not in web for region in one.regions):
                    return False
                if one.name == "for" and one.operands[position + 1] not in web:
                    return False
        return True


def _collecting_parameters(flows: Mapping[str, _Flow]) -> Places:
    """The largest set of parameters that are only added to, here and in what is called; of those the ones to which products are added."""
    places: Places = {name: tuple(p for p, _ in flow.function.inout if is_matrix(flow.function.parameters[p]))
                      for name, flow in flows.items()}
    changed = True
    while changed:
        changed = False
        for name, flow in flows.items():
            kept = tuple(p for p in places[name] if flow.web(flow.function.parameters[p], places, flows) is not None)
            if kept != places[name]:
                places[name], changed = kept, True
    return _that_add(flows, places)


def _that_add(flows: Mapping[str, _Flow], places: Places) -> Places:
    """Those parameters to which products are really added."""
    webs = {(name, place): flow.web(flow.function.parameters[place], places, flows) or set()
            for name, flow in flows.items() for place in places[name]}
    adding: Places = dict.fromkeys(flows, ())
    changed = True
    while changed:
        changed = False
        for (name, place), web in webs.items():
            if place not in adding[name] and flows[name].adds(web, adding):
                adding[name], changed = (*adding[name], place), True
    return {name: tuple(sorted(found)) for name, found in adding.items()}


# ---------------------------------------------------------------- panels


@dataclass(frozen=True, slots=True)
class _Panels:
    """A matrix, and what is still to be added to it: the first `count` rows of `left` and `right`."""

    matrix: Value
    left: Value
    right: Value
    count: Value

    @property
    def values(self) -> tuple[Value, ...]:
        return self.matrix, self.left, self.right, self.count


class _Rewriting:
    """A copy of a function in which matrices travel with their panels. Every value is fresh.

    Types follow when all is copied: a size may be computed behind a parameter whose type mentions it."""

    def __init__(self, flow: _Flow, flows: Mapping[str, _Flow], places: Places, reach: Mapping[str, set[str]]) -> None:
        self.flow = flow
        self.flows = flows
        self.places = places
        self.reach = reach
        self.copier = Copier()
        self.web: set[Value] = set()
        self.panels: dict[Value, _Panels] = {}
        self.late: list[tuple[Value, Value, int, Value | int]] = []

    def plain(self) -> Function:
        """The function itself: panels are opened around its loops and around calls of what recurses."""
        old = self.flow.function
        return self.finish(old, self.region(old.body), [self.copier.define(one) for one in old.results])

    def twin(self) -> Function:
        """The function that takes panels along with its matrices, and gives them back."""
        old = self.flow.function
        own = self.places[old.name]
        for place in own:
            found = self.flow.web(old.parameters[place], self.places, self.flows)
            assert found is not None
            self.web |= found
        body = self.region(old.body)
        back = {result for parameter, result in old.inout if parameter in own}
        results = [new for place, one in enumerate(old.results)
                   for new in (self.fresh(one).values if place in back else [self.copier.define(one)])]
        at, result_at = _positions(len(old.parameters), own), _positions(len(old.results), back)
        owned = frozenset(at[p] + k for p in old.owned for k in range(3 if p in own else 1))
        inout = tuple((at[p] + k, result_at[r] + k) for p, r in old.inout for k in range(4 if p in own else 1))
        like = replace(old, name=twin_name(old.name), owned=owned, inout=inout, export=None, parameter_labels=(), result_labels=())
        return self.finish(like, body, results)

    def finish(self, like: Function, body: Region, results: list[Value]) -> Function:
        self.copier.finish()
        for value, old, axis, rows in self.late:
            kind = self.copier.kind(old.type)
            assert isinstance(kind, Array)
            value.type = Array(kind.element, (rows, kind.shape[axis]))
        return replace(like, body=body, results=results)

    # -- values

    def panel(self, matrix: Value, axis: int, rows: Value | int = DEPTH) -> Value:
        """A value of the type of a panel for `matrix`, which is a value of the old function."""
        made = Value(("left", "right")[axis], self.copier.kind(matrix.type))
        self.late.append((made, matrix, axis, rows))
        return made

    def fresh(self, matrix: Value) -> _Panels:
        """Fresh values in the place of a matrix."""
        return _Panels(self.copier.define(matrix), self.panel(matrix, 0), self.panel(matrix, 1), Value("count", I64))

    def define(self, values: Iterable[Value]) -> list[Value]:
        made: list[Value] = []
        for one in values:
            if one in self.web:
                self.panels[one] = self.fresh(one)
                made += self.panels[one].values
            else:
                made.append(self.copier.define(one))
        return made

    def operands(self, values: Iterable[Value]) -> list[Value]:
        return [new for one in values for new in (self.panels[one].values if one in self.panels else [self.copier(one)])]

    # -- on panels

    def open(self, b: Builder, matrix: Value) -> _Panels:
        """Empty panels for a matrix that comes without."""
        left, right = self.panel(matrix, 0), self.panel(matrix, 1)
        for axis, panel in enumerate((left, right)):
            b.emit("empty", [], [panel], sizes=self.copier.sizes((DEPTH, _size(matrix, axis))))
        return _Panels(self.copier(matrix), left, right, b.constant(0, "i64", "count"))

    def add(self, b: Builder, panels: _Panels, one: Operation) -> _Panels:
        """One product more; a full panel is added to the matrix."""
        result, made = one.results[0], self.fresh(one.results[0])
        u, v = self.copier.many(one.operands[1:])
        b.emit("update", [panels.left, panels.count, u], [made.left])
        b.emit("update", [panels.right, panels.count, v], [made.right])
        following = b.value("add", [panels.count, b.constant(1, "i64")], I64, hint="count")
        full = b.value("greater_equal", [following, b.constant(DEPTH, "i64")], BOOL, hint="full")
        then, otherwise = Builder(Region([]), b.span), Builder(Region([]), b.span)
        added = Value(result.name, made.matrix.type)
        self.copier.late.append((added, result.type))
        then.emit("accumulate_matmul_tn", [panels.matrix, made.left, made.right], [added])
        then.emit("yield", [added, then.constant(0, "i64")])
        otherwise.emit("yield", [panels.matrix, following])
        b.emit("if", [full], [made.matrix, made.count], regions=[then.region, otherwise.region])
        return made

    def close(self, b: Builder, panels: _Panels, matrix: Value) -> None:
        """What is left in the panels is added; the sum stands for `matrix` from here on."""
        zero, parts = b.constant(0, "i64"), []
        for axis, panel in enumerate((panels.left, panels.right)):
            rows = self.panel(matrix, axis, panels.count)
            parts += b.emit("slice", [panel, zero, zero], [rows], sizes=(panels.count, *self.copier.sizes([_size(matrix, axis)])))
        b.emit("accumulate_matmul_tn", [panels.matrix, *parts], [self.copier.define(matrix)])

    # -- operations

    def region(self, old: Region) -> Region:
        made = Region(self.define(old.parameters))
        builder = Builder(made)
        for one in old.operations:
            builder.span = one.span
            self.operation(builder, one)
        return made

    def operation(self, b: Builder, one: Operation) -> None:
        if one.name == "accumulate_outer" and one.operands[0] in self.panels:
            self.panels[one.results[0]] = self.add(b, self.panels[one.operands[0]], one)
        elif one.name == "call" and self.wants_twin(one):
            self.call(b, one)
        elif one.name == "for":
            self.loop(b, one)
        else:
            operands, sizes = self.operands(one.operands), self.copier.sizes(one.sizes)
            results = self.define(one.results)
            regions = [self.region(inner) for inner in one.regions]
            b.append(Operation(one.name, operands, results, one.attributes, regions, sizes, one.span))

    def wants_twin(self, one: Operation) -> bool:
        """A call with panels, or one that begins a recursion."""
        name = str(one.attributes["function"])
        if any(value in self.panels for value in one.operands):
            return True
        return bool(self.places[name]) and name in self.reach[name] and self.flow.function.name not in self.reach[name]

    def call(self, b: Builder, one: Operation) -> None:
        """The twin; a matrix without panels gets some for the call."""
        name = str(one.attributes["function"])
        back = {p: r for p, r in self.flows[name].function.inout if p in self.places[name]}
        opened = {p: self.open(b, one.operands[p]) for p in back if one.operands[p] not in self.panels}
        operands = [new for p, value in enumerate(one.operands) for new in (opened[p].values if p in opened else self.operands([value]))]
        results, closing = self.results(one, {back[p] for p in opened})
        b.emit("call", operands, results, {**one.attributes, "function": twin_name(name)})
        for place, panels in closing.items():
            self.close(b, panels, one.results[place])

    def loop(self, b: Builder, one: Operation) -> None:
        """Panels for the matrices that this loop carries and adds to, if they don't come with some already."""
        count, *initial = one.operands
        opened: dict[int, _Panels] = {}
        for place, value in enumerate(initial):
            parameter = one.regions[0].parameters[place + 1]
            found = self.flow.web(parameter, self.places, self.flows, one) if value not in self.panels and is_matrix(parameter) else None
            if found is not None and self.flow.adds(found, self.places):
                self.web |= found
                opened[place] = self.open(b, value)
        operands = [self.copier(count)]
        for place, value in enumerate(initial):
            operands += opened[place].values if place in opened else self.operands([value])
        results, closing = self.results(one, set(opened))
        b.emit("for", operands, results, one.attributes, [self.region(one.regions[0])])
        for place, panels in closing.items():
            self.close(b, panels, one.results[place])

    def results(self, one: Operation, closing: set[int]) -> tuple[list[Value], dict[int, _Panels]]:
        """The results of an operation; at `closing` come panels that end there."""
        panels = {place: self.fresh(one.results[place]) for place in closing}
        return [new for place, value in enumerate(one.results)
                for new in (panels[place].values if place in panels else self.define([value]))], panels


def _size(matrix: Value, axis: int) -> Value | int:
    assert isinstance(matrix.type, Array)
    return matrix.type.shape[axis]


def _positions(count: int, expanded: Sequence[int] | set[int]) -> list[int]:
    """Where each position stands when those in `expanded` take four places."""
    found, at = [], 0
    for position in range(count):
        found.append(at)
        at += 4 if position in expanded else 1
    return found
