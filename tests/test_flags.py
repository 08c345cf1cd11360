"""The flags of a program."""

from __future__ import annotations

import doctest

import pytest

from dynlang.tools import execute, flags
from dynlang.tools.flags import BadFlag, Flag
from dynlang.types import BOOL, F32, INT, ScalarType, StringType

KNOWN = [Flag("rate", F32, 0.1), Flag("epochs", INT, 5), Flag("out", StringType(), "x"), Flag("very_loud", BOOL, False),
         Flag("seed", INT, None)]


def parse(*arguments: str) -> list | None:
    return flags.parse(arguments, KNOWN)


def test_values_in_the_order_of_the_parameters() -> None:
    assert parse("--seed", "3", "--rate=1e-3") == [1e-3, 5, "x", False, 3]
    assert parse("--very-loud", "--seed=-1", "--out", "--") == [0.1, 5, "--", True, -1]
    assert parse("--very_loud=false", "--seed", "1") == [0.1, 5, "x", False, 1]


def test_help_wins() -> None:
    assert parse("--help") is None and parse("--seed", "1", "-h") is None
    text = flags.help_text("dync run a.dyn", KNOWN, "Trains.")
    assert "Trains." in text and "--very-loud" in text and '(default "x")' in text and "(required)" in text


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "--seed` is missing"),
    (["--seed"], "needs a value"),
    (["--seed", "one"], "takes a value of type int, not `one`"),
    (["--speed", "1"], "no flag `--speed`"),
    (["seed"], "no flag `seed`"),
    (["--rate", "quick"], "type f32"),
    (["--very-loud=maybe"], "true or false"),
    (["--seed", str(2**63)], "type int"),
])
def test_what_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(BadFlag, match=message):
        parse(*arguments)


def test_small_integers_have_their_range() -> None:
    assert flags.value_of(Flag("x", ScalarType("u8"), None), "255") == 255
    with pytest.raises(BadFlag):
        flags.value_of(Flag("x", ScalarType("u8"), None), "256")


@pytest.mark.parametrize("module", [flags, execute])
def test_the_examples_of_the_module(module) -> None:
    assert doctest.testmod(module).failed == 0
