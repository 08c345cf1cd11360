"""Modules: which file an import means, and all modules of a program in an order in which imports come first.

``import a.b`` is the file `a/b.dyn` beside the importing program's main file, else of the standard library. The prelude is
seen by every module, so the modules that it is put together from are loaded first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dynlang.check import errors
from dynlang.check.cache import Stored, digest, load
from dynlang.check.messages import words
from dynlang.diag import CompileError, Diagnostic
from dynlang.source import Source, read_source, resource
from dynlang.syntax import nodes as ast
from dynlang.syntax.parser import parse

PRELUDE = "prelude"
NAME_LIMIT = 200
"""Letters of a module's name: file systems have a limit, too."""


def means_library(found: Path, importer: Loaded, in_library: Path) -> bool:
    """A file that is named like a module of the library, `search.dyn`, and imports that name means the library, not itself."""
    return in_library.is_file() and found.resolve() == Path(importer.source.name).resolve()


def too_long(path: ast.Dotted) -> ast.Identifier | None:
    """The part of a path that no file is called."""
    return next((part for part in path.parts if len(part.text) > NAME_LIMIT), None)


@dataclass
class Loaded:
    """A parsed module, or one of the library that was checked before. `imports`: the module that each import item means,
    by the item's `id`."""

    name: str
    source: Source
    syntax: ast.Module
    imports: dict[int, str] = field(default_factory=dict)
    is_library: bool = False
    stored: Stored | None = None
    digest: str = ""
    """Of a module that the program imports: what its meaning depends on."""

    @property
    def spelled(self) -> dict[str, ast.TypeDef]:
        """The sum types that the module declares, as they are written."""
        if self.stored is not None:
            return self.stored.spelled
        return {item.name.text: item for item in self.syntax.items if isinstance(item, ast.TypeDef)}


def names_in(folder: Path) -> list[str]:
    """The modules of a folder."""
    return sorted(one.stem for one in folder.glob("*.dyn")) if folder.is_dir() else []


