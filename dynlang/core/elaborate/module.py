"""Elaboration of a whole program: a queue of function instances, each made once for its types and function arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dynlang.check import typed
from dynlang.core.build import Builder, Scope, text
from dynlang.core.elaborate.decisions import Decision
from dynlang.core.elaborate.facts import FactTable
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.passing import CallSizes
from dynlang.core.elaborate.values import (
    Abstraction,
    AnyFunction,
    FunctionSum,
    FunctionValue,
    Layouts,
    StoredFunction,
    Value,
    identifier,
    rename_places,
    sizes_mentioned,
)
from dynlang.core.nodes import (
    CAPTURED,
    Arm,
    Atom,
    Case,
    Constructor,
    CustomDerivative,
    Function,
    Module,
    SumDeclaration,
    Variable,
)
from dynlang.core.walk import Names, renamed_function
from dynlang.diag import InternalError, LimitReached, NotBuilt
from dynlang.source import NOWHERE, Span
from dynlang.types import (
    F32,
    INT,
    UNIT,
    FunctionType,
    IndexType,
    Size,
    SumType,
    TangentType,
    Type,
    TypeVariable,
    parts,
    substitute,
)

DEEPEST_INSTANCE = 60
"""How often a function may be instantiated on the way to an instance of itself."""

DEEPEST_SIZES = 8
"""How often on that way its sizes may be others, which a function that is passed relates: each may be twice as long as the last."""

MOST_INSTANCES = 2_000
"""How many combinations of types a function may be needed for."""


@dataclass
class Instance:
    """One Core function to be: its signature is known at once, its body later."""

    name: str
    function: typed.Function
    names: Names
    parameters: tuple[Variable, ...]
    results: tuple[Variable, ...]
    sizes: int
    inout: tuple[tuple[int, int], ...]
    locals: dict[str, Value]
    size_names: dict[str, Size]
    types: dict[str, Type]
    returns: Type
    parameter_labels: tuple[str, ...]
    result_labels: tuple[str, ...]
    spread: tuple[tuple[int, int], ...]
    """For each parameter of the typed function, where its data atoms stand among the Core parameters."""
    returned: int = 0
    """How many of the results are the function's own; the rest hand back `inout` parameters."""
    rule: str | None = None
    surrogate: bool = False
    asked_by: Instance | None = None
    """The instance whose body needs this one."""


def has_computed_sizes(instance: Instance) -> bool:
    """Whether a size of it is neither one of its parameters nor a number."""
    return any(one.value is None and one.single_variable is None for one in instance.size_names.values())


@dataclass
class Opener:
    """What makes a function with a case for each stored function of a type, and how many of them it knew."""

    family: FunctionSum
    make: Callable[[], None]
    known: int

    def is_late(self) -> bool:
        return self.known != len(self.family.constructors)

    def make_again(self) -> None:
        self.known = len(self.family.constructors)
        self.make()


@dataclass(frozen=True)
class StoredForm:
    """A known function as a constructor of the sum of its type: the sizes and then the captures that are its fields."""

    sum: SumType
    constructor: str
    slots: tuple[Size, ...]
    atoms: tuple[Atom, ...]

    def sizes(self, frame: Frame) -> list[Atom]:
        return [frame.builder.size(one) for one in self.slots]


@dataclass(frozen=True)
class Prepared:
    """A call that can be made: the instance and all its arguments."""

    instance: Instance
    atoms: tuple[Atom, ...]


def has_function(kind: Type) -> bool:
    """Whether a type names a function type anywhere in it. The derivative of a function is none."""
    return isinstance(kind, FunctionType) or (not isinstance(kind, TangentType) and any(
        has_function(part) for part in parts(kind) if not isinstance(part, Size) and type(part).__name__ != "Unknown"))  # type: ignore[arg-type]


