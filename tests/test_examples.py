"""The examples run, on a slice of their real data."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from marks import LONG

ROOT = Path(__file__).parent.parent
TREELSTM = ROOT / "examples" / "treelstm"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def run(*command: object, cwd: Path = ROOT) -> str:
    words = [str(part) for part in command]
    done = subprocess.run(words, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def dync(*arguments: object, cwd: Path = ROOT) -> str:
    return run(sys.executable, "-m", "dynlang", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 60 training and 20 test trees, with all labels and words."""
    folder = tmp_path_factory.mktemp("trees")
    run(sys.executable, TREELSTM / "prepare.py", "--out", folder)
    for name, count in (("train.txt", 60), ("test.txt", 20)):
        lines = (folder / name).read_text().splitlines()
        assert len(lines) > 10 * count
        largest = max(lines, key=lambda line: max(map(int, line.replace("(", " ").replace(")", " ").split()[1:])))
        labels = [next(line for line in lines if line.split(" ", 1)[0] == str(label)) for label in range(16)]
        (folder / name).write_text("\n".join([*lines[:count], *labels, largest]) + "\n")
    return folder


def flags(trees: Path) -> list[str]:
    return ["--train", f"{trees}/train.txt", "--test", f"{trees}/test.txt", "--epochs", "2", "--out", f"{trees}/model.safetensors"]


def test_preparation_is_the_same_twice_and_hides_the_name(tmp_path: Path) -> None:
    sys.path.insert(0, str(TREELSTM))
    try:
        import prepare  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    source = b'class A:\n    def getItem(self, key):\n        """Get the item."""\n        return self.rest.getItem(key)\n'
    ((verb, tree),) = prepare.samples(source)
    leaves = list(prepare.leaves(tree))
    assert verb == "get" and "get" not in leaves and "item" not in leaves and leaves.count("<name>") == 1
    assert "key" in leaves and "<Return>" in leaves and not any("Get" in leaf for leaf in leaves)
    assert prepare.numbered(tree, {"key": 7}).count("7") == 2
    assert ast.parse(source) and list(prepare.samples(b"def f(:\n")) == []


@pytest.mark.slow
def test_the_program_and_the_executable_print_the_same_losses(trees: Path) -> None:
    printed = dync("run", TREELSTM / "train.dyn", *flags(trees))
    losses = [line for line in printed.splitlines() if line.startswith("epoch")]
    assert len(losses) == 2 and all("test" in line for line in losses)
    first = (trees / "model.safetensors").read_bytes()
    dync("build", TREELSTM / "train.dyn", "-o", trees / "train")
    assert run(trees / "train", *flags(trees)) == printed
    assert (trees / "model.safetensors").read_bytes() == first
    names = dync("run", TREELSTM / "predict.dyn", "--trees", f"{trees}/test.txt", "--weights", f"{trees}/model.safetensors",
                 "--labels", f"{trees}/labels.txt", "--words", f"{trees}/vocabulary.txt", "--count", "3")
    assert len(names.splitlines()) == 3 and all(", in truth " in line for line in names.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("language", [["cc", "-std=c99"], ["c++", "-std=c++17", "-x", "c++"]])
def test_a_c_program_gets_the_same_scores(trees: Path, language: list[str]) -> None:
    if shutil.which(language[0]) is None:
        pytest.skip(f"there is no {language[0]} here")
    dync("run", TREELSTM / "train.dyn", *flags(trees))
    words, labels = (len((trees / name).read_text().splitlines()) for name in ("vocabulary.txt", "labels.txt"))
    dync("build", TREELSTM / "model.dyn", "--lib", "-o", trees)
    source = ROOT / "examples" / "embed_c" / "main.c"
    run(*language, "-Wall", "-Wextra", "-Werror", source, "-x", "none", f"-I{trees}", trees / "libmodel.a", "-lm", "-o", trees / "main")
    printed = run(trees / "main", trees / "model.safetensors", trees / "test.txt", words, labels)
    expected = dync("run", TREELSTM / "scores.dyn", "--trees", trees / "test.txt", "--weights", trees / "model.safetensors",
                    "--labels", trees / "labels.txt", "--words", trees / "vocabulary.txt")
    assert printed == expected and len(printed.splitlines()) == 3 * labels


@pytest.mark.slow
def test_the_executable_is_small_and_needs_the_c_library_alone(trees: Path) -> None:
    program = trees / "small"
    dync("build", TREELSTM / "train.dyn", "-o", program)
    assert program.stat().st_size < 1_000_000
    needed = {line.split()[0].split(".")[0].rsplit("/", 1)[-1] for line in run("ldd", program).splitlines()}
    assert needed <= {"linux-vdso", "libc", "libm", "ld-linux-x86-64"}


@pytest.mark.slow
def test_the_tests_beside_the_model_pass() -> None:
    assert "2 passed" in dync("test", TREELSTM / "model.dyn")


@pytest.mark.slow
def test_the_derivative_is_a_program(tmp_path: Path) -> None:
    text = dync("grad", TREELSTM / "model.dyn", "loss")
    (tmp_path / "derivative.dyn").write_text(text)
    dync("check", tmp_path / "derivative.dyn")


@pytest.mark.slow
def test_a_memory_network_learns_to_answer() -> None:
    printed = dync("run", ROOT / "examples" / "stories" / "train.dyn", "--steps", 3000)
    losses = [float(line.rsplit(" ", 1)[1]) for line in printed.splitlines() if line.startswith("after")]
    assert len(losses) == 10 and losses[-1] < 0.7 * losses[0] and "of 1000 new questions" in printed


@LONG
@pytest.mark.parametrize("network", ["turing", "computer"])
@pytest.mark.parametrize("task", ["copy", "recall"])
def test_networks_with_memories_learn(task: str, network: str) -> None:
    printed = dync("run", ROOT / "examples" / "algorithms" / "train.dyn", "--task", task, "--network", network, "--steps", 10000,
                   "--longest", 3)
    missing = [float(line.split()[2]) for line in printed.splitlines() if line.startswith("after")]
    assert len(missing) == 10 and missing[-1] < 0.7 * missing[0]


@pytest.mark.parametrize("file", ["algorithms/tasks.dyn", "stories/train.dyn"])
def test_what_is_learned_is_made_right(file: str) -> None:
    dync("test", ROOT / "examples" / file)
