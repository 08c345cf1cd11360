"""The way from text to AST and back: what parses, what is refused and where, limits, layout, and what is cached."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynlang import diag
from dynlang.source import Source, read_source, resource
from dynlang.syntax import nodes
from dynlang.syntax.formatter import format_source
from dynlang.syntax.lexer import comments, raw_tokens
from dynlang.syntax.parser import DEPTH_LIMIT, parse, parse_entry, parse_expression, parse_module
from dynlang.syntax.printer import print_module, print_node
from dynlang.syntax.tables import generate, tables
from marks import ASKED

ROOT = Path(__file__).parent.parent
PROGRAMS = sorted((ROOT / "tests/programs").glob("*.dyn")) + sorted(resource("stdlib").rglob("*.dyn"))
ALL_PROGRAMS = PROGRAMS + sorted((ROOT / "tests/language").rglob("*.dyn")) + sorted((ROOT / "examples").rglob("*.dyn"))

EVERYTHING = '''"""All of the syntax in one file."""
# a comment
import nn
import a.b as c
from energy import minimize, implicit as by_implicit

type Pair<T> = (T, T)

type Tree<d>:
    """A tree."""
    Leaf(word: int)
    Node(left: Tree<d>, right: Tree<d>)
    Empty

record Model<v, d, T: float = f32, k = 3*d + 1>:
    """Fields, methods."""
    let words = v + 1
    embed: nn.Table<v, 2*d>      # kept in its column
    w:     T[(v + 1)*d//2, ?]
    rate:  f32 = 0.1

    fn call(self, x: f32[d], y: idx<v>[?n]) -> (f32[d], f32[d]):
        return x, x

    fn write(self: inout, at: inout f32[d], by: (inout A) -> A, erase=1): ...

record Nothing:
    pass

@derivative(of=f)
@plain
export fn g(f: (A, B) -> C, h: ((A, B)) -> C, i: (A -> B) -> C, j: () -> A, z: (sparse f32[n])[2]) -> (A -> B) -> C:
    """Two

    paragraphs, with "quotes".
    """
    let a = (x as i32) < y
    let b, (c, d): (f32, (f32, f32)) = 1.5e-3, (0x1f, 0b11)
    var e = -x ** 2 ** -1 + (-x) ** 2 + (a if b else c) * 2 // 3 % 4 @ w
    let s = "a\\n\\"b\\\\ {x}" + f"{{x}} {x + 1:.4f} {g("a\\"b")} \\u{e9}"
    x, m.y[1, :2, ::3, -1:] = y, x
    e += 0 <= i < n != 3 and not a or true
    for i, (j, k) in 0..n - 1:
        if a:
            break
        elif b: continue
        else:
            pass
    while false:
        assert x == y, "same"
    match &x:
        A(p | q, d=nn.E(_)) | B(-1) if x > 2:
            return
        (a, 1.5), "x":
            return [(a, b) for a, b in zip(x, y) for c, d if a < b], []
        _:
            return sum(x for i), f(&x, y=&z.w[1]), (x: f32, y) => x, () => (1,), x => y => ()
    let inout = sparse + test * (type - from)
    return

proc main(path: str = "a.csv", steps: int = 10):
    fn nested(x: f32) -> f32:
        return x
    print(f"{nested(1.0)}", end="")

test "titles are strings":
    assert true

bench "nothing":
    pass
'''


def tree(text: str) -> nodes.Module:
    return parse_module(Source("test.dyn", text))


def errors(text: str) -> list[diag.Diagnostic]:
    return parse(Source("test.dyn", text))[1]


def expression(text: str) -> nodes.Expr:
    return parse_expression(Source("test.dyn", text))


# ---------------------------------------------------------------- what parses


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_parse_print_and_format(path: Path):
    text = path.read_text(encoding="utf-8")
    module = tree(text)
    assert tree(print_module(module)) == module
    formatted = format_source(text)
    assert format_source(formatted) == formatted
    assert [text for _, text in comments(formatted, tables())] == [text for _, text in comments(text, tables())]


def test_programs_are_there():
    assert len(PROGRAMS) >= 25


def test_everything_parses_and_prints():
    module = tree(EVERYTHING)
    kinds = {type(node) for node in nodes.walk(module)}
    written = {kind for kind in vars(nodes).values() if isinstance(kind, type) and issubclass(kind, nodes.Node)}
    assert written - kinds == {nodes.Node}
    assert tree(print_module(module)) == module
    assert format_source(EVERYTHING) == EVERYTHING


def test_every_span_is_the_text_of_its_node():
    module = tree(EVERYTHING)
    for node in nodes.walk(module):
        if isinstance(node, nodes.Name | nodes.Identifier | nodes.Dotted):
            assert node.span.text.strip("()") == node.text
        elif isinstance(node, nodes.Operation):
            assert node.span.text == node.operator
        for child in nodes.children(node):
            inside = node.operator if isinstance(node, nodes.Operation) else ""
            assert inside or (node.span.start <= child.span.start and child.span.end <= node.span.end), (node, child)


@pytest.mark.parametrize(("text", "same"), [
    ("-x ** 2", "-(x ** 2)"),
    ("-x as f64", "(-x) as f64"),
    ("n * x as f32", "n * (x as f32)"),
    ("a ** b ** c", "a ** (b ** c)"),
    ("a - b - c + d", "((a - b) - c) + d"),
    ("a or b and not c == d", "a or (b and (not (c == d)))"),
    ("a if b else c if d else e", "a if b else (c if d else e)"),
    ("x => y => x + y", "x => (y => (x + y))"),
    ("a..b + 1", "a..(b + 1)"),
])
def test_precedence(text: str, same: str):
    """The printer writes only the brackets that are needed, so both print alike if they nest alike."""
    bracketed = expression(same)
    flat = expression(text)
    assert print_node(flat) == text
    if "((" not in same:
        assert flat == bracketed


def test_chains_are_flat():
    total = expression("a - b + c")
    assert isinstance(total, nodes.Binary)
    assert [operation.operator for operation in total.rest] == ["-", "+"]
    nested = expression("a - (b + c)")
    assert isinstance(nested, nodes.Binary) and isinstance(nested.rest[0].operand, nodes.Binary)
    assert nested.rest[0].operand.span.text == "(b + c)"
    product = expression("a @ b * c")
    assert isinstance(product, nodes.Binary) and [one.operator for one in product.rest] == ["@", "*"]


def test_binders():
    """Names before an `in` are its pattern; names that no `in` follows have inferred ranges."""
    def axes(text: str) -> list[tuple[str, bool]]:
        made = expression(f"[e for {text}]")
        assert isinstance(made, nodes.Comprehension)
        return [(axis.target.span.text, axis.iterable is not None) for axis in made.clauses[0].axes]
    assert axes("x, y in zip(a, b)") == [("x, y", True)]
    assert axes("y in h - 2, x in w - 2") == [("y", True), ("x", True)]
    assert axes("c, dy, dx") == [("c", False), ("dy", False), ("dx", False)]
    assert axes("i if a < b") == [("i", False)]


def test_words_are_names_where_nothing_else_is_meant():
    module = tree("fn f(record: f32, test: int) -> f32:\n    let type = m.type + from(import=test, inout=sparse)\n"
                  "    export = type\n    return export\n")
    assert isinstance(module.items[0], nodes.Function)


def test_literals():
    assert expression("1_000") == nodes.Integer(1000)
    assert expression("0xff") == nodes.Integer(255)
    assert expression("1_0.5e1") == nodes.Float(105.0)
    assert expression(r'"\x41\u{1F600}\t\\\""') == nodes.String('A\U0001F600\t\\"')
    assert expression('"""a\n"b" \\\nc"""') == nodes.String('a\n"b" c')
    value = expression('f"a{x:>4}{{b}}{d["k"]}"')
    assert value == nodes.FString((
        "a", nodes.Interpolation(nodes.Name("x"), ">4"), "{b}",
        nodes.Interpolation(nodes.Index(nodes.Name("d"), (nodes.String("k"),)))))


def test_doc_strings():
    module = tree('"""Of the file."""\nfn f():\n    """First.\n\n      Indented.\n    Last.\n    """\nfn g():\n    "short"\n')
    assert module.doc == "Of the file."
    f, g = module.items
    assert isinstance(f, nodes.Function) and isinstance(g, nodes.Function)
    assert f.doc == "First.\n\n  Indented.\nLast." and f.body == (nodes.Pass(),)
    assert g.doc == "short"


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "   \n  # indented comment\n", '"""doc"""', "\n\n\n"])
def test_files_with_nothing_in_them(text: str):
    assert tree(text).items == ()
    assert format_source(format_source(text)) == format_source(text)


# ---------------------------------------------------------------- what is refused

@pytest.mark.parametrize(("code", "lines", "text"), [
    ("DYN0104", [1], "fn f():\n"),
    ("DYN0103", [1], "  fn f():\n    return 1\n"),
    ("DYN0105", [2], "fn f():\n    return g(1,\n"),
    ("DYN0105", [2], "fn f():\n    let x = [1, (2\n    let y = 3\n"),
    ("DYN0101", [2, 5], "fn f():\n    let x = = 1\n\nfn g():\n    let y = = 2\n"),
    ("DYN0109", [1, 4], "def f(x):\n    return x\n\ndef g(x):\n    return x\n"),
    ("DYN0107", [1, 3], "fn f() {\n    return 1\n}\n"),
    ("DYN0106", [1], 'let x = """abc\n\n'),
    ("DYN0122", [1], f"let x = {'9' * 5000}\n"),
    ("DYN0122", [1], "let x = 1e999\n"),
    ("DYN0107", [1], "let x = \0\n"),
    ("DYN0107", [1], "let x = \u200b1\n"),
])
def test_wrong_programs(code: str, lines: list[int], text: str):
    found = errors(text)
    assert [d.span.line for d in found if d.span] == lines
    assert {d.code for d in found} == {code}
    for one in found:
        assert diag.render(one).startswith(f"error[{code}]: {one.title}")


