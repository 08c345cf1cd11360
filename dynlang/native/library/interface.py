"""What the C functions of a library look like: decided from the exports' types and their flat SSA signatures.

    export fn scores<v, d, k>(m: Model<v, d, k>, t: Tree) -> f32[k]

    int32_t NAME_scores(NAME_context *context, const NAME_Model *m, const NAME_Tree *t, float *result);

A record is an opaque handle that knows its sizes; a sum is an opaque handle made by builder functions; an array is a pointer to
its elements in row-major order, owned by the caller. A size that no handle tells is a leading `int64_t` parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from dynlang.check import typed
from dynlang.core.nodes import SumDeclaration
from dynlang.diag import CompileError, Diagnostic, NotBuilt
from dynlang.native.library.loaders import handle_name, is_handle
from dynlang.native.lower.layout import of_core
from dynlang.source import Span
from dynlang.ssa.nodes import Array, Box, Function, Module, Scalar, String, Value, ValueType
from dynlang.ssa.shapes import Polynomials
from dynlang.types import ArrayType, IndexType, RecordType, ScalarType, Size, StringType, SumType, TangentType, TupleType, Type

C_TYPES = {"f64": "double", "f32": "float", "f16": "uint16_t", "bf16": "uint16_t", "i64": "int64_t", "i32": "int32_t", "i16": "int16_t",
           "i8": "int8_t", "u8": "uint8_t", "bool": "bool"}


OWN_NAMES = frozenset({"context", "create", "destroy", "error", "error_line", "live_blocks", "set_stack", "cancel", "abi_version"})
"""What every library defines itself, behind its prefix."""


class NameTaken(Diagnostic):
    """Two things in a library would have one name in C."""

    code = "DYN0035"


@dataclass(frozen=True, slots=True)
class Part:
    """A parameter or result as C sees it. `kind`: scalar, array, text, record or sum.

    `slots` are the positions in the SSA function's parameters (or results) that it fills. `shape` are an array's sizes, `sizes`
    the arguments of a record's or sum's type, `bound` what indices must be below."""

    name: str
    kind: str
    slots: range
    dtype: str = ""
    shape: tuple[Size, ...] = ()
    type_name: str = ""
    sizes: tuple[Size, ...] = ()
    inout: bool = False
    bound: Size | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """One C function. `sizes` are the function's size parameters; `given` those that the caller passes as ints."""

    name: str
    function: Function
    parameters: tuple[Part, ...]
    results: tuple[Part, ...]
    sizes: tuple[str, ...]
    given: tuple[str, ...]
    documentation: str


@dataclass(frozen=True, slots=True)
class RecordHandle:
    """A record type: the names of its sizes and the kinds of its flat fields. `declared`: the module it is from, and its name there."""

    name: str
    declared: str
    sizes: tuple[str, ...]
    fields: tuple[ValueType, ...]
    labels: tuple[str, ...]


@dataclass(slots=True)
class Interface:
    """Everything in a library. `stem` is the prefix of all C names."""

    stem: str
    exports: list[Export] = field(default_factory=list)
    records: dict[str, RecordHandle] = field(default_factory=dict)
    sums: dict[str, SumDeclaration] = field(default_factory=dict)


def c_identifier(name: str) -> str:
    """A name as C takes it: `c_identifier("my-model")` is `my_model`."""
    cleaned = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return cleaned if cleaned and not cleaned[0].isdigit() else f"_{cleaned}"


def describe(stem: str, program: typed.Program, module: Module) -> Interface:
    """The C interface of the exports of a program, whose SSA is `module`."""
    interface = Interface(c_identifier(stem))
    spans: dict[str, Span] = {}
    by_export = {one.export: one for one in module.functions.values() if one.export}
    for function in program.exported:
        name = function.name.rpartition(".")[2]
        if name in by_export:
            interface.exports.append(_Describing(interface, module, function, by_export[name]).export(name))
            spans[name] = function.span
    for name in sorted(spans.keys() & (OWN_NAMES | handle_names(interface))):
        title = f"the exported function `{name}` would be `{interface.stem}_{name}` in C, which the library defines itself"
        raise CompileError([NameTaken(title, spans[name], hint="give it another name")])
    return interface


def handle_names(interface: Interface) -> set[str]:
    """The types and functions of handles, without the library's prefix."""
    names = {f"{one}{ending}" for one in interface.records for ending in ("", "_free")}
    names |= {f"{one}{ending}" for one in interface.sums for ending in ("", "_retain", "_release", "_tag")}
    return names | {f"{name}_{one.name}" for name, sum in interface.sums.items() for one in sum.constructors}


