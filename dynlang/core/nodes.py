"""Core: typed, monomorphic, first-order A-normal form with structured control flow.

What is gone: generics over types, methods, records and tuples (flattened into several values), lambdas (specialised or
turned into sums), `var` (renamed), early `return`, `break`, nested patterns, comprehensions (loops), f-strings.
What stays: sum types with size parameters, lists, strings, symbolic sizes, `inout` (visible as a parameter that a result
hands back), structured `if case for while call`.

Rules that `verify` keeps
- A variable is bound once in a function and used only below its binding, in scope.
- An argument is an atom: a variable or a literal.
- Every size in a type is a polynomial over **int variables in scope**; size parameters come first among the parameters.
  Results may mention parameters and earlier results; constructor fields may mention the type's size parameters and
  earlier int fields of the same constructor. So ``f32[?]`` is two values, ``n: int`` and ``x: f32[n]``.
- A record is its fields in order, a tuple its items, an array of records one array per field (all with the outer axes in
  front), ``()`` nothing. idx<n> is int. An array of tuples likewise. A jagged array holds one-constructor sums.
- Elementwise ops take operands of one shape, or scalars. Nothing else is broadcast without a `broadcast` op.

As source: an arm, a branch or a body is a `Block`; its `results` are what the construct binds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dynlang.source import Span
from dynlang.types import Size, SumType, Type


@dataclass(frozen=True, slots=True)
class Variable:
    """A value's only name. `name` is unique in its function and readable: the user's name, with a number if needed."""

    name: str
    type: Type

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Literal:
    """A scalar or string constant of a scalar or string type."""

    value: int | float | bool | str
    type: Type

    def __str__(self) -> str:
        return str(self.value)


Atom = Variable | Literal

CAPTURED = ":"
"""Between a parameter and what a function in it captured, in a label: ``energy:w``."""


@dataclass(frozen=True, slots=True)
class Block:
    """Statements, then the values of the block."""

    statements: tuple[Let, ...]
    results: tuple[Atom, ...]
    free: tuple[Variable, ...] | None = field(default=None, init=False, compare=False, repr=False)
    """What `walk.free_variables` found."""
    calls: tuple[str, ...] | None = field(default=None, init=False, compare=False, repr=False)
    """What `walk.functions_called` found."""
    lean: bool = field(default=False, init=False, compare=False, repr=False)
    """`grad.dead` has been here: nothing is dead while all results are read."""
    simple: bool = field(default=False, init=False, compare=False, repr=False)
    """`core.simplify` has been here: `fold` leaves it as it is, but for calls that it expands."""


@dataclass(frozen=True, slots=True)
class Let:
    """``variables = right``. No variables: the right side is there for its check or its effect."""

    variables: tuple[Variable, ...]
    right: Right
    span: Span | None = None


# ---------------------------------------------------------------- right-hand sides


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the op table. `sizes` are the result's sizes where operands don't determine them (fill, reshape, slice, ...)."""

    op: str
    arguments: tuple[Atom, ...]
    attributes: tuple[tuple[str, object], ...] = ()
    sizes: tuple[Size, ...] = ()

    def attribute(self, name: str, default: object = None) -> object:
        return dict(self.attributes).get(name, default)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a Core function. The values behind `inout` parameters come back as results (see `Function.inout`)."""

    function: str
    arguments: tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Construct:
    """A value of a sum type."""

    type: SumType
    constructor: str
    arguments: tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Arm:
    """All fields of the constructor are bound at once, in order."""

    constructor: str
    fields: tuple[Variable, ...]
    body: Block


@dataclass(frozen=True, slots=True)
class Case:
    """Every constructor of the scrutinee's type has exactly one arm, in the order of the declaration."""

    scrutinee: Atom
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class If:
    condition: Atom
    then: Block
    otherwise: Block


