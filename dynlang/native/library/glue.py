"""The functions of a library's C interface, as IR around the program's own.

A handle of a record is a block {state, sizes.., fields..} in 8-byte slots. Its state says whether it may be used: while a function
that changes it runs, and after one failed, it is broken. A handle of a sum is the box itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dynlang import runtime
from dynlang.core.nodes import Constructor
from dynlang.native.emit import Function, ModuleText
from dynlang.native.library.interface import Export, Interface, Part, RecordHandle
from dynlang.native.library.looked_at import OUTSIDE, Looks, check_indices, check_size, product, size_value
from dynlang.native.lower import begin
from dynlang.native.lower.frame import Frame, Lowering, function_symbol
from dynlang.native.lower.layout import SLOT_BYTES, counted, element_bytes, of_core, register
from dynlang.native.lower.places import LINE_MASK, emit_file_name
from dynlang.native.target import Target
from dynlang.runtime import context, static_block
from dynlang.runtime.context import ErrorCode
from dynlang.runtime.digits import put_i64
from dynlang.ssa import nodes
from dynlang.ssa.nodes import Array, Box, Module, Scalar, ValueType
from dynlang.types import ArrayType, ScalarType, Size, StringType, SumType

ABI_VERSION = 1
GOOD, BROKEN = 0x64796E01, 0x64796E00
"""The states of a record's handle."""
DEFAULT_STACK_BYTES = 1 << 20
"""How much of the caller's stack a call may use, unless the host says otherwise."""


def library_text(module: Module, target: Target, interface: Interface) -> str:
    """The IR of a library: exported symbols all begin with the stem."""
    lowering = begin(module, target, ())
    lowering.text.declare("strlen", "i64", "ptr")
    glue = _Glue(lowering, interface)
    glue.context_functions()
    for record in interface.records.values():
        glue.free_record(record)
    for name in interface.sums:
        glue.sum_functions(name)
    for one in interface.exports:
        glue.export(one)
    lowering.counting.finish()
    return lowering.text.text()


