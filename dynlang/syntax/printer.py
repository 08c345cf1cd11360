"""From AST to text, for programs that the compiler makes: `parse(print_module(m)) == m`.

Brackets stand where precedence asks for them and nowhere else. Nothing recurses: the text of an expression is put together
from its leaves up, and blocks wait on a stack. White space is the formatter's work.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dynlang.syntax import nodes
from dynlang.syntax.formatter import format_source
from dynlang.syntax.nodes import Node
from dynlang.syntax.strings import escape

LAMBDA, CHOICE, OR, AND, NOT, COMPARE, RANGE, SUM, TERM, CAST, UNARY, POWER, POSTFIX, ATOM = range(14)
"""The levels of precedence, loosest first."""


def print_module(module: nodes.Module) -> str:
    """A module as text in the one layout."""
    parts = _doc(module.doc) if module.doc is not None else []
    lines = [line for _, line in parts] + _lines([(0, item) for item in module.items])
    return format_source('\n'.join(lines) + '\n', '<printed>')


def print_item(item: nodes.Item | nodes.Statement | nodes.NamedSize) -> str:
    """A declaration, statement or named size as text, white space as it comes."""
    return '\n'.join(_lines([(0, item)]))


def print_node(node: nodes.Expr | nodes.Type | nodes.Pattern | nodes.Target) -> str:
    """An expression, type or pattern as text: `print_node(Binary(a, (Operation('+', b),))) == 'a + b'`."""
    texts: dict[int, str] = {}
    for below in reversed(list(nodes.walk(node))):
        if id(below) not in texts:
            texts[id(below)] = _TEXT[type(below)](below, texts)
    return texts[id(node)]


# ---------------------------------------------------------------- lines

Work = list[tuple[int, Any]]
"""What is still to be printed: how far in, and a line or a node that unfolds to more of the same."""


def _lines(work: Work) -> list[str]:
    out, waiting = [], list(reversed(work))
    while waiting:
        level, what = waiting.pop()
        if isinstance(what, str):
            out.append(' ' * (4 * level) + what if what else '')
        else:
            unfolded = _UNFOLD[type(what)](what)
            waiting += [(level + deeper, part) for deeper, part in reversed(unfolded)]
    return out


def _inside(parts: Any) -> Work:
    return [(1, part) for part in parts]


def _bare(node: nodes.Expr) -> str:
    """An expression where several may stand: a tuple needs no brackets."""
    text = print_node(node)
    return text[1:-1] if isinstance(node, nodes.Tuple) and len(node.items) > 1 else text


def _doc(doc: str) -> Work:
    lines = [escape(line).replace('\\"', '"').replace('"""', '\\"\\"\\"') for line in doc.split('\n')]
    if len(lines) > 1:
        return [(0, '"""' + lines[0]), *[(0, line) for line in lines[1:]], (0, '"""')]
    line = lines[0][:-1] + '\\"' if lines[0].endswith('"') else lines[0]
    return [(0, f'"""{line}"""')]


def _documented(doc: str | None) -> Work:
    return [(1 + deeper, line) for deeper, line in _doc(doc)] if doc is not None else []


def _generics(generics: tuple[nodes.Generic, ...]) -> str:
    if not generics:
        return ''
    return '<' + ', '.join(
        generic.name.text + (f': {generic.kind.text}' if generic.kind else '')
        + (f' = {print_node(generic.default)}' if generic.default else '') for generic in generics) + '>'


def _type_suffix(kind: nodes.Type | None) -> str:
    return f': {print_node(kind)}' if kind is not None else ''


def _default(value: nodes.Expr | None, tight: bool = False) -> str:
    return ('=' if tight else ' = ') + print_node(value) if value is not None else ''


def _param(param: nodes.Param) -> str:
    kind = _type_suffix(param.type)
    if param.inout:
        kind = f': inout {kind[2:]}'.rstrip()
    return param.name.text + kind + _default(param.default, tight=not kind)


