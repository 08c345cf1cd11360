"""The runtime through the JIT, against its meaning in Python (`dynlang/runtime/reference.py`)."""

from __future__ import annotations

import ctypes
import math
import os
import random
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynlang import runtime
from dynlang.native import target as targets
from dynlang.native.emit import ModuleText
from dynlang.ops.memory import Failure
from dynlang.ops.specification import LONGEST, Specification, parse_specification
from dynlang.runtime import context as layout
from dynlang.runtime import reference
from dynlang.runtime.context import ErrorCode
from native_calls import address, link


@cache
def functions(optimisation: int) -> dict[str, Callable[..., Any]]:
    module = ModuleText(targets.host())
    return link(module, [runtime.declare(module, name) for name in runtime.SIGNATURES], optimisation)


class Runtime:
    """One context, and the runtime's functions on Python values."""

    def __init__(self, optimisation: int) -> None:
        self._functions = functions(optimisation)
        self.context = self._functions["dyn.context_create"]()

    def call(self, name: str, *operands: Any) -> Any:
        return self._functions[f"dyn.{name}"](self.context, *operands)

    def new(self, text: bytes) -> int:
        return self.call("string_from_bytes", text, len(text))

    def take(self, block: int | None) -> bytes:
        """The bytes of a block, which is released."""
        assert block, self.error()
        text = ctypes.string_at(block, self.call("payload_bytes", block))
        self.call("release", block)
        return text

    def on_strings(self, name: str, *operands: Any) -> Any:
        """A function with `bytes` for strings; a string result is taken."""
        blocks = [self.new(operand) if isinstance(operand, bytes) else operand for operand in operands]
        result = self.call(name, *blocks)
        for block, operand in zip(blocks, operands, strict=True):
            if isinstance(operand, bytes):
                self.call("release", block)
        return self.take(result) if runtime.SIGNATURES[f"dyn.{name}"].result == "ptr" else result

    def error(self) -> tuple[int, int, str]:
        """(code, line, text)."""
        text = ctypes.string_at(self.call("error_text")).decode()
        return self.call("error_code"), self.call("error_line"), text

    def failure(self, name: str, *operands: Any) -> str:
        """The text of the error that a call ends with."""
        blocks = [self.new(operand) if isinstance(operand, bytes) else operand for operand in operands]
        result = self.call(name, *blocks)
        for block, operand in zip(blocks, operands, strict=True):
            if isinstance(operand, bytes):
                self.call("release", block)
        code, _, text = self.error()
        assert code != 0 and (result == code or result is None)
        self.call("clear_error")
        return text

    def destroy(self) -> None:
        self._functions["dyn.context_destroy"](self.context)


