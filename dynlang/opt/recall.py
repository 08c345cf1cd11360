"""What a branch computed is known where the same branch is taken again.

Law: every result is the same bits. A derivative asks its primal's conditions a second time, and often computes there what was
computed the first time: a root, a sine. Where that is dear, the first `if` gives it as one more result (a zero from its other
arm, which nobody reads), and the second one takes it.

Before:

    func @f(%c: bool, %x: f32, %y: f32) -> (f32, f32) {
      %a: f32 = if %c {
        %s: f32 = sin %x
        %t: f32 = mul %s, %y
        yield %t
      } {
        yield %y
      }
      %b: f32 = if %c {
        %u: f32 = sin %x
        %v: f32 = add %u, %a
        yield %v
      } {
        yield %a
      }
      return %a, %b
    }

After (and without what is unused then):

    func @f(%c: bool, %x: f32, %y: f32) -> (f32, f32) {
      %a: f32, %k: f32 = if %c {
        %s: f32 = sin %x
        %t: f32 = mul %s, %y
        yield %t, %s
      } {
        %zero: f32 = constant {value = 0.0}
        yield %y, %zero
      }
      %b: f32 = if %c {
        %v: f32 = add %k, %a
        yield %v
      } {
        yield %a
      }
      return %a, %b
    }
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dynlang.ops import OPS
from dynlang.opt.take import substitute
from dynlang.ssa.build import Builder, copy_function, map_functions, operations_in
from dynlang.ssa.nodes import Function, Module, Operation, Region, Scalar, Value

DEAR = 4
ROOTS = frozenset({"sqrt"})
"""Rows that cost much more than a register does; a root's row says what it costs an accelerator."""
Key = tuple[object, ...]


def recall(module: Module) -> Module:
    return map_functions(module, lambda one: recalled(one) if repeats(one.body) else one)


def repeats(body: Region) -> bool:
    """Whether some condition is asked twice."""
    conditions = [one.operands[0] for one in operations_in(body) if one.name == "if"]
    return len(set(conditions)) < len(conditions)


def recalled(function: Function) -> Function:
    made = copy_function(function)
    _region(made.body)
    return made


def _region(region: Region) -> None:
    earlier: dict[Value, tuple[_Arm, _Arm]] = {}
    for one in region.operations:
        for inner in one.regions:
            _region(inner)
        if one.name == "if":
            arms = earlier.setdefault(one.operands[0], (_Arm(0), _Arm(1)))
            for arm, inner in zip(arms, one.regions, strict=True):
                arm.visit(one, inner)


@dataclass(slots=True)
class _Arm:
    """What one arm of all branches on a condition has computed: the first value of each expression, and the `if` that has it."""

    place: int
    known: dict[Key, tuple[Operation, Value]] = field(default_factory=dict)
    same: dict[Value, Value] = field(default_factory=dict)
    """The value of an earlier arm that one of a later arm is equal to."""
    given: dict[Value, Value] = field(default_factory=dict)
    """Results of the earlier branch that hand out what it computed."""

    def visit(self, branch: Operation, region: Region) -> None:
        taken: dict[Value, Value] = {}
        for one in region.operations:
            key = self.key(one)
            if key is None:
                continue
            (result,) = one.results
            owner, first = self.known.setdefault(key, (branch, result))
            if owner is not branch:
                self.same[result] = first
                if one.name in ROOTS or (one.name in OPS and OPS[one.name].cost >= DEAR):
                    taken[result] = self.handed_out(owner, first)
        for one in region.operations:
            substitute(one, taken)

    def key(self, one: Operation) -> Key | None:
        """What makes two operations on numbers equal."""
        row = OPS.get(one.name)
        scalar = len(one.results) == 1 and isinstance(one.results[0].type, Scalar)
        if not scalar or not (one.name == "constant" or (row is not None and row.has("elementwise"))):
            return None
        operands = [self.same.get(value, value) for value in one.operands]
        attributes: Mapping[str, object] = one.attributes
        return (one.name, *map(id, operands), repr(sorted(attributes.items())), one.results[0].type)

    def handed_out(self, owner: Operation, value: Value) -> Value:
        if value not in self.given:
            fresh = Value(value.name, value.type)
            owner.results.append(fresh)
            for place, region in enumerate(owner.regions):
                end = region.operations.pop()
                given = value if place == self.place else nothing(region, value)
                region.operations.append(Operation(end.name, [*end.operands, given], [], end.attributes, [], end.sizes, end.span))
            self.given[value] = fresh
        return self.given[value]


def nothing(region: Region, like: Value) -> Value:
    """A zero of a number's type, which nobody reads."""
    assert isinstance(like.type, Scalar)
    dtype = like.type.dtype
    return Builder(region).constant(False if dtype == "bool" else 0 if dtype[0] in "iu" else 0.0, dtype)
