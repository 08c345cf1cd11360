"""Damaged files, closed outputs: an error in words or a right answer, never a crash."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
WEIGHTS = """record Model<n>:
    w: f32[3, n]
    b: f64
    k: int

proc main(path: str, write: bool = false):
    if write:
        let made: Model<4> = Model(w=ones(3, 4), b=2.5, k=7)
        save(made, path)
    let m: Model<4> = load(path)
    print(sum(m.w), m.b, m.k)
"""
TREES = """import data

proc main(path: str):
    let t = data.read_trees(path)
    print(t.count, t.vocabulary, t.labels)
"""
FEATURES = """import data

proc main(path: str, kind: str = "svm"):
    if kind == "images":
        print(sum(sum(int(flatten(image))) for image in data.read_images(path)))
    elif kind == "labels":
        print(sum(data.read_labels(path)))
    else:
        let points = data.read_svm(path, 9)
        print(sum(points.labels), sum(points.features))
"""
CALLED = """fn f<n>(x: f32[n]) -> f32:
    return sum(x)

proc main():
    print(1)
"""


def dync(*arguments: str, folder: Path, **more) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "dynlang", *arguments]
    return subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120, check=False, **more)


def built(folder: Path, text: str) -> str:
    (folder / "program.dyn").write_text(text, encoding="utf-8")
    assert dync("build", "program.dyn", "-o", "program", folder=folder).returncode == 0
    return str(folder / "program")


def settled(program: str, folder: Path, data: bytes, *flags: str) -> int:
    """The exit status of a program that reads the data: 0, or 1 and a text."""
    path = folder / "data.bin"
    path.write_bytes(data)
    done = subprocess.run([program, "--path", str(path), *flags], capture_output=True, timeout=20, check=False)
    assert done.returncode in (0, 1), (done, data)
    assert (done.returncode == 1) == done.stderr.startswith(b"error: "), (done, data)
    return done.returncode


def test_damaged_weights(tmp_path: Path) -> None:
    program = built(tmp_path, WEIGHTS)
    whole = tmp_path / "weights"
    assert subprocess.run([program, "--path", str(whole), "--write"], check=False).returncode == 0
    right, draw = whole.read_bytes(), random.Random(4)
    header = 8 + struct.unpack("<Q", right[:8])[0]
    for trial in range(500):
        data = bytearray(right)
        if trial % 4 == 0:
            data[draw.randrange(len(data))] = draw.randrange(256)
        elif trial % 4 == 1:
            data = data[:draw.randrange(len(data))]
        elif trial % 4 == 2:
            data[draw.randrange(8)] = draw.randrange(256)
        else:
            at = draw.randrange(8, header)
            data[at:at + draw.randint(0, 4)] = bytes(draw.choices(b'{}[]",:0123456789\\ -e', k=draw.randint(0, 4)))
        settled(program, tmp_path, bytes(data))


@pytest.mark.parametrize("change", [
    {"dtype": "F64"}, {"shape": [4, 3]}, {"shape": [2**62, 2**62]}, {"shape": [2**32, 2**32]}, {"data_offsets": [0, 2**60]},
    {"data_offsets": [-4, 44]}, {"data_offsets": [48, 0]}, {"data_offsets": [2**63 - 1, 2**63 - 1]}, {"shape": [3.0, 4]}, {"shape": "no"},
    None,
], ids=str)  # fmt: skip
def test_lying_headers(tmp_path_factory: pytest.TempPathFactory, change: dict | None) -> None:
    folder = tmp_path_factory.getbasetemp() / "lying"
    if not folder.exists():
        folder.mkdir()
        built(folder, WEIGHTS)
    entries = {"w": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48], **(change or {})},
               "b": {"dtype": "F64", "shape": [], "data_offsets": [48, 56]}, "k": {"dtype": "I64", "shape": [], "data_offsets": [56, 64]}}
    header = json.dumps(entries).encode()
    assert settled(str(folder / "program"), folder, struct.pack("<Q", len(header)) + header + bytes(64)) == (change is not None)


def test_damaged_trees(tmp_path: Path) -> None:
    program = built(tmp_path, TREES)
    draw = random.Random(5)
    for _ in range(200):
        data = bytearray(b"3 (1 (2 3))\n0 7\n1 ((4 5) (6 7))\n")
        at = draw.randrange(len(data))
        data[at:at + draw.randint(0, 3)] = bytes(draw.choices([*b"() 0-9\n", draw.randrange(256)], k=draw.randint(0, 3)))
        settled(program, tmp_path, bytes(data))
    for text in (b"0 " + b"(" * 1_000_000, b"0 " + b"9" * 100, b"-1 (2 -3)\n"):
        assert settled(program, tmp_path, text) == 1


def test_damaged_features_images_and_labels(tmp_path: Path) -> None:
    program = built(tmp_path, FEATURES)
    draw = random.Random(6)
    right = {"svm": b"1 0:0.5 3:2 # a\n\n-1.5 2:1 8:3\n0\n", "images": struct.pack(">4I", 2051, 2, 2, 3) + bytes(12),
             "labels": struct.pack(">2I", 2049, 5) + bytes(5)}
    for kind, whole in right.items():
        assert settled(program, tmp_path, whole, "--kind", kind) == 0
        for _ in range(60):
            data = bytearray(whole)
            at = draw.randrange(len(data))
            data[at:at + draw.randint(0, 3)] = bytes(draw.choices([*b"0-9:. #\n", draw.randrange(256)], k=draw.randint(0, 3)))
            settled(program, tmp_path, bytes(data), "--kind", kind)
    wrong = {"svm": [b"1 9:1\n", b"1 -1:1\n", b"1 2\n", b"1 2:x\n", b"x 2:1\n", b"1 2:1:1\n", b"1 " + b"9" * 30 + b":1\n"],
             "images": [b"", struct.pack(">4I", 2051, 4, 2**31, 2**31),
                        struct.pack(">4I", 2051, 1, 2, 3), struct.pack(">4I", 2049, 0, 0, 0)],
             "labels": [b"", struct.pack(">2I", 2049, 1), struct.pack(">2I", 2051, 0)]}
    for kind, files in wrong.items():
        for data in files:
            assert settled(program, tmp_path, data, "--kind", kind) == 1, data


def test_a_closed_output_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "called.dyn").write_text(CALLED, encoding="utf-8")
    for arguments in (["run", "called.dyn"], ["ir", "called.dyn"]):
        done = dync(*arguments, folder=tmp_path, stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
        assert done.returncode == 1 and b"can't" in done.stderr and b"Traceback" not in done.stderr, done
    assert dync("check", "called.dyn", folder=tmp_path, preexec_fn=lambda: (os.close(1), os.close(2))).returncode == 0


def test_results_go_into_a_pipe_and_leave_it_there(tmp_path: Path) -> None:
    (tmp_path / "called.dyn").write_text(CALLED, encoding="utf-8")
    np.savez(tmp_path / "a.npz", x=np.ones(3))
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", "pipe"], cwd=tmp_path, stdout=subprocess.PIPE) as reader:
        assert dync("call", "called.dyn", "f", "--in", "a.npz", "--out", "pipe", folder=tmp_path).returncode == 0
        assert reader.communicate(timeout=20)[0].startswith(b"PK")
    assert (tmp_path / "pipe").is_fifo()