@dataclass(frozen=True, slots=True)
class For:
    """``index`` runs over 0..count; `carried` start as `initial`, and become the results of `body` after each trip.

    The results are the last values. Types of carried values may mention earlier carried ints.
    With `slots` the backward keeps that many states at most, and computes what is between them again."""

    index: Variable
    count: Atom
    carried: tuple[Variable, ...]
    initial: tuple[Atom, ...]
    body: Block
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class While:
    """`condition` (one bool) and `body` both see `carried`. `slots` as of a `For`."""

    carried: tuple[Variable, ...]
    initial: tuple[Atom, ...]
    condition: Block
    body: Block
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class Vjp:
    """A request to differentiate, answered by the `grad` stage: there is none in its output.

    Calls `function` on `arguments`; binds its results, then one gradient for each parameter position in `wrt` (its
    tangent type, flat). `cotangents` has one entry for each result of the function, None where it is not differentiated
    (ints, auxiliary results, results of `inout` parameters that carry no cotangent)."""

    function: str
    arguments: tuple[Atom, ...]
    wrt: tuple[int, ...]
    cotangents: tuple[Atom | None, ...]


@dataclass(frozen=True, slots=True)
class Jvp:
    """Forward mode: binds the function's results, then the tangents of its differentiable results in order.

    `tangents` has one entry for each parameter; None is a constant."""

    function: str
    arguments: tuple[Atom, ...]
    tangents: tuple[Atom | None, ...]


Right = Operation | Call | Construct | Case | If | For | While | Vjp | Jvp

# ---------------------------------------------------------------- declarations


@dataclass(frozen=True, slots=True)
class Constructor:
    """`fields` are variables so that later field types can mention earlier int fields. `bounds`: what the numbers of a field must be
    below where the program has indices; nothing in Core asks for it, but what takes values from outside does."""

    name: str
    fields: tuple[Variable, ...]
    bounds: tuple[Size | None, ...] = field(default=(), compare=False)
    items: tuple[tuple[Size | None, ...], ...] = field(default=(), compare=False)
    """For each field that is a list the bounds of what its items consist of, as `bounds`."""

    def bound(self, place: int) -> Size | None:
        """What the numbers of the field in this place must be below; None where they are no indices."""
        return self.bounds[place] if self.bounds else None


@dataclass(frozen=True, slots=True)
class SumDeclaration:
    """A sum type with size parameters. Constructor names are unique in the module."""

    name: str
    sizes: tuple[str, ...]
    constructors: tuple[Constructor, ...]

    def constructor(self, name: str) -> Constructor:
        return next(one for one in self.constructors if one.name == name)


@dataclass(frozen=True, slots=True)
class CustomDerivative:
    """``@derivative(of=f)``: `rule` takes f's arguments, those of f's results that it reads (`reads`, their positions) and one cotangent
    for each differentiable result; it returns the cotangents of f's differentiable parameters. `surrogate` lifts the claim that it is
    the true derivative."""

    rule: str
    surrogate: bool = False
    reads: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """`parameters`: size parameters (ints) first. `results` are names with types: later types may mention earlier results.

    `inout[i] = (parameter, result)`: the parameter is owned by the function and handed back as that result.
    `checkpoint` asks the derivative to save the arguments alone. `export` is the name of the C function, if any.
    `parameter_labels` / `result_labels` are the users' paths (``m.leaf.w``, ``result.0``) for `dync call` and the C header."""

    name: str
    parameters: tuple[Variable, ...]
    results: tuple[Variable, ...]
    body: Block
    sizes: int = 0
    inout: tuple[tuple[int, int], ...] = ()
    pure: bool = True
    checkpoint: bool = False
    derivative: CustomDerivative | None = None
    export: str | None = None
    parameter_labels: tuple[str, ...] = ()
    result_labels: tuple[str, ...] = ()
    documentation: str = ""
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Module:
    """`roots` are the functions that are called from outside; none means that nothing is known of it."""

    sums: Mapping[str, SumDeclaration] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
