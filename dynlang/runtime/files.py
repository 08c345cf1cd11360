"""The world outside: standard output, files, the clock. Plain calls of the system's C library.

A file is written whole or not at all: to a temporary name beside it, synced, then renamed; only where the path is no
regular file (a device, a pipe) is it written in place.
"""

from __future__ import annotations

from dynlang import runtime
from dynlang.native.emit import Function, ModuleText, Operand, Signature, number
from dynlang.runtime import context as layout
from dynlang.runtime.context import ErrorCode
from dynlang.runtime.memory import field, payload_bytes
from dynlang.runtime.strings import zero_terminated

ATTRIBUTES: dict[str, str] = {}

_INTERRUPTED = 4  # EINTR, the same on every system this is built for
_SHORT_LINE = 1024
_LARGEST_WRITE = 1 << 30
_SEEK_END = 2


def _flags(f: Function) -> tuple[int, int]:
    """(create a new file for writing, write to what is there): values of `open`, which differ between systems."""
    if f.target.is_macos:
        return 0x1 | 0x200 | 0x800, 0x1
    return 0x1 | 0o100 | 0o200, 0x1


def _error_number(f: Function) -> str:
    name = "__error" if f.target.is_macos else "__errno_location"
    f.module.declare(name, "ptr")
    return f.load("i32", f.call(name))


def _io_error(module: ModuleText) -> Signature:
    """`i32 dyn.io_error(ptr context, ptr verb, ptr path)`: records "verb `path`: reason" from the last failed call; returns the code."""

    def body(f: Function) -> None:
        f.module.declare("snprintf", "i32", "ptr", "i64", "ptr", variadic=True)
        f.module.declare("strerror", "ptr", "i32")
        reason = f.call("strerror", _error_number(f))
        text = field(f, layout.ERROR_TEXT)
        pattern = f.module.bytes_constant(b"%s `%s`: %s\0")
        f.call("snprintf", text, layout.ERROR_TEXT_BYTES, pattern, extra=[("ptr", "%verb"), ("ptr", "%path"), ("ptr", reason)])
        f.store("i32", int(ErrorCode.INPUT_OUTPUT), field(f, layout.ERROR_CODE))
        f.store("i32", 0, field(f, layout.ERROR_LINE))
        f.ret(int(ErrorCode.INPUT_OUTPUT))

    return runtime.build(module, "dyn.io_error", "i32", ("ptr context", "ptr verb", "ptr path"), body, "nounwind noinline cold")


def _fail_io(f: Function, verb: str, path: Operand) -> str:
    _io_error(f.module)
    return f.call("dyn.io_error", "%context", f.module.bytes_constant(verb.encode() + b"\0"), path)


def _write_all(module: ModuleText) -> Signature:
    """`i1 dyn.write_all(i32 descriptor, ptr data, i64 length)`: true when everything was written, however many calls it took."""

    def body(f: Function) -> None:
        f.module.declare("write", "i64", "i32", "ptr", "i64")
        with f.repeat([("i64", 0)]) as walk:
            (done,) = walk.carried
            walk.break_if(f.icmp("sge", done, "%length"))
            size = f.minimum(f.sub("%length", done), _LARGEST_WRITE)
            written = f.call("write", "%descriptor", f.offset("%data", done, "i8"), size)
            with f.when(f.icmp("slt", written, 0)):
                interrupted = f.icmp("eq", _error_number(f), _INTERRUPTED, "i32")
                with f.when(f.binary("xor", "i1", interrupted, "true")):
                    f.ret("false")
            walk.next = [f.add(done, f.maximum(written, 0))]
        f.ret("true")

    return runtime.build(module, "dyn.write_all", "i1", ("i32 descriptor", "ptr data", "i64 length"), body)


def _write(f: Function) -> None:
    _write_all(f.module)
    with f.when(f.call("dyn.write_all", "%descriptor", "%data", "%length")):
        f.ret(0)
    names = [f.module.bytes_constant(text + b"\0") for text in (b"standard output", b"standard error")]
    name = f.select(f.icmp("eq", "%descriptor", 2, "i32"), "ptr", names[1], names[0])
    f.ret(_fail_io(f, "can't write", name))


def _print(f: Function) -> None:
    """The text and a newline, in one call where the line is short."""
    runtime.declare(f.module, "dyn.write")
    length = payload_bytes(f, "%string")
    with f.when(f.icmp("slt", length, _SHORT_LINE)):
        line = f.slot("i8", count=_SHORT_LINE)
        f.copy_bytes(line, "%string", length)
        f.store("i8", ord("\n"), f.offset(line, length, "i8"))
        f.ret(f.call("dyn.write", "%context", 1, line, f.add(length, 1)))
    code = f.call("dyn.write", "%context", 1, "%string", length)
    with f.when(f.icmp("ne", code, 0, "i32")):
        f.ret(code)
    f.ret(f.call("dyn.write", "%context", 1, f.module.bytes_constant(b"\n"), 1))


