"""Calls: what is called, which argument belongs to which parameter, and the types and sizes of generic callees.

The order of checking (rule 20): ordinary arguments first, then literals, then functions and lambdas, so that a lambda
knows the types of its parameters. What is still open takes the expected type of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context, LocalEntry, NestedEntry, SizeEntry, TypeEntry, handles
from dynlang.check.expressions import Given, unknown_name
from dynlang.check.fit import article, fit, fitting, mismatch
from dynlang.check.functions import Use, eta
from dynlang.check.solve import HOLE, has_hole
from dynlang.check.typenames import NAMED, bindings, find_symbol, put
from dynlang.check.world import ConstructorInfo, FieldInfo, Generic, RecordInfo, Signature, SumInfo, Symbol, show
from dynlang.diag import Diagnostic, Label, NotBuilt
from dynlang.ops.table import SURFACE
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    ArrayType,
    ErrorType,
    FunctionType,
    ListType,
    RecordType,
    Size,
    StringType,
    SumType,
    TangentType,
    Type,
    TypeVariable,
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


# ---------------------------------------------------------------- what is called


@handles(ast.Call)
def infer_call(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    from dynlang.check.derivatives import DERIVATIVES, infer_derivative

    function = node.function
    match function:
        case ast.Name(text):
            return call_name(context, node, text, hint)
        case ast.Attribute():
            symbol = module_member(context, function)
            if symbol is not None:
                return call_symbol(context, symbol, node, hint) if symbol.kind != "alias" else context.fail(ERRORS_SILENT(node))
            return call_member(context, node, function, hint)
        case ast.Call(ast.Name(text), inner) if text in DERIVATIVES and is_builtin(context, text):
            return infer_derivative(context, text, inner, node.arguments, node.span, hint)
        case ast.Call():
            return call_curried(context, node, function, hint)
    return call_value(context, context.infer(function), node.arguments, node.span, hint)


def ERRORS_SILENT(node: ast.Call) -> Diagnostic:
    return errors.NotCallable("a type can't be called", node.span)


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
    symbol = context.symbol(value.text)
    if symbol is None or symbol.kind != "module":
        return None
    first = ast.Identifier(value.text, span=value.span)
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
            from dynlang.check.builtins import convert_call

            return convert_call(context, node, kind)
        case SizeEntry():
            return context.fail(errors.NotCallable(f"`{name}` is a size, and no function", span))
    symbol = context.symbol(name)
    if symbol is not None:
        return call_symbol(context, symbol, node, hint)
    if name in BUILTINS:
        return BUILTINS[name](context, node, hint)
    if name in SURFACE:
        from dynlang.check.primitives import call_row

        return call_row(context, SURFACE[name], node, hint)
    if name in NAMED:
        from dynlang.check.builtins import convert_call

        return convert_call(context, node, NAMED[name])
    infer_all(context, node.arguments)
    return context.fail(unknown_name(context, name, span))


def infer_all(context: Context, arguments: Sequence[ast.Argument]) -> None:
    """Looks at arguments whose callee isn't known, for the errors in them; what needs a hint is left alone."""
    for argument in arguments:
        value = argument.value
        if isinstance(value, ast.Name) and (context.symbol(value.text) is not None or value.text in builtin_names()):
            continue
        if not isinstance(value, ast.Lambda) and not argument.borrow:
            context.infer(value)


def call_symbol(context: Context, symbol: Symbol, node: ast.Call, hint: Type | None) -> typed.Expression:
    match symbol.kind:
        case "function":
            return call_signature(context, context.signature_of(symbol.name), node.arguments, node.span, hint)
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
            return context.fail(errors.NotCallable(f"`{describe_callee(node)}` has several alternatives, and one of them is called", node.span,
                                                   hint=f"its alternatives are {names}"))
        case "alias" if not symbol.name:
            return typed.Literal(ERROR, node.span, 0)
        case "alias":
            kind = context.world.aliases[symbol.name].type
            if isinstance(kind, RecordType):
                return make_record(context, context.world.records[kind.name], node, hint or kind)
    return context.fail(errors.NotCallable(f"`{describe_callee(node)}` is a {symbol.kind}, and no function", node.function.span))


