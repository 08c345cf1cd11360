"""What a host hands over is looked at before it is used: sizes, and what stands in values of sum types.

A builder knows neither the sizes of the value that it makes nor what its indices are of: where a value enters a function, arrays and
indices in it are held against the sizes that the function was called with. Only sums in which something can be wrong are walked.

    look.Tree(context, value, sizes..)      0, or the code of the error that stands in the context
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dynlang.core.nodes import Constructor, SumDeclaration
from dynlang.native.emit import Function
from dynlang.native.lower.counting import symbol
from dynlang.native.lower.frame import Frame, saturated_product
from dynlang.native.lower.layout import element_bytes, of_core
from dynlang.runtime.context import LARGEST_REQUEST_BYTES, ErrorCode
from dynlang.ssa.nodes import Scalar, ValueType
from dynlang.types import ArrayType, FloorDivision, Size, SumType, Type

OUTSIDE = "{} holds the index {{}}, which is outside 0..{{}}"
LARGEST_SIZE = LARGEST_REQUEST_BYTES


def product(f: Function, shape: Sequence[str]) -> str:
    """How many elements a shape has."""
    total = "1"
    for size in shape:
        total = size if total == "1" else f.mul(total, size)
    return total


def size_value(f: Function, size: Size, known: Mapping[str, str]) -> str:
    """A size polynomial, computed."""
    total = "0"
    for monomial, coefficient in size.terms:
        term = str(coefficient)
        for atom in monomial:
            if isinstance(atom, FloorDivision):
                numerator = size_value(f, atom.numerator, known)
                left = f.value(f"srem i64 {numerator}, {atom.divisor}")
                below = f.value(f"ashr i64 {left}, 63")
                factor = f.add(f.value(f"sdiv i64 {numerator}, {atom.divisor}"), below)
            else:
                factor = known[atom.name]
            term = factor if term == "1" else f.mul(term, factor)
        total = term if total == "0" else f.add(total, term)
    return total


def check_size(frame: Frame, name: str, size: Size, known: Mapping[str, str]) -> str:
    """A size that a host says, or that follows from it: not negative, and no part of it so large that 64 bits couldn't hold it."""
    f = frame.f
    for monomial, _ in size.terms:
        factors = [known[one.name] for one in monomial if not isinstance(one, FloorDivision)]
        total = ""
        for one in factors if len(factors) > 1 else ():
            total = saturated_product(f, total, one) if total else one
        if total:
            frame.fail_unless(f.icmp("sle", total, LARGEST_SIZE), ErrorCode.ARGUMENT, f"the size {name} is too large")
    value = size_value(f, size, known)
    frame.fail_unless(f.icmp("sge", value, 0), ErrorCode.ARGUMENT, f"the size {name} is {{}}", value)
    frame.fail_unless(f.icmp("sle", value, LARGEST_SIZE), ErrorCode.ARGUMENT, f"the size {name} is too large: {{}}", value)
    return value


def check_indices(frame: Frame, name: str, pointer: str, count: str, limit: str) -> None:
    """Every number of an array is an index of `limit`."""
    f = frame.f
    with f.loop(0, count) as loop:
        index = f.load("i64", f.offset(pointer, loop.index, "i64"))
        frame.fail_unless(f.icmp("ult", index, limit), ErrorCode.BOUNDS, OUTSIDE.format(name), index, limit)


