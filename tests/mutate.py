# ruff: noqa: E501
"""Checks many damaged programs in one process: whatever is read, the answer is a program or errors with places in words.

    python tests/mutate.py --count 50000 --seed 1         what goes wrong is kept in the folder `failures`

A damaged program is a few declarations of a program of the repository, or of a random one, with one to four faults: tokens that are
deleted, doubled, swapped or replaced, lines moved in or out or taken from another program, an end that is missing, characters that
no program has, huge numbers, deep brackets. It is checked as `dync check` does, and each error is printed. Some of those that
check go on through all stages but the last; a few are run, in a process of their own.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from dynlang import diag, pipeline
from dynlang.check import typed
from dynlang.check.program import check_source
from generate import isolate
from generated_programs import program

ROOT = Path(__file__).parent.parent
LIMIT = 5.0
"""Seconds of the process after which a check is taken for a hang."""
LARGEST_PIECE = 90
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|\w+|[ ]+|\n|=>|->|\*\*|//|[-+*/%=!<>]=|\.\.|.', re.S)
DECLARED = re.compile(r"^(?:export )?(?:fn|proc|record|type|let)\s+(\w+)", re.M)
WORDS = ["fn", "proc", "record", "type", "let", "var", "if", "elif", "else", "while", "for", "in", "match", "return", "import", "export", "test", "bench", "and", "or", "not", "as", "inout", "pass", "break", "continue", "self", "from", "true", "false", "int", "f32", "f64", "bf16", "f16", "i8", "i16", "i32", "u8", "bool", "str", "idx", "List", "Map", "Some", "Nothing", "grad", "vjp", "jvp", "sum", "max", "argmax", "zeros", "ones", "concat", "split", "reshape", "transpose", "stack", "len", "range", "zip", "enumerate", "print", "fail", "List", "Rng", "Tangent"]
SIGNS = ["(", ")", "[", "]", "<", ">", "{", "}", ",", ":", ".", "..", "+", "-", "*", "/", "//", "%", "**", "@", "=", "==", "!=", "<=", ">=", "->", "=>", "&", "|", "?", "_", "+=", "-=", "*=", ";", "!", "~", "^", "$", "`", "'", '"', "\\", "#", "\t", "    ", "\n", "\n\n"]
NUMBERS = (
    "0",
    "1",
    "-1",
    "2",
    "3",
    "0.0",
    "0.5",
    "1e400",
    "1e-400",
    "9" * 25,
    "9223372036854775807",
    "9223372036854775808",
    "4294967296",
    "0x",
    "0xffff",
    "1_0",
    "1.",
    ".5",
    "1e",
    "0b2",
    "00",
    "9" * 5000,
)
ODD = (
    "\x00",
    "\x01",
    "\x7f",
    "\u00a0",
    "\u200b",
    "\u2028",
    "\ufeff",
    "é",
    "变量",
    "🌲",
    "\ud800",
    "\r",
    "\x0c",
    "\u0301",
    "²",
    "λ",
    "\x1b[31m",
)


@dataclass(frozen=True)
class Pool:
    """What faults are made from: sources in pieces that stand alone, and all their lines."""

    pieces: list[str]
    lines: list[str]


def items_of(text: str) -> list[str]:
    """The declarations of a program, each with the lines under it."""
    found: list[str] = []
    for line in text.splitlines(keepends=True):
        if found and (line[:1] in (" ", "\n", "#", ")") or found[-1].endswith("(\n")):
            found[-1] += line
        else:
            found.append(line)
    return found


def pieces_of(text: str) -> Iterator[str]:
    """Each declaration of a program with those that it names, as a program of its own."""
    items = items_of(text)
    owner = {
        name: place
        for place, item in enumerate(items)
        for name in DECLARED.findall(item) + re.findall(r"^    (\w+)\(?.*$", item, re.M)[:12]
        if DECLARED.match(item)
    }
    imports = [place for place, item in enumerate(items) if item.startswith(("import", "from"))]
    for start in range(len(items)):
        wanted, todo = set(imports), [start]
        while todo:
            place = todo.pop()
            if place not in wanted:
                wanted.add(place)
                todo += [owner[name] for name in set(re.findall(r"\w+", items[place])) if name in owner]
        made = "".join(items[place] for place in sorted(wanted))
        if made.count("\n") <= LARGEST_PIECE:
            yield made


def pool(random_programs: int = 40) -> Pool:
    """All programs of the repository, and some random ones."""
    files = sorted(one for folder in ("stdlib", "tests", "examples", "benchmarks", "dynlang") for one in (ROOT / folder).rglob("*.dyn"))
    texts = [path.read_text(encoding="utf-8").partition("\n# ---\n")[0] + "\n" for path in files]
    texts += [program(seed) for seed in range(random_programs)]
    pieces = list(dict.fromkeys(piece for text in texts for piece in pieces_of(text)))
    return Pool(pieces, [line for text in texts for line in text.splitlines()])


# ---------------------------------------------------------------- faults


def kind_of_token(token: str) -> str:
    if token.isspace():
        return "space"
    if token[0].isdigit():
        return "number"
    return "word" if token[0].isalpha() or token[0] == "_" else "text" if token[0] == '"' else "sign"


def replacement(draw: random.Random, tokens: list[str], token: str) -> str:
    """Another token of the same kind, mostly; one that stands in the program, if it is a word."""
    kind = kind_of_token(token) if draw.random() < 0.75 else draw.choice(("word", "number", "sign", "space", "text"))
    if kind == "word":
        return draw.choice(WORDS) if draw.random() < 0.3 else draw.choice([one for one in tokens if kind_of_token(one) == "word"] or WORDS)
    return {
        "number": lambda: draw.choice(NUMBERS),
        "sign": lambda: draw.choice(SIGNS),
        "text": lambda: draw.choice(('""', '"a"', 'f"{x}"', 'f"{"', '"""')),
        "space": lambda: draw.choice(("", " ", "\n", "    ", "\n    ")),
    }[kind]()


