"""``match``: nested patterns compiled to a tree of one-level decisions, and the cases that are left out.

The rows of a matrix are the cases; its columns the values still to look at. The first column that decides anything in
the first row is split on; a row whose patterns are all names is a leaf. Where no row is left, a case is missing, and the
path to that place spells its pattern.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dynlang.check import errors, typed
from dynlang.check.context import Context
from dynlang.check.declarations.typenames import bindings, find_symbol, put
from dynlang.check.declarations.world import ConstructorInfo, SumInfo
from dynlang.check.expressions.arithmetic import condition
from dynlang.check.expressions.logic import compare
from dynlang.check.fitting.casts import checked_cast
from dynlang.check.fitting.fit import article, fitting
from dynlang.check.fitting.opening import declare_opened, read_once
from dynlang.check.messages import rewrites
from dynlang.check.statements.lending import Loan, Split, before_leaving, bind_lent, lend_subject, returned
from dynlang.diag import Diagnostic, Label, LimitReached, NotBuilt, replacing
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import BOOL, ErrorType, Size, SumType, TupleType, Type, size_variables

LEAF_LIMIT = 20_000
"""More leaves than this mean a match whose cases overlap without measure."""


@dataclass(frozen=True, slots=True)
class Column:
    """A value still to look at, and where it stands in the pattern that a missing case would have."""

    local: typed.Local
    path: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A case: the patterns still to match, one for each column, and the names bound so far."""

    patterns: tuple[ast.Pattern, ...]
    names: tuple[tuple[ast.Identifier, typed.Local], ...]
    case: int


def unreachable(node: ast.Match, position: int) -> Diagnostic:
    """A case for nothing: a slip if one case above names the same alternative, else harmless (`_:` behind all alternatives)."""
    pattern = node.cases[position].pattern
    if isinstance(pattern, (ast.AlternativePattern, ast.NamePattern)) and pattern.path.parts[-1].text[0].isupper():
        for above in node.cases[:position]:
            if above.guard is None and covers(above.pattern, pattern):
                name = pattern.path.text
                taken = (Label(above.pattern.span, "taken here"),)
                title = f"a case above takes every `{name}` that this one could"
                hint = "leave this one out, or give the one above a guard: `if ...`"
                repairs = rewrites.without_lines(node.cases[position].span, "leave the case out")
                return errors.RepeatedCase(title, pattern.span, secondary=taken, hint=hint, repairs=repairs)
    return errors.UnreachableCase("the cases above take everything that this one could", pattern.span)


def covers(pattern: ast.Pattern, other: ast.Pattern) -> bool:
    """Whether a pattern matches all that another one matches, by its spelling.

    ``Leaf(_)`` covers ``Leaf(0)``; a name that begins with a small letter covers everything."""
    match pattern, other:
        case ast.NamePattern(path), _ if not path.parts[-1].text[0].isupper():
            return True
        case ast.NamePattern(path), ast.NamePattern(same):
            return path.parts[-1].text == same.parts[-1].text
        case ast.AlternativePattern(path, items), ast.AlternativePattern(same, others):
            named = any(isinstance(one, ast.NamedPattern) for one in (*items, *others))
            return (
                path.parts[-1].text == same.parts[-1].text and not named and len(items) == len(others)
                and all(covers(one, two) for one, two in zip(items, others, strict=True))  # type: ignore[arg-type]
            )
        case ast.EitherPattern(options), _:
            return any(covers(one, other) for one in options)
    return pattern == other


WILD = ast.NamePattern(ast.Dotted((ast.Identifier("_"),)))


