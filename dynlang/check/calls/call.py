"""Calls: what is called, a declared function, a record or constructor, a method, a function value or a builtin."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dynlang.check import errors, typed
from dynlang.check.calls.arguments import (
    bind_arguments,
    check_overlap,
    fill_defaults,
    guarded_last,
    infer_all,
    is_bad,
    pass_argument,
    signature_text,
    solve_arguments,
    solved_guards,
)
from dynlang.check.calls.functions import Use, eta
from dynlang.check.calls.tangents import make_tangent, tangent_asked_for
from dynlang.check.context import ERROR, Context, LocalEntry, NestedEntry, SizeEntry, TypeEntry, handles
from dynlang.check.declarations.typenames import NAMED, find_symbol
from dynlang.check.declarations.world import ConstructorInfo, FieldInfo, Generic, RecordInfo, Signature, SumInfo, Symbol, show
from dynlang.check.expressions.simple import Given, given, unknown_name
from dynlang.check.fitting.fit import article, fit, number_type
from dynlang.check.fitting.settle import demand_function, demand_method
from dynlang.check.fitting.solve import HOLE
from dynlang.check.messages import rewrites, words
from dynlang.diag import Repair, replacing
from dynlang.ops.table import SURFACE
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    ArrayType,
    ErrorType,
    FunctionType,
    ListType,
    RecordType,
    StringType,
    SumType,
    TangentType,
    Type,
    Unknown,
)

Builtin = Callable[[Context, ast.Call, "Type | None"], typed.Expression]
BUILTINS: dict[str, Builtin] = {}


def builtin(*names: str) -> Callable[[Builtin], Builtin]:
    """Registers a function that the checker itself knows, because no signature can say its type."""

    def register(function: Builtin) -> Builtin:
        for name in names:
            BUILTINS[name] = function
        return function

    return register


def builtin_names() -> set[str]:
    return set(BUILTINS) | set(SURFACE) | set(NAMED)


def builtin_value(context: Context, node: ast.Name, hint: Type | None) -> typed.Expression | None:
    """A builtin as a function value: a lambda around its call."""
    if node.text not in builtin_names():
        return None
    return eta(context, node, hint, node.span)


@handles(ast.Call)
def infer_call(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    from dynlang.check.calls.derivatives import DERIVATIVES, infer_derivative

    function = node.function
    match function:
        case ast.Name(text):
            return call_name(context, node, text, hint)
        case ast.Attribute():
            symbol = module_member(context, function)
            if symbol is not None:
                return call_symbol(context, symbol, node, hint)
            return call_member(context, node, function, hint)
        case ast.Call(ast.Name(text), inner) if text in DERIVATIVES and is_builtin(context, text):
            return infer_derivative(context, text, inner, node.arguments, node.span, hint)
        case ast.Call() | ast.Index(ast.List()):
            return call_curried(context, node, function, hint)
    return call_value(context, context.infer(function), node.arguments, node.span, hint)


def is_builtin(context: Context, name: str) -> bool:
    """Whether a name means what the language gives it, nothing nearer."""
    return context.find(name) is None and context.symbol(name) is None


def module_member(context: Context, node: ast.Attribute) -> Symbol | None:
    """``module.name``, also ``a.b.name``; reports a name that the module doesn't have."""
    path: list[ast.Identifier] = [node.name]
    value: ast.Expr = node.value
    while isinstance(value, ast.Attribute):
        path.insert(0, value.name)
        value = value.value
    if not isinstance(value, ast.Name) or context.find(value.text) is not None:
        return None
    first = ast.Identifier(value.text, span=value.span)
    symbol = find_symbol(context, ast.Dotted((first, *path[:-1]), span=node.span), report=False) or context.symbol(value.text)
    if symbol is None and value.text in BUILTINS and value.text in words.library_modules():  # `sparse(x)` needs no import
        context.report(words.unknown_name(value.text, value.span, (), words.library_modules()))
        return Symbol("alias", "", node.span)
    if symbol is None or symbol.kind not in ("module", "ambiguous"):
        return None
    found = find_symbol(context, ast.Dotted((first, *path), span=node.span))
    return found or Symbol("alias", "", node.span)


