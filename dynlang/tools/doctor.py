"""`dync doctor`: what this machine can do, and what is missing for the rest."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import shutil
import subprocess

from dynlang import __version__
from dynlang.tools.cli import EXIT_INPUT

PACKAGES = (
    ("lark", "the parser"),
    ("llvmlite", "native code"),
    ("numpy", "`call` and the interpreter"),
    ("prompt_toolkit", "the editing of `repl`"),
)


def version_of(module: str) -> str | None:
    """The version of an installed package, None where it can't be imported."""
    try:
        return str(getattr(importlib.import_module(module), "__version__", "?"))
    except ImportError:
        return None


def processor() -> str:
    """The processor as LLVM knows it, with the vector instructions that matter here."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    wide = [name for name in ("avx2", "fma", "avx512f", "neon", "sve") if features.get(name)]
    return f"{llvm.get_process_triple()}, {llvm.get_host_cpu_name()}{', ' + ' '.join(wide) if wide else ''}"


def linker() -> str | None:
    """The C compiler that links executables, with the first line of its version."""
    command = os.environ.get("CC") or next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    if command is None:
        return None
    try:
        done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return f"{shutil.which(command)}: {(done.stdout or done.stderr).splitlines()[0]}"


def doctor(_: argparse.Namespace) -> int | None:
    print(f"dync        {__version__}, Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores")
    missing = 0
    for module, purpose in PACKAGES:
        version = version_of(module)
        missing += version is None
        print(f"{module:<11} {version or f'MISSING: {purpose} needs it'}")
    if version_of("llvmlite"):
        print(f"processor   {processor()}")
    compiler = linker()
    missing += compiler is None
    print(f"linker      {compiler or 'MISSING: `build` needs a C compiler to link (set CC, or install gcc or clang)'}")
    print("all is well" if not missing else f"{missing} missing")
    return EXIT_INPUT if missing else None
