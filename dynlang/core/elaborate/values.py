"""Values while a program is elaborated: atoms, in the layout of their type, and functions known now.

The **layout** of a type is a telescope: ``n: int, x: f32[n]`` for ``f32[?]``. Records and tuples lay out their parts one
after another; an array lays out one array for each part of its element; what an array can't hold side by side (elements
of unknown sizes, functions) becomes a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dynlang.check import typed
from dynlang.core.nodes import Atom, Constructor, SumDeclaration, Variable
from dynlang.core.tangents import TangentTypes, tangent_sum_name
from dynlang.core.walk import Names, sums_in
from dynlang.diag import InternalError, LimitReached
from dynlang.types import (
    FLOATS,
    INT,
    UNIT,
    Argument,
    ArrayType,
    FunctionType,
    IndexType,
    ListType,
    RecordType,
    RowsType,
    ScalarType,
    Size,
    SizeArgument,
    StringType,
    SumType,
    TangentType,
    TupleType,
    Type,
    Unknown,
    array_of,
    map_type,
    open_unknowns,
    opened_parts,
    parts,
    sizes_in,
    substitute,
    tangent,
    unknowns,
)

PLACES_LIMIT = 20_000
"""How many parts of a value are looked at, records inside of records included."""


@dataclass(frozen=True, slots=True)
class FunctionValue:
    """A function known when compiling, with its first arguments: the captures of a lambda."""

    function: typed.Function
    types: tuple[Type, ...]
    sizes: tuple[Size, ...]
    bound: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredFunction:
    """A function known at run time only: a value of the sum of all functions of its type (rule 19)."""

    type: FunctionType
    atom: Atom


AnyFunction = FunctionValue | StoredFunction


def sizes_mentioned(function: AnyFunction) -> frozenset[str | int]:
    """The variables and numbers among the sizes in what is known of a function: its type, or its own sizes and what it captured."""
    if isinstance(function, StoredFunction):
        sizes = (*sizes_in(function.atom.type), *sizes_in(function.type))
        inside: tuple[AnyFunction, ...] = ()
    else:
        kinds = (*function.types, *(value.type for value in function.bound))
        sizes = (*function.sizes, *(size for kind in kinds for size in sizes_in(kind)))
        inside = tuple(inner for value in function.bound for inner in value.functions)
    own = {one for size in sizes for one in (size.variables() if size.value is None else {size.value})}
    return frozenset(own).union(*map(sizes_mentioned, inside))


@dataclass(frozen=True, slots=True)
class Value:
    """`type` is resolved: its sizes are over variables of the Core function in work. `functions` are its function leaves."""

    type: Type
    atoms: tuple[Atom, ...]
    functions: tuple[AnyFunction, ...] = ()

    @property
    def atom(self) -> Atom:
        if len(self.atoms) != 1:
            raise InternalError(f"a single value is needed, not a {self.type}")
        return self.atoms[0]


NOTHING = Value(UNIT, ())
Entry = Variable | FunctionType


def is_binder(variable: Variable) -> bool:
    """Whether a place of a layout is the int of an unknown size."""
    return variable.name.startswith("?")


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of a layout with its path, ``.layers.w``, and the type that the program has for it: `int` for an unknown size."""

    path: str
    entry: Entry
    source: Type


@dataclass
class Abstraction:
    """Replaces sizes by variables, equal ones by the same: what instances and sums are keyed by."""

    keep_constants: bool = False
    names: dict[Size, str] = field(default_factory=dict)
    prefix: str = "s"

    def size(self, size: Size) -> Size:
        if self.keep_constants and size.value is not None:
            return size
        name = self.names.setdefault(size, f"{self.prefix}{len(self.names) + 1}")
        return Size.variable(name)

    def type(self, kind: Type) -> Type:
        return map_type(kind, lambda one: self.size(one) if isinstance(one, Size) else one, lambda one: None)

    def argument(self, argument: Argument) -> Argument:
        if isinstance(argument, Unknown):
            return argument
        return self.size(argument) if isinstance(argument, Size) else self.type(argument)


@dataclass
class FunctionSum:
    """All functions of a type that are stored somewhere: a constructor each, in the order in which they are met."""

    name: str
    type: FunctionType
    sizes: tuple[str, ...]
    constructors: dict[object, tuple[str, FunctionValue, tuple[Variable, ...]]] = field(default_factory=dict)


