"""The backward of a block: its statements in reverse order.

Each reversal writes into the region and gives the statements of the forward that take the place of the primal's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynlang.core.nodes import Arm, Atom, Block, Call, Case, Construct, For, If, Let, Operation, SumDeclaration, Variable, While
from dynlang.diag import InternalError
from dynlang.grad.adjoints import Region, fresh_fields
from dynlang.grad.operations import OpReversal
from dynlang.grad.reverse.context import CHAINED, Reversal
from dynlang.grad.rules import reverse_operation, steps_of
from dynlang.grad.tangents import array_sizes
from dynlang.types import ArrayType, ListType, Size, SumType, Type

if TYPE_CHECKING:
    from dynlang.grad.engine import Engine


def reverse_block(r: Reversal, block: Block, cotangents: Sequence[Atom | None], region: Region) -> list[Let]:
    """Writes the backward of a block; gives its forward statements."""
    for result, cotangent in zip(block.results, cotangents, strict=True):
        if cotangent is not None:
            r.engine.adjoints.accumulate(region, result, cotangent, r.active)
    region.constructed.update((one.variables[0].name, one.right) for one in block.statements if isinstance(one.right, Construct))
    forward: list[list[Let]] = []
    for statement in reversed(block.statements):
        region.builder.span = statement.span
        forward.append(reverse_statement(r, statement, region))
    return [one for many in reversed(forward) for one in many]


def reverse_statement(r: Reversal, statement: Let, region: Region) -> list[Let]:
    from dynlang.grad.reverse.branches import reverse_branches
    from dynlang.grad.reverse.calls import reverse_call
    from dynlang.grad.reverse.loops import reverse_loop

    match statement.right:
        case Operation():
            return reverse_op(r, statement, statement.right, region)
        case Construct():
            return reverse_construct(r, statement, statement.right, region)
        case Call():
            return reverse_call(r, statement, statement.right, region)
        case Case() | If():
            return reverse_branches(r, statement, statement.right, region)
        case For() | While():
            return reverse_loop(r, statement, statement.right, region)
    raise InternalError("a request for a derivative inside a function that is differentiated", statement.span)


# ---------------------------------------------------------------- ops


def reverse_op(r: Reversal, statement: Let, operation: Operation, region: Region) -> list[Let]:
    forward = [statement]
    rewound: Atom | None = None
    if operation.op in CHAINED and isinstance(operation.arguments[0], Variable) and isinstance(operation.arguments[0].type, ArrayType):
        old, rewound = _rewind(r, statement, operation, region)
        forward = [old, statement]
    cotangents = [r.engine.adjoints.take(region, one) for one in statement.variables]
    if any(one is not None for one in cotangents):
        arguments = [r.primal(region, one) for one in operation.arguments]
        results = [r.primal(region, one) for one in statement.variables]
        reverse_operation(OpReversal(region, r.engine.adjoints, r.active, operation, arguments, results, cotangents, statement.variables))
    if rewound is not None and isinstance(operation.arguments[0], Variable):
        region.primal[operation.arguments[0].name] = rewound
    return forward


def _rewind(r: Reversal, statement: Let, operation: Operation, region: Region) -> tuple[Let, Atom]:
    """The forward reads the part that is about to be overwritten; the backward puts it back into the array's later value."""
    array, *places, value = operation.arguments
    after = r.primal(region, statement.variables[0])
    indices = [r.primal(region, one) for one in places]
    if operation.op == "update_slice":
        assert isinstance(value.type, ArrayType)
        read = Operation("slice", (array, *places), operation.attributes, array_sizes(value.type))
        put, attributes = "update_slice", steps_of(operation)
    else:
        read, put, attributes = Operation("at", (array, *places)), "update", {}
    old = Variable(r.names.fresh("old"), value.type)
    r.extras.add(old.name)
    return Let((old,), read, statement.span), region.builder.operation(put, after, *indices, old, name=f"{array}_before", **attributes)