class Compiler:
    """One `match` being compiled."""

    def __init__(self, context: Context, node: ast.Match, loan: Loan | None = None):
        self.context = context
        self.node = node
        self.loan = loan
        self.splits: dict[typed.Local, Split] = {}
        """How the values on the way to the case at hand were taken apart."""
        self.whole: typed.Local | None = None
        self.used: set[int] = set()
        self.leaves = 0
        self.missing: list[str] = []

    # ---------------------------------------------------------------- the tree

    def compile(self, columns: tuple[Column, ...], rows: tuple[Row, ...], shape: dict[tuple[int, ...], str]) -> tuple[typed.Statement, ...]:
        """The statements that pick the first row that matches."""
        if not rows:
            self.missing.append(spell((), shape))
            return ()
        rows = tuple(self.named(row, columns) for row in rows)
        first = rows[0]
        column = next((k for k, pattern in enumerate(first.patterns) if not is_wild(pattern)), None)
        if column is None:
            return self.leaf(first, columns, rows[1:], shape)
        pattern = first.patterns[column]
        if isinstance(pattern, ast.TuplePattern):
            return self.split_tuple(columns, rows, column, shape)
        if isinstance(pattern, ast.LiteralPattern):
            return self.split_literal(columns, rows, column, shape)
        return self.split_sum(columns, rows, column, shape)

    def leaf(
        self, row: Row, columns: tuple[Column, ...], rest: tuple[Row, ...], shape: dict[tuple[int, ...], str]
    ) -> tuple[typed.Statement, ...]:
        """All of the row's patterns match: its guard decides, or its body runs."""
        self.leaves += 1
        if self.leaves > LEAF_LIMIT:
            raise LimitReached(f"a match whose cases overlap in more than {LEAF_LIMIT:,} ways", self.node.span,
                               hint="match one value first, and the others inside of its cases")
        case = self.node.cases[row.case]
        self.used.add(row.case)
        with self.context.scope():
            found: list[typed.Statement] = []
            variables: dict[typed.Local, typed.Local] = {}
            bindings: list[typed.Binding] = []
            for name, local in row.names:
                if self.loan is not None:
                    variables[local], binding = bind_lent(self.context, name, local)
                    found += binding
                else:
                    declare_opened(self.context, name, typed.LocalReference(local.type, name.span, local), bindings)
            found += [typed.Bind(one) for one in bindings]
            if case.guard is None:
                return (*found, *self.body(case, variables))
            test = condition(self.context, case.guard, "a guard")
            body = self.body(case, variables)
        return (*found, typed.If(test, body, self.compile(columns, rest, shape), case.span))

    def body(self, case: ast.Case, variables: dict[typed.Local, typed.Local]) -> tuple[typed.Statement, ...]:
        """The statements of a case. A place that was taken apart is put together again even where nothing changed: so no case
        needs the old value, and the parts have one owner in those that change them."""
        assert self.context.body is not None
        body = self.context.body(self.context, case.body)
        if self.loan is None or not (variables or self.splits):
            return body
        assert self.whole is not None
        back = returned(self.loan, self.whole, self.splits, variables)
        return (*before_leaving(self.context, body, back), *back)

    def named(self, row: Row, columns: tuple[Column, ...]) -> Row:
        """Names of variables become bindings, and match anything."""
        patterns, names = list(row.patterns), list(row.names)
        for position, pattern in enumerate(patterns):
            if (
                isinstance(pattern, ast.NamePattern)
                and not is_wild(pattern)
                and self.constructor(pattern.path, columns[position].local.type) is None
            ):
                names.append((pattern.path.parts[0], columns[position].local))
                patterns[position] = WILD
        return replace(row, patterns=tuple(patterns), names=tuple(names))

    def split_tuple(
        self, columns: tuple[Column, ...], rows: tuple[Row, ...], column: int, shape: dict[tuple[int, ...], str]
    ) -> tuple[typed.Statement, ...]:
        at = columns[column]
        assert isinstance(at.local.type, TupleType)
        parts = tuple(Column(self.context.temporary("part", kind), (*at.path, k)) for k, kind in enumerate(at.local.type.items))
        wide = tuple(replace(row, patterns=spliced(row.patterns, column, items_of(row.patterns[column], len(parts)))) for row in rows)
        binding = typed.Binding(
            tuple(one.local for one in parts), typed.LocalReference(at.local.type, self.node.subject.span, at.local), self.node.subject.span
        )
        self.splits[at.local] = Split(at.local.type, "", tuple(one.local for one in parts))
        rest = self.compile(spliced(columns, column, parts), wide, {**shape, at.path: f"({len(parts)})"})
        del self.splits[at.local]
        return (typed.Bind(binding), *rest)

    def split_literal(
        self, columns: tuple[Column, ...], rows: tuple[Row, ...], column: int, shape: dict[tuple[int, ...], str]
    ) -> tuple[typed.Statement, ...]:
        """Each literal of the column is tested in turn, with the rows that have it or a name there; then come the names' rows."""
        at, rest = columns[column], spliced(columns, column, ())
        values = {literal_value(row.patterns[column]): row.patterns[column] for row in reversed(rows) if not is_wild(row.patterns[column])}
        wild = [position for position, row in enumerate(rows) if is_wild(row.patterns[column])]
        own: dict[object, list[int]] = {}
        for position, row in enumerate(rows):
            own.setdefault(literal_value(row.patterns[column]), []).append(position)
        done = tuple(replace(row, patterns=spliced(row.patterns, column, ())) for row in rows)
        tested: list[tuple[typed.Expression, tuple[typed.Statement, ...], Span]] = []
        order = sorted(values, key=lambda value: own[value][0])
        for value in order:
            pattern = values[value]
            kept = tuple(done[position] for position in sorted((*own[value], *wild)))
            body = self.compile(rest, kept, {**shape, at.path: pattern.span.text})
            tested.append((self.literal_test(at, pattern), body, pattern.span))
        if set(order) == {True, False} and at.local.type == BOOL:
            otherwise = tested.pop()[1]
        else:
            left = {**shape, at.path: ("false" if True in values else "true") if at.local.type == BOOL else "_"}
            otherwise = self.compile(rest, tuple(done[position] for position in wild), left)
        for test, body, span in reversed(tested):
            otherwise = (typed.If(test, body, otherwise, span),)
        return otherwise

    def literal_test(self, at: Column, pattern: ast.Pattern) -> typed.Expression:
        assert isinstance(pattern, ast.LiteralPattern)
        reference = typed.LocalReference(at.local.type, pattern.span, at.local)
        if at.local.type == BOOL:
            return reference if pattern.value.value is True else typed.Primitive(BOOL, pattern.span, "logical_not", (reference,))
        literal = self.context.infer(pattern.value, at.local.type)  # type: ignore[arg-type]
        return compare(self.context, "==", reference, fitting(self.context, literal, at.local.type) or literal, pattern.span, pattern.span)

    def split_sum(
        self, columns: tuple[Column, ...], rows: tuple[Row, ...], column: int, shape: dict[tuple[int, ...], str]
    ) -> tuple[typed.Statement, ...]:
        """One arm for each constructor that a row names; the others go on together."""
        at = columns[column]
        kind = at.local.type
        assert isinstance(kind, SumType)
        info = self.context.world.sums[kind.name]
        heads: dict[str | None, list[int]] = {}
        for position, row in enumerate(rows):
            heads.setdefault(self.head(row.patterns[column], kind), []).append(position)
        wild = heads.get(None, [])
        arms: list[typed.Arm] = []
        for constructor in info.constructors:
            if constructor.name not in heads:
                continue
            kinds = payload_types(info, constructor, kind)
            parts = tuple(
                Column(self.context.temporary(field.name, one), (*at.path, k))
                for k, (field, one) in enumerate(zip(constructor.fields, kinds, strict=True))
            )
            kept = tuple(
                replace(row, patterns=spliced(row.patterns, column, self.payload(row.patterns[column], constructor)))
                for row in (rows[position] for position in sorted((*heads[constructor.name], *wild)))
            )
            text = f"{constructor.name}({len(parts)})" if parts else constructor.name
            told, bindings = self.told(constructor, kind, parts)
            self.splits[at.local] = Split(kind, constructor.name, tuple(one.local for one in parts))
            body = self.compile(spliced(columns, column, told), kept, {**shape, at.path: text})
            del self.splits[at.local]
            if locals_in(body) & {local for binding in bindings for local in binding.locals}:
                body = (*map(typed.Bind, bindings), *body)
            used = locals_in(body)
            arms.append(typed.Arm(constructor.name, tuple(one.local if one.local in used else None for one in parts), body))
        others = [one.name for one in info.constructors if one.name not in heads]
        otherwise: tuple[typed.Statement, ...] | None = None
        if others:
            rest = tuple(replace(rows[position], patterns=spliced(rows[position].patterns, column, ())) for position in wild)
            first = next(one for one in info.constructors if one.name == others[0])
            text = f"{first.name}({len(first.fields)})" if first.fields else first.name
            otherwise = self.compile(spliced(columns, column, ()), rest, {**shape, at.path: text})
        reference = typed.LocalReference(kind, self.node.subject.span, at.local)
        return (typed.Match(reference, tuple(arms), otherwise, self.node.span),)

    def told(
        self, constructor: ConstructorInfo, kind: SumType, parts: tuple[Column, ...]
    ) -> tuple[tuple[Column, ...], list[typed.Binding]]:
        """The fields over the sizes that their constructor names: the first that mentions one gives it."""
        if not constructor.sizes:
            return parts, []
        if self.loan is not None:
            raise NotBuilt("`match &...` where fields share a size", self.node.span)
        context = self.context
        info = context.world.sums[kind.name]
        sizes, types = bindings(info.generics, kind.arguments)
        for one in constructor.sizes:
            text = f"a size of `{constructor.name}`, known when it runs"
            sizes[one.name] = Size.variable(context.fresh_size(one.name, text, self.node.subject.span))
        columns: list[Column] = []
        found: list[typed.Binding] = []
        new = {one.name: size for one in constructor.sizes if isinstance(size := sizes[one.name], Size)}
        for field, part in zip(constructor.fields, parts, strict=True):
            if field.told is None:
                columns.append(part)
                continue
            reference = typed.LocalReference(part.local.type, field.span, part.local)
            opened = {name: size for name, size in new.items() if name in size_variables(field.told)}
            value = checked_cast(context, context.open(reference, f"`{field.name}`"), put(field.told, sizes, types), field.span, opened)
            new = {name: size for name, size in new.items() if name not in opened}
            local = context.temporary(field.name, value.type)
            found.append(typed.Binding((local,), value, field.span))
            columns.append(Column(local, part.path))
        return tuple(columns), found

    # ---------------------------------------------------------------- patterns

    def constructor(self, path: ast.Dotted, kind: Type) -> ConstructorInfo | None:
        """The alternative that a path names, for a value of this type."""
        if not isinstance(kind, SumType):
            return None
        info = self.context.world.sums[kind.name]
        if len(path.parts) > 1:
            symbol = find_symbol(self.context, path)
            sum_name, _, name = symbol.name.partition("#") if symbol is not None and symbol.kind == "constructor" else ("", "", "")
            return info.constructor(name) if sum_name == info.name else None
        return info.constructor(path.text)

    def head(self, pattern: ast.Pattern, kind: SumType) -> str | None:
        """The constructor that a pattern asks for; None if any will do."""
        if isinstance(pattern, (ast.NamePattern, ast.AlternativePattern)) and not is_wild(pattern):
            found = self.constructor(pattern.path, kind)
            return found.name if found is not None else None
        return None

    def payload(self, pattern: ast.Pattern, constructor: ConstructorInfo) -> tuple[ast.Pattern, ...]:
        """The patterns of a constructor's fields, in order."""
        found: list[ast.Pattern] = [WILD] * len(constructor.fields)
        if isinstance(pattern, ast.AlternativePattern):
            for position, item in enumerate(pattern.items):
                if isinstance(item, ast.NamedPattern):
                    index = next(k for k, field in enumerate(constructor.fields) if field.name == item.name.text)
                    found[index] = item.pattern
                else:
                    found[position] = item
        return tuple(found)


