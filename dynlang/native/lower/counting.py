"""Reference counts in generated code: retain, release, and owning a block before it is changed in place.

Laws
- `retain` adds one to a block's count, `release` takes one off and frees the block when none is left; a negative count
  marks a block that lives for ever and is left alone.
- Freeing needs no stack: `drop` keeps the blocks that wait to be freed in a list threaded through their own headers (the
  next block in place of the count, the kind in the high bits of the payload's size), so a chain of a million nodes is
  freed like any other.
- `own` gives a block with a count of one and the same contents: the block itself if it had one owner, else a copy.

Functions are made for the kinds that a module uses: `release.KIND`, `own.KIND`, and one `drop` with a case a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dynlang import runtime
from dynlang.core.nodes import SumDeclaration
from dynlang.native.emit import Function, ModuleText, signature
from dynlang.native.lower.alike import alike_kinds
from dynlang.native.lower.layout import LIST_HEADER, SLOT_BYTES, bare, counted, has_children, of_core, spell
from dynlang.runtime.context import COPIES
from dynlang.ssa.nodes import Array, Box, List, Scalar, ValueType

KIND_SHIFT = 46
"""Payloads are smaller than 2**46 bytes (`runtime.context.LARGEST_REQUEST_BYTES`): the bits above hold a kind's number."""

DROP = signature("drop", "void", "ptr context", "ptr first", "i64 kind")

KINDS_IN_PLACE = 32
"""Of more kinds than these the code that lets a child go is a function, called: `drop` would be so long that LLVM takes seconds for it."""

Visit = Callable[[str, ValueType], None]


def symbol(name: str) -> str:
    """A name as LLVM and C linkers take it: other characters become `_` and their code.

    >>> symbol("apply<int>")
    'apply_3Cint_3E'
    """
    return "".join(c if c.isascii() and (c.isalnum() or c in "._$") else f"_{ord(c):02X}" for c in name)


