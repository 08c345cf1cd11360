"""Core to SSA: sizes become values, literals constants; structure stays, as regions.

A size polynomial is computed once, in the outermost region where all its variables are known, and shared by everything below.

    fn f<n>(x: f32[2*n]) -> f32[2*n]: return x + 1.0

    func @f(%n: i64, %x: f32[%size]) -> (f32[%size]) {
      %c: i64 = constant {value = 2}
      %size: i64 = mul %c, %n
      %one: f32 = constant {value = 1.0}
      %y: f32[%size] = add %x, %one
      return %y
    }
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dynlang import types
from dynlang.core import nodes as core
from dynlang.diag import InternalError
from dynlang.source import Span
from dynlang.ssa.build import I64, Builder
from dynlang.ssa.nodes import Array, Box, Function, List, Module, Operation, Region, Rows, Scalar, String, Value, ValueType
from dynlang.types import Atom, FloorDivision, Size


def lower(module: core.Module) -> Module:
    """The module in SSA. There is no `Vjp` or `Jvp` left in it."""
    looping = recursive_functions(module.functions)
    functions = {name: _Lowering(one, name in looping).function() for name, one in module.functions.items()}
    return Module(dict(module.sums), functions, module.roots)


class _Scope:
    """One region under construction."""

    __slots__ = ("constants", "region", "sizes", "types", "values")

    def __init__(self, region: Region) -> None:
        self.region = region
        self.values: dict[str, Value] = {}
        self.sizes: dict[Size | tuple[Atom, ...], Value] = {}
        self.constants: dict[tuple[str, str], Value] = {}
        self.types: dict[types.Type, ValueType] = {}


class _Lowering:
    def __init__(self, source: core.Function, recursive: bool) -> None:
        self.source = source
        self.recursive = recursive
        self.scopes: list[_Scope] = []
        self.span: Span | None = None

    def function(self) -> Function:
        one = self.source
        self.span = one.span
        body = self.open()
        body.parameters += self.bind(one.parameters)
        self.statements(one.body)
        returned = [self.atom(each) for each in one.body.results]
        results = self.result_values(one.results, returned)
        self.emit("return", returned)
        self.scopes.pop()
        owned = frozenset(parameter for parameter, _ in one.inout if body.parameters[parameter].counted)
        return Function(one.name, body, results, owned, self.recursive, one.sizes, one.inout, one.export, one.parameter_labels,
                        one.result_labels, one.documentation, one.span)

    def result_values(self, declared: Sequence[core.Variable], returned: Sequence[Value]) -> list[Value]:
        """The declared results: their types speak of earlier results, or of what is computed from the values returned."""
        scope = _Scope(self.scopes[-1].region)
        scope.values = {variable.name: value for variable, value in zip(declared, returned, strict=True)}
        self.scopes.append(scope)
        made: dict[str, Value] = {}
        for variable in declared:
            made[variable.name] = Value(variable.name, self.type(variable.type, made))
        self.scopes.pop()
        return list(made.values())

    # -- scopes

    def open(self) -> Region:
        region = Region([])
        self.scopes.append(_Scope(region))
        return region

    def block(self, block: core.Block, parameters: Sequence[core.Variable] = ()) -> Region:
        """A region with these parameters that yields the block's results."""
        region = self.open()
        region.parameters += self.bind(parameters)
        self.statements(block)
        self.emit("yield", [self.atom(one) for one in block.results])
        self.scopes.pop()
        return region

    def bind(self, variables: Sequence[core.Variable]) -> list[Value]:
        """Fresh values; the sizes of their types are computed from here on."""
        scope = self.scopes[-1]
        values = [Value(one.name, I64) for one in variables]
        for variable, value in zip(variables, values, strict=True):
            if variable.name in scope.values:
                raise InternalError(f"@{self.source.name} binds {variable.name} twice", self.span)
            scope.values[variable.name] = value
        for variable, value in zip(variables, values, strict=True):
            value.type = self.type(variable.type)
        return values

    def look_up(self, name: str) -> tuple[int, Value]:
        """The value of a Core variable, and how deep the region lies that defines it."""
        for depth in range(len(self.scopes) - 1, -1, -1):
            found = self.scopes[depth].values.get(name)
            if found is not None:
                return depth, found
        raise InternalError(f"@{self.source.name} mentions {name}, which it doesn't define", self.span)

    def emit(self, name: str, operands: Sequence[Value], results: Sequence[Value] = (), attributes: dict[str, object] | None = None,
             regions: Sequence[Region] = (), sizes: tuple[Value | int, ...] = ()) -> None:
        operation = Operation(name, list(operands), list(results), attributes or {}, list(regions), sizes, self.span)
        self.scopes[-1].region.operations.append(operation)

    # -- sizes and types

    def size(self, size: Size, own: dict[str, Value] | None = None) -> Value | int:
        """An int, or the value that holds this size. `own`: values that stand for some names at once (results of a function)."""
        if size.value is not None:
            return size.value
        name = size.single_variable
        if name is not None:
            return own[name] if own and name in own else self.look_up(name)[1]
        depth = max(self.look_up(one)[0] for one in size.variables())
        known = next((scope.sizes[size] for scope in self.scopes[:depth + 1] if size in scope.sizes), None)
        if known is None:
            known = self.scopes[depth].sizes[size] = self.polynomial(size, depth)
        return known

    def polynomial(self, size: Size, depth: int) -> Value:
        """Sums and products, at the end of the region at `depth`: a term with a negative coefficient is subtracted."""
        builder = Builder(self.scopes[depth].region, self.span)
        total: Value | None = None
        for monomial, coefficient in sorted(size.terms, key=lambda term: term[1] < 0):
            subtract = coefficient < 0 and total is not None
            term = self.term(monomial, -coefficient if subtract else coefficient, builder, depth)
            total = term if total is None else builder.value("sub" if subtract else "add", [total, term], I64, hint="size")
        assert total is not None
        return total

    def term(self, monomial: tuple[Atom, ...], coefficient: int, builder: Builder, depth: int) -> Value:
        factors = [self.factor(one, builder, depth) for one in monomial]
        if coefficient != 1 or not factors:
            factors.insert(0, self.constant(coefficient, "i64"))
        product = factors[0]
        for factor in factors[1:]:
            product = builder.value("mul", [product, factor], I64, hint="size")
        return product

    def factor(self, atom: Atom, builder: Builder, depth: int) -> Value:
        if not isinstance(atom, FloorDivision):
            return self.look_up(atom.name)[1]
        size = Size((((atom,), 1),))
        known = next((scope.sizes[size] for scope in self.scopes[:depth + 1] if size in scope.sizes), None)
        if known is None:
            numerator = self.size(atom.numerator)
            operand = self.constant(numerator, "i64") if isinstance(numerator, int) else numerator
            known = builder.value("floor_division", [operand, self.constant(atom.divisor, "i64")], I64, hint="size")
            self.scopes[depth].sizes[size] = known
        return known

    def sizes(self, sizes: Iterable[types.SizeArgument], own: dict[str, Value] | None = None) -> tuple[Value | int, ...]:
        found = []
        for one in sizes:
            if not isinstance(one, Size):
                raise InternalError(f"@{self.source.name}: the size {one} is still unknown", self.span)
            found.append(self.size(one, own))
        return tuple(found)

    def type(self, kind: types.Type, own: dict[str, Value] | None = None) -> ValueType:
        """The type here, where its sizes have values; equal types of one scope are one object."""
        if own is not None or isinstance(kind, (types.ScalarType, types.IndexType)):
            return self.lowered(kind, own)
        for scope in self.scopes:
            if kind in scope.types:
                return scope.types[kind]
        made = self.scopes[-1].types[kind] = self.lowered(kind, own)
        return made

    def lowered(self, kind: types.Type, own: dict[str, Value] | None) -> ValueType:
        match kind:
            case types.ScalarType(dtype):
                return Scalar(dtype)
            case types.IndexType():
                return I64
            case types.ArrayType(element, shape):
                return Array(self.type(element, own), self.sizes(shape, own))
            case types.SumType(name, arguments):
                return Box(name, self.sizes((one for one in arguments if isinstance(one, (Size, types.Unknown))), own))
            case types.ListType(elements):
                return List(tuple(self.type(one, own) for one in elements))
            case types.StringType():
                return String()
            case types.RowsType(dtype, shape):
                return Rows(dtype, self.sizes(shape, own))
        raise InternalError(f"@{self.source.name}: {kind} is no type of Core", self.span)

    # -- atoms

    def constant(self, value: object, dtype: str) -> Value:
        """Scalar constants stand at the top of the function, one for each value."""
        scope = self.scopes[0]
        key = (repr(value), dtype)
        if key not in scope.constants:
            scope.constants[key] = Builder(scope.region, self.span).constant(value, dtype)
        return scope.constants[key]

    def atom(self, atom: core.Atom) -> Value:
        if isinstance(atom, core.Variable):
            return self.look_up(atom.name)[1]
        kind = self.type(atom.type)
        if isinstance(kind, String):
            return Builder(self.scopes[-1].region, self.span).value("constant", [], kind, {"value": atom.value}, hint="text")
        if not isinstance(kind, Scalar):
            raise InternalError(f"@{self.source.name}: a literal of type {atom.type}", self.span)
        return self.constant(_literal(atom.value, kind.dtype), kind.dtype)

    # -- statements

    def statements(self, block: core.Block) -> None:
        for statement in block.statements:
            self.span = statement.span or self.span
            self.let(statement)

    def let(self, statement: core.Let) -> None:
        right = statement.right
        match right:
            case core.Operation(op, arguments, attributes, sizes):
                operands = [self.atom(one) for one in arguments]
                kept = {key: value for key, value in attributes if key not in ("elements", "element")}
                self.finish(statement, op, operands, kept, [], self.sizes(sizes))
            case core.Call(function, arguments):
                self.finish(statement, "call", [self.atom(one) for one in arguments], {"function": function})
            case core.Construct(kind, constructor, arguments):
                operands = [self.atom(one) for one in arguments]
                self.finish(statement, "construct", operands, {"sum": kind.name, "constructor": constructor})
            case core.Case(scrutinee, arms):
                operands = [self.atom(scrutinee)]
                self.finish(statement, "switch", operands, {}, [self.block(arm.body, arm.fields) for arm in arms])
            case core.If(condition, then, otherwise):
                self.finish(statement, "if", [self.atom(condition)], {}, [self.block(then), self.block(otherwise)])
            case core.For(index, count, carried, initial, body):
                operands = [self.atom(count), *map(self.atom, initial)]
                self.finish(statement, "for", operands, {}, [self.block(body, (index, *carried))])
            case core.While(carried, initial, condition, body):
                operands = [self.atom(one) for one in initial]
                self.finish(statement, "while", operands, {}, [self.block(condition, carried), self.block(body, carried)])
            case _:
                raise InternalError(f"@{self.source.name}: {type(right).__name__} is left in Core", statement.span)

    def finish(self, statement: core.Let, name: str, operands: list[Value], attributes: dict[str, object], regions: Sequence[Region] = (),
               sizes: tuple[Value | int, ...] = ()) -> None:
        """Append the operation. Sizes of its results are computed before it, unless they depend on its own results."""
        self.span = statement.span or self.span
        own = {one.name for one in statement.variables}
        for variable in statement.variables:
            if not types.size_variables(variable.type) & own:
                self.type(variable.type)
        values = [Value(one.name, I64) for one in statement.variables]
        self.emit(name, operands, values, attributes, regions, sizes)
        scope = self.scopes[-1]
        for variable, value in zip(statement.variables, values, strict=True):
            if variable.name in scope.values:
                raise InternalError(f"@{self.source.name} binds {variable.name} twice", self.span)
            scope.values[variable.name] = value
        for variable, value in zip(statement.variables, values, strict=True):
            value.type = self.type(variable.type)


