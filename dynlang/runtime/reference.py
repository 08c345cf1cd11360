"""What the runtime's functions mean, in Python: the reference interpreter calls these, and the tests compare the two.

Strings are `bytes`. Formatting and random bits agree with native code byte for byte.
"""

from __future__ import annotations

import os
import re
import sys
import time
from typing import Any

from dynlang.ops.specification import Specification, parse_specification

_INT = re.compile(rb"[+-]?[0-9]+")
_FLOAT = re.compile(rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN])")


# -- strings


def string_concat(left: bytes, right: bytes) -> bytes:
    return left + right


def string_equal(left: bytes, right: bytes) -> bool:
    return left == right


def string_less(left: bytes, right: bytes) -> bool:
    return left < right


def string_length(string: bytes) -> int:
    return len(string)


def string_slice(string: bytes, start: int, stop: int) -> bytes:
    """Clamped, unlike Python's: a negative start is 0."""
    return string[max(int(start), 0) : max(int(stop), 0)]


def string_find(string: bytes, wanted: bytes, start: int) -> int:
    return string.find(wanted, max(int(start), 0))


def string_code(string: bytes, index: int) -> int:
    return string[int(index)]


def string_char(code: int) -> bytes:
    """U+FFFD for what is no code point."""
    code = int(code)
    valid = 0 <= code < 0xD800 or 0xE000 <= code < 0x110000
    return chr(code if valid else 0xFFFD).encode()


def string_parse_int(string: bytes) -> tuple[bool, int]:
    if not _INT.fullmatch(string):
        return False, 0
    digits = string.lstrip(b"+-").lstrip(b"0") or b"0"
    value = int(digits) if len(digits) < 20 else 2**63 + 1
    value = -value if string.startswith(b"-") else value
    return (True, value) if -(2**63) <= value < 2**63 else (False, 0)


def string_parse_float(string: bytes) -> tuple[bool, float]:
    if not _FLOAT.fullmatch(string):
        return False, 0.0
    return True, float(string)


# -- numbers as text


def format_bool(value: bool) -> bytes:
    return b"true" if value else b"false"


def format_int(value: int, specification: str = "") -> bytes:
    wanted = parse_specification(specification)
    value = int(value)
    if wanted.kind and wanted.kind in "eEfFgG%":
        return format_float(float(value), False, specification)
    return _finished(format(value, wanted.kind if wanted.kind in ("x", "X", "b", "o") else "d"), wanted)


def format_float(value: float, single: bool = False, specification: str = "") -> bytes:
    wanted = parse_specification(specification)
    value = float(value)
    kind = wanted.kind if wanted.kind and wanted.kind in "eEfFgG%" else ""
    if not kind and wanted.precision < 0:
        text = shortest(value, single)
    else:
        text = format(value, ("" if wanted.precision < 0 else f".{wanted.precision}") + kind)
    return _finished(text, wanted)


def format_text(value: bytes, specification: str = "") -> bytes:
    wanted = parse_specification(specification)
    cut = value if wanted.precision < 0 else value[: wanted.precision]
    return _padded(cut, wanted, "<")


def shortest(value: float, single: bool) -> str:
    """Python's repr; for an f32 with the fewest digits that give the f32 back."""
    if not single or value != value or value in (float("inf"), float("-inf"), 0.0):
        return repr(value)
    import numpy as np

    digits, power = np.format_float_scientific(np.float32(value), unique=True, trim="-", exp_digits=1).split("e")
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    digits, exponent = digits.replace(".", ""), int(power) + 1
    if not -4 < exponent <= 16:
        point = "." if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{point}{digits[1:]}e{exponent - 1:+03d}"
    if exponent <= 0:
        return f"{sign}0.{'0' * -exponent}{digits}"
    if exponent >= len(digits):
        return f"{sign}{digits}{'0' * (exponent - len(digits))}.0"
    return f"{sign}{digits[:exponent]}.{digits[exponent:]}"


def _finished(text: str, wanted: Specification) -> bytes:
    if wanted.sign in ("+", " ") and not text.startswith("-"):
        text = wanted.sign + text
    return _padded(text.encode(), wanted, ">")


