"""`core/simplify/handed_back.py`: what a call only passes through is its argument, and no result."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynlang import pipeline
from dynlang.core.nodes import Call, Function
from dynlang.core.simplify.handed_back import handed_back
from dynlang.core.walk import statements_in

PROGRAM = """
record State<n>:
    rows:  f64[n]
    count: int
    last:  f64

    fn tick(self: inout):
        self.count += 1

    fn tick_all(self: inout, times: int):
        for _ in times:
            self.tick()

    fn tick_if(self: inout, some: bool):
        if some:
            self.tick_all(2)
        else:
            self.tick()

    fn walk(self: inout, depth: int):
        if depth > 0:
            self.count += depth
            self.walk(depth - 1)

    fn put(self: inout, i: idx<n>, some: bool):
        if some:
            self.rows[i] = 2.0

fn run<n>(x: f64[n], k: int) -> (f64, int):
    var s = State(rows=x, count=0, last=0.0)
    s.tick_if(k > 1)
    s.walk(k)
    for i in n:
        s.put(i, k > 2)
    return sum(s.rows * s.rows), s.count
"""


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Function]:
    path = tmp_path_factory.mktemp("core") / "handed.dyn"
    path.write_text(PROGRAM)
    return dict(pipeline.build(pipeline.Request(path, entries=("run",)), until="core").functions)


def results_of(functions: dict[str, Function], name: str) -> list[str]:
    found = [one for key, one in functions.items() if key.endswith(name)]
    return [result.name.rstrip("0123456789") for one in found for result in one.results]


def test_what_passes_through_is_no_result(functions: dict[str, Function]) -> None:
    called = {one.right.function for one in statements_in(functions["run"].body) if isinstance(one.right, Call)}
    for name in called:
        assert "self_last" not in results_of(functions, name)
        assert "self_rows" not in results_of(functions, name) or name.endswith("put")


def test_what_is_changed_on_one_way_stays_a_result(functions: dict[str, Function]) -> None:
    assert all("self_rows" in results_of(functions, name) for name in functions if name.endswith(".put"))


def test_nothing_is_left_to_do(functions: dict[str, Function]) -> None:
    assert not any(handed_back(functions, {"run"}).values())


@pytest.mark.parametrize("k", [0, 1, 3])
def test_the_meaning_is_the_same(tmp_path: Path, k: int) -> None:
    from dyn_calls import callable_program

    path = tmp_path / "handed.dyn"
    path.write_text(PROGRAM)
    with callable_program(path, ["run"], "2") as call:
        found = list(call("run", x=[1.0, 3.0], k=k).values())
    assert found == [8.0 if k > 2 else 10.0, (2 if k > 1 else 1) + k * (k + 1) // 2]
