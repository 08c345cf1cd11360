"""Strings: blocks of UTF-8 bytes. Every function borrows its operands and returns a new reference, or null without memory."""

from __future__ import annotations

from dynlang import runtime
from dynlang.native.emit import Function, ModuleText, Operand, Signature
from dynlang.runtime.context import ErrorCode
from dynlang.runtime.memory import payload_bytes

ATTRIBUTES: dict[str, str] = {}

SPARE_BYTES = 32
"""Room behind the text of `zero_terminated`."""


def allocate_or_return(f: Function, length: Operand) -> str:
    """A new block; the function being written returns null where there is no memory."""
    runtime.declare(f.module, "dyn.allocate")
    block = f.call("dyn.allocate", "%context", length)
    with f.when(f.icmp("eq", block, "null", "ptr")):
        f.ret("null")
    return block


def zero_terminated(module: ModuleText) -> Signature:
    """`ptr dyn.zero_terminated(ptr context, ptr string)`: a copy for the C library, to be given to `free`; null without memory."""

    def body(f: Function) -> None:
        f.module.declare("malloc", "ptr", "i64")
        length = payload_bytes(f, "%string")
        copy = f.call("malloc", f.add(length, SPARE_BYTES))
        with f.when(f.icmp("eq", copy, "null", "ptr")):
            runtime.fail(f, ErrorCode.OUT_OF_MEMORY, "out of memory: {} bytes were asked for", length)
            f.ret("null")
        f.copy_bytes(copy, "%string", length)
        f.store("i8", 0, f.offset(copy, length, "i8"))
        f.ret(copy)

    return runtime.build(module, "dyn.zero_terminated", "ptr", ("ptr context", "ptr string"), body)


def _from_bytes(f: Function) -> None:
    block = allocate_or_return(f, "%length")
    f.copy_bytes(block, "%data", "%length")
    f.ret(block)


def _concat(f: Function) -> None:
    left, right = payload_bytes(f, "%left"), payload_bytes(f, "%right")
    block = allocate_or_return(f, f.add(left, right))
    f.copy_bytes(block, "%left", left)
    f.copy_bytes(f.offset(block, left, "i8"), "%right", right)
    f.ret(block)


def _compare(f: Function) -> None:
    """-1, 0 or 1, by bytes; a prefix comes first."""
    f.module.declare("memcmp", "i32", "ptr", "ptr", "i64")
    left, right = payload_bytes(f, "%left"), payload_bytes(f, "%right")
    order = f.call("memcmp", "%left", "%right", f.minimum(left, right))
    wide = f.convert("sext", "i32", order, "i64")
    order = f.select(f.icmp("eq", wide, 0), "i64", f.sub(left, right), wide)
    above = f.convert("zext", "i1", f.icmp("sgt", order, 0), "i32")
    f.ret(f.sub(above, f.convert("zext", "i1", f.icmp("slt", order, 0), "i32"), "i32"))


def _equal(f: Function) -> None:
    f.module.declare("memcmp", "i32", "ptr", "ptr", "i64")
    length = payload_bytes(f, "%left")
    with f.when(f.icmp("ne", length, payload_bytes(f, "%right"))):
        f.ret("false")
    f.ret(f.icmp("eq", f.call("memcmp", "%left", "%right", length), 0, "i32"))


def _less(f: Function) -> None:
    runtime.declare(f.module, "dyn.string_compare")
    f.ret(f.icmp("slt", f.call("dyn.string_compare", "%context", "%left", "%right"), 0, "i32"))


def _slice(f: Function) -> None:
    """Bytes start..stop, both clamped to the string; nothing where they cross."""
    length = payload_bytes(f, "%string")
    start = f.minimum(f.maximum("%start", 0), length)
    stop = f.maximum(f.minimum("%stop", length), start)
    size = f.sub(stop, start)
    block = allocate_or_return(f, size)
    f.copy_bytes(block, f.offset("%string", start, "i8"), size)
    f.ret(block)


def _find(f: Function) -> None:
    """The first place at or after `start` (clamped at 0) where `wanted` begins, or -1."""
    for name in ("memcmp", "memchr"):
        f.module.declare(name, *(("i32", "ptr", "ptr", "i64") if name == "memcmp" else ("ptr", "ptr", "i32", "i64")))
    wanted = payload_bytes(f, "%wanted")
    last = f.sub(payload_bytes(f, "%string"), wanted)
    start = f.maximum("%start", 0)
    with f.when(f.icmp("sgt", start, last)):
        f.ret(-1)
    with f.when(f.icmp("eq", wanted, 0)):
        f.ret(start)
    first = f.convert("zext", "i8", f.load("i8", "%wanted"), "i32")
    with f.repeat([("i64", start)]) as walk:
        walk.break_if(f.icmp("sgt", walk.carried[0], last))
        here = f.offset("%string", walk.carried[0], "i8")
        found = f.call("memchr", here, first, f.add(f.sub(last, walk.carried[0]), 1))
        walk.break_if(f.icmp("eq", found, "null", "ptr"))
        at = f.sub(f.convert("ptrtoint", "ptr", found, "i64"), f.convert("ptrtoint", "ptr", "%string", "i64"))
        with f.when(f.icmp("eq", f.call("memcmp", found, "%wanted", wanted), 0, "i32")):
            f.ret(at)
        walk.next = [f.add(at, 1)]
    f.ret(-1)


