"""Numbers as text.

Shortest text is found by asking the C library for more and more digits until they read back as the same number, so it
needs no tables; fixed precision is the C library's own, which is exact. Digits are laid out here, whatever the locale.
"""

from __future__ import annotations

from dynlang import runtime
from dynlang.native.emit import Function, ModuleText, Operand, Signature, number
from dynlang.ops.specification import LONGEST
from dynlang.runtime.digits import PUT_RADIX, put_i64, put_radix
from dynlang.runtime.memory import payload_bytes

ATTRIBUTES: dict[str, str] = {}

# The longest text: a sign, 309 digits, a point and LONGEST digits behind it.
_ROOM = 320 + LONGEST + 40
_DIGITS_ROOM = LONGEST + 40


def _string_of(f: Function, data: Operand, length: Operand) -> str:
    runtime.declare(f.module, "dyn.string_from_bytes")
    return f.call("dyn.string_from_bytes", "%context", data, length)


def _either_text(f: Function, condition: Operand, yes: bytes, no: bytes) -> tuple[str, str]:
    """(address, length) of one of two texts."""
    address = f.select(condition, "ptr", f.module.bytes_constant(yes), f.module.bytes_constant(no))
    return address, f.select(condition, "i64", len(yes), len(no))


def _format_bool(f: Function) -> None:
    f.ret(_string_of(f, *_either_text(f, "%value", b"true", b"false")))


def _format_i64(f: Function) -> None:
    put_i64(f.module)
    room = f.slot("i8", count=24)
    f.ret(_string_of(f, room, f.call("dyn.put_i64", room, "%value")))


def _format_f64(f: Function) -> None:
    _put_shortest(f.module)
    room = f.slot("i8", count=_ROOM)
    f.ret(_string_of(f, room, f.call("dyn.put_shortest", room, "%value", "%single")))


# -- floats


def _snprintf(f: Function, room: Operand, size: int, format_text: bytes, *extra: tuple[str, Operand]) -> str:
    """The number of bytes written."""
    f.module.declare("snprintf", "i32", "ptr", "i64", "ptr", variadic=True)
    count = f.call("snprintf", room, size, f.module.bytes_constant(format_text + b"\0"), extra=extra)
    return f.convert("sext", "i32", count, "i64")


def _put_special(f: Function) -> None:
    """Writes nan, inf and -inf, and returns."""
    finite = f.fcmp("oeq", "double", f.binary("fsub", "double", "%value", "%value"), number(0.0, "double"))
    with f.when(f.binary("xor", "i1", finite, "true")):
        for predicate, text in (("uno", b"nan"), ("ogt", b"inf")):
            with f.when(f.fcmp(predicate, "double", "%value", number(0.0, "double"))):
                f.copy_bytes("%place", f.module.bytes_constant(text), 3)
                f.ret(3)
        f.copy_bytes("%place", f.module.bytes_constant(b"-inf"), 4)
        f.ret(4)


def _put_scientific(module: ModuleText) -> Signature:
    """`i64 dyn.put_scientific(ptr digits, ptr exponent, double value, i64 count)`: `count` digits of a finite |value|.

    value = 0.d1 d2 d3 ... * 10**exponent. Returns the number of digits without zeros at the end (at least one).
    """

    def body(f: Function) -> None:
        room = f.slot("i8", count=_DIGITS_ROOM)
        precision = f.convert("trunc", "i64", f.sub("%count", 1), "i32")
        size = f.intrinsic("llvm.fabs", "double", "%value")
        _snprintf(f, room, _DIGITS_ROOM, b"%.*e", ("i32", precision), ("double", size))
        # The mantissa ends at `e`; a point of whatever form stands between its digits.
        with f.repeat([("i64", 0), ("i64", 0), ("i64", 1)]) as walk:
            read, written, last = walk.carried
            byte = f.load("i8", f.offset(room, read, "i8"))
            walk.break_if(f.icmp("eq", byte, ord("e"), "i8"))
            digit = f.icmp("ult", f.sub(byte, ord("0"), "i8"), 10, "i8")
            f.store("i8", byte, f.offset("%digits", written, "i8"))
            following = f.add(written, f.convert("zext", "i1", digit, "i64"))
            counts = f.binary("and", "i1", digit, f.icmp("ne", byte, ord("0"), "i8"))
            walk.next = [f.add(read, 1), following, f.select(counts, "i64", following, last)]
        negative = f.icmp("eq", f.load("i8", f.offset(room, f.add(read, 1), "i8")), ord("-"), "i8")
        with f.repeat([("i64", f.add(read, 2)), ("i64", 0)]) as rest:
            byte = f.load("i8", f.offset(room, rest.carried[0], "i8"))
            rest.break_if(f.icmp("eq", byte, 0, "i8"))
            value = f.sub(f.convert("zext", "i8", byte, "i64"), ord("0"))
            rest.next = [f.add(rest.carried[0], 1), f.add(f.mul(rest.carried[1], 10), value)]
        exponent = f.select(negative, "i64", f.sub(0, rest.carried[1]), rest.carried[1])
        f.store("i64", f.add(exponent, 1), "%exponent")
        f.ret(last)

    parameters = ("ptr digits", "ptr exponent", "double value", "i64 count")
    return runtime.build(module, "dyn.put_scientific", "i64", parameters, body, "nounwind noinline")