def describe_callee(node: ast.Call) -> str:
    text = node.function.span.text
    return text if len(text) <= 40 else "this"


def call_member(context: Context, node: ast.Call, function: ast.Attribute, hint: Type | None) -> typed.Expression:
    """``value.name(...)``: a method, a field that can be called, or a builtin method of lists and strings."""
    from dynlang.check.members import call_builtin_method, field_of, unknown_member

    name = function.name.text
    receiver = context.infer(function.value)
    match receiver.type:
        case ErrorType():
            infer_all(context, node.arguments)
            return receiver
        case RecordType(record):
            info = context.world.records[record]
            if name in info.methods:
                signature = context.world.signatures[info.methods[name]]
                return call_method(context, signature, function.value, receiver, node, hint)
            found = field_of(context, receiver, function.name)
            if found is not None:
                return call_value(context, context.open(found, f"`.{name}`"), node.arguments, node.span, hint)
        case TangentType():
            found = field_of(context, receiver, function.name)
            if found is not None:
                return call_value(context, found, node.arguments, node.span, hint)
        case ListType() | StringType() | ArrayType():
            result = call_builtin_method(context, receiver, node, function, hint)
            if result is not None:
                return result
    infer_all(context, node.arguments)
    return context.fail(unknown_member(context, receiver.type, function.name))


def call_method(context: Context, signature: Signature, place: ast.Expr, receiver: typed.Expression, node: ast.Call, hint: Type | None
                ) -> typed.Expression:
    """The receiver is the first argument; a method with ``self: inout`` lends it by the dot."""
    lends = signature.parameters[0].inout if signature.parameters else False
    first = ast.Argument(None, place if lends else Given(receiver, span=receiver.span), lends, span=place.span)  # type: ignore[arg-type]
    return call_signature(context, signature, (first, *node.arguments), node.span, hint, method=True)


def call_curried(context: Context, node: ast.Call, function: ast.Call, hint: Type | None) -> typed.Expression:
    """``f(a)(b)``: the types of `b` help to find the type of ``f(a)`` (rule 20)."""
    if any(argument.borrow or argument.name for argument in node.arguments):
        return call_value(context, context.infer(function), node.arguments, node.span, hint)
    given: list[ast.Argument] = []
    kinds: list[Type] = []
    for argument in node.arguments:
        if isinstance(argument.value, ast.Lambda):
            given.append(argument)
            kinds.append(HOLE)
            continue
        value = context.infer(argument.value)
        given.append(ast.Argument(None, Given(value, span=value.span), span=argument.span))  # type: ignore[arg-type]
        kinds.append(HOLE if isinstance(value.type, ErrorType) else value.type)
    callee = context.infer(function, FunctionType(tuple(kinds), HOLE))
    return call_value(context, callee, given, node.span, hint)


def call_value(context: Context, callee: typed.Expression, arguments: Sequence[ast.Argument], span: Span, hint: Type | None) -> typed.Expression:
    """A call of a function value or of a callable record."""
    match callee.type:
        case ErrorType():
            infer_all(context, arguments)
            return typed.Literal(ERROR, span, 0)
        case FunctionType():
            return call_function_value(context, callee, callee.type, arguments, span)
        case RecordType(name) if "call" in context.world.records[name].methods:
            signature = context.world.signatures[context.world.records[name].methods["call"]]
            lends = signature.parameters[0].inout
            source: ast.Expr = Given(callee, span=callee.span)  # type: ignore[assignment]
            if lends:
                source = place_syntax(callee) or source
            first = ast.Argument(None, source, lends, span=callee.span)
            return call_signature(context, signature, (first, *arguments), span, hint, method=True)
    infer_all(context, arguments)
    hint_text = "items are taken with brackets: `x[i]`" if isinstance(callee.type, (ArrayType, ListType)) else ""
    if isinstance(callee.type, RecordType):
        hint_text = "a record with a method `call` can be called"
    return context.fail(errors.NotCallable(f"{article(callee.type)} can't be called", callee.span, found=show(callee.type), hint=hint_text))


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