def payload_types(info: SumInfo, constructor: ConstructorInfo, kind: SumType) -> tuple[Type, ...]:
    return tuple(put(field.type, *bindings(info.generics, kind.arguments)) for field in constructor.fields)


def spliced(items: tuple, position: int, new: tuple) -> tuple:
    """
    >>> spliced((1, 2, 3), 1, (7, 8))
    (1, 7, 8, 3)
    """
    return (*items[:position], *new, *items[position + 1 :])


def is_wild(pattern: ast.Pattern) -> bool:
    return isinstance(pattern, ast.NamePattern) and pattern.path.text == "_"


def literal_value(pattern: ast.Pattern) -> object:
    return pattern.value.value if isinstance(pattern, ast.LiteralPattern) else None


def items_of(pattern: ast.Pattern, count: int) -> tuple[ast.Pattern, ...]:
    return pattern.items if isinstance(pattern, ast.TuplePattern) else (WILD,) * count


def field_names(context: Context, kind: Type, pattern: str) -> str:
    """The pattern of a missing case as one would write it: ``Node(left, right)`` for ``Node(_, _)``."""
    name, bracket, inside = pattern.partition("(")
    info = context.world.sums.get(kind.name) if isinstance(kind, SumType) else None
    found = info.constructor(name) if info is not None else None
    if not bracket or found is None or set(inside) - set("_, )"):
        return pattern
    return f"{name}({', '.join(one.name for one in found.fields)})"


