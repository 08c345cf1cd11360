"""Numbers side by side: each is a vector, and so is an element of an array of them."""

from __future__ import annotations

from dynlang.native.emit import splat_constant
from dynlang.native.lower.arrays import lower_reshape
from dynlang.native.lower.frame import Frame, lowers
from dynlang.native.lower.layout import register
from dynlang.native.lower.memory import ZEROS
from dynlang.ssa.nodes import Operation


@lowers("pack")
def lower_pack(frame: Frame, operation: Operation) -> None:
    (result,) = operation.results
    f, kind, numbers = frame.f, register(result.type), [frame[one] for one in operation.operands]
    if any(one != numbers[0] for one in numbers):
        made = "poison"
        for lane, one in enumerate(numbers):
            made = f.insert(kind, made, one, lane)
    elif numbers[0] in ZEROS:
        made = "zeroinitializer"
    else:
        made = f.splat(kind, numbers[0]) if numbers[0].startswith("%") else splat_constant(kind, numbers[0])
    frame.define(result, made)


@lowers("unpack")
def lower_unpack(frame: Frame, operation: Operation) -> None:
    (x,) = operation.operands
    frame.define(operation.results[0], frame.f.extract(register(x.type), frame[x], str(operation.attributes["place"])))


@lowers("regroup")
def lower_regroup(frame: Frame, operation: Operation) -> None:
    """The same block: the numbers lie in the same order."""
    lower_reshape(frame, operation)
