"""``@derivative(of=f)``: what a rule for f's derivative must be (rule 32).

    fn f<n>(x: f32[n], k: int) -> f32

    @derivative(of=f)
    fn rule<n>(x: f32[n], k: int) -> (f32, f32 -> f32[n])

It takes what f takes, and returns f's result with the pullback: a function from the cotangent of that result to the tangents of
all arguments that have one, in their order. Parameters of types and sizes correspond by their places.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dynlang.check import errors, typed
from dynlang.check.context import Context
from dynlang.check.declarations.typenames import find_symbol
from dynlang.check.declarations.world import ParameterInfo, Signature, show
from dynlang.check.fitting.fit import article
from dynlang.diag import Diagnostics, Label
from dynlang.ops.table import SURFACE
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import UNIT, ErrorType, FunctionType, Size, TupleType, Type, TypeVariable, substitute, tangent

SHAPE = "a rule takes what its function takes, and returns its result with the pullback: from a cotangent to the tangents"


def read_rule(context: Context, decorator: ast.Decorator, signature: Signature) -> tuple[str, bool] | None:
    """The function that a rule is for, and whether the rule is a surrogate."""
    given = {one.name.text: one.value for one in decorator.arguments if one.name is not None}
    path = as_path(given["of"]) if "of" in given else None
    if path is None or set(given) - {"of", "surrogate"} or len(given) < len(decorator.arguments):
        return refuse(context, "a rule names its function: `@derivative(of=f)`", decorator.span, "`surrogate=true` is all that may follow")
    flag = given.get("surrogate")
    if flag is not None and not isinstance(flag, ast.Boolean):
        return refuse(context, "`surrogate=` is `true` or `false`", flag.span)
    of = function_of(context, path)
    if of is None or not has_rule(context, of, path.span):
        return None
    if of.name == signature.name:
        return refuse(context, f"`{of.short}` can't be its own rule", path.span)
    if not same_parameters(context, signature, of) or not same_result(context, signature, of):
        return None
    return of.name, isinstance(flag, ast.Boolean) and flag.value


def refuse(
    context: Context, title: str, span: Span, hint: str = "", of: Signature | None = None, expected: str = "", found: str = ""
) -> None:
    places = (Label(of.span, f"`{of.short}` is declared here"),) if of is not None else ()
    context.report(errors.BadDerivativeRule(title, span, hint=hint, secondary=places, expected=expected, found=found))


# ---------------------------------------------------------------- the function


def function_of(context: Context, path: ast.Dotted) -> Signature | None:
    """The signature of the function that `of=` names."""
    symbol = find_symbol(context, path, report=False)
    if symbol is not None and symbol.kind == "function":
        return context.signature_of(symbol.name)
    owner = find_symbol(context, ast.Dotted(path.parts[:-1], span=path.span), report=False) if len(path.parts) > 1 else None
    if owner is not None and owner.kind in ("record", "sum", "type"):
        hint = "let the method call a function of the file's top, and give that one the rule"
        return refuse(context, f"`{path.text}` is a method, and rules are for functions at the top of a file", path.span, hint)
    if path.text in SURFACE:
        return refuse(context, f"`{path.text}` is an operation of the language, and has its derivative", path.span,
                      "rules are for functions at the top of a file: write one that calls it")
    hint = errors.suggest(path.text, context.world.visible(context.module))
    return refuse(context, f"`{path.text}` is no function at the top of a file", path.span, hint)


def has_rule(context: Context, of: Signature, span: Span) -> bool:
    """Whether a rule for the function can mean something: it is a `fn`, changes nothing, and has a derivative."""
    if of.is_proc:
        refuse(context, f"`{of.short}` is a proc, and only a `fn` has a derivative", span, of=of)
        return False
    changed = next((one for one in of.parameters if one.inout), None)
    if changed is not None:
        hint = "give the rule to a function that returns the new value"
        title = f"`{of.short}` changes its argument `{changed.name}`, and a rule is for a function that changes nothing"
        refuse(context, title, span, hint, of)
        return False
    if tangent(of.returns) == UNIT:
        refuse(context, f"`{of.short}` gives {article(of.returns)}, which has no derivative", span, of=of)
        return False
    if not active(of):
        refuse(context, f"no parameter of `{of.short}` has a derivative", span, of=of)
        return False
    return True


def active(of: Signature) -> list[ParameterInfo]:
    """The parameters that a cotangent comes back to."""
    return [one for one in of.parameters if tangent(one.type) != UNIT]


# ---------------------------------------------------------------- what the rule takes


def same_parameters(context: Context, signature: Signature, of: Signature) -> bool:
    if len(signature.parameters) != len(of.parameters):
        takes = errors.plural(len(of.parameters), "parameter")
        missing = [f"`{one.name}`" for one in of.parameters[len(signature.parameters):]]
        hint = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing" if missing else SHAPE
        title = f"the rule of `{of.short}` takes {errors.plural(len(signature.parameters), 'parameter')}, and `{of.short}` takes {takes}"
        refuse(context, title, signature.span, hint, of)
        return False
    kinds = [[one.kind for one in each.generics] for each in (signature, of)]
    if kinds[0] != kinds[1]:
        title = f"the parameters of types and sizes of this rule aren't those of `{of.short}`"
        refuse(context, title, signature.span, f"write them as `{of.short}` has them: {generics(of)}", of)
        return False
    renamed = corresponding(signature, of)
    for mine, other in zip(signature.parameters, of.parameters, strict=True):
        wanted = substitute(other.type, *renamed)
        if mine.inout:
            refuse(context, f"the rule of `{of.short}` changes its argument `{mine.name}`: a rule changes nothing", mine.span, of=of)
            return False
        if mine.type != wanted and not isinstance(mine.type, ErrorType):
            theirs = f"`{other.name}` of `{of.short}` is {article(wanted)}"
            title = f"the parameter `{mine.name}` of this rule is {article(mine.type)}, and {theirs}"
            refuse(context, title, mine.span, SHAPE, of, show(wanted), show(mine.type))
            return False
    return True


def generics(of: Signature) -> str:
    if not of.generics:
        return "it has none"
    return f"<{', '.join(one.name if one.kind in ('size', 'any') else f'{one.name}: {one.kind}' for one in of.generics)}>"


def corresponding(signature: Signature, of: Signature) -> tuple[Mapping[str, Size], Mapping[str, Type]]:
    """The rule's names for the sizes and types of its function; an int parameter names a size, too."""
    pairs = list(zip(of.generics, signature.generics, strict=True))
    sizes = {theirs.name: Size.variable(mine.name) for theirs, mine in pairs if mine.is_size}
    for mine, theirs in zip(signature.parameters, of.parameters, strict=True):
        if mine.size and theirs.size:
            sizes[theirs.size] = Size.variable(mine.size)
    return sizes, {theirs.name: TypeVariable(mine.name, mine.kind) for theirs, mine in pairs if not mine.is_size}


