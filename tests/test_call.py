"""`dync call`: names, sizes, dtypes and sum types; what doesn't fit is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dynlang.core.evaluate import SumValue
from dynlang.core.nodes import Block as CoreBlock
from dynlang.core.nodes import Constructor, Function, SumDeclaration, Variable
from dynlang.tools import flat
from dynlang.tools.call import call_function
from dynlang.types import F32, INT, ArrayType, Size, StringType, SumType

STRING = StringType()
N, D = Size.variable("n"), Size.variable("d")
TREE = SumDeclaration("Tree", ("d",), (
    Constructor("Leaf", (Variable("word", INT), Variable("x", ArrayType(F32, (D,))))),
    Constructor("Node", (Variable("left", SumType("Tree", (D,))), Variable("right", SumType("Tree", (D,))))),
))
FUNCTION = Function("f", (Variable("d", INT), Variable("n", INT), Variable("w", ArrayType(F32, (D, 2 * N))),
                          Variable("t", SumType("Tree", (D,)))), (), CoreBlock((), ()), sizes=2)
LABELS = ("d", "n", "w", "t")


def arrays(**more) -> dict[str, np.ndarray]:
    given = {"w": np.zeros((2, 6)), "t.tag": np.array([1, 0, 1, 0, 0]), "t.Leaf.word": np.array([7, 8, 9]),
             "t.Leaf.x": np.arange(6.0).reshape(3, 2)}
    return {name: np.asarray(value) for name, value in {**given, **more}.items() if value is not None}


def read(given: dict[str, np.ndarray]) -> list:
    reader = flat.Reader({"Tree": TREE}, given)
    values = reader.arguments(FUNCTION, LABELS)
    reader.finish()
    return values


def test_sizes_and_trees_are_found() -> None:
    d, n, w, tree = read(arrays())
    assert (d, n) == (2, 3) and w.dtype == np.float32
    assert tree.constructor == "Node" and tree.fields[0].constructor == "Leaf" and tree.fields[0].fields[0] == 7
    right = tree.fields[1]
    assert right.fields[1].fields[0] == 9 and list(right.fields[1].fields[1]) == [4.0, 5.0]


def test_a_tree_survives_the_way_there_and_back() -> None:
    given = arrays()
    kind = SumType("Tree", (D,))
    written = flat.write_results(["t"], [kind], [read(given)[3]], {"Tree": TREE})
    assert written.keys() == {"t.tag", "t.Leaf.word", "t.Leaf.x"}
    for name, array in written.items():
        assert np.array_equal(array, given[name])


def test_a_deep_tree_needs_no_stack() -> None:
    depth = 50_000
    tags = np.array([1, 0] * depth + [0])
    given = arrays(**{"t.tag": tags, "t.Leaf.word": np.arange(depth + 1), "t.Leaf.x": np.zeros((depth + 1, 2))})
    tree = read(given)[3]
    assert isinstance(tree, SumValue)
    assert flat.write_sum("t", SumType("Tree", (D,)), tree, {"Tree": TREE})["t.tag"].size == 2 * depth + 1


@pytest.mark.parametrize(("change", "message"), [
    ({"w": None}, "`w` is missing"),
    ({"v": 1}, "no parameter `v`"),
    ({"w": np.zeros(6)}, "`w` has 2 axes, but an array with 1"),
    ({"w": np.zeros((2, 5))}, "axis 1 of `w` has 5 elements, which is 2*n for no n"),
    ({"w": np.zeros((2, 6), complex)}, "complex128"),
    ({"w": np.full((2, 6), 0.1)}, "no f32"),
    ({"w": np.full((2, 6), "a")}, "not f32"),
    ({"n": 4}, "instead of 2*n = 8"),
    ({"t.tag": [1, 0]}, "ends before"),
    ({"t.tag": [0, 0]}, "goes on after"),
    ({"t.tag": [2]}, "2 constructors"),
    ({"t.Leaf.word": [7, 8]}, "`t.Leaf.word` has too few"),
    ({"t.Leaf.word": [7, 8, 9, 10]}, "`t.Leaf.word` has too many"),
    ({"t.Leaf.word": [7.0, 8.0, 9.0]}, "not i64"),
])
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    with pytest.raises(flat.BadArgument, match=message.replace("*", r"\*")):
        read(arrays(**change))


@pytest.mark.parametrize(("value", "dtype", "fine"), [
    (np.int64(3), "i8", True), (np.int64(300), "i8", False), (np.int64(-1), "u8", False),
    (np.float64("nan"), "f32", True),
    (np.int64(2**24 + 1), "f32", False), (np.int64(2**24), "f32", True), (np.float32(1.5), "f64", True),
    (np.bool_(True), "i64", False), (np.int64(1), "bool", False), (np.float64(1e300), "f32", False),
    (np.float64(1.0), "bf16", True), (np.float64(1.01), "bf16", False), (np.float64(0.5), "f16", True),
])
def test_dtypes_change_where_nothing_is_lost(value: np.generic, dtype: str, fine: bool) -> None:
    if fine:
        assert float(flat.exactly("x", np.asarray(value), dtype)) == pytest.approx(float(value), nan_ok=True)
    else:
        with pytest.raises(flat.BadArgument):
            flat.exactly("x", np.asarray(value), dtype)


@pytest.mark.parametrize(("given", "dtype"), [(np.uint64(2**64 - 1), "i64"), (np.int8(-1), "u8"), (np.uint8(255), "i8"),
                                              (np.int64(-1), "u8")])
def test_a_number_of_the_same_bits_is_another_number(given: np.integer, dtype: str) -> None:
    with pytest.raises(flat.BadArgument, match="which is no"):
        flat.exactly("x", np.array([given]), dtype)


@pytest.mark.parametrize("given", [np.array(3), np.array(["a", "b"])])
def test_a_text_is_one_text(given: np.ndarray) -> None:
    with pytest.raises(flat.BadArgument):
        flat.Reader({}, {"s": given}).value("s", STRING, {})


def test_bytes_are_a_text() -> None:
    assert flat.Reader({}, {"s": np.array(b"abc")}).value("s", STRING, {}) == b"abc"


DOCUMENTS = """
type Part<n>:
    Title(text: str, level: int)
    Line(words: List<str>, places: List<idx<n>>, scores: List<(f32, int)>)
    Both(first: Part<n>, second: Part<n>)

