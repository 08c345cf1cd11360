"""Expressions as values. Each kind has one handler, registered by the module that is about it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from dynlang.check import typed
from dynlang.core.build import integer, text, truth
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import (
    Piece,
    item_of,
    list_item,
    list_position,
    name_of,
    part_of,
    read,
    unboxed_element,
)
from dynlang.core.elaborate.values import NOTHING, Value, matched_sizes
from dynlang.core.nodes import Atom, If, Literal, Operation, Variable
from dynlang.diag import InternalError, LimitReached, NotBuilt
from dynlang.ops import OPS
from dynlang.ops.dtypes import PACKED
from dynlang.types import (
    BOOL,
    INT,
    ArrayType,
    IndexType,
    ListType,
    ScalarType,
    Size,
    StringType,
    SumType,
    TupleType,
    Type,
    TypeVariable,
    open_unknowns,
    unknowns,
)

Handler = Callable[[Frame, Any], Value]
HANDLERS: dict[type, Handler] = {}


def handles(kind: type) -> Callable[[Handler], Handler]:
    """Registers the function that elaborates expressions of a kind."""

    def register(handler: Handler) -> Handler:
        HANDLERS[kind] = handler
        return handler

    return register


def expression(frame: Frame, node: typed.Expression) -> Value:
    """The value of an expression; what it does is emitted into the block in work."""
    handler = HANDLERS.get(type(node))
    if handler is None:
        raise InternalError(f"no elaboration of {type(node).__name__}", node.span)
    outer = frame.builder.span
    frame.builder.span = node.span
    try:
        value = handler(frame, node)
    except LimitReached as limit:
        raise limit.at(node.span) from None
    frame.builder.span = outer
    return value


# ---------------------------------------------------------------- atoms


@handles(typed.Literal)
def literal(frame: Frame, node: typed.Literal) -> Value:
    kind = frame.type(node.type)
    atom = literal_atom(frame, kind, node.value)
    if isinstance(kind, ArrayType):
        sizes = [size for size in kind.shape if isinstance(size, Size)]
        atom = frame.builder.operation("fill", atom, sizes=sizes)
    return Value(kind, (atom,))


def literal_atom(frame: Frame, kind: Type, value: int | float | bool | str) -> Literal:
    match kind:
        case StringType():
            return text(str(value))
        case IndexType():
            return integer(int(value))
        case ScalarType(dtype):
            if dtype == "bool":
                return truth(bool(value))
            whole = dtype not in ("f64", "f32", "f16", "bf16")
            return Literal(int(value) if whole else float(value), kind)
        case ArrayType(element, _):
            return literal_atom(frame, element, value)
    raise InternalError(f"a literal of type {kind}", frame.builder.span)


@handles(typed.LocalReference)
def local_reference(frame: Frame, node: typed.LocalReference) -> Value:
    return frame.local(node.local, node.span)


@handles(typed.ConstantReference)
def constant_reference(frame: Frame, node: typed.ConstantReference) -> Value:
    """A constant is computed where it is first read in a block, and known in what follows and inside of it."""
    found = frame.constants.get(node.name)
    if found is None:
        constant = frame.elaborator.program.constants[node.name]
        inner = Frame(frame.elaborator, frame.builder, {}, {}, {}, constant.type, node.name)
        inner.constants = frame.constants
        found = frame.constants[node.name] = expression(inner, constant.value)
    return found


@handles(typed.SizeValue)
def size_value(frame: Frame, node: typed.SizeValue) -> Value:
    return Value(frame.type(node.type), (frame.builder.size(frame.size(node.size)),))


@handles(typed.Sequence)
def sequence(frame: Frame, node: typed.Sequence) -> Value:
    for binding in node.bindings:
        bind(frame, binding)
    return expression(frame, node.value)


def bind(frame: Frame, binding: typed.Binding) -> None:
    """``locals = value``."""
    value = expression(frame, binding.value)
    if len(binding.locals) == 1:
        if binding.locals[0] is not None:
            frame.wish(value, binding.locals[0].name)
            frame.bind(binding.locals[0], value)
        return
    for local, part in zip(binding.locals, frame.items(value), strict=True):
        if local is not None:
            frame.wish(part, local.name)
            frame.bind(local, part)


# ---------------------------------------------------------------- products and sums


@handles(typed.MakeTuple)
def make_tuple(frame: Frame, node: typed.MakeTuple) -> Value:
    from dynlang.core.elaborate.order import expressions

    parts = expressions(frame, node.items)
    return frame.joined(frame.type(node.type), parts)


@handles(typed.MakeRecord)
def make_record(frame: Frame, node: typed.MakeRecord) -> Value:
    from dynlang.core.elaborate.order import expressions

    parts = expressions(frame, node.fields)
    return frame.joined(frame.type(node.type), parts)


@handles(typed.TupleItem)
def tuple_item(frame: Frame, node: typed.TupleItem) -> Value:
    from dynlang.core.elaborate.places import select_part

    value = expression(frame, node.value)
    if isinstance(value.type, TupleType) and unknowns(value.type):
        return frame.items(value)[node.position]
    return select_part(frame, value, node.position)[0]


@handles(typed.Field)
def field(frame: Frame, node: typed.Field) -> Value:
    return read(frame, piece(frame, node))


def piece(frame: Frame, node: typed.Expression) -> Piece:
    """What a path of fields and indices names, read only where something else needs it."""
    match node:
        case typed.Field(_, _, value, name):
            return part_of(frame, piece(frame, value), name)[0]
        case typed.Index(_, _, value, items):
            whole = piece(frame, value)
            if not isinstance(whole.type, ListType):
                return item_of(frame, whole, items)[0]
            assert isinstance(items[0], typed.Expression)
            return Piece(list_item(frame, whole.value, list_position(frame, whole.value, items[0])))
    return Piece(expression(frame, node))


@handles(typed.Construct)
def construct(frame: Frame, node: typed.Construct) -> Value:
    from dynlang.core.elaborate.order import expressions

    atoms = [atom for one in expressions(frame, node.arguments) for atom in frame.stored(one)]
    kind = frame.type(node.type)
    assert isinstance(kind, SumType)
    core = frame.layouts.core_sum(kind)
    name = frame.layouts.constructor_names[core.name, node.constructor]
    return Value(kind, (frame.builder.construct(core, name, *atoms),))


# ---------------------------------------------------------------- ops


@handles(typed.Primitive)
def primitive(frame: Frame, node: typed.Primitive) -> Value:
    if node.op == "mean":
        from dynlang.core.elaborate.comprehensions import mean_of_array

        return mean_of_array(frame, node)
    row = OPS.get(node.op)
    if row is None:
        raise NotBuilt(f"the op {node.op}", node.span)
    if row.has("elementwise"):
        return elementwise(frame, node)
    arguments = [expression(frame, one) for one in node.arguments]
    kind = frame.type(node.type)
    sizes = [frame.size(one) for one in node.sizes]
    if node.op.startswith("list_"):
        return list_op(frame, node.op, arguments, kind)
    attributes: dict[str, Any] = {name: resolved_attribute(frame, value) for name, value in node.attributes}
    if kind == TupleType(()) and not row.has("check") and not row.has("effect"):
        raise InternalError(f"{node.op} has no result", node.span)
    widths = {len(one.atoms) for one in arguments}
    if widths <= {1} or not arguments:
        results = frame.builder.operations(node.op, *(one.atom for one in arguments), sizes=sizes, names=["t"] * 4, **attributes)
        return with_results(frame, kind, results)
    return leafwise(frame, node, arguments, sizes, kind)


def resolved_attribute(frame: Frame, value: object) -> object:
    """An attribute as Core holds it: a number type is its dtype."""
    if isinstance(value, (ScalarType, TypeVariable, IndexType)):
        kind = frame.type(value)
        return kind.dtype if isinstance(kind, ScalarType) else "i64"
    return value


def with_results(frame: Frame, kind: Type, results: tuple[Variable, ...]) -> Value:
    closed = unknowns(kind)
    if closed:
        raise NotBuilt("an op whose result has an unknown size", frame.builder.span)
    return Value(kind, tuple(results[:len(frame.layouts.data(kind))]))


def leafwise(frame: Frame, node: typed.Primitive, arguments: list[Value], sizes: list[Size], kind: Type) -> Value:
    """An op on arrays of records: the op on each array; single atoms are shared."""
    width = max(len(one.atoms) for one in arguments)
    if width == 0 or any(len(one.atoms) not in (1, width) for one in arguments):
        raise NotBuilt(f"{node.op} of {', '.join(str(one.type) for one in arguments)}", node.span)
    atoms: list[Atom] = []
    for position in range(width):
        chosen = [one.atoms[position] if len(one.atoms) == width else one.atoms[0] for one in arguments]
        attributes: dict[str, Any] = dict(node.attributes)
        atoms.append(frame.builder.operation(node.op, *chosen, sizes=sizes, **attributes))
    return Value(kind, tuple(atoms))


def elementwise(frame: Frame, node: typed.Primitive) -> Value:
    """An elementwise op: a literal that was typed as an array stays a scalar beside an array."""
    atoms: list[Atom] = []
    for one in node.arguments:
        if isinstance(one, typed.Literal):
            atoms.append(literal_atom(frame, frame.type(one.type), one.value))
        else:
            value = expression(frame, one)
            if len(value.atoms) != 1:
                raise NotBuilt(f"{node.op} of a {value.type}", node.span)
            atoms.append(value.atom)
    if node.op in ("floor_division", "floor_modulo"):
        check_divisor(frame, atoms[1], node)
    kind = frame.type(node.type)
    atoms = same_shapes(frame, atoms, kind)
    result: Atom = frame.builder.operation(node.op, *atoms, name="t")
    if isinstance(kind, ArrayType) and not isinstance(result.type, ArrayType):
        result = frame.builder.operation("fill", result, sizes=[one for one in kind.shape if isinstance(one, Size)])
    return Value(kind, (result,))


def same_shapes(frame: Frame, atoms: list[Atom], kind: Type) -> list[Atom]:
    """Operands under one shape where equal sizes are written differently."""
    if not isinstance(kind, ArrayType):
        return atoms
    shapes = {one.type.shape for one in atoms if isinstance(one.type, ArrayType)}
    if len(shapes) <= 1:
        return atoms
    return [frame.retyped_atom(one, ArrayType(one.type.element, kind.shape)) if isinstance(one.type, ArrayType) else one for one in atoms]


def check_divisor(frame: Frame, divisor: Atom, node: typed.Primitive) -> None:
    """Integer division by zero is an error (rule 22)."""
    if isinstance(divisor, Literal) and divisor.value != 0:
        return
    zero = Literal(0, divisor.type.element if isinstance(divisor.type, ArrayType) else divisor.type)
    fine: Atom = frame.builder.operation("not_equal", divisor, zero, name="fine")
    if isinstance(fine.type, ArrayType):
        fine = frame.builder.operation("reduce_all", fine, name="fine")
    frame.check(fine, "integer division by zero", node.span, "DYN0903")


def list_op(frame: Frame, op: str, arguments: list[Value], kind: Type) -> Value:
    builder = frame.builder
    if op == "list_empty":
        if not isinstance(kind, ListType):
            raise InternalError(f"an empty list of type {kind}", builder.span)
        return Value(kind, (builder.operation(op, elements=frame.layouts.element_types(kind.elements[0]), name="list"),))
    listed = arguments[0]
    if op == "list_length":
        return Value(kind, (builder.operation(op, listed.atom, name="length"),))
    if op == "list_get":
        return list_item(frame, listed, arguments[1].atom)
    assert isinstance(listed.type, ListType)
    if op == "list_push":
        atoms = unboxed_element(frame, listed.type.elements[0], arguments[1])
        return Value(kind, (builder.operation(op, listed.atom, *atoms, name="list"),))
    if op == "list_set":
        atoms = unboxed_element(frame, listed.type.elements[0], arguments[2])
        return Value(kind, (builder.operation(op, listed.atom, arguments[1].atom, *atoms, name="list"),))
    raise NotBuilt(f"the op {op} as a value", builder.span)


@handles(typed.Mutate)
def mutate(frame: Frame, node: typed.Mutate) -> Value:
    """A consuming op on a place, which takes the op's first result."""
    from dynlang.core.elaborate.indexing import opened_element
    from dynlang.core.elaborate.places import read_place, write_place

    arguments = [expression(frame, one) for one in node.arguments]
    value, held = read_place(frame, node.place)
    builder = frame.builder
    if node.op == "list_pop":
        assert isinstance(value.type, ListType)
        length = builder.operation("list_length", value.atom, name="length")
        some = builder.operation("greater", length, integer(0), name="some")
        frame.check(some, "pop from an empty list", node.span, "DYN0904")
        changed, *rest = builder.operations("list_pop", value.atom, names=["list", *["item"] * 8])
        write_place(frame, node.place, Value(value.type, (changed,)), held)
        return opened_element(frame, value.type.elements[0], tuple(rest))
    if node.op in ("list_push", "list_set"):
        write_place(frame, node.place, list_op(frame, node.op, [value, *arguments], value.type), held)
        return NOTHING
    results = builder.operations(node.op, value.atom, *(one.atom for one in arguments), names=[name_of(value.atom)])
    write_place(frame, node.place, Value(value.type, results[:1]), held)
    return Value(frame.type(node.type), results[1:]) if len(results) > 1 else NOTHING


