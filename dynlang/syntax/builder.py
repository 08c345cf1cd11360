"""From finished rules to nodes: one method for each rule and alias of `grammar/dyn.lark`.

The parser calls a method with the children of the rule, in order: tokens, nodes, and `Group`s (what is no node by
itself: a block, a list of parameters). The grammar accepts a little more than the language, so that it stays LALR; the
rest is said here. Declarations, statements and patterns are in this file, expressions and types in the base class.
"""
from __future__ import annotations

from typing import Any

from dynlang.syntax import errors, nodes
from dynlang.syntax.expressions import ExpressionBuilder, Group, inner, one_or
from dynlang.syntax.lexer import Token


class Builder(ExpressionBuilder):
    """Makes the nodes of one source. What it finds wrong it hands to `report`, and goes on with something harmless."""

    # ------------------------------------------------------------ files
    def module(self, kids: list[Any]) -> nodes.Module:
        doc, items = self._doc(inner(kids))
        for item in items:
            if isinstance(item, nodes.Let) and item.mutable:
                self.report(errors.VariableAtTop(
                    "a 'var' can't stand at the top of a file", self.at(item.span.start, item.span.start + 3),
                    hint="what a file declares never changes: write 'let'"))
        return nodes.Module(doc, tuple(items), span=self.at(0, len(self.source.text)))

    def entry(self, kids: list[Any]) -> Group:
        return Group('entry', tuple(inner(kids)), self.at(0, len(self.source.text)))

    def doc(self, kids: list[Token]) -> Group:
        return Group('doc', (self.string(kids).value,), self.span(kids))

    def _doc(self, kids: list[Any]) -> tuple[str | None, list[Any]]:
        """The doc string at the head of these children, and the rest."""
        if kids and type(kids[0]) is Group and kids[0].kind == 'doc':
            return dedent(kids[0].items[0]), kids[1:]
        return None, kids

    def import_(self, kids: list[Any]) -> nodes.Import:
        alias = self.identifier(kids[3]) if len(kids) > 4 else None
        return nodes.Import(kids[1], alias, span=self.span(kids))

    def from_import(self, kids: list[Any]) -> nodes.FromImport:
        path, *names = inner(kids)
        return nodes.FromImport(path, tuple(names), kids[0].type == 'EXPORT', span=self.span(kids))

    def imported(self, kids: list[Token]) -> nodes.Imported:
        alias = self.identifier(kids[2]) if len(kids) > 1 else None
        return nodes.Imported(self.identifier(kids[0]), alias, span=self.span(kids))

    def alias(self, kids: list[Any]) -> nodes.Alias:
        generics, (meaning,) = self._generics(inner(kids))
        return nodes.Alias(self.identifier(kids[1]), generics, meaning, span=self.span(kids))

    def type_def(self, kids: list[Any]) -> nodes.TypeDef:
        generics, rest = self._generics(inner(kids))
        doc, members = self._doc(rest)
        alternatives = tuple(one for one in members if isinstance(one, nodes.Alternative))
        methods = tuple(one for one in members if isinstance(one, nodes.Function))
        return nodes.TypeDef(self.identifier(kids[1]), generics, doc, alternatives, methods, span=self.span(kids))

    def alternative(self, kids: list[Any]) -> nodes.Alternative:
        return nodes.Alternative(self.identifier(kids[0]), tuple(inner(kids)), span=self.span(kids))

    def payload(self, kids: list[Any]) -> nodes.Payload:
        return nodes.Payload(self.identifier(kids[0]), kids[2], span=self.span(kids))

    def record(self, kids: list[Any]) -> nodes.Record:
        generics, rest = self._generics(inner(kids))
        doc, members = self._doc(rest)
        kept = tuple(member for member in members if type(member) is not Group)
        return nodes.Record(self.identifier(kids[1]), generics, doc, kept, span=self.span(kids))

    def pass_line(self, kids: list[Token]) -> Group:
        return Group('pass', (), self.span(kids))

    def named_size(self, kids: list[Any]) -> nodes.NamedSize:
        return nodes.NamedSize(self.identifier(kids[1]), kids[3], span=self.span(kids))

    def field(self, kids: list[Any]) -> nodes.Field:
        default = kids[4] if len(kids) > 4 else None
        return nodes.Field(self.identifier(kids[0]), kids[2], default, span=self.span(kids))

    def test(self, kids: list[Any]) -> nodes.Test:
        params = tuple(kid for kid in kids if type(kid) is nodes.Param)
        return nodes.Test(self.string(kids[1:2]).value, kids[-1].items, params, span=self.span(kids))

    def generated(self, kids: list[Any]) -> nodes.Param:
        return nodes.Param(self.identifier(kids[0]), kids[2], span=self.span(kids))

    def bench(self, kids: list[Any]) -> nodes.Bench:
        return nodes.Bench(self.string(kids[1:2]).value, kids[3].items, span=self.span(kids))

    # ------------------------------------------------------------ functions
    def function(self, kids: list[Any]) -> nodes.Function:
        words = [kid for kid in kids if type(kid) is Token]
        parts = {kid.kind: kid.items for kid in kids if type(kid) is Group}
        word = next(at for at, token in enumerate(words) if token.type in ('FN', 'PROC'))
        body, doc = parts['block'], None
        if type(body[0]) is nodes.ExprStmt and type(body[0].value) is nodes.String:
            doc = dedent(body[0].value.value)
            body = body[1:] or (nodes.Pass(span=body[0].span),)
        return nodes.Function(
            decorators=tuple(kid for kid in kids if type(kid) is nodes.Decorator),
            export=words[0].type == 'EXPORT', is_proc=words[word].type == 'PROC', name=self.identifier(words[word + 1]),
            generics=parts.get('generics', ()), params=parts['params'], result=parts.get('result', (None,))[0],
            doc=doc, body=body, span=self.span(kids))

    def decorator(self, kids: list[Any]) -> nodes.Decorator:
        path, *rest = inner(kids)
        return nodes.Decorator(path, rest[0].items if rest else (), span=self.span(kids))

    def generics(self, kids: list[Any]) -> Group:
        return Group('generics', tuple(inner(kids)), self.span(kids))

    def generic(self, kids: list[Any]) -> nodes.Generic:
        kind = self.identifier(kids[2]) if len(kids) > 2 and kids[1].type == 'COLON' else None
        default = kids[-1] if type(kids[-1]) is not Token else None
        return nodes.Generic(self.identifier(kids[0]), kind, default, span=self.span(kids))

    def _generics(self, kids: list[Any]) -> tuple[tuple[nodes.Generic, ...], list[Any]]:
        if kids and type(kids[0]) is Group and kids[0].kind == 'generics':
            return kids[0].items, kids[1:]
        return (), kids

    def params(self, kids: list[Any]) -> Group:
        return Group('params', tuple(inner(kids)), self.span(kids))

    def param(self, kids: list[Any]) -> nodes.Param:
        kind, inout, default = None, False, None
        for sign, part in zip(kids[1::2], kids[2::2], strict=True):
            if sign.type == 'EQUAL':
                default = part
            elif type(part) is Group:
                inout, kind = True, (part.items or (None,))[0]
            else:
                kind = part
        return nodes.Param(self.identifier(kids[0]), kind, inout, default, span=self.span(kids))

    def inout(self, kids: list[Any]) -> Group:
        return Group('inout', tuple(kids[1:]), self.span(kids))

    def result(self, kids: list[Any]) -> Group:
        return Group('result', (kids[1],), self.span(kids))

    # ------------------------------------------------------------ statements
    def block(self, kids: list[Any]) -> Group:
        statements = tuple(inner(kids))
        return Group('block', statements, statements[0].span.to(statements[-1].span))

    def let(self, kids: list[Any]) -> nodes.Let:
        kind = kids[3] if kids[2].type == 'COLON' else None
        return nodes.Let(kids[0].type == 'VAR', kids[1], kind, kids[-2], span=self.span(kids))

    def targets(self, kids: list[Any]) -> nodes.Target:
        return one_or(nodes.Targets, inner(kids), self.span(kids))

    def one_target(self, kids: list[Token]) -> nodes.Identifier:
        return self.identifier(kids[0])

    def group_target(self, kids: list[Any]) -> nodes.Target:
        return self.widened(kids[1], kids)

    def expr_stmt(self, kids: list[Any]) -> nodes.ExprStmt:
        return nodes.ExprStmt(kids[0], span=self.span(kids))

    def assign(self, kids: list[Any]) -> nodes.Assign:
        self.check_assignable(kids[0])
        return nodes.Assign(kids[0], kids[2], span=self.span(kids))

    def augment(self, kids: list[Any]) -> nodes.Augment:
        if type(kids[0]) is nodes.Tuple:
            self.report(errors.NotAssignable(f"a tuple can't stand before '{kids[1].value}'", kids[0].span,
                                             hint='change one variable a line'))
        else:
            self.check_assignable(kids[0])
        return nodes.Augment(kids[0], kids[1].value[:-1], kids[2], span=self.span(kids))

    def return_(self, kids: list[Any]) -> nodes.Return:
        return nodes.Return(kids[1] if len(kids) > 1 else None, span=self.span(kids))

    def assert_(self, kids: list[Any]) -> nodes.Assert:
        return nodes.Assert(kids[1], kids[3] if len(kids) > 2 else None, span=self.span(kids))

    def break_(self, kids: list[Token]) -> nodes.Break:
        return nodes.Break(span=self.span(kids))

    def continue_(self, kids: list[Token]) -> nodes.Continue:
        return nodes.Continue(span=self.span(kids))

    def pass_(self, kids: list[Token]) -> nodes.Pass:
        return nodes.Pass(span=self.span(kids))

    def todo(self, kids: list[Token]) -> nodes.Todo:
        return nodes.Todo(span=self.span(kids))

    def if_(self, kids: list[Any]) -> nodes.If:
        branches = [self.elif_(kids[:4])] + [kid for kid in kids[4:] if type(kid) is nodes.Branch]
        orelse = kids[-1].items if len(kids) > 4 and type(kids[-1]) is Group else None
        return nodes.If(tuple(branches), orelse, span=self.span(kids))

    def elif_(self, kids: list[Any]) -> nodes.Branch:
        return nodes.Branch(kids[1], kids[3].items, span=self.span(kids))

    def else_(self, kids: list[Any]) -> Group:
        return Group('else', kids[2].items, self.span(kids))

    def while_(self, kids: list[Any]) -> nodes.While:
        return nodes.While(kids[1], kids[3].items, span=self.span(kids))

    def for_(self, kids: list[Any]) -> nodes.For:
        return nodes.For(kids[1], kids[3], kids[5].items, span=self.span(kids))

    def match(self, kids: list[Any]) -> nodes.Match:
        subject, *cases = inner(kids)
        borrow = type(subject) is nodes.Argument
        return nodes.Match(subject.value if borrow else subject, borrow, tuple(cases), span=self.span(kids))

    def case(self, kids: list[Any]) -> nodes.Case:
        pattern, *guard, body = inner(kids)
        return nodes.Case(pattern, guard[0] if guard else None, body.items, span=self.span(kids))

    # ------------------------------------------------------------ patterns
    def tuple_pattern(self, kids: list[Any]) -> nodes.TuplePattern:
        return nodes.TuplePattern(tuple(inner(kids)), span=self.span(kids))

    def either_pattern(self, kids: list[Any]) -> nodes.EitherPattern:
        return nodes.EitherPattern(tuple(inner(kids)), span=self.span(kids))

    def name_pattern(self, kids: list[nodes.Dotted]) -> nodes.NamePattern:
        return nodes.NamePattern(kids[0], span=kids[0].span)

    def alternative_pattern(self, kids: list[Any]) -> nodes.AlternativePattern:
        path, *items = inner(kids)
        return nodes.AlternativePattern(path, tuple(items), span=self.span(kids))

    def named_pattern(self, kids: list[Any]) -> nodes.NamedPattern:
        return nodes.NamedPattern(self.identifier(kids[0]), kids[2], span=self.span(kids))

    def literal_pattern(self, kids: list[Token]) -> nodes.LiteralPattern:
        span, token = self.span(kids), kids[-1]
        if token.type == 'INT':
            value = self.integer([token]).value
            return nodes.LiteralPattern(nodes.Integer(-value if len(kids) > 1 else value, span=span), span=span)
        if token.type == 'FLOAT':
            number = self.float_([token])
            if len(kids) > 1:
                number = nodes.Float(-number.value, '-' + number.text, span=span)
            return nodes.LiteralPattern(number, span=span)
        if token.type == 'STRING':
            return nodes.LiteralPattern(self.string(kids), span=span)
        return nodes.LiteralPattern(nodes.Boolean(token.type == 'TRUE', span=span), span=span)

    def group_pattern(self, kids: list[Any]) -> nodes.Pattern:
        return self.widened(kids[1], kids)


def dedent(text: str) -> str:
    """A doc string without the margin of its block, and without blank lines around it.

    `dedent('One.\\n\\n    Two.\\n    ') == 'One.\\n\\nTwo.'`
    """
    first, *rest = text.expandtabs(4).split('\n')
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    return '\n'.join([first.strip()] + [line[margin:].rstrip() for line in rest]).strip('\n')
