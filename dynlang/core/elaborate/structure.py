"""What is done to values of any type by their structure: ``a == b`` of records, sums, lists, and the hash of a key.

Numbers are ops; arrays of values, lists and sums are generated functions, one for each type:

    fn equal_1(n, x: List<int>, y: List<int>) -> bool      # equal lengths, and equal items at each place

Arrays inside of other values are equal if their sizes and all their elements are; nan is unequal to itself there too.
"""

from __future__ import annotations

from collections.abc import Callable

from dynlang.check import typed
from dynlang.core.build import Builder, integer, truth
from dynlang.core.elaborate.expressions import expression, handles
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import Items, indexed, list_item, own_sizes
from dynlang.core.elaborate.values import Abstraction, Value, rename_places
from dynlang.core.nodes import Arm, Atom, Block, Call, Case, For, Function, Variable
from dynlang.core.sizes import rename_telescope
from dynlang.core.walk import Names
from dynlang.diag import NotBuilt
from dynlang.types import (
    BOOL,
    INT,
    ArrayType,
    IndexType,
    ListType,
    RecordType,
    ScalarType,
    Size,
    StringType,
    SumType,
    TupleType,
    Type,
    open_unknowns,
    unknowns,
)

MOST_ALTERNATIVES = 60
"""A comparison of sums looks at every pair of alternatives."""

HASH_FACTOR, HASH_START = -7_046_029_254_386_353_131, 1_469_598_103_934_665_603
"""2**64 divided by the golden ratio (Knuth, "Sorting and searching", 6.4): its multiples spread evenly, in the high bits above all."""


@handles(typed.Structural)
def structural(frame: Frame, node: typed.Structural) -> Value:
    values = [expression(frame, one) for one in node.arguments]
    if node.op == "hash":
        return Value(INT, (hashed(frame, values[0], integer(HASH_START)),))
    if node.op == "less":
        return Value(BOOL, (less(frame, values[0], values[1]),))
    return Value(BOOL, (equal(frame, values[0], values[1]),))


# ---------------------------------------------------------------- equality


def equal(frame: Frame, left: Value, right: Value) -> Atom:
    """Whether two values of one type are the same."""
    builder = frame.builder
    if left.functions or right.functions:
        raise NotBuilt(f"comparing values of type {left.type}: they hold functions", builder.span)
    closed = unknowns(left.type)
    if closed:
        return equal_unknown(frame, left, right, len(closed))
    match left.type:
        case StringType():
            return builder.operation("string_equal", left.atom, right.atom, name="same")
        case ScalarType() | IndexType():
            return builder.operation("equal", left.atom, right.atom, name="same")
        case TupleType(items):
            return all_equal(frame, list(zip(frame.split(left, items), frame.split(right, items), strict=True)))
        case RecordType("maps.Map"):
            from dynlang.core.elaborate.formats import library_call

            return library_call(frame, "maps.same_maps", [left, right], lambda _: BOOL).atom
        case RecordType():
            kinds = [kind for _, kind in frame.layouts.fields(left.type)]
            return all_equal(frame, list(zip(frame.split(left, kinds), frame.split(right, kinds), strict=True)))
        case ArrayType(ScalarType() | IndexType()):
            right = frame.retyped(right, left.type)
            same = builder.operation("equal", left.atom, right.atom, name="same")
            return builder.operation("reduce_all", same, name="same")
        case ArrayType() | ListType() | SumType():
            return generated(frame, "equal", left.type, (left, frame.retyped(right, left.type)), BOOL, equal_body)
    raise NotBuilt(f"comparing values of type {left.type}", builder.span)


def equal_unknown(frame: Frame, left: Value, right: Value, count: int) -> Atom:
    """Values whose sizes the program learns: the sizes first, then all else under the sizes of the left."""
    builder = frame.builder
    same: Atom = truth(True)
    names: list[str] = []
    for mine, other in zip(left.atoms[:count], right.atoms[:count], strict=True):
        one = builder.operation("equal", mine, other, name="same")
        same = one if not isinstance(same, Variable) else builder.operation("logical_and", same, one, name="same")
        names.append(builder.names.fresh("size"))
    for name, atom in zip(names, left.atoms, strict=False):
        frame.sizes[name] = builder.size_of(atom)
    theirs = [builder.names.fresh("size") for _ in names]
    for name, atom in zip(theirs, right.atoms, strict=False):
        frame.sizes[name] = builder.size_of(atom)
    mine_kind = frame.type(open_unknowns(left.type, tuple(names)))
    their_kind = frame.type(open_unknowns(right.type, tuple(theirs)))

    def contents() -> list[Atom]:
        return [equal(frame, Value(mine_kind, left.atoms[count:]), frame.retyped(Value(their_kind, right.atoms[count:]), mine_kind))]

    return frame.branch(same, [("same", BOOL)], contents, lambda: [truth(False)])[0]


