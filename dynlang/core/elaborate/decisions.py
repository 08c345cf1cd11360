"""What comprehensions become, for `dync ir --fusion`: the decision of `lifting`, and what stood in the way where one is a loop."""

from __future__ import annotations

from dataclasses import dataclass

from dynlang.check import typed
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.lifting import ROWS, Axes, axes_of, can_lift, factors, mentions
from dynlang.core.elaborate.values import Value
from dynlang.core.nodes import Operation
from dynlang.ops import OPS
from dynlang.ops.halves import HALVES
from dynlang.source import Span
from dynlang.types import ArrayType, IndexType, ScalarType, TupleType

EXISTS = "its value is there already"


@dataclass(frozen=True, slots=True)
class Decision:
    """A comprehension that was elaborated: `op` is the row that gives its value, '' for a loop; `why` it is a loop."""

    span: Span
    op: str
    why: str


def decide(frame: Frame, node: typed.Comprehension, lifted: Value | None) -> Decision:
    """What became of a comprehension, just after it was lifted (or not)."""
    if lifted is None:
        return Decision(node.span, "", why_loop(frame, node))
    last = frame.builder.statements[-1].right if frame.builder.statements else None
    if isinstance(last, Operation):
        return Decision(node.span, last.op, "")
    return Decision(node.span, "", EXISTS)


def why_loop(frame: Frame, node: typed.Comprehension) -> str:
    """What stands in the way of operations on whole arrays, in the order in which `lifting` looks."""
    if node.guard is not None:
        return "its guard lets some items through only"
    axes = axes_of(frame, node)
    if axes is None:
        return "its pattern takes items apart"
    kind = frame.type(node.type)
    if node.kind == "array":
        if not isinstance(kind, ArrayType) or not isinstance(kind.element, (ScalarType, IndexType)):
            return "its items aren't numbers"
        if len(kind.shape) != len(axes.indices):
            return "its items are arrays"
    elif node.kind not in ROWS or isinstance(kind, TupleType):
        return f"`{node.kind}` carries more than one number"
    elif not isinstance(kind, (ScalarType, IndexType)):
        return "its items are arrays"
    elif not mentions(frame, node.body, axes):
        return "its items don't depend on its axes"
    elif isinstance(kind, ScalarType) and kind.dtype in HALVES and factors(node.body) is not None:
        return "products of half types are added without being rounded"
    return obstacle(frame, node.body, axes)


def obstacle(frame: Frame, node: typed.Expression, axes: Axes) -> str:
    """The innermost part that can't be done for all items at once."""
    if isinstance(node, typed.LocalReference) and node.local.name in axes.elements:
        return obstacle(frame, axes.elements[node.local.name], axes)
    parts = node.arguments if isinstance(node, typed.Primitive) else (node.value,) if isinstance(node, typed.Convert) else ()
    row = OPS.get(node.op) if isinstance(node, typed.Primitive) else None
    whole = row is not None and row.has("elementwise") and row.name not in ("floor_division", "floor_modulo")
    if isinstance(node, typed.Convert) or whole:
        for one in parts:
            if not can_lift(frame, one, axes):
                return obstacle(frame, one, axes)
    text = shown(node.span)
    match node:
        case typed.LocalReference() if node.local.name in axes.indices:
            return f"{text} is used as a number"
        case typed.Index():
            return f"{text} isn't the item at the axes"
        case typed.Comprehension():
            return f"{text} is a reduction for each item"
        case typed.Call() | typed.CallValue():
            return f"{text} is a call"
        case typed.Conditional() | typed.ShortCircuit():
            return f"{text} chooses for each item"
        case typed.Primitive(op=("floor_division" | "floor_modulo")):
            return f"{text} can fail"
    return f"{text} is done for each item"


def shown(span: Span) -> str:
    text = " ".join(span.text.split())
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"
