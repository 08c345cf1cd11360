"""What people write who come from Python, C or Rust: recognised where the parser stumbles over it, with the repair.

Each rule looks at one `Trouble`, and says what is written here instead. A repair is an edit of the text: it is tried before it
is offered, so a rule may guess.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from dynlang.diag import Diagnostic, Edit, Repair, replacing
from dynlang.source import Source, Span
from dynlang.syntax import errors
from dynlang.syntax.lexer import Token


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

    @property
    def line(self) -> str:
        """The text of the token's line."""
        return self.source.line(self.span.line)

    @property
    def line_start(self) -> int:
        return self.source.line_starts[self.span.line - 1]

    @property
    def rest(self) -> Span:
        """The line from the token on, without a comment behind it."""
        text = self.line[self.token.start - self.line_start:].partition('#')[0].rstrip()
        return Span(self.source, self.token.start, self.token.start + len(text))


Rule = Callable[[Trouble], Diagnostic | None]


@dataclass(frozen=True, slots=True)
class Foreign:
    """A word of another language: what to say, and what may take its place."""
    hint: str
    write: tuple[str, ...] = ()


NO_EXCEPTIONS = Foreign('there are no exceptions: fail("what is wrong") ends the program, and a sum type says what may be missing')
FOREIGN = {
    'def': Foreign("write 'fn', or 'proc' if it prints or reads", ('fn', 'proc')),
    'func': Foreign("write 'fn'", ('fn', 'proc')), 'function': Foreign("write 'fn'", ('fn', 'proc')),
    'fun': Foreign("write 'fn'", ('fn', 'proc')), 'const': Foreign("write 'let'", ('let',)),
    'class': Foreign("write 'record'", ('record',)), 'struct': Foreign("write 'record'", ('record',)),
    'dataclass': Foreign("write 'record'", ('record',)), 'enum': Foreign("write 'type'", ('type',)),
    'switch': Foreign("write 'match'", ('match',)), 'elseif': Foreign("write 'elif'", ('elif',)),
    'elsif': Foreign("write 'elif'", ('elif',)), 'mut': Foreign("a variable that changes is declared with 'var'"),
    'case': Foreign("write the alternative alone: 'Leaf(x):'"), 'lambda': Foreign("write 'x => ...'"),
    'raise': Foreign('fail("what is wrong") ends the program'), 'throw': Foreign('fail("what is wrong") ends the program'),
    'try': NO_EXCEPTIONS, 'except': NO_EXCEPTIONS, 'finally': NO_EXCEPTIONS, 'catch': NO_EXCEPTIONS,
    'with': Foreign('a function reads or writes a whole file; nothing has to be closed'),
    'global': Foreign("what stands at the top of a file doesn't change: lend a variable, 'f(&counter)', to a parameter 'n: inout int'"),
    'nonlocal': Foreign("a captured variable doesn't change: lend it to a parameter 'n: inout int', or give it as a result"),
    'del': Foreign('memory is freed by itself, after the last use'),
    'yield': Foreign("a comprehension, or a 'List' with 'push', collects values"),
    'async': Foreign('programs run from top to bottom; the compiler finds what can be done at once'),
    'await': Foreign('programs run from top to bottom; the compiler finds what can be done at once'),
    'new': Foreign("a record is built by calling it: 'Point(x=1.0)'"), 'is': Foreign("write '=='", ('==',)),
    'until': Foreign("write 'while not'", ('while not',)), 'foreach': Foreign("write 'for'", ('for',)),
    'public': Foreign("write 'export', before a function that C calls", ('export',)),
    'end': Foreign('a block ends where its indentation ends'),
    'then': Foreign("write ':'", (':',)),
}


def foreign(t: Trouble) -> Diagnostic | None:
    """A word of another language: the token itself at the start of a line, or the one before."""
    for token in (t.token if t.fresh or t.token.value in ('is', 'then') else None, t.before):
        word = FOREIGN.get(token.value) if token is not None and token.type == 'NAME' else None
        if token is not None and word is not None:
            span = Span(t.source, token.start, token.end)
            found = errors.ForeignWord(f"'{token.value}' is no word of the language", span, hint=word.hint)
            repairs = [replacing(f"write '{one}'", span, one) for one in word.write] or instead(t, token)
            return replace(found, repairs=tuple(repairs))
    return None


