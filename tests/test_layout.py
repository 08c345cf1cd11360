"""The house rules that a machine can check: imports along the pipeline, small rooms, every error explained."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import dynlang
from dynlang import diag
from dynlang.source import resource

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dynlang"
ORDER = ("syntax", "check", "core", "grad", "ssa", "opt", "native", "tools")
EVERYWHERE = ("source", "diag", "sizes", "types", "ops")
"""What every stage may use; `ops` itself uses no stage."""

LONGEST_FILE = 650
LONGEST_FUNCTION = 60


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The modules of this package that a module imports, at its top or inside, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "dynlang":
            parts = node.module.split(".")
            for name in [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]:
                yield node.lineno, name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("dynlang."):
                    yield node.lineno, alias.name.split(".")[1]


def allowed(importer: str, imported: str) -> bool:
    """Whether a folder may import another: an earlier stage, or what is for all."""
    if imported == importer or imported in EVERYWHERE or imported == "__version__":
        return importer != "ops" or imported not in ORDER
    if importer in ("tools", "pipeline", "__main__") or (importer, imported) == ("native", "runtime"):
        return True
    if importer == "ops" and imported == "runtime":
        return True  # the meaning of a format is that of the runtime
    if importer in EVERYWHERE or importer == "runtime":
        return (importer, imported) == ("runtime", "native")
    return importer in ORDER and imported in ORDER and ORDER.index(imported) < ORDER.index(importer)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_along_the_pipeline(path: Path) -> None:
    importer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    wrong = [f"line {line}: {importer} imports {name}"
             for line, name in imports(ast.parse(path.read_text(encoding="utf-8"))) if not allowed(importer, name)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE, "split the file by idea"
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    sizes = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    large = [f"{name} has {size} lines" for name, size in sizes.items() if size > LONGEST_FUNCTION]
    assert not large, "\n".join(large)


def codes() -> dict[str, type[diag.Diagnostic]]:
    """Every code of the package: all modules are imported, since a code is registered where it is defined."""
    for module in pkgutil.walk_packages(dynlang.__path__, "dynlang."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return dict(diag.CODES)


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    pages = {path.stem for path in resource("docs/errors").glob("DYN*.md")}
    assert pages == set(codes()), "write docs/errors/CODE.md for each code, and none for a code that is gone"


def test_every_page_starts_with_its_code_and_a_title() -> None:
    for path in sorted(resource("docs/errors").glob("DYN*.md")):
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        assert first.startswith(f"# {path.stem}: "), f"{path.name} begins with {first!r}"


def test_every_code_has_a_case() -> None:
    """Each code is reported by a golden case, by name in a test, or by a program on its page, which the tests run."""
    tests = [path for path in (ROOT / "tests").rglob("*") if path.suffix in (".dyn", ".py")]
    shown = [path.stem for path in resource("docs/errors").glob("DYN*.md") if "```dyn wrong" in path.read_text(encoding="utf-8")]
    reported = "".join([*(path.read_text(encoding="utf-8") for path in tests), *shown])
    missing = [f"{code} ({kind.__qualname__})" for code, kind in sorted(codes().items()) if code not in reported]
    assert not missing, f"no test reports {', '.join(missing)}"


def test_every_case_is_blessed() -> None:
    cases = sorted((ROOT / "tests" / "cases").rglob("*.dyn"))
    unblessed = [path.name for path in cases if "\n# ---\n" not in path.read_text(encoding="utf-8")]
    assert cases and not unblessed, f"run `python -m pytest tests/cases --bless`, and read what it wrote: {unblessed}"


def test_cases_lie_in_folders_of_stages() -> None:
    known = {*ORDER, "run", "errors"}
    strange = [path.name for path in (ROOT / "tests" / "cases").iterdir() if path.is_dir() and path.name not in known]
    assert not strange, f"no stage is called {strange}"
