"""Traversals of Core: what a right-hand side holds, free variables, substitution and renaming.

Each is one pass over `rebuild` or `blocks_of`, so a new kind of right-hand side is added here once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from dynlang.core.nodes import (
    Arm,
    Atom,
    Block,
    Call,
    Case,
    Construct,
    For,
    Function,
    If,
    Jvp,
    Let,
    Literal,
    Operation,
    Right,
    Variable,
    Vjp,
    While,
)
from dynlang.core.sizes import size_of
from dynlang.types import INT, ArrayType, ListType, Size, SumType, Type, size_variables, substitute


class Names:
    """Gives names that are unique in a function: ``x``, then ``x2``, ``x3``.

    `wishes` are better names of variables that have one already, see `renamed_function`."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}
        self.wishes: dict[str, str] = {}

    def fresh(self, wish: str) -> str:
        stem = wish.rstrip("0123456789") or "x"
        name = wish or stem
        while name in self._taken:
            number = self._next.get(stem, 1) + 1
            self._next[stem] = number
            name = f"{stem}{number}"
        self._taken.add(name)
        return name

    def take(self, names: Iterable[str]) -> None:
        self._taken.update(names)


NESTING = (Case, If, For, While)
"""Right-hand sides with blocks inside."""


def atoms_of(right: Right) -> tuple[Atom, ...]:
    """The atoms that a right-hand side reads itself, not those inside its blocks."""
    match right:
        case Operation(_, arguments) | Call(_, arguments) | Construct(_, _, arguments):
            return arguments
        case Case(scrutinee, _):
            return (scrutinee,)
        case If(condition, _, _):
            return (condition,)
        case For(_, count, _, initial, _):
            return (count, *initial)
        case While(_, initial, _, _):
            return initial
        case Vjp(_, arguments, _, extra) | Jvp(_, arguments, extra):
            return (*arguments, *(atom for atom in extra if atom is not None))


def blocks_of(right: Right) -> tuple[tuple[tuple[Variable, ...], Block], ...]:
    """The blocks inside a right-hand side, each with the variables that it binds around the block."""
    if not isinstance(right, NESTING):
        return ()
    match right:
        case Case(_, arms):
            return tuple((arm.fields, arm.body) for arm in arms)
        case If(_, then, otherwise):
            return ((), then), ((), otherwise)
        case For(index, _, carried, _, body):
            return (((index, *carried), body),)
        case While(carried, _, condition, body):
            return (carried, condition), (carried, body)


def sizes_in(right: Right) -> Iterator[str]:
    """Size variables that a right-hand side names itself, in `sizes` and in its type."""
    if isinstance(right, Operation):
        for size in right.sizes:
            yield from sorted(size.variables())
    elif isinstance(right, Construct):
        yield from sorted(size_variables(right.type))


def rebuild(right: Right, on_atom: Callable[[Atom], Atom], on_block: Callable[[Block], Block],
            on_binder: Callable[[Variable], Variable] = lambda variable: variable,
            on_size: Callable[[Size], Size] = lambda size: size, on_type: Callable[[Type], Type] = lambda kind: kind) -> Right:
    """The right-hand side with each part replaced. Binders are replaced before the blocks in which they are in scope."""

    def atoms(values: tuple[Atom, ...]) -> tuple[Atom, ...]:
        return tuple(map(on_atom, values))

    match right:
        case Operation(op, arguments, attributes, sizes):
            return Operation(op, atoms(arguments), _attributes(attributes, on_type), tuple(map(on_size, sizes)))
        case Call(function, arguments):
            return Call(function, atoms(arguments))
        case Construct(kind, constructor, arguments):
            changed = on_type(kind)
            assert isinstance(changed, SumType)
            return Construct(changed, constructor, atoms(arguments))
        case Case(scrutinee, arms):
            scrutinee = on_atom(scrutinee)
            return Case(scrutinee, tuple(
                Arm(arm.constructor, tuple(map(on_binder, arm.fields)), on_block(arm.body)) for arm in arms))
        case If(condition, then, otherwise):
            return If(on_atom(condition), on_block(then), on_block(otherwise))
        case For(index, count, carried, initial, body, slots):
            count, initial = on_atom(count), atoms(initial)
            index, carried = on_binder(index), tuple(map(on_binder, carried))
            return For(index, count, carried, initial, on_block(body), slots)
        case While(carried, initial, condition, body, slots):
            initial = atoms(initial)
            carried = tuple(map(on_binder, carried))
            return While(carried, initial, on_block(condition), on_block(body), slots)
        case Vjp(function, arguments, wrt, cotangents):
            return Vjp(function, atoms(arguments), wrt, tuple(None if one is None else on_atom(one) for one in cotangents))
        case Jvp(function, arguments, tangents):
            return Jvp(function, atoms(arguments), tuple(None if one is None else on_atom(one) for one in tangents))


