"""The builder's methods for expressions, types and sizes. `builder.py` has the rest and says how they are called."""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dynlang.diag import Diagnostic
from dynlang.source import Source, Span
from dynlang.syntax import errors, nodes
from dynlang.syntax.lexer import Token
from dynlang.syntax.strings import interpolations, unescape

LARGEST = 2 ** 64 - 1
"""The largest number that any integer type holds."""

CALLED = {nodes.Call: 'a call', nodes.Lambda: 'a lambda', nodes.Binary: 'a sum or product',
          nodes.Compare: 'a comparison',
          nodes.Integer: 'a number', nodes.Float: 'a number', nodes.String: 'a string', nodes.FString: 'a string',
          nodes.List: 'a list', nodes.Comprehension: 'a comprehension', nodes.Negate: 'a negation',
          nodes.Boolean: 'a truth value', nodes.IfExpr: 'a condition', nodes.Cast: 'a cast', nodes.Power: 'a power'}


class Group:
    """Children that are no node by themselves: a block, parameters, what stands in brackets."""
    __slots__ = ('comma', 'items', 'kind', 'span')

    def __init__(self, kind: str, items: tuple[Any, ...], span: Span, comma: bool = False):
        self.kind, self.items, self.span, self.comma = kind, items, span, comma


def inner(kids: list[Any]) -> list[Any]:
    """The children that are no tokens."""
    return [kid for kid in kids if type(kid) is not Token]


def one_or(kind: Any, items: list[Any], span: Span) -> Any:
    """The item, if it is alone; else a node of this kind with all of them."""
    return items[0] if len(items) == 1 else kind(tuple(items), span=span)


