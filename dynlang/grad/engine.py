"""The engine: answers requests for derivatives, memoised per key.

`Engine.reverse(key)` gives the pair of functions for a key, `Engine.forward(function, active)` the dual-number function.
Requests are answered innermost first: before a function is differentiated, no request is left in it or below it.
"""

from __future__ import annotations

from dataclasses import replace

from dynlang.core.nodes import Atom, Block, Call, Function, Jvp, Let, Literal, Module, Variable, Vjp
from dynlang.core.walk import functions_called, rebuild, statements_in
from dynlang.diag import CompileError, Diagnostic, Diagnostics, NotBuilt
from dynlang.grad.activity import Activity
from dynlang.grad.adjoints import Adjoints, Region
from dynlang.grad.errors import NotDifferentiable, ZeroGradient, ZeroLeaf
from dynlang.grad.forward import FunctionTangent
from dynlang.grad.reverse.functions import FunctionReversal
from dynlang.grad.state import Key, Pair, State
from dynlang.grad.tangents import Tangents
from dynlang.types import ArrayType, SumType, Type


class Engine:
    def __init__(self, module: Module) -> None:
        self.state = State(module)
        self.tangents = Tangents(self.state)
        self.adjoints = Adjoints(self.state, self.tangents)
        self.activity = Activity(self.state, self.tangents)
        self.aliased: dict[tuple[str, tuple[tuple[int, int], ...]], str] = {}
        self.diagnostics = Diagnostics()
        self._pairs: dict[Key, Pair] = {}
        self._tangents: dict[tuple[str, tuple[bool, ...]], str] = {}
        self._unchecked: dict[str, str] = {}
        self._called: set[Key] = set()
        self._threaded: dict[str, frozenset[int]] = {}

    def may_go(self, function: str) -> bool:
        """Whether a call may be dropped when nobody reads its results."""
        return function in self.state.backwards or function in self.state.adders

    # -- derivatives of functions

    def reverse(self, key: Key) -> Pair:
        if key not in self._pairs:
            made = FunctionReversal(self, key)
            self._pairs[key] = made.register()
            self.state.backwards.add(made.pair.backward)
            made.make()
        self._called.add(key)
        return self._pairs[key]

    def is_called(self, pair: Pair) -> bool:
        """Whether somebody has the pair already: then its signature stands."""
        return pair.key in self._called

    def change_pair(self, pair: Pair) -> Pair:
        self._pairs[pair.key] = pair
        return pair

    def is_threaded(self, function: str, position: int) -> bool:
        """Whether a recursive function hands this parameter on: one destination is then threaded through the whole recursion."""
        if function not in self._threaded:
            self._threaded[function] = self._handed_on(function)
        return position in self._threaded[function]

    def is_recursive(self, function: str) -> bool:
        return any(function in functions_called(self.state.functions[one].body) for one in self.reachable(function))

    def _handed_on(self, function: str) -> frozenset[int]:
        if not self.is_recursive(function):
            return frozenset()
        below = self.reachable(function)
        found: set[int] = set()
        for one in below:
            parameters = set(self.state.functions[one].parameters)
            for statement in statements_in(self.state.functions[one].body):
                if isinstance(statement.right, Call) and statement.right.function == function:
                    found |= {k for k, argument in enumerate(statement.right.arguments) if argument in parameters}
        return frozenset(found)

    def forward(self, function: str, active: tuple[bool, ...]) -> str:
        key = function, active
        if key not in self._tangents:
            made = FunctionTangent(self, function, active)
            self._tangents[key] = made.register()
            made.make()
        return self._tangents[key]

    def unchecked(self, function: Function) -> str:
        """A copy of a checkpointed function that is not."""
        if function.name not in self._unchecked:
            name = self.state.function_names.fresh(f"{function.name}_again")
            self._unchecked[function.name] = name
            self.state.functions[name] = replace(function, name=name, checkpoint=False, export=None)
        return self._unchecked[function.name]

    # -- requests

    def answer_all(self) -> None:
        done: set[str] = set()
        for name in list(self.state.functions):
            self._answer(name, done, ())

    def _answer(self, name: str, done: set[str], path: tuple[str, ...]) -> None:
        """Answers the requests of a function, after those of everything that it differentiates."""
        if name in done:
            return
        function = self.state.functions[name]
        requests = [one for one in statements_in(function.body) if isinstance(one.right, (Vjp, Jvp))]
        if name in path:
            raise NotBuilt(f"the derivative of '{name}' inside '{name}' itself", requests[0].span if requests else function.span)
        for one in requests:
            assert isinstance(one.right, (Vjp, Jvp))
            for below in self.reachable(one.right.function):
                self._answer(below, done, (*path, name))
        done.add(name)
        if requests:
            self.state.functions[name] = replace(function, body=_Answers(self, function).block(function.body))

    def reachable(self, name: str) -> list[str]:
        found: dict[str, None] = {}
        todo = [name]
        while todo:
            one = todo.pop()
            if one not in found:
                found[one] = None
                todo += list(functions_called(self.state.functions[one].body))
                rule = self.state.functions[one].derivative
                if rule is not None:
                    todo.append(rule.rule)
        return list(found)


