"""Rule 16: after an error an `inout` handle of the host is broken until it is restored; what the host holds itself is as it was."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynlang.runtime.context import ErrorCode

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
ROOT = Path(__file__).parent.parent

PROGRAM = """
type Tree:
    Leaf(word: int)
    Node(left: Tree, right: Tree)

record Model<n>:
    w: f32[n]
    steps: int

export fn grow(t: inout Tree, k: int) -> int:
    match &t:
        Leaf(word):
            word += 100 // k
            return word
        Node(left, right):
            let a = grow(&left, k)
            return a + grow(&right, k - 1)

export fn step<n>(m: inout Model<n>, i: int, by: f32) -> int:
    m.w[i] += by
    m.steps += 100 // (i - 1)
    return m.steps

export fn made(x: f32[4]) -> Model<4>:
    return Model(x, 0)

export fn total<n>(m: Model<n>) -> f32:
    return sum(m.w)

export fn shift(x: inout f32[3], s: inout f32, k: int):
    x += 1.0
    s += 1.0
    x[k] = 0.0
"""


class Library:
    """The library and one context, by ctypes."""

    def __init__(self, path: Path) -> None:
        self.code = ctypes.CDLL(str(path))
        self.code.keep_create.restype = ctypes.c_void_p
        self.code.keep_error.restype = ctypes.c_char_p
        self.code.keep_live_blocks.restype = ctypes.c_int64
        self.context = ctypes.c_void_p(self.code.keep_create())

    def __call__(self, name: str, *arguments: object) -> int:
        return getattr(self.code, f"keep_{name}")(self.context, *arguments)

    def error(self) -> str:
        return self.code.keep_error(self.context).decode()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keep")
    (folder / "keep.dyn").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "dynlang", "build", "keep.dyn", "--lib", "-o", "out"], cwd=folder, env=environment, check=True)
    return folder / "out" / "libkeep.so"


@pytest.fixture
def library(built: Path) -> Iterator[Library]:
    made = Library(built)
    yield made
    made.code.keep_destroy(made.context)


def model(library: Library) -> ctypes.c_void_p:
    handle = ctypes.c_void_p()
    assert library("made", (ctypes.c_float * 4)(1, 2, 3, 4), ctypes.byref(handle)) == 0
    return handle


def test_a_record_is_broken_until_it_is_made_anew(library: Library) -> None:
    handle, result = model(library), ctypes.c_int64()
    assert library("step", handle, ctypes.c_int64(2), ctypes.c_float(1.0), ctypes.byref(result)) == 0 and result.value == 100
    assert library("step", handle, ctypes.c_int64(1), ctypes.c_float(1.0), ctypes.byref(result)) == ErrorCode.DIVISION_BY_ZERO
    total = ctypes.c_float()
    for _ in range(2):
        assert library("total", handle, ctypes.byref(total)) == ErrorCode.BROKEN
        assert "m was broken by an earlier error" in library.error()
    assert library("step", handle, ctypes.c_int64(0), ctypes.c_float(1.0), ctypes.byref(result)) == ErrorCode.BROKEN
    library("Model_free", handle)
    fresh = model(library)
    assert library("total", fresh, ctypes.byref(total)) == 0 and total.value == 10.0
    library("Model_free", fresh)


def test_an_error_before_the_call_breaks_nothing(library: Library) -> None:
    handle, total = model(library), ctypes.c_float()
    assert library("step", None, ctypes.c_int64(2), ctypes.c_float(1.0), ctypes.byref(ctypes.c_int64())) == ErrorCode.ARGUMENT
    assert library("total", handle, ctypes.byref(total)) == 0 and total.value == 10.0
    library("Model_free", handle)


def tree(library: Library) -> ctypes.c_void_p:
    leaves = [ctypes.c_void_p() for _ in range(2)]
    for word, leaf in enumerate(leaves):
        assert library("Tree_Leaf", ctypes.c_int64(word), ctypes.byref(leaf)) == 0
    found = ctypes.c_void_p()
    assert library("Tree_Node", *leaves, ctypes.byref(found)) == 0
    return found


def test_a_sum_is_broken_until_it_is_made_anew(library: Library) -> None:
    value, result = tree(library), ctypes.c_int64()
    assert library("grow", ctypes.byref(value), ctypes.c_int64(50), ctypes.byref(result)) == 0 and result.value == 2 + 3
    assert library("grow", ctypes.byref(value), ctypes.c_int64(1), ctypes.byref(result)) == ErrorCode.DIVISION_BY_ZERO
    assert not value.value
    assert library("grow", ctypes.byref(value), ctypes.c_int64(50), ctypes.byref(result)) == ErrorCode.BROKEN
    assert "t was broken by an earlier error" in library.error()
    value = tree(library)
    assert library("grow", ctypes.byref(value), ctypes.c_int64(100), ctypes.byref(result)) == 0 and result.value == 3
    library("Tree_release", value)


def test_arrays_and_numbers_of_the_host_stay_as_they_were(library: Library) -> None:
    x, s = (ctypes.c_float * 3)(1, 2, 3), ctypes.c_float(5)
    assert library("shift", x, ctypes.byref(s), ctypes.c_int64(3)) == ErrorCode.BOUNDS
    assert list(x) == [1, 2, 3] and s.value == 5
    assert library("shift", x, ctypes.byref(s), ctypes.c_int64(2)) == 0
    assert list(x) == [2, 3, 0] and s.value == 6
    assert library("live_blocks") >= 0
