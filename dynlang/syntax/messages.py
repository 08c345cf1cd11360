"""The words for a token that doesn't fit: the first of `RULES` that has something to say about it says it."""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from dynlang.diag import Diagnostic, Label
from dynlang.source import Source, Span
from dynlang.syntax import errors
from dynlang.syntax.lexer import CLOSING, Token

SIGNS = ('LPAR', 'RPAR', 'LSQB', 'RSQB', 'COMMA', 'COLON', 'DOT', 'EQUAL', 'PLUS', 'MINUS', 'STAR', 'AT', 'LESSTHAN',
         'MORETHAN', 'AMPERSAND', 'QMARK', 'VBAR', 'ARROW', 'FAT_ARROW', 'TO')
BINARY = {'PLUS', 'MINUS', 'DIVIDE', 'STAR', 'AT', 'COMPARE', 'LESSTHAN', 'MORETHAN', 'AND', 'OR', 'AS', 'AUGMENT',
          'EQUAL', 'DOT', 'VBAR', 'POWER', 'ARROW', 'FAT_ARROW', 'TO'}
OPERATOR = re.compile(r'(?:[-+*/%<>=|.]|@ |and\b|or\b|as\b)')
EXPRESSION = {'NAME', 'INT', 'LPAR', 'LSQB', 'STRING'}
LAYOUT = {'_NEWLINE': 'the end of the line', '$END': 'the end', '_DEDENT': 'the end of the block',
          '_INDENT': 'an indented line'}
FOREIGN = {'def': "'fn'", 'func': "'fn'", 'function': "'fn'", 'const': "'let'", 'class': "'record'",
           'struct': "'record'", 'enum': "'type'", 'switch': "'match'", 'elseif': "'elif'",
           'case': "the alternative alone: 'Leaf(x):'", 'lambda': "'x => ...'"}
STRAY_HINTS = {'!': "write 'not'", '{': 'there are no braces here; a record is built by calling it',
               '}': 'there are no braces here', ';': 'write one statement a line', "'": 'strings take double quotes',
               '\\': 'put the expression in brackets to go on to the next line', '^': "a power is '**'"}
STATEMENTS = {'NAME', 'RETURN', 'IF', 'FOR', 'WHILE', 'MATCH', 'ASSERT'}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A token that doesn't fit: the one before, the first of its line, and the kinds that would have fitted."""
    source: Source
    token: Token
    before: Token | None
    head: Token | None
    accepts: frozenset[str]
    spelling: dict[str, str]

    @property
    def fresh(self) -> bool:
        """Whether the token begins a line."""
        return self.before is None or self.before.type[0] == '_'

    @property
    def span(self) -> Span:
        return Span(self.source, self.token.start, self.token.end)

    @property
    def after(self) -> Span:
        """The place right behind the token before."""
        if self.before is None:
            return Span(self.source, self.token.start, self.token.start)
        end = self.before.start if self.before.type[0] == '_' else self.before.end
        return Span(self.source, end, end)


Rule = Callable[[Trouble], Diagnostic | None]


def explain(trouble: Trouble) -> Diagnostic:
    """What to say about a token that doesn't fit."""
    for rule in RULES:
        found = rule(trouble)
        if found is not None:
            return found
    kind = trouble.token.type
    at_end = kind in ('_NEWLINE', '$END') and trouble.before is not None
    return errors.UnexpectedToken(f'expected {wanted(trouble)}, found {show(trouble.token)}',
                                  trouble.after if at_end else trouble.span, hint=_hint(trouble))


def _hint(trouble: Trouble) -> str:
    """A likely repair for a token that no rule knows."""
    kind, before = trouble.token.type, trouble.before
    if 'MORETHAN' in trouble.accepts and 'ARROW' in trouble.accepts:
        return "after a type '<' opens its parameters; to compare a cast value, write '(x as T) < y'"
    if kind == 'IF' and before is not None and before.type == 'ELSE':
        return "write 'elif'"
    if kind == 'COLON' and before is trouble.head and before is not None and before.type == 'NAME':
        return "a variable is declared with 'let' or 'var'"
    return ''


def show(token: Token) -> str:
    if token.type == '$END' and token.value:
        return 'the end of the braces'
    return LAYOUT.get(token.type) or f"'{token.value}'"


def wanted(trouble: Trouble) -> str:
    """The kinds that would have fitted, for people: what may stand here in their words, then signs, then words."""
    rest = set(trouble.accepts) - {'_INDENT', '_DEDENT', '$END'}
    if 'RECORD' in rest and 'TYPE' in rest:
        return 'a declaration (import, let, fn, proc, record, type, test, bench)'
    out: list[str] = []
    if rest >= EXPRESSION:
        out, rest = ['an expression'], rest & CLOSING.keys()
    elif 'NAME' in rest:
        out.append('a name')
    if rest >= {'PLUS', 'DIVIDE', 'AND'}:
        out, rest = ['an operator'], rest & (CLOSING.keys() | {'COMMA', 'COLON', 'EQUAL', '_NEWLINE'})
    out += [f"'{trouble.spelling[kind]}'" for kind in SIGNS if kind in rest]
    out += ['the end of the line'] if '_NEWLINE' in rest else []
    out += [f"'{trouble.spelling[kind]}'" for kind in sorted(rest) if kind in trouble.spelling and kind not in SIGNS]
    if not out:
        return 'the end' if '$END' in trouble.accepts else 'something else'
    return ' or '.join([', '.join(out[:-1]), out[-1]] if len(out) > 1 else out)


