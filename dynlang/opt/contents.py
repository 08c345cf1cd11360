"""What is in lists and boxes that a function makes itself: an element that is popped is the one that was pushed.

    %tape1: list<f64> = list_push %tape, %x        %rest, %y = list_pop %tape1   ->   %tape, %x
    %box: box @S = construct %x {... = "A"}        switch %box case A(%y) {..}   ->   .. with %x

A derivative stores on the way forward what it reads on the way back. Where both loops are written out, or stand in one function
without a loop, nothing of the list needs to be made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dynlang.ssa.nodes import Value

State = TypeVar("State")
"""What stands for a value: itself, or the numbers of a small array."""


@dataclass(slots=True)
class Contents(Generic[State]):
    """By value of the function that is being made."""

    empty: set[Value] = field(default_factory=set)
    pushed: dict[Value, tuple[Value, list[State]]] = field(default_factory=dict)
    """Of a list: what it was before its last element, and that element."""
    boxes: dict[Value, tuple[str, list[State]]] = field(default_factory=dict)
    """Of a box: its constructor, and the fields."""

    def length(self, value: Value) -> int | None:
        """How many elements a list has, where all of them are known."""
        count = 0
        while value in self.pushed:
            value, _ = self.pushed[value]
            count += 1
        return count if value in self.empty else None