# ---------------------------------------------------------------- constructors


def reverse_construct(r: Reversal, statement: Let, made: Construct, region: Region) -> list[Let]:
    """Opens the adjoint of the sum; its fields are added to the arguments' adjoints, still lazy."""
    variable = statement.variables[0]
    value = region.adjoints.pop(variable.name, None)
    if value is not None:
        declaration = r.engine.state.sums[made.type.name]
        fields = open_tangent(r.engine, region, value, declaration, made.type, made.constructor, made.arguments)
        for argument, field in zip(made.arguments, fields, strict=True):
            if field is not None:
                r.engine.adjoints.accumulate(region, argument, field, r.active)
    return [statement]


def field_zero(engine: Engine, region: Region, kind: Type, like: Atom) -> Atom:
    if isinstance(kind, ListType):
        return engine.adjoints.zeros_like(region, like)
    return engine.tangents.zero(region.builder, kind)


def open_tangent(
    engine: Engine, region: Region, value: Atom, declaration: SumDeclaration, kind: SumType, constructor: str, arguments: Sequence[Atom]
) -> list[Atom | None]:
    """The fields of the tangent of a `constructor` for each argument; None where the field carries nothing.

    ``match value: Zero: zeros; TangentC(fields): fields``; any other constructor can't be."""
    tangents, adjoints, builder = engine.tangents, engine.adjoints, region.builder
    owner = declaration.name
    fields = tangents.fields(owner, constructor)
    wanted = tangents.constructor(owner, constructor)
    active = [one for one in fields if one.active]
    if not active:
        return [None] * len(arguments)
    results = [tangents.field(arguments[one.position].type, owner) for one in active]
    tangent = value.type
    assert isinstance(tangent, SumType)
    sum_ = engine.state.sums[tangent.name]
    outside = dict(zip(sum_.sizes, (size for size in tangent.arguments if isinstance(size, Size)), strict=True))
    arms = []
    for one in sum_.constructors:
        inner = Region(builder.inside())
        bound = fresh_fields(builder.names, one.fields, outside)
        if one.name == wanted:
            values = [
                adjoints.retype(inner.builder, mine, kind_)
                for mine, field_, kind_ in zip((b for b, f in zip(bound, fields, strict=True) if f.active), active, results, strict=True)
            ]
        else:
            values = [field_zero(engine, inner, kind_, arguments[field_.position]) for field_, kind_ in zip(active, results, strict=True)]
        arms.append(Arm(one.name, bound, inner.builder.block(*values)))
    hints = [
        Variable(f"d_{a.name}" if isinstance(a := arguments[field_.position], Variable) else "d", kind_)
        for field_, kind_ in zip(active, results, strict=True)
    ]
    opened = builder.bind(Case(value, tuple(arms)), hints)
    found: list[Atom | None] = [None] * len(arguments)
    for one, variable in zip(active, opened, strict=True):
        found[one.position] = variable
    return found


def close_tangent(
    r: Reversal, region: Region, kind: SumType, constructor: str, fields: Sequence[Variable], values: dict[str, Atom | None], hint: str
) -> Atom:
    """The tangent of a `constructor` from the adjoints of the variables that an arm bound."""
    tangents, builder = r.engine.tangents, region.builder
    arguments: list[Atom] = []
    for one in tangents.fields(kind.name, constructor):
        field = fields[one.position]
        if not one.active:
            arguments.append(r.primal(region, field))
            continue
        wanted = tangents.field(field.type, kind.name)
        value = values.get(field.name)
        arguments.append(field_zero(r.engine, region, wanted, field) if value is None else r.engine.adjoints.lazily(builder, value, wanted))
    tangent = tangents.of(kind)
    assert isinstance(tangent, SumType)
    return builder.construct(tangent, tangents.constructor(kind.name, constructor), *arguments, name=hint)
