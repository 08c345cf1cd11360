"""What compiled programs need at run time, as LLVM IR made on demand: memory, errors, strings, files, random bits.

There is no C in it and no global that changes: every function takes the context (`context.py`) first. A function is
added to a module the first time it is declared, with everything it calls:

    runtime.declare(module, "dyn.allocate")
    block = f.call("dyn.allocate", "%context", 64)

Laws that hold throughout:
- A *block* is a pointer to 32-byte aligned data with a 16-byte header in front: {i64 reference count, i64 payload
  bytes}. A negative count marks a block that is never freed (`static_block`).
- A string is a block of UTF-8 bytes; its length is the payload size. Functions borrow the strings they are given and
  return a new block with a count of one.
- A function that returns a pointer returns null on failure, one that returns i32 returns the error code, and in either
  case the error stands in the context by then.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from dynlang.native.emit import Signature, signature
from dynlang.runtime.context import ErrorCode

if TYPE_CHECKING:
    from dynlang.native.emit import Function, ModuleText, Operand

# A specification of formatting as operands; `numbers.Specification.operands` makes them from text such as `>8.3f`.
_FORMAT = ("i32 kind", "i64 precision", "i32 sign", "i64 width", "i32 alignment", "i32 fill")

# One row per function, by the file that builds it. Names are those of the op table where there is an op.
_MEMORY = (
    signature("dyn.context_create", "ptr"),
    signature("dyn.context_destroy", "void", "ptr context"),
    signature("dyn.live_blocks", "i64", "ptr context"),
    signature("dyn.allocated_bytes", "i64", "ptr context"),
    # null when there is no memory, or no sense in the size
    signature("dyn.allocate", "ptr", "ptr context", "i64 bytes"),
    signature("dyn.free", "void", "ptr context", "ptr block"),
    signature("dyn.retain", "void", "ptr context", "ptr block"),
    signature("dyn.release", "void", "ptr context", "ptr block"),
    signature("dyn.is_unique", "i1", "ptr context", "ptr block"),
    signature("dyn.payload_bytes", "i64", "ptr context", "ptr block"),
)
_FAILURE = ("ptr context", "i32 code", "i32 line", "ptr text", "i64 length")
_ERRORS = (
    signature("dyn.fail", "i32", *_FAILURE),
    # as fail, with each `{}` in the text replaced by the next number
    signature("dyn.fail_with", "i32", *_FAILURE, "i64 first", "i64 second", "i64 third"),
    signature("dyn.clear_error", "void", "ptr context"),
    signature("dyn.error_code", "i32", "ptr context"),
    signature("dyn.error_line", "i32", "ptr context"),
    signature("dyn.error_text", "ptr", "ptr context"),
    signature("dyn.is_cancelled", "i1", "ptr context"),
)
_STRINGS = (
    signature("dyn.string_from_bytes", "ptr", "ptr context", "ptr data", "i64 length"),
    signature("dyn.string_length", "i64", "ptr context", "ptr string"),
    signature("dyn.string_concat", "ptr", "ptr context", "ptr left", "ptr right"),
    signature("dyn.string_equal", "i1", "ptr context", "ptr left", "ptr right"),
    signature("dyn.string_less", "i1", "ptr context", "ptr left", "ptr right"),
    signature("dyn.string_compare", "i32", "ptr context", "ptr left", "ptr right"),
    signature("dyn.string_slice", "ptr", "ptr context", "ptr string", "i64 start", "i64 stop"),
    signature("dyn.string_find", "i64", "ptr context", "ptr string", "ptr wanted", "i64 start"),
    signature("dyn.string_code", "i64", "ptr context", "ptr string", "i64 index"),
    signature("dyn.string_char", "ptr", "ptr context", "i64 code"),
    signature("dyn.string_pad", "ptr", "ptr context", "ptr string", "i64 width", "i32 alignment", "i32 fill"),
)
_NUMBERS = (
    signature("dyn.format_bool", "ptr", "ptr context", "i1 value"),
    signature("dyn.format_i64", "ptr", "ptr context", "i64 value"),
    signature("dyn.format_f64", "ptr", "ptr context", "double value", "i1 single"),
    signature("dyn.format_int", "ptr", "ptr context", "i64 value", *_FORMAT),
    signature("dyn.format_float", "ptr", "ptr context", "double value", "i1 single", *_FORMAT),
    signature("dyn.format_text", "ptr", "ptr context", "ptr string", *_FORMAT),
)
_PARSING = (
    signature("dyn.string_parse_int", "i1", "ptr context", "ptr string", "ptr result"),
    signature("dyn.string_parse_float", "i1", "ptr context", "ptr string", "ptr result"),
)
_FILES = (
    signature("dyn.print", "i32", "ptr context", "ptr string"),
    signature("dyn.write_text", "i32", "ptr context", "ptr string"),
    signature("dyn.write_error", "i32", "ptr context", "ptr string"),
    signature("dyn.debug_text", "i32", "ptr context", "ptr string"),
    signature("dyn.write", "i32", "ptr context", "i32 descriptor", "ptr data", "i64 length"),
    signature("dyn.read_file", "ptr", "ptr context", "ptr path"),
    signature("dyn.write_file", "i32", "ptr context", "ptr path", "ptr string"),
    signature("dyn.file_exists", "i1", "ptr context", "ptr path"),
    signature("dyn.clock", "double", "ptr context"),
    signature("dyn.sleep", "i32", "ptr context", "double seconds"),
    signature("dyn.environment", "ptr", "ptr context", "ptr name"),
    signature("dyn.has_environment", "i1", "ptr context", "ptr name"),
    signature("dyn.is_terminal", "i1", "ptr context", "i64 stream"),
)
_BYTES = (
    # count numbers of `size` bytes each from byte `start` of a string, little-endian, into an array; and back
    signature("dyn.bytes_to_numbers", "i32", "ptr context", "ptr string", "i64 start", "i64 count", "i64 size", "ptr result"),
    signature("dyn.numbers_to_bytes", "ptr", "ptr context", "ptr numbers", "i64 count", "i64 size"),
)
_RANDOM = (
    # result: n words of 32 bits; word j is word j % 4 of block counter + j // 4
    signature("dyn.random_bits", "void", "ptr context", "i64 key", "i64 stream", "i64 counter", "i64 n", "ptr result"),
)

_FILES_OF = {
    "memory": _MEMORY,
    "errors": _ERRORS,
    "strings": _STRINGS,
    "numbers": _NUMBERS,
    "parsing": _PARSING,
    "files": _FILES,
    "bytes": _BYTES,
    "random": _RANDOM,
}
_HOME = {made.name: (file, made) for file, rows in _FILES_OF.items() for made in rows}

SIGNATURES: dict[str, Signature] = {name: made for name, (_, made) in _HOME.items()}


def declare(module: ModuleText, name: str, exported: bool = False) -> Signature:
    """Make the runtime function `name` callable in the module, adding its text the first time.

    `exported` gives it external linkage, for functions that a host calls.
    """
    if name not in module.signatures:
        file, made = _HOME[name]
        home = importlib.import_module(f"dynlang.runtime.{file}")
        parameters = [f"{kind} {label}" for kind, label in zip(made.parameters, made.names, strict=True)]
        home.BUILDERS[name](module.function(name, made.result, *parameters, attributes=home.ATTRIBUTES.get(name, "nounwind")))
    if exported:
        module.export(name)
    return module.signatures[name]


def build(
    module: ModuleText, name: str, result: str, parameters: tuple[str, ...], body: Callable[[Function], None], attributes: str = "nounwind"
) -> Signature:
    """A helper of the runtime that is not part of its interface, made the first time it is needed."""

    def make(module: ModuleText) -> None:
        body(module.function(name, result, *parameters, attributes=attributes))

    return module.require(name, make)


def fail(f: Function, code: ErrorCode, text: str, *numbers: Operand, line: Operand = 0) -> str:
    """Emit a call that records an error, with up to three numbers for the `{}` in its text; gives the code as an operand."""
    declare(f.module, "dyn.fail_with")
    data = text.encode()
    first, second, third = (*numbers, 0, 0, 0)[:3]
    return f.call("dyn.fail_with", "%context", int(code), line, f.module.bytes_constant(data), len(data), first, second, third)


def static_block(module: ModuleText, payload: bytes, align: int = 16) -> str:
    """A block in read-only memory that is never freed, such as a string literal; returns the address of its data."""
    inside = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:02X}" for b in payload)
    kind = f"{{ i64, i64, [{len(payload)} x i8] }}"
    name = module.constant(kind, f'{{ i64 -1, i64 {len(payload)}, [{len(payload)} x i8] c"{inside}" }}', align, "block")
    return f"getelementptr inbounds (i8, ptr {name}, i64 16)"
