"""A record's name where its tangent is needed: ``Model(w=..., b=...)`` as a ``Tangent<Model>`` (rule 28).

The tangent has the record's fields, each of the tangent type of the field; those without a derivative are left out, and functions
may be: their derivatives can't be written down, only passed on.

    fn rule<n>(m: Model<n>, x: f32[n]) -> (f32, f32 -> (Tangent<Model<n>>, f32[n])):
        return m.w @ x + m.b, g => (Model(w=g * x, b=g), g * m.w)
"""

from __future__ import annotations

from dynlang.check import typed
from dynlang.check.calls.arguments import bind_arguments
from dynlang.check.context import ERROR, Context
from dynlang.check.declarations.world import RecordInfo, show
from dynlang.check.expressions.members import field_type
from dynlang.syntax import nodes as ast
from dynlang.types import UNIT, ErrorType, FunctionType, RecordType, TangentType, Type, tangent


def tangent_asked_for(info: RecordInfo, hint: Type | None) -> TangentType | None:
    """The tangent type, if a call of this record's name stands where its tangent is needed."""
    if isinstance(hint, TangentType) and isinstance(hint.of, RecordType) and hint.of.name == info.name:
        return hint
    return None


def make_tangent(context: Context, info: RecordInfo, node: ast.Call, kind: TangentType) -> typed.Expression:
    assert isinstance(kind.of, RecordType)
    name = info.name.rpartition(".")[2]
    found = [(one.name, field_type(context, kind.of, one.name)) for one in info.fields]
    fields = [(field, tangent(one)) for field, one in found if one is not None and tangent(one) != UNIT]
    given = {one.name.text for one in node.arguments if one.name is not None}
    silent = {field for field, one in fields if is_of_function(one) and field not in given}
    needed = [(field, one) for field, one in fields if field not in silent]
    what, shown = f"the tangent of `{name}`", f"{name}({', '.join(f'{field}: {show(one)}' for field, one in needed)})"
    slots = bind_arguments(context, [(field, one, False, None) for field, one in needed], node.arguments, what, node.span, shown)
    if slots is None:
        return typed.Literal(ERROR, node.span, 0)
    values: dict[str, typed.Expression] = {
        field: context.expect(slot.argument.value, one, f"`{field}` of {what}")
        for slot, (field, one) in zip(slots, needed, strict=True)
        if slot.argument is not None
    }
    if len(values) < len(needed) or any(isinstance(one.type, ErrorType) for one in values.values()):
        return typed.Literal(ERROR, node.span, 0)
    return typed.MakeRecord(kind, node.span, tuple(values.get(field) or typed.NoChange(one, node.span) for field, one in fields))


def is_of_function(kind: Type) -> bool:
    return isinstance(kind, TangentType) and isinstance(kind.of, FunctionType)
