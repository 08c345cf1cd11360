"""A gradient costs at most 6 times the primal's operations, 4 at the median, and grows as the primal does: on layers and functions of
the library, constructs, and the design's programs. Bytes saved and elements copied are pinned in `costs/pinned.txt`; `--bless` rewrites
the rows of the tests that run.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from cost_examples import Example, examples
from cost_measure import MEDIAN, RATIO, SLACK, Growth

PINNED = Path(__file__).parent / "costs" / "pinned.txt"
EXAMPLES = {one.name: one for one in examples()}
LONG = ("programs.early_exit", "programs.exits", "programs.kmeans", "programs.ode", "programs.gan", "programs.gan2", "layers.convolve",
        "layers.self_attention", "layers.treelstm_depth", "layers.max_pool", "layers.mean_pool", "functions.quantiles", "functions.sorting",
        "functions.largest_of", "functions.distinct", "functions.interpolated")
"""Examples that take seconds; each has a quicker neighbour."""


def pinned() -> dict[str, str]:
    if not PINNED.exists():
        return {}
    return dict(line.split(": ", 1) for line in PINNED.read_text(encoding="utf-8").splitlines() if ": " in line and line[0] != "#")


def described(found: Growth) -> str:
    """What is pinned: the largest ratio, bytes saved at each size, elements copied by the primal and by the gradient at the smallest."""
    first = found.costs[0]
    saved = " ".join(str(one.saved) for one in found.costs)
    return f"ratio {max(found.ratios):.2f}, saved {saved}, copied {first.copied_by_primal} {first.copied}"


def bless(name: str, text: str) -> None:
    rows = {**pinned(), name: text}
    head = "# The cost of each example's gradient: largest ratio, bytes saved at each size, elements copied by primal and gradient.\n"
    PINNED.write_text(head + "".join(f"{one}: {rows[one]}\n" for one in EXAMPLES if one in rows), encoding="utf-8")


@pytest.mark.parametrize("name", [pytest.param(one, marks=pytest.mark.slow) if one in LONG else one for one in EXAMPLES])
def test_cost_of(name: str, request: pytest.FixtureRequest) -> None:
    example: Example = EXAMPLES[name]
    found = example.measure(copies=True)
    assert max(found.ratios) <= RATIO, found.ratios
    primal, gradient = found.exponent("primal"), found.exponent("gradient")
    assert gradient <= primal + SLACK, (primal, gradient, found.ratios)
    if request.config.getoption("--bless"):
        bless(name, described(found))
    assert described(found) == pinned().get(name), "look where it comes from, then run this with --bless"


def test_half_of_the_examples_cost_little() -> None:
    rows = pinned()
    assert list(rows) == list(EXAMPLES), "run this file with --bless -m ''"
    assert statistics.median(float(one.split(",")[0].removeprefix("ratio ")) for one in rows.values()) <= MEDIAN


def test_what_the_library_differentiates_is_counted() -> None:
    """Every layer of `nn` is an example."""
    text = (PINNED.parent / "layers.dyn").read_text(encoding="utf-8")
    library = (Path(__file__).parent.parent / "stdlib" / "nn.dyn").read_text(encoding="utf-8")
    layers = [line.split()[1].split("<")[0] for line in library.splitlines() if line.startswith("record ") and "<" in line]
    assert layers and not [one for one in layers if f"nn.{one}" not in text]
