"""What the checker finds wrong, one class for each kind; the code's page in `docs/errors/` explains it at length.

DYN02xx names, DYN03xx types, DYN04xx sizes, DYN05xx mutation and effects, DYN06xx differentiation. The builders below
the classes make the messages that are needed in several places.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from dynlang.diag import Diagnostic, Warning, replacing

if TYPE_CHECKING:
    from dynlang.source import Span

# ---------------------------------------------------------------- names


class UnknownName(Diagnostic):
    """A name that nothing declares."""

    code = "DYN0201"


class UnknownField(Diagnostic):
    """A field, method or module member that doesn't exist."""

    code = "DYN0202"


class MissingModule(Diagnostic):
    """An import of a module that no file holds."""

    code = "DYN0203"


class DuplicateName(Diagnostic):
    """Two declarations of one name in one place."""

    code = "DYN0204"


class CyclicImport(Diagnostic):
    """Modules that import each other."""

    code = "DYN0205"


class OutsideRoot(Diagnostic):
    """An import of a file outside the program's folder."""

    code = "DYN0206"


class UnknownType(Diagnostic):
    """A type or size name that nothing declares."""

    code = "DYN0207"


class NotAValue(Diagnostic):
    """A type, module or proc where a value is needed."""

    code = "DYN0208"


class UnknownParameter(Diagnostic):
    """A named argument that the function has no parameter for."""

    code = "DYN0209"


class UnknownDecorator(Diagnostic):
    """A decorator that the language doesn't have."""

    code = "DYN0210"


class MissingMain(Diagnostic):
    """A program to run without `proc main`."""

    code = "DYN0211"


# ---------------------------------------------------------------- types


class TypeMismatch(Diagnostic):
    """A value of one type where another is needed."""

    code = "DYN0301"


class WrongArity(Diagnostic):
    """Too many or too few arguments."""

    code = "DYN0302"


class NotCallable(Diagnostic):
    """A call of what is no function."""

    code = "DYN0303"


class OperandTypes(Diagnostic):
    """Operands that an operator or primitive doesn't take."""

    code = "DYN0304"


class BranchesDiffer(Diagnostic):
    """Branches, or items of an array, with different types."""

    code = "DYN0305"


class ConditionNotBool(Diagnostic):
    """A condition that is no bool."""

    code = "DYN0306"


class CannotInfer(Diagnostic):
    """A type that nothing determines."""

    code = "DYN0307"


class NotExhaustive(Diagnostic):
    """A `match` that leaves out a case."""

    code = "DYN0308"


class BadPattern(Diagnostic):
    """A pattern that can't match its value."""

    code = "DYN0309"


class UnreachableCase(Warning):
    """A case that earlier cases have taken already."""

    code = "DYN0310"


class InfiniteType(Diagnostic):
    """A type that contains itself, so that no value of it is finite."""

    code = "DYN0311"


class PolymorphicRecursion(Diagnostic):
    """A recursive type that nests itself with another type argument."""

    code = "DYN0312"


class SelfApplication(Diagnostic):
    """A function that is an argument of itself: its type would contain itself."""

    code = "DYN0313"


class MissingReturn(Diagnostic):
    """A path through a function that ends without `return`."""

    code = "DYN0314"


class WrongKind(Diagnostic):
    """A size where a type is needed, or the other way round, or a type of the wrong kind."""

    code = "DYN0315"


class GenericArity(Diagnostic):
    """Too many or too few arguments of a type."""

    code = "DYN0316"


class NotIterable(Diagnostic):
    """A `for` over what has no items."""

    code = "DYN0317"


class LiteralRange(Diagnostic):
    """A number that its type can't hold."""

    code = "DYN0318"


class NotIndexable(Diagnostic):
    """An index on what has no items, or more indices than axes."""

    code = "DYN0319"


class WrongCount(Diagnostic):
    """A tuple taken apart into another number of names."""

    code = "DYN0320"


class BadComprehension(Diagnostic):
    """A comprehension whose range can't be found, or in a place where none can stand."""

    code = "DYN0321"


class EmptyArray(Diagnostic):
    """An array without items, whose type nothing tells."""

    code = "DYN0322"


class ExportedFunctionValue(Diagnostic):
    """An exported function with a function in its signature."""

    code = "DYN0323"


class BadFormat(Diagnostic):
    """A format that a value of this type doesn't have."""

    code = "DYN0324"


class MisplacedReturn(Diagnostic):
    """`return` outside of a function, or a value returned where none is declared."""

    code = "DYN0325"


