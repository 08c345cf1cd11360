"""The engine: answers requests for derivatives, memoised per key.

`Engine.reverse(key)` gives the pair of functions for a key, `Engine.forward(function, active)` the dual-number function.
Requests are answered innermost first: before a function is differentiated, no request is left in it or below it.
"""

from __future__ import annotations

from dataclasses import replace

from dynlang.core.nodes import Block, Call, Function, Jvp, Let, Module, Vjp
from dynlang.core.parts import read_in_place
from dynlang.core.sizes import rename_telescope
from dynlang.core.walk import functions_called, statements_in
from dynlang.diag import CompileError, Diagnostic, Diagnostics, Label, LimitReached, NotBuilt
from dynlang.grad.activity import Activity
from dynlang.grad.adjoints import Adjoints
from dynlang.grad.answers import Answers
from dynlang.grad.deaths import Judged, zero_gradients
from dynlang.grad.errors import SurrogateAgain
from dynlang.grad.forward import FunctionTangent
from dynlang.grad.levels import levelled
from dynlang.grad.quiet import Quiet
from dynlang.grad.recursion import Recursion
from dynlang.grad.reverse.functions import FunctionReversal
from dynlang.grad.state import Key, Pair, State
from dynlang.grad.tangents import Tangents
from dynlang.source import Span

STATEMENTS_LIMIT = 50_000
"""How many statements the derivatives of a program may have: what follows takes some ten microseconds for each, many times."""


class Engine:
    def __init__(self, module: Module, whole: Module | None = None) -> None:
        self.judged = Judged(whole) if whole is not None and whole is not module else None
        module, self.deepest = levelled(read_in_place(module))
        self.state = State(module)
        self.tangents = Tangents(self.state)
        self.adjoints = Adjoints(self.state, self.tangents)
        self.activity = Activity(self.state, self.tangents)
        self.aliased: dict[tuple[str, tuple[tuple[int, int], ...]], str] = {}
        self.diagnostics = Diagnostics()
        self.shown: dict[str, str] = {}
        self._pairs: dict[Key, Pair] = {}
        self._tangents: dict[tuple[str, tuple[bool, ...]], str] = {}
        self._unchecked: dict[str, str] = {}
        self.quiet = Quiet(self.state)
        self._called: set[Key] = set()
        self._surrogates = {
            one.derivative.rule: one.name for one in module.functions.values() if one.derivative is not None and one.derivative.surrogate
        }
        self._recursion = Recursion(self.state.functions.__getitem__, self._calls_of, self._below)
        self._calls: dict[str, tuple[Block, tuple[str, ...]]] = {}
        self._answered: set[str] = set()
        self._statements = 0

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
            self._count(key.function, self._pairs[key].forward, self._pairs[key].backward)
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
        return self._recursion.hands_on(function, position)

    def is_read(self, function: str, result: int) -> bool:
        """Whether the recursion that a function is in reads this result of it: then its calls inside have a cotangent for it."""
        return self._recursion.reads(function, result)

    def is_recursive(self, function: str) -> bool:
        return self._recursion.is_recursive(function)

    def forward(self, function: str, active: tuple[bool, ...]) -> str:
        key = function, active
        if key not in self._tangents:
            made = FunctionTangent(self, function, active)
            self._tangents[key] = made.register()
            made.make()
            self._count(function, self._tangents[key])
        return self._tangents[key]

    def _count(self, function: str, *made: str) -> None:
        """Derivatives of derivatives of derivatives grow by a factor each time."""
        self._statements += sum(1 for one in made for _ in statements_in(self.state.functions[one].body))
        if self._statements > STATEMENTS_LIMIT:
            raise LimitReached(f"derivatives of more than {STATEMENTS_LIMIT:,} statements",
                               notes=(f"the derivative of `{self.shown.get(function, function)}` was the last one made",),
                               hint="each further derivative of a derivative is a few times as large")

    def unchecked(self, function: Function) -> str:
        """A copy of a checkpointed function that is not, and that shows nothing a second time."""
        if function.name not in self._unchecked:
            name = self.state.function_names.fresh(f"{function.name}_again")
            self._unchecked[function.name] = name
            body = self.quiet.body(function.body)
            self.state.functions[name] = replace(function, name=name, body=body, checkpoint=False, export=None)
        return self._unchecked[function.name]

    def wrapper(self, function: Function) -> str:
        """``fn f_called(args): return f(args)``, for a function whose derivative is a rule: its derivative is that of a call."""
        name = f"{function.name}_called"
        if name not in self.state.functions:
            self.shown[name] = function.name
            names = self.state.names_of(function)
            results = rename_telescope(function.results, names.fresh, {}, {})
            body = Block((Let(results, Call(function.name, function.parameters), function.span),), results)
            self.state.functions[name] = replace(function, name=name, body=body, derivative=None, export=None)
        return name

    def refuse_surrogate(self, function: str, span: Span | None) -> None:
        """A rule that doesn't claim to be the true derivative has no derivative itself."""
        if function in self._surrogates:
            rule = self.state.functions[function].span
            name = f"`{rule.text}` of `{self._surrogates[function]}`" if rule is not None else f"of `{self._surrogates[function]}`"
            raise CompileError(
                SurrogateAgain(
                    f"a second derivative through the surrogate rule {name}",
                    span,
                    secondary=(Label(rule, "this rule claims no true derivative"),) if rule is not None else (),
                    hint="a surrogate gradient stands for no function that could be differentiated again",
                )
            )

    # -- requests

    def zero_gradients(self, statement: Let, request: Vjp) -> list[Diagnostic]:
        """Gradients that are zero whatever the values are, in the program as it was written."""
        if request.function in self.deepest:
            return []
        found = zero_gradients(self.state, self.activity, statement, request, self.shown)
        return found if not found or self.judged is None else self.judged.zero_gradients(statement, request, self.shown)

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
            if self.is_too_deep(name, one.right.function):
                continue
            waiting = self._not_answered(one.right.function)
            for below in waiting:
                self._answer(below, done, (*path, name))
            self._answered.update(waiting)
        done.add(name)
        if requests:
            try:
                self.state.functions[name] = replace(function, body=Answers(self, function).block(function.body))
            except LimitReached as limit:
                raise limit.at(requests[0].span) from None

    def is_too_deep(self, name: str, asked: str) -> bool:
        """Whether a function asks for the derivative of itself once more than there are orders of it."""
        return name in self.deepest and asked in self.deepest

    def _not_answered(self, name: str) -> list[str]:
        """The functions that can be reached and aren't answered with all that is below them."""
        found: dict[str, None] = {}
        todo = [name]
        while todo:
            one = todo.pop()
            if one not in found and one not in self._answered:
                found[one] = None
                todo += self._below(one)
        return list(found)

    def _below(self, name: str) -> tuple[str, ...]:
        """What a function calls, and the rule of its derivative."""
        rule = self.state.functions[name].derivative
        return self._calls_of(name) if rule is None else (*self._calls_of(name), rule.rule)

    def _calls_of(self, name: str) -> tuple[str, ...]:
        """The functions that a function calls or differentiates; read once for each body that it has had."""
        body = self.state.functions[name].body
        known = self._calls.get(name)
        if known is None or known[0] is not body:
            known = self._calls[name] = (body, tuple(dict.fromkeys(functions_called(body))))
        return known[1]
