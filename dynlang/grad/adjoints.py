"""Adjoints as values of a linear type: adding, zeros, destinations, laziness.

An adjoint environment maps a variable to nothing (a static zero) or to a value. The value is the tangent type of the
variable, or lazy, as a field of a tangent sum is until a dense value is needed.

    accumulate(x, v)    move if there is nothing, else add
    take(x)             the adjoint, dense; it is gone afterwards
    destination(x)      the adjoint, dense, zeros if there was nothing: for ops that add into it in place
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dynlang.core.build import Builder, Signature, truth
from dynlang.core.nodes import Arm, Atom, Case, Construct, For, Function, Variable
from dynlang.core.sizes import rename_telescope
from dynlang.core.walk import Names
from dynlang.diag import InternalError, NotBuilt
from dynlang.grad.state import State
from dynlang.grad.tangents import Tangents, array_sizes, is_number, mangled
from dynlang.types import (
    INT,
    ArrayType,
    ListType,
    RowsType,
    ScalarType,
    Size,
    SumType,
    Type,
    map_type,
    same_but_sizes,
    sizes_in,
    substitute,
)


@dataclass(slots=True)
class Region:
    """Where a backward is being written: its adjoints, its builder, and what stands for primal values there.

    `primal` maps the name of an array that was updated in place to its value as rewound so far.
    `constructed` are the constructions of the blocks being reversed: an adjoint may be seeded with the fields' own."""

    builder: Builder
    adjoints: dict[str, Atom] = field(default_factory=dict)
    primal: dict[str, Atom] = field(default_factory=dict)
    constructed: dict[str, Construct] = field(default_factory=dict)

    def inside(self) -> Region:
        return Region(self.builder.inside(), dict(self.adjoints), dict(self.primal), dict(self.constructed))


