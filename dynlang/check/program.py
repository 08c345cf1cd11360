"""The checker's entry: from a file to the typed tree of the whole program."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dynlang.check import errors, typed
from dynlang.check.cache import Layers, Stored, save
from dynlang.check.declarations.declare import (
    enter_imported,
    enter_names,
    enter_repeated,
    is_own,
    read_members,
    read_signatures,
    read_types,
)
from dynlang.check.declarations.finite import check_finite
from dynlang.check.declarations.world import Interface, World
from dynlang.check.modules import PRELUDE, Loaded, Loader
from dynlang.check.statements.bodies import check_block_item, check_constant, check_defaults, check_function
from dynlang.check.statements.rules import check_one_each
from dynlang.diag import CompileError, Diagnostic, Diagnostics
from dynlang.source import Source, read_source
from dynlang.syntax import nodes as ast

# The handlers of expressions register themselves when their modules are read.
from dynlang.check.calls import builtins, call, derivatives, jacobians, leaves  # noqa: F401  isort: skip
from dynlang.check.expressions import arithmetic, comprehensions, debugging, elementary, indexing, joining, logic, members, simple, sparse  # noqa: F401  isort: skip
from dynlang.check.fitting import casts  # noqa: F401  isort: skip

RECURSION = 20_000
"""The parser admits 500 nested nodes; each takes a few frames here."""


def check_program(path: str | os.PathLike[str], *, main_required: bool = False) -> typed.Program:
    """The typed tree of a file and of all it imports; raises a `CompileError` with everything that is wrong."""
    source = read_source(path)
    return check(source, Path(path), main_required)


def check_source(text: str, name: str = "program") -> typed.Program:
    """The typed tree of a text that stands in no file: it imports from the standard library alone."""
    return check(Source(name, text), None, False)


def check(source: Source, path: Path | None, main_required: bool, instead: dict[Path, Source] | None = None) -> typed.Program:
    """`instead`: texts that stand for those of imported files."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))
    loader = Loader(path.parent if path is not None else None, instead=instead or {})
    main = loader.load_main(source, path)
    if loader.problems:
        raise CompileError(first(loader.problems))
    world = World()
    diagnostics = Diagnostics()
    modules = [loader.modules[name] for name in loader.order]
    try:
        declare_modules(modules, world, diagnostics)
    except CompileError as problem:
        raise CompileError([*diagnostics.errors, *problem.diagnostics], diagnostics.left_off, diagnostics.silent) from None
    program = check_bodies(modules, world, diagnostics, main, loader)
    if main_required and program.main is None:
        diagnostics.add(
            errors.MissingMain(f"`{source.name}` has no `proc main`", source.span(0, 0), hint="the program starts in `proc main():`")
        )
    diagnostics.raise_errors()
    return replace(program, warnings=tuple(diagnostics.warnings))


def first(problems: list[Diagnostic], limit: int = 20) -> list[Diagnostic]:
    return problems[:limit]


def declare_modules(modules: list[Loaded], world: World, diagnostics: Diagnostics) -> None:
    """Names first, of all modules; then what they stand for. So modules behind the prelude see the prelude, too."""
    for one in modules:
        if one.stored is not None:
            world.add(one.stored.interface)
    spelled = {one.name: one.spelled for one in modules}
    modules = [one for one in modules if one.stored is None]
    interfaces = {one.name: Interface(one.name) for one in modules}
    for one in modules:
        world.interfaces[one.name] = interfaces[one.name]
        enter_names(one.syntax, interfaces[one.name], one.imports, diagnostics)
    for one in modules:
        enter_imported(one.syntax, interfaces[one.name], one.imports, world, diagnostics)
    for one in modules:
        enter_repeated(one.syntax, interfaces[one.name], one.imports, spelled, world)
    for read in (read_types, read_members, read_signatures):
        for one in modules:
            read(one.syntax, interfaces[one.name], world, diagnostics)
    for one in modules:
        check_finite(interfaces[one.name], world, diagnostics)


