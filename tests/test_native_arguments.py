"""What a caller in C gives is checked where it comes in: null pointers, negative sizes, indices that are outside."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fuzz_library

PROGRAM = """export fn pick<n, k>(x: f32[n], i: idx<n>, ids: idx<n>[k], at: inout idx<n>) -> (f32[k], f32):
    let j = at
    at = i
    return x[ids], x[i] + x[j]

export fn named(s: str) -> int:
    return len(s)
"""
USE = r"""#include <stdio.h>
#include "abi.h"
static void say(abi_context *c, int code) { printf("%d %s\n", code, code ? abi_error(c) : "fine"); }
int main(void) {
    abi_context *c = abi_create();
    float x[3] = {1, 2, 3}, y[2], z; int64_t ids[2] = {0, 2}, bad[2] = {0, 3}, at = 1, far = -1, n;
    say(c, abi_pick(c, 3, 2, x, 1, ids, &at, y, &z));
    say(c, abi_pick(c, 3, 2, x, 3, ids, &at, y, &z));
    say(c, abi_pick(c, 3, 2, x, -1, ids, &at, y, &z));
    say(c, abi_pick(c, 3, 2, x, 1, bad, &at, y, &z));
    say(c, abi_pick(c, 3, 2, x, 1, ids, &far, y, &z));
    say(c, abi_pick(c, 3, 2, 0, 1, ids, &at, y, &z));
    say(c, abi_pick(c, 3, 2, x, 1, 0, &at, y, &z));
    say(c, abi_pick(c, 3, 2, x, 1, ids, 0, y, &z));
    say(c, abi_pick(c, 3, 2, x, 1, ids, &at, 0, &z));
    say(c, abi_pick(c, 3, 2, x, 1, ids, &at, y, 0));
    say(c, abi_pick(c, 3, 0, x, 1, 0, &at, 0, &z));
    say(c, abi_pick(c, -3, 2, x, 1, ids, &at, y, &z));
    say(c, abi_named(c, 0, &n)); say(c, abi_named(c, "four", 0)); say(c, abi_named(c, "four", &n));
    printf("%d blocks\n", (int)abi_live_blocks(c));
    abi_destroy(c); return 0; }
"""
PRINTED = """0 fine
2 i holds the index 3, which is outside 0..3
2 i holds the index -1, which is outside 0..3
2 ids holds the index 3, which is outside 0..3
2 at holds the index -1, which is outside 0..3
10 x is null
10 ids is null
10 at is null
10 result0 is null
10 result1 is null
0 fine
10 the size n is -3
10 s is null
10 result is null
0 fine
0 blocks
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_arguments_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "abi.dyn").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "abi.c").write_text(USE, encoding="utf-8")
    build = [sys.executable, "-m", "dynlang", "build", "abi.dyn", "--lib", "-o", "out"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["cc", "-std=c99", "abi.c", "-Iout", "out/libabi.a", "-lm", "-o", "abi"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "abi"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, PRINTED)


def test_whatever_is_handed_over(tmp_path: Path) -> None:
    """Null pointers, sizes that no machine has, indices and arrays that don't fit deep in values of sums: codes, and nothing is left."""
    found = fuzz_library.batch(tmp_path, range(1500))
    assert isinstance(found, dict), found
    assert found[0] > 500 and found[2] > 100 and found[10] > 100 and set(found) <= {0, 2, 8, 9, 10, 11}