def instead(t: Trouble, word: Token) -> list[Repair]:
    """Repairs of more than the word: ``lambda x: e``, ``case P:``, ``let mut x``, ``raise E("why")``."""
    start = t.source.line_starts[t.source.position(word.start)[0] - 1]
    line = t.source.line(t.source.position(word.start)[0])
    tail = line[word.start - start:]
    patterns = {
        'lambda': (r'lambda\s*()\s*:\s*|lambda\s+(\w+)\s*:\s*|lambda\s+(\w+(?:\s*,\s*\w+)+)\s*:\s*', arrow),
        'case': (r'case\s+', lambda found: ''),
        'raise': (r'(?:raise|throw)\s+(?:\w+\()?("[^"]*")\)?', lambda found: f'fail({found[1]})'),
    }
    if word.value == 'mut' and (found := re.search(r'let\s+mut\b', line)):
        return [replacing("write 'var'", Span(t.source, start + found.start(), start + found.end()), 'var')]
    pattern, written = patterns.get('raise' if word.value == 'throw' else word.value, (r'(?!)', arrow))
    found = re.match(pattern, tail)
    if found is None:
        return []
    return [replacing('write it as it is written here', Span(t.source, word.start, word.start + found.end()), written(found))]


def arrow(found: re.Match[str]) -> str:
    """The head of a lambda: `x => `, `(x, y) => `, `() => `."""
    return f'{found[2]} => ' if found[2] else f'({found[3] or ""}) => '


# ---------------------------------------------------------------- signs

def signs(t: Trouble) -> Diagnostic | None:
    """Operators of other languages."""
    value, text, start = t.token.value, t.source.text, t.token.start
    if value in ('&', '|') and not t.fresh:
        word = 'and' if value == '&' else 'or'
        twice = text[start:start + 2] == value * 2
        found = errors.NoSuchOperator(f"'{value * 2 if twice else value}' is no operator",
                                      Span(t.source, start, start + 1 + twice),
                                      hint=f"write '{word}'" + ("" if twice else f"; the bits of ints are joined by 'bit_{word}(a, b)'"))
        return replace(found, repairs=(replacing(f"write '{word}'", found.span, word),)) if found.span else found
    if value in ('+', '-') and t.before is not None and t.before.value == value and t.rest.text == value and t.before.end == start:
        span = Span(t.source, t.before.start, t.token.end)
        return errors.NoSuchOperator(f"'{value * 2}' is no operator", span, hint=f"write '{value}= 1'",
                                     repairs=(replacing(f"write '{value}= 1'", span, f' {value}= 1'),))
    if value == '?' and not t.fresh:
        return errors.NoSuchOperator("'?' is no operator", t.span, hint="a choice is written 'a if condition else b'",
                                     repairs=tuple(choice(t)))
    if value in ('=>', '->') and ({'=>': 'ARROW', '->': 'FAT_ARROW'}[value] in t.accepts):
        right = '->' if value == '=>' else '=>'
        what = 'the result of a function follows' if right == '->' else 'the body of a lambda follows'
        return errors.UnexpectedToken(f"expected '{right}', found '{value}'", t.span, hint=f"{what} '{right}'",
                                      repairs=(replacing(f"write '{right}'", t.span, right),))
    return None


def choice(t: Trouble) -> list[Repair]:
    """`c ? a : b` as `a if c else b`."""
    if t.line.count('?') != 1 or t.line.count(':') != 1 or len(t.line) > 120:
        return []
    found = re.match(r'(\s*(?:return\s|.*?[^=<>!]=\s))?\s*(.*?)\s*\?\s*(.*?)\s*:\s*(.*?)\s*$', t.line)
    if found is None:
        return []
    start = t.line_start + found.start(2)
    return [replacing("write 'if' and 'else'", Span(t.source, start, t.line_start + found.end(4)),
                      f'{found[3]} if {found[2]} else {found[4]}')]


