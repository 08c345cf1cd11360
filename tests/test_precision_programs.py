"""The programs about convolution and precision run as they stand, the same in all ways."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"


def output(name: str, level: str) -> str:
    command = [sys.executable, "-m", "dynlang", "run", "-O", level, str(PROGRAMS / name)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.mark.parametrize("level", ["0", "2"])
def test_early_exit(level: str) -> None:
    assert re.fullmatch(r"class [0-9] after [1-4] blocks\n", output("early_exit.dyn", level))


def test_quantize() -> None:
    """The layer in eight bits is near the layer itself, and so is the one in bf16."""
    found = output("quantize.dyn", "2")
    assert found == output("quantize.dyn", "0")
    errors, half = ([float(one) for one in part.split(",")] for part in re.findall(r"\[(.*?)\]", found))
    assert len(errors) == len(half) == 10 and max(errors) < 0.1
