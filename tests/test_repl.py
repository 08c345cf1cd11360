"""Sessions: what entries give, what they keep, and what can't harm them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynlang.tools.repl import Connection, is_complete
from dynlang.tools.session import Session
from dynlang.tools.worker import Worker, WorkerDied

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def session() -> Session:
    return Session()


def text(session: Session, entry: str) -> str:
    answer = session.enter(entry)
    assert not answer.get("error"), answer["error"]
    return answer["text"]


@pytest.mark.parametrize(("entries", "shown"), [
    (["1 + 2"], "int = 3"),
    (["let x = [1.0, 2.0, 3.0]"], "x: f32[3] = [1.0, 2.0, 3.0]"),
    (["let x = [1.0, 2.0]", "sum(x * x)"], "f32 = 5.0"),
    (["fn f(x: f32) -> f32:\n    return x * x\n", "grad(f)(3.0)"], "f32 = 6.0"),
    (["var n = 0", "for i in 5:\n    n += i\n", "n"], "int = 10"),
    (["let k = 3", "zeros(k)"], "f32[3] = [0.0, 0.0, 0.0]"),
    (["let n = 4", "let x = [f32(i) for i in n]", "x"], "f32[4] = [0.0, 1.0, 2.0, 3.0]"),
    (["type Tree:\n    Leaf(word: int)\n    Node(left: Tree, right: Tree)\n", "let t = Node(Leaf(1), Leaf(2))", "t"],
     "Tree = Node(Leaf(1), Leaf(2))"),
    (["record P:\n    x: f32\n    y: f32[2]\n", "P(1.0, [2.0, 3.0])"], "P = P(x=1.0, y=[2.0, 3.0])"),
    (["import nn", "var rng = Rng(seed=1)", "let m: nn.Linear<3, 2> = nn.init(&rng)", ":type m(zeros(3))"], "f32[2]"),
    (["let xs = ones(1000)", "xs"], "f32[1000] = 1000 elements, 1 to 1, mean 1"),
    (['"text"'], 'str = "text"'),
    (["1 < 2"], "bool = true"),
    (["(1, 2.5)"], "(int, f32) = (1, 2.5)"),
])
def test_entries(entries: list[str], shown: str) -> None:
    session = Session()
    for entry in entries[:-1]:
        text(session, entry)
    assert text(session, entries[-1]) == shown


def test_errors_leave_the_session_as_it_was(session: Session) -> None:
    text(session, "let kept = 7")
    for wrong in ("unknown", "let kept = (", "fn g(x: f32) -> f32:\n    return y\n", "[1, 2][5]", "7 // (kept - 7)"):
        assert session.enter(wrong).get("error"), wrong
    assert text(session, "kept") == "int = 7"


def test_a_declaration_that_breaks_another_is_refused(session: Session) -> None:
    text(session, "fn inner(x: f32) -> f32:\n    return x\n")
    text(session, "fn outer(x: f32) -> f32:\n    return inner(x)\n")
    assert "DYN" in session.enter("fn inner(x: int) -> int:\n    return x\n")["error"]
    text(session, "fn inner(x: f32) -> f32:\n    return 2.0 * x\n")
    assert text(session, "outer(3.0)") == "f32 = 6.0"


def test_a_type_declared_again_forgets_its_values(session: Session) -> None:
    text(session, "record R:\n    x: f32\n")
    text(session, "let r = R(1.0)")
    assert "r is forgotten" in text(session, "record R:\n    x: f32\n    y: f32\n")


def test_commands(session: Session) -> None:
    text(session, "fn square(x: f32) -> f32:\n    return x * x\n")
    assert "square" in text(session, ":names") and "fn square_grad" in text(session, ":grad square")
    assert "func @square" in text(session, ":ir square") and "s" in text(session, ":time square(2.0)")
    assert "no command" in text(session, ":frobnicate")
    assert "square" in session.names()["names"] and "sigmoid" in session.names()["names"]


@pytest.mark.parametrize(("entry", "complete"), [
    ("1 + 2", True), ("f(1,", False), ("fn f(x: f32) -> f32:", False), ("fn f(x: f32) -> f32:\n    return x", False),
    ("fn f(x: f32) -> f32:\n    return x\n\n", True), ("let x = 1", True), ("", True), (":type x", True), ("@derivative(of=f)", False),
])
def test_entries_are_complete_or_go_on(entry: str, complete: bool) -> None:
    assert is_complete(entry) == complete


def test_piped_lines() -> None:
    entries = "let x = 2.0\nfn f(y: f32) -> f32:\n    return y * x2\n\nfn g(y: f32) -> f32:\n    return y * 3.0\n\ng(x)\n"
    done = subprocess.run([sys.executable, "-m", "dynlang", "repl"], input=entries, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 1 and "f32 = 6.0" in done.stdout and "x2" in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def test_an_interrupt_stops_the_code_and_keeps_the_state(worker: Worker) -> None:
    worker.ask(do="enter", text="var n = 5")
    threading.Timer(1.5, lambda: worker.process.send_signal(signal.SIGINT)).start()
    began = time.monotonic()
    assert worker.ask(do="enter", text="while n > 0:\n    n = 5\n")["error"] == "interrupted"
    assert time.monotonic() - began < 10
    assert worker.ask(do="enter", text="n")["text"] == "int = 5"


def test_a_session_outlives_its_worker() -> None:
    connection = Connection()
    try:
        connection.enter("fn f(x: f32) -> f32:\n    return x + 1.0\n")
        connection.worker.process.kill()
        connection.enter("f(1.0)")
        assert connection.failed
        assert connection.worker.ask(do="enter", text="f(1.0)")["text"] == "f32 = 2.0"
    finally:
        connection.close()


def test_death_is_reported(worker: Worker) -> None:
    worker.process.kill()
    with pytest.raises(WorkerDied, match="SIGKILL"):
        worker.ask(do="names")


def test_a_small_entry_takes_milliseconds(session: Session) -> None:
    text(session, "1 + 1")
    times = []
    for number in range(5):
        began = time.process_time()
        text(session, f"{number} + 1")
        times.append(time.process_time() - began)
    assert min(times) < 0.03
