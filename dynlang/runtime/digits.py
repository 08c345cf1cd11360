"""Integers as digits in memory: the one routine that errors and formatting share."""

from __future__ import annotations

from dynlang.native.emit import Function, ModuleText, Signature

PUT_RADIX = "dyn.put_radix"
_LONGEST = 64


def put_i64(module: ModuleText) -> Signature:
    """`i64 dyn.put_i64(ptr place, i64 value)`: writes decimal digits with a minus sign, at most 20 bytes; returns their number."""

    def build(module: ModuleText) -> None:
        put_radix(module)
        f = module.function("dyn.put_i64", "i64", "ptr place", "i64 value")
        negative = f.icmp("slt", "%value", 0)
        sign = f.convert("zext", "i1", negative, "i64")
        with f.when(negative):
            f.store("i8", ord("-"), "%place")
        size = f.select(negative, "i64", f.sub(0, "%value"), "%value")
        f.ret(f.add(sign, f.call(PUT_RADIX, f.offset("%place", sign, "i8"), size, 10, ord("a"))))

    return module.require("dyn.put_i64", build)


def put_radix(module: ModuleText) -> Signature:
    """`i64 dyn.put_radix(ptr place, i64 value, i64 radix, i64 letter)`: an unsigned number; `letter` is what stands for ten."""

    def build(module: ModuleText) -> None:
        f = module.function(PUT_RADIX, "i64", "ptr place", "i64 value", "i64 radix", "i64 letter")
        room = f.slot("i8", count=_LONGEST)
        with f.repeat([("i64", "%value"), ("i64", _LONGEST)]) as walk:
            value, at = walk.carried
            finished = f.binary("and", "i1", f.icmp("eq", value, 0), f.icmp("slt", at, _LONGEST))
            walk.break_if(finished)
            rest = f.binary("udiv", "i64", value, "%radix")
            _put_digit(f, room, f.sub(at, 1), f.sub(value, f.mul(rest, "%radix")))
            walk.next = [rest, f.sub(at, 1)]
        count = f.sub(_LONGEST, walk.carried[1])
        f.copy_bytes("%place", f.offset(room, walk.carried[1], "i8"), count)
        f.ret(count)

    return module.require(PUT_RADIX, build)


def _put_digit(f: Function, room: str, at: str, digit: str) -> None:
    letter = f.add(f.sub(digit, 10), "%letter")
    code = f.select(f.icmp("slt", digit, 10), "i64", f.add(digit, ord("0")), letter)
    f.store("i8", f.convert("trunc", "i64", code, "i8"), f.offset(room, at, "i8"))
