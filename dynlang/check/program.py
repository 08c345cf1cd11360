"""The checker's entry: from a file to the typed tree of the whole program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dynlang.check import errors, expressions, typed
from dynlang.check.bodies import check_block_item, check_constant, check_function
from dynlang.check.declare import check_finite, enter_imported, enter_names, enter_repeated, is_own, read_members, read_signatures, read_types
from dynlang.check.modules import PRELUDE, Loaded, Loader
from dynlang.check.world import Interface, World
from dynlang.diag import CompileError, Diagnostic, Diagnostics
from dynlang.source import Source, read_source
from dynlang.syntax import nodes as ast

# The handlers of expressions register themselves when their modules are read.
from dynlang.check import arithmetic, builtins, calls, comprehensions, derivatives, indexing, leaves, members  # noqa: F401, I001  isort: skip

RECURSION = 20_000
"""The parser admits 500 nested nodes; each takes a few frames here."""


def check_program(path: str | os.PathLike[str], *, main_required: bool = False) -> typed.Program:
    """The typed tree of a file and of all it imports; raises a `CompileError` with everything that is wrong."""
    source = read_source(path)
    return check(source, Path(path), main_required)


def check_source(text: str, name: str = "program") -> typed.Program:
    """The typed tree of a text that stands in no file: it imports from the standard library alone."""
    return check(Source(name, text), None, False)


def check(source: Source, path: Path | None, main_required: bool) -> typed.Program:
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))
    loader = Loader(path.parent if path is not None else None)
    main = loader.load_main(source, path)
    if loader.problems:
        raise CompileError(first(loader.problems))
    world = World()
    diagnostics = Diagnostics()
    declare_modules([loader.modules[name] for name in loader.order], world, diagnostics)
    program = check_bodies([loader.modules[name] for name in loader.order], world, diagnostics, main)
    if main_required and program.main is None:
        diagnostics.add(errors.MissingMain(f"`{source.name}` has no `proc main`", source.span(0, 0), hint="the program starts in `proc main():`"))
    diagnostics.raise_errors()
    return program


def first(problems: list[Diagnostic], limit: int = 20) -> list[Diagnostic]:
    return problems[:limit]


def declare_modules(modules: list[Loaded], world: World, diagnostics: Diagnostics) -> None:
    """Names first, of all modules; then what they stand for. So modules behind the prelude see the prelude, too."""
    interfaces = {one.name: Interface(one.name) for one in modules}
    for one in modules:
        world.interfaces[one.name] = interfaces[one.name]
        enter_names(one.syntax, interfaces[one.name], one.imports, diagnostics)
    for one in modules:
        enter_imported(one.syntax, interfaces[one.name], one.imports, world, diagnostics)
    syntaxes = {one.name: one.syntax for one in modules}
    for one in modules:
        enter_repeated(one.syntax, interfaces[one.name], one.imports, syntaxes, world)
    for read in (read_types, read_members, read_signatures):
        for one in modules:
            read(one.syntax, interfaces[one.name], world, diagnostics)
    for one in modules:
        check_finite(interfaces[one.name], world, diagnostics)


def check_bodies(modules: list[Loaded], world: World, diagnostics: Diagnostics, main: str) -> typed.Program:
    """Constants first, for functions read them; then all functions; tests and benchmarks of the main module."""
    constants: dict[str, typed.Constant] = {}
    functions: dict[str, typed.Function] = {}
    tests: list[typed.Block] = []
    benches: list[typed.Block] = []
    for one in modules:
        for item in one.syntax.items:
            if isinstance(item, ast.Let) and not item.mutable and isinstance(item.target, ast.Identifier) and is_own(world.interfaces[one.name], item.target):
                constant = check_constant(world, world.interfaces[one.name], item, diagnostics)
                if constant is not None:
                    constants[constant.name] = constant
    for one in modules:
        for function in module_functions(one, world, diagnostics):
            functions[function.name] = function
        if one.name == main:
            for item in one.syntax.items:
                if isinstance(item, (ast.Test, ast.Bench)):
                    block, nested = check_block_item(world, one.name, item, diagnostics)
                    (tests if isinstance(item, ast.Test) else benches).append(block)
                    functions |= {function.name: function for function in nested}
    entry = f"{main}.main"
    has_main = entry in world.signatures and world.signatures[entry].is_proc
    return typed.Program(main, typed_records(world), typed_sums(world), constants, functions, tuple(tests), tuple(benches), entry if has_main else None)


def module_functions(module: Loaded, world: World, diagnostics: Diagnostics) -> list[typed.Function]:
    found: list[typed.Function] = []
    interface = world.interfaces[module.name]
    for item in module.syntax.items:
        if isinstance(item, ast.Function) and is_own(interface, item.name):
            found += check_function(world, module.name, item, world.signatures[f"{module.name}.{item.name.text}"], diagnostics)
        elif isinstance(item, ast.Record) and is_own(interface, item.name):
            for method in item.methods:
                signature = world.signatures.get(f"{module.name}.{item.name.text}.{method.name.text}")
                if signature is not None and signature.span == method.name.span:
                    found += check_function(world, module.name, method, signature, diagnostics)
    return found


def typed_records(world: World) -> dict[str, typed.Record]:
    return {one.name: typed.Record(one.name, tuple(typed.Generic(g.name, g.kind) for g in one.generics),
                                   tuple((field.name, field.type) for field in one.fields), one.documentation)
            for one in world.records.values()}


def typed_sums(world: World) -> dict[str, typed.Sum]:
    return {one.name: typed.Sum(one.name, tuple(typed.Generic(g.name, g.kind) for g in one.generics),
                                tuple(typed.Constructor(c.name, tuple((field.name, field.type) for field in c.fields)) for c in one.constructors),
                                one.documentation)
            for one in world.sums.values()}


__all__ = ["PRELUDE", "check_program", "check_source", "expressions"]