def test_errors_end_at_twenty():
    assert len(errors("fn f():\n    let x = = 1\n" * 50)) == 20


def test_what_is_intact_is_kept():
    module, found = parse(Source("test.dyn", "fn a():\n    pass\n\nfn b(:\n    pass\n\nfn c():\n    pass\n"))
    assert len(found) == 1
    assert [item.name.text for item in module.items if isinstance(item, nodes.Function)][::2] == ["a", "c"]


def damaged(seed: int) -> Iterator[str]:
    """Programs with a few random cuts and insertions."""
    dice = random.Random(seed)
    programs = [path.read_text(encoding="utf-8") for path in PROGRAMS]
    bits = [*"()[]{}<>:=,.\"'\\#@&|?!;\n\t -+*/%0a\u00e9\0\u200b", " let ", "fn ", "match ", "if ", "for ", "in ", "inout ",
            "sparse ", "as ", '"""', 'f"{', "=>", "..", "type ", "    "]
    while True:
        text = dice.choice(programs)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(text))
            cut = dice.choice([0, 0, 1, 5, 20])
            text = text[:at] + dice.choice(["", dice.choice(bits)]) + text[at + cut:]
        yield text


def test_random_damage_never_raises():
    for _, text in zip(range(300), damaged(1), strict=False):
        module, found = parse(Source("damaged.dyn", text))
        assert len(found) <= 20
        if found:
            assert diag.render_all(found)
            assert all(diag.to_json(one)["code"] for one in found)
        else:
            assert tree(print_module(module)) == module