def call_name(context: Context, node: ast.Call, name: str, hint: Type | None) -> typed.Expression:
    entry = context.find(name)
    span = node.function.span
    match entry:
        case LocalEntry():
            return call_value(context, context.infer(node.function), node.arguments, node.span, hint)
        case NestedEntry(signature):
            return call_signature(context, signature, node.arguments, node.span, hint)
        case TypeEntry(kind):
            from dynlang.check.calls.builtins import convert_call

            return convert_call(context, node, kind)
        case SizeEntry():
            return context.fail(errors.NotCallable(f"`{name}` is a size, and no function", span))
    symbol = context.symbol(name)
    if symbol is not None and not (symbol.kind == "module" and name in BUILTINS):  # `import sparse`, and still `sparse(x)`
        return call_symbol(context, symbol, node, hint)
    if name in BUILTINS:
        return BUILTINS[name](context, node, hint)
    if name in SURFACE:
        from dynlang.check.calls.primitives import call_row

        return call_row(context, SURFACE[name], node, hint)
    if name in NAMED:
        from dynlang.check.calls.builtins import convert_call

        return convert_call(context, node, NAMED[name])
    infer_all(context, node.arguments)
    return context.fail(unknown_name(context, name, span))


def call_symbol(context: Context, symbol: Symbol, node: ast.Call, hint: Type | None) -> typed.Expression:
    if context.world.is_doubtful(symbol.name):
        infer_all(context, node.arguments)
        return typed.Literal(ERROR, node.span, 0)
    match symbol.kind:
        case "function" if symbol.name == "numeric.close" and (found := own_close(context, node)) is not None:
            return found
        case "function":
            arguments = of_first(context, node) if symbol.name == "derivative.gradcheck" else node.arguments
            name = checkpoint_of(context, node, hint) if symbol.name == "derivative.checkpoint" else symbol.name
            return call_signature(context, context.signature_of(name), arguments, node.span, hint)
        case "record":
            return make_record(context, context.world.records[symbol.name], node, hint)
        case "constructor":
            sum_name, _, name = symbol.name.partition("#")
            info = context.world.sums[sum_name]
            found = info.constructor(name)
            assert found is not None
            return make_sum(context, info, found, node, hint)
        case "constant":
            return call_value(context, context.infer(node.function), node.arguments, node.span, hint)
        case "sum":
            info = context.world.sums[symbol.name]
            names = ", ".join(f"`{one.name}`" for one in info.constructors)
            return context.fail(
                errors.NotCallable(
                    f"`{describe_callee(node)}` has several alternatives, and one of them is called",
                    node.span,
                    hint=f"its alternatives are {names}",
                )
            )
        case "alias" if not symbol.name:
            return typed.Literal(ERROR, node.span, 0)
        case "alias":
            kind = context.world.aliases[symbol.name].type
            if isinstance(kind, RecordType):
                return make_record(context, context.world.records[kind.name], node, hint or kind)
    return context.fail(errors.NotCallable(f"`{describe_callee(node)}` is a {symbol.kind}, and no function", node.function.span))


def own_close(context: Context, node: ast.Call) -> typed.Expression | None:
    """``close(a, b)`` of records that say themselves when two are close, by a method `close`. None for other values."""
    with context.trial():
        kinds = [context.infer(one.value).type for one in node.arguments[:1]]
    if not kinds or "close" not in context.world.methods(kinds[0]):
        return None
    signature = context.world.signatures[context.world.methods(kinds[0])["close"]]
    return call_signature(context, signature, node.arguments, node.span, None)


FIRST = "first_argument"


def of_first(context: Context, node: ast.Call) -> tuple[ast.Argument, ...]:
    """``gradcheck(loss, model, x)`` is ``gradcheck(m => loss(m, x), model)``, if loss takes two arguments."""
    from dynlang.check.calls.derivatives import parameter_names

    plain = [one for one in node.arguments if one.name is None]
    names = parameter_names(context, plain[0].value) if len(plain) > 2 else None
    if names is None or len(names) < 2 or len(plain) < len(names) + 1 or any(one.borrow for one in plain):
        return node.arguments
    function, first, *rest = plain
    given = (ast.Argument(None, ast.Name(FIRST, span=function.span), span=function.span), *rest[:len(names) - 1])
    body = ast.Call(function.value, given, span=function.span)
    alone = ast.Lambda((ast.Param(ast.Identifier(FIRST, span=function.span), span=function.span),), body, span=function.span)
    options = (*rest[len(names) - 1:], *(one for one in node.arguments if one.name is not None))
    return (ast.Argument(None, alone, span=function.span), first, *options)


