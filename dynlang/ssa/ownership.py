"""Who owns what at an operation: the one place that says which operands an operation takes over.

- `construct`, `yield`, `return` and the first values of loops take over every reference.
- `call` takes over the positions that the callee owns.
- A row with the trait `consumes` takes over its first operand; what it stores in a list, or as an element of an array of
  references, it takes over too. Rows and arrays of numbers copy what they are given.
- A `nest` takes over the arrays that it writes rows into.
- The attribute `reuse` of an elementwise loop names the operands that it takes over.
- Every other operand is borrowed. Results are owned, but for the text of a `constant`, which is lent by the program; the
  parameters of `switch` regions are borrowed from the box.
"""

from __future__ import annotations

from collections.abc import Mapping

from dynlang.ops import OPS
from dynlang.ssa.lanes import written_into
from dynlang.ssa.nodes import Array, Function, List, Operation

TAKES_ALL = frozenset({"construct", "yield", "return", "for", "while"})


def consumed_operands(operation: Operation, functions: Mapping[str, Function] | None = None) -> tuple[int, ...]:
    """Positions of the references that an operation takes over, in order."""
    if operation.name in TAKES_ALL:
        return tuple(i for i, one in enumerate(operation.operands) if one.counted)
    if operation.name == "call":
        if functions is None:
            raise ValueError("which operands a call takes over is known from its function")
        callee = functions[str(operation.attributes["function"])]
        return tuple(i for i, one in enumerate(operation.operands) if i in callee.owned and one.counted)
    if operation.name == "nest":
        return written_into(operation)
    if "reuse" in operation.attributes:
        return tuple(sorted(operand for _, operand in reused(operation)))
    row = OPS.get(operation.name)
    if row is None or not row.has("consumes") or not operation.operands or not operation.operands[0].counted:
        return ()
    return (0, *(i for i in range(1, len(operation.operands)) if stores(operation, i)))


def reused(operation: Operation) -> tuple[tuple[int, int], ...]:
    """Pairs of a result and the operand whose block it may take over."""
    pairs = operation.attributes.get("reuse", ())
    assert isinstance(pairs, tuple)
    return pairs


def stores(operation: Operation, position: int) -> bool:
    """Whether a consuming row keeps the reference at `position` inside its first operand."""
    value = operation.operands[position]
    row = OPS.get(operation.name)
    if position == 0 or not value.counted or row is None or not row.has("consumes"):
        return False
    match operation.operands[0].type:
        case List():
            return True
        case Array(element) if not isinstance(value.type, Array):
            return type(value.type) is type(element)
    return False


def is_element(operation: Operation, position: int) -> bool:
    """Whether a row puts the reference at `position` itself, not what it holds, into its result."""
    if stores(operation, position):
        return True
    value = operation.operands[position]
    kind = operation.results[0].type if operation.results else None
    return isinstance(kind, Array) and not isinstance(value.type, Array) and type(kind.element) is type(value.type)