class Layouts:
    """Types as telescopes, and the sum types of the module that they need."""

    def __init__(self, program: typed.Program, sums: dict[str, SumDeclaration]) -> None:
        self.program = program
        self.sums = sums
        self.constructor_names: dict[tuple[str, str], str] = {}
        self.function_sums: dict[str, FunctionSum] = {}
        self._nominal: dict[object, str] = {}
        self._names = Names()
        self._binders = 0
        self._entries: dict[Type, tuple[Entry, ...]] = {}
        self._left = PLACES_LIMIT
        self.tangents = TangentTypes(sums, lambda name: name in self.function_sums or name not in sums)
        self._families: dict[str, bool] = {}
        self._circular: dict[str, bool] = {}

    # -- layouts

    def entries(self, kind: Type, path: str = "") -> tuple[Entry, ...]:
        """The places of a type, function leaves among them."""
        found = self._entries.get(kind)
        if found is None:
            before, self._left = self._left, PLACES_LIMIT
            found = self._entries[kind] = tuple(self._walk(kind, ""))
            self._left = before
        return tuple(Variable(path + one.name, one.type) if path and isinstance(one, Variable) and not is_binder(one) else one
                     for one in found)

    def data(self, kind: Type, path: str = "") -> tuple[Variable, ...]:
        """The places of a type without its function leaves."""
        return tuple(one for one in self.entries(kind, path) if isinstance(one, Variable))

    def stored(self, kind: Type, path: str = "") -> tuple[Variable, ...]:
        """The places of a type whose function leaves are sums: for what is carried, returned or put away."""
        return tuple(one if isinstance(one, Variable) else Variable(path or "function", self.function_sum(one))
                     for one in self.entries(kind, path))

    def given_order(self, kind: Type) -> list[int]:
        """For each place of `stored`, where an instance has it among its parameters: data first, then functions."""
        entries = self.entries(kind)
        data, functions = iter(range(len(entries))), iter(range(self.counts(kind)[0], len(entries)))
        return [next(data) if isinstance(one, Variable) else next(functions) for one in entries]

    def counts(self, kind: Type) -> tuple[int, int]:
        """How many atoms and functions a value of the type has."""
        entries = self.entries(kind)
        data = sum(isinstance(one, Variable) for one in entries)
        return data, len(entries) - data

    def binder(self) -> str:
        self._binders += 1
        return f"?{self._binders}"

    def _walk(self, kind: Type, path: str) -> Iterator[Entry]:
        self._left -= 1
        if self._left < 0:
            raise LimitReached(f"a value that is made of more than {PLACES_LIMIT:,} fields: records are inside of records again and again",
                               hint="an array or a list holds many values of one type")
        closed = unknowns(kind)
        if closed:
            names = tuple(self.binder() for _ in closed)
            yield from (Variable(name, INT) for name in names)
            yield from self._walk(open_unknowns(kind, names), path)
            return
        match kind:
            case ScalarType() | StringType() | RowsType():
                yield Variable(path, kind)
            case IndexType():
                yield Variable(path, INT)
            case TupleType(items):
                for position, item in enumerate(items):
                    yield from self._walk(item, f"{path}.{position}")
            case RecordType():
                for name, one in self.fields(kind):
                    yield from self._walk(one, f"{path}.{name}")
            case SumType():
                yield Variable(path, self.core_sum(kind))
            case ListType(elements):
                yield Variable(path, ListType(self.element_types(elements[0])))
            case FunctionType():
                yield kind
            case ArrayType(element, shape, row_sparse):
                for one in self.element_places(element):
                    yield Variable(path + one.name, lifted(one.type, shape, row_sparse))
            case TangentType(of):
                yield from (one for one, _ in self.tangent_places(of, path))
            case _:
                raise InternalError(f"no layout for {kind}")

    def fields(self, kind: RecordType) -> tuple[tuple[str, Type], ...]:
        """The fields of a record type, with their types."""
        declaration = self.program.records[kind.name]
        sizes, types = generic_arguments(declaration.generics, kind.arguments)
        return tuple((name, substitute(one, sizes, types)) for name, one in declaration.fields)

    def is_boxed(self, element: Type) -> bool:
        """Whether an element of a list or array is put into a sum of one constructor: it has sizes of its own, or lists of itself."""
        if self.holds_itself(element):
            return True
        return any(is_binder(one) for one in self.entries(element) if isinstance(one, Variable))

    def holds_itself(self, kind: Type) -> bool:
        """Whether a record in a type holds lists of itself, so that its layout would have no end."""
        match kind:
            case RecordType(name):
                if name not in self._circular:
                    self._circular[name] = self._reaches_record(name, name, set())
                return self._circular[name]
            case TupleType(items):
                return any(map(self.holds_itself, items))
            case ArrayType(element, _):
                return self.holds_itself(element)
            case TangentType(of):
                return self.holds_itself(of)
        return False

    def _reaches_record(self, start: str, name: str, seen: set[str]) -> bool:
        seen.add(name)
        waiting = [one for _, one in self.program.records[name].fields]
        while waiting:
            one = waiting.pop()
            if isinstance(one, RecordType):
                if one.name == start or (one.name not in seen and self._reaches_record(start, one.name, seen)):
                    return True
            elif not isinstance(one, (SumType, FunctionType)):
                waiting += [part for part in parts(one) if not isinstance(part, (Size, Unknown))]
        return False

    def element_places(self, element: Type) -> tuple[Variable, ...]:
        """The places of an element of an array or a list."""
        if self.is_boxed(element):
            return (Variable("", self.box(element)),)
        return tuple(one if isinstance(one, Variable) else Variable("", self.function_sum(one)) for one in self.entries(element))

    def element_types(self, element: Type) -> tuple[Type, ...]:
        return tuple(one.type for one in self.element_places(element))

    # -- tangents

    def tangent_places(self, of: Type, path: str = "") -> Iterator[tuple[Variable, int]]:
        """The places of ``Tangent<of>``, each with the position of its primal's place in `stored`. Ints that sizes mention are kept."""
        yield from self._tangent_walk(of, path, enumerate(self.entries(of, path)))

    def _tangent_walk(self, kind: Type, path: str, entries: Iterator[tuple[int, Entry]]) -> Iterator[tuple[Variable, int]]:
        closed = unknowns(kind)
        if closed:
            own = [next(entries) for _ in closed]
            names = tuple(one.name for _, one in own if isinstance(one, Variable))
            inside = list(self._tangent_walk(open_unknowns(kind, names), path, entries))
            kept = {name for one, _ in inside for name in _sizes(one.type)}
            kept |= {name for name, (_, nominal) in zip(names, unknowns_of_nominals(kind), strict=True) if nominal}
            yield from ((one, position) for position, one in own if isinstance(one, Variable) and one.name in kept)
            yield from inside
            return
        match kind:
            case TupleType(items):
                for position, item in enumerate(items):
                    yield from self._tangent_walk(item, f"{path}.{position}", entries)
            case RecordType():
                for name, one in self.fields(kind):
                    yield from self._tangent_walk(one, f"{path}.{name}", entries)
            case FunctionType():
                position, _ = next(entries)
                yield Variable(path, self.function_tangent(kind)), position
            case TangentType():
                for _ in self.entries(kind):
                    position, one = next(entries)
                    assert isinstance(one, Variable)
                    yield one, position
            case _:
                for source in self._parts_of_array(kind):
                    position, one = next(entries)
                    assert isinstance(one, Variable)
                    found = self.tangent_of_place(source, one.type)
                    if found is not None:
                        yield Variable(one.name, found), position

    def function_tangent(self, kind: FunctionType) -> SumType:
        found = self.tangent(self.function_sum(kind))
        assert isinstance(found, SumType)
        return found

    def _parts_of_array(self, kind: Type) -> Iterator[Type]:
        """The types of the places of a value that is one place, or an array of products."""
        if isinstance(kind, ArrayType) and not self.is_boxed(kind.element):
            for one in self.places(kind.element):
                yield array_of(one.source, kind.shape, kind.row_sparse)
        else:
            yield kind

    def places(self, kind: Type, path: str = "") -> Iterator[Place]:
        """The entries of a type, each with its path and the type that the program has for it."""
        yield from self._places(kind, path, iter(self.entries(kind, path)))

    def _places(self, kind: Type, path: str, entries: Iterator[Entry]) -> Iterator[Place]:
        closed = unknowns(kind)
        if closed:
            own = [one for one in (next(entries) for _ in closed) if isinstance(one, Variable)]
            yield from (Place(one.name, one, INT) for one in own)
            kind = open_unknowns(kind, tuple(one.name for one in own))
        match kind:
            case TupleType(items):
                for position, item in enumerate(items):
                    yield from self._places(item, f"{path}.{position}", entries)
            case RecordType():
                for name, one in self.fields(kind):
                    yield from self._places(one, f"{path}.{name}", entries)
            case FunctionType():
                yield Place(path, next(entries), kind)
            case TangentType(of):
                sources = [one.source for one in self.places(of)]
                for place, position in self.tangent_places(of):
                    one = next(entries)
                    assert isinstance(one, Variable)
                    yield Place(one.name, one, INT if place.type == INT else tangent(sources[position]))
            case _:
                for source in self._parts_of_array(kind):
                    one = next(entries)
                    assert isinstance(one, Variable)
                    yield Place(one.name, one, source)

    def tangent_of_place(self, source: Type, kind: Type) -> Type | None:
        """The Core type of a place of a derivative, as programs hold it: a list of lists is one, whatever differentiation makes."""
        match source:
            case ArrayType(ScalarType(dtype), _, True) if dtype in FLOATS and isinstance(kind, ArrayType):
                return RowsType(dtype, tuple(map(_known, kind.shape)))
            case ListType((element,)):
                inside = self.element_types(tangent(element))
                return ListType(inside) if inside else None
            case ArrayType(element, shape) if not isinstance(element, ScalarType):
                inside = self.element_types(tangent(element))
                return lifted(inside[0], shape) if inside else None
        return self.tangent(kind)

    def tangent(self, kind: Type) -> Type | None:
        """The tangent of a Core type as differentiation makes it; None where nothing varies."""
        match kind:
            case ScalarType(dtype):
                return kind if dtype in FLOATS else None
            case ArrayType(ScalarType(dtype), shape, row_sparse):
                if dtype not in FLOATS:
                    return None
                return RowsType(dtype, tuple(map(_known, shape))) if row_sparse else kind
            case ArrayType(element, shape):
                inner = self.tangent(element)
                return None if inner is None else ArrayType(inner, shape)
            case ListType(elements):
                inside = tuple(one for one in map(self.tangent, elements) if one is not None)
                return ListType(tuple(self.tangents.lazy(one) if isinstance(one, ListType) else one for one in inside)) if inside else None
            case SumType(name, arguments):
                if self.tangents.is_linear(kind) or name not in self.sums:
                    return kind
                if not self.tangents.carries(kind):
                    return None
                made = self.tangents.tangent_sum(name) if self.holds_functions(name) else tangent_sum_name(name)
                return SumType(made, arguments)
            case RowsType():
                return kind
        return None

    def holds_functions(self, name: str) -> bool:
        """Whether a sum can hold stored functions: then its tangent has a place for theirs, which only a declaration can say."""
        if name not in self._families:
            seen: set[str] = set()
            waiting = [name]
            while waiting and not any(one in self.function_sums for one in waiting):
                seen.add(one := waiting.pop())
                fields = (field.type for each in self.sums[one].constructors for field in each.fields)
                waiting += [inside for kind in fields for inside in sums_in(kind) if inside not in seen and inside in self.sums]
            self._families[name] = bool(waiting)
        return self._families[name]

    # -- sums

    def core_sum(self, kind: SumType) -> SumType:
        """The sum of Core: one for each choice of type arguments; sizes stay parameters."""
        if kind.name in self.sums or kind.name not in self.program.sums:
            return kind
        declaration = self.program.sums[kind.name]
        abstraction = Abstraction(prefix="size")
        abstract: list[Argument] = []
        own: list[Size] = []
        for generic, argument in zip(declaration.generics, kind.arguments, strict=True):
            if isinstance(argument, Size):
                own.append(argument)
                abstract.append(Size.variable(generic.name))
            else:
                abstract.append(abstraction.argument(argument))
        key = (kind.name, tuple(abstract))
        name = self._nominal.get(key)
        if name is None:
            name = self._nominal[key] = self.sum_name(short_name(kind.name) + ("_" if self.is_like_a_tangent(declaration) else ""))
            self._declare(name, declaration, tuple(abstract), abstraction)
        return SumType(name, (*own, *abstraction.names))

    def is_like_a_tangent(self, declaration: typed.Sum) -> bool:
        """Whether a type is called ``TreeTangent`` beside a type ``Tree``, and isn't the derivative of one that was printed."""
        name = short_name(declaration.name)
        of = name.removesuffix("Tangent")
        beside = of != name and any(short_name(one) == of for one in self.program.sums)
        return beside and declaration.constructors[0].name != f"{name}Zero"

    def sum_name(self, wish: str) -> str:
        return self._names.fresh(wish)

    def _declare(self, name: str, declaration: typed.Sum, arguments: tuple[Argument, ...], abstraction: Abstraction) -> None:
        own = tuple(one.name for one in declaration.generics if one.kind == "size")
        sizes, types = generic_arguments(declaration.generics, arguments)
        parameters = (*own, *abstraction.names.values())
        self.sums[name] = SumDeclaration(name, parameters, ())
        constructors: list[Constructor] = []
        for one in declaration.constructors:
            made = self._names.fresh(one.name)
            self.constructor_names[name, one.name] = made
        for one in declaration.constructors:
            fields = [(label, substitute(kind, sizes, types)) for label, kind in one.fields]
            places = [place for label, kind in fields for place in self.stored(kind, label)]
            sources = [place.source for label, kind in fields for place in self.places(kind, label)]
            named = named_places(places, parameters)
            items = tuple(self._item_bounds(source, places, named) for source in sources)
            constructors.append(Constructor(self.constructor_names[name, one.name], named, index_bounds(sources, places, named), items))
        self.sums[name] = SumDeclaration(name, parameters, tuple(constructors))

    def _item_bounds(self, kind: Type, places: Sequence[Variable], named: Sequence[Variable]) -> tuple[Size | None, ...]:
        """What indices in the items of a list must be below; of what is no list nothing."""
        if not isinstance(kind, ListType):
            return ()
        renamed = renamed_sizes(places, named)
        bounds = [index_bound(one.source) for element in kind.elements for one in self.places(element)]
        return tuple(one and one.substitute(renamed.get) for one in bounds)

    def box(self, element: Type) -> SumType:
        """The sum of one constructor that holds an element of unknown sizes."""
        abstraction = Abstraction(prefix="size")
        abstract = abstraction.type(element)
        key = ("box", abstract)
        name = self._nominal.get(key)
        if name is None:
            name = self._nominal[key] = self.sum_name("Box")
            parameters = tuple(abstraction.names.values())
            places = named_places(self.stored(abstract, "value"), parameters)
            self.sums[name] = SumDeclaration(name, parameters, (Constructor(self._names.fresh("Boxed"), places),))
        return SumType(name, tuple(abstraction.names))

    def function_sum(self, kind: FunctionType) -> SumType:
        """The sum of the stored functions of a type. An index is an int: an ``int -> idx<n>`` stands where an ``int -> int`` is needed."""
        abstraction = Abstraction(prefix="size")
        abstract = abstraction.type(map_type(kind, lambda one: one, lambda one: INT if isinstance(one, IndexType) else None))
        key = ("function", abstract)
        name = self._nominal.get(key)
        if name is None:
            name = self._nominal[key] = self.sum_name("Function")
            parameters = tuple(abstraction.names.values())
            assert isinstance(abstract, FunctionType)
            self.sums[name] = SumDeclaration(name, parameters, ())
            self.function_sums[name] = FunctionSum(name, abstract, parameters)
        return SumType(name, tuple(abstraction.names))