class Elaborator:
    """Makes instances on demand and their bodies in turn, until nothing is asked for."""

    def __init__(self, program: typed.Program) -> None:
        self.program = program
        self.sums: dict[str, SumDeclaration] = {}
        self.layouts = Layouts(program, self.sums)
        self.facts = FactTable()
        self.functions: dict[str, Function] = {}
        self.signatures: dict[str, Any] = {}
        self.scope = Scope(self.signatures.__getitem__, self.sums.__getitem__)
        self.instances: dict[object, Instance] = {}
        self.instances_of: dict[int, int] = {}
        self.making: Instance | None = None
        self.queue: list[Instance] = []
        self.function_names = Names()
        self.lifted: dict[int, tuple[typed.Lambda, typed.Function, tuple[str, ...], tuple[str, ...]]] = {}
        self.applies: dict[str, str] = {}
        self.generated: dict[object, str] = {}
        self.openers: list[Opener] = []
        self.kept: list[object] = []
        """Nodes of the typed tree that elaboration made: what is known of a node goes by its identity."""
        self.exports: dict[str, str] = {}
        self.expanding: list[typed.Function] = []
        """The functions whose bodies are being made: of an instance, and in place of calls in it."""
        self.roots: list[str] = []
        self.decisions: list[Decision] | None = None
        """What became of each comprehension, if somebody asks."""

    # -- the program

    def root(self, function: typed.Function, name: str, export: str | None = None) -> None:
        """An instance that can be called from outside, under its own name, polymorphic in all its sizes."""
        types = tuple(default_type(one) for one in function.types)
        sizes = tuple(Size.variable(one) for one in function.sizes)
        self.function_names.take([name])
        arguments = [self.root_argument(parameter, dict(zip((one.name for one in function.types), types, strict=True)), function.span)
                     for parameter in function.parameters]
        instance = self.instance(function, types, sizes, arguments, name).instance
        self.roots.append(instance.name)
        if export is not None:
            self.exports[instance.name] = export

    def root_argument(self, parameter: typed.Parameter, types: dict[str, Type], span: Span) -> Value:
        """Stands for an argument whose atoms the caller will give."""
        kind = substitute(parameter.local.type, {}, types)
        if has_function(kind) or any(isinstance(one, FunctionType) for one in self.layouts.entries(kind)):
            raise NotBuilt("calling from outside a function that takes functions", span)
        return Value(kind, ())

    def run(self) -> None:
        """Make the bodies of all instances, those that they ask for too; ``apply`` again when its family has grown."""
        made: dict[str, int] = {}
        while True:
            while self.queue:
                self.finish(self.queue.pop(0))
            grown = [name for name in self.applies if made.get(name) != len(self.layouts.function_sums[name].constructors)]
            late = [one for one in self.openers if one.is_late()]
            if not grown and not late:
                break
            for name in grown:
                made[name] = len(self.layouts.function_sums[name].constructors)
                self.make_apply(self.layouts.function_sums[name])
            for one in late:
                one.make_again()
        for family in self.layouts.function_sums.values():
            if not family.constructors:
                self.declare_no_function(family)
        for one in self.openers:
            if one.is_late():
                one.make_again()

    def open_functions(self, kind: FunctionType, make: Callable[[], None]) -> None:
        """Makes a function that takes stored functions of a type apart; makes it again when there are more of them."""
        family = self.layouts.function_sums[self.layouts.function_sum(kind).name]
        self.openers.append(Opener(family, make, len(family.constructors)))
        make()

    def module(self) -> Module:
        return Module(dict(self.sums), dict(self.functions), tuple(self.roots))

    # -- instances

    def instance(self, function: typed.Function, types: Sequence[Type], sizes: Sequence[Size], arguments: Sequence[Value],
                 name: str | None = None) -> Prepared:
        """The instance for these arguments, and what a caller passes to it."""
        names = Names()
        has_functions = any(one.functions for one in arguments)
        mentioned = (sizes_mentioned(function) for value in arguments for function in value.functions)
        passed = CallSizes(has_functions, names, frozenset().union(*mentioned), has_functions and self.is_deep(function))
        own = {wish: passed.parameter(wish, size) for wish, size in zip(function.sizes, sizes, strict=True)}
        abstract = tuple(map(passed.type, types))
        keys: list[object] = []
        captured: list[list[tuple[AnyFunction, tuple[Variable, ...], tuple[Atom, ...]]]] = []
        for value in arguments:
            inner = [self.abstracted(one, passed, names) for one in value.functions]
            keys.append(tuple(key for key, *_ in inner))
            captured.append([(made, variables, atoms) for _, made, variables, atoms in inner])
        key = (id(function), tuple(own.values()), abstract, tuple(keys))
        found = self.instances.get(key)
        if found is None:
            found = self._new_instance(function, own, abstract, passed, captured, names, name)
            self.instances[key] = found
            found.asked_by = self.making
            if types:
                self.ensure_ends(found)
            if has_computed_sizes(found):
                self.ensure_sizes_end(found)
            self.queue.append(found)
        return self._prepared(found, passed, arguments, captured)

    def asking(self, function: typed.Function) -> Iterator[Instance]:
        """The instances of a function on the way to the one that is being made."""
        asking = self.making
        while asking is not None:
            if asking.function is function:
                yield asking
            asking = asking.asked_by

    def is_deep(self, function: typed.Function) -> bool:
        return any(place >= DEEPEST_SIZES for place, _ in enumerate(self.asking(function)))

    def ensure_ends(self, instance: Instance) -> None:
        """A function that calls itself with ever new types would have instances without end."""
        function = instance.function
        made = self.instances_of[id(function)] = self.instances_of.get(id(function), 0) + 1
        chain: list[Instance] = []
        asking: Instance | None = instance
        while asking is not None and made > DEEPEST_INSTANCE:
            chain += [asking] if asking.function is function else []
            asking = asking.asked_by
        if len(chain) <= DEEPEST_INSTANCE and made <= MOST_INSTANCES:
            return
        named = "; then ".join(", ".join(map(str, one.types.values())) for one in [*chain[:-4:-1], instance][:3])
        name = self.display_name(function.name)
        what = (f"`{name}` calls itself with ever new types" if len(chain) > DEEPEST_INSTANCE
                else f"`{name}` is needed for more than {MOST_INSTANCES:,} different types")
        place = self.making.function.span if self.making else function.span
        raise LimitReached(what, place, notes=(f"it is needed for {named[:200]}, ...",),
                           hint="a function calls itself with the types that it was called with")

    def ensure_sizes_end(self, instance: Instance) -> None:
        """The same of sizes that are computed from one another, by a function that takes functions which mention them."""
        if sum(map(has_computed_sizes, self.asking(instance.function))) > DEEPEST_SIZES:
            what = f"`{self.display_name(instance.function.name)}` calls itself with ever new sizes"
            sizes = ", ".join(map(str, instance.size_names.values()))
            hint = "pass the array whole and where to stop, or a function that doesn't mention these sizes"
            place = self.making.function.span if self.making else None
            raise LimitReached(what, place, notes=(f"it is needed for {sizes[:200]}",), hint=hint)

    def _prepared(self, instance: Instance, passed: CallSizes, arguments: Sequence[Value],
                  captured: Sequence[Sequence[tuple[AnyFunction, tuple[Variable, ...], tuple[Atom, ...]]]]) -> Prepared:
        atoms: list[Atom] = [SizeAtom(size) for _, size in passed.slots]  # type: ignore[misc]
        for value, group in zip(arguments, captured, strict=True):
            atoms += value.atoms
            for _, _, inner in group:
                atoms += inner
        return Prepared(instance, tuple(atoms))

    def abstracted(self, function: AnyFunction, passed: CallSizes, names: Names
                   ) -> tuple[object, AnyFunction, tuple[Variable, ...], tuple[Atom, ...]]:
        """A function argument as the instance sees it: key, value over new parameters, those parameters, and their arguments."""
        if isinstance(function, StoredFunction):
            kind = passed.type(function.atom.type)
            variable = Variable(names.fresh("function"), kind)
            abstract = passed.type(function.type)
            assert isinstance(abstract, FunctionType)
            return ("stored", kind, abstract), StoredFunction(abstract, variable), (variable,), (function.atom,)
        types = tuple(map(passed.type, function.types))
        sizes = tuple(map(passed.size, function.sizes))
        bound: list[Value] = []
        variables: list[Variable] = []
        atoms: list[Atom] = []
        keys: list[object] = []
        for value, parameter in zip(function.bound, function.function.parameters, strict=False):
            kind = passed.type(value.type)
            own = rename_places(self.layouts.data(kind), names.fresh, {}, parameter.local.name)
            variables += own
            atoms += value.atoms
            functions: list[AnyFunction] = []
            for inner in value.functions:
                key, made, more, passed_atoms = self.abstracted(inner, passed, names)
                keys.append(key)
                functions.append(made)
                variables += more
                atoms += passed_atoms
            bound.append(Value(kind, own, tuple(functions)))
            keys.append(kind)
        key = (id(function.function), types, sizes, tuple(keys))
        return key, FunctionValue(function.function, types, sizes, tuple(bound)), tuple(variables), tuple(atoms)

    def _new_instance(self, function: typed.Function, own: dict[str, Size], abstract: tuple[Type, ...], passed: CallSizes,
                      captured: Sequence[Sequence[tuple[AnyFunction, tuple[Variable, ...], tuple[Atom, ...]]]],
                      names: Names, wish: str | None) -> Instance:
        name = wish or self.function_names.fresh(self.display_name(function.name))
        types = dict(zip((one.name for one in function.types), abstract, strict=True))
        sizes = dict(own)
        parameters = [Variable(one, INT) for one, _ in passed.slots]
        labels = [one for one, _ in passed.slots]
        locals: dict[str, Value] = {}
        spread: list[tuple[int, int]] = []
        inout_places: list[tuple[str, Type, int]] = []
        for position, parameter in enumerate(function.parameters):
            kind = substitute(parameter.local.type, sizes, types)
            group = captured[position] if position < len(captured) else []
            places = self.layouts.data(kind, parameter.name)
            made = rename_places(places, names.fresh, {}, parameter.local.name)
            start = len(parameters)
            parameters += made
            labels += label_places(places)
            spread.append((start, len(parameters)))
            paths = [one.path for one in self.layouts.places(kind, parameter.name) if isinstance(one.entry, FunctionType)] if group else []
            for path, (_, variables, _) in zip(paths, group, strict=True):
                parameters += variables
                labels += [f"{path}{CAPTURED}{one.name}" for one in variables]
            locals[parameter.local.name] = Value(kind, made, tuple(one for one, _, _ in group))
            if parameter.mode == "inout":
                inout_places.append((parameter.name, kind, start))
            elif kind == INT or isinstance(kind, IndexType):
                sizes[parameter.local.name] = Size.variable(made[0].name)
        returns = substitute(function.returns, sizes, types)
        places = self.layouts.stored(returns, "result")
        results = list(rename_places(places, names.fresh, {}, "result"))
        result_labels = label_places(places)
        returned = len(results)
        inout: list[tuple[int, int]] = []
        for label, kind, start in inout_places:
            again = self.layouts.stored(kind, label)
            inout += [(start + given, len(results) + back) for back, given in enumerate(self.layouts.given_order(kind))]
            results += rename_places(again, names.fresh, {}, label)
            result_labels += label_places(again)
        instance = Instance(name, function, names, tuple(parameters), tuple(results), len(passed.slots), tuple(inout), locals,
                            sizes, types, returns, tuple(labels), tuple(result_labels), tuple(spread), returned)
        self.signatures[name] = instance
        rule = self.program.rules.get(function.name)
        if rule is not None:
            instance.rule, instance.surrogate = self.function_names.fresh(f"{name}_rule"), self.program.functions[rule].surrogate
        return instance

    def display_name(self, qualified: str) -> str:
        """The name of an instance: the main module's functions go by their own names."""
        return qualified.removeprefix(self.program.module + ".")

    def finish(self, instance: Instance) -> None:
        """Make the body of an instance, and its rule if it has one."""
        from dynlang.core.elaborate.statements import function_body

        function = instance.function
        frame = self.frame_of(instance)
        frame.builder.span = function.span
        self.expanding = [function]
        self.making = instance
        try:
            body = function_body(frame, instance)
        except LimitReached as limit:
            raise limit.at(frame.builder.span) from None
        made = Function(
            instance.name, instance.parameters, instance.results, body, instance.sizes, instance.inout,
            pure=function.kind == "fn", checkpoint=function.checkpoint,
            export=self.exports.get(instance.name), parameter_labels=instance.parameter_labels,
            result_labels=instance.result_labels, documentation=function.documentation, span=function.span)
        self.functions[instance.name] = renamed_function(made, frame.builder.names.wishes)
        if instance.rule:
            from dynlang.core.elaborate.rules import rule_function

            self.functions[instance.rule], reads = rule_function(self, instance)
            made = self.functions[instance.name]
            self.functions[instance.name] = replace(made, derivative=CustomDerivative(instance.rule, instance.surrogate, reads))

    def frame_of(self, instance: Instance) -> Frame:
        names = Names(one.name for one in (*instance.parameters, *instance.results))
        builder = Builder(names, self.scope)
        return Frame(self, builder, dict(instance.locals), dict(instance.size_names), instance.types, instance.returns, instance.name)

    # -- lambdas

    def lift(self, node: typed.Lambda, frame: Frame) -> FunctionValue:
        """A lambda as a function whose first parameters are its captures."""
        known = self.lifted.get(id(node))
        if known is None:
            known = self.lifted[id(node)] = self._lifted(node, frame)
        _, function, captures, sizes = known
        return FunctionValue(function, tuple(frame.types[one.name] for one in function.types),
                             tuple(frame.sizes[name] for name in sizes), tuple(frame.locals[name] for name in captures))

    def _lifted(self, node: typed.Lambda, frame: Frame) -> tuple[typed.Lambda, typed.Function, tuple[str, ...], tuple[str, ...]]:
        facts = self.facts.of((node.body, node.parameters, node.type))
        captures = tuple(name for name in facts.read if name in frame.locals and name not in facts.bound)
        sizes = tuple(name for name in sorted(facts.sizes) if name in frame.sizes and name not in facts.bound)
        types = tuple(TypeVariable(name) for name in sorted(facts.types) if name in frame.types)
        kinds = self._capture_types(node, captures)
        parameters = tuple(typed.Parameter(typed.Local(name, kinds[name])) for name in captures)
        assert isinstance(node.type, FunctionType)
        modes = node.type.modes or ("value",) * len(node.parameters)
        parameters += tuple(typed.Parameter(one, mode) for one, mode in zip(node.parameters, modes, strict=True))
        owner = frame.owner.partition(".lambda")[0]
        function = typed.Function(f"{owner}_lambda", "fn", types, sizes, parameters, node.type.result,
                                  (typed.Return(node.body, node.span),), node.span)
        return node, function, captures, sizes

    def _capture_types(self, node: typed.Lambda, captures: Sequence[str]) -> dict[str, Type]:
        """The types of captured locals, as the typed tree has them: they hold the lambda's sizes."""
        from dynlang.core.elaborate.facts import _children

        found: dict[str, Type] = {}
        waiting: list[Any] = [node.body]
        while waiting:
            one = waiting.pop()
            if isinstance(one, tuple):
                waiting += one
            elif isinstance(one, typed.LocalReference):
                found.setdefault(one.local.name, one.local.type)
            elif isinstance(one, typed.Place):
                found.setdefault(one.root.name, one.root.type)
                waiting += [one.steps]
            elif type(one).__module__ == typed.__name__:
                waiting += _children(one)
        return found

    # -- stored functions

    def store_function(self, frame: Frame, function: FunctionValue, kind: FunctionType) -> Atom:
        """A known function as a value of the sum of its type."""
        form = self.stored_form(frame, function, kind)
        return frame.builder.construct(form.sum, form.constructor, *form.sizes(frame), *form.atoms, name="function")

    def stored_form(self, frame: Frame, function: FunctionValue, kind: FunctionType) -> StoredForm:
        """The constructor that a known function is in the sum of its type, made if there is none, and its fields."""
        core = self.layouts.function_sum(kind)
        family = self.layouts.function_sums[core.name]
        names = Names(family.sizes)
        passed = CallSizes(True, names)
        for name, size in zip(family.sizes, core.arguments, strict=True):
            assert isinstance(size, Size)
            passed.known[size] = Size.variable(name)
        key, made, variables, atoms = self.abstracted(function, passed, names)
        assert isinstance(made, FunctionValue)
        if key not in family.constructors:
            fields = (*(Variable(name, INT) for name, _ in passed.slots), *variables)
            wish = identifier(self.display_name(function.function.name).replace("_lambda", ""), "function")
            family.constructors[key] = (self.layouts.sum_name(wish[:1].upper() + wish[1:]), made, fields)
        self.declare_function_sum(family)
        return StoredForm(core, family.constructors[key][0], tuple(size for _, size in passed.slots), atoms)

    def declare_function_sum(self, family: FunctionSum) -> None:
        constructors = tuple(Constructor(name, fields) for name, _, fields in family.constructors.values())
        self.sums[family.name] = SumDeclaration(family.name, family.sizes, constructors)
        self.layouts.tangents.declare_again(family.name)

    def no_function(self, frame: Frame, kind: SumType) -> Atom:
        """A stored function that is never called."""
        family = self.layouts.function_sums[kind.name]
        self.declare_no_function(family)
        return frame.builder.construct(kind, family.constructors[None][0], name="none")

    def declare_no_function(self, family: FunctionSum) -> None:
        if None not in family.constructors:
            lent = lent_positions(family.type)
            parameters = tuple(typed.Parameter(typed.Local(f"x{i}", one, i in lent), "inout" if i in lent else "value")
                               for i, one in enumerate(family.type.parameters))
            missing = typed.Function("no_function", "fn", (), family.sizes, parameters, family.type.result,
                                     (typed.Missing(NOWHERE),), NOWHERE)
            value = FunctionValue(missing, (), tuple(map(Size.variable, family.sizes)))
            family.constructors[None] = (self.layouts.sum_name("NoFunction"), value, ())
            self.declare_function_sum(family)

    def apply(self, kind: SumType) -> str:
        """The function that calls a stored function."""
        name = self.applies.get(kind.name)
        if name is None:
            family = self.layouts.function_sums[kind.name]
            name = self.applies[kind.name] = self.function_names.fresh("apply")
            names = Names(family.sizes)
            parameters = [Variable(one, INT) for one in family.sizes]
            parameters.append(Variable(names.fresh("function"), SumType(family.name, tuple(map(Size.variable, family.sizes)))))
            spread: list[tuple[int, int]] = []
            for position, one in enumerate(family.type.parameters):
                start = len(parameters)
                parameters += rename_places(self.layouts.stored(one, f"x{position}"), names.fresh, {}, f"x{position}")
                spread.append((start, len(parameters)))
            results = list(rename_places(self.layouts.stored(family.type.result, "result"), names.fresh, {}, "result"))
            returned, inout = len(results), []
            for position in lent_positions(family.type):
                start, end = spread[position]
                inout += [(start + offset, len(results) + offset) for offset in range(end - start)]
                again = self.layouts.stored(family.type.parameters[position], f"x{position}")
                results += rename_places(again, names.fresh, {}, f"x{position}")
            declared = typed.Function(name, "fn", (), family.sizes, (), family.type.result, (), NOWHERE)
            self.signatures[name] = Instance(name, declared, names, tuple(parameters), tuple(results), len(family.sizes), tuple(inout),
                                             {}, {}, {}, family.type.result, (), (), tuple(spread), returned)
        return name

    def make_apply(self, family: FunctionSum) -> None:
        """``apply``: one arm for each function of the family."""
        from dynlang.core.elaborate.functions import call_function_lending

        signature = self.signatures[self.applies[family.name]]
        names = Names(one.name for one in (*signature.parameters, *signature.results))
        builder = Builder(names, self.scope)
        sizes = {name: Size.variable(name) for name in family.sizes}
        frame = Frame(self, builder, {}, sizes, {}, family.type.result, signature.name)
        self.expanding = []
        scrutinee = signature.parameters[len(family.sizes)]
        given = signature.parameters[len(family.sizes) + 1:]
        lent = lent_positions(family.type)
        outcome = [("result", family.type.result), *((f"x{position}", family.type.parameters[position]) for position in lent)]
        places = [self.layouts.stored(kind) for _, kind in outcome]
        arms: list[Arm] = []
        for name, function, fields in list(family.constructors.values()):
            renamed = {one.name: names.fresh(one.name) for one in fields}
            inner = {old: Size.variable(new) for old, new in renamed.items()}
            variables = tuple(Variable(renamed[one.name], substitute(one.type, inner)) for one in fields)
            with frame.inside() as body:
                bound = rename_function(function, inner, dict(zip((one.name for one in fields), variables, strict=True)))
                arguments, at = [], 0
                for kind in family.type.parameters:
                    count = len(self.layouts.entries(kind))
                    arguments.append(frame.unstored(kind, given[at:at + count]))
                    at += count
                is_lent = [position in lent for position in range(len(arguments))]
                value, backs = call_function_lending(frame, bound, arguments, family.type.result, is_lent)
                outcomes = [value, *(one for one in backs if one is not None)]
                results = [atom for one, kinds in zip(outcomes, places, strict=True)
                           for atom in frame.retyped_atoms(frame.stored(one), kinds)]
                arms.append(Arm(name, variables, body.block(*results)))
        telescope = frame.telescope(outcome)
        if arms:
            results = frame.merge(Case(scrutinee, tuple(arms)), telescope)
        else:
            builder.operations("fail", text("no function was stored"))
            results = [atom for kinds in places for atom in frame.placeholders(kinds)]
        self.functions[signature.name] = Function(signature.name, signature.parameters, signature.results, builder.block(*results),
                                                  len(family.sizes), signature.inout)