@handles(typed.Broadcast)
def broadcast(frame: Frame, node: typed.Broadcast) -> Value:
    given = expression(frame, node.value)
    kind = frame.type(node.type)
    leading = [frame.size(one) for one in node.leading]
    atoms = tuple(frame.builder.operation("broadcast" if isinstance(one.type, ArrayType) else "fill", one, sizes=leading)
                  for one in given.atoms)
    return Value(kind, atoms)


@handles(typed.Convert)
def convert(frame: Frame, node: typed.Convert) -> Value:
    from dynlang.core.elaborate.precision import in_precision

    return in_precision(frame, expression(frame, node.value), frame.type(node.type))


def convert_literal(frame: Frame, one: Literal, dtype: str) -> Atom:
    """A literal of another type, unless its own type rounds it first: ``f64(x)`` where x is the f32 0.1."""
    if dtype in ("f64", "f32") and scalar_dtype(one.type) == "i64":
        return Literal(float(one.value), ScalarType(dtype))
    return frame.builder.operation("convert", one, dtype=dtype)


def scalar_dtype(kind: Type) -> str | None:
    match kind:
        case ScalarType(dtype):
            return dtype
        case IndexType():
            return "i64"
        case ArrayType(element, _):
            return scalar_dtype(element)
    return None


# ---------------------------------------------------------------- arrays and lists


