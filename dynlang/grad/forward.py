"""Forward mode: the dual-number transform. Every statement stays, and is followed by what computes the tangents of its results.

y = sin(x)         dy = cos(x) * dx          the row's text with the tangent for the cotangent (diagonal ops)
y = w @ x          dy = dw @ x + w @ dx      bilinear ops
y = x[i]           dy = dx[i]                linear ops
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dynlang.core.build import Builder, Signature, number
from dynlang.core.nodes import Arm, Atom, Block, Call, Case, Construct, For, Function, If, Let, Operation, Variable, While
from dynlang.diag import InternalError, NotBuilt
from dynlang.grad.activity import operand_names
from dynlang.grad.adjoints import Region
from dynlang.grad.answers import write_vjp
from dynlang.grad.dead import without_dead_code
from dynlang.grad.operations import Expressions, environment_of, fitted, is_table, rows_of
from dynlang.grad.rules import axes_of, each_row, other_products, rows_at, rows_last, rows_shape
from dynlang.grad.state import known_sizes
from dynlang.ops import OPS
from dynlang.ops.elementwise import scalar_of
from dynlang.types import INT, ArrayType, ListType, RowsType, ScalarType, SumType, Type

if TYPE_CHECKING:
    from dynlang.grad.engine import Engine

JOINTLY_LINEAR = frozenset({"accumulate", "accumulate_at", "accumulate_slice", "scatter_add", "update", "update_slice"})
BILINEAR_ACCUMULATORS = frozenset({"accumulate_outer", "accumulate_matmul_nt", "accumulate_matmul_tn"})
LISTS = frozenset({"list_push", "list_pop", "list_get", "list_set"})

Tangents = dict[str, Atom]


class FunctionTangent:
    """``f_jvp(args, tangents of the active args) -> (results, tangents of the active results)``."""

    def __init__(self, engine: Engine, function: str, active: tuple[bool, ...]) -> None:
        self.engine, self.active = engine, active
        self.function = engine.state.functions[function]
        self.names = engine.state.names_of(self.function)
        self.results = engine.activity.results(function, active)
        self.on = engine.activity.variables(function, active)

    def register(self) -> str:
        state, tangents, function = self.engine.state, self.engine.tangents, self.function
        self.name = state.function_names.fresh(f"{function.name}_jvp")
        self.given = {
            one.name: Variable(self.names.fresh(f"d_{one.name}"), tangents.of(one.type))
            for one, on in zip(function.parameters, self.active, strict=True)
            if on
        }
        self.made = tuple(
            Variable(self.names.fresh(f"d_{one.name}"), tangents.of(one.type))
            for one, on in zip(function.results, self.results, strict=True)
            if on
        )
        state.signatures[self.name] = Signature((*function.parameters, *self.given.values()), (*function.results, *self.made))
        return self.name

    def make(self) -> None:
        function, state = self.function, self.engine.state
        builder = state.builder(self.names, known_sizes(function))
        values: Tangents = dict(self.given)
        self.block(builder, function.body, values)
        outputs = [self.tangent(builder, one, values) for one, on in zip(function.body.results, self.results, strict=True) if on]
        body = without_dead_code(builder.block(*function.body.results, *outputs), self.engine.may_go)
        signature = state.signatures[self.name]
        consumed = tuple(
            (len(function.parameters) + list(self.given).index(function.parameters[p].name), self._output(result))
            for p, result in function.inout
            if function.parameters[p].name in self.given and self.results[result]
        )
        state.add_function(
            replace(
                function,
                name=self.name,
                parameters=signature.parameters,
                results=signature.results,
                body=body,
                derivative=None,
                export=None,
                checkpoint=False,
                inout=(*function.inout, *consumed),
                parameter_labels=(),
                result_labels=(),
                documentation=f"{function.name} and its derivative along the tangents.",
            )
        )

    def _output(self, result: int) -> int:
        return len(self.function.results) + sum(self.results[:result])

    # -- values

    def is_on(self, atom: Atom) -> bool:
        return isinstance(atom, Variable) and atom.name in self.on

    def tangent(self, builder: Builder, atom: Atom, values: Tangents) -> Atom:
        """The tangent of an atom, zeros if there is none."""
        if isinstance(atom, Variable) and atom.name in values:
            return values[atom.name]
        if isinstance(atom.type, RowsType):
            return zero_rows(builder, atom)
        return self.engine.adjoints.zeros_like(Region(builder), atom)

    def like(self, builder: Builder, atom: Atom, values: Tangents, place: Type) -> Atom:
        """The tangent of an atom, as that of the place where it is put: an array may be an embedding table there, a table an array."""
        return self.engine.adjoints.marked(builder, self.tangent(builder, atom, values), place)

    def dense(self, builder: Builder, atom: Atom, values: Tangents) -> Atom:
        """The tangent as an op takes it that reads all of an embedding table."""
        found = self.tangent(builder, atom, values)
        if isinstance(found.type, RowsType) and isinstance(atom.type, ArrayType):
            return builder.operation("rows_dense", found, **rows_shape(found))  # type: ignore[arg-type]
        return found

    # -- statements

    def block(self, builder: Builder, block: Block, values: Tangents) -> None:
        for statement in block.statements:
            builder.span = statement.span
            if not any(one.name in self.on for one in statement.variables):
                builder.append(statement)
                continue
            match statement.right:
                case Operation():
                    builder.append(statement)
                    self.operation(builder, statement, statement.right, values)
                case Construct():
                    builder.append(statement)
                    self.construct(builder, statement, statement.right, values)
                case Call():
                    self.call(builder, statement, statement.right, values)
                case Case() | If():
                    self.branches(builder, statement, statement.right, values)
                case For() | While():
                    self.loop(builder, statement, statement.right, values)
                case _:
                    raise InternalError("a request inside a function that is differentiated", statement.span)

    def construct(self, builder: Builder, statement: Let, made: Construct, values: Tangents) -> None:
        engine, kind = self.engine, made.type
        arguments: list[Atom] = []
        for one in engine.tangents.fields(kind.name, made.constructor):
            argument = made.arguments[one.position]
            if not one.active:
                arguments.append(argument)
                continue
            wanted = engine.tangents.field(argument.type, kind.name)
            if isinstance(argument, Variable) and argument.name in values:
                arguments.append(engine.adjoints.lazily(builder, values[argument.name], wanted))
            else:
                arguments.append(engine.tangents.zero(builder, wanted))
        tangent = engine.tangents.of(kind)
        assert isinstance(tangent, SumType)
        variable = statement.variables[0]
        values[variable.name] = builder.construct(
            tangent, engine.tangents.constructor(kind.name, made.constructor), *arguments, name=f"d_{variable.name}"
        )

    def branches(self, builder: Builder, statement: Let, right: Case | If, values: Tangents) -> None:
        from dynlang.grad.reverse.statements import open_tangent

        outputs = [k for k, one in enumerate(statement.variables) if one.name in self.on]
        kinds = [self.engine.tangents.of(statement.variables[k].type) for k in outputs]

        def branch(block: Block, fields: Sequence[Variable], label: str) -> Block:
            inner, mine = builder.inside(), dict(values)
            if (
                isinstance(right, Case)
                and self.is_on(right.scrutinee)
                and isinstance(right.scrutinee, Variable)
                and right.scrutinee.name in values
            ):
                kind = right.scrutinee.type
                assert isinstance(kind, SumType)
                declaration = self.engine.state.sums[kind.name]
                opened = open_tangent(self.engine, Region(inner), values[right.scrutinee.name], declaration, kind, label, fields)
                for field, value in zip(fields, opened, strict=True):
                    if value is not None:
                        mine[field.name] = self.engine.adjoints.force(inner, value, field)
            self.block(inner, block, mine)
            adjoints, tangents = self.engine.adjoints, self.engine.tangents
            found: list[Atom] = []
            for k in outputs:
                tangent = adjoints.retype(inner, self.tangent(inner, block.results[k], mine), tangents.of(block.results[k].type))
                found.append(adjoints.marked(inner, tangent, statement.variables[k].type))
            return inner.block(*block.results, *found)

        changed: Case | If
        if isinstance(right, If):
            changed = If(right.condition, branch(right.then, (), ""), branch(right.otherwise, (), ""))
        else:
            changed = Case(
                right.scrutinee,
                tuple(Arm(arm.constructor, arm.fields, branch(arm.body, arm.fields, arm.constructor)) for arm in right.arms),
            )
        made = tuple(Variable(self.names.fresh(f"d_{statement.variables[k].name}"), kind) for k, kind in zip(outputs, kinds, strict=True))
        builder.append(Let((*statement.variables, *made), changed, statement.span))
        values.update((statement.variables[k].name, one) for k, one in zip(outputs, made, strict=True))

    def loop(self, builder: Builder, statement: Let, right: For | While, values: Tangents) -> None:
        positions = [k for k, one in enumerate(right.carried) if one.name in self.on]
        carried = tuple(
            Variable(self.names.fresh(f"d_{right.carried[k].name}"), self.engine.tangents.of(right.carried[k].type)) for k in positions
        )
        kinds = [right.carried[k].type for k in positions]
        initial = tuple(self.like(builder, right.initial[k], values, kind) for k, kind in zip(positions, kinds, strict=True))
        inner, mine = builder.inside(), dict(values)
        mine.update((right.carried[k].name, one) for k, one in zip(positions, carried, strict=True))
        self.block(inner, right.body, mine)
        found = [self.like(inner, right.body.results[k], mine, kind) for k, kind in zip(positions, kinds, strict=True)]
        body = inner.block(*right.body.results, *found)
        changed = replace(right, carried=(*right.carried, *carried), initial=(*right.initial, *initial), body=body)  # type: ignore[arg-type]
        made = tuple(
            Variable(self.names.fresh(f"d_{statement.variables[k].name}"), self.engine.tangents.of(statement.variables[k].type))
            for k in positions
        )
        builder.append(Let((*statement.variables, *made), changed, statement.span))  # type: ignore[arg-type]
        values.update((statement.variables[k].name, one) for k, one in zip(positions, made, strict=True))

    def call(self, builder: Builder, statement: Let, call: Call, values: Tangents) -> None:
        state = self.engine.state
        function = state.functions[call.function]
        if call.function in state.adders:
            builder.append(statement)
            left, right = (self.tangent(builder, one, values) for one in call.arguments[function.sizes :])
            values[statement.variables[0].name] = self.engine.adjoints.add(builder, left, right, f"d_{statement.variables[0].name}")
            return
        if function.derivative is not None:
            builder.append(statement)
            self.call_with_rule(builder, statement, call, function, values)
            return
        active = tuple(map(self.is_on, call.arguments))
        if any(active):
            self.engine.refuse_surrogate(call.function, statement.span)
        name = self.engine.forward(call.function, active)
        results = self.engine.activity.results(call.function, active)
        given = [self.like(builder, one, values, place.type)
                 for one, place, on in zip(call.arguments, function.parameters, active, strict=True) if on]
        outputs = [one for one, on in zip(statement.variables, results, strict=True) if on]
        made = tuple(Variable(self.names.fresh(f"d_{one.name}"), self.engine.tangents.of(one.type)) for one in outputs)
        builder.append(Let((*statement.variables, *made), Call(name, (*call.arguments, *given)), statement.span))
        values.update((one.name, d) for one, d in zip(outputs, made, strict=True))

    def call_with_rule(self, builder: Builder, statement: Let, call: Call, function: Function, values: Tangents) -> None:
        """The transpose of the pullback: the rule is linear in its cotangents, so its own pullback with respect to them, at any
        cotangent, takes the tangents of the arguments to those of the results."""
        engine, tangents = self.engine, self.engine.tangents
        assert function.derivative is not None
        rule = engine.state.functions[function.derivative.rule]
        engine.refuse_surrogate(rule.name, statement.span)
        zeros = [engine.adjoints.zeros_like(Region(builder), one) for one in statement.variables if tangents.carries(one.type)]
        read = [statement.variables[k] for k in function.derivative.reads]
        known = len(call.arguments) + len(read)
        given = (*call.arguments, *read, *zeros)
        asked = [k >= known for k in range(len(given))]
        along = [self.tangent(builder, one, values) if self.is_on(one) else None for one in call.arguments if tangents.carries(one.type)]
        _, found = write_vjp(engine, builder, rule.name, given, asked, along)
        outputs = [one for one in statement.variables if tangents.carries(one.type)]
        for k, one in enumerate(outputs):
            if known + k in found:
                values[one.name] = found[known + k]

    # -- ops

    def operation(self, builder: Builder, statement: Let, operation: Operation, values: Tangents) -> None:
        row = OPS[operation.op]
        arguments = operation.arguments
        if operation.op in LISTS:
            self.list_operation(builder, statement, operation, values)
            return
        if operation.op in SPECIAL:
            value = SPECIAL[operation.op](self, builder, statement, operation, values)
        elif operation.op in BILINEAR_ACCUMULATORS:
            value = self.bilinear_accumulator(builder, operation, values)
        elif row.has("bilinear"):
            value = self.total(builder, [self.again(builder, operation, values, {k}) for k, one in enumerate(arguments) if self.is_on(one)])
        elif row.has("diagonal"):
            value = self.diagonal(builder, statement, operation, values)
        elif row.has("linear") or operation.op in JOINTLY_LINEAR:
            value = self.again(builder, operation, values, {k for k, one in enumerate(arguments) if self.engine.tangents.carries(one.type)})
        else:
            raise NotBuilt(f"forward mode of {operation.op}", statement.span)
        result = statement.variables[0]
        values[result.name] = (
            rows_of(builder, result, value) if is_table(result.type) else self.engine.adjoints.force(builder, value, result))

    def again(self, builder: Builder, operation: Operation, values: Tangents, positions: set[int]) -> Atom:
        """The op with the tangents of some operands in their places."""
        table = operation.arguments[0]
        if operation.op == "at" and is_table(table.type) and len(operation.arguments) == 2:
            return rows_at(builder, self.tangent(builder, table, values), operation.arguments[1])
        given = [one if k not in positions else self.element(builder, one, values) if isinstance(one.type, ListType)
                 else self.dense(builder, one, values) for k, one in enumerate(operation.arguments)]
        return builder.operation(operation.op, *given, sizes=operation.sizes, name="d", **dict(operation.attributes))  # type: ignore[arg-type]

    def total(self, builder: Builder, terms: Sequence[Atom]) -> Atom:
        total = terms[0]
        for one in terms[1:]:
            total = builder.operation("add", total, one, name="d")
        return total

    def diagonal(self, builder: Builder, statement: Let, operation: Operation, values: Tangents) -> Atom:
        row, result = OPS[operation.op], statement.variables[0]
        assert isinstance(row.derivative, Mapping)
        environment = environment_of(operation.op, operation.arguments, statement.variables)
        terms: list[Atom] = []
        for argument, name in zip(operation.arguments, operand_names(operation.op, len(operation.arguments)), strict=True):
            if self.is_on(argument) and name in row.derivative:
                g = self.dense(builder, argument, values)
                value = Expressions(builder, {**environment, "g": g}, scalar_of(g.type)).value(row.derivative[name], f"d_{result.name}")
                terms.append(fitted(builder, value, result.type))
        return self.total(builder, terms)

    def bilinear_accumulator(self, builder: Builder, operation: Operation, values: Tangents) -> Atom:
        d, u, v = operation.arguments
        total = self.dense(builder, d, values)
        if self.is_on(u):
            total = builder.operation(operation.op, total, self.dense(builder, u, values), v, name="d")
        if self.is_on(v):
            total = builder.operation(operation.op, total, u, self.dense(builder, v, values), name="d")
        return total

    def list_operation(self, builder: Builder, statement: Let, operation: Operation, values: Tangents) -> None:
        """The same op on the list of tangents, which holds what carries derivatives."""
        tangents = self.engine.tangents
        fixed = {"list_push": 1, "list_pop": 1, "list_get": 2, "list_set": 2}[operation.op]
        whole = self.tangent(builder, operation.arguments[0], values)
        parts = [self.element(builder, one, values) for one in operation.arguments[fixed:] if tangents.carries(one.type)]
        outputs = [one for one in statement.variables if tangents.carries(one.type)]
        made = builder.operations(operation.op, whole, *operation.arguments[1:fixed], *parts, names=[f"d_{one.name}" for one in outputs])
        values.update((one.name, self.engine.adjoints.force(builder, d, one)) for one, d in zip(outputs, made, strict=True))

    def element(self, builder: Builder, atom: Atom, values: Tangents) -> Atom:
        """A tangent as an element of a list of tangents."""
        tangents = self.engine.tangents
        wanted = tangents.element(atom.type)
        if isinstance(atom, Variable) and atom.name in values:
            return self.engine.adjoints.lazily(builder, values[atom.name], wanted)
        return tangents.zero(builder, wanted)


Special = Callable[[FunctionTangent, Builder, Let, Operation, Tangents], Atom]


def _per_row(value_of: Callable[[Builder, Atom, Atom, Atom], Atom]) -> Special:
    """A reduction whose tangent is computed row by row from the row and its tangent."""

    def rule(self: FunctionTangent, builder: Builder, statement: Let, operation: Operation, values: Tangents) -> Atom:
        kind, result = operation.arguments[0].type, statement.variables[0]
        assert isinstance(kind, ArrayType)
        axes = axes_of(operation, kind)
        x, rows, items, _ = rows_last(builder, operation.arguments[0], kind, axes)
        dx, _, _, _ = rows_last(builder, self.dense(builder, operation.arguments[0], values), kind, axes)
        zeros = builder.zeros(ArrayType(kind.element, (rows,)))

        def change(body: Builder, i: Atom, d: Atom) -> Atom:
            row, drow = body.operation("at", x, i), body.operation("at", dx, i)
            return body.operation("update", d, i, value_of(body, row, drow, body.size(items)), name="d")

        found = each_row(builder, rows, items, zeros, change)
        if isinstance(result.type, ArrayType):
            return builder.operation("reshape", found, sizes=tuple(result.type.shape), name="d")  # type: ignore[arg-type]
        return builder.operation("at", found, number(0, "i64"), name="d")

    return rule


def zero_rows(builder: Builder, rows: Atom) -> Atom:
    """Touched rows of zeros, one for each of `rows`: then both have the same contributions in the same places."""
    assert isinstance(rows.type, RowsType)
    zeros = builder.zeros(row_type(rows.type))
    empty = builder.operation("rows_empty", **rows_shape(rows))  # type: ignore[arg-type]
    count = builder.operation("rows_count", rows, name="count")
    position, carried = Variable(builder.names.fresh("k"), INT), Variable(builder.names.fresh("rows"), rows.type)
    body = builder.inside()
    longer = body.operation("accumulate_at", carried, body.operation("rows_index", rows, position), zeros, name="rows")
    return builder.emit(For(position, count, (carried,), (empty,), body.block(longer)), ["rows"])[0]


def row_type(kind: RowsType) -> Type:
    return ArrayType(ScalarType(kind.dtype), kind.shape[1:]) if kind.shape[1:] else ScalarType(kind.dtype)


def _rows_row(self: FunctionTangent, builder: Builder, statement: Let, operation: Operation, values: Tangents) -> Atom:
    """Contribution k of the tangent, which has one for each of the rows; where it was made elsewhere and has others, all that it has
    under this index goes to the first contribution, so that sums over contributions are right."""
    rows, k = operation.arguments
    d = self.tangent(builder, rows, values)
    index = builder.operation("rows_index", rows, k, name="index")
    kind = [Variable("d", row_type(rows.type))]  # type: ignore[arg-type]

    def from_all(inner: Builder) -> Atom:
        position, carried = Variable(inner.names.fresh("j"), INT), Variable(inner.names.fresh("before"), INT)
        body = inner.inside()
        same = body.operation("equal", body.operation("rows_index", rows, position), index)
        more = body.operation("add", carried, body.operation("select", same, number(1, "i64"), number(0, "i64")))
        before = inner.emit(For(position, k, (carried,), (number(0, "i64"),), body.block(more)), ["before"])[0]
        first, later = inner.inside(), inner.inside()
        blocks = first.block(rows_at(first, d, index)), later.block(later.zeros(kind[0].type))
        return inner.bind(If(inner.operation("equal", before, number(0, "i64")), *blocks), kind)[0]

    def from_same(inner: Builder) -> Atom:
        same, other = inner.inside(), inner.inside()
        blocks = same.block(same.operation("rows_row", d, k, name="d")), other.block(from_all(other))
        return inner.bind(If(inner.operation("equal", inner.operation("rows_index", d, k), index), *blocks), kind)[0]

    counts = [builder.operation("rows_count", one, name="count") for one in (rows, d)]
    same, other = builder.inside(), builder.inside()
    return builder.bind(If(builder.operation("equal", *counts), same.block(from_same(same)), other.block(from_all(other))), kind)[0]


def _retype(self: FunctionTangent, builder: Builder, statement: Let, operation: Operation, values: Tangents) -> Atom:
    value = self.tangent(builder, operation.arguments[0], values)
    return self.engine.adjoints.retype(builder, value, self.engine.tangents.of(statement.variables[0].type))


SPECIAL: dict[str, Special] = {
    "retype": _retype,
    "rows_row": _rows_row,
    "reduce_max": _per_row(lambda b, x, dx, n: b.operation("at", dx, b.operation("argmax", x))),
    "reduce_min": _per_row(lambda b, x, dx, n: b.operation("at", dx, b.operation("argmin", x))),
    "reduce_prod": _per_row(lambda b, x, dx, n: b.operation("dot", dx, other_products(b, x, n))),
}