def damage_tokens(draw: random.Random, text: str) -> str:
    tokens = TOKEN.findall(text)
    solid = [place for place, token in enumerate(tokens) if token != " "] or [0]
    if not tokens:
        return draw.choice(SIGNS)
    place, other = draw.choice(solid), draw.choice(solid)
    match draw.randrange(6):
        case 0:
            del tokens[place]
        case 1:
            tokens.insert(place, tokens[place])
        case 2:
            tokens[place], tokens[other] = tokens[other], tokens[place]
        case 3:
            tokens.insert(place, replacement(draw, tokens, tokens[other]))
        case _:
            tokens[place] = replacement(draw, tokens, tokens[place])
    return "".join(tokens)


def damage_lines(draw: random.Random, text: str, lines: list[str]) -> str:
    own = text.splitlines() or [""]
    place = draw.randrange(len(own))
    match draw.randrange(6):
        case 0:
            own[place] = " " * draw.choice((1, 2, 3, 4, 8)) + own[place]
        case 1:
            own[place] = own[place].removeprefix(draw.choice((" ", "    ", "        ")))
        case 2:
            own.insert(place, draw.choice(lines))
        case 3:
            other = draw.randrange(len(own))
            own[place], own[other] = own[other], own[place]
        case 4:
            del own[place]
        case _:
            indent = len(own[place]) - len(own[place].lstrip())
            own[place] = " " * indent + draw.choice(lines).lstrip()
    return "\n".join(own) + "\n"


def damage_characters(draw: random.Random, text: str) -> str:
    at = draw.randrange(len(text) + 1)
    match draw.randrange(4):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + draw.choice(ODD) + text[at:]
        case 2:
            return text[:at] + draw.choice(SIGNS) * draw.choice((1, 2, 30)) + text[at:]
        case _:
            return text[:at] + text[at + draw.randint(1, 30) :]