def _write_stream(f: Function, descriptor: int) -> None:
    runtime.declare(f.module, "dyn.write")
    f.ret(f.call("dyn.write", "%context", descriptor, "%string", payload_bytes(f, "%string")))


def _path(f: Function, failed: Operand) -> str:
    """The path as the C library wants it; a path with a zero byte inside names no file."""
    zero_terminated(f.module)
    f.module.declare("memchr", "ptr", "ptr", "i32", "i64")
    inside = f.call("memchr", "%path", 0, payload_bytes(f, "%path"))
    with f.when(f.icmp("ne", inside, "null", "ptr")):
        runtime.fail(f, ErrorCode.INPUT_OUTPUT, "a path with a zero byte in it names no file")
        f.ret(failed)
    path = f.call("dyn.zero_terminated", "%context", "%path")
    with f.when(f.icmp("eq", path, "null", "ptr")):
        f.ret(failed)
    return path


def _declare_files(module: ModuleText) -> None:
    module.declare("open", "i32", "ptr", "i32", variadic=True)
    module.declare("close", "i32", "i32")
    module.declare("read", "i64", "i32", "ptr", "i64")
    module.declare("lseek", "i64", "i32", "i64", "i32")
    module.declare("free", "void", "ptr")


def _read_file(f: Function) -> None:
    """The whole file in a new block. What can't be measured (a pipe) is read in growing pieces."""
    _declare_files(f.module)
    for name in ("dyn.allocate", "dyn.free"):
        runtime.declare(f.module, name)
    _read_rest(f.module)
    path = _path(f, "null")
    descriptor = f.call("open", path, 0)
    with f.when(f.icmp("slt", descriptor, 0, "i32")):
        _fail_io(f, "can't read", path)
        f.call("free", path)
        f.ret("null")
    result = f.call("dyn.read_rest", "%context", descriptor, path)
    f.call("close", descriptor)
    f.call("free", path)
    f.ret(result)


def _read_rest(module: ModuleText) -> Signature:
    """`ptr dyn.read_rest(ptr context, i32 descriptor, ptr path)`: everything that is left to read, as a block."""

    def body(f: Function) -> None:
        f.module.declare("malloc", "ptr", "i64")
        f.module.declare("realloc", "ptr", "ptr", "i64")
        size = f.call("lseek", "%descriptor", 0, _SEEK_END)
        f.call("lseek", "%descriptor", 0, 0)
        # One byte more than the size, so that the end is seen without growing. A folder's size makes no sense.
        sensible = f.icmp("ult", size, layout.LARGEST_REQUEST_BYTES)
        first = f.add(f.maximum(f.select(sensible, "i64", size, 0), 4095), 1)
        buffer, capacity = f.slot("ptr", f.call("malloc", first)), f.slot("i64", first)
        with f.repeat([("i64", 0)]) as walk:
            (used,) = walk.carried
            with f.when(f.icmp("eq", f.load("ptr", buffer), "null", "ptr")):
                runtime.fail(f, ErrorCode.OUT_OF_MEMORY, "out of memory: {} bytes were asked for", f.load("i64", capacity))
                f.ret("null")
            room = f.sub(f.load("i64", capacity), used)
            got = f.call("read", "%descriptor", f.offset(f.load("ptr", buffer), used, "i8"), f.minimum(room, _LARGEST_WRITE))
            walk.break_if(f.icmp("eq", got, 0))
            with f.when(f.icmp("slt", got, 0)):
                interrupted = f.icmp("eq", _error_number(f), _INTERRUPTED, "i32")
                with f.when(f.binary("xor", "i1", interrupted, "true")):
                    _fail_io(f, "can't read", "%path")
                    f.call("free", f.load("ptr", buffer))
                    f.ret("null")
            total = f.add(used, f.maximum(got, 0))
            with f.when(f.icmp("eq", total, f.load("i64", capacity))):
                grown = f.mul(total, 2)
                f.store("i64", grown, capacity)
                moved = f.call("realloc", f.load("ptr", buffer), grown)
                with f.when(f.icmp("eq", moved, "null", "ptr")):
                    f.call("free", f.load("ptr", buffer))
                f.store("ptr", moved, buffer)
            walk.next = [total]
        block = f.call("dyn.allocate", "%context", used)
        with f.when(f.icmp("ne", block, "null", "ptr")):
            f.copy_bytes(block, f.load("ptr", buffer), used)
        f.call("free", f.load("ptr", buffer))
        f.ret(block)

    return runtime.build(module, "dyn.read_rest", "ptr", ("ptr context", "i32 descriptor", "ptr path"), body)