def products(t: Trouble) -> Diagnostic | None:
    """`2x`: a product has its sign."""
    before = t.before
    if before is None or before.type not in ('INT', 'FLOAT') or t.token.type != 'NAME' or before.end != t.token.start:
        return None
    here = Span(t.source, before.end, before.end)
    return errors.UnexpectedToken(f"'{before.value}{t.token.value}' is no number", Span(t.source, before.start, t.token.end),
                                  hint=f"a product is written '{before.value} * {t.token.value}'",
                                  repairs=(replacing("write '*'", here, ' * '),))


def numbered(t: Trouble) -> Diagnostic | None:
    """`pair.0`: the items of a tuple have names."""
    if t.token.type in ('INT', 'FLOAT') and t.before is not None and t.before.value == '.':
        return errors.UnexpectedToken(f"expected a name, found '{t.token.value}'", t.span,
                                      hint="a tuple is taken apart: 'let a, b = pair'")
    return None


def assigned(t: Trouble) -> Diagnostic | None:
    """`=` where a condition stands, and `:=`."""
    if t.token.type != 'EQUAL':
        return None
    if t.before is not None and t.before.type == 'COLON' and t.before.end == t.token.start:
        return errors.AssignmentAsValue("':=' is no operator", Span(t.source, t.before.start, t.token.end),
                                        hint='assign on a line of its own, above')
    if t.head is not None and t.head.type in ('IF', 'ELIF', 'WHILE', 'ASSERT'):
        return errors.AssignmentAsValue("'=' assigns and stands alone", t.span, hint="to compare, write '=='",
                                        repairs=(replacing("write '=='", t.span, '=='),))
    return None


# ---------------------------------------------------------------- characters

STRAY_HINTS = {'!': "write 'not'", '{': "there are no braces: a record has named fields, and a 'Map' looks keys up",
               '}': 'there are no braces here', ';': 'write one statement a line', "'": 'strings take double quotes',
               '\\': 'put the expression in brackets to go on to the next line', '^': "a power is '**'",
               '$': 'a name is letters, digits and underscores', '~': "write 'not'"}


def stray(t: Trouble) -> Diagnostic | None:
    """A character without meaning, or a string without end."""
    if t.token.type != 'STRAY':
        return None
    value, start = t.token.value, t.token.start
    if value.startswith('"""'):
        return errors.UnfinishedString('this string is never closed', Span(t.source, start, start + 3), hint='a long string ends with """')
    if value[0] == '"':
        return errors.UnfinishedString('this string is never closed', t.span, hint='a string ends on its line; """ strings may go on',
                                       repairs=tuple(closing_quote(t)))
    shown = value if value.isprintable() else f'U+{ord(value):04X}'
    found = errors.StrayCharacter(f"'{shown}' has no meaning here", t.span, hint=STRAY_HINTS.get(value, ''))
    if value == "'":
        quoted = re.match(r"'([^'\"\\]*)'", t.source.text[start:start + 400])
        repairs = [replacing('write double quotes', Span(t.source, start, start + quoted.end()), f'"{quoted[1]}"')] if quoted else []
        return replace(found, title="a string takes double quotes, not '", repairs=tuple(repairs))
    if value == '{' and t.rest.text == '{' and t.head is not t.token:
        return replace(found, hint="a block begins with ':' and is indented; no braces", repairs=tuple(braces(t)))
    simple = {'!': 'not ', '~': 'not ', '^': '**'}
    if value == ';' and t.rest.text == ';':
        return replace(found, repairs=(replacing("leave out the ';'", t.span, ''),))
    return replace(found, repairs=(replacing(found.hint, t.span, simple[value]),)) if value in simple else found


