"""Whole random programs: `program(7)` is Dyn with the functions `run`, `loss`, `slopes` and `forward`."""

from __future__ import annotations

from random_programs import types as t
from random_programs.expressions import Name, Scope
from random_programs.statements import Statements
from random_programs.types import F64, INT, Arr, Data, Fun, Idx, Num, Size, Str, Tup, Type
from random_programs.vocabulary import Function, Parameter, Record, Sum, used, vocabulary

N, M = Size.name("n"), Size.name("m")
ENTRY = (Name("x", t.array(F64, N)), Name("w", t.array(F64, M)), Name("a", t.array(F64, N, M)), Name("s", F64), Name("k", INT))
PARAMETERS = ", ".join(f"{one.text}: {one.type}" for one in ENTRY)
SHOWN = 4


class Program(Statements):
    """Declares types and functions of its own, then `run`, whose first result is differentiated and whose second is text."""

    def __init__(self, seed: int, tag: str = "", small: bool = False) -> None:
        super().__init__(seed, vocabulary().copy(), tag)
        self.small = small
        self.own: list[str] = []
        self.mine: list[tuple[Function, tuple[Type, ...], bool]] = []
        self.digests: dict[Type, str] = {}
        self.extra: list[str] = []

    # -- declarations

    def declared(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}{self.tag}"

    def declare_record(self) -> None:
        name = self.declared("R")
        fields = []
        for _ in range(self.pick.randint(1, 4)):
            kind = self.random_type(1)
            default = self.literal(Scope(), kind) if isinstance(kind, Num | Str) and self.chance(0.3) else ""
            fields.append((Parameter(self.fresh("p"), kind, default=bool(default)), default))
        fields.sort(key=lambda one: one[0].default)
        generics = tuple(sorted(set().union(*(t.sizes_in(one.type) for one, _ in fields)) & {"n", "m"}))
        self.write(f"record {name}{self.generics(generics)}:")
        for one, default in fields:
            self.write(f"    {one.name}: {one.type}{f' = {default}' if default else ''}")
        self.write("")
        self.world.records[name] = Record(name, generics, tuple(one for one, _ in fields))
        self.own.append(name)

    def declare_sum(self) -> None:
        name = self.declared("S")
        constructors = [
            (self.declared("C"), [self.random_type(1) for _ in range(self.pick.randint(0, 2))]) for _ in range(self.pick.randint(2, 4))
        ]
        generics = tuple(sorted(set().union(*(t.sizes_in(kind) for _, kinds in constructors for kind in kinds)) & {"n", "m"}))
        own = Data(name, tuple(Size.name(one) for one in generics))
        if self.chance(0.5):
            constructors.append((self.declared("C"), [own, self.pick.choice((F64, own, INT))]))
        self.write(f"type {name}{self.generics(generics)}:")
        made = []
        for constructor, kinds in constructors:
            fields = tuple(Parameter(self.fresh("p"), kind) for kind in kinds)
            listed = ", ".join(f"{one.name}: {one.type}" for one in fields)
            self.write(f"    {constructor}({listed})" if fields else f"    {constructor}")
            made.append((constructor, fields))
        self.write("")
        self.world.sums[name] = Sum(name, generics, tuple(made))
        self.own.append(name)

    @staticmethod
    def generics(names: tuple[str, ...]) -> str:
        return f"<{', '.join(names)}>" if names else ""

    def declare_function(self) -> None:
        name = self.declared("do")
        kinds = [t.array(F64, N), t.array(F64, M), *(self.random_type() for _ in range(self.pick.randint(1, 3)))]
        parameters = tuple(Parameter(self.fresh("p"), kind, lent=not isinstance(kind, Fun | Idx) and self.chance(0.2)) for kind in kinds)
        fuelled = self.chance(0.3)
        results: tuple[Type, ...] = (F64, *(self.result_type() for _ in range(self.pick.randint(0, 2))))
        scope = Scope([Name(one.name, one.type, one.lent) for one in parameters])
        shown = [f"{one.name}: {'inout ' if one.lent else ''}{one.type}" for one in parameters] + (["fuel: int = 1"] if fuelled else [])
        result = f"({', '.join(map(str, results))})" if len(results) > 1 else str(results[0])
        self.results, self.budget, self.calls = results, self.pick.randint(1, 2) if self.small else self.pick.randint(2, 5), True
        function = Function(name, (), parameters, None)
        with self.block(f"fn {name}<n, m>({', '.join(shown)}) -> {result}:"):
            if fuelled:
                self.write("let k = fuel")
                scope.add(Name("k", INT))
                with self.block("if fuel <= 0:"):
                    self.leave(scope.inner())
            else:
                self.write(f"let k = {self.pick.randint(-1, 5)}")
                scope.add(Name("k", INT))
            if self.statements(scope, self.budget):
                if fuelled:
                    self.recurse(scope, function, results)
                self.leave(scope)
        self.write("")
        if not any(one.lent for one in parameters) and len(results) == 1 and not fuelled:
            self.world.functions.append(Function(name, (), parameters, results[0]))
        self.mine.append((function, results, fuelled))

    def recurse(self, scope: Scope, function: Function, results: tuple[Type, ...]) -> None:
        lent = [one.name for one in function.parameters if one.lent]
        inner = scope.without(*lent)
        parts = [f"&{one.name}" if one.lent else self.value(inner, one.type, 1, not t.sizes_in(one.type)) for one in function.parameters]
        names = [self.fresh("v") for _ in results]
        self.write(f"let {', '.join(names)} = {function.name}({', '.join([*parts, 'fuel - 1'])})")
        for name, kind in zip(names, results, strict=True):
            scope.add(Name(name, kind))

    def result_type(self) -> Type:
        """What a function may give: no function, no index."""
        while True:
            kind = self.random_type()
            if not any(isinstance(part, Fun) for part in t.parts(kind)):
                return kind

    # -- digests: a float of any value

    def digest(self, kind: Type, text: str) -> str:
        """An expression of f64 in which all floats of a value take part."""
        match kind:
            case Num("f64"):
                return f"tanh({text})"
            case Num("bool"):
                return f"f64({text})"
            case Num() if kind.is_float:
                return f"tanh(f64({text}))"
            case Num() | Idx():
                return f"f64({text} % 7) * 0.1" if isinstance(kind, Idx) or kind.dtype == "int" else f"f64({text}) * 0.001"
            case Str():
                return f"f64(len({text})) * 0.01"
            case Arr(Num() as element, _):
                return f"tanh(sum(f64({text}) * {'0.1' if element.is_float else '0.001'}))" if element != F64 else f"tanh(sum(sin({text})))"
            case Arr(element, shape):
                u = self.fresh("y")
                rest: Type = Arr(element, shape[1:]) if shape[1:] else element
                return f"tanh(sum({self.digest(rest, u)} for {u} in {text}))"
            case Fun(parameters, result):
                scope = Scope([Name("x", t.array(F64, N))])
                return self.digest(result, f"{text}({', '.join(self.literal(scope, one) for one in parameters)})")
        return f"{self.digest_function(kind)}({text}, x, w)"

    def digest_function(self, kind: Type) -> str:
        if kind in self.digests:
            return self.digests[kind]
        name = self.digests[kind] = self.declared("digest")
        lines = [f"fn {name}<n, m>(v: {kind}, x: f64[n], w: f64[m]) -> f64:"]
        match kind:
            case Tup(items):
                names = [self.fresh("d") for _ in items]
                lines += [
                    f"    let {', '.join(names)} = v",
                    "    return " + " + ".join(self.digest(one, text) for one, text in zip(items, names, strict=True)),
                ]
            case Data("List", (item,)):
                assert not isinstance(item, Size)
                u = self.fresh("y")
                lines.append(f"    return tanh(sum({self.digest(item, u)} for {u} in v))")
            case Data(record, arguments) if record in self.world.records:
                made = self.world.records[record]
                given = dict(zip(made.generics, arguments, strict=True))
                lines.append(
                    "    return " + " + ".join(self.digest(t.substituted(one.type, given), f"v.{one.name}") for one in made.fields)
                )
            case Data(one, arguments):
                made = self.world.sums[one]
                given = dict(zip(made.generics, arguments, strict=True))
                lines.append("    match v:")
                for constructor, fields in made.constructors:
                    names = [self.fresh("d") for _ in fields]
                    parts = [self.digest(t.substituted(field.type, given), text) for field, text in zip(fields, names, strict=True)]
                    pattern = f"{constructor}({', '.join(names)})" if names else constructor
                    lines += [f"        {pattern}:", f"            return {' + '.join(['0.25', *(f'0.5 * {one}' for one in parts)])}"]
        self.extra += [*lines, ""]
        return name

    # -- the whole

    def entry(self) -> None:
        """`run` gives a float, a text, and up to four values as they are."""
        scope = Scope(list(ENTRY))
        self.results, self.calls = (), True
        self.budget = self.pick.randint(1, 3) if self.small else self.pick.randint(2, 6)
        with self.block(f"fn run{self.tag}<n, m>({PARAMETERS}) -> (f64, str, f64[n], int):"):
            self.do_call(scope)
            self.statements(scope, self.budget)
            if not self.small:
                self.do_call(scope)
            seen = list(scope.names[len(ENTRY) :])[-6:]
            parts = [self.digest(one.type, one.text) for one in seen] or ["s"]
            self.write("var total = 0.0 * s")
            for part in parts:
                self.write(f"total += {part}")
            shown = [
                one.text
                for one in seen
                if not any(isinstance(part, Fun) for part in t.parts(one.type))
                and "Gate" not in str(one.type)
                and not any(own in str(one.type) for own in self.own)
            ]
            self.write('let text = f"' + "; ".join(f"{{{text}}}" for text in shown) + '"')
            vector, number = self.value(scope, t.array(F64, N), 2), self.value(scope, INT, 2)
            self.write(f"return tanh(total) + 0.01 * (sum(x * x) + sum(w * w) + sum(a * a) + s * s), text, {vector}, {number}")
        self.write("")

    def text(self) -> str:
        for _ in range(self.pick.randint(0, 1 if self.small else 2)):
            (self.declare_record if self.chance(0.5) else self.declare_sum)()
        for _ in range(1 if self.small else self.pick.randint(1, 2)):
            self.declare_function()
        self.entry()
        return "\n".join([*self.extra, *self.lines])