def spell(path: tuple[int, ...], shape: dict[tuple[int, ...], str]) -> str:
    """The pattern of a missing case, from what is known at each place."""
    text = shape.get(path, "_")
    head, bracket, count = text.partition("(")
    if not bracket:
        return text
    return f"{head}({', '.join(spell((*path, k), shape) for k in range(int(count[:-1])))})"


def locals_in(statements: tuple[typed.Statement, ...]) -> set[typed.Local]:
    """The variables that statements read."""
    from dynlang.check.walk import references

    return references(statements)


# ---------------------------------------------------------------- well-formed patterns


def expand(context: Context, pattern: ast.Pattern) -> list[ast.Pattern]:
    """``A(x) | B(x)`` at any depth as several patterns."""
    match pattern:
        case ast.EitherPattern(options):
            return [one for option in options for one in expand(context, option)]
        case ast.AlternativePattern(_, items):
            variants: list[tuple] = [()]
            for item in items:
                inner = item.pattern if isinstance(item, ast.NamedPattern) else item
                choices = [replace(item, pattern=one) if isinstance(item, ast.NamedPattern) else one for one in expand(context, inner)]
                variants = [(*variant, one) for variant in variants for one in choices]
            return [replace(pattern, items=variant) for variant in variants]
        case ast.TuplePattern(items):
            variants = [()]
            for item in items:
                variants = [(*variant, one) for variant in variants for one in expand(context, item)]
            return [replace(pattern, items=variant) for variant in variants]
    return [pattern]