def call_function_value(context: Context, callee: typed.Expression, kind: FunctionType, arguments: Sequence[ast.Argument], span: Span
                        ) -> typed.Expression:
    if any(argument.name is not None for argument in arguments):
        named = next(argument for argument in arguments if argument.name is not None)
        return context.fail(errors.UnknownParameter("the parameters of a function value have no names", named.span, hint="pass the argument by its place"))
    if len(arguments) != len(kind.parameters):
        infer_all(context, arguments)
        return context.fail(errors.WrongArity(
            f"this function takes {errors.plural(len(kind.parameters), 'argument')}, and {len(arguments)} given", span, expected=show(kind)))
    applied = next((one for one in arguments if isinstance(one.value, ast.Name) and one.value.text == callee.span.text), None)
    if applied is not None and isinstance(callee, typed.LocalReference):
        return context.fail(errors.SelfApplication(f"`{callee.span.text}` is applied to itself: its type would contain itself", applied.span))
    passed: list[typed.Passed] = []
    modes = kind.modes or ("value",) * len(kind.parameters)
    for argument, wanted, mode in zip(arguments, kind.parameters, modes, strict=True):
        passed.append(pass_argument(context, argument, wanted, mode == "inout", "the argument"))
    if any(is_bad(one) for one in passed):
        return typed.Literal(ERROR, span, 0)
    check_overlap(context, passed)
    return typed.CallValue(kind.result, span, callee, tuple(passed))


def is_bad(passed: typed.Passed | None) -> bool:
    return passed is None or (isinstance(passed, typed.Expression) and isinstance(passed.type, ErrorType)) or (
        isinstance(passed, typed.Lend) and isinstance(passed.place.type, ErrorType))


def pass_argument(context: Context, argument: ast.Argument, wanted: Type, inout: bool, role: str) -> typed.Passed:
    """One argument for a parameter of known type."""
    from dynlang.check.places import lend

    if inout:
        return lend(context, argument, wanted)
    if argument.borrow:
        return context.fail(errors.UnexpectedLend(f"{role} is passed by value, without `&`", argument.span))
    return context.expect(argument.value, wanted, role)


# ---------------------------------------------------------------- calls of declared functions


@dataclass
class Slot:
    """A parameter, the argument that is bound to it, and what checking made of it."""

    name: str
    type: Type
    inout: bool
    argument: ast.Argument | None
    default: ast.Expr | None
    passed: typed.Passed | None = None


def bind_arguments(context: Context, parameters: Sequence[tuple[str, Type, bool, ast.Expr | None]], arguments: Sequence[ast.Argument],
                   what: str, span: Span, shown: str, skip: int = 0) -> list[Slot] | None:
    """Which argument belongs to which parameter: by position, then by name. None after an error."""
    slots = [Slot(name, kind, inout, None, default) for name, kind, inout, default in parameters]
    position = 0
    for argument in arguments:
        if argument.name is None:
            if position >= len(slots):
                count = len(slots) - skip
                context.report(errors.WrongArity(f"{what} takes {errors.plural(count, 'argument')}, and {len(arguments) - skip} given", argument.span,
                                                 hint=f"it is declared as `{shown}`"))
                return None
            slots[position].argument = argument
            position += 1
            continue
        slot = next((one for one in slots if one.name == argument.name.text), None)
        if slot is None:
            known = [one.name for one in slots[skip:]]
            hint = errors.suggest(argument.name.text, known) or (f"its parameters are {', '.join(f'`{one}`' for one in known)}" if known else "")
            context.report(errors.UnknownParameter(f"{what} has no parameter `{argument.name.text}`", argument.name.span, hint=hint))
            return None
        if slot.argument is not None:
            context.report(errors.WrongArity(f"the parameter `{slot.name}` of {what} is given twice", argument.span))
            return None
        slot.argument = argument
    missing = [one.name for one in slots if one.argument is None and one.default is None]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        plural = "argument" if len(missing) == 1 else "arguments"
        context.report(errors.WrongArity(f"{what} lacks the {plural} {names}", span, hint=f"it is declared as `{shown}`"))
        return None
    return slots


