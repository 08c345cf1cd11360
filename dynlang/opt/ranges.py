"""What is known of the index of a loop: 0 <= i < n, and what the conditions around a place add.

    for i in n: x[i] if i == 0 else x[i] * y[i - 1]      there i >= 1, so i - 1 needs no check
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from dynlang.ssa.nodes import Operation, Value
from dynlang.ssa.shapes import Polynomials
from dynlang.types import Size

NEGATED = {"equal": "not_equal", "not_equal": "equal", "less": "greater_equal", "greater_equal": "less", "greater": "less_equal",
           "less_equal": "greater"}
FLIPPED = {"equal": "equal", "not_equal": "not_equal", "less": "greater", "greater": "less", "less_equal": "greater_equal",
           "greater_equal": "less_equal"}


@dataclass(frozen=True, slots=True)
class Range:
    """``low <= i`` and ``i + left < size``."""

    size: Size
    low: int = 0
    left: int = 0


class Ranges:
    """The indices of the loops around a place, and their ranges there."""

    def __init__(self, sizes: Polynomials, definitions: Mapping[Value, Operation]) -> None:
        self.sizes = sizes
        self.definitions = definitions
        self.open: dict[Value, Range] = {}

    @contextmanager
    def loop(self, index: Value, count: Value) -> Iterator[None]:
        self.open[index] = Range(self.sizes(count))
        yield
        del self.open[index]

    @contextmanager
    def branch(self, condition: Value, holds: bool) -> Iterator[None]:
        before = self.open
        self.open = dict(before)
        self.learn(condition, holds)
        yield
        self.open = before

    def fits(self, index: Value, size: Value) -> bool:
        """Whether 0 <= index < size."""
        at, limit = self.sizes(index), self.sizes(size)
        if at.value is not None and limit.value is not None:
            return 0 <= at.value < limit.value
        for one, known in self.open.items():
            ahead, room = (at - self.sizes(one)).value, (limit - known.size).value
            if ahead is not None and room is not None and known.low + ahead >= 0 and ahead <= known.left + room:
                return True
        return False

    def learn(self, condition: Value, holds: bool) -> None:
        one = self.definitions.get(condition)
        if one is None:
            return
        if one.name in NEGATED:
            name = one.name if holds else NEGATED[one.name]
            self.compare(name, one.operands[0], one.operands[1])
            self.compare(FLIPPED[name], one.operands[1], one.operands[0])
        elif one.name == ("logical_and" if holds else "logical_or"):
            for operand in one.operands:
                self.learn(operand, holds)
        elif one.name == "logical_not":
            self.learn(one.operands[0], not holds)
        elif one.name == "if":
            self.learn_branch(one, condition, holds)

    def learn_branch(self, one: Operation, condition: Value, holds: bool) -> None:
        """``a and b`` is `if a: b else false`, ``a or b`` is `if a: true else b`."""
        place = one.results.index(condition)
        both, other = (region.operations[-1].operands[place] for region in one.regions[::1 if holds else -1])
        found = self.definitions.get(other)
        if found is not None and found.name == "constant" and found.attributes["value"] is not holds:
            self.learn(one.operands[0], holds)
            self.learn(both, holds)

    def compare(self, name: str, index: Value, other: Value) -> None:
        known = self.open.get(index)
        if known is None:
            return
        bound = self.sizes(other)
        low, short = bound.value, (known.size - bound).value
        if low is not None:
            least = {"greater": low + 1, "greater_equal": low, "equal": low}.get(name, known.low)
            known = replace(known, low=max(known.low, least + 1 if name == "not_equal" and low == known.low else least))
        if short is not None:
            most = {"less": short, "less_equal": short - 1, "equal": short - 1}.get(name, known.left)
            known = replace(known, left=max(known.left, most + 1 if name == "not_equal" and short - 1 == known.left else most))
        self.open[index] = known
