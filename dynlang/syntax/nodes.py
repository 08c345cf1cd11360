"""The AST: what the user wrote, one class for each construct.

Every node is immutable and has `span`, the characters that it was written with (`NOWHERE` for nodes that the compiler
makes). Spans take no part in `==`, so two trees are equal if they say the same. Children are nodes, or tuples of nodes.

The three words that recur:

    expr    Name Integer Float Boolean String FString Tuple List Comprehension Lambda IfExpr Logical Not Compare Range
            Binary Negate Power Cast Attribute Call Index
    type    TypeName ArrayType SparseType TupleType ArrowType Unknown, and as sizes also Integer and Binary
    block   a tuple of statements, never empty

Brackets leave no node behind: `(a + b) * c` is a `Binary` whose first operand is a `Binary`, with the span of the
brackets. Chains of one precedence are flat: `a + b - c` is one `Binary`, so a sum of 100,000 terms is not deep, and no
tree that the parser returns is deeper than `dynlang.syntax.parser.DEPTH_LIMIT` nodes.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from dynlang.source import NOWHERE, Span


@dataclass(frozen=True, slots=True)
class Node:
    """What all nodes have."""
    span: Span = field(default=NOWHERE, compare=False, repr=False, kw_only=True)


# ---------------------------------------------------------------- names

@dataclass(frozen=True, slots=True)
class Identifier(Node):
    """A name where it is declared, or that is looked up in something: parameters, fields, `x.field`, `f(name=...)`."""
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Dotted(Node):
    """`nn`, `nn.Linear`: a path of one or more names."""
    parts: tuple[Identifier, ...]

    @property
    def text(self) -> str:
        return '.'.join(part.text for part in self.parts)

    def __str__(self) -> str:
        return self.text


# ---------------------------------------------------------------- files

@dataclass(frozen=True, slots=True)
class Module(Node):
    """A file: its doc string, and its declarations in order."""
    doc: str | None
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Import(Node):
    """`import nn`, `import a.b as c`."""
    path: Dotted
    alias: Identifier | None = None


@dataclass(frozen=True, slots=True)
class FromImport(Node):
    """`from energy import minimize, implicit as by_implicit`; with `export` in front the names are this module's for others, too."""
    path: Dotted
    names: tuple[Imported, ...]
    export: bool = False


@dataclass(frozen=True, slots=True)
class Imported(Node):
    """One name of a `FromImport`: `implicit as by_implicit`."""
    name: Identifier
    alias: Identifier | None = None


@dataclass(frozen=True, slots=True)
class Generic(Node):
    """One generic parameter: `n`, `T = f32`, `T: float = f32`. The kind is `any`, `number` or `float`."""
    name: Identifier
    kind: Identifier | None = None
    default: Type | None = None


@dataclass(frozen=True, slots=True)
class Alias(Node):
    """`type Pair<T> = (T, T)`."""
    name: Identifier
    generics: tuple[Generic, ...]
    type: Type