# ---------------------------------------------------------------- limits

MANY = 100_000


@pytest.mark.parametrize(("text", "refused"), [
    ("let x = " + "(" * 10_000 + "1" + ")" * 10_000 + "\n", True),
    ("let x = " + "(" * 400 + "1" + ")" * 400 + "\n", False),
    ("let x = " + " + ".join(["1"] * MANY) + "\n", False),
    ("let x = " + " and ".join(["a"] * MANY) + "\n", False),
    ("let x = " + " ** ".join(["a"] * MANY) + "\n", True),
    ("let x = " + "-" * MANY + "1\n", True),
    ("let x = " + "a => " * MANY + "1\n", True),
    ("let x = f" + "(1)" * 20_000 + "\n", True),
    ("let x = a" + ".b" * 20_000 + "\n", True),
    ("let x: " + "n -> " * MANY + "n = 1\n", True),
    ("let x = " + "[" * MANY + "\n", True),
    ("let x = a as " + "(" * 600 + "n" + ")" * 600 + "\n", True),
    ("fn f():\n" + "".join(" " * i + "if x:\n" for i in range(1, 1001)) + " " * 1001 + "pass\n", True),
    ("fn f():\n    if a:\n        pass\n" + "    elif b:\n        pass\n" * 5_000, False),
    ('let x = "' + "a" * 1_000_000 + '"\n', False),
    ('let x = "' + "\\" * MANY + "\n", True),
    ('let x = f"' + "{{" * MANY + '"\n', False),
    ("\n" * 1_000_000 + "let x = 1\n", False),
])
def test_large_and_deep_texts(text: str, refused: bool):
    begun = time.process_time()
    module, found = parse(Source("large.dyn", text))
    assert bool(found) == refused
    assert time.process_time() - begun < 20
    if found:
        assert len(diag.render_all(found)) < 5_000
        assert module.items == ()
    elif len(text) < 200_000:
        assert tree(print_module(module)) == module