@dataclass
class Loader:
    """Finds, reads and parses modules; collects what is wrong with them."""

    root: Path | None
    modules: dict[str, Loaded] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)
    loading: list[str] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    fresh: str = ""
    """The library module that is checked for its own sake, and not taken from the cache."""
    instead: dict[Path, Source] = field(default_factory=dict)
    """Texts that stand for those of files: what an editor holds, or a repair that is tried."""

    def load_main(self, source: Source, path: Path | None) -> str:
        """The main module: its name is that of its file."""
        library = resource("stdlib")
        if path is not None and library.resolve() in path.resolve().parents:
            own = ".".join(path.resolve().relative_to(library.resolve()).with_suffix("").parts)
            self.fresh = own
            self.sources[own] = source
            self.load_prelude()
            if own not in self.modules:
                self.read(own, source, is_library=True)
            return own
        self.load_prelude()
        name = path.stem if path is not None else "main"
        if (library / f"{name}.dyn").is_file() or not name.isidentifier():
            name = "main_" + "".join(c if c.isalnum() else "_" for c in name)
        self.read(name, source, is_library=False)
        return name

    def load_prelude(self) -> None:
        if PRELUDE not in self.modules and (resource("stdlib") / "prelude.dyn").is_file():
            self.load_library(PRELUDE)

    def library_source(self, name: str) -> Source:
        if name not in self.sources:
            self.sources[name] = read_source(resource("stdlib") / Path(*name.split(".")).with_suffix(".dyn"))
        return self.sources[name]

    def load_library(self, name: str) -> None:
        """A module of the standard library: as it was checked before, else parsed."""
        stored = load(name, self.library_source) if name != self.fresh else None
        if stored is None:
            self.read(name, self.library_source(name), is_library=True)
            return
        self.modules[name] = Loaded(name, self.library_source(name), ast.Module(None, ()), {}, True, stored)
        for one in stored.imports:
            if one not in self.modules:
                self.load_library(one)
        self.order.append(name)

    def read(self, name: str, source: Source, is_library: bool, imported: bool = False) -> None:
        """Parses a module and, before it, what it imports. One that is imported may have been checked before, as it is now and
        with all that it imports as that is now."""
        syntax, found = parse(source)
        self.problems += found
        loaded = Loaded(name, source, syntax, is_library=is_library)
        self.modules[name] = loaded
        self.sources.setdefault(name, source)
        self.loading.append(name)
        for item in syntax.items:
            if isinstance(item, ast.FromImport) and self.package(item.path, loaded) is not None:
                self.find_all(item, loaded)
            elif isinstance(item, (ast.Import, ast.FromImport)):
                target = self.find(item.path, loaded)
                if target is not None:
                    loaded.imports[id(item)] = target
        self.loading.pop()
        self.order.append(name)
        if imported and not is_library:
            needed = dict.fromkeys(loaded.imports.values())
            loaded.digest = digest(name, source, ((one, self.modules[one].digest) for one in needed))
            loaded.stored = load(name, self.library_source, loaded.digest)

    def folders(self, importer: Loaded) -> list[Path]:
        """Where a module of the program looks for others: in the main file's folder, then beside itself."""
        if importer.is_library or self.root is None:
            return []
        beside = Path(importer.source.name).parent
        return [self.root, *([beside] if beside.is_dir() and beside.resolve() != self.root.resolve() else [])]

    def package(self, path: ast.Dotted, importer: Loaded) -> Path | None:
        """The folder that ``from folder import module`` names, where no file has that name."""
        if too_long(path) is not None:
            return None
        for folder in self.folders(importer):
            found = folder.joinpath(*(part.text for part in path.parts))
            if found.is_dir() and not found.with_suffix(".dyn").is_file():
                return found
        return None

    def find_all(self, item: ast.FromImport, importer: Loaded) -> None:
        """The modules of ``from folder import a, b``."""
        for one in item.names:
            target = self.find(ast.Dotted((*item.path.parts, one.name), span=one.span), importer)
            if target is not None:
                importer.imports[id(one)] = target

    def find(self, path: ast.Dotted, importer: Loaded) -> str | None:
        """The module that an import means, loaded; reports and gives None if there is none."""
        library = resource("stdlib")
        parts = [part.text for part in path.parts]
        longest = too_long(path)
        if longest is not None:
            self.problems.append(errors.MissingModule(f"the name of a module has at most {NAME_LIMIT} letters", longest.span))
            return None
        relative = Path(*parts).with_suffix(".dyn")
        for folder in self.folders(importer):
            if (folder / relative).is_file() and not means_library(folder / relative, importer, library / relative):
                return self.find_file(self.name_of(folder / relative), folder / relative, path, is_library=False)
        if (library / relative).is_file():
            return self.find_file(".".join(parts), library / relative, path, is_library=True)
        where = f" in {self.root}" if self.root is not None and not importer.is_library else ""
        inside = next((found for folder in self.folders(importer) if (found := names_in(folder.joinpath(*parts)))), None)
        otherwise = f"no file {relative}{where} or in the standard library"
        if inside:
            shown = ", ".join(f"`{path.text}.{one}`" for one in inside[:3])
            otherwise = f"`{path.text}` is a folder, and imported are its modules: {shown}"
        self.problems.append(words.unknown_module(path, self.names_near(path, importer), otherwise))
        return None

    def names_near(self, path: ast.Dotted, importer: Loaded) -> set[str]:
        """The modules that an import may have meant: of the library, and those in the folder that its path leads to."""
        found = set(names_in(resource("stdlib")))
        *front, _ = [part.text for part in path.parts]
        for folder in self.folders(importer):
            found |= {".".join([*front, one]) for one in names_in(folder.joinpath(*front))}
        return found

    def name_of(self, file: Path) -> str:
        """The name of a module of the program: its path from the main file's folder, with dots."""
        assert self.root is not None
        file, root = file.resolve(), self.root.resolve()
        return ".".join(file.relative_to(root).with_suffix("").parts) if root in file.parents else file.stem

    def find_file(self, name: str, file: Path, path: ast.Dotted, is_library: bool) -> str | None:
        if not is_library:
            if self.root is not None and self.root.resolve() not in file.resolve().parents:
                self.problems.append(errors.OutsideRoot(f"`{path.text}` is outside of the program's folder", path.span))
                return None
            if (resource("stdlib") / f"{name}.dyn").is_file():
                name = "main_" + name
        if name in self.loading:
            self.problems.append(self.cycle(name, path))
            return None
        if name not in self.modules and is_library:
            self.load_library(name)
        if name not in self.modules:
            try:
                source = self.instead.get(file.resolve()) or read_source(file)
            except CompileError as problem:
                self.problems += problem.diagnostics
                return None
            self.read(name, source, is_library, imported=True)
        return name

    def cycle(self, name: str, path: ast.Dotted) -> Diagnostic:
        around = " -> ".join([*self.loading[self.loading.index(name) :], name])
        return errors.CyclicImport(f"modules import each other: {around}", path.span, hint="move what both need into a third module")
