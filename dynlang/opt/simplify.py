"""Constants computed, identities applied, branches that are known taken.

Law: every result has the same bits, every error is the same and stays in its place. So floats are folded only by rows that
native code computes exactly, and `x + 0.0` stays (it changes -0.0).

Before:

    func @f(%x: f32[4]) -> (f32[4], i64) {
      %a: i64 = constant {value = 3}
      %b: i64 = constant {value = 4}
      %n: i64 = mul %a, %b
      %one: f32 = constant {value = 1.0}
      %ones: f32[4] = fill %one sizes [4]
      %y: f32[4] = mul %x, %ones
      %t: bool = less %a, %b
      %z: f32[4] = if %t {
        %w: f32[4] = add %y, %x
        yield %w
      } {
        yield %x
      }
      return %z, %n
    }

After (and without what is unused then):

    func @f(%x: f32[4]) -> (f32[4], i64) {
      %n: i64 = constant {value = 12}
      %w: f32[4] = add %x, %x
      return %w, %n
    }
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dynlang.ops import OPS
from dynlang.opt.fold import FOLDS, fold
from dynlang.opt.ranges import Ranges
from dynlang.ssa.build import Copier, map_functions, with_body
from dynlang.ssa.nodes import Array, Function, Module, Operation, Region, Scalar, Value
from dynlang.ssa.shapes import Polynomials
from dynlang.types import FLOATS, INTEGERS

NUMBERS = (*FLOATS, *INTEGERS)


@dataclass(frozen=True, slots=True)
class Law:
    """`op` with a constant operand on one side is the other operand: `x * 1 -> x`."""

    op: str
    side: int
    constant: int | bool
    dtypes: tuple[str, ...]


LAWS = (
    Law("add", 1, 0, INTEGERS),
    Law("add", 0, 0, INTEGERS),
    Law("sub", 1, 0, NUMBERS),
    Law("mul", 1, 1, NUMBERS),
    Law("mul", 0, 1, NUMBERS),
    Law("div", 1, 1, NUMBERS),
    Law("floor_division", 1, 1, INTEGERS),
    Law("logical_and", 1, True, ("bool",)),
    Law("logical_and", 0, True, ("bool",)),
    Law("logical_or", 1, False, ("bool",)),
    Law("logical_or", 0, False, ("bool",)),
    Law("bit_or", 1, 0, INTEGERS),
    Law("bit_xor", 1, 0, INTEGERS),
    Law("shift_left", 1, 0, INTEGERS),
    Law("shift_right", 1, 0, INTEGERS),
)
LAWS_OF = {name: tuple(law for law in LAWS if law.op == name) for name in {law.op for law in LAWS}}


def simplify(module: Module) -> Module:
    return map_functions(module, lambda function: _Simplifier(module).function(function))


class _Simplifier:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.copier = Copier()
        self.definitions: dict[Value, Operation] = {}
        self.sizes = Polynomials()
        self.counts: dict[Value, Value] = {}
        """For the index of a loop, as it was, the number of its turns."""
        self.ranges = Ranges(self.sizes, self.definitions)

    def function(self, one: Function) -> Function:
        return with_body(one, self.region(one.body), self.copier)

    def region(self, old: Region) -> Region:
        made = Region([self.copier.define(one) for one in old.parameters])
        if old.parameters and (count := self.counts.get(old.parameters[0])) is not None:
            with self.ranges.loop(made.parameters[0], count):
                self.into(made, old)
        else:
            self.into(made, old)
        return made

    def branches(self, condition: Value) -> Callable[[Region], Region]:
        """Rewrites the two regions of an `if`, each with what is known there."""
        holds = iter((True, False))

        def rewritten(region: Region) -> Region:
            with self.ranges.branch(condition, next(holds)):
                return self.region(region)

        return rewritten

    def into(self, made: Region, old: Region) -> None:
        for one in old.operations:
            self.operation(made, one)

    def inline(self, made: Region, one: Operation, region: Region) -> None:
        """The operations of a region of `one` in its place."""
        for inner in region.operations[:-1]:
            self.operation(made, inner)
        for value, result in zip(self.copier.many(region.operations[-1].operands), one.results, strict=True):
            self.copier.replacements[result] = value

    def operation(self, made: Region, one: Operation) -> None:
        operands = self.copier.many(one.operands)
        if one.name in ("if", "switch") and (region := self.taken(one, operands)) is not None:
            self.inline(made, one, region)
            return
        if len(one.results) == 1 and not one.regions and (found := self.known(one, operands)) is not None:
            self.copier.replacements[one.results[0]] = found
            return
        if one.name == "for":
            self.counts[one.regions[0].parameters[0]] = operands[0]
        copy = self.copier.operation(one, self.branches(operands[0]) if one.name == "if" else self.region)
        self.fold_fills(copy)
        self.fold(copy)
        for each in self.before_reshape(copy):
            made.operations.append(each)
            self.sizes.visit(each)
            self.definitions.update(dict.fromkeys(each.results, each))

    # -- known values

    def constant(self, value: Value) -> Any:
        """The constant that a scalar is, or None."""
        found = self.definitions.get(value)
        return found.attributes["value"] if found is not None and found.name == "constant" else None

    def taken(self, one: Operation, operands: list[Value]) -> Region | None:
        """The branch that is known to be taken, its parameters bound."""
        if one.name == "if":
            condition = self.constant(operands[0])
            return None if condition is None else one.regions[0 if condition else 1]
        box = self.definitions.get(operands[0])
        if box is None or box.name != "construct":
            return None
        names = [each.name for each in self.module.sums[str(box.attributes["sum"])].constructors]
        region = one.regions[names.index(str(box.attributes["constructor"]))]
        self.copier.replacements.update(zip(region.parameters, box.operands, strict=True))
        return region

    def known(self, one: Operation, operands: list[Value]) -> Value | None:
        """An operand, or a value further up, that the operation is equal to."""
        for law in LAWS_OF.get(one.name, ()):
            found = self.scalar_constant(operands[law.side])
            if found == law.constant and repr(found) != "-0.0" and dtype_in(operands[law.side], law.dtypes):
                other = operands[1 - law.side]
                if isinstance(other.type, Array) or not isinstance(operands[law.side].type, Array):
                    return other
        rule = _RULES.get(one.name)
        return rule(self, one, operands) if rule is not None else None

    def scalar_constant(self, value: Value) -> Any:
        """The constant that every element of a value is, or None; bool never equals a number."""
        found = self.definitions.get(value)
        if found is not None and found.name == "fill":
            found = self.definitions.get(found.operands[0])
        return found.attributes["value"] if found is not None and found.name == "constant" else None

    def nothing(self, one: Operation, operands: list[Value]) -> Value | None:
        """`x * 0 -> 0` of ints: offsets of leading pieces."""
        if not isinstance(one.results[0].type, Scalar) or not dtype_in(operands[0], INTEGERS):
            return None
        return next((value for value in operands if self.constant(value) == 0), None)

    def same(self, one: Operation, operands: list[Value]) -> Value:
        return operands[0]

    def double(self, one: Operation, operands: list[Value]) -> Value | None:
        """The operation undoes itself: `-(-x) -> x`."""
        found = self.definitions.get(operands[0])
        return found.operands[0] if found is not None and found.name == one.name else None

    def converted(self, one: Operation, operands: list[Value]) -> Value | None:
        return operands[0] if dtype_in(operands[0], (str(one.attributes["dtype"]),)) else None

    def chosen(self, one: Operation, operands: list[Value]) -> Value | None:
        """`select(true, x, y) -> x`, where x has the result's shape; `select(c, x, x) -> x`."""
        condition = self.scalar_constant(operands[0])
        side = operands[1] if operands[1] is operands[2] else None if condition is None else operands[1 if condition else 2]
        return side if side is not None and isinstance(side.type, Array) == isinstance(one.results[0].type, Array) else None

    def reshaped(self, one: Operation, operands: list[Value]) -> Value | None:
        """`reshape(x) -> x` where the shape is the same; also behind another reshape of x."""
        wanted = self.sizes.many(self.copier.sizes(one.sizes))
        before = self.definitions.get(operands[0])
        found = [operands[0], before.operands[0]] if before is not None and before.name == "reshape" else [operands[0]]
        return next((value for value in found if isinstance(value.type, Array) and self.sizes.many(value.type.shape) == wanted), None)

    def inside(self, one: Operation, operands: list[Value]) -> Value | None:
        """`check_index(i, n) -> i` where i is known to fit: in a loop of n turns with the index i, or both are known."""
        index, size = operands
        return index if self.ranges.fits(index, size) else None

    def element(self, one: Operation, operands: list[Value]) -> Value | None:
        """`at(fill(v), i..) -> v`, where a scalar is read."""
        found = self.definitions.get(operands[0])
        if found is not None and found.name == "fill" and isinstance(one.results[0].type, Scalar):
            return found.operands[0]
        return None

    def put_back(self, one: Operation, operands: list[Value]) -> Value | None:
        """`update(x, i.., at(x, i..)) -> x`, and the same of lists: a part that was lent and not changed."""
        places = 2 if one.name == "list_set" else len(operands) - 1
        found = self.definitions.get(operands[places])
        reads = found is not None and found.name == PUT_BACK[one.name] and found.operands == operands[:places]
        return operands[0] if found is not None and reads and found.results == operands[places:] else None

    # -- operations made simpler

    def fold_fills(self, copy: Operation) -> None:
        """A filled array in an elementwise operation is its scalar, if the result's shape is still told by another operand."""
        row = OPS.get(copy.name)
        if row is None or not row.has("elementwise"):
            return
        arrays = [value for value in copy.operands if isinstance(value.type, Array)]
        filled = {value: found.operands[0] for value in arrays if (found := self.definitions.get(value)) and found.name == "fill"}
        if filled and any(value not in filled for value in arrays):
            copy.operands = [filled.get(value, value) for value in copy.operands]

    def before_reshape(self, copy: Operation) -> tuple[Operation, ...]:
        """`op(reshape(x), reshape(y)) -> reshape(op(x, y))` where x and y have one shape: what an optimiser does to the numbers of a
        matrix is done to the matrix, and so together with what makes it."""
        row = OPS.get(copy.name)
        arrays = [value for value in copy.operands if isinstance(value.type, Array)]
        found = [self.definitions.get(value) for value in arrays]
        if row is None or not row.has("elementwise") or not arrays or any(one is None or one.name != "reshape" for one in found):
            return (copy,)
        sources = {value: one.operands[0] for value, one in zip(arrays, found, strict=True) if one is not None}
        first, *others = (source.type for source in sources.values())
        (result,) = copy.results
        assert isinstance(first, Array) and isinstance(result.type, Array)
        shape = self.sizes.many(first.shape)
        if any(not isinstance(other, Array) or self.sizes.many(other.shape) != shape for other in others):
            return (copy,)
        whole = Value(result.name, Array(result.type.element, first.shape))
        operands = [sources.get(value, value) for value in copy.operands]
        done = Operation(copy.name, operands, [whole], copy.attributes, [], copy.sizes, copy.span)
        return done, Operation("reshape", [whole], [result], {}, [], result.type.shape, copy.span)

    def fold(self, copy: Operation) -> None:
        """A scalar operation on constants becomes a constant."""
        kind = copy.results[0].type if len(copy.results) == 1 else None
        if copy.name not in FOLDS or not isinstance(kind, Scalar):
            return
        values = [self.constant(value) for value in copy.operands]
        dtypes = [value.type.dtype for value in copy.operands if isinstance(value.type, Scalar)]
        found = fold(copy.name, dtypes, values, kind.dtype) if None not in values else None
        if found is not None:
            copy.name, copy.operands, copy.attributes = "constant", [], {"value": found}


PUT_BACK = {"update": "at", "list_set": "list_get"}
"""What reads the place that an operation writes."""


def dtype_in(value: Value, dtypes: tuple[str, ...]) -> bool:
    kind = value.type.element if isinstance(value.type, Array) else value.type
    return isinstance(kind, Scalar) and kind.dtype in dtypes


_RULES: dict[str, Callable[[_Simplifier, Operation, list[Value]], Value | None]] = {
    "stop_gradient": _Simplifier.same,
    "mul": _Simplifier.nothing,
    "neg": _Simplifier.double,
    "logical_not": _Simplifier.double,
    "convert": _Simplifier.converted,
    "select": _Simplifier.chosen,
    "reshape": _Simplifier.reshaped,
    "at": _Simplifier.element,
    "check_index": _Simplifier.inside,
    "update": _Simplifier.put_back,
    "list_set": _Simplifier.put_back,
}
