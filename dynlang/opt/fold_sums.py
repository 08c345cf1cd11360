"""A loop over elements reduces what it makes: the sum of a product needs no array of products.

Law: every result has the same bits, for the loop adds in the order of the reduction's kernel. A whole reduction of a float array
that an elementwise loop of the same region makes becomes a result of the loop (attribute `folds`); the array goes where
nothing else uses it.

Before:

    func @f(%n: i64, %x: f64[%n], %y: f64[%n]) -> (f64) {
      %t: f64[%n] = mul %x, %y
      %s: f64 = reduce_sum %t
      return %s
    }

After:

    func @f(%n: i64, %x: f64[%n], %y: f64[%n]) -> (f64) {
      %s: f64 = fused %x, %y sizes [%n] {folds = ["sum"]} (%a: f64, %b: f64) {
        %t: f64 = mul %a, %b
        yield %t
      }
      return %s
    }
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dynlang.opt.fuse import DTYPES, dtype_of, is_elementwise
from dynlang.ssa.build import Builder, columns_of, copy_function, map_functions, operations_in, repeated_ranks
from dynlang.ssa.nodes import Array, Function, Module, Operation, Region, Scalar, Value

FOLDED = {f"reduce_{word}": word for word in ("sum", "prod", "max", "min")}
FLOATS = frozenset({"f32", "f64"})
MOST_FOLDS = 4
"""Of one loop: each keeps two vectors in registers."""


def fold_sums(module: Module) -> Module:
    return map_functions(module, lambda one: _folded(copy_function(one)) if any(map(is_fold, operations_in(one.body))) else one)


def is_fold(one: Operation) -> bool:
    """A reduction of all elements to one number."""
    if one.name not in FOLDED or not isinstance(one.results[0].type, Scalar):
        return False
    kind = one.operands[0].type
    axes = one.attributes.get("axes")
    whole = axes is None or (isinstance(axes, tuple) and isinstance(kind, Array) and len(axes) == len(kind.shape))
    return whole and dtype_of(one.operands[0]) in FLOATS


def _folded(function: Function) -> Function:
    uses = Counter(value for one in operations_in(function.body) for value in one.operands)
    constants = {one.results[0]: one for one in operations_in(function.body) if one.name == "constant"}
    _region(function.body, uses, constants)
    return function


def _region(region: Region, uses: Counter[Value], constants: dict[Value, Operation]) -> None:
    folds: dict[Value, list[Operation]] = {}
    makers = {value: one for one in region.operations if can_fold(one) for value in one.results}
    for one in region.operations:
        if is_fold(one) and one.operands[0] in makers:
            folds.setdefault(one.operands[0], []).append(one)
    gone = {id(one) for one in _chosen(folds, makers)}
    made: list[Operation] = []
    for one in region.operations:
        if id(one) in gone:
            continue
        wanted = [fold for value in one.results for fold in folds.get(value, ()) if id(fold) in gone]
        made.append(_with_folds(one, wanted, uses, constants) if wanted else one)
        if one.name != "fused":
            for inner in one.regions:
                _region(inner, uses, constants)
    region.operations = made


def _chosen(folds: dict[Value, list[Operation]], makers: dict[Value, Operation]) -> Iterator[Operation]:
    """The folds that a loop takes: of one dtype, and not too many."""
    taken: dict[int, list[Operation]] = {}
    for value, many in folds.items():
        mine = taken.setdefault(id(makers[value]), [])
        for one in many:
            if len(mine) < MOST_FOLDS and all(dtype_of(each.results[0]) == dtype_of(one.results[0]) for each in mine):
                mine.append(one)
                yield one


def can_fold(one: Operation) -> bool:
    """An elementwise loop whose inputs go along with its elements."""
    if one.name == "fused":
        return not any(repeated_ranks(one)) and not columns_of(one) and "folds" not in one.attributes
    if not is_elementwise(one) or one.name == "accumulate":
        return False
    kind = one.results[0].type
    ranks = {len(value.type.shape) for value in one.operands if isinstance(value.type, Array)}
    return isinstance(kind, Array) and ranks == {len(kind.shape)} and all(dtype_of(value) in DTYPES for value in one.operands)


def _with_folds(one: Operation, folds: list[Operation], uses: Counter[Value], constants: dict[Value, Operation]) -> Operation:
    """The loop with its folds as results, behind the arrays that something else uses."""
    loop = one if one.name == "fused" else _as_loop(one, constants)
    yielded = dict(zip(loop.results, loop.regions[0].operations[-1].operands, strict=True))
    taken = Counter(fold.operands[0] for fold in folds)
    kept = [value for value in loop.results if uses[value] > taken[value]]
    results = kept + [fold.results[0] for fold in folds]
    last = Operation("yield", [yielded[value] for value in kept] + [yielded[fold.operands[0]] for fold in folds], [])
    region = Region(loop.regions[0].parameters, [*loop.regions[0].operations[:-1], last])
    words = (None,) * len(kept) + tuple(FOLDED[fold.name] for fold in folds)
    return Operation("fused", loop.operands, results, {**loop.attributes, "folds": words}, [region], loop.sizes, loop.span)


def _as_loop(one: Operation, constants: dict[Value, Operation]) -> Operation:
    """An elementwise operation as a loop of one operation."""
    inner = Builder(Region([]), one.span)
    inside: dict[Value, Value] = {}
    for value in dict.fromkeys(one.operands):
        if value in constants:
            inside[value] = inner.constant(constants[value].attributes["value"], dtype_of(value), value.name)
        else:
            inside[value] = Value(value.name, Scalar(dtype_of(value)))
            inner.region.parameters.append(inside[value])
    kind = one.results[0].type
    assert isinstance(kind, Array)
    made = inner.value(one.name, [inside[value] for value in one.operands], kind.element, one.attributes, hint=one.results[0].name)
    inner.emit("yield", [made])
    inputs = [value for value in dict.fromkeys(one.operands) if value not in constants]
    return Operation("fused", inputs, one.results, {}, [inner.region], kind.shape, one.span)
