"""Whether a value fits the type that is asked for, and the small steps that make it fit.

A value fits a type if the types are equal, or after one of these steps: a literal or size takes the number type;
``idx<a>`` stands for ``idx<b>`` (a <= b by rule 9) and for `int`; sizes are packed under a declared `?`; a generic
function, method or callable record becomes a function value. Nothing else is converted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dynlang.check import errors, typed
from dynlang.check.context import SIZE_PARAMETER, Context
from dynlang.check.declarations.world import show
from dynlang.check.fitting.settle import demand
from dynlang.check.fitting.solve import HOLE, OPEN, has_open
from dynlang.check.messages import shapes
from dynlang.diag import Diagnostic, Edit, Label, Repair, replacing, wrapping
from dynlang.types import (
    F32,
    F64,
    FLOATS,
    INT,
    INTEGERS,
    Argument,
    ArrayType,
    ErrorType,
    FunctionType,
    IndexType,
    ListType,
    RecordType,
    RowsType,
    ScalarType,
    Size,
    StringType,
    SumType,
    TangentType,
    TupleType,
    Type,
    TypeVariable,
    Unknown,
    array_of,
    is_sparse,
    map_type,
    parts,
    size_variables,
    tangent,
)

INTEGER_LIMITS = {"i64": 64, "i32": 32, "i16": 16, "i8": 8}


def fit(
    context: Context,
    value: typed.Expression,
    wanted: Type,
    role: str = "",
    others: Sequence[typed.Expression] = (),
    explain: Callable[[Diagnostic], Diagnostic] | None = None,
) -> typed.Expression:
    """The value as one of the wanted type; reports where it can't be, and gives the error expression.

    `others`: the values that the wanted type was learnt from; a message about a size names the ones that brought it. `explain`
    knows more about the mistake."""
    fitted = fitting(context, value, wanted)
    if fitted is None or isinstance(value.type, ErrorType):
        demand(context, value, wanted)
    if fitted is not None:
        return fitted
    found = mismatch(context, value, wanted, role, others)
    return context.fail(explain(found) if explain is not None else found)


def fitting(context: Context, value: typed.Expression, wanted: Type) -> typed.Expression | None:
    """The value as one of the wanted type, or None."""
    if value.type == wanted or isinstance(value.type, ErrorType) or isinstance(wanted, ErrorType) or wanted == HOLE:
        return value
    if isinstance(value, typed.Open) and value.value.type == wanted:
        return value.value
    adapted = adapt(value, wanted) if not isinstance(value, typed.Conditional) else None  # its branches are asked below, each once
    if adapted is not None:
        return adapted
    if isinstance(wanted, FunctionType):
        from dynlang.check.calls.functions import as_function

        found = as_function(context, value, wanted)
        if found is not None:
            return found
    if is_subtype(value.type, wanted) or is_subtype(marked_as(value.type, wanted), wanted):
        return value
    if isinstance(value.type, ArrayType) and isinstance(wanted, ArrayType) and unknowns_inside(wanted.element):
        return fitting_jagged(context, value, value.type, wanted)
    if unknowns_inside(wanted) and packs(value.type, wanted):
        if has_open(wanted):
            return value
        return typed.Pack(wanted, value.span, value)
    if isinstance(value, typed.MakeTuple) and isinstance(wanted, TupleType) and len(value.items) == len(wanted.items):
        items = [fitting(context, item, kind) for item, kind in zip(value.items, wanted.items, strict=True)]
        if all(item is not None for item in items) and packs(TupleType(tuple(unpacked(item) for item in items if item)), wanted):
            return typed.MakeTuple(wanted, value.span, tuple(item for item in items if item is not None))
    if isinstance(wanted, TangentType) and wanted.of == value.type and is_sparse(value.type):
        from dynlang.check.expressions.sparse import of_one

        return of_one(context, "tangent", value, value.span)
    if isinstance(value.type, RecordType) and isinstance(wanted, RecordType):
        return fitting_fields(context, value, value.type, wanted)
    if isinstance(value, typed.Conditional):
        then = fitting(context, value.then, wanted)
        otherwise = fitting(context, value.otherwise, wanted) if then is not None else None
        if then is not None and otherwise is not None:
            return typed.Conditional(wanted, value.span, value.condition, then, otherwise)
    return None


def fitting_fields(context: Context, value: typed.Expression, actual: RecordType, wanted: RecordType) -> typed.Expression | None:
    """A record as one of another type argument, field by field: a ``Solution<f32[3]>`` as a ``Solution<f32[?]>``."""
    from dynlang.check.expressions.members import field_type

    if actual.name != wanted.name or not unknowns_inside(wanted):
        return None
    local = context.temporary("whole", actual)
    reference = typed.LocalReference(actual, value.span, local)
    fields: list[typed.Expression] = []
    for one in context.world.records[actual.name].fields:
        have, want = field_type(context, actual, one.name), field_type(context, wanted, one.name)
        if have is None or want is None:
            return None
        field = fitting(context, context.open(typed.Field(have, value.span, reference, one.name)), want)
        if field is None:
            return None
        fields.append(field)
    made = typed.MakeRecord(wanted, value.span, tuple(fields))
    return typed.Sequence(wanted, value.span, (typed.Binding((local,), value, value.span),), made)


def fitting_jagged(
    context: Context, value: typed.Expression, actual: ArrayType, wanted: ArrayType
) -> typed.Expression | None:
    """An array whose elements have equal sizes as a jagged one, element by element: a ``f32[2, 3]`` as a ``f32[?][2]`` (rule 7)."""
    rank = len(wanted.shape)
    if len(actual.shape) < rank or actual.row_sparse:
        return None
    counts = tuple(size for size in actual.shape[:rank] if isinstance(size, Size))
    kind = array_of(actual.element, actual.shape[rank:]) if actual.shape[rank:] else actual.element
    local = context.temporary("whole", actual)
    indices = tuple(context.temporary("index", IndexType(size)) for size in counts)
    items = tuple(typed.LocalReference(one.type, value.span, one) for one in indices)
    item = typed.Index(kind, value.span, typed.LocalReference(actual, value.span, local), items)
    body = fitting(context, context.open(item), wanted.element)
    if body is None or len(counts) < rank:
        return None
    axes = tuple(typed.Axis(index, count) for index, count in zip(indices, counts, strict=True))
    made = typed.Comprehension(ArrayType(wanted.element, counts), value.span, "array", axes, None, body)
    found = typed.Sequence(made.type, value.span, (typed.Binding((local,), value, value.span),), made)
    if made.type == wanted:
        return found
    return typed.Pack(wanted, value.span, found) if packs(made.type, wanted) else None


# ---------------------------------------------------------------- order of types


def is_subtype(actual: Type, wanted: Type) -> bool:
    """Whether every value of one type is a value of the other as it stands (rule 9)."""
    match actual, wanted:
        case _, _ if actual == wanted or isinstance(actual, ErrorType) or isinstance(wanted, ErrorType):
            return True
        case IndexType(bound), IndexType(other):
            return (other - bound).has_no_negative_coefficient()
        case IndexType(), ScalarType("i64"):
            return True
        case TupleType(items), TupleType(others):
            return len(items) == len(others) and all(map(is_subtype, items, others))
        case ArrayType(), ArrayType():
            if actual.shape != wanted.shape or actual.row_sparse != wanted.row_sparse:
                return False
            return actual.element == wanted.element or (
                isinstance(actual.element, (IndexType, TupleType)) and is_subtype(actual.element, wanted.element)
            )
        case FunctionType(parameters, result), FunctionType(others, returned):
            return (
                len(parameters) == len(others)
                and modes_of(actual) == modes_of(wanted)
                and all(map(is_subtype, others, parameters))
                and is_subtype(result, returned)
            )
    return False


def marked_as(actual: Type, wanted: Type) -> Type:
    """An array as the embedding table, or a table as the array, that is wanted: as values they are the same, only their tangents differ."""
    if isinstance(actual, ArrayType) and isinstance(wanted, ArrayType):
        return replace(actual, row_sparse=wanted.row_sparse)
    return actual


def modes_of(kind: FunctionType) -> tuple[str, ...]:
    return kind.modes or ("value",) * len(kind.parameters)


def unknowns_inside(kind: Type) -> bool:
    """Whether a type has a `?` anywhere."""
    from dynlang.types import parts

    return any(isinstance(part, Unknown) or (not isinstance(part, Size) and unknowns_inside(part)) for part in parts(kind))


def every_unknown(kind: Type) -> Iterator[Unknown]:
    """Each `?` in a type, as often as it stands there."""
    for part in parts(kind):
        if isinstance(part, Unknown):
            yield part
        elif not isinstance(part, Size):
            yield from every_unknown(part)


def unpacked(value: typed.Expression) -> Type:
    """The type of a value before its sizes were forgotten."""
    return value.value.type if isinstance(value, typed.Pack) else value.type


def packs(actual: Type, wanted: Type) -> bool:
    """Whether the wanted type is the actual one with sizes forgotten; a named ``?k`` stands for one size everywhere."""
    named: dict[str, Argument] = {}
    counts = Counter(one.name for one in every_unknown(wanted))

    def argument(one: Argument, other: Argument) -> bool:
        """Items of lists and of type parameters keep their sizes where they are stored: no size in them is forgotten."""
        if other == OPEN:
            return isinstance(one, (Size, Unknown))
        if isinstance(other, Unknown):
            if other.name is None or isinstance(one, Unknown):
                return isinstance(one, (Size, Unknown)) and (other.name is None or counts[other.name] == 1)
            return isinstance(one, Size) and named.setdefault(other.name, one) == one
        return one == other

    def walk(one: Type, other: Type) -> bool:
        match one, other:
            case ArrayType(element, shape, row_sparse), ArrayType(wanted_element, wanted_shape, wanted_sparse):
                same = row_sparse == wanted_sparse and len(shape) == len(wanted_shape) and all(map(argument, shape, wanted_shape))
                return same and is_subtype(element, wanted_element)
            case TupleType(items), TupleType(others):
                return len(items) == len(others) and all(map(walk, items, others))
            case (RecordType(name, given), RecordType(same, taken)) | (SumType(name, given), SumType(same, taken)):
                return name == same and len(given) == len(taken) and all(map(argument, given, taken))
            case TangentType(of), TangentType(other_of):
                return walk(of, other_of)
            case RowsType(), RowsType():
                return one == other
        return is_subtype(one, other)

    return walk(actual, wanted)


# ---------------------------------------------------------------- numbers that take the type asked for


def number_type(kind: Type) -> ScalarType | TypeVariable | None:
    """The type of the numbers in a scalar or array of numbers."""
    match kind:
        case ScalarType(dtype) if dtype != "bool":
            return kind
        case IndexType():
            return INT
        case TypeVariable() if kind.is_number:
            return kind
        case ArrayType(element, _):
            return number_type(element) if not isinstance(element, IndexType) else INT
    return None


def is_float(kind: Type | None) -> bool:
    """Whether numbers of this type take a decimal point."""
    return (isinstance(kind, ScalarType) and kind.dtype in FLOATS) or (isinstance(kind, TypeVariable) and kind.is_float)


def shape_of(kind: Type) -> tuple:
    return kind.shape if isinstance(kind, ArrayType) else ()


def in_f64(kind: Type) -> Type:
    """The type with every f32 in it an f64."""
    return map_type(kind, lambda size: size, lambda one: F64 if one == F32 else None)


def with_numbers(kind: Type, number: Type) -> Type:
    """The type with its numbers replaced: f64 for f32 in f32[n]."""
    return replace(kind, element=number) if isinstance(kind, ArrayType) else number


REDUCING = frozenset({"reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_mean"})
ADAPTING = frozenset({"neg", "add", "sub", "mul", "div", "power"})


def adapt(value: typed.Expression, wanted: Type, depth: int = 0) -> typed.Expression | None:
    """A literal, a size, or arithmetic of such, in the number type that is asked for (rule 22); None if it isn't one."""
    number = wanted.element if isinstance(wanted, ArrayType) else wanted
    if depth > 60:
        return None
    match value:
        case typed.Literal(ScalarType() | IndexType() | TypeVariable(), _, int() | float()) if not isinstance(value.value, bool):
            return None if isinstance(wanted, ArrayType) else adapt_literal(value, number)
        case typed.SizeValue(_, _, size) if not isinstance(wanted, ArrayType):
            if is_float(number):
                return typed.Convert(number, value.span, value)
            if isinstance(number, IndexType) and size.has_no_negative_coefficient():
                inside = (number.bound - size - 1).has_no_negative_coefficient()
                return typed.SizeValue(number, value.span, size) if inside else None
        case typed.Convert(_, span, typed.SizeValue() as count) if is_float(number) and not isinstance(wanted, ArrayType):
            return typed.Convert(number, span, count)
        case typed.Primitive(kind, span, op, arguments) if op in ADAPTING and not isinstance(number, IndexType):
            if shape_of(kind) != shape_of(wanted) or (op == "div" and not is_float(number)):
                return None
            operands: list[typed.Expression] = []
            for one in reversed(arguments):  # the last is the shallow one in a long chain
                found = adapt(one, with_numbers(one.type, number), depth + 1)
                if found is None:
                    return None
                operands.insert(0, found)
            return typed.Primitive(wanted, span, op, tuple(operands))
        case typed.Primitive(kind, span, "fill", (amount,), _, sizes) if isinstance(wanted, ArrayType) and shape_of(kind) == wanted.shape:
            kept = adapt(amount, number, depth + 1)
            return typed.Primitive(wanted, span, "fill", (kept,), (), sizes) if kept is not None else None
        case typed.MakeArray(_, span, items) if isinstance(wanted, ArrayType):
            inner = array_of(number, wanted.shape[1:])
            if Size.constant(len(items)) != wanted.shape[0]:
                return None
            adapted = [one if one.type == inner else adapt(one, inner, depth + 1) for one in items]
            if all(one is not None for one in adapted):
                return typed.MakeArray(wanted, span, tuple(one for one in adapted if one is not None))
        case typed.Comprehension(ArrayType() as kind, span, "array", axes, guard, body) if isinstance(wanted, ArrayType):
            kept = adapt(body, with_numbers(body.type, number), depth + 1) if kind.shape == wanted.shape else None
            return typed.Comprehension(wanted, span, "array", axes, guard, kept) if kept is not None else None
        case typed.Primitive(kind, span, op, (inner,), attributes, sizes) if op in REDUCING and not isinstance(wanted, ArrayType):
            kept = adapt(inner, with_numbers(inner.type, number), depth + 1)
            return typed.Primitive(wanted, span, op, (kept,), attributes, sizes) if kept is not None and shape_of(kind) == () else None
        case typed.Conditional(_, span, condition, then, otherwise):
            left, right = adapt(then, wanted, depth + 1), adapt(otherwise, wanted, depth + 1)
            if left is not None and right is not None:
                return typed.Conditional(wanted, span, condition, left, right)
        case typed.Broadcast(_, span, inner, leading) if isinstance(wanted, ArrayType):
            kept = adapt(inner, array_of(number, wanted.shape[len(leading) :]), depth + 1)
            return typed.Broadcast(wanted, span, kept, leading) if kept is not None else None
    return None


