"""The verb: finds the pages that are asked for and prints them in the form that fits."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from dynlang import diag
from dynlang.tools.cli import complain
from dynlang.tools.docs.model import Page, library_pages, page_of_file, primitives


def doc(arguments: argparse.Namespace) -> int | None:
    """`dync doc`: the modules of the library; `dync doc nn`, `dync doc nn.Linear`, `dync doc FILE...`: what they offer."""
    try:
        pages = [page for name in arguments.names for page in pages_of(name)]
    except KeyError as missing:
        return complain(unknown(str(missing.args[0])))
    text = rendered(arguments, pages or all_pages())
    if arguments.output:
        from dynlang.native.link import write_output

        write_output(Path(arguments.output), text.encode("utf-8"))
    else:
        print(text, end="")
    return None


def all_pages() -> list[Page]:
    return [*library_pages().values(), primitives()]


def pages_of(name: str) -> list[Page]:
    """The pages that a word of the command line names: a file, a module, a name in a module, or a name that all modules see."""
    if name.endswith(".dyn"):
        return [page_of_file(Path(name))]
    library = library_pages() | {"primitives": primitives()}
    if name in library:
        return [library[name]]
    module, _, rest = name.partition(".")
    if module in library and (entry := library[module].find(rest)) is not None:
        return [replace(library[module], doc="", entries=(entry,))]
    if Path(f"{module}.dyn").is_file():
        page = page_of_file(Path(f"{module}.dyn"))
        entry = page.find(rest) if rest else None
        if not rest or entry is not None:
            return [replace(page, doc="", entries=(entry,)) if entry is not None else page]
    found = [replace(page, doc="", entries=(entry,)) for page in library.values() if (entry := page.find(name)) is not None]
    if not found:
        raise KeyError(name)
    return found


def rendered(arguments: argparse.Namespace, pages: list[Page]) -> str:
    """HTML if asked for; text on a terminal; else Markdown."""
    from dynlang.tools.docs.text import markdown, overview, plain

    if arguments.html:
        from dynlang.tools.docs.page import html

        return html(pages, pages[0].name if len(pages) == 1 else "The library of Dyn" if not arguments.names else "Documentation")
    terminal = sys.stdout.isatty() and not arguments.output and not arguments.markdown
    colour = terminal and diag.colour_wanted(sys.stdout)
    if not arguments.names and not arguments.markdown and not arguments.output:
        return overview(pages, colour)
    return plain(pages, colour) if terminal or arguments.text else markdown(pages)


def unknown(name: str) -> str:
    import difflib

    library = all_pages()
    names = [page.name for page in library] + [one.name for page in library for one in page.entries]
    close = difflib.get_close_matches(name.rpartition(".")[2], names, n=1)
    return f"nothing is called `{name}` in the library" + (f": did you mean `{close[0]}`?" if close else "; `dync doc` lists its modules")