@handles(typed.Index)
def index(frame: Frame, node: typed.Index) -> Value:
    found = read(frame, piece(frame, node))
    return Value(frame.type(node.type), found.atoms, found.functions)


@handles(typed.ListItem)
def list_item_expression(frame: Frame, node: typed.ListItem) -> Value:
    value = expression(frame, node.value)
    return list_item(frame, value, list_position(frame, value, node.position))


@handles(typed.MakeArray)
def make_array(frame: Frame, node: typed.MakeArray) -> Value:
    """An array filled with its first item, the others written one by one."""
    if isinstance(frame.type(node.type), ListType):
        return make_list(frame, node)
    values = [expression(frame, one) for one in node.items]
    kind = frame.type(node.type)
    assert isinstance(kind, ArrayType)
    element = frame.type(node.items[0].type) if node.items else kind.element
    places = frame.layouts.data(kind)
    if not node.items:
        return Value(kind, tuple(frame.placeholders(places)))
    items = [unboxed_element(frame, element, one) for one in values]
    atoms: list[Atom] = []
    for position in range(len(places)):
        column = [one[position] for one in items]
        atoms.append(stacked(frame, column))
    return Value(kind, tuple(atoms))


def stacked(frame: Frame, column: list[Atom]) -> Atom:
    """One array of the items: of numbers alone, data of the program; else filled and written item by item."""
    builder = frame.builder
    count = Size.constant(len(column))
    first = column[0]
    dtype = first.type.dtype if isinstance(first.type, ScalarType) else ""
    if len(column) > 2 and dtype in PACKED and all(isinstance(one, Literal) for one in column):
        numbers = struct.pack(f"<{len(column)}{PACKED[dtype]}", *(one.value for one in column if isinstance(one, Literal)))
        return builder.operation("constant_array", sizes=[count], dtype=dtype, numbers=numbers, name="items")
    array = builder.operation("broadcast" if isinstance(first.type, ArrayType) else "fill", first, sizes=[count], name="items")
    for position, one in enumerate(column):
        if one != first:
            array = builder.operation("update", array, integer(position), one, name="items")
    return array


