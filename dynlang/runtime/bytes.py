"""Numbers in the bytes of a string: little-endian, row-major, copied as they are."""

from __future__ import annotations

from dynlang import runtime
from dynlang.native.emit import Function
from dynlang.runtime.context import ErrorCode
from dynlang.runtime.memory import payload_bytes
from dynlang.runtime.strings import allocate_or_return

ATTRIBUTES: dict[str, str] = {}


def _bytes_to_numbers(f: Function) -> None:
    """An error where start or count is negative or the bytes end before `start + count * size`."""
    length = payload_bytes(f, "%string")
    inside = f.binary("and", "i1", f.icmp("ule", "%start", length), f.icmp("sge", "%count", 0))
    room = f.binary("udiv", "i64", f.sub(length, "%start"), "%size")
    inside = f.binary("and", "i1", inside, f.icmp("sle", "%count", room))
    with f.when(f.binary("xor", "i1", inside, "true")):
        message = "{} numbers were to be read where {} bytes are left"
        f.ret(runtime.fail(f, ErrorCode.BOUNDS, message, "%count", f.maximum(f.sub(length, "%start"), 0)))
    f.copy_bytes("%result", f.offset("%string", "%start", "i8"), f.mul("%count", "%size"))
    f.ret(0)


def _numbers_to_bytes(f: Function) -> None:
    length = f.mul("%count", "%size")
    block = allocate_or_return(f, length)
    f.copy_bytes(block, "%numbers", length)
    f.ret(block)


BUILDERS = {"dyn.bytes_to_numbers": _bytes_to_numbers, "dyn.numbers_to_bytes": _numbers_to_bytes}