class _Describing:
    """One export: its parameters are laid over the flat parameters of the SSA function."""

    def __init__(self, interface: Interface, module: Module, function: typed.Function, flat: Function) -> None:
        self.interface = interface
        self.module = module
        self.function = function
        self.flat = flat
        self.span: Span = function.span

    def export(self, name: str) -> Export:
        flat = self.flat
        groups = group_slots(flat.parameter_labels, [one.name for one in self.function.parameters], flat.sizes)
        parameters = tuple(self.part(one.name, one.local.type, slots, flat.parameters, flat.parameter_labels, one.mode == "inout")
                           for one, slots in zip(self.function.parameters, groups, strict=True))
        parameters = self.with_sums_sizes(parameters)
        results = tuple(self.results())
        told = {size.single_variable for part in parameters if part.kind == "record" for size in part.sizes}
        given = tuple(one for one in self.function.sizes if one not in told)
        return Export(name, flat, parameters, results, self.function.sizes, given, self.function.documentation)

    def with_sums_sizes(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """The sizes of sums as SSA has them (those inside of type arguments are among them), in the names that the caller's have here."""
        if not any(one.kind == "sum" for one in parts):
            return parts
        polynomials = Polynomials()
        polynomials.visit_all(self.flat.body)
        given = self.flat.parameters
        names = dict(zip(given, map(Size.variable, self.function.sizes), strict=False))
        names |= {given[one.slots[-1]]: Size.variable(one.name) for one in parts if one.kind == "scalar"}

        def sizes(part: Part) -> tuple[Size, ...]:
            box = given[part.slots[-1]].type
            assert isinstance(box, Box)
            found = [polynomials(one) for one in box.sizes]
            return tuple(one.substitute(lambda root: names[polynomials.roots[root]]) for one in found)

        return tuple(replace(one, sizes=sizes(one)) if one.kind == "sum" else one for one in parts)

    def results(self) -> Iterator[Part]:
        kind = self.function.returns
        items = list(kind.items) if isinstance(kind, TupleType) else [kind]
        names = [f"result.{place}" for place in range(len(items))] if isinstance(kind, TupleType) else ["result"]
        inout = [one.name for one in self.function.parameters if one.mode == "inout"]
        groups = group_slots(self.flat.result_labels, names + inout, 0)
        for name, item, slots in zip(names, items, groups, strict=False):
            if isinstance(item, StringType):
                raise NotBuilt(f"{item} as a result in the C interface: '{name}' of '{self.function.name}'", self.span,
                               hint="a string can be an argument")
            yield self.part(name.replace(".", ""), item, slots, self.flat.results, self.flat.result_labels, False)

    def part(self, name: str, kind: Type, slots: range, values: Sequence[Value], labels: Sequence[str], inout: bool) -> Part:
        match kind:
            case ScalarType(dtype):
                return Part(name, "scalar", slots, dtype, inout=inout)
            case IndexType(bound):
                return Part(name, "scalar", slots, "i64", inout=inout, bound=bound)
            case ArrayType(ScalarType() | IndexType() as item, shape) if all(isinstance(one, Size) for one in shape):
                element = values[slots[-1]].type
                assert isinstance(element, Array) and isinstance(element.element, Scalar)
                sizes = tuple(one for one in shape if isinstance(one, Size))
                bound = item.bound if isinstance(item, IndexType) else None
                return Part(name, "array", slots, element.element.dtype, shape=sizes, inout=inout, bound=bound)
            case StringType() if not inout:
                return Part(name, "text", slots)
            case RecordType() if is_handle(kind):
                return self.record(name, kind, "", slots, values, labels, inout)
            case TangentType(RecordType() as record) if is_handle(record) and all(is_plain(values[place].type) for place in slots):
                return self.record(name, record, "Tangent", slots, values, labels, inout)
            case SumType():
                box = values[slots[-1]].type
                assert isinstance(box, Box)
                self.sum(box.sum)
                return Part(name, "sum", slots, type_name=box.sum, inout=inout)
        raise NotBuilt(f"{kind} in the C interface: '{name}' of '{self.function.name}'", self.span,
                       hint="scalars, arrays of known sizes, strings as arguments, records and sum types can be exported")

    def record(self, name: str, kind: RecordType, ending: str, slots: range, values: Sequence[Value], labels: Sequence[str],
               inout: bool) -> Part:
        record = f"{kind.name}{ending}"
        short = c_identifier(f"{handle_name(kind)}{ending}")
        sizes = tuple(one for one in kind.arguments if isinstance(one, Size))
        fields = tuple(values[place].type for place in slots)
        paths = tuple(labels[place].partition(".")[2] for place in slots)
        generics = tuple(f"size{place}" for place in range(len(sizes)))
        known = self.interface.records.setdefault(short, RecordHandle(short, record, generics, fields, paths))
        if known.declared != record:
            raise CompileError([NameTaken(f"`{known.declared}` and `{record}` would both be `{short}` in C", self.span,
                                          hint="give one of the records another name")])
        return Part(name, "record", slots, type_name=short, sizes=sizes, inout=inout)

    def sum(self, name: str) -> None:
        """The sum, and those that its constructors hold."""
        if name in self.interface.sums:
            return
        declaration = self.interface.sums[name] = self.module.sums[name]
        for constructor in declaration.constructors:
            for one in constructor.fields:
                kind = of_core(one.type)
                if isinstance(kind, Box):
                    self.sum(kind.sum)
                elif not isinstance(kind, String) and not is_plain(kind):
                    raise NotBuilt(f"a field of type {one.type} in the C interface: '{one.name}' of '{constructor.name}'", self.span)


def is_plain(kind: ValueType) -> bool:
    """Whether a flat value is a number or an array of numbers."""
    return isinstance(kind, Scalar) or (isinstance(kind, Array) and isinstance(kind.element, Scalar))


def group_slots(labels: Sequence[str], names: Sequence[str], start: int) -> list[range]:
    """Which flat slots belong to which named value: `m.w` and `m.b` to `m`; a slot without a label to the one behind it.

    >>> group_slots(["v", "m.w", "", "m.b", "t"], ["m", "t"], 1)
    [range(1, 4), range(4, 5)]
    """
    found = []
    at = start
    for name in names:
        first = at
        while at < len(labels):
            ahead = next((label for label in labels[at:] if label), "")
            if ahead != name and not ahead.startswith(name + "."):
                break
            at += 1
        found.append(range(first, at))
    return found
