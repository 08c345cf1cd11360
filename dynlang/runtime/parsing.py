"""Text as numbers: what is accepted is decided here, byte by byte; the value of a float is the C library's, rounded right."""

from __future__ import annotations

from dynlang import runtime
from dynlang.native.emit import Function, ModuleText, Operand, Signature, number
from dynlang.runtime.memory import payload_bytes
from dynlang.runtime.strings import SPARE_BYTES, zero_terminated

ATTRIBUTES: dict[str, str] = {}

# An exponent beyond which every number is 0 or infinite, whatever its digits; a text has fewer digits than this.
_ENOUGH = 1 << 60


def _is_digit(f: Function, byte: Operand) -> str:
    return f.icmp("ult", f.sub(byte, ord("0"), "i8"), 10, "i8")


def _parse_int(f: Function) -> None:
    """An optional sign and decimal digits, within 64 bits; nothing else. The result is 0 where there is none."""
    f.store("i64", 0, "%result")
    length = payload_bytes(f, "%string")
    with f.when(f.icmp("eq", length, 0)):
        f.ret("false")
    first = f.load("i8", "%string")
    negative = f.icmp("eq", first, ord("-"), "i8")
    signed = f.binary("or", "i1", negative, f.icmp("eq", first, ord("+"), "i8"))
    start = f.convert("zext", "i1", signed, "i64")
    with f.when(f.icmp("sge", start, length)):
        f.ret("false")
    # The negative number is built, for it has one more value than the positive.
    overflow = {}
    for operation in ("smul", "sadd"):
        name = f"llvm.{operation}.with.overflow.i64"
        f.module.declare(name, "{ i64, i1 }", "i64", "i64", attributes="")
        overflow[operation] = name
    with f.loop(start, length, carried=[("i64", 0)]) as loop:
        byte = f.load("i8", f.offset("%string", loop.index, "i8"))
        digit = f.convert("zext", "i8", f.sub(byte, ord("0"), "i8"), "i64")
        tenfold = f.call(overflow["smul"], loop.carried[0], 10)
        total = f.call(overflow["sadd"], f.value(f"extractvalue {{ i64, i1 }} {tenfold}, 0"), f.sub(0, digit))
        bad = f.binary("xor", "i1", _is_digit(f, byte), "true")
        for step in (tenfold, total):
            bad = f.binary("or", "i1", bad, f.value(f"extractvalue {{ i64, i1 }} {step}, 1"))
        with f.when(bad):
            f.ret("false")
        loop.next = [f.value(f"extractvalue {{ i64, i1 }} {total}, 0")]
    below = loop.carried[0]
    unfit = f.binary("and", "i1", f.binary("xor", "i1", negative, "true"), f.icmp("eq", below, -(2**63)))
    with f.when(unfit):
        f.ret("false")
    f.store("i64", f.select(negative, "i64", below, f.sub(0, below)), "%result")
    f.ret("true")


def _parse_float(f: Function) -> None:
    """`[+-] digits [. digits] [e [+-] digits]` with a digit before or after the point, or inf, infinity, nan in any case."""
    zero_terminated(f.module)
    f.module.declare("strtod", "double", "ptr", "ptr")
    f.module.declare("free", "void", "ptr")
    f.store("double", number(0.0, "double"), "%result")
    length = payload_bytes(f, "%string")
    _is_float_text(f.module)
    with f.when(f.binary("xor", "i1", f.call("dyn.is_float_text", "%string", length), "true")):
        f.ret("false")
    text = f.call("dyn.zero_terminated", "%context", "%string")
    with f.when(f.icmp("eq", text, "null", "ptr")):
        f.ret("false")
    _remove_point(f, text, length)
    f.store("double", f.call("strtod", text, "null"), "%result")
    f.call("free", text)
    f.ret("true")


