"""The flags of a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynlang.tools import flags
from dynlang.tools.flags import BadFlag, Flag
from dynlang.types import BOOL, F32, INT, ScalarType, StringType

ROOT = Path(__file__).parent.parent
KNOWN = [Flag("rate", F32, 0.1), Flag("epochs", INT, 5), Flag("out", StringType(), "x"), Flag("very_loud", BOOL, False),
         Flag("seed", INT, None)]


def parse(*arguments: str) -> list | None:
    return flags.parse(arguments, KNOWN)


def test_values_in_the_order_of_the_parameters() -> None:
    assert parse("--seed", "3", "--rate=1e-3") == [1e-3, 5, "x", False, 3]
    assert parse("--very-loud", "--seed=-1", "--out", "--") == [0.1, 5, "--", True, -1]
    assert parse("--very_loud=false", "--seed", "1") == [0.1, 5, "x", False, 1]


def test_switches_are_turned_off() -> None:
    assert parse("--very-loud", "--no-very-loud", "--seed", "1") == [0.1, 5, "x", False, 1]
    assert parse("--no-very_loud", "--very-loud", "--seed", "1") == [0.1, 5, "x", True, 1]


PROGRAM = '''let SIZE = 8

fn named(k: int) -> str:
    return f"run-{k}.txt"

proc main(rate: f32 = 0.1, size: int = SIZE // 2 + 1, out: str = named(3), loud: bool = false, quick: bool = true, small: i8 = -3,
          half: f16 = 0.5, brain: bf16 = 1.5, big: u8):
    """Trains something.

    rate: how far a step goes
    out: where the model goes,
        as a file of text

    More text: with a colon.
    """
    print(rate, size, out, loud, quick, small, half, brain, big)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("flags")
    (found / "program.dyn").write_text(PROGRAM)
    dync(found, "build", "program.dyn")
    return found


def dync(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    return subprocess.run([sys.executable, "-m", "dynlang", *arguments], cwd=folder, env=environment, capture_output=True, text=True,
                          check=False)


def test_help_has_the_documentation_of_main(folder: Path) -> None:
    shown = dync(folder, "run", "program.dyn", "--help").stdout
    built = subprocess.run([folder / "program", "--help"], capture_output=True, text=True, check=True).stdout
    assert shown.partition("\n")[2] == built.partition("\n")[2] and built.startswith("usage: program [--rate f32]")
    assert "Trains something.\n\nMore text: with a colon.\n\n" in shown
    assert "  --rate f32    how far a step goes (default 0.1)\n" in shown
    assert "  --out str     where the model goes, as a file of text (default \"run-3.txt\")\n" in shown
    assert "  --size int    (default 5)\n" in shown and "  --big u8      (required)\n" in shown


@pytest.mark.parametrize("line", [
    "--big 3", "--big=3 --no-quick --loud", "--big 255 --rate -1e-2 --size +7", "--big 3 --half 0.333 --brain 0.333 --small -128",
    "--big 3 --loud false --out=a=b", "--big 3 --rate nan", "--big 3 --quick --no-quick --quick", "--big 3 --out --quick",
    "", "--big", "--big 256", "--big 3 --small 128", "--big 3 --rate 1_0", "--big 3 --no-quick=true", "--big 3 --loud=maybe",
    "--big 3 --size 1.5", "--big 3 word", "--big 3 --no-rate", "--big 3 --size \u0661", "--big 3 --size 9223372036854775808"])
def test_run_and_the_built_program_read_flags_alike(folder: Path, line: str) -> None:
    shown = dync(folder, "run", "program.dyn", *line.split())
    built = subprocess.run([folder / "program", *line.split()], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stdout) == (built.returncode, built.stdout)
    assert shown.stderr.partition(" (`dync run")[0].strip() == built.stderr.strip()


def test_help_wins() -> None:
    assert parse("--help") is None and parse("--seed", "1", "-h") is None
    text = flags.help_text("dync run a.dyn", KNOWN, "Trains.")
    assert "Trains." in text and "--[no-]very-loud" in text and '(default "x")' in text and "(required)" in text


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "--seed` is missing"),
    (["--seed"], "needs a value"),
    (["--seed", "one"], "takes a value of type int, not `one`"),
    (["--speed", "1"], "no flag `--speed`"),
    (["seed"], "no flag `seed`"),
    (["--rate", "quick"], "type f32"),
    (["--very-loud=maybe"], "true or false"),
    (["--no-very-loud=true"], "`--no-very-loud` takes no value"),
    (["--no-rate"], "no flag `--no-rate`"),
    (["--rate", "1_0"], "type f32"),
    (["--seed", "\u0661"], "type int"),
    (["--seed", str(2**63)], "type int"),
])
def test_what_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(BadFlag, match=message):
        parse(*arguments)


def test_small_integers_have_their_range() -> None:
    assert flags.value_of(Flag("x", ScalarType("u8"), None), "255") == 255
    with pytest.raises(BadFlag):
        flags.value_of(Flag("x", ScalarType("u8"), None), "256")
