"""The typed tree: what the checker makes of the AST, and what Core is elaborated from.

Everything is resolved and explicit, still polymorphic and structured as the user wrote it:

- names are unique locals or qualified globals ("nn.Linear.call"); methods are functions whose first parameter is `self`;
- calls carry all arguments in the order of the parameters, defaults filled in, and their type and size arguments;
- operators and library primitives are `Primitive` with the name of a row of the op table;
- broadcasting over leading axes, packing and opening of unknown sizes, literal types and conversions are nodes;
- comprehension ranges are inferred, nested patterns compiled to single-level `Match`, assignments have a `Place`;
- callable records are calls of their `call` method; `grad(f)` not applied is a `Lambda` around a `Derivative`.

Sizes: a `Size` mentions size variables by name: size parameters of the enclosing function, names bound by `Open` and
`CheckedCast`, and immutable int locals (their unique name). Each is bound before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dynlang.diag import Diagnostic
from dynlang.source import Span
from dynlang.types import Size, Type, TypeVariable


@dataclass(frozen=True, slots=True)
class Local:
    """A variable; `name` is unique in its function. `mutable`: `var` and `inout`."""

    name: str
    type: Type
    mutable: bool = False


# ---------------------------------------------------------------- expressions: each has `type` and `span`


@dataclass(frozen=True, slots=True)
class Expression:
    type: Type
    span: Span


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A number, bool or string of type `type`."""

    value: int | float | bool | str


@dataclass(frozen=True, slots=True)
class LocalReference(Expression):
    local: Local


@dataclass(frozen=True, slots=True)
class ConstantReference(Expression):
    """A top-level `let`."""

    name: str


@dataclass(frozen=True, slots=True)
class SizeValue(Expression):
    """A size used as an int."""

    size: Size


@dataclass(frozen=True, slots=True)
class FunctionReference(Expression):
    """A function as a value, instantiated. `type` is a FunctionType."""

    function: str
    types: tuple[Type, ...] = ()
    sizes: tuple[Size, ...] = ()


@dataclass(frozen=True, slots=True)
class Lambda(Expression):
    """Captures by value every local that is free in its body."""

    parameters: tuple[Local, ...]
    body: Expression


@dataclass(frozen=True, slots=True)
class Place:
    """What can be assigned or lent: a mutable local, then fields and indices.

    A step is a field name, a tuple position (int), or a tuple of index expressions / `SliceItem`s."""

    root: Local
    steps: tuple[str | int | tuple[Expression | SliceItem, ...], ...]
    type: Type
    span: Span


@dataclass(frozen=True, slots=True)
class Lend:
    """``&place``, the argument of an `inout` parameter."""

    place: Place


Passed = Expression | Lend


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """`types` and `sizes` are in the order of the function's parameters of that sort. `type` is the result."""

    function: str
    types: tuple[Type, ...]
    sizes: tuple[Size, ...]
    arguments: tuple[Passed, ...]


@dataclass(frozen=True, slots=True)
class CallValue(Expression):
    """A call of a function value."""

    function: Expression
    arguments: tuple[Passed, ...]


@dataclass(frozen=True, slots=True)
class Primitive(Expression):
    """A row of the op table. Elementwise operands have the result's shape or are scalars. `sizes`, `attributes`: see the row.

    `mean` (of an array and the number of elements that are added) is no row: it becomes a sum and a quotient."""

    op: str
    arguments: tuple[Expression, ...]
    attributes: tuple[tuple[str, object], ...] = ()
    sizes: tuple[Size, ...] = ()


@dataclass(frozen=True, slots=True)
class Mutate(Expression):
    """An op that consumes its first operand, done to a place: ``list.push(x)``, ``list.pop()``.

    The place takes the op's first result; the value is what else the op returns, the empty tuple if nothing."""

    op: str
    place: Place
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Broadcast(Expression):
    """Repeats `value` over new leading axes."""

    value: Expression
    leading: tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class Convert(Expression):
    """``f32(e)``: every number of `value` converted to the dtype of `type`, elementwise."""

    value: Expression


