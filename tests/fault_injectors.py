"""Injectors of faults: each takes a program that is right and yields programs with one mistake, and the line of it.

The law of an injector: what it writes is wrong whatever the rest of the program does. It reads the typed tree to know that:
`concat(x, x)` is put in the place of `x` only where an operand next to it, or a declared type, fixes the size of `x`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dynlang.check import typed
from dynlang.check.program import check
from dynlang.check.walk import nodes
from dynlang.source import Source, Span
from dynlang.syntax import nodes as ast
from dynlang.syntax.parser import parse_module
from dynlang.types import ArrayType, FunctionType, IndexType, ScalarType, Type, TypeVariable

# ---------------------------------------------------------------- programs


ADAPTED = (typed.Broadcast, typed.Pack, typed.Convert)
"""What the checker puts around an expression to make it fit."""


@dataclass
class View:
    """A program that is right: its text, its syntax and what the checker knows of it."""

    name: str
    text: str
    source: Source = field(init=False)
    module: ast.Module = field(init=False)

    def __post_init__(self) -> None:
        self.source = Source(self.name, self.text)
        self.module = parse_module(self.source)

    @cached_property
    def program(self) -> typed.Program:
        path = Path(self.name)
        return check(self.source, path if path.is_file() else None, False)

    @cached_property
    def types(self) -> dict[tuple[int, int], typed.Expression]:
        """What each expression of the text was checked to be."""
        found: dict[tuple[int, int], typed.Expression] = {}
        own = [one for one in self.program.functions.values() if one.name.startswith(self.program.module + ".")]
        for node in nodes(tuple(one.body for one in own)):
            if isinstance(node, typed.Expression) and not isinstance(node, ADAPTED) and node.span.source is self.source:
                found.setdefault((node.span.start, node.span.end), node)
        return found

    def typed(self, node: ast.Expr) -> typed.Expression | None:
        return self.types.get((node.span.start, node.span.end))

    def type(self, node: ast.Expr) -> Type | None:
        found = self.typed(node)
        return found.type if found is not None else None

    @cached_property
    def functions(self) -> list[ast.Function]:
        """Top-level functions and methods."""
        found = [item for item in self.module.items if isinstance(item, ast.Function)]
        return found + [method for item in self.module.items if isinstance(item, ast.Record) for method in item.methods]

    @cached_property
    def signatures(self) -> dict[str, ast.Function]:
        return {item.name.text: item for item in self.module.items if isinstance(item, ast.Function)}

    @cached_property
    def constructors(self) -> dict[str, ast.Alternative]:
        return {one.name.text: one for item in self.module.items if isinstance(item, ast.TypeDef) for one in item.alternatives}

    @cached_property
    def records(self) -> dict[str, ast.Record]:
        return {item.name.text: item for item in self.module.items if isinstance(item, ast.Record)}

    def expressions(self, function: ast.Function) -> Iterator[ast.Node]:
        for statement in function.body:
            yield from ast.walk(statement)

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """The calls of functions, records and constructors of this file, by name."""
        known = {*self.signatures, *self.constructors, *self.records}
        for function in self.functions:
            hidden = {node.text for node in ast.walk(function) if isinstance(node, ast.Identifier)}
            for node in self.expressions(function):
                name = called(node)
                if isinstance(node, ast.Call) and name in known - hidden and not is_reduction(node):
                    yield node, name

    def lets(self, mutable: bool) -> Iterator[tuple[ast.Function, ast.Let, str]]:
        """The variables of one name."""
        for function in self.functions:
            for node in self.expressions(function):
                if isinstance(node, ast.Let) and node.mutable == mutable and isinstance(node.target, ast.Identifier):
                    yield function, node, node.target.text

    # ------------------------------------------------------------ making faults

    def put(self, span: Span, text: str) -> tuple[str, int]:
        """The text with something in the place of a span, and the line of it."""
        return self.text[: span.start] + text + self.text[span.end :], span.line

    def above(self, statement: ast.Node, *lines: str, after: bool = False, tail: str = "") -> tuple[str, int]:
        """Lines written above (or below) a statement, indented like it; the last one is the fault. `tail` ends the file."""
        number = statement.span.line
        margin = " " * (statement.span.column - 1)
        existing = self.text.split("\n")
        at = statement.span.source.position(statement.span.end)[0] if after else number - 1
        new = [margin + line for line in lines]
        return "\n".join([*existing[:at], *new, *existing[at:]]) + tail, at + len(lines)


def called(node: ast.Node) -> str:
    """The name that a call calls."""
    return node.function.text if isinstance(node, ast.Call) and isinstance(node.function, ast.Name) else ""


def is_reduction(call: ast.Call) -> bool:
    return any(isinstance(one.value, ast.Comprehension) and not one.value.bracketed for one in call.arguments)


Made = Iterator[tuple[str, int]]
Injector = Callable[[View], Made]
INJECTORS: dict[str, list[Injector]] = {}


def injects(area: str) -> Callable[[Injector], Injector]:
    def register(injector: Injector) -> Injector:
        INJECTORS.setdefault(area, []).append(injector)
        return injector

    return register


# ---------------------------------------------------------------- where a type is fixed


def is_array(kind: Type | None, rank: int) -> bool:
    return isinstance(kind, ArrayType) and len(kind.shape) == rank and isinstance(kind.element, ScalarType)


def numbers(kind: Type | None) -> str:
    element = kind.element if isinstance(kind, ArrayType) else kind
    return element.dtype if isinstance(element, ScalarType) else ""


def is_fixed(view: View, node: ast.Node) -> bool:
    """Whether an operand has a type by itself: no literal, size or arithmetic of such."""
    if isinstance(node, ast.Binary):
        return any(is_fixed(view, one) for one in (node.first, *(rest.operand for rest in node.rest)))
    return isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Index)) and isinstance(
        view.typed(node), (typed.LocalReference, typed.Field, typed.Call, typed.Index)  # type: ignore[arg-type]
    )


def operands(view: View) -> Iterator[tuple[ast.Expr, Type]]:
    """Operands of elementwise arithmetic next to another whose type is fixed and the same."""
    for function in view.functions:
        for node in view.expressions(function):
            if isinstance(node, ast.Binary) and all(rest.operator in "+-*" for rest in node.rest):
                parts = [node.first, *(rest.operand for rest in node.rest)]
                for one in parts:
                    kind = view.type(one)  # type: ignore[arg-type]
                    others = [other for other in parts if other is not one and is_fixed(view, other)]
                    if kind is not None and any(view.type(other) == kind for other in others):  # type: ignore[arg-type]
                        yield one, kind  # type: ignore[misc]


def wanted(view: View) -> Iterator[tuple[ast.Expr, Type]]:
    """Values whose whole type is declared: returned, bound with a type, or assigned."""
    for function in view.functions:
        inner = {id(node) for one in view.expressions(function) if isinstance(one, (ast.Function, ast.Lambda)) for node in ast.walk(one)}
        for node in view.expressions(function):
            value = node.value if isinstance(node, (ast.Return, ast.Let, ast.Assign)) else None
            lines = view.source.line(node.span.line) + view.source.line(function.span.line)
            if value is None or id(node) in inner or "?" in lines:
                continue
            declared = isinstance(node, ast.Return) and function.result is not None
            declared = declared or (isinstance(node, ast.Let) and node.type is not None)
            declared = declared or (isinstance(node, ast.Assign) and not isinstance(node.target, ast.Tuple))
            kind = view.type(value)
            if declared and kind is not None and not open_place(view, node):
                yield value, kind


def open_place(view: View, node: ast.Node) -> bool:
    """Whether a variable of unknown size is assigned."""
    if not isinstance(node, ast.Assign):
        return False
    names = {one.text for one in ast.walk(node.target) if isinstance(one, ast.Name)}
    return any(re.search(rf"\bvar {name}: [^=]*\?", view.text) for name in names) or "?" in view.text.split("fn ")[0]


def bracketed(view: View, node: ast.Node) -> str:
    text = node.span.text
    return text if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Index)) else f"({text})"


# ---------------------------------------------------------------- shape


@injects("shape")
def an_operand_twice_as_long(view: View) -> Made:
    for node, kind in (*operands(view), *wanted(view)):
        if is_array(kind, 1):
            yield view.put(node.span, f"concat({node.span.text}, {node.span.text})")


@injects("shape")
def off_by_one(view: View) -> Made:
    for node, kind in (*operands(view), *wanted(view)):
        if is_array(kind, 1):
            yield view.put(node.span, f"{bracketed(view, node)}[1:]")


@injects("shape")
def a_dropped_axis(view: View) -> Made:
    for node, kind in wanted(view):
        if is_array(kind, 1) or is_array(kind, 2):
            yield view.put(node.span, f"{bracketed(view, node)}[0]")


@injects("shape")
def a_transposed_value(view: View) -> Made:
    for node, kind in (*operands(view), *wanted(view)):
        if is_array(kind, 2) and isinstance(kind, ArrayType) and kind.shape[0] != kind.shape[1]:
            yield view.put(node.span, f"transpose({node.span.text})")


@injects("shape")
def a_transposed_factor(view: View) -> Made:
    for function in view.functions:
        for node in view.expressions(function):
            if isinstance(node, ast.Binary) and len(node.rest) == 1 and node.rest[0].operator == "@":
                left, right = view.type(node.first), view.type(node.rest[0].operand)  # type: ignore[arg-type]
                if isinstance(left, ArrayType) and isinstance(right, ArrayType):
                    if len(right.shape) == 2 and right.shape[1] != left.shape[-1]:
                        yield view.put(node.rest[0].operand.span, f"transpose({node.rest[0].operand.span.text})")
                    if len(left.shape) == 2 and left.shape[0] != right.shape[0]:
                        yield view.put(node.first.span, f"transpose({node.first.span.text})")


@injects("shape")
def a_literal_size(view: View) -> Made:
    for node, _ in wanted(view):
        if isinstance(node, ast.Call) and called(node) in ("zeros", "ones", "fill", "identity"):
            size = node.arguments[-1].value
            yield view.put(size.span, f"{size.span.text} + 1")


@injects("shape")
def a_declared_size(view: View) -> Made:
    """The mistake is in the head; the checker can only know that head and body differ."""
    for function in view.functions:
        values = [node.value for node in tails(function.body) if node.value is not None]
        fixed = any(isinstance(view.typed(value), typed.LocalReference) for value in values)
        if fixed and isinstance(function.result, ast.ArrayType) and not isinstance(function.result.sizes[-1], ast.Unknown):
            size = function.result.sizes[-1]
            yield view.put(size.span, f"{size.span.text} + 1")


@injects("shape")
def a_missing_item(view: View) -> Made:
    """Of an array; a list of any length is right."""
    for node, kind in wanted(view):
        if isinstance(node, ast.List) and len(node.items) > 1 and isinstance(kind, ArrayType):
            yield view.put(Span(view.source, node.items[-2].span.end, node.items[-1].span.end), "")


@injects("shape")
def another_number_of_parts(view: View) -> Made:
    for function in view.functions:
        for node in view.expressions(function):
            if isinstance(node, ast.Let) and isinstance(node.target, ast.Targets) and isinstance(node.value, ast.Call):
                count = node.value.arguments[-1].value if called(node.value) == "split" else None
                if isinstance(count, ast.Integer):
                    yield view.put(count.span, str(len(node.target.items) + 1))


# ---------------------------------------------------------------- dtype


@injects("dtype")
def another_precision(view: View) -> Made:
    for node, kind in (*operands(view), *wanted(view)):
        other = {"f32": "f64", "f64": "f32"}.get(numbers(kind))
        if other and is_fixed(view, node):
            yield view.put(node.span, f"{other}({node.span.text})")


@injects("dtype")
def an_int_for_a_float(view: View) -> Made:
    for node, kind in (*operands(view), *wanted(view)):
        if isinstance(kind, ScalarType) and kind.dtype in ("f32", "f64") and is_fixed(view, node):
            yield view.put(node.span, f"int({node.span.text})")


@injects("dtype")
def a_missing_conversion(view: View) -> Made:
    places = {(node.span.start, node.span.end) for node, _ in (*operands(view), *wanted(view))}
    for function in view.functions:
        for node in view.expressions(function):
            if isinstance(node, ast.Call) and called(node) in ("f32", "f64") and (node.span.start, node.span.end) in places:
                value = node.arguments[0].value
                own = isinstance(view.typed(value), (typed.LocalReference, typed.Call, typed.Field))
                if own and numbers(view.type(value)) in ("i64", ""):
                    yield view.put(node.span, value.span.text)


@injects("dtype")
def a_text_for_a_number(view: View) -> Made:
    for node, kind in (*operands(view), *wanted(view)):
        if numbers(kind):
            yield view.put(node.span, '"text"')


@injects("dtype")
def a_number_as_condition(view: View) -> Made:
    for function in view.functions:
        for node in view.expressions(function):
            if isinstance(node, ast.If):
                yield view.put(node.branches[0].condition.span, "1")


# ---------------------------------------------------------------- arity


@injects("arity")
def an_argument_too_few(view: View) -> Made:
    for call, name in view.calls():
        parameters: list[ast.Node] = []
        if name in view.signatures:
            parameters = [*view.signatures[name].params]
        elif name in view.constructors:
            parameters = [*view.constructors[name].payload]
        needed = bool(parameters) and getattr(parameters[-1], "default", None) is None
        given = list(call.arguments)
        if needed and len(given) == len(parameters) and given[-1].name is None:
            start = given[-2].span.end if len(given) > 1 else given[-1].span.start
            yield view.put(Span(view.source, start, given[-1].span.end), "")


@injects("arity")
def an_argument_too_many(view: View) -> Made:
    for call, _ in view.calls():
        if call.arguments and call.arguments[-1].name is None:
            more = max(0, 8 - len(call.arguments))
            yield view.put(Span(view.source, call.span.end - 1, call.span.end), ", 0" * (more + 1) + ")")


@injects("arity")
def an_argument_of_no_parameter(view: View) -> Made:
    for call, _ in view.calls():
        if call.arguments:
            yield view.put(Span(view.source, call.span.end - 1, call.span.end), ", no_such=1)")


@injects("arity")
def arguments_swapped(view: View) -> Made:
    for call, name in view.calls():
        for first, second in zip(call.arguments, call.arguments[1:], strict=False):
            one, other = view.type(first.value), view.type(second.value)
            plain = not (first.name or second.name or first.borrow or second.borrow) and first.span.line == second.span.end_line
            if plain and name in view.signatures and not view.signatures[name].generics and differ(one, other):
                yield view.put(Span(view.source, first.span.start, second.span.end), f"{second.span.text}, {first.span.text}")


def differ(one: Type | None, other: Type | None) -> bool:
    """Whether no value of one type is ever one of the other."""
    flexible = (TypeVariable, IndexType, FunctionType, type(None))
    return type(one) is not type(other) and not isinstance(one, flexible) and not isinstance(other, flexible)


# ---------------------------------------------------------------- effect


@injects("effect")
def printing_in_a_function(view: View) -> Made:
    for function in view.functions:
        if not function.is_proc:
            for statement in function.body:
                yield view.above(statement, 'print("here")')


@injects("effect")
def a_proc_called_in_a_function(view: View) -> Made:
    for function in view.functions:
        if not function.is_proc:
            yield view.above(function.body[-1], "announce_(1)", tail="\nproc announce_(k: int):\n    print(k)\n")


@injects("effect")
def a_let_assigned(view: View) -> Made:
    for _, node, name in view.lets(mutable=False):
        if name != "_":
            yield view.above(node, f"{name} = {name}", after=True)


@injects("effect")
def a_parameter_assigned(view: View) -> Made:
    for function in view.functions:
        for one in function.params:
            if not one.inout and one.name.text != "self":
                yield view.above(function.body[0], f"{one.name.text} = {one.name.text}")


@injects("effect")
def a_captured_variable_assigned(view: View) -> Made:
    for function, node, name in view.lets(mutable=True):
        if node in function.body:
            yield view.above(node, "fn inner_():", f"    {name} = {name}", after=True)


@injects("effect")
def a_loop_variable_assigned(view: View) -> Made:
    for function in view.functions:
        for node in view.expressions(function):
            if isinstance(node, ast.For) and isinstance(node.target, ast.Identifier) and node.target.text != "_":
                yield view.above(node.body[0], f"{node.target.text} = {node.target.text}")


# ---------------------------------------------------------------- ownership


def lent_names(view: View) -> Iterator[tuple[ast.Call, ast.Argument]]:
    for function in view.functions:
        for node in view.expressions(function):
            if isinstance(node, ast.Call):
                for one in node.arguments:
                    if one.borrow:
                        yield node, one


@injects("ownership")
def a_missing_ampersand(view: View) -> Made:
    for _, argument in lent_names(view):
        yield view.put(argument.span, argument.span.text.replace("&", "", 1))


@injects("ownership")
def an_ampersand_too_many(view: View) -> Made:
    for call, name in view.calls():
        for position, argument in enumerate(call.arguments):
            by_value = name not in view.signatures or not any(one.inout for one in view.signatures[name].params)
            if by_value and isinstance(argument.value, ast.Name) and not argument.borrow and argument.name is None and position < 9:
                yield view.put(argument.span, "&" + argument.span.text)


def variables(view: View, mutable: bool) -> Iterator[tuple[ast.Let, str]]:
    """Variables whose sizes are known."""
    for _, node, name in view.lets(mutable):
        if "?" not in node.span.text and name != "_":
            yield node, name


@injects("ownership")
def one_variable_lent_twice(view: View) -> Made:
    for node, name in variables(view, mutable=True):
        tail = "\nfn both_<Q>(a: inout Q, b: inout Q):\n    pass\n"
        yield view.above(node, f"both_(&{name}, &{name})", after=True, tail=tail)


@injects("ownership")
def an_array_lent_and_read(view: View) -> Made:
    for node, name in variables(view, mutable=True):
        if is_array(view.type(node.value), 1) or is_array(view.type(node.value), 2):
            tail = "\nfn both_<Q>(a: inout Q, b: Q):\n    pass\n"
            yield view.above(node, f"both_(&{name}, {name})", after=True, tail=tail)


@injects("ownership")
def a_let_lent(view: View) -> Made:
    for node, name in variables(view, mutable=False):
        yield view.above(node, f"change_(&{name})", after=True, tail="\nfn change_<Q>(a: inout Q):\n    pass\n")


# ---------------------------------------------------------------- names


def typo(view: View, name: str, random_: random.Random) -> str:
    """A slip in a name, which makes a name that is nowhere in the program."""
    for _ in range(20):
        at = random_.randrange(len(name))
        slips = [name[:at] + name[at] + name[at:], name[:at] + name[at + 1 :], name + "x"]
        made = random_.choice(slips)
        fresh = made not in KNOWN and not re.search(rf"\b{made}\b", view.text)
        if fresh and made.isidentifier() and made[0].isupper() == name[0].isupper() and len(made) > 1:
            return made
    return name + "_q"


KNOWN = {"sin", "cos", "tan", "exp", "log", "pi", "abs", "max", "min", "sum", "all", "any", "len", "int", "f32", "f64", "in", "if", "or",
         "as"}
"""Short names that a slip could hit."""


@injects("names")
def a_typo_in_a_name(view: View) -> Made:
    slips = random.Random(view.text)
    for function in view.functions:
        for node in view.expressions(function):
            if isinstance(node, ast.Name) and node.text != "_" and len(node.text) > 1:
                yield view.put(node.span, typo(view, node.text, slips))


@injects("names")
def a_typo_in_a_member(view: View) -> Made:
    slips = random.Random(view.text)
    for function in view.functions:
        for node in view.expressions(function):
            if isinstance(node, ast.Attribute) and len(node.name.text) > 1:
                yield view.put(node.name.span, typo(view, node.name.text, slips))


@injects("names")
def a_typo_in_a_type(view: View) -> Made:
    slips = random.Random(view.text)
    for function in view.functions:
        for one in function.params:
            for node in ast.walk(one.type) if one.type is not None else ():
                if isinstance(node, ast.TypeName) and node.span.text[0].isupper() and len(node.path.parts) == 1 and len(node.path.text) > 1:
                    yield view.put(node.path.span, typo(view, node.path.text, slips))


# ---------------------------------------------------------------- match


def plain_matches(view: View) -> Iterator[ast.Match]:
    """Matches whose cases are the alternatives of a type, each once, with names inside."""
    for function in view.functions:
        for node in view.expressions(function):
            if isinstance(node, ast.Match) and all(plain_case(view, case) for case in node.cases):
                names = [case.pattern.path.text for case in node.cases]  # type: ignore[union-attr]
                if len(set(names)) == len(names):
                    yield node


def plain_case(view: View, case: ast.Case) -> bool:
    if case.guard is not None or not isinstance(case.pattern, (ast.AlternativePattern, ast.NamePattern)):
        return False
    inside = case.pattern.items if isinstance(case.pattern, ast.AlternativePattern) else ()
    names = all(isinstance(one, ast.NamePattern) and not one.path.text[0].isupper() for one in inside)
    return names and case.pattern.path.text in view.constructors


def case_span(view: View, match: ast.Match, position: int) -> Span:
    """The whole lines of a case."""
    start = view.source.line_starts[match.cases[position].span.line - 1]
    last = match.cases[position].span.end
    end = view.text.find("\n", last - 1) + 1
    return Span(view.source, start, end)


@injects("match")
def a_case_too_few(view: View) -> Made:
    for match in plain_matches(view):
        for position in range(len(match.cases)):
            if len(match.cases) > 1:
                text, _ = view.put(case_span(view, match, position), "")
                yield text, match.span.line


@injects("match")
def a_case_twice(view: View) -> Made:
    for match in plain_matches(view):
        for position in range(len(match.cases)):
            span = case_span(view, match, position)
            text = view.text[: span.end] + span.text + view.text[span.end :]
            yield text, span.source.position(span.end)[0]


@injects("match")
def an_unknown_alternative(view: View) -> Made:
    slips = random.Random(view.text)
    for match in plain_matches(view):
        for case in match.cases:
            assert isinstance(case.pattern, (ast.AlternativePattern, ast.NamePattern))
            yield view.put(case.pattern.path.span, typo(view, case.pattern.path.text, slips))


@injects("match")
def a_field_too_many(view: View) -> Made:
    for match in plain_matches(view):
        for case in match.cases:
            if isinstance(case.pattern, ast.AlternativePattern) and case.pattern.items:
                yield view.put(case.pattern.items[-1].span, f"{case.pattern.items[-1].span.text}, extra_")


# ---------------------------------------------------------------- returns


def tails(block: ast.Block) -> Iterator[ast.Return]:
    """The returns that end a path."""
    match block[-1]:
        case ast.Return() as last:
            yield last
        case ast.If(branches, orelse) if orelse is not None:
            for body in (*(one.body for one in branches), orelse):
                yield from tails(body)
        case ast.Match(_, _, cases):
            for one in cases:
                yield from tails(one.body)


@injects("returns")
def a_missing_return(view: View) -> Made:
    for function in view.functions:
        for node in tails(function.body) if function.result is not None else ():
            if node.value is not None:
                yield view.put(node.span, "pass")


@injects("returns")
def a_value_not_returned(view: View) -> Made:
    for function in view.functions:
        for node in tails(function.body) if function.result is not None else ():
            if isinstance(node.value, (ast.Call, ast.Binary, ast.Name)):
                yield view.put(node.span, f"let result_ = {node.value.span.text}")


@injects("returns")
def a_value_too_many(view: View) -> Made:
    for function in view.functions:
        for node in tails(function.body) if function.result is not None else ():
            if node.value is not None:
                yield view.put(node.value.span, f"{node.value.span.text}, {0}")


@injects("returns")
def a_value_too_few(view: View) -> Made:
    for function in view.functions:
        for node in tails(function.body):
            if isinstance(node.value, ast.Tuple) and len(node.value.items) > 1:
                yield view.put(Span(view.source, node.value.items[-2].span.end, node.value.items[-1].span.end), "")


@injects("returns")
def a_bare_return(view: View) -> Made:
    for function in view.functions:
        for node in tails(function.body) if function.result is not None else ():
            if node.value is not None:
                yield view.put(node.span, "return")


@injects("returns")
def a_name_too_many(view: View) -> Made:
    for function in view.functions:
        for node in view.expressions(function):
            if isinstance(node, ast.Let) and isinstance(node.target, ast.Targets) and node.type is None:
                yield view.put(node.target.span, f"{node.target.span.text}, extra_")
