"""One walk down a function: every statement is replaced by the simplest that means the same.

    size = mul(2, n); k = mul(2, n)      k is size
    x = add(i, 0)                        x is i
    if true: a else: b                   a
    y = reshape(x)                       y is x, where the shapes are equal
    z = call small(x)                    the body of small, with x in its place
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from dynlang.core.nodes import (
    Atom,
    Block,
    Call,
    Case,
    Construct,
    For,
    Function,
    If,
    Let,
    Literal,
    Operation,
    Right,
    Variable,
    While,
)
from dynlang.core.sizes import expand, plain, size_of, size_of_right
from dynlang.core.walk import Names, Substitution, blocks_of, bound_in, functions_called, rebuild, statements_in
from dynlang.ops import OPS
from dynlang.types import BOOL, F64, INT, ArrayType, ScalarType, Size

LARGEST_EXPANSION = 14
"""Statements of a function that is expanded wherever it is called."""


def expandable_functions(functions: Mapping[str, Function]) -> dict[str, Function]:
    """Small functions that call no one (so what is expanded holds no calls), with no derivative of their own."""
    found: dict[str, Function] = {}
    for name, function in functions.items():
        if function.derivative is not None or function.checkpoint or function.export is not None:
            continue
        if functions_called(function.body):
            continue
        if sum(1 for _ in statements_in(function.body)) <= LARGEST_EXPANSION:
            found[name] = function
    return found


class Folder:
    """Simplifies one function."""

    def __init__(self, function: Function, small: Mapping[str, Function]) -> None:
        self.function = function
        self.small = small
        self.names = Names(one.name for one in (*function.parameters, *function.results, *bound_in(function.body)))
        self.substitution = Substitution()
        self.known: dict[str, Size] = {}
        self.available: dict[object, tuple[Variable, ...]] = {}
        self.found_here: list[list[object]] = []
        self.made_by: dict[str, Right] = {}

    def run(self) -> Function:
        """The function simplified. One that is as simple as can be already is remembered, and left alone from then on."""
        before = self.function.body
        if before.simple and self.small.keys().isdisjoint(functions_called(before)):
            return self.function
        body = self.block(before)
        if body != before:
            return replace(self.function, body=body)
        object.__setattr__(before, "simple", True)
        return self.function

    # -- blocks

    def block(self, block: Block) -> Block:
        self.found_here.append([])
        known = dict(self.known)
        statements: list[Let] = []
        for statement in block.statements:
            self.statement(statement, statements)
        results = tuple(map(self.substitution.atom, block.results))
        for key in self.found_here.pop():
            del self.available[key]
        self.known = known
        return Block(tuple(statements), results)

    def statement(self, statement: Let, out: list[Let]) -> None:
        right = statement.right
        if isinstance(right, If):
            condition = self.substitution.atom(right.condition)
            if isinstance(condition, Literal):
                self.splice(statement, right.then if condition.value else right.otherwise, out)
                return
        if isinstance(right, Case):
            made = self.made_by.get(getattr(self.substitution.atom(right.scrutinee), "name", ""))
            if isinstance(made, Construct):
                self.known_case(statement, right, made, out)
                return
        if isinstance(right, Call) and right.function in self.small and right.function != self.function.name:
            self.expand_call(statement, right, out)
            return
        if isinstance(right, (For, While)):
            statement = self.without_constant_carries(statement, right)
            right = statement.right
        simpler = self.simpler(rebuild(right, self.substitution.atom, self.block, self.substitution.binder,
                                       self.substitution.size, self.substitution.type))
        if isinstance(simpler, tuple):
            self.bind(statement, simpler)
            return
        if isinstance(simpler, (If, Case)):
            statement, simpler = self.without_equal_results(statement, simpler)
        self.keep(statement, simpler, out)

    def without_constant_carries(self, statement: Let, right: For | While) -> Let:
        """A carried value that each trip hands on as it is, is the initial value."""
        fixed = [isinstance(result, Variable) and result.name == place.name
                 for place, result in zip(right.carried, right.body.results, strict=True)]
        if not any(fixed):
            return statement
        for place, result, initial, is_fixed in zip(right.carried, statement.variables, right.initial, fixed, strict=True):
            if is_fixed:
                atom = self.substitution.atom(initial)
                size = size_of(atom, self.known) if atom.type == INT else None
                self.substitution.bind(place, atom, size)
                self.substitution.bind(result, atom, size)
        carried, initial, results, variables = (
            tuple(one for one, is_fixed in zip(group, fixed, strict=True) if not is_fixed)
            for group in (right.carried, right.initial, right.body.results, statement.variables))
        body = Block(right.body.statements, results)
        return replace(statement, variables=variables, right=replace(right, carried=carried, initial=initial, body=body))

    def without_equal_results(self, statement: Let, right: If | Case) -> tuple[Let, If | Case]:
        """A result that all arms give, is that: it stands outside of the arms, or isn't one and the same."""
        blocks = [block for _, block in blocks_of(right)]
        if not blocks:
            return statement, right
        equal = [all(other == first for other in rest) for first, *rest in zip(*(block.results for block in blocks), strict=True)]
        equal = [same and (isinstance(atom, Literal) or len(blocks) > 1) for same, atom in zip(equal, blocks[0].results, strict=True)]
        if not any(equal):
            return statement, right
        for variable, atom, same in zip(statement.variables, blocks[0].results, equal, strict=True):
            if same:
                self.substitution.bind(variable, atom, size_of(atom, self.known) if atom.type == INT else None)

        def reduced(block: Block) -> Block:
            return Block(block.statements, tuple(atom for atom, same in zip(block.results, equal, strict=True) if not same))

        variables = tuple(one for one, same in zip(statement.variables, equal, strict=True) if not same)
        changed = rebuild(right, lambda atom: atom, reduced)
        assert isinstance(changed, (If, Case))
        return replace(statement, variables=variables, right=changed), changed

    def bind(self, statement: Let, atoms: tuple[Atom, ...]) -> None:
        """The statement's variables are these atoms."""
        for variable, atom in zip(statement.variables, atoms, strict=True):
            self.substitution.bind(variable, atom, size_of(atom, self.known) if atom.type == INT else None)

    def keep(self, statement: Let, right: Right, out: list[Let]) -> None:
        key = self.key(right)
        if key is not None:
            same = self.available.get(key)
            if same is not None:
                self.bind(statement, same)
                return
        variables = tuple(map(self.substitution.binder, statement.variables))
        if len(variables) == 1:
            size = size_of_right(right, self.known)
            if size is not None:
                self.known[variables[0].name] = size
            self.made_by[variables[0].name] = right
        if key is not None:
            self.available[key] = variables
            self.found_here[-1].append(key)
        out.append(Let(variables, right, statement.span))

    def splice(self, statement: Let, block: Block, out: list[Let]) -> None:
        for one in block.statements:
            self.statement(one, out)
        self.bind(statement, tuple(map(self.substitution.atom, block.results)))

    def known_case(self, statement: Let, right: Case, made: Construct, out: list[Let]) -> None:
        arm = next(one for one in right.arms if one.constructor == made.constructor)
        for field, atom in zip(arm.fields, made.arguments, strict=True):
            self.substitution.bind(field, atom, size_of(atom, self.known) if atom.type == INT else None)
        self.splice(statement, arm.body, out)

    def expand_call(self, statement: Let, call: Call, out: list[Let]) -> None:
        function = self.small[call.function]
        arguments = tuple(map(self.substitution.atom, call.arguments))
        mapping = dict(zip((one.name for one in function.parameters), arguments, strict=True))
        body = Substitution(mapping, self.names, {
            one.name: size_of(mapping[one.name], self.known) for one in function.parameters if one.type == INT}).block(function.body)
        self.splice(statement, body, out)

    # -- common subexpressions

    def key(self, right: Right) -> object | None:
        """Two right-hand sides with one key have one value; None where sharing would cost a copy or repeat an effect."""
        if not isinstance(right, Operation):
            return None
        row = OPS[right.op]
        if row.has("effect") or row.has("consumes") or right.op == "fail":
            return None
        if not right.arguments or not any(isinstance(one, Variable) for one in right.arguments):
            return None
        if right.op in ("fill", "broadcast", "reshape", "retype", "iota"):
            return None
        arguments = tuple(one.name if isinstance(one, Variable) else (one.value, type(one.value), one.type) for one in right.arguments)
        return right.op, arguments, right.attributes, right.sizes

    # -- single operations

    def simpler(self, right: Right) -> Right | tuple[Atom, ...]:
        """The atoms that a right-hand side is, or a right-hand side that is as simple or simpler."""
        if isinstance(right, For) and isinstance(right.count, Literal) and right.count.value == 0:
            return right.initial
        if not isinstance(right, Operation):
            return right
        rule = RULES.get(right.op)
        if rule is not None:
            found = rule(self, right)
            if found is not None:
                return found
        if right.arguments and all(isinstance(one, Literal) for one in right.arguments):
            constant = folded(right)
            if constant is not None:
                return (constant,)
        return right

    def definition(self, atom: Atom) -> Right | None:
        return self.made_by.get(atom.name) if isinstance(atom, Variable) else None