@dataclass(frozen=True, slots=True)
class MakeTuple(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class TupleItem(Expression):
    value: Expression
    position: int


@dataclass(frozen=True, slots=True)
class MakeRecord(Expression):
    """`fields` in the order of the declaration."""

    fields: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class NoChange(Expression):
    """The derivative with respect to a function that nothing depends on; `type` is the function's tangent."""


@dataclass(frozen=True, slots=True)
class Field(Expression):
    """A field of a record, or of the tangent of a record."""

    value: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Construct(Expression):
    """A constructor of a sum type with its payload."""

    constructor: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class SliceItem:
    """``start:stop`` of one axis; `start` and the resulting `count` as sizes (step 1) or as an int expression `start`."""

    start: Expression
    count: Size
    step: int = 1


@dataclass(frozen=True, slots=True)
class Index(Expression):
    """``value[items]`` on an array; missing trailing items keep their axes. An int item (not idx) is checked at run time,
    and counts from the end when it is a negative literal. An item that is an array of indices gathers (first axis only)."""

    value: Expression
    items: tuple[Expression | SliceItem, ...]


@dataclass(frozen=True, slots=True)
class ListItem(Expression):
    """``list[i]`` (checked)."""

    value: Expression
    position: Expression


@dataclass(frozen=True, slots=True)
class MakeArray(Expression):
    """``[a, b, c]``: items of one type."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Expression):
    """``then if condition else otherwise``; only one is evaluated."""

    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class ShortCircuit(Expression):
    """``left and right``, ``left or right``: `right` is evaluated only if needed. `word` is 'and' or 'or'."""

    word: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Binding:
    """``locals = value``, a tuple taken apart when there are several; None drops an item."""

    locals: tuple[Local | None, ...]
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Sequence(Expression):
    """`bindings` evaluated in order, then `value`. Their locals (also as sizes) are in scope in all that follows in the function.

    An int that isn't a polynomial becomes a size this way (``zeros(f(x))``: ``count = f(x)``, checked not negative), the middle
    of a chain ``a < f(x) < b`` is evaluated once, and a sum of 100,000 terms stays flat."""

    bindings: tuple[Binding, ...]
    value: Expression


@dataclass(frozen=True, slots=True)
class Axis:
    """``index`` runs over 0..count; then `bindings` are evaluated (``x = xs[index]``)."""

    index: Local
    count: Size
    bindings: tuple[Binding, ...] = ()


@dataclass(frozen=True, slots=True)
class Comprehension(Expression):
    """`kind`: 'array' (axes become the leading axes; with a guard, one axis and an unknown length) or a reduction
    sum prod max min mean any all argmax argmin logsumexp count. An array element that is itself an array adds its axes."""

    kind: str
    axes: tuple[Axis, ...]
    guard: Expression | None
    body: Expression


@dataclass(frozen=True, slots=True)
class Open(Expression):
    """Opens unknown sizes: one new size variable for each `Unknown` of the value's type, left to right (`types.unknowns`).
    The type is the value's with these names in their places. They are in scope in all that follows in the function."""

    value: Expression
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pack(Expression):
    """Forgets sizes: `type` has unknowns where the value's type has sizes."""

    value: Expression


@dataclass(frozen=True, slots=True)
class SizeEquation:
    """Binds ``name = (actual - remainder) / factor`` with checks: divisible, not negative."""

    name: str
    actual: Size
    factor: Size
    remainder: Size


@dataclass(frozen=True, slots=True)
class CheckedCast(Expression):
    """``value as type`` on sizes. Solves `equations` in order, then checks that each pair of `equal` is."""

    value: Expression
    equations: tuple[SizeEquation, ...]
    equal: tuple[tuple[Size, Size], ...]


@dataclass(frozen=True, slots=True)
class CheckIndex(Expression):
    """``value as idx<bound>`` for an int or an array of ints: checked at run time. `type` holds the bound."""

    value: Expression
    bound: Size


@dataclass(frozen=True, slots=True)
class Format(Expression):
    """The text of a value; `specification` is the part after ``:`` of an f-string, parsed by the elaborator."""

    value: Expression
    specification: str = ""


@dataclass(frozen=True, slots=True)
class Structural(Expression):
    """What is done by the structure of a type. `op` 'equal' and 'less': of two values of one type; 'hash': of a key."""

    op: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Derivative(Expression):
    """`kind`: grad value_and_grad vjp jvp jacobian hessian hvp. `function` is a function value, of hessian and hvp the gradient, applied
    to `arguments`; `wrt` are parameter positions.

    vjp: `extra` is the cotangent, the type is (result, gradient); jvp: `extra` are the tangents of the parameters in `wrt`,
    the type is (result, tangent). Where `first`, the first of several results is differentiated, and the others are auxiliary."""

    kind: str
    function: Expression
    wrt: tuple[int, ...]
    arguments: tuple[Passed, ...]
    extra: tuple[Expression, ...] = ()
    first: bool = False


@dataclass(frozen=True, slots=True)
class LeafFunction:
    """The body applied to every leaf: `type_variable` stands for its dtype, `size_variable` for its number of elements.
    `parameters` are vectors ``type_variable[size_variable]`` (after an optional first `info: Leaf`, and an accumulator)."""

    type_variable: TypeVariable
    size_variable: str
    parameters: tuple[Local, ...]
    body: Expression


@dataclass(frozen=True, slots=True)
class MapLeaves(Expression):
    """One vector for each leaf (kind of `function.type_variable`) of the arguments, which have one structure (a tangent fits its
    type); other leaves are kept from the first argument. A row-sparse table with a `Rows` tangent is handed over row by touched row."""

    function: LeafFunction
    arguments: tuple[Expression, ...]
    with_info: bool = False


@dataclass(frozen=True, slots=True)
class MakeLeaves(Expression):
    """A value of type `type`, each leaf made by the function from its `Leaf` record (path, shape, index, count).

    `sizes(path, axis)`, if given, is how long an axis of unknown size is."""

    function: LeafFunction
    sizes: Expression | None = None


@dataclass(frozen=True, slots=True)
class FoldLeaves(Expression):
    """``state = function(state, [info,] leaf..)`` over the leaves in order."""

    function: LeafFunction
    initial: Expression
    arguments: tuple[Expression, ...]
    with_info: bool = False


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Bind:
    """`let` and `var`."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class Assign:
    """`places` take the tuple items of `value` (one place: the value). ``x += e`` arrives as ``x = x + e``; None drops."""

    places: tuple[Place | None, ...]
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class If:
    condition: Expression
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class While:
    """`slots`: of ``while checkpoint(c, slots=8):``."""

    condition: Expression
    body: tuple[Statement, ...]
    span: Span
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class For:
    """``index`` runs over 0..count, evaluated once. `progress`: the text of ``progress(e, text)``; `slots`: of
    ``checkpoint(e, slots=8)``."""

    index: Local
    count: Expression
    bindings: tuple[Binding, ...]
    body: tuple[Statement, ...]
    span: Span
    progress: Expression | None = None
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """`fields`: one local for each payload, None where it is not used."""

    constructor: str
    fields: tuple[Local | None, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """One level: each constructor has an arm, or falls to `otherwise`."""

    scrutinee: Expression
    arms: tuple[Arm, ...]
    otherwise: tuple[Statement, ...] | None
    span: Span


@dataclass(frozen=True, slots=True)
class Return:
    value: Expression | None
    span: Span


@dataclass(frozen=True, slots=True)
class Assert:
    condition: Expression
    message: Expression | None
    span: Span


@dataclass(frozen=True, slots=True)
class Break:
    span: Span


@dataclass(frozen=True, slots=True)
class Continue:
    span: Span


@dataclass(frozen=True, slots=True)
class Evaluate:
    """An expression for its effect."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Missing:
    """``...``: fails when run."""

    span: Span


Statement = Bind | Assign | If | While | For | Match | Return | Assert | Break | Continue | Evaluate | Missing

# ---------------------------------------------------------------- declarations


@dataclass(frozen=True, slots=True)
class Parameter:
    """`mode`: 'value' or 'inout'. `default` is used by `main`'s flags and the documentation; calls have it filled in.
    `label` is the user's name for it, where the local has another (a size parameter is called the same)."""

    local: Local
    mode: str = "value"
    default: Expression | None = None
    label: str = ""

    @property
    def name(self) -> str:
        return self.label or self.local.name


@dataclass(frozen=True, slots=True)
class Function:
    """`rule_of`: the function whose derivative this is (``@derivative``). `returns` is UNIT for procs without result.
    A nested `fn` is a top-level function here, its captures added in front as parameters."""

    name: str
    kind: str
    types: tuple[TypeVariable, ...]
    sizes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    returns: Type
    body: tuple[Statement, ...]
    span: Span
    export: bool = False
    documentation: str = ""
    rule_of: str | None = None
    surrogate: bool = False
    checkpoint: bool = False


@dataclass(frozen=True, slots=True)
class Generic:
    """A parameter of a record or sum. `kind`: 'size' or a kind of type."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    generics: tuple[Generic, ...]
    fields: tuple[tuple[str, Type], ...]
    documentation: str = ""
    invariant: str = ""
    """The method that is asked of a value that was made from outside."""


@dataclass(frozen=True, slots=True)
class Constructor:
    name: str
    fields: tuple[tuple[str, Type], ...]


@dataclass(frozen=True, slots=True)
class Sum:
    name: str
    generics: tuple[Generic, ...]
    constructors: tuple[Constructor, ...]
    documentation: str = ""


@dataclass(frozen=True, slots=True)
class Constant:
    name: str
    type: Type
    value: Expression


@dataclass(frozen=True, slots=True)
class Block:
    """A `test` or `bench`: a title and statements, run as a proc without parameters."""

    title: str
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Program:
    """All modules reachable from the main one. `main` is the qualified name of ``proc main``, if there is one.
    Qualified names: ``module.name``, methods ``module.Record.name``; the prelude's are ``prelude.name``. `functions` may hold
    those of the library as bytes, so it is asked for names, never gone through."""

    module: str
    records: Mapping[str, Record] = field(default_factory=dict)
    sums: Mapping[str, Sum] = field(default_factory=dict)
    constants: Mapping[str, Constant] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    """Of a function, the one that says its derivative."""
    tests: tuple[Block, ...] = ()
    benches: tuple[Block, ...] = ()
    main: str | None = None
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def own(self) -> list[Function]:
        """The functions of the main module, methods and nested ones among them."""
        return [self.functions[name] for name in self.functions if name.startswith(self.module + ".")]

    @property
    def exported(self) -> list[Function]:
        """What the main module gives to hosts."""
        return [one for one in self.own if one.export]