class _Glue:
    def __init__(self, lowering: Lowering, interface: Interface) -> None:
        self.lowering = lowering
        self.text = lowering.text
        self.interface = interface
        self.stem = interface.stem
        self.looks = Looks(lowering.ssa.sums, self.frame)

    def function(self, name: str, result: str, *parameters: str) -> Function:
        return self.text.function(f"{self.stem}_{name}", result, *parameters, linkage="")

    def frame(self, f: Function) -> Frame:
        """A frame without a function of the program: for its allocation, slots and error paths."""
        return _HostFrame(self.lowering, nodes.Function(f.signature.name, nodes.Region([]), []), f)

    # -- the context

    def context_functions(self) -> None:
        for name in ("dyn.context_create", "dyn.context_destroy", "dyn.live_blocks"):
            runtime.declare(self.text, name)
        f = self.function("abi_version", "i32")
        f.ret(ABI_VERSION)
        f = self.function("create", "ptr")
        made = f.call("dyn.context_create")
        with f.when(f.icmp("ne", made, "null", "ptr")):
            f.store("i64", DEFAULT_STACK_BYTES, f.offset(made, context.STACK_BUDGET, "i8"))
        f.ret(made)
        f = self.function("destroy", "void", "ptr context")
        with f.when(f.icmp("ne", "%context", "null", "ptr")):
            f.call("dyn.context_destroy", "%context")
        f.ret()
        f = self.function("error", "ptr", "ptr context")
        with f.when(f.icmp("eq", "%context", "null", "ptr")):
            f.ret(self.text.bytes_constant(b"the context is null\0"))
        f.ret(f.offset("%context", context.ERROR_TEXT, "i8"))
        f = self.function("error_line", "i32", "ptr context")
        unless_null(f, 0)
        f.ret(f.binary("and", "i32", f.load("i32", f.offset("%context", context.ERROR_LINE, "i8")), LINE_MASK))
        f = self.function("live_blocks", "i64", "ptr context")
        unless_null(f, 0)
        f.ret(f.call("dyn.live_blocks", "%context"))
        f = self.function("set_stack", "void", "ptr context", "i64 bytes")
        unless_null(f)
        f.store("i64", "%bytes", f.offset("%context", context.STACK_BUDGET, "i8"))
        f.ret()
        f = self.function("cancel", "void", "ptr context")
        unless_null(f)
        f.store("i32", 1, f.offset("%context", context.CANCEL, "i8"))
        f.store("i64", -1, f.offset("%context", context.STACK_LIMIT, "i8"))
        f.ret()

    def enter(self, f: Function) -> None:
        """The stack may be used from here down to the budget; there is no error yet."""
        unless_null(f, int(ErrorCode.ARGUMENT))
        self.text.declare("llvm.frameaddress.p0", "ptr", "i32 immarg", attributes="")
        here = f.convert("ptrtoint", "ptr", f.value("call ptr @llvm.frameaddress.p0(i32 0)"), "i64")
        f.store("i64", f.sub(here, f.load("i64", f.offset("%context", context.STACK_BUDGET, "i8"))), "%context")
        f.store("i32", 0, f.offset("%context", context.CANCEL, "i8"))
        f.store("i32", 0, f.offset("%context", context.ERROR_LINE, "i8"))
        f.store("i32", 0, f.offset("%context", context.ERROR_CODE, "i8"))
        f.store("i8", 0, f.offset("%context", context.ERROR_TEXT, "i8"))

    # -- records

    def free_record(self, record: RecordHandle) -> None:
        """`void NAME_Model_free(context, handle)`: a broken handle has nothing left to release but itself."""
        f = self.function(f"{record.name}_free", "void", "ptr context", "ptr handle")
        frame = self.frame(f)
        runtime.declare(self.text, "dyn.release")
        unless_null(f)
        with f.when(f.icmp("ne", "%handle", "null", "ptr")):
            with f.when(f.icmp("eq", f.load("i64", "%handle"), GOOD)):
                for place, kind in enumerate(record.fields):
                    if counted(kind):
                        frame.release(f.load("ptr", field_at(f, "%handle", record, place)), kind)
            f.store("i64", BROKEN, "%handle")
            f.call("dyn.release", "%context", "%handle")
        f.ret()

    # -- sums

    def sum_functions(self, name: str) -> None:
        """A builder for each constructor, which takes over the values of sum types it is given; `retain` and `release`."""
        declaration = self.interface.sums[name]
        for tag, constructor in enumerate(declaration.constructors):
            self.builder(name, declaration.sizes, tag, constructor)
        for word in ("retain", "release"):
            f = self.function(f"{name}_{word}", "void", "ptr context", "ptr value")
            frame = self.frame(f)
            unless_null(f)
            with f.when(f.icmp("ne", "%value", "null", "ptr")):
                getattr(frame, word)("%value", Box(name))
            f.ret()
        f = self.function(f"{name}_tag", "i64", "ptr value")
        unless_null(f, -1, "%value")
        f.ret(f.load("i64", "%value"))

    def builder(self, name: str, sizes: Sequence[str], tag: int, constructor: Constructor) -> None:
        used = builder_sizes(sizes, constructor)
        kinds = [of_core(one.type) for one in constructor.fields]
        parameters = [f"{register(kind)} field.{place}" for place, kind in enumerate(kinds)]
        parameters = [*(f"i64 size.{one}" for one in used), *parameters]
        f = self.function(f"{name}_{constructor.name}", "i32", "ptr context", *parameters, "ptr result")
        frame = self.frame(f)
        self.enter(f)
        known = {one: f"%size.{one}" for one in used}
        known |= {one.name: f"%field.{place}" for place, one in enumerate(constructor.fields) if kinds[place] == Scalar("i64")}
        frame.fail_unless(f.icmp("ne", "%result", "null", "ptr"), ErrorCode.ARGUMENT, "the result is null")
        self.check_fields(frame, constructor, known)
        if not constructor.fields:
            f.store("ptr", static_block(self.text, tag.to_bytes(SLOT_BYTES, "little")), "%result")
        else:
            values = [self.field_value(frame, one.type, kind, f"%field.{place}", known)
                      for place, (one, kind) in enumerate(zip(constructor.fields, kinds, strict=True))]
            block = frame.allocate(SLOT_BYTES * (1 + len(values)))
            f.store("i64", tag, block)
            for place, (kind, value) in enumerate(zip(kinds, values, strict=True)):
                frame.store_slot(f.offset(block, place + 1, "i64"), value, kind)
            f.store("ptr", block, "%result")
        f.ret(0)
        frame.leave()

    def check_fields(self, frame: Frame, constructor: Constructor, known: Mapping[str, str]) -> None:
        """What a builder is given, before anything is made of it: no pointer is null, and sizes are sizes."""
        f = frame.f
        for place, one in enumerate(constructor.fields):
            if isinstance(one.type, ScalarType):
                continue
            fine = f.icmp("ne", f"%field.{place}", "null", "ptr")
            if isinstance(one.type, ArrayType):
                shape = [check_size(frame, f"{size} of {one.name}", size, known) for size in one.type.shape if isinstance(size, Size)]
                fine = f.binary("or", "i1", fine, f.icmp("eq", product(f, shape), 0))
            frame.fail_unless(fine, ErrorCode.ARGUMENT, f"{one.name} is null")

    def field_value(self, frame: Frame, core: object, kind: ValueType, given: str, known: Mapping[str, str]) -> str:
        if isinstance(core, ArrayType):
            shape = [size_value(frame.f, one, known) for one in core.shape if isinstance(one, Size)]
            return self.array_in(frame, given, shape, kind)
        if isinstance(core, StringType):
            return frame.runtime("dyn.string_from_bytes", given, frame.f.call("strlen", given))
        return given

    # -- values in

    def array_in(self, frame: Frame, pointer: str, shape: Sequence[str], kind: ValueType) -> str:
        """A block with the caller's elements."""
        assert isinstance(kind, Array)
        f, each = frame.f, element_bytes(kind.element)
        block = frame.allocate(frame.bytes_needed(shape, each))
        if kind.element == Scalar("bool"):
            with f.loop(0, product(f, shape), vectorise=True) as loop:
                truth = f.icmp("ne", f.load("i8", f.offset(pointer, loop.index, "i8")), 0, "i8")
                f.store("i8", f.convert("zext", "i1", truth, "i8"), f.offset(block, loop.index, "i8"))
        else:
            f.copy_bytes(block, pointer, f.mul(product(f, shape), each))
        return block

    def export(self, export: Export) -> None:
        _Call(self, export).define()