def well_formed(compiler: Compiler, pattern: ast.Pattern, kind: Type, names: dict[str, Span]) -> bool:
    """Whether a pattern can match values of a type; reports if not."""
    context = compiler.context
    if isinstance(kind, ErrorType):
        return False
    match pattern:
        case ast.NamePattern(path):
            return name_fits(compiler, path, kind, names)
        case ast.EitherPattern(options):
            sets = []
            for option in options:
                own: dict[str, Span] = {}
                if not well_formed(compiler, option, kind, own):
                    return False
                sets.append(set(own))
                names |= own
            if any(one != sets[0] for one in sets):
                context.report(errors.BadPattern("the options of `|` bind the same names", pattern.span))
                return False
            return True
        case ast.TuplePattern(items):
            if not isinstance(kind, TupleType) or len(kind.items) != len(items):
                context.report(errors.BadPattern(f"a tuple of {len(items)} can't match {article(kind)}", pattern.span))
                return False
            fits = [well_formed(compiler, item, one, names) for item, one in zip(items, kind.items, strict=True)]
            return all(fits)
        case ast.LiteralPattern(value):
            literal = context.infer(value, kind)  # type: ignore[arg-type]
            if fitting(context, literal, kind) is None and literal.type != kind:
                context.report(errors.BadPattern(f"{article(literal.type)} can't match {article(kind)}", pattern.span))
                return False
            return True
        case ast.AlternativePattern():
            return alternative_fits(compiler, pattern, kind, names)
    return False


def name_fits(compiler: Compiler, path: ast.Dotted, kind: Type, names: dict[str, Span]) -> bool:
    context, name = compiler.context, path.text
    found = compiler.constructor(path, kind)
    if found is not None:
        if found.fields:
            fields = ", ".join("_" for _ in found.fields)
            written = f"{path.text}({fields})"
            title = f"`{name}` has {errors.plural(len(found.fields), 'field')}"
            repairs = (replacing(f"write `{written}`", path.span, written),)
            context.report(errors.BadPattern(title, path.span, hint=f"write `{written}`", repairs=repairs))
            return False
        return True
    if len(path.parts) > 1 or (name[0].isupper() and isinstance(kind, SumType)):
        info = context.world.sums.get(kind.name) if isinstance(kind, SumType) else None
        known = [one.name for one in info.constructors] if info else []
        context.report(errors.misspelled(errors.BadPattern(f"{article(kind)} has no alternative `{name}`", path.span), name, known))
        return False
    if name in names:
        context.report(errors.DuplicateName(f"`{name}` is bound twice in one pattern", path.span))
        return False
    if name != "_":
        names[name] = path.span
    return True


