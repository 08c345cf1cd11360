"""Functions with a derivative of their own: ``@derivative(of=f)`` as Core (rule 32)."""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.core.build import Builder
from dynlang.core.elaborate.captures import captures_floats, parted_change
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.functions import call_function, expand_call
from dynlang.core.elaborate.module import Elaborator, Instance
from dynlang.core.elaborate.settled import settled, sourced, unsettled
from dynlang.core.elaborate.values import FunctionValue, StoredFunction, Value
from dynlang.core.nodes import Atom, Block, Call, Function, Variable
from dynlang.core.sizes import rename_telescope
from dynlang.core.walk import Names, Substitution, free_variables, map_blocks, statements_in
from dynlang.diag import InternalError, NotBuilt
from dynlang.types import INT, FunctionType, TupleType, size_variables


def rule_function(elaborator: Elaborator, instance: Instance) -> tuple[Function, tuple[int, ...]]:
    """The rule of f as a function of f's arguments, f's results and the cotangents of those, to the cotangents of f's arguments; and
    the results that it reads. The pullback that the rule returns is called in place, and what f gives isn't computed again."""
    rule = elaborator.program.functions[elaborator.program.rules[instance.function.name]]
    assert instance.rule is not None
    declared = instance.results[:instance.returned]
    names = Names(one.name for one in (*instance.parameters, *declared))
    frame = Frame(elaborator, Builder(names, elaborator.scope), dict(instance.locals), dict(instance.size_names),
                  dict(instance.types), instance.returns, instance.rule)
    types = tuple(instance.types.values())
    sizes = tuple(instance.size_names[name] for name in instance.function.sizes)
    arguments = [instance.locals[one.local.name] for one in instance.function.parameters]
    value, _ = expand_call(frame, FunctionValue(rule, types, sizes), arguments)
    if not isinstance(value.type, TupleType) or len(value.type.items) != 2:
        raise InternalError(f"the rule {rule.name} gives no value and pullback", rule.span)
    _, pullback = frame.items(value)
    if not pullback.functions:
        raise NotBuilt("a rule whose pullback isn't a function", rule.span)
    given = rename_telescope(declared, names.fresh, {})
    cotangents, cotangent = cotangent_of(frame, instance, pullback, given)
    kind = pullback.type
    assert isinstance(kind, FunctionType)
    back = call_function(frame, pullback.functions[0], [cotangent], kind.result)
    gradients = rule_gradients(frame, instance, arguments, back)
    further = [Variable(names.fresh("gradient"), atom.type) for atom in gradients]
    body = computed_once(frame.builder.block(*gradients), instance, given)
    read = reads(body, given, cotangents)
    parameters = (*instance.parameters, *(given[position] for position in read), *cotangents)
    made = Function(instance.rule, parameters, tuple(further), body, instance.sizes, documentation=rule.documentation, span=rule.span)
    return made, read


def reads(body: Block, results: Sequence[Variable], cotangents: Sequence[Variable]) -> tuple[int, ...]:
    """The results that a rule reads, or that tell the sizes of what it is given."""
    used = {one.name for one in free_variables(body)} | {name for one in cotangents for name in size_variables(one.type)}
    used |= {name for one in results if one.name in used for name in size_variables(one.type)}
    return tuple(position for position, one in enumerate(results) if one.name in used)


def cotangent_of(frame: Frame, instance: Instance, pullback: Value, results: Sequence[Variable]) -> tuple[list[Variable], Value]:
    """A parameter for the cotangent of each result that has one, and what the pullback is given: sizes of its own are the results'."""
    kind = pullback.type
    assert isinstance(kind, FunctionType)
    sources = [one.source for one in sourced(frame, instance.returns, results)]
    parameters: list[Variable] = []
    atoms: list[Atom] = []
    for place, position in frame.layouts.tangent_places(instance.returns):
        if place.type == INT:
            atoms.append(results[position])
            continue
        made = frame.layouts.tangent(results[position].type)
        assert made is not None
        parameters.append(Variable(frame.builder.names.fresh("g"), made))
        atoms.append(settled(frame, sources[position], results[position], parameters[-1]))
    (wanted,) = kind.parameters
    return parameters, Value(wanted, tuple(frame.retyped_atoms(atoms, frame.layouts.data(wanted))))


def computed_once(block: Block, instance: Instance, results: Sequence[Variable]) -> Block:
    """The body of a rule, with f's results in place of calls of f on its own arguments."""

    def is_call(right: object) -> bool:
        return isinstance(right, Call) and right.function == instance.name and names_of(right.arguments) == names_of(instance.parameters)

    same = {old.name: new for one in statements_in(block) if is_call(one.right) for old, new in zip(one.variables, results, strict=True)}
    if not same:
        return block
    shorter = map_blocks(block, lambda one: Block(tuple(each for each in one.statements if not is_call(each.right)), one.results))
    return Substitution(same).block(shorter)


def names_of(atoms: Sequence[Atom]) -> list[str]:
    return [one.name if isinstance(one, Variable) else "" for one in atoms]


def rule_gradients(frame: Frame, instance: Instance, arguments: Sequence[Value], back: Value) -> list[Atom]:
    """What a pullback gives, for each parameter of the instance that carries a derivative, in their order."""
    layouts = frame.layouts
    atoms = iter(frame.retyped_atoms(back.atoms, layouts.data(back.type)))
    found: list[Atom] = []
    for value, (start, stop) in zip(arguments, instance.spread, strict=True):
        data, functions = list(range(start, stop)), iter(value.functions)
        sources = [one.source for one in layouts.places(value.type)]
        entries = layouts.entries(value.type)
        own: list[Atom] = []
        behind: list[Atom] = []
        where = {position: data[k] for k, position in enumerate(k for k, one in enumerate(entries) if isinstance(one, Variable))}
        for place, position in layouts.tangent_places(value.type):
            atom = next(atoms)
            if position in where:
                wanted = layouts.tangent(instance.parameters[where[position]].type)
                if place.type != INT and wanted is not None:
                    own.append(unsettled(frame, sources[position], atom, wanted))
                continue
            function = next(functions)
            if isinstance(function, StoredFunction):
                behind.append(atom)
            elif captures_floats(frame, function):
                kind = entries[position]
                assert isinstance(kind, FunctionType)
                behind += parted_change(frame, function, kind, atom)
        found += [*own, *behind]
    return found
