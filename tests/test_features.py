"""docs/features.md: each row of its tables is entered at the prompt, and shows what the row says.

A section is a session of its own: its `dyn` blocks and the second cells of its tables are entries, in order; the third
cell is what the prompt shows, or the code of the error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dynlang.tools.session import Session

PAGE = Path(__file__).parent.parent / "docs" / "features.md"
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.M | re.S)
PART = re.compile(
    r"^```dyn\n(?P<block>.*?)^```"
    r"|^\| *(?P<feature>[^|\n]+?) *\| (?P<entry>``? ?.+? ?``?) \| (?P<shown>`?.*?`?) \|$", re.M | re.S)


@dataclass(frozen=True)
class Entry:
    text: str
    shown: str | None                                # None: only that it is accepted


def entries(section: str) -> Iterator[Entry]:
    for part in PART.finditer(section):
        if part["block"] is not None:
            yield from (Entry(text, None) for text in declarations(part["block"]))
        else:
            yield Entry(code(part["entry"]), code(part["shown"]))


def declarations(block: str) -> list[str]:
    """The top-level items of a block: what begins in the first column, with the lines under it."""
    return [item.strip() + "\n" for item in re.split(r"\n(?=[a-z@])", block)]


def code(cell: str) -> str:
    return cell.strip().strip("`").strip().replace("\\|", "|")


SECTIONS = SECTION.findall(PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("title", "section"), SECTIONS, ids=[title for title, _ in SECTIONS])
def test_section(title: str, section: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    session, wrong = Session(), []
    for entry in entries(section):
        answer = session.enter(entry.text)
        shown = answer.get("error") or answer["text"]
        fine = (not answer.get("error") if entry.shown is None
                else f"[{entry.shown}]" in shown.split("\n")[0] if entry.shown.startswith("DYN") else shown == entry.shown)
        if not fine:
            wrong.append(f"> {entry.text}\n{shown}\n  instead of: {entry.shown}")
    assert not wrong, "\n\n".join(wrong)


def test_rows_are_read() -> None:
    """A row that the pattern misses would never fail."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and "`" in line]
    read = sum(1 for _, section in SECTIONS for entry in entries(section) if entry.shown is not None)
    assert read == len(lines)