class _HostFrame(Frame):
    """Leaves with the error's code alone."""

    def leave(self) -> None:
        f = self.f
        if self._needs_failed:
            f.place("failed")
            files = list(self.lowering.files)
            made = self.lowering.text.require("append_line", lambda module: _define_append_line(module, files))
            f.call(made.name, "%context")
            f.ret(f.load("i32", f.offset("%context", context.ERROR_CODE, "i8")))


class _Call:
    """`i32 NAME_f(context, sizes.., arguments.., results..)`."""

    def __init__(self, glue: _Glue, export: Export) -> None:
        self.glue = glue
        self.export = export
        self.interface = glue.interface
        parameters = ["ptr context", *(f"i64 size.{one}" for one in export.given)]
        for place, one in enumerate(export.parameters):
            kind = register(Scalar(one.dtype)) if one.kind == "scalar" and not one.inout else "ptr"
            parameters.append(f"{kind} argument.{place}")
        parameters += [f"ptr result.{place}" for place in range(len(export.results))]
        self.f = glue.function(export.name, "i32", *parameters)
        self.frame = glue.frame(self.f)
        self.known: dict[str, str] = {one: f"%size.{one}" for one in export.given}
        self.temporary: list[tuple[str, ValueType]] = []

    def define(self) -> None:
        f, export = self.f, self.export
        self.glue.enter(f)
        self.find_sizes()
        self.check_sizes()
        self.check_places()
        arguments = [self.known[one] for one in export.sizes]
        for place, part in enumerate(export.parameters):
            arguments += self.argument(part, f"%argument.{place}")
        for place, part in enumerate(export.parameters):
            if part.kind == "record" and part.inout:
                f.store("i64", BROKEN, f"%argument.{place}")
            if part.kind == "sum" and part.inout:
                f.store("ptr", "null", f"%argument.{place}")
        symbol = function_symbol(export.function.name)
        kind = self.glue.text.signatures[symbol].result
        returned = f.call(symbol, "%context", *arguments)
        self.frame.stop_if(f.icmp("ne", f.value(f"extractvalue {kind} {returned}, 0"), 0, "i32"))
        results = [f.value(f"extractvalue {kind} {returned}, {place + 1}") for place in range(len(export.function.results))]
        for block, block_kind in self.temporary:
            self.frame.release(block, block_kind)
        for place, part in enumerate(export.results):
            self.result(part, f"%result.{place}", results)
        self.give_back(results)
        f.ret(0)
        self.frame.leave()

    # -- sizes

    def find_sizes(self) -> None:
        """Handles tell the sizes of their types; what is told twice must agree."""
        f = self.f
        later: list[tuple[Part, Size, str]] = []
        for place, part in enumerate(self.export.parameters):
            if part.kind == "scalar" and part.dtype == "i64" and not part.inout:
                self.known.setdefault(part.name, f"%argument.{place}")
            if part.kind != "record":
                continue
            self.frame.fail_unless(f.icmp("ne", f"%argument.{place}", "null", "ptr"), ErrorCode.ARGUMENT, f"{part.name} is null")
            good = f.icmp("eq", f.load("i64", f"%argument.{place}"), GOOD)
            self.frame.fail_unless(good, ErrorCode.BROKEN, f"{part.name} was broken by an earlier error, or is freed")
            for number, size in enumerate(part.sizes):
                actual = f.load("i64", f.offset(f"%argument.{place}", number + 1, "i64"))
                name = size.single_variable
                if name is not None and name not in self.known:
                    self.known[name] = actual
                else:
                    later.append((part, size, actual))
        for part, size, actual in later:
            wanted = size_value(f, size, self.known)
            self.frame.fail_unless(f.icmp("eq", actual, wanted), ErrorCode.ARGUMENT,
                                   f"a size of {part.name} is {{}}, but {size} is {{}}", actual, wanted)

    def check_sizes(self) -> None:
        """What the caller says of sizes, and what follows from it for arrays, isn't negative."""
        told = [(one, Size.variable(one)) for one in self.export.given]
        shapes = [(str(size), size) for part in self.export.parameters for size in part.shape if size.value is None]
        for name, size in dict([*told, *shapes]).items():
            check_size(self.frame, name, size, self.known)

    def check_places(self) -> None:
        """No pointer is null, but those of arrays without elements, and indices are inside; before anything is allocated. Handles are
        looked at where they are read."""
        f = self.f
        places = [(part, f"%argument.{place}") for place, part in enumerate(self.export.parameters)
                  if part.kind in ("array", "text") or (part.kind == "scalar" and part.inout)]
        places += [(part, f"%result.{place}") for place, part in enumerate(self.export.results)]
        for part, pointer in places:
            fine = f.icmp("ne", pointer, "null", "ptr")
            if part.kind == "array":
                empty = f.icmp("eq", product(f, [size_value(f, one, self.known) for one in part.shape]), 0)
                fine = f.binary("or", "i1", fine, empty)
            self.frame.fail_unless(fine, ErrorCode.ARGUMENT, f"{part.name} is null")
        for place, part in enumerate(self.export.parameters):
            self.check_indices(part, f"%argument.{place}")

    def check_indices(self, part: Part, given: str) -> None:
        """What an index is of is known here, and never looked at again inside."""
        f = self.f
        if part.kind == "sum":
            self.check_sum(part, given)
        if part.bound is None:
            return
        limit = size_value(f, part.bound, self.known)
        if part.kind == "scalar":
            value = f.load("i64", given) if part.inout else given
            self.frame.fail_unless(f.icmp("ult", value, limit), ErrorCode.BOUNDS, OUTSIDE.format(part.name), value, limit)
        else:
            check_indices(self.frame, part.name, given, product(f, [size_value(f, one, self.known) for one in part.shape]), limit)

    def check_sum(self, part: Part, given: str) -> None:
        """A value of a sum type is there, and what stands in it fits the sizes of the call."""
        f = self.f
        self.frame.fail_unless(f.icmp("ne", given, "null", "ptr"), ErrorCode.ARGUMENT, f"{part.name} is null")
        value = given
        if part.inout:
            value = f.load("ptr", given)
            broken = f"{part.name} was broken by an earlier error, or is null"
            self.frame.fail_unless(f.icmp("ne", value, "null", "ptr"), ErrorCode.BROKEN, broken)
        self.glue.looks.look(self.frame, SumType(part.type_name, part.sizes), value, self.known)

    # -- arguments

    def argument(self, part: Part, given: str) -> list[str]:
        """The flat values of a parameter. What the function takes over is not released here."""
        f, function = self.f, self.export.function
        kinds = [function.parameters[slot].type for slot in part.slots]
        if part.kind == "scalar":
            return [self.frame.load_slot(given, kinds[0]) if part.inout else given]
        if part.kind == "record":
            record = self.interface.records[part.type_name]
            fields = [self.frame.load_slot(field_at(f, given, record, place), kind) for place, kind in enumerate(kinds)]
            for slot, kind, value in zip(part.slots, kinds, fields, strict=True):
                if slot in function.owned and not part.inout:
                    self.frame.retain(value, kind)
            return fields
        if part.kind == "sum":
            if part.inout:
                return [f.load("ptr", given)]
            return [self.frame.retain(given, kinds[-1]) if part.slots[-1] in function.owned else given]
        if part.kind == "text":
            block = self.frame.runtime("dyn.string_from_bytes", given, f.call("strlen", given))
        else:
            block = self.glue.array_in(self.frame, given, [size_value(f, one, self.known) for one in part.shape], kinds[-1])
        if part.slots[-1] not in function.owned:
            self.temporary.append((block, kinds[-1]))
        return [block]

    def give_back(self, results: Sequence[str]) -> None:
        """The new values of `inout` parameters, where the caller had the old ones."""
        f, function = self.f, self.export.function
        position = dict(function.inout)
        for place, part in enumerate(self.export.parameters):
            if not part.inout:
                continue
            given = f"%argument.{place}"
            for number, slot in enumerate(part.slots):
                value, kind = results[position[slot]], function.parameters[slot].type
                if part.kind == "record":
                    self.frame.store_slot(field_at(f, given, self.interface.records[part.type_name], number), value, kind)
                elif part.kind == "array":
                    self.copy_out(part, value, kind, given)
                else:
                    self.frame.store_slot(given, value, kind)
            if part.kind == "record":
                f.store("i64", GOOD, given)

    # -- results

    def result(self, part: Part, target: str, results: Sequence[str]) -> None:
        f, function = self.f, self.export.function
        values = [results[slot] for slot in part.slots]
        kinds = [function.results[slot].type for slot in part.slots]
        if part.kind in ("scalar", "sum"):
            self.frame.store_slot(target, values[-1], kinds[-1])
        elif part.kind == "array":
            self.copy_out(part, values[-1], kinds[-1], target)
        else:
            record = self.interface.records[part.type_name]
            block = self.frame.allocate(SLOT_BYTES * (1 + len(record.sizes) + len(record.fields)))
            f.store("i64", GOOD, block)
            for number, size in enumerate(part.sizes):
                f.store("i64", size_value(f, size, self.known), f.offset(block, number + 1, "i64"))
            for number, (value, kind) in enumerate(zip(values, kinds, strict=True)):
                self.frame.store_slot(field_at(f, block, record, number), value, kind)
            f.store("ptr", block, target)

    def copy_out(self, part: Part, block: str, kind: ValueType, target: str) -> None:
        """The elements to the caller's memory; the block is done with."""
        assert isinstance(kind, Array)
        shape = [size_value(self.f, one, self.known) for one in part.shape]
        self.f.copy_bytes(target, block, self.f.mul(product(self.f, shape), element_bytes(kind.element)))
        self.frame.release(block, kind)