def _aliased(alias: nodes.Identifier | None) -> str:
    return f' as {alias.text}' if alias else ''


def _imported(node: nodes.FromImport) -> Work:
    names = ', '.join(one.name.text + _aliased(one.alias) for one in node.names)
    return [(0, f'{"export " if node.export else ""}from {node.path} import {names}')]


def _type_def(node: nodes.TypeDef) -> Work:
    return [(0, f'type {node.name}{_generics(node.generics)}:'), *_documented(node.doc), *_inside((*node.alternatives, *node.methods))]


def _alternative(node: nodes.Alternative) -> Work:
    payload = ', '.join(f'{one.name}: {print_node(one.type)}' for one in node.payload)
    return [(0, f'{node.name}({payload})' if payload else node.name.text)]


def _record(node: nodes.Record) -> Work:
    return [(0, f'record {node.name}{_generics(node.generics)}:'), *_documented(node.doc),
            *_inside(node.members or ('pass',))]


def _function(node: nodes.Function) -> Work:
    params = ', '.join(_param(param) for param in node.params)
    result = f' -> {print_node(node.result)}' if node.result is not None else ''
    word = ('export ' if node.export else '') + ('proc' if node.is_proc else 'fn')
    head = f'{word} {node.name}{_generics(node.generics)}({params}){result}:'
    return [*[(0, _decorator(one)) for one in node.decorators], (0, head), *_documented(node.doc), *_inside(node.body)]


def _decorator(node: nodes.Decorator) -> str:
    return f'@{node.path}' + (_arguments(node.arguments, print_node) if node.arguments else '')


def _let(node: nodes.Let) -> Work:
    word = 'var' if node.mutable else 'let'
    target = print_node(node.target)
    target = target[1:-1] if isinstance(node.target, nodes.Targets) else target
    return [(0, f'{word} {target}{_type_suffix(node.type)} = {_bare(node.value)}')]


def _if(node: nodes.If) -> Work:
    parts: Work = []
    for at, branch in enumerate(node.branches):
        parts += [(0, f'{"elif" if at else "if"} {print_node(branch.condition)}:'), *_inside(branch.body)]
    if node.orelse is not None:
        parts += [(0, 'else:'), *_inside(node.orelse)]
    return parts


def _for(node: nodes.For) -> Work:
    target = print_node(node.target)
    target = target[1:-1] if isinstance(node.target, nodes.Targets) else target
    return [(0, f'for {target} in {print_node(node.iterable)}:'), *_inside(node.body)]


def _match(node: nodes.Match) -> Work:
    subject = '&' + print_node(node.subject) if node.borrow else _bare(node.subject)
    return [(0, f'match {subject}:'), *_inside(node.cases)]


def _case(node: nodes.Case) -> Work:
    pattern = print_node(node.pattern)
    pattern = pattern[1:-1] if isinstance(node.pattern, nodes.TuplePattern) else pattern
    guard = f' if {print_node(node.guard)}' if node.guard is not None else ''
    return [(0, f'{pattern}{guard}:'), *_inside(node.body)]


def _generated(params: tuple[nodes.Param, ...]) -> str:
    return ' for ' + ', '.join(f'{one.name}{_type_suffix(one.type)}' for one in params) if params else ''


def _assert(node: nodes.Assert) -> Work:
    return [(0, f'assert {print_node(node.condition)}' + (f', {print_node(node.message)}' if node.message else ''))]


