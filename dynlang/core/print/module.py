"""A module as source: its sums, its functions, and the names that they share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property

from dynlang.core.nodes import Module, SumDeclaration
from dynlang.core.print.function import FunctionPrinter
from dynlang.core.print.names import RESERVED, field_name, identifier
from dynlang.core.print.places import lent_parameters
from dynlang.core.print.sizes import determined_sizes, packed, sizes_of
from dynlang.core.print.spelling import type_text
from dynlang.core.walk import Names
from dynlang.types import INT, SumType, Type, map_type

NUMBERED = re.compile(r"(.*?[^_\d])(_?)(\d+)")


class ModulePrinter:
    def __init__(self, module: Module) -> None:
        self.module = module
        names = Names(RESERVED)
        self.nested = names
        """Nested functions have names of their own in the whole module."""
        self.sums = {one: names.fresh(identifier(one)) for one in module.sums}
        self.constructors: dict[tuple[str, str], str] = {}
        for declaration in module.sums.values():
            for one in declaration.constructors:
                wish = identifier(one.name)
                self.constructors[declaration.name, one.name] = names.fresh(wish[:1].upper() + wish[1:])
        self.functions = {one: names.fresh(identifier(one)) for one in module.functions}
        self.generics = {name: determined_sizes(one) for name, one in module.functions.items()}
        self.expected = {name: one - determined_sizes(module.functions[name], with_results=False) for name, one in self.generics.items()}
        """Size parameters that only the expected type of the result determines: calls are annotated."""

        self.lent, self.places = lent_parameters(module)
        """Parameters that are printed `inout`, and in each function the values that are states of one variable."""

    def tells(self, name: str, constructor: str) -> bool:
        """Whether the fields of a constructor tell all sizes of its type."""
        declaration = self.module.sums[name]
        fields = declaration.constructor(constructor).fields
        own = {one.name for one in fields if one.type == INT}
        told = {size.single_variable for one in fields for size in sizes_of(packed(one.type, own))}
        return set(declaration.sizes) <= told

    @cached_property
    def written(self) -> frozenset[str]:
        """The words of the program's own text."""
        sources = {function.span.source for function in self.module.functions.values() if function.span is not None}
        return frozenset(word for source in sources for word in re.findall(r"\w+", source.text))

    @cached_property
    def fields(self) -> frozenset[str]:
        """The names of what sums hold: a forward and its backward call it the same."""
        makers = [maker for declaration in self.module.sums.values() for maker in declaration.constructors]
        return frozenset(one.name for maker in makers for one in maker.fields)

    def short(self, name: str) -> str:
        """A name without the number that made it unique: ``h`` for `h_2`, ``d_h`` for `d_h3`, unless the program says `h_2` itself."""
        found = NUMBERED.fullmatch(name)
        if found is None or name in self.written or name in self.fields or found[1] == "t":
            return name
        ours = found[1] == "saved" or found[1].startswith("d_")
        return found[1] if found[1] in self.written or (ours and not found[2]) else name

    def text(self) -> str:
        pieces = [self.declaration(one) for one in self.module.sums.values() if one.constructors]
        pieces += ["\n".join(FunctionPrinter(self, one).lines()) for one in self.module.functions.values()]
        return "\n\n".join(pieces) + "\n"

    def declaration(self, declaration: SumDeclaration) -> str:
        head = f"type {self.sums[declaration.name]}{self.parameters(declaration.sizes)}:"
        lines = [head]
        for one in declaration.constructors:
            own = {place.name for place in one.fields if place.type == INT}
            fields = ", ".join(f"{field_name(place.name)}: {self.type(packed(place.type, own), field_name)}" for place in one.fields)
            lines.append(f"    {self.constructors[declaration.name, one.name]}" + (f"({fields})" if fields else ""))
        return "\n".join(lines)

    @staticmethod
    def parameters(sizes: Iterable[str]) -> str:
        inside = ", ".join(map(field_name, sizes))
        return f"<{inside}>" if inside else ""

    def type(self, kind: Type, name: Callable[[str], str]) -> str:
        """A type; `name` prints a size variable."""

        def on_type(one: Type) -> Type | None:
            return SumType(self.sums.get(one.name, one.name), one.arguments) if isinstance(one, SumType) else None

        return type_text(map_type(kind, lambda size: size, on_type), name)