def with_blocks(right: Right, change: Callable[[Block], Block]) -> Right:
    """The right-hand side with its blocks changed; itself, where none of them was."""
    blocks = blocks_of(right)
    if not blocks:
        return right
    made = [change(inner) for _, inner in blocks]
    if all(new is old for new, (_, old) in zip(made, blocks, strict=True)):
        return right
    follow = iter(made)
    return rebuild(right, lambda atom: atom, lambda _: next(follow))


def with_statements(block: Block, change: Callable[[Let], Let]) -> Block:
    """The block with its statements changed; itself, where none of them was."""
    made = tuple(map(change, block.statements))
    return block if all(new is old for new, old in zip(made, block.statements, strict=True)) else Block(made, block.results)


def _attributes(attributes: tuple[tuple[str, object], ...], on_type: Callable[[Type], Type]) -> tuple[tuple[str, object], ...]:
    """Attributes hold types in one place: the elements of an empty list."""
    return tuple((name, tuple(map(on_type, value)) if name == "elements" else value)  # type: ignore[arg-type]
                 for name, value in attributes)


# ---------------------------------------------------------------- variables


def bound_in(block: Block) -> Iterator[Variable]:
    """Every variable bound anywhere in a block."""
    for statement in statements_in(block):
        for binders, _ in blocks_of(statement.right):
            yield from binders
        yield from statement.variables


def free_variables(block: Block) -> tuple[Variable, ...]:
    """Variables that a block reads and doesn't bind, in the order of first use; those of types and sizes too, as ints.

    A block remembers them: blocks inside of one another are walked once, however often the outer ones are asked."""
    if block.free is None:
        found: dict[str, Variable] = {}
        bound: set[str] = set()
        for statement in block.statements:
            _free_right(statement.right, bound, found)
            bound.update(variable.name for variable in statement.variables)
            for variable in statement.variables:
                _free_sizes(variable.type, bound, found)
        for atom in block.results:
            _free_atom(atom, bound, found)
        object.__setattr__(block, "free", tuple(found.values()))
    assert block.free is not None
    return block.free


def free_in_right(right: Right) -> tuple[Variable, ...]:
    found: dict[str, Variable] = {}
    _free_right(right, set(), found)
    return tuple(found.values())


def _free_right(right: Right, bound: set[str], found: dict[str, Variable]) -> None:
    for atom in atoms_of(right):
        _free_atom(atom, bound, found)
    for name in sizes_in(right):
        if name not in bound:
            found.setdefault(name, Variable(name, INT))
    for binders, inner in blocks_of(right):
        own = {variable.name for variable in binders}
        for variable in binders:
            for name in sorted(size_variables(variable.type)):
                if name not in own and name not in bound:
                    found.setdefault(name, Variable(name, INT))
        for variable in free_variables(inner):
            if variable.name not in own and variable.name not in bound:
                found.setdefault(variable.name, variable)


def _free_atom(atom: Atom, bound: set[str], found: dict[str, Variable]) -> None:
    if isinstance(atom, Variable) and atom.name not in bound:
        found.setdefault(atom.name, atom)
        _free_sizes(atom.type, bound, found)


def _free_sizes(kind: Type, bound: set[str], found: dict[str, Variable]) -> None:
    for name in sorted(size_variables(kind)):
        if name not in bound:
            found.setdefault(name, Variable(name, INT))


# ---------------------------------------------------------------- substitution


