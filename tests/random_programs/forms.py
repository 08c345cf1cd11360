# ruff: noqa: E501
"""The forms that random expressions of each type take: arithmetic, the array language, text, functions."""

from __future__ import annotations

from random_programs import types as t
from random_programs.expressions import NUMBERS, UNARY, Choice, Expressions, Name, Scope
from random_programs.types import BOOL, F64, INT, STR, Arr, Data, Fun, Idx, Num, Size, Str, Tup, Type

ONE, TWO = Size.number(1), Size.number(2)


class Forms(Expressions):
    """`special` dispatches on the type; each form is a weight and what writes it."""

    def special(self, scope: Scope, kind: Type, d: int, known: bool) -> list[Choice]:
        match kind:
            case Num("bool"):
                return self.bools(scope, d)
            case Num() if kind.is_float:
                return self.floats(scope, kind, d, known)
            case Num():
                return self.ints(scope, kind, d)
            case Idx(size):
                return self.indices(scope, size, d)
            case Str():
                return self.texts(scope, d)
            case Arr() if kind.is_open:
                return self.opens(scope, kind, d)
            case Arr():
                return self.arrays(scope, kind, d, known)
            case Tup(items):
                return [(3, lambda: f"({', '.join(self.e(scope, one, d, known) for one in items)})")]
            case Fun():
                return self.functions(scope, kind, d, known)
            case Data("List", (item,)):
                assert not isinstance(item, Size)
                return self.lists(scope, item, d, known)
            case Data():
                return [(4, lambda: self.construct(scope, kind, d, known))]
        return []

    # -- numbers

    def arithmetic(self, scope: Scope, kind: Type, d: int, known: bool) -> str:
        number = kind.element if isinstance(kind, Arr) else kind
        assert isinstance(number, Num)
        left = self.e(scope, kind, d, known and number.is_float and not isinstance(kind, Arr))
        if number.is_float:
            right = self.pick.choice(NUMBERS) if self.chance(0.25) else self.e(scope, kind if self.chance(0.7) else number, d, False)
            if self.chance(0.1):
                return f"({left} / (1.5 + sin({right})))" if right not in NUMBERS else f"({left} / 2.0)"
            return f"({left} {self.one('+', '-', '*', '*')} {right})"
        right = str(self.pick.randint(0, 9)) if self.chance(0.3) else self.e(scope, kind, d, False)
        if self.chance(0.2):
            return f"({left} {self.one('//', '%')} {self.one('3', '5', '2')})"
        return f"({left} {self.one('+', '-', '*')} {right})"

    def source(self, scope: Scope, element: Num, d: int) -> tuple[str, Type]:
        """Something that has numbers of a kind in it, to reduce."""
        kind = t.array(element, *[self.small_size() for _ in range(self.pick.choice((1, 1, 1, 2)))])
        return self.e(scope, kind, d, False), kind

    def reduced(self, scope: Scope, kind: Num, d: int, name: str) -> str:
        text, _ = self.source(scope, kind, d)
        return f"{name}({text})"

    def over(self, scope: Scope, kind: Num, d: int, name: str, body: str = "{}") -> str:
        """A reduction of a comprehension, perhaps with a guard."""
        size = self.small_size()
        if self.chance(0.5):
            header, inner, _ = self.axes(scope, [size] if self.chance(0.7) else [size, self.small_size()])
        else:
            element = self.pick.choice((F64, kind, INT))
            u = self.fresh("y")
            over = self.e(scope, t.array(element, size), d, False)
            inner, header = scope.closed(Name(u, element)), f"{u} in {over}"
            if self.chance(0.25):
                i = self.fresh("j")
                inner, header = inner.closed(Name(i, INT)), f"{i}, {u} in enumerate({over})"
        guard = f" if {self.e(inner, BOOL, d)}" if self.chance(0.3) and name in ("sum", "prod", "count", "any", "all") else ""
        return f"{name}({body.format(self.e(inner, kind, d, False))} for {header}{guard})"

    def floats(self, scope: Scope, kind: Num, d: int, known: bool) -> list[Choice]:
        e = self.e
        wide = kind.dtype in ("f64", "f32")
        choices: list[Choice] = [
            (4, lambda: self.arithmetic(scope, kind, d, known)),
            (2, lambda: f"{self.one('max', 'min')}({e(scope, kind, d, known)}, {e(scope, kind, d, known)})"),
            (2, lambda: f"{kind}({e(scope, self.pick.choice((t.F64, t.F32, Num('f16'), Num('bf16'))), d, False)})"),
            (1, lambda: f"{kind}({e(scope, INT, d)} % 7) * 0.25"),
            (1, lambda: f"{kind}({e(scope, self.pick.choice((Num('i8'), Num('u8'), Num('i16'), Num('i32'))), d, False)}) * 0.0625"),
            (1, lambda: f"{kind}({e(scope, BOOL, d)})"),
        ]
        if wide:
            choices += [
                (4, lambda: self.pick.choice(UNARY).format(e(scope, kind, d, known))),
                (3, lambda: self.reduced(scope, kind, d, self.one("mean", "max", "min", "logsumexp"))),
                (2, lambda: f"tanh({self.over(scope, kind, d, 'sum')})"),
                (1, lambda: f"tanh({self.over(scope, kind, d, 'prod', '(1.0 + 0.1 * {})')})"),
                (1, lambda: self.over(scope, kind, d, self.one("max", "min", "mean", "logsumexp"))),
                (2, lambda: self.dot(scope, kind, d)),
                (1, lambda: f"sum({self.source(scope, kind, d)[0]}) ** 2"),
            ]
        if kind == F64:
            choices += [(1, lambda: self.contraction(scope, d))]
        return choices

    def dot(self, scope: Scope, kind: Num, d: int) -> str:
        size = self.small_size()
        one = t.array(kind, size)
        return f"tanh({self.e(scope, one, d, False)} @ {self.e(scope, one, d, False)})"

    def contraction(self, scope: Scope, d: int) -> str:
        """A sum whose ranges are inferred from use."""
        held = [
            one
            for one in self.places(scope, deep=1)
            if isinstance(one.type, Arr)
            and one.type.element == F64
            and not one.type.is_open
            and one.text.isidentifier()
            and len(one.type.shape) == 2
        ]
        if not held:
            return self.over(scope, F64, d, "mean")
        one = self.pick.choice(held)
        assert isinstance(one.type, Arr)
        i, j = self.fresh("j"), self.fresh("j")
        rows, columns = one.type.known
        v = self.hoisted_name(scope, t.array(F64, columns))
        w = self.hoisted_name(scope, t.array(F64, rows))
        guard = f" if {i} != {self.pick.randrange(3)}" if self.chance(0.3) else ""
        if self.chance(0.5):
            return f"tanh(sum({one.text}[{i}, {j}] * {v}[{j}] * {w}[{i}] for {i}, {j}{guard}))"
        return f"tanh(sum([tanh(sum({one.text}[{i}, {j}] * {v}[{j}] for {j})) for {i}] * {w}))"

    def hoisted_name(self, scope: Scope, kind: Type) -> str:
        held = [one.text for one in scope.names if one.type == kind]
        return self.pick.choice(held) if held else self.hoisted(kind)

    def ints(self, scope: Scope, kind: Num, d: int) -> list[Choice]:
        e = self.e
        choices: list[Choice] = [
            (4, lambda: self.arithmetic(scope, kind, d, False)),
            (2, lambda: f"{self.one('max', 'min')}({e(scope, kind, d, False)}, {e(scope, kind, d, False)})"),
            (1, lambda: f"abs({e(scope, kind, d, False)})" if kind.dtype != "u8" else e(scope, kind, d, False)),
            (2, lambda: f"{kind}({e(scope, self.pick.choice((INT, Num('i8'), Num('u8'), Num('i16'), Num('i32'))), d, False)})"),
            (1, lambda: f"{kind}({e(scope, BOOL, d)})"),
            (1, lambda: f"{kind}(3.0 * tanh({e(scope, F64, d, False)}))" if kind.dtype != "u8" else f"{kind}({e(scope, INT, d)})"),
            (1, lambda: self.reduced(scope, kind, d, self.one("sum", "max", "min", "prod"))),
            (1, lambda: self.over(scope, kind, d, self.one("sum", "prod"))),
        ]
        if kind == INT:
            choices += [
                (1, lambda: f"len({self.source(scope, F64, d)[0]})"),
                (1, lambda: str(self.small_size())),
                (2, lambda: f"count({e(scope, t.array(BOOL, self.small_size()), d)})"),
                (1, lambda: self.over(scope, BOOL, d, "count")),
                (2, lambda: f"int({self.one('argmax', 'argmin')}({e(scope, t.array(F64, self.small_size()), d, False)}))"),
                (1, lambda: f"len({e(scope, self.pick.choice((STR, t.array(F64, None), t.list_of(INT))), d, False)})"),
                (1, lambda: f"({e(scope, INT, d)} ** {self.pick.randint(0, 3)})"),
            ]
        return choices

    def indices(self, scope: Scope, size: Size, d: int) -> list[Choice]:
        return [
            (2, lambda: f"{self.one('argmax', 'argmin')}({self.e(scope, t.array(F64, size), d, False)})"),
            (3, lambda: f"({self.e(scope, INT, d)}) % {size.operand}"),
        ]

    def bools(self, scope: Scope, d: int) -> list[Choice]:
        e = self.e
        small = (INT, Num("i8"), Num("u8"), F64, t.F32)
        return [
            (2, lambda: f"({e(scope, F64, d, False)} {self.one('<', '>')} {self.pick.choice(NUMBERS)})"),
            (2, lambda: self.compared(scope, self.pick.choice(small), d)),
            (2, lambda: f"({e(scope, INT, d)} % {self.pick.randint(2, 3)} == {self.pick.randint(0, 2)})"),
            (2, lambda: f"({e(scope, BOOL, d)} {self.one('and', 'or')} {e(scope, BOOL, d)})"),
            (1, lambda: f"(not {e(scope, BOOL, d)})"),
            (1, lambda: f"{self.one('any', 'all')}({e(scope, t.array(BOOL, self.small_size()), d)})"),
            (1, lambda: self.over(scope, BOOL, d, self.one("any", "all"))),
            (1, lambda: f"({e(scope, STR, d)} {self.one('==', '!=', '<')} {e(scope, STR, d)})"),
            (1, lambda: f"({self.pick.randint(-3, 2)} <= {e(scope, INT, d)} < {self.pick.randint(3, 9)})"),
        ]

    def compared(self, scope: Scope, kind: Num, d: int) -> str:
        operator = self.one("<", ">", "<=", ">=") if kind.is_float else self.one("<", ">", "==", "!=", "<=", ">=")
        return f"({self.e(scope, kind, d, False)} {operator} {self.e(scope, kind, d, False)})"

    # -- text, lists, functions

    def texts(self, scope: Scope, d: int) -> list[Choice]:
        e = self.e
        shown = (INT, BOOL, STR, Num("u8"), t.array(INT, Size.name("n")), Tup((INT, STR)), Data("Option", (INT,)), Data("Color"))
        return [
            (2, lambda: f"({e(scope, STR, d)} + {e(scope, STR, d)})"),
            (3, lambda: f'f"<{{{self.held_or(scope, self.pick.choice(shown))}}}|{{{self.held_or(scope, INT)}:4d}}>"'),
            (1, lambda: f"str({e(scope, INT, d)})"),
            (1, lambda: f"({e(scope, STR, d)}).{self.one('upper()', 'strip()', 'repeat(2)', 'lower()')}"),
            (1, lambda: f'"{self.one(",", "-")}".join({e(scope, t.list_of(STR), d)})'),
            (1, lambda: f'f"{{{self.held_or(scope, F64)}:.2f}}"'),
        ]

    def held_or(self, scope: Scope, kind: Type) -> str:
        """A name for use in an f-string."""
        held = [one for one in self.held(scope, kind) if '"' not in one]
        return self.pick.choice(held) if held else self.hoisted(kind)

    def lists(self, scope: Scope, item: Type, d: int, known: bool) -> list[Choice]:
        choices: list[Choice] = (
            [(2, lambda: f"listed({self.e(scope, array_of(item, self.small_size()), d, False)})")] if not isinstance(item, Fun) else []
        )
        if known:
            choices.append((2, lambda: f"[{', '.join(self.e(scope, item, d) for _ in range(self.pick.randint(1, 3)))}]"))
        return choices

    def functions(self, scope: Scope, kind: Fun, d: int, known: bool) -> list[Choice]:
        choices: list[Choice] = [(3, lambda: self.function(scope, kind, d, known))]
        if kind == Fun((F64,), F64):
            choices += [(2, lambda: self.one("sin", "tanh", "cos", "sigmoid")), (2, lambda: f"adder({self.e(scope, F64, d)})")]
        if len(kind.parameters) == 1 and known:
            middle = self.small_type()
            choices.append(
                (
                    1,
                    lambda: (
                        f"compose({self.function(scope, Fun(kind.parameters, middle), d, False)}, {self.function(scope, Fun((middle,), kind.result), d, False)})"
                    ),
                )
            )
        named = [
            one
            for one in self.world.functions
            if not one.owner
            and not one.kinds
            and not one.lends
            and one.result == kind.result
            and tuple(parameter.type for parameter in one.parameters) == kind.parameters
        ]
        choices += [(1, lambda one=one: one.name) for one in named]
        return choices

    # -- arrays

    def opens(self, scope: Scope, kind: Arr, d: int) -> list[Choice]:
        """Arrays of an unknown number of items."""
        if len(kind.shape) > 1 or not isinstance(kind.element, Num):
            return []
        e, element = self.e, kind.element
        fixed = t.array(element, self.small_size())
        u = self.fresh("y")
        inner = scope.closed(Name(u, element))
        choices: list[Choice] = [
            (3, lambda: f"[{e(inner, element, d, False)} for {u} in {e(scope, fixed, d, False)} if {e(inner, BOOL, d)}]"),
            (1, lambda: f"concat({e(scope, kind, d, False)}, {e(scope, fixed, d, False)})"),
            (1, lambda: f"[{e(inner, element, d, False)} for {u} in {e(scope, kind, d, False)}]"),
        ]
        held = [one.text for one in scope.names if isinstance(one.type, Arr) and one.type.element == element and len(one.type.shape) == 1]
        if held:
            whole = self.pick.choice(held)  # it may be empty: recursion hands on parts of it
            choices.append((2, lambda: f"{whole}[:len({whole}) // {self.one('1', '2')}]"))
        return choices

    def arrays(self, scope: Scope, kind: Arr, d: int, known: bool) -> list[Choice]:
        choices: list[Choice] = [(4, lambda: self.comprehension(scope, kind, d, known)), (2, lambda: self.each(scope, kind, d, known))]
        element, shape = kind.element, kind.known
        if isinstance(element, Num):
            choices += self.number_arrays(scope, kind, d, known)
        if isinstance(element, Fun):
            return choices[:1]
        if len(shape) == 1:
            choices += self.rows(scope, kind, d, known)
        if shape[0].constant is not None and 0 < shape[0].constant <= 3:
            rest: Type = Arr(element, shape[1:]) if shape[1:] else element
            choices.append((2, lambda: f"[{', '.join(self.e(scope, rest, d, known) for _ in range(shape[0].constant or 0))}]"))
        choices.append((1, lambda: self.gathered(scope, kind, d)))
        return choices

    def each(self, scope: Scope, kind: Arr, d: int, known: bool) -> str:
        """A comprehension over the items of other arrays."""
        size, rest = kind.known[0], kind.known[1:]
        wanted: Type = Arr(kind.element, rest) if rest else kind.element
        one, two = self.pick.choice((F64, self.small_type(), wanted)), self.pick.choice((F64, INT))
        if isinstance(one, Fun | Tup):
            one = F64
        u, w = self.fresh("y"), self.fresh("w")
        first = self.e(scope, array_of(one, size), d, False)
        form = self.pick.randrange(4)
        if form == 0:
            inner, header = (
                scope.closed(Name(u, one), Name(w, two)),
                f"{u}, {w} in zip({first}, {self.e(scope, t.array(two, size), d, False)})",
            )
        elif form == 1:
            inner, header = scope.closed(Name(u, one), Name(w, INT)), f"{w}, {u} in enumerate({first})"
        elif form == 2:
            inner, header = scope.closed(Name(u, one)), f"{u} in reversed({first})"
        else:
            inner, header = scope.closed(Name(u, one)), f"{u} in {first}"
        return f"[{self.e(inner, wanted, d, known)} for {header}]"

    def gathered(self, scope: Scope, kind: Arr, d: int) -> str:
        """Items of another array, by an array of indices."""
        size = self.small_size()
        return f"taken({self.e(scope, Arr(kind.element, (size, *kind.known[1:])), d, False)}, {self.e(scope, t.array(Idx(size), kind.known[0]), d, False)})"

    def number_arrays(self, scope: Scope, kind: Arr, d: int, known: bool) -> list[Choice]:
        e, element, shape = self.e, kind.element, kind.known
        assert isinstance(element, Num)
        if element == BOOL:
            numbers = Arr(F64, shape)
            return [
                (2, lambda: f"({e(scope, numbers, d, False)} {self.one('<', '>')} {e(scope, self.pick.choice((F64, numbers)), d, False)})"),
                (1, lambda: f"({e(scope, kind, d)} {self.one('and', 'or')} {e(scope, kind, d)})"),
                (1, lambda: f"(not {e(scope, kind, d)})"),
            ]
        choices: list[Choice] = [
            (4, lambda: self.arithmetic(scope, kind, d, known)),
            (1, lambda: f"{element}({self.other(scope, kind, d)})"),
        ]
        if element.dtype in ("f64", "f32"):
            choices.append((3, lambda: self.pick.choice(UNARY).format(e(scope, kind, d, known))))
            choices.append((1, lambda: f"({e(scope, kind, d, False)} {self.one('+', '*', '-')} {e(scope, element, d, False)})"))
            if len(shape) > 1:
                choices.append(
                    (2, lambda: f"({e(scope, kind, d, False)} {self.one('+', '*', '-')} {e(scope, Arr(element, shape[1:]), d, False)})")
                )
        if len(shape) == 2:
            choices += self.matrices(scope, kind, d)
        if len(shape) == 1 and element == F64:
            choices += self.vectors(scope, shape[0], d)
        extra = self.pick.choice((Size.name("n"), Size.name("m"), TWO))
        axis = self.pick.randint(0, len(shape))
        longer = Arr(element, (*shape[:axis], extra, *shape[axis:]))
        if len(shape) < 3 and element.dtype != "bf16":
            choices.append(
                (
                    1,
                    lambda: (
                        f"{self.one('sum', 'max', 'min')}({e(scope, longer, d, False)}, axis={axis if self.chance(0.7) else axis - len(shape) - 1})"
                    ),
                )
            )
            choices.append((1, lambda: f"{self.summed(scope, kind, extra, d)}"))
        return choices

    def summed(self, scope: Scope, kind: Arr, size: Size, d: int) -> str:
        """A sum of arrays over a range."""
        header, inner, _ = self.axes(scope, [size])
        guard = f" if {self.e(inner, BOOL, d)}" if self.chance(0.3) else ""
        text = f"sum({self.e(inner, kind, d, False)} for {header}{guard})"
        return f"tanh({text})" if kind.element in (F64, t.F32) else text

    def other(self, scope: Scope, kind: Arr, d: int) -> str:
        """Numbers of another type, in bounds that all types have."""
        assert isinstance(kind.element, Num)
        if kind.element.is_float:
            element = self.pick.choice((F64, t.F32, Num("f16"), Num("bf16"), Num("i8"), BOOL))
            return self.e(scope, Arr(element, kind.shape), d, False)
        element = self.pick.choice((INT, Num("i32"), Num("i16"), Num("u8"), Num("i8"), BOOL))
        return self.e(scope, Arr(element, kind.shape), d, False)

    def matrices(self, scope: Scope, kind: Arr, d: int) -> list[Choice]:
        e, (rows, columns) = self.e, kind.known
        element = kind.element
        assert isinstance(element, Num)
        choices: list[Choice] = [
            (1, lambda: f"transpose({e(scope, t.array(element, columns, rows), d, False)})"),
            (1, lambda: f"reshape({e(scope, t.array(element, rows * columns), d, False)}, {rows}, {columns})"),
        ]
        if rows.constant in (2, 3):
            choices.append(
                (1, lambda: f"stack({', '.join(e(scope, t.array(element, columns), d, False) for _ in range(rows.constant or 0))})")
            )
        if element.dtype in ("f64", "f32"):
            inner = self.pick.choice((Size.name("n"), Size.name("m")))
            choices.append(
                (
                    1,
                    lambda: (
                        f"tanh({e(scope, t.array(element, rows, inner), d, False)} @ {e(scope, t.array(element, inner, columns), d, False)})"
                    ),
                )
            )
            choices.append(
                (1, lambda: f"outer({e(scope, t.array(element, rows), d, False)}, {e(scope, t.array(element, columns), d, False)})")
            )
        return choices

    def vectors(self, scope: Scope, size: Size, d: int) -> list[Choice]:
        """Vectors of f64: products, softmax, gradients."""
        e, kind = self.e, t.array(F64, size)
        extra = self.pick.choice((Size.name("n"), Size.name("m"), Size.number(3)))
        choices: list[Choice] = [
            (1, lambda: f"tanh({e(scope, t.array(F64, size, extra), d, False)} @ {e(scope, t.array(F64, extra), d, False)})"),
            (1, lambda: f"tanh({e(scope, t.array(F64, extra), d, False)} @ {e(scope, t.array(F64, extra, size), d, False)})"),
            (1, lambda: f"softmax({e(scope, kind, d, False)})"),
            (1, lambda: f"mean({e(scope, t.array(F64, size, extra), d, False)}, axis=1)"),
            (
                1,
                lambda: (
                    f"scatter_add({e(scope, kind, d, False)}, {e(scope, t.array(Idx(size), extra), d, False)}, {e(scope, t.array(F64, extra), d, False)})"
                ),
            ),
        ]
        if self.derivatives and scope.depth < 3:
            choices.append((2, lambda: self.gradient(scope, size, d)))
        return choices

    derivatives = True

    def gradient(self, scope: Scope, size: Size, d: int) -> str:
        """The gradient of a function that certainly depends on its argument."""
        self.derivatives = False
        z = self.fresh("z")
        kind = t.array(F64, size)
        inner = scope.closed(Name(z, kind))
        body = f"tanh(sum({z} * {self.e(inner, kind, d, False)})) + 0.25 * sum(sin({z}))"
        at = self.e(scope, kind, d, False)
        text = f"grad(({z}: {kind}) => {body})({at})"
        if self.chance(0.25):
            text = f"hvp(({z}: {kind}) => {body}, {at}, {self.e(scope, kind, d, False)})"
        self.derivatives = True
        return text

    def rows(self, scope: Scope, kind: Arr, d: int, known: bool) -> list[Choice]:
        """One axis: reversed, cut out of something longer, joined from shorter ones."""
        e, size = self.e, kind.known[0]
        element = kind.element
        choices: list[Choice] = [
            (1, lambda: f"{self.named(scope, t.array(element, size + ONE))}[{self.one('1:', ':-1')}]"),
            (1, lambda: f"{self.named(scope, t.array(element, size * TWO))}[{self.one('::2', '1::2')}]"),
        ]
        if isinstance(element, Num):
            choices.append((1, lambda: f"reverse({e(scope, kind, d, False)})"))
            if len(size.terms) > 1 and all(factor > 0 for _, factor in size.terms):
                left, right = Size(size.terms[:1]), Size(size.terms[1:])
                choices.append(
                    (2, lambda: f"concat({e(scope, t.array(element, left), d, False)}, {e(scope, t.array(element, right), d, False)})")
                )
            if len(size.terms) == 1 and len(size.terms[0][0]) == 2:
                a, b = map(Size.name, size.terms[0][0])
                a = a * Size.number(size.terms[0][1])
                choices.append((2, lambda: f"reshape({e(scope, t.array(element, a, b), d, False)}, {size})"))
            half = size.divided(2)
            if half is not None:
                choices.append(
                    (2, lambda: f"concat({e(scope, t.array(element, half), d, False)}, {e(scope, t.array(element, half), d, False)})")
                )
        return choices

    def named(self, scope: Scope, kind: Type) -> str:
        """A name, where an expression would be hard to read."""
        return self.hoisted_name(scope, kind)


def array_of(item: Type, *shape: Size) -> Arr:
    """An array of items, which may be arrays."""
    return Arr(item.element, (*shape, *item.shape)) if isinstance(item, Arr) else Arr(item, shape)