def _write_file(f: Function) -> None:
    _declare_files(f.module)
    for helper in (_is_special_file, _write_in_place, _write_beside):
        helper(f.module)
    path = _path(f, int(ErrorCode.INPUT_OUTPUT))
    length = payload_bytes(f, "%string")
    choice = f.choose(f.call("dyn.is_special_file", path))
    with choice.yes():
        here = f.call("dyn.write_in_place", "%context", path, "%string", length)
    with choice.no():
        beside = f.call("dyn.write_beside", "%context", path, "%string", length)
    code = choice.merge("i32", here, beside)
    f.call("free", path)
    f.ret(code)


def _is_special_file(module: ModuleText) -> Signature:
    """`i1 dyn.is_special_file(ptr path)`: something that can be opened for writing but has no end to seek to, or is a device.

    `lseek` succeeds on some devices, so the path's beginning decides too.
    """

    def body(f: Function) -> None:
        f.module.declare("strncmp", "i32", "ptr", "ptr", "i64")
        device = f.call("strncmp", "%path", f.module.bytes_constant(b"/dev/"), 5)
        with f.when(f.icmp("eq", device, 0, "i32")):
            f.ret("true")
        # O_RDONLY | O_NONBLOCK, so that opening a pipe does not wait.
        descriptor = f.call("open", "%path", 0x4 if f.target.is_macos else 0o4000)
        with f.when(f.icmp("slt", descriptor, 0, "i32")):
            f.ret("false")
        end = f.call("lseek", descriptor, 0, _SEEK_END)
        f.call("close", descriptor)
        f.ret(f.icmp("slt", end, 0))

    return runtime.build(module, "dyn.is_special_file", "i1", ("ptr path",), body)


_WRITE = ("ptr context", "ptr path", "ptr data", "i64 length")


def _write_in_place(module: ModuleText) -> Signature:
    """`i32 dyn.write_in_place(...)`: for devices and pipes."""

    def body(f: Function) -> None:
        _write_all(f.module)
        descriptor = f.call("open", "%path", _flags(f)[1])
        with f.when(f.icmp("slt", descriptor, 0, "i32")):
            f.ret(_fail_io(f, "can't write", "%path"))
        with f.when(f.binary("xor", "i1", f.call("dyn.write_all", descriptor, "%data", "%length"), "true")):
            code = _fail_io(f, "can't write", "%path")
            f.call("close", descriptor)
            f.ret(code)
        with f.when(f.icmp("ne", f.call("close", descriptor), 0, "i32")):
            f.ret(_fail_io(f, "can't write", "%path"))
        f.ret(0)

    return runtime.build(module, "dyn.write_in_place", "i32", _WRITE, body)


def _write_beside(module: ModuleText) -> Signature:
    """`i32 dyn.write_beside(...)`: `path.PID.part`, written, synced and renamed; removed where a step fails."""

    def body(f: Function) -> None:
        _write_all(f.module)
        f.module.declare("malloc", "ptr", "i64")
        f.module.declare("strlen", "i64", "ptr")
        f.module.declare("getpid", "i32")
        f.module.declare("fsync", "i32", "i32")
        f.module.declare("rename", "i32", "ptr", "ptr")
        f.module.declare("unlink", "i32", "ptr")
        f.module.declare("snprintf", "i32", "ptr", "i64", "ptr", variadic=True)
        room = f.add(f.call("strlen", "%path"), 32)
        part = f.call("malloc", room)
        with f.when(f.icmp("eq", part, "null", "ptr")):
            f.ret(runtime.fail(f, ErrorCode.OUT_OF_MEMORY, "out of memory: {} bytes were asked for", room))
        pattern = f.module.bytes_constant(b"%s.%d.part\0")
        f.call("snprintf", part, room, pattern, extra=[("ptr", "%path"), ("i32", f.call("getpid"))])
        f.call("unlink", part)
        descriptor = f.call("open", part, _flags(f)[0], extra=[("i32", 0o666)])
        with f.when(f.icmp("slt", descriptor, 0, "i32")):
            code = _fail_io(f, "can't write", "%path")
            f.call("free", part)
            f.ret(code)
        broken = f.label("broken")
        opened = f.slot("i1", "true")
        written = f.call("dyn.write_all", descriptor, "%data", "%length")
        _go_on_if(f, written, broken)
        _go_on_if(f, f.icmp("eq", f.call("fsync", descriptor), 0, "i32"), broken)
        f.store("i1", "false", opened)
        _go_on_if(f, f.icmp("eq", f.call("close", descriptor), 0, "i32"), broken)
        _go_on_if(f, f.icmp("eq", f.call("rename", part, "%path"), 0, "i32"), broken)
        f.call("free", part)
        f.ret(0)
        f.place(broken)
        code = _fail_io(f, "can't write", "%path")
        with f.when(f.load("i1", opened)):
            f.call("close", descriptor)
        f.call("unlink", part)
        f.call("free", part)
        f.ret(code)

    return runtime.build(module, "dyn.write_beside", "i32", _WRITE, body)


