"""Makes blocks: fresh names, result types asked of the op rows and of signatures, sizes as int atoms.

    outer = Builder(Names(["n", "x"]), module_lookup)
    y = outer.operation("mul", x, x)
    with outer.inside() as inner: ...
    block = outer.block(y)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dynlang.core.nodes import (
    Atom,
    Block,
    Call,
    Construct,
    For,
    Function,
    Let,
    Literal,
    Operation,
    Right,
    SumDeclaration,
    Variable,
    While,
)
from dynlang.core.sizes import expand, expand_size, may_wrap, rename_telescope, size_of, size_of_right
from dynlang.core.walk import Names
from dynlang.diag import InternalError
from dynlang.ops import OPS
from dynlang.source import Span
from dynlang.types import BOOL, INT, ArrayType, FloorDivision, Monomial, ScalarType, Size, StringType, SumType, Type


@dataclass(frozen=True, slots=True)
class Signature:
    """What a caller sees of a function."""

    parameters: tuple[Variable, ...]
    results: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a builder looks up by name. A `nodes.Function` serves as a signature."""

    signature: Callable[[str], Signature | Function]
    sum: Callable[[str], SumDeclaration]


def integer(value: int) -> Literal:
    return Literal(value, INT)


def truth(value: bool) -> Literal:
    return Literal(value, BOOL)


def text(value: str) -> Literal:
    return Literal(value, StringType())


def number(value: float, dtype: str) -> Literal:
    """A scalar literal of a dtype: a float for floats, an int for integers."""
    kind = ScalarType(dtype)
    if dtype == "bool":
        return Literal(bool(value), kind)
    return Literal(float(value) if dtype in ("f64", "f32", "f16", "bf16") else int(value), kind)


def field_sizes(declaration: SumDeclaration, kind: SumType) -> dict[str, Size]:
    """The type's size parameters and what stands for them."""
    return {name: size for name, size in zip(declaration.sizes, kind.arguments, strict=True) if isinstance(size, Size)}


