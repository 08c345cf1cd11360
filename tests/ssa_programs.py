"""Random SSA modules, well-formed by construction: numbers, arrays, trees, lists and strings through branches, loops and calls.

`Programs(seed).module()` has functions @f0 @f1 ...; each may call those before it, the last also itself, with a fuel.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from dynlang.core.evaluate import SumValue
from dynlang.ssa.build import Builder
from dynlang.ssa.nodes import Array, Box, Function, List, Module, Region, Scalar, String, Value, ValueType
from dynlang.ssa.parse import parse_module

SUMS = parse_module("""
sum @Tree { Leaf(x: f32) Node(l: box @Tree, r: box @Tree) Tagged(n: i64, w: f32[3], t: box @Tree) Nil() }
""").sums
I64, F32, BOOL, TEXT, TREE = Scalar("i64"), Scalar("f32"), Scalar("bool"), String(), Box("Tree")
VECTOR, MATRIX = Array(F32, (3,)), Array(F32, (2, 3))
PAIRS, TREES = List((VECTOR, I64)), List((TREE,))
FOREST = Array(TREE, (2,))
KINDS: tuple[ValueType, ...] = (I64, F32, VECTOR, VECTOR, VECTOR, MATRIX, TREE, TREE, PAIRS, TREES, TEXT, FOREST)


class Programs:
    """`exact`: floats are small multiples of a power of two, so that sums don't depend on their order."""

    def __init__(self, seed: int, exact: bool = True) -> None:
        self.random = random.Random(seed)
        self.step = 0.25 if exact else 0.1
        self.functions: dict[str, Function] = {}

    def module(self) -> Module:
        for number in range(self.random.randint(1, 3)):
            self.function(f"f{number}")
        return Module(SUMS, self.functions)

    def arguments(self, function: Function) -> list[Any]:
        return [np.int64(4) if i == 0 else self.sample(value.type, 3) for i, value in enumerate(function.parameters)]

    def sample(self, kind: ValueType, depth: int) -> Any:
        choice = self.random
        match kind:
            case Scalar("i64"):
                return np.int64(choice.randint(-3, 5))
            case Scalar(_):
                return np.float32(choice.randint(-8, 8) * self.step)
            case Array(Box(), _):
                made = np.empty(2, object)
                made[:] = [self.sample(TREE, depth - 1) for _ in range(2)]
                return made
            case Array(_, shape):
                sizes = [int(one) for one in shape if isinstance(one, int)]
                return np.array([choice.randint(-8, 8) * self.step for _ in range(int(np.prod(sizes)))], np.float32).reshape(sizes)
            case List(elements):
                return [tuple(self.sample(one, depth - 1) for one in elements) for _ in range(choice.randint(0, 2))]
            case String():
                return choice.choice([b"", b"a", b"bc"])
        which = choice.choice(["Leaf", "Nil"] if depth <= 0 else ["Leaf", "Node", "Node", "Tagged", "Nil"])
        fields = SUMS["Tree"].constructor(which).fields
        kinds = {"x": F32, "n": I64, "w": VECTOR, "l": TREE, "r": TREE, "t": TREE}
        return SumValue(which, tuple(self.sample(kinds[one.name], depth - 1) for one in fields))

    # -- functions

    def function(self, name: str) -> None:
        kinds = [I64, *(self.random.choice(KINDS) for _ in range(self.random.randint(1, 4)))]
        parameters = [Value(f"p{i}", kind) for i, kind in enumerate(kinds)]
        results = [Value(f"r{i}", self.random.choice(KINDS)) for i in range(self.random.randint(3, 5))]
        owned = frozenset(i for i, one in enumerate(parameters) if one.counted and self.random.random() < 0.5)
        function = Function(name, Region(parameters), results, owned, recursive=True)
        self.functions[name] = function
        builder = Builder(function.body)
        scope = list(parameters)
        zero = builder.constant(0, "i64")
        spent = builder.elementwise("less_equal", parameters[0], zero)
        regions = []
        for fuel in (False, True):
            region = Region([])
            inner = Builder(region)
            inside = list(scope)
            self.statements(inner, inside, self.random.choice([1, 2, 2, 3]), self.random.randint(2, 7), fuel, name)
            inner.emit("yield", [self.pick(inner, inside, one.type) for one in results])
            regions.append(region)
        chosen = builder.emit("if", [spent], [Value(f"v{i}", one.type) for i, one in enumerate(results)], regions=regions)
        builder.emit("return", chosen)

    def statements(self, builder: Builder, scope: list[Value], depth: int, count: int, fuel: bool, name: str) -> None:
        for _ in range(count):
            makers = [self.number, self.array, self.array, self.array, self.tree, self.lists, self.lists, self.text]
            if depth:
                makers += [self.branch, self.switch, self.loop, self.random.choice([self.loop, self.open_loop])]
            maker = self.random.choice(makers)
            if maker in (self.branch, self.switch, self.loop, self.open_loop):
                maker(builder, scope, depth - 1, fuel, name)  # type: ignore[call-arg]
            elif fuel and self.random.random() < 0.15:
                self.call(builder, scope, name)
            else:
                maker(builder, scope)  # type: ignore[call-arg]

    def pick(self, builder: Builder, scope: Sequence[Value], kind: ValueType) -> Value:
        """A value of a kind: mostly one that is there, else a new one."""
        found = [one for one in scope if one.type == kind]
        if found and self.random.random() < 0.95:
            return self.random.choice(found[-2:] if self.random.random() < 0.75 else found)
        return self.fresh(builder, scope, kind)

    def fresh(self, builder: Builder, scope: Sequence[Value], kind: ValueType) -> Value:
        match kind:
            case Scalar("i64"):
                return builder.constant(self.random.randint(-2, 3), "i64")
            case Scalar(dtype):
                value = bool(self.random.getrandbits(1)) if dtype == "bool" else self.random.randint(-8, 8) * self.step
                return builder.constant(value, dtype)
            case Array(Scalar(), shape):
                return builder.value("fill", [self.pick(builder, scope, F32)], kind, sizes=shape)
            case Array(_, shape):
                return builder.value("fill", [self.pick(builder, scope, TREE)], kind, sizes=shape)
            case List():
                return builder.value("list_empty", [], kind)
            case String():
                return builder.value("constant", [], kind, {"value": "xy"})
        return builder.value("construct", [], TREE, {"sum": "Tree", "constructor": "Nil"})

    # -- statements

    def number(self, builder: Builder, scope: list[Value]) -> None:
        kind = self.random.choice([I64, F32])
        x, y = self.pick(builder, scope, kind), self.pick(builder, scope, kind)
        scope.append(builder.elementwise(self.random.choice(["add", "sub", "mul", "maximum"]), x, y))

    def array(self, builder: Builder, scope: list[Value]) -> None:
        vector, other, number = (self.pick(builder, scope, one) for one in (VECTOR, VECTOR, F32))
        matrix, index = self.pick(builder, scope, MATRIX), builder.constant(self.random.randint(0, 1), "i64")
        match self.random.randint(0, 11):
            case 0 | 1 | 2:
                name = self.random.choice(["add", "mul", "maximum", "sub"])
                scope.append(builder.elementwise(name, vector, self.random.choice([other, number])))
            case 3:
                scope.append(builder.elementwise("neg", vector))
            case 4:
                scope.append(builder.value("update", [vector, index, number], VECTOR))
            case 5:
                scope.append(builder.value("accumulate", [vector, other], VECTOR))
            case 6:
                scope.append(builder.value("reduce_sum", [vector], F32))
            case 7:
                scope.append(builder.value("at", [matrix, index], VECTOR))
            case 8:
                scope.append(builder.value("update", [matrix, index, vector], MATRIX))
            case 9:
                scope.append(builder.elementwise("mul", matrix, self.random.choice([matrix, number])))
            case 10:
                condition = builder.elementwise("less", vector, number)
                scope.append(builder.elementwise("select", condition, vector, other))
            case _:
                flat = builder.value("reshape", [matrix], Array(F32, (6,)), sizes=(6,))
                scope.append(builder.value("slice", [flat, index], VECTOR, sizes=(3,)))

    def tree(self, builder: Builder, scope: list[Value]) -> None:
        which = self.random.choice(["Leaf", "Node", "Tagged", "forest", "at", "update"])
        forest, index = self.pick(builder, scope, FOREST), builder.constant(self.random.randint(0, 1), "i64")
        if which == "at":
            scope.append(builder.value("at", [forest, index], TREE))
        elif which == "update":
            scope.append(builder.value("update", [forest, index, self.pick(builder, scope, TREE)], FOREST))
        elif which == "forest":
            scope.append(self.fresh(builder, scope, FOREST))
        else:
            kinds = {"Leaf": [F32], "Node": [TREE, TREE], "Tagged": [I64, VECTOR, TREE]}[which]
            fields = [self.pick(builder, scope, kind) for kind in kinds]
            scope.append(builder.value("construct", fields, TREE, {"sum": "Tree", "constructor": which}))

    def lists(self, builder: Builder, scope: list[Value]) -> None:
        kind = self.random.choice([PAIRS, TREES])
        target = self.pick(builder, scope, kind)
        items = [self.pick(builder, scope, one) for one in kind.elements]
        pushed = builder.value("list_push", [target, *items], kind)
        zero = builder.constant(0, "i64")
        match self.random.randint(0, 4):
            case 0 | 1:
                scope.append(pushed)
            case 2:
                results = [Value("l", kind), *(Value("e", one) for one in kind.elements)]
                scope += builder.emit("list_pop", [pushed], results)
            case 3:
                scope += builder.emit("list_get", [pushed, zero], [Value("e", one) for one in kind.elements])
            case _:
                other = [self.pick(builder, scope, one) for one in kind.elements]
                scope.append(builder.value("list_set", [pushed, zero, *other], kind))

    def text(self, builder: Builder, scope: list[Value]) -> None:
        left, right = self.pick(builder, scope, TEXT), self.pick(builder, scope, TEXT)
        zero, two = builder.constant(0, "i64"), builder.constant(2, "i64")
        short = builder.value("string_slice", [left, zero, two], TEXT)
        scope.append(builder.value("string_concat", [short, right], TEXT))

    # -- structure

    def region(self, parameters: Sequence[Value], scope: Sequence[Value], kinds: Sequence[ValueType], depth: int, fuel: bool,
               name: str) -> Region:
        region = Region(list(parameters))
        builder = Builder(region)
        inside = [*scope, *parameters]
        self.statements(builder, inside, depth, self.random.randint(1, 5), fuel, name)
        builder.emit("yield", [self.pick(builder, inside, kind) for kind in kinds])
        return region

    def results(self) -> list[Value]:
        return [Value(f"x{i}", self.random.choice(KINDS)) for i in range(self.random.randint(1, 3))]

    def branch(self, builder: Builder, scope: list[Value], depth: int, fuel: bool, name: str) -> None:
        condition = builder.elementwise("less", self.pick(builder, scope, I64), self.pick(builder, scope, I64))
        results = self.results()
        kinds = [one.type for one in results]
        regions = [self.region([], scope, kinds, depth, fuel, name) for _ in range(2)]
        scope += builder.emit("if", [condition], results, regions=regions)

    def switch(self, builder: Builder, scope: list[Value], depth: int, fuel: bool, name: str) -> None:
        box = self.pick(builder, scope, TREE)
        results = self.results()
        kinds = [one.type for one in results]
        fields = [[F32], [TREE, TREE], [I64, VECTOR, TREE], []]
        regions = [self.region([Value("field", kind) for kind in each], scope, kinds, depth, fuel, name) for each in fields]
        scope += builder.emit("switch", [box], results, regions=regions)

    def loop(self, builder: Builder, scope: list[Value], depth: int, fuel: bool, name: str) -> None:
        results = self.results()
        kinds = [one.type for one in results]
        carried = [Value("c", kind) for kind in kinds]
        initial = [self.pick(builder, scope, kind) for kind in kinds]
        count = builder.constant(self.random.randint(0, 2), "i64")
        region = self.region([Value("i", I64), *carried], scope, kinds, depth, False, name)
        scope += builder.emit("for", [count, *initial], results, regions=[region])

    def open_loop(self, builder: Builder, scope: list[Value], depth: int, fuel: bool, name: str) -> None:
        """A while whose first carried value counts down."""
        results = [Value("k", I64), *self.results()]
        kinds = [one.type for one in results]
        initial = [builder.constant(self.random.randint(0, 2), "i64"), *(self.pick(builder, scope, kind) for kind in kinds[1:])]
        before, inside = ([Value("c", kind) for kind in kinds] for _ in range(2))
        condition = Region(before)
        inner = Builder(condition)
        inner.emit("yield", [inner.elementwise("greater", before[0], inner.constant(0, "i64"))])
        body = self.region(inside, scope, kinds, depth, False, name)
        inner = Builder(Region(inside, body.operations[:-1]))
        less = inner.elementwise("sub", inside[0], inner.constant(1, "i64"))
        inner.emit("yield", [less, *body.operations[-1].operands[1:]])
        scope += builder.emit("while", initial, results, regions=[condition, inner.region])

    def call(self, builder: Builder, scope: list[Value], name: str) -> None:
        callee = self.functions[self.random.choice(list(self.functions))]
        fuel = builder.elementwise("sub", next(one for one in scope if one.type == I64), builder.constant(2, "i64"))
        if callee.name != name:
            fuel = builder.constant(1, "i64")
        arguments = [fuel, *(self.pick(builder, scope, one.type) for one in callee.parameters[1:])]
        results = [Value(one.name, one.type) for one in callee.results]
        scope += builder.emit("call", arguments, results, {"function": callee.name})
