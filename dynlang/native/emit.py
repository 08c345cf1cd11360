"""A small text emitter for LLVM IR: functions, blocks, loops and branches as Python context managers.

Operands are plain strings (`%7`, `@table`, `1`, `0x3FF0000000000000`), types are LLVM type text (`i64`, `<8 x float>`).
Nothing is checked here; LLVM's verifier does that. Nothing is emitted that was not asked for: runtime functions and
kernels are added to a module the first time something calls them (`ModuleText.require`).

    module = ModuleText(target)
    f = module.function("add_one", "void", "i64 n", "ptr x")
    with f.loop(0, "%n") as loop:
        place = f.offset("%x", loop.index, "float")
        f.store("float", f.binary("fadd", "float", f.load("float", place), number(1.0, "float")), place)
    f.ret()
    text = module.text()
"""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynlang.native.target import Target

Operand = str | int

_PARAMETER_ATTRIBUTES = frozenset({"noalias", "readonly", "writeonly", "nocapture", "noundef", "nonnull", "immarg", "signext", "zeroext"})
_SHORT_SCALARS = {"float": "f32", "double": "f64", "half": "f16", "bfloat": "bf16", "ptr": "p0"}


def number(value: float, scalar: str) -> str:
    """The exact text of a floating constant. `number(0.1, "float")` is 0.1 rounded to f32; LLVM wants it as a double's bits."""
    if scalar in _ROUNDING:
        value = _ROUNDING[scalar](value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def round_to_f32(value: float, form: str = "<f") -> float:
    """The nearest f32, as a Python float; overflow gives an infinity as in arithmetic."""
    try:
        return struct.unpack(form, struct.pack(form, value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def round_to_f16(value: float) -> float:
    """The nearest f16. `round_to_f16(0.1)` is 0.0999755859375."""
    return round_to_f32(value, "<e")


def round_to_bf16(value: float) -> float:
    """The nearest bf16, the upper half of an f32. `round_to_bf16(0.1)` is 0.10009765625."""
    rounded = round_to_f32(value)
    if not math.isfinite(rounded):
        return rounded
    (bits,) = struct.unpack("<I", struct.pack("<f", rounded))
    (found,) = struct.unpack("<f", struct.pack("<I", (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000))
    return found


_ROUNDING = {"float": round_to_f32, "half": round_to_f16, "bfloat": round_to_bf16}


def vector(scalar: str, width: int) -> str:
    """`vector("float", 8)` is `<8 x float>`; width 1 is the scalar type itself."""
    return scalar if width == 1 else f"<{width} x {scalar}>"


def scalar_of(type_text: str) -> str:
    """`scalar_of("<8 x float>")` is `float`; a scalar type is its own."""
    return type_text[1:-1].split(" x ", 1)[1] if type_text.startswith("<") else type_text


def width_of(type_text: str) -> int:
    """`width_of("<8 x float>")` is 8, `width_of("float")` is 1."""
    return int(type_text[1:].split(" ", 1)[0]) if type_text.startswith("<") else 1


def splat_constant(type_text: str, constant: Operand) -> str:
    """A constant of the given type with every lane equal: `splat (float 0x...)` for vectors, the constant itself for scalars."""
    return f"splat ({scalar_of(type_text)} {constant})" if type_text.startswith("<") else str(constant)


def mangle(type_text: str) -> str:
    """The suffix LLVM gives an overloaded intrinsic: `<8 x float>` is `v8f32`."""
    scalar = scalar_of(type_text)
    short = _SHORT_SCALARS.get(scalar, scalar)
    return f"v{width_of(type_text)}{short}" if type_text.startswith("<") else short


@dataclass(frozen=True, slots=True)
class Signature:
    """A function that can be called: its symbol, its result type and the types of its parameters (`names` for reading only)."""

    name: str
    result: str
    parameters: tuple[str, ...]
    names: tuple[str, ...] = ()
    variadic: bool = False

    def __str__(self) -> str:
        inside = [f"{kind} %{name}" for kind, name in zip(self.parameters, self.names or self.parameters, strict=True)]
        return f"{self.result} @{self.name}({', '.join(inside + ['...'] * self.variadic)})"


def signature(name: str, result: str, *parameters: str, variadic: bool = False) -> Signature:
    """`signature("dyn.free", "void", "ptr context", "ptr block")`: each parameter is type, attributes, name."""
    split = [_split_parameter(text) for text in parameters]
    return Signature(name, result, tuple(kind for kind, _, _ in split), tuple(name for _, _, name in split), variadic)


def _split_parameter(text: str) -> tuple[str, str, str]:
    head, name = text.rsplit(" ", 1)
    if head.startswith("<"):
        kind, rest = head[: head.index(">") + 1], head[head.index(">") + 1 :].split()
    else:
        kind, *rest = head.split()
    assert all(word in _PARAMETER_ATTRIBUTES for word in rest), text
    return kind, " ".join(rest), name


class ModuleText:
    """One LLVM module as text: deduplicated declarations, constants and types, and the functions in order of creation."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.signatures: dict[str, Signature] = {}
        self._external: dict[str, str] = {}
        self._types: dict[str, str] = {}
        self._constants: dict[tuple[str, str, int], str] = {}
        self._globals: list[str] = []
        self._functions: list[Function] = []

    def declare(self, name: str, result: str, *parameters: str, variadic: bool = False, attributes: str = "nounwind") -> Signature:
        """An external function, by types alone: `declare("malloc", "ptr", "i64")`. Declaring twice is harmless."""
        known = self.signatures.get(name)
        if known is None:
            known = self.signatures[name] = Signature(name, result, parameters, (), variadic)
            inside = ", ".join((*parameters, "...") if variadic else parameters)
            self._external[name] = f"declare {result} @{name}({inside}) {attributes}".rstrip()
        return known

    def function(self, name: str, result: str, *parameters: str, attributes: str = "nounwind", linkage: str = "internal") -> Function:
        """Begin a function; each parameter is `type [attributes] name`, read inside as `%name`."""
        made = signature(name, result, *parameters)
        self.signatures[name] = made
        self._external.pop(name, None)
        header = ", ".join(
            " ".join(part for part in (kind, extra, "%" + label) if part) for kind, extra, label in map(_split_parameter, parameters)
        )
        begun = Function(self, made, linkage, f"{result} @{name}({header}) {attributes}")
        self._functions.append(begun)
        return begun

    def export(self, name: str) -> None:
        """Give a function of this module external linkage."""
        next(f for f in self._functions if f.signature.name == name).linkage = ""

    def require(self, name: str, build: Callable[[ModuleText], object]) -> Signature:
        """The signature of `name`, after `build(module)` has defined it the first time it is asked for."""
        if name not in self.signatures:
            build(self)
        return self.signatures[name]

    def type(self, name: str, text: str) -> str:
        """A named type: `type("block", "{ i64, i64 }")` gives `%block`."""
        self._types.setdefault(name, text)
        return f"%{name}"

    def constant(self, type_text: str, value: str, align: int = 0, hint: str = "constant") -> str:
        """A private read-only global; equal constants are one."""
        key = (type_text, value, align)
        if key not in self._constants:
            self._constants[key] = name = f"@{hint}.{len(self._constants)}"
            alignment = f", align {align}" if align else ""
            self._globals.append(f"{name} = private unnamed_addr constant {type_text} {value}{alignment}")
        return self._constants[key]

    def bytes_constant(self, data: bytes, align: int = 1) -> str:
        """A byte string in read-only memory; returns its address."""
        inside = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:02X}" for b in data)
        return self.constant(f"[{len(data)} x i8]", f'c"{inside}"', align, "bytes")

    def text(self) -> str:
        """The whole module."""
        parts = [f'target triple = "{self.target.triple}"']
        parts += [f"%{name} = type {text}" for name, text in self._types.items()]
        parts += self._globals
        parts += self._external.values()
        parts += [f.text() for f in self._functions]
        parts += ["!0 = distinct !{!0, !1}", '!1 = !{!"llvm.loop.vectorize.enable", i1 false}']
        return "\n".join(parts) + "\n"


AS_WRITTEN = ", !llvm.loop !0"
"""At the end of a loop: its turns are computed one by one."""


class Loop:
    """A counted loop in progress: `index`, the `carried` values at the start of this turn, and `next`, to be set to their successors.

    After the loop `carried` holds the final values.
    """

    __slots__ = ("carried", "index", "next")

    def __init__(self, index: str, carried: list[str]) -> None:
        self.index = index
        self.carried = carried
        self.next: Sequence[Operand] = ()


class Repeat:
    """An open loop in progress: leaves by `break_if`; `carried` holds the values at the start of the last turn when it has ended."""

    __slots__ = ("_function", "carried", "exit", "next")

    def __init__(self, function: Function, carried: list[str], exit_label: str) -> None:
        self._function = function
        self.carried = carried
        self.exit = exit_label
        self.next: Sequence[Operand] = ()

    def break_if(self, condition: Operand) -> None:
        """Leave the loop where the condition (i1) holds."""
        stay = self._function.label("stay")
        self._function.branch_if(condition, self.exit, stay)
        self._function.place(stay)


class Choice:
    """A two-way branch: fill `yes()` and `no()`, then ask for merged values. See `Function.choose`."""

    __slots__ = ("_ends", "_function", "_join", "_labels")

    def __init__(self, function: Function, condition: Operand) -> None:
        self._function = function
        self._labels = (function.label("yes"), function.label("no"))
        self._join = function.label("join")
        self._ends: list[str | None] = []
        function.branch_if(condition, *self._labels)

    @contextlib.contextmanager
    def _arm(self, which: int) -> Iterator[None]:
        function = self._function
        function.place(self._labels[which])
        yield
        self._ends.append(None if function.terminated else function.block)
        if not function.terminated:
            function.branch(self._join)
        if which == 1 and any(self._ends):
            function.place(self._join)

    def yes(self) -> contextlib.AbstractContextManager[None]:
        """The block for a condition that holds; to be filled first."""
        return self._arm(0)

    def no(self) -> contextlib.AbstractContextManager[None]:
        """The block for a condition that does not hold; what follows it is after the branch."""
        return self._arm(1)

    def merge(self, kind: str, yes: Operand, no: Operand) -> str:
        """One value from either arm (an arm that returned contributes nothing)."""
        arms = [(value, end) for value, end in zip((yes, no), self._ends, strict=True) if end]
        return self._function.phi(kind, arms)


class Function:
    """A function under construction. Every method that computes returns a fresh operand."""

    __slots__ = ("_count", "_entry", "_header", "_lines", "block", "linkage", "module", "signature", "target", "terminated")

    def __init__(self, module: ModuleText, made: Signature, linkage: str, header: str) -> None:
        self.linkage = linkage
        self.module = module
        self.target = module.target
        self.signature = made
        self.block = "entry"
        self.terminated = False
        self._header = header
        self._entry: list[str] = []
        self._lines: list[str] = []
        self._count = 0

    def text(self) -> str:
        """The finished function."""
        assert self.terminated, f"{self.signature.name}: block {self.block} has no end"
        opening = f"define {self.linkage + ' ' if self.linkage else ''}{self._header} {{"
        return "\n".join([opening, "entry:", *self._entry, *self._lines, "}"])

    # -- the three primitives everything else is made of

    def emit(self, line: str) -> None:
        """One instruction without a result."""
        self._lines.append("  " + line)

    def value(self, instruction: str) -> str:
        """One instruction with a result, which is given a fresh name."""
        self._count += 1
        self._lines.append(f"  %.{self._count} = {instruction}")
        return f"%.{self._count}"

    def label(self, hint: str = "block") -> str:
        """A fresh label."""
        self._count += 1
        return f"{hint}.{self._count}"

    # -- blocks

    def place(self, label: str) -> None:
        """Begin the block of that label."""
        self._lines.append(f"{label}:")
        self.block = label
        self.terminated = False

    def branch(self, label: str, note: str = "") -> None:
        """Go to a block; `note` is for LLVM."""
        self.emit(f"br label %{label}{note}")
        self.terminated = True

    def branch_if(self, condition: Operand, yes: str, no: str) -> None:
        """Go to one of two blocks."""
        self.emit(f"br i1 {condition}, label %{yes}, label %{no}")
        self.terminated = True

    def switch(self, kind: str, value: Operand, default: str, cases: Sequence[tuple[int, str]]) -> None:
        """Go to the block of the matching case."""
        inside = " ".join(f"{kind} {case}, label %{label}" for case, label in cases)
        self.emit(f"switch {kind} {value}, label %{default} [ {inside} ]")
        self.terminated = True

    def ret(self, value: Operand | None = None) -> None:
        """Return; the type is the function's own."""
        self.emit("ret void" if value is None else f"ret {self.signature.result} {value}")
        self.terminated = True

    def unreachable(self) -> None:
        """End a block that is never reached."""
        self.emit("unreachable")
        self.terminated = True

    def phi(self, kind: str, arms: Sequence[tuple[Operand, str]]) -> str:
        """A value by the block it came from. Must stand first in its block."""
        return self.value(f"phi {kind} " + ", ".join(f"[ {value}, %{label} ]" for value, label in arms))

    @contextlib.contextmanager
    def loop(
        self, start: Operand, stop: Operand, step: Operand = 1, carried: Sequence[tuple[str, Operand]] = (), kind: str = "i64",
        vectorise: bool = False,
    ) -> Iterator[Loop]:
        """`for index in range(start, stop, step)` with carried values, given as (type, first value). Set `loop.next` inside.

        `vectorise`: LLVM may compute several turns at once where that gives the same bits; other loops aren't worth its time.
        """
        before = self.block
        head, body, after = self.label("head"), self.label("body"), self.label("after")
        self.branch(head)
        self.place(head)
        at = len(self._lines)
        index = self.value("phi")
        values = [self.value("phi") for _ in carried]
        self.branch_if(self.value(f"icmp slt {kind} {index}, {stop}"), body, after)
        self.place(body)
        loop = Loop(index, values)
        yield loop
        assert len(loop.next) == len(carried), "a loop must set the next value of everything it carries"
        following = self.value(f"add nsw {kind} {index}, {step}")
        end = self.block
        self.branch(head, "" if vectorise else AS_WRITTEN)
        self._lines[at] = f"  {index} = phi {kind} [ {start}, %{before} ], [ {following}, %{end} ]"
        self._close_carried(at + 1, carried, values, loop.next, before, end)
        self.place(after)

    @contextlib.contextmanager
    def repeat(self, carried: Sequence[tuple[str, Operand]] = ()) -> Iterator[Repeat]:
        """A loop that ends by `break_if`; carried values as in `loop`."""
        before = self.block
        head, after = self.label("head"), self.label("after")
        self.branch(head)
        self.place(head)
        at = len(self._lines)
        values = [self.value("phi") for _ in carried]
        loop = Repeat(self, values, after)
        yield loop
        if not self.terminated:
            end = self.block
            self.branch(head, AS_WRITTEN)
            self._close_carried(at, carried, values, loop.next, before, end)
        self.place(after)

    def _close_carried(
        self, at: int, carried: Sequence[tuple[str, Operand]], values: list[str], following: Sequence[Operand], before: str, end: str
    ) -> None:
        for offset, ((kind, first), value, then) in enumerate(zip(carried, values, following, strict=True)):
            self._lines[at + offset] = f"  {value} = phi {kind} [ {first}, %{before} ], [ {then}, %{end} ]"

    @contextlib.contextmanager
    def when(self, condition: Operand) -> Iterator[None]:
        """Do the inside only where the condition holds."""
        yes, after = self.label("when"), self.label("after")
        self.branch_if(condition, yes, after)
        self.place(yes)
        yield
        if not self.terminated:
            self.branch(after)
        self.place(after)

    def choose(self, condition: Operand) -> Choice:
        """Two arms: `c = f.choose(x); with c.yes(): ...; with c.no(): ...; v = c.merge("i64", a, b)`."""
        return Choice(self, condition)

    # -- memory

    def slot(self, kind: str, first: Operand | None = None, align: int = 0, count: int = 1) -> str:
        """Room on the stack (made once, at entry), optionally with a first value: a mutable local variable."""
        self._count += 1
        name = f"%.{self._count}"
        room = f"[{count} x {kind}]" if count != 1 else kind
        self._entry.append(f"  {name} = alloca {room}" + (f", align {align}" if align else ""))
        if first is not None:
            self.store(kind, first, name, align)
        return name

    def load(self, kind: str, pointer: Operand, align: int = 0, flags: str = "") -> str:
        """Read; without an alignment that of the element is assumed."""
        return self.value(f"load {flags + ' ' if flags else ''}{kind}, ptr {pointer}, align {align or natural_alignment(kind)}")

    def store(self, kind: str, value: Operand, pointer: Operand, align: int = 0) -> None:
        """Write; without an alignment that of the element is assumed."""
        self.emit(f"store {kind} {value}, ptr {pointer}, align {align or natural_alignment(kind)}")

    def first_lanes(self, count: Operand, width: int) -> str:
        """A mask of the first `count` lanes."""
        kind = vector("i32", width)
        lanes = ", ".join(f"i32 {lane}" for lane in range(width))
        return self.value(f"icmp slt {kind} <{lanes}>, {self.splat(kind, self.convert('trunc', 'i64', count, 'i32'))}")

    def load_masked(self, kind: str, pointer: Operand, mask: Operand) -> str:
        """Read the lanes of a mask; the others are 0, and their memory isn't touched."""
        name, masks = f"llvm.masked.load.{mangle(kind)}.p0", vector("i1", width_of(kind))
        self.module.declare(name, kind, "ptr", masks, kind, attributes="")
        return self.value(f"call {kind} @{name}(ptr align {natural_alignment(kind)} {pointer}, {masks} {mask}, {kind} zeroinitializer)")

    def store_masked(self, kind: str, value: Operand, pointer: Operand, mask: Operand) -> None:
        """Write the lanes of a mask alone."""
        name, masks = f"llvm.masked.store.{mangle(kind)}.p0", vector("i1", width_of(kind))
        self.module.declare(name, "void", kind, "ptr", masks, attributes="")
        self.emit(f"call void @{name}({kind} {value}, ptr align {natural_alignment(kind)} {pointer}, {masks} {mask})")

    def offset(self, pointer: Operand, index: Operand, kind: str) -> str:
        """The address of element `index` of type `kind`."""
        return self.value(f"getelementptr inbounds {kind}, ptr {pointer}, i64 {index}")

    # -- arithmetic

    def binary(self, operation: str, kind: str, left: Operand, right: Operand) -> str:
        """`binary("fadd", "<8 x float>", a, b)`; any two-operand instruction."""
        return self.value(f"{operation} {kind} {left}, {right}")

    def add(self, left: Operand, right: Operand, kind: str = "i64") -> str:
        """Integer sum (wraps)."""
        return self.binary("add", kind, left, right)

    def sub(self, left: Operand, right: Operand, kind: str = "i64") -> str:
        """Integer difference (wraps)."""
        return self.binary("sub", kind, left, right)

    def mul(self, left: Operand, right: Operand, kind: str = "i64") -> str:
        """Integer product (wraps)."""
        return self.binary("mul", kind, left, right)

    def bit_and(self, left: Operand, right: Operand, kind: str = "i64") -> str:
        """Bitwise and."""
        return self.binary("and", kind, left, right)

    def minimum(self, left: Operand, right: Operand, kind: str = "i64") -> str:
        """Smaller of two signed integers."""
        return self.intrinsic("llvm.smin", kind, left, right)

    def maximum(self, left: Operand, right: Operand, kind: str = "i64") -> str:
        """Larger of two signed integers."""
        return self.intrinsic("llvm.smax", kind, left, right)

    def icmp(self, predicate: str, left: Operand, right: Operand, kind: str = "i64") -> str:
        """Compare integers or pointers: `icmp("slt", a, b)`."""
        return self.value(f"icmp {predicate} {kind} {left}, {right}")

    def fcmp(self, predicate: str, kind: str, left: Operand, right: Operand) -> str:
        """Compare floats: `fcmp("olt", "float", a, b)`."""
        return self.value(f"fcmp {predicate} {kind} {left}, {right}")

    def select(self, condition: Operand, kind: str, yes: Operand, no: Operand) -> str:
        """Lane by lane where the type is a vector (the condition is then `<n x i1>`)."""
        return self.value(f"select {vector('i1', width_of(kind))} {condition}, {kind} {yes}, {kind} {no}")

    def convert(self, operation: str, source: str, value: Operand, target: str) -> str:
        """`convert("sitofp", "i64", n, "double")`; also bitcast, fpext, fptrunc, zext, trunc, ..."""
        return self.value(f"{operation} {source} {value} to {target}")

    def splat(self, kind: str, scalar: Operand) -> str:
        """A vector with every lane equal to a scalar value; the scalar itself for a scalar type."""
        if not kind.startswith("<"):
            return str(scalar)
        width = width_of(kind)
        single = self.value(f"insertelement {kind} poison, {scalar_of(kind)} {scalar}, i64 0")
        return self.value(f"shufflevector {kind} {single}, {kind} poison, <{width} x i32> zeroinitializer")

    def shuffle(self, kind: str, left: Operand, right: Operand, lanes: Sequence[int]) -> str:
        """Lanes of two vectors side by side, by number."""
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.value(f"shufflevector {kind} {left}, {kind} {right}, <{len(lanes)} x i32> <{mask}>")

    def extract(self, kind: str, value: Operand, lane: Operand) -> str:
        """One lane of a vector."""
        return self.value(f"extractelement {kind} {value}, i64 {lane}")

    def insert(self, kind: str, value: Operand, scalar: Operand, lane: Operand) -> str:
        """A vector with one lane replaced."""
        return self.value(f"insertelement {kind} {value}, {scalar_of(kind)} {scalar}, i64 {lane}")

    def fma(self, kind: str, left: Operand, right: Operand, addend: Operand) -> str:
        """`left * right + addend`: rounded once where the target multiplies and adds in one instruction, twice elsewhere.

        The choice belongs to the target alone, so every optimisation level gives the same bits.
        """
        if self.target.has_fma:
            return self.intrinsic("llvm.fma", kind, left, right, addend)
        return self.binary("fadd", kind, self.binary("fmul", kind, left, right), addend)

    # -- calls

    def intrinsic(self, name: str, kind: str, *operands: Operand) -> str:
        """An overloaded intrinsic whose operands and result have one type: `intrinsic("llvm.fabs", "<8 x float>", x)`."""
        symbol = f"{name}.{mangle(kind)}"
        self.module.declare(symbol, kind, *[kind] * len(operands), attributes="")
        return self.value(f"call {kind} @{symbol}({', '.join(f'{kind} {operand}' for operand in operands)})")

    def call(self, name: str, *operands: Operand, extra: Sequence[tuple[str, Operand]] = ()) -> str:
        """Call a function the module knows (declared, defined or required). `extra`: typed variadic operands.

        Returns the result's operand, or the empty string for `void`.
        """
        made = self.module.signatures[name]
        assert len(operands) == len(made.parameters), f"{made} called with {len(operands)} operands"
        inside = ", ".join([f"{kind} {operand}" for kind, operand in [*zip(made.parameters, operands, strict=True), *extra]])
        kind = made.result if not made.variadic else f"{made.result} ({', '.join(made.parameters)}, ...)"
        if made.result == "void":
            self.emit(f"call {kind} @{name}({inside})")
            return ""
        return self.value(f"call {kind} @{name}({inside})")

    def copy_bytes(self, destination: Operand, source: Operand, count: Operand) -> None:
        """`memcpy`; the two ranges do not overlap."""
        self.module.declare("llvm.memcpy.p0.p0.i64", "void", "ptr", "ptr", "i64", "i1", attributes="")
        self.call("llvm.memcpy.p0.p0.i64", destination, source, count, "false")

    def fill_bytes(self, destination: Operand, byte: Operand, count: Operand) -> None:
        """`memset`."""
        self.module.declare("llvm.memset.p0.i64", "void", "ptr", "i8", "i64", "i1", attributes="")
        self.call("llvm.memset.p0.i64", destination, byte, count, "false")


def natural_alignment(kind: str) -> int:
    """Bytes by which one element of the type is aligned in row-major arrays."""
    scalar = scalar_of(kind)
    if scalar.startswith("i") and scalar[1:].isdigit():
        return max(1, min(int(scalar[1:]) // 8, 16))
    return {"float": 4, "double": 8, "ptr": 8, "half": 2, "bfloat": 2}.get(scalar, 1)