class Builder:
    """Collects the statements of one block. `inside()` gives a builder for a block in the scope of this one."""

    def __init__(self, names: Names, scope: Scope, outer: Builder | None = None, span: Span | None = None) -> None:
        self.names = names
        self.scope = scope
        self.outer = outer
        self.depth: int = outer.depth + 1 if outer else 0
        self.span: Span | None = span if span is not None else outer.span if outer else None
        self.statements: list[Let] = []
        self.known: dict[str, Size] = dict(outer.known) if outer else {}
        self._atoms: dict[Size, Atom] = {}
        self._terms: dict[tuple[str, Atom, Atom], Variable] = {}

    # -- blocks

    def inside(self) -> Builder:
        return Builder(self.names, self.scope, self)

    def block(self, *results: Atom) -> Block:
        """The finished block."""
        return Block(tuple(self.statements), results)

    def append(self, statement: Let) -> tuple[Variable, ...]:
        """A statement as it stands; its variables must be fresh."""
        self.statements.append(statement)
        if len(statement.variables) == 1:
            size = size_of_right(statement.right, self.known)
            if size is not None:
                variable = statement.variables[0]
                self.known[variable.name] = size
                if not may_wrap(statement.right, self.known):
                    self._atoms.setdefault(size, variable)
        return statement.variables

    def splice(self, block: Block) -> tuple[Atom, ...]:
        """All statements of a block, its results as values."""
        for statement in block.statements:
            self.append(statement)
        return block.results

    # -- statements

    def emit(self, right: Right, names: Sequence[str] = (), types: Sequence[Type] | None = None,
             span: Span | None = None) -> tuple[Variable, ...]:
        """``names = right``. Types come from the op row, the signature or the carried values; `types` for the rest."""
        telescope, sizes = (self.result_telescope(right) if types is None
                            else (tuple(Variable("t", kind) for kind in types), {}))
        named = tuple(Variable(names[position], one.type) if position < len(names) else one
                      for position, one in enumerate(telescope))
        if types is None and named != telescope:
            variables = self._renamed(telescope, named, sizes)
        else:
            variables = rename_telescope(named, self.names.fresh, sizes, self.known)
        return self.append(Let(variables, right, span if span is not None else self.span))

    def bind(self, right: Right, telescope: Sequence[Variable], sizes: Mapping[str, Size] | None = None,
             span: Span | None = None) -> tuple[Variable, ...]:
        """``telescope = right`` under fresh names: for ``If`` and ``Case``, whose result types nothing else tells."""
        variables = rename_telescope(telescope, self.names.fresh, sizes or {}, self.known)
        return self.append(Let(variables, right, span if span is not None else self.span))

    def _renamed(self, telescope: Sequence[Variable], named: Sequence[Variable], sizes: Mapping[str, Size]) -> tuple[Variable, ...]:
        wishes = iter(named)
        return rename_telescope(telescope, lambda _: self.names.fresh(next(wishes).name), sizes, self.known)

    def result_telescope(self, right: Right) -> tuple[tuple[Variable, ...], dict[str, Size]]:
        """The results of a right-hand side, and sizes to be replaced in their types."""
        match right:
            case Operation(op, arguments, attributes, sizes):
                kinds = tuple(expand(one.type, self.known) for one in arguments)
                try:
                    found = OPS[op].result(kinds, dict(attributes), sizes)
                except (TypeError, KeyError, IndexError, AttributeError) as error:
                    shown = ", ".join(f"{one}: {one.type}" for one in arguments)
                    raise InternalError(f"{op}({shown}): {error}", self.span) from None
                return tuple(Variable("t", kind) for kind in found), {}
            case Call(function, arguments):
                signature = self.scope.signature(function)
                sizes = {place.name: size_of(atom, self.known)
                         for place, atom in zip(signature.parameters, arguments, strict=True) if place.type == INT}
                return signature.results, sizes
            case Construct(kind, _, _):
                return (Variable("t", kind),), {}
            case For(_, _, carried, _, _) | While(carried, _, _, _):
                return carried, {}
        raise InternalError("the types of this right-hand side must be given", self.span)

    def operation(self, op: str, *arguments: Atom, name: str = "t", sizes: Iterable[Size] = (), **attributes: object) -> Variable:
        """An op with one result."""
        (result,) = self.emit(Operation(op, arguments, tuple(attributes.items()), tuple(sizes)), [name])
        return result

    def operations(self, op: str, *arguments: Atom, names: Sequence[str] = (), sizes: Iterable[Size] = (),
                   **attributes: object) -> tuple[Variable, ...]:
        """An op with any number of results."""
        return self.emit(Operation(op, arguments, tuple(attributes.items()), tuple(sizes)), names)

    def call(self, function: str, *arguments: Atom, names: Sequence[str] = ()) -> tuple[Variable, ...]:
        return self.emit(Call(function, arguments), names)

    def construct(self, kind: SumType, constructor: str, *arguments: Atom, name: str = "t") -> Variable:
        (result,) = self.emit(Construct(kind, constructor, arguments), [name])
        return result

    # -- sizes

    def size_of(self, atom: Atom) -> Size:
        """The size that an int atom is the value of."""
        return size_of(atom, self.known)

    def size(self, size: Size) -> Atom:
        """An int atom with the value of a size; computed once in a scope."""
        size = expand_size(size, self.known)
        value = size.value
        if value is not None:
            return integer(value)
        if size.single_variable is not None:
            return Variable(size.single_variable, INT)
        found = self._find(size)
        return found if found is not None else self._compute(size)

    def _find(self, size: Size) -> Atom | None:
        scope: Builder | None = self
        while scope is not None:
            if size in scope._atoms:
                return scope._atoms[size]
            scope = scope.outer
        return None

    def _compute(self, size: Size) -> Atom:
        total: Atom | None = None
        for monomial, coefficient in _positive_first(size):
            magnitude = self._product(monomial, abs(coefficient))
            if total is None:
                total = magnitude if coefficient > 0 else self._arithmetic("sub", integer(0), magnitude)
            else:
                total = self._arithmetic("add" if coefficient > 0 else "sub", total, magnitude)
        assert total is not None
        return total

    def _product(self, monomial: Monomial, magnitude: int) -> Atom:
        product: Atom | None = None if magnitude == 1 and monomial else integer(magnitude)
        for atom in monomial:
            factor = self._factor(atom)
            product = factor if product is None else self._arithmetic("mul", product, factor)
        assert product is not None
        return product

    def _factor(self, atom: object) -> Atom:
        if isinstance(atom, FloorDivision):
            return self._arithmetic("floor_division", self.size(atom.numerator), integer(atom.divisor))
        return Variable(str(atom), INT)

    def _arithmetic(self, op: str, x: Atom, y: Atom) -> Atom:
        size = size_of_right(Operation(op, (x, y)), self.known)
        found = self._find(size) if size is not None else None
        return found if found is not None else self.operation(op, x, y, name="size")

    def shape(self, value: Atom) -> tuple[Atom, ...]:
        """The sizes of an array as int atoms."""
        assert isinstance(value.type, ArrayType)
        return tuple(self.size(size) for size in value.type.shape if isinstance(size, Size))

    def zeros(self, kind: Type, name: str = "zero") -> Atom:
        """Zero of a number or an array of numbers."""
        if isinstance(kind, ArrayType):
            assert isinstance(kind.element, ScalarType)
            sizes = tuple(size for size in kind.shape if isinstance(size, Size))
            return self.operation("fill", number(0, kind.element.dtype), sizes=sizes, name=name)
        assert isinstance(kind, ScalarType)
        return number(0, kind.dtype)


def _positive_first(size: Size) -> Iterator[tuple[Monomial, int]]:
    """The terms, one with a positive coefficient first if there is any."""
    terms = sorted(size.terms, key=lambda term: term[1] < 0)
    return iter(terms)