def test_no_tree_is_deeper_than_the_limit():
    def depth(count: int) -> list[diag.Diagnostic]:
        return errors("let x = " + "-" * count + "a\n")
    assert depth(DEPTH_LIMIT - 10) == []
    assert [one.code for one in depth(DEPTH_LIMIT + 10)] == ["DYN0120"]


def test_long_lines_are_cut_in_messages():
    [found] = errors("let x = " + "a + " * 300_000 + "* 1\n")
    assert max(map(len, diag.render(found).split("\n"))) < 160
    assert "* 1" in diag.render(found)


# ---------------------------------------------------------------- layout

def test_formatting_rules():
    messy = """fn   f( x:f32[3 * d],y : int=1 )->f32 :
  # about x
  let z=g( x,axis = 1 )+-y   # why


  return [ a[ 1 : 2 ],
      -b]
record R:
  a: f32
  longer: f32 = 0.0
  fn m(self): pass
let x = 3
"""
    assert format_source(messy) == """fn f(x: f32[3 * d], y: int = 1) -> f32:
    # about x
    let z = g(x, axis=1) + -y  # why

    return [a[1:2],
            -b]

record R:
    a:      f32
    longer: f32 = 0.0
    fn m(self): pass

let x = 3
"""


def test_words_that_declare_are_names_where_they_are_indexed():
    text = "fn g(from: inout int[4], test: int[4]):\n    from[0] = test[1]\n    from[1] += from[0]\n"
    assert format_source(text.replace("from[", "from [")) == text


def test_long_lines_are_not_broken_inside_an_index():
    condition = " and ".join(f"from[i + {k}] > another_name(to[i], {k})" for k in range(4))
    formatted = format_source(f"fn f(from: int[9], to: int[9], i: int) -> bool:\n    return {condition}\n")
    assert [line.count("[") == line.count("]") for line in formatted.splitlines()] == [True] * len(formatted.splitlines())
    assert format_source(formatted) == formatted



def test_long_lines_are_broken_in_brackets():
    formatted = format_source(f"let x = f({', '.join(f'argument{i}' for i in range(60))})\n")
    assert max(map(len, formatted.split("\n"))) <= 120
    assert formatted.count("\n") == 7
    assert format_source(formatted) == formatted


def respaced(text: str, dice: random.Random) -> str:
    """The same tokens with other white space and more comments."""
    out, depth, end = [], 0, 0
    for token in raw_tokens(tables(), text):
        gap, value = text[end:token.start], token.value
        if token.type == "_NEWLINE":
            if depth == 0 and dice.random() < 0.2 and not value.startswith("#"):
                value = dice.choice(["  # c" + value, "\n\n" + value, "\n   # odd" + value, "\n# zero" + value])
        elif depth and dice.random() < 0.2:
            gap = dice.choice(["\n", "\n   ", "  # in\n     ", "\n  # own\n", "   "])
        elif end and gap == " " and dice.random() < 0.2:
            gap = "   "
        out.append(gap + value)
        depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("RPAR", "RSQB"))
        end = token.end
    return "".join(out)


