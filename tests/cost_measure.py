"""What a gradient costs, counted: operations, elements copied, bytes saved.

An example is a function of a Dyn program with a line in its doc string that says at which sizes it is measured:

    fn lstm<n, d, l>(m: nn.Lstm<n, d, f64>, x: f64[l, n]) -> f64:
        \"\"\"costs: l = 4, 8, 16; n = 3; d = 4\"\"\"

The first name with several values is what it is scaled by. Floats are random; other values are Python over the sizes, as in
`words = below(v, l)`; `wrt = x` names the parameters of the gradient (default: all that carry one). Operations are those of the
interpreter: each row of the op table by its cost and the elements that it handles; each call, constructor, branch and trip is one.
Copies are counted on SSA as it is compiled, with reference counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dynlang.core.evaluate import Counter, SumValue, evaluate
from dynlang.core.nodes import Block, Call, Function, Module
from dynlang.core.simplify import simplify
from dynlang.grad import differentiate, gradient_program
from dynlang.ops.dtypes import NUMPY
from dynlang.opt import optimise
from dynlang.ssa.interpret import interpret
from dynlang.ssa.lower import lower
from dynlang.tools.derivative import positions
from dynlang.types import ArrayType, ScalarType, Size, Type

Value = Any
RATIO, MEDIAN, SLACK = 6.0, 4.0, 0.05
"""The largest cost of a gradient in primals, the median of all examples, and how far the exponents may differ."""
COSTS = re.compile(r"costs: *(.*?)\s*$", re.M | re.S)


# ---------------------------------------------------------------- arguments


@dataclass(frozen=True)
class Plan:
    """At which values an example is measured: `scaled` takes those of `steps`; `fixed` are Python over the sizes."""

    scaled: str
    steps: tuple[int, ...]
    fixed: Mapping[str, str]
    wrt: tuple[str, ...] = ()

    @staticmethod
    def of(text: str) -> Plan:
        """``l = 4, 8; n = 3`` -> Plan("l", (4, 8), {"n": "3"})."""
        parts = [one.partition("=") for one in text.replace("\n", " ").split(";") if one.strip()]
        given = {name.strip(): value.strip() for name, _, value in parts}
        scaled = next(name for name, value in given.items() if re.fullmatch(r"\d+(, *\d+)+", value))
        wrt = tuple(given.pop("wrt").split(", ")) if "wrt" in given else ()
        return Plan(scaled, tuple(int(one) for one in given.pop(scaled).split(",")), given, wrt)

    @staticmethod
    def in_documentation(function: Function) -> Plan | None:
        found = COSTS.search(function.documentation)
        return Plan.of(found[1]) if found else None


class Maker:
    """Arguments of a function: the same at every run."""

    def __init__(self, function: Function, plan: Plan, step: int) -> None:
        self.random = np.random.default_rng(1)
        self.plan = plan
        self.scope: dict[str, Any] = {plan.scaled: step, "below": self.below, "np": np, "log2": lambda n: int(math.log2(n)), **BUILDERS}
        labels = function.parameter_labels or tuple(one.name for one in function.parameters)
        self.values = [self.argument(one.name, label, one.type) for one, label in zip(function.parameters, labels, strict=True)]

    def below(self, bound: int, *shape: int) -> np.ndarray:
        return self.random.integers(bound, size=shape)

    def argument(self, name: str, label: str, kind: Type) -> Value:
        text = next((self.plan.fixed[one] for one in (label, name) if one in self.plan.fixed), None)
        if text is not None:
            self.scope[name] = eval(text, {"__builtins__": {}, "random": self.numbers}, self.scope)
        elif name not in self.scope:
            self.scope[name] = self.random_value(kind, label)
        return self.scope[name]

    def numbers(self, *shape: int) -> np.ndarray:
        return self.random.standard_normal(shape) * 0.5

    def random_value(self, kind: Type, label: str) -> Value:
        match kind:
            case ScalarType(dtype) if dtype[0] in "bf" and dtype != "bool":
                return np.asarray(self.numbers()).astype(NUMPY[dtype])[()]
            case ArrayType(ScalarType(dtype), shape):
                sizes = [one.evaluate({name: int(self.scope[name]) for name in one.variables()}) for one in shape if isinstance(one, Size)]
                return self.numbers(*sizes).astype(NUMPY[dtype])
        raise ValueError(f"the plan says nothing of `{label}`, a {kind}")


def word_tree(depth: int, words: int = 7) -> SumValue:
    """A full binary tree of words."""
    if depth == 0:
        return SumValue("Leaf", (np.int64(depth % words),))
    return SumValue("Node", (word_tree(depth - 1, words), word_tree(depth - 1, words)))


def chain(depth: int, words: int = 7) -> SumValue:
    tree = SumValue("Leaf", (np.int64(0),))
    for k in range(depth):
        tree = SumValue("Node", (tree, SumValue("Leaf", (np.int64(k % words),))))
    return tree


def number_tree(depth: int, size: int) -> SumValue:
    """A full binary tree with an array at each leaf."""
    if depth == 0:
        return SumValue("Tip", (np.linspace(0.1, 0.5, size),))
    return SumValue("Fork", (number_tree(depth - 1, size), number_tree(depth - 1, size)))


BUILDERS = {"word_tree": word_tree, "chain": chain, "number_tree": number_tree, "SumValue": SumValue}


# ---------------------------------------------------------------- counting


@dataclass(frozen=True)
class Cost:
    """One evaluation of a function and of its gradient."""

    primal: float
    gradient: float
    saved: int
    copied_by_primal: int | None = None
    copied: int | None = None

    @property
    def ratio(self) -> float:
        return self.gradient / self.primal


def operations(module: Module, name: str, arguments: Sequence[Value]) -> float:
    counter = Counter()
    evaluate(module, name, arguments, counter)
    return counter.steps


def saved_bytes(module: Module, gradient: str, arguments: Sequence[Value], results: int) -> int:
    """Bytes of what the forward hands to the backward, arrays that the arguments hold left out: numbers, and 8 for a reference."""
    function = module.functions[gradient]
    statements = function.body.statements
    position = next(k for k, one in enumerate(statements) if isinstance(one.right, Call))
    residual = statements[position].variables[results:]
    opened = replace(function, name="saved", body=Block(statements[: position + 1], residual), results=residual, inout=())
    found = evaluate(replace(module, functions={**module.functions, "saved": opened}), "saved", arguments)
    seen: set[int] = set()
    for one in arguments:
        bytes_of(one, seen)
    return sum(bytes_of(one, seen) for one in found)


def bytes_of(value: Value, seen: set[int]) -> int:
    """A block that was met before counts as nothing: what holds it counts the reference."""
    if isinstance(value, (np.generic, int, float)):
        return np.asarray(value).nbytes
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, SumValue):
        return sum(field_bytes(one, seen) for one in value.fields)
    if isinstance(value, list):
        return sum(field_bytes(one, seen) for item in value for one in item)
    if isinstance(value, np.ndarray) and value.dtype == object:
        return sum(field_bytes(one, seen) for one in value.ravel())
    return value.nbytes if isinstance(value, np.ndarray) else len(value)


def field_bytes(value: Value, seen: set[int]) -> int:
    """A field: a number as it is, anything else behind a reference."""
    reference = 0 if isinstance(value, (np.generic, int, float)) else 8
    return reference + bytes_of(value, seen)


def copied_elements(module: Module, name: str, arguments: Sequence[Value], level: int = 2) -> int:
    """Elements of the blocks that were copied to be written, because somebody else held them."""
    compiled = optimise(lower(module), level)
    counts: list[int] = []
    interpret(compiled, name, arguments, count=True, elements=counts)
    return sum(counts)


@dataclass(frozen=True)
class Growth:
    """An example at growing sizes."""

    name: str
    plan: Plan
    costs: tuple[Cost, ...]

    def exponent(self, of: str) -> float:
        """The power of the scale with which a cost grows, between the two largest sizes."""
        values = [max(float(getattr(one, of)), 1.0) for one in self.costs]
        return math.log(values[-1] / values[-2]) / math.log(self.plan.steps[-1] / self.plan.steps[-2])

    @property
    def ratios(self) -> list[float]:
        return [one.ratio for one in self.costs]


def growth(module: Module, name: str, plan: Plan | None = None, copies: bool = False) -> Growth:
    """An example measured at all its sizes; with `copies` the elements copied are counted, too, at the smallest."""
    function = module.functions[name]
    plan = plan or Plan.in_documentation(function)
    assert plan is not None, f"{name} doesn't say at which sizes it is measured"
    gradient = f"{name}_grad"
    pair = gradient_program(module, name, positions(module, function, plan.wrt) if plan.wrt else None)
    made = simplify(pair, (gradient,))
    module = simplify(differentiate(module), (name,))
    costs = []
    for step in plan.steps:
        arguments = Maker(function, plan, step).values
        counted = copies and step == plan.steps[0]
        costs.append(Cost(
            operations(module, name, arguments),
            operations(made, gradient, arguments),
            saved_bytes(pair, gradient, arguments, len(function.results)),
            copied_elements(module, name, arguments) if counted else None,
            copied_elements(made, gradient, arguments) if counted else None,
        ))
    return Growth(name, plan, tuple(costs))
