"""Matrix products: register tiles of C over panels of B.

For each stretch of k, block of rows and panel of columns, the panel of B is packed into 32 KiB on the stack (columns
past the end are zero), and every tile of rows runs along it; with one or two tiles packing doesn't pay, and whole
panels are read in place. A is read in place by its two strides. Nothing is allocated, so a product can't fail. A tile
loads C before it starts and stores it when done, so the chain of additions doesn't depend on how k is cut.
"""

from __future__ import annotations

from dataclasses import dataclass

from dynlang.native import kernels
from dynlang.native.emit import Function, ModuleText, Operand, Signature, vector
from dynlang.native.kernels import SCALARS
from dynlang.native.kernels.vectors import SQUARE, by_columns, element_bytes, lanes, transpose_block

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
    few = "false" if form == "_nt" else f.icmp("sle", "%m", 2 * f.target.tile[0])
    with f.loop(0, "%k", depth) as along:
        kc = f.minimum(f.sub("%k", along.index), depth)
        fresh = "false" if accumulate else f.icmp("eq", along.index, 0)
        with f.loop(0, "%m", _ROW_BLOCK) as block:
            rows = f.minimum(f.sub("%m", block.index), _ROW_BLOCK)
            with f.loop(0, "%n", width) as across:
                columns = f.minimum(f.sub("%n", across.index), width)
                in_place = f.binary("and", "i1", few, f.icmp("eq", columns, width))
                source = _panel_of_b(f, scalar, form, along.index, across.index)
                with f.when(f.binary("xor", "i1", in_place, "true")):
                    pack = (_pack_transposed if form == "_nt" else _pack)(f.module, scalar)
                    f.call(pack.name, kc, columns, source, "%k" if form == "_nt" else "%n", packed)
                panel = f.select(in_place, "ptr", source, packed)
                step = f.select(in_place, "i64", "%n", width)
                work = _Strip(block.index, rows, across.index, columns, along.index, kc, panel, step, fresh)
                _run_tiles(f, scalar, form, work)
    f.ret()


def _panel_of_b(f: Function, scalar: str, form: str, row: str, column: str) -> str:
    """Where a panel begins in B."""
    at = f.add(f.mul(column, "%k"), row) if form == "_nt" else f.add(f.mul(row, "%n"), column)
    return f.offset("%B", at, scalar)


@dataclass(frozen=True, slots=True)
class _Strip:
    """Rows of C below one panel: `rows` from `row` on, `columns` from `column` on, and k from `depth` on for `k` steps."""

    row: Operand
    rows: Operand
    column: Operand
    columns: Operand
    depth: Operand
    k: Operand
    panel: Operand
    step: Operand
    fresh: Operand


def _few_rows(f: Function, dtype: str, scalar: str, accumulate: bool) -> None:
    """Packing doesn't pay for a row or two: each is a `vecmat`, which gives the same bits."""
    one = kernels.declare(f.module, "vecmat_accumulate" if accumulate else "vecmat", dtype).name
    with f.when(f.icmp("slt", "%m", _FEW_ROWS)):
        with f.loop(0, "%m") as row:
            x = f.offset("%A", f.mul(row.index, "%k"), scalar)
            f.call(one, "%k", "%n", x, "%B", f.offset("%C", f.mul(row.index, "%n"), scalar))
        f.ret()


def _run_tiles(f: Function, scalar: str, form: str, work: _Strip) -> None:
    """As many of the tallest tiles as fit, then the lowest that holds the rest."""
    transposed = form == "_tn"

    def run(start: Operand, height: int, count: Operand) -> None:
        row = f.add(work.row, start)
        at = f.add(f.mul(work.depth, "%m"), row) if transposed else f.add(f.mul(row, "%k"), work.depth)
        a, c = f.offset("%A", at, scalar), f.offset("%C", f.add(f.mul(row, "%n"), work.column), scalar)
        stride = "%m" if transposed else "%k"
        tile = _tile(f.module, scalar, height, transposed).name
        f.call(tile, work.k, a, stride, work.panel, work.step, c, "%n", count, work.columns, work.fresh)

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


