"""Functions as values: references to declared functions, constructors, callable records, unapplied methods.

What isn't a plain reference is a lambda around a call, made from syntax and checked like the user's own.
"""

from __future__ import annotations

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context
from dynlang.check.declarations.kinds import has_kind, kind_hint, kind_words
from dynlang.check.declarations.world import Generic, Signature, Symbol, show
from dynlang.check.expressions.simple import given
from dynlang.check.fitting.fit import in_f64, unknowns_inside
from dynlang.check.fitting.guards import guarded
from dynlang.check.fitting.solve import Solver, has_hole, rename, type_variables
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import F32, FunctionType, IndexType, RecordType, ScalarType, Size, SumType, Type, substitute


class Use:
    """One use of a generic declaration: fresh unknowns for its parameters, and what they turn out to be.

    `given`: sizes that int arguments are; they are solved like the others, and passed as the arguments alone."""

    def __init__(self, context: Context, generics: tuple[Generic, ...], given: tuple[Generic, ...] = ()):
        self.generics = generics
        self.unsolved_size: Size | None = None
        self.given = given
        context.uses += 1
        self.names = {one.name: f"{one.name}'{context.uses}" for one in (*generics, *given)}
        self.kinds = {one.name: one.kind for one in generics if not one.is_size}
        self.solver = Solver(
            {self.names[one.name]: None for one in (*generics, *given) if one.is_size},
            {self.names[one.name]: None for one in generics if not one.is_size},
        )
        self.by_literals: set[str] = set()
        """The type parameters that literals have told, by their names here: their floats may be f64."""
        self.written: set[str] = set()
        """The type parameters that numbers written down have solved, by their names here."""

    def rename(self, kind: Type) -> Type:
        return rename(self.names, kind, self.kinds) if self.names else kind

    def wider(self, pattern: FunctionType) -> list[Solver]:
        """What may be known instead, where a function that is passed for the pattern doesn't fit what is known."""
        types = self.solver.types
        found: list[Solver] = []
        if any(isinstance(types.get(one.name), IndexType) for one in type_variables(pattern.result)):
            found.append(self.solver.copy())
            found[-1].widen()
        literal = self.by_literals & {one.name for one in type_variables(pattern)}
        double = {name: in_f64(kind) for name in literal if (kind := types.get(name)) is not None}
        if any(kind != types[name] for name, kind in double.items()):
            found.append(self.solver.copy())
            found[-1].types.update(double)
        return found

    def type_arguments(self) -> tuple[Type, ...]:
        return tuple(self.solver.types[self.names[one.name]] or ERROR for one in self.generics if not one.is_size)

    def size_arguments(self) -> tuple[Size, ...]:
        return tuple(self.solver.sizes[self.names[one.name]] or Size(()) for one in self.generics if one.is_size)

    def arguments(self) -> tuple[Type | Size, ...]:
        """All arguments in the order of the declaration."""
        return tuple(
            (self.solver.sizes[self.names[one.name]] or Size(())) if one.is_size else (self.solver.types[self.names[one.name]] or ERROR)
            for one in self.generics
        )

    def declared_default(self, name: str) -> Type | None:
        """The type that a number written down has for a type parameter with a default of its own: ``rate: R`` where ``R: float = f64``."""
        for one in self.generics:
            if self.names[one.name] == name and self.solver.types[name] is None and isinstance(one.default, ScalarType):
                return one.default if one.default != F32 else None
        return None

    def finish(self, context: Context, what: str, span: Span) -> bool:
        """Defaults for what is open; reports what nothing determines. True if all is known and of the right kind."""
        for one in self.generics:
            name = self.names[one.name]
            if not one.is_size and self.solver.types[name] is None and one.default is not None and not isinstance(one.default, (Size,)):
                self.solver.types[name] = self.solver.resolve(self.rename(one.default))  # type: ignore[arg-type]
        for one in (*self.generics, *self.given):
            name = self.names[one.name]
            if one.is_size and self.solver.sizes[name] is None:
                context.report(self.size_error(one, what, span))
                return False
            if not one.is_size and self.solver.types[name] is None:
                context.report(
                    errors.CannotInfer(
                        f"the type `{one.name}` of {what} can't be inferred from this use",
                        span,
                        hint="say which type is wanted: `let x: T = ...`",
                    )
                )
                return False
            found = self.solver.types.get(name)
            if found is not None and not has_kind(found, one.kind, context.world):
                title = f"`{one.name}` of {what} must be {kind_words(one.kind)}, and is `{show(found)}`"
                context.report(errors.WrongKind(title, span, hint=kind_hint(found, one.kind)))
                return False
        return True

    def size_error(self, one: Generic, what: str, span: Span) -> errors.SizeNotInferred:
        broken = self.solver.unsolvable(self.names[one.name])
        shown = {name: key for key, name in self.names.items()}
        if broken is not None:
            pattern = broken.pattern.substitute(lambda name: Size.variable(shown[name]) if name in shown else None)
            self.unsolved_size = broken.actual
            return errors.SizeNotInferred(f"no size `{one.name}` of {what} fits: {pattern} = {broken.actual} has no solution", span)
        return errors.SizeNotInferred(
            f"the size `{one.name}` of {what} can't be inferred from this use",
            span,
            hint="say which type is wanted: `let x: T = ...`, or cast the argument with `as`",
        )


# ---------------------------------------------------------------- references


