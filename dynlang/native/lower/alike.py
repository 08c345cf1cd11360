"""Kinds whose blocks are freed by the same code.

    sum F0Branch { Then  Else(f32, box F1Branch) }          one class: freeing either follows the reference in the second slot
    sum F1Branch { Then  Else(i64, box F0Branch) }          of the second constructor, to a block of the same class

A program with hundreds of types that look alike (what a derivative saves of each function is one) has a handful of classes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

from dynlang.core.nodes import SumDeclaration
from dynlang.native.lower.layout import bare, counted, of_core
from dynlang.ssa.nodes import Array, Box, List, ValueType

ROUNDS = 100
"""Types that are told apart later than this are not worth the time: all are freed by code of their own."""


def alike_kinds(kinds: Iterable[ValueType], sums: Mapping[str, SumDeclaration]) -> dict[ValueType, ValueType]:
    """For each kind the first one that is freed by the same code: their references lie at the same places, and lead to kinds that
    are alike. All begin as one class, and classes are split until that holds, so recursive types may be alike, too."""
    shapes = {kind: shape(kind, sums) for kind in kinds}
    classes = dict.fromkeys(shapes, 0)
    count = 1
    for _ in range(ROUNDS):
        keys = {kind: (places, *(classes.get(child) for child in children)) for kind, (places, children) in shapes.items()}
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys.values()))}
        classes = {kind: numbers[key] for kind, key in keys.items()}
        if len(numbers) == count:
            first: dict[int, ValueType] = {}
            return {kind: first.setdefault(number, kind) for kind, number in classes.items()}
        count = len(numbers)
    return {kind: kind for kind in shapes}


def shape(kind: ValueType, sums: Mapping[str, SumDeclaration]) -> tuple[Hashable, list[ValueType]]:
    """Where blocks of a kind hold references, and the kinds of what these lead to, in the same order."""
    match kind:
        case Array(element, _):
            return "array", [bare(element)]
        case List(elements):
            held = [place for place, one in enumerate(elements) if counted(one)]
            return ("list", len(elements), *held), [bare(elements[place]) for place in held]
        case Box(name, _):
            slots = [(tag, place, of_core(one.type)) for tag, constructor in enumerate(sums[name].constructors)
                     for place, one in enumerate(constructor.fields)]
            slots = [one for one in slots if counted(one[2])]
            return ("box", *((tag, place) for tag, place, _ in slots)), [bare(one) for _, _, one in slots]
    return kind, []