class Substitution:
    """Replaces variables by atoms, and the sizes that mention them; with `names`, binders get fresh names too.

    One object serves one function: it remembers what it renamed.
    """

    def __init__(self, mapping: Mapping[str, Atom] | None = None, names: Names | None = None,
                 sizes: Mapping[str, Size] | None = None) -> None:
        self.atoms: dict[str, Atom] = dict(mapping or {})
        self.sizes: dict[str, Size] = {name: size_of(atom) for name, atom in self.atoms.items() if atom.type == INT}
        self.sizes.update(sizes or {})
        self.names = names
        self._types: dict[Type, Type] = {}

    def type(self, kind: Type) -> Type:
        if not self.sizes:
            return kind
        found = self._types.get(kind)
        if found is None:
            found = self._types[kind] = substitute(kind, self.sizes)
        return found

    def size(self, size: Size) -> Size:
        return size.substitute(self.sizes.get) if self.sizes else size

    def atom(self, atom: Atom) -> Atom:
        if isinstance(atom, Literal):
            return atom
        found = self.atoms.get(atom.name)
        if found is not None:
            return found
        return Variable(atom.name, self.type(atom.type)) if self.sizes else atom

    def binder(self, variable: Variable) -> Variable:
        if self.names is None:
            return Variable(variable.name, self.type(variable.type)) if self.sizes else variable
        kind = self.type(variable.type)
        renamed = Variable(self.names.fresh(variable.name), kind)
        self.bind(variable, renamed)
        return renamed

    def bind(self, variable: Variable, atom: Atom, size: Size | None = None) -> None:
        """From here on, `atom` stands for the variable."""
        self.atoms[variable.name] = atom
        if atom.type == INT:
            self.sizes[variable.name] = size_of(atom) if size is None else size
            self._types.clear()

    def right(self, right: Right) -> Right:
        return rebuild(right, self.atom, self.block, self.binder, self.size, self.type)

    def let(self, statement: Let) -> Let:
        right = self.right(statement.right)
        return replace(statement, variables=tuple(map(self.binder, statement.variables)), right=right)

    def block(self, block: Block) -> Block:
        statements = tuple(map(self.let, block.statements))
        return Block(statements, tuple(map(self.atom, block.results)))


def rename_block(block: Block, names: Names, mapping: Mapping[str, Atom] | None = None) -> Block:
    """A copy whose binders are all new: what inlining needs."""
    return Substitution(mapping, names).block(block)


def renamed_function(function: Function, wishes: Mapping[str, str]) -> Function:
    """The function with the variables of its body called as is wished, as far as names stay unique."""
    fixed = {one.name for one in (*function.parameters, *function.results)}
    bound = [one.name for one in bound_in(function.body)]
    chosen = {name: wishes[name] for name in bound if name in wishes}
    names = Names(fixed.union(name for name in bound if name not in chosen))
    final = {name: names.fresh(wish) for name, wish in chosen.items()}
    if all(name == wish for name, wish in final.items()):
        return function
    sizes = {name: Size.variable(new) for name, new in final.items()}
    types: dict[Type, Type] = {}

    def kind(one: Type) -> Type:
        found = types.get(one)
        if found is None:
            found = types[one] = substitute(one, sizes)
        return found

    def variable(one: Variable) -> Variable:
        return Variable(final.get(one.name, one.name), kind(one.type))

    def atom(one: Atom) -> Atom:
        return variable(one) if isinstance(one, Variable) else one

    def block(one: Block) -> Block:
        statements = tuple(Let(tuple(map(variable, let.variables)), rebuild(
            let.right, atom, block, variable, lambda size: size.substitute(sizes.get), kind), let.span) for let in one.statements)
        return Block(statements, tuple(map(atom, one.results)))

    return replace(function, body=block(function.body))


def map_blocks(block: Block, change: Callable[[Block], Block]) -> Block:
    """`change` applied to every block, innermost first; what isn't changed stays the same object."""

    def let(one: Let) -> Let:
        right = with_blocks(one.right, lambda inner: map_blocks(inner, change))
        return one if right is one.right else Let(one.variables, right, one.span)

    return change(with_statements(block, let))


def statements_in(block: Block) -> Iterator[Let]:
    """Every statement of a block and of the blocks inside, outer first. A loop, so that deep nesting costs no more."""
    waiting = [iter(block.statements)]
    while waiting:
        for statement in waiting[-1]:
            yield statement
            if isinstance(statement.right, NESTING):
                waiting += [iter(inner.statements) for _, inner in reversed(blocks_of(statement.right))]
                break
        else:
            waiting.pop()


def functions_called(block: Block) -> tuple[str, ...]:
    """The functions that a block calls or differentiates, each once, in the order of their first call. A block remembers them."""
    if block.calls is None:
        rights = (statement.right for statement in statements_in(block))
        found = tuple(dict.fromkeys(one.function for one in rights if isinstance(one, (Call, Vjp, Jvp))))
        object.__setattr__(block, "calls", found)
    assert block.calls is not None
    return block.calls


def sums_in(kind: Type) -> Iterator[str]:
    """The sums that a type of Core names."""
    match kind:
        case SumType(name, _):
            yield name
        case ArrayType(element, _):
            yield from sums_in(element)
        case ListType(elements):
            for one in elements:
                yield from sums_in(one)