def adapt_literal(value: typed.Literal, number: Type) -> typed.Expression | None:
    """A literal in another number type: an int also as a float or index, a float as another float."""
    amount = value.value
    if isinstance(amount, int):
        match number:
            case ScalarType(dtype) if dtype in FLOATS:
                fine = abs(amount) < 1 << 1000 and fits_float(float(amount), number)
                return typed.Literal(number, value.span, float(amount)) if fine else None
            case ScalarType(dtype) if dtype in INTEGERS:
                return typed.Literal(number, value.span, amount) if in_range(amount, dtype) else None
            case TypeVariable() if number.is_number:
                return typed.Literal(number, value.span, float(amount) if number.is_float else amount)
            case IndexType(bound) if amount >= 0 and (bound - amount - 1).has_no_negative_coefficient():
                return typed.Literal(number, value.span, amount)
        return None
    fits = isinstance(amount, float) and is_float(number) and fits_float(amount, number)
    return typed.Literal(number, value.span, amount) if fits else None


LARGEST = {"f64": 1.7976931348623157e308, "f32": 3.4028235677973366e38, "f16": 65520.0, "bf16": 3.3961775292304601e38}
"""From here on a number rounds to infinity; of f64, what a Python float can be at most."""


def fits_float(amount: float, number: Type) -> bool:
    """Whether a number that is written down isn't infinite in this type."""
    return not isinstance(number, ScalarType) or abs(amount) < LARGEST[number.dtype] or (number.dtype == "f64" and amount - amount == 0)


