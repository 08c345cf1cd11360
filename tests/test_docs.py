"""Every code block of README.md and docs/ is run, and every example in a docstring of the compiler.

    ```dyn NAME.dyn        a program that `dync check` accepts, kept under this name for the rest of the page;
    ```dyn                 the same, without a name
    ```dyn wrong NAME.dyn  a program with a mistake, kept: a console block shows what is said of it
    ```dyn wrong NAME.dyn  one that it refuses, kept
    ```console             `$ command` lines, each followed by exactly what it prints
    ```c NAME.c            a file, kept

The first two `sh` blocks of the README set up an environment and run the tests: they run in a fresh clone, not here.
Other blocks (`text`) are not code. On a page of docs/errors a program is right, or after `dyn wrong` shows that error.
"""

from __future__ import annotations

import doctest
import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md", ROOT / "dynlang" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.md")),
]
ERROR_PAGES = sorted((ROOT / "docs" / "errors").glob("*.md"))
BLOCK = re.compile(r"^```(\w*) ?([^\n]*)\n(.*?)^```", re.M | re.S)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1",
               "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])}


@dataclass(frozen=True)
class Block:
    language: str
    name: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(match[1], match[2].strip(), match[3], text[:match.start()].count("\n") + 1)
            for match in BLOCK.finditer(text)]


def shell(command: str, folder: Path) -> tuple[int, str]:
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    return done.returncode, done.stdout


def run_console(block: Block, folder: Path) -> None:
    """Each command prints what follows it."""
    for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
        command, _, expected = part.partition("\n")
        _, output = shell(command, folder)
        assert output.rstrip() == expected.rstrip(), f"line {block.line}: $ {command}"


def check_program(block: Block, folder: Path) -> None:
    wrong = block.name.startswith("wrong ")
    name = block.name.removeprefix("wrong ") or "block.dyn"
    (folder / name).write_text(block.text, encoding="utf-8")
    status, output = shell(f"dync check {name}", folder)
    assert (status == 1) == wrong, f"line {block.line}:\n{output}"


def test_programs_on_the_pages_of_errors(tmp_path: Path) -> None:
    """All in one process: what is wrong is reported with the page's code alone, and what stands instead is right."""
    expected: dict[str, set[str]] = {}
    for page in ERROR_PAGES:
        for number, block in enumerate(blocks(page)):
            assert block.language == "dyn" and block.name in ("", "wrong"), f"{page.name}:{block.line}"
            name = f"{page.stem}_{number}.dyn"
            (tmp_path / name).write_text(block.text, encoding="utf-8")
            expected[name] = {page.stem} if block.name else set()
    _, output = shell(f"dync check --json {' '.join(expected)}", tmp_path)
    found: dict[str, set[str]] = {name: set() for name in expected}
    for line in output.splitlines():
        one = json.loads(line)
        found[one["file"]].add(one["code"])
    assert found == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_code_blocks(page: Path, tmp_path: Path) -> None:
    found = blocks(page)
    if page == ROOT / "README.md":
        assert [block.language for block in found].count("sh") == 2
    for block in found:
        match block.language:
            case "dyn" if block.name.startswith("wrong "):
                (tmp_path / block.name.removeprefix("wrong ")).write_text(block.text, encoding="utf-8")
            case "dyn":
                check_program(block, tmp_path)
            case "console":
                run_console(block, tmp_path)
            case "c" if block.name:
                (tmp_path / block.name).write_text(block.text, encoding="utf-8")
            case "sh" if page == ROOT / "README.md":
                assert len(block.text.splitlines()) == 1, "the set-up and the tests are one line each"
            case "text" | "python":
                pass
            case other:
                raise AssertionError(f"line {block.line}: blocks of {other or 'no language'} are not run: use `text`")


@pytest.mark.parametrize("page", [*PAGES, *ERROR_PAGES], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_commands_name_files_that_exist() -> None:
    first = next(block for block in blocks(ROOT / "README.md") if block.language == "sh")
    for path in re.findall(r"examples/\S+\.(?:py|dyn)", first.text):
        assert (ROOT / path).is_file()


def test_the_index_of_the_examples_names_each() -> None:
    folders = {one.name for one in (ROOT / "examples").iterdir() if (one / "README.md").is_file()}
    assert set(re.findall(r"\]\((\w+)/README.md\)", (ROOT / "examples" / "README.md").read_text(encoding="utf-8"))) == folders


def test_links_to_tests_name_tests_that_exist() -> None:
    """``[`name`](../tests/FILE)`` is a test of that name, or a function with a header that `test_derivative_programs.py` walks, or a
    whole file of tests."""
    text = (ROOT / "docs" / "differentiation.md").read_text(encoding="utf-8")
    table = text.partition("## Construct by construct")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    for row in rows:
        links = re.findall(r"\[`(\w+)`\]\(\.\./(tests/[\w/.]+)\)", row.rsplit("|", 2)[1])
        assert links, f"no test for: {row}"
        for name, file in links:
            source = (ROOT / file).read_text(encoding="utf-8")
            found = rf"^#: .*\nfn {name}\b" if file.endswith(".dyn") else rf"^def {name}\b"
            whole = Path(file).stem == name and 'test "' in source
            assert whole or re.search(found, source, re.M), f"{file} has no {name}"
    assert len(rows) > 30


def test_the_examples_in_docstrings() -> None:
    """`>>>` in a module of the compiler gives what stands below it."""
    files = [path for path in sorted((ROOT / "dynlang").rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files]
    results = {name: doctest.testmod(importlib.import_module(name)) for name in names}
    assert sum(one.attempted for one in results.values()) >= 50
    assert not [name for name, one in results.items() if one.failed]