def _remove_point(f: Function, text: str, length: Operand) -> None:
    """12.5e3 becomes 125e2: what the C library takes for a point depends on the host's locale."""
    f.module.declare("memchr", "ptr", "ptr", "i32", "i64")
    f.module.declare("memmove", "ptr", "ptr", "ptr", "i64")
    f.module.declare("strtol", "i64", "ptr", "ptr", "i32")
    f.module.declare("snprintf", "i32", "ptr", "i64", "ptr", variadic=True)
    point = f.call("memchr", text, ord("."), length)
    with f.when(f.icmp("ne", point, "null", "ptr")):
        start = f.add(f.sub(f.convert("ptrtoint", "ptr", point, "i64"), f.convert("ptrtoint", "ptr", text, "i64")), 1)
        stop = f.call("dyn.skip_digits", text, length, start)
        marked = f.icmp("slt", stop, length)
        # Without an exponent the text ends here, and an empty text reads as 0.
        after = f.select(marked, "i64", f.add(stop, 1), stop)
        power = f.call("strtol", f.offset(text, after, "i8"), "null", 10)
        power = f.minimum(f.maximum(power, -_ENOUGH), _ENOUGH)
        f.call("memmove", point, f.offset(point, 1, "i8"), f.sub(stop, start))
        end = f.offset(text, f.sub(stop, 1), "i8")
        shifted = f.sub(power, f.sub(stop, start))
        f.call("snprintf", end, SPARE_BYTES, f.module.bytes_constant(b"e%lld\0"), extra=[("i64", shifted)])


def _is_float_text(module: ModuleText) -> Signature:
    """`i1 dyn.is_float_text(ptr text, i64 length)`: whether `string_parse_float` reads it."""

    def body(f: Function) -> None:
        _is_special_text(f.module)
        start = f.call("dyn.skip_sign", "%text", "%length", 0)
        with f.when(f.call("dyn.is_special_text", f.offset("%text", start, "i8"), f.sub("%length", start))):
            f.ret("true")
        whole = f.call("dyn.skip_digits", "%text", "%length", start)
        point = _byte_is(f, whole, ".")
        fraction_start = f.add(whole, f.convert("zext", "i1", point, "i64"))
        fraction = f.call("dyn.skip_digits", "%text", "%length", fraction_start)
        digits = f.add(f.sub(whole, start), f.sub(fraction, fraction_start))
        with f.when(f.icmp("eq", digits, 0)):
            f.ret("false")
        with f.when(f.icmp("eq", fraction, "%length")):
            f.ret("true")
        marked = f.binary("or", "i1", _byte_is(f, fraction, "e"), _byte_is(f, fraction, "E"))
        power = f.call("dyn.skip_sign", "%text", "%length", f.add(fraction, 1))
        end = f.call("dyn.skip_digits", "%text", "%length", power)
        complete = f.binary("and", "i1", f.icmp("sgt", end, power), f.icmp("eq", end, "%length"))
        f.ret(f.binary("and", "i1", marked, complete))

    for name, skip in (("dyn.skip_sign", _skip_sign), ("dyn.skip_digits", _skip_digits)):
        runtime.build(module, name, "i64", ("ptr text", "i64 length", "i64 at"), skip)
    return runtime.build(module, "dyn.is_float_text", "i1", ("ptr text", "i64 length"), body)


def _byte_is(f: Function, at: Operand, character: str) -> str:
    """Whether a character stands at this place of %text, which may be its end."""
    inside = f.icmp("slt", at, "%length")
    byte = f.load("i8", f.select(inside, "ptr", f.offset("%text", at, "i8"), f.module.bytes_constant(b"\0")))
    return f.icmp("eq", byte, ord(character), "i8")


def _skip_sign(f: Function) -> None:
    signed = f.binary("or", "i1", _byte_is(f, "%at", "-"), _byte_is(f, "%at", "+"))
    f.ret(f.add("%at", f.convert("zext", "i1", signed, "i64")))


def _skip_digits(f: Function) -> None:
    with f.repeat([("i64", "%at")]) as walk:
        walk.break_if(f.icmp("sge", walk.carried[0], "%length"))
        walk.break_if(f.binary("xor", "i1", _is_digit(f, f.load("i8", f.offset("%text", walk.carried[0], "i8"))), "true"))
        walk.next = [f.add(walk.carried[0], 1)]
    f.ret(walk.carried[0])


def _is_special_text(module: ModuleText) -> Signature:
    """`i1 dyn.is_special_text(ptr text, i64 length)`: inf, infinity or nan, in any case."""

    def body(f: Function) -> None:
        for word in (b"inf", b"nan", b"infinity"):
            with f.when(f.icmp("eq", "%length", len(word))):
                same = "true"
                for i, letter in enumerate(word):
                    byte = f.binary("or", "i8", f.load("i8", f.offset("%text", i, "i8")), 32)
                    same = f.binary("and", "i1", same, f.icmp("eq", byte, letter, "i8"))
                with f.when(same):
                    f.ret("true")
        f.ret("false")

    return runtime.build(module, "dyn.is_special_text", "i1", ("ptr text", "i64 length"), body)


BUILDERS = {
    "dyn.string_parse_int": _parse_int,
    "dyn.string_parse_float": _parse_float,
}
