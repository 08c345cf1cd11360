"""The promises of SSA, checked: scopes, the shape of regions, types by the rows of the op table, types of calls.

A module that breaks one is a bug of the compiler: `InvalidSSA` names the function and the operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from dynlang import types
from dynlang.diag import InternalError
from dynlang.ops import OPS
from dynlang.ssa.build import BOOL, I64, columns_of, folds_of, fused_offsets, operations_in, repeated_ranks, side_by_side, sizes_of
from dynlang.ssa.lanes import UNIFORM, lanes_of, may_stand_in_a_nest, rows_before, rows_written, written_into
from dynlang.ssa.nodes import Array, Box, Function, List, Module, Operation, Region, Rows, Scalar, String, Value
from dynlang.ssa.print import _Printer, print_type
from dynlang.ssa.shapes import Polynomials, row_attributes
from dynlang.types import DTYPES, FLOATS, INTEGERS, Size

STRUCTURAL = frozenset({"constant", "call", "construct", "switch", "if", "for", "while", "yield", "return", "retain", "release", "fused",
                        "nest", "element", "pack", "unpack", "regroup"})
TERMINATORS = frozenset({"yield", "return"})


class InvalidSSA(InternalError):
    """The compiler made SSA that breaks the rules of SSA."""


class _Broken(Exception):
    """What is wrong; the caller knows where."""


def verify(module: Module) -> None:
    """Raise `InvalidSSA` unless the module keeps every rule."""
    for name in module.roots:
        if name not in module.functions:
            raise InvalidSSA(f"there is no function @{name}, which is called from outside")
    signatures = {name: _Names(one).signature() for name, one in module.functions.items()}
    for name, function in module.functions.items():
        if function.name != name:
            raise InvalidSSA(f"the function @{function.name} is filed under @{name}")
        _FunctionCheck(module, function, signatures).run()


# ---------------------------------------------------------------- signatures


@dataclass(frozen=True, slots=True)
class _Signature:
    """Types over `p0 p1 ...`, the parameters, and `r0 r1 ...`, the results; other variables are unknown to a caller."""

    parameters: tuple[types.Type, ...]
    results: tuple[types.Type, ...]


class _Names(Polynomials):
    """The polynomials of a function, in the names of its printed form."""

    def __init__(self, function: Function) -> None:
        printer = _Printer(None, False)
        printer.function(function)
        super().__init__(printer.name)
        self.printer = printer
        self.of = function
        self.visit_all(function.body)

    def signature(self) -> _Signature:
        last = self.of.body.operations[-1] if self.of.body.operations else None
        names: dict[str, Size] = {}
        if last is not None and last.name == "return":
            names |= {root: Size.variable(f"r{i}") for i, one in enumerate(last.operands) if (root := self(one).single_variable)}
        names |= {self.name(one): Size.variable(f"r{i}") for i, one in enumerate(self.of.results)}
        names |= {self.name(one): Size.variable(f"p{i}") for i, one in enumerate(self.of.parameters)}
        read = [tuple(types.substitute(self.core(one.type), names) for one in values) for values in (self.of.parameters, self.of.results)]
        return _Signature(*read)


# ---------------------------------------------------------------- one function


class _FunctionCheck:
    def __init__(self, module: Module, function: Function, signatures: Mapping[str, _Signature]) -> None:
        self.module = module
        self.function = function
        self.signatures = signatures
        self.names = _Names(function)
        self.visible: set[Value] = set()
        self.defined: set[Value] = set()
        self.in_nest: set[Operation] = set()

    def run(self) -> None:
        for position in self.function.owned:
            if not (0 <= position < len(self.function.parameters) and self.function.parameters[position].counted):
                raise InvalidSSA(f"@{self.function.name} owns its parameter {position}, which is no reference")
        self.region(self.function.body, "return")

    def fail(self, operation: Operation, reason: str) -> InvalidSSA:
        text = "\n".join(self.names.printer.operation(operation, "  "))
        return InvalidSSA(f"@{self.function.name}: {reason}\n{text}", operation.span)

    # -- scopes

    def define(self, values: Sequence[Value]) -> None:
        for one in values:
            if one in self.defined:
                raise _Broken(f"{self.names.name(one)} is defined twice")
            self.defined.add(one)
            self.visible.add(one)

    def use(self, value: Value) -> None:
        if value not in self.visible:
            raise _Broken(f"{self.names.name(value)} is used where it isn't known")
        for size in sizes_of(value.type):
            if size not in self.visible:
                raise _Broken(f"{self.names.name(value)} is used where its size {self.names.name(size)} isn't known")

    def region(self, region: Region, last: str) -> None:
        """Check a region whose terminator is `last`."""
        before = set(self.visible)
        try:
            self.define(region.parameters)
            if not region.operations or region.operations[-1].name != last:
                raise _Broken(f"a region doesn't end with {last}")
        except _Broken as broken:
            raise InvalidSSA(f"@{self.function.name}: {broken}") from None
        for position, operation in enumerate(region.operations):
            try:
                if operation.name in TERMINATORS and position != len(region.operations) - 1:
                    raise _Broken(f"{operation.name} stands before the end of its region")
                self.operation(operation)
            except _Broken as broken:
                raise self.fail(operation, str(broken)) from None
        self.visible = before

    def operation(self, one: Operation) -> None:
        for value in one.operands:
            self.use(value)
        for size in one.sizes:
            if isinstance(size, Value):
                self.use(size)
                self.expect(size.type == I64, f"the size {self.names.name(size)} is no i64")
        self.known_sizes(one)
        if one.name == "nest":
            self.in_nest.update(each for region in one.regions for each in operations_in(region))
        for region in one.regions:
            self.region(region, "yield")
        self.define(one.results)
        check = _CHECKS.get(one.name)
        if check is not None:
            check(self, one)
        elif one.name in OPS:
            self.row(one)
        else:
            raise _Broken(f"there is no operation {one.name}")

    def known_sizes(self, one: Operation) -> None:
        """Sizes of results are known before, unless they depend on the operation's own results."""
        own = {self.names.name(result) for result in one.results}
        for result in one.results:
            for size in sizes_of(result.type):
                self.expect(size.type == I64, f"the size {self.names.name(size)} is no i64")
                if size not in self.visible and not self.names(size).variables() & own:
                    raise _Broken(f"the size {self.names.name(size)} of {self.names.name(result)} isn't known yet")

    def expect(self, holds: bool, reason: str) -> None:
        if not holds:
            raise _Broken(reason)

    # -- types

    def core(self, value: Value, sizes: Mapping[str, Size] | None = None) -> types.Type:
        kind = self.names.core(value.type)
        return types.substitute(kind, sizes) if sizes else kind

    def binding(self, values: Sequence[Value], to: Sequence[Value]) -> dict[str, Size]:
        """Each value's name stands for the size that another value is."""
        pairs = zip(values, to, strict=False)
        return {self.names.name(one): self.names(other) for one, other in pairs if one.type == I64 and other.type == I64}

    def same_types(self, given: Sequence[Value], wanted: Sequence[Value], what: str) -> None:
        """`given` fit `wanted`, whose types may mention one another."""
        self.expect(len(given) == len(wanted), f"{what}: {len(given)} values for {len(wanted)}")
        binding = self.binding(wanted, given)
        for value, target in zip(given, wanted, strict=True):
            have, want = self.core(value), self.core(target, binding)
            self.expect(have == want, f"{what}: {self.names.name(value)} is {have}, not {want}")
            fits = side_by_side(value.type) == side_by_side(target.type)
            self.expect(fits, f"{what}: {self.names.name(value)} is {print_type(value.type)}")

    def row(self, one: Operation) -> None:
        row = OPS[one.name]
        kinds = tuple(self.core(value) for value in one.operands)
        self.arity(one)
        self.expect(not one.regions, f"{one.name} has no region")
        try:
            results = row.result(kinds, row_attributes(one, self.names.core), self.names.many(one.sizes))
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            raise _Broken(str(error) or repr(error)) from None
        self.expect(len(results) == len(one.results), f"{len(one.results)} results for {len(results)}")
        widths = {side_by_side(value.type) for value in [*one.operands, *one.results] if value.type != I64}
        self.expect(len(widths) < 2, "some numbers stand side by side, and some alone")
        for value, kind in zip(one.results, results, strict=True):
            have = self.core(value)
            self.expect(have == _plain(kind), f"{self.names.name(value)} is {have}, the row says {kind}")

    def arity(self, one: Operation) -> None:
        row = OPS[one.name]
        star = next((i for i, name in enumerate(row.operands) if name.startswith("*")), None)
        fixed = len(row.operands) - (star is not None)
        enough = len(one.operands) >= fixed if star is not None else len(one.operands) == fixed
        self.expect(enough, f"{one.name} takes {fixed} operands{' or more' if star is not None else ''}, not {len(one.operands)}")
        for position, value in enumerate(one.operands):
            which = position
            if star is not None and position >= star:
                behind = position - (len(one.operands) - fixed) + 1
                which = max(star, behind)
            word = row.accepts[which]
            self.expect(_ACCEPTS[word](value), f"operand {self.names.name(value)}: {print_type(value.type)} is not of kind {word}")

    # -- structural operations

    def constant(self, one: Operation) -> None:
        self.expect(not one.operands and len(one.results) == 1 and "value" in one.attributes, "a constant has one result and a value")
        kind, value = one.results[0].type, one.attributes["value"]
        fits = {"bool": bool, **dict.fromkeys(INTEGERS, int), **dict.fromkeys(FLOATS, (int, float))}
        want = fits.get(kind.dtype, ()) if isinstance(kind, Scalar) else (str, bytes) if isinstance(kind, String) else ()
        self.expect(isinstance(value, want), f"{value!r} is no {print_type(kind)}")

    def call(self, one: Operation) -> None:
        signature = self.signatures.get(str(one.attributes.get("function")))
        if signature is None:
            raise _Broken(f"there is no function @{one.attributes.get('function')}")
        for values, kinds, what in ((one.operands, signature.parameters, "arguments"), (one.results, signature.results, "results")):
            self.expect(len(values) == len(kinds), f"{len(values)} {what} for {len(kinds)}")
        callee = self.module.functions[str(one.attributes["function"])]
        fits = [side_by_side(value.type) for value in one.operands] == [side_by_side(value.type) for value in callee.parameters]
        self.expect(fits, "some numbers stand side by side, and some alone")
        sizes = {f"p{i}": self.names(value) for i, value in enumerate(one.operands) if value.type == I64}
        sizes |= {f"r{i}": self.names(value) for i, value in enumerate(one.results) if value.type == I64}
        for value, kind in zip([*one.operands, *one.results], [*signature.parameters, *signature.results], strict=True):
            have = self.core(value)
            self.expect(_agrees(have, kind, sizes), f"{self.names.name(value)} is {have}, @{one.attributes['function']} has {kind}")

    def construct(self, one: Operation) -> None:
        self.expect(len(one.results) == 1 and isinstance(one.results[0].type, Box), "construct makes one box")
        box = one.results[0].type
        assert isinstance(box, Box)
        self.expect(box.sum == one.attributes.get("sum"), "the sum isn't the result's")
        fields = self.fields(box, str(one.attributes.get("constructor")), one.operands)
        self.expect(len(fields) == len(one.operands), f"{len(one.operands)} fields for {len(fields)}")
        for value, kind in zip(one.operands, fields, strict=True):
            self.expect(self.core(value) == kind, f"the field {self.names.name(value)} is {self.core(value)}, not {kind}")

    def fields(self, box: Box, constructor: str, values: Sequence[Value]) -> list[types.Type]:
        """The field types of a constructor, in which the int fields before stand for `values`."""
        declaration = self.module.sums.get(box.sum)
        if declaration is None or constructor not in {one.name for one in declaration.constructors}:
            raise _Broken(f"there is no constructor {constructor} of @{box.sum}")
        sizes = dict(zip(declaration.sizes, self.names.many(box.sizes), strict=True))
        found = []
        for position, one in enumerate(declaration.constructor(constructor).fields):
            found.append(_plain(types.substitute(one.type, sizes)))
            if position < len(values) and values[position].type == I64:
                sizes[one.name] = self.names(values[position])
        return found

    def switch(self, one: Operation) -> None:
        box = one.operands[0].type if len(one.operands) == 1 else None
        if not isinstance(box, Box) or box.sum not in self.module.sums:
            raise _Broken("switch needs one box of a declared sum")
        constructors = self.module.sums[box.sum].constructors
        self.expect(len(constructors) == len(one.regions), f"{len(one.regions)} regions for {len(constructors)} constructors")
        for constructor, region in zip(constructors, one.regions, strict=True):
            fields = self.fields(box, constructor.name, region.parameters)
            self.expect(len(fields) == len(region.parameters), f"case {constructor.name} has {len(fields)} fields")
            for value, kind in zip(region.parameters, fields, strict=True):
                have = self.core(value)
                self.expect(have == kind, f"case {constructor.name}: {self.names.name(value)} is {have}, not {kind}")
            self.same_types(region.operations[-1].operands, one.results, f"the yield of {constructor.name}")

    def conditional(self, one: Operation) -> None:
        self.expect(len(one.operands) == 1 and one.operands[0].type == BOOL, "if needs one bool")
        self.expect(len(one.regions) == 2 and not any(region.parameters for region in one.regions), "if has two regions without parameters")
        for region in one.regions:
            self.same_types(region.operations[-1].operands, one.results, "a yield")

    def counted_loop(self, one: Operation) -> None:
        self.expect(len(one.regions) == 1 and bool(one.operands) and one.operands[0].type == I64, "for needs a count and one region")
        region = one.regions[0]
        self.expect(bool(region.parameters) and region.parameters[0].type == I64, "a for's first parameter is its index")
        carried = region.parameters[1:]
        self.same_types(one.operands[1:], carried, "the first values")
        self.same_types(region.operations[-1].operands, carried, "the yield")
        self.same_types(carried, one.results, "the results")

    def open_loop(self, one: Operation) -> None:
        self.expect(len(one.regions) == 2, "while has two regions")
        condition, body = one.regions
        answer = condition.operations[-1].operands
        self.expect(len(answer) == 1 and answer[0].type == BOOL, "the condition of a while yields one bool")
        for parameters in (condition.parameters, body.parameters):
            self.same_types(one.operands, parameters, "the first values")
        self.same_types(body.operations[-1].operands, body.parameters, "the yield")
        self.same_types(body.parameters, one.results, "the results")

    def give_back(self, one: Operation) -> None:
        self.same_types(one.operands, self.function.results, "the return")

    def count(self, one: Operation) -> None:
        self.expect(len(one.operands) == 1 and not one.results and one.operands[0].counted, f"{one.name} takes one reference")

    def fused(self, one: Operation) -> None:
        self.expect(len(one.regions) == 1, "fused has one region")
        region = one.regions[0]
        offsets = fused_offsets(one)
        self.expect(len(offsets) == len(region.parameters), "fused has a parameter, and an offset or none, for each input")
        places = {place for place in offsets if place is not None}
        self.expect(len(one.operands) == len(offsets) + len(places), "fused has its inputs, then their offsets, as operands")
        shape = self.names.many(one.sizes)
        for inner in region.operations[:-1]:
            known = inner.name == "constant" or (inner.name in OPS and OPS[inner.name].has("elementwise"))
            self.expect(known, f"{inner.name} can't be in a fused loop")
        columns = columns_of(one)
        self.expect(not columns or len(shape) == 2, "a loop with a number for each row has two axes")
        for position, (value, parameter, place) in enumerate(zip(one.operands, region.parameters, offsets, strict=False)):
            self.fused_operand(value, parameter, shape[:1] if position in columns else shape, place is not None)
            self.expect(place is None or one.operands[place].type == I64, "an offset is no i64")
        self.expect(len({rank for rank in repeated_ranks(one) if rank}) <= 1, "repeated inputs have different ranks")
        folds = folds_of(one)
        self.expect(len(folds) == len(one.results), "fused has a fold, or none, for each result")
        for value, result, fold in zip(region.operations[-1].operands, one.results, folds, strict=True):
            self.expect(fold in (None, "sum", "prod", "max", "min"), f"a loop can't fold by {fold}")
            want = types.ArrayType(self.core(value), shape) if fold is None else self.core(value)
            self.expect(self.core(result) == want, f"{self.names.name(result)} is {self.core(result)}, not {want}")

    def fused_operand(self, value: Value, parameter: Value, shape: tuple[Size, ...], is_piece: bool) -> None:
        element = value.type.element if isinstance(value.type, Array) else value.type
        self.expect(element == parameter.type, f"{self.names.name(value)} doesn't have elements of type {print_type(parameter.type)}")
        if isinstance(value.type, Array):
            have = self.names.many(value.type.shape)
            fits = is_piece or (have == shape[len(shape) - len(have):] and len(have) <= len(shape))
            self.expect(fits, f"{self.names.name(value)} doesn't have the shape of the loop")

    def pack(self, one: Operation) -> None:
        self.expect(len(one.results) == 1 and isinstance(one.results[0].type, Scalar), "pack makes numbers side by side")
        kind = one.results[0].type
        assert isinstance(kind, Scalar)
        fits = len(one.operands) == kind.lanes > 1 and all(value.type == Scalar(kind.dtype) for value in one.operands)
        self.expect(fits, f"these aren't the numbers of {print_type(kind)}")

    def unpack(self, one: Operation) -> None:
        self.expect(len(one.operands) == 1 and len(one.results) == 1, "unpack takes one of the numbers that stand side by side")
        kind, place = one.operands[0].type, one.attributes.get("place")
        self.expect(isinstance(kind, Scalar) and isinstance(place, int) and 0 <= place < kind.lanes, f"there is no number {place}")
        self.expect(isinstance(kind, Scalar) and one.results[0].type == Scalar(kind.dtype), "it has the type of one number")

    def regroup(self, one: Operation) -> None:
        self.expect(len(one.operands) == 1 and len(one.results) == 1, "regroup takes an array and gives one")
        found = []
        for value in (one.operands[0], one.results[0]):
            kind = value.type
            self.expect(isinstance(kind, Array) and isinstance(kind.element, Scalar), f"{self.names.name(value)} is no array of numbers")
            assert isinstance(kind, Array) and isinstance(kind.element, Scalar)
            found.append((kind.element.dtype, prod(self.names.many(kind.shape), start=Size.constant(kind.element.lanes))))
        self.expect(found[0] == found[1], "the arrays don't hold as many numbers of the same type")

    def nest(self, one: Operation) -> None:
        self.expect(len(one.regions) == 1, "nest has one region")
        (region,) = one.regions
        if region.parameters:
            self.expect(len(region.parameters) == len(written_into(one)), "a nest has no parameters, or one for each row that it writes")
            for value, place in rows_before(one):
                self.expect(value.type == region.operations[-1].operands[place].type, f"{self.names.name(value)} is no element of the row")
        for each in operations_in(region):
            self.expect(may_stand_in_a_nest(each), f"{each.name} can't be in a nest")
        self.same_for_all(region, lanes_of(region))
        shape = self.names.many(one.sizes)
        yielded = region.operations[-1].operands
        self.expect(len(yielded) == len(one.results), "a nest yields a number for each result")
        for (_, word, operand), value, result in zip(rows_written(one), yielded, one.results, strict=True):
            have, element = self.core(result), self.core(value)
            if word is None:
                self.expect(have == types.ArrayType(element, shape), f"{self.names.name(result)} doesn't have the nest's shape")
                continue
            self.expect(word in ("set", "add"), f"a nest can't {word} a row")
            self.expect(operand + 1 < len(one.operands), "a nest has an array and an offset for each row that it writes")
            array, start = one.operands[operand:operand + 2]
            self.expect(self.core(array) == have and start.type == I64, f"{self.names.name(result)} isn't the array that is written")
            self.expect(isinstance(have, types.ArrayType) and have.element == element, f"a row of {have} isn't made of {element}")

    def same_for_all(self, region: Region, lanes: set[Value]) -> None:
        """What decides, counts, checks and indexes in a nest is the same for all elements."""
        for one in operations_in(region):
            asked = one.operands if one.name in UNIFORM else one.operands[1:] if one.name == "element" else one.operands[:1]
            if one.name in ("for", "if", "element") or one.name in UNIFORM:
                self.expect(lanes.isdisjoint(asked), f"{one.name} asks for something that differs from element to element")

    def element(self, one: Operation) -> None:
        self.expect(one in self.in_nest, "an element stands in a nest")
        self.expect(len(one.operands) == 2 and len(one.results) == 1 and one.operands[1].type == I64, "element takes an array and a place")
        kind = one.operands[0].type
        self.expect(isinstance(kind, Array) and kind.element == one.results[0].type, "an element has the type of the array's")