def in_range(amount: int, dtype: str) -> bool:
    """
    >>> in_range(255, "u8"), in_range(128, "i8")
    (True, False)
    """
    if dtype == "u8":
        return 0 <= amount < 256
    bits = INTEGER_LIMITS[dtype]
    return -(1 << (bits - 1)) <= amount < 1 << (bits - 1)


# ---------------------------------------------------------------- messages


def mismatch(
    context: Context, value: typed.Expression, wanted: Type, role: str = "", others: Sequence[typed.Expression] = ()
) -> Diagnostic:
    """The message for a value that doesn't fit: what differs (a size, a number type, everything), and a repair."""
    actual, subject = value.type, role or "this"
    pair = differing_sizes(actual, wanted)
    if pair is not None:
        return size_mismatch(context, value, wanted, pair, subject, others)
    advice = conversion(context, value, wanted)
    title = f"{subject} is {article(actual)}, and {article(wanted)} is needed"
    labels = unique_labels((*origins(context, value), *brought_by(context, value, wanted, others)))
    return errors.TypeMismatch(
        title, value.span, expected=show(wanted), found=show(actual), hint=advice.hint, secondary=labels, repairs=advice.repairs
    )


def brought_by(context: Context, value: typed.Expression, wanted: Type, others: Sequence[typed.Expression]) -> tuple[Label, ...]:
    """Where the sizes of the wanted type were learnt from."""
    sizes = sizes_in(wanted) if isinstance(value.type, ArrayType) else ()
    return tuple(label for size in sizes for label in bringing(context, value, size, others))


