"""Matrix products: register tiles of C over panels of B.

For each stretch of k, block of rows and panel of columns, the panel of B is packed into 32 KiB on the stack (columns
past the end are zero), and every tile of rows runs along it; with one or two tiles packing doesn't pay, and whole
panels are read in place; so is a B that is a panel itself. Where at most half a panel's columns are left, panel and tiles
are half as wide. A is read in place by its two strides. Nothing is allocated, so a product can't fail. A tile
loads C before it starts and stores it when done, so the chain of additions doesn't depend on how k is cut. Rows of B that are
zero are passed over (`zeros.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dynlang.native import kernels
from dynlang.native.emit import Function, ModuleText, Operand, Signature, vector
from dynlang.native.kernels import SCALARS
from dynlang.native.kernels.vectors import SHORT_ROW, SQUARE, by_columns, element_bytes, lanes, transpose_block
from dynlang.native.kernels.zeros import LEAST_TILES, all_finite, kept_rows

_PANEL_BYTES = 32768
_ROW_BLOCK = 960
_FEW_ROWS = 3


def build(f: Function, name: str, dtype: str) -> None:
    accumulate = name.endswith("_accumulate")
    form = name.removesuffix("_accumulate").removeprefix("matmul")
    _build(f, dtype, form, accumulate)


def _panel(f: Function, scalar: str) -> tuple[int, int]:
    """(columns, depth) of a panel."""
    width = lanes(scalar) * f.target.tile[1]
    return width, _PANEL_BYTES // (element_bytes(scalar) * width)


def heights_of_tiles(rows: int) -> tuple[int, ...]:
    """The heights of tiles that are made for a target: the full one and half of it."""
    return (rows, rows // 2) if rows > 1 else (rows,)


def _build(f: Function, dtype: str, form: str, accumulate: bool) -> None:
    scalar = SCALARS[dtype]
    if not accumulate:
        with f.when(f.icmp("eq", "%k", 0)):
            f.fill_bytes("%C", 0, f.mul(f.mul("%m", "%n"), element_bytes(scalar)))
    if form == "":
        _few_rows(f, dtype, scalar, accumulate)
    width, depth = _panel(f, scalar)
    packed = f.slot(scalar, count=width * depth, align=64)
    zeros = _Zeros(f.slot("i64", count=depth), f.slot("i64"), f.slot("i8")) if form == "" and not accumulate else None
    with f.loop(0, "%k", depth) as along:
        kc = f.minimum(f.sub("%k", along.index), depth)
        fresh = "false" if accumulate else f.icmp("eq", along.index, 0)
        with f.loop(0, "%m", _ROW_BLOCK) as block:
            rows = f.minimum(f.sub("%m", block.index), _ROW_BLOCK)
            if zeros is not None:
                f.store("i8", UNKNOWN, zeros.finite)
            with f.loop(0, "%n", width) as across:
                columns = f.minimum(f.sub("%n", across.index), width)
                work = _Strip(block.index, rows, across.index, columns, along.index, kc, packed, fresh, zeros)
                narrow = f.choose(f.icmp("sle", columns, width // 2))
                with narrow.yes():
                    _run_strip(f, scalar, form, work, width // 2)
                with narrow.no():
                    _run_strip(f, scalar, form, work, width)
    f.ret()


def _panel_of_b(f: Function, scalar: str, form: str, row: Operand, column: Operand) -> str:
    """Where a panel begins in B."""
    at = f.add(f.mul(column, "%k"), row) if form == "_nt" else f.add(f.mul(row, "%n"), column)
    return f.offset("%B", at, scalar)


UNKNOWN, FINITE, OTHER = 0, 1, 2


@dataclass(frozen=True, slots=True)
class _Zeros:
    """Room for the rows of a panel that aren't zero (`zeros.py`), for how many they are, and for what is known of a block of A."""

    places: str
    kept: str
    finite: str


@dataclass(frozen=True, slots=True)
class _Strip:
    """Rows of C below one panel: `rows` from `row` on, `columns` from `column` on, and k from `depth` on for `k` steps."""

    row: Operand
    rows: Operand
    column: Operand
    columns: Operand
    depth: Operand
    k: Operand
    packed: Operand
    fresh: Operand
    zeros: _Zeros | None


