"""Pages as one HTML file: styles and the few lines of script for the search box are in it, and it asks for nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from dynlang.tools.docs.model import WORD, Entry, Page, target, targets

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft: color-mix(in srgb, currentColor 6%, transparent); }
* { box-sizing: border-box; }
body { margin: 0; display: grid; grid-template-columns: 17rem minmax(0, 1fr); font: 16px/1.55 system-ui, sans-serif; }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1rem; border-right: 1px solid var(--line); font-size: .92rem; }
nav input { width: 100%; padding: .4rem .6rem; font: inherit; border: 1px solid var(--line); border-radius: .4rem; }
nav ul { list-style: none; margin: .4rem 0 1rem; padding: 0; }
nav li a { display: block; padding: .05rem .3rem; overflow: hidden; text-overflow: ellipsis; }
main { max-width: 60rem; padding: 1rem 2.5rem 6rem; }
a { color: inherit; text-decoration-color: var(--line); text-underline-offset: .2em; }
a:hover { text-decoration-color: currentColor; }
h1 { margin: 3rem 0 .5rem; border-bottom: 1px solid var(--line); }
article { margin: 1.6rem 0; }
article:target { outline: 2px solid var(--line); outline-offset: .6rem; border-radius: .2rem; }
pre { margin: .4rem 0; padding: .6rem .8rem; background: var(--soft); border-radius: .4rem; overflow-x: auto; font: .9rem/1.5 ui-monospace, monospace; }
p { margin: .4rem 0; }
.member { margin-left: 1.5rem; }
@media (max-width: 48rem) { body { display: block; } nav { position: static; height: auto; border: 0; } main { padding: 1rem; } }
"""  # noqa: E501

SCRIPT = """
const box = document.querySelector('input');
box.addEventListener('input', () => {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const one of document.querySelectorAll('article')) {
    const text = one.textContent.toLowerCase();
    one.hidden = !words.every(word => text.includes(word));
    const link = document.querySelector('nav a[href="#' + CSS.escape(one.id) + '"]');
    const item = link || [...document.querySelectorAll('nav li a')].find(a => a.getAttribute('href') === '#' + one.id);
    if (item) item.parentElement.hidden = one.hidden;
  }
});
document.addEventListener('keydown', event => { if (event.key === '/' && event.target !== box) { event.preventDefault(); box.focus(); } });
"""


def html(pages: Sequence[Page], title: str) -> str:
    """A whole document."""
    known = targets(pages)
    side = "".join(sidebar(page) for page in pages)
    body = "".join(section(page, known) for page in pages)
    return (f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
            f'<nav><input type="search" placeholder="Search ( / )" aria-label="Search">\n{side}</nav>\n<main>\n{body}</main>\n'
            f"<script>{SCRIPT}</script>\n</html>\n")


def sidebar(page: Page) -> str:
    items = "".join(f'<li><a href="#{escape(f"{page.name}.{one.name}")}">{escape(one.name)}</a></li>' for one in page.entries)
    return f'<a href="#{escape(page.name)}"><b>{escape(page.name)}</b></a>\n<ul>{items}</ul>\n'


def section(page: Page, known: Mapping[str, str]) -> str:
    entries = "".join(article(one, page, known) for one in page.entries)
    return f'<h1 id="{escape(page.name)}">{escape(page.name)}</h1>\n{paragraphs(page.doc)}{entries}'


def article(entry: Entry, page: Page, known: Mapping[str, str]) -> str:
    lines = [linked(entry.signature, page, known) + (":" if entry.members else "")]
    lines += ["    " + linked(one.signature, page, known) for one in entry.members]
    members = "".join(f'<div class="member"><p><b>{escape(one.name)}</b></p>{paragraphs(one.doc)}</div>'
                      for one in entry.members if one.doc)
    place = escape(f"{page.name}.{entry.name}")
    return f'<article id="{place}">\n<pre>{chr(10).join(lines)}</pre>\n{paragraphs(entry.doc)}{members}</article>\n'


def linked(signature: str, page: Page, known: Mapping[str, str]) -> str:
    """A signature whose types are links."""
    out: list[str] = []
    at = 0
    for word in WORD.finditer(signature):
        place = target(word.group(), page, known)
        out.append(escape(signature[at:word.start()]))
        out.append(f'<a href="#{escape(place)}">{escape(word.group())}</a>' if place else escape(word.group()))
        at = word.end()
    return "".join([*out, escape(signature[at:])])


def paragraphs(doc: str) -> str:
    """Paragraphs, and blocks of source where a paragraph is indented or begins with `>>>`."""
    parts = [part for part in doc.split("\n\n") if part.strip()]
    return "".join(f"<pre>{escape(part)}</pre>\n" if part.startswith((">>>", "    ")) else f"<p>{escape(part)}</p>\n" for part in parts)
