"""Object code to files: executables and shared libraries by the system's linker, static archives by hand."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dynlang.diag import CompileError, Diagnostic
from dynlang.native.steps import step


class NoLinker(Diagnostic):
    """There is no C compiler to link with."""

    code = "DYN0030"


class LinkFailed(Diagnostic):
    """The linker refused."""

    code = "DYN0031"


class UnwritableOutput(Diagnostic):
    """The file to be made can't be written."""

    code = "DYN0032"


def linker() -> str:
    """The C compiler to link with: `$CC`, cc, gcc or clang."""
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise CompileError([NoLinker("no C compiler was found to link with", hint="install gcc or clang, or name one in CC")])


def link(object_bytes: bytes, output: Path, options: Sequence[str]) -> None:
    """Link object code into `output`, which is replaced whole or not at all."""
    program = linker()
    try:
        with step("link"), tempfile.TemporaryDirectory(prefix="dync-") as folder:
            source, made = Path(folder) / "program.o", Path(folder) / "made"
            source.write_bytes(object_bytes)
            done = subprocess.run([program, "-o", str(made), str(source), *options], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                reasons = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
                raise CompileError([LinkFailed(f"linking by {program} failed: {reasons[-1]}", notes=tuple(reasons[:10]))])
            write_output(output, made.read_bytes(), executable=True)
    except OSError as error:
        raise unwritable(output, error) from None


def write_output(path: Path, data: bytes, executable: bool = False) -> None:
    """Write a file whole: under a temporary name beside it, then renamed. A device is written in place."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            mask = os.umask(0)
            os.umask(mask)
            Path(temporary).chmod((0o777 if executable else 0o666) & ~mask)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: OSError) -> CompileError:
    return CompileError([UnwritableOutput(f"'{path}' can't be written: {error.strerror or error}")])


def archive(members: Sequence[tuple[str, bytes, Sequence[str]]]) -> bytes:
    """A static library (System V `ar`) of (file name, object code, symbols that it defines), with the index that linkers read."""
    symbols = [(symbol, place) for place, (_, _, names) in enumerate(members) for symbol in names]
    names = b"".join(symbol.encode() + b"\0" for symbol, _ in symbols)
    index_bytes = 4 + 4 * len(symbols) + len(names)
    starts, at = [], 8 + 60 + index_bytes + index_bytes % 2
    for _, data, _ in members:
        starts.append(at)
        at += 60 + len(data) + len(data) % 2
    index = struct.pack(">I", len(symbols)) + b"".join(struct.pack(">I", starts[place]) for _, place in symbols) + names
    return b"!<arch>\n" + _member("/", index) + b"".join(_member(name + "/", data) for name, data, _ in members)


def _member(name: str, data: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'644':<8}{len(data):<10}`\n".encode()
    return header + data + (b"\n" if len(data) % 2 else b"")