# ---------------------------------------------------------------- what the rule returns


def same_result(context: Context, signature: Signature, of: Signature) -> bool:
    renamed = corresponding(signature, of)
    result, returns = substitute(of.returns, *renamed), signature.returns
    tangents = tuple(tangent(substitute(one.type, *renamed)) for one in active(of))
    back: Type = tangents[0] if len(tangents) == 1 else TupleType(tangents)
    wanted = TupleType((result, FunctionType((tangent(result),), back)))
    if returns == wanted or isinstance(returns, ErrorType):
        return True
    refuse(context, fault(returns, wanted, of), signature.span, SHAPE, of, show(wanted), show(returns))
    return False


def fault(returns: Type, wanted: TupleType, of: Signature) -> str:
    """What is wrong with the type of a rule's result, in its first part that is."""
    result, pullback = wanted.items
    assert isinstance(pullback, FunctionType)
    if not isinstance(returns, TupleType) or len(returns.items) != 2:
        return f"the rule of `{of.short}` returns {article(returns)}, and not a pair: the result and its pullback"
    mine, back = returns.items
    if mine != result:
        return f"the rule of `{of.short}` returns {article(mine)} first, and `{of.short}` returns {article(result)}"
    if not isinstance(back, FunctionType):
        return f"the rule of `{of.short}` returns {article(back)} second, and not its pullback: a function of the cotangent"
    if back.parameters != pullback.parameters:
        given = article(back.parameters[0]) if len(back.parameters) == 1 else errors.plural(len(back.parameters), "argument")
        return f"the pullback takes {given}, and the cotangent of what `{of.short}` returns is {article(pullback.parameters[0])}"
    names = " and ".join(f"`{one.name}`" for one in active(of))
    return f"the pullback gives {article(back.result)}, and the tangents of {names} are {article(pullback.result)}"


def as_path(node: ast.Expr) -> ast.Dotted | None:
    match node:
        case ast.Name(text):
            return ast.Dotted((ast.Identifier(text, span=node.span),), span=node.span)
        case ast.Attribute(value, name):
            inner = as_path(value)
            return ast.Dotted((*inner.parts, name), span=node.span) if inner is not None else None
    return None


# ---------------------------------------------------------------- all rules of a program


def check_one_each(functions: Iterable[typed.Function], diagnostics: Diagnostics) -> None:
    """A function has at most one rule."""
    known: dict[str, typed.Function] = {}
    for one in functions:
        if one.rule_of is None:
            continue
        first = known.setdefault(one.rule_of, one)
        if first is not one:
            short = one.rule_of.rpartition(".")[2]
            places = (Label(first.span, "the other one"),)
            diagnostics.add(errors.BadDerivativeRule(f"`{short}` has two rules for its derivative", one.span, secondary=places))
