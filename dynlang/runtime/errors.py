"""The error slot of a context: code, line and text, and the word by which a host cancels running code."""

from __future__ import annotations

from dynlang.native.emit import Function, Operand
from dynlang.runtime import context as layout
from dynlang.runtime.digits import put_i64
from dynlang.runtime.memory import field

ATTRIBUTES = {"dyn.fail": "nounwind noinline cold", "dyn.fail_with": "nounwind noinline cold", "dyn.is_cancelled": "nounwind alwaysinline"}


def _store_code(f: Function) -> None:
    f.store("i32", "%code", field(f, layout.ERROR_CODE))
    f.store("i32", "%line", field(f, layout.ERROR_LINE))


def _fail(f: Function) -> None:
    """Text that is too long is cut."""
    _store_code(f)
    text = field(f, layout.ERROR_TEXT)
    length = f.minimum(f.maximum("%length", 0), layout.ERROR_TEXT_BYTES - 1)
    f.copy_bytes(text, "%text", length)
    f.store("i8", 0, f.offset(text, length, "i8"))
    f.ret("%code")


def _fail_with(f: Function) -> None:
    """As `fail`, with each `{}` replaced by the next of three numbers."""
    put_i64(f.module)
    _store_code(f)
    text = field(f, layout.ERROR_TEXT)
    left, following = f.slot("i64", "%first"), f.slot("i64", "%second")
    # Room for one more number of at most 20 characters must be left at every step.
    end = layout.ERROR_TEXT_BYTES - 24
    with f.repeat([("i64", 0), ("i64", 0)]) as walk:
        read, written = walk.carried
        done = f.binary("or", "i1", f.icmp("sge", read, "%length"), f.icmp("sge", written, end))
        walk.break_if(done)
        here = f.load("i8", f.offset("%text", read, "i8"))
        choice = f.choose(_is_placeholder(f, here, read))
        with choice.yes():
            digits = f.call("dyn.put_i64", f.offset(text, written, "i8"), f.load("i64", left))
            f.store("i64", f.load("i64", following), left)
            f.store("i64", "%third", following)
        with choice.no():
            f.store("i8", here, f.offset(text, written, "i8"))
        used, made = choice.merge("i64", 2, 1), choice.merge("i64", digits, 1)
        walk.next = [f.add(read, used), f.add(written, made)]
    f.store("i8", 0, f.offset(text, walk.carried[1], "i8"))
    f.ret("%code")


def _is_placeholder(f: Function, here: Operand, read: Operand) -> str:
    """Whether `{}` stands here."""
    following = f.add(read, 1)
    inside = f.icmp("slt", following, "%length")
    index = f.select(inside, "i64", following, read)
    closes = f.icmp("eq", f.load("i8", f.offset("%text", index, "i8")), ord("}"), "i8")
    return f.binary("and", "i1", f.icmp("eq", here, ord("{"), "i8"), closes)


def _clear_error(f: Function) -> None:
    f.store("i32", 0, field(f, layout.ERROR_CODE))
    f.store("i32", 0, field(f, layout.ERROR_LINE))
    f.store("i8", 0, field(f, layout.ERROR_TEXT))
    f.ret()


def _is_cancelled(f: Function) -> None:
    word = f.value(f"load atomic i32, ptr {field(f, layout.CANCEL)} monotonic, align 4")
    f.ret(f.icmp("ne", word, 0, "i32"))


BUILDERS = {
    "dyn.fail": _fail,
    "dyn.fail_with": _fail_with,
    "dyn.clear_error": _clear_error,
    "dyn.error_code": lambda f: f.ret(f.load("i32", field(f, layout.ERROR_CODE))),
    "dyn.error_line": lambda f: f.ret(f.load("i32", field(f, layout.ERROR_LINE))),
    "dyn.error_text": lambda f: f.ret(field(f, layout.ERROR_TEXT)),
    "dyn.is_cancelled": _is_cancelled,
}
