"""What can be wrong with a text, one class for each kind; `docs/errors/` has a page for each code."""
from __future__ import annotations

from dynlang.diag import Diagnostic


class UnexpectedToken(Diagnostic):
    """Something stands where the grammar has no place for it."""
    code = 'DYN0101'


class MissingColon(Diagnostic):
    """The header of a block lacks its ':'."""
    code = 'DYN0102'


class BadIndentation(Diagnostic):
    """The margin of a line fits no block, or holds a tab."""
    code = 'DYN0103'


class MissingBlock(Diagnostic):
    """A header is followed by no indented line."""
    code = 'DYN0104'


class UnbalancedBracket(Diagnostic):
    """A bracket is never closed, closed by another kind, or closes nothing."""
    code = 'DYN0105'


class UnfinishedString(Diagnostic):
    """A string has no end on its line, or a long one none in its file."""
    code = 'DYN0106'


class StrayCharacter(Diagnostic):
    """A character that means nothing in Dyn."""
    code = 'DYN0107'


class ReservedWord(Diagnostic):
    """A word of the language stands where a name is wanted."""
    code = 'DYN0108'


class ForeignWord(Diagnostic):
    """A word of another language: `def`, `class`, `lambda`."""
    code = 'DYN0109'


class AssignmentAsValue(Diagnostic):
    """`=` inside a condition."""
    code = 'DYN0110'


class LineBeginsWithOperator(Diagnostic):
    """A line begins with an operator outside brackets."""
    code = 'DYN0111'


class OrphanElse(Diagnostic):
    """`else` or `elif` without its `if`."""
    code = 'DYN0112'


class StatementAtTop(Diagnostic):
    """A statement at the top of a file, where only declarations stand."""
    code = 'DYN0113'


class NotAssignable(Diagnostic):
    """What is assigned to, or lent by `&`, is no variable, field or element."""
    code = 'DYN0114'


class LambdaParameters(Diagnostic):
    """A lambda's parameters are not names, or a type stands in ordinary brackets."""
    code = 'DYN0115'


class MixedComparison(Diagnostic):
    """A chain of comparisons that runs both ways, or holds `in`."""
    code = 'DYN0116'


class ArgumentOrder(Diagnostic):
    """An argument without a name after one with a name."""
    code = 'DYN0117'


class BadEscape(Diagnostic):
    """A backslash in a string that is followed by nothing known."""
    code = 'DYN0118'


class BadInterpolation(Diagnostic):
    """The braces of an f-string are empty or don't match."""
    code = 'DYN0119'


class TooDeep(Diagnostic):
    """The text nests deeper than the compiler follows."""
    code = 'DYN0120'


class NoSuchOperator(Diagnostic):
    """A sign that is an operator elsewhere: `&`, `&&`, `|`."""
    code = 'DYN0121'


class NumberTooLarge(Diagnostic):
    """A number that fits no type."""
    code = 'DYN0122'


class VariableAtTop(Diagnostic):
    """A `var` at the top of a file."""
    code = 'DYN0123'


class SizeOperator(Diagnostic):
    """An operator that sizes don't have."""
    code = 'DYN0124'