def _few_rows(f: Function, dtype: str, scalar: str, accumulate: bool) -> None:
    """Packing doesn't pay for a row or two: each is a `vecmat`, which gives the same bits for rows that aren't short."""
    one = kernels.declare(f.module, "vecmat_accumulate" if accumulate else "vecmat", dtype).name
    with f.when(f.binary("and", "i1", f.icmp("slt", "%m", _FEW_ROWS), f.icmp("sgt", "%n", SHORT_ROW * lanes(scalar)))):
        with f.loop(0, "%m") as row:
            x = f.offset("%A", f.mul(row.index, "%k"), scalar)
            f.call(one, "%k", "%n", x, "%B", f.offset("%C", f.mul(row.index, "%n"), scalar))
        f.ret()


def _run_strip(f: Function, scalar: str, form: str, work: _Strip, width: int) -> None:
    """A strip by tiles of `width` columns; B's panel is packed where it doesn't pay to read it in place."""
    source = _panel_of_b(f, scalar, form, work.depth, work.column)
    if form == "_nt":
        f.call(_pack_transposed(f.module, scalar, width).name, work.k, work.columns, source, "%k", work.packed)
        _run_tiles(f, scalar, form, work, width, work.packed, width)
        return
    few = f.icmp("sle", "%m", 2 * f.target.tile[0])
    in_place = f.binary("and", "i1", f.binary("or", "i1", few, f.icmp("eq", "%n", width)), f.icmp("eq", work.columns, width))
    with f.when(f.binary("xor", "i1", in_place, "true")):
        f.call(_pack(f.module, scalar, width).name, work.k, work.columns, source, "%n", work.packed)
    panel, step = f.select(in_place, "ptr", source, work.packed), f.select(in_place, "i64", "%n", width)
    if work.zeros is None:
        _run_tiles(f, scalar, form, work, width, panel, step)
        return
    _look_for_zeros(f, scalar, work, work.zeros, width, panel, step)
    kept = f.load("i64", work.zeros.kept)
    sparse = f.choose(f.icmp("slt", kept, work.k))
    with sparse.yes():
        _run_tiles(f, scalar, form, replace(work, k=kept), width, panel, step, work.zeros.places)
    with sparse.no():
        _run_tiles(f, scalar, form, work, width, panel, step)


def _look_for_zeros(f: Function, scalar: str, work: _Strip, zeros: _Zeros, width: int, panel: Operand, step: Operand) -> None:
    """Leaves the number of the panel's rows that are to be gone through: all, or those that aren't zero."""
    f.store("i64", work.k, zeros.kept)
    many = f.icmp("sge", work.rows, LEAST_TILES * f.target.tile[0])
    with f.when(f.binary("and", "i1", many, f.icmp("eq", work.k, "%k"))):
        kept = f.call(kept_rows(f.module, scalar, width).name, work.k, panel, step, zeros.places)
        with f.when(f.icmp("slt", kept, f.sub(work.k, f.binary("ashr", "i64", work.k, 2)))):
            with f.when(f.icmp("eq", f.load("i8", zeros.finite), UNKNOWN, "i8")):
                a = f.offset("%A", f.mul(work.row, "%k"), scalar)
                finite = f.call(all_finite(f.module, scalar).name, f.mul(work.rows, "%k"), a)
                f.store("i8", f.select(finite, "i8", FINITE, OTHER), zeros.finite)
            with f.when(f.icmp("eq", f.load("i8", zeros.finite), FINITE, "i8")):
                f.store("i64", kept, zeros.kept)


def _run_tiles(f: Function, scalar: str, form: str, work: _Strip, width: int, panel: Operand, step: Operand,
               places: str = "") -> None:
    """As many of the tallest tiles as fit, then the lowest that holds the rest. `step` is from row to row of the panel.

    `places`: the rows of the panel that aren't passed over, where not all are gone through."""
    transposed = form == "_tn"

    def run(start: Operand, height: int, count: Operand) -> None:
        row = f.add(work.row, start)
        at = f.add(f.mul(work.depth, "%m"), row) if transposed else f.add(f.mul(row, "%k"), work.depth)
        a, c = f.offset("%A", at, scalar), f.offset("%C", f.add(f.mul(row, "%n"), work.column), scalar)
        stride = "%m" if transposed else "%k"
        tile = _tile(f.module, scalar, height, width, transposed, bool(places)).name
        f.call(tile, work.k, a, stride, panel, step, c, "%n", count, work.columns, work.fresh, *([places] if places else []))

    heights = heights_of_tiles(f.target.tile[0])
    rest = f.binary("urem", "i64", work.rows, heights[0])
    whole = f.sub(work.rows, rest)
    with f.loop(0, whole, heights[0]) as group:
        run(group.index, heights[0], heights[0])
    for height, lower in zip(heights, (*heights[1:], 0), strict=True):
        fits = f.binary("and", "i1", f.icmp("sgt", rest, lower), f.icmp("sle", rest, height))
        with f.when(fits):
            run(whole, height, rest)