# ---------------------------------------------------------------- helpers on types


def lifted(kind: Type, shape: Sequence[SizeArgument], row_sparse: bool = False) -> Type:
    """The type of an array whose elements are of a Core type."""
    if isinstance(kind, ArrayType):
        return ArrayType(kind.element, (*shape, *kind.shape), row_sparse or kind.row_sparse)
    return ArrayType(kind, tuple(shape), row_sparse)


def unknowns_of_nominals(kind: Type) -> list[tuple[Unknown, bool]]:
    """The unknown sizes of a type as `unknowns` counts them, and whether each is an argument of a record or a sum: the derivative
    has those, whatever varies in it."""
    found: list[tuple[Unknown, bool]] = []
    for part in opened_parts(kind):
        own = ([(part, isinstance(kind, (RecordType, SumType)))] if isinstance(part, Unknown)
               else unknowns_of_nominals(part) if not isinstance(part, Size) else [])
        found += [(one, flag) for one, flag in own if one.name is None or all(one != other for other, _ in found)]
    return found


def short_name(qualified: str) -> str:
    return qualified.rpartition(".")[2]


def _known(size: SizeArgument) -> Size:
    if isinstance(size, Unknown):
        raise InternalError("a size is still unknown")
    return size


def _sizes(kind: Type) -> frozenset[str]:
    from dynlang.types import size_variables

    return size_variables(kind)


