"""`dync fix`: what it writes, what it leaves alone, and that no repair is offered that doesn't work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynlang.check import errors
from dynlang.check.program import check_program
from dynlang.diag import CompileError, Diagnostic, Edit, Repair, replacing
from dynlang.source import Source
from dynlang.tools.cli import main
from dynlang.tools.repairs import edited, repaired, with_fixes, works

WRONG = """\
fn area(radius: f32) -> f32:   # a comment stays
    return 3.14159 *  radus * radius

proc main():
    let n = 3
    n += 1
    print( area(f32(n)) )
"""


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    file = tmp_path / "wrong.dyn"
    file.write_text(WRONG, encoding="utf-8")
    return file


def test_fix_writes_the_repairs_and_nothing_else(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", str(wrong)]) == 0
    assert wrong.read_text(encoding="utf-8") == WRONG.replace("radus", "radius").replace("let n", "var n")
    shown = capsys.readouterr().out
    assert "-    let n = 3\n+    var n = 3\n" in shown and "area(f32(n))" not in shown
    assert check_program(wrong).main == "wrong.main"
    assert main(["fix", str(wrong)]) == 0 and capsys.readouterr().out == ""


@pytest.mark.parametrize(("flag", "status"), [("--dry-run", 0), ("--check", 1)])
def test_fix_can_look_without_touching(wrong: Path, capsys: pytest.CaptureFixture[str], flag: str, status: int) -> None:
    assert main(["fix", flag, str(wrong)]) == status
    assert wrong.read_text(encoding="utf-8") == WRONG and "+    var n = 3\n" in capsys.readouterr().out


def test_what_has_no_repair_is_left_with_its_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "half.dyn"
    text = "fn f(x: f32) -> f32:\n    return x.foo + sigmiod(x)\n\nfn g(x: f32) -> f32:\n    return sigmiod(x)\n"
    file.write_text(text, encoding="utf-8")
    assert main(["fix", str(file), str(tmp_path / "missing.dyn")]) == 1
    assert file.read_text(encoding="utf-8").endswith("return sigmoid(x)\n")
    shown = capsys.readouterr().err
    assert "has no `foo`" in shown and "missing.dyn" in shown


def test_a_repair_in_another_module_is_found_and_not_written(tmp_path: Path) -> None:
    """`dync fix main.dyn` changes main.dyn alone; the message about the module offers its repair."""
    (tmp_path / "shapes.dyn").write_text("fn area(r: f32) -> f32:\n    return pi * r * rr\n", encoding="utf-8")
    (tmp_path / "main.dyn").write_text("import shapes\nproc main():\n    print(shapes.area(1.0))\n", encoding="utf-8")
    with pytest.raises(CompileError) as problem:
        check_program(tmp_path / "main.dyn")
    (found,) = with_fixes(problem.value, tmp_path / "main.dyn")
    assert found.fix is not None and found.fix.edits[0].text == "r"
    source = Source(str(tmp_path / "main.dyn"), (tmp_path / "main.dyn").read_text(encoding="utf-8"))
    assert repaired(source, tmp_path / "main.dyn")[2] == 0


def test_no_repair_is_offered_that_brings_another_error() -> None:
    source = Source("case.dyn", "fn f(x: f32) -> f32:\n    return sigmiod(x)\n")
    name = source.text.index("sigmiod")
    span = source.span(name, name + len("sigmiod"))
    error = errors.UnknownName("there is no `sigmiod` here", span)

    def tried(text: str) -> bool:
        return works(replacing("try it", span, text), error, [error], None)

    assert tried("sigmoid") and not tried("sigmoidal") and not tried("zeros") and not tried("(") and not tried("int")


def test_a_repair_may_bring_to_light_what_the_error_hid(tmp_path: Path) -> None:
    """Of one repair without rivals: below it, an error may come that was silent before."""
    text = "fn f(x: f32) -> f32:\n    let y = sigmiod(x)\n    return y + true\n"
    file = tmp_path / "two.dyn"
    file.write_text(text, encoding="utf-8")
    after, left, count = repaired(Source(str(file), text), file)
    assert "sigmoid(x)" in after and count == 1 and [one.code for one in left] == ["DYN0304"]


def test_edits_of_one_repair_do_not_disturb_each_other() -> None:
    source = Source("a.dyn", "abc")
    edits = (Edit(source.span(0, 1), "xx"), Edit(source.span(3, 3), "!"), Edit(source.span(1, 1), "-"))
    assert edited("abc", edits) == "xx-bc!"
    assert edited("abc", reversed(edits)) == "xx-bc!"


def test_repairs_in_json_are_code_actions(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", str(wrong)]) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["code"] for one in found] == ["DYN0201", "DYN0501"]
    assert all(one["codeDescription"]["href"].endswith(f"{one['code']}.md") and one["source"] == "dync" for one in found)
    (action,) = found[1]["data"]["suggestions"]
    assert action["kind"] == "quickfix"
    (edit,) = action["edit"]["changes"][str(wrong)]
    assert edit == {"range": {"start": {"line": 4, "character": 4}, "end": {"line": 4, "character": 7}}, "newText": "var"}
    assert found[1]["relatedInformation"][0]["location"]["range"]["start"] == {"line": 4, "character": 8}


def test_what_takes_long_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without time, a message comes without a repair; it always comes."""
    source = Source("case.dyn", "fn f(x: f32) -> f32:\n    return sigmiod(x)\n")
    span = source.span(32, 39)
    error: Diagnostic = errors.UnknownName("no", span, repairs=(Repair("it", (Edit(span, "sigmoid"),)),))
    assert with_fixes(CompileError(error), None, seconds=0.0) == [error]
    assert with_fixes(CompileError(error), None)[0].fix == error.repairs[0]