def closing_quote(t: Trouble) -> list[Repair]:
    """The quote at the end of the line, or before the brackets that close there."""
    text = t.token.value.rstrip()
    inside = text.rstrip(')]')
    ends = [t.token.start + len(inside)] if inside != text else []
    return [replacing('close the string', Span(t.source, at, at), '"') for at in (*ends, t.token.start + len(text))]


def braces(t: Trouble) -> list[Repair]:
    """`head {` ... `}` as `head:` ...: the brace is matched by a line of its own with the margin of the head."""
    margin = len(t.line) - len(t.line.lstrip())
    closing = re.compile(rf'^ {{{margin}}}\}}[ \t]*(?:\n|$)', re.M).search(t.source.text, t.token.end)
    if closing is None:
        return []
    before = len(t.source.text[:t.token.start].rstrip(' '))
    return [Repair("write ':'", (Edit(Span(t.source, before, t.token.end), ':'), Edit(Span(t.source, *closing.span()), '')))]


# ---------------------------------------------------------------- lines

def layout(t: Trouble) -> Diagnostic | None:
    """Tabs, and margins that fit no block."""
    kind = t.token.type
    if kind == 'TAB':
        tabs = list(re.finditer(r'^[ \t]*\t[ \t]*(?=\S)', t.source.text, re.M))
        repairs = tuple(Repair(f'indent with {width} spaces', tuple(
            Edit(Span(t.source, *found.span()), found[0].replace('\t', ' ' * width)) for found in tabs)) for width in (4, 8, 2))
        return errors.BadIndentation('a tab in the indentation', t.span, hint='indent with spaces', repairs=repairs)
    if kind == 'BAD_DEDENT':
        return errors.BadIndentation('this indentation fits no block above', t.span, hint='indent it like the line that it belongs to')
    return None


def indented_line(t: Trouble) -> Diagnostic:
    """A line that is indented more than its block: the margin of the line above is the likely one."""
    number = t.source.position(t.token.end)[0]
    above = next((t.source.line(one) for one in range(number - 1, 0, -1) if t.source.line(one).strip()), '')
    margin, own = (len(line) - len(line.lstrip()) for line in (above, t.source.line(number)))
    start = t.source.line_starts[number - 1]
    return errors.BadIndentation(
        'this line is indented more than its block', t.span,
        hint=f'the line above is indented by {margin} spaces, this one by {own}' if margin != own else '',
        repairs=(replacing('indent it like the line above', Span(t.source, start, start + own), ' ' * margin),))


def comments(t: Trouble) -> Diagnostic | None:
    if t.fresh and t.token.value == '//':
        return errors.LineBeginsWithOperator("a line can't begin with '//'", t.span, hint="a comment begins with '#'",
                                             repairs=(replacing("write '#'", t.span, '#'),))
    return None


def branches(t: Trouble) -> Diagnostic | None:
    """`else if`, an `elif` behind `else`, `a if c` without `else`, and `if c then a else b`."""
    kind, before = t.token.type, t.before
    choice = re.match(r'if\s+(.+?)\s*(?:\bthen\b|:)\s*(.+?)\s*\belse\b\s*:?\s*(.+?)\s*$', t.rest.text)
    if kind == 'IF' and not t.fresh and before is not None and before.type != 'ELSE' and 'IF' not in t.accepts and choice:
        return errors.UnexpectedToken("expected an expression, found 'if'", t.span, hint="a choice is written 'a if condition else b'",
                                      repairs=(replacing("write 'if' behind the value", t.rest,
                                                         f'{choice[2]} if {choice[1]} else {choice[3]}'),))
    if kind == 'IF' and before is not None and before.type == 'ELSE':
        span = Span(t.source, before.start, t.token.end)
        return errors.UnexpectedToken("expected ':', found 'if'", t.span, hint="write 'elif'",
                                      repairs=(replacing("write 'elif'", span, 'elif'),))
    if t.fresh and kind in ('ELSE', 'ELIF'):
        above = t.source.text[:t.token.start].rstrip().rpartition('\n')
        margin = t.token.start - t.line_start
        ended = re.search(rf'^ {{{margin}}}else\s*:', t.source.text[:t.token.start], re.M) and above
        return errors.OrphanElse(f"'{t.token.value}' without an 'if' above it at the same indentation", t.span,
                                 hint="'else:' comes last, after all 'elif'" if ended else '')
    if kind == '_NEWLINE' and 'ELSE' in t.accepts and '_NEWLINE' not in t.accepts:
        return errors.UnexpectedToken("expected 'else', found the end of the line", t.after,
                                      hint="as an expression an 'if' has both branches: 'a if condition else b'")
    return None