@pytest.fixture(params=[0, 2], ids=["O0", "O2"])
def native(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    one = Runtime(request.param)
    yield one
    assert one.call("live_blocks") == 0, "a block was lost"
    assert one.call("allocated_bytes") == 0
    one.destroy()


# ---------------------------------------------------------------- memory and errors


def test_blocks_are_aligned_apart_and_reused(native: Runtime) -> None:
    choice = random.Random(5)
    live: dict[int, tuple[int, int]] = {}
    for step in range(4000):
        if live and choice.random() < 0.5:
            block = choice.choice(list(live))
            size, mark = live.pop(block)
            assert ctypes.string_at(block, size) == bytes([mark]) * size
            native.call("free", block)
        else:
            size = int(2 ** choice.uniform(0, 20.5)) - 1
            block = native.call("allocate", size)
            assert block % (64 if size > layout.LARGEST_SMALL_BYTES else 32) == 0 and block not in live
            assert native.call("payload_bytes", block) == size
            ctypes.memset(block, step % 256, size)
            live[block] = (size, step % 256)
    assert native.call("live_blocks") == len(live)
    assert native.call("allocated_bytes") == sum(size for size, _ in live.values())
    for block in live:
        native.call("free", block)


def test_a_loop_of_allocations_runs_in_constant_memory(native: Runtime) -> None:
    for size in (0, 1, 16, 17, 1000, 200_000, 300_000):
        first = native.call("allocate", size)
        native.call("free", first)
        for _ in range(100):
            block = native.call("allocate", size)
            native.call("free", block)
            assert block == first


def test_not_too_much_is_kept(native: Runtime) -> None:
    """What is more than a limit and than what lives goes back to the system."""
    size = layout.MOST_KEPT_BYTES // 4
    blocks = [native.call("allocate", size) for _ in range(6)]
    assert all(block % 64 == 0 for block in blocks)
    before = resident()
    for block in blocks:
        ctypes.memset(block, 1, size)
    for block in reversed(blocks):
        native.call("free", block)
    assert resident() - before < size


def test_destroying_a_context_gives_back_what_is_live() -> None:
    before = resident()
    for _ in range(30):
        one = Runtime(2)
        for size in (100, 5_000_000, 1_000_000, 300_000):
            ctypes.memset(one.call("allocate", size), 1, size)
        one.destroy()
    assert resident() - before < 30_000_000


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("size", [-1, -(2**63), 2**63 - 1, 1 << 60, 1 << 45])
def test_absurd_sizes_are_an_error(native: Runtime, size: int) -> None:
    assert native.call("allocate", size) is None
    assert native.error() == (ErrorCode.OUT_OF_MEMORY, 0, f"out of memory: {size} bytes were asked for")


def test_reference_counts(native: Runtime) -> None:
    block = native.call("allocate", 10)
    assert native.call("is_unique", block)
    native.call("retain", block)
    assert not native.call("is_unique", block)
    native.call("release", block)
    assert native.call("is_unique", block) and native.call("live_blocks") == 1
    native.call("release", block)
    assert native.call("live_blocks") == 0


def test_static_blocks_are_never_freed() -> None:
    module = ModuleText(targets.host())
    for name in ("dyn.retain", "dyn.release"):
        runtime.declare(module, name)
    f = module.function("literal", "ptr", "ptr context")
    text = runtime.static_block(module, b'he said "\\\0\xff"')
    f.call("dyn.retain", "%context", text)
    f.call("dyn.release", "%context", text)
    f.call("dyn.release", "%context", text)
    f.ret(text)
    literal = link(module, [module.signatures["literal"]])["literal"]
    block = literal(None)
    assert ctypes.string_at(block, 13) == b'he said "\\\0\xff"'
    assert struct.unpack("<qq", ctypes.string_at(block - 16, 16)) == (-1, 13)


def test_errors_hold_code_line_and_text(native: Runtime) -> None:
    assert native.call("fail", ErrorCode.FAILED, 7, b"oh no", 5) == ErrorCode.FAILED
    assert native.error() == (ErrorCode.FAILED, 7, "oh no")
    text = b"index {} is outside 0..{} of {}, {"
    assert native.call("fail_with", ErrorCode.BOUNDS, 8, text, len(text), -(2**63), 5, 7) == ErrorCode.BOUNDS
    assert native.error() == (ErrorCode.BOUNDS, 8, "index -9223372036854775808 is outside 0..5 of 7, {")
    native.call("clear_error")
    assert native.error() == (0, 0, "")


@pytest.mark.parametrize("length", [0, 1, 1022, 1023, 1024, 5000])
def test_long_error_texts_are_cut(native: Runtime, length: int) -> None:
    native.call("fail", 6, 0, b"y" * length, length)
    assert native.error()[2] == "y" * min(length, layout.ERROR_TEXT_BYTES - 1)
    native.call("fail_with", 6, 0, b"{}" * length, 2 * length, -(2**63), -(2**63), -(2**63))
    assert len(native.error()[2]) < layout.ERROR_TEXT_BYTES


def test_the_cancel_word(native: Runtime) -> None:
    assert not native.call("is_cancelled")
    ctypes.c_int32.from_address(native.context + layout.CANCEL).value = 1
    assert native.call("is_cancelled")


# ---------------------------------------------------------------- strings


WORDS = [b"", b"a", b"ab", b"abc", b"b", b"aab", b"aaab", "ä€😀".encode(), b"abab" * 10, b"\0\xff"]


@pytest.mark.parametrize("left", WORDS)
def test_operations_on_two_strings(native: Runtime, left: bytes) -> None:
    for right in WORDS:
        for name in ("string_concat", "string_equal", "string_less"):
            assert native.on_strings(name, left, right) == getattr(reference, name)(left, right), (name, left, right)
        assert native.on_strings("string_compare", left, right) == (left > right) - (left < right)
        for start in (-(2**63), -1, 0, 1, 2, 50, 2**63 - 1):
            assert native.on_strings("string_find", left, right, start) == reference.string_find(left, right, start)


@pytest.mark.parametrize("text", WORDS)
def test_slices_are_clamped(native: Runtime, text: bytes) -> None:
    places = (-(2**63), -3, 0, 1, 3, 99, 2**63 - 1)
    for start in places:
        for stop in places:
            assert native.on_strings("string_slice", text, start, stop) == reference.string_slice(text, start, stop)
    assert native.on_strings("string_length", text) == len(text)
    assert [native.on_strings("string_code", text, i) for i in range(len(text))] == list(text)


@pytest.mark.parametrize(
    "code", [0, 65, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF, 0x110000, -1, 2**63 - 1]
)
def test_code_points(native: Runtime, code: int) -> None:
    assert native.take(native.call("string_char", code)) == reference.string_char(code)


# ---------------------------------------------------------------- numbers as text


def doubles() -> list[float]:
    choice = random.Random(11)
    plain = [
        0.0,
        -0.0,
        1.0,
        0.5,
        1e-5,
        1e-4,
        123456789.0,
        1e16,
        1e15,
        9999999999999998.0,
        1e17,
        5e-324,
        1.7976931348623157e308,
        math.pi,
        0.1,
        1 / 3,
    ]
    plain += [-1e22, math.nan, math.inf, -math.inf, 1e23, 9007199254740993.0, 100.0, 2.5, 0.125, 999999.5, 1e21, 123.456]
    powers = [2.0**k for k in range(-1074, 1024, 3)] + [7.678447687145631e-239, 6.290184345309701e-235]
    some = [struct.unpack("<d", struct.pack("<Q", choice.getrandbits(64)))[0] for _ in range(400)]
    return plain + powers + some + [round(choice.uniform(-1000, 1000), 3) for _ in range(200)]


def test_floats_have_the_shortest_text_that_reads_back(native: Runtime) -> None:
    for value in doubles():
        assert native.take(native.call("format_f64", value, False)) == repr(value).encode()


def test_singles_have_their_own_shortest_text(native: Runtime) -> None:
    choice = random.Random(12)
    values = [value for value in doubles() if not abs(value) > 3e38] + [float(np.ldexp(np.float32(1), k)) for k in range(-149, 128)]
    values += [struct.unpack("<f", struct.pack("<I", choice.getrandbits(32)))[0] for _ in range(500)]
    for value in values:
        single = float(np.float32(value))
        text = native.take(native.call("format_f64", single, True))
        assert text == reference.shortest(single, True).encode()
        assert math.isnan(single) or np.float32(text.decode()) == np.float32(single)
    assert native.take(native.call("format_f64", float(np.float32(0.1)), True)) == b"0.1"


FLOAT_SPECIFICATIONS = ["", ".3", "8.3f", "+.2e", ">12", "<12.4g", "^12.1%", "012.3f", "*^20.5", "G", ".0f", ".0e", "E", "+", "=+10.1f",
                        " ", "x^9.2F", ".20g", ".17", ".1", ".0", ".30f"]  # fmt: skip


@pytest.mark.parametrize("specification", FLOAT_SPECIFICATIONS)
def test_floats_are_formatted_as_in_python(native: Runtime, specification: str) -> None:
    operands = parse_specification(specification).operands()
    for value in doubles()[:28] + random.Random(specification).sample(doubles(), 80):
        expected = format(value, specification).encode()
        assert reference.format_float(value, False, specification) == expected
        assert native.take(native.call("format_float", value, False, *operands)) == expected


@pytest.mark.parametrize("specification", ["", "5", "05", "x", "+d", "<8b", "#^9o", "X", ".2f", "%", "=+8", "e", " 4"])
def test_ints_are_formatted_as_in_python(native: Runtime, specification: str) -> None:
    operands = parse_specification(specification).operands()
    for value in [0, 1, -1, 255, -255, 2**63 - 1, -(2**63), 12345, -(10**12)]:
        expected = format(value, specification).encode()
        assert reference.format_int(value, specification) == expected
        assert native.take(native.call("format_int", value, *operands)) == expected
        assert native.take(native.call("format_i64", value)) == str(value).encode()


@pytest.mark.parametrize("specification", ["", ">10", "<8", "^9", "*^11", "3", ".3", "8.2s"])
def test_text_is_padded_by_code_points(native: Runtime, specification: str) -> None:
    for text in ("", "abc", "äöü", "abcdefghijkl", "-5"):
        expected = reference.format_text(text.encode(), specification)
        if "." not in specification or text.isascii():
            assert expected.decode() == format(text, specification)
        assert native.on_strings("format_text", text.encode(), *parse_specification(specification).operands()) == expected


def test_bools_have_names(native: Runtime) -> None:
    assert [native.take(native.call("format_bool", value)) for value in (True, False)] == [b"true", b"false"]


def test_specifications() -> None:
    assert parse_specification(">8.3f") == Specification("f", 3, "", 8, ">", " ")
    assert parse_specification("08") == Specification("", -1, "", 8, "=", "0")
    assert parse_specification("*<+5d").operands() == (ord("d"), -1, ord("+"), 5, ord("<"), ord("*"))
    for wrong in ("q", "5.", "ä>5", "1,000", f"{LONGEST + 1}", f".{LONGEST + 1}f", "<<<"):
        with pytest.raises(ValueError):
            parse_specification(wrong)


def test_the_longest_text_fits(native: Runtime) -> None:
    operands = parse_specification(f"{LONGEST}.{LONGEST}f").operands()
    assert (
        native.take(native.call("format_float", -1.7976931348623157e308, False, *operands))
        == format(-1.7976931348623157e308, f"{LONGEST}.{LONGEST}f").encode()
    )


# ---------------------------------------------------------------- text as numbers


INTS = [b"", b"1", b"-1", b"+5", b"-", b"+", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808",
        b"-9223372036854775809", b"9" * 30, b"1a", b" 1", b"0" * 40 + b"12", b"12 ", b"1_0", b"\xff", b"--1", b"1-"]  # fmt: skip


@pytest.mark.parametrize("text", INTS)
def test_ints_are_parsed(native: Runtime, text: bytes) -> None:
    result = ctypes.c_int64(-5)
    found = native.on_strings("string_parse_int", text, ctypes.addressof(result))
    assert (found, result.value) == reference.string_parse_int(text)


PARSED = [b"", b"1", b"-1.5", b"+5.", b".5", b".", b"-", b"-.", b"1e5", b"1e", b"1e+", b"1E-7", b"inf", b"-Infinity", b"NaN", b"nano",
          b"0x10", b"1.2.3",
          b"1e400", b"4.9e-324", b"1" * 400, b"e5", b"1 ", b"infinit", b"0.1e-1", b"1e5.0", b"\0", b"1\0", b"0.1", b"2.5e+3",
          b"1.5e999999999999999999999",
          b"-1.5e-99999999999999999999", b"123456789.123456789e-10", b"0.000001e6", b"1." + b"0" * 300 + b"1e2"]  # fmt: skip


@pytest.mark.parametrize("text", PARSED)
def test_floats_are_parsed(native: Runtime, text: bytes) -> None:
    result = ctypes.c_double(-5)
    found = native.on_strings("string_parse_float", text, ctypes.addressof(result))
    assert (found, repr(result.value)) == (reference.string_parse_float(text)[0], repr(reference.string_parse_float(text)[1]))


# ---------------------------------------------------------------- bytes and random bits


@pytest.mark.parametrize("dtype", ["f64", "f32", "i64", "i32", "i16", "u8"])
def test_numbers_in_bytes(native: Runtime, dtype: str) -> None:
    kind = {"f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "i16": np.int16, "u8": np.uint8}[dtype]
    data = bytes(range(100))
    size = np.dtype(kind).itemsize
    for start, count in ((0, 0), (0, 3), (1, 2), (100, 0), (100 - size, 1)):
        result = np.zeros(count, kind)
        assert native.on_strings("bytes_to_numbers", data, start, count, size, address(result)) == 0
        expected = reference.bytes_to_numbers(data, start, count, dtype)
        assert result.tobytes() == expected.tobytes()
        assert native.take(native.call("numbers_to_bytes", address(result), count, size)) == reference.numbers_to_bytes(result)


@pytest.mark.parametrize("start, count", [(-1, 1), (101, 0), (97, 1), (0, 26), (0, -1), (0, 2**62), (2**62, 2**62)])
def test_bytes_that_end_too_soon(native: Runtime, start: int, count: int) -> None:
    result = np.zeros(1, np.float32)
    text = native.failure("bytes_to_numbers", bytes(100), start, count, 4, address(result))
    with pytest.raises(Failure, match="were to be read") as failure:
        reference.bytes_to_numbers(bytes(100), start, count, "f32")
    assert start < 0 or str(failure.value) == text


def test_random_bits_are_those_of_the_published_vectors(native: Runtime) -> None:
    """The known answers of Random123: counter and key of zeros, of ones, and of the digits of pi."""
    ones = -1
    pi_counter, pi_stream = 0x85A308D3243F6A88, 0x0370734413198A2E
    pi_key = 0x299F31D0A4093822
    for key, stream, counter, answer in (
        (0, 0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (ones, ones, ones, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (pi_key, pi_stream, pi_counter, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ):
        result = np.zeros(4, np.uint32)
        native.call("random_bits", *(ctypes.c_int64(word % 2**64).value for word in (key, stream, counter)), 4, address(result))
        assert tuple(map(int, result)) == answer
        assert np.array_equal(reference.random_bits(key, stream, counter, 4).view(np.uint32), result)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 31, 32, 33, 100])
def test_random_bits_of_any_length(native: Runtime, n: int) -> None:
    for key, stream, counter in ((1, 2, 3), (-7, 2**40, 2**63 - 2), (5, -1, 2**32 - 1), (0, 0, -2)):
        result = np.full(n + 1, 77, np.int32)
        native.call("random_bits", key, stream, counter, n, address(result))
        assert result[n] == 77
        assert np.array_equal(result[:n], reference.random_bits(key, stream, counter, n))


# ---------------------------------------------------------------- the world outside


def test_files_are_written_whole_and_read_back(native: Runtime, tmp_path: Path) -> None:
    path = bytes(tmp_path / "data")
    for data in (b"", b"abc", os.urandom(100_000), os.urandom(3_000_000)):
        assert native.on_strings("write_file", path, data) == 0
        assert native.on_strings("read_file", path) == data == reference.read_file(path)
    reference.write_file(path, b"again")
    assert native.on_strings("read_file", path) == b"again"
    assert os.listdir(tmp_path) == ["data"]


def test_files_that_grow_while_read_and_have_no_size(native: Runtime) -> None:
    assert native.on_strings("read_file", b"/proc/self/status").startswith(b"Name:")
    assert native.on_strings("read_file", b"/dev/null") == b""


@pytest.mark.parametrize(
    "path, data, reason",
    [
        (b"/dev/full", b"abc", "can't write `/dev/full`: No space left on device"),
        (b"/no/such/folder/file", b"", "can't write `/no/such/folder/file`: No such file or directory"),
        (b"/tmp", b"x", "can't write `/tmp`: Is a directory"),
        (b"a\0b", b"", "a path with a zero byte in it names no file"),
        (b"", b"", None),
    ],
)
def test_what_cannot_be_written_is_an_error(native: Runtime, path: bytes, data: bytes, reason: str | None) -> None:
    text = native.failure("write_file", path, data)
    assert reason is None or text == reason
    with pytest.raises(Failure) as failure:
        reference.write_file(path, data)
    assert reason is None or str(failure.value) == reason


@pytest.mark.parametrize("path, reason", [(b"/no/such", "No such file or directory"), (b"/tmp", "Is a directory")])
def test_what_cannot_be_read_is_an_error(native: Runtime, path: bytes, reason: str) -> None:
    text = native.failure("read_file", path)
    with pytest.raises(Failure) as failure:
        reference.read_file(path)
    assert text == str(failure.value) == f"can't read `{path.decode()}`: {reason}"


def test_a_failed_write_leaves_the_old_file(native: Runtime, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").mkdir()
    assert "folder/file`" in native.failure("write_file", bytes(folder / "file"), b"new")
    assert os.listdir(folder) == ["file"]


def test_output_reaches_the_descriptors(native: Runtime, capfd: pytest.CaptureFixture[str]) -> None:
    long = b"x" * 5000
    for name, text in (("print", b"hello"), ("print", long), ("print", b""), ("write_text", b"no newline"), ("write_error", b"warning")):
        assert native.on_strings(name, text) == 0
    out, err = capfd.readouterr()
    assert out == f"hello\n{long.decode()}\n\nno newline" and err == "warning"


def test_output_that_nobody_takes_is_an_error(native: Runtime) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    saved = os.dup(1)
    try:
        os.dup2(full, 1)
        text = native.failure("print", b"lost")
    finally:
        os.dup2(saved, 1)
        os.close(full)
        os.close(saved)
    assert text == "can't write `standard output`: No space left on device"


def test_a_closed_pipe_is_an_error_not_the_end(native: Runtime) -> None:
    end, start = os.pipe()
    os.close(end)
    saved = os.dup(1)
    try:
        os.dup2(start, 1)
        text = native.failure("print", b"lost")
    finally:
        os.dup2(saved, 1)
        os.close(start)
        os.close(saved)
    assert text == "can't write `standard output`: Broken pipe"


def test_the_clock_goes_forward(native: Runtime) -> None:
    first = native.call("clock")
    assert 0 < first <= native.call("clock") < first + 10


def test_terminals(native: Runtime) -> None:
    for stream in (1, 2):
        assert native.call("is_terminal", stream) == os.isatty(stream)
    assert not native.call("is_terminal", 999)