class Looks:
    """The functions that walk through values of sums."""

    def __init__(self, sums: Mapping[str, SumDeclaration], frame_of: type[Frame] | object) -> None:
        self.sums = sums
        self.frame_of = frame_of
        self._open: dict[str, bool] = {}

    def is_open(self, name: str) -> bool:
        """Whether something in a value of the sum, however deep, depends on sizes that its builder wasn't told."""
        if name not in self._open:
            reached, waiting = {name}, [name]
            while waiting:
                for one in self.sums[waiting.pop()].constructors:
                    inside = {field.type.name for field in one.fields if isinstance(field.type, SumType)}
                    waiting += inside - reached
                    reached |= inside
            self._open[name] = any(_asks(self.sums[one], each) for one in reached for each in self.sums[one].constructors)
        return self._open[name]

    def look(self, frame: Frame, kind: SumType, value: str, known: Mapping[str, str]) -> None:
        """Leave the function if something in a value is wrong."""
        if self.is_open(kind.name):
            frame.stop_if(frame.f.icmp("ne", self._call(frame, kind, value, known), 0, "i32"))

    def _call(self, frame: Frame, kind: SumType, value: str, known: Mapping[str, str]) -> str:
        sizes = [size_value(frame.f, one, known) for one in kind.arguments if isinstance(one, Size)]
        name = f"look.{symbol(kind.name)}"
        declaration = self.sums[kind.name]
        if name not in frame.lowering.text.signatures:
            places = [f"i64 size.{place}" for place in range(len(declaration.sizes))]
            made = frame.lowering.text.function(name, "i32", "ptr context", "ptr value", *places, attributes="nounwind")
            self._define(self.frame_of(made), declaration)  # type: ignore[operator]
        return frame.f.call(name, "%context", value, *sizes)

    def _define(self, frame: Frame, declaration: SumDeclaration) -> None:
        """The last field of the same sum is gone on with, so that a list may be as long as it likes; what nests deeper takes stack."""
        f = frame.f
        f.module.declare("llvm.frameaddress.p0", "ptr", "i32 immarg", attributes="")
        here = f.convert("ptrtoint", "ptr", f.value("call ptr @llvm.frameaddress.p0(i32 0)"), "i64")
        frame.fail_unless(f.icmp("ugt", here, f.load("i64", "%context")), ErrorCode.TOO_DEEP, f"a {declaration.name} nests too deeply")
        current = f.slot("ptr", "%value")
        sizes = [f.slot("i64", f"%size.{place}") for place in range(len(declaration.sizes))]
        again, done = f.label("again"), f.label("done")
        f.branch(again)
        f.place(again)
        value = f.load("ptr", current)
        known = {name: f.load("i64", place) for name, place in zip(declaration.sizes, sizes, strict=True)}
        asked = [(tag, one) for tag, one in enumerate(declaration.constructors) if self._has_more(one) or _asks(declaration, one)]
        labels = [f.label(symbol(one.name)) for _, one in asked]
        f.switch("i64", f.load("i64", value), done, [(tag, label) for (tag, _), label in zip(asked, labels, strict=True)])
        for (_, one), label in zip(asked, labels, strict=True):
            f.place(label)
            following = self._constructor(frame, declaration, one, value, dict(known))
            if following is None:
                f.branch(done)
                continue
            kind, inner, scope = following
            taken = [size_value(f, size, scope) for size in kind.arguments if isinstance(size, Size)]
            f.store("ptr", inner, current)
            for place, size in zip(sizes, taken, strict=True):
                f.store("i64", size, place)
            f.branch(again)
        f.place(done)
        f.ret(0)
        frame.leave()

    def _has_more(self, one: Constructor) -> bool:
        return any(isinstance(field.type, SumType) and self.is_open(field.type.name) for field in one.fields)

    def _constructor(self, frame: Frame, declaration: SumDeclaration, one: Constructor, value: str,
                     known: dict[str, str]) -> tuple[SumType, str, dict[str, str]] | None:
        """Look at the fields of a constructor, in order; gives the last one, where it is of the same sum."""
        f = frame.f
        kinds: list[ValueType] = [of_core(field.type) for field in one.fields]
        slots = [f.offset(value, place + 1, "i64") for place in range(len(kinds))]
        for field, kind, slot in zip(one.fields, kinds, slots, strict=True):
            if kind == Scalar("i64"):
                known[field.name] = f.load("i64", slot)
        last = None
        for place, (field, slot) in enumerate(zip(one.fields, slots, strict=True)):
            name, bound = f"{one.name}.{field.name}", one.bound(place)
            limit = size_value(f, bound, known) if bound is not None else ""
            if isinstance(field.type, ArrayType):
                array = f.load("ptr", slot)
                count = self._array(frame, name, field.type, array, known, _mentions(declaration, field.type))
                if limit:
                    check_indices(frame, name, array, count, limit)
            elif limit:
                inside = f.icmp("ult", known[field.name], limit)
                frame.fail_unless(inside, ErrorCode.BOUNDS, OUTSIDE.format(name), known[field.name], limit)
            elif isinstance(field.type, SumType) and self.is_open(field.type.name):
                if last is not None:
                    self.look(frame, *last)
                last = field.type, f.load("ptr", slot), known
        if last is not None and last[0].name != declaration.name:
            self.look(frame, *last)
            return None
        return last

    def _array(self, frame: Frame, name: str, kind: ArrayType, array: str, known: Mapping[str, str], is_told: bool) -> str:
        """An array has as many elements as its type says; gives how many that are."""
        f = frame.f
        count = product(f, [size_value(f, one, known) for one in kind.shape if isinstance(one, Size)])
        if is_told:
            needed = f.mul(count, element_bytes(of_core(kind.element)))
            there = f.load("i64", f.offset(array, -8, "i8"))
            message = f"{name} has {{}} bytes, and by the sizes of the call it should have {{}}"
            frame.fail_unless(f.icmp("eq", there, needed), ErrorCode.ARGUMENT, message, there, needed)
        return count


def _mentions(declaration: SumDeclaration, kind: Type) -> bool:
    """Whether an array's shape depends on the sizes of the sum that holds it."""
    shape = kind.shape if isinstance(kind, ArrayType) else ()
    return any(isinstance(size, Size) and size.variables() & set(declaration.sizes) for size in shape)


def _asks(declaration: SumDeclaration, one: Constructor) -> bool:
    """Whether a constructor has a field of its own that the sizes of a call decide about."""
    return any(bound is not None for bound in one.bounds) or any(_mentions(declaration, field.type) for field in one.fields)