_CHECKS: dict[str, Callable[[_FunctionCheck, Operation], None]] = {
    "constant": _FunctionCheck.constant, "call": _FunctionCheck.call, "construct": _FunctionCheck.construct,
    "switch": _FunctionCheck.switch, "if": _FunctionCheck.conditional, "for": _FunctionCheck.counted_loop,
    "while": _FunctionCheck.open_loop, "yield": lambda check, one: None, "return": _FunctionCheck.give_back,
    "retain": _FunctionCheck.count, "release": _FunctionCheck.count, "fused": _FunctionCheck.fused,
    "nest": _FunctionCheck.nest, "element": _FunctionCheck.element, "pack": _FunctionCheck.pack, "unpack": _FunctionCheck.unpack,
    "regroup": _FunctionCheck.regroup,
}

_ACCEPTS: dict[str, Callable[[Value], bool]] = {
    "any": lambda value: True,
    "float": lambda value: _dtype(value) in FLOATS,
    "integer": lambda value: _dtype(value) in INTEGERS,
    "number": lambda value: _dtype(value) in DTYPES and _dtype(value) != "bool",
    **{dtype: (lambda value, dtype=dtype: value.type == Scalar(dtype)) for dtype in DTYPES},
    "bool": lambda value: _dtype(value) == "bool",
    "int": lambda value: value.type == I64,
    "array": lambda value: isinstance(value.type, Array),
    "vector": lambda value: isinstance(value.type, Array) and len(value.type.shape) == 1,
    "matrix": lambda value: isinstance(value.type, Array) and len(value.type.shape) == 2,
    "list": lambda value: isinstance(value.type, List),
    "rows": lambda value: isinstance(value.type, Rows),
    "str": lambda value: isinstance(value.type, String),
}