class _Answers:
    """Replaces the requests in one function."""

    def __init__(self, engine: Engine, function: Function) -> None:
        self.engine, self.names = engine, engine.state.names_of(function)

    def block(self, block: Block) -> Block:
        statements: list[Let] = []
        for statement in block.statements:
            if isinstance(statement.right, Vjp):
                statements += self.vjp(statement, statement.right)
            elif isinstance(statement.right, Jvp):
                statements += self.jvp(statement, statement.right)
            else:
                statements.append(replace(statement, right=rebuild(statement.right, lambda atom: atom, self.block)))
        return Block(tuple(statements), block.results)

    def vjp(self, statement: Let, request: Vjp) -> list[Let]:
        """``results, residual = f_forward(args); gradients = f_backward(sizes, residual, cotangents, ..)``."""
        engine, state = self.engine, self.engine.state
        function = state.functions[request.function]
        if not function.pure:
            raise CompileError(NotDifferentiable(f"'{function.name}' is a proc: it has no derivative", statement.span))
        if function.derivative is not None:
            return self._vjp_of_wrapper(statement, request, function)
        mask = tuple(one is not None for one in request.cotangents)
        asked = tuple(k in request.wrt for k in range(len(function.parameters)))
        reached = engine.activity.reached(request.function, asked, mask)
        self._diagnose(statement, request, function, reached)
        inout = {p for p, _ in function.inout}
        fresh = tuple(on and k not in inout and self._starts_fresh(request.function, k, function.parameters[k].type) for k, on in enumerate(reached))
        pair = engine.reverse(Key(request.function, reached, mask, fresh))
        builder = state.builder(self.names)
        builder.span = statement.span
        results, gradients = statement.variables[:len(function.results)], statement.variables[len(function.results):]
        called = builder.call(pair.forward, *request.arguments, names=[one.name for one in function.results])
        residual = residual_in(called[-1], called, results)
        builder.statements[-1] = replace(builder.statements[-1], variables=(*results, residual))
        sizes = [request.arguments[k] for k in pair.passed] + [results[k] for k in pair.extras]
        again = [request.arguments[k] for k in pair.again]
        given = [one for one in request.cotangents if one is not None]
        zeros = [engine.adjoints.zeros_like(Region(builder), request.arguments[k]) for k in pair.destinations]
        hands_back = dict(function.inout)
        after = [results[hands_back[k]] for k in pair.rewound]
        found = builder.call(pair.backward, *sizes, *again, residual, *given, *zeros, *after, names=["d"] * (len(pair.wanted) + len(pair.rewound)))
        by_position = dict(zip(pair.wanted, found, strict=False))
        for k, variable in zip(request.wrt, gradients, strict=True):
            value: Atom = by_position[k] if k in by_position else engine.adjoints.zeros_like(Region(builder), request.arguments[k])
            self._bind(builder.statements, variable, value, statement)
        return builder.statements

    def _starts_fresh(self, function: str, position: int, kind: Type) -> bool:
        """Weights get a destination from the start, so that the functions made for them serve everywhere."""
        weight = isinstance(kind, ArrayType) and (len(kind.shape) > 1 or kind.row_sparse)
        return not weight and not self.engine.is_threaded(function, position)

    def _bind(self, statements: list[Let], variable: Variable, value: Atom, statement: Let) -> None:
        """``variable = value`` where nothing but renaming is wanted: the binding of the value takes the name."""
        if isinstance(value, Variable):
            for k, one in enumerate(statements):
                if any(v.name == value.name for v in one.variables):
                    statements[k] = replace(one, variables=tuple(variable if v.name == value.name else v for v in one.variables))
                    return
        if isinstance(value, Literal):
            from dynlang.core.build import number
            from dynlang.core.nodes import Operation
            from dynlang.ops.elementwise import scalar_of

            zero = number(0.0, scalar_of(value.type))
            statements.append(Let((variable,), Operation("add", (value, zero)), statement.span))
            return
        raise AssertionError("a gradient is bound by a statement of the answer")

    def _vjp_of_wrapper(self, statement: Let, request: Vjp, function: Function) -> list[Let]:
        """A function with a rule is differentiated as a call in a function of its own."""
        name = wrapper(self.engine, function)
        return self.vjp(statement, replace(request, function=name))

    def _diagnose(self, statement: Let, request: Vjp, function: Function, reached: tuple[bool, ...]) -> None:
        """Rule 33: a gradient that is zero whatever the values are."""
        tangents = self.engine.tangents
        dead = [k for k in request.wrt if not reached[k] and tangents.carries(function.parameters[k].type)]
        if not dead:
            return
        labels = function.parameter_labels
        shown = ", ".join(f"'{labels[k] if k < len(labels) else function.parameters[k].name}'" for k in dead)
        found: Diagnostic
        if len(dead) == len([k for k in request.wrt if tangents.carries(function.parameters[k].type)]):
            found = ZeroGradient(f"the gradient of '{function.name}' with respect to {shown} is always zero", statement.span,
                                 hint="the result doesn't depend on it through differentiable operations")
            self.engine.diagnostics.add(found)
            raise CompileError(found)
        self.engine.diagnostics.add(ZeroLeaf(f"the gradient of '{function.name}' with respect to {shown} is always zero", statement.span))

    def jvp(self, statement: Let, request: Jvp) -> list[Let]:
        """``results, tangents of the active results = f_jvp(args, tangents)``; other differentiable results have zero tangents."""
        engine, state = self.engine, self.engine.state
        function = state.functions[request.function]
        if function.derivative is not None:
            return self.jvp(statement, replace(request, function=wrapper(engine, function)))
        active = tuple(one is not None and engine.tangents.carries(p.type) for one, p in zip(request.tangents, function.parameters, strict=True))
        name = engine.forward(request.function, active)
        on = engine.activity.results(request.function, active)
        given = [one for one, yes in zip(request.tangents, active, strict=True) if yes and one is not None]
        results, wanted = statement.variables[:len(function.results)], statement.variables[len(function.results):]
        positions = [k for k, one in enumerate(function.results) if engine.tangents.carries(one.type)]
        builder = state.builder(self.names)
        called = builder.call(name, *request.arguments, *given)
        bound: list[Variable] = list(results)
        for k, variable in zip(positions, wanted, strict=True):
            if on[k]:
                bound.append(variable)
        builder.statements[-1] = replace(builder.statements[-1], variables=tuple(bound), span=statement.span)
        del called
        for k, variable in zip(positions, wanted, strict=True):
            if not on[k]:
                self._bind(builder.statements, variable, engine.adjoints.zeros_like(Region(builder), results[k]), statement)
        return builder.statements


def residual_in(residual: Variable, called: tuple[Variable, ...], results: tuple[Variable, ...]) -> Variable:
    """The residual with its sizes in terms of the names that the results have in the program."""
    from dynlang.types import Size, substitute

    sizes = {mine.name: Size.variable(theirs.name) for mine, theirs in zip(called, results, strict=False)}
    kind: Type = substitute(residual.type, sizes)
    assert isinstance(kind, SumType)
    return Variable(residual.name, kind)


def wrapper(engine: Engine, function: Function) -> str:
    """``fn wrapper(args): return f(args)``, for a function whose derivative is a rule."""
    name = f"{function.name}_called"
    state = engine.state
    if name not in state.functions:
        names = state.names_of(function)
        results = tuple(Variable(names.fresh(one.name), one.type) for one in function.results)
        body = Block((Let(results, Call(function.name, function.parameters), function.span),), results)
        state.functions[name] = replace(function, name=name, body=body, derivative=None, export=None)
    return name
