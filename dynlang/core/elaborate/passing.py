"""Which sizes an instance of a function has as parameters, and what a caller passes for them."""

from __future__ import annotations

from dataclasses import dataclass, field

from dynlang.core.elaborate.values import identifier
from dynlang.core.walk import Names
from dynlang.types import Size, Type, map_type


@dataclass
class CallSizes:
    """The size parameters of an instance: names in it, and what a caller passes for them.

    Functions that are passed may relate the sizes that they mention: ``n // 2`` stays what it is where `n` is `mentioned` (None: where
    anything is). Else it is a parameter of its own, so a function that halves an array and calls itself needs no instance for each half;
    with `general` constants that aren't mentioned are, too."""

    merge: bool
    names: Names
    mentioned: frozenset[str | int] | None = None
    general: bool = False
    slots: list[tuple[str, Size]] = field(default_factory=list)
    known: dict[Size, Size] = field(default_factory=dict)

    def parameter(self, wish: str, size: Size) -> Size:
        """The size parameter of a function: its own variable, unless instances with function arguments share or fix it."""
        if self.merge:
            return self.size(size, wish)
        return self._slot(wish, size)

    def size(self, size: Size, wish: str = "s") -> Size:
        if self.merge and size.value is not None and not (self.general and self.mentioned is not None and size.value not in self.mentioned):
            return size
        if self.merge and size.single_variable is None and (self.mentioned is None or not self.mentioned.isdisjoint(size.variables())):
            return size.substitute(lambda name: self.size(Size.variable(name)))
        found = self.known.get(size)
        if found is None:
            found = self.known[size] = self._slot(size.single_variable or wish, size)
        return found

    def _slot(self, wish: str, size: Size) -> Size:
        name = self.names.fresh(identifier(wish, "s"))
        self.slots.append((name, size))
        return Size.variable(name)

    def type(self, kind: Type) -> Type:
        return map_type(kind, lambda one: self.size(one) if isinstance(one, Size) else one, lambda one: None)