def bringing(context: Context, value: typed.Expression, size: Size, others: Sequence[typed.Expression]) -> Iterator[Label]:
    """The other arguments that a size was learnt from: where they are declared, or where they stand."""
    for other in others:
        if other is not value and size in sizes_in(other.type):
            yield from origins(context, other) or (Label(other.span, f"{show(other.type)} brings {size}"),)


def size_mismatch(
    context: Context, value: typed.Expression, wanted: Type, pair: tuple[Size, Size], subject: str, others: Sequence[typed.Expression]
) -> Diagnostic:
    left, right = pair
    advice = shapes.value(value, wanted)
    if not advice.hint and (left - right).value is None:
        advice = shapes.Advice(cast_hint(context, value.type, wanted))
    title = f"{subject} has the size {left} where {right} is needed"
    labels = (*origins(context, value), *bringing(context, value, right, others), *size_labels(context, left), *size_labels(context, right))
    return errors.SizeMismatch(
        title,
        value.span,
        expected=show(wanted),
        found=show(value.type),
        hint=advice.hint,
        secondary=unique_labels(labels),
        repairs=advice.repairs,
    )


def cast_hint(context: Context, actual: Type, wanted: Type) -> str:
    """How to say that sizes are equal: a cast to the type whose sizes have names, or numbers."""
    if nameable(context, wanted):
        return f"if the sizes are equal when the program runs, say so: `... as {show(wanted)}` checks it"
    if nameable(context, actual):
        return f"if the sizes are equal when the program runs, cast the other value: `... as {show(actual)}` checks it"
    return "name the size where its value comes from, `let x: f32[?n] = ...`, and cast the other to it, `... as f32[n]`"