class Adjoints:
    """Operations on adjoint values; those on sums are generated functions, one per type."""

    def __init__(self, state: State, tangents: Tangents) -> None:
        self.state, self.tangents = state, tangents
        self._adders: dict[str, str] = {}

    # -- the environment

    def accumulate(self, region: Region, x: Atom, value: Atom, active: set[str]) -> None:
        if not isinstance(x, Variable) or x.name not in active:
            return
        value = self.marked(region.builder, value, x.type)
        before = region.adjoints.get(x.name)
        region.adjoints[x.name] = value if before is None else self.merge(region.builder, before, value, f"d_{x.name}")

    def take(self, region: Region, x: Variable) -> Atom | None:
        value = region.adjoints.pop(x.name, None)
        return None if value is None else self.force(region.builder, value, x)

    def destination(self, region: Region, x: Variable) -> Atom:
        value = region.adjoints.get(x.name)
        if value is None:
            value = self._seed(region, x)
        value = self.force(region.builder, value, x)
        region.adjoints[x.name] = value
        return value

    def hand_over(self, region: Region, many: Sequence[Variable]) -> dict[str, Atom]:
        """Destinations that leave the environment all at once, for a call or a loop. Constructions are asked first, later ones
        before their parts: seeding takes the parts' adjoints, which must not be handed over twice."""
        position = {name: k for k, name in enumerate(region.constructed)}
        found: dict[str, Atom] = {}
        for x in sorted(many, key=lambda one: -position.get(one.name, -1)):
            found[x.name] = self.destination(region, x)
            del region.adjoints[x.name]
        return found

    def _seed(self, region: Region, x: Variable) -> Atom:
        """Zeros; for a sum constructed in sight, a constructor that holds the fields' own destinations, so that none is made twice."""
        made = region.constructed.get(x.name)
        if made is None or made.type.name in self.tangents.linear:
            return self.zeros_like(region, x)
        arguments: list[Atom] = []
        declaration = self.state.sums[made.type.name].constructor(made.constructor)
        for one in self.tangents.fields(made.type.name, made.constructor):
            argument = made.arguments[one.position]
            if not one.active:
                arguments.append(argument)
                continue
            if isinstance(argument, Variable) and region.adjoints.get(argument.name) is None and argument.name in region.constructed:
                self.destination(region, argument)
            value = region.adjoints.pop(argument.name, None) if isinstance(argument, Variable) else None
            kind = self.field_type(made, declaration.fields[one.position].type, argument)
            arguments.append(self.tangents.zero(region.builder, kind) if value is None else self.lazily(region.builder, value, kind))
        kind = self.tangents.of(x.type)
        assert isinstance(kind, SumType)
        return region.builder.construct(kind, self.tangents.constructor(made.type.name, made.constructor), *arguments, name=f"d_{x.name}")

    def field_type(self, made: Construct, declared: Type, argument: Atom) -> Type:
        return self.tangents.field(argument.type, made.type.name)

    # -- values

    def zeros_like(self, region: Region, x: Atom) -> Atom:
        """Zero of the tangent type of a value; a list's has its length."""
        builder = region.builder
        kind = self.tangents.of(x.type)
        hint = f"d_{x.name}" if isinstance(x, Variable) else "zero"
        if isinstance(kind, ListType):
            return self._zero_list(region, x, kind, hint)
        return self.tangents.zero(builder, kind, hint)

    def _zero_list(self, region: Region, x: Atom, kind: ListType, hint: str) -> Atom:
        """Zeros of the elements, which must not be lists themselves."""
        builder = region.builder
        length = builder.operation("list_length", x, name="length")
        empty = builder.operation("list_empty", elements=kind.elements, name="empty")
        carried = Variable(builder.names.fresh(hint), kind)
        index = Variable(builder.names.fresh("k"), INT)
        body = builder.inside()
        zeros = [self.tangents.zero(body, one) for one in kind.elements]
        longer = body.operation("list_push", carried, *zeros, name=hint)
        return builder.emit(For(index, length, (carried,), (empty,), body.block(longer)), [hint])[0]

    def force(self, builder: Builder, value: Atom, x: Atom) -> Atom:
        """The dense adjoint of x."""
        if not self.tangents.is_lazy(value.type) or self.tangents.is_lazy(x.type):
            return value
        kind = self.tangents.of(x.type)
        if isinstance(kind, ListType):
            return self.on_lazy(builder, value, kind, lambda inner: self.zeros_like(Region(inner), x), lambda _, held: held)
        return self.on_lazy(builder, value, kind, lambda inner: self.tangents.zero(inner, kind), lambda _, held: held)

    def lazily(self, builder: Builder, value: Atom, kind: Type) -> Atom:
        """A value as a field of the type `kind`, which may be lazy."""
        if isinstance(kind, SumType) and self.tangents.is_lazy(kind) and not self.tangents.is_lazy(value.type):
            return builder.construct(kind, self.tangents.value_constructor(kind), value)
        return value

    def on_lazy(
        self,
        builder: Builder,
        value: Atom,
        result: Type,
        zero: Callable[[Builder], Atom],
        held: Callable[[Builder, Atom], Atom],
        hint: str = "d",
    ) -> Atom:
        """``match value: Zero: zero; Value(x): held(x)``."""
        kind = value.type
        assert isinstance(kind, SumType)
        inside = Variable(builder.names.fresh("value"), self.held_type(kind))
        no, yes = builder.inside(), builder.inside()
        first, second = zero(no), held(yes, inside)
        declaration = self.state.sums[kind.name]
        case = Case(
            value,
            (
                Arm(declaration.constructors[0].name, (), no.block(first)),
                Arm(declaration.constructors[1].name, (inside,), yes.block(second)),
            ),
        )
        return builder.bind(case, [Variable(hint, result)])[0]

    def held_type(self, lazy: SumType) -> Type:
        declaration = self.state.sums[lazy.name]
        sizes = {name: size for name, size in zip(declaration.sizes, lazy.arguments, strict=True) if isinstance(size, Size)}
        return substitute(declaration.constructors[1].fields[0].type, sizes)

    # -- adding

    def merge(self, builder: Builder, left: Atom, right: Atom, hint: str = "d") -> Atom:
        """left + right, in place in left where it can be; lazy if both are."""
        lazy_left, lazy_right = self.tangents.is_lazy(left.type), self.tangents.is_lazy(right.type)
        if lazy_left == lazy_right:
            return self.add(builder, left, right, hint)
        lazy, value = (left, right) if lazy_left else (right, left)
        return self.on_lazy(builder, lazy, value.type, lambda _: value, lambda inner, held: self.add(inner, value, held, hint), hint)

    def add(self, builder: Builder, left: Atom, right: Atom, hint: str = "d") -> Atom:
        match left.type:
            case ScalarType():
                return builder.operation("add", left, right, name=hint)
            case ArrayType() if left == right and is_number(left.type):
                return builder.operation("add", left, right, name=hint)  # in place it would first be copied
            case RowsType():
                return builder.operation("rows_add", left, right, name=hint)
            case ArrayType() if is_number(left.type):
                return builder.operation("accumulate", left, right, name=hint)
        name, sizes = self._adder(left.type)
        return builder.call(name, *(builder.size(size) for size in sizes), left, right, names=[hint])[0]

    def _adder(self, kind: Type) -> tuple[str, list[Size]]:
        """The function that adds two values of a type, and the sizes it is called with."""
        sizes: list[Size] = []

        def abstract(size: object) -> Size:
            assert isinstance(size, Size)
            sizes.append(size)
            return Size.variable(f"s{len(sizes)}")

        pattern = map_type(kind, abstract, lambda _: None)  # type: ignore[arg-type]
        key = str(pattern)
        if key not in self._adders:
            self._adders[key] = self._define_adder(pattern, len(sizes))
        return self._adders[key], sizes

    def _define_adder(self, kind: Type, count: int) -> str:
        name = self.state.function_names.fresh(f"add_{mangled(kind)}")
        self._adders[str(kind)] = name
        self.state.adders.add(name)
        sizes = tuple(Variable(f"s{k + 1}", INT) for k in range(count))
        left, right, total = Variable("left", kind), Variable("right", kind), Variable("total", kind)
        signature = Signature((*sizes, left, right), (total,))
        self.state.signatures[name] = signature
        builder = self.state.builder(Names([one.name for one in (*sizes, left, right)]))
        match kind:
            case SumType():
                result = self._add_sums(builder, kind, left, right)
            case ListType():
                result = self._add_lists(builder, kind, left, right)
            case ArrayType():
                result = self._add_arrays(builder, kind, left, right)
            case _:
                raise NotBuilt(f"the sum of two {kind} in a derivative")
        body, documentation = builder.block(result), "The sum of two tangents."
        self.state.add_function(Function(name, signature.parameters, (total,), body, count, ((count, 0),), documentation=documentation))
        return name

    def _add_sums(self, builder: Builder, kind: SumType, left: Variable, right: Variable) -> Atom:
        """Zero is free; equal constructors add field by field."""
        declaration = self.state.sums[kind.name]
        outside = dict(zip(declaration.sizes, (size for size in kind.arguments if isinstance(size, Size)), strict=True))
        arms = []
        for position, constructor in enumerate(declaration.constructors):
            body = builder.inside()
            fields = fresh_fields(builder.names, constructor.fields, outside)
            if position == 0:
                arms.append(Arm(constructor.name, fields, body.block(right)))
                continue
            inner_arms = []
            for other_position, other in enumerate(declaration.constructors):
                inner = body.inside()
                theirs = fresh_fields(builder.names, other.fields, outside)
                if other_position == 0:
                    value: Atom = inner.construct(kind, constructor.name, *fields)
                elif other_position == position:
                    sums = [
                        mine if mine.type == INT else self.add(inner, mine, self.retype(inner, their, mine.type))
                        for mine, their in zip(fields, theirs, strict=True)
                    ]
                    value = inner.construct(kind, constructor.name, *sums)
                else:
                    inner.operations("check", truth(False), message="tangents of different constructors are added")
                    value = left
                inner_arms.append(Arm(other.name, theirs, inner.block(value)))
            total = body.bind(Case(right, tuple(inner_arms)), [Variable("total", kind)])[0]
            arms.append(Arm(constructor.name, fields, body.block(total)))
        return builder.bind(Case(left, tuple(arms)), [Variable("total", kind)])[0]

    def _add_lists(self, builder: Builder, kind: ListType, left: Variable, right: Variable) -> Atom:
        length = builder.operation("list_length", right, name="length")
        carried, index = Variable(builder.names.fresh("total"), kind), Variable(builder.names.fresh("k"), INT)
        body = builder.inside()
        mine = body.operations("list_get", carried, index, names=["x"] * len(kind.elements))
        theirs = body.operations("list_get", right, index, names=["y"] * len(kind.elements))
        sums = [self.add(body, x, y) for x, y in zip(mine, theirs, strict=True)]
        changed = body.operation("list_set", carried, index, *sums, name="total")
        return builder.emit(For(index, length, (carried,), (left,), body.block(changed)), ["total"])[0]

    def _add_arrays(self, builder: Builder, kind: ArrayType, left: Variable, right: Variable) -> Atom:
        """Arrays of sums: element by element over all axes."""

        def along(outer: Builder, whole: Variable, indices: tuple[Variable, ...], rest: tuple[Size, ...]) -> Atom:
            if not rest:
                x, y = outer.operation("at", whole, *indices, name="x"), outer.operation("at", right, *indices, name="y")
                return outer.operation("update", whole, *indices, self.add(outer, x, y), name="total")
            carried, index = Variable(outer.names.fresh("total"), kind), Variable(outer.names.fresh("k"), INT)
            body = outer.inside()
            changed = along(body, carried, (*indices, index), rest[1:])
            return outer.emit(For(index, outer.size(rest[0]), (carried,), (whole,), body.block(changed)), ["total"])[0]

        return along(builder, left, (), array_sizes(kind))

    def marked(self, builder: Builder, value: Atom, place: Type) -> Atom:
        """A tangent as that of a variable of this type: an array may be handed over as an embedding table, and a table as an array."""
        if isinstance(value.type, RowsType) and isinstance(place, ArrayType) and not place.row_sparse:
            return as_array(builder, value)
        if isinstance(value.type, ArrayType) and isinstance(place, ArrayType) and place.row_sparse:
            assert isinstance(place.element, ScalarType)
            return as_rows(builder, value, RowsType(place.element.dtype, array_sizes(value.type)))
        return value

    # -- types that differ in the name of a size

    def retype(self, builder: Builder, value: Atom, kind: Type) -> Atom:
        """A value under equal sizes that have other names."""
        if value.type == kind or not isinstance(value, Variable):
            return value
        if isinstance(value.type, RowsType) != isinstance(kind, RowsType):
            return as_rows(builder, value, kind) if isinstance(kind, RowsType) else as_array(builder, value)
        if isinstance(kind, ArrayType) and is_number(kind):
            return builder.operation("reshape", value, sizes=array_sizes(kind), name=value.name)
        if not same_but_sizes(value.type, kind):
            raise InternalError(f"a derivative of type {value.type} where {kind} is needed", builder.span)
        return builder.operation("retype", value, sizes=sizes_in(kind), name=value.name)


def fresh_fields(names: Names, fields: Sequence[Variable], sizes: dict[str, Size]) -> tuple[Variable, ...]:
    """Binders for an arm: fresh names, types over the sizes given and the int fields before."""
    return rename_telescope(tuple(fields), names.fresh, sizes, {})


def as_array(builder: Builder, rows: Atom) -> Atom:
    """Touched rows as an array."""
    assert isinstance(rows.type, RowsType)
    return builder.operation("rows_dense", rows, sizes=rows.type.shape, dtype=rows.type.dtype, name="d")


def as_rows(builder: Builder, value: Atom, kind: RowsType) -> Atom:
    """An array as touched rows: all of them."""
    empty = builder.operation("rows_empty", sizes=kind.shape, dtype=kind.dtype)
    index, carried = Variable(builder.names.fresh("i"), INT), Variable(builder.names.fresh("rows"), empty.type)
    body = builder.inside()
    longer = body.operation("accumulate_at", carried, index, body.operation("at", value, index), name="rows")
    return builder.emit(For(index, builder.size(kind.shape[0]), (carried,), (empty,), body.block(longer)), ["rows"])[0]