_UNFOLD: dict[type, Callable[[Any], Work]] = {
    nodes.Import: lambda n: [(0, f'import {n.path}{_aliased(n.alias)}')],
    nodes.FromImport: _imported,
    nodes.Alias: lambda n: [(0, f'type {n.name}{_generics(n.generics)} = {print_node(n.type)}')],
    nodes.TypeDef: _type_def,
    nodes.Alternative: _alternative,
    nodes.Record: _record,
    nodes.Field: lambda n: [(0, f'{n.name}{_type_suffix(n.type)}{_default(n.default)}')],
    nodes.NamedSize: lambda n: [(0, f'let {n.name} = {print_node(n.size)}')],
    nodes.Test: lambda n: [(0, f'test "{escape(n.title)}"{_generated(n.params)}:'), *_inside(n.body)],
    nodes.Bench: lambda n: [(0, f'bench "{escape(n.title)}":'), *_inside(n.body)],
    nodes.Function: _function,
    nodes.Let: _let,
    nodes.Assign: lambda n: [(0, f'{_bare(n.target)} = {_bare(n.value)}')],
    nodes.Augment: lambda n: [(0, f'{print_node(n.target)} {n.operator}= {_bare(n.value)}')],
    nodes.ExprStmt: lambda n: [(0, _bare(n.value))],
    nodes.Return: lambda n: [(0, f'return {_bare(n.value)}' if n.value is not None else 'return')],
    nodes.Assert: _assert,
    nodes.Break: lambda n: [(0, 'break')],
    nodes.Continue: lambda n: [(0, 'continue')],
    nodes.Pass: lambda n: [(0, 'pass')],
    nodes.Todo: lambda n: [(0, '...')],
    nodes.If: _if,
    nodes.While: lambda n: [(0, f'while {print_node(n.condition)}:'), *_inside(n.body)],
    nodes.For: _for,
    nodes.Match: _match,
    nodes.Case: _case,
}


# ---------------------------------------------------------------- expressions

Texts = dict[int, str]


def _level(node: Node) -> int:
    """How tightly an expression's outermost operator binds."""
    match node:
        case nodes.Lambda():
            return LAMBDA
        case nodes.IfExpr():
            return CHOICE
        case nodes.Logical(operator=operator):
            return OR if operator == 'or' else AND
        case nodes.Binary(rest=rest):
            return SUM if rest[0].operator in '+-' else TERM
        case nodes.Integer(value=value) | nodes.Float(value=value):
            return UNARY if value < 0 else ATOM
    return _LEVELS.get(type(node), ATOM)


_LEVELS = {nodes.Not: NOT, nodes.Compare: COMPARE, nodes.Range: RANGE, nodes.Cast: CAST, nodes.Negate: UNARY,
           nodes.Power: POWER, nodes.Attribute: POSTFIX, nodes.Call: POSTFIX, nodes.Index: POSTFIX,
           nodes.ArrowType: LAMBDA, nodes.SparseType: CAST}


def _at(node: Node, level: int, texts: Texts) -> str:
    """The text of an expression, in brackets if it binds less tightly than its place asks for."""
    text = texts[id(node)]
    return text if _level(node) >= level else f'({text})'


def _binary(node: nodes.Binary, texts: Texts) -> str:
    """Spaces around the operators, but for products in a size: `3*d + 1`."""
    level = _level(node)
    operands = [node.first, *[operation.operand for operation in node.rest]]
    gap = '' if level == TERM and any(type(operand) is nodes.TypeName for operand in operands) else ' '
    return _at(node.first, level + 1, texts) + ''.join(
        [f'{gap}{operation.operator}{gap}{_at(operation.operand, level + 1, texts)}' for operation in node.rest])


def _compare(node: nodes.Compare, texts: Texts) -> str:
    """After a cast, '<' would open the type's parameters, so a cast before it stands in brackets."""
    operands = [node.first, *[operation.operand for operation in node.rest]]
    parts = [_at(operand, RANGE, texts) for operand in operands]
    for at, operation in enumerate(node.rest):
        if operation.operator[0] == '<' and type(_rightmost(operands[at])) is nodes.Cast and parts[at][-1] != ')':
            parts[at] = f'({parts[at]})'
    return parts[0] + ''.join(f' {operation.operator} {part}' for operation, part in zip(node.rest, parts[1:], strict=True))


