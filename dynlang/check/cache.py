"""Checked modules of the standard library, kept in the user's cache folder.

A file holds one module: its interface, and each of its functions apart, so that a body is read when it is asked for. The
file's name depends on the text of the compiler's front end and of the whole standard library, so it is never stale; it
begins with a digest of what follows, so one that is damaged is never used.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dynlang.check import typed
from dynlang.check.declarations.world import Interface
from dynlang.source import NOWHERE, Source, cache_folder, resource
from dynlang.syntax import nodes as ast

KEYED = ("dynlang.syntax.nodes", "dynlang.check.typed", "dynlang.check.declarations.world", "dynlang.sizes", "dynlang.types",
         "dynlang.source")
"""Modules whose dataclasses are stored as a call of their constructor: quick to read back."""

DEEPEST = 3_000
"""Python's limit of recursion while a module is written."""

KEPT = 4
"""How many states of a module stay in the folder: several checkouts may take turns."""


@dataclass(frozen=True)
class Stored:
    """A checked module. `imports` are the modules that it needs; `spelled` its sum types, as they are written."""

    name: str
    imports: tuple[str, ...]
    interface: Interface
    spelled: dict[str, ast.TypeDef]
    constants: dict[str, typed.Constant]
    functions: Mapping[str, typed.Function]
    rules: Mapping[str, str]


class Lazy(Mapping[str, typed.Function]):
    """Functions, each read when it is first asked for."""

    def __init__(self, blobs: Mapping[str, bytes], read: Callable[[bytes], Any]):
        self.blobs = blobs
        self.read = read
        self.ready: dict[str, typed.Function] = {}

    def __getitem__(self, name: str) -> typed.Function:
        if name not in self.ready:
            self.ready[name] = self.read(self.blobs[name])
        return self.ready[name]

    def __contains__(self, name: object) -> bool:
        return name in self.blobs

    def __iter__(self) -> Iterator[str]:
        return iter(self.blobs)

    def __len__(self) -> int:
        return len(self.blobs)


class Layers(Mapping[str, typed.Function]):
    """Several mappings as one; the first that has a name gives its value."""

    def __init__(self, layers: list[Mapping[str, typed.Function]]):
        self.layers = layers

    def __getitem__(self, name: str) -> typed.Function:
        for layer in self.layers:
            if name in layer:
                return layer[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(name in layer for layer in self.layers)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for layer in self.layers for name in layer))

    def __len__(self) -> int:
        return sum(1 for _ in self)


# ---------------------------------------------------------------- bytes


class Writer(pickle.Pickler):
    """Sources are written as the names of their modules, dataclasses as calls of their constructors."""

    def __init__(self, file: io.BytesIO, names: Mapping[int, str]):
        super().__init__(file, protocol=5)
        self.names = names

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Source):
            return self.names.get(id(obj), "")
        return None

    def reducer_override(self, obj: Any) -> Any:
        if is_dataclass(obj) and not isinstance(obj, type) and type(obj).__module__ in KEYED and not isinstance(obj, ast.Node):
            return type(obj), tuple(getattr(obj, one.name) for one in fields(obj) if one.init)
        return NotImplemented


class Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, source_of: Callable[[str], Source]):
        super().__init__(file)
        self.source_of = source_of

    def persistent_load(self, pid: Any) -> Any:
        return self.source_of(pid) if pid else NOWHERE.source


def dump(value: Any, names: Mapping[int, str]) -> bytes:
    file = io.BytesIO()
    Writer(file, names).dump(value)
    return file.getvalue()


# ---------------------------------------------------------------- files


@cache
def key() -> str:
    """A digest of everything that the result of checking the standard library depends on."""
    package = Path(__file__).resolve().parent.parent
    files = [
        package / "sizes.py",
        package / "types.py",
        package / "source.py",
        *sorted((package / "check").rglob("*.py")),
        *sorted((package / "syntax").glob("*.py")),
        *sorted((package / "ops").glob("*.py")),
        resource("grammar") / "dyn.lark",
        *sorted(resource("stdlib").rglob("*.dyn")),
    ]
    digest = hashlib.sha256(f"{sys.version} {os.fspath(resource('stdlib'))}".encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:24]


def digest(name: str, source: Source, imports: Iterable[tuple[str, str]]) -> str:
    """What the result of checking a module of a program depends on: the compiler, the text, and the digests of what it imports."""
    parts = [key(), name, source.text, *(f"{one} {other}" for one, other in imports)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def place(name: str, state: str = "") -> Path | None:
    """The file of a module in one state: the library's is known by the compiler, others have a digest."""
    folder = cache_folder()
    if folder is None:
        return None
    return folder / "modules" / f"checked-{name}-{state}" if state else folder / f"checked-{name}-{key()}"


def load(name: str, source_of: Callable[[str], Source], state: str = "") -> Stored | None:
    """The stored module, or None if there is none that can be read."""
    try:
        file = place(name, state)
        data = file.read_bytes() if file is not None else b""
        if len(data) < 32 or hashlib.sha256(data[32:]).digest() != data[:32]:
            return None

        def read(blob: bytes) -> Any:
            return Reader(io.BytesIO(blob), source_of).load()

        imports, head, blobs = pickle.loads(data[32:])
        interface, spelled, constants, rules = read(head)
        return Stored(name, imports, interface, spelled, constants, Lazy(blobs, read), rules)
    except Exception:  # a file of another make may fail in any way; the module is then checked again
        return None


@contextmanager
def shallow() -> Iterator[None]:
    """Pickling recurs in C: what is nested deeper than this isn't kept."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(DEEPEST)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def save(stored: Stored, names: Mapping[int, str], state: str = "") -> None:
    """Writes a module under a temporary name and renames it; a folder that can't be written costs time, nothing else."""
    try:
        file = place(stored.name, state)
        if file is None:
            return
        with shallow():
            blobs = {name: dump(function, names) for name, function in stored.functions.items()}
            head = dump((stored.interface, stored.spelled, stored.constants, stored.rules), names)
        payload = pickle.dumps((stored.imports, head, blobs), protocol=5)
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix="checked-")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(hashlib.sha256(payload).digest() + payload)
            os.replace(temporary, file)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
        forget_old(file)
    except (OSError, RecursionError):
        return


def forget_old(file: Path) -> None:
    """Removes what states of the compiler before the last few stored of the same module."""
    prefix = file.name.rpartition("-")[0] + "-"
    others = sorted(file.parent.glob(f"{prefix}*"), key=lambda one: one.stat().st_mtime)
    for other in others[: -KEPT if file.parent.name != "modules" else -2 * KEPT]:
        other.unlink(missing_ok=True)
