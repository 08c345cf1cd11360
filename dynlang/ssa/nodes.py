"""SSA: explicit values, sizes as i64 values, checks, reference counts and fused loops; regions for structured control flow.

Text form (printed by `print.py`, read by `parse.py` with `grammar/ssa.lark`, checked by `verify.py`):

    func @encode(%d: i64, %x: f32[%d]) -> (f32[%d]) {
      %three: i64 = constant {value = 3}
      %n: i64 = mul %three, %d
      %y: f32[%n] = call @gates(%d, %x)
      %h: f32[%d] = slice %y, %zero {..}
      return %h
    }

Types: scalars by dtype, `f64x4` for four of them side by side; `f32[%n, 4]` an array whose sizes are i64 values or ints; `box @Tree<%d>`
a sum; `list<...>`; `str`; `rows<f32>[%v, %d]`. The type of a region parameter may mention earlier parameters of that region, a result's
type earlier results: so an array of unknown size travels as its size and itself. Where such a size is more than one value (`f32[2 * n]`),
integer arithmetic computes it directly after: at the start of the region, or behind the operation. So the sizes of a value's type are
known wherever the value is used; those of an operation's result, before the operation, unless they depend on its own results. The types
of `Function.results` speak of parameters, earlier results and values of the body.

Ops: every row of the op table, plus
  constant {value}                      | call {function} args
  construct {sum, constructor} fields   | switch %box, one region a constructor (parameters: the fields), yields
  if %c, two regions                    | for %count, init.. one region (index, carried..)   | while init.., two regions (condition, body)
  yield values (ends a region)          | return values (ends a function)
  retain %x / release %x (after the `count_references` pass)
  fused inputs.., offsets.. sizes [shape] (one scalar parameter an input) {scalar rows}: one loop over all elements (after `fuse`)
  nest {into} array, offset.. sizes [shape], one region: one loop over all elements with loops inside of it (after `nest`)
  element %array, %from: in a nest, the number at `from` plus the place of the element at hand
  pack %a, %b, ..: these numbers side by side   | unpack %x {place}: one of them   | regroup %x: an array by numbers as one by several
    side by side, `f64[%n, 4]` as `f64x4[%n]`, or back; the sizes of the result are its type's (after `abreast`)

`constant` of an integer is sign-extended or cut to its dtype; of a string it is a block that lives as long as the program
runs. `list_empty` has its element types in its result's type (Core's attribute `elements` is gone). An operation's `sizes`
are the sizes that its row asks for (`fill`, `reshape`, `slice`, ...), as values or ints: printed as `sizes [%n, 3]`.

`fused` computes its region once for each element of `sizes`, which is the shape of all its results. An input is a scalar,
the same for all elements; an array of that shape; an array of its last axes, read anew for each index of the first ones (all
such inputs have one rank); an array of the first of two axes, whose number is the same all along a row (the attribute `columns` lists
these inputs); or, where the attribute `offsets` (one entry an input) holds a position,
an array of any shape, whose row-major elements are read from the i64 operand at that position on. Offsets stand behind the
inputs, each once. Where the attribute `folds` has a word for a result (`["sum", none]`), that is the reduction of all that the
region yields in its place, in the order of the reduction's kernel. The attribute `reuse = [[result, input], ..]` (after `reuse`)
says that a result may take over the block of an input, which the operation then owns: if its count is one the result is written
into it, else the reference is released.
Elementwise rows on arrays carry `reuse` too.

`nest` computes its region once for each element of `sizes`, too, and the region may hold loops and branches, which all elements go
through together: counts, conditions, indices and checks are the same for all of them. What differs is what `element` reads, and
what depends on it (`lanes.py`). The region runs once even where there is no element, so that its checks are made. Where the attribute
`into` (one entry a result) has a word, the result is the array among the operands, which the nest takes over, with a row written
from the offset behind it on: "set", or "add" for adding to what stands there. Where it has none, the result is a new array. The region
may have parameters, one for each row that is written: what stands there before.

Ownership (established by `opt/count_references.py`, checked by `verify`): a parameter is borrowed unless its position is in
`Function.owned`; results are owned by the caller. Ops consume the operands that their row marks `consumes` and write in
place when the count is one, else copy first. Values are compared by identity; everything is rebuilt, not mutated, by passes
except inside a builder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dynlang.core.nodes import SumDeclaration
from dynlang.source import Span


@dataclass(frozen=True, slots=True)
class Scalar:
    """dtype: f64 f32 f16 bf16 i64 i32 i16 i8 u8 bool. `lanes`: how many numbers stand side by side (`opt/abreast.py`)."""

    dtype: str
    lanes: int = field(default=1, repr=False)


@dataclass(frozen=True, slots=True)
class Array:
    """A reference-counted block of elements in row-major order. Sizes are values or ints, never stored with it."""

    element: ValueType
    shape: tuple[Value | int, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """A sum: a reference-counted block {tag, fields in 8-byte slots}."""

    sum: str
    sizes: tuple[Value | int, ...] = ()


@dataclass(frozen=True, slots=True)
class List:
    """A reference-counted growable block of elements, each several values side by side in 8-byte slots."""

    elements: tuple[ValueType, ...]


@dataclass(frozen=True, slots=True)
class String:
    """A reference-counted block of UTF-8 bytes."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A growable set of (index, row) contributions to a table of this shape."""

    dtype: str
    shape: tuple[Value | int, ...]


ValueType = Scalar | Array | Box | List | String | Rows


@dataclass(slots=True, eq=False)
class Value:
    """Defined once: by an operation, or as a parameter. `name` is a hint; the printer makes it unique."""

    name: str
    type: ValueType

    @property
    def counted(self) -> bool:
        """True of references, which carry a count."""
        return not isinstance(self.type, Scalar)


@dataclass(slots=True, eq=False)
class Region:
    """Parameters and operations; the last operation is `yield` (or `return` in a function's body)."""

    parameters: list[Value]
    operations: list[Operation] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Operation:
    name: str
    operands: list[Value]
    results: list[Value]
    attributes: Mapping[str, object] = field(default_factory=dict)
    regions: list[Region] = field(default_factory=list)
    sizes: tuple[Value | int, ...] = ()
    span: Span | None = None


@dataclass(slots=True, eq=False)
class Function:
    """`owned`: positions of parameters whose reference the function takes over (`inout` values and destinations).

    `recursive` functions check the depth of the stack on entry. `export`, `parameter_labels`, `result_labels`, `sizes`
    and `inout` are as in Core."""

    name: str
    body: Region
    results: list[Value]
    owned: frozenset[int] = frozenset()
    recursive: bool = False
    sizes: int = 0
    inout: tuple[tuple[int, int], ...] = ()
    export: str | None = None
    parameter_labels: tuple[str, ...] = ()
    result_labels: tuple[str, ...] = ()
    documentation: str = ""
    span: Span | None = None

    @property
    def parameters(self) -> list[Value]:
        return self.body.parameters


@dataclass(slots=True, eq=False)
class Module:
    """`sums` are Core's declarations: layouts of boxes and the meaning of `switch` come from them.

    `roots` are the functions that are called from outside; none means that nothing is known of it."""

    sums: Mapping[str, SumDeclaration]
    functions: dict[str, Function]
    roots: tuple[str, ...] = ()