def checkpoint_of(context: Context, node: ast.Call, hint: Type | None) -> str:
    """The library's `checkpoint` for as many parameters as the function has that it is given."""
    value = node.arguments[0].value if node.arguments else None
    symbol = context.symbol(value.text) if isinstance(value, ast.Name) and context.find(value.text) is None else None
    count = 1
    if isinstance(hint, FunctionType):
        count = len(hint.parameters)
    elif isinstance(value, ast.Lambda):
        count = len(value.params)
    elif symbol is not None and symbol.kind == "function":
        count = len(context.signature_of(symbol.name).parameters)
    return f"derivative.checkpoint_{count}" if 1 < count <= MOST_CHECKPOINTED else "derivative.checkpoint"


MOST_CHECKPOINTED = 4
"""Parameters of a function that `checkpoint` takes; the decorator takes any."""


def describe_callee(node: ast.Call) -> str:
    text = node.function.span.text
    return text if len(text) <= 40 else "this"


def call_member(context: Context, node: ast.Call, function: ast.Attribute, hint: Type | None) -> typed.Expression:
    """``value.name(...)``: a method, a field that can be called, or a builtin method of lists and strings."""
    from dynlang.check.expressions.members import call_builtin_method, field_of, unknown_member

    name = function.name.text
    receiver = context.infer(function.value)
    match receiver.type:
        case ErrorType():
            plain = [one.value for one in node.arguments if not one.borrow and one.name is None and not isinstance(one.value, ast.Lambda)]
            demand_method(context, receiver, name, tuple(context.infer(one).type for one in plain))
            infer_all(context, node.arguments)
            return receiver
        case RecordType() | SumType() if name in (methods := context.world.methods(receiver.type)):
            return call_method(context, context.world.signatures[methods[name]], function.value, receiver, node, hint)
        case RecordType():
            found = field_of(context, receiver, function.name)
            if found is not None:
                return call_value(context, context.open(found, f"`.{name}`"), node.arguments, node.span, hint)
            if context.world.records[receiver.type.name].size(name) is not None:
                return call_value(context, context.infer(function), node.arguments, node.span, hint)
        case TangentType():
            found = field_of(context, receiver, function.name)
            if found is not None:
                return call_value(context, found, node.arguments, node.span, hint)
        case ListType() | StringType() | ArrayType():
            result = call_builtin_method(context, receiver, node, function, hint)
            if result is not None:
                return result
    infer_all(context, node.arguments)
    return context.fail(unknown_member(context, receiver.type, function.name, function.value.span))


def call_method(
    context: Context, signature: Signature, place: ast.Expr, receiver: typed.Expression, node: ast.Call, hint: Type | None
) -> typed.Expression:
    """The receiver is the first argument; a method with ``self: inout`` lends it by the dot."""
    lends = signature.parameters[0].inout if signature.parameters else False
    first = ast.Argument(None, place if lends else given(receiver), lends, span=place.span)
    return call_signature(context, signature, (first, *node.arguments), node.span, hint, method=True)


def call_curried(context: Context, node: ast.Call, function: ast.Call | ast.Index, hint: Type | None) -> typed.Expression:
    """``f(a)(b)`` and ``[f, g][i](b)``: the types of `b` help to find the type of what is called (rule 20)."""
    if any(argument.borrow or argument.name for argument in node.arguments):
        return call_value(context, context.infer(function), node.arguments, node.span, hint)
    from dynlang.check.calls.arguments import is_literal
    from dynlang.check.calls.told import parameter_numbers

    ready: list[ast.Argument] = []
    kinds: list[Type] = []
    told = dict(enumerate(parameter_numbers(context, function)))
    for position, argument in enumerate(node.arguments):
        if isinstance(argument.value, ast.Lambda):
            ready.append(argument)
            kinds.append(HOLE)
            continue
        value = context.infer(argument.value, told.get(position) if is_literal(argument.value) else None)
        ready.append(ast.Argument(None, given(value), span=argument.span))
        kinds.append(HOLE if isinstance(value.type, ErrorType) else value.type)
    wanted = FunctionType(tuple(kinds), HOLE)
    if isinstance(function, ast.Index):
        items = context.infer(function.value, ArrayType(wanted, (Unknown(),)))
        function = ast.Index(given(items), function.indices, span=function.span)
    callee = context.infer(function, wanted)
    return call_value(context, callee, ready, node.span, hint)


