"""How an error looks: marks that share a row, what is cut, colours, and how many are shown."""

from __future__ import annotations

import io
import re

import pytest

from dynlang.diag import (
    CompilerBug,
    Diagnostic,
    Diagnostics,
    Label,
    NotBuiltYet,
    colour_wanted,
    render,
    render_all,
    replacing,
    to_json,
    wrapping,
)
from dynlang.source import Source, Span

TEXT = "let a = first + second\nlet b = a\n" + "let c = 3\n" * 30
SOURCE = Source("shown.dyn", TEXT)


def at(word: str, number: int = 0) -> Span:
    start = [found.start() for found in re.finditer(rf"\b{re.escape(word)}", TEXT)][number]
    return SOURCE.span(start, start + len(word))


def shown(found: Diagnostic) -> list[str]:
    return [line.rstrip() for line in render(found).split("\n")]


def test_marks_that_do_not_overlap_share_a_row() -> None:
    labels = (Label(at("first"), "an `int`"), Label(at("second"), "an `f32`"))
    found = NotBuiltYet("these differ", SOURCE.span(14, 15), secondary=labels)
    assert shown(found) == [
        "error[DYN0001]: these differ",
        " --> shown.dyn:1:15",
        "  |",
        "1 | let a = first + second",
        "  |         ----- ^ ------ an `f32`",
        "  |         an `int`",
    ]


def test_marks_that_overlap_have_rows_of_their_own() -> None:
    labels = (Label(at("second"), "inside"),)
    found = NotBuiltYet("the whole", SOURCE.span(8, 22), "all of it", secondary=labels)
    assert shown(found)[4:] == ["  |         ^^^^^^^^^^^^^^ all of it", "  |                 ------ inside"]


def test_words_have_bars_where_others_stand_further_left() -> None:
    labels = (Label(at("a"), "the first of three long texts"), Label(at("first"), "the second"), Label(at("second"), "the third"))
    found = NotBuiltYet("three", SOURCE.span(14, 15), secondary=labels)
    assert shown(found)[4:] == [
        "  |     -   ----- ^ ------ the third",
        "  |     |   the second",
        "  |     the first of three long texts",
    ]


def test_a_label_at_the_errors_own_place_stands_there() -> None:
    found = NotBuiltYet("here", at("first"), secondary=(Label(at("first"), "an `int`"),))
    assert shown(found)[4:] == ["  |         ^^^^^ an `int`"]


def test_a_message_has_twelve_lines_at_most() -> None:
    labels = tuple(Label(SOURCE.span(start, start + 3), f"place {number}")
                   for number, start in enumerate(SOURCE.line_starts[2:-1]))
    found = NotBuiltYet("many", at("first"), secondary=labels, expected="one", found="another", notes=("a note",), hint="less")
    lines = shown(found)
    assert len(lines) <= 12 and "place 0" in "\n".join(lines) and lines[-1].endswith("hint: less")


def test_a_repair_shows_the_line_that_it_writes() -> None:
    found = NotBuiltYet("convert it", at("second"), fix=wrapping("convert", at("second"), "f32(", ")"))
    assert shown(found)[-1] == "  = dync fix: let a = first + f32(second)"
    several = replacing("add a case", SOURCE.span(22, 22), "\nlet d = 4")
    assert shown(NotBuiltYet("add it", at("second"), fix=several))[-1] == "  = dync fix: add a case"
    margin = replacing("indent it", SOURCE.span(0, 0), "    ")
    assert shown(NotBuiltYet("indent it", at("second"), fix=margin))[-1] == "  = dync fix: indent it"


def test_colours_are_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert colour_wanted(Terminal()) and not colour_wanted(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not colour_wanted(Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour_wanted(Terminal())


def test_colours_change_no_text() -> None:
    labels = (Label(at("first"), "one"), Label(at("second"), "two"))
    found = NotBuiltYet("these differ", SOURCE.span(14, 15), secondary=labels, hint="mend it")
    coloured = render(found, colour=True)
    assert "\x1b[" in coloured and re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(found)


def test_only_so_many_errors_are_shown_and_the_rest_counted() -> None:
    found = [NotBuiltYet(f"number {number}", SOURCE.span(start, start + 1)) for number, start in enumerate(SOURCE.line_starts[:-1])]
    text = render_all(found, limit=3)
    assert text.count("error[") == 3 and text.endswith(f"... and {len(found) - 3} more like these")
    collected = Diagnostics(limit=5)
    collected.extend(found)
    assert len(collected.errors) == 5 and collected.left_off == len(found) - 5 and len(collected.silent) == len(found) - 5


def test_one_error_a_line_and_the_others_are_silent() -> None:
    collected = Diagnostics()
    collected.extend([NotBuiltYet("one", at("first")), CompilerBug("two", at("second"))])
    assert [one.title for one in collected.errors] == ["one"] and [one.title for one in collected.silent] == ["two"]
    assert collected.left_off == 0


def test_places_in_json_count_utf_16_units_from_zero() -> None:
    source = Source("a.dyn", 'let s = "\U0001F600" + n\n')
    start = source.text.index("n", 10)
    found = to_json(NotBuiltYet("wide", source.span(start, start + 1)))
    assert found["range"] == {"start": {"line": 0, "character": 15}, "end": {"line": 0, "character": 16}}