def _code(f: Function) -> None:
    """Byte `index`, which is inside."""
    f.ret(f.convert("zext", "i8", f.load("i8", f.offset("%string", "%index", "i8")), "i64"))


def _char(f: Function) -> None:
    """A code point in UTF-8; what is none becomes U+FFFD, as everywhere else."""
    surrogate = f.icmp("ult", f.sub("%code", 0xD800), 0x800)
    outside = f.binary("or", "i1", f.icmp("ugt", "%code", 0x10FFFF), surrogate)
    code = f.select(outside, "i64", 0xFFFD, "%code")
    for limit, length, lead in ((0x80, 1, 0), (0x800, 2, 0xC0), (0x10000, 3, 0xE0)):
        with f.when(f.icmp("ult", code, limit)):
            _put_code_point(f, code, length, lead)
    _put_code_point(f, code, 4, 0xF0)


def _put_code_point(f: Function, code: str, length: int, lead: int) -> None:
    block = allocate_or_return(f, length)
    for i in range(length):
        bits = f.binary("lshr", "i64", code, 6 * (length - 1 - i))
        byte = f.binary("or", "i64", f.bit_and(bits, 0x3F) if i else bits, 0x80 if i else lead)
        f.store("i8", f.convert("trunc", "i64", byte, "i8"), f.offset(block, i, "i8"))
    f.ret(block)


def _pad(f: Function) -> None:
    """The string in `width` code points: alignment `<`, `>`, `^`, or `=` (fill after a sign); `fill` is one ASCII character."""
    runtime.declare(f.module, "dyn.retain")
    length = payload_bytes(f, "%string")
    missing = f.sub("%width", _count_code_points(f, "%string", length))
    with f.when(f.icmp("sle", missing, 0)):
        f.call("dyn.retain", "%context", "%string")
        f.ret("%string")
    left = f.icmp("eq", "%alignment", ord("<"), "i32")
    centre = f.icmp("eq", "%alignment", ord("^"), "i32")
    before = f.select(left, "i64", 0, f.select(centre, "i64", f.binary("lshr", "i64", missing, 1), missing))
    # With `=` a sign stays in front of the fill.
    some = f.icmp("sgt", length, 0)
    first = _first_byte(f, some)
    sign = f.binary("or", "i1", f.icmp("eq", first, ord("-"), "i8"), f.icmp("eq", first, ord("+"), "i8"))
    sign = f.binary("or", "i1", sign, f.icmp("eq", first, ord(" "), "i8"))
    kept = f.convert("zext", "i1", f.binary("and", "i1", sign, f.icmp("eq", "%alignment", ord("="), "i32")), "i64")
    block = allocate_or_return(f, f.add(length, missing))
    fill = f.convert("trunc", "i32", "%fill", "i8")
    f.fill_bytes(block, fill, f.add(length, missing))
    f.copy_bytes(block, "%string", kept)
    place = f.offset(block, f.add(kept, before), "i8")
    f.copy_bytes(place, f.offset("%string", kept, "i8"), f.sub(length, kept))
    f.ret(block)


def _first_byte(f: Function, some: str) -> str:
    """The first byte of `string`, or 0 where it is empty."""
    choice = f.choose(some)
    with choice.yes():
        first = f.load("i8", "%string")
    with choice.no():
        pass
    return choice.merge("i8", first, 0)


def _count_code_points(f: Function, string: Operand, length: Operand) -> str:
    """Bytes that don't continue a code point."""
    with f.loop(0, length, carried=[("i64", 0)]) as loop:
        top = f.bit_and(f.load("i8", f.offset(string, loop.index, "i8")), -64, "i8")
        loop.next = [f.add(loop.carried[0], f.convert("zext", "i1", f.icmp("ne", top, -128, "i8"), "i64"))]
    return loop.carried[0]


BUILDERS = {
    "dyn.string_from_bytes": _from_bytes,
    "dyn.string_length": lambda f: f.ret(payload_bytes(f, "%string")),
    "dyn.string_concat": _concat,
    "dyn.string_equal": _equal,
    "dyn.string_less": _less,
    "dyn.string_compare": _compare,
    "dyn.string_slice": _slice,
    "dyn.string_find": _find,
    "dyn.string_code": _code,
    "dyn.string_char": _char,
    "dyn.string_pad": _pad,
}