def test_formatting_twice_changes_nothing():
    dice = random.Random(2)
    done = 0
    for _ in range(60):
        text = respaced(dice.choice(PROGRAMS).read_text(encoding="utf-8"), dice)
        if errors(text):
            continue
        once = format_source(text)
        assert format_source(once) == once
        assert once.count("#") == text.count("#")
        done += 1
    assert done > 50


def places_of_comments(text: str) -> list[tuple[str, int]]:
    """Each comment, with the number of tokens before it."""
    found: list[tuple[str, int]] = []
    count = 0
    for token in raw_tokens(tables(), text):
        if token.type != "_NEWLINE":
            count += 1
        else:
            found += [(line[line.index("#"):].rstrip(), count) for line in token.value.split("\n") if "#" in line]
    return found


def with_comments(text: str, dice: random.Random, share: float) -> str:
    """The text with numbered comments at ends of lines, on lines of their own, and inside of brackets."""
    out: list[str] = []
    depth = end = number = 0
    for token in raw_tokens(tables(), text):
        gap, value = text[end:token.start], token.value
        if dice.random() < share and token.start:
            number += 1
            if token.type == "_NEWLINE" and not value.startswith("#"):
                margin = " " * dice.choice([0, 1, 4, 8, 30])
                value = dice.choice([f"  # c{number}{value}", f"\n{margin}# c{number}{value}", f"\n\n\n{margin}#c{number}\n{value}"])
            elif depth and token.type != "_NEWLINE" and out:
                gap = dice.choice([f"  # c{number}\n  ", f"\n# c{number}\n ", f"  # c{number}\n\n  # more {number}\n      "])
        out.append(gap + value)
        depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("RPAR", "RSQB"))
        end = token.end
    return "".join(out)


@pytest.mark.parametrize("path", ALL_PROGRAMS, ids=lambda path: path.stem)
def test_comments_stay_between_the_tokens_that_they_stood_between(path: Path):
    dice = random.Random(path.stem)
    before = path.read_text(encoding="utf-8")
    if errors(before):
        pytest.skip("shows an error")
    for share in (0.05, 0.5) if ASKED else (dice.choice([0.05, 0.5]),):
        text = with_comments(before, dice, share)
        assert not errors(text) and tree(text) == tree(before)
        formatted = format_source(text)
        assert places_of_comments(formatted) == places_of_comments(text)
        assert tree(formatted) == tree(before) and format_source(formatted) == formatted
        assert "\n\n\n" not in re.sub(r'"""(?s:.*?)"""', "text", formatted)


# ---------------------------------------------------------------- the prompt

@pytest.mark.parametrize(("text", "complete"), [
    ("1 + 2", True), ("let x = 3\n", True), ("", True), ("fn f():", False), ("fn f():\n    return 1\n", False),
    ("fn f():\n    return 1\n\n", True), ("f(1,", False), ("f(1,\n  2)", True), ('"""abc', False),
    ("@derivative(of=f)\n", False), ("if x:\n    y = 1\nelse:\n", False), ("let x = = 1", True), ('print("a', True),
])
def test_entries_are_complete_when_nothing_can_follow(text: str, complete: bool):
    assert parse_entry(Source("<prompt>", text)).complete == complete


def test_entries():
    entry = parse_entry(Source("<prompt>", "let x = 3\nx + 1\nimport nn\n"))
    assert [type(item) for item in entry.items] == [nodes.Let, nodes.ExprStmt, nodes.Import]
    assert parse_entry(Source("<prompt>", "let x = = 1")).diagnostics


# ---------------------------------------------------------------- files and tables

@pytest.mark.parametrize(("code", "data"), [
    ("DYN0013", b"let x = \xff\xfe\n"), ("DYN0014", b"let x\0 = 1\n"),
])
def test_bytes_that_are_no_text(tmp_path: Path, code: str, data: bytes):
    path = tmp_path / "bad.dyn"
    path.write_bytes(data)
    with pytest.raises(diag.CompileError) as caught:
        read_source(path)
    assert [one.code for one in caught.value.diagnostics] == [code]


