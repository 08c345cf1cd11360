"""What is documented: a page for each module, an entry for each of its names.

Pages are made from the syntax alone, so a program that doesn't check yet has its pages, too. A name that begins with `_` is private;
in the standard library so is one without a doc string.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dynlang.source import Source, read_source, resource
from dynlang.syntax import nodes as ast
from dynlang.syntax.parser import parse
from dynlang.syntax.printer import print_item, print_node

WORD = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Entry:
    """A name: its signature as source, its doc string, and what is inside of it (fields and methods, alternatives)."""

    kind: str
    name: str
    signature: str
    doc: str = ""
    members: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Page:
    """A module. `imports`: the modules that its names may be from, by the names that they have in it."""

    name: str
    doc: str
    entries: tuple[Entry, ...]
    imports: Mapping[str, str]

    @property
    def summary(self) -> str:
        """The first line of the doc string."""
        return self.doc.partition("\n")[0]

    def find(self, name: str) -> Entry | None:
        """The entry of a name, or of a member: `find("Linear.call")`."""
        entries: tuple[Entry, ...] = self.entries
        found: Entry | None = None
        for part in name.split("."):
            found = next((one for one in entries if one.name == part), None)
            if found is None:
                return None
            entries = found.members
        return found


def read_page(source: Source, name: str, library: bool = False) -> Page:
    """The page of a module's text.

    >>> page = read_page(Source("m", 'fn half<n>(x: f32[n]) -> f32[n]:\\n    \\"\\"\\"x / 2\\"\\"\\"\\n    return x / 2.0\\n'), "m")
    >>> page.entries[0].signature, page.entries[0].doc
    ('fn half<n>(x: f32[n]) -> f32[n]', 'x / 2')
    """
    from dynlang.diag import CompileError

    module, found = parse(source)
    if found:
        raise CompileError(found)
    imports = {(item.alias.text if item.alias else item.path.parts[-1].text): item.path.text
               for item in module.items if isinstance(item, ast.Import)}
    own = (one for item in module.items for one in (handed_on(item, source, library) if is_export(item) else entries_of(item)))
    entries = tuple(one for one in own if shown(one, library))
    return Page(name, clean(module.doc), entries, imports)


def is_export(item: ast.Item) -> bool:
    return isinstance(item, ast.FromImport) and item.export


def handed_on(item: ast.Item, source: Source, library: bool) -> Iterator[Entry]:
    """The entries of ``export from a import f, g as h``, as the other module has them; what isn't found is left out."""
    if not isinstance(item, ast.FromImport):
        return
    relative = Path(*(part.text for part in item.path.parts)).with_suffix(".dyn")
    found = next((one for folder in (Path(source.name).parent, resource("stdlib")) if (one := folder / relative).is_file()), None)
    page = read_page(read_source(found), item.path.text, library) if found is not None else None
    for one in item.names:
        entry = page.find(one.name.text) if page is not None else None
        if entry is not None:
            yield replace(entry, name=(one.alias or one.name).text)


def shown(entry: Entry, library: bool) -> bool:
    return not entry.name.startswith("_") and (bool(entry.doc) or not library or entry.kind == "constant")


def entries_of(item: ast.Item) -> Iterator[Entry]:
    match item:
        case ast.Function():
            yield Entry("proc" if item.is_proc else "fn", item.name.text, head(item), clean(item.doc))
        case ast.Record():
            members = tuple(one for member in item.members for one in member_entries(member) if not one.name.startswith("_"))
            yield Entry("record", item.name.text, f"record {item.name.text}{generics(item.generics)}", clean(item.doc), members)
        case ast.TypeDef():
            alternatives = tuple(Entry("alternative", one.name.text, alternative(one)) for one in item.alternatives)
            methods = tuple(one for method in item.methods for one in member_entries(method))
            yield Entry("type", item.name.text, f"type {item.name.text}{generics(item.generics)}", clean(item.doc),
                        (*alternatives, *methods))
        case ast.Alias():
            yield Entry("alias", item.name.text, print_item(item).strip())
        case ast.Let(mutable=False, target=ast.Identifier(name)):
            yield Entry("constant", name, print_item(item).strip().partition("\n")[0])


def member_entries(member: ast.Field | ast.NamedSize | ast.Function) -> Iterator[Entry]:
    if isinstance(member, ast.NamedSize):
        yield Entry("size", member.name.text, print_item(member).strip())
    elif isinstance(member, ast.Field):
        default = f" = {print_node(member.default)}" if member.default is not None else ""
        yield Entry("field", member.name.text, f"{member.name.text}: {print_node(member.type)}{default}")
    else:
        yield Entry("method", member.name.text, head(member), clean(member.doc))


def head(function: ast.Function) -> str:
    """The first line of a function: `fn f<n>(x: f32[n]) -> f32`."""
    bare = replace(function, doc=None, body=(ast.Pass(),), decorators=())
    return print_item(bare).strip().partition(":\n")[0].removesuffix(": pass")


def generics(nodes: tuple[ast.Generic, ...]) -> str:
    return f"<{', '.join(map(generic, nodes))}>" if nodes else ""


def generic(node: ast.Generic) -> str:
    kind = f": {node.kind.text}" if node.kind is not None else ""
    default = f" = {print_node(node.default)}" if node.default is not None else ""
    return f"{node.name.text}{kind}{default}"


def alternative(node: ast.Alternative) -> str:
    payload = ", ".join(f"{one.name.text}: {print_node(one.type)}" for one in node.payload)
    return f"{node.name.text}({payload})" if payload else node.name.text


def clean(doc: str | None) -> str:
    return inspect.cleandoc(doc) if doc else ""


# ---------------------------------------------------------------- the library


def library_pages() -> dict[str, Page]:
    """The modules of the standard library that have something to show, by name. What stands in folders is handed on by one of them."""
    pages = (read_page(read_source(path), path.stem, library=True) for path in sorted(resource("stdlib").glob("*.dyn")))
    return {page.name: page for page in pages if page.entries}


def primitives() -> Page:
    """The functions that are rows of the op table."""
    from dynlang.ops import OPS

    entries = {row.surface: Entry("fn", row.surface, f"{row.surface}({', '.join(row.operands)})", row.documentation)
               for row in OPS.values() if row.surface}
    return Page("primitives", "Functions that the compiler knows: the rest of the library is made of them.",
                tuple(entries[name] for name in sorted(entries)), {})


def page_of_file(path: Path) -> Page:
    return read_page(read_source(path), path.stem)


# ---------------------------------------------------------------- links


def anchor(page: str, name: str = "") -> str:
    """The place of a name in a document: `anchor("nn", "Linear")` is `nn.Linear`."""
    return f"{page}.{name}" if name else page


def targets(pages: Iterable[Page]) -> dict[str, str]:
    """The anchor of each type and function by its qualified name; a method's by `module.Record.method`."""
    found: dict[str, str] = {}
    for page in pages:
        found[page.name] = anchor(page.name)
        for one in page.entries:
            found[f"{page.name}.{one.name}"] = anchor(page.name, one.name)
    return found


def target(word: str, page: Page, known: Mapping[str, str]) -> str | None:
    """What a word of a signature on a page refers to: a type of the page, of an import, or one that every module sees."""
    first, _, rest = word.partition(".")
    if rest:
        return known.get(f"{page.imports.get(first, first)}.{rest}")
    if not word[0].isupper():
        return None
    return known.get(f"{page.name}.{word}") or next((place for name, place in known.items() if name.rpartition(".")[2] == word), None)
