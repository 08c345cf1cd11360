"""Where elaboration stands in one function: what names mean, the block in work, and how values are carried and merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dynlang.check import typed
from dynlang.core.build import Builder, integer, number, text
from dynlang.core.elaborate.values import (
    FunctionValue,
    StoredFunction,
    Value,
    is_binder,
    rename_places,
)
from dynlang.core.nodes import Atom, Block, If, Literal, Variable
from dynlang.core.sizes import expand, plain, telescope_types
from dynlang.diag import InternalError, LimitReached, NotBuilt
from dynlang.source import Span
from dynlang.types import (
    INT,
    ArrayType,
    FunctionType,
    IndexType,
    ListType,
    ScalarType,
    Size,
    StringType,
    SumType,
    TupleType,
    Type,
    same_but_sizes,
    sizes_in,
    substitute,
    unknowns,
)

if TYPE_CHECKING:
    from dynlang.core.elaborate.module import Elaborator
    from dynlang.core.elaborate.statements import Region


DEEPEST_BLOCK = 1600


class Frame:
    """Elaborates the body of one function, or one that is expanded in place (then it shares the caller's builder)."""

    def __init__(self, elaborator: Elaborator, builder: Builder, locals: dict[str, Value], sizes: dict[str, Size],
                 types: dict[str, Type], returns: Type, owner: str) -> None:
        self.elaborator = elaborator
        self.layouts = elaborator.layouts
        self.builder = builder
        self.locals = locals
        self.sizes = sizes
        self.types = types
        self.returns = returns
        self.owner = owner
        self.region: Region | None = None
        self.constants: dict[str, Value] = {}
        """The constants of the program that have been computed where this block sees them."""

    # -- types and values

    def type(self, kind: Type) -> Type:
        """A type of the typed tree, with sizes over Core variables and without type variables."""
        return substitute(kind, self.sizes, self.types) if self.sizes or self.types else kind

    def size(self, size: Size) -> Size:
        return size.substitute(self.sizes.get)

    def core_type(self, kind: Type) -> Type:
        """The Core type of a value that is one atom."""
        places = self.layouts.data(self.type(kind))
        if len(places) != 1:
            raise InternalError(f"a single value is needed, not a {kind}")
        return places[0].type

    def bind(self, local: typed.Local, value: Value) -> None:
        """A local starts to stand for a value; an immutable int can name a size."""
        if local.mutable:
            value = self.unstored(value.type, self.stored(value))
        self.locals[local.name] = value
        if not local.mutable and (local.type == INT or isinstance(local.type, IndexType)):
            self.sizes[local.name] = self.builder.size_of(value.atom)

    def wish(self, value: Value, name: str) -> None:
        """A value of one atom is best called as the user calls it; the first name given to it counts."""
        if len(value.atoms) == 1 and isinstance(value.atoms[0], Variable):
            self.builder.names.wishes.setdefault(value.atoms[0].name, name)

    def local(self, local: typed.Local, span: Span | None = None) -> Value:
        found = self.locals.get(local.name)
        if found is None:
            raise InternalError(f"`{local.name}` has no value in {self.owner}", span)
        return found

    def value(self, kind: Type, atoms: Sequence[Atom]) -> Value:
        """A value without function leaves."""
        return Value(kind, tuple(atoms))

    def split(self, value: Value, kinds: Sequence[Type]) -> list[Value]:
        """The parts of a value whose layout is these types, one after another."""
        parts: list[Value] = []
        data = functions = 0
        for kind in kinds:
            more_data, more_functions = self.layouts.counts(kind)
            parts.append(Value(kind, value.atoms[data:data + more_data], value.functions[functions:functions + more_functions]))
            data, functions = data + more_data, functions + more_functions
        if data != len(value.atoms) or functions != len(value.functions):
            raise InternalError(f"the parts of {value.type} don't fill it")
        return parts

    def items(self, value: Value) -> list[Value]:
        """The items of a tuple, its unknown sizes handed to those that they belong to: the reverse of `joined`."""
        if not isinstance(value.type, TupleType):
            raise InternalError(f"{value.type} is not a tuple", self.builder.span)
        closed = unknowns(value.type)
        if not closed:
            return self.split(value, value.type.items)
        sizes, rest = iter(value.atoms[:len(closed)]), list(value.atoms[len(closed):])
        functions = list(value.functions)
        named: dict[str, Atom] = {}
        parts: list[Value] = []
        for kind in value.type.items:
            own: list[Atom] = []
            for one in unknowns(kind):
                if one.name is None:
                    own.append(next(sizes))
                else:
                    own.append(named[one.name] if one.name in named else named.setdefault(one.name, next(sizes)))
            data, count = self.layouts.counts(kind)
            left = data - len(own)
            parts.append(Value(kind, (*own, *rest[:left]), tuple(functions[:count])))
            rest, functions = rest[left:], functions[count:]
        return parts

    @staticmethod
    def joined(kind: Type, parts: Sequence[Value]) -> Value:
        """A product of its parts. A tuple's unknown sizes come first, then what is left of the parts."""
        functions = tuple(function for part in parts for function in part.functions)
        if not isinstance(kind, TupleType) or not unknowns(kind):
            return Value(kind, tuple(atom for part in parts for atom in part.atoms), functions)
        sizes: list[Atom] = []
        rest: list[Atom] = []
        named: set[str] = set()
        for part in parts:
            closed = unknowns(part.type)
            for one, atom in zip(closed, part.atoms, strict=False):
                if one.name is None or one.name not in named:
                    sizes.append(atom)
                    named |= {one.name} if one.name is not None else set()
            rest += part.atoms[len(closed):]
        return Value(kind, (*sizes, *rest), functions)

    # -- functions as data

    def stored(self, value: Value) -> tuple[Atom, ...]:
        """The atoms of a value whose functions are turned into sums, in the order of `Layouts.stored`."""
        if not value.functions:
            return value.atoms
        atoms, functions = iter(value.atoms), iter(value.functions)
        result: list[Atom] = []
        for entry in self.layouts.entries(value.type):
            if isinstance(entry, Variable):
                result.append(next(atoms))
            else:
                result.append(self.stored_function(next(functions), entry))
        return tuple(result)

    def stored_function(self, function: FunctionValue | StoredFunction, kind: FunctionType) -> Atom:
        if isinstance(function, StoredFunction):
            return function.atom
        return self.elaborator.store_function(self, function, kind)

    def unstored(self, kind: Type, atoms: Sequence[Atom]) -> Value:
        """The value that `stored` put away."""
        data: list[Atom] = []
        functions: list[StoredFunction] = []
        for entry, atom in zip(self.layouts.entries(kind), atoms, strict=True):
            if isinstance(entry, Variable):
                data.append(atom)
            else:
                functions.append(StoredFunction(entry, atom))
        return Value(kind, tuple(data), tuple(functions))

    # -- blocks

    @contextmanager
    def inside(self) -> Iterator[Builder]:
        """A block within this one: what is bound or assigned in it is forgotten at its end."""
        outer, locals, sizes, constants = self.builder, self.locals, self.sizes, self.constants
        if outer.depth >= DEEPEST_BLOCK:
            raise LimitReached(f"more than {DEEPEST_BLOCK:,} branches inside one another", outer.span,
                               "a chain of `elif`, or of returns out of `if`, counts: a `match` or a loop over a table doesn't nest")
        self.builder, self.locals, self.sizes = outer.inside(), dict(locals), dict(sizes)
        self.constants = dict(constants)
        try:
            yield self.builder
        finally:
            self.builder, self.locals, self.sizes, self.constants = outer, locals, sizes, constants

    def block(self, run: Callable[[], Sequence[Atom]]) -> Block:
        """The block of what `run` emits, with the values that it returns."""
        with self.inside() as builder:
            results = tuple(run())
            return builder.block(*results)

    def telescope(self, kinds: Sequence[tuple[str, Type]], fresh: Callable[[str], str] | None = None) -> tuple[Variable, ...]:
        """New variables for values that are carried or merged, side by side."""
        made: list[Variable] = []
        for name, kind in kinds:
            made += rename_places(self.layouts.stored(kind, name), fresh or self.builder.names.fresh, {}, name or "value")
        return tuple(made)

    def carried_locals(self, names: Sequence[str]) -> list[tuple[str, Type]]:
        """Those of the names that have a value here, with their types."""
        return [(name, self.locals[name].type) for name in names if name in self.locals]

    def current(self, kinds: Sequence[tuple[str, Type]]) -> list[Atom]:
        """The values of locals now, as stored atoms."""
        return [atom for name, kind in kinds for atom in self.retyped_atoms(self.stored(self.locals[name]), self.layouts.stored(kind))]

    def assign_all(self, kinds: Sequence[tuple[str, Type]], atoms: Sequence[Atom]) -> None:
        """The reverse of `current`."""
        at = 0
        for name, kind in kinds:
            count = len(self.layouts.entries(kind))
            self.locals[name] = self.unstored(kind, atoms[at:at + count])
            at += count

    def branch(self, condition: Atom, kinds: Sequence[tuple[str, Type]], then: Callable[[], Sequence[Atom]],
               otherwise: Callable[[], Sequence[Atom]], span: Span | None = None) -> tuple[Variable, ...]:
        """``if`` with results of these types."""
        telescope = self.telescope(kinds)
        return self.merge(If(condition, self.block(then), self.block(otherwise)), telescope, span)

    def merge(self, right: object, telescope: Sequence[Variable], span: Span | None = None) -> tuple[Variable, ...]:
        """Binds a construct whose results are these very variables."""
        from dynlang.core.nodes import Let

        variables = tuple(Variable(one.name, expand(one.type, self.builder.known)) for one in telescope)
        return self.builder.append(Let(variables, right, span or self.builder.span))  # type: ignore[arg-type]

    # -- types that differ only in how their sizes are written

    def retyped_atoms(self, atoms: Sequence[Atom], places: Sequence[Variable], sizes: dict[str, Size] | None = None) -> list[Atom]:
        """The atoms under the types of a telescope: equal sizes that are written differently are reshaped."""
        result: list[Atom] = []
        known = self.builder.known
        for atom, wanted in zip(atoms, telescope_types(places, atoms, sizes or {}, known), strict=True):
            result.append(self.retyped_atom(atom, expand(wanted, known)))
        return result

    def retyped_atom(self, atom: Atom, wanted: Type) -> Atom:
        found = expand(atom.type, self.builder.known)
        if plain(found) == plain(wanted):
            return atom
        if isinstance(found, ArrayType) and isinstance(wanted, ArrayType) and found.element == wanted.element:
            sizes = [size for size in wanted.shape if isinstance(size, Size)]
            return self.builder.operation("reshape", atom, sizes=sizes, name=atom.name if isinstance(atom, Variable) else "t")
        if not same_but_sizes(found, wanted):
            raise InternalError(f"a value of type {found} where {wanted} is needed", self.builder.span)
        return self.builder.operation("retype", atom, sizes=sizes_in(wanted), name=atom.name if isinstance(atom, Variable) else "t")

    def retyped(self, value: Value, kind: Type) -> Value:
        """The value as one of a type that has equal sizes."""
        if value.type == kind:
            return value
        places = self.layouts.data(kind)
        if len(places) != len(value.atoms):
            raise InternalError(f"a {value.type} where a {kind} is needed", self.builder.span)
        return Value(kind, tuple(self.retyped_atoms(value.atoms, places)), value.functions)

    # -- values that stand for nothing

    def placeholder(self, kind: Type, depth: int = 0) -> Atom:
        """Some value of a Core type, for places that are overwritten before they are read."""
        match kind:
            case ScalarType(dtype):
                return number(0, dtype)
            case StringType():
                return text("")
            case ArrayType(element, shape):
                sizes = [size for size in shape if isinstance(size, Size)]
                return self.builder.operation("fill", self.placeholder(element, depth + 1), sizes=sizes, name="empty")
            case ListType(elements):
                return self.builder.operation("list_empty", elements=elements, name="empty")
            case SumType():
                return self._placeholder_sum(kind, depth)
        raise InternalError(f"no placeholder for {kind}")

    def _placeholder_sum(self, kind: SumType, depth: int) -> Atom:
        declaration = self.elaborator.sums.get(kind.name)
        if declaration is None or depth > 8:
            raise NotBuilt(f"leaving a loop early with a value of type {kind}", self.builder.span)
        if kind.name in self.layouts.function_sums:
            return self.elaborator.no_function(self, kind)
        own = {name: size for name, size in zip(declaration.sizes, kind.arguments, strict=True) if isinstance(size, Size)}
        ordered = sorted(declaration.constructors, key=lambda one: sum(isinstance(f.type, SumType) for f in one.fields))
        chosen = ordered[0]
        atoms: list[Atom] = []
        replace = dict(own)
        for place in chosen.fields:
            atom = self.placeholder(substitute(place.type, replace), depth + 1)
            atoms.append(atom)
            if place.type == INT:
                replace[place.name] = self.builder.size_of(atom)
        return self.builder.construct(kind, chosen.name, *atoms, name="empty")

    def placeholders(self, places: Sequence[Variable]) -> list[Atom]:
        """Values for a telescope: unknown sizes are 0."""
        atoms: list[Atom] = []
        replace: dict[str, Size] = {}
        for place in places:
            atom = integer(0) if is_binder(place) else self.placeholder(substitute(place.type, replace))
            atoms.append(atom)
            if place.type == INT:
                replace[place.name] = self.builder.size_of(atom)
        return atoms

    # -- checks

    def check(self, condition: Atom, message: str, span: Span | None, code: str = "DYN0901", *numbers: Atom) -> None:
        """An error where the condition is false; each `{}` in the message is one of the numbers, at most three."""
        if isinstance(condition, Literal) and condition.value is True:
            return
        from dynlang.core.nodes import Operation

        self.builder.emit(Operation("check", (condition, *numbers), (("message", message), ("code", code))), span=span)