DERIVED = f"""
fn loss@<n, m>({PARAMETERS}) -> f64:
    let value, _, v, _ = run@(x, w, a, s, k)
    return value + 0.1 * sum(sin(v))

fn slopes@<n, m>({PARAMETERS}) -> (f64[n], f64[m], f64[n, m], f64):
    return grad(loss@, wrt=(0, 1, 2, 3))(x, w, a, s, k)

fn packed@<n, m>(p: (f64[n], f64[m], f64[n, m], f64), k: int) -> f64:
    let x, w, a, s = p
    return loss@(x, w, a, s, k)

fn forward@<n, m>({PARAMETERS}, dx: f64[n], dw: f64[m], da: f64[n, m], ds: f64) -> f64:
    let _, change = jvp(p => packed@(p, k), (x, w, a, s), (dx, dw, da, ds))
    return change
"""

SECOND = f"""
fn slope@<n, m>(p: (f64[n], f64[m], f64[n, m], f64), q: (f64[n], f64[m], f64[n, m], f64), k: int) -> f64:
    let dx, dw, da, ds = grad(p => packed@(p, k))(p)
    let x, w, a, s = q
    return sum(dx * x) + sum(dw * w) + sum(da * a) + ds * s

fn bend@<n, m>({PARAMETERS}, dx: f64[n], dw: f64[m], da: f64[n, m], ds: f64,
               ex: f64[n], ew: f64[m], ea: f64[n, m], es: f64) -> (f64, f64):
    let p, d, e = (x, w, a, s), (dx, dw, da, ds), (ex, ew, ea, es)
    let _, one = jvp(p => slope@(p, e, k), p, d)
    let _, other = jvp(p => slope@(p, d, k), p, e)
    return one, other
"""


def part(seed: int, tag: str = "", small: bool = False, order: int = 2) -> str:
    """The declarations of a seed's program, whose names end in the tag, with what asks for its derivatives up to an order.

    Small programs have about a third of the statements."""
    return Program(seed, tag, small).text() + "".join((DERIVED, SECOND)[:order]).replace("@", tag)


def program(seed: int, tag: str = "", small: bool = False) -> str:
    """The program of a seed, with what it needs of the vocabulary."""
    return together([part(seed, tag, small)])


def together(parts: list[str]) -> str:
    """Several programs in one file."""
    text = "\n".join(parts)
    return used(text) + "\n" + text