Found = Right | tuple[Atom, ...] | None
Rule = Callable[[Folder, Operation], Found]


INTEGER_MEANING: dict[str, Callable[[int, int], int | bool]] = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
    "floor_division": lambda x, y: x // y, "floor_modulo": lambda x, y: x % y,
    "maximum": max, "minimum": min, "equal": lambda x, y: x == y, "not_equal": lambda x, y: x != y,
    "less": lambda x, y: x < y, "less_equal": lambda x, y: x <= y, "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
}


def folded(operation: Operation) -> Literal | None:
    """An op on int literals, computed. Floats are left to the machine: their bits are not worth a copy of its rules. Comparisons of f64
    are Python's own."""
    meaning = INTEGER_MEANING.get(operation.op)
    if meaning is not None and OPS[operation.op].has("comparison") and all(one.type == F64 for one in operation.arguments):
        return Literal(bool(meaning(*(one.value for one in operation.arguments if isinstance(one, Literal)))), BOOL)  # type: ignore[arg-type]
    values = [one.value for one in operation.arguments if isinstance(one, Literal) and one.type == INT]
    if meaning is None or len(values) != 2 or (values[1] == 0 and operation.op.startswith("floor_")):
        return None
    found = meaning(int(values[0]), int(values[1]))
    if isinstance(found, bool):
        return Literal(found, BOOL)
    return Literal(found, INT) if -2**63 <= found < 2**63 else None