def _go_on_if(f: Function, condition: Operand, otherwise: str) -> None:
    following = f.label("next")
    f.branch_if(condition, following, otherwise)
    f.place(following)


def _clock(f: Function) -> None:
    """Seconds on a clock that only goes forward."""
    f.module.declare("clock_gettime", "i32", "i32", "ptr")
    time = f.slot("i64", count=2, align=8)
    f.call("clock_gettime", 6 if f.target.is_macos else 1, time)
    seconds, nanoseconds = (f.convert("sitofp", "i64", f.load("i64", f.offset(time, part, "i64")), "double") for part in (0, 1))
    f.ret(f.binary("fadd", "double", seconds, f.binary("fmul", "double", nanoseconds, number(1e-9, "double"))))


def _file_exists(f: Function) -> None:
    f.module.declare("access", "i32", "ptr", "i32")
    f.module.declare("free", "void", "ptr")
    path = _path(f, "false")
    found = f.icmp("eq", f.call("access", path, 0), 0, "i32")
    f.call("free", path)
    f.ret(found)


def _sleep(f: Function) -> None:
    """A signal ends the wait: whoever sent it has a reason."""
    f.module.declare("nanosleep", "i32", "ptr", "ptr")
    with f.when(f.value(f"fcmp ogt double %seconds, {number(0.0, 'double')}")):
        longest = f.value(f"fcmp olt double %seconds, {number(1e9, 'double')}")
        seconds = f.select(longest, "double", "%seconds", number(1e9, "double"))
        whole = f.convert("fptosi", "double", seconds, "i64")
        rest = f.binary("fsub", "double", seconds, f.convert("sitofp", "i64", whole, "double"))
        time = f.slot("i64", count=2, align=8)
        f.store("i64", whole, time)
        nanoseconds = f.binary("fmul", "double", rest, number(1e9, "double"))
        f.store("i64", f.convert("fptosi", "double", nanoseconds, "i64"), f.offset(time, 1, "i64"))
        f.call("nanosleep", time, "null")
    f.ret(0)


def _variable(f: Function, failed: Operand) -> str:
    """What `getenv` knows of a name: null if nothing."""
    zero_terminated(f.module)
    for name, kinds in (("getenv", ("ptr", "ptr")), ("free", ("void", "ptr"))):
        f.module.declare(name, *kinds)
    name = f.call("dyn.zero_terminated", "%context", "%name")
    with f.when(f.icmp("eq", name, "null", "ptr")):
        f.ret(failed)
    found = f.call("getenv", name)
    f.call("free", name)
    return found


def _environment(f: Function) -> None:
    f.module.declare("strlen", "i64", "ptr")
    runtime.declare(f.module, "dyn.string_from_bytes")
    found = _variable(f, "null")
    with f.when(f.icmp("eq", found, "null", "ptr")):
        f.ret(f.call("dyn.string_from_bytes", "%context", f.module.bytes_constant(b"\0"), 0))
    f.ret(f.call("dyn.string_from_bytes", "%context", found, f.call("strlen", found)))


def _is_terminal(f: Function) -> None:
    f.module.declare("isatty", "i32", "i32")
    f.ret(f.icmp("eq", f.call("isatty", f.convert("trunc", "i64", "%stream", "i32")), 1, "i32"))


BUILDERS = {
    "dyn.print": _print,
    "dyn.write_text": lambda f: _write_stream(f, 1),
    "dyn.write_error": lambda f: _write_stream(f, 2),
    "dyn.debug_text": lambda f: _write_stream(f, 2),
    "dyn.write": _write,
    "dyn.read_file": _read_file,
    "dyn.write_file": _write_file,
    "dyn.file_exists": _file_exists,
    "dyn.clock": _clock,
    "dyn.sleep": _sleep,
    "dyn.environment": _environment,
    "dyn.has_environment": lambda f: f.ret(f.icmp("ne", _variable(f, "false"), "null", "ptr")),
    "dyn.is_terminal": _is_terminal,
}