def call_signature(context: Context, signature: Signature, arguments: Sequence[ast.Argument], span: Span, hint: Type | None,
                   method: bool = False) -> typed.Expression:
    """A call of a declared function."""
    what = f"`{signature.short}`"
    if signature.is_proc and not context.is_proc:
        context.report(errors.ProcInFn(f"`{signature.short}` is a proc, and a `fn` calls no proc", span,
                                       hint=f"make `{context.owner}` a `proc`, or hand it the value" if context.owner else "",
                                       secondary=(Label(signature.span, "declared as a proc here"),)))
    parameters = [(one.name, one.type, one.inout, one.default) for one in signature.parameters]
    slots = bind_arguments(context, parameters, arguments, what, span, str_signature(signature), skip=1 if method else 0)
    if slots is None:
        infer_all(context, [one for one in arguments if not isinstance(one.value, Given)])
        return typed.Literal(ERROR, span, 0)
    use = Use(context, signature.generics)
    solved = solve_arguments(context, use, slots, signature.returns, hint, what, span)
    if solved is None:
        return typed.Literal(ERROR, span, 0)
    fill_defaults(context, use, slots, signature.module, signature.generics, what)
    passed = [one.passed for one in slots if one.passed is not None]
    if len(passed) < len(slots) or any(is_bad(one) for one in passed):
        return typed.Literal(ERROR, span, 0)
    check_overlap(context, passed)
    captured: tuple[typed.Passed, ...] = tuple(typed.LocalReference(one.type, span, one) for one in signature.captures)
    return typed.Call(solved, span, signature.name, use.type_arguments(), use.size_arguments(), (*captured, *passed))


def str_signature(signature: Signature) -> str:
    from dynlang.types import UNIT

    parameters = ", ".join(f"{one.name}: {'inout ' if one.inout else ''}{show(one.type)}" for one in signature.parameters)
    result = f" -> {show(signature.returns)}" if signature.returns != UNIT else ""
    return f"{signature.short}({parameters}){result}"


def solve_arguments(context: Context, use: Use, slots: list[Slot], returns: Type, hint: Type | None, what: str, span: Span) -> Type | None:
    """Checks the arguments in the order of rule 20 and solves the generics; gives the result type, None after an error."""
    from dynlang.check.places import lend

    hints = use.solver.copy()
    if hint is not None and not isinstance(hint, ErrorType):
        hints.match(use.rename(returns), hint)
    bad = False
    for slot in sorted((one for one in slots if one.argument is not None), key=lambda one: rank(context, one)):
        assert slot.argument is not None
        pattern = use.rename(slot.type)
        if slot.inout:
            slot.passed = lend(context, slot.argument, None)
            if not is_bad(slot.passed) and isinstance(slot.passed, typed.Lend):
                use.solver.match(pattern, slot.passed.place.type)
        else:
            slot.passed = value_argument(context, use, hints, pattern, slot.argument, f"the argument `{slot.name}` of {what}")
        bad = bad or is_bad(slot.passed)
    if bad:
        return None
    use.solver.learn(hints)
    use.solver.settle()
    solved = use.finish(context, what, span)
    if not solved:
        report_mismatch(context, use, slots, what)
        return None
    for slot in slots:
        wanted = use.solver.resolve(use.rename(slot.type))
        role = f"the argument `{slot.name}` of {what}"
        if isinstance(slot.passed, typed.Lend):
            bad = bad or not lent_fits(context, slot.passed, wanted, role)
        elif slot.passed is not None:
            slot.passed = fit(context, slot.passed, wanted, role)
            bad = bad or is_bad(slot.passed)
    return None if bad else use.solver.resolve(use.rename(returns))