def _padded(text: bytes, wanted: Specification, default: str) -> bytes:
    missing = wanted.width - sum(byte & 0xC0 != 0x80 for byte in text)
    if missing <= 0:
        return text
    alignment = wanted.alignment or default
    fill = wanted.fill.encode()
    before = {"<": 0, "^": missing // 2}.get(alignment, missing)
    kept = 1 if alignment == "=" and text[:1] in (b"-", b"+", b" ") else 0
    return text[:kept] + fill * before + text[kept:] + fill * (missing - before)


# -- numbers as bytes


def bytes_to_numbers(string: bytes, start: int, count: int, dtype: str) -> Any:
    """bf16 is held as the f32 it stands for."""
    import numpy as np

    from dynlang.ops.dtypes import BYTES, NUMPY
    from dynlang.ops.memory import Failure

    start, count, size = int(start), int(count), BYTES[dtype]
    left = max(len(string) - start, 0)
    if not (0 <= start <= len(string) and 0 <= count <= left // size):
        raise Failure(f"{count} numbers were to be read where {left} bytes are left")
    if dtype == "bf16":
        halves = np.frombuffer(string, "<u2", count, start).astype(np.uint32) << np.uint32(16)
        return halves.view(np.float32)
    if dtype == "bool":
        return np.frombuffer(string, np.uint8, count, start) != 0
    return np.frombuffer(string, np.dtype(NUMPY[dtype]).newbyteorder("<"), count, start).astype(NUMPY[dtype])


def numbers_to_bytes(numbers: Any) -> bytes:
    import numpy as np

    array = np.asarray(numbers)
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes()


# -- random bits


def random_bits(key: int, stream: int, counter: int, n: int) -> Any:
    """Philox 4x32-10: word j is word j % 4 of block counter + j // 4, as i32."""
    import numpy as np

    low32, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    blocks = -(-int(n) // 4)
    with np.errstate(over="ignore"):
        counters = np.uint64(int(counter) % 2**64) + np.arange(blocks, dtype=np.uint64)
        streams = np.full(blocks, int(stream) % 2**64, np.uint64)
        keys = [np.uint64(int(key) % 2**32), np.uint64(int(key) % 2**64 >> 32)]
        words = [counters & low32, counters >> half, streams & low32, streams >> half]
        for turn in range(10):
            if turn:
                keys = [(k + np.uint64(step)) & low32 for k, step in zip(keys, (0x9E3779B9, 0xBB67AE85), strict=True)]
            first, second = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
            words = [(second >> half) ^ words[1] ^ keys[0], second & low32, (first >> half) ^ words[3] ^ keys[1], first & low32]
    together = np.stack(words, axis=1).astype(np.uint32).reshape(-1)[: int(n)]
    return together.view(np.int32)


# -- the world outside


def print(text: bytes) -> tuple[()]:
    return write_text(text + b"\n")


def write_text(text: bytes) -> tuple[()]:
    return _write(sys.stdout, text, "standard output")


def write_error(text: bytes) -> tuple[()]:
    return _write(sys.stderr, text, "standard error")


def _write(stream: Any, text: bytes, name: str) -> tuple[()]:
    from dynlang.ops.memory import Failure

    try:
        if hasattr(stream, "buffer"):
            stream.flush()
            stream.buffer.write(text)
        else:
            stream.write(text.decode(errors="replace"))
        stream.flush()
    except OSError as problem:
        raise Failure(f"can't write `{name}`: {problem.strerror}") from None
    return ()


def is_terminal(stream: int) -> bool:
    return os.isatty(int(stream))


def read_file(path: bytes) -> bytes:
    from dynlang.ops.memory import Failure

    _check_path(path)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as problem:
        raise Failure(f"can't read `{path.decode(errors='replace')}`: {problem.strerror}") from None


def write_file(path: bytes, string: bytes) -> tuple[()]:
    from dynlang.ops.memory import Failure

    _check_path(path)
    special = os.path.exists(path) and not os.path.isfile(path)
    part = path if special else path + b".%d.part" % os.getpid()
    try:
        with open(part, "wb", buffering=0) as file:
            file.write(string)
            if not special:
                os.fsync(file.fileno())
        if not special:
            os.replace(part, path)
    except OSError as problem:
        if not special and os.path.exists(part):
            os.unlink(part)
        raise Failure(f"can't write `{path.decode(errors='replace')}`: {problem.strerror}") from None
    return ()


def _check_path(path: bytes) -> None:
    from dynlang.ops.memory import Failure

    if 0 in path:
        raise Failure("a path with a zero byte in it names no file")


def file_exists(path: bytes) -> bool:
    _check_path(path)
    return os.path.exists(path)


def sleep(seconds: float) -> tuple[()]:
    if float(seconds) > 0:
        time.sleep(min(float(seconds), 1e9))
    return ()


def environment(name: bytes) -> bytes:
    return os.environb.get(name.partition(b"\0")[0], b"")


def has_environment(name: bytes) -> bool:
    return name.partition(b"\0")[0] in os.environb


def clock() -> float:
    return time.monotonic()
