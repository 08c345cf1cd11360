"""What is declared: the tables that every module adds to, and what a name can mean.

Types refer to declarations by qualified name, so a module's `Interface` stands alone: it can be stored and read back
without the modules that it imports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dynlang.check import typed
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    UNIT,
    Argument,
    FunctionType,
    RecordType,
    Size,
    SumType,
    Type,
    TypeVariable,
    is_sparse,
)

SymbolKind = Literal["function", "record", "sum", "constructor", "alias", "constant", "module", "ambiguous"]


@dataclass(frozen=True, slots=True)
class Symbol:
    """What a name of a module stands for. `name` is qualified; for a constructor it is ``sum name#constructor``.

    Ambiguous is the last part of two imports, `a` of ``import p.a`` and ``import q.a``: the name says which two."""

    kind: SymbolKind
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Generic:
    """A declared parameter of a type or function: a size, or a type of a kind."""

    name: str
    kind: str
    span: Span
    default: Argument | None = None

    @property
    def is_size(self) -> bool:
        return self.kind == "size"

    @property
    def argument(self) -> Argument:
        """The parameter as an argument of itself, as in ``self: Linear<n, k>``."""
        return Size.variable(self.name) if self.is_size else TypeVariable(self.name, self.kind)


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """`size`: the name under which later parameters or the result mention an int parameter as a size; "" if none does."""

    name: str
    type: Type
    span: Span
    inout: bool = False
    default: ast.Expr | None = None
    size: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a caller needs to know of a function. `captures`: locals that a nested function is given in front."""

    name: str
    is_proc: bool
    generics: tuple[Generic, ...]
    parameters: tuple[ParameterInfo, ...]
    returns: Type
    span: Span
    module: str
    captures: tuple[typed.Local, ...] = ()
    is_method: bool = False

    @property
    def short(self) -> str:
        """The name as its module's author wrote it."""
        return self.name.removeprefix(self.module + ".").rpartition(".")[2]

    @property
    def given_sizes(self) -> tuple[Generic, ...]:
        """The sizes that int arguments are: of ``fn first<n>(x: f32[n], k: int) -> f32[k]`` it is `k` (rule 2)."""
        return tuple(Generic(one.size, "size", one.span) for one in self.parameters if one.size)

    @property
    def type(self) -> FunctionType:
        modes = tuple("inout" if one.inout else "value" for one in self.parameters)
        return FunctionType(tuple(one.type for one in self.parameters), self.returns, modes if "inout" in modes else ())

    def __str__(self) -> str:
        parameters = ", ".join(f"{one.name}: {'inout ' if one.inout else ''}{one.type}" for one in self.parameters)
        result = f" -> {self.returns}" if self.returns != UNIT else ""
        return f"{'proc' if self.is_proc else 'fn'} {self.short}({parameters}){result}"


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """`told`: of a constructor's field, the type over the sizes that its constructor names, if it mentions any.

    In ``Pair(xs: f32[?n], ys: f32[n])`` both have the type ``f32[?]``, and `told` is ``f32[n]``."""

    name: str
    type: Type
    span: Span
    default: ast.Expr | None = None
    told: Type | None = None


@dataclass(frozen=True, slots=True)
class SizeInfo:
    """A size that the values of a record give by name: ``let nodes = n``, a polynomial of the record's parameters."""

    name: str
    size: Size
    span: Span


@dataclass(frozen=True, slots=True)
class RecordInfo:
    name: str
    module: str
    generics: tuple[Generic, ...]
    fields: tuple[FieldInfo, ...]
    methods: dict[str, str]
    span: Span
    documentation: str = ""
    sizes: tuple[SizeInfo, ...] = ()
    invariant: str = ""

    @property
    def type(self) -> RecordType:
        return RecordType(self.name, tuple(one.argument for one in self.generics))

    def size(self, name: str) -> SizeInfo | None:
        return next((one for one in self.sizes if one.name == name), None)

    def field(self, name: str) -> FieldInfo | None:
        return next((one for one in self.fields if one.name == name), None)


@dataclass(frozen=True, slots=True)
class ConstructorInfo:
    """`sizes`: those that several of its fields mention, named by ``?n`` in one of them."""

    name: str
    fields: tuple[FieldInfo, ...]
    span: Span
    sizes: tuple[Generic, ...] = ()


