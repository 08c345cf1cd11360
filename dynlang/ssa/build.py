"""Making SSA: a builder that appends to a region, and copies of functions under a substitution of values.

    b = Builder(region)
    three = b.constant(3, "i64")
    n = b.elementwise("mul", three, d)
    b.emit("yield", [n])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from dynlang.source import Span, blamed
from dynlang.ssa.nodes import Array, Box, Function, List, Module, Operation, Region, Rows, Scalar, Value, ValueType

I64, BOOL = Scalar("i64"), Scalar("bool")
Dimension = Value | int


class Builder:
    """Appends operations to `region`."""

    __slots__ = ("region", "span")

    def __init__(self, region: Region, span: Span | None = None) -> None:
        self.region = region
        self.span = span

    def append(self, operation: Operation) -> list[Value]:
        self.region.operations.append(operation)
        return operation.results

    def emit(self, name: str, operands: Sequence[Value] = (), results: Sequence[Value] = (), attributes: Mapping[str, object] | None = None,
             regions: Sequence[Region] = (), sizes: Sequence[Dimension] = ()) -> list[Value]:
        """Any operation, with its result values made by the caller."""
        return self.append(Operation(name, list(operands), list(results), attributes or {}, list(regions), tuple(sizes), self.span))

    def value(self, name: str, operands: Sequence[Value], kind: ValueType, attributes: Mapping[str, object] | None = None,
              sizes: Sequence[Dimension] = (), hint: str = "") -> Value:
        """An operation of one result of a given type."""
        return self.emit(name, operands, [Value(hint or name, kind)], attributes, (), sizes)[0]

    def constant(self, value: object, dtype: str, hint: str = "") -> Value:
        return self.value("constant", [], Scalar(dtype), {"value": value}, hint=hint or "c")

    def elementwise(self, name: str, *operands: Value, hint: str = "", **attributes: object) -> Value:
        """An elementwise row: the result has the operands' common shape, and the dtype that the row's kind implies."""
        return self.value(name, operands, elementwise_type(name, operands, attributes), attributes, hint=hint)


def elementwise_type(name: str, operands: Sequence[Value], attributes: Mapping[str, object]) -> ValueType:
    """The type of an elementwise op's result.

    `less` of f32[%n] and f32 gives bool[%n]; `convert {dtype = "f64"}` of it gives f64[%n].
    """
    from dynlang.ops import OPS

    shaped = next((one.type for one in operands if isinstance(one.type, Array)), None)
    dtype = dtype_of(operands[-1].type)
    if OPS[name].has("comparison"):
        dtype = "bool"
    elif name == "convert":
        dtype = str(attributes["dtype"])
    return Array(Scalar(dtype), shaped.shape) if shaped is not None else Scalar(dtype)


def dtype_of(kind: ValueType) -> str:
    """The dtype of a scalar or of an array of scalars."""
    match kind:
        case Scalar(dtype) | Array(Scalar(dtype)) | Rows(dtype):
            return dtype
    raise TypeError(f"{kind} has no dtype")


def side_by_side(kind: ValueType) -> int:
    """How many numbers stand side by side: in a value, or in each element of an array.

    >>> side_by_side(Array(Scalar("f64", 4), (3,)))
    4
    """
    element = kind.element if isinstance(kind, Array) else kind
    return element.lanes if isinstance(element, Scalar) else 1


# ---------------------------------------------------------------- types and the values they mention


def map_sizes(kind: ValueType, replace: Callable[[Value], Dimension]) -> ValueType:
    """The type with every size that is a value replaced."""
    def dimension(one: Dimension) -> Dimension:
        return one if isinstance(one, int) else replace(one)

    match kind:
        case Array(element, shape):
            inner = element if isinstance(element, Scalar) else map_sizes(element, replace)
            return Array(inner, tuple(map(dimension, shape)))
        case Box(name, sizes) if sizes:
            return Box(name, tuple(map(dimension, sizes)))
        case List(elements):
            return List(tuple(map_sizes(one, replace) for one in elements))
        case Rows(dtype, shape):
            return Rows(dtype, tuple(map(dimension, shape)))
        case _:
            return kind


def sizes_of(kind: ValueType) -> Iterator[Value]:
    """The values that a type mentions, left to right."""
    match kind:
        case Array(element, shape):
            if not isinstance(element, Scalar):
                yield from sizes_of(element)
            yield from (one for one in shape if isinstance(one, Value))
        case Box(_, sizes):
            yield from (one for one in sizes if isinstance(one, Value))
        case List(elements):
            for one in elements:
                yield from sizes_of(one)
        case Rows(_, shape):
            yield from (one for one in shape if isinstance(one, Value))


def fused_offsets(operation: Operation) -> tuple[int | None, ...]:
    """For each input of a fused loop, the operand that says where to begin in it, if there is one."""
    offsets = operation.attributes.get("offsets")
    return tuple(offsets) if isinstance(offsets, tuple) else (None,) * len(operation.regions[0].parameters)


def folds_of(operation: Operation) -> tuple[str | None, ...]:
    """For each result of a loop over elements the reduction that it is of what the region yields, None for an array."""
    folds = operation.attributes.get("folds")
    return tuple(folds) if isinstance(folds, tuple) else (None,) * len(operation.results)


def repeated_ranks(operation: Operation) -> tuple[int, ...]:
    """For each input of a fused loop its rank, if it is read anew for each index of the loop's first axes; else 0."""
    ranks = (len(one.type.shape) if isinstance(one.type, Array) else 0 for one in operation.operands)
    columns = columns_of(operation)
    return tuple(rank if place is None and rank < len(operation.sizes) and position not in columns else 0
                 for position, (rank, place) in enumerate(zip(ranks, fused_offsets(operation), strict=False)))


