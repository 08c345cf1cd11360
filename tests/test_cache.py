"""The caches: damaged files are misses, several compilers at once are safe, nothing is said where nothing can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynlang import pipeline
from dynlang.check import program
from dynlang.check.cache import Layers, Lazy
from dynlang.diag import CompileError
from scale_programs import modules

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


def test_what_a_program_does_not_call_is_not_read(tmp_path: Path) -> None:
    """Bodies of the library are read when they are asked for: hello world asks for none, not even to look for rules."""
    path = tmp_path / "hello.dyn"
    path.write_text("proc main():\n    print(1.5)\n", encoding="utf-8")
    for _ in range(2):  # the first may be the one that fills the cache
        typed = pipeline.build(pipeline.Request(path), until="typed")
        pipeline.build(pipeline.Request(path, keep={"typed": typed}), until="core")
    assert isinstance(typed.functions, Layers)
    stored = [layer for layer in typed.functions.layers if isinstance(layer, Lazy)]
    assert len(stored) > 10 and not any(layer.ready for layer in stored)


# ---------------------------------------------------------------- modules of a program


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checked:
    return Checked(tmp_path, monkeypatch)


class Checked:
    """A folder of modules, and which of them are checked in a run."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.names: list[str] = []
        monkeypatch.setenv("DYNC_CACHE", str(folder / "cache"))
        real = program.module_functions

        def noticed(module, *more):
            self.names += [] if module.is_library else [module.name]
            return real(module, *more)

        monkeypatch.setattr(program, "module_functions", noticed)

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.folder / f"{name}.dyn").write_text(text, encoding="utf-8")

    def run(self, main: str = "main") -> list[str]:
        """The modules that are checked."""
        self.names.clear()
        program.check_program(self.folder / f"{main}.dyn")
        return list(self.names)


def test_a_changed_module_and_its_importers_are_checked_again(checked: Checked) -> None:
    texts = modules(6, 40)
    checked.write(**texts)
    assert checked.run() == ["m0", "m1", "m2", "m3", "m4", "m5", "main"]
    assert checked.run() == ["main"]
    checked.write(m3=texts["m3"].replace("1.5", "2.5"))
    assert checked.run() == ["m3", "m4", "m5", "main"]
    assert checked.run() == ["main"]
    checked.write(m3=texts["m3"])
    assert checked.run() == ["main"]        # that state is known, too


def test_a_touched_file_is_not_a_changed_one(checked: Checked) -> None:
    checked.write(**modules(2, 40))
    checked.run()
    os.utime(checked.folder / "m0.dyn", (1, 1))
    assert checked.run() == ["main"]


def test_an_import_that_changes_its_interface_is_noticed(checked: Checked) -> None:
    checked.write(low="fn f(x: f32) -> f32:\n    return x\n", high="import low\n\nfn g(x: f32) -> f32:\n    return low.f(x)\n",
                  main="import high\n\nproc main():\n    print(high.g(1.0))\n")
    checked.run()
    checked.write(low="fn f(x: f32, y: f32) -> f32:\n    return x + y\n")
    for _ in range(2):      # what is wrong isn't kept
        with pytest.raises(CompileError, match=r"high\.dyn"):
            checked.run()
    checked.write(low="fn f(x: f32) -> f32:\n    return 2.0 * x\n")
    assert checked.run() == ["low", "high", "main"]


def test_a_file_that_comes_to_hide_a_module_of_the_library_is_noticed(checked: Checked) -> None:
    checked.write(high="import nn\n\nfn g(x: f32) -> f32:\n    return nn.cross_entropy([x, x], 0)\n",
                  main="import high\n\nproc main():\n    print(high.g(1.0))\n")
    checked.run()
    checked.write(nn="fn other(x: f32) -> f32:\n    return x\n")
    with pytest.raises(CompileError, match="cross_entropy"):
        checked.run()


def test_a_module_from_the_cache_means_the_same(checked: Checked) -> None:
    checked.write(**modules(4, 260))
    first, again = (finished(start(checked.folder, "run", "main.dyn", cache=checked.folder / "cache")) for _ in range(2))
    assert first == again and float(first)