# ---------------------------------------------------------------- helpers


def _define_append_line(module: ModuleText, files: list[str]) -> None:
    """`append_line(context)`: the text of the error gets " (line N)" or " (line N of FILE)" behind it, where the line is known."""
    put_i64(module)
    f = module.function("append_line", "void", "ptr context", attributes="nounwind cold noinline")
    word = f.load("i32", f.offset("%context", context.ERROR_LINE, "i8"))
    line = f.binary("and", "i32", word, LINE_MASK)
    text = f.offset("%context", context.ERROR_TEXT, "i8")
    length = f.call("strlen", text)
    fits = f.icmp("slt", length, context.ERROR_TEXT_BYTES - 320)
    with f.when(f.binary("and", "i1", f.icmp("sgt", line, 0, "i32"), fits)):
        end = f.offset(text, length, "i8")
        before = b" (line "
        f.copy_bytes(end, module.bytes_constant(before), len(before))
        digits = f.offset(end, len(before), "i8")
        behind = f.offset(digits, f.call("dyn.put_i64", digits, f.convert("sext", "i32", line, "i64")), "i8")
        name = emit_file_name(f, word, files)
        choice = f.choose(f.icmp("ne", name, "null", "ptr"))
        with choice.yes():
            of, room = b" of ", 255
            f.copy_bytes(behind, module.bytes_constant(of), len(of))
            count = f.minimum(f.call("strlen", name), room)
            f.copy_bytes(f.offset(behind, len(of), "i8"), name, count)
            named = f.offset(behind, f.add(count, len(of)), "i8")
        with choice.no():
            pass
        f.copy_bytes(choice.merge("ptr", named, behind), module.bytes_constant(b")\0"), 2)
    f.ret()


def unless_null(f: Function, otherwise: int | None = None, pointer: str = "%context") -> None:
    """The function ends at once where a pointer is null."""
    with f.when(f.icmp("eq", pointer, "null", "ptr")):
        f.ret(otherwise)


def builder_sizes(sizes: Sequence[str], constructor: Constructor) -> list[str]:
    """The sizes of a sum that the caller of a builder must say: those that its arrays mention."""
    mentioned = {name for one in constructor.fields if isinstance(one.type, ArrayType)
                 for size in one.type.shape if isinstance(size, Size) for name in size.variables()}
    return [one for one in sizes if one in mentioned]


def field_at(f: Function, handle: str, record: RecordHandle, place: int) -> str:
    """The slot of a record's flat field: behind the state and the sizes."""
    return f.offset(handle, 1 + len(record.sizes) + place, "i64")
