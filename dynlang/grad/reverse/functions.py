"""f_forward and f_backward of a key. Names, residual type and signatures are registered before the bodies are made, so that
recursion and mutual recursion tie the knot.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dynlang.core.build import Signature
from dynlang.core.nodes import Arm, Atom, Block, Case, Construct, Function, Let, Variable
from dynlang.core.sizes import expand_size, size_of
from dynlang.core.walk import bound_in, free_variables
from dynlang.grad.adjoints import Region
from dynlang.grad.reverse.context import Reversal, can_rewind
from dynlang.grad.reverse.residuals import consumed_arrays
from dynlang.grad.reverse.statements import reverse_block
from dynlang.grad.state import Key, Pair, known_sizes, type_name
from dynlang.types import INT, Size, SumType, Type, size_variables, substitute

if TYPE_CHECKING:
    from dynlang.grad.engine import Engine


def mentioned_sizes(function: Function) -> set[str]:
    return {name for one in (*function.parameters, *function.results) for name in size_variables(one.type)}


class FunctionReversal:
    """The derivative of one function for one key."""

    def __init__(self, engine: Engine, key: Key) -> None:
        self.engine, self.key = engine, key
        self.function = engine.state.functions[key.function]
        self.known = known_sizes(self.function)
        self.variables = {one.name: one for one in (*self.function.parameters, *bound_in(self.function.body))}
        self.pair = self._register()
        self.result_sizes = self._result_sizes()

    # -- what is fixed before the bodies

    def _register(self) -> Pair:
        state, function, key = self.engine.state, self.function, self.key
        mentioned = mentioned_sizes(function)
        passed = tuple(k for k, one in enumerate(function.parameters) if one.type == INT and (k < function.sizes or one.name in mentioned))
        names = {function.parameters[k].name for k in passed}
        extras = tuple(k for k, one in enumerate(function.results) if one.type == INT and one.name in mentioned and self._extra(k, names))
        inout = dict(function.inout)
        destinations = tuple(k for k, on in enumerate(key.active) if on and not key.fresh[k] and k not in inout)
        rewound = tuple(k for k in inout if can_rewind(function.parameters[k].type)) if not function.checkpoint else ()
        again = tuple(k for k in range(len(function.parameters)) if k not in passed and k not in inout)
        base = function.name
        return Pair(
            key,
            state.function_names.fresh(f"{base}_forward"),
            state.function_names.fresh(f"{base}_backward"),
            state.declare_residual(f"{type_name(base)}Residual"),
            passed,
            extras,
            again,
            destinations,
            rewound,
        )

    def _extra(self, k: int, passed: set[str]) -> bool:
        """Whether result k, an int that types mention, has to be handed to the backward."""
        atom = self.function.body.results[k]
        return isinstance(atom, Variable) and not expand_size(size_of(atom), self.known).variables() <= passed

    def _result_sizes(self) -> dict[str, Size]:
        """For each int result, the size it is inside the body."""
        return {
            one.name: expand_size(size_of(atom), self.known) if k not in self.pair.extras else size_of(atom)
            for k, (one, atom) in enumerate(zip(self.function.results, self.function.body.results, strict=True))
            if one.type == INT
        }

    def type_sizes(self) -> list[str]:
        """The residual's size parameters, by their names in the body."""
        extras = [self.function.body.results[k] for k in self.pair.extras]
        return [self.function.parameters[k].name for k in self.pair.passed] + [one.name for one in extras if isinstance(one, Variable)]

    def residual(self) -> SumType:
        return SumType(self.pair.residual, tuple(map(Size.variable, self.type_sizes())))

    def register(self) -> Pair:
        """Signatures of both functions: enough for calls of them."""
        state, function, pair = self.engine.state, self.function, self.pair
        state.define_sum(pair.residual, self.type_sizes(), [])
        outer = SumType(
            pair.residual,
            (
                *(Size.variable(function.parameters[k].name) for k in pair.passed),
                *(Size.variable(function.results[k].name) for k in pair.extras),
            ),
        )
        names = state.names_of(function)
        self.names = names
        self.forward_results = (*function.results, Variable(names.fresh("saved"), outer))
        state.signatures[pair.forward] = Signature(function.parameters, self.forward_results)
        self._backward_variables()
        self._backward_signature()
        return pair

    def _backward_variables(self) -> None:
        function, pair, names = self.function, self.pair, self.names
        tangents = self.engine.tangents

        def inside(kind: Type) -> Type:
            return substitute(tangents.of(kind), self.result_sizes)

        self.residual_variable = Variable(names.fresh("saved"), self.residual())
        self.cotangents = [
            Variable(names.fresh(f"d_{one.name}"), inside(one.type)) if on else None
            for one, on in zip(function.results, self.key.cotangents, strict=True)
        ]
        self.destinations = {
            k: Variable(names.fresh(f"d_{function.parameters[k].name}"), tangents.of(function.parameters[k].type))
            for k in pair.destinations
        }
        hands_back = dict(function.inout)
        self.finals = {
            k: Variable(
                names.fresh(f"{function.parameters[k].name}_after"), substitute(function.results[hands_back[k]].type, self.result_sizes))
            for k in pair.rewound
        }
        results = [Variable(names.fresh(f"d_{function.parameters[k].name}"), tangents.of(function.parameters[k].type)) for k in pair.wanted]
        results += [Variable(names.fresh(f"{function.parameters[k].name}_before"), function.parameters[k].type) for k in pair.rewound]
        self.backward_results = tuple(results)

    def _backward_signature(self, saved: frozenset[str] = frozenset()) -> None:
        """`saved` are parameters that are handed in again though the residual has them: these have their names."""
        sizes = [Variable(name, INT) for name in self.type_sizes()]
        again = [replace(one, name=self.names.fresh(one.name)) if one.name in saved else one
                 for one in (self.function.parameters[k] for k in self.pair.again)]
        present = [one for one in self.cotangents if one is not None]
        parameters = (*sizes, *again, self.residual_variable, *present, *self.destinations.values(), *self.finals.values())
        self.engine.state.signatures[self.pair.backward] = Signature(parameters, self.backward_results)

    def _inout(self) -> tuple[tuple[int, int], ...]:
        """What the backward owns and hands back: destinations, cotangents of `inout` results, arrays rewound."""
        signature = self.engine.state.signatures[self.pair.backward]
        position = {one.name: k for k, one in enumerate(signature.parameters)}
        wanted, function = self.pair.wanted, self.function
        found = [(position[one.name], wanted.index(k)) for k, one in self.destinations.items()]
        for parameter, result in function.inout:
            cotangent = self.cotangents[result]
            if parameter in wanted and cotangent is not None:
                found.append((position[cotangent.name], wanted.index(parameter)))
        found += [(position[one.name], len(wanted) + k) for k, one in enumerate(self.finals.values())]
        return tuple(sorted(found))

    # -- bodies

    def make(self) -> None:
        if self.function.checkpoint:
            self._checkpointed()
            return
        engine, function = self.engine, self.function

        def inout(name: str) -> tuple[int, ...]:
            called = engine.state.functions.get(name)
            return () if called is None else tuple(p for p, _ in called.inout)

        r = Reversal(
            engine,
            function,
            self.names,
            engine.activity.variables(function.name, self.key.active),
            self.known,
            consumed_arrays(function, inout),
            self.variables,
        )
        region = Region(engine.state.builder(self.names, self.known))
        region.adjoints.update((function.parameters[k].name, one) for k, one in self.destinations.items())
        hands_back = dict(function.inout)
        for k, one in self.finals.items():
            after = function.body.results[hands_back[k]]
            if isinstance(after, Variable):
                region.primal[after.name] = one
        cotangents: list[Atom | None] = [
            None if one is None else engine.adjoints.retype(region.builder, one, engine.tangents.of(atom.type))
            for one, atom in zip(self.cotangents, function.body.results, strict=True)
        ]
        forward = reverse_block(r, function.body, cotangents, region)
        results = [self._final(region, function.parameters[k]) for k in self.pair.wanted]
        results += [region.primal.get(function.parameters[k].name, function.parameters[k]) for k in self.pair.rewound]
        handed = {function.parameters[k].name for k in self.pair.again} - r.consumed
        backward = region.builder.block(*results)
        while True:
            outside = {*self.type_sizes(), *handed}
            packed = r.pack(tuple(one for one in function.parameters if one.name not in outside), forward, backward)
            saved = tuple(one for one in packed.saved if one.name not in outside)
            in_types = {name for one in saved for name in size_variables(one.type)} & handed
            if not in_types:
                break
            handed -= in_types  # a field's type can't speak of what stands outside of the residual
        self._hand_again(packed.backward, handed)
        self._define(packed.forward, packed.backward, saved)

    def _hand_again(self, backward: Block, handed: set[str]) -> None:
        """Only the parameters that the backward reads, unless recursive calls have already been made with all of them."""
        read = {one.name for one in free_variables(backward)} & handed
        if self.pair.again and not self.engine.is_called(self.pair):
            again = tuple(k for k in self.pair.again if self.function.parameters[k].name in read)
            self.pair = self.engine.change_pair(replace(self.pair, again=again))
            self._backward_signature()
        elif self.pair.again:
            self._backward_signature(frozenset(self.function.parameters[k].name for k in self.pair.again) - handed)

    def _final(self, region: Region, parameter: Variable) -> Atom:
        value = region.adjoints.get(parameter.name)
        if value is None:
            return self.engine.adjoints.zeros_like(region, parameter)
        return self.engine.adjoints.force(region.builder, value, parameter)

    def _define(self, forward: list[Let], backward: Block, saved: tuple[Variable, ...]) -> None:
        state, function, pair = self.engine.state, self.function, self.pair
        constructor = state.constructor_names.fresh(f"{type_name(function.name)}Saved")
        state.define_sum(pair.residual, self.type_sizes(), [(constructor, saved)])
        made = Variable(self.names.fresh("saved"), self.residual())
        construct = Let((made,), Construct(self.residual(), constructor, saved))
        state.add_function(
            replace(
                function,
                name=pair.forward,
                results=self.forward_results,
                body=Block((*forward, construct), (*function.body.results, made)),
                derivative=None,
                export=None,
                parameter_labels=(),
                result_labels=(),
                checkpoint=False,
                documentation=f"{function.name}, and what its backward reads.",
            )
        )
        signature = state.signatures[pair.backward]
        outputs = tuple(Variable(self.names.fresh(one.name), one.type) for one in signature.results)
        opened = Let(outputs, Case(self.residual_variable, (Arm(constructor, saved, backward),)))
        state.add_function(
            Function(
                pair.backward,
                signature.parameters,
                signature.results,
                Block((opened,), outputs),
                len(self.type_sizes()),
                self._inout(),
                documentation=f"Cotangents of the arguments of {function.name} from those of its results.",
                span=function.span,
            )
        )

    def _checkpointed(self) -> None:
        """Only what is lent is saved, as it was: the backward has the other arguments, and calls the forward again."""
        engine, function, state = self.engine, self.function, self.engine.state
        plain = engine.unchecked(function)
        pair = engine.reverse(Key(plain, self.key.active, self.key.cotangents, self.key.fresh))
        builder = state.builder(self.names, self.known)
        again = builder.call(pair.forward, *function.parameters)
        sizes = [function.parameters[k] for k in pair.passed] + [again[k] for k in pair.extras]
        present = [
            engine.adjoints.retype(builder, one, engine.tangents.of(again[k].type))
            for k, one in enumerate(self.cotangents)
            if one is not None
        ]
        hands_back = dict(function.inout)
        after = [again[hands_back[k]] for k in pair.rewound]
        found = builder.call(
            pair.backward, *sizes, *(function.parameters[k] for k in pair.again), again[-1], *present, *self.destinations.values(), *after
        )
        lent = tuple(function.parameters[k] for k in hands_back)
        self._define(list(function.body.statements), builder.block(*found[: len(self.pair.wanted)]), lent)
