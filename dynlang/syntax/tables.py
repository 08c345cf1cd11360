"""The parser's tables: made from `grammar/dyn.lark` by Lark, then kept as plain lists in the user's cache folder.

Making them takes a third of a second and imports Lark; reading them takes a few milliseconds and imports nothing. The
name of the cached file depends on the grammar, on Lark's version and on Python's, so it is never stale.
"""
from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dynlang.source import cache_folder, resource

STARTS = ('module', 'entry', 'expression')
FORMAT = 1
"""Raised when the shape of the cached file changes."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """What a finished rule does: it takes `size` values, and makes one for `origin`.

    `call` names the builder's method, '' for rules that only hand their list upwards. With `passes`, a rule left with
    one child is that child; with `unit` that is known beforehand, and no value is touched. `splice` are the
    positions of children that are lists, to be merged in.
    """
    size: int
    origin: str
    call: str
    passes: bool
    unit: bool
    splice: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """`rows[state][symbol]` is a state to go to (0 or more), or `~i` for reduction `i`.

    `starts[symbol]` is the state to begin in and the state that ends the parse. `scan` matches one token after spaces;
    `words` maps the words and signs that stand for themselves to the names of their terminals, `spelling` back.
    """
    rows: list[dict[str, int]]
    reductions: list[Reduction]
    starts: dict[str, tuple[int, int]]
    scan: re.Pattern[str]
    words: dict[str, str]
    spelling: dict[str, str]


@cache
def tables() -> Tables:
    """The tables of the grammar that ships with the compiler."""
    grammar = (resource('grammar') / 'dyn.lark').read_text(encoding='utf-8')
    place = _cache_file(grammar)
    if place is not None:
        try:
            return _tables(json.loads(place.read_text(encoding='utf-8')))
        except (OSError, ValueError, KeyError, TypeError, IndexError, re.error):
            pass                                        # absent or damaged: make it again
    data = generate(grammar)
    if place is not None:
        _save(place, json.dumps(data, separators=(',', ':')))
    return _tables(data)


def _cache_file(grammar: str) -> Path | None:
    folder = cache_folder()
    if folder is None:
        return None
    lark = find_spec('lark')
    version = Path(lark.origin).read_text(encoding='utf-8') if lark is not None and lark.origin else ''
    key = hashlib.sha256(f'{FORMAT} {version} {sys.version} {grammar}'.encode()).hexdigest()[:20]
    return folder / f'grammar-{key}.json'


def _save(place: Path, text: str) -> None:
    """Write a file under a temporary name and rename it; a folder that can't be written to costs time, nothing else."""
    import tempfile
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=place.name)
    except OSError:
        return
    try:
        with os.fdopen(handle, 'w', encoding='utf-8') as file:
            file.write(text)
        os.replace(temporary, place)
    except OSError:
        Path(temporary).unlink(missing_ok=True)


# ---------------------------------------------------------------- from Lark to plain data

def generate(grammar: str) -> dict[str, Any]:
    """The tables of a grammar as data that JSON can hold."""
    from lark import Lark
    from lark.parsers.lalr_analysis import Shift
    lark = Lark(grammar, parser='lalr', lexer='basic', start=list(STARTS), keep_all_tokens=True,
                maybe_placeholders=False)
    raw: Any = lark.parser.parser._parse_table          # pyright: ignore
    numbers = {state: number for number, state in enumerate(raw.states)}
    rules = {rule: number for number, rule in enumerate(lark.rules)}
    rows = [{str(name): numbers[target] if action is Shift else ~rules[target]
             for name, (action, target) in row.items()} for row in raw.states.values()]
    return {
        'rows': rows,
        'reductions': [_reduction(rule) for rule in lark.rules],
        'starts': {name: (numbers[raw.start_states[name]], numbers[raw.end_states[name]]) for name in STARTS},
        'terminals': _terminals(lark.terminals),
        'literals': {terminal.pattern.value: terminal.name for terminal in lark.terminals
                     if terminal.pattern.type == 'str'},
    }


def _reduction(rule: Any) -> list[Any]:
    origin, symbols = str(rule.origin.name), rule.expansion
    hidden = origin[0] == '_'
    passes = bool(rule.options.expand1) and not rule.alias
    splice = [at for at, symbol in enumerate(symbols) if not symbol.is_term and symbol.name[0] == '_']
    return [len(symbols), origin, '' if hidden else rule.alias or origin, passes,
            passes and len(symbols) == 1 and not splice, splice]


def _terminals(terminals: Any) -> list[tuple[str, str]]:
    """The terminals in the order in which to try them: by priority, patterns before signs, long signs before short.

    Words that stand for themselves are left out: they are names that the lexer looks up.
    """
    kept = [t for t in terminals if not (t.pattern.type == 'str' and t.pattern.value.isidentifier())
            and not t.name.startswith('__IGNORE')]
    kept.sort(key=lambda t: (-t.priority, -t.pattern.max_width if t.pattern.type == 'str' else -sys.maxsize))
    return [(t.name, t.pattern.to_regexp()) for t in kept]


def _tables(data: dict[str, Any]) -> Tables:
    pattern = '|'.join(f'(?P<{name}>{regexp})' for name, regexp in data['terminals'])
    literals: dict[str, str] = data['literals']
    return Tables(
        rows=data['rows'],
        reductions=[Reduction(size, origin, call, passes, unit, tuple(splice))
                    for size, origin, call, passes, unit, splice in data['reductions']],
        starts={name: (begin, end) for name, (begin, end) in data['starts'].items()},
        scan=re.compile(f'[ \\t]*(?:{pattern})'),
        words={text: name for text, name in literals.items() if text.isidentifier()},
        spelling={name: text for text, name in literals.items()})
