"""One SSA function on its way to LLVM: the operand of each value, and the leaving of the function on an error.

A function of the program becomes `{ i32, results... } @fn.NAME(ptr %context, arguments...)`. The first member is the error
code: 0, or the code of the error that stands in the context; then the other members mean nothing. All failing paths of a
function share one block, `failed`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from dynlang import runtime
from dynlang.diag import InternalError, NotBuilt
from dynlang.native import kernels
from dynlang.native.emit import Function, ModuleText, Signature
from dynlang.native.lower.alone import alone
from dynlang.native.lower.counting import Counting, symbol
from dynlang.native.lower.layout import counted, element_bytes, memory, register
from dynlang.native.lower.outline import is_long, lower_in_pieces
from dynlang.native.lower.places import files_of, library_word, place_word
from dynlang.native.target import Target
from dynlang.runtime import context
from dynlang.runtime.context import ErrorCode
from dynlang.source import blamed
from dynlang.ssa import nodes
from dynlang.ssa.build import sizes_of
from dynlang.ssa.nodes import Array, Operation, Region, Value, ValueType

Handler = Callable[["Frame", Operation], None]
HANDLERS: dict[str, Handler] = {}


def lowers(*names: str) -> Callable[[Handler], Handler]:
    """Marks the function that lowers operations of these names."""

    def register_handler(handler: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = handler
        return handler

    return register_handler


Read = Callable[["Frame", Value], str]


def _not_there(frame: Frame, value: Value) -> str:
    raise InternalError(f"'{value.name}' has no operand in '{frame.function.name}'")


class Lowering:
    """What all functions of a module share."""

    def __init__(self, ssa: nodes.Module, target: Target, entries: frozenset[str] = frozenset()) -> None:
        self.ssa = ssa
        self.entries = entries
        self.target = target
        self.text = ModuleText(target)
        self.counting = Counting(self.text, ssa.sums)
        self.files = {name: number for number, name in enumerate(files_of(ssa))}

    def signature(self, function: nodes.Function) -> Signature:
        """What the LLVM function of a program's function looks like."""
        result = ", ".join(["i32", *(register(one.type) for one in [*function.results, *self.extra_results(function)])])
        kinds = ("ptr", *(register(one.type) for one in function.parameters))
        names = ("context", *(f"a{place}.{symbol(one.name)}" for place, one in enumerate(function.parameters)))
        return Signature(function_symbol(function.name), f"{{ {result} }}", kinds, names)

    def extra_results(self, function: nodes.Function) -> list[Value]:
        """What an entry returns behind its results: the sizes that its caller could not know."""
        return hidden_sizes(function) if function.name in self.entries else []

    def declare_runtime(self, name: str) -> Signature:
        return runtime.declare(self.text, name)

    def begin_function(self, function: nodes.Function) -> Frame:
        """The LLVM function of a program's function, without its body."""
        made = self.signature(function)
        parameters = [f"{kind} {name}" for kind, name in zip(made.parameters, made.names, strict=True)]
        f = self.text.function(made.name, made.result, *parameters, attributes="nounwind")
        frame = Frame(self, function, f)
        for parameter, name in zip(function.parameters, made.names[1:], strict=True):
            frame.operands[parameter] = f"%{name}"
        return frame


def saturated_product(f: Function, left: str, right: str) -> str:
    """The product of two sizes, the largest number where it has more than 64 bits."""
    name = "llvm.smul.with.overflow.i64"
    f.module.declare(name, "{ i64, i1 }", "i64", "i64", attributes="")
    made = f.call(name, left, right)
    product, overflows = (f.value(f"extractvalue {{ i64, i1 }} {made}, {place}") for place in (0, 1))
    return f.select(overflows, "i64", (1 << 63) - 1, product)


def hidden_sizes(function: nodes.Function) -> list[Value]:
    """The sizes in the results' types that are computed in the body."""
    known = {*function.parameters, *function.results}
    found = dict.fromkeys(size for result in function.results for size in sizes_of(result.type))
    return [size for size in found if size not in known]


def function_symbol(name: str) -> str:
    """The LLVM symbol of a program's function; no runtime function begins so."""
    return f"fn.{symbol(name)}"


