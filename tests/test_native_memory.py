"""Long loops run in constant memory: a tree, a list, a closure and an array of changing size, carried a million times."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler to link with")]

PROGRAM = """
import data

fn grow<n>(x: f32[n], i: int) -> f32[?]:
    return concat(x, [f32(i)]) if n < 8 else x[0:1]

fn compose(f: f32 -> f32, k: f32) -> f32 -> f32:
    return x => x + k

proc main(turns: int = 1000):
    var t = data.Leaf(0)
    var xs: List<int> = List()
    var f: f32 -> f32 = x => x
    var a: f32[?] = [1.0, 2.0]
    for i in turns:
        t = data.Node(data.Leaf(i), data.Leaf(i + 1))
        xs.push(i)
        if len(xs) > 10:
            xs.pop()
        let k = f32(i)
        f = compose(f, k)
        a = grow(a, i)
    print(f"{f(1.0)} {len(xs)} {len(a)}")
"""


def test_a_million_turns(tmp_path: Path) -> None:
    (tmp_path / "loop.dyn").write_text(PROGRAM)
    subprocess.run([sys.executable, "-m", "dynlang", "build", tmp_path / "loop.dyn", "-o", tmp_path / "loop"], check=True)
    few, many = (peak_bytes(tmp_path / "loop", turns) for turns in (1_000, 1_000_000))
    assert many <= few * 1.05


def peak_bytes(program: Path, turns: int) -> int:
    """The largest resident size of a run that leaves nothing behind."""
    environment = {**os.environ, "DYN_LIVE_BLOCKS": "1"}
    run = subprocess.Popen([program, f"--turns={turns}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert run.stdout is not None
    assert run.stderr is not None
    assert run.stdout.read() == f"{float(turns)} 10 2\n"
    assert run.stderr.read() == "live blocks: 0\n"
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    run.stdout.close()
    run.stderr.close()
    assert run.returncode == 0
    return used.ru_maxrss
