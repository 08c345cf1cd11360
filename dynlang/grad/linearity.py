"""A pullback is linear in its cotangent (rule 32): what certainly isn't is found in the Core of a rule, before it runs.

Each value of a rule has a level, which says how it depends on the cotangents:

    ZERO        it is zero                          0.0, zeros(n), 0.0 * x
    CONSTANT    not at all                          x, exp(x)
    LINEAR      linearly                            g, 2.0 * x * g, w @ g
    UNCLEAR     nothing is claimed                  a list that holds x and g
    a `Fault`   certainly not linearly, and why     g * g, exp(g), g + 1.0, 2.0 * x if g > 0.0 else 0.0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from dynlang.core.nodes import (
    Atom,
    Block,
    Call,
    Case,
    Construct,
    For,
    Function,
    If,
    Jvp,
    Let,
    Literal,
    Module,
    Operation,
    Variable,
    Vjp,
    While,
)
from dynlang.core.tangents import TangentTypes, tangent_sum_name
from dynlang.diag import Diagnostic, Label
from dynlang.grad.errors import NonlinearRule
from dynlang.ops import OPS
from dynlang.source import Span, in_library
from dynlang.types import FLOATS, ArrayType, ListType, RowsType, ScalarType, SumType, Type


class Level(Enum):
    ZERO = 0
    CONSTANT = 1
    LINEAR = 2
    UNCLEAR = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """What the cotangent goes through that isn't linear."""

    why: str
    span: Span | None


Dependence = Level | Fault
ZERO, CONSTANT, LINEAR, UNCLEAR = Level

SUMS = frozenset({"add", "sub", "accumulate", "rows_add"})
"""Their operands are all linear, or none is: a constant beside the cotangent is a fault."""
PRODUCTS = frozenset({"mul", "dot", "matvec", "vecmat", "matmul"})
SHAPES = frozenset({"list_length", "rows_count", "rows_index"})
"""What depends on the form of a cotangent alone, which the primal decides."""
TRIALS = 8


def nonlinear_rules(module: Module) -> list[Diagnostic]:
    """An error for each rule whose pullback certainly isn't linear; a surrogate makes no such claim."""
    found: dict[str, Diagnostic] = {}
    for function in module.functions.values():
        if function.derivative is None or function.derivative.surrogate:
            continue
        rule = module.functions[function.derivative.rule]
        problem = Pullback(module).fault_of(rule, function)
        if problem is not None:
            found.setdefault(str(problem), problem)
    return list(found.values())


def carries(kind: Type) -> bool:
    """Whether a value can hold numbers that a derivative speaks of; sums and lists may."""
    match kind:
        case ScalarType(dtype):
            return dtype in FLOATS
        case ArrayType(element, _):
            return carries(element)
    return isinstance(kind, (SumType, ListType, RowsType))


