"""Compiled programs in this process: `compile_module(ssa).call("f", [arguments])`.

    program = compile_module(ssa, optimisation=2)
    [y] = program.call("f", [3, np.ones(3, np.float32)])

Arguments and results are those of the SSA function, sizes included, in the values that `core/evaluate.py` uses. A call runs on
a thread with a deep stack. A run-time error of the program is a `RunTimeError`, as in the interpreter; Ctrl-C, or `cancel` from
any thread, ends a running call with one. The code is the same, bit for bit, as that of an executable.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from dynlang import __version__
from dynlang.native import target as targets
from dynlang.native.lower import lower
from dynlang.native.lower.entry import HOST_RUNTIME, entry_symbol, host_text, release_symbol
from dynlang.native.lower.frame import hidden_sizes
from dynlang.native.lower.layout import SLOT_BYTES, counted
from dynlang.native.lower.places import files_of, split_word
from dynlang.native.steps import step
from dynlang.native.target import Target
from dynlang.runtime import context
from dynlang.runtime.context import ErrorCode
from dynlang.source import cache_folder
from dynlang.ssa.errors import RunTimeError
from dynlang.ssa.nodes import Function, Module, Value

STACK_BYTES = 512 << 20
"""Address space of the stack that calls run on; pages are used as they are touched."""
LEAST_STACK_BYTES = 8 << 20
STACK_RESERVE = 1 << 20
"""What the last frames, and functions that don't check, may use."""


NO_STACK = (1 << 64) - 1
"""A stack limit below which everything lies: recursive functions stop at their next entry."""