def columns_of(operation: Operation) -> tuple[int, ...]:
    """The inputs of a fused loop that have one number for each row."""
    columns = operation.attributes.get("columns")
    return columns if isinstance(columns, tuple) else ()


# ---------------------------------------------------------------- walking and copying


def operations_in(region: Region) -> Iterator[Operation]:
    """Every operation, an outer one before those inside it."""
    stack = [iter(region.operations)]
    while stack:
        for operation in stack[-1]:
            yield operation
            if operation.regions:
                stack.append(iter([inner for one in operation.regions for inner in one.operations]))
                break
        else:
            stack.pop()


class Copier:
    """Copies operations under a substitution; a value without a replacement stands for itself.

    Values are renamed as they are met, so a type may mention a size that is computed behind it; `finish` repairs such types
    when everything is copied.
    """

    __slots__ = ("call", "kinds", "late", "replacements", "turns")

    def __init__(self, replacements: dict[Value, Value] | None = None, call: Span | None = None) -> None:
        """`call`: the place of the call that the copied operations replace."""
        self.call = call
        self.replacements: dict[Value, Value] = {} if replacements is None else replacements
        self.late: list[tuple[Value, ValueType]] = []
        self.kinds: dict[int, tuple[ValueType, ValueType]] = {}
        """The final form of types met before, by identity (the old type is kept, so that its identity stays its own)."""
        self.turns = 0
        """How deep in operations that are copied several times: what replaced a size may be of the turn before."""

    def __call__(self, value: Value) -> Value:
        return self.replacements.get(value, value)

    def many(self, values: Iterable[Value]) -> list[Value]:
        return [self.replacements.get(one, one) for one in values]

    def kind(self, kind: ValueType) -> ValueType:
        return kind if isinstance(kind, Scalar) else map_sizes(kind, self)

    def define(self, value: Value) -> Value:
        """A fresh value in the place of `value`."""
        fresh = Value(value.name, value.type)
        self.replacements[value] = fresh
        if not isinstance(value.type, Scalar):
            known = self.kinds.get(id(value.type))
            if known is not None:
                fresh.type = known[1]
            elif not self.turns and all(size in self.replacements for size in sizes_of(value.type)):
                fresh.type = self.kind(value.type)
                self.kinds[id(value.type)] = value.type, fresh.type
            else:
                fresh.type = self.kind(value.type)
                self.late.append((fresh, value.type))
        return fresh

    def sizes(self, sizes: Iterable[Dimension]) -> tuple[Dimension, ...]:
        return tuple(one if isinstance(one, int) else self(one) for one in sizes)

    def operation(self, old: Operation, region: Callable[[Region], Region] | None = None) -> Operation:
        operands, sizes = self.many(old.operands), self.sizes(old.sizes)
        results = [self.define(one) for one in old.results]
        regions = [(region or self.region)(one) for one in old.regions]
        return Operation(old.name, operands, results, old.attributes, regions, sizes, blamed(old.span, self.call))

    def region(self, old: Region) -> Region:
        parameters = [self.define(one) for one in old.parameters]
        return Region(parameters, [self.operation(one) for one in old.operations])

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Around operations that are copied several times: sizes that they compute, and types that mention them, differ each time."""
        late, kinds = len(self.late), dict(self.kinds)
        self.turns += 1
        yield
        self.turns -= 1
        for fresh, kind in self.late[late:]:
            fresh.type = self.kind(kind)
        del self.late[late:]
        self.kinds = kinds

    def finish(self) -> None:
        """Give every copied value the final form of its type."""
        for fresh, kind in self.late:
            fresh.type = self.kind(kind)


def rebuild(function: Function, body: Callable[[Copier, Region], Region]) -> Function:
    """The function with the body that `body(copier, old body)` gives, results and sizes following the copier."""
    copier = Copier()
    made = body(copier, function.body)
    return with_body(function, made, copier)


def with_body(function: Function, body: Region, copier: Copier) -> Function:
    results = [copier.define(one) for one in function.results]
    copier.finish()
    return Function(function.name, body, results, function.owned, function.recursive, function.sizes, function.inout, function.export,
                    function.parameter_labels, function.result_labels, function.documentation, function.span)


def copy_function(function: Function) -> Function:
    """A copy that shares no value with the original."""
    return rebuild(function, lambda copier, body: copier.region(body))


def map_functions(module: Module, change: Callable[[Function], Function]) -> Module:
    return Module(module.sums, {name: change(one) for name, one in module.functions.items()}, module.roots)


def reached_from(module: Module, roots: Iterable[str]) -> Module:
    """The module without the functions that none of the roots calls, directly or not."""
    reached: set[str] = set()
    work = list(roots)
    while work:
        name = work.pop()
        if name not in reached:
            reached.add(name)
            work += [str(one.attributes["function"]) for one in operations_in(module.functions[name].body) if one.name == "call"]
    functions = {name: one for name, one in module.functions.items() if name in reached}
    return Module(module.sums, functions, tuple(one for one in module.roots if one in reached))