def generic_arguments(generics: Sequence[typed.Generic], arguments: Sequence[Argument]) -> tuple[dict[str, Size], dict[str, Type]]:
    """What the parameters of a declaration stand for."""
    sizes: dict[str, Size] = {}
    types: dict[str, Type] = {}
    for generic, argument in zip(generics, arguments, strict=True):
        if isinstance(argument, Size):
            sizes[generic.name] = argument
        elif isinstance(argument, Unknown):
            raise InternalError(f"the size {generic.name} is still unknown")
        else:
            types[generic.name] = argument
    return sizes, types


def identifier(path: str, otherwise: str = "value") -> str:
    """A path as a name: ``m.leaf.w`` is ``m_leaf_w``."""
    cleaned = "".join(c if c.isalnum() or c == "_" else "_" for c in path.lstrip(".?")).strip("_")
    return cleaned if cleaned and not cleaned[0].isdigit() else (f"{otherwise}_{cleaned}" if cleaned else otherwise)


def named_places(places: Sequence[Variable], taken: Sequence[str]) -> tuple[Variable, ...]:
    """A telescope under readable, unique names."""
    return rename_places(places, Names(taken).fresh, {})


def index_bounds(sources: Sequence[Type], places: Sequence[Variable], named: Sequence[Variable]) -> tuple[Size | None, ...]:
    """What indices among the places of a telescope must be below, in its new names; nothing where there are none."""
    renamed = renamed_sizes(places, named)
    bounds = [index_bound(one) for one in sources]
    return tuple(one and one.substitute(renamed.get) for one in bounds) if any(one is not None for one in bounds) else ()