def make_list(frame: Frame, node: typed.MakeArray) -> Value:
    kind = frame.type(node.type)
    result = list_op(frame, "list_empty", [], kind)
    for one in node.items:
        result = list_op(frame, "list_push", [result, expression(frame, one)], kind)
    return result


# ---------------------------------------------------------------- choices


@handles(typed.Conditional)
def conditional(frame: Frame, node: typed.Conditional) -> Value:
    condition = expression(frame, node.condition).atom
    return choice(frame, node, condition, node.then, node.otherwise)


def choice(frame: Frame, node: typed.Expression, condition: Atom, then: typed.Expression, otherwise: typed.Expression) -> Value:
    """``then`` or ``otherwise``, with what either assigns."""
    kind = frame.type(node.type)
    kinds = frame.carried_locals(frame.elaborator.facts.of((then, otherwise)).assigned)

    def branch(one: typed.Expression) -> list[Atom]:
        value = expression(frame, one)
        return [*frame.retyped_atoms(frame.stored(value), frame.layouts.stored(kind)), *frame.current(kinds)]

    blocks = frame.block(lambda: branch(then)), frame.block(lambda: branch(otherwise))
    if not kinds and all(not one.statements for one in blocks) and len(blocks[0].results) == 1:
        yes, no = blocks[0].results[0], blocks[1].results[0]
        if isinstance(yes.type, ScalarType) and yes.type != BOOL:
            return Value(kind, (frame.builder.operation("select", condition, yes, no, name="chosen"),))
    telescope = frame.telescope([("chosen", kind), *kinds])
    results = frame.merge(If(condition, *blocks), telescope, node.span)
    count = len(frame.layouts.entries(kind))
    frame.assign_all(kinds, results[count:])
    return frame.unstored(kind, results[:count])


