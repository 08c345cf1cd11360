"""`dync explain CODE`: the page of an error, from `docs/errors`, offline."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from dynlang.source import resource
from dynlang.tools.cli import EXIT_USAGE, complain

CODE = re.compile(r"(?i)(?:dyn)?(\d{1,4})")


def pages() -> dict[str, Path]:
    """The page of each code."""
    return {path.stem: path for path in sorted(resource("docs/errors").glob("DYN*.md"))}


def title(page: Path) -> str:
    """The first line of a page, without its code: `# DYN0201: unknown name` gives `unknown name`."""
    return page.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ").partition(": ")[2]


def explain(arguments: argparse.Namespace) -> int | None:
    known = pages()
    if arguments.code is None:
        for code, page in known.items():
            print(f"{code}  {title(page)}")
        return None
    match = CODE.fullmatch(arguments.code)
    code = f"DYN{int(match[1]):04}" if match else arguments.code
    if code in known:
        print(known[code].read_text(encoding="utf-8"), end="")
        return None
    near = near_codes(code, known) if match else speaking_of(code, known)
    listed = "".join(f"\n  {one}  {title(known[one])}" for one in near)
    what = f"there is no code {code}" if match else f"'{code}' is no code"
    return complain(f"{what}; near it:{listed}" if listed else f"{what}; `dync explain` lists them all", EXIT_USAGE)


def near_codes(code: str, known: Iterable[str]) -> list[str]:
    """The codes that a number may have been meant for: digits that changed places, or one digit off.

    >>> near_codes("DYN4001", ["DYN0401", "DYN0402", "DYN0901"])
    ['DYN0401']
    >>> near_codes("DYN0412", ["DYN0112", "DYN0401", "DYN0411", "DYN0402"])
    ['DYN0402', 'DYN0411', 'DYN0112']
    """
    digits = code.removeprefix("DYN")

    def changed(other: str) -> int:
        return sum(a != b for a, b in zip(digits, other.removeprefix("DYN"), strict=False))

    swapped = [one for one in known if sorted(one.removeprefix("DYN")) == sorted(digits) and changed(one) == 2]
    near = [one for one in known if changed(one) == 1]
    return swapped[:3] or sorted(near, key=lambda one: (one[:5] != code[:5], one))[:5]


def speaking_of(word: str, known: Mapping[str, Path]) -> list[str]:
    """The codes whose page has a word in its title, else in its text."""
    words = re.compile(rf"\b{re.escape(word)}", re.I)
    titled = [code for code, page in known.items() if words.search(title(page))]
    return (titled or [code for code, page in known.items() if words.search(page.read_text(encoding="utf-8"))])[:8]