class Counting:
    """The functions on counts of one module; `finish` writes `drop`, when all kinds are known."""

    def __init__(self, module: ModuleText, sums: Mapping[str, SumDeclaration]) -> None:
        self.module = module
        self.sums = sums
        self._numbers: dict[ValueType, int] = {}

    def retain(self, f: Function, block: str) -> None:
        """One owner more."""
        runtime.declare(self.module, "dyn.retain")
        f.call("dyn.retain", "%context", block)

    def release(self, f: Function, block: str, kind: ValueType) -> None:
        """One owner less; frees what nobody owns any more."""
        kind = bare(kind)
        if not has_children(kind):
            runtime.declare(self.module, "dyn.release")
            f.call("dyn.release", "%context", block)
        else:
            made = self.module.require(f"release.{symbol(spell(kind))}", lambda module: self._define_release(kind))
            f.call(made.name, "%context", block)

    def own(self, f: Function, block: str, kind: ValueType) -> str:
        """A block with a count of one and the same contents, or null where memory is out. The old reference is consumed."""
        kind = bare(kind)
        name = f"own.{symbol(spell(kind))}" if has_children(kind) else "own.plain"
        made = self.module.require(name, lambda module: self._define_own(name, kind))
        return f.call(made.name, "%context", block)

    def room(self, f: Function, block: str) -> str:
        """A block as large, with a count of one, to be overwritten: the block itself if it had one owner, else a new one.

        Null where memory is out. The old reference is consumed; what a block with other owners holds may still be read."""
        made = self.module.require("room", lambda module: self._define_own("room", Array(Scalar("u8"), ()), copies=False))
        return f.call(made.name, "%context", block)

    def retain_slots(self, f: Function, slots: str, count: str | int) -> None:
        """One owner more for each of `count` blocks whose addresses stand side by side."""
        with f.loop(0, count) as loop:
            self.retain(f, f.load("ptr", f.offset(slots, loop.index, "ptr")))

    def number(self, kind: ValueType) -> int:
        """The number that stands for a kind in `drop`; 0 is every kind without children."""
        kind = bare(kind)
        return self._numbers.setdefault(kind, len(self._numbers) + 1) if has_children(kind) else 0

    # -- what holds references to what

    def visit_children(self, f: Function, block: str, payload: str, kind: ValueType, visit: Visit) -> None:
        """Emit `visit(address of the slot, kind)` for every reference that the block holds."""
        match kind:
            case Array(element, _):
                with f.loop(0, f.value(f"udiv i64 {payload}, {SLOT_BYTES}")) as loop:
                    visit(f.offset(block, loop.index, "ptr"), element)
            case List(elements):
                self._visit_list(f, block, elements, visit)
            case Box(name, _):
                self._visit_box(f, block, self.sums[name], visit)

    def _visit_list(self, f: Function, block: str, elements: tuple[ValueType, ...], visit: Visit) -> None:
        slots = f.offset(block, LIST_HEADER, "i8")
        with f.loop(0, f.load("i64", block)) as loop:
            first = f.mul(loop.index, len(elements))
            for place, element in enumerate(elements):
                if counted(element):
                    visit(f.offset(slots, f.add(first, place), "i64"), element)

    def _visit_box(self, f: Function, block: str, declaration: SumDeclaration, visit: Visit) -> None:
        done = f.label("done")
        cases: list[tuple[int, str]] = []
        arms = []
        for tag, constructor in enumerate(declaration.constructors):
            kinds = [of_core(one.type) for one in constructor.fields]
            if any(map(counted, kinds)):
                label = f.label(symbol(constructor.name))
                cases.append((tag, label))
                arms.append((label, kinds))
        f.switch("i64", f.load("i64", block), done, cases)
        for label, kinds in arms:
            f.place(label)
            for place, one in enumerate(kinds):
                if counted(one):
                    visit(f.offset(block, place + 1, "i64"), one)
            f.branch(done)
        f.place(done)

    # -- the functions

    def _define_release(self, kind: ValueType) -> None:
        f = self.module.function(f"release.{symbol(spell(kind))}", "void", "ptr context", "ptr block", attributes="nounwind alwaysinline")
        self.module.signatures.setdefault("drop", DROP)
        count_at = f.offset("%block", -16, "i8")
        count = f.load("i64", count_at)
        with f.when(f.icmp("sgt", count, 0)):
            last = f.choose(f.icmp("eq", count, 1))
            with last.yes():
                f.call("drop", "%context", "%block", self.number(kind))
            with last.no():
                f.store("i64", f.sub(count, 1), count_at)
        f.ret()

    def _define_own(self, name: str, kind: ValueType, copies: bool = True) -> None:
        runtime.declare(self.module, "dyn.allocate")
        f = self.module.function(name, "ptr", "ptr context", "ptr block", attributes="nounwind noinline")
        count_at = f.offset("%block", -16, "i8")
        count = f.load("i64", count_at)
        with f.when(f.icmp("eq", count, 1)):
            f.ret("%block")
        payload = f.load("i64", f.offset("%block", -8, "i8"))
        copy = f.call("dyn.allocate", "%context", payload)
        with f.when(f.icmp("eq", copy, "null", "ptr")):
            f.ret("null")
        if copies:
            f.copy_bytes(copy, "%block", payload)
            copied = f.offset("%context", COPIES, "i8")
            f.store("i64", f.add(f.load("i64", copied), 1), copied)
        if has_children(kind):
            self.visit_children(f, "%block", payload, kind, lambda place, _: self.retain(f, f.load("ptr", place)))
        with f.when(f.icmp("sgt", count, 1)):
            f.store("i64", f.sub(count, 1), count_at)
        f.ret(copy)

    def finish(self) -> None:
        """Define `drop`, if anything calls it. Kinds found on the way (a tree's words) are cases like any other."""
        if "drop" not in self.module.signatures:
            return
        runtime.declare(self.module, "dyn.free")
        self._close_kinds()
        f = self.module.function("drop", "void", "ptr context", "ptr first", "i64 kind", attributes="nounwind")
        waiting = f.slot("ptr")
        f.store("ptr", "null", waiting)
        self._wait(f, waiting, "%first", "%kind")
        with f.repeat() as loop:
            block = f.load("ptr", waiting)
            loop.break_if(f.icmp("eq", block, "null", "ptr"))
            f.store("ptr", f.load("ptr", f.offset(block, -16, "i8")), waiting)
            word_at = f.offset(block, -8, "i8")
            word = f.load("i64", word_at)
            payload = f.bit_and(word, (1 << KIND_SHIFT) - 1)
            f.store("i64", payload, word_at)
            self._drop_children(f, block, f.value(f"lshr i64 {word}, {KIND_SHIFT}"), payload, waiting)
            f.call("dyn.free", "%context", block)
        f.ret()

    def _close_kinds(self) -> None:
        """Give a number to every kind that a known kind may hold."""
        pending = list(self._numbers)
        while pending:
            kind = pending.pop()
            children: list[ValueType] = []
            match kind:
                case Array(element, _):
                    children = [element]
                case List(elements):
                    children = list(elements)
                case Box(name, _):
                    children = [of_core(one.type) for constructor in self.sums[name].constructors for one in constructor.fields]
            for child in children:
                if has_children(child) and bare(child) not in self._numbers:
                    self.number(child)
                    pending.append(bare(child))

    def _drop_children(self, f: Function, block: str, kind_number: str, payload: str, waiting: str) -> None:
        done = f.label("done")
        alike = alike_kinds(self._numbers, self.sums)
        labels = {kind: f.label(symbol(spell(kind))) for kind in dict.fromkeys(alike.values())}
        f.switch("i64", kind_number, done, [(self._numbers[kind], labels[first]) for kind, first in alike.items()])
        apart = len(labels) > KINDS_IN_PLACE
        for kind, label in labels.items():
            f.place(label)

            def visit(place: str, child: ValueType) -> None:
                self._drop_child(f, f.load("ptr", place), child, waiting, apart)

            self.visit_children(f, block, payload, kind, visit)
            f.branch(done)
        f.place(done)

    def _drop_child(self, f: Function, child: str, kind: ValueType, waiting: str, apart: bool) -> None:
        if not has_children(kind):
            self.release(f, child, kind)
        elif apart:
            made = self.module.require("let_go", lambda _: self._define_let_go())
            f.call(made.name, waiting, child, self.number(kind))
        else:
            self._let_go(f, waiting, child, str(self.number(kind)))

    def _let_go(self, f: Function, waiting: str, child: str, kind_number: str) -> None:
        """One owner of a child less."""
        count_at = f.offset(child, -16, "i8")
        count = f.load("i64", count_at)
        with f.when(f.icmp("sgt", count, 0)):
            last = f.choose(f.icmp("eq", count, 1))
            with last.yes():
                self._wait(f, waiting, child, kind_number)
            with last.no():
                f.store("i64", f.sub(count, 1), count_at)

    def _define_let_go(self) -> None:
        f = self.module.function("let_go", "void", "ptr waiting", "ptr child", "i64 kind", attributes="nounwind noinline")
        self._let_go(f, "%waiting", "%child", "%kind")
        f.ret()

    def _wait(self, f: Function, waiting: str, block: str, kind_number: str) -> None:
        """Put a block on the list of those to be freed."""
        f.store("ptr", f.load("ptr", waiting), f.offset(block, -16, "i8"))
        word_at = f.offset(block, -8, "i8")
        f.store("i64", f.binary("or", "i64", f.load("i64", word_at), f.value(f"shl i64 {kind_number}, {KIND_SHIFT}")), word_at)
        f.store("ptr", block, waiting)