def nameable(context: Context, kind: Type) -> bool:
    """Whether a program can write this type here: each size is a number or stands for a name in scope."""
    return size_variables(kind) <= context.size_names()


def differing_sizes(actual: Type, wanted: Type) -> tuple[Size, Size] | None:
    """The first two sizes that differ, if the types differ in sizes alone."""
    pairs: list[tuple[Size, Size]] = []

    def argument(one: Argument, other: Argument) -> bool:
        if isinstance(one, Size) and isinstance(other, Size):
            if one != other:
                pairs.append((one, other))
            return True
        if isinstance(other, Unknown) or isinstance(one, (Size, Unknown)) or isinstance(other, Size):
            return isinstance(one, (Size, Unknown)) and isinstance(other, (Size, Unknown))
        return walk(one, other)

    def walk(one: Type, other: Type) -> bool:
        match one, other:
            case IndexType(bound), IndexType(limit):
                return argument(bound, limit)
            case ArrayType(element, shape), ArrayType(wanted_element, wanted_shape):
                return len(shape) == len(wanted_shape) and all(map(argument, shape, wanted_shape)) and walk(element, wanted_element)
            case (TupleType(items), TupleType(others)) | (ListType(items), ListType(others)):
                return len(items) == len(others) and all(map(walk, items, others))
            case (RecordType(name, given), RecordType(same, taken)) | (SumType(name, given), SumType(same, taken)):
                return name == same and len(given) == len(taken) and all(map(argument, given, taken))
            case TangentType(of), TangentType(other_of):
                return walk(of, other_of)
            case FunctionType(parameters, result), FunctionType(others, returned):
                return len(parameters) == len(others) and all(map(walk, parameters, others)) and walk(result, returned)
        return one == other

    return pairs[0] if walk(actual, wanted) and pairs else None