def _tile(module: ModuleText, scalar: str, rows: int, transposed: bool) -> Signature:
    """C[count x columns] += A panel, where `across` is from row to row of C and `step` from row to row of the panel.

    `stride` is from row to row of A, or with `transposed` from step to step of k. A tile that is not full goes through
    a copy of its part of C, and takes the last row of A again for those that are missing.
    """
    name = f"dyn.kernel.tile{'_tn' if transposed else ''}.{rows}.{scalar}"

    def build_tile(module: ModuleText) -> None:
        f = module.function(name, "void", *_TILE, attributes="nounwind noinline")
        width, _ = _panel(f, scalar)
        block = vector(scalar, lanes(scalar))
        parts = [lanes(scalar) * i for i in range(f.target.tile[1])]
        room = f.slot(scalar, count=rows * width, align=64)
        partial = f.binary("or", "i1", f.icmp("slt", "%columns", width), f.icmp("slt", "%count", rows))
        with f.when(partial):
            f.fill_bytes(room, 0, rows * width * element_bytes(scalar))
            _copy_part(f, scalar, "%c", "%across", room, width)
        c = f.select(partial, "ptr", room, "%c")
        apart = f.select(partial, "i64", width, "%across")
        places = [f.offset(f.offset(c, f.mul(apart, i), scalar), part, scalar) for i in range(rows) for part in parts]
        choice = f.choose("%fresh")
        with choice.yes():
            pass
        with choice.no():
            before = [f.load(block, place) for place in places]
        totals = [(block, choice.merge(block, "zeroinitializer", value)) for value in before]
        last = f.sub("%count", 1)
        lines: list[Operand] = [0, *(f.minimum(last, i) for i in range(1, rows))]
        starts = [f.offset("%a", f.mul("%stride", line), scalar) for line in lines] if not transposed else []
        with f.loop(0, "%k", carried=totals) as loop:
            row = f.offset("%panel", f.mul(loop.index, "%step"), scalar)
            pieces = [f.load(block, f.offset(row, part, scalar)) for part in parts]
            if transposed:
                base = f.offset("%a", f.mul(loop.index, "%stride"), scalar)
                elements = [f.load(scalar, f.offset(base, line, scalar)) for line in lines]
            else:
                elements = [f.load(scalar, f.offset(start, loop.index, scalar)) for start in starts]
            wide = [f.splat(block, element) for element in elements]
            products = [(factor, piece) for factor in wide for piece in pieces]
            loop.next = [f.fma(block, *pair, total) for pair, total in zip(products, loop.carried, strict=True)]
        for value, place in zip(loop.carried, places, strict=True):
            f.store(block, value, place)
        with f.when(partial):
            _copy_part(f, scalar, room, width, "%c", "%across")
        f.ret()

    return module.require(name, build_tile)


def _copy_part(f: Function, scalar: str, source: Operand, source_step: Operand, target: Operand, target_step: Operand) -> None:
    """`%columns` elements of `%count` rows."""
    with f.loop(0, "%count") as row:
        from_row = f.offset(source, f.mul(row.index, source_step), scalar)
        _copy_row(f, scalar, from_row, f.offset(target, f.mul(row.index, target_step), scalar))


def _copy_row(f: Function, scalar: str, source: Operand, target: Operand) -> None:
    """`%columns` elements."""

    def copy(column: str, width: int) -> None:
        kind = vector(scalar, width)
        f.store(kind, f.load(kind, f.offset(source, column, scalar)), f.offset(target, column, scalar))

    by_columns(f, scalar, "%columns", copy)


_PACK = ("i64 k", "i64 columns", "ptr noalias readonly b", "i64 stride", "ptr noalias panel")


def _pack(module: ModuleText, scalar: str) -> Signature:
    """`k` rows of a panel's columns of B, rows `stride` apart, side by side and filled up with zeros."""

    def build_pack(module: ModuleText) -> None:
        f = module.function(f"dyn.kernel.pack.{scalar}", "void", *_PACK, attributes="nounwind noinline")
        width, _ = _panel(f, scalar)
        block = vector(scalar, lanes(scalar))
        choice = f.choose(f.icmp("eq", "%columns", width))
        with choice.yes(), f.loop(0, "%k") as row:
            source = f.offset("%b", f.mul(row.index, "%stride"), scalar)
            target = f.offset("%panel", f.mul(row.index, width), scalar)
            for part in range(0, width, lanes(scalar)):
                f.store(block, f.load(block, f.offset(source, part, scalar)), f.offset(target, part, scalar), 64)
        with choice.no(), f.loop(0, "%k") as row:
            source = f.offset("%b", f.mul(row.index, "%stride"), scalar)
            target = f.offset("%panel", f.mul(row.index, width), scalar)
            for part in range(0, width, lanes(scalar)):
                f.store(block, "zeroinitializer", f.offset(target, part, scalar), 64)
            _copy_row(f, scalar, source, target)
        f.ret()

    return module.require(f"dyn.kernel.pack.{scalar}", build_pack)


def _pack_transposed(module: ModuleText, scalar: str) -> Signature:
    """The same panel from rows of B^T: column j of the panel is row j of B, rows `stride` apart."""

    def build_pack(module: ModuleText) -> None:
        f = module.function(f"dyn.kernel.pack_nt.{scalar}", "void", *_PACK, attributes="nounwind noinline")
        width, _ = _panel(f, scalar)
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

    return module.require(f"dyn.kernel.pack_nt.{scalar}", build_pack)