def top(t: Trouble) -> Diagnostic | None:
    """A statement at the top of a file."""
    if not (t.fresh and 'RECORD' in t.accepts and t.token.type in STATEMENTS):
        return None
    hint, repairs = "the program starts in 'proc main():'", ()
    if re.match(r'if\s+__name__\b', t.line):
        block = re.compile(r'(?:[^\n]*\n?)(?:[ \t]+[^\n]*\n?|\n)*').match(t.source.text, t.line_start)
        hint = "leave these lines out: 'proc main():' runs by itself"
        repairs = (replacing('leave the lines out', Span(t.source, *block.span()), ''),) if block else ()
    elif re.match(r'main\(\)\s*$', t.line):
        end = min(t.line_start + len(t.line) + 1, len(t.source.text))
        hint = "leave it out: 'proc main():' runs by itself"
        repairs = (replacing('leave the line out', Span(t.source, t.line_start, end), ''),)
    return errors.StatementAtTop('a statement belongs in a function, a test or a bench', t.span, hint=hint, repairs=repairs)


STATEMENTS = {'NAME', 'RETURN', 'IF', 'FOR', 'WHILE', 'MATCH', 'ASSERT'}


def declared(t: Trouble) -> Diagnostic | None:
    """`x: int = 3` without a word before it, and `int x = 3`."""
    head, before = t.head, t.before
    if head is None or before is not head or head.type != 'NAME' or t.fresh:
        return None
    here = Span(t.source, head.start, head.start)
    if t.token.type == 'COLON':
        return errors.UnexpectedToken(
            f"'{head.value}' is declared without a word before it", t.span, hint="a variable is declared with 'let' or 'var'",
            repairs=(replacing("write 'let'", here, 'let '), replacing("write 'var'", here, 'var ')))
    if t.token.type == 'NAME' and re.match(r'\w+\s*=', t.rest.text):
        span = Span(t.source, head.start, t.token.end)
        return errors.UnexpectedToken(
            f"'{head.value} {t.token.value}' declares nothing", span, hint=f"write 'let {t.token.value} = ...', or 'var'",
            repairs=(replacing("write 'let'", span, f'let {t.token.value}'), replacing("write 'var'", span, f'var {t.token.value}')))
    return None


SUM = re.compile(r'type\s+(\w+\s*(?:<[^<>=]*>)?)\s*=(?!=)\s*(.*)')


def alternatives(t: Trouble) -> Diagnostic | None:
    """`type T = A | B(x: f32)`, on one line or below each other, as ML and Haskell write it. It is told once, at the first line."""
    number = t.span.line
    while number > 1 and re.match(r'\s*\||\s*$', t.source.line(number)):
        number -= 1
    header = SUM.match(t.source.line(number))
    begins = t.head is not None and t.head.type == 'TYPE' and (t.token.value in ('|', '(') or t.token.type == '_NEWLINE')
    if header is None or not (begins or t.line.lstrip().startswith('|')):
        return None
    start, last = t.source.line_starts[number - 1], number
    written = header[2].partition('#')[0]
    while last < len(t.source.line_starts) and (more := re.match(r'\s*\|(.*)', t.source.line(last + 1))):
        written, last = f'{written}|{more[1].partition("#")[0]}', last + 1
    found = [one.strip() for one in pieces(written, '|') if one.strip()]
    span = Span(t.source, start, start + len(t.source.line(number).rstrip()))
    whole = Span(t.source, start, t.source.line_starts[last - 1] + len(t.source.line(last).rstrip()))
    head = f'type {header[1].strip()}:'
    if not found:
        return errors.UnexpectedToken('the alternatives of a type stand in an indented block', span, hint=f"write '{head}'",
                                      repairs=(replacing(f"write '{head}'", span, head),))
    shown = '\n'.join([head, *(f'    {named(one)}' for one in found)])
    repairs = (replacing('write a line for each', whole, shown),) if all(one[0].isupper() for one in found) else ()
    return errors.UnexpectedToken("the alternatives of a type stand below it, without '|'", span,
                                  hint=f"write '{head}', and below it a line for each: {', '.join(map(named, found))}", repairs=repairs)


