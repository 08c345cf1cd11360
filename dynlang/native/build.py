"""Files for users: an executable from `proc main`; a shared library, a static library and a C header from exports.

    build_executable(ssa, Path("train"), [Flag("--epochs", "i64", 10)], help_text)
    build_library(ssa, Path("out"), "model", interface)        # libmodel.so, libmodel.a, model.h
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dynlang.native import link
from dynlang.native import target as targets
from dynlang.native.jit import compiled_object
from dynlang.native.library.interface import Interface
from dynlang.native.program import Flag, program_text
from dynlang.native.steps import step
from dynlang.native.target import Target
from dynlang.ssa.nodes import Module

EXECUTABLE = ("-pthread", "-Wl,--gc-sections")


def build_executable(module: Module, output: Path, flags: Sequence[Flag], help_text: str, main: str = "main", optimisation: int = 2,
                     target: Target | None = None) -> None:
    """One native program that needs nothing but the system's C library."""
    machine = target or targets.host()
    with step("emit"):
        text = program_text(module, machine, flags, help_text, main)
    link.link(compiled_object(text, machine, optimisation), output, () if machine.is_macos else EXECUTABLE)


def build_library(module: Module, folder: Path, stem: str, interface: Interface, optimisation: int = 2,
                  target: Target | None = None) -> list[Path]:
    """`libSTEM.so`, `libSTEM.a` and `STEM.h` in a folder; the files made."""
    from dynlang.native.library.glue import library_text
    from dynlang.native.library.header import header_text

    machine = target or targets.host()
    made = compiled_object(library_text(module, machine, interface), machine, optimisation)
    header = header_text(interface)
    shared, static, declared = folder / f"lib{stem}{'.dylib' if machine.is_macos else '.so'}", folder / f"lib{stem}.a", folder / f"{stem}.h"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise link.unwritable(folder, error) from None
    link.link(made, shared, ("-shared", *(() if machine.is_macos else (f"-Wl,-soname,{shared.name}", "-Wl,--gc-sections"))))
    link.write_output(static, link.archive([(f"{stem}.o", made, declared_symbols(header))]))
    link.write_output(declared, header.encode())
    return [shared, static, declared]


def declared_symbols(header: str) -> list[str]:
    """The functions that a header declares."""
    return re.findall(r"(\w+)\([^()]*\);", header)
