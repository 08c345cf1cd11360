"""Refuses a module that breaks a rule of `nodes`: the error names the function, the statement and the rule.

Nothing here knows an op: rows say what they make of their operands.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.core.build import field_sizes
from dynlang.core.nodes import (
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
    Module,
    Operation,
    Right,
    SumDeclaration,
    Variable,
    Vjp,
    While,
)
from dynlang.core.sizes import expand, plain, size_of, size_of_right, telescope_types
from dynlang.diag import InternalError
from dynlang.ops import OPS
from dynlang.types import (
    BOOL,
    FLOATS,
    INT,
    ArrayType,
    ListType,
    RowsType,
    ScalarType,
    Size,
    StringType,
    SumType,
    Type,
    Unknown,
    parts,
    size_variables,
)


def verify(module: Module) -> None:
    """Raise an `InternalError` at the first broken rule."""
    for declaration in module.sums.values():
        _Declaration(module, declaration).check()
    for function in module.functions.values():
        _Function(module, function).check()


class _Broken(Exception):
    """A broken rule, without its place."""


def _check_type(module: Module, kind: Type) -> None:
    """Only Core's types: no records, tuples, functions, variables or unknown sizes."""
    match kind:
        case ScalarType() | StringType() | RowsType():
            pass
        case ArrayType(element, shape):
            if any(isinstance(size, Unknown) for size in shape) or isinstance(element, ArrayType) or not shape:
                raise _Broken(f"the type {kind} is not an array of Core")
            _check_type(module, element)
        case ListType(elements):
            for element in elements:
                _check_type(module, element)
        case SumType(name, arguments):
            declaration = module.sums.get(name) or module.sums.get(name.removesuffix("Tangent"))
            if declaration is None:
                raise _Broken(f"no sum type is called {name}")
            if len(arguments) != len(declaration.sizes) or not all(isinstance(one, Size) for one in arguments):
                raise _Broken(f"{kind} doesn't give one size for each of {declaration.sizes}")
        case _:
            raise _Broken(f"{kind} is not a type of Core")


def _has_unknown(kind: Type) -> bool:
    return any(isinstance(part, Unknown) or (not isinstance(part, Size) and _has_unknown(part)) for part in parts(kind))


class _Declaration:
    def __init__(self, module: Module, declaration: SumDeclaration) -> None:
        self.module, self.declaration = module, declaration

    def check(self) -> None:
        names: set[str] = set()
        for constructor in self.declaration.constructors:
            scope = set(self.declaration.sizes)
            if constructor.name in names:
                raise InternalError(f"{self.declaration.name} has two constructors {constructor.name}")
            names.add(constructor.name)
            for one in constructor.fields:
                try:
                    _check_type(self.module, one.type)
                except _Broken as broken:
                    raise InternalError(f"{self.declaration.name}.{constructor.name}.{one.name}: {broken}") from None
                if not size_variables(one.type) <= scope:
                    raise InternalError(f"{self.declaration.name}.{constructor.name}.{one.name}: {one.type} names a size out of scope")
                if one.type == INT:
                    scope.add(one.name)