def unnamed(t: Trouble) -> Diagnostic | None:
    """`B(f32)`: what an alternative holds has names."""
    found = re.match(r'\s+(\w+\(.*\))\s*(?:#.*)?$', t.line)
    if t.token.value not in (')', ',', '[', '<', '(') or found is None or t.accepts != {'COLON'} or t.before is None:
        return None
    span = Span(t.source, t.line_start + found.start(1), t.line_start + found.end(1))
    return errors.UnexpectedToken(f"what '{span.text.partition('(')[0]}' holds has no name", Span(t.source, t.before.start, t.before.end),
                                  hint=f"a type stands behind a name: '{named(span.text)}'",
                                  repairs=(replacing('give it a name', span, named(span.text)),))


def named(alternative: str) -> str:
    """An alternative whose fields have names.

    >>> named('B(f32)'), named('C(f32[n, 2], y: int)')
    ('B(value: f32)', 'C(first: f32[n, 2], y: int)')
    """
    head, _, inside = alternative.partition('(')
    fields = [one.strip() for one in pieces(inside.rstrip().removesuffix(')'), ',')]
    if fields == ['']:
        return alternative
    names = ['value'] if len(fields) == 1 else ['first', 'second', 'third', 'fourth', 'fifth']
    fields = [one if re.match(r'\w+\s*:', one) or k >= len(names) else f'{names[k]}: {one}' for k, one in enumerate(fields)]
    return f'{head}({", ".join(fields)})'


def pieces(text: str, sign: str) -> list[str]:
    """A text cut at a sign that stands in no brackets.

    >>> pieces('A(f32[2, 3], int), B', ',')
    ['A(f32[2, 3], int)', ' B']
    """
    found, depth = [''], 0
    for one in text:
        depth += (one in '([<') - (one in ')]>')
        if one == sign and depth == 0:
            found.append('')
        else:
            found[-1] += one
    return found


def chosen(t: Trouble) -> Diagnostic | None:
    """`let y = match x:`: a match is a statement."""
    if t.token.type != 'MATCH' or t.fresh or not re.fullmatch(r'match\s[^:]+:', t.rest.text):
        return None
    name = re.match(r'\s*(?:let|var)\s+(\w+)', t.line)
    hint = f"declare it first, 'var {name[1]} = ...', and assign it in each alternative" if name else "return the value in each alternative"
    if name is None and t.head is not None and t.head.type != 'RETURN':
        hint = 'let a function return the value in each alternative'
    return errors.UnexpectedToken("'match' is a statement, and has no value", t.span, hint=hint)


def stars(t: Trouble) -> Diagnostic | None:
    """`*args`, and `...` among indices."""
    header = t.head is not None and t.head.type in ('FN', 'PROC', 'EXPORT')
    if t.token.value in ('*', '**') and header and 'NAME' in t.accepts and 'INT' not in t.accepts:
        return errors.UnexpectedToken(f"expected a parameter, found '{t.token.value}'", t.span,
                                      hint='a function has a fixed number of parameters: an array or a list holds many values')
    if t.token.value == '...' and 'RSQB' in t.accepts:
        return errors.UnexpectedToken("expected an index, found '...'", t.span,
                                      hint="axes behind the last index are taken whole: 'x[0]' is a row, ':' stands for one axis")
    return None


SLIPS: tuple[Rule, ...] = (assigned, foreign, signs, products, numbered, branches, comments, declared, stars, top)
