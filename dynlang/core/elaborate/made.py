"""``make_leaves``: values made from their types alone, as `load` makes them.

How large a part of unknown size is, ``f32[?]``, the second function says; what records promise beyond their types (`@invariant`) is asked
of each that was made.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.check import errors, typed
from dynlang.check.declarations.world import show
from dynlang.core.build import integer, text
from dynlang.core.elaborate.expressions import expression, handles
from dynlang.core.elaborate.formats import opened
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.functions import call_function
from dynlang.core.elaborate.indexing import check_index, check_indices
from dynlang.core.elaborate.leaves import from_vector, info_record, leaf_shape, own_locals, product_of, run_leaf
from dynlang.core.elaborate.places import part_types, select_part
from dynlang.core.elaborate.structures import leaf_dtype
from dynlang.core.elaborate.values import FunctionValue, Value, is_binder
from dynlang.core.nodes import Atom, Variable
from dynlang.core.sizes import expand
from dynlang.diag import CompileError, Diagnostic, NotBuilt
from dynlang.source import Span
from dynlang.types import (
    INT,
    UNIT,
    ArrayType,
    FunctionType,
    IndexType,
    RecordType,
    Size,
    StringType,
    TupleType,
    Type,
    open_unknowns,
    substitute,
    unknowns,
)


@handles(typed.MakeLeaves)
def make_leaves(frame: Frame, node: typed.MakeLeaves) -> Value:
    kind = frame.type(node.type)
    with own_locals(frame):
        made = made_of(frame, node, kind)
        ask_invariants(frame, made, node.span)
        return made


def made_of(frame: Frame, node: typed.MakeLeaves, kind: Type) -> Value:
    atoms: list[Atom] = []
    replace: dict[str, Size] = {}
    sources: dict[str, Type] = {}
    for one in frame.layouts.places(kind):
        if isinstance(one.entry, FunctionType):
            raise CompileError(unmakeable(kind, one.path.lstrip("."), node.span))
        sources[one.entry.name] = one.source
    places = frame.layouts.data(kind)
    for number, place in enumerate(places):
        if is_binder(place):
            atom = size_made(frame, node, kind, place, places[number:])
        else:
            wanted = expand(substitute(place.type, replace), frame.builder.known)
            dtype = leaf_dtype(wanted)
            if dtype is None:
                raise CompileError(unmakeable(kind, place.name.lstrip("."), node.span))
            parameters = node.function.parameters
            others = [info_record(frame, text(place.name.lstrip(".")), wanted, parameters[0])] if parameters else []
            result = run_leaf(frame, node.function, [], dtype, product_of(leaf_shape(wanted)), others)
            atom = from_vector(frame, result.atom, wanted)
            check_made(frame, atom, substitute(sources[place.name], replace), node.span)
        atoms.append(atom)
        if place.type == INT:
            replace[place.name] = frame.builder.size_of(atom)
    return Value(kind, tuple(atoms))


def size_made(frame: Frame, node: typed.MakeLeaves, kind: Type, binder: Variable, places: Sequence[Variable]) -> Atom:
    """An unknown size, as the function says of the first axis that is it: ``sizes("stored.values", 0)``."""
    for place in places:
        for axis, size in enumerate(place.type.shape if isinstance(place.type, ArrayType) else ()):
            if isinstance(size, Size) and size.single_variable == binder.name and node.sizes is not None:
                given = Value(StringType(), (text(place.name.lstrip(".")),)), Value(INT, (integer(axis),))
                function = expression(frame, node.sizes).functions[0]
                found = call_function(frame, function, given, INT).atom
                fine = frame.builder.operation("greater_equal", found, integer(0), name="fine")
                frame.check(fine, f"the size of `{place.name.lstrip('.')}` is {{}}", node.span, "DYN0903", found)
                return found
    mentions = (one.name for one in places if isinstance(one.type, ArrayType)
                and any(isinstance(size, Size) and binder.name in size.variables() for size in one.type.shape))
    raise CompileError(unmakeable(kind, next(mentions, "").lstrip("."), node.span))


def check_made(frame: Frame, atom: Atom, source: Type, span: Span) -> None:
    """What is made as an index, as by `load`, is one: nothing looks at it again."""
    match source:
        case IndexType(bound):
            check_index(frame, atom, bound, span)
        case ArrayType(IndexType(bound)):
            check_indices(frame, atom, bound, span)


def ask_invariants(frame: Frame, value: Value, span: Span) -> None:
    """Call what the records among a value's parts have as `@invariant`, the inner ones first."""
    if not has_invariant(frame, value.type):
        return
    if unknowns(value.type):
        value = opened(frame, value)
    match value.type:
        case RecordType(name, arguments):
            for part, _ in part_types(frame, value.type):
                ask_invariants(frame, select_part(frame, value, part)[0], span)
            record = frame.elaborator.program.records[name]
            if record.invariant:
                types = tuple(one for one in arguments if not isinstance(one, Size))
                sizes = tuple(one for one in arguments if isinstance(one, Size))
                method = frame.elaborator.program.functions[record.invariant]
                call_function(frame, FunctionValue(method, types, sizes), [value], UNIT)  # type: ignore[arg-type]
        case TupleType(items):
            for place in range(len(items)):
                ask_invariants(frame, select_part(frame, value, place)[0], span)
        case ArrayType(element):
            raise NotBuilt(f"an array of {show(element)} by `make_leaves`: each is asked for what it promises", span)


def has_invariant(frame: Frame, kind: Type) -> bool:
    """Whether a value of the type, or a part of one, promises something."""
    kind = open_unknowns(kind, tuple(f"?{place}" for place in range(len(unknowns(kind)))))
    match kind:
        case RecordType(name):
            if frame.elaborator.program.records[name].invariant:
                return True
            return any(has_invariant(frame, one) for _, one in frame.layouts.fields(kind))
        case TupleType(items):
            return any(has_invariant(frame, one) for one in items)
        case ArrayType(element):
            return has_invariant(frame, element)
    return False


def unmakeable(kind: Type, path: str, span: Span) -> Diagnostic:
    where = f": its `{path}` is no number, and no array whose sizes the type tells" if path else ""
    hint = "make it by its constructor, and the parts that are records by `make_leaves`; `sizes=(path, axis) => ...` says unknown sizes"
    return errors.CannotInfer(f"`make_leaves` can't make a `{show(kind)}` from its type{where}", span, hint=hint)