@pytest.mark.parametrize(("code", "path"), [("DYN0010", "absent.dyn"), ("DYN0011", "."), ("DYN0012", "a\0b"),
                                            ("DYN0011", "/dev/zero")])
def test_paths_that_are_no_files(tmp_path: Path, code: str, path: str):
    with pytest.raises(diag.CompileError) as caught:
        read_source(tmp_path / path)
    assert [one.code for one in caught.value.diagnostics] == [code]


def test_byte_order_mark_and_line_ends(tmp_path: Path):
    path = tmp_path / "windows.dyn"
    path.write_bytes(b"\xef\xbb\xbflet x = 1\r\nlet y = 2\r\n")
    assert read_source(path).text == "let x = 1\nlet y = 2\n"


def test_the_only_conflict_is_the_wanted_one(caplog: pytest.LogCaptureFixture):
    import logging

    from lark import Lark, logger
    caplog.set_level(logging.DEBUG, logger=logger.name)
    Lark((resource("grammar") / "dyn.lark").read_text(), parser="lalr", lexer="basic", debug=True,
         start=["module", "entry", "expression"])
    found = [record.getMessage() for record in caplog.records if "onflict" in record.getMessage()]
    assert found == ["Shift/Reduce conflict for terminal LESSTHAN: (resolving as shift)"]


WARM = "import sys, dynlang.syntax.parser as p; p.tables(); print('lark' in sys.modules)"


def test_tables_are_kept_and_damage_is_mended(tmp_path: Path):
    def run() -> str:
        environment = {"DYNC_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": ""}
        return subprocess.run([sys.executable, "-c", WARM], env=environment, check=True, text=True,
                              capture_output=True).stdout.strip()
    assert run() == "True"
    assert run() == "False"
    [kept] = tmp_path.iterdir()
    kept.write_text("{}")
    assert run() == "True"
    assert run() == "False"


def test_an_unwritable_cache_is_no_error():
    environment = {"DYNC_CACHE": "/dev/null/no", "PYTHONPATH": str(ROOT), "PATH": ""}
    subprocess.run([sys.executable, "-c", WARM], env=environment, check=True, capture_output=True)


def test_generated_tables_are_the_same_each_time():
    grammar = (resource("grammar") / "dyn.lark").read_text(encoding="utf-8")
    first = generate(grammar)
    assert len(first["rows"]) == len(tables().rows)


def test_threads_share_the_tables():
    texts = [path.read_text(encoding="utf-8") for path in PROGRAMS[:8]]
    expected = [tree(text) for text in texts]
    found: list[bool] = []

    def work() -> None:
        found.append([tree(text) for text in texts] == expected)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


# ---------------------------------------------------------------- diagnostics

def test_diagnostics_are_limited_and_not_repeated():
    source = Source("a.dyn", "\n" * 100)
    found = diag.Diagnostics(limit=3)
    for line in (1, 1, 2, 3, 4, 5):
        found.add(diag.NotBuiltYet("x", source.span(line - 1, line - 1)))
    assert len(found) == 3 and found.left_off == 2 and found.full


def test_json_counts_as_the_protocol_does():
    source = Source("a.dyn", "let \U0001F600x = 1\n")
    [found] = parse(source)[1]
    one = diag.to_json(diag.NotBuiltYet("x", source.span(5, 6)))
    assert found.code == "DYN0107"
    assert one["range"] == {"start": {"line": 0, "character": 6}, "end": {"line": 0, "character": 7}}


def test_every_code_of_the_syntax_has_a_page():
    pages = {path.stem for path in resource("docs/errors").glob("DYN*.md")}
    codes = {code for code, kind in diag.CODES.items() if kind.__module__.startswith(("dynlang.syntax", "dynlang.source",
                                                                                     "dynlang.diag"))}
    assert codes - pages == set()


@pytest.mark.parametrize("text", ["fn a() -> int:\n    let x = 1\n    @d # c", "fn a(:", "fn a()", 'let x = "a'])
def test_an_error_at_the_end_of_a_file_without_a_newline_stands_in_it(text: str):
    _, found = parse(Source("end.dyn", text))
    assert found
    assert all(0 <= one.span.start <= one.span.end <= len(text) for one in found if one.span)