def check_bodies(modules: list[Loaded], world: World, diagnostics: Diagnostics, main: str, loader: Loader) -> typed.Program:
    """Constants first, for functions read them; then all functions; tests and benchmarks of the main module."""
    constants: dict[str, typed.Constant] = {}
    fresh = [one for one in modules if one.stored is None]
    for one in modules:
        constants |= one.stored.constants if one.stored is not None else module_constants(one, world, diagnostics)
    found: dict[str, dict[str, typed.Function]] = {}
    for one in fresh:
        found[one.name] = {function.name: function for function in module_functions(one, world, diagnostics)}
    check_one_each((one for functions in found.values() for one in functions.values()), diagnostics)
    if not diagnostics.errors:
        store(fresh, world, constants, found, loader, diagnostics)
    tests: list[typed.Block] = []
    benches: list[typed.Block] = []
    for item in loader.modules[main].syntax.items:
        if isinstance(item, (ast.Test, ast.Bench)):
            with going_on(diagnostics):
                block, nested = check_block_item(world, main, item, diagnostics)
                (tests if isinstance(item, ast.Test) else benches).append(block)
                found[main] |= {function.name: function for function in nested}
    entry = f"{main}.main"
    has_main = entry in world.signatures and world.signatures[entry].is_proc
    stored = [one.stored for one in modules if one.stored is not None]
    functions = Layers([*found.values(), *(one.functions for one in stored)])
    rules = {of: rule for one in (*map(rules_of, found.values()), *(one.rules for one in stored)) for of, rule in one.items()}
    return typed.Program(
        main, typed_records(world), typed_sums(world), constants, functions, rules, tuple(tests), tuple(benches),
        entry if has_main else None,
    )


def store(
    modules: list[Loaded],
    world: World,
    constants: dict[str, typed.Constant],
    functions: dict[str, dict[str, typed.Function]],
    loader: Loader,
    diagnostics: Diagnostics,
) -> None:
    """Keeps the modules that were checked just now, for the next time: those of the library, and those that the program imports,
    unless there is a warning to repeat."""
    names = {id(source): name for name, source in loader.sources.items()}
    warned = {id(one.span.source) for one in diagnostics.warnings if one.span is not None}
    for one in modules:
        if one.is_library or (one.digest and id(one.source) not in warned):
            own = {name: constant for name, constant in constants.items() if name.rpartition(".")[0] == one.name}
            imports = tuple(dict.fromkeys(one.imports.values()))
            bodies = dict(functions[one.name])
            save(Stored(one.name, imports, world.interfaces[one.name], one.spelled, own, bodies, rules_of(bodies)), names, one.digest)


def rules_of(functions: Mapping[str, typed.Function]) -> dict[str, str]:
    """Of each function that has a derivative of its own, the name of that."""
    return {one.rule_of: one.name for one in functions.values() if one.rule_of is not None}


def module_constants(module: Loaded, world: World, diagnostics: Diagnostics) -> dict[str, typed.Constant]:
    found: dict[str, typed.Constant] = {}
    interface = world.interfaces[module.name]
    for item in module.syntax.items:
        if isinstance(item, ast.Let) and not item.mutable and isinstance(item.target, ast.Identifier) and is_own(interface, item.target):
            constant = check_constant(world, interface, item, diagnostics)
            if constant is not None:
                found[constant.name] = constant
    return found


def module_functions(module: Loaded, world: World, diagnostics: Diagnostics) -> list[typed.Function]:
    found: list[typed.Function] = []
    interface = world.interfaces[module.name]
    for item in module.syntax.items:
        if isinstance(item, ast.Function) and is_own(interface, item.name):
            with going_on(diagnostics):
                found += check_function(world, module.name, item, world.signatures[f"{module.name}.{item.name.text}"], diagnostics)
        elif isinstance(item, (ast.Record, ast.TypeDef)) and is_own(interface, item.name):
            if isinstance(item, ast.Record):
                check_defaults(world, module.name, world.records[f"{module.name}.{item.name.text}"], diagnostics)
            for method in item.methods:
                signature = world.signatures.get(f"{module.name}.{item.name.text}.{method.name.text}")
                if signature is not None and signature.span == method.name.span:
                    with going_on(diagnostics):
                        found += check_function(world, module.name, method, signature, diagnostics)
    return found


@contextmanager
def going_on(diagnostics: Diagnostics) -> Iterator[None]:
    """What isn't built yet ends the declaration that needs it, not the run."""
    try:
        yield
    except CompileError as problem:
        diagnostics.extend(problem.diagnostics)


def typed_records(world: World) -> dict[str, typed.Record]:
    return {
        one.name: typed.Record(
            one.name,
            tuple(typed.Generic(g.name, g.kind) for g in one.generics),
            tuple((field.name, field.type) for field in one.fields),
            one.documentation,
            one.invariant,
        )
        for one in world.records.values()
    }


def typed_sums(world: World) -> dict[str, typed.Sum]:
    return {
        one.name: typed.Sum(
            one.name,
            tuple(typed.Generic(g.name, g.kind) for g in one.generics),
            tuple(typed.Constructor(c.name, tuple((field.name, field.type) for field in c.fields)) for c in one.constructors),
            one.documentation,
        )
        for one in world.sums.values()
    }


__all__ = ["PRELUDE", "check_program", "check_source"]