@handles(typed.ShortCircuit)
def short_circuit(frame: Frame, node: typed.ShortCircuit) -> Value:
    """``and`` and ``or``: the right side is evaluated only if needed, or where evaluating it can't be noticed."""
    left = expression(frame, node.left).atom
    if isinstance(left, Literal):
        return expression(frame, node.right) if bool(left.value) == (node.word == "and") else Value(BOOL, (left,))
    if not frame.elaborator.facts.of(node.right).assigned:
        with frame.inside() as inner:
            right = expression(frame, node.right).atom
            block = inner.block(right)
        if len(block.statements) <= 4 and all(is_free_of_risk(one.right) for one in block.statements):
            (right,) = frame.builder.splice(block)
            op = "logical_and" if node.word == "and" else "logical_or"
            return Value(BOOL, (frame.builder.operation(op, left, right, name="both" if node.word == "and" else "either"),))
        # not cheap: the block is kept as it is, in the arm that needs it
        other = frame.builder.inside().block(truth(node.word == "or"))
        branches = (block, other) if node.word == "and" else (other, block)
        telescope = frame.telescope([("holds", BOOL)])
        return Value(BOOL, frame.merge(If(left, *branches), telescope, node.span))
    constant = typed.Literal(BOOL, node.span, node.word == "or")
    branches_of = (node.right, constant) if node.word == "and" else (constant, node.right)
    return choice(frame, node, left, *branches_of)


def is_free_of_risk(right: object) -> bool:
    """Whether evaluating it can't fail and costs next to nothing."""
    return (isinstance(right, Operation) and OPS[right.op].has("elementwise")
            and not any(isinstance(one.type, ArrayType) for one in right.arguments)
            and right.op not in ("floor_division", "floor_modulo"))


# ---------------------------------------------------------------- unknown sizes


@handles(typed.Open)
def open_value(frame: Frame, node: typed.Open) -> Value:
    """The value with its unknown sizes named: they are its first atoms."""
    value = expression(frame, node.value)
    count = len(unknowns(value.type))
    if count != len(node.names):
        raise InternalError(f"{value.type} has {count} unknown sizes, {len(node.names)} names", node.span)
    for name, atom in zip(node.names, value.atoms, strict=False):
        frame.sizes[name] = frame.builder.size_of(atom)
    return Value(frame.type(node.type), value.atoms[count:], value.functions)


@handles(typed.Pack)
def pack(frame: Frame, node: typed.Pack) -> Value:
    value = expression(frame, node.value)
    return packed(frame, value, frame.type(node.type))


def packed(frame: Frame, value: Value, kind: Type) -> Value:
    """The value with sizes forgotten: they become its first atoms."""
    closed = unknowns(kind)
    if value.type == kind:
        return value
    if not closed or len(unknowns(value.type)) == len(closed):
        return Value(kind, value.atoms, value.functions)
    sizes = matched_sizes(kind, value.type)
    if len(sizes) != len(closed):
        raise NotBuilt(f"a {value.type} as a {kind}", frame.builder.span)
    atoms = tuple(frame.builder.size(one) for one in sizes)
    return Value(kind, atoms + value.atoms, value.functions)


__all__ = ["HANDLERS", "INT", "bind", "expression", "handles", "open_unknowns", "packed"]