def _reads_back(module: ModuleText) -> Signature:
    """`i1 dyn.reads_back(ptr digits, i64 count, i64 exponent, double value, i1 single)`: the digits give |value| again."""

    def body(f: Function) -> None:
        f.module.declare("strtod", "double", "ptr", "ptr")
        f.module.declare("strtof", "float", "ptr", "ptr")
        room = f.slot("i8", count=64)
        f.copy_bytes(room, "%digits", "%count")
        tail = f.offset(room, "%count", "i8")
        # All digits before the point, so that no point is needed.
        _snprintf(f, tail, 30, b"e%lld", ("i64", f.sub("%exponent", "%count")))
        size = f.intrinsic("llvm.fabs", "double", "%value")
        with f.when("%single"):
            read = f.convert("fpext", "float", f.call("strtof", room, "null"), "double")
            f.ret(f.fcmp("oeq", "double", read, size))
        f.ret(f.fcmp("oeq", "double", f.call("strtod", room, "null"), size))

    parameters = ("ptr digits", "i64 count", "i64 exponent", "double value", "i1 single")
    return runtime.build(module, "dyn.reads_back", "i1", parameters, body, "nounwind noinline")


def _put_shortest_digits(module: ModuleText) -> Signature:
    """`i64 dyn.put_shortest_digits(ptr digits, ptr exponent, double value, i1 single)`: as few digits as give the number back.

    Of those the nearest to the number. At a power of two the gap below is half the gap above, so the nearest may fail
    where the next one up succeeds. Up to 15 digits (f32: 6) survive the way through a normal number and back, so if as
    many read back as the number, the shortest are they without the zeros at their end.
    """

    def body(f: Function) -> None:
        _put_scientific(f.module)
        _reads_back(f.module)
        smallest = f.select("%single", "double", number(2.0**-126, "double"), number(2.0**-1022, "double"))
        normal = f.fcmp("oge", "double", f.intrinsic("llvm.fabs", "double", "%value"), smallest)
        first = f.select(normal, "i64", f.select("%single", "i64", 6, 15), 1)
        with f.repeat([("i64", first)]) as search:
            (wanted,) = search.carried
            count = f.call("dyn.put_scientific", "%digits", "%exponent", "%value", wanted)
            exponent = f.load("i64", "%exponent")
            search.break_if(f.call("dyn.reads_back", "%digits", count, exponent, "%value", "%single"))
            last = f.offset("%digits", f.sub(wanted, 1), "i8")
            byte = f.load("i8", last)
            with f.when(f.icmp("ult", byte, ord("9"), "i8")):
                f.store("i8", f.add(byte, 1, "i8"), last)
                with f.when(f.call("dyn.reads_back", "%digits", wanted, exponent, "%value", "%single")):
                    f.ret(wanted)
            search.next = [f.add(wanted, 1)]
        f.ret(count)

    parameters = ("ptr digits", "ptr exponent", "double value", "i1 single")
    return runtime.build(module, "dyn.put_shortest_digits", "i64", parameters, body, "nounwind noinline")