def all_equal(frame: Frame, pairs: list[tuple[Value, Value]]) -> Atom:
    """Pair after pair; what stands behind one that differs isn't looked at."""
    pairs = [pair for pair in pairs if pair[0].atoms]
    if not pairs:
        return truth(True)
    first = equal(frame, *pairs[0])
    if len(pairs) == 1:
        return first
    return frame.branch(first, [("same", BOOL)], lambda: [all_equal(frame, pairs[1:])], lambda: [truth(False)])[0]


def equal_body(frame: Frame, values: tuple[Value, ...]) -> Atom:
    left, right = values
    builder = frame.builder
    match left.type:
        case ArrayType(_, shape):
            assert isinstance(shape[0], Size)
            count = builder.size(shape[0])
            return equal_items(frame, count, lambda i: tuple(indexed(frame, one, Items((i,), one.type)) for one in (left, right)))
        case ListType():
            count = builder.operation("list_length", left.atom, name="length")
            other = builder.operation("list_length", right.atom, name="length")
            same = builder.operation("equal", count, other, name="same")

            def items() -> list[Atom]:
                return [equal_items(frame, count, lambda i: (list_item(frame, left, i), list_item(frame, right, i)))]

            return frame.branch(same, [("same", BOOL)], items, lambda: [truth(False)])[0]
    return equal_sums(frame, left, right)


def equal_items(frame: Frame, count: Atom, pair: Callable[[Atom], tuple[Value, ...]]) -> Atom:
    """Whether the items at each place are equal."""
    builder = frame.builder
    index, so_far = Variable(builder.names.fresh("i"), INT), Variable(builder.names.fresh("same"), BOOL)
    with frame.inside() as body:
        (still,) = frame.branch(so_far, [("same", BOOL)], lambda: [equal(frame, *pair(index))], lambda: [truth(False)])
        block = body.block(still)
    (result,) = builder.emit(For(index, count, (so_far,), (truth(True),), block), ["same"])
    return result


def equal_sums(frame: Frame, left: Value, right: Value) -> Atom:
    """The same alternative with equal payloads."""
    assert isinstance(left.type, SumType)
    declared = frame.elaborator.program.sums[left.type.name].constructors
    if len(declared) > MOST_ALTERNATIVES:
        raise NotBuilt(f"comparing sums of more than {MOST_ALTERNATIVES} alternatives", frame.builder.span)

    def against(one: str, mine: list[Value]) -> Atom:
        def arm(other: str, theirs: list[Value]) -> Atom:
            return all_equal(frame, list(zip(mine, theirs, strict=True))) if other == one else truth(False)

        return by_alternative(frame, right, arm, BOOL)

    return by_alternative(frame, left, against, BOOL)


def by_alternative(frame: Frame, value: Value, body: Callable[[str, list[Value]], Atom], kind: Type) -> Atom:
    """A `Case` with one result; `body` is told each alternative and its payload."""
    from dynlang.core.elaborate.statements import field_types

    assert isinstance(value.type, SumType)
    core = value.atom.type
    assert isinstance(core, SumType)
    declaration = frame.elaborator.sums[core.name]
    arms: list[Arm] = []
    for constructor, declared in zip(
        declaration.constructors, frame.elaborator.program.sums[value.type.name].constructors, strict=True
    ):
        with frame.inside() as builder:
            fields = rename_telescope(constructor.fields, builder.names.fresh, own_sizes(declaration, core), builder.known)
            parts: list[Value] = []
            at = 0
            for one in field_types(frame, value.type, declared.name):
                count = len(frame.layouts.entries(one))
                parts.append(frame.unstored(one, fields[at : at + count]))
                at += count
            arms.append(Arm(constructor.name, fields, builder.block(body(declared.name, parts))))
    return frame.merge(Case(value.atom, tuple(arms)), frame.telescope([("found", kind)]))[0]


# ---------------------------------------------------------------- order


def less(frame: Frame, left: Value, right: Value) -> Atom:
    """Whether one value comes before another; of tuples the first items that differ decide."""
    match left.type:
        case ScalarType() | IndexType():
            return frame.builder.operation("less", left.atom, right.atom, name="before")
        case StringType():
            return frame.builder.operation("string_less", left.atom, right.atom, name="before")
        case TupleType(items):
            return less_items(frame, list(zip(frame.split(left, items), frame.split(right, items), strict=True)))
    raise NotBuilt(f"an order of values of type {left.type}", frame.builder.span)


