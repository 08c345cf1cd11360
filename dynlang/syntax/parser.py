"""From source to AST: the loop that feeds tokens to the tables, and the repairs after which it finds further errors.

The loop is the whole parser: no recursion, so no input can exhaust the stack. The builder's methods are called as rules
are finished, so there is no tree but the AST.
"""
from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from dynlang.diag import CompileError, Diagnostic, Diagnostics, replacing
from dynlang.source import Source
from dynlang.syntax import errors, nodes
from dynlang.syntax.builder import Builder
from dynlang.syntax.expressions import Group
from dynlang.syntax.lexer import DECLARING, Token, at, raw_tokens, tokens
from dynlang.syntax.messages import explain
from dynlang.syntax.slips import Trouble
from dynlang.syntax.tables import tables

DEPTH_LIMIT = 500
"""How many nodes may stand one below the other. Later passes may recurse."""

STACK_LIMIT = 12 * DEPTH_LIMIT
"""How many symbols may wait to be finished; what nests deeper than this is deeper than `DEPTH_LIMIT`."""

LISTS = ('_stmt', '_item', 'case', '_member', 'alternative')
"""Where the parser picks up after an error: the states in which one of these may begin."""

HEADERS = {'IF', 'ELIF', 'ELSE', 'WHILE', 'FOR', 'MATCH', 'FN', 'PROC', 'EXPORT', 'TEST', 'BENCH', 'RECORD', 'TYPE'}
"""Words that begin a line that ends with ':'."""

MEANT = {'class': 'RECORD', 'struct': 'RECORD', 'enum': 'TYPE', 'switch': 'MATCH'}
"""Words of other languages that begin a block, and what the block is then taken for."""

SOFT = {'INOUT', 'SPARSE'}
"""Words of the language only where a type stands."""


# ---------------------------------------------------------------- what others call

def parse(source: Source) -> tuple[nodes.Module, list[Diagnostic]]:
    """A file's AST, and what is wrong with the text. With errors, the AST holds what could be understood."""
    run = Parse(source, 'module')
    module = run.run()
    if not isinstance(module, nodes.Module):
        module = nodes.Module(None, (), span=source.span(0, len(source.text)))
    return module, run.diagnostics()


def parse_module(source: Source) -> nodes.Module:
    """A file's AST; raises a `CompileError` with all syntax errors if there are any."""
    module, found = parse(source)
    if found:
        raise CompileError(found)
    return module


def parse_expression(source: Source) -> nodes.Expr:
    """One expression, all of the text; raises a `CompileError`."""
    run = Parse(source, 'expression')
    value = run.run()
    if run.found.errors:
        raise CompileError(run.diagnostics())
    assert value is not None
    return value


@dataclass(frozen=True, slots=True)
class Entry:
    """What was typed at a prompt. If it isn't complete, ask for another line before looking at the rest."""
    complete: bool
    items: tuple[nodes.Item | nodes.Statement, ...]
    diagnostics: list[Diagnostic]


def parse_entry(source: Source, final: bool = False) -> Entry:
    """Declarations or statements from a prompt. `final`: no line follows, so what isn't complete is wrong.

    An entry goes on while a bracket or a long string is open, after a ':' at the end of a line and after a decorator;
    and one with an indented block until a blank line.
    """
    if not final and not _is_complete(source.text):
        return Entry(False, (), [])
    run = Parse(source, 'entry')
    group = run.run()
    return Entry(True, group.items if isinstance(group, Group) else (), run.diagnostics())


def _is_complete(text: str) -> bool:
    found, indented, last, decorated = list(tokens(tables(), text)), False, None, False
    for index, token in enumerate(found):
        if token.type == 'UNCLOSED' and all(after.type[0] == '_' for after in found[index + 1:]):
            return False
        if token.type == 'STRAY' and token.value.startswith('"""'):
            return False
        indented = indented or token.type == '_INDENT'
        if token.type[0] != '_':
            if last is None:
                decorated = token.type == 'AT'
            last = token
    if last is not None and last.type == 'COLON':
        return False
    blank = text.endswith('\n') and text.rstrip(' \t\n') + '\n' != text
    return blank or not (indented or decorated)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Parsing makes nothing but live objects; without the garbage collector it is up to 1.6 times as fast."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# ---------------------------------------------------------------- the loop

