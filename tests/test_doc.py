"""`dync doc`: every name of the library that a program sees is described, links lead somewhere, and examples tell the truth."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dynlang.source import Source, read_source
from dynlang.tools.docs.model import WORD, Entry, Page, library_pages, primitives, read_page
from dynlang.tools.docs.page import html
from dynlang.tools.docs.text import markdown, plain

ROOT = Path(__file__).parent.parent
PAGES = library_pages()


def dync(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dynlang", *arguments], cwd=folder, capture_output=True, text=True, timeout=120,
                          check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_every_name_of_the_prelude_is_described() -> None:
    """Names that end in a digit are not looked at: `debug_grad_0` is the compiler's own."""
    text = (ROOT / "stdlib" / "prelude.dyn").read_text(encoding="utf-8")
    missing = [f"{module}.{name}" for module, names in re.findall(r"^export from (\w+) import (.*)$", text, re.M)
               for name in re.findall(r"(\w+)(?: as \w+)?", names)
               if not name[-1].isdigit() and (module not in PAGES or PAGES[module].find(name) is None)]
    assert not missing, "these need a doc string"


def test_every_type_that_a_description_names_is_described() -> None:
    """Types of the library's own; `T`, `K` and the like are parameters."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "stdlib").rglob("*.dyn"))
    declared = set(re.findall(r"^(?:record|type) (\w+)", text, re.M))
    shown = {one.name for page in PAGES.values() for one in page.entries}
    named = {word for page in PAGES.values() for entry in page.entries for one in (entry, *entry.members)
             for word in WORD.findall(one.signature)}
    assert not (named & declared) - shown


def test_every_primitive_is_described() -> None:
    assert not [one.name for one in primitives().entries if not one.doc]


def test_every_module_says_what_it_is() -> None:
    assert not [page.name for page in PAGES.values() if not page.summary]


class Links(HTMLParser):
    """The identifiers and links of a document, and the tags that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.places += [named["id"]] if named.get("id") else []          # type: ignore[list-item]
        self.links += [named["href"]] if named.get("href") else []       # type: ignore[list-item]
        assert "src" not in named
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_of_the_library_stands_alone_and_its_links_lead_somewhere() -> None:
    text = html([*PAGES.values(), primitives()], "Dyn")
    found = Links()
    found.feed(text)
    assert not found.open and len(found.places) == len(set(found.places)) > 200
    assert {link for link in found.links if not link.startswith("#")} == set()
    assert {link[1:] for link in found.links} <= set(found.places)
    assert '<a href="#nn.Linear">Linear</a>&lt;n, h, T&gt;' in text
    assert not re.findall(r"https?:|@import|url\(", text)


def test_links_of_markdown_lead_somewhere() -> None:
    text = markdown([*PAGES.values()])
    places = set(re.findall(r'<a id="([^"]+)">', text))
    links = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert links and links <= places


PROGRAM = '''"""A module for a test: <angle> & "quotes"."""
import nn

let limit = 3

type Shape<n>:
    """Either."""
    Box(side: f32[n])
    Nothing

record Model<n, m>:
    """A model."""
    layer: nn.Linear<n, m>
    rate: f32 = 0.1

    fn call(self, x: f32[n]) -> f32[m]:
        """Its output."""
        return self.layer(x)

fn _hidden(x: f32) -> f32:
    return x

fn plain(s: Shape<3>) -> int:
    return 1
'''


def test_a_module_of_the_user() -> None:
    page = read_page(Source("program.dyn", PROGRAM), "program")
    assert [one.name for one in page.entries] == ["limit", "Shape", "Model", "plain"]
    assert page.find("Model.call") == Entry("method", "call", "fn call(self, x: f32[n]) -> f32[m]", "Its output.")
    assert [one.signature for one in page.entries[1].members] == ["Box(side: f32[n])", "Nothing"]
    text = html([page, PAGES["nn"]], "program")
    assert '<a href="#nn.Linear">nn.Linear</a>' in text and '<a href="#program.Shape">Shape</a>&lt;3&gt;' in text
    assert "&lt;angle&gt; &amp; &quot;quotes&quot;" in text
    assert "rate: f32 = 0.1" in markdown([page]) and "    Its output." in plain([page])


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "program.dyn").write_text(PROGRAM, encoding="utf-8")
    assert "nn " in dync("doc", folder=tmp_path).stdout
    assert "## Linear" in dync("doc", "nn.Linear", folder=tmp_path).stdout
    assert "## Model" in dync("doc", "program.dyn", folder=tmp_path).stdout
    assert "fn softmax" in dync("doc", "softmax", "--text", folder=tmp_path).stdout
    assert dync("doc", "nn", "--html", "-o", "nn.html", folder=tmp_path).stdout == ""
    assert (tmp_path / "nn.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    wrong = dync("doc", "softmux", folder=tmp_path)
    assert wrong.returncode == 1 and "did you mean `softmax`?" in wrong.stderr
    (tmp_path / "wrong.dyn").write_text("fn f(", encoding="utf-8")
    broken = dync("doc", "wrong.dyn", folder=tmp_path)
    assert broken.returncode == 1 and "error[DYN01" in broken.stderr


def examples(page: Page) -> list[tuple[str, str]]:
    """The examples in the doc strings of a page: what is written after `>>>`, and what it prints."""
    docs = [page.doc, *(one.doc for entry in page.entries for one in (entry, *entry.members))]
    return [(found[1], found[2].strip()) for doc in docs for found in re.finditer(r"^>>> (.*)\n((?:(?!>>>).+\n?)*)", doc, re.M)]


@pytest.mark.parametrize("page", [page for page in PAGES.values() if examples(page)], ids=lambda page: page.name)
def test_examples_of_the_library(page: Page, tmp_path: Path) -> None:
    found = examples(page)
    body = "".join(f"    print({code})\n" for code, _ in found)
    (tmp_path / "examples.dyn").write_text(f"import {page.name}\n\nproc main():\n{body}", encoding="utf-8")
    done = dync("run", "examples.dyn", folder=tmp_path)
    assert done.stdout.splitlines() == [expected for _, expected in found], done.stderr


def test_what_is_handed_on_is_documented(tmp_path: Path) -> None:
    """A module that is put together from several files is one page, under the names that it gives."""
    (tmp_path / "part.dyn").write_text('fn f(x: f32) -> f32:\n    """Half."""\n    return x / 2.0\n\nfn g() -> int:\n    return 1\n')
    text = 'export from part import f as half\nfrom part import g\nexport from sparse.active import top_k\n'
    (tmp_path / "whole.dyn").write_text(text)
    page = read_page(read_source(tmp_path / "whole.dyn"), "whole")
    assert [(one.name, one.doc.partition(".")[0]) for one in page.entries] == [
        ("half", "Half"), ("top_k", "The k largest numbers, as events by growing index")]