def less_items(frame: Frame, pairs: list[tuple[Value, Value]]) -> Atom:
    (one, other), rest = pairs[0], pairs[1:]
    before = less(frame, one, other)
    if not rest:
        return before

    def behind() -> list[Atom]:
        return list(frame.branch(equal(frame, one, other), [("before", BOOL)], lambda: [less_items(frame, rest)], lambda: [truth(False)]))

    return frame.branch(before, [("before", BOOL)], lambda: [truth(True)], behind)[0]


# ---------------------------------------------------------------- hashes


def hashed(frame: Frame, value: Value, so_far: Atom) -> Atom:
    """An int that depends on all of a key: equal keys have equal hashes."""
    builder = frame.builder
    match value.type:
        case ScalarType("bool"):
            return mixed(builder, so_far, builder.operation("select", value.atom, integer(1), integer(0), name="bit"))
        case ScalarType() | IndexType():
            assert isinstance(value.atom.type, ScalarType)
            wide = value.atom if value.atom.type == INT else builder.operation("convert", value.atom, dtype="i64", name="wide")
            return mixed(builder, so_far, wide)
        case StringType():
            return generated(frame, "hash", value.type, (value, Value(INT, (so_far,))), INT, hash_text)
        case TupleType(items):
            parts = frame.split(value, items)
        case RecordType():
            parts = frame.split(value, [kind for _, kind in frame.layouts.fields(value.type)])
        case _:
            raise NotBuilt(f"a hash of a {value.type}", builder.span)
    for part in parts:
        so_far = hashed(frame, part, so_far)
    return so_far


def mixed(builder: Builder, so_far: Atom, amount: Atom) -> Atom:
    """One step: every bit moves upwards. The exclusive or keeps products that wrap around out of the arithmetic of sizes."""
    total = builder.operation("bit_xor", so_far, amount, name="hash")
    return builder.operation("mul", total, integer(HASH_FACTOR), name="hash")


def hash_text(frame: Frame, values: tuple[Value, ...]) -> Atom:
    """Byte after byte, then the length, so that "a" + "" and "" + "a" differ in a tuple."""
    builder, (value, start) = frame.builder, values
    length = builder.operation("string_length", value.atom, name="length")
    index, so_far = Variable(builder.names.fresh("i"), INT), Variable(builder.names.fresh("hash"), INT)
    with frame.inside() as body:
        code = body.operation("string_code", value.atom, index, name="code")
        block: Block = body.block(mixed(body, so_far, code))
    (result,) = builder.emit(For(index, length, (so_far,), (start.atom,), block), ["hash"])
    return mixed(builder, result, length)


# ---------------------------------------------------------------- generated functions

Body = Callable[[Frame, tuple[Value, ...]], Atom]


def generated(frame: Frame, word: str, kind: Type, values: tuple[Value, ...], result: Type, body: Body) -> Atom:
    """A call of the function that does `body` for values of a type; made when it is first needed, so types may be recursive."""
    abstraction = Abstraction(prefix="s")
    kinds = tuple(abstraction.type(one.type) for one in values)
    key = (word, kinds)
    elaborator = frame.elaborator
    name = elaborator.generated.get(key)
    if name is None:
        name = elaborator.generated[key] = elaborator.function_names.fresh(f"{word}_of")
        make_function(frame, name, kinds, tuple(abstraction.names.values()), result, body)
    sizes = tuple(frame.builder.size(size) for size in abstraction.names)
    (found,) = frame.builder.emit(Call(name, (*sizes, *(atom for one in values for atom in one.atoms))), [word])
    return found


def make_function(frame: Frame, name: str, kinds: tuple[Type, ...], sizes: tuple[str, ...], result: Type, body: Body) -> None:
    elaborator = frame.elaborator
    names = Names(sizes)
    places = [rename_places(frame.layouts.data(kind), names.fresh, {}, letter) for kind, letter in zip(kinds, "xy", strict=False)]
    parameters = (*(Variable(one, INT) for one in sizes), *(place for group in places for place in group))
    results = (Variable(names.fresh("result"), result),)
    elaborator.signatures[name] = Function(name, parameters, results, Builder(names, elaborator.scope).block(), len(sizes))
    inner = Frame(elaborator, Builder(names, elaborator.scope), {}, {one: Size.variable(one) for one in sizes}, {}, result, name)
    inner.builder.span = frame.builder.span
    found = body(inner, tuple(Value(kind, tuple(group)) for kind, group in zip(kinds, places, strict=True)))
    block = inner.builder.block(found)
    labels = tuple(one.name for one in parameters)
    elaborator.functions[name] = Function(
        name, parameters, results, block, len(sizes), parameter_labels=labels, result_labels=("result",)
    )