def call_value(
    context: Context, callee: typed.Expression, arguments: Sequence[ast.Argument], span: Span, hint: Type | None
) -> typed.Expression:
    """A call of a function value or of a callable record."""
    match callee.type:
        case ErrorType():
            plain = [one.value for one in arguments if not one.borrow and not isinstance(one.value, ast.Lambda)]
            if len(plain) == len(arguments):
                demand_function(context, callee, tuple(context.infer(one).type for one in plain))
            infer_all(context, arguments)
            return typed.Literal(ERROR, span, 0)
        case FunctionType():
            return call_function_value(context, callee, callee.type, arguments, span)
        case RecordType() | SumType() if "call" in (methods := context.world.methods(callee.type)):
            signature = context.world.signatures[methods["call"]]
            lends = signature.parameters[0].inout
            source = given(callee)
            if lends:
                source = place_syntax(callee) or source
            first = ast.Argument(None, source, lends, span=callee.span)
            return call_signature(context, signature, (first, *arguments), span, hint, method=True)
    infer_all(context, arguments)
    hint_text = "items are taken with brackets: `x[i]`" if isinstance(callee.type, (ArrayType, ListType)) else ""
    if isinstance(callee.type, (RecordType, SumType)):
        hint_text = "a type with a method `call` can be called"
    repairs: tuple[Repair, ...] = ()
    if number_type(callee.type) is not None and not isinstance(callee.type, ArrayType):
        hint_text = f"a product is written `{callee.span.text} * (...)`"
        repairs = (rewrites.at(callee.span.source, callee.span.end, " * ", "write `*`"),)
    title = f"{article(callee.type)} can't be called"
    return context.fail(errors.NotCallable(title, callee.span, found=show(callee.type), hint=hint_text, repairs=repairs))


def place_syntax(value: typed.Expression) -> ast.Expr | None:
    """The syntax of a variable or field that was checked already, to lend it."""
    match value:
        case typed.LocalReference(_, span, local):
            return ast.Name(local.name, span=span)
        case typed.Field(_, span, inner, name):
            syntax = place_syntax(inner)
            return ast.Attribute(syntax, ast.Identifier(name, span=span), span=span) if syntax is not None else None
        case typed.Open(_, _, inner):
            return place_syntax(inner)
    return None


def call_function_value(
    context: Context, callee: typed.Expression, kind: FunctionType, arguments: Sequence[ast.Argument], span: Span
) -> typed.Expression:
    if any(argument.name is not None for argument in arguments):
        named = next(argument for argument in arguments if argument.name is not None)
        return context.fail(
            errors.UnknownParameter("the parameters of a function value have no names", named.span, hint="pass the argument by its place")
        )
    if len(arguments) != len(kind.parameters):
        infer_all(context, arguments)
        return context.fail(
            errors.WrongArity(
                f"this function takes {errors.plural(len(kind.parameters), 'argument')}, and {len(arguments)} given",
                span,
                expected=show(kind),
            )
        )
    applied = next((one for one in arguments if isinstance(one.value, ast.Name) and one.value.text == callee.span.text), None)
    if applied is not None and isinstance(callee, typed.LocalReference):
        return context.fail(
            errors.SelfApplication(f"`{callee.span.text}` is applied to itself: its type would contain itself", applied.span)
        )
    passed: list[typed.Passed] = []
    modes = kind.modes or ("value",) * len(kind.parameters)
    for argument, wanted, mode in zip(arguments, kind.parameters, modes, strict=True):
        passed.append(pass_argument(context, argument, wanted, mode == "inout", "the argument"))
    if any(is_bad(one) for one in passed):
        return typed.Literal(ERROR, span, 0)
    check_overlap(context, passed)
    return typed.CallValue(kind.result, span, callee, tuple(passed))


