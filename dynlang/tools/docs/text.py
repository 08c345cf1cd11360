"""Pages as Markdown, and as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from dynlang.tools.docs.model import WORD, Entry, Page, target, targets


def markdown(pages: Sequence[Page], known: Mapping[str, str] | None = None) -> str:
    """All pages, one after the other; types that a signature names are links to where they are described."""
    known = targets(pages) if known is None else known
    here = targets(pages)
    parts = [f"# Modules\n\n{index(pages)}"] if len(pages) > 1 else []
    for page in pages:
        parts.append(f'<a id="{page.name}"></a>\n\n# {page.name}' + (f"\n\n{page.doc}" if page.doc else ""))
        parts += [markdown_entry(one, page, here) for one in page.entries]
    return "\n\n".join(parts) + "\n"


def index(pages: Sequence[Page]) -> str:
    return "\n".join(f"- [{page.name}](#{page.name}): {page.summary}" for page in pages)


def markdown_entry(entry: Entry, page: Page, known: Mapping[str, str]) -> str:
    lines = [f'<a id="{page.name}.{entry.name}"></a>\n\n## {entry.name}', f"```dyn\n{written(entry)}\n```"]
    if entry.doc:
        lines.append(prose(entry.doc))
    lines += [f"**{one.name}**: {prose(one.doc)}" for one in entry.members if one.doc]
    links = sorted({f"[`{word}`](#{place})" for word in words(entry) if (place := target(word, page, known))
                    and place != f"{page.name}.{entry.name}"})
    if links:
        lines.append(f"See {', '.join(links)}.")
    return "\n\n".join(lines)


def written(entry: Entry) -> str:
    """The signature with what is inside, as source without bodies."""
    if not entry.members:
        return entry.signature
    return "\n".join([f"{entry.signature}:", *(f"    {one.signature}" for one in entry.members)])


def words(entry: Entry) -> list[str]:
    return [word for text in (entry.signature, *(one.signature for one in entry.members)) for word in WORD.findall(text)]


def prose(doc: str) -> str:
    """A doc string in Markdown: examples, which begin with `>>>`, stand in a block of their own."""
    out: list[str] = []
    inside = False
    for line in doc.split("\n"):
        example = line.startswith(">>> ") or (inside and bool(line.strip()))
        if example and not inside:
            out.append("```dyn")
        if inside and not example:
            out.append("```")
        inside = example
        out.append(line)
    return "\n".join([*out, "```"] if inside else out)


# ---------------------------------------------------------------- terminals


def plain(pages: Sequence[Page], colour: bool = False) -> str:
    """Pages for a terminal: signatures at the margin, doc strings under them."""
    return "\n\n".join(plain_page(page, colour) for page in pages) + "\n"


def plain_page(page: Page, colour: bool) -> str:
    head = bold(f"module {page.name}", colour)
    return "\n\n".join([head, *([page.doc] if page.doc else []), *(plain_entry(one, colour) for one in page.entries)])


def plain_entry(entry: Entry, colour: bool = False, margin: str = "") -> str:
    lines = [margin + bold(entry.signature, colour)]
    if entry.doc:
        lines.append(textwrap.indent(entry.doc, margin + "    "))
    lines += [plain_entry(one, colour, margin + "    ") for one in entry.members]
    return "\n".join(lines)


def bold(text: str, colour: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if colour else text


def overview(pages: Sequence[Page], colour: bool = False) -> str:
    """The modules of the library, a line each."""
    width = max(len(page.name) for page in pages)
    return "\n".join(f"{bold(page.name.ljust(width), colour)}  {page.summary}" for page in pages) + "\n"