def article(kind: Type) -> str:
    """
    >>> article(INT), article(TupleType((INT, INT)))
    ('an `int`', 'the tuple `(int, int)`')
    """
    text = show(kind)
    match kind:
        case TupleType(()):
            return "no value"
        case TupleType():
            return f"the tuple `{text}`"
        case FunctionType():
            return f"a function `{text}`"
    return f"{'an' if (text[0] in 'aeiouAEIOF' and not text.startswith(('u8', 'F'))) or text.startswith(('f', 'i8')) else 'a'} `{text}`"


def reduced_too_far(value: typed.Expression, wanted: Type) -> typed.Primitive | None:
    """The `sum(rows)` in `sum(rows) / 2.0` that gives one number, where a row is asked for; None if that isn't the mistake."""
    if not isinstance(value, typed.Primitive) or not isinstance(wanted, ArrayType) or isinstance(value.type, ArrayType):
        return None
    if value.op in REDUCING and isinstance(of := value.arguments[0].type, ArrayType) and of.shape[1:] == wanted.shape:
        return value if not isinstance(value.arguments[0], typed.Comprehension) and value.span.text.endswith(")") else None
    return next((found for one in value.arguments if (found := reduced_too_far(one, wanted)) is not None), None)


def conversion(context: Context, value: typed.Expression, wanted: Type) -> shapes.Advice:
    """How a value becomes one of the wanted type, where that is one step."""
    actual, span = value.type, value.span
    have, want = number_type(actual), number_type(wanted)
    if isinstance(wanted, IndexType) and have == INT and not shape_of(actual):
        if isinstance(value, typed.Literal):
            return shapes.Advice(f"the indices of {wanted.bound} items are 0 to {wanted.bound - 1}")
        text = f" as {show(wanted)}"
        atom = isinstance(value, (typed.LocalReference, typed.Call, typed.Field, typed.Index, typed.Literal))
        cast = wrapping("cast it", span, "" if atom else "(", text if atom else ")" + text)
        return shapes.Advice(f"a checked cast makes an index of it: `...{text}`", (cast,) if nameable(context, wanted) else ())
    if have and want and have != want and shape_of(actual) == shape_of(wanted) and isinstance(want, (ScalarType, TypeVariable)):
        convert = wrapping(f"convert to `{show(want)}`", span, f"{show(want)}(", ")")
        return shapes.Advice(f"numbers are converted by name: `{show(want)}({shapes.clip(value)})`", (convert,))
    if isinstance(wanted, StringType) and number_type(actual) is not None and not set('"{}\n') & set(span.text):
        written = replacing("write it into text", span, f'f"{{{span.text}}}"')
        return shapes.Advice('an f-string makes text: `f"{x}"`', (written,))
    if isinstance(actual, TupleType) and wanted in actual.items:
        return shapes.Advice("take the tuple apart first: `let a, b = ...`")
    if isinstance(wanted, ScalarType) and isinstance(actual, ArrayType) and actual.element == wanted:
        return shapes.Advice("reduce it with `sum` or `mean`, or take one item")
    reduced = reduced_too_far(value, wanted)
    if reduced is not None:
        kept = f"{reduced.span.text[:-1]}, axis=0)"
        return shapes.Advice(f"along one axis: `{kept}`", (replacing("reduce along the first axis", reduced.span, kept),))
    if isinstance(wanted, ArrayType) and actual == wanted.element and nameable(context, wanted):
        sizes = ", ".join(str(size) for size in wanted.shape)
        return shapes.Advice(f"`fill({shapes.clip(value)}, {sizes})` repeats one number")
    if isinstance(actual, TangentType) and actual == tangent(wanted):
        return shapes.Advice(f"a gradient has a type of its own: `{show(actual)}`")
    if isinstance(actual, FunctionType) and actual.result == wanted:
        call = Edit(span.source.span(span.end, span.end), "()")
        return shapes.Advice("call it: `(...)` is missing", (Repair("call it", (call,)),) if not actual.parameters else ())
    return shapes.value(value, wanted)