class UnusedValue(Warning):
    """A value that is computed and dropped."""

    code = "DYN0326"


class RepeatedCase(Diagnostic):
    """A case that names what one case above has taken already."""

    code = "DYN0327"


# ---------------------------------------------------------------- sizes


class SizeMismatch(Diagnostic):
    """Sizes that must be equal and aren't, by proof."""

    code = "DYN0401"


class InnerSizes(Diagnostic):
    """The inner sizes of `@` differ."""

    code = "DYN0402"


class UndeterminedSize(Diagnostic):
    """A declared size that no argument and no result can determine."""

    code = "DYN0403"


class SizeNotInferred(Diagnostic):
    """A size parameter that this use leaves open."""

    code = "DYN0404"


class SizeEscapes(Diagnostic):
    """A size that would leave the place where it is known."""

    code = "DYN0405"


class SizeChanges(Diagnostic):
    """A variable assigned an array of another size."""

    code = "DYN0406"


class NotASize(Diagnostic):
    """An expression that can't be a size."""

    code = "DYN0407"


class NotDivisible(Diagnostic):
    """A size that isn't divisible, by proof."""

    code = "DYN0408"


class OutOfRange(Diagnostic):
    """An index that is outside its axis, by proof."""

    code = "DYN0409"


class RangesDisagree(Diagnostic):
    """An index variable used on axes of different sizes."""

    code = "DYN0410"


class BadCast(Diagnostic):
    """A checked cast that can't succeed, or changes more than sizes."""

    code = "DYN0411"


# ---------------------------------------------------------------- mutation and effects


class AssignImmutable(Diagnostic):
    """An assignment to what can't change."""

    code = "DYN0501"


class LendImmutable(Diagnostic):
    """A value lent for mutation that can't change."""

    code = "DYN0502"


class Overlap(Diagnostic):
    """A place lent for mutation that overlaps another argument."""

    code = "DYN0503"


class AssignCaptured(Diagnostic):
    """An assignment to a captured variable."""

    code = "DYN0504"


class ProcInFn(Diagnostic):
    """A `proc` called from a `fn`."""

    code = "DYN0505"


class MissingLend(Diagnostic):
    """An `inout` parameter whose argument isn't lent with `&`."""

    code = "DYN0506"


class UnexpectedLend(Diagnostic):
    """`&` on an argument of a parameter that takes a value."""

    code = "DYN0507"


class NotAPlace(Diagnostic):
    """An assignment to an expression that is no variable, field or item."""

    code = "DYN0508"


class LoopControl(Diagnostic):
    """`break` or `continue` outside of a loop."""

    code = "DYN0509"


# ---------------------------------------------------------------- differentiation


class GradientOfInteger(Diagnostic):
    """A gradient with respect to what has none, or of a result that is no float."""

    code = "DYN0601"


class BadDerivativeRule(Diagnostic):
    """A `@derivative` that doesn't fit its function."""

    code = "DYN0603"


class BadDerivative(Diagnostic):
    """A derivative asked for in a way that has no meaning."""

    code = "DYN0604"


# ---------------------------------------------------------------- words


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names that may have been meant, the likeliest first.

    >>> nearest("sigmiod", ["sigmoid", "tanh"])
    ['sigmoid']
    """
    candidates = sorted({one for one in known if not one.startswith("_") and one != name})
    same = [one for one in candidates if one.lower() == name.lower()]
    return same or difflib.get_close_matches(name, candidates, n=3, cutoff=0.6 if len(name) < 5 else 0.7)


def suggest(name: str, known: Iterable[str]) -> str:
    """The hint for a name that isn't known: the nearest one that is, if any is near.

    >>> suggest("sigmiod", ["sigmoid", "tanh"])
    "did you mean 'sigmoid'?"
    """
    near = nearest(name, known)
    return f"did you mean '{near[0]}'?" if near else ""


def misspelled(found: Diagnostic, name: str, known: Iterable[str], otherwise: str = "", at: Span | None = None) -> Diagnostic:
    """An error about a name that isn't known: with the nearest known ones as hint and as repairs, else with another hint.

    `at`: where the name stands, if not at the error's own span."""
    span = at or found.span
    near = nearest(name, known)
    if not near or span is None:
        return replace(found, hint=otherwise)
    return replace(found, hint=f"did you mean `{near[0]}`?", repairs=tuple(replacing(f"write `{one}`", span, one) for one in near))


def plural(count: int, word: str) -> str:
    """
    >>> plural(1, "argument"), plural(2, "argument")
    ('1 argument', '2 arguments')
    """
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
