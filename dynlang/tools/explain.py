"""`dync explain CODE`: the page of an error, from `docs/errors`, offline."""

from __future__ import annotations

import argparse
import re
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
    if code not in known:
        return complain(f"there is no code {code}; `dync explain` lists them all", EXIT_USAGE)
    print(known[code].read_text(encoding="utf-8"), end="")
    return None
