"""`main` of an executable, as IR around a compiled `proc main`: reading flags, a deep stack, errors, the exit status.

    ./train --epochs 3 --rate=0.01 --help

Flags are main's parameters. Status 0 means success, 1 that the program failed ("error: ... (line N)" on standard error), 2 that
the flags are wrong. With `DYN_LIVE_BLOCKS` set in the environment the number of blocks alive at the end goes to standard error,
with `DYN_COPIES` the number of blocks that had several owners and were copied to be written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dynlang import runtime
from dynlang.native.emit import ModuleText
from dynlang.native.lower import begin
from dynlang.native.lower.control import scalar_constant
from dynlang.native.lower.conversions import convert
from dynlang.native.lower.frame import Lowering, function_symbol
from dynlang.native.lower.layout import FLOATS, REGISTER
from dynlang.native.lower.places import LINE_MASK, emit_file_name
from dynlang.native.target import Target
from dynlang.ops.dtypes import BYTES
from dynlang.runtime import context, static_block
from dynlang.ssa.build import reached_from
from dynlang.ssa.nodes import Module

STACK_BYTES = 1 << 30
LEAST_STACK_BYTES = 8 << 20
STACK_RESERVE = 1 << 20
USAGE = 2


@dataclass(frozen=True, slots=True)
class Flag:
    """A parameter of main: `option` as typed (`--rate`), `kind` a dtype or `str`; without a default it must be given."""

    option: str
    kind: str
    default: int | float | bool | str | None = None


def program_text(module: Module, target: Target, flags: Sequence[Flag], help_text: str, main: str = "main") -> str:
    """The IR of an executable that runs the function `main` of the module."""
    lowering = begin(reached_from(module, [main]), target, ())
    for name in _LIBC:
        lowering.text.declare(name, *_LIBC[name])
    for name in ("dyn.context_create", "dyn.context_destroy", "dyn.live_blocks", "dyn.release", "dyn.string_from_bytes", "dyn.write"):
        lowering.declare_runtime(name)
    _define_complain(lowering.text)
    _define_matches(lowering.text)
    _Main(lowering, flags, help_text, main).define()
    _define_start(lowering.text)
    lowering.counting.finish()
    return lowering.text.text()


_LIBC: dict[str, tuple[str, ...]] = {
    "strlen": ("i64", "ptr"), "strchr": ("ptr", "ptr", "i32"), "strcmp": ("i32", "ptr", "ptr"), "getenv": ("ptr", "ptr"),
    "pthread_attr_init": ("i32", "ptr"), "pthread_attr_setstacksize": ("i32", "ptr", "i64"),
    "pthread_create": ("i32", "ptr", "ptr", "ptr", "ptr"), "pthread_join": ("i32", "ptr", "ptr"),
}


def _c_text(module: ModuleText, text: str) -> str:
    return module.bytes_constant(text.encode() + b"\0")


def _define_complain(module: ModuleText) -> None:
    """`complain(context, text)`: a zero-terminated text to standard error."""
    f = module.function("complain", "void", "ptr context", "ptr text", attributes="nounwind cold noinline")
    f.call("dyn.write", "%context", 2, "%text", f.call("strlen", "%text"))
    f.ret()


def _define_matches(module: ModuleText) -> None:
    """`flag.matches(given, length, option)`: whether the first `length` characters are the option, `_` and `-` being one."""
    f = module.function("flag.matches", "i1", "ptr given", "i64 length", "ptr option")
    with f.when(f.icmp("ne", f.call("strlen", "%option"), "%length")):
        f.ret("false")
    with f.loop(0, "%length") as loop:
        here = f.load("i8", f.offset("%given", loop.index, "i8"))
        plain = f.select(f.icmp("eq", here, ord("_"), "i8"), "i8", ord("-"), here)
        with f.when(f.icmp("ne", plain, f.load("i8", f.offset("%option", loop.index, "i8")), "i8")):
            f.ret("false")
    f.ret("true")


class _Main:
    """`i32 program(context, argc, argv)`: parse the flags, call the procedure, report."""

    def __init__(self, lowering: Lowering, flags: Sequence[Flag], help_text: str, main: str) -> None:
        self.lowering = lowering
        self.module = lowering.text
        self.flags = flags
        self.help = help_text
        self.main = main

    def define(self) -> None:
        f = self.f = self.module.function("program", "i32", "ptr context", "i32 argc", "ptr argv")
        self.slots = [f.slot("ptr" if one.kind == "str" else REGISTER[one.kind]) for one in self.flags]
        self.given = [f.slot("i1") for _ in self.flags]
        for given in self.given:
            f.store("i1", "false", given)
        count = f.convert("sext", "i32", "%argc", "i64")
        with f.repeat([("i64", "1")]) as loop:
            at = loop.carried[0]
            loop.break_if(f.icmp("sge", at, count))
            loop.next = [self.argument(at, count)]
        self.defaults()
        self.run()

    def usage(self, *parts: str) -> None:
        """Say what is wrong with the flags, and leave. Parts are operands, or plain text."""
        f = self.f
        for part in ("error: ", *parts, "\n"):
            f.call("complain", "%context", part if part.startswith(("%", "@")) else _c_text(self.module, part))
        f.ret(USAGE)

    def word(self, at: str) -> str:
        return self.f.load("ptr", self.f.offset("%argv", at, "ptr"))

    def argument(self, at: str, count: str) -> str:
        """Read the flag at `at`; gives the place of the next one."""
        f = self.f
        given = self.word(at)
        for text in ("--help", "-h"):
            with f.when(f.icmp("eq", f.call("strcmp", given, _c_text(self.module, text)), 0, "i32")):
                data = (self.help.rstrip("\n") + "\n").encode()
                f.call("dyn.write", "%context", 1, self.module.bytes_constant(data), len(data))
                f.ret(0)
        equals = f.call("strchr", given, ord("="))
        has_value = f.icmp("ne", equals, "null", "ptr")
        cut = f.sub(f.convert("ptrtoint", "ptr", equals, "i64"), f.convert("ptrtoint", "ptr", given, "i64"))
        length = f.select(has_value, "i64", cut, f.call("strlen", given))
        after = f.slot("i64")
        done = f.label("done")
        for place in range(len(self.flags)):
            option = _c_text(self.module, self.flags[place].option)
            with f.when(f.call("flag.matches", given, length, option)):
                self.value(place, at, count, has_value, equals, after)
                f.branch(done)
            if self.flags[place].kind == "bool" and f"--no-{self.flags[place].option[2:]}" not in {one.option for one in self.flags}:
                self.switched_off(place, given, length, has_value, f.add(at, 1), after, done)
        known = ", ".join(one.option for one in self.flags)
        self.usage("there is no flag `", given, f"`; there are {known}" if known else "`")
        f.place(done)
        return f.load("i64", after)

    def switched_off(self, place: int, given: str, length: str, has_value: str, following: str, after: str, done: str) -> None:
        """``--no-verbose``."""
        f, option = self.f, f"--no-{self.flags[place].option[2:]}"
        with f.when(f.call("flag.matches", given, length, _c_text(self.module, option))):
            with f.when(has_value):
                self.usage(f"`{option}` takes no value")
            f.store("i1", "false", self.slots[place])
            f.store("i1", "true", self.given[place])
            f.store("i64", following, after)
            f.branch(done)

    def value(self, place: int, at: str, count: str, has_value: str, equals: str, after: str) -> None:
        """The text of the flag's value: behind `=`, or the next word. A bool alone is true."""
        f, flag = self.f, self.flags[place]
        following = f.add(at, 1)
        choice = f.choose(has_value)
        with choice.yes():
            behind = f.offset(equals, 1, "i8")
        with choice.no():
            there = f.icmp("slt", following, count)
            if flag.kind == "bool":
                is_word = f.choose(there)
                with is_word.yes():
                    text = self.word(following)
                    same = [f.icmp("eq", f.call("strcmp", text, _c_text(self.module, one)), 0, "i32") for one in ("true", "false")]
                    spelled = f.binary("or", "i1", *same)
                with is_word.no():
                    pass
                taken = is_word.merge("i1", spelled, "false")
                text = is_word.merge("ptr", text, _c_text(self.module, "true"))
                text = f.select(taken, "ptr", text, _c_text(self.module, "true"))
                step = f.select(taken, "i64", f.add(at, 2), following)
            else:
                with f.when(f.binary("xor", "i1", there, "true")):
                    self.usage(f"`{flag.option}` needs a value of type {_shown(flag.kind)}")
                text = self.word(following)
                step = f.add(at, 2)
        spelled_text = choice.merge("ptr", behind, text)
        f.store("i64", choice.merge("i64", following, step), after)
        self.parse(place, spelled_text)
        f.store("i1", "true", self.given[place])

    def parse(self, place: int, text: str) -> None:
        """Store the value that a text spells; text that spells none is a usage error."""
        f, flag, slot = self.f, self.flags[place], self.slots[place]
        block = f.call("dyn.string_from_bytes", "%context", text, f.call("strlen", text))
        if flag.kind == "str":
            f.store("ptr", block, slot)
            return
        if flag.kind == "bool":
            same = [f.icmp("eq", f.call("strcmp", text, _c_text(self.module, one)), 0, "i32") for one in ("true", "false")]
            f.store("i1", same[0], slot)
            good = f.binary("or", "i1", *same)
        elif flag.kind in FLOATS:
            runtime.declare(self.module, "dyn.string_parse_float")
            room = f.slot("double")
            good = f.call("dyn.string_parse_float", "%context", block, room)
            f.store(REGISTER[flag.kind], convert(f, "f64", flag.kind, f.load("double", room), 1), slot)
        else:
            good = self.parse_integer(flag, block, slot)
        f.call("dyn.release", "%context", block)
        with f.when(f.binary("xor", "i1", good, "true")):
            takes = "true or false" if flag.kind == "bool" else f"a value of type {_shown(flag.kind)}"
            self.usage(f"`{flag.option}` takes {takes}, not `", text, "`")

    def parse_integer(self, flag: Flag, block: str, slot: str) -> str:
        f = self.f
        runtime.declare(self.module, "dyn.string_parse_int")
        room = f.slot("i64")
        good = f.call("dyn.string_parse_int", "%context", block, room)
        value = f.load("i64", room)
        f.store(REGISTER[flag.kind], convert(f, "i64", flag.kind, value, 1), slot)
        if flag.kind == "i64":
            return good
        bits = 8 * BYTES[flag.kind]
        low, high = (0, (1 << bits) - 1) if flag.kind == "u8" else (-(1 << bits - 1), (1 << bits - 1) - 1)
        fits = f.binary("and", "i1", f.icmp("sge", value, low), f.icmp("sle", value, high))
        return f.binary("and", "i1", good, fits)

    def defaults(self) -> None:
        f = self.f
        for flag, slot, given in zip(self.flags, self.slots, self.given, strict=True):
            with f.when(f.binary("xor", "i1", f.load("i1", given), "true")):
                if flag.default is None:
                    self.usage(f"`{flag.option}` is missing: it has no default")
                elif flag.kind == "str":
                    f.store("ptr", static_block(self.module, str(flag.default).encode("utf-8", "surrogateescape")), slot)
                else:
                    f.store(REGISTER[flag.kind], scalar_constant(flag.default, flag.kind), slot)

    def run(self) -> None:
        f = self.f
        kinds = ["ptr" if one.kind == "str" else REGISTER[one.kind] for one in self.flags]
        operands = [f.load(kind, slot) for kind, slot in zip(kinds, self.slots, strict=True)]
        name = function_symbol(self.main)
        result = self.module.signatures[name].result
        code = f.value(f"extractvalue {result} {f.call(name, '%context', *operands)}, 0")
        for flag, operand in zip(self.flags, operands, strict=True):
            if flag.kind == "str":
                f.call("dyn.release", "%context", operand)
        with f.when(f.icmp("ne", code, 0, "i32")):
            self.report()
            f.ret(1)
        with f.when(f.icmp("ne", f.call("getenv", _c_text(self.module, "DYN_LIVE_BLOCKS")), "null", "ptr")):
            self.print_number("live blocks: ", f.call("dyn.live_blocks", "%context"), "\n")
        with f.when(f.icmp("ne", f.call("getenv", _c_text(self.module, "DYN_COPIES")), "null", "ptr")):
            self.print_number("copies: ", f.load("i64", f.offset("%context", context.COPIES, "i8")), "\n")
        f.ret(0)

    def report(self) -> None:
        """"error: TEXT (line N)"."""
        f = self.f
        f.call("complain", "%context", _c_text(self.module, "error: "))
        f.call("complain", "%context", f.offset("%context", context.ERROR_TEXT, "i8"))
        word = f.load("i32", f.offset("%context", context.ERROR_LINE, "i8"))
        with f.when(f.icmp("ne", word, 0, "i32")):
            line = f.binary("and", "i32", word, LINE_MASK)
            self.print_number(" (line ", f.convert("sext", "i32", line, "i64"), "")
            name = emit_file_name(f, word, list(self.lowering.files))
            with f.when(f.icmp("ne", name, "null", "ptr")):
                f.call("complain", "%context", _c_text(self.module, " of "))
                f.call("complain", "%context", name)
            f.call("complain", "%context", _c_text(self.module, ")"))
        f.call("complain", "%context", _c_text(self.module, "\n"))

    def print_number(self, before: str, value: str, after: str) -> None:
        f = self.f
        runtime.declare(self.module, "dyn.format_i64")
        text = f.call("dyn.format_i64", "%context", value)
        f.call("complain", "%context", _c_text(self.module, before))
        f.call("dyn.write", "%context", 2, text, f.load("i64", f.offset(text, -8, "i8")))
        if after:
            f.call("complain", "%context", _c_text(self.module, after))
        f.call("dyn.release", "%context", text)


