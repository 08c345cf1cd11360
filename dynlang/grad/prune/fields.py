"""Residuals: fields and sizes that no backward reads go; a residual that only wraps another one is that one; an empty one is nothing.

EncodeResidual(EncodeCase(..))                    EncodeCase(..)
case saved: R(): x = tanh(y); yield x             x = tanh(y)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from dynlang.core.nodes import (
    Arm,
    Atom,
    Block,
    Case,
    Construct,
    Constructor,
    Function,
    Let,
    Module,
    Operation,
    Right,
    SumDeclaration,
    Variable,
)
from dynlang.core.walk import Substitution, blocks_of, free_variables, rebuild, statements_in, with_blocks, with_statements
from dynlang.types import INT, ArrayType, ListType, Size, SumType, Type, map_type, size_variables, sizes_in, substitute


def map_rights(function: Function, change: Callable[[Right], Right]) -> Function:
    """Every right-hand side changed, inner ones first."""

    def block(one: Block) -> Block:
        return with_statements(one, let)

    def let(one: Let) -> Let:
        right = change(with_blocks(one.right, block))
        return one if right is one.right else Let(one.variables, right, one.span)

    body = block(function.body)
    return function if body is function.body else replace(function, body=body)


# ---------------------------------------------------------------- fields nobody reads


def without_dead_fields(module: Module, residuals: frozenset[str]) -> Module:
    read: dict[tuple[str, str], set[int]] = {
        (name, one.name): set() for name in residuals if name in module.sums for one in module.sums[name].constructors
    }
    for function in module.functions.values():
        for statement in statements_in(function.body):
            right = statement.right
            if isinstance(right, Case) and isinstance(right.scrutinee.type, SumType) and right.scrutinee.type.name in residuals:
                for arm in right.arms:
                    used = {one.name for one in free_variables(arm.body)}
                    read[right.scrutinee.type.name, arm.constructor] |= {k for k, one in enumerate(arm.fields) if one.name in used}
    kept: dict[tuple[str, str], tuple[int, ...]] = {}
    for name in residuals & module.sums.keys():
        for constructor in module.sums[name].constructors:
            keep = _with_sizes(constructor, read[name, constructor.name])
            if len(keep) < len(constructor.fields):
                kept[name, constructor.name] = keep
    return _keep_fields(module, kept) if kept else module


def _with_sizes(constructor: Constructor, read: set[int]) -> tuple[int, ...]:
    """Fields to keep: those read, and the ints that their types mention."""
    keep = set(read)
    ints = {one.name: k for k, one in enumerate(constructor.fields) if one.type == INT}
    for position in reversed(range(len(constructor.fields))):
        if position in keep:
            keep.update(ints[name] for name in size_variables(constructor.fields[position].type) if name in ints)
    return tuple(sorted(keep))


def _keep_fields(module: Module, kept: Mapping[tuple[str, str], tuple[int, ...]]) -> Module:
    def declaration(one: SumDeclaration) -> SumDeclaration:
        return replace(
            one,
            constructors=tuple(
                replace(constructor, fields=tuple(constructor.fields[k] for k in kept[one.name, constructor.name]))
                if (one.name, constructor.name) in kept
                else constructor
                for constructor in one.constructors
            ),
        )

    changed = {name for name, _ in kept}

    def change(right: Right) -> Right:
        match right:
            case Construct(kind, constructor, arguments) if (kind.name, constructor) in kept:
                return replace(right, arguments=tuple(arguments[k] for k in kept[kind.name, constructor]))
            case Case(scrutinee, arms) if isinstance(scrutinee.type, SumType) and scrutinee.type.name in changed:
                name = scrutinee.type.name
                return Case(
                    scrutinee,
                    tuple(
                        replace(arm, fields=tuple(arm.fields[k] for k in kept[name, arm.constructor]))
                        if (name, arm.constructor) in kept
                        else arm
                        for arm in arms
                    ),
                )
        return right

    return Module(
        {name: declaration(one) for name, one in module.sums.items()},
        {name: map_rights(one, change) for name, one in module.functions.items()},
    )


# ---------------------------------------------------------------- sizes nobody mentions


def without_dead_sizes(module: Module, residuals: frozenset[str]) -> Module:
    """Size parameters of residuals that no field mentions, other than to hand them to a parameter that nobody mentions: all
    start dead and are raised until nothing changes."""
    live: dict[str, set[int]] = {name: set() for name in sorted(residuals & module.sums.keys())}
    changed = True
    while changed:
        changed = False
        for name, kept in live.items():
            declaration = module.sums[name]
            read: set[str] = set()
            for constructor in declaration.constructors:
                for field in constructor.fields:
                    read |= _live_sizes(field.type, live)
            found = {k for k, one in enumerate(declaration.sizes) if one in read}
            if not found <= kept:
                kept |= found
                changed = True
    dropped = {name: sorted(kept) for name, kept in live.items() if len(kept) < len(module.sums[name].sizes)}
    return _keep_sizes(module, dropped) if dropped else module


def _live_sizes(kind: Type, live: Mapping[str, set[int]]) -> set[str]:
    """Size variables of a type, those in dead places left out."""
    match kind:
        case SumType(name, arguments) if name in live:
            kept = [arguments[k] for k in live[name]]
            return {one for size in kept if isinstance(size, Size) for one in size.variables()}
        case ListType(elements):
            return {name for one in elements for name in _live_sizes(one, live)}
        case ArrayType(element, shape):
            return _live_sizes(element, live) | {name for size in shape if isinstance(size, Size) for name in size.variables()}
    return set(size_variables(kind))


def _keep_sizes(module: Module, kept: Mapping[str, list[int]]) -> Module:
    def on_type(one: Type) -> Type | None:
        if isinstance(one, SumType) and one.name in kept:
            return SumType(one.name, tuple(one.arguments[k] for k in kept[one.name]))
        return None

    def changed(kind: Type) -> Type:
        return map_type(kind, lambda size: size, on_type)

    def variables(many: tuple[Variable, ...]) -> tuple[Variable, ...]:
        return tuple(Variable(one.name, changed(one.type)) for one in many)

    sums: dict[str, SumDeclaration] = {}
    for name, one in module.sums.items():
        sizes = tuple(one.sizes[k] for k in kept[name]) if name in kept else one.sizes
        constructors = tuple(replace(constructor, fields=variables(constructor.fields)) for constructor in one.constructors)
        sums[name] = replace(one, sizes=sizes, constructors=constructors)
    functions = {}
    for name, function in module.functions.items():
        body = Retyped(changed).block(function.body)
        functions[name] = replace(function, parameters=variables(function.parameters), results=variables(function.results), body=body)
    return Module(sums, functions)


class Retyped(Substitution):
    """A function's body with every type changed."""

    def __init__(self, change: Callable[[Type], Type]) -> None:
        super().__init__({})
        self.change = change

    def type(self, kind: Type) -> Type:
        return self.change(kind)

    def atom(self, atom: Atom) -> Atom:
        return Variable(atom.name, self.type(atom.type)) if isinstance(atom, Variable) else atom

    def binder(self, variable: Variable) -> Variable:
        return Variable(variable.name, self.type(variable.type))

    def let(self, statement: Let) -> Let:
        return with_own_sizes(super().let(statement))


