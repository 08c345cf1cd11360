"""Energies (`stdlib/energy.dyn`): the design's program runs as it stands. What is found is tested in `language/energies.dyn`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent / "programs" / "infer.dyn"


def test_inference_is_trained_through_the_minimum() -> None:
    command = [sys.executable, "-m", "dynlang", "run", str(PROGRAM)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    first, second = (float(one) for one in re.findall(r"-?\d+\.\d+", found)[:2])
    assert abs(first - 0.2) < 1e-3 and abs(second + 0.3) < 1e-3
    assert "in 50 steps" in found and "converged: true" in found
