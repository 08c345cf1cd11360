"""Files for users: an executable from `proc main`; a shared library, a static library and a C header from exports.

    build_executable(ssa, Path("train"), [Flag("--epochs", "i64", 10)], help_text)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dynlang.native import link
from dynlang.native import target as targets
from dynlang.native.jit import compiled_object
from dynlang.native.program import Flag, program_text
from dynlang.native.target import Target
from dynlang.ssa.nodes import Module

EXECUTABLE = ("-pthread", "-Wl,--gc-sections")


def build_executable(module: Module, output: Path, flags: Sequence[Flag], help_text: str, main: str = "main", optimisation: int = 2,
                     target: Target | None = None) -> None:
    """One native program that needs nothing but the system's C library."""
    machine = target or targets.host()
    text = program_text(module, machine, flags, help_text, main)
    link.link(compiled_object(text, machine, optimisation), output, () if machine.is_macos else EXECUTABLE)