class ExpressionBuilder:
    """What the methods share: the source, where to report, and how to parse the inside of an f-string's braces."""

    def __init__(self, source: Source, report: Callable[[Diagnostic], None],
                 parse_inside: Callable[[int, int], nodes.Expr | None]):
        self.source, self.report, self.parse_inside = source, report, parse_inside

    def at(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def span(self, kids: list[Any]) -> Span:
        """From the first child to the last one that isn't layout."""
        first, last = kids[0], kids[-1]
        if type(last) is Token and last.type[0] == '_':
            last = next((kid for kid in reversed(kids) if type(kid) is not Token or kid.type[0] != '_'), last)
        return Span(self.source, first.start if type(first) is Token else first.span.start,
                    last.end if isinstance(last, Token) else last.span.end)

    def identifier(self, token: Token) -> nodes.Identifier:
        return nodes.Identifier(token.value, span=Span(self.source, token.start, token.end))

    def widened(self, node: Any, kids: list[Any]) -> Any:
        """The node in brackets: itself, with the brackets in its span."""
        return replace(node, span=self.span(kids))

    def dotted(self, kids: list[Token]) -> nodes.Dotted:
        return nodes.Dotted(tuple([self.identifier(kid) for kid in kids[::2]]), span=self.span(kids))

    # ------------------------------------------------------------ leaves
    def name(self, kids: list[Token]) -> nodes.Name:
        return nodes.Name(kids[0].value, span=self.span(kids))

    def integer(self, kids: list[Token]) -> nodes.Integer:
        span, text = self.span(kids), kids[0].value.replace('_', '')
        base = {'0x': 16, '0b': 2}.get(text[:2], 10)
        digits = (text[2:] if base != 10 else text).lstrip('0') or '0'
        value = int(digits, base) if len(digits) <= 64 else LARGEST + 1
        if value > LARGEST:
            self.report(errors.NumberTooLarge('this number is too large for any type', span,
                                              hint='the largest is 18446744073709551615 (u64)'))
            value = 0
        return nodes.Integer(value, span=span)

    def float_(self, kids: list[Token]) -> nodes.Float:
        span, text = self.span(kids), kids[0].value.replace('_', '')
        value = float(text)
        if math.isinf(value):
            self.report(errors.NumberTooLarge('this number is too large for any type', span,
                                              hint="infinity is 'inf'; the largest f64 is about 1.8e308"))
            value = 0.0
        return nodes.Float(value, text, span=span)

    def true(self, kids: list[Token]) -> nodes.Boolean:
        return nodes.Boolean(True, span=self.span(kids))

    def false(self, kids: list[Token]) -> nodes.Boolean:
        return nodes.Boolean(False, span=self.span(kids))

    def string(self, kids: list[Token]) -> nodes.String:
        token = kids[0]
        quotes = 3 if token.type == 'LONG_STRING' else 1
        return nodes.String(self._text(token.start + quotes, token.end - quotes), span=self.span(kids))

    def _text(self, start: int, end: int, braces: bool = False) -> str:
        text, wrong = unescape(self.source.text[start:end], braces)
        for offset, length in wrong:
            shown = self.source.text[start + offset:start + offset + length]
            self.report(errors.BadEscape(
                f"'{shown}' is no escape in a string", self.at(start + offset, start + offset + length),
                hint=r'there are \n \t \r \0 \\ \" \xHH \u{HEX}; a backslash itself is \\'))
        return text

    def fstring(self, kids: list[Token]) -> nodes.FString:
        token, parts = kids[0], []
        for piece in interpolations(self.source.text, token.start + 2, token.end - 1):
            if piece.fault:
                brace = self.at(piece.start, piece.start + 1)
                self.report(errors.BadInterpolation(piece.fault, brace, hint=piece.hint))
            elif piece.kind == 'text':
                parts.append(self._text(piece.start, piece.end, braces=True))
            else:
                value = self.parse_inside(piece.start, piece.colon)
                if value is not None:
                    shape = self.source.text[piece.colon + 1:piece.end]
                    parts.append(nodes.Interpolation(value, shape, span=self.at(piece.start, piece.end)))
        return nodes.FString(tuple(parts), span=self.span(kids))

    # ------------------------------------------------------------ brackets
    def expression(self, kids: list[Any]) -> nodes.Expr:
        return kids[0]

    def exprs(self, kids: list[Any]) -> nodes.Expr:
        return kids[0] if len(kids) == 1 else nodes.Tuple(tuple(inner(kids)), span=self.span(kids))

    def paren(self, kids: list[Any]) -> Group:
        comma = type(kids[-2]) is Token and kids[-2].type == 'COMMA'
        return Group('paren', tuple(inner(kids)), self.span(kids), comma)

    def typed(self, kids: list[Any]) -> Group:
        return Group('typed', (kids[0], kids[2]), self.span(kids))

    def bracketed(self, kids: list[Group]) -> nodes.Expr:
        group, items = kids[0], []
        for item in group.items:
            if type(item) is Group:
                self.report(errors.LambdaParameters("a type after ':' stands only in the parameters of a lambda",
                                                    item.span, hint="a lambda is written '(x: T) => e'"))
                item = item.items[0]
            items.append(item)
        if len(items) == 1 and not group.comma:
            return replace(items[0], span=group.span)
        return nodes.Tuple(tuple(items), span=group.span)

    def list_(self, kids: list[Any]) -> nodes.List:
        return nodes.List(tuple(inner(kids)), span=self.span(kids))

    def comprehension(self, kids: list[Any]) -> nodes.Comprehension:
        value, *clauses = inner(kids)
        return nodes.Comprehension(value, tuple(clauses), span=self.span(kids))

    def clause(self, kids: list[Any]) -> nodes.Clause:
        """Names before an 'in' are its pattern; names that no 'in' follows get an inferred range."""
        axes, waiting, guard = [], [], None
        for kid in inner(kids):
            if type(kid) is not Group:
                waiting.append(kid)
            elif kid.kind == 'guard':
                guard = kid.items[0]
            else:
                waiting.append(kid.items[0])
                target = one_or(nodes.Targets, waiting, waiting[0].span.to(waiting[-1].span))
                axes.append(nodes.Axis(target, kid.items[1], span=waiting[0].span.to(kid.span)))
                waiting = []
        axes += [nodes.Axis(target, span=target.span) for target in waiting]
        return nodes.Clause(tuple(axes), guard, span=self.span(kids))

    def guard(self, kids: list[Any]) -> Group:
        return Group('guard', (kids[1],), self.span(kids))

    def within(self, kids: list[Any]) -> Group:
        return Group('within', (kids[0], kids[2]), self.span(kids))

    # ------------------------------------------------------------ operators
    def lambda_(self, kids: list[Any]) -> nodes.Lambda:
        first, params = kids[0], []
        if type(first) is Token:
            params.append(nodes.Param(self.identifier(first), span=self.at(first.start, first.end)))
        else:
            for item in first.items:
                name, kind = item.items if type(item) is Group else (item, None)
                if type(name) is nodes.Name:
                    name = nodes.Identifier(name.text, span=name.span)
                    params.append(nodes.Param(name, kind, span=item.span))
                else:
                    self.report(errors.LambdaParameters("the parameters of a lambda are names", item.span,
                                                        hint='take a tuple apart in the body, or write a nested fn'))
        return nodes.Lambda(tuple(params), kids[2], span=self.span(kids))

    def if_expr(self, kids: list[Any]) -> nodes.IfExpr:
        return nodes.IfExpr(condition=kids[2], then=kids[0], orelse=kids[4], span=self.span(kids))

    def logical(self, kids: list[Any]) -> nodes.Logical:
        return nodes.Logical(kids[1].value, tuple(kids[::2]), span=self.span(kids))

    def not_(self, kids: list[Any]) -> nodes.Not:
        return nodes.Not(kids[1], span=self.span(kids))

    def _operations(self, kids: list[Any]) -> tuple[nodes.Operation, ...]:
        return tuple([nodes.Operation(sign.value, operand, span=Span(self.source, sign.start, sign.end))
                      for sign, operand in zip(kids[1::2], kids[2::2], strict=True)])

    def _joined_words(self, kids: list[Any]) -> list[Any]:
        """'not' and 'in' as the one operator that they are."""
        joined: list[Any] = []
        for kid in kids:
            before = joined[-1] if joined else None
            if type(kid) is Token and type(before) is Token:
                kid = Token(before.type, f'{before.value} {kid.value}', before.start, kid.end)
                joined.pop()
            joined.append(kid)
        return joined

    def compare(self, kids: list[Any]) -> nodes.Compare:
        kids = self._joined_words(kids)
        rest = self._operations(kids)
        ways = {operation.operator[0] for operation in rest if operation.operator[0] in '<>'}
        membership = [operation for operation in rest if operation.operator in ('in', 'not in')]
        if membership and len(kids) > 3:
            self.report(errors.MixedComparison("'in' stands in no chain of comparisons", membership[0].span,
                                               hint="join them with 'and', or put one in brackets"))
        if len(ways) > 1:
            self.report(errors.MixedComparison(
                "a chain of comparisons runs one way, '<' or '>'", rest[1].span,
                hint="generic parameters are not given in an expression: annotate the result, or cast with 'as'"))
        return nodes.Compare(kids[0], rest, span=self.span(kids))

    def range_(self, kids: list[Any]) -> nodes.Range:
        return nodes.Range(kids[0], kids[2], span=self.span(kids))

    def binary(self, kids: list[Any]) -> nodes.Binary:
        return nodes.Binary(kids[0], self._operations(kids), span=self.span(kids))

    def cast(self, kids: list[Any]) -> nodes.Cast:
        return nodes.Cast(kids[0], kids[2], span=self.span(kids))

    def negate(self, kids: list[Any]) -> nodes.Negate:
        return nodes.Negate(kids[1], span=self.span(kids))

    def power(self, kids: list[Any]) -> nodes.Power:
        return nodes.Power(kids[0], kids[2], span=self.span(kids))

    # ------------------------------------------------------------ postfixes
    def attribute(self, kids: list[Any]) -> nodes.Attribute:
        return nodes.Attribute(kids[0], self.identifier(kids[2]), span=self.span(kids))

    def call(self, kids: list[Any]) -> nodes.Call:
        return nodes.Call(kids[0], kids[1].items, span=self.span(kids))

    def arguments(self, kids: list[Any]) -> Group:
        found, named = [], None
        for kid in inner(kids):
            if type(kid) is not nodes.Argument:
                kid = nodes.Argument(None, kid, span=kid.span)
            if kid.name is not None:
                named = kid
            elif named is not None:
                self.report(errors.ArgumentOrder('an argument without a name stands before those with names', kid.span,
                                                 hint='move it to the front, or give its name'))
            found.append(kid)
        return Group('arguments', tuple(found), self.span(kids))

    def comprehension_argument(self, kids: list[Any]) -> Group:
        made = replace(self.comprehension(kids), bracketed=False)
        return Group('arguments', (nodes.Argument(None, made, span=made.span),), made.span)

    def keyword(self, kids: list[Any]) -> nodes.Argument:
        value, borrow = kids[2], False
        if type(value) is nodes.Argument:
            value, borrow = value.value, True
        return nodes.Argument(self.identifier(kids[0]), value, borrow, span=self.span(kids))

    def borrow(self, kids: list[Any]) -> nodes.Argument:
        if type(kids[1]) not in (nodes.Name, nodes.Attribute, nodes.Index):
            self.report(errors.NotAssignable(f"{CALLED.get(type(kids[1]), 'this')} can't be lent by '&'", kids[1].span,
                                             hint="after '&' stands a variable, or a field or element of one"))
        return nodes.Argument(None, kids[1], True, span=self.span(kids))

    def index(self, kids: list[Any]) -> nodes.Index:
        value, *indices = inner(kids)
        return nodes.Index(value, tuple(indices), span=self.span(kids))

    def slice_(self, kids: list[Any]) -> nodes.Slice:
        parts: list[Any] = [None, None, None]
        place = 0
        for kid in kids:
            if type(kid) is Token:
                place += 1
            else:
                parts[place] = kid
        return nodes.Slice(*parts, span=self.span(kids))

    def check_assignable(self, target: nodes.Expr) -> None:
        """A target is a variable, field or element, or a tuple of targets."""
        waiting = [target]
        while waiting:
            node = waiting.pop()
            if type(node) is nodes.Tuple and node.items:
                waiting += node.items
            elif type(node) not in (nodes.Name, nodes.Attribute, nodes.Index):
                self.report(errors.NotAssignable(f"{CALLED.get(type(node), 'this')} can't be assigned to", node.span,
                                                 hint="to compare, write '=='"))

    # ------------------------------------------------------------ types
    def type_name(self, kids: list[Any]) -> nodes.TypeName:
        path, *arguments = inner(kids)
        return nodes.TypeName(path, tuple(arguments), span=self.span(kids))

    def array(self, kids: list[Any]) -> nodes.ArrayType:
        element, *sizes = inner(kids)
        return nodes.ArrayType(element, tuple(sizes), span=self.span(kids))

    def sparse(self, kids: list[Any]) -> nodes.SparseType:
        return nodes.SparseType(kids[1], span=self.span(kids))

    def type_paren(self, kids: list[Any]) -> Group:
        return self.paren(kids)

    def type_bracketed(self, kids: list[Group]) -> nodes.Type:
        group = kids[0]
        if len(group.items) == 1 and not group.comma:
            return replace(group.items[0], span=group.span)
        return nodes.TupleType(group.items, span=group.span)

    def lent(self, kids: list[Any]) -> nodes.LentType:
        return nodes.LentType(kids[1], span=self.span(kids))

    def arrow(self, kids: list[Any]) -> nodes.ArrowType:
        left = kids[0]
        params = left.items if type(left) is nodes.TupleType and self._bare(left) else (left,)
        return nodes.ArrowType(params, kids[2], span=self.span(kids))

    def _bare(self, tuple_type: nodes.TupleType) -> bool:
        """Whether the brackets of a tuple type stand alone: in '((A, B)) -> C' the tuple is one parameter."""
        span = tuple_type.span
        end = tuple_type.items[0].span.start if tuple_type.items else span.end
        return self.source.text.count('(', span.start, end) == 1

    def unknown(self, kids: list[Token]) -> nodes.Unknown:
        name = self.identifier(kids[1]) if len(kids) > 1 else None
        return nodes.Unknown(name, span=self.span(kids))

    def size_binary(self, kids: list[Any]) -> nodes.Binary:
        for sign in kids[1::2]:
            if sign.value in ('/', '%'):
                self.report(errors.SizeOperator(f"sizes have no operator '{sign.value}'", self.at(sign.start, sign.end),
                                                hint="a size is made of '+', '-', '*' and '//' by a number"))
        return self.binary(kids)