class _Function:
    def __init__(self, module: Module, function: Function) -> None:
        self.module, self.function = module, function
        self.types: dict[str, Type] = {}
        self.scope: set[str] = set()
        self.known: dict[str, Size] = {}
        self.statement: Let | None = None

    def check(self) -> None:
        function = self.function
        try:
            for one in function.parameters[:function.sizes]:
                self.require(one.type == INT, f"the size parameter {one} is {one.type}")
            for one in function.parameters:
                self.bind(one)
            self.block(function.body)
            self.telescope("results", function.results, function.body.results)
            for parameter, result in function.inout:
                self.require(parameter < len(function.parameters) and result < len(function.results),
                             "an inout pair is out of range")
            rule = function.derivative
            self.require(rule is None or rule.rule in self.module.functions, f"the rule {rule} is missing")
        except _Broken as broken:
            raise InternalError(self.message(str(broken)), self.statement.span if self.statement else function.span) from None

    def message(self, text: str) -> str:
        from dynlang.core.show import show_statement

        where = f", at `{show_statement(self.statement)}`" if self.statement else ""
        return f"core: {self.function.name}{where}: {text}"

    @staticmethod
    def require(condition: bool, text: str) -> None:
        if not condition:
            raise _Broken(text)

    # -- scope

    def bind(self, variable: Variable) -> None:
        self.require(variable.name not in self.types, f"{variable} is bound twice")
        _check_type(self.module, variable.type)
        missing = size_variables(variable.type) - self.scope
        self.require(not missing, f"{variable}: {variable.type} names {', '.join(sorted(missing))}, out of scope")
        self.types[variable.name] = variable.type
        self.scope.add(variable.name)

    def atom(self, atom: Atom) -> Type:
        if isinstance(atom, Literal):
            self.require(isinstance(atom.type, (ScalarType, StringType)), f"a literal of type {atom.type}")
            return atom.type
        self.require(atom.name in self.scope, f"{atom} is not in scope")
        kind = expand(self.types[atom.name], self.known)
        self.require(plain(expand(atom.type, self.known)) == plain(kind), f"{atom} is used as {atom.type}, bound as {kind}")
        return kind

    def telescope(self, what: str, telescope: Sequence[Variable], atoms: Sequence[Atom], sizes: dict[str, Size] | None = None) -> None:
        """`atoms` fit the places of a telescope."""
        self.require(len(telescope) == len(atoms), f"{what}: {len(atoms)} values for {len(telescope)}")
        for place, atom, wanted in zip(telescope, atoms, telescope_types(telescope, atoms, sizes or {}, self.known), strict=True):
            found = self.atom(atom)
            wanted = expand(wanted, self.known)
            self.require(plain(wanted) == plain(found), f"{what}: {place.name} wants {wanted}, {atom} is {found}")

    # -- statements

    def block(self, block: Block) -> None:
        for statement in block.statements:
            self.statement = statement
            self.right(statement)
            if len(statement.variables) == 1:
                size = size_of_right(statement.right, self.known)
                if size is not None:
                    self.known[statement.variables[0].name] = size
        for atom in block.results:
            self.atom(atom)

    def inner(self, binders: Sequence[Variable], block: Block, what: str, results: Sequence[Variable] | None,
              sizes: dict[str, Size] | None = None) -> None:
        """A block in the scope of its binders; its results fit a telescope. The scope ends with it."""
        outside, known, statement = set(self.scope), dict(self.known), self.statement
        for binder in binders:
            self.bind(binder)
        self.block(block)
        self.statement = statement
        if results is not None:
            self.telescope(what, results, block.results, sizes)
        self.scope, self.known = outside, known

    def results(self, statement: Let, telescope: Sequence[Variable], sizes: dict[str, Size] | None = None) -> None:
        """The bound variables have a telescope's types."""
        self.require(len(statement.variables) == len(telescope), f"{len(telescope)} results for {len(statement.variables)} variables")
        for variable in statement.variables:
            self.bind(variable)
        kinds = telescope_types(telescope, statement.variables, sizes or {}, self.known)
        for variable, wanted in zip(statement.variables, kinds, strict=True):
            wanted, found = expand(wanted, self.known), expand(variable.type, self.known)
            self.require(plain(wanted) == plain(found), f"{variable} is {found}, the right side gives {wanted}")

    def right(self, statement: Let) -> None:
        right: Right = statement.right
        match right:
            case Operation(op, arguments, attributes, sizes):
                self.operation(statement, op, arguments, attributes, sizes)
            case Call(name, arguments):
                called = self.called(name)
                self.telescope("arguments", called.parameters, arguments)
                self.results(statement, called.results, self.argument_sizes(called, arguments))
            case Construct(kind, constructor, arguments):
                self.construct(statement, kind, constructor, arguments)
            case Case(scrutinee, arms):
                self.case(statement, scrutinee, [(arm.constructor, arm.fields, arm.body) for arm in arms])
            case If(condition, then, otherwise):
                self.require(self.atom(condition) == BOOL, "the condition is not a bool")
                self.inner((), then, "then", statement.variables)
                self.inner((), otherwise, "otherwise", statement.variables)
                self.results(statement, statement.variables)
            case For(index, count, carried, initial, body):
                self.require(self.atom(count) == INT and index.type == INT, "the count of a loop is an int")
                self.telescope("initial values", carried, initial)
                self.inner((index, *carried), body, "carried values", carried)
                self.results(statement, carried)
            case While(carried, initial, condition, body):
                self.telescope("initial values", carried, initial)
                self.while_loop(carried, condition, body)
                self.results(statement, carried)
            case Vjp(name, arguments, wrt, cotangents):
                self.derivative(statement, name, arguments, cotangents, wrt)
            case Jvp(name, arguments, tangents):
                self.derivative(statement, name, arguments, tangents, None)

    def operation(self, statement: Let, op: str, arguments: tuple[Atom, ...], attributes: tuple[tuple[str, object], ...],
                  sizes: tuple[Size, ...]) -> None:
        row = OPS.get(op)
        if row is None:
            raise _Broken(f"no op is called {op}")
        kinds = tuple(map(self.atom, arguments))
        starred = any(name.startswith("*") for name in row.operands)
        self.require(starred or len(kinds) == len(row.operands), f"{op} takes {len(row.operands)} operands, not {len(kinds)}")
        missing = {name for size in sizes for name in size.variables()} - self.scope
        self.require(not missing, f"sizes name {', '.join(sorted(missing))}, out of scope")
        try:
            found = row.result(kinds, dict(attributes), tuple(size.substitute(self.known.get) for size in sizes))
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            raise _Broken(str(error)) from None
        self.results(statement, tuple(Variable("result", kind) for kind in found))

    def called(self, name: str) -> Function:
        found = self.module.functions.get(name)
        if found is None:
            raise _Broken(f"no function is called {name}")
        return found

    def argument_sizes(self, called: Function, arguments: Sequence[Atom]) -> dict[str, Size]:
        return {place.name: size_of(atom, self.known)
                for place, atom in zip(called.parameters, arguments, strict=True) if place.type == INT}

    def construct(self, statement: Let, kind: SumType, constructor: str, arguments: Sequence[Atom]) -> None:
        _check_type(self.module, kind)
        declaration = self.module.sums[kind.name]
        self.require(any(one.name == constructor for one in declaration.constructors), f"{kind} has no constructor {constructor}")
        self.telescope("fields", declaration.constructor(constructor).fields, arguments, field_sizes(declaration, kind))
        self.results(statement, (Variable("result", kind),))

    def case(self, statement: Let, scrutinee: Atom, arms: Sequence[tuple[str, tuple[Variable, ...], Block]]) -> None:
        kind = self.atom(scrutinee)
        if not isinstance(kind, SumType):
            raise _Broken(f"{scrutinee} is {kind}, not a sum")
        declaration = self.module.sums[kind.name]
        wanted = [one.name for one in declaration.constructors]
        self.require([name for name, _, _ in arms] == wanted, f"the arms are not {', '.join(wanted)}")
        for name, fields, body in arms:
            places = declaration.constructor(name).fields
            self.require(len(places) == len(fields), f"{name} has {len(places)} fields")
            for one, expected in zip(fields, telescope_types(places, fields, field_sizes(declaration, kind)), strict=True):
                self.require(expand(one.type, self.known) == expand(expected, self.known), f"the field {one} of {name} is {expected}")
            self.inner(fields, body, name, statement.variables)
        self.results(statement, statement.variables)

    def while_loop(self, carried: Sequence[Variable], condition: Block, body: Block) -> None:
        outside, known, statement = set(self.scope), dict(self.known), self.statement
        for one in carried:
            self.bind(one)
        inside, inside_known = set(self.scope), dict(self.known)
        self.block(condition)
        self.statement = statement
        self.require(len(condition.results) == 1 and self.atom(condition.results[0]) == BOOL, "the condition is not one bool")
        self.scope, self.known = inside, inside_known
        self.block(body)
        self.statement = statement
        self.telescope("carried values", carried, body.results)
        self.scope, self.known = outside, known

    def derivative(self, statement: Let, name: str, arguments: Sequence[Atom], extra: Sequence[Atom | None],
                   wrt: Sequence[int] | None) -> None:
        """Results first; then one tangent for each of `wrt` (Vjp), or for each differentiable result (Jvp)."""
        called = self.called(name)
        self.telescope("arguments", called.parameters, arguments)
        for atom in extra:
            if atom is not None:
                self.atom(atom)
        wanted = called.results if wrt is not None else called.parameters
        self.require(len(extra) == len(wanted), f"{len(extra)} cotangents or tangents for {len(wanted)}")
        self.require(len(statement.variables) >= len(called.results), "the function's results are bound first")
        tangents = len(wrt) if wrt is not None else sum(is_differentiable(one.type) for one in called.results)
        count = len(called.results) + tangents
        self.require(len(statement.variables) == count, f"{count} results for {len(statement.variables)} variables")
        for one in statement.variables:
            self.bind(one)


def is_differentiable(kind: Type) -> bool:
    """Whether a Core type has a tangent that is not ``()``."""
    match kind:
        case ScalarType(dtype):
            return dtype in FLOATS
        case ArrayType(element, _):
            return is_differentiable(element)
        case ListType(elements):
            return any(map(is_differentiable, elements))
        case SumType() | RowsType():
            return True
        case _:
            return False