def call_signature(
    context: Context, signature: Signature, arguments: Sequence[ast.Argument], span: Span, hint: Type | None, method: bool = False
) -> typed.Expression:
    """A call of a declared function."""
    what = f"`{signature.short}`"
    if signature.is_proc and not context.is_proc:
        from dynlang.check.statements.effects import proc_called

        context.report(proc_called(context, signature, span))
    parameters = [(one.name, one.type, one.inout, one.default) for one in signature.parameters]
    slots = bind_arguments(context, parameters, arguments, what, span, signature_text(signature), skip=1 if method else 0)
    if slots is None:
        infer_all(context, [one for one in arguments if not isinstance(one.value, Given)])
        return typed.Literal(ERROR, span, 0)
    for slot, parameter in zip(slots, signature.parameters, strict=True):
        slot.size = parameter.size
    use = Use(context, signature.generics, signature.given_sizes)
    solved = solve_arguments(context, use, slots, signature.returns, hint, what, span, signature.module)
    if solved is None:
        return typed.Literal(ERROR, span, 0)
    fill_defaults(context, use, slots, signature.module, signature.generics, what)
    passed = [one.passed for one in slots if one.passed is not None]
    if len(passed) < len(slots) or any(is_bad(one) for one in passed):
        return typed.Literal(ERROR, span, 0)
    check_overlap(context, passed)
    before = solved_guards(context, use, what, span)
    if before is None:
        return typed.Literal(ERROR, span, 0)
    captured: tuple[typed.Passed, ...] = tuple(typed.LocalReference(one.type, span, one) for one in signature.captures)
    everything = (*captured, *guarded_last(context, passed, before))
    return typed.Call(solved, span, signature.name, use.type_arguments(), use.size_arguments(), everything)


def make_record(context: Context, info: RecordInfo, node: ast.Call, hint: Type | None) -> typed.Expression:
    name = info.name.rpartition(".")[2]
    if info.name == "maps.Map":
        from dynlang.check.expressions.maps import make_map

        made = make_map(context, node, hint)
        if made is not None:
            return made
    asked = tangent_asked_for(info, hint)
    if asked is not None:
        return make_tangent(context, info, node, asked)
    kind = info.type
    found = construct(context, info.fields, info.generics, kind, node, hint, f"`{name}`", info.module)
    if found is None:
        return typed.Literal(ERROR, node.span, 0)
    use, values = found
    return typed.MakeRecord(RecordType(info.name, use.arguments()), node.span, values)


def make_sum(context: Context, info: SumInfo, constructor: ConstructorInfo, node: ast.Call, hint: Type | None) -> typed.Expression:
    if not constructor.fields:
        bare = replacing("leave out the brackets", node.span, node.function.span.text)
        title = f"`{constructor.name}` has no payload and is written without brackets"
        return context.fail(errors.NotCallable(title, node.span, repairs=(bare,)))
    what = f"`{constructor.name}`"
    found = construct(context, constructor.fields, info.generics, info.type, node, hint, what, info.module, constructor.sizes)
    if found is None:
        return typed.Literal(ERROR, node.span, 0)
    use, values = found
    return typed.Construct(SumType(info.name, use.arguments()), node.span, constructor.name, values)


def construct(
    context: Context,
    fields: tuple[FieldInfo, ...],
    generics: tuple[Generic, ...],
    kind: Type,
    node: ast.Call,
    hint: Type | None,
    what: str,
    module: str,
    sizes: tuple[Generic, ...] = (),
) -> tuple[Use, tuple[typed.Expression, ...]] | None:
    """The fields of a record or constructor from the arguments of its call."""
    shown = f"{what.strip('`')}({', '.join(f'{one.name}: {show(one.type)}' for one in fields)})"
    parameters = [(one.name, one.told or one.type, False, one.default) for one in fields]
    slots = bind_arguments(context, parameters, node.arguments, what, node.span, shown)
    if slots is None:
        infer_all(context, node.arguments)
        return None
    use = Use(context, generics, sizes)
    if solve_arguments(context, use, slots, kind, hint, what, node.span, module, stored=True) is None:
        return None
    fill_defaults(context, use, slots, module, generics, what)
    before = solved_guards(context, use, what, node.span)
    passed = [one.passed for one in slots if isinstance(one.passed, typed.Expression) and not is_bad(one.passed)]
    if before is None or len(passed) < len(slots):
        return None
    stored = [
        fit(context, one, use.solver.resolve(use.rename(field.type)), what) if field.told is not None else one
        for one, field in zip(passed, fields, strict=True)
    ]
    return use, tuple(one for one in guarded_last(context, stored, before) if isinstance(one, typed.Expression))