class Frame:
    """The lowering of one function. `operands` gives the LLVM operand of every value seen so far."""

    def __init__(self, lowering: Lowering, function: nodes.Function, f: Function, of: Frame | None = None,
                 read: Read | None = None) -> None:
        self._read = read or _not_there
        """What a value is that this function has not seen. `of` is the frame that this one is a piece of."""
        self.lowering = lowering
        self.counting = lowering.counting
        self.function = function
        self.f = f
        self.operands: dict[Value, str] = {}
        self.alone = alone(function.body) if of is None else of.alone
        self.line = 0
        """The place of the operation at hand (`places.py`)."""
        self._needs_failed = False
        self._needs_cancelled = False

    # -- values

    def __getitem__(self, value: Value) -> str:
        found = self.operands.get(value)
        return self._read(self, value) if found is None else found

    def define(self, value: Value, operand: str) -> None:
        """`operand` is the value from here on."""
        self.operands[value] = operand

    def size(self, size: Value | int) -> str:
        return str(size) if isinstance(size, int) else self.operands[size]

    def product(self, sizes: Sequence[Value | int]) -> str:
        """The product of sizes: the constant part is computed here, the rest emitted."""
        constant, operand = 1, ""
        for size in sizes:
            known = self.size(size)
            if known.lstrip("-").isdigit():
                constant *= int(known)
            else:
                operand = self.f.mul(operand, known) if operand else known
        if not operand or constant == 0:
            return str(constant)
        return operand if constant == 1 else self.f.mul(operand, constant)

    def times(self, count: str, factor: int) -> str:
        """`count * factor`, at once where the count is a constant."""
        if count.isdigit():
            return str(int(count) * factor)
        return count if factor == 1 else self.f.mul(count, factor)

    def elements(self, kind: ValueType) -> str:
        """How many elements an array of this type has."""
        return self.product(kind.shape) if isinstance(kind, Array) else "1"

    def load_slot(self, pointer: str, kind: ValueType) -> str:
        """A value from memory: an array's element, a field's or a list's slot."""
        loaded = self.f.load(memory(kind), pointer)
        return self.f.convert("trunc", "i8", loaded, "i1") if register(kind) == "i1" else loaded

    def store_slot(self, pointer: str, value: str, kind: ValueType) -> None:
        if register(kind) == "i1":
            value = self.f.convert("zext", "i1", value, "i8")
        self.f.store(memory(kind), value, pointer)

    # -- blocks

    def allocate(self, bytes_: str | int) -> str:
        """A new block with a count of one; leaves the function where memory is out."""
        return self.runtime("dyn.allocate", bytes_)

    def allocate_array(self, kind: ValueType) -> str:
        assert isinstance(kind, Array)
        return self.allocate(self.bytes_needed([self.size(one) for one in kind.shape], element_bytes(kind.element)))

    def bytes_needed(self, shape: Sequence[str], each: int) -> str:
        """How many bytes an array takes; where 64 bits can't say it, more than there are: nothing may be smaller than it seems."""
        constant = each * math.prod(int(one) for one in shape if one.lstrip("-").isdigit())
        total = ""
        for one in (one for one in shape if not one.lstrip("-").isdigit()):
            total = saturated_product(self.f, total, one) if total else one
        if not total:
            return str(constant)
        return total if constant == 1 else saturated_product(self.f, total, str(constant))

    def own(self, value: Value) -> str:
        """The block of a value, with a count of one: to be written to."""
        f, block = self.f, self[value]
        if value in self.alone:
            return block
        alone = f.icmp("eq", f.load("i64", f.offset(block, -16, "i8")), 1)
        shared, owned = f.label("shared"), f.label("owned")
        before = f.block
        f.branch_if(alone, owned, shared)
        f.place(shared)
        copy = self.counting.own(f, block, value.type)
        self._needs_failed = True
        after = f.block
        f.branch_if(f.icmp("eq", copy, "null", "ptr"), "failed", owned)
        f.place(owned)
        return f.phi("ptr", [(block, before), (copy, after)])

    def room(self, value: Value) -> str:
        """The block of a value to be overwritten, or a new one where others own it too."""
        block = self.counting.room(self.f, self[value])
        self.stop_if(self.f.icmp("eq", block, "null", "ptr"))
        return block

    def retain(self, operand: str, kind: ValueType) -> str:
        if counted(kind):
            self.counting.retain(self.f, operand)
        return operand

    def release(self, operand: str, kind: ValueType) -> None:
        if counted(kind):
            self.counting.release(self.f, operand, kind)

    # -- calls

    def kernel(self, name: str, dtype: str, *operands: str) -> str:
        """Call a dense kernel: `kernel("matvec", "f32", m, n, w, x, y)`."""
        return self.f.call(kernels.declare(self.lowering.text, name, dtype).name, *operands)

    def runtime(self, name: str, *operands: str | int) -> str:
        """Call a runtime function, context first; leave the function where it reports an error."""
        made = self.lowering.declare_runtime(name)
        result = self.f.call(name, "%context", *operands)
        if made.result == "ptr":
            self.stop_if(self.f.icmp("eq", result, "null", "ptr"), at_line=True)
        elif made.result == "i32" and name not in _PLAIN_I32:
            self.stop_if(self.f.icmp("ne", result, 0, "i32"), at_line=True)
        return result

    def text(self, text: str) -> tuple[str, int]:
        """A constant of UTF-8 bytes: its address and length."""
        data = text.encode("utf-8", "surrogateescape")
        return self.lowering.text.bytes_constant(data), len(data)

    # -- errors

    def calls_library(self, name: str, operation: Operation) -> bool:
        """Whether an error of this call belongs to the call."""
        callee = self.lowering.ssa.functions[name].span
        return operation.span is not None and blamed(callee, operation.span) is operation.span

    def stop_if(self, condition: str, at_line: bool = False, blame: bool = False) -> None:
        """Leave the function where the condition holds; the error stands in the context already.

        `at_line`: an error that knows no line gets that of the operation; `blame`: one of the library's does, too."""
        stay = self.f.label("fine")
        self._needs_failed = True
        if not (at_line or blame) or not self.line:
            self.f.branch_if(condition, "failed", stay)
        else:
            bad = self.f.label("bad")
            self.f.branch_if(condition, bad, stay)
            self.f.place(bad)
            if blame:
                made = self.lowering.text.require("blame_line", _define_blame_line)
                self.f.call(made.name, "%context", self.line, library_word(self.lowering.files))
            else:
                made = self.lowering.text.require("set_line", _define_set_line)
                self.f.call(made.name, "%context", self.line)
            self.f.branch("failed")
        self.f.place(stay)

    def fail_unless(self, condition: str, code: ErrorCode | int, message: str, *numbers: str) -> None:
        """An error with a message (and up to three numbers for the `{}` in it) where the condition is false."""
        stay, bad = self.f.label("fine"), self.f.label("bad")
        self.f.branch_if(condition, stay, bad)
        self.f.place(bad)
        self.fail(code, message, *numbers)
        self.f.place(stay)

    def fail(self, code: ErrorCode | int, message: str, *numbers: str) -> None:
        """An error; the block ends here."""
        address, length = self.text(message)
        if numbers:
            self.lowering.declare_runtime("dyn.fail_with")
            self.f.call("dyn.fail_with", "%context", int(code), self.line, address, length, *numbers, *["0"] * (3 - len(numbers)))
        else:
            self.lowering.declare_runtime("dyn.fail")
            self.f.call("dyn.fail", "%context", int(code), self.line, address, length)
        self.stop()

    def stop(self) -> None:
        """Leave the function: the error stands in the context already."""
        self._needs_failed = True
        self.f.branch("failed")

    def poll(self) -> None:
        """Leave the function if somebody asked the program to stop."""
        word = self.f.load("i32", self.f.offset("%context", context.CANCEL, "i8"), flags="volatile")
        stay = self.f.label("go")
        self.f.branch_if(self.f.icmp("ne", word, 0, "i32"), "cancelled", stay)
        self._needs_cancelled = True
        self.f.place(stay)

    # -- the function as a whole

    def body(self) -> None:
        """Everything between the braces."""
        self.enter()
        self.operations(self.function.body)
        self.leave()

    def enter(self) -> None:
        """On entry a recursive function looks at the depth of the stack. Who cancels a call moves the limit, too."""
        if not self.function.recursive:
            return
        if self.function.span is not None:
            self.line = place_word(self.function.span, self.lowering.files)
        self.lowering.text.declare("llvm.frameaddress.p0", "ptr", "i32 immarg", attributes="")
        here = self.f.convert("ptrtoint", "ptr", self.f.value("call ptr @llvm.frameaddress.p0(i32 0)"), "i64")
        limit = self.f.load("i64", "%context")
        deep, fine = self.f.label("deep"), self.f.label("fine")
        self.f.branch_if(self.f.icmp("uge", here, limit), fine, deep)
        self.f.place(deep)
        self.poll()
        self.fail(ErrorCode.TOO_DEEP, f"{self.function.name} calls itself too deeply")
        self.f.place(fine)

    def operations(self, region: Region, box: str = "") -> list[str]:
        """Lower the operations of a region; the operands that it yields (or poison, if it never ends).

        The parameters of a long region are the fields of `box`, if there is one: nobody has read them yet."""
        operations = region.operations
        if is_long(region):
            lower_in_pieces(self, region, box)
            operations = operations[-1:]
        for operation in operations:
            if operation.name == "yield":
                return [self[one] for one in operation.operands]
            self.operation(operation)
        return []

    def operation(self, operation: Operation) -> None:
        if self.f.terminated:
            self.f.place(self.f.label("never"))
        self.line = place_word(operation.span, self.lowering.files) or self.line
        handler = HANDLERS.get(operation.name)
        if handler is None:
            raise NotBuilt(f"native code for the op '{operation.name}'", operation.span)
        self.f.emit(f"; {_shown(operation)}")
        handler(self, operation)

    def returned(self, operands: Sequence[str]) -> None:
        """Return the results, with error code 0."""
        result = "poison"
        kind = self.f.signature.result
        members = [("i32", "0"), *((register(one.type), operand) for one, operand in zip(self.function.results, operands, strict=True))]
        members += [("i64", self[one]) for one in self.lowering.extra_results(self.function)]
        for place, (member, operand) in enumerate(members):
            result = self.f.value(f"insertvalue {kind} {result}, {member} {operand}, {place}")
        self.f.ret(result)

    def leave(self) -> None:
        """The end of the function: the blocks that failing paths share."""
        if not self.f.terminated:
            raise InternalError(f"the function '{self.function.name}' does not return")
        if self._needs_cancelled:
            self._needs_failed = True
            self.f.place("cancelled")
            self.line = 0
            self.fail(ErrorCode.CANCELLED, "interrupted")
        if self._needs_failed:
            self.f.place("failed")
            code = self.f.load("i32", self.f.offset("%context", context.ERROR_CODE, "i8"))
            kind = self.f.signature.result
            self.f.ret(code if kind == "i32" else self.f.value(f"insertvalue {kind} poison, i32 {code}, 0"))

    def piece(self, read: Read) -> tuple[Frame, Function]:
        """A function for a stretch of this one: it gives an error code."""
        text = self.lowering.text
        name = f"{function_symbol(self.function.name)}.piece.{len(text.signatures)}"
        f = text.function(name, "i32", "ptr context", "ptr shared", attributes="nounwind noinline")
        made = Frame(self.lowering, self.function, f, self, read)
        made.line = self.line
        return made, f

    @property
    def hidden(self) -> list[Value]:
        """What `returned` reads besides the results."""
        return self.lowering.extra_results(self.function)