def rank(context: Context, slot: Slot) -> int:
    """When an argument is checked: 0 ordinary, 1 literals, 2 functions."""
    assert slot.argument is not None
    value = slot.argument.value
    if isinstance(slot.type, FunctionType) or isinstance(value, ast.Lambda):
        return 2
    return 1 if is_literal(value) else 0


def is_literal(node: ast.Expr) -> bool:
    """Whether an expression is made of literals alone, so that its type is open."""
    match node:
        case ast.Integer() | ast.Float():
            return True
        case ast.Negate(operand):
            return is_literal(operand)
        case ast.List(items):
            return all(is_literal(item) for item in items[:4])
    return False


def value_argument(context: Context, use: Use, hints: object, pattern: Type, argument: ast.Argument, role: str) -> typed.Expression:
    """An argument passed by value, checked with what is known of its parameter's type."""
    if argument.borrow:
        return context.fail(errors.UnexpectedLend(f"{role} is passed by value, without `&`", argument.span))
    wanted = argument_hint(use, hints, pattern)
    value = context.infer(argument.value, wanted)
    if not isinstance(value.type, ErrorType):
        use.solver.match(pattern, value.type)
        if isinstance(pattern, FunctionType) and isinstance(value.type, RecordType):
            match_callable(context, use, pattern, value)
    return value


def match_callable(context: Context, use: Use, pattern: FunctionType, value: typed.Expression) -> None:
    """A callable record in place of a function: its `call` method tells the types."""
    from dynlang.check.functions import callable_type

    kind = callable_type(context, value)
    if kind is not None:
        use.solver.match(pattern, kind)


def argument_hint(use: Use, hints: object, pattern: Type) -> Type | None:
    """The parameter's type as far as it is known, from other arguments first, then from the expected result."""
    from dynlang.check.solve import Solver

    assert isinstance(hints, Solver)
    both = use.solver.copy()
    both.learn(hints)
    if isinstance(pattern, FunctionType):
        parameters = [both.resolve_hint(one) for one in pattern.parameters]
        result = both.resolve_hint(pattern.result)
        closed = not both.open_names(pattern.result)
        return FunctionType(tuple(one if one is not None else HOLE for one in parameters), result if result is not None and closed else HOLE, pattern.modes)
    return both.resolve_hint(pattern)


def report_mismatch(context: Context, use: Use, slots: list[Slot], what: str) -> None:
    """Where generics stay open because an argument is built wrongly, that argument is the news."""
    for slot in slots:
        if isinstance(slot.passed, typed.Expression):
            pattern = use.solver.resolve(use.rename(slot.type))
            probe = use.solver.copy()
            if not probe.match(pattern, slot.passed.type) and fitting(context, slot.passed, pattern) is None:
                shown = {name: key for key, name in use.names.items()}
                named = put(pattern, {name: Size.variable(key) for name, key in shown.items()},
                            {name: TypeVariable(key) for name, key in shown.items()})
                context.report(mismatch(context, slot.passed, named, f"the argument `{slot.name}` of {what}"))


def lent_fits(context: Context, lent: typed.Lend, wanted: Type, role: str) -> bool:
    """A lent place has exactly the parameter's type."""
    if lent.place.type == wanted or isinstance(lent.place.type, ErrorType):
        return True
    value = typed.Literal(lent.place.type, lent.place.span, 0)
    context.report(mismatch(context, value, wanted, role))
    return False


def fill_defaults(context: Context, use: Use, slots: list[Slot], module: str, generics: tuple[Generic, ...], what: str) -> None:
    """Defaults are checked where they are declared, with the sizes and types of this use."""
    for slot in slots:
        if slot.passed is None and slot.argument is None and slot.default is not None:
            wanted = use.solver.resolve(use.rename(slot.type))
            slot.passed = default_value(context, slot.default, wanted, module, generics, use, f"the default of `{slot.name}` of {what}")