def damage_depth(draw: random.Random, text: str) -> str:
    """Deep brackets, long chains and huge numbers."""
    depth = draw.choice((10, 100, 400, 600, 3000))
    opening, closing = draw.choice(
        (
            ("(", ")"),
            ("[", "]"),
            ("-", ""),
            ("not ", ""),
            ("f(", ")"),
            ("x => ", ""),
            ("List<", ">"),
            ("1 if true else ", ""),
            ("1 + ", ""),
            ("(1, ", ")"),
            ("Some(", ")"),
            ("2 ** ", ""),
            ("sum(x for x in ", ")"),
            ("a.", ""),
            ("[[0]][", "]"),
        )
    )
    made = opening * depth + "x" + closing * draw.choice((depth, depth, depth - 1, 0))
    found = list(re.finditer(r"\b(?:\d[\w.]*|\w+(?=[,)\]]))", text))
    if not found:
        return text + made
    match = draw.choice(found)
    return text[: match.start()] + (made if draw.random() < 0.6 else draw.choice(NUMBERS)) + text[match.end() :]


def damaged(draw: random.Random, pool: Pool) -> str:
    text = draw.choice(pool.pieces)
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 4))):
        chosen = draw.random()
        if chosen < 0.62:
            text = damage_tokens(draw, text)
        elif chosen < 0.86:
            text = damage_lines(draw, text, pool.lines)
        elif chosen < 0.96:
            text = damage_characters(draw, text)
        else:
            text = damage_depth(draw, text)
    return text


# ---------------------------------------------------------------- what must hold


class Hang(Exception):
    """It took longer than the limit."""