def _dtype(value: Value) -> str:
    match value.type:
        case Scalar(dtype) | Array(Scalar(dtype)):
            return dtype
    return ""


def _plain(kind: types.Type) -> types.Type:
    """Without what SSA doesn't say: an index is an i64, an embedding table an array."""
    def on_type(one: types.Type) -> types.Type | None:
        if isinstance(one, types.IndexType):
            return types.INT
        return types.ArrayType(_plain(one.element), one.shape) if isinstance(one, types.ArrayType) and one.row_sparse else None

    return types.map_type(kind, lambda size: size, on_type)


def _agrees(have: types.Type, want: types.Type, sizes: Mapping[str, Size]) -> bool:
    """`want`, with these sizes put in, is `have`; a size that is still unknown fits any."""
    unknown: set[Size] = set()

    def on_size(size: types.SizeArgument) -> types.SizeArgument:
        if isinstance(size, Size):
            if not size.variables() <= sizes.keys():
                unknown.add(size)
                return size
            return size.substitute(sizes.get)
        return size

    filled = types.map_type(want, on_size, lambda one: None)
    if not unknown:
        return have == filled
    return _skeleton(have) == _skeleton(filled)


def _skeleton(kind: types.Type) -> types.Type:
    return types.map_type(kind, lambda size: Size(()), lambda one: None)
