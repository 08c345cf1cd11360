"""The examples of embeddings run: on small data in the layout of the packages, and on a part of the real data where that is installed."""

from __future__ import annotations

import importlib.util
import itertools
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
NOUNS = Path("/usr/share/wordnet/data.noun")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def attempt(*command: object) -> subprocess.CompletedProcess[str]:
    words = [str(part) for part in command]
    return subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)


def run(*command: object) -> str:
    done = attempt(*command)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def dync(*arguments: object) -> str:
    return run(sys.executable, "-m", "dynlang", *arguments)


def number(pattern: str, text: str) -> float:
    found = re.search(pattern + r" ([0-9.]+)", text)
    assert found is not None, f"{pattern} in {text}"
    return float(found[1])


# ---- WordNet


def hierarchy(count: int) -> str:
    """A heap of synsets in the layout of `data.noun`: above number k stands (k - 1) // 3."""
    lines = ["  1 This line is of the licence."]
    for k in range(count):
        up = f"001 @ {(k - 1) // 3:08d} n 0000" if k else "000"
        lines.append(f"{k:08d} 03 n 01 thing{k} 0 {up} | a thing")
    return "\n".join(lines) + "\n"


@pytest.mark.slow
def test_a_hierarchy_is_embedded(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(hierarchy(121))
    flags = ["--nouns", tmp_path / "data.noun", "--every", "1", "--burn_in", "2", "--rate", "0.2"]
    dync("build", EXAMPLES / "wordnet" / "train.dyn", "-o", tmp_path / "train")
    before = run(tmp_path / "train", *flags, "--epochs", "0")
    after = run(tmp_path / "train", *flags, "--epochs", "40")
    assert "121 synsets, 426 pairs" in before
    assert number("mean rank", before) > 20 and number("mean rank", after) < 3.0
    assert number("MAP", after) > 0.8 and number("MAP", before) < 0.3
    missing = attempt(tmp_path / "train", "--nouns", tmp_path / "nothing")
    assert missing.returncode == 1 and "install the Debian package wordnet-base" in missing.stderr
    if NOUNS.exists():
        assert "epoch 0" in run(tmp_path / "train", "--share", "0.02", "--epochs", "1", "--every", "100")


@pytest.mark.slow
def test_the_reader_of_wordnet_passes_its_tests() -> None:
    assert "2 passed" in dync("test", EXAMPLES / "wordnet" / "wordnet.dyn")


# ---- knowledge bases


def kinship(folder: Path) -> None:
    """A family: each of 27 has two siblings, three children for the first 9, and what follows: grandparents."""
    children = [(f"p{k // 3}", "parent", f"p{k + 3}") for k in range(24)]
    parents = {child: parent for parent, _, child in children}
    elders = [(parents[parent], "grandparent", child) for child, parent in parents.items() if parent in parents]
    siblings = [(a, "sibling", b) for a, b in itertools.permutations(parents, 2) if parents[a] == parents[b]]
    every = children + elders + siblings
    random.Random(1).shuffle(every)
    folder.mkdir(parents=True)
    cuts = {"train": every[10:], "valid": every[:5], "test": every[5:10]}
    for part, found in cuts.items():
        (folder / f"{part}.txt").write_text("".join("\t".join(fact) + "\n" for fact in found))


@pytest.mark.slow
def test_knowledge_bases_are_learned(tmp_path: Path) -> None:
    folder = EXAMPLES / "knowledge"
    for name in ("umls", "kinships"):
        kinship(tmp_path / "package" / name)
    printed = run(sys.executable, folder / "prepare.py", "--datasets", tmp_path / "package", "--out", tmp_path / "data")
    assert "27 entities, 3 relations" in printed
    dync("build", folder / "train.dyn", "-o", tmp_path / "train")
    text = run(tmp_path / "train", "--folder", tmp_path / "data" / "umls", "--epochs", "30")
    models = {line.split(":")[0].strip(): number("MRR", line) for line in text.splitlines() if "MRR" in line}
    assert set(models) == {"TransE", "DistMult", "ComplEx", "RotatE"} and models["ComplEx"] > 0.3
    missing = attempt(tmp_path / "train", "--folder", tmp_path / "nothing")
    assert missing.returncode == 1
    if importlib.util.find_spec("pykeen") is None:
        failed = attempt(sys.executable, folder / "prepare.py", "--out", tmp_path / "none")
        assert failed.returncode == 1 and "pip install --no-deps pykeen" in failed.stderr
    else:
        run(sys.executable, folder / "prepare.py", "--out", tmp_path / "real")
        assert "135 entities" in run(tmp_path / "train", "--folder", tmp_path / "real" / "umls", "--epochs", "1", "--model", "ComplEx")


# ---- ratings


def movielens(folder: Path) -> None:
    """40 users and 30 movies: a user likes movies of the genre of the user's own parity, and odd movies are better."""
    folder.mkdir(parents=True)
    users = [f"{u}\t{20 + u}\t{'MF'[u % 2]}\tother\t00000\n" for u in range(40)]
    movies = [f"{m}\tmovie {m}\t199{m % 10}\t{'Drama' if m % 2 else 'Action Comedy'}\n" for m in range(30)]
    ratings = [f"{u}\t{m}\t{2 + 2 * (u % 2 == m % 2) + m % 2}\t0\n" for u in range(40) for m in range(30)]
    (folder / "ml-100k.user").write_text("user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n" + "".join(users))
    (folder / "ml-100k.item").write_text("item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n" + "".join(movies))
    (folder / "ml-100k.inter").write_text("user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + "".join(ratings))


@pytest.mark.slow
def test_ratings_are_foretold(tmp_path: Path) -> None:
    folder = EXAMPLES / "ratings"
    movielens(tmp_path / "ml-100k")
    run(sys.executable, folder / "prepare_factors.py", "--dataset", tmp_path / "ml-100k", "--out", tmp_path / "data")
    text = dync("run", folder / "factors.dyn", "--folder", tmp_path / "data", "--epochs", "30", "--rate", "0.03", "--weight", "0.001")
    errors = {line.split(":")[0].strip(): number("RMSE", line) for line in text.splitlines() if "RMSE" in line}
    assert errors["biases"] < errors["the mean of all"]
    assert errors["matrix factorisation"] < 0.5 * errors["biases"] and errors["factorisation machine"] < 0.5 * errors["biases"]
