"""Loops: a carried value that stays as it is is the initial one; a tape's residuals are laid side by side.

list_push(tape, R(a, b)) .. list_pop -> r; case r: R(a, b)          list_push(tape, a, b) .. list_pop -> a, b
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dynlang.core.nodes import Arm, Atom, Block, Case, Construct, For, Function, Let, Module, Operation, SumDeclaration, Variable, While
from dynlang.core.walk import Substitution, atoms_of, blocks_of, bound_in, rebuild, statements_in
from dynlang.grad.prune.fields import Retyped
from dynlang.types import ListType, Size, SumType, Type, map_type, size_variables, substitute


def without_constant_values(module: Module, generated: frozenset[str]) -> Module:
    return Module(module.sums, {name: _constant(one) if name in generated else one for name, one in module.functions.items()})


def _constant(function: Function) -> Function:
    aliases: dict[str, Atom] = {}

    def block(one: Block) -> Block:
        return Block(tuple(map(statement, one.statements)), one.results)

    def statement(let: Let) -> Let:
        right = let.right
        if not blocks_of(right):
            return let
        right = rebuild(right, lambda atom: atom, block)
        if isinstance(right, (For, While)):
            keep = [k for k, one in enumerate(right.carried) if right.body.results[k] != one]
            if len(keep) < len(right.carried):
                for k in range(len(right.carried)):
                    if k not in keep:
                        aliases[right.carried[k].name] = right.initial[k]
                        aliases[let.variables[k].name] = right.initial[k]
                right = replace(
                    right,
                    carried=_pick(right.carried, keep),
                    initial=_pick(right.initial, keep),  # type: ignore[arg-type]
                    body=Block(right.body.statements, _pick(right.body.results, keep)),
                )
                return replace(let, variables=_pick(let.variables, keep), right=right)  # type: ignore[arg-type]
        return replace(let, right=right)

    body = block(function.body)
    return replace(function, body=Substitution(followed(aliases)).block(body)) if aliases else function


def _pick(values: Sequence[Atom], keep: Sequence[int]) -> tuple[Atom, ...]:
    return tuple(values[k] for k in keep)


def followed(aliases: Mapping[str, Atom]) -> dict[str, Atom]:
    """Aliases of aliases resolved."""
    found: dict[str, Atom] = {}
    for name, atom in aliases.items():
        while isinstance(atom, Variable) and atom.name in aliases:
            atom = aliases[atom.name]
        found[name] = atom
    return found


# ---------------------------------------------------------------- tapes


def with_flat_tapes(module: Module, residuals: frozenset[str]) -> Module:
    """Tapes whose element is a residual with one constructor that is only pushed and opened."""
    chosen = {
        name: module.sums[name]
        for name in residuals & module.sums.keys()
        if len(module.sums[name].constructors) == 1 and module.sums[name].constructors[0].fields and not _dependent(module.sums[name])
    }
    while chosen:
        wrong = _used_otherwise(module, chosen)
        if not wrong:
            break
        chosen = {name: one for name, one in chosen.items() if name not in wrong}
    if not chosen:
        return module
    functions = {name: _Flattening(chosen).function(one) for name, one in module.functions.items()}
    sums = {
        name: replace(
            one,
            constructors=tuple(
                replace(constructor, fields=tuple(Variable(f.name, _flat(f.type, chosen)) for f in constructor.fields))
                for constructor in one.constructors
            ),
        )
        for name, one in module.sums.items()
        if name not in chosen
    }
    return Module(sums, functions)


def _dependent(declaration: SumDeclaration) -> bool:
    fields = declaration.constructors[0].fields
    own = {one.name for one in fields}
    return any(size_variables(one.type) & own for one in fields)


def _bare(kind: Type, chosen: Mapping[str, SumDeclaration]) -> set[str]:
    """Chosen sums that a type mentions other than as the element of a list."""
    match kind:
        case SumType(name, _):
            return {name} & chosen.keys()
        case ListType((SumType(name, _),)) if name in chosen:
            return set()
        case ListType(elements):
            return {name for one in elements for name in _bare(one, chosen)}
    return set()


def _used_otherwise(module: Module, chosen: Mapping[str, SumDeclaration]) -> set[str]:
    """Chosen sums with a use that isn't push after construction, or `case` after pop."""
    wrong: set[str] = set()
    for declaration in module.sums.values():
        for constructor in declaration.constructors:
            for field in constructor.fields:
                wrong |= _bare(field.type, chosen)
    for function in module.functions.values():
        for one in (*function.parameters, *function.results):
            wrong |= _bare(one.type, chosen)
        allowed: dict[str, str] = {}
        seen: dict[str, int] = {}
        for statement in statements_in(function.body):
            _classify(statement, chosen, allowed)
            for one in atoms_of(statement.right):
                if isinstance(one, Variable) and _bare(one.type, chosen):
                    seen[one.name] = seen.get(one.name, 0) + 1
                    good = (
                        isinstance(statement.right, Operation) and statement.right.op == "list_push" and allowed.get(one.name) == "made"
                    ) or (isinstance(statement.right, Case) and allowed.get(one.name) == "popped")
                    if not good or seen[one.name] > 1:
                        wrong |= _bare(one.type, chosen)
        for one in bound_in(function.body):
            if one.name not in allowed:
                wrong |= _bare(one.type, chosen)
    return wrong


