"""The wheel holds all that dync needs: built, installed in a fresh environment, used outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_carries_grammar_library_and_pages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("grammar/dyn.lark", "stdlib/prelude.dyn", "docs/errors/DYN0001.md"):
        assert f"dynlang/_data/{name}" in names
    assert not [name for name in names if name.startswith(("tests/", "examples/"))]


@pytest.mark.slow
def test_the_installed_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """The dependencies are taken from the environment of the tests, so that this needs no network."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def dync(*arguments: str) -> str:
        command = [environment / "bin" / "dync", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=variables, check=True, capture_output=True, text=True).stdout

    where = subprocess.run([python, "-c", "import dynlang; print(dynlang.__file__)"], cwd=tmp_path, env=variables, check=True,
                           capture_output=True, text=True).stdout
    assert where.startswith(str(environment))
    assert "DYN0001" in dync("explain")
    dync("new", "demo")
    assert "y = " in dync("run", "demo/main.dyn", "--steps", "20")
    assert "passed" in dync("test", "demo/model.dyn")
    dync("build", "demo/main.dyn", "-o", "program")
    assert "y = " in subprocess.run([tmp_path / "program", "--steps", "20"], check=True, capture_output=True, text=True).stdout
