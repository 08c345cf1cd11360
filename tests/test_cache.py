"""The caches: damaged files are misses, several compilers at once are safe, nothing is said where nothing can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAM = "import nn\n\nproc main():\n    print(nn.cross_entropy([0.0, 0.0], 1))\n"


def start(folder: Path, *arguments: str, cache: Path, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "dynlang", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env={**os.environ, "PYTHONPATH": str(ROOT), "DYNC_CACHE": str(cache), **more})


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0 and "internal" not in err, err
    return out + err


def run(folder: Path, cache: Path) -> str:
    return finished(start(folder, "run", "program.dyn", cache=cache))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.dyn").write_text(PROGRAM, encoding="utf-8")
    return tmp_path


def test_two_compilers_at_once(folder: Path) -> None:
    processes = [start(folder, "run", "program.dyn", cache=folder / "cache") for _ in range(3)]
    assert {finished(one) for one in processes} == {"0.6931472\n"}
    kept = list((folder / "cache").rglob("*"))
    assert not [one for one in kept if one.is_file() and one.name.startswith("tmp")], "temporary files are renamed or removed"
    assert run(folder, folder / "cache") == "0.6931472\n"


def test_damaged_files_are_misses(folder: Path) -> None:
    cache = folder / "cache"
    assert run(folder, cache) == "0.6931472\n"
    files = [one for one in cache.rglob("*") if one.is_file()]
    assert len(files) > 3
    for number, one in enumerate(files):
        data = one.read_bytes()
        one.write_bytes([b"", data[:len(data) // 2], data[:-5] + b"wrong", b"\0" * len(data)][number % 4])
    assert run(folder, cache) == "0.6931472\n"
    assert run(folder, cache) == "0.6931472\n"


def test_a_cache_that_cannot_be_written_is_no_cache(folder: Path) -> None:
    (folder / "file").write_text("no folder", encoding="utf-8")
    assert run(folder, folder / "file" / "cache") == "0.6931472\n"


def test_the_second_run_says_that_code_came_from_the_cache(folder: Path) -> None:
    first = finished(start(folder, "run", "--time", "program.dyn", cache=folder / "cache"))
    second = finished(start(folder, "run", "--time", "program.dyn", cache=folder / "cache"))
    assert "from the cache" not in first and "from the cache" in second
    for word in ("typed", "core", "grad", "ssa", "opt", "emit", "llvm", "load"):
        assert f"{word} " in first
    built = finished(start(folder, "build", "--time", "program.dyn", cache=folder / "cache"))
    assert "link " in built


def test_another_level_is_another_program(folder: Path) -> None:
    cache = folder / "cache"
    assert run(folder, cache) == "0.6931472\n"
    before = {one.name for one in (cache / "objects").iterdir()}
    assert finished(start(folder, "run", "-O", "0", "program.dyn", cache=cache)) == "0.6931472\n"
    assert {one.name for one in (cache / "objects").iterdir()} > before
