"""What a function argument tells of the numbers beside it, before any argument is checked.

Numbers that are written down adapt: in ``gradcheck(f, [1.0, 2.0])`` they are what `f` takes. Functions are checked last (rule 20),
so their declared parameter types are looked at beforehand, as far as these stand by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dynlang.check.calls.call import module_member
from dynlang.check.context import Context, LocalEntry, NestedEntry
from dynlang.check.declarations.world import Signature
from dynlang.syntax import nodes as ast
from dynlang.types import ArrayType, FunctionType, ListType, ScalarType, Size, TupleType, Type, TypeVariable, Unknown, parts

DERIVED = ("grad", "value_and_grad")
"""Builtins of a function that take what it takes."""


def parameter_numbers(context: Context, node: ast.Expr) -> tuple[Type | None, ...]:
    """For each parameter of a function expression the number type and rank that it is declared with, its sizes left open.

    Of ``fn f<n>(x: f64[n], t: Tree)`` that is ``f64[?]``, None."""
    match node:
        case ast.Lambda(params):
            return tuple(None if one.type is None else numbers(written(context, one.type)) for one in params)
        case ast.Call(ast.Name(name), arguments) if name in DERIVED and arguments and context.find(name) is None:
            return parameter_numbers(context, arguments[0].value)
        case ast.Name(name):
            entry = context.find(name)
            if isinstance(entry, LocalEntry):
                kind = entry.local.type
                return tuple(map(numbers, kind.parameters)) if isinstance(kind, FunctionType) else ()
        case ast.Call(function, arguments):
            return returned_numbers(context, function, arguments)
    signature = declared(context, node)
    return tuple(numbers(one.type) for one in signature.parameters) if signature is not None else ()


def returned_numbers(context: Context, function: ast.Expr, arguments: Sequence[ast.Argument]) -> tuple[Type | None, ...]:
    """The same of the function that a call gives: ``hessian(f)`` takes what `f` takes, by the types in its signature."""
    signature = declared(context, function)
    if signature is None or not isinstance(signature.returns, FunctionType):
        return ()
    known: dict[str, Type] = {}
    for parameter, argument in zip(signature.parameters, arguments, strict=False):
        known = told(context, parameter.type, argument.value) | known
    return tuple(numbers(with_known(one, known)) for one in signature.returns.parameters)


def with_known(kind: Type, known: Mapping[str, Type]) -> Type:
    """A type with the type parameters that are known: T, and the elements of ``T[n]``."""
    if isinstance(kind, TypeVariable):
        return known.get(kind.name, kind)
    if isinstance(kind, ArrayType) and isinstance(kind.element, TypeVariable):
        return ArrayType(known.get(kind.element.name, kind.element), kind.shape)
    return kind


def declared(context: Context, node: ast.Expr) -> Signature | None:
    """The signature, if the expression is the name of a declared function."""
    if isinstance(node, ast.Name):
        entry = context.find(node.text)
        if isinstance(entry, NestedEntry):
            return entry.signature
        symbol = None if entry is not None else context.symbol(node.text)
    elif isinstance(node, ast.Attribute):
        symbol = module_member(context, node)
    else:
        return None
    return context.signature_of(symbol.name) if symbol is not None and symbol.kind == "function" else None


def written(context: Context, node: ast.Type) -> Type | None:
    """A type as it is annotated; what is wrong with it is reported when its lambda is checked."""
    from dynlang.check.declarations.typenames import read_type

    with context.trial() as problems:
        found = read_type(context, node)
    return None if problems.errors else found


def numbers(kind: Type | None) -> Type | None:
    """A number type, an array of one with its sizes left open, or a tuple or list that names no parameters of its function."""
    if isinstance(kind, ScalarType) or (isinstance(kind, (TupleType, ListType)) and is_closed(kind)):
        return kind
    if isinstance(kind, ArrayType) and isinstance(kind.element, ScalarType):
        return ArrayType(kind.element, (Unknown(),) * len(kind.shape))
    return None


def is_closed(kind: Type) -> bool:
    """Whether a type mentions no size and no type that is a parameter."""
    return not isinstance(kind, TypeVariable) and all(
        isinstance(part, Unknown) or (not part.variables() if isinstance(part, Size) else is_closed(part)) for part in parts(kind))


def told(context: Context, pattern: Type, node: ast.Expr) -> dict[str, Type]:
    """What a function passed for a parameter of type `pattern` says of the type parameters in it.

    ``gradcheck<T>(f: T -> R, x: T)``: passing ``fn f(x: f64[3])`` says that T is an ``f64[?]``."""
    if not isinstance(pattern, FunctionType):
        return {}
    found: dict[str, Type] = {}
    for parameter, known in zip(pattern.parameters, parameter_numbers(context, node), strict=False):
        if isinstance(parameter, TypeVariable) and known is not None:
            found.setdefault(parameter.name, known)
        elif isinstance(parameter, ArrayType) and isinstance(parameter.element, TypeVariable) and isinstance(known, ArrayType):
            found.setdefault(parameter.element.name, known.element)
    return found