def _literal(value: object, dtype: str) -> object:
    """The value as its dtype's Python type: integer literals adapt to floats."""
    if dtype == "bool":
        return bool(value)
    return float(value) if dtype in types.FLOATS else int(value)  # type: ignore[arg-type]


# ---------------------------------------------------------------- recursion


def calls_of(function: core.Function) -> set[str]:
    """The functions that a function calls."""
    found: set[str] = set()
    work = [function.body]
    while work:
        for statement in work.pop().statements:
            match statement.right:
                case core.Call(name, _):
                    found.add(name)
                case core.Case(_, arms):
                    work += [arm.body for arm in arms]
                case core.If(_, then, otherwise):
                    work += [then, otherwise]
                case core.For(body=body):
                    work.append(body)
                case core.While(condition=condition, body=body):
                    work += [condition, body]
    return found


def recursive_functions(functions: dict[str, core.Function] | core.Mapping[str, core.Function]) -> set[str]:
    """Functions that may, through others, call themselves: those in a cycle of the call graph (Tarjan, without recursion)."""
    edges = {name: [one for one in sorted(calls_of(function)) if one in functions] for name, function in functions.items()}
    return {name for group in components(edges) if len(group) > 1 or group[0] in edges[group[0]] for name in group}


def components(edges: dict[str, list[str]]) -> list[list[str]]:
    """The strongly connected components of a graph, callees first."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    found: list[list[str]] = []
    for root in edges:
        work: list[tuple[str, int]] = [(root, 0)] if root not in index else []
        while work:
            node, position = work.pop()
            if position == 0:
                index[node] = low[node] = len(index)
                path.append(node)
                on_path.add(node)
            else:
                low[node] = min(low[node], low[edges[node][position - 1]])
            following = edges[node]
            while position < len(following):
                target = following[position]
                position += 1
                if target not in index:
                    work += [(node, position), (target, 0)]
                    break
                if target in on_path:
                    low[node] = min(low[node], index[target])
            else:
                if low[node] == index[node]:
                    at = path.index(node)
                    group, path[at:] = path[at:], []
                    on_path -= set(group)
                    found.append(group)
    return found