class Wrong(Exception):
    """An answer that is no answer."""


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Raise `Hang` after so many seconds of the process; a machine may be busy, but not for ever."""

    def stop(*_: object) -> None:
        raise Hang(f"nothing after {seconds:.1f} s")

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, 60.0 * seconds))
    before = [signal.signal(number, stop) for number, _, _ in timers]
    for _, timer, limit in timers:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def hold_diagnostics(found: list[diag.Diagnostic]) -> None:
    """Errors are in words, stand in a file, and can be printed."""
    if not found:
        raise Wrong("an error without a word")
    for one in found:
        if one.code == "DYN0002" or not one.code or not one.title.strip():
            raise Wrong(f"not a user's error: {one}")
        for span in [*([one.span] if one.span else []), *(label.span for label in one.secondary)]:
            if not 0 <= span.start <= span.end <= len(span.source.text):
                raise Wrong(f"a span outside of its file: {span.start}..{span.end} of {len(span.source.text)}: {one.title}")
        if one.span is None:
            raise Wrong(f"an error without a place: {one}")
        json.dumps(diag.to_json(one))
    diag.render_all(found).encode("utf-8", "replace")


@dataclass
class Count:
    """What was seen."""

    programs: int = 0
    clean: int = 0
    built: int = 0
    ran: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)


def own_functions(checked: typed.Program) -> tuple[str, ...]:
    """Functions of the program itself without type parameters: what can be asked for."""
    own = [(name, function) for name, function in checked.functions.items() if name.startswith(f"{checked.module}.")]
    return tuple(name.removeprefix(f"{checked.module}.") for name, function in own if not function.types and name.count(".") == 1)


def hold_check(text: str, count: Count) -> typed.Program | None:
    """The typed program, None if it has errors."""
    began = time.process_time()
    try:
        with in_time(LIMIT):
            checked = check_source(text)
            count.clean += 1
            return checked
    except diag.CompileError as error:
        hold_diagnostics(error.diagnostics)
        for one in error.diagnostics:
            count.codes[one.code] = count.codes.get(one.code, 0) + 1
        return None
    finally:
        spent = time.process_time() - began
        count.programs += 1
        count.seconds += spent
        count.slowest = max(count.slowest, spent)


def hold_stages(text: str, folder: Path) -> None:
    """A program that checks goes through the stages, verified after each, or is told why not."""
    path = folder / "program.dyn"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    request = pipeline.Request(path, tests=True, verify=True)
    try:
        with in_time(60.0):
            checked = pipeline.build(request, until="typed")
            request = pipeline.Request(path, entries=own_functions(checked), tests=True, verify=True)
            pipeline.build(request, until="opt")
    except diag.CompileError as error:
        hold_diagnostics(error.diagnostics)


def run_tests(text: str) -> str | None:
    """Run the tests of a program, with little memory; None if they end, well or with an error in words."""
    from dynlang.ssa.interpret import RunTimeError
    from dynlang.tools.execute import compiled

    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.dyn"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            request = pipeline.Request(path, tests=True)
            titles = [block.title for block in pipeline.build(request, until="typed").tests]
            ssa = pipeline.build(request, until="opt")
            names = [f"test.{place}" for place in range(len(titles))]
            with compiled(ssa, names, 2) as code:
                for name in names:
                    with suppress(RunTimeError, diag.CompileError):
                        code.call(name)
        except diag.CompileError as error:
            hold_diagnostics(error.diagnostics)
    return None


def wrong_with(text: str, action: Callable[[], object]) -> str | None:
    """What an action raises that nobody should see."""
    try:
        action()
    except Exception as error:
        last = [frame for frame in traceback.extract_tb(error.__traceback__) if "dynlang" in frame.filename][-1:]
        place = f" ({Path(last[0].filename).name}:{last[0].name})" if last else ""
        return f"{type(error).__name__}: {str(error)[:200]}{place}"
    return None


def fuzz(seed: int, source: Pool, count: Count, folder: Path) -> tuple[str, str] | None:
    """One damaged program: itself and what is wrong, or None. One in eight that check is built; one in forty is run."""
    draw = random.Random(seed)
    text = damaged(draw, source)
    checked: list[typed.Program | None] = []
    found = wrong_with(text, lambda: checked.append(hold_check(text, count)))
    if found is None and checked[0] is not None:
        if draw.random() < 0.125:
            count.built += 1
            found = wrong_with(text, lambda: hold_stages(text, folder))
        if found is None and "test " in text and draw.random() < 0.05:
            count.ran += 1
            found = isolate(lambda: run_tests(text), 20.0)
            if found is not None and found.startswith("hang"):
                found = None  # a fault may well make a program endless
    return None if found is None else (text, found)


def shrunk(text: str, found: str, folder: Path, seconds: float = 30.0) -> str:
    """Fewer lines with the same fault."""
    head, deadline = found[:40], time.monotonic() + seconds
    lines, step = text.splitlines(), 8

    def same(candidate: str) -> bool:
        again = wrong_with(candidate, lambda: hold_check(candidate, Count()) and hold_stages(candidate, folder))
        return again is not None and again[:40] == head

    while step and time.monotonic() < deadline:
        at = 0
        while at < len(lines) and time.monotonic() < deadline:
            shorter = lines[:at] + lines[at + step :]
            if same("\n".join(shorter) + "\n"):
                lines = shorter
            else:
                at += step
        step //= 2
    return "\n".join(lines) + "\n"


def megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description="check damaged programs")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("failures"))
    given = parser.parse_args()
    source, count, kinds = pool(), Count(), {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        for seed in range(given.seed, given.seed + given.count):
            found = fuzz(seed, source, count, Path(name))
            if found is not None:
                kind = re.sub(r"\d+|`[^`]*`|'[^']*'", "_", found[1])[:100]
                kinds[kind] = kinds.get(kind, 0) + 1
                if kinds[kind] == 1:
                    print(f"seed {seed}: {found[1]}", flush=True)
                    given.out.mkdir(parents=True, exist_ok=True)
                    (given.out / f"mutant{seed}.dyn").write_bytes(shrunk(*found, Path(name)).encode("utf-8", "surrogatepass"))
            if seed % 1000 == 999:
                gc.collect()
                print(
                    f"{count.programs} programs, {count.clean} check, {count.built} built, {count.ran} run, {1e3 * count.seconds / count.programs:.1f} ms each, "
                    f"slowest {count.slowest:.2f} s, {megabytes():.0f} MB",
                    flush=True,
                )
    print(
        f"{count.programs} damaged programs of {len(source.pieces)} pieces in {time.monotonic() - began:.0f} s: {count.clean} check, {count.built} of them were built, "
        f"{count.ran} run; {1e3 * count.seconds / max(1, count.programs):.1f} ms each, the slowest {count.slowest:.2f} s; {megabytes():.0f} MB at the end; "
        f"{len(count.codes)} error codes"
    )
    for kind, times in sorted(kinds.items(), key=lambda one: -one[1]):
        print(f"{times:5} {kind}")
    return 1 if kinds else 0


if __name__ == "__main__":
    raise SystemExit(main())