def _shown(kind: str) -> str:
    return "int" if kind == "i64" else kind


def _define_start(module: ModuleText) -> None:
    """`main`: everything runs on a thread with a deep stack; pages of it are used as they are touched.

    Where so much address space is not to be had, the stack is a smaller one. The frame that is shared: {context, argv, argc,
    status, bytes of the stack}."""
    module.declare("llvm.frameaddress.p0", "ptr", "i32 immarg", attributes="")
    body = module.function("on_deep_stack", "ptr", "ptr shared")
    own = body.load("ptr", "%shared")
    here = body.convert("ptrtoint", "ptr", body.value("call ptr @llvm.frameaddress.p0(i32 0)"), "i64")
    usable = body.sub(body.load("i64", body.offset("%shared", 24, "i8")), STACK_RESERVE)
    body.store("i64", body.sub(here, usable), own)
    argv, argc = body.load("ptr", body.offset("%shared", 8, "i8")), body.load("i32", body.offset("%shared", 16, "i8"))
    status = body.call("program", own, argc, argv)
    body.store("i32", status, body.offset("%shared", 20, "i8"))
    body.ret("null")

    f = module.function("main", "i32", "i32 argc", "ptr argv", linkage="")
    own = f.call("dyn.context_create")
    shared, attributes, thread = f.slot("i64", count=4), f.slot("i64", count=16), f.slot("ptr")
    f.store("ptr", own, shared)
    f.store("ptr", "%argv", f.offset(shared, 8, "i8"))
    f.store("i32", "%argc", f.offset(shared, 16, "i8"))
    f.store("i32", 1, f.offset(shared, 20, "i8"))
    f.call("pthread_attr_init", attributes)
    with f.repeat([("i64", STACK_BYTES)]) as attempt:
        (size,) = attempt.carried
        f.call("pthread_attr_setstacksize", attributes, size)
        f.store("i64", size, f.offset(shared, 24, "i8"))
        failed = f.call("pthread_create", thread, attributes, "@on_deep_stack", shared)
        attempt.break_if(f.icmp("eq", failed, 0, "i32"))
        with f.when(f.icmp("sle", size, LEAST_STACK_BYTES)):
            f.call("complain", own, _c_text(module, "error: there is no memory for the stack\n"))
            f.ret(1)
        attempt.next = [f.value(f"lshr i64 {size}, 2")]
    f.call("pthread_join", f.load("ptr", thread), "null")
    f.call("dyn.context_destroy", own)
    f.ret(f.load("i32", f.offset(shared, 20, "i8")))

