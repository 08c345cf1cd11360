"""Types that contain themselves: which have finite values, and which nest themselves with other type arguments (rule 8)."""

from __future__ import annotations

from dataclasses import replace

from dynlang.check import errors
from dynlang.check.declarations.typenames import bindings, put
from dynlang.check.declarations.world import FieldInfo, Interface, RecordInfo, SumInfo, World, show
from dynlang.diag import Diagnostics
from dynlang.source import Span
from dynlang.types import ArrayType, RecordType, Size, SumType, TupleType, Type, TypeVariable, Unknown, parts


def check_finite(interface: Interface, world: World, diagnostics: Diagnostics) -> None:
    """A record that contains itself other than through a sum, list or function has no finite value; a sum needs a
    constructor that ends; and a recursive type nests itself with the same type arguments (rule 8)."""
    for info in interface.records.values():
        path = contains_itself(world, info.name)
        if path:
            hint = "let a sum type stand between: `type Tree:` with a `Leaf` that ends it, or use a `List`"
            diagnostics.add(
                errors.InfiniteType(f"the record `{info.name.rpartition('.')[2]}` contains itself, through {path}", info.span, hint=hint)
            )
    for info in interface.sums.values():
        if not ends(world, info.name):
            diagnostics.add(
                errors.InfiniteType(
                    f"no value of `{info.name.rpartition('.')[2]}` is finite: each of its alternatives contains it",
                    info.span,
                    hint="add an alternative that doesn't contain it",
                )
            )
    for info in (*interface.records.values(), *interface.sums.values()):
        nested = nests_differently(world, info)
        if nested is not None:
            where, other = nested
            diagnostics.add(
                errors.PolymorphicRecursion(
                    f"`{show(info.type)}` contains itself as `{show(other)}`, with other type arguments",
                    where,
                    hint="a recursive type may change its sizes, but not its type arguments",
                )
            )


def contains_itself(world: World, name: str) -> str:
    """The fields through which a record holds a value of itself: ``.next`` or ``.a.b``; "" if it doesn't."""

    def search(kind: Type, trail: tuple[str, ...], seen: frozenset[str]) -> str:
        match kind:
            case RecordType(found, _):
                if found == name and trail:
                    return ".".join(("", *trail))
                if found in seen or found not in world.records:
                    return ""
                for one in world.records[found].fields:
                    path = search(one.type, (*trail, one.name), seen | {found})
                    if path:
                        return path
            case ArrayType(element, _):
                return search(element, trail, seen)
            case TupleType(items):
                return next((path for item in items if (path := search(item, trail, seen))), "")
        return ""

    return search(RecordType(name), (), frozenset())


def ends(world: World, name: str) -> bool:
    """Whether a sum has a value that is finite: the least fixed point over the sums that it mentions."""
    finite: set[str] = set()

    def is_finite(kind: Type, seen: frozenset[str]) -> bool:
        match kind:
            case SumType(found, _):
                return found in finite or found not in world.sums
            case RecordType(found, _):
                return (
                    found in seen
                    or found not in world.records
                    or all(is_finite(one.type, seen | {found}) for one in world.records[found].fields)
                )
            case ArrayType(element, shape):
                return any(not isinstance(size, Size) or size.value == 0 for size in shape) or is_finite(element, seen)
            case TupleType(items):
                return all(is_finite(item, seen) for item in items)
        return True

    changed = True
    while changed:
        changed = False
        for other in world.sums.values():
            if other.name not in finite and any(all(is_finite(one.type, frozenset()) for one in c.fields) for c in other.constructors):
                finite.add(other.name)
                changed = True
    return name in finite or not world.sums[name].constructors


def nests_differently(world: World, info: RecordInfo | SumInfo) -> tuple[Span, Type] | None:
    """The first field of a type through which it contains itself with other type arguments, also by way of other types."""
    own = info.type
    seen: set[Type] = {own}

    def differs(kind: RecordType | SumType) -> bool:
        pairs = zip(own.arguments, kind.arguments, strict=False)
        return kind.name == info.name and any(isinstance(mine, TypeVariable) and mine != other for mine, other in pairs)

    def search(kind: Type) -> Type | None:
        waiting = [kind]
        while waiting and len(seen) < MOST_NESTED:
            one = waiting.pop()
            if isinstance(one, (RecordType, SumType)):
                if differs(one):
                    return one
                if one not in seen and one.name != info.name:
                    seen.add(one)
                    waiting += [field.type for field in fields_of(world, one)]
            waiting += [part for part in parts(one) if not isinstance(part, (Size, Unknown))]
        return None

    if not any(isinstance(one, TypeVariable) for one in own.arguments):
        return None
    return next(((one.span, found) for one in declared_fields(info) if (found := search(one.type)) is not None), None)


MOST_NESTED = 200
"""So many types are looked into for one declaration; what grows beyond is found when it is used."""


def declared_fields(info: RecordInfo | SumInfo) -> tuple[FieldInfo, ...]:
    return info.fields if isinstance(info, RecordInfo) else tuple(one for c in info.constructors for one in c.fields)


def fields_of(world: World, kind: RecordType | SumType) -> list[FieldInfo]:
    """The fields of a type, of all its alternatives, with its arguments put in."""
    info = world.records.get(kind.name) if isinstance(kind, RecordType) else world.sums.get(kind.name)
    if info is None:
        return []
    sizes, types = bindings(info.generics, kind.arguments)
    return [replace(one, type=put(one.type, sizes, types)) for one in declared_fields(info)]
