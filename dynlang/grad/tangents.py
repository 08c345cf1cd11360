"""Tangents while derivatives are made: the types of `core.tangents`, over a module that grows, and their zeros."""

from __future__ import annotations

from dataclasses import replace

from dynlang.core.build import Builder, number
from dynlang.core.nodes import Atom
from dynlang.core.tangents import TangentTypes, array_sizes, is_number, mangled, tangent_sum_name
from dynlang.diag import NotBuilt
from dynlang.grad.state import State
from dynlang.types import FLOATS, ArrayType, ListType, RowsType, ScalarType, SumType, Type


class Tangents(TangentTypes):
    """The tangent types of a module. A sum whose tangent the module declares already always carries derivatives."""

    def __init__(self, state: State) -> None:
        declared = [name for name in state.sums if tangent_sum_name(name) in state.sums]
        super().__init__(state.sums, frozenset(declared).__contains__)
        for name in declared:
            self.tangent_sum(name)

    def holds_float(self, kind: Type) -> bool:
        """Whether there is a float anywhere in a value: stored functions that captured none carry derivatives that are always zero."""
        seen: set[str] = set()
        waiting = [kind]
        while waiting:
            match waiting.pop():
                case ScalarType(dtype):
                    if dtype in FLOATS:
                        return True
                case RowsType():
                    return True
                case ArrayType(element, _):
                    waiting.append(element)
                case ListType(elements):
                    waiting += elements
                case SumType(name, _) if name not in seen:
                    seen.add(name)
                    waiting += [one.type for constructor in self.sums[name].constructors for one in constructor.fields]
        return False

    # -- zeros

    def zero(self, builder: Builder, kind: Type, hint: str = "zero") -> Atom:
        """Zero of a tangent type; lists need a value to be like (`Adjoints.zeros_like`)."""
        match kind:
            case ScalarType(dtype):
                return number(0.0, dtype)
            case RowsType(dtype, shape):
                return builder.operation("rows_empty", sizes=shape, dtype=dtype, name=hint)
            case SumType(name, _):
                return builder.construct(kind, self.zero_of[name], name=hint)
            case ArrayType(element, _):
                return builder.operation("fill", self.zero(builder, element), sizes=array_sizes(kind), name=hint)
        raise NotBuilt(f"the zero of {kind} in a derivative", builder.span)


def dense(kind: Type) -> Type:
    """The same array, not as an embedding table."""
    return replace(kind, row_sparse=False) if isinstance(kind, ArrayType) else kind


__all__ = ["Tangents", "array_sizes", "dense", "is_number", "mangled", "tangent_sum_name"]