def is_literal(atom: Atom, value: object) -> bool:
    return isinstance(atom, Literal) and atom.value == value and type(atom.value) is type(value)


def identity(zero_left: bool, zero_right: bool, neutral: int) -> Rule:
    """``x op neutral`` is x, for ints."""

    def rule(folder: Folder, one: Operation) -> Found:
        x, y = one.arguments
        if x.type != INT:
            return None
        if zero_right and is_literal(y, neutral):
            return (x,)
        if zero_left and is_literal(x, neutral):
            return (y,)
        return None

    return rule


def _mul(folder: Folder, one: Operation) -> Found:
    x, y = one.arguments
    for a, b in ((x, y), (y, x)):
        if isinstance(b, Literal) and b.value == 1 and a.type == b.type:
            return (a,)
        if is_literal(b, 0) and a.type == INT:
            return (b,)
        if isinstance(b, Literal) and b.value == 1.0 and isinstance(a.type, ArrayType):
            return (a,)
    return None


def _and(folder: Folder, one: Operation) -> Found:
    for a, b in (one.arguments, one.arguments[::-1]):
        if isinstance(b, Literal) and a.type == BOOL:
            return (a,) if b.value else (b,)
    return None


def _or(folder: Folder, one: Operation) -> Found:
    for a, b in (one.arguments, one.arguments[::-1]):
        if isinstance(b, Literal) and a.type == BOOL:
            return (b,) if b.value else (a,)
    return None


def _select(folder: Folder, one: Operation) -> Found:
    condition, x, y = one.arguments
    if isinstance(condition, Literal) and x.type == y.type:
        return (x,) if condition.value else (y,)
    return (x,) if x == y else None


def _check(folder: Folder, one: Operation) -> Found:
    return () if is_literal(one.arguments[0], True) else None


def _check_index(folder: Folder, one: Operation) -> Found:
    index, limit = one.arguments
    if isinstance(index, Literal) and int(index.value) >= 0:
        room = size_of(limit, folder.known) - int(index.value) - 1
        if room.has_no_negative_coefficient():
            return (index,)
    return None


def _convert(folder: Folder, one: Operation) -> Found:
    (x,) = one.arguments
    kind = x.type.element if isinstance(x.type, ArrayType) else x.type
    return (x,) if isinstance(kind, ScalarType) and kind.dtype == one.attribute("dtype") else None


def _reshape(folder: Folder, one: Operation) -> Found:
    (x,) = one.arguments
    source = folder.definition(x)
    if isinstance(source, Operation) and source.op == "reshape":
        (inner,) = source.arguments
        if same_shape(folder, inner, one.sizes):
            return (inner,)
        return Operation("reshape", (inner,), (), one.sizes)
    return (x,) if same_shape(folder, x, one.sizes) else None


def same_shape(folder: Folder, atom: Atom, sizes: tuple[Size, ...]) -> bool:
    kind = plain(expand(atom.type, folder.known))
    wanted = tuple(size.substitute(folder.known.get) for size in sizes)
    return isinstance(kind, ArrayType) and kind.shape == wanted


def _at(folder: Folder, one: Operation) -> Found:
    """An element of a filled array is what it was filled with."""
    x, *indices = one.arguments
    source = folder.definition(x)
    if isinstance(source, Operation) and source.op == "fill" and isinstance(x.type, ArrayType) and len(indices) == len(x.type.shape):
        return (source.arguments[0],)
    return None


def _update(folder: Folder, one: Operation) -> Found:
    """A part that is put back as it was read, after it was lent, changes nothing."""
    *place, part = one.arguments
    source = folder.definition(part)
    return (place[0],) if isinstance(source, Operation) and source.op == "at" and list(source.arguments) == place else None


def _string_concat(folder: Folder, one: Operation) -> Found:
    x, y = one.arguments
    if isinstance(x, Literal) and isinstance(y, Literal):
        return (Literal(str(x.value) + str(y.value), x.type),)
    if is_literal(x, ""):
        return (y,)
    return (x,) if is_literal(y, "") else None


RULES: dict[str, Rule] = {
    "add": identity(True, True, 0),
    "sub": identity(False, True, 0),
    "mul": _mul,
    "floor_division": identity(False, True, 1),
    "logical_and": _and,
    "logical_or": _or,
    "select": _select,
    "check": _check,
    "check_index": _check_index,
    "convert": _convert,
    "reshape": _reshape,
    "at": _at,
    "update": _update,
    "string_concat": _string_concat,
}
"""What is known of an op beyond its row: cases in which it is one of its operands."""