@dataclass(frozen=True, slots=True)
class SumInfo:
    name: str
    module: str
    generics: tuple[Generic, ...]
    constructors: tuple[ConstructorInfo, ...]
    span: Span
    documentation: str = ""
    methods: dict[str, str] = field(default_factory=dict)
    by_name: dict[str, ConstructorInfo] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {one.name: one for one in self.constructors})

    @property
    def type(self) -> SumType:
        return SumType(self.name, tuple(one.argument for one in self.generics))

    def constructor(self, name: str) -> ConstructorInfo | None:
        return self.by_name.get(name)


@dataclass(frozen=True, slots=True)
class AliasInfo:
    name: str
    module: str
    generics: tuple[Generic, ...]
    type: Type
    span: Span


@dataclass(frozen=True, slots=True)
class ConstantInfo:
    name: str
    type: Type
    span: Span
    literal: int | float | bool | str | None = None
    size: Size | None = None


@dataclass
class Interface:
    """The declarations of one module. `symbols` has what a body in the module sees, its imports included;
    `exported` the names that `module.name` finds from outside."""

    name: str
    symbols: dict[str, Symbol] = field(default_factory=dict)
    exported: dict[str, Symbol] = field(default_factory=dict)
    signatures: dict[str, Signature] = field(default_factory=dict)
    records: dict[str, RecordInfo] = field(default_factory=dict)
    sums: dict[str, SumInfo] = field(default_factory=dict)
    aliases: dict[str, AliasInfo] = field(default_factory=dict)
    constants: dict[str, ConstantInfo] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    """What is declared twice, or has a parameter twice."""


@dataclass
class World:
    """All modules of one run, by name, and their declarations by qualified name."""

    interfaces: dict[str, Interface] = field(default_factory=dict)
    signatures: dict[str, Signature] = field(default_factory=dict)
    records: dict[str, RecordInfo] = field(default_factory=dict)
    sums: dict[str, SumInfo] = field(default_factory=dict)
    aliases: dict[str, AliasInfo] = field(default_factory=dict)
    constants: dict[str, ConstantInfo] = field(default_factory=dict)
    unknown_fields: dict[RecordType, bool] = field(default_factory=dict)
    """What `opening.has_unknown_fields` found."""

    def add(self, interface: Interface) -> None:
        self.interfaces[interface.name] = interface
        self.signatures.update(interface.signatures)
        self.records.update(interface.records)
        self.sums.update(interface.sums)
        self.aliases.update(interface.aliases)
        self.constants.update(interface.constants)

    def is_doubtful(self, name: str) -> bool:
        """Whether something is wrong with a declaration itself, so that what its uses look like tells nothing."""
        return any(name in one.doubtful for one in self.interfaces.values())

    def methods(self, kind: Type) -> dict[str, str]:
        """The methods of a record or sum: the qualified name of each."""
        match kind:
            case RecordType(name):
                return self.records[name].methods
            case SumType(name):
                return self.sums[name].methods
        return {}

    def lookup(self, module: str, name: str) -> Symbol | None:
        """What a name means at the top of a module: its own, then the prelude's."""
        found = self.interfaces[module].symbols.get(name)
        if found is None and module != "prelude" and "prelude" in self.interfaces:
            found = self.interfaces["prelude"].exported.get(name)
        return found

    def prelude_type(self, name: str) -> Symbol | None:
        """The type that the prelude has under a name: a constructor, as `Leaf` of a tree, doesn't hide it."""
        prelude = self.interfaces.get("prelude")
        found = prelude.exported.get(name) if prelude else None
        return found if found is not None and found.kind in ("record", "sum", "alias") else None

    def visible(self, module: str) -> frozenset[str]:
        """All names that the top of a module sees, for suggestions."""
        prelude = self.interfaces.get("prelude")
        return frozenset(self.interfaces[module].symbols) | frozenset(prelude.exported if prelude else ())

    def show(self, kind: Type) -> str:
        """A type as a user writes it: without the qualification of names."""
        return show(kind)


def show(kind: Type) -> str:
    """A type in the words of the language, names without their modules.

    >>> show(RecordType("model.Pair", ()))
    'Pair'
    """
    from dynlang.types import map_type

    def on_type(one: Type) -> Type | None:
        match one:
            case RecordType(name, arguments):
                short = name if is_sparse(one) else name.rpartition(".")[2]
                return RecordType(short, tuple(shorten(a) for a in arguments)) if "." in name else None
            case SumType(name, arguments):
                short = name.rpartition(".")[2]
                return SumType(short, tuple(shorten(a) for a in arguments)) if "." in name else None
        return None

    def shorten(argument: Argument) -> Argument:
        from dynlang.types import Unknown

        return argument if isinstance(argument, (Size, Unknown)) else map_type(argument, lambda size: size, on_type)

    return str(map_type(kind, lambda size: size, on_type)).replace("'", "")