class Pullback:
    """Levels of the values in a rule and in what it calls, by the levels of what is given."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.known: dict[tuple[str, tuple[Dependence, ...]], tuple[Dependence, ...]] = {}
        self.working: set[tuple[str, tuple[Dependence, ...]]] = set()

    def fault_of(self, rule: Function, function: Function) -> Diagnostic | None:
        assert function.derivative is not None
        count = len(function.parameters) + len(function.derivative.reads)
        given = [CONSTANT if k < count else LINEAR for k in range(len(rule.parameters))]
        gradients = self.call(rule.name, given)
        name = rule.span.text if rule.span is not None else rule.name
        labels = (Label(rule.span, "the rule"),) if rule.span is not None else ()
        title = f"the pullback of `{name}` isn't linear in its cotangent"
        for one, place in zip(gradients, rule.results, strict=True):
            if isinstance(one, Fault):
                here = one.span is not None and rule.span is not None and one.span.source is rule.span.source
                where = labels if here or one.span is None or in_library(one.span.source.name) else (Label(one.span, "here"),)
                return NonlinearRule(f"{title}: {one.why}", one.span if here else rule.span, secondary=where,
                                     hint="`@derivative(of=..., surrogate=true)` makes no claim to be a derivative")
            if one is CONSTANT and carries(place.type):
                hint = "multiply by what the pullback is given: `g => 2.0 * x * g`"
                return NonlinearRule(f"{title}: a tangent that it gives doesn't depend on it", rule.span, hint=hint)
        return None

    # -- functions

    def call(self, name: str, given: Sequence[Dependence]) -> tuple[Dependence, ...]:
        """The levels of a function's results: by its rule, if that tells, else by its body."""
        function = self.module.functions[name]
        if function.derivative is not None and LINEAR in given and self.is_linear_by_rule(function, given):
            return (LINEAR,) * len(function.results)
        return self.by_body(name, given)

    def is_linear_by_rule(self, function: Function, given: Sequence[Dependence]) -> bool:
        """Whether the derivative with respect to the arguments that are linear in the cotangent doesn't depend on them: a linear
        solver goes by what is left of its residual, and is linear all the same."""
        if any(isinstance(one, Fault) or one is UNCLEAR for one in given):
            return False
        assert function.derivative is not None
        tangents = TangentTypes(dict(self.module.sums), lambda one: tangent_sum_name(one) in self.module.sums)
        carrying = [k for k, one in enumerate(function.parameters) if tangents.carries(one.type)]
        rule = self.module.functions[function.derivative.rule]
        others = [CONSTANT] * (len(rule.parameters) - len(given))
        gradients = self.by_body(rule.name, [*given, *others])
        return all(one in (CONSTANT, ZERO) for k, one in zip(carrying, gradients, strict=True) if given[k] is LINEAR)

    def by_body(self, name: str, given: Sequence[Dependence]) -> tuple[Dependence, ...]:
        """Recursion begins with zeros and goes on until nothing changes."""
        key = name, tuple(given)
        function = self.module.functions[name]
        if key in self.working or key in self.known:
            return self.known[key]
        self.known[key] = (ZERO,) * len(function.results)
        self.working.add(key)
        for _ in range(TRIALS):
            levels = {place.name: level for place, level in zip(function.parameters, given, strict=True)}
            found = tuple(self.block(function.body, levels))
            if found == self.known[key]:
                break
            self.known[key] = found
        else:
            self.known[key] = (UNCLEAR,) * len(function.results)
        self.working.discard(key)
        return self.known[key]

    def block(self, block: Block, levels: dict[str, Dependence]) -> list[Dependence]:
        for one in block.statements:
            found = self.right(one, levels)
            levels.update((variable.name, level) for variable, level in zip(one.variables, found, strict=True))
        return [self.atom(one, levels) for one in block.results]

    def atom(self, atom: Atom, levels: dict[str, Dependence]) -> Dependence:
        if isinstance(atom, Literal):
            return ZERO if isinstance(atom.value, (int, float)) and atom.value == 0 else CONSTANT
        return levels[atom.name]

    # -- statements

    def right(self, statement: Let, levels: dict[str, Dependence]) -> Sequence[Dependence]:
        right, count = statement.right, len(statement.variables)
        match right:
            case Operation():
                return (self.operation(right, [self.atom(one, levels) for one in right.arguments], statement),) * count
            case Construct(_, _, arguments):
                return (mixture([self.atom(one, levels) for one in arguments if carries(one.type)]),)
            case Call(function, arguments):
                return self.call(function, [self.atom(one, levels) for one in arguments])
            case Vjp(_, arguments, _, cotangents):
                return self.request(arguments, cotangents, len(self.module.functions[right.function].results), statement, levels)
            case Jvp(_, arguments, tangents):
                return self.request(arguments, tangents, len(self.module.functions[right.function].results), statement, levels)
            case If(condition, then, otherwise):
                return self.branches(self.atom(condition, levels), [(then, ()), (otherwise, ())], ZERO, levels)
            case Case(scrutinee, arms):
                level = self.atom(scrutinee, levels)
                return self.branches(level if isinstance(level, Fault) else ZERO, [(one.body, one.fields) for one in arms], level, levels)
            case For(index, trips, carried, initial, body):
                levels[index.name] = CONSTANT
                return self.loop(self.atom(trips, levels), carried, initial, body, None, levels)
            case While(carried, initial, condition, body):
                return self.loop(CONSTANT, carried, initial, body, condition, levels)
        raise AssertionError(right)

    def request(self, arguments: Sequence[Atom], along: Sequence[Atom | None], primal: int, statement: Let,
                levels: dict[str, Dependence]) -> Sequence[Dependence]:
        """A derivative is linear in the cotangents or tangents that it is given, and not in the point where it is taken."""
        count = len(statement.variables)
        given = [self.atom(one, levels) for one in arguments if carries(one.type)]
        faults = [one for one in given if isinstance(one, Fault)]
        if faults or LINEAR in given or UNCLEAR in given:
            return (faults[0] if faults else UNCLEAR,) * count
        moved = mixture([self.atom(one, levels) for one in along if one is not None])
        return (*(CONSTANT,) * primal, *(moved,) * (count - primal))

    def branches(self, condition: Dependence, blocks: Sequence[tuple[Block, Sequence[Variable]]], opened: Dependence,
                 levels: dict[str, Dependence]) -> Sequence[Dependence]:
        found: list[list[Dependence]] = []
        for block, fields in blocks:
            inner = {**levels, **{one.name: opened if carries(one.type) else CONSTANT for one in fields}}
            found.append(self.block(block, inner))
        if isinstance(condition, Fault):
            return [condition] * len(found[0])
        return [mixture(each) for each in zip(*found, strict=True)]

    def loop(self, trips: Dependence, carried: Sequence[Variable], initial: Sequence[Atom], body: Block, condition: Block | None,
             levels: dict[str, Dependence]) -> Sequence[Dependence]:
        current: list[Dependence] = [self.atom(one, levels) for one in initial]
        for _ in range(TRIALS):
            inner = {**levels, **{one.name: level for one, level in zip(carried, current, strict=True)}}
            asked = self.block(condition, dict(inner))[0] if condition is not None else trips
            after = self.block(body, inner)
            changed = [mixture(pair) for pair in zip(current, after, strict=True)]
            if isinstance(asked, Fault):
                return [asked] * len(current)
            if changed == current:
                return current
            current = changed
        return [UNCLEAR] * len(current)

    # -- ops

    def operation(self, operation: Operation, given: Sequence[Dependence], statement: Let) -> Dependence:
        fault = next((one for one in given if isinstance(one, Fault)), None)
        if fault is not None:
            return fault
        op, row = operation.op, OPS[operation.op]
        numbers = [level for level, one in zip(given, operation.arguments, strict=True) if carries(one.type)]
        if op in PRODUCTS and ZERO in numbers:
            return ZERO
        if not numbers:
            return ZERO if op in ("list_empty", "rows_empty", "empty") else CONSTANT
        if all(one is ZERO for one in numbers):
            return ZERO if op in KEEPS_ZERO or op in SUMS or row.has("linear") else CONSTANT
        if UNCLEAR in numbers:
            return UNCLEAR
        if LINEAR not in numbers:
            return CONSTANT
        return self.of_linear(operation, numbers, statement)

    def of_linear(self, operation: Operation, numbers: Sequence[Dependence], statement: Let) -> Dependence:
        """The level of an op with an operand that is linear in the cotangent."""
        op, span = operation.op, statement.span
        if op in SHAPES:
            return CONSTANT
        if OPS[op].has("comparison"):
            return Fault("a comparison of it", span)
        if not any(carries(one.type) for one in statement.variables):
            return Fault(f"`{OPS[op].surface or op}` of it" if op != "convert" else "a cast of it to whole numbers", span)
        if op in PRODUCTS:
            return Fault("a product of it with itself", span) if numbers.count(LINEAR) == 2 else LINEAR
        if op == "div":
            return Fault("a division by it", span) if numbers[1] is LINEAR else LINEAR
        if op in SUMS or op == "select":
            return Fault("something is added to it that doesn't depend on it" if op in SUMS else "a choice between it and something else",
                         span) if CONSTANT in numbers else LINEAR
        if op in KEEPS_ZERO or OPS[op].has("linear"):
            return mixture(numbers)
        if op.startswith("accumulate_"):
            return UNCLEAR
        return Fault(f"`{OPS[op].surface or op}` of it", span)


KEEPS_ZERO = frozenset({
    "select", "stop_gradient", "fill", "broadcast", "reshape", "transpose", "reverse", "slice", "concat", "at", "take", "gather", "update",
    "update_slice", "accumulate_at", "accumulate_slice", "scatter_add", "reduce_sum", "rows_merge", "rows_row", "rows_dense",
    "list_push", "list_pop", "list_get", "list_set", "list_take",
})
"""Ops that move numbers, choose among them or add them up."""


def mixture(levels: Sequence[Dependence]) -> Dependence:
    """The level of what holds several values, or is one of them."""
    faults = [one for one in levels if isinstance(one, Fault)]
    kinds = {one for one in levels if one is not ZERO}
    return faults[0] if faults else (UNCLEAR if len(kinds) > 1 else next(iter(kinds), ZERO))
