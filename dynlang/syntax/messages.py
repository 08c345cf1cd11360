"""The words for a token that doesn't fit: the first of `RULES` that has something to say about it says it."""
from __future__ import annotations

import re

from dynlang.diag import Diagnostic, Label, replacing
from dynlang.source import Span
from dynlang.syntax import errors, slips
from dynlang.syntax.lexer import CLOSING, Token
from dynlang.syntax.slips import Trouble

SIGNS = ('LPAR', 'RPAR', 'LSQB', 'RSQB', 'COMMA', 'COLON', 'DOT', 'EQUAL', 'PLUS', 'MINUS', 'STAR', 'AT', 'LESSTHAN',
         'MORETHAN', 'AMPERSAND', 'QMARK', 'VBAR', 'ARROW', 'FAT_ARROW', 'TO')
BINARY = {'PLUS', 'MINUS', 'DIVIDE', 'STAR', 'AT', 'COMPARE', 'LESSTHAN', 'MORETHAN', 'AND', 'OR', 'AS', 'AUGMENT',
          'EQUAL', 'DOT', 'VBAR', 'POWER', 'ARROW', 'FAT_ARROW', 'TO'}
OPERATOR = re.compile(r'(?:[-+*/%<>=|.]|@ |and\b|or\b|as\b)')
EXPRESSION = {'NAME', 'INT', 'LPAR', 'LSQB', 'STRING'}
LAYOUT = {'_NEWLINE': 'the end of the line', '$END': 'the end', '_DEDENT': 'the end of the block',
          '_INDENT': 'an indented line'}



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
    if 'MORETHAN' in trouble.accepts and 'AND' not in trouble.accepts:  # it closes parameters, and compares nothing
        return "after a type '<' opens its parameters; to compare a cast value, write '(x as T) < y'"
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

def _indented(t: Trouble) -> Diagnostic | None:
    if t.token.type != '_INDENT':
        return None
    if sign := OPERATOR.match(t.source.text, t.token.end):
        return _begins_with(sign[0].strip(), Span(t.source, *sign.span()))
    return slips.indented_line(t)


def _brackets(t: Trouble) -> Diagnostic | None:
    token, kind = t.token, t.token.type
    if kind == 'TOO_DEEP':
        return errors.TooDeep('brackets are nested more than 500 levels', t.span, hint='name a part of it with a let')
    if kind == 'UNCLOSED':
        end = Span(t.source, *[t.rest.end] * 2)
        close = replacing('close it at the end of the line', end, ')' if token.value == '(' else ']')
        return errors.UnbalancedBracket(f"'{token.value}' is never closed", t.span, repairs=(close,))
    if kind == 'MISMATCH':
        got, opened, place = token.value.split()
        opening = Span(t.source, int(place), int(place) + 1)
        return errors.UnbalancedBracket(f"'{got}' doesn't close '{opened}' of line {opening.line}", t.span,
                                        secondary=(Label(opening, 'opened here'),))
    if kind in CLOSING and kind not in t.accepts and not t.accepts >= EXPRESSION:
        return errors.UnbalancedBracket(f"'{token.value}' closes nothing", t.span)
    return None


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
    return _begins_with(value, t.span) if kind in BINARY else None


def _reserved(t: Trouble) -> Diagnostic | None:
    kind, value = t.token.type, t.token.value
    if t.fresh or not value.isidentifier() or kind == 'NAME' or 'NAME' not in t.accepts:
        return None
    if not t.accepts >= EXPRESSION:
        return errors.ReservedWord(f"'{value}' is a word of the language, and can't be a name", t.span)
    return errors.UnexpectedToken(f"expected an expression, found '{value}'", t.span)


RULES: tuple[slips.Rule, ...] = (slips.layout, slips.alternatives, slips.unnamed, slips.chosen, _indented, _brackets, slips.stray,
                                 _missing_block, slips.comments, _first_words, slips.branches, _reserved, *slips.SLIPS)