def function_value(context: Context, signature: Signature, node: ast.Expr, hint: Type | None) -> typed.Expression:
    """A declared function as a value, its parameters solved from the function type that is asked for."""
    if signature.is_proc:
        return context.fail(
            errors.NotAValue(f"`{signature.short}` is a proc, and procs are no values", node.span, hint="make it a `fn`, or call it here")
        )
    if signature.captures:
        return eta(context, node, signature.type if not signature.generics else hint, node.span)
    use = Use(context, signature.generics)
    kind = use.rename(signature.type)
    if isinstance(hint, FunctionType):
        if len(hint.parameters) != len(signature.parameters) and defaults_from(signature, len(hint.parameters)):
            return eta(context, node, hint, node.span)
        if not use.solver.match(kind, hint) and len(hint.parameters) != len(signature.parameters):
            return context.fail(
                errors.WrongArity(
                    f"`{signature.short}` takes {errors.plural(len(signature.parameters), 'argument')}, "
                    f"and a function of {len(hint.parameters)} is needed",
                    node.span,
                    expected=show(hint),
                )
            )
    if isinstance(hint, FunctionType) and not has_hole(hint) and any(map(unknowns_inside, hint.parameters)):
        return eta(context, node, hint, node.span)  # each call opens sizes of its own
    if not use.finish(context, f"`{signature.short}`", node.span):
        return typed.Literal(ERROR, node.span, 0)
    found = typed.FunctionReference(use.solver.resolve(kind), node.span, signature.name, use.type_arguments(), use.size_arguments())
    return guarded(context, found, use.size_arguments())


def defaults_from(signature: Signature, count: int) -> bool:
    """Whether a function can be called with its first `count` parameters alone."""
    return count < len(signature.parameters) and all(one.default is not None for one in signature.parameters[count:])


def constructor_value(context: Context, symbol: Symbol, node: ast.Expr, hint: Type | None) -> typed.Expression:
    """A constructor without payload as its value; with payload as a function."""
    sum_name, _, name = symbol.name.partition("#")
    info = context.world.sums[sum_name]
    found = info.constructor(name)
    assert found is not None
    if found.fields:
        if isinstance(hint, FunctionType):
            return eta(context, node, hint, node.span)
        if not info.generics:
            return eta(context, node, FunctionType(tuple(one.type for one in found.fields), info.type), node.span)
        return context.fail(errors.WrongArity(f"`{name}` takes {errors.plural(len(found.fields), 'argument')}", node.span))
    use = Use(context, info.generics)
    if isinstance(hint, SumType):
        use.solver.match(use.rename(info.type), hint)
    if not use.finish(context, f"`{name}`", node.span):
        return typed.Literal(ERROR, node.span, 0)
    return typed.Construct(SumType(info.name, use.arguments()), node.span, name, ())


def eta(context: Context, function: ast.Expr, wanted: Type | None, span: Span) -> typed.Expression:
    """``function`` as the lambda ``(a, b) => function(a, b)``."""
    if not isinstance(wanted, FunctionType):
        return context.fail(
            errors.CannotInfer(
                "the types of this function's parameters can't be inferred here", span, hint="write a lambda with types: `(x: f32) => ...`"
            )
        )
    names = [ast.Identifier(f"argument_{position}", span=span) for position in range(len(wanted.parameters))]
    lends = [mode == "inout" for mode in wanted.modes or ("value",) * len(names)]
    arguments = tuple(ast.Argument(None, ast.Name(name.text, span=span), lend, span=span) for name, lend in zip(names, lends, strict=True))
    body = ast.Call(function, arguments, span=span)
    return context.infer(ast.Lambda(tuple(ast.Param(name, span=span) for name in names), body, span=span), wanted)


def as_function(context: Context, value: typed.Expression, wanted: FunctionType) -> typed.Expression | None:
    """A callable record, or a function with a finer type, as a function of the wanted type."""
    if "call" in context.world.methods(value.type) and not has_hole(wanted):
        with context.trial() as found:
            eta(context, given(value), wanted, value.span)
        return None if found.errors else eta(context, given(value), wanted, value.span)
    if (
        isinstance(value.type, FunctionType)
        and len(value.type.parameters) == len(wanted.parameters)
        and not has_hole(wanted)
        and value.type != wanted
    ):
        from dynlang.check.fitting.fit import is_subtype, packs

        fits = all(is_subtype(theirs, ours) for ours, theirs in zip(value.type.parameters, wanted.parameters, strict=True))
        if fits and packs(value.type.result, wanted.result) and not value.type.modes and not wanted.modes:
            return eta(context, given(value), wanted, value.span)
    return None


def callable_type(context: Context, value: typed.Expression) -> FunctionType | None:
    """The function type of a value that can be called, where it is known without its arguments."""
    if isinstance(value.type, FunctionType):
        return value.type
    if isinstance(value.type, (RecordType, SumType)):
        named = value.type.name
        info = context.world.records[named] if isinstance(value.type, RecordType) else context.world.sums[named]
        name = info.methods.get("call")
        if name is None:
            return None
        signature = context.world.signatures[name]
        if len(signature.generics) > len(info.generics):
            return None
        sizes = {one.name: a for one, a in zip(info.generics, value.type.arguments, strict=True) if isinstance(a, Size)}
        types = {one.name: a for one, a in zip(info.generics, value.type.arguments, strict=True) if not isinstance(a, Size)}
        kind = FunctionType(tuple(one.type for one in signature.parameters[1:]), signature.returns)
        found = substitute(kind, sizes, types)  # type: ignore[arg-type]
        return found if isinstance(found, FunctionType) else None
    return None