_PLAIN_I32 = frozenset({"dyn.string_compare"})


def _define_set_line(module: ModuleText) -> None:
    """`set_line(context, line)`: the line of the error, unless it has one."""
    f = module.function("set_line", "void", "ptr context", "i32 line", attributes="nounwind cold noinline")
    place = f.offset("%context", context.ERROR_LINE, "i8")
    with f.when(f.icmp("eq", f.load("i32", place), 0, "i32")):
        f.store("i32", "%line", place)
    f.ret()


def _define_blame_line(module: ModuleText) -> None:
    """`blame_line(context, line, library)`: the line of an error that happened in the library, at `library` or behind."""
    f = module.function("blame_line", "void", "ptr context", "i32 line", "i32 library", attributes="nounwind cold noinline")
    place = f.offset("%context", context.ERROR_LINE, "i8")
    with f.when(f.icmp("uge", f.load("i32", place), "%library", "i32")):
        f.store("i32", "%line", place)
    f.ret()


def _shown(operation: Operation) -> str:
    """An operation as a comment in the IR."""
    results = ", ".join(f"%{one.name}" for one in operation.results)
    operands = ", ".join(f"%{one.name}" for one in operation.operands)
    extra = " ".join(f"{key}={value!r}" for key, value in operation.attributes.items() if isinstance(value, (int, float, bool, str)))
    line = f"{results}{' = ' if results else ''}{operation.name} {operands} {extra}".strip()
    return (line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line))[:120]