def origins(context: Context, value: typed.Expression) -> tuple[Label, ...]:
    """Where the value's type was declared: of a variable, or of a field."""
    match value:
        case typed.Open(_, _, inner) | typed.Pack(_, _, inner):
            return origins(context, inner)
        case typed.LocalReference(_, _, local):
            name, span = local.name, context.declared.get(local.name)
        case typed.Field(_, _, typed.Expression(type=RecordType() as record), field):
            found = context.world.records.get(record.name)
            declared = found.field(field) if found else None
            name, span = field, declared.span if declared else None
        case _:
            return ()
    return (Label(span, f"`{name}` is {article(value.type)}"),) if span is not None and span != value.span else ()


def sizes_in(kind: Type) -> Iterator[Size]:
    """Every size that a type mentions."""
    for part in parts(kind):
        if isinstance(part, Size):
            yield part
        elif not isinstance(part, Unknown):
            yield from sizes_in(part)


def size_labels(context: Context, size: Size) -> Iterator[Label]:
    """Where the variables of a size come from. Of a size parameter, the types that it stands in say more."""
    for name in sorted(size.variables()):
        origin = context.origins.get(name)
        if origin is not None and origin.text != SIZE_PARAMETER:
            yield Label(origin.span, f"`{name}` is {origin.text}")


def unique_labels(labels: tuple[Label, ...]) -> tuple[Label, ...]:
    found: dict[tuple[int, int, int], Label] = {}
    for label in labels:
        found.setdefault((id(label.span.source), label.span.start, label.span.end), label)
    return tuple(found.values())