def with_own_sizes(statement: Let) -> Let:
    """A `retype` says the sizes of its result; its type may have fewer of them than before."""
    right = statement.right
    if isinstance(right, Operation) and right.op == "retype":
        return replace(statement, right=replace(right, sizes=sizes_in(statement.variables[0].type)))
    return statement


# ---------------------------------------------------------------- residuals that hold one residual, or nothing


def without_wrappers(module: Module, residuals: frozenset[str]) -> Module:
    wrapped: dict[str, SumDeclaration] = {}
    empty: set[str] = set()
    for name in sorted(residuals & module.sums.keys()):
        declaration = module.sums[name]
        if len(declaration.constructors) != 1:
            continue
        fields = declaration.constructors[0].fields
        if not fields:
            empty.add(name)
        elif len(fields) == 1 and isinstance(fields[0].type, SumType) and _ends(name, fields[0].type.name, module, residuals):
            wrapped[name] = declaration
    if not wrapped and not empty:
        return module
    types = _UnwrappedTypes(wrapped)
    functions = {name: _Unwrapping(types, empty).function(one) for name, one in module.functions.items()}
    sums = {name: _unwrapped_declaration(one, types) for name, one in module.sums.items() if name not in wrapped}
    return Module(sums, functions)


def _ends(name: str, inner: str, module: Module, residuals: frozenset[str]) -> bool:
    """Whether unwrapping comes to an end: the held residual isn't the wrapper itself."""
    seen = {name}
    while inner in residuals and inner in module.sums:
        if inner in seen:
            return False
        seen.add(inner)
        constructors = module.sums[inner].constructors
        fields = constructors[0].fields if len(constructors) == 1 else ()
        if len(fields) != 1 or not isinstance(fields[0].type, SumType):
            return True
        inner = fields[0].type.name
    return inner in module.sums