# ---------------------------------------------------------------- rules, in the order in which they are tried

def _layout(t: Trouble) -> Diagnostic | None:
    kind = t.token.type
    if kind == 'TAB':
        return errors.BadIndentation('a tab in the indentation', t.span, hint='indent with spaces')
    if kind == 'BAD_DEDENT':
        return errors.BadIndentation('this indentation fits no block above', t.span)
    if kind == '_INDENT':
        if sign := OPERATOR.match(t.source.text, t.token.end):
            return _begins_with(sign[0].strip(), Span(t.source, *sign.span()))
        return errors.BadIndentation('this line is indented more than its block', t.span)
    return None


def _brackets(t: Trouble) -> Diagnostic | None:
    token, kind = t.token, t.token.type
    if kind == 'TOO_DEEP':
        return errors.TooDeep('brackets are nested more than 500 levels', t.span, hint='name a part of it with a let')
    if kind == 'UNCLOSED':
        return errors.UnbalancedBracket(f"'{token.value}' is never closed", t.span)
    if kind == 'MISMATCH':
        got, opened, place = token.value.split()
        opening = Span(t.source, int(place), int(place) + 1)
        return errors.UnbalancedBracket(f"'{got}' doesn't close '{opened}' of line {opening.line}", t.span,
                                        secondary=(Label(opening, 'opened here'),))
    if kind in CLOSING and kind not in t.accepts and not t.accepts >= EXPRESSION:
        return errors.UnbalancedBracket(f"'{token.value}' closes nothing", t.span)
    return None


def _strays(t: Trouble) -> Diagnostic | None:
    if t.token.type != 'STRAY':
        return None
    value = t.token.value
    if value.startswith('"""'):
        return errors.UnfinishedString('this string is never closed', Span(t.source, t.token.start, t.token.start + 3),
                                       hint='a long string ends with """')
    if value[0] == '"':
        return errors.UnfinishedString('this string is never closed', t.span,
                                       hint='a string ends on its line; """ strings may go on')
    shown = value if value.isprintable() else f'U+{ord(value):04X}'
    return errors.StrayCharacter(f"'{shown}' has no meaning here", t.span, hint=STRAY_HINTS.get(value, ''))


def _missing_block(t: Trouble) -> Diagnostic | None:
    if '_INDENT' not in t.accepts or '_NEWLINE' in t.accepts:
        return None
    return errors.MissingBlock("expected an indented block after ':'", t.span if t.fresh and t.token.value else t.after)


def _begins_with(sign: str, span: Span) -> Diagnostic:
    return errors.LineBeginsWithOperator(f"a line can't begin with '{sign}'", span,
                                         hint='put the whole expression in brackets to go on to the next line')


def _first_words(t: Trouble) -> Diagnostic | None:
    kind, value = t.token.type, t.token.value
    if not t.fresh:
        return None
    if kind in BINARY:
        return _begins_with(value, t.span)
    if kind in ('ELSE', 'ELIF'):
        return errors.OrphanElse(f"'{value}' without an 'if' above it at the same indentation", t.span)
    return None


def _reserved(t: Trouble) -> Diagnostic | None:
    kind, value = t.token.type, t.token.value
    if t.fresh or not value.isidentifier() or kind == 'NAME' or 'NAME' not in t.accepts:
        return None
    if not t.accepts >= EXPRESSION:
        return errors.ReservedWord(f"'{value}' is a word of the language, and can't be a name", t.span)
    return errors.UnexpectedToken(f"expected an expression, found '{value}'", t.span)


def _equals(t: Trouble) -> Diagnostic | None:
    if t.token.type == 'EQUAL' and t.head is not None and t.head.type in ('IF', 'ELIF', 'WHILE', 'ASSERT'):
        return errors.AssignmentAsValue("'=' assigns and stands alone", t.span, hint="to compare, write '=='")
    return None


def _foreign(t: Trouble) -> Diagnostic | None:
    for token in (t.token if t.fresh else None, t.before):
        if token is not None and token.type == 'NAME' and token.value in FOREIGN:
            span = Span(t.source, token.start, token.end)
            return errors.ForeignWord(f"'{token.value}' is no word of the language", span,
                                      hint=f'write {FOREIGN[token.value]}')
    return None


def _operators(t: Trouble) -> Diagnostic | None:
    if t.token.type in ('AMPERSAND', 'VBAR') and not t.fresh:
        word = 'and' if t.token.type == 'AMPERSAND' else 'or'
        return errors.NoSuchOperator(f"'{t.token.value}' is no operator", t.span, hint=f"write '{word}'")
    return None


def _top(t: Trouble) -> Diagnostic | None:
    if t.fresh and 'RECORD' in t.accepts and t.token.type in STATEMENTS:
        return errors.StatementAtTop('a statement stands in a function, a test or a bench', t.span,
                                     hint="the program starts in 'proc main():'")
    return None


RULES: tuple[Rule, ...] = (_layout, _brackets, _strays, _missing_block, _first_words, _reserved, _equals, _foreign,
                           _operators, _top)
