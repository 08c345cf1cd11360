"""`as`: equations between sizes solved, sizes and indices checked. Every check that fails tells the numbers."""

from __future__ import annotations

from dynlang.check import typed
from dynlang.core.build import integer
from dynlang.core.elaborate.expressions import expression, handles, packed
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import check_index, check_indices
from dynlang.core.elaborate.values import Value
from dynlang.core.nodes import Literal
from dynlang.types import ArrayType, ListType, Size, unknowns

# ---------------------------------------------------------------- indices


@handles(typed.CheckIndex)
def check_index_expression(frame: Frame, node: typed.CheckIndex) -> Value:
    value = expression(frame, node.value)
    bound = frame.size(node.bound)
    if isinstance(value.type, (ArrayType, ListType)):
        check_indices(frame, value.atom, bound, node.span)
        return Value(frame.type(node.type), value.atoms)
    atom = value.atom
    if isinstance(atom, Literal) and int(atom.value) >= 0 and (bound - int(atom.value) - 1).has_no_negative_coefficient():
        return Value(frame.type(node.type), value.atoms)
    return Value(frame.type(node.type), (check_index(frame, atom, bound, node.span),))


# ---------------------------------------------------------------- sizes


@handles(typed.CheckedCast)
def checked_cast(frame: Frame, node: typed.CheckedCast) -> Value:
    value = expression(frame, node.value)
    builder = frame.builder
    for equation in node.equations:
        solve_equation(frame, equation, node)
    for actual, wanted in node.equal:
        check_equal(frame, actual, wanted, node)
    kind = frame.type(node.type)
    if unknowns(kind):
        return packed(frame, value, kind)
    builder.span = node.span
    return frame.retyped(value, kind)


def solve_equation(frame: Frame, equation: typed.SizeEquation, node: typed.CheckedCast) -> None:
    """``actual = factor * name + remainder``, where the division is exact and gives 0 or more."""
    builder = frame.builder
    actual, factor, rest = frame.size(equation.actual), frame.size(equation.factor), frame.size(equation.remainder)
    pattern = equation.factor * Size.variable(equation.name) + equation.remainder
    message = f"the size {equation.actual} is {{}}, and the cast asks for {pattern}"
    if factor.value is not None and factor.value < 0:
        actual, factor, rest = -actual, -factor, -rest
    given = builder.size(frame.size(equation.actual))
    difference = actual - rest
    if factor.value == 1:
        solved = difference
    else:
        numerator, divisor = builder.size(difference), builder.size(factor)
        if factor.value is None:
            some = builder.operation("greater", divisor, integer(0), name="fine")
            frame.check(some, f"{message}, where {equation.factor} is {{}}", node.span, "DYN0905", given, divisor)
        left = builder.operation("floor_modulo", numerator, divisor, name="remainder")
        frame.check(builder.operation("equal", left, integer(0), name="fine"), message, node.span, "DYN0905", given)
        solved = builder.size_of(builder.operation("floor_division", numerator, divisor, name=equation.name))
    if not difference.has_no_negative_coefficient():
        fine = builder.operation("greater_equal", builder.size(difference), integer(0), name="fine")
        frame.check(fine, message, node.span, "DYN0905", given)
    frame.sizes[equation.name] = solved


def check_equal(frame: Frame, actual: Size, wanted: Size, node: typed.CheckedCast) -> None:
    """Two sizes are equal when the program runs, or an error tells both."""
    left, right = frame.size(actual), frame.size(wanted)
    if left == right:
        return
    found, asked = frame.builder.size(left), frame.builder.size(right)
    same = frame.builder.operation("equal", found, asked, name="same")
    shown = wanted if wanted.value is not None else f"{wanted}, which is {{}}"
    frame.check(same, f"the size {actual} is {{}}, and the cast asks for {shown}", node.span, "DYN0905", found, asked)
