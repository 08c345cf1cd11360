"""Functions with a plain C interface around those of the program: `i32 entry.NAME(context, arguments, results)`.

Arguments and results are arrays of 8-byte slots; scalars stand at the beginning of their slot, everything else is the address
of a block. Parameters are borrowed or taken over, and results owned by the caller, as the function itself has it. Behind the
results stand the sizes that their types mention and that are neither parameters nor results (`hidden_sizes`).
"""

from __future__ import annotations

from dynlang import runtime
from dynlang.native.emit import ModuleText
from dynlang.native.lower.counting import symbol
from dynlang.native.lower.frame import Frame, Lowering, function_symbol, hidden_sizes
from dynlang.native.lower.layout import bare, has_children, spell
from dynlang.native.target import Target
from dynlang.ssa.nodes import Function, ValueType

HOST_RUNTIME = ("dyn.context_create", "dyn.context_destroy", "dyn.live_blocks", "dyn.allocated_bytes", "dyn.allocate", "dyn.release",
                "dyn.clear_error", "dyn.error_code", "dyn.error_line", "dyn.error_text")


def entry_symbol(name: str) -> str:
    return f"entry.{symbol(name)}"


def host_text(target: Target) -> str:
    """The IR of what a host calls whatever the program: contexts, blocks, errors, and `host.frame`, the address of its frame."""
    module = ModuleText(target)
    for name in HOST_RUNTIME:
        runtime.declare(module, name, exported=True)
    module.declare("llvm.frameaddress.p0", "ptr", "i32 immarg", attributes="")
    f = module.function("host.frame", "ptr", attributes="nounwind noinline", linkage="")
    f.ret(f.value("call ptr @llvm.frameaddress.p0(i32 0)"))
    return module.text()


def define_entry(lowering: Lowering, function: Function) -> None:
    f = lowering.text.function(entry_symbol(function.name), "i32", "ptr context", "ptr arguments", "ptr results", linkage="")
    frame = Frame(lowering, function, f)
    operands = [frame.load_slot(f.offset("%arguments", place, "i64"), one.type) for place, one in enumerate(function.parameters)]
    kind = lowering.signature(function).result
    returned = f.call(function_symbol(function.name), "%context", *operands)
    code = f.value(f"extractvalue {kind} {returned}, 0")
    with f.when(f.icmp("eq", code, 0, "i32")):
        for place, one in enumerate([*function.results, *hidden_sizes(function)]):
            frame.store_slot(f.offset("%results", place, "i64"), f.value(f"extractvalue {kind} {returned}, {place + 1}"), one.type)
    f.ret(code)
    for one in [*function.parameters, *function.results]:
        define_release(lowering, one.type)


def release_symbol(kind: ValueType) -> str:
    """The function by which a host gives back a reference of this kind."""
    return f"entry.release.{symbol(spell(bare(kind)))}" if has_children(kind) else "dyn.release"


def define_release(lowering: Lowering, kind: ValueType) -> None:
    """`void entry.release.KIND(context, block)`, for kinds that `dyn.release` does not do."""
    name = release_symbol(kind)
    if not has_children(kind) or name in lowering.text.signatures:
        return
    f = lowering.text.function(name, "void", "ptr context", "ptr block", linkage="")
    lowering.counting.release(f, "%block", kind)
    f.ret()