def _put_layout(module: ModuleText) -> Signature:
    """`i64 dyn.put_layout(ptr place, ptr digits, i64 count, i64 exponent, i64 threshold, i1 point)`: Python's repr and `g`.

    Plain where -4 < exponent <= threshold, else d.ddde+XX; `point` adds `.0` to what would look like an integer.
    """

    def body(f: Function) -> None:
        small = f.icmp("sle", "%exponent", -4)
        choice = f.choose(f.binary("or", "i1", small, f.icmp("sgt", "%exponent", "%threshold")))
        with choice.yes():
            _lay_out_exponent(f)
        with choice.no():
            with f.when(f.icmp("sle", "%exponent", 0)):
                _lay_out_fraction(f)
            _lay_out_plain(f)

    parameters = ("ptr place", "ptr digits", "i64 count", "i64 exponent", "i64 threshold", "i1 point")
    return runtime.build(module, "dyn.put_layout", "i64", parameters, body)


def _lay_out_exponent(f: Function) -> None:
    f.store("i8", f.load("i8", "%digits"), "%place")
    several = f.icmp("sgt", "%count", 1)
    with f.when(several):
        f.store("i8", ord("."), f.offset("%place", 1, "i8"))
        f.copy_bytes(f.offset("%place", 2, "i8"), f.offset("%digits", 1, "i8"), f.sub("%count", 1))
    used = f.select(several, "i64", f.add("%count", 1), 1)
    power = f.sub("%exponent", 1)
    f.ret(f.add(used, _snprintf(f, f.offset("%place", used, "i8"), 30, b"e%+03lld", ("i64", power))))


def _lay_out_fraction(f: Function) -> None:
    """0.000ddd"""
    zeros = f.sub(2, "%exponent")
    f.fill_bytes("%place", ord("0"), zeros)
    f.store("i8", ord("."), f.offset("%place", 1, "i8"))
    f.copy_bytes(f.offset("%place", zeros, "i8"), "%digits", "%count")
    f.ret(f.add(zeros, "%count"))


def _lay_out_plain(f: Function) -> None:
    """ddd000.0 or dd.ddd"""
    with f.when(f.icmp("sge", "%exponent", "%count")):
        f.copy_bytes("%place", "%digits", "%count")
        f.fill_bytes(f.offset("%place", "%count", "i8"), ord("0"), f.sub("%exponent", "%count"))
        f.copy_bytes(f.offset("%place", "%exponent", "i8"), f.module.bytes_constant(b".0"), 2)
        f.ret(f.add("%exponent", f.select("%point", "i64", 2, 0)))
    f.copy_bytes("%place", "%digits", "%exponent")
    f.store("i8", ord("."), f.offset("%place", "%exponent", "i8"))
    rest = f.offset("%place", f.add("%exponent", 1), "i8")
    f.copy_bytes(rest, f.offset("%digits", "%exponent", "i8"), f.sub("%count", "%exponent"))
    f.ret(f.add("%count", 1))


def _put_minus(f: Function) -> str:
    """Writes a minus sign where the value has one, and gives the length of what was written."""
    negative = f.icmp("slt", f.convert("bitcast", "double", "%value", "i64"), 0)
    f.store("i8", ord("-"), "%place")
    return f.convert("zext", "i1", negative, "i64")


def _put_shortest(module: ModuleText) -> Signature:
    """`i64 dyn.put_shortest(ptr place, double value, i1 single)`: 0.5, 1e-05, -inf, nan: as Python's repr."""

    def body(f: Function) -> None:
        _put_shortest_digits(f.module)
        _put_layout(f.module)
        _put_special(f)
        sign = _put_minus(f)
        digits, exponent = f.slot("i8", count=64), f.slot("i64")
        count = f.call("dyn.put_shortest_digits", digits, exponent, "%value", "%single")
        place = f.offset("%place", sign, "i8")
        written = f.call("dyn.put_layout", place, digits, count, f.load("i64", exponent), 16, "true")
        f.ret(f.add(sign, written))

    parameters = ("ptr place", "double value", "i1 single")
    return runtime.build(module, "dyn.put_shortest", "i64", parameters, body, "nounwind noinline")


