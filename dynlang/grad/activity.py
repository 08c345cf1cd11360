"""Activity: which variables depend on the active parameters through derivatives.

The least fixpoint over loops and calls: everything starts inactive and is raised until nothing changes; recursion is swept
globally. Ints, comparisons and `argmax` cut it, since their types carry nothing. `reached(f, active, cotangents)` asks the
other way: a parameter is reached when a result that has a cotangent depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dynlang.core.nodes import Atom, Block, Call, Case, Construct, For, If, Jvp, Operation, Right, Variable, Vjp, While
from dynlang.core.walk import atoms_of, blocks_of
from dynlang.grad.state import State
from dynlang.grad.tangents import Tangents
from dynlang.ops import OPS

Signature = tuple[str, tuple[bool, ...]]


def differentiable_operands(op: str, count: int) -> tuple[bool, ...]:
    """For each argument of an op, whether its row gives a derivative."""
    row = OPS[op]
    if row.derivative is None or row.derivative == {}:
        return (False,) * count
    if row.derivative == "rule":
        return (True,) * count
    return tuple(name.lstrip("*") in row.derivative for name in operand_names(op, count))


def operand_names(op: str, count: int) -> tuple[str, ...]:
    """The row's operand name of each argument; a starred one repeats."""
    names = OPS[op].operands
    star = next((position for position, name in enumerate(names) if name.startswith("*")), None)
    if star is None:
        return names
    repeated = count - (len(names) - 1)
    return (*names[:star], *(names[star],) * repeated, *names[star + 1 :])


class Activity:
    def __init__(self, state: State, tangents: Tangents, unanswered: bool = False) -> None:
        """With `unanswered`, requests for derivatives may be left: what they give depends on all that they are given."""
        self.state, self.tangents, self.unanswered = state, tangents, unanswered
        self._results: dict[Signature, tuple[bool, ...]] = {}
        self._final: set[Signature] = set()
        self._swept: set[Signature] = set()
        self._changed = False
        self._sweeping = False

    def results(self, function: str, active: tuple[bool, ...]) -> tuple[bool, ...]:
        """Which results depend on the active parameters."""
        key = function, active
        if key in self._final:
            return self._results[key]
        if not self._sweeping:
            self._sweep_all(key)
            return self._results[key]
        if key not in self._swept:
            self._sweep(key)
        return self._results[key]

    def _sweep_all(self, key: Signature) -> None:
        self._sweeping = True
        while True:
            self._swept, self._changed = set(), False
            self._sweep(key)
            if not self._changed:
                break
        self._final |= self._swept
        self._sweeping = False

    def _sweep(self, key: Signature) -> None:
        self._swept.add(key)
        body = self.state.functions[key[0]].body
        self._results.setdefault(key, (False,) * len(body.results))
        active = self._body(*key)
        found = tuple(isinstance(one, Variable) and one.name in active for one in body.results)
        if found != self._results[key]:
            self._results[key] = found
            self._changed = True

    def variables(self, function: str, active: tuple[bool, ...]) -> set[str]:
        """The names that are active in a function's body."""
        self.results(function, active)
        return self._body(function, active)

    def reached(self, function: str, active: Sequence[bool], cotangents: Sequence[bool]) -> tuple[bool, ...]:
        """Which active parameters a result with a cotangent depends on."""
        count = len(active)

        def one(position: int) -> bool:
            alone = tuple(k == position for k in range(count))
            return any(on and wanted for on, wanted in zip(self.results(function, alone), cotangents, strict=True))

        return tuple(on and one(position) for position, on in enumerate(active))

    def _body(self, function: str, signature: tuple[bool, ...]) -> set[str]:
        found = self.state.functions[function]
        active = {one.name for one, on in zip(found.parameters, signature, strict=True) if on and self.tangents.carries(one.type)}
        self._block(found.body, active)
        return active

    def _block(self, block: Block, active: set[str]) -> None:
        for statement in block.statements:
            self._mark(active, statement.variables, self._right(statement.right, active, len(statement.variables)))

    def _mark(self, active: set[str], variables: Sequence[Variable], on: Iterable[bool]) -> None:
        active.update(one.name for one, yes in zip(variables, on, strict=True) if yes and self.tangents.carries(one.type))

    def _right(self, right: Right, active: set[str], count: int) -> tuple[bool, ...]:
        def on(atom: Atom) -> bool:
            return isinstance(atom, Variable) and atom.name in active

        match right:
            case Operation(op, arguments):
                some = any(on(one) and yes for one, yes in zip(arguments, differentiable_operands(op, len(arguments)), strict=True))
                return (some,) * count
            case Construct(_, _, arguments):
                return (any(map(on, arguments)),)
            case Call(function, arguments):
                return self.call(function, tuple(map(on, arguments)))
            case Case() | If():
                if isinstance(right, Case) and on(right.scrutinee):
                    for arm in right.arms:
                        self._mark(active, arm.fields, (True,) * len(arm.fields))
                inner = [block for _, block in blocks_of(right)]
                for block in inner:
                    self._block(block, active)
                return tuple(any(on(block.results[k]) for block in inner) for k in range(len(inner[0].results)))
            case For(_, _, carried, initial, body) | While(carried, initial, _, body):
                while True:
                    before = len(active)
                    self._mark(active, carried, map(on, initial))
                    self._block(body, active)
                    self._mark(active, carried, map(on, body.results))
                    if len(active) == before:
                        break
                return tuple(one.name in active for one in carried)
            case Vjp() | Jvp() if self.unanswered:
                return (any(map(on, atoms_of(right))),) * count
        raise AssertionError("requests are answered innermost first")

    def call(self, function: str, active: tuple[bool, ...]) -> tuple[bool, ...]:
        """Which results of a call are active; a custom rule covers all of a function's arguments."""
        found = self.state.functions[function]
        if found.derivative is not None:
            some = any(on and self.tangents.carries(one.type) for one, on in zip(found.parameters, active, strict=True))
            return (some,) * len(found.results)
        if not any(active):
            return (False,) * len(found.results)
        return self.results(function, active)
