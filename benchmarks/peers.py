"""The others of a workload, from the peers' suite: a process for each, run by the interpreter that has it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any


def peer_rows(folder: Path, python: str, script: str, peer: str) -> list[dict[str, Any]]:
    """What the suite's script measures of one peer; nothing where it can't run."""
    done = subprocess.run([python, script, "--peer", peer], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
    return [json.loads(line.removeprefix("ROW ")) for line in done.stdout.splitlines() if line.startswith("ROW ")]