_TILE = (
    "i64 k",
    "ptr noalias readonly a",
    "i64 stride",
    "ptr noalias readonly panel",
    "i64 step",
    "ptr noalias c",
    "i64 across",
    "i64 count",
    "i64 columns",
    "i1 fresh",
)


def _tile(module: ModuleText, scalar: str, rows: int, width: int, transposed: bool, listed: bool) -> Signature:
    """C[count x columns] += A panel, where `across` is from row to row of C and `step` from row to row of the panel.

    `stride` is from row to row of A, or with `transposed` from step to step of k. A tile that has fewer rows takes the last one
    again for those that are missing, and writes it as often; of fewer columns it touches those alone. `listed`: the k steps are those
    at `places`.
    """
    name = f"dyn.kernel.tile{'_tn' if transposed else ''}{'.listed' if listed else ''}.{rows}x{width}.{scalar}"

    def build_tile(module: ModuleText) -> None:
        f = module.function(name, "void", *_TILE, *(["ptr noalias readonly places"] if listed else []), attributes="nounwind noinline")
        last = f.sub("%count", 1)
        lines: list[Operand] = [0, *(f.minimum(last, i) for i in range(1, rows))]
        block = _Block(f, scalar, width, lines)
        before = block.read()
        starts = [f.offset("%a", f.mul("%stride", line), scalar) for line in lines] if not transposed else []
        with f.loop(0, "%k", carried=[(block.kind, value) for value in before]) as loop:
            at = f.load("i64", f.offset("%places", loop.index, "i64")) if listed else loop.index
            row = f.offset("%panel", f.mul(at, "%step"), scalar)
            pieces = [f.load(block.kind, f.offset(row, part, scalar)) for part in block.parts]
            if transposed:
                base = f.offset("%a", f.mul(at, "%stride"), scalar)
                elements = [f.load(scalar, f.offset(base, line, scalar)) for line in lines]
            else:
                elements = [f.load(scalar, f.offset(start, at, scalar)) for start in starts]
            wide = [f.splat(block.kind, element) for element in elements]
            products = [(factor, piece) for factor in wide for piece in pieces]
            loop.next = [f.fma(block.kind, *pair, total) for pair, total in zip(products, loop.carried, strict=True)]
        block.write(loop.carried)
        f.ret()

    return module.require(name, build_tile)


class _Block:
    """A tile's part of C in registers. One with fewer columns is read and written under masks, or, where there are none, through a copy."""

    def __init__(self, f: Function, scalar: str, width: int, lines: Sequence[Operand]) -> None:
        self.f, self.scalar, self.width, self.lines = f, scalar, width, lines
        share = min(width, lanes(scalar))
        self.kind = vector(scalar, share)
        self.parts = range(0, width, share)
        self.partial = f.icmp("slt", "%columns", width)
        self.masked = f.target.vector_bytes >= 32
        if self.masked:
            self.masks = [f.first_lanes(f.sub("%columns", part), share) for part in self.parts]
        else:
            self.room = f.slot(scalar, count=len(lines) * width, align=64)
            self.copy, self.apart = f.select(self.partial, "ptr", self.room, "%c"), f.select(self.partial, "i64", width, "%across")

    def places(self) -> list[str]:
        f = self.f
        if self.masked:
            rows = [f.offset("%c", f.mul("%across", line), self.scalar) for line in self.lines]
        else:
            rows = [f.offset(self.copy, f.mul(self.apart, line), self.scalar) for line in self.lines]
        return [f.offset(row, part, self.scalar) for row in rows for part in self.parts]

    def read(self) -> list[str]:
        """What stands in C, or zeros where nothing does."""
        f = self.f
        fresh = f.choose("%fresh")
        with fresh.yes():
            pass
        with fresh.no():
            if self.masked:
                masks = self.masks * len(self.lines)
                before = [f.load_masked(self.kind, place, mask) for place, mask in zip(self.places(), masks, strict=True)]
            else:
                with f.when(self.partial):
                    self.copied("%c", "%across", self.room, self.width)
                before = [f.load(self.kind, place) for place in self.places()]
        return [fresh.merge(self.kind, "zeroinitializer", value) for value in before]

    def write(self, values: Sequence[str]) -> None:
        f = self.f
        if self.masked:
            whole = f.choose(self.partial)
            with whole.yes():
                for value, place, mask in zip(values, self.places(), self.masks * len(self.lines), strict=True):
                    f.store_masked(self.kind, value, place, mask)
            with whole.no():
                for value, place in zip(values, self.places(), strict=True):
                    f.store(self.kind, value, place)
            return
        for value, place in zip(values, self.places(), strict=True):
            f.store(self.kind, value, place)
        with f.when(self.partial):
            self.copied(self.room, self.width, "%c", "%across")

    def copied(self, source: Operand, source_step: Operand, target: Operand, target_step: Operand) -> None:
        """`%columns` elements of `%count` rows."""
        f = self.f
        with f.loop(0, "%count") as row:
            from_row = f.offset(source, f.mul(row.index, source_step), self.scalar)
            _copy_row(f, self.scalar, from_row, f.offset(target, f.mul(row.index, target_step), self.scalar))


