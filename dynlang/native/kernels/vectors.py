"""Products of vectors with vectors and matrices: bound by memory, so each element of a matrix is read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dynlang.native.emit import Function, Operand, vector
from dynlang.native.kernels import SCALARS

BLOCK_BYTES = 64
_MATVEC_ROWS = 4
_VECMAT_ROWS = 8
SHORT_ROW = 4
"""Blocks of a row that are short enough to go through a matrix block by block."""
_CHAINS = 4
"""Sums that are kept side by side where a matrix is so narrow that one sum would wait for the addition before: a fused
multiply-add takes four cycles, and two of them begin in each."""
_OUTER_ROWS = 4
SQUARE = 8


def build(f: Function, name: str, dtype: str) -> None:
    _BUILDERS[name.removesuffix("_accumulate")](f, SCALARS[dtype], name.endswith("_accumulate"))


def lanes(scalar: str) -> int:
    """Lanes of a block of 64 bytes, the unit of every kernel on every target; LLVM splits it where registers are smaller."""
    return BLOCK_BYTES // element_bytes(scalar)


def element_bytes(scalar: str) -> int:
    return {"float": 4, "double": 8}[scalar]


def tree_sum(f: Function, scalar: str, value: str, width: int) -> str:
    """The lanes of a vector added pairwise: lane i to lane i + width/2, until one is left."""
    while width > 2:
        kind, width = vector(scalar, width), width // 2
        low = f.shuffle(kind, value, "poison", range(width))
        high = f.shuffle(kind, value, "poison", range(width, 2 * width))
        value = f.binary("fadd", vector(scalar, width), low, high)
    pair = vector(scalar, 2)
    return f.binary("fadd", scalar, f.extract(pair, value, 0), f.extract(pair, value, 1))


def by_rows(f: Function, count: Operand, group: int, body: Callable[[str, int], None], start: Operand = 0) -> None:
    """`body(first row, number of rows)` over all rows from `start`, a multiple of `group`, `group` at a time and the rest one by one."""
    whole = f.bit_and(count, -group)
    with f.loop(start, whole, group) as loop:
        body(loop.index, group)
    with f.loop(whole, count) as loop:
        body(loop.index, 1)


def by_columns(f: Function, scalar: str, count: Operand, body: Callable[[str, int], None]) -> None:
    """`body(first column, width)` over all columns, in blocks, then four at a time, then one by one."""
    start: Operand = 0
    for width in (lanes(scalar), 4, 1):
        stop = f.bit_and(count, -width) if width > 1 else count
        with f.loop(start, stop, width) as loop:
            body(loop.index, width)
        start = stop


def _dots(f: Function, scalar: str, rows: list[str], x: Operand, n: Operand) -> list[str]:
    """The inner product of each row with x."""
    width = lanes(scalar)
    block = vector(scalar, width)
    whole = f.bit_and(n, -width)
    with f.loop(0, whole, width, [(block, "zeroinitializer")] * len(rows)) as loop:
        piece = f.load(block, f.offset(x, loop.index, scalar))
        loop.next = [
            f.fma(block, f.load(block, f.offset(row, loop.index, scalar)), piece, total)
            for row, total in zip(rows, loop.carried, strict=True)
        ]
    sums = [(scalar, tree_sum(f, scalar, total, width)) for total in loop.carried]
    with f.loop(whole, n, carried=sums) as rest:
        single = f.load(scalar, f.offset(x, rest.index, scalar))
        rest.next = [
            f.fma(scalar, f.load(scalar, f.offset(row, rest.index, scalar)), single, total)
            for row, total in zip(rows, rest.carried, strict=True)
        ]
    return rest.carried


def _dot(f: Function, scalar: str, accumulate: bool) -> None:
    f.ret(_dots(f, scalar, ["%a"], "%b", "%n")[0])


def tree_sums(f: Function, scalar: str, values: Sequence[str], width: int) -> str:
    """The `tree_sum` of each of several vectors, a power of two of them, as the lanes of one: halves of two vectors are added at once."""
    vectors, rows = list(values), 1
    while width > 1:
        first = [row * width + lane for row in range(rows) for lane in range(width // 2)]
        if len(vectors) > 1:
            kind, pairs = vector(scalar, rows * width), list(zip(vectors[::2], vectors[1::2], strict=True))
            first += [rows * width + lane for lane in first]
            rows *= 2
        else:
            kind, pairs = vector(scalar, rows * width), [(vectors[0], "poison")]
        second = [lane + width // 2 for lane in first]
        halves = [[f.shuffle(kind, *pair, lanes) for lanes in (first, second)] for pair in pairs]
        vectors = [f.binary("fadd", vector(scalar, len(first)), low, high) for low, high in halves]
        width //= 2
    return vectors[0]


def _dots_at_once(f: Function, scalar: str, rows: Sequence[str], vectors: Sequence[Operand], n: Operand) -> str:
    """`_dots` of a few rows with each of some vectors as the lanes of one: first all rows with the first vector."""
    width, kind = lanes(scalar), vector(scalar, len(rows) * len(vectors))
    block = vector(scalar, width)
    whole = f.bit_and(n, -width)
    with f.loop(0, whole, width, [(block, "zeroinitializer")] * (len(rows) * len(vectors))) as loop:
        left, right = [[f.load(block, f.offset(one, loop.index, scalar)) for one in each] for each in (rows, vectors)]
        pairs = [(row, x) for x in right for row in left]
        loop.next = [f.fma(block, row, x, total) for (row, x), total in zip(pairs, loop.carried, strict=True)]
    with f.loop(whole, n, carried=[(kind, tree_sums(f, scalar, loop.carried, width))]) as rest:
        left, right = [[f.load(scalar, f.offset(one, rest.index, scalar)) for one in each] for each in (rows, vectors)]
        if len(right) > 1:
            column, factors = _lanes(f, kind, left * len(right)), _lanes(f, kind, [x for x in right for _ in left])
        else:
            column, factors = _lanes(f, kind, left), f.splat(kind, right[0])
        rest.next = [f.fma(kind, column, factors, rest.carried[0])]
    return rest.carried[0]


def _lanes(f: Function, kind: str, values: Sequence[str]) -> str:
    made = "poison"
    for lane, value in enumerate(values):
        made = f.insert(kind, made, value, lane)
    return made


def _matvec(f: Function, scalar: str, accumulate: bool) -> None:
    """Of short rows, whose sums cost as much as their products, as many as a block has lanes are summed at once where they fit in
    registers."""

    def body(first: str, count: int) -> None:
        rows = [f.offset("%W", f.mul(f.add(first, i), "%n"), scalar) for i in range(count)]
        place = f.offset("%y", first, scalar)
        if count > 1:
            kind, total = vector(scalar, count), _dots_at_once(f, scalar, rows, ["%x"], "%n")
        else:
            kind, (total,) = scalar, _dots(f, scalar, rows, "%x", "%n")
        f.store(kind, f.binary("fadd", kind, f.load(kind, place), total) if accumulate else total, place)

    many: Operand = 0
    if f.target.vector_bytes >= BLOCK_BYTES:
        many = f.select(f.icmp("sle", "%n", SHORT_ROW * lanes(scalar)), "i64", f.bit_and("%m", -lanes(scalar)), 0)
        with f.loop(0, many, lanes(scalar)) as loop:
            body(loop.index, lanes(scalar))
    by_rows(f, "%m", _MATVEC_ROWS, body, many)
    f.ret()


def _matvecs(f: Function, scalar: str, accumulate: bool) -> None:
    """A few rows of W, which stay in the nearest cache, with all vectors, as many at once as the sums have room in registers."""
    large = f.target.vector_bytes >= BLOCK_BYTES
    group, abreast = (_MATVEC_ROWS, lanes(scalar) // _MATVEC_ROWS) if large else (2, 2)

    def body(first: str, count: int) -> None:
        rows = [f.offset("%W", f.mul(f.add(first, i), "%n"), scalar) for i in range(count)]

        def products(vector_index: str, vectors: int) -> None:
            indices = [f.add(vector_index, i) for i in range(vectors)]
            xs = [f.offset("%X", f.mul(one, "%n"), scalar) for one in indices]
            places = [f.offset("%Y", f.add(f.mul(one, "%m"), first), scalar) for one in indices]
            if count == 1:
                for x, place in zip(xs, places, strict=True):
                    f.store(scalar, _dots(f, scalar, rows, x, "%n")[0], place)
                return
            kind, total = vector(scalar, count * vectors), _dots_at_once(f, scalar, rows, xs, "%n")
            for i, place in enumerate(places):
                part = range(i * count, (i + 1) * count)
                f.store(vector(scalar, count), f.shuffle(kind, total, "poison", part) if vectors > 1 else total, place)

        by_rows(f, "%count", abreast, products)

    by_rows(f, "%m", group, body)
    f.ret()


def _vecmat(f: Function, scalar: str, accumulate: bool) -> None:
    """Short rows go by blocks of columns, which stay in registers; longer ones are streamed over y, in the nearest cache."""
    width = lanes(scalar)
    short = f.icmp("sle", "%n", SHORT_ROW * width)
    paired, kept = [f.select(short, "i64", f.bit_and("%n", -whole), 0) for whole in (2 * width, width)]
    with f.loop(0, paired, 2 * width) as loop:
        _columns_in_registers(f, scalar, loop.index, 2, accumulate)
    with f.when(f.icmp("slt", paired, kept)):
        _columns_in_registers(f, scalar, paired, 1, accumulate)
    left, y = f.sub("%n", kept), f.offset("%y", kept, scalar)
    if not accumulate:
        f.fill_bytes(y, 0, f.mul(left, element_bytes(scalar)))

    def body(first: str, count: int) -> None:
        rows = [f.offset("%W", f.add(f.mul(f.add(first, i), "%n"), kept), scalar) for i in range(count)]
        factors = [f.load(scalar, f.offset("%x", f.add(first, i), scalar)) for i in range(count)]

        def columns(column: str, width: int) -> None:
            kind = vector(scalar, width)
            place = f.offset(y, column, scalar)
            total = f.load(kind, place)
            for row, factor in zip(rows, factors, strict=True):
                total = f.fma(kind, f.splat(kind, factor), f.load(kind, f.offset(row, column, scalar)), total)
            f.store(kind, total, place)

        by_columns(f, scalar, left, columns)

    with f.when(f.icmp("sgt", left, 0)):
        by_rows(f, "%m", _VECMAT_ROWS, body)
    f.ret()


def _columns_in_registers(f: Function, scalar: str, column: str, blocks: int, accumulate: bool) -> None:
    """Some blocks of y from a column on, over all rows: in chains over every fourth row, added pairwise, then the rest one by one."""
    kind = vector(scalar, lanes(scalar))
    columns = [f.add(column, block * lanes(scalar)) for block in range(blocks)]
    places = [f.offset("%y", one, scalar) for one in columns]

    def added(row: Operand, totals: Sequence[str]) -> list[str]:
        start, factor = f.mul(row, "%n"), f.splat(kind, f.load(scalar, f.offset("%x", row, scalar)))
        pieces = [f.load(kind, f.offset("%W", f.add(start, one), scalar)) for one in columns]
        return [f.fma(kind, factor, piece, total) for piece, total in zip(pieces, totals, strict=True)]

    before = [f.load(kind, place) if accumulate else "zeroinitializer" for place in places]
    whole = f.bit_and("%m", -_CHAINS)
    with f.loop(0, whole, _CHAINS, [(kind, total) for total in before] + [(kind, "zeroinitializer")] * (blocks * (_CHAINS - 1))) as loop:
        chains = [loop.carried[chain * blocks:(chain + 1) * blocks] for chain in range(_CHAINS)]
        loop.next = [total for chain, totals in enumerate(chains) for total in added(f.add(loop.index, chain), totals)]
    chains = [loop.carried[chain * blocks:(chain + 1) * blocks] for chain in range(_CHAINS)]
    while len(chains) > 1:
        chains = [[f.binary("fadd", kind, *pair) for pair in zip(*both, strict=True)]
                  for both in zip(chains[::2], chains[1::2], strict=True)]
    with f.loop(whole, "%m", carried=[(kind, total) for total in chains[0]]) as rest:
        rest.next = added(rest.index, rest.carried)
    for total, place in zip(rest.carried, places, strict=True):
        f.store(kind, total, place)


def _outer(f: Function, scalar: str, accumulate: bool) -> None:
    def body(first: str, count: int) -> None:
        rows = [f.offset("%D", f.mul(f.add(first, i), "%n"), scalar) for i in range(count)]
        factors = [f.load(scalar, f.offset("%u", f.add(first, i), scalar)) for i in range(count)]

        def columns(column: str, width: int) -> None:
            kind = vector(scalar, width)
            piece = f.load(kind, f.offset("%v", column, scalar))
            for row, factor in zip(rows, factors, strict=True):
                place = f.offset(row, column, scalar)
                wide = f.splat(kind, factor)
                product = f.fma(kind, wide, piece, f.load(kind, place)) if accumulate else f.binary("fmul", kind, wide, piece)
                f.store(kind, product, place)

        by_columns(f, scalar, "%n", columns)

    by_rows(f, "%m", _OUTER_ROWS, body)
    f.ret()


def transpose_block(f: Function, scalar: str, lines: list[str]) -> list[str]:
    """The columns of SQUARE vectors of SQUARE lanes: a shuffle network of log2(SQUARE) stages."""
    kind, half = vector(scalar, SQUARE), SQUARE // 2
    low = [lane for i in range(half) for lane in (i, i + SQUARE)]
    high = [lane + half for lane in low]
    for _ in range(SQUARE.bit_length() - 1):
        pairs = zip(lines[:half], lines[half:], strict=True)
        lines = [f.shuffle(kind, first, second, lanes) for first, second in pairs for lanes in (low, high)]
    return lines


def _transpose(f: Function, scalar: str, accumulate: bool) -> None:
    """By squares in registers; what is left at the right and at the bottom one by one."""
    kind = vector(scalar, SQUARE)
    whole_rows, whole_columns = f.bit_and("%m", -SQUARE), f.bit_and("%n", -SQUARE)
    with f.loop(0, whole_rows, SQUARE) as row, f.loop(0, whole_columns, SQUARE) as column:
        source = f.offset("%A", f.add(f.mul(row.index, "%n"), column.index), scalar)
        target = f.offset("%B", f.add(f.mul(column.index, "%m"), row.index), scalar)
        lines = [f.load(kind, f.offset(source, f.mul("%n", i), scalar)) for i in range(SQUARE)]
        for i, line in enumerate(transpose_block(f, scalar, lines)):
            f.store(kind, line, f.offset(target, f.mul("%m", i), scalar))
    with f.loop(0, "%m") as row:
        start = f.select(f.icmp("slt", row.index, whole_rows), "i64", whole_columns, 0)
        with f.loop(start, "%n") as column:
            element = f.load(scalar, f.offset("%A", f.add(f.mul(row.index, "%n"), column.index), scalar))
            f.store(scalar, element, f.offset("%B", f.add(f.mul(column.index, "%m"), row.index), scalar))
    f.ret()


_BUILDERS: dict[str, Callable[[Function, str, bool], None]] = {
    "dot": _dot,
    "matvec": _matvec,
    "matvecs": _matvecs,
    "vecmat": _vecmat,
    "outer": _outer,
    "transpose": _transpose,
}