def _rightmost(node: Node) -> Node:
    """The operand that ends the text of an operation."""
    while True:
        match node:
            case nodes.Binary(rest=rest):
                node = rest[-1].operand
            case nodes.Range(stop=stop):
                node = stop
            case _:
                return node


def _number(node: nodes.Float, _: Texts) -> str:
    return node.text or repr(node.value)


def _fstring(node: nodes.FString, texts: Texts) -> str:
    return 'f"' + ''.join([escape(part, braces=True) if isinstance(part, str) else texts[id(part)]
                           for part in node.parts]) + '"'


def _tuple(items: tuple[Node, ...], texts: Texts) -> str:
    return '(' + ', '.join([texts[id(item)] for item in items]) + (',)' if len(items) == 1 else ')')


def _clause(node: nodes.Clause, texts: Texts) -> str:
    guard = f' if {_at(node.guard, OR, texts)}' if node.guard is not None else ''
    return ' for ' + ', '.join([texts[id(axis)] for axis in node.axes]) + guard


def _axis(node: nodes.Axis, texts: Texts) -> str:
    target = texts[id(node.target)]
    if node.iterable is None:
        return target
    if isinstance(node.target, nodes.Targets):
        target = target[1:-1]
    return f'{target} in {_at(node.iterable, OR, texts)}'


def _lambda(node: nodes.Lambda, texts: Texts) -> str:
    if len(node.params) == 1 and node.params[0].type is None:
        return f'{node.params[0].name} => {texts[id(node.body)]}'
    return '(' + ', '.join([texts[id(param)] for param in node.params]) + f') => {texts[id(node.body)]}'


def _arguments(arguments: tuple[nodes.Argument, ...], text: Callable[[Any], str]) -> str:
    parts = []
    for argument in arguments:
        value = text(argument.value)
        if isinstance(argument.value, nodes.Comprehension) and not argument.value.bracketed:
            value = value[1:-1]
        parts.append((f'{argument.name}=' if argument.name else '') + ('&' if argument.borrow else '') + value)
    return '(' + ', '.join(parts) + ')'


def _call(node: nodes.Call, texts: Texts) -> str:
    return _at(node.function, POSTFIX, texts) + _arguments(node.arguments, lambda value: texts[id(value)])


def _index(node: nodes.Index, texts: Texts) -> str:
    return _at(node.value, POSTFIX, texts) + '[' + ', '.join([texts[id(one)] for one in node.indices]) + ']'


def _slice(node: nodes.Slice, texts: Texts) -> str:
    start, stop, step = [texts[id(part)] if part is not None else '' for part in (node.start, node.stop, node.step)]
    return f'{start}:{stop}' + (f':{step}' if step else '')


def _choice(node: nodes.IfExpr, texts: Texts) -> str:
    then, condition = _at(node.then, OR, texts), _at(node.condition, OR, texts)
    return f'{then} if {condition} else {texts[id(node.orelse)]}'


def _logical(node: nodes.Logical, texts: Texts) -> str:
    return f' {node.operator} '.join([_at(operand, _level(node) + 1, texts) for operand in node.operands])


def _cast(node: nodes.Cast, texts: Texts) -> str:
    return f'{_at(node.value, CAST, texts)} as {_at(node.type, CAST, texts)}'


# ---------------------------------------------------------------- types

def _type_name(node: nodes.TypeName, texts: Texts) -> str:
    arguments = ', '.join([texts[id(argument)] for argument in node.arguments])
    return f'{node.path}<{arguments}>' if arguments else node.path.text


def _array(node: nodes.ArrayType, texts: Texts) -> str:
    return _at(node.element, ATOM, texts) + '[' + ', '.join([texts[id(size)] for size in node.sizes]) + ']'


