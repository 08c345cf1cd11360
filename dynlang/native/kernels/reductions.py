"""Sums, products, extremes and their places: over a vector, or over one axis of an array.

Along contiguous data two blocks of lanes run side by side, are joined by a fixed tree, and the rest follows one by one;
across rows (inner > 1) every column is taken from first to last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dynlang.native import kernels
from dynlang.native.emit import Function, Operand, number, splat_constant, vector
from dynlang.native.kernels import SCALARS
from dynlang.native.vectormath import emit_binary

_BITS = {"f32": 32, "f64": 64, "i64": 64, "i32": 32, "i16": 16, "i8": 8, "u8": 8, "bool": 8}
_BLOCK_BITS = 512
CHAINS = 2


def build(f: Function, name: str, dtype: str) -> None:
    kind = name.removeprefix("reduce_")
    if kind in ("argmax", "argmin"):
        (_argument_axis if name != kind else _argument)(f, kind[3:], dtype)
    else:
        (_axis if name != kind else _vector)(f, kind, dtype)


def _is_float(dtype: str) -> bool:
    return dtype in ("f32", "f64")


def identity(kind: str, dtype: str) -> str:
    """What a reduction of nothing gives, as a constant."""
    if _is_float(dtype):
        value = {"sum": 0.0, "prod": 1.0, "max": float("-inf"), "min": float("inf")}[kind]
        return number(value, SCALARS[dtype])
    bits = _BITS[dtype]
    low, high = {"u8": (0, -1), "bool": (0, 1)}.get(dtype, (-(1 << (bits - 1)), (1 << (bits - 1)) - 1))
    return str({"sum": 0, "prod": 1, "max": low, "min": high}[kind])


def combine(f: Function, kind: str, dtype: str, width: int, x: Operand, y: Operand) -> str:
    """One step of a reduction on `width` lanes."""
    text = vector(SCALARS[dtype], width)
    if kind in ("sum", "prod"):
        word = {"sum": "add", "prod": "mul"}[kind]
        return f.binary(("f" if _is_float(dtype) else "") + word, text, x, y)
    if _is_float(dtype):
        return emit_binary(f, {"max": "maximum", "min": "minimum"}[kind], dtype, width, x, y)
    return f.intrinsic(f"llvm.{'u' if dtype in ('u8', 'bool') else 's'}{kind}", text, x, y)


def _reduce(f: Function, kind: str, dtype: str, n: Operand, x: Operand) -> str:
    """The reduction of n elements from x on."""
    scalar = SCALARS[dtype]
    width = lanes_of(dtype)
    block = vector(scalar, width)
    whole = f.bit_and(n, -width * CHAINS)
    start = [(block, splat_constant(block, identity(kind, dtype)))] * CHAINS
    with f.loop(0, whole, width * CHAINS, start) as loop:
        places = [f.offset(x, f.add(loop.index, width * i), scalar) for i in range(CHAINS)]
        loop.next = [combine(f, kind, dtype, width, total, f.load(block, place)) for place, total in zip(places, loop.carried, strict=True)]
    total = across(f, kind, dtype, loop.carried)
    with f.loop(whole, n, carried=[(scalar, total)]) as rest:
        element = f.load(scalar, f.offset(x, rest.index, scalar))
        rest.next = [combine(f, kind, dtype, 1, rest.carried[0], element)]
    return rest.carried[0]


def across(f: Function, kind: str, dtype: str, chains: Sequence[str]) -> str:
    """The chains of lanes joined by the fixed tree."""
    scalar, width = SCALARS[dtype], lanes_of(dtype)
    total = combine(f, kind, dtype, width, *chains)
    while width > 1:
        text, width = vector(scalar, width), width // 2
        low = f.shuffle(text, total, "poison", range(width)) if width > 1 else f.extract(text, total, 0)
        high = f.shuffle(text, total, "poison", range(width, 2 * width)) if width > 1 else f.extract(text, total, 1)
        total = combine(f, kind, dtype, width, low, high)
    return total


def lanes_of(dtype: str) -> int:
    """Of a block."""
    return _BLOCK_BITS // _BITS[dtype]


def _vector(f: Function, kind: str, dtype: str) -> None:
    f.ret(_reduce(f, kind, dtype, "%n", "%x"))


def _axis(f: Function, kind: str, dtype: str) -> None:
    scalar = SCALARS[dtype]
    whole = kernels.declare(f.module, kind, dtype).name
    size = f.mul("%n", "%inner")
    with f.loop(0, "%outer") as outer:
        x = f.offset("%x", f.mul(outer.index, size), scalar)
        y = f.offset("%y", f.mul(outer.index, "%inner"), scalar)
        choice = f.choose(f.icmp("eq", "%inner", 1))
        with choice.yes():
            f.store(scalar, f.call(whole, "%n", x), y)
        with choice.no():
            _columns(f, dtype, lambda column, width: _fill_identity(f, kind, dtype, y, column, width))
            with f.loop(0, "%n") as row:
                line = f.offset(x, f.mul(row.index, "%inner"), scalar)
                _columns(f, dtype, lambda column, width: _add_row(f, kind, dtype, y, line, column, width))
    f.ret()


def _columns(f: Function, dtype: str, body: Callable[[str, int], None]) -> None:
    width = _BLOCK_BITS // _BITS[dtype]
    whole = f.bit_and("%inner", -width)
    with f.loop(0, whole, width) as loop:
        body(loop.index, width)
    with f.loop(whole, "%inner") as loop:
        body(loop.index, 1)


def _fill_identity(f: Function, kind: str, dtype: str, y: str, column: str, width: int) -> None:
    text = vector(SCALARS[dtype], width)
    f.store(text, splat_constant(text, identity(kind, dtype)), f.offset(y, column, SCALARS[dtype]))


def _add_row(f: Function, kind: str, dtype: str, y: str, line: str, column: str, width: int) -> None:
    scalar = SCALARS[dtype]
    text = vector(scalar, width)
    place = f.offset(y, column, scalar)
    element = f.load(text, f.offset(line, column, scalar))
    f.store(text, combine(f, kind, dtype, width, f.load(text, place), element), place)


def _stands_out(f: Function, dtype: str, element: Operand, extreme: Operand) -> str:
    """Whether an element is the extreme, which is no NaN here."""
    scalar = SCALARS[dtype]
    if not _is_float(dtype):
        return f.icmp("eq", element, extreme, scalar)
    return f.fcmp("oeq", scalar, element, extreme)


def _argument(f: Function, kind: str, dtype: str) -> None:
    """The first place of the extreme (of the first NaN, if there is one); 0 for nothing."""
    scalar = SCALARS[dtype]
    extreme = _reduce(f, kind, dtype, "%n", "%x")
    if _is_float(dtype):
        # With a NaN for the extreme every element would compare as unordered: look for the NaN itself.
        broken = f.fcmp("uno", scalar, extreme, extreme)
        with f.when(broken), f.loop(0, "%n") as loop:
            element = f.load(scalar, f.offset("%x", loop.index, scalar))
            with f.when(f.fcmp("uno", scalar, element, element)):
                f.ret(loop.index)
    with f.loop(0, "%n") as loop, f.when(_stands_out(f, dtype, f.load(scalar, f.offset("%x", loop.index, scalar)), extreme)):
        f.ret(loop.index)
    f.ret(0)


def _argument_axis(f: Function, kind: str, dtype: str) -> None:
    """Places along the axis, as i64."""
    scalar = SCALARS[dtype]
    size = f.mul("%n", "%inner")
    with f.loop(0, "%outer") as outer, f.loop(0, "%inner") as inner:
        x = f.offset("%x", f.add(f.mul(outer.index, size), inner.index), scalar)
        first = [(scalar, identity(kind, dtype)), ("i64", -1)]
        with f.loop(0, "%n", carried=first) as along:
            element = f.load(scalar, f.offset(x, f.mul(along.index, "%inner"), scalar))
            best, place = along.carried
            better = f.binary("or", "i1", _beats(f, kind, dtype, element, best), f.icmp("eq", place, -1))
            along.next = [f.select(better, scalar, element, best), f.select(better, "i64", along.index, place)]
        where = f.offset("%y", f.add(f.mul(outer.index, "%inner"), inner.index), "i64")
        f.store("i64", f.maximum(along.carried[1], 0), where)
    f.ret()


def _beats(f: Function, kind: str, dtype: str, element: Operand, best: Operand) -> str:
    """Whether an element takes the place of the best so far: strictly beyond it, or a NaN after none."""
    scalar = SCALARS[dtype]
    if not _is_float(dtype):
        sign = "u" if dtype in ("u8", "bool") else "s"
        return f.icmp(sign + {"max": "gt", "min": "lt"}[kind], element, best, scalar)
    beyond = f.fcmp({"max": "ogt", "min": "olt"}[kind], scalar, element, best)
    broken = f.fcmp("uno", scalar, element, element)
    sound = f.fcmp("ord", scalar, best, best)
    return f.binary("or", "i1", beyond, f.binary("and", "i1", broken, sound))