def lent_positions(kind: FunctionType) -> tuple[int, ...]:
    """The parameters of a function type that are `inout`."""
    return tuple(position for position, mode in enumerate(kind.modes) if mode == "inout")


def rename_function(function: FunctionValue, sizes: dict[str, Size], atoms: dict[str, Variable]) -> FunctionValue:
    """A stored function over the variables of the arm that opened it."""

    def value(one: Value) -> Value:
        renamed = tuple(atoms.get(atom.name, atom) if isinstance(atom, Variable) else atom for atom in one.atoms)
        return Value(substitute(one.type, sizes), renamed, tuple(map(inner, one.functions)))

    def inner(one: AnyFunction) -> AnyFunction:
        if isinstance(one, StoredFunction):
            kind = substitute(one.type, sizes)
            assert isinstance(kind, FunctionType)
            return StoredFunction(kind, atoms.get(one.atom.name, one.atom) if isinstance(one.atom, Variable) else one.atom)
        return rename_function(one, sizes, atoms)

    return FunctionValue(function.function, tuple(substitute(one, sizes) for one in function.types),
                         tuple(one.substitute(sizes.get) for one in function.sizes), tuple(map(value, function.bound)))


class SizeAtom:
    """A size argument of a call, turned into an int by the caller's builder."""

    __slots__ = ("size",)

    def __init__(self, size: Size) -> None:
        self.size = size


def label_places(places: Iterable[Variable]) -> list[str]:
    """Users' paths of a telescope."""
    return ["" if one.name.startswith("?") else one.name for one in places]


def default_type(variable: TypeVariable) -> Type:
    """What a type parameter is where nothing determines it."""
    return F32


def block_function(name: str, block: typed.Block) -> typed.Function:
    """A test or benchmark as a function without parameters."""
    return typed.Function(name, "proc", (), (), (), UNIT, block.body, block.span, documentation=block.title)


__all__ = ["Abstraction", "Elaborator", "Instance", "InternalError", "Prepared", "SizeAtom", "block_function", "has_function"]