def _arrow(node: nodes.ArrowType, texts: Texts) -> str:
    if len(node.params) == 1 and not isinstance(node.params[0], nodes.TupleType | nodes.Unknown | nodes.LentType):
        left = _at(node.params[0], CAST, texts)
    else:
        left = '(' + ', '.join([texts[id(param)] for param in node.params]) + ')'
    return f'{left} -> {texts[id(node.result)]}'


# ---------------------------------------------------------------- patterns

def _alternative_pattern(node: nodes.AlternativePattern, texts: Texts) -> str:
    return f'{node.path}(' + ', '.join([texts[id(item)] for item in node.items]) + ')'


def _either(node: nodes.EitherPattern, texts: Texts) -> str:
    return ' | '.join([f'({texts[id(one)]})' if type(one) is nodes.EitherPattern else texts[id(one)]
                       for one in node.options])


_TEXT: dict[type, Callable[[Any, Texts], str]] = {
    nodes.Identifier: lambda n, _: n.text,
    nodes.Dotted: lambda n, _: n.text,
    nodes.Targets: lambda n, t: _tuple(n.items, t),
    nodes.Param: lambda n, t: n.name.text + (f': {t[id(n.type)]}' if n.type is not None else ''),
    nodes.Name: lambda n, _: n.text,
    nodes.Integer: lambda n, _: str(n.value),
    nodes.Float: _number,
    nodes.Boolean: lambda n, _: 'true' if n.value else 'false',
    nodes.String: lambda n, _: f'"{escape(n.value)}"',
    nodes.FString: _fstring,
    nodes.Interpolation: lambda n, t: '{' + t[id(n.value)] + (f':{n.format}' if n.format else '') + '}',
    nodes.Tuple: lambda n, t: _tuple(n.items, t),
    nodes.List: lambda n, t: '[' + ', '.join([t[id(item)] for item in n.items]) + ']',
    nodes.Comprehension: lambda n, t: '[' + t[id(n.value)] + ''.join([t[id(one)] for one in n.clauses]) + ']',
    nodes.Clause: _clause,
    nodes.Axis: _axis,
    nodes.Lambda: _lambda,
    nodes.IfExpr: _choice,
    nodes.Logical: _logical,
    nodes.Not: lambda n, t: f'not {_at(n.operand, NOT, t)}',
    nodes.Compare: _compare,
    nodes.Operation: lambda n, t: '',
    nodes.Range: lambda n, t: f'{_at(n.start, SUM, t)}..{_at(n.stop, SUM, t)}',
    nodes.Binary: _binary,
    nodes.Negate: lambda n, t: f'-{_at(n.operand, UNARY, t)}',
    nodes.Power: lambda n, t: f'{_at(n.base, POSTFIX, t)} ** {_at(n.exponent, UNARY, t)}',
    nodes.Cast: _cast,
    nodes.Attribute: lambda n, t: f'{_at(n.value, POSTFIX, t)}.{n.name}',
    nodes.Call: _call,
    nodes.Argument: lambda n, t: '',
    nodes.Index: _index,
    nodes.Slice: _slice,
    nodes.TypeName: _type_name,
    nodes.ArrayType: _array,
    nodes.SparseType: lambda n, t: f'sparse {_at(n.type, ATOM, t)}',
    nodes.TupleType: lambda n, t: _tuple(n.items, t),
    nodes.ArrowType: _arrow,
    nodes.LentType: lambda n, t: f'inout {t[id(n.type)]}',
    nodes.Unknown: lambda n, _: f'?{n.name}' if n.name else '?',
    nodes.NamePattern: lambda n, _: n.path.text,
    nodes.AlternativePattern: _alternative_pattern,
    nodes.NamedPattern: lambda n, t: f'{n.name}={t[id(n.pattern)]}',
    nodes.LiteralPattern: lambda n, t: t[id(n.value)],
    nodes.TuplePattern: lambda n, t: _tuple(n.items, t),
    nodes.EitherPattern: _either,
}
