"""Strings, checks and effects: calls of the runtime."""

from __future__ import annotations

from dynlang.native.lower.elementwise import dtype_of
from dynlang.native.lower.frame import Frame, lowers
from dynlang.native.lower.memory import element_of
from dynlang.ops.dtypes import BYTES
from dynlang.ops.specification import parse_specification
from dynlang.runtime.context import ErrorCode
from dynlang.ssa.nodes import Operation

# ---------------------------------------------------------------- checks


KINDS = {"DYN0901": ErrorCode.SIZE, "DYN0902": ErrorCode.BOUNDS, "DYN0903": ErrorCode.DIVISION_BY_ZERO, "DYN0904": ErrorCode.BOUNDS,
         "DYN0905": ErrorCode.SIZE, "DYN0906": ErrorCode.FAILED}
"""What a host is told of a check, by the kind of check."""


def code_of(operation: Operation, otherwise: ErrorCode) -> int:
    """The error code that an operation asks for, by number, name or kind."""
    code = operation.attributes.get("code")
    if isinstance(code, int):
        return code
    if code in KINDS:
        return int(KINDS[str(code)])
    return int(ErrorCode[str(code).upper()]) if isinstance(code, str) and str(code).upper() in ErrorCode.__members__ else int(otherwise)


@lowers("check")
def lower_check(frame: Frame, operation: Operation) -> None:
    condition, *numbers = (frame[one] for one in operation.operands)
    message = str(operation.attributes.get("message", "a check failed"))
    frame.fail_unless(condition, code_of(operation, ErrorCode.FAILED), message, *numbers)


@lowers("check_index")
def lower_check_index(frame: Frame, operation: Operation) -> None:
    index, count = (frame[one] for one in operation.operands)
    inside = frame.f.icmp("ult", index, count)
    frame.fail_unless(inside, code_of(operation, ErrorCode.BOUNDS), "index {} is outside 0..{}", index, count)
    frame.define(operation.results[0], index)


@lowers("fail")
def lower_fail(frame: Frame, operation: Operation) -> None:
    f, message = frame.f, frame[operation.operands[0]]
    frame.lowering.declare_runtime("dyn.fail")
    length = f.load("i64", f.offset(message, -8, "i8"))
    f.call("dyn.fail", "%context", code_of(operation, ErrorCode.FAILED), frame.line, message, length)
    frame.stop()


# ---------------------------------------------------------------- strings


PLAIN = ("string_concat", "string_equal", "string_less", "string_length", "string_slice", "string_code", "string_char", "string_find",
         "format_bool", "write_text", "write_error", "debug_text", "print", "read_file", "write_file", "clock", "is_terminal",
         "file_exists", "sleep", "environment", "has_environment")


@lowers(*PLAIN)
def lower_plain(frame: Frame, operation: Operation) -> None:
    """The runtime has a function of the op's name with the op's operands."""
    result = frame.runtime(f"dyn.{operation.name}", *(frame[one] for one in operation.operands))
    if operation.results:
        frame.define(operation.results[0], result)


@lowers("string_parse_int", "string_parse_float")
def lower_parse(frame: Frame, operation: Operation) -> None:
    good, number = operation.results
    kind = "i64" if operation.name == "string_parse_int" else "double"
    room = frame.f.slot(kind)
    frame.f.store(kind, "0" if kind == "i64" else "0.0", room)
    frame.define(good, frame.runtime(f"dyn.{operation.name}", frame[operation.operands[0]], room))
    frame.define(number, frame.f.load(kind, room))


@lowers("format_int", "format_float", "format_text")
def lower_format(frame: Frame, operation: Operation) -> None:
    text = str(operation.attributes.get("specification") or "")
    (x,) = operation.operands
    single = ["true" if operation.attributes.get("single") else "false"] if operation.name == "format_float" else []
    if not text and operation.name == "format_text":
        frame.define(operation.results[0], frame.retain(frame[x], x.type))
        return
    if not text:
        short = "dyn.format_i64" if operation.name == "format_int" else "dyn.format_f64"
        frame.define(operation.results[0], frame.runtime(short, frame[x], *single))
        return
    operands = parse_specification(text).operands()
    frame.define(operation.results[0], frame.runtime(f"dyn.{operation.name}", frame[x], *single, *operands))


@lowers("bytes_to_numbers")
def lower_bytes_to_numbers(frame: Frame, operation: Operation) -> None:
    text, start = operation.operands
    (result,) = operation.results
    block = frame.allocate_array(result.type)
    size = BYTES[dtype_of(result)]
    frame.runtime("dyn.bytes_to_numbers", frame[text], frame[start], frame.elements(result.type), size, block)
    if dtype_of(result) == "bool":
        _made_true(frame, block, frame.elements(result.type))
    frame.define(result, block)


def _made_true(frame: Frame, block: str, count: str) -> None:
    """A file may have other bytes than 0 and 1 where bools are expected."""
    f = frame.f
    with f.loop(0, count) as loop:
        place = f.offset(block, loop.index, "i8")
        f.store("i8", f.convert("zext", "i1", f.icmp("ne", f.load("i8", place), 0, "i8"), "i8"), place)


@lowers("numbers_to_bytes")
def lower_numbers_to_bytes(frame: Frame, operation: Operation) -> None:
    (x,) = operation.operands
    source = frame[x]
    if element_of(x.type) is x.type:
        room = frame.f.slot("i64")
        frame.store_slot(room, source, x.type)
        source = room
    frame.define(operation.results[0], frame.runtime("dyn.numbers_to_bytes", source, frame.elements(x.type), BYTES[dtype_of(x)]))


@lowers("random_bits")
def lower_random_bits(frame: Frame, operation: Operation) -> None:
    (result,) = operation.results
    block = frame.allocate_array(result.type)
    frame.runtime("dyn.random_bits", *(frame[one] for one in operation.operands), frame.elements(result.type), block)
    frame.define(result, block)