def default_value(context: Context, node: ast.Expr, wanted: Type, module: str, generics: tuple[Generic, ...], use: Use, role: str) -> typed.Expression:
    scope: dict[str, SizeEntry | TypeEntry] = {}
    for one in generics:
        argument = use.solver.sizes.get(use.names[one.name]) if one.is_size else use.solver.types.get(use.names[one.name])
        if isinstance(argument, Size):
            scope[one.name] = SizeEntry(argument, one.span)
        elif argument is not None:
            scope[one.name] = TypeEntry(argument, one.span)
    inner = Context(context.world, module, context.diagnostics, is_proc=False, scopes=[dict(scope)], taken=context.taken)
    inner.body = context.body
    return inner.expect(node, wanted, role)


# ---------------------------------------------------------------- records and sums


def make_record(context: Context, info: RecordInfo, node: ast.Call, hint: Type | None) -> typed.Expression:
    name = info.name.rpartition(".")[2]
    kind = info.type
    found = construct(context, info.fields, info.generics, kind, node, hint, f"`{name}`", info.module)
    if found is None:
        return typed.Literal(ERROR, node.span, 0)
    use, values = found
    return typed.MakeRecord(RecordType(info.name, use.arguments()), node.span, values)


def make_sum(context: Context, info: SumInfo, constructor: ConstructorInfo, node: ast.Call, hint: Type | None) -> typed.Expression:
    if not constructor.fields:
        return context.fail(errors.NotCallable(f"`{constructor.name}` has no payload and is written without brackets", node.span))
    found = construct(context, constructor.fields, info.generics, info.type, node, hint, f"`{constructor.name}`", info.module)
    if found is None:
        return typed.Literal(ERROR, node.span, 0)
    use, values = found
    return typed.Construct(SumType(info.name, use.arguments()), node.span, constructor.name, values)


def construct(context: Context, fields: tuple[FieldInfo, ...], generics: tuple[Generic, ...], kind: Type, node: ast.Call, hint: Type | None,
              what: str, module: str) -> tuple[Use, tuple[typed.Expression, ...]] | None:
    """The fields of a record or constructor from the arguments of its call."""
    shown = f"{what.strip('`')}({', '.join(f'{one.name}: {show(one.type)}' for one in fields)})"
    slots = bind_arguments(context, [(one.name, one.type, False, one.default) for one in fields], node.arguments, what, node.span, shown)
    if slots is None:
        infer_all(context, node.arguments)
        return None
    use = Use(context, generics)
    if solve_arguments(context, use, slots, kind, hint, what, node.span) is None:
        return None
    fill_defaults(context, use, slots, module, generics, what)
    values = tuple(one.passed for one in slots if isinstance(one.passed, typed.Expression) and not is_bad(one.passed))
    return (use, values) if len(values) == len(slots) else None


# ---------------------------------------------------------------- overlap


def check_overlap(context: Context, passed: Sequence[typed.Passed | None]) -> None:
    """In one call, a lent path overlaps no other argument (rule 14); scalars are read before the call."""
    from dynlang.check.places import overlaps, path_of

    lent = [(position, one.place) for position, one in enumerate(passed) if isinstance(one, typed.Lend)]
    for position, place in lent:
        mine = (place.root.name, place.steps)
        for other_position, other in enumerate(passed):
            if other_position == position or other is None or (isinstance(other, typed.Lend) and other_position < position):
                continue
            path = path_of(other)
            if path is not None and overlaps(mine, path):
                span = other.place.span if isinstance(other, typed.Lend) else other.span
                context.report(errors.Overlap(f"`{place.root.name}` is lent for mutation, and another argument overlaps it", place.span,
                                              secondary=(Label(span, "overlaps here"),), hint="copy it first: `let copy = ...`"))
                return


__all__ = ["BUILTINS", "NotBuilt", "bindings", "builtin", "builtin_names", "call_name", "call_signature", "has_hole", "infer_call", "is_bad"]