def renamed_sizes(places: Sequence[Variable], named: Sequence[Variable]) -> dict[str, Size]:
    """What the ints of a telescope, its sizes among them, are called in its new names."""
    return {old.name: Size.variable(new.name) for old, new in zip(places, named, strict=True) if old.type == INT}


def index_bound(kind: Type) -> Size | None:
    """What an index, or the indices of an array, must be below."""
    match kind:
        case IndexType(bound) | ArrayType(IndexType(bound)):
            return bound
    return None


def rename_places(places: Sequence[Variable], fresh: Callable[[str], str], sizes: Mapping[str, Size],
                  otherwise: str = "value") -> tuple[Variable, ...]:
    """A telescope with fresh readable names; `sizes` replaces variables from outside."""
    replace, made = dict(sizes), []
    for one in places:
        kind = substitute(one.type, replace) if replace else one.type
        wish = "n" if is_binder(one) else identifier(one.name, otherwise)
        variable = Variable(fresh(wish), kind)
        made.append(variable)
        if one.type == INT:
            replace[one.name] = Size.variable(variable.name)
    return tuple(made)


def matched_sizes(wanted: Type, found: Type) -> list[Size]:
    """The sizes of `found` at the unknowns of `wanted`, in the order of `unknowns`."""
    pairs: dict[object, Size] = {}

    def size(one: SizeArgument, other: SizeArgument) -> None:
        if isinstance(one, Unknown) and isinstance(other, Size):
            pairs.setdefault(one if one.name is not None else len(pairs) + 1, other)

    def walk(one: Type, other: Type) -> None:
        match one, other:
            case ArrayType(inner, shape), ArrayType(element, actual):
                for a, b in zip(shape, actual, strict=False):
                    size(a, b)
                if any(isinstance(size, Unknown) and size.name for size in shape):
                    return
                if len(shape) == len(actual):
                    walk_closed(inner, element)
            case (RecordType(_, left), RecordType(_, right)) | (SumType(_, left), SumType(_, right)):
                for a, b in zip(left, right, strict=True):
                    argument(a, b)
            case TupleType(left), TupleType(right):
                for a, b in zip(left, right, strict=True):
                    walk(a, b)
            case TangentType(left), TangentType(right):
                walk(left, right)
            case _:
                pass

    def walk_closed(one: Type, other: Type) -> None:
        return None

    def argument(one: Argument, other: Argument) -> None:
        if isinstance(one, (Size, Unknown)) and isinstance(other, (Size, Unknown)):
            size(one, other)

    walk(wanted, found)
    return list(pairs.values())


__all__ = ["NOTHING", "Abstraction", "AnyFunction", "Entry", "FunctionSum", "FunctionValue", "Layouts", "StoredFunction", "Value",
           "array_of", "identifier", "is_binder", "lifted", "matched_sizes", "named_places", "rename_places", "short_name"]