class _UnwrappedTypes:
    """Types without wrappers, however many are around one another; each is looked at once."""

    def __init__(self, wrapped: Mapping[str, SumDeclaration]) -> None:
        self.wrapped = wrapped
        self._known: dict[Type, Type] = {}

    def of(self, kind: Type) -> Type:
        found = self._known.get(kind)
        if found is None:
            found = self._known[kind] = map_type(kind, lambda size: size, self._held)
        return found

    def _held(self, one: Type) -> Type | None:
        if not isinstance(one, SumType) or one.name not in self.wrapped:
            return None
        declaration = self.wrapped[one.name]
        sizes = {name: size for name, size in zip(declaration.sizes, one.arguments, strict=True) if isinstance(size, Size)}
        return self.of(substitute(declaration.constructors[0].fields[0].type, sizes))


def _unwrapped_declaration(declaration: SumDeclaration, types: _UnwrappedTypes) -> SumDeclaration:
    return replace(
        declaration,
        constructors=tuple(
            replace(one, fields=tuple(Variable(field.name, types.of(field.type)) for field in one.fields))
            for one in declaration.constructors
        ),
    )


class _Unwrapping:
    """In one function: constructions of wrappers are their argument, `case` on a wrapper or an empty residual is its arm."""

    def __init__(self, types: _UnwrappedTypes, empty: set[str]) -> None:
        self.types, self.wrapped, self.empty = types, types.wrapped, empty

    def function(self, function: Function) -> Function:
        self.aliases: dict[str, Atom] = {}
        self.changed = False
        body = self.block(function.body)
        if not self.changed and not self._mentions(function):
            return function
        parameters, results = tuple(map(self.variable, function.parameters)), tuple(map(self.variable, function.results))
        body = _Aliases(self.aliases, self.types).block(body)
        return replace(function, parameters=parameters, results=results, body=body)

    def _mentions(self, function: Function) -> bool:
        from dynlang.core.walk import bound_in

        return any(
            self.types.of(one.type) != one.type
            for one in (*function.parameters, *function.results, *bound_in(function.body))
        )

    def variable(self, variable: Variable) -> Variable:
        return Variable(variable.name, self.types.of(variable.type))

    def block(self, block: Block) -> Block:
        statements: list[Let] = []
        for statement in block.statements:
            right = statement.right
            match right:
                case Construct(kind, _, (argument,)) if kind.name in self.wrapped:
                    self.alias(statement.variables[0], argument)
                case Case(scrutinee, (Arm(_, fields, body),)) if isinstance(scrutinee.type, SumType) and scrutinee.type.name in {
                    *self.wrapped,
                    *self.empty,
                }:
                    for field in fields:
                        self.alias(field, scrutinee)
                    inner = self.block(body)
                    statements += inner.statements
                    for variable, result in zip(statement.variables, inner.results, strict=True):
                        self.alias(variable, result)
                case _:
                    statements.append(
                        replace(statement, right=rebuild(right, lambda atom: atom, self.block)) if blocks_of(right) else statement
                    )
        return Block(tuple(statements), block.results)

    def alias(self, variable: Variable, atom: Atom) -> None:
        self.aliases[variable.name] = atom
        self.changed = True


class _Aliases(Substitution):
    """Atoms for variables that are only other names, followed to the end; types unwrapped."""

    def __init__(self, aliases: Mapping[str, Atom], types: _UnwrappedTypes) -> None:
        def end(atom: Atom) -> Atom:
            while isinstance(atom, Variable) and atom.name in aliases:
                atom = aliases[atom.name]
            return atom

        self.types = types
        super().__init__({name: end(atom) for name, atom in aliases.items()})
        self.atoms = {
            name: Variable(atom.name, self.type(atom.type)) if isinstance(atom, Variable) else atom for name, atom in self.atoms.items()
        }

    def type(self, kind: Type) -> Type:
        return self.types.of(substitute(kind, self.sizes) if self.sizes else kind)

    def atom(self, atom: Atom) -> Atom:
        if not isinstance(atom, Variable):
            return atom
        return self.atoms.get(atom.name) or Variable(atom.name, self.type(atom.type))

    def binder(self, variable: Variable) -> Variable:
        return Variable(variable.name, self.type(variable.type))

    def let(self, statement: Let) -> Let:
        return with_own_sizes(super().let(statement))