def _classify(statement: Let, chosen: Mapping[str, SumDeclaration], allowed: dict[str, str]) -> None:
    right = statement.right
    if isinstance(right, Construct) and right.type.name in chosen:
        allowed[statement.variables[0].name] = "made"
    elif isinstance(right, Operation) and right.op == "list_pop" and len(statement.variables) == 2:
        allowed[statement.variables[1].name] = "popped"


def _flat(kind: Type, chosen: Mapping[str, SumDeclaration]) -> Type:
    def on_type(one: Type) -> Type | None:
        if isinstance(one, ListType) and len(one.elements) == 1 and isinstance(one.elements[0], SumType) and one.elements[0].name in chosen:
            declaration = chosen[one.elements[0].name]
            sizes = {name: size for name, size in zip(declaration.sizes, one.elements[0].arguments, strict=True) if isinstance(size, Size)}
            return ListType(tuple(_flat(substitute(field.type, sizes), chosen) for field in declaration.constructors[0].fields))
        return None

    return map_type(kind, lambda size: size, on_type)


class _Flattening:
    def __init__(self, chosen: Mapping[str, SumDeclaration]) -> None:
        self.chosen = chosen

    def function(self, function: Function) -> Function:
        self.made: dict[str, tuple[Atom, ...]] = {}
        self.opened: dict[str, tuple[Variable, ...]] = {}
        self.aliases: dict[str, Atom] = {}
        for statement in statements_in(function.body):
            right = statement.right
            if isinstance(right, Construct) and right.type.name in self.chosen:
                self.made[statement.variables[0].name] = right.arguments
            elif isinstance(right, Case) and isinstance(right.scrutinee.type, SumType) and right.scrutinee.type.name in self.chosen:
                assert isinstance(right.scrutinee, Variable)
                self.opened[right.scrutinee.name] = right.arms[0].fields
        body = self.block(function.body)
        body = Substitution(followed(self.aliases)).block(body) if self.aliases else body

        def variable(one: Variable) -> Variable:
            return Variable(one.name, _flat(one.type, self.chosen))

        retyped = Retyped(lambda kind: _flat(kind, self.chosen))
        changed = replace(
            function,
            parameters=tuple(map(variable, function.parameters)),
            results=tuple(map(variable, function.results)),
            body=retyped.block(body),
        )
        return changed if changed != function else function

    def block(self, block: Block) -> Block:
        statements: list[Let] = []
        for statement in block.statements:
            right = statement.right
            match right:
                case Construct(kind, _, _) if kind.name in self.chosen:
                    continue
                case Operation("list_empty"):
                    kind = _flat(statement.variables[0].type, self.chosen)
                    assert isinstance(kind, ListType)
                    statements.append(replace(statement, right=replace(right, attributes=(("elements", kind.elements),))))
                case Operation("list_push", (whole, Variable(name, _))) if name in self.made:
                    statements.append(replace(statement, right=replace(right, arguments=(whole, *self.made[name]))))
                case Operation("list_pop") if len(statement.variables) == 2 and statement.variables[1].name in self.opened:
                    rest, held = statement.variables
                    statements.append(replace(statement, variables=(rest, *self.opened[held.name])))
                case Case(Variable(name, _), (Arm(_, _, body),)) if name in self.opened:
                    inner = self.block(body)
                    statements += inner.statements
                    self.aliases.update((one.name, result) for one, result in zip(statement.variables, inner.results, strict=True))
                case _:
                    statements.append(
                        replace(statement, right=rebuild(right, lambda atom: atom, self.block)) if blocks_of(right) else statement
                    )
        return Block(tuple(statements), block.results)