fn same(p: Part<5>) -> Part<5>:
    return p

fn words(xs: List<str>, ys: List<(int, str)>) -> (int, List<str>):
    var found = List()
    for x in xs:
        found.push(x + "!")
    for _, y in ys:
        found.push(y)
    return len(xs), found
"""


@pytest.mark.parametrize("backend", ["native", "interp"])
def test_texts_and_lists_survive_the_way_there_and_back(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "documents.dyn"
    path.write_text(DOCUMENTS)
    given = {"p.tag": [2, 0, 2, 1, 1], "p.Title.text": ["a\\nä"], "p.Title.level": [3], "p.Line.words.length": [2, 0],
             "p.Line.words": ["", "one two"], "p.Line.places.length": [1, 2], "p.Line.places": [4, 0, 3],
             "p.Line.scores.length": [0, 1], "p.Line.scores.0": [0.5], "p.Line.scores.1": [-7]}
    arrays = {name: np.array(one) for name, one in given.items()}
    found = call_function(path, "same", arrays, backend)
    assert {name.replace("result", "p"): one.tolist() for name, one in found.items()} == given
    for name, wrong, message in (("p.Line.places", [4, 5, 3], "index 5, which is outside 0..5"), ("p.Line.words.length", [2, 1], "too few"),
                                 ("p.Line.words.length", [1, 0], "too many"), ("p.Line.words.length", [-1, 3], "-1"),
                                 ("p.Line.words", [1, 2], "no text")):
        with pytest.raises(flat.BadArgument, match=message):
            call_function(path, "same", {**arrays, name: np.array(wrong)}, backend)
    found = call_function(path, "words", {"xs": np.array(["a", "b c"]), "ys.0": np.array([1]), "ys.1": np.array(["d"])}, backend)
    assert found["result.0"] == 2 and found["result.1"].tolist() == ["a!", "b c!", "d"]
    none = call_function(path, "words", {"xs": np.zeros(0), "ys.0": np.zeros(0, int), "ys.1": np.zeros(0)}, backend)
    assert none["result.0"] == 0 and none["result.1"].tolist() == []