class Compiled:
    """A module's code in this process, with a context: memory, and the error of the last call."""

    def __init__(self, module: Module, object_bytes: bytes, entries: Sequence[str]) -> None:
        self.module = module
        self.sums = module.sums
        self._files = files_of(module)
        kinds = {one.type for name in entries for one in _values(module.functions[name]) if counted(one.type)}
        releases = {release_symbol(kind) for kind in kinds} - set(HOST_RUNTIME)
        self._host = host_code()
        self._code = targets.load(object_bytes, [*map(entry_symbol, entries), *sorted(releases)])
        self._create = self._function("dyn.context_create", ctypes.c_void_p)
        self._destroy = self._function("dyn.context_destroy", None, ctypes.c_void_p)
        self._allocate = self._function("dyn.allocate", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
        self._live = self._function("dyn.live_blocks", ctypes.c_int64, ctypes.c_void_p)
        self._frame = self._function("host.frame", ctypes.c_void_p)
        self.context = self._create()
        if not self.context:
            raise MemoryError
        self._lock = threading.Lock()

    def _function(self, symbol: str, result: Any, *parameters: Any) -> Callable[..., Any]:
        code = self._host if symbol in self._host.addresses else self._code
        return ctypes.CFUNCTYPE(result, *parameters)(code[symbol])

    def allocate(self, size: int) -> int:
        """A new block of so many bytes."""
        block = self._allocate(self.context, size)
        if not block:
            raise self._error()
        return block

    def live_blocks(self) -> int:
        """Blocks that somebody owns: none between calls."""
        return self._live(self.context)

    def reset(self) -> None:
        """Give back all memory of the program at once, as after a call that failed."""
        self._destroy(self.context)
        self.context = self._create()

    def cancel(self) -> None:
        """Ask the running call to stop; it ends with a `RunTimeError` of code CANCELLED."""
        ctypes.c_int32.from_address(self.context + context.CANCEL).value = 1
        self._set_limit(NO_STACK)

    def _set_limit(self, lowest: int) -> None:
        """The lowest address that the stack of a call may reach."""
        ctypes.c_uint64.from_address(self.context + context.STACK_LIMIT).value = lowest

    def close(self) -> None:
        if self.context:
            self._destroy(self.context)
            self.context = 0
        self._code.close()

    def call(self, name: str, arguments: Sequence[Any]) -> list[Any]:
        """The results of a function of the module. One call at a time."""
        function = self.module.functions[name]
        with self._lock:
            slots = self._slots(function, arguments)
            hidden = hidden_sizes(function)
            results = ctypes.create_string_buffer(SLOT_BYTES * (len(function.results) + len(hidden)) or SLOT_BYTES)
            self._run(entry_symbol(name), b"".join(slots) or bytes(SLOT_BYTES), results)
            self._give_back(function, slots)
            return self._results(function, slots, results.raw, hidden)

    def _release(self, slot: bytes, value: Value) -> None:
        if counted(value.type):
            release = self._function(release_symbol(value.type), None, ctypes.c_void_p, ctypes.c_void_p)
            release(self.context, struct.unpack("<q", slot)[0])

    def _results(self, function: Function, slots: Sequence[bytes], results: bytes, hidden: Sequence[Value]) -> list[Any]:
        if not function.results:
            return []
        from dynlang.native.marshal import UNKNOWN, Reader, with_sizes

        returned = [results[at:at + SLOT_BYTES] for at in range(0, len(results), SLOT_BYTES)]
        named = [*zip(function.parameters, slots, strict=True), *zip([*function.results, *hidden], returned, strict=False)]
        sizes = {value: struct.unpack("<q", slot)[0] for value, slot in named if not counted(value.type)}
        reader = Reader(self.sums)
        found = []
        for place, one in enumerate(function.results):
            slot = returned[place]
            kind = with_sizes(one.type, lambda size: size if isinstance(size, int) else sizes.get(size, UNKNOWN))
            found.append(reader.value(slot, kind))
            self._release(slot, one)
        return found

    def seconds(self, name: str, arguments: Sequence[Any] = (), limit: float = 1.0) -> list[float]:
        """How long each of many calls with the same arguments takes. Results are dropped, outside of the measure."""
        function = self.module.functions[name]
        results = ctypes.create_string_buffer(SLOT_BYTES * (len(function.results) + len(hidden_sizes(function))) or SLOT_BYTES)
        times: list[float] = []

        def call(entry: Callable[..., int]) -> int:
            began = time.perf_counter()
            code, now = 0, began
            while code == 0 and (now - began < limit or not times):
                slots = self._slots(function, arguments)
                given = b"".join(slots) or bytes(SLOT_BYTES)
                start = time.perf_counter()
                code = entry(self.context, given, results)
                now = time.perf_counter()
                times.append(now - start)
                if code == 0:
                    self._give_back(function, slots)
                    for place, one in enumerate(function.results):
                        self._release(results.raw[SLOT_BYTES * place:SLOT_BYTES * (place + 1)], one)
            return code

        with self._lock:
            self._on_stack(entry_symbol(name), call)
        return times

    def _slots(self, function: Function, arguments: Sequence[Any]) -> list[bytes]:
        if not arguments:
            return []
        from dynlang.native.marshal import Writer

        writer = Writer(self)
        return [writer.value(value, parameter.type) for value, parameter in zip(arguments, function.parameters, strict=True)]

    def _give_back(self, function: Function, slots: Sequence[bytes]) -> None:
        """Drop the arguments that the function only borrowed."""
        for place, parameter in enumerate(function.parameters):
            if place not in function.owned:
                self._release(slots[place], parameter)

    def _run(self, symbol: str, arguments: bytes, results: Any) -> None:
        self._on_stack(symbol, lambda entry: entry(self.context, arguments, results))

    def _on_stack(self, symbol: str, call: Callable[[Callable[..., int]], int]) -> None:
        """`call` an entry on a deep stack; it gives an error code."""
        entry = self._function(symbol, ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        ctypes.c_int32.from_address(self.context + context.CANCEL).value = 0
        codes: list[int] = []

        def body(stack_bytes: int) -> None:
            self._set_limit(self._frame() - stack_bytes + STACK_RESERVE)
            if ctypes.c_int32.from_address(self.context + context.CANCEL).value:
                self._set_limit(NO_STACK)
            codes.append(call(entry))

        on_deep_stack(body, self.cancel)
        if codes[0] != 0:
            error = self._error()
            self.reset()
            raise error

    def _error(self) -> RunTimeError:
        code = self._function("dyn.error_code", ctypes.c_int32, ctypes.c_void_p)(self.context)
        place = self._function("dyn.error_line", ctypes.c_int32, ctypes.c_void_p)(self.context)
        text = self._function("dyn.error_text", ctypes.c_char_p, ctypes.c_void_p)(self.context) or b""
        self._function("dyn.clear_error", None, ctypes.c_void_p)(self.context)
        name = ErrorCode(code or ErrorCode.OUT_OF_MEMORY).name
        return RunTimeError(name, text.decode("utf-8", "replace"), *split_word(place, self._files))


def _values(function: Function) -> list[Value]:
    return [*function.parameters, *function.results]


@functools.cache
def host_code() -> targets.Loaded:
    """What every program in this process shares."""
    target = targets.host()
    return targets.load(compiled_object(host_text(target), target, 2), [*HOST_RUNTIME, "host.frame"])


_stack_size = threading.Lock()


def on_deep_stack(body: Callable[[int], None], cancel: Callable[[], None]) -> None:
    """Run `body(bytes of the stack)` on a thread with a large stack and wait; an interrupt of the waiting cancels it first.

    The wait is for an event: an interrupted `Thread.join` takes the thread for stopped, and would return at once the second time."""
    finished = threading.Event()

    def run(size: int) -> None:
        try:
            body(size)
        finally:
            finished.set()

    thread = start_thread(run)
    try:
        finished.wait()
    except BaseException:
        cancel()
        finished.wait()
        raise
    finally:
        thread.join()


def start_thread(run: Callable[[int], None], size: int = STACK_BYTES) -> threading.Thread:
    """A running thread with a stack of this size, or of a smaller one where so much address space is not to be had."""
    with _stack_size:
        before = threading.stack_size(size)
        thread = threading.Thread(target=run, args=(size,), daemon=True)
        try:
            thread.start()
            return thread
        except RuntimeError:
            if size <= LEAST_STACK_BYTES:
                raise MemoryError("there is no memory for the stack") from None
        finally:
            threading.stack_size(before)
    return start_thread(run, size // 4)


# ---------------------------------------------------------------- compiling, with a cache of object code


MOST_CACHED = 400


def compile_module(ssa: Module, optimisation: int = 2, entries: Iterable[str] | None = None, cache: bool = True,
                   target: Target | None = None) -> Compiled:
    """The module as code in this process. `entries` are the functions that can be called (default: all).

    `target` may be a lesser machine than this one, such as `target.X86_64`."""
    names = sorted(ssa.functions if entries is None else entries)
    machine = target or targets.host()
    with step("emit"):
        text = lower(ssa, machine, names)
    made = compiled_object(text, machine, optimisation, cache)
    with step("load"):
        return Compiled(ssa, made, names)


def compiled_object(text: str, target: Target, optimisation: int, cache: bool = True) -> bytes:
    """Object code for IR text, kept in the user's cache folder under a hash of everything that it depends on.

    A file begins with a digest of what follows: one that is damaged is made again."""
    with step("llvm") as notes:
        folder = cache_folder() if cache else None
        if folder is None:
            return targets.compile_object(text, target, optimisation)
        path = folder / "objects" / f"{object_key(text, target, optimisation)}.o"
        kept = _kept(path)
        if kept is not None:
            notes.append("from the cache")
            return kept
        made = targets.compile_object(text, target, optimisation)
        _keep(path, hashlib.sha256(made).digest() + made)
        return made


def object_key(text: str, target: Target, optimisation: int) -> str:
    """A digest of what object code depends on: the IR, the machine, the level, LLVM, and how `target.py` calls it."""
    from importlib.metadata import version

    parts = [__version__, version("llvmlite"), repr(target), str(optimisation), Path(targets.__file__).read_text(encoding="utf-8"), text]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _kept(path: Path) -> bytes | None:
    """What `_keep` wrote, if it is there and whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data[32:] if hashlib.sha256(data[32:]).digest() == data[:32] else None


def _keep(path: Path, data: bytes) -> None:
    """Write a file of the cache whole, or not at all: a cache that can't be written is no error. The oldest files make room."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = list(path.parent.glob("*.o"))
        if len(kept) >= MOST_CACHED:
            for one in sorted(kept, key=lambda one: one.stat().st_mtime)[: MOST_CACHED // 4]:
                one.unlink(missing_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except OSError:
        return