def _copy_row(f: Function, scalar: str, source: Operand, target: Operand) -> None:
    """`%columns` elements."""

    def copy(column: str, width: int) -> None:
        kind = vector(scalar, width)
        f.store(kind, f.load(kind, f.offset(source, column, scalar)), f.offset(target, column, scalar))

    by_columns(f, scalar, "%columns", copy)


_PACK = ("i64 k", "i64 columns", "ptr noalias readonly b", "i64 stride", "ptr noalias panel")


def _pack(module: ModuleText, scalar: str, width: int) -> Signature:
    """`k` rows of a panel's columns of B, rows `stride` apart, side by side and filled up with zeros."""
    name = f"dyn.kernel.pack.{width}.{scalar}"

    def build_pack(module: ModuleText) -> None:
        f = module.function(name, "void", *_PACK, attributes="nounwind noinline")
        share = min(width, lanes(scalar))
        block = vector(scalar, share)
        choice = f.choose(f.icmp("eq", "%columns", width))
        with choice.yes(), f.loop(0, "%k") as row:
            source = f.offset("%b", f.mul(row.index, "%stride"), scalar)
            target = f.offset("%panel", f.mul(row.index, width), scalar)
            for part in range(0, width, share):
                f.store(block, f.load(block, f.offset(source, part, scalar)), f.offset(target, part, scalar), share * element_bytes(scalar))
        with choice.no(), f.loop(0, "%k") as row:
            source = f.offset("%b", f.mul(row.index, "%stride"), scalar)
            target = f.offset("%panel", f.mul(row.index, width), scalar)
            for part in range(0, width, share):
                f.store(block, "zeroinitializer", f.offset(target, part, scalar), share * element_bytes(scalar))
            _copy_row(f, scalar, source, target)
        f.ret()

    return module.require(name, build_pack)


def _pack_transposed(module: ModuleText, scalar: str, width: int) -> Signature:
    """The same panel from rows of B^T: column j of the panel is row j of B, rows `stride` apart."""
    name = f"dyn.kernel.pack_nt.{width}.{scalar}"

    def build_pack(module: ModuleText) -> None:
        f = module.function(name, "void", *_PACK, attributes="nounwind noinline")
        with f.when(f.icmp("slt", "%columns", width)):
            f.fill_bytes("%panel", 0, f.mul("%k", width * element_bytes(scalar)))
        block = vector(scalar, SQUARE)
        whole_columns, whole_rows = f.bit_and("%columns", -SQUARE), f.bit_and("%k", -SQUARE)
        with f.loop(0, whole_columns, SQUARE) as column, f.loop(0, whole_rows, SQUARE) as row:
            source = f.offset("%b", f.add(f.mul(column.index, "%stride"), row.index), scalar)
            target = f.offset("%panel", f.add(f.mul(row.index, width), column.index), scalar)
            lines = [f.load(block, f.offset(source, f.mul("%stride", i), scalar)) for i in range(SQUARE)]
            for i, line in enumerate(transpose_block(f, scalar, lines)):
                f.store(block, line, f.offset(target, i * width, scalar))
        with f.loop(0, "%columns") as column:
            source = f.offset("%b", f.mul(column.index, "%stride"), scalar)
            target = f.offset("%panel", column.index, scalar)
            # Below the squares, and all of a column that is in none.
            start = f.select(f.icmp("slt", column.index, whole_columns), "i64", whole_rows, 0)
            with f.loop(start, "%k") as row:
                element = f.load(scalar, f.offset(source, row.index, scalar))
                f.store(scalar, element, f.offset(target, f.mul(row.index, width), scalar))
        f.ret()

    return module.require(name, build_pack)