@dataclass(frozen=True, slots=True)
class TypeDef(Node):
    """A sum type, `type Tree:` with its alternatives, then its methods."""
    name: Identifier
    generics: tuple[Generic, ...]
    doc: str | None
    alternatives: tuple[Alternative, ...]
    methods: tuple[Function, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative(Node):
    """`Leaf(word: int)` or, without payload, `Empty`."""
    name: Identifier
    payload: tuple[Payload, ...] = ()


@dataclass(frozen=True, slots=True)
class Payload(Node):
    """One named field of an alternative: `word: int`."""
    name: Identifier
    type: Type


@dataclass(frozen=True, slots=True)
class Record(Node):
    """`record Model<v, d>:` with fields and methods in the order of the file (both may be absent: `pass`)."""
    name: Identifier
    generics: tuple[Generic, ...]
    doc: str | None
    members: tuple[Field | NamedSize | Function, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(member for member in self.members if isinstance(member, Field))

    @property
    def methods(self) -> tuple[Function, ...]:
        return tuple(member for member in self.members if isinstance(member, Function))


@dataclass(frozen=True, slots=True)
class Field(Node):
    """One field of a record: `trust: f32 = 0.0`."""
    name: Identifier
    type: Type
    default: Expr | None = None


@dataclass(frozen=True, slots=True)
class NamedSize(Node):
    """`let nodes = n` in a record: a size that its values give by name, made of the record's parameters."""
    name: Identifier
    size: Type


@dataclass(frozen=True, slots=True)
class Test(Node):
    """`test "the gradient is correct":`, `test "a sum has no order" for x: f32[?n]:`"""
    title: str
    body: Block
    params: tuple[Param, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench(Node):
    """`bench "one tree":`"""
    title: str
    body: Block


@dataclass(frozen=True, slots=True)
class Function(Node):
    """`fn` or `proc`: at the top of a file, in a record (a method) or in a body (a nested function).

    A doc string is `doc` and not in `body`; a body of nothing but a doc string is `(Pass(),)`.
    """
    decorators: tuple[Decorator, ...]
    export: bool
    is_proc: bool
    name: Identifier
    generics: tuple[Generic, ...]
    params: tuple[Param, ...]
    result: Type | None
    doc: str | None
    body: Block


@dataclass(frozen=True, slots=True)
class Decorator(Node):
    """`@derivative(of=f)`."""
    path: Dotted
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Param(Node):
    """A parameter: `x: f32[n]`, `rate: f32 = 0.1`, `mem: inout Memory<s, w>`, `self`, `self: inout`, or just `x`."""
    name: Identifier
    type: Type | None = None
    inout: bool = False
    default: Expr | None = None


# ---------------------------------------------------------------- statements

@dataclass(frozen=True, slots=True)
class Targets(Node):
    """Several names bound at once, in a `let`, `var`, `for` or comprehension: `a, b`, and nested `a, (b, c)`."""
    items: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Let(Node):
    """`let a, b: T = e`, or `var` if mutable. `let x = 1, 2` binds a `Tuple`."""
    mutable: bool
    target: Target
    type: Type | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """`target = value`; the target is a `Name`, `Attribute` or `Index`, or a `Tuple` of such."""
    target: Expr
    value: Expr


@dataclass(frozen=True, slots=True)
class Augment(Node):
    """`target += value`; the operator without its `=`: `+ - * / // % ** @`."""
    target: Expr
    operator: str
    value: Expr


@dataclass(frozen=True, slots=True)
class ExprStmt(Node):
    """An expression for its effect: `print(x)`, `sgd(&m, g, rate)`."""
    value: Expr


@dataclass(frozen=True, slots=True)
class Return(Node):
    """`return`, `return e`, `return a, b` (a `Tuple`)."""
    value: Expr | None = None


@dataclass(frozen=True, slots=True)
class Assert(Node):
    """`assert condition, message`."""
    condition: Expr
    message: Expr | None = None


@dataclass(frozen=True, slots=True)
class Break(Node):
    """`break`."""


@dataclass(frozen=True, slots=True)
class Continue(Node):
    """`continue`."""


@dataclass(frozen=True, slots=True)
class Pass(Node):
    """`pass`: does nothing."""


@dataclass(frozen=True, slots=True)
class Todo(Node):
    """`...`: checks, and fails with an error when it runs."""


@dataclass(frozen=True, slots=True)
class Branch(Node):
    """`if c:` or `elif c:` with its block."""
    condition: Expr
    body: Block


@dataclass(frozen=True, slots=True)
class If(Node):
    """`if`, any number of `elif`, and perhaps `else`: one node, so a long ladder of `elif` is not deep."""
    branches: tuple[Branch, ...]
    orelse: Block | None = None


@dataclass(frozen=True, slots=True)
class While(Node):
    """`while c:`."""
    condition: Expr
    body: Block


@dataclass(frozen=True, slots=True)
class For(Node):
    """`for x, y in e:`."""
    target: Target
    iterable: Expr
    body: Block


@dataclass(frozen=True, slots=True)
class Match(Node):
    """`match e:` (`match a, b:` has a `Tuple`), or `match &t:`, which lends the payloads for mutation."""
    subject: Expr
    borrow: bool
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Case(Node):
    """`Leaf(w) if w > 0:` with its block."""
    pattern: Pattern
    guard: Expr | None
    body: Block


# ---------------------------------------------------------------- patterns

@dataclass(frozen=True, slots=True)
class NamePattern(Node):
    """A name alone: a variable, `_`, or an alternative without payload. The type decides, not the syntax."""
    path: Dotted


@dataclass(frozen=True, slots=True)
class AlternativePattern(Node):
    """`Leaf(w)`, `Node(left=l, right=_)`."""
    path: Dotted
    items: tuple[Pattern | NamedPattern, ...]


@dataclass(frozen=True, slots=True)
class NamedPattern(Node):
    """`left=l` in an `AlternativePattern`."""
    name: Identifier
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class LiteralPattern(Node):
    """`0`, `-1.5`, `"yes"`, `true`; the value is an `Integer`, `Float`, `String` or `Boolean`, negated by its value."""
    value: Integer | Float | String | Boolean


@dataclass(frozen=True, slots=True)
class TuplePattern(Node):
    """`a, Leaf(b)` or in brackets."""
    items: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class EitherPattern(Node):
    """`A(x) | B(x)`: two or more options."""
    options: tuple[Pattern, ...]


# ---------------------------------------------------------------- expressions

@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name that is used: `x`."""
    text: str


@dataclass(frozen=True, slots=True)
class Integer(Node):
    """`42`, `0xff`, `1_000`; also a size."""
    value: int


@dataclass(frozen=True, slots=True)
class Float(Node):
    """`1.5`, `2e-4`; `text` keeps the digits as written, without underscores."""
    value: float
    text: str = field(default='', compare=False)


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    """`true`, `false`."""
    value: bool


@dataclass(frozen=True, slots=True)
class String(Node):
    """`"text"` or triple-quoted; the value has its escapes resolved."""
    value: str


@dataclass(frozen=True, slots=True)
class FString(Node):
    """`f"epoch {e}: {loss:.4f}"`: pieces of text (escapes resolved) and interpolations, in order."""
    parts: tuple[str | Interpolation, ...]


@dataclass(frozen=True, slots=True)
class Interpolation(Node):
    """`{loss:.4f}`: the expression and its format, '' if none is given."""
    value: Expr
    format: str = ''


@dataclass(frozen=True, slots=True)
class Tuple(Node):
    """`(a, b)`, `()`, or `a, b` where several expressions may stand."""
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class List(Node):
    """`[a, b]`."""
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Comprehension(Node):
    """`[e for i, j]`, or as the only argument of a call, without brackets of its own, `sum(e for x in xs if c)`."""
    value: Expr
    clauses: tuple[Clause, ...]
    bracketed: bool = True


@dataclass(frozen=True, slots=True)
class Clause(Node):
    """One `for` of a comprehension: its axes, grouped, and its guard."""
    axes: tuple[Axis, ...]
    guard: Expr | None = None


@dataclass(frozen=True, slots=True)
class Axis(Node):
    """`x, y in zip(xs, ys)` (a pattern and what it runs over), or a bare name whose range is inferred."""
    target: Target
    iterable: Expr | None = None


@dataclass(frozen=True, slots=True)
class Lambda(Node):
    """`x => e`, `(x, y: T) => e`, `() => e`. The params have no default and are never inout."""
    params: tuple[Param, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class IfExpr(Node):
    """`then if condition else orelse`."""
    condition: Expr
    then: Expr
    orelse: Expr


@dataclass(frozen=True, slots=True)
class Operation(Node):
    """An operator and its right operand; `span` is the operator's own."""
    operator: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Logical(Node):
    """`a and b and c`, `a or b`: the operator is 'and' or 'or', with two or more operands."""
    operator: str
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """`not a`."""
    operand: Expr


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`a < b`, `0 <= i < n`: every neighbouring pair must hold; `< > <= >= == !=`, never `<` and `>` in one chain."""
    first: Expr
    rest: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Range(Node):
    """`a..b`: the integers from `start` up to but not including `stop`."""
    start: Expr
    stop: Expr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`a + b - c` or `a * b / c @ d`: operators of one level (`+ -`, or `* / // % @`), applied from left to right.

    In a size the operands are types, and only `+ - * //` occur.
    """
    first: Expr | Type
    rest: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Negate(Node):
    """`-a`."""
    operand: Expr


@dataclass(frozen=True, slots=True)
class Power(Node):
    """`a ** b`."""
    base: Expr
    exponent: Expr


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """`e as T`: the checked cast."""
    value: Expr
    type: Type


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    """`value.name`."""
    value: Expr
    name: Identifier


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`f(x, axis=1, &rng)`. With a comprehension inside, that is the only argument."""
    function: Expr
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """`e`, `name=e`, `&path` (lent for mutation), `name=&path`. Named ones come last."""
    name: Identifier | None
    value: Expr
    borrow: bool = False


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`x[i, a:b, :]`: one or more indices or slices."""
    value: Expr
    indices: tuple[Expr | Slice, ...]


@dataclass(frozen=True, slots=True)
class Slice(Node):
    """`start:stop:step`, each optional."""
    start: Expr | None = None
    stop: Expr | None = None
    step: Expr | None = None


# ---------------------------------------------------------------- types and sizes

@dataclass(frozen=True, slots=True)
class TypeName(Node):
    """`f32`, `nn.Linear<2*d, k>`, `Tree`; as a size, the variable `n`. The checker tells a type from a size."""
    path: Dotted
    arguments: tuple[Type, ...] = ()


@dataclass(frozen=True, slots=True)
class ArrayType(Node):
    """`f32[n, 3*d]`."""
    element: Type
    sizes: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class SparseType(Node):
    """`sparse f32[n, n]`."""
    type: Type


@dataclass(frozen=True, slots=True)
class TupleType(Node):
    """`(f32[d], int)`, `()`."""
    items: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class ArrowType(Node):
    """`A -> B`, `(A, B) -> C`, `() -> A`, `(inout A, B) -> C`; `((A, B)) -> C` takes one parameter, a tuple."""
    params: tuple[Type, ...]
    result: Type


@dataclass(frozen=True, slots=True)
class LentType(Node):
    """`inout A`, a parameter of a function type."""
    type: Type


@dataclass(frozen=True, slots=True)
class Unknown(Node):
    """`?` or `?n`, an unknown size (or type argument), perhaps named."""
    name: Identifier | None = None


Target: TypeAlias = Identifier | Targets
Type: TypeAlias = TypeName | ArrayType | SparseType | TupleType | ArrowType | LentType | Unknown | Integer | Binary
Pattern: TypeAlias = NamePattern | AlternativePattern | LiteralPattern | TuplePattern | EitherPattern
Item: TypeAlias = Import | FromImport | Alias | TypeDef | Record | Test | Bench | Function | Let
Statement: TypeAlias = (Let | Assign | Augment | ExprStmt | Return | Assert | Break | Continue | Pass | Todo | If
                        | While | For | Match | Function)
Block: TypeAlias = tuple[Statement, ...]
Expr: TypeAlias = (Name | Integer | Float | Boolean | String | FString | Tuple | List | Comprehension | Lambda | IfExpr
                   | Logical | Not | Compare | Range | Binary | Negate | Power | Cast | Attribute | Call | Index)


# ---------------------------------------------------------------- walking

_CHILD_FIELDS: dict[type, tuple[str, ...]] = {}
_LEAVES = {'span', 'text', 'doc', 'title', 'export', 'is_proc', 'inout', 'mutable', 'borrow', 'operator', 'format'}


def _child_fields(kind: type) -> tuple[str, ...]:
    names = _CHILD_FIELDS.get(kind)
    if names is None:
        names = tuple(f.name for f in fields(kind) if f.name not in _LEAVES)
        _CHILD_FIELDS[kind] = names
    return names


def children(node: Node) -> Iterator[Node]:
    """The direct children of a node, in the order of the text."""
    for name in _child_fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif type(value) is tuple:
            for item in value:
                if isinstance(item, Node):
                    yield item


def walk(node: Node) -> Iterator[Node]:
    """A node and all nodes below it, parents first, in the order of the text; without recursion."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += reversed(list(children(current)))