class Parse:
    """One parse of one source. The stacks hold states, and the values of the symbols that led from each to the next."""

    def __init__(self, source: Source, start: str, found: Diagnostics | None = None):
        self.source, self.start = source, start
        self.tables = tables()
        self.rows = self.tables.rows
        self.found = found if found is not None else Diagnostics()
        builder = Builder(source, self.found.add, self._parse_inside)
        self.calls = [None if rule.unit or not rule.call else getattr(builder, rule.call, None) if rule.passes
                      else getattr(builder, rule.call) for rule in self.tables.reductions]
        begin, self.end_state = self.tables.starts[start]
        self.states: list[int] = [begin]
        self.values: list[Any] = []
        self.previous: Token | None = None              # the token before
        self.head: Token | None = None                  # the first token of the line
        self.depth, self.ghosts = 0, []                 # blocks that are open; the depths of those that shouldn't be
        self.headless: tuple[list[str], Token] | None = None    # a header that was thrown away: its block may follow

    def diagnostics(self) -> list[Diagnostic]:
        return sorted(self.found.all, key=lambda d: d.span.start if d.span else 0)

    def run(self) -> Any:
        """The value of the start symbol, or None if too little could be understood."""
        text = self.source.text
        if self.start == 'expression':
            return self.feed_all(raw_tokens(self.tables, text), len(text))
        if text[:1] in (' ', '\t') and text.lstrip(' \t')[:1] not in ('', '\n', '#'):
            margin = len(text) - len(text.lstrip(' \t'))
            self.found.add(errors.BadIndentation('the first line is indented', self.source.span(0, margin)))
        with _collector_paused():
            tree = self.feed_all(tokens(self.tables, text), len(text))
        if isinstance(tree, nodes.Module):
            return replace(tree, items=self._shallow(tree.items))
        if isinstance(tree, Group):
            return Group(tree.kind, self._shallow(tree.items), tree.span)
        return tree

    def _parse_inside(self, start: int, end: int) -> nodes.Expr | None:
        """The expression in an f-string's braces."""
        inside = Parse(self.source, 'expression', self.found)
        return inside.feed_all(raw_tokens(self.tables, self.source.text, start, end), end)

    def feed_all(self, stream: Iterator[Token], end: int) -> Any:
        states, values, feed = self.states, self.values, self.feed
        skipping = False
        for token in stream:
            kind = token.type
            if kind[0] == '_':
                if kind != '_NEWLINE' and not self._block(kind):
                    continue
            elif self.previous is None or self.previous.type[0] == '_':
                self.head = token
            if skipping:
                skipping = kind != '_NEWLINE'
                self.previous = token
                continue
            if self.headless is not None:
                if kind == '_INDENT':
                    self._stand_in()
                self.headless = None
            if len(states) > STACK_LIMIT:
                self.found.add(errors.TooDeep(f'this is nested more than {DEPTH_LIMIT} levels',
                                              self.source.span(token.start, token.end)))
                return None
            if not feed(token):
                skipping = self._repair(token)
                if self.found.full or kind == 'TOO_DEEP' or self.start == 'expression':
                    return None
            self.previous = token
        finish = Token('$END', self.source.text[end:end + 1], end, end)
        if not feed(finish):
            self._settle()
            self._report(finish, self._accepts())
            return None
        return values[-1]

    def feed(self, token: Token) -> bool:
        """Take one token; False, with the stacks as far as the reductions went, when it doesn't fit."""
        rows, states, values, kind = self.rows, self.states, self.values, token.type
        while True:
            action = rows[states[-1]].get(kind)
            if action is None:
                if kind == '$END' and states[-1] == self.end_state:
                    return True
                if kind in SOFT or (kind in DECLARING and self.start == 'expression'):
                    kind = token.type = 'NAME'
                    continue
                return False
            if action >= 0:
                states.append(action)
                values.append(token)
                return True
            self._reduce(~action)
            if kind == '$END' and states[-1] == self.end_state:
                return True

    def _reduce(self, number: int) -> None:
        rule, states, values = self.tables.reductions[number], self.states, self.values
        if rule.unit:
            states[-1] = self.rows[states[-2]][rule.origin]
            return
        size = rule.size
        if size:
            kids = values[-size:]
            del values[-size:], states[-size:]
            for place in reversed(rule.splice):
                if place == 0 and len(kids) > 1:
                    first = kids[0]
                    first += kids[1:]
                    kids = first
                else:
                    kids[place:place + 1] = kids[place]
        else:
            kids = []
        states.append(self.rows[states[-1]][rule.origin])
        call = self.calls[number]
        if rule.passes and len(kids) == 1:
            values.append(kids[0])
        elif call is None:
            values.append(kids)
        else:
            values.append(call(kids))

    # ------------------------------------------------------------ limits
    def _shallow(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """The items that aren't deeper than later passes can follow; the others are reported."""
        kept = []
        for item in items:
            if item.span.end - item.span.start > DEPTH_LIMIT and (deepest := too_deep(item)) is not None:
                self.found.add(errors.TooDeep(f'this is nested more than {DEPTH_LIMIT} levels', deepest.span,
                                              hint='name a part of it with a let'))
            else:
                kept.append(item)
        return tuple(kept)

    # ------------------------------------------------------------ repair
    def _block(self, kind: str) -> bool:
        """Keep count of blocks; False when a dedent ends a block that was indented for no reason."""
        if kind == '_INDENT':
            self.depth += 1
        elif kind == '_DEDENT':
            self.depth -= 1
            if self.ghosts and self.ghosts[-1] > self.depth:
                self.ghosts.pop()
                return False
        return True

    def _repair(self, token: Token) -> bool:
        """Report a token that doesn't fit, and make the stacks fit to go on; True if the rest of the line is lost."""
        kind, before = token.type, self.previous
        self._settle()
        accepts = self._accepts()
        if kind in ('TAB', 'BAD_DEDENT'):               # nothing to repair
            self._report(token, accepts)
            return False
        if kind == '_NEWLINE' and 'COLON' in accepts and '_NEWLINE' not in accepts and self._needs_colon():
            assert before is not None
            place = self.source.span(before.end, before.end)
            self.found.add(errors.MissingColon("expected ':' at the end of this line", place,
                                               repairs=(replacing("write ':'", place, ':'),)))
            self.feed(at('COLON', token))
            self.feed(token)
            return False
        if kind == '_INDENT' and '_INDENT' not in accepts and self._list_names():
            self._report(token, accepts)
            self.ghosts.append(self.depth)
            return False
        self._report(token, accepts)
        first = token if token.type == 'MATCH' else self.head or token
        kinds = self._to_list(token)
        if before is not None and before.type[0] == '_' and kind == '_DEDENT':
            self.feed(token)
            return False
        if '_INDENT' in accepts and kind[0] != '_':     # the block is missing, but this line is fine
            if self.feed(token):
                return False
            self._to_list(token)
        self.headless = (kinds, first)
        return kind != '_NEWLINE'

    def _report(self, token: Token, accepts: frozenset[str]) -> None:
        self.found.add(explain(Trouble(self.source, token, self.previous, self.head, accepts, self.tables.spelling)))

    def _settle(self) -> None:
        """Make the reductions that don't depend on the next token, so that a finished statement counts as finished."""
        while True:
            actions = set(self.rows[self.states[-1]].values())
            if len(actions) != 1 or (action := actions.pop()) >= 0 or self.states[-1] == self.end_state:
                return
            self._reduce(~action)

    def _accepts(self) -> frozenset[str]:
        """The kinds of token that would fit now."""
        return frozenset(kind for kind in self.rows[self.states[-1]]
                         if (kind.isupper() or kind[0] == '$') and self._fits(kind))

    def _fits(self, kind: str) -> bool:
        """Whether a token would be taken, tried on a shadow of the stack."""
        below, above = len(self.states), []
        while True:
            top = above[-1] if above else self.states[below - 1]
            if kind == '$END' and top == self.end_state:
                return True
            action = self.rows[top].get(kind)
            if action is None or action >= 0:
                return action is not None
            rule = self.tables.reductions[~action]
            dropped = min(rule.size, len(above))
            del above[len(above) - dropped:]
            below -= rule.size - dropped
            above.append(self.rows[above[-1] if above else self.states[below - 1]][rule.origin])

    def _list_names(self, state: int | None = None) -> list[str]:
        row = self.rows[self.states[-1] if state is None else state]
        return [name for name in LISTS if name in row]

    def _needs_colon(self) -> bool:
        if self.head is not None and self.head.type in HEADERS:
            return True
        inside = next((names[0] for state in reversed(self.states) if (names := self._list_names(state))), '')
        return inside == 'case'

    def _to_list(self, token: Token) -> list[str]:
        """Drop what was begun, down to the innermost of the `LISTS`, and put a placeholder there: no list is empty."""
        while len(self.states) > 1 and not self._list_names():
            self.states.pop()
            self.values.pop()
        kinds = self._list_names()
        if '_stmt' in kinds or '_member' in kinds:
            self._feed_words('PASS _NEWLINE', token)
        elif 'case' in kinds:
            self._feed_words('NAME COLON PASS _NEWLINE', token)
        elif 'alternative' in kinds:
            self._feed_words('NAME _NEWLINE', token)
        return kinds

    def _stand_in(self) -> None:
        """A block follows a header that was thrown away: stand in with a header of the same sort."""
        assert self.headless is not None
        kinds, first = self.headless
        sort = MEANT.get(first.value, first.type)
        if '_stmt' in kinds:
            words = 'MATCH TRUE COLON _NEWLINE' if sort == 'MATCH' else 'IF TRUE COLON _NEWLINE'
        elif '_item' in kinds and sort in ('RECORD', 'TYPE'):
            words = f'{sort} NAME COLON _NEWLINE'
        elif 'case' in kinds:
            words = 'NAME COLON _NEWLINE'
        else:
            words = 'FN NAME LPAR RPAR COLON _NEWLINE'
        self._feed_words(words, first)

    def _feed_words(self, words: str, place: Token) -> None:
        for word in words.split():
            self.feed(at(word, place, '_'))


def too_deep(node: nodes.Node) -> nodes.Node | None:
    """A node more than `DEPTH_LIMIT` levels below this one, if there is any."""
    level = [node]
    for _ in range(DEPTH_LIMIT):
        level = [child for parent in level for child in nodes.children(parent)]
        if not level:
            return None
    return level[0]