def alternative_fits(compiler: Compiler, pattern: ast.AlternativePattern, kind: Type, names: dict[str, Span]) -> bool:
    context, name = compiler.context, pattern.path.text
    found = compiler.constructor(pattern.path, kind)
    if found is None:
        info = context.world.sums.get(kind.name) if isinstance(kind, SumType) else None
        known = [one.name for one in info.constructors] if info else []
        unknown = errors.BadPattern(f"{article(kind)} has no alternative `{name}`", pattern.span)
        context.report(errors.misspelled(unknown, name, known, at=pattern.path.span))
        return False
    assert isinstance(kind, SumType)
    kinds = payload_types(context.world.sums[kind.name], found, kind)
    positional = [item for item in pattern.items if not isinstance(item, ast.NamedPattern)]
    known = [field.name for field in found.fields]
    if len(pattern.items) > len(known) or (len(positional) != len(known) and len(positional) == len(pattern.items)):
        context.report(
            errors.BadPattern(
                f"`{name}` has {errors.plural(len(known), 'field')}, and the pattern names {len(pattern.items)}",
                pattern.span,
                hint=f"its fields are {', '.join(f'`{one}`' for one in known)}" if known else "write it without brackets",
            )
        )
        return False
    fine = True
    for position, item in enumerate(pattern.items):
        index, inner = position, item
        if isinstance(item, ast.NamedPattern):
            if item.name.text not in known:
                unknown = errors.BadPattern(f"`{name}` has no field `{item.name.text}`", item.name.span)
                context.report(errors.misspelled(unknown, item.name.text, known))
                return False
            index, inner = known.index(item.name.text), item.pattern
        fine = well_formed(compiler, inner, kinds[index], names) and fine  # type: ignore[arg-type]
    return fine


# ---------------------------------------------------------------- the statement


def check_match_statement(context: Context, node: ast.Match) -> list[typed.Statement]:
    """`match` as decisions of one level each; reports a case that is left out or never reached."""
    before: list[typed.Statement] = []
    loan: Loan | None = None
    if node.borrow:
        lent = lend_subject(context, node)
        loan, before, subject = lent if lent is not None else (None, [], typed.Literal(ErrorType(), node.subject.span, 0))
    else:
        subject = read_once(context, node.subject, lambda: context.infer(node.subject))
    compiler = Compiler(context, node, loan)
    rows: list[Row] = []
    fine = not isinstance(subject.type, ErrorType)
    for position, case in enumerate(node.cases):
        names: dict[str, Span] = {}
        if not well_formed(compiler, case.pattern, subject.type, names):
            fine = False
            with context.scope():
                for name, span in names.items():
                    context.declare(name, ErrorType(), span)
            continue
        rows += [Row((one,), (), position) for one in expand(context, case.pattern)]
    if not fine:
        return [typed.Evaluate(typed.Literal(ErrorType(), node.span, 0)), typed.Missing(node.span)]
    if isinstance(subject, typed.LocalReference) and not subject.local.mutable:
        local = subject.local
    else:
        local = context.temporary("subject", subject.type)
        before.append(typed.Bind(typed.Binding((local,), subject, subject.span)))
    compiler.whole = local
    found = compiler.compile((Column(local, ()),), tuple(rows), {})
    if compiler.missing:
        missing = list(dict.fromkeys(compiler.missing))
        shown = ", ".join(f"`{one}`" for one in missing[:3])
        last = node.cases[-1]
        repairs = rewrites.with_cases(last.span, last.span.column - 1, [field_names(context, subject.type, one) for one in missing[:10]])
        hint = "add a case for it, or `_:` for all others"
        context.report(errors.NotExhaustive(f"the match leaves out {shown}", node.subject.span, hint=hint, repairs=repairs))
    for position in range(len(node.cases)):
        if position not in compiler.used:
            context.report(unreachable(node, position))
    return [*before, *found]