def _put_general(module: ModuleText) -> Signature:
    """`i64 dyn.put_general(ptr place, double value, i64 precision, i1 point)`: Python's `g`, or with `point` its format without a kind."""

    def body(f: Function) -> None:
        _put_scientific(f.module)
        _put_layout(f.module)
        _put_special(f)
        sign = _put_minus(f)
        precision = f.maximum("%precision", 1)
        digits, exponent = f.slot("i8", count=_DIGITS_ROOM), f.slot("i64")
        count = f.call("dyn.put_scientific", digits, exponent, "%value", precision)
        threshold = f.sub(precision, f.convert("zext", "i1", "%point", "i64"))
        place = f.offset("%place", sign, "i8")
        written = f.call("dyn.put_layout", place, digits, count, f.load("i64", exponent), threshold, "%point")
        f.ret(f.add(sign, written))

    parameters = ("ptr place", "double value", "i64 precision", "i1 point")
    return runtime.build(module, "dyn.put_general", "i64", parameters, body, "nounwind noinline")


def _put_fixed(module: ModuleText) -> Signature:
    """`i64 dyn.put_fixed(ptr place, double value, i64 precision, i1 exponent)`: the C library's `f` or `e`, with a point."""

    def body(f: Function) -> None:
        _put_special(f)
        precision = f.convert("trunc", "i64", "%precision", "i32")
        choice = f.choose("%exponent")
        with choice.yes():
            long = _snprintf(f, "%place", _ROOM, b"%.*e", ("i32", precision), ("double", "%value"))
        with choice.no():
            short = _snprintf(f, "%place", _ROOM, b"%.*f", ("i32", precision), ("double", "%value"))
        length = choice.merge("i64", long, short)
        with f.loop(0, length) as loop:
            place = f.offset("%place", loop.index, "i8")
            byte = f.load("i8", place)
            comma = f.icmp("eq", byte, ord(","), "i8")
            f.store("i8", f.select(comma, "i8", ord("."), byte), place)
        f.ret(length)

    parameters = ("ptr place", "double value", "i64 precision", "i1 exponent")
    return runtime.build(module, "dyn.put_fixed", "i64", parameters, body, "nounwind noinline")


# -- specifications


def _is_kind(f: Function, *kinds: str) -> str:
    """Whether %kind is one of these."""
    condition = "false"
    for kind in kinds:
        condition = f.binary("or", "i1", condition, f.icmp("eq", "%kind", ord(kind) if kind else 0, "i32"))
    return condition


def _finish(f: Function, room: str, length: Operand) -> None:
    """Adds the sign that is asked for, pads, and returns. The text starts at byte 1 of the room."""
    runtime.declare(f.module, "dyn.string_pad")
    runtime.declare(f.module, "dyn.release")
    text = f.offset(room, 1, "i8")
    signed = f.icmp("ne", f.load("i8", text), ord("-"), "i8")
    asked = f.binary("and", "i1", f.icmp("ne", "%sign", 0, "i32"), f.icmp("ne", "%sign", ord("-"), "i32"))
    extra = f.convert("zext", "i1", f.binary("and", "i1", signed, asked), "i64")
    f.store("i8", f.convert("trunc", "i32", "%sign", "i8"), room)
    raw = _string_of(f, f.offset(room, f.sub(1, extra), "i8"), f.add(length, extra))
    with f.when(f.icmp("eq", raw, "null", "ptr")):
        f.ret("null")
    padded = f.call("dyn.string_pad", "%context", raw, "%width", _alignment(f, ">"), "%fill")
    f.call("dyn.release", "%context", raw)
    f.ret(padded)


def _alignment(f: Function, default: str) -> str:
    return f.select(f.icmp("eq", "%alignment", 0, "i32"), "i32", ord(default), "%alignment")


def _upper_case(f: Function, text: str, length: Operand) -> None:
    with f.loop(0, length) as loop:
        place = f.offset(text, loop.index, "i8")
        byte = f.load("i8", place)
        letter = f.icmp("ult", f.sub(byte, ord("a"), "i8"), 26, "i8")
        f.store("i8", f.select(letter, "i8", f.sub(byte, 32, "i8"), byte), place)


def _format_int(f: Function) -> None:
    """Kinds d x X b o; the kinds of floats convert first."""
    put_i64(f.module)
    put_radix(f.module)
    runtime.declare(f.module, "dyn.format_float")
    with f.when(_is_kind(f, "e", "E", "f", "F", "g", "G", "%")):
        wide = f.convert("sitofp", "i64", "%value", "double")
        rest = ("%kind", "%precision", "%sign", "%width", "%alignment", "%fill")
        f.ret(f.call("dyn.format_float", "%context", wide, "false", *rest))
    room = f.slot("i8", count=80)
    text = f.offset(room, 1, "i8")
    negative = f.icmp("slt", "%value", 0)
    f.store("i8", ord("-"), text)
    minus = f.convert("zext", "i1", negative, "i64")
    size = f.select(negative, "i64", f.sub(0, "%value"), "%value")
    radix = f.select(_is_kind(f, "x", "X"), "i64", 16, f.select(_is_kind(f, "b"), "i64", 2, f.select(_is_kind(f, "o"), "i64", 8, 10)))
    letter = f.select(_is_kind(f, "X"), "i64", ord("A"), ord("a"))
    length = f.add(minus, f.call(PUT_RADIX, f.offset(text, minus, "i8"), size, radix, letter))
    _finish(f, room, length)


def _format_float(f: Function) -> None:
    """Kinds e E f F g G %, or none: shortest, or with a precision as `g` with a point."""
    for helper in (_put_shortest, _put_general, _put_fixed):
        helper(f.module)
    room = f.slot("i8", count=_ROOM + 8)
    text = f.offset(room, 1, "i8")
    precision = f.minimum("%precision", LONGEST)
    missing = f.icmp("slt", precision, 0)
    given = f.select(missing, "i64", 6, precision)
    length = f.slot("i64")
    upper, ready = f.label("upper"), f.label("ready")
    with f.when(_is_kind(f, "", "s", "d", "x", "X", "b", "o")):
        choice = f.choose(missing)
        with choice.yes():
            f.store("i64", f.call("dyn.put_shortest", text, "%value", "%single"), length)
        with choice.no():
            f.store("i64", f.call("dyn.put_general", text, "%value", given, "true"), length)
        f.branch(ready)
    with f.when(_is_kind(f, "g", "G")):
        f.store("i64", f.call("dyn.put_general", text, "%value", given, "false"), length)
        f.branch(upper)
    with f.when(_is_kind(f, "e", "E")):
        f.store("i64", f.call("dyn.put_fixed", text, "%value", given, "true"), length)
        f.branch(upper)
    percent = _is_kind(f, "%")
    hundredfold = f.binary("fmul", "double", "%value", number(100.0, "double"))
    value = f.select(percent, "double", hundredfold, "%value")
    written = f.call("dyn.put_fixed", text, value, given, "false")
    f.store("i8", ord("%"), f.offset(text, written, "i8"))
    f.store("i64", f.add(written, f.convert("zext", "i1", percent, "i64")), length)
    f.branch(upper)
    f.place(upper)
    with f.when(_is_kind(f, "E", "F", "G")):
        _upper_case(f, text, f.load("i64", length))
    f.branch(ready)
    f.place(ready)
    _finish(f, room, f.load("i64", length))


def _format_text(f: Function) -> None:
    """Text in a width, cut to `precision` bytes first if one is given."""
    for name in ("dyn.string_pad", "dyn.string_slice", "dyn.release"):
        runtime.declare(f.module, name)
    length = payload_bytes(f, "%string")
    given = f.select(f.icmp("slt", "%precision", 0), "i64", length, "%precision")
    cut = f.call("dyn.string_slice", "%context", "%string", 0, given)
    with f.when(f.icmp("eq", cut, "null", "ptr")):
        f.ret("null")
    padded = f.call("dyn.string_pad", "%context", cut, "%width", _alignment(f, "<"), "%fill")
    f.call("dyn.release", "%context", cut)
    f.ret(padded)


BUILDERS = {
    "dyn.format_bool": _format_bool,
    "dyn.format_i64": _format_i64,
    "dyn.format_f64": _format_f64,
    "dyn.format_int": _format_int,
    "dyn.format_float": _format_float,
    "dyn.format_text": _format_text,
}
