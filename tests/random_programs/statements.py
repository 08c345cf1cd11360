# ruff: noqa: E501
"""Random statements: bindings, places, loops, branches, matches, calls that lend."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from random_programs import types as t
from random_programs.expressions import Name, Scope
from random_programs.forms import Forms, array_of
from random_programs.types import BOOL, F64, INT, STR, Arr, Data, Fun, Idx, Num, Size, Str, Tup, Type
from random_programs.vocabulary import Function, Sum

RECURSIVE = ("Tree", "Chain", "Expr")


class Statements(Forms):
    """`statements` writes some, and says whether the end of the block can be reached."""

    results: tuple[Type, ...] = ()
    budget = 0
    small = False

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        self.write(header)
        self.indent += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.write("pass")
        self.indent -= 1

    def value(self, scope: Scope, kind: Type, depth: int = 3, known: bool = True) -> str:
        """What a statement stores. Expressions may put `let` lines before it, which see what the statement sees."""
        self.base = Scope([Name(one.text, one.type) for one in scope.names], False, 3)
        self.fuel = self.pick.choice((2, 4) if self.small else (3, 6, 12))
        before = {one.text for one in scope.names}
        text = self.tame(scope, kind, depth, known)
        for one in self.base.names:
            if one.text not in before:
                scope.add(one)
        return text

    def condition(self, scope: Scope) -> str:
        return self.value(scope, BOOL, 2)

    # -- types

    def random_type(self, depth: int = 2) -> Type:
        pick, n, m = self.pick, Size.name("n"), Size.name("m")
        simple: list[Callable[[], Type]] = [
            lambda: F64,
            lambda: F64,
            lambda: F64,
            lambda: INT,
            lambda: BOOL,
            lambda: STR,
            lambda: Num(pick.choice(t.FLOATS)),
            lambda: Num(pick.choice(t.INTEGERS)),
            lambda: Idx(pick.choice((n, m, self.small_size()))),
            lambda: t.array(F64, pick.choice((n, m))),
            lambda: t.array(F64, n, m),
            lambda: t.array(F64, self.small_size()),
            lambda: t.array(Num(pick.choice((*t.FLOATS, *t.INTEGERS, "bool"))), self.small_size()),
            lambda: Data("Color"),
            lambda: Data("Flat"),
            lambda: Data("Gate"),
            lambda: t.array(F64, self.small_size(), self.small_size()),
            lambda: t.array(Idx(pick.choice((n, m))), self.small_size()),
            lambda: t.array(F64, n, m, Size.number(2)),
            lambda: t.array(pick.choice((F64, INT, t.F32)), None),
            lambda: Data("Expr", (pick.choice((n, m)),)),
        ]
        inner = lambda: self.random_type(depth - 1)  # noqa: E731
        items = lambda: self.item_type(depth - 1)  # noqa: E731
        deep: list[Callable[[], Type]] = [
            lambda: Tup((inner(), inner())),
            lambda: Data("Option", (items(),)),
            lambda: Data("Either", (items(), items())),
            lambda: Data("Tree", (items(),)),
            lambda: Data("Chain", (items(),)),
            lambda: Data("Pair", (items(), items())),
            lambda: Data("Dense", (pick.choice((n, m)), self.small_size(), pick.choice((F64, t.F32)))),
            lambda: Data("Store", (self.small_size(), items())),
            lambda: t.list_of(items()),
            lambda: Fun((F64,), F64),
            lambda: Fun((items(),), items()),
            lambda: Fun((F64, items()), F64),
            lambda: array_of(self.boxed_type(depth - 1), self.small_size()),
            lambda: Data(pick.choice([*self.own, "Flat"])),
            lambda: Data(pick.choice([*self.own, "Color"])),
        ]
        made = pick.choice(simple if depth <= 0 or self.chance(0.45) else deep)()
        return self.completed_type(made)

    own: list[str]
    mine: list[tuple[Function, tuple[Type, ...], bool]]

    def completed_type(self, kind: Type) -> Type:
        """With the arguments that a type declared by the program takes: its sizes are those of the program."""
        if isinstance(kind, Data) and kind.name in self.own:
            made = self.world.records.get(kind.name) or self.world.sums[kind.name]
            return Data(kind.name, tuple(Size.name(name) for name in made.generics))
        return kind

    def item_type(self, depth: int = 1) -> Type:
        """What may stand for a type parameter."""
        while True:
            kind = self.random_type(depth)
            if not any(
                isinstance(part, Fun | Idx) or (isinstance(part, Arr) and part.is_open) for part in t.parts(kind)
            ) and "Gate" not in str(kind):
                return kind

    def boxed_type(self, depth: int) -> Type:
        """What an array of other things than numbers holds."""
        while True:
            kind = self.item_type(depth) if self.chance(0.85) else Fun((F64,), F64)
            if not isinstance(kind, Arr | Num):
                return kind

    def grows(self, kind: Type) -> bool:
        """Whether values of a type may become larger and larger."""
        return any(
            isinstance(part, Str)
            or (isinstance(part, Data)
            and part.name in (*RECURSIVE, "List", *self.own))
            or isinstance(part, Fun)
            or (isinstance(part, Arr)
            and part.is_open)
            for part in t.parts(kind)
        )

    # -- statements

    SIMPLE = (
        ("bind",) * 6
        + ("variable",) * 4
        + ("assign",) * 6
        + ("lend",) * 4
        + ("push",) * 2
        + ("unpack",) * 2
        + ("leave",) * 2
        + ("cast", "tangent", "cotangent", "call", "call")
    )
    BLOCKS = ("branch", "branch", "loop", "each", "each", "until", "match", "match", "match", "nested")

    def statements(self, scope: Scope, count: int) -> bool:
        for _ in range(count):
            if self.budget <= 0:
                return True
            self.budget -= 1
            chosen = self.pick.choice(self.BLOCKS if scope.depth < 3 and self.chance(0.33) else self.SIMPLE)
            if getattr(self, f"do_{chosen}")(scope):
                return False
        return True

    def body(self, scope: Scope) -> bool:
        return self.statements(scope, self.pick.randint(1, 3))

    def do_bind(self, scope: Scope, word: str = "let", kind: Type | None = None) -> None:
        kind = kind or self.random_type()
        if scope.loop and self.grows(kind):
            kind = F64
        text = self.value(scope, kind)
        name = self.fresh("v")
        inferred = (
            kind in (F64, t.array(F64, Size.name("n")), t.array(F64, Size.name("n"), Size.name("m")), BOOL)
            and text.startswith(("tanh(", "sin("))
            and "f32" not in text
        )
        if word == "let" and self.chance(0.06) and scope.depth > 0:
            older = [one for one in scope.names if one.text.startswith("v") and not one.free]
            name = self.pick.choice(older).text if older else name
        self.write(
            f"{word} {name}: {kind} = {text}" if not inferred or word == "var" or not self.surely_f64(text) else f"{word} {name} = {text}"
        )
        scope.add(Name(name, kind, word == "var"))

    @staticmethod
    def surely_f64(text: str) -> bool:
        """Whether a text has its type from its names, not from literals alone."""
        return any(text.startswith(f"{head}({name}") for head in ("tanh", "sin") for name in ("x", "w", "a", "s,", "s)"))

    def do_variable(self, scope: Scope) -> None:
        self.do_bind(scope, "var")

    def do_assign(self, scope: Scope) -> None:
        found = [one for one in self.places(scope, free=True, deep=3) if not (scope.loop and self.grows(one.type))]
        if not found:
            return self.do_variable(scope)
        one = self.pick.choice(found)
        number = one.type.element if isinstance(one.type, Arr) else one.type
        if isinstance(one.type, Arr) and len(one.type.shape) == 2 and isinstance(number, Num) and self.chance(0.3) and not one.type.is_open:
            rows, columns = one.type.known
            value = self.value(scope, t.array(number, rows))
            return self.write(f"{one.text}[:, {self.position(scope, columns)}] = {value}")
        if isinstance(number, Num) and number != BOOL and self.chance(0.3):
            whole = self.chance(0.6) and not (isinstance(one.type, Arr) and one.type.is_open)  # two open sizes aren't known to be equal
            bounded = self.value(scope, one.type if whole else number, 2)
            if number.is_float and scope.loop:
                return self.write(f"{one.text} *= 0.5" if self.chance(0.5) else f"{one.text} = 0.5 * {one.text}")
            return self.write(f"{one.text} {self.one('+=', '-=', '*=')} {bounded}")
        value = self.value(scope, one.type, 2)
        self.write(f"{one.text} = {value}")

    def free_places(self, scope: Scope, kind: Type) -> list[Name]:
        return [one for one in self.places(scope, free=True, deep=3) if one.type == kind]

    def do_lend(self, scope: Scope) -> None:
        """A call that lends places: they overlap with nothing else in the call."""
        lending = [one for one in self.world.functions if one.lends and one.result is None]
        one = self.pick.choice(lending)
        held = list(self.places(scope, free=True, deep=2))
        self.pick.shuffle(held)
        first = next(parameter for parameter in one.parameters if parameter.lent)
        for place in held:
            given = t.match(first.type, place.type)
            if (
                given is not None
                and self.completed(one, given)
                and not (scope.loop and (self.grows(place.type) or one.name in ("gather",)))
            ):
                return self.lend(scope, one, given, place)
        self.do_variable(scope)

    def lend(self, scope: Scope, one: Function, given: dict[str, Any], place: Name) -> None:
        used = {root_of(place.text)}
        parts: list[str] = []
        lent = False
        for parameter in one.parameters:
            kind = t.substituted(parameter.type, given)
            if not parameter.lent:
                parts.append("")
                continue
            if not lent:
                parts.append(place.text)
            else:
                others = [other for other in self.free_places(scope, kind) if root_of(other.text) not in used]
                if others:
                    parts.append(self.pick.choice(others).text)
                else:
                    name, text = self.fresh("v"), self.value(scope, kind, 1)
                    self.write(f"var {name}: {kind} = {text}")
                    scope.add(Name(name, kind, True))
                    parts.append(name)
                used.add(root_of(parts[-1]))
            lent = True
        inner = scope.without(*used)
        for at, parameter in enumerate(one.parameters):
            if not parameter.lent:
                parts[at] = self.value(inner, t.substituted(parameter.type, given), 2)
        if one.owner:
            return self.write(f"{parts[0]}.{one.name}({', '.join(parts[1:])})")
        shown = [f"&{text}" if parameter.lent else text for text, parameter in zip(parts, one.parameters, strict=True)]
        self.write(f"{one.name}({', '.join(shown)})")

    def do_push(self, scope: Scope) -> None:
        held = [one for one in self.places(scope, free=True, deep=1) if isinstance(one.type, Data) and one.type.name == "List"]
        if not held:
            return self.do_bind(scope, "var", t.list_of(self.item_type()))
        one = self.pick.choice(held)
        assert isinstance(one.type, Data)
        item = one.type.arguments[0]
        assert not isinstance(item, Size)
        if self.chance(0.3):
            with self.block(f"if len({one.text}) > 0:"):
                if self.chance(0.5):
                    name = self.fresh("v")
                    self.write(f"let {name} = {one.text}.pop()")
                else:
                    inner = scope.inner()
                    self.write(f"{one.text}[{self.one('0', '-1')}] = {self.value(inner, item, 1)}")
            return
        self.write(f"{one.text}.push({self.value(scope, item, 1)})")

    def do_unpack(self, scope: Scope) -> None:
        pairs = [one for one in self.places(scope, deep=1) if isinstance(one.type, Tup)]
        if not pairs:
            return self.do_bind(scope, "let", Tup((self.random_type(1), self.random_type(1))))
        one = self.pick.choice(pairs)
        assert isinstance(one.type, Tup)
        names = [self.fresh("v") if self.chance(0.9) else "_" for _ in one.type.items]
        self.write(f"let {', '.join(names)} = {one.text}")
        for name, kind in zip(names, one.type.items, strict=True):
            if name != "_":
                scope.add(Name(name, kind))

    def do_cast(self, scope: Scope) -> None:
        """An array loses its size, and gets it back by a checked cast; or opens it."""
        size, element = self.small_size(), self.pick.choice((F64, F64, INT, t.F32))
        value = self.value(scope, t.array(element, size), 2)
        u, k, v = self.fresh("y"), self.fresh("k"), self.fresh("v")
        whole = self.fresh("v")
        self.write(f"let {whole}: {t.array(element, size)} = {value}")
        self.write(f"let {u}: {element}[?] = {whole}")
        scope.add(Name(u, t.array(element, None)))
        if self.chance(0.5):
            self.write(f"let {v} = {u} as {element}[{size}]")
            scope.add(Name(v, t.array(element, size)))
        else:
            self.write(f"let {v}: {element}[?{k}] = {u}")
            total = self.fresh("v")
            header = f"{v}[i] * {v}[{k} - 1 - i] for i in {k}" if self.chance(0.5) else f"{v}[i] for i in {k} if i != {k} // 2"
            text = f"sum({header})"
            self.write(f"let {total}: {element} = {f'tanh({text})' if element != INT else text}")
            scope.add(Name(total, element))
            scope.add(Name(k, INT))

    def do_tangent(self, scope: Scope) -> None:
        if not self.derivatives:
            return self.do_bind(scope)
        self.derivatives = False
        z, size = self.fresh("z"), self.small_size()
        kind = t.array(F64, size)
        at, direction = self.value(scope, kind, 1, False), self.value(scope, kind, 1, False)
        body = f"tanh({z} * {self.simplest(scope, F64, False)})"
        v, dv = self.fresh("v"), self.fresh("v")
        self.write(f"let {v}, {dv} = jvp(({z}: {kind}) => {body}, {at}, {direction})")
        self.derivatives = True
        scope.add(Name(v, kind))
        scope.add(Name(dv, kind))

    def do_cotangent(self, scope: Scope) -> None:
        if not self.derivatives:
            return self.do_bind(scope)
        z, size = self.fresh("z"), self.small_size()
        kind = t.array(F64, size)
        at, weight = self.value(scope, kind, 1, False), self.value(scope, F64, 1)
        v, dv = self.fresh("v"), self.fresh("v")
        if self.chance(0.5):
            self.write(f"let {v}, {dv} = vjp(({z}: {kind}) => tanh(sum({z} * {self.simplest(scope, kind, False)})), {at}, {weight})")
        else:
            self.write(
                f"let {v}, {dv} = value_and_grad(({z}: {kind}) => tanh(sum({z} * {self.simplest(scope, kind, False)}) + sum(sin({z}))))({at})"
            )
        scope.add(Name(v, F64))
        scope.add(Name(dv, kind))

    def do_leave(self, scope: Scope) -> bool:
        if scope.depth == 0:
            self.do_bind(scope)
            return False
        choice = self.pick.random()
        if scope.loop and choice < 0.6:
            with self.block(f"if {self.condition(scope)}:"):
                self.write(self.one("break", "continue"))
        elif choice < 0.85 and self.results:
            with self.block(f"if {self.condition(scope)}:"):
                self.leave(scope.inner())
        elif choice < 0.9 and scope.loop:
            self.write(self.one("break", "continue"))
            return True
        elif choice < 0.95 and not scope.loop and self.results:
            self.leave(scope)
            return True
        return False

    def leave(self, scope: Scope) -> None:
        values = [self.value(scope, kind, 2) for kind in self.results]
        self.write("return " + ", ".join(values))

    calls = True

    def do_call(self, scope: Scope) -> None:
        """A call of a function of the program, which may lend and has several results."""
        mine = [one for one in self.mine if self.calls and (not scope.loop or self.chance(0.4))]
        if not mine:
            return self.do_bind(scope)
        one, kinds, fuelled = self.pick.choice(mine)
        used: set[str] = set()
        parts: list[str] = []
        for parameter in one.parameters:
            if not parameter.lent:
                parts.append("")
                continue
            free = [place for place in self.free_places(scope, parameter.type) if root_of(place.text) not in used]
            if not free or self.chance(0.2):
                name, text = self.fresh("v"), self.value(scope, parameter.type, 1)
                self.write(f"var {name}: {parameter.type} = {text}")
                scope.add(Name(name, parameter.type, True))
                free = [Name(name, parameter.type, True)]
            place = self.pick.choice(free)
            used.add(root_of(place.text))
            parts.append(f"&{place.text}")
        inner = scope.without(*used)
        named = False
        for at, parameter in enumerate(one.parameters):
            if not parameter.lent:
                named = named or (self.chance(0.05) and not any(later.lent for later in one.parameters[at:]))
                text = self.value(inner, parameter.type, 1, not t.sizes_in(parameter.type))
                parts[at] = f"{parameter.name}={text}" if named else text
        if fuelled:
            parts.append(f"fuel={self.pick.choice((0, 1, 2))}")
        names = [self.fresh("v") for _ in kinds]
        self.write(f"let {', '.join(names)} = {one.name}({', '.join(parts)})")
        for name, kind in zip(names, kinds, strict=True):
            scope.add(Name(name, kind))

    # -- blocks

    def do_branch(self, scope: Scope) -> bool:
        conditions = [self.condition(scope) for _ in range(2)]
        ends = []
        with self.block(f"if {conditions[0]}:"):
            ends.append(self.body(scope.inner()))
        if self.chance(0.25):
            with self.block(f"elif {conditions[1]}:"):
                ends.append(self.body(scope.inner()))
        if self.chance(0.6):
            with self.block("else:"):
                ends.append(self.body(scope.inner()))
            return not any(ends)
        return False

    def do_loop(self, scope: Scope) -> None:
        i, size = self.fresh("j"), self.small_size()
        n = Size.name("n")
        over, kind = self.pick.choice(
            (
                (str(size), Idx(size)),
                ("1..n", Idx(n)),
                (str(self.pick.randint(0, 3)), INT),
                ("reversed(3)", INT),
                (f"range(1, {size})", INT),
                ("abs(k) % 3", INT),
            )
        )
        with self.block(f"for {i} in {over}:"):
            inner = scope.inner(loop=True)
            inner.add(Name(i, kind))
            self.body(inner)

    def do_each(self, scope: Scope) -> None:
        held = [
            one for one in self.places(scope, deep=1) if isinstance(one.type, Arr) or (isinstance(one.type, Data) and one.type.name == "List")
        ]
        if not held:
            return self.do_bind(scope)
        one = self.pick.choice(held)
        name, i = self.fresh("e"), self.fresh("j")
        if isinstance(one.type, Arr):
            kind: Type = Arr(one.type.element, one.type.shape[1:]) if one.type.shape[1:] else one.type.element
        else:
            assert isinstance(one.type, Data) and not isinstance(one.type.arguments[0], Size)
            kind = one.type.arguments[0]
        inner = scope.inner(loop=True)
        header = f"for {name} in {one.text}:"
        if self.chance(0.25):
            header = f"for {i}, {name} in enumerate({one.text}):"
            inner.add(Name(i, INT))
        elif self.chance(0.15) and isinstance(one.type, Arr):
            header = f"for {name} in reversed({one.text}):"
        inner.add(Name(name, kind))
        with self.block(header):
            self.body(inner)

    def do_until(self, scope: Scope) -> None:
        k = self.fresh("k")
        condition = f"{k} < {self.pick.randint(0, 3)}"
        if self.chance(0.4):
            condition += f" and {self.condition(scope)}"
        self.write(f"var {k} = 0")
        with self.block(f"while {condition}:"):
            self.write(f"{k} += 1")
            inner = scope.inner(loop=True)
            inner.add(Name(k, INT))
            self.body(inner)

    def do_match(self, scope: Scope) -> bool:
        held = [one for one in self.places(scope, deep=1) if isinstance(one.type, Data) and one.type.name in self.world.sums]
        if held and self.chance(0.7):
            subject = self.pick.choice(held)
            text, kind = subject.text, subject.type
        elif self.chance(0.3):
            return self.match_numbers(scope)
        else:
            kind = self.pick.choice(
                (
                    Data("Option", (F64,)),
                    Data("Color"),
                    Data("Tree", (F64,)),
                    Data("Either", (INT, F64)),
                    Data("Option", (Data("Option", (INT,)),)),
                )
            )
            text = self.value(scope, kind, 2, False)
        assert isinstance(kind, Data)
        return self.match_sum(scope, kind, text)

    def match_sum(self, scope: Scope, kind: Data, text: str) -> bool:
        made = self.world.sums[kind.name]
        ends: list[bool] = []
        wild = self.chance(0.25)
        guards = [self.condition(scope) for _ in made.constructors]
        with self.block(f"match {text}:"):
            for place, (_, fields) in enumerate(made.constructors):
                if wild and place == len(made.constructors) - 1 and place > 0:
                    break
                if self.chance(0.25):
                    pattern, inner = self.pattern(scope.inner(), kind, made, place, nested=1)
                    restricted = fields and re.search(r"[(,] ?(?:[A-Z\"-]|\d|true|false)", pattern.partition(made.constructors[place][0])[2])
                    with self.block(f"{pattern}:" if restricted and self.chance(0.4) else f"{pattern} if {guards[place]}:"):
                        ends.append(self.body(inner))
                pattern, inner = self.pattern(scope.inner(), kind, made, place, nested=0)
                with self.block(f"{pattern}:"):
                    ends.append(self.body(inner))
            if wild and len(made.constructors) > 1:
                name = self.fresh("v")
                inner = scope.inner()
                inner.add(Name(name, kind))
                with self.block(f"{name}:" if self.chance(0.5) else "_:"):
                    ends.append(self.body(inner if self.lines[-1].strip() == f"{name}:" else scope.inner()))
        return not any(ends)

    def pattern(self, scope: Scope, kind: Data, made: Sum, place: int, nested: int) -> tuple[str, Scope]:
        """A pattern for one constructor, that holds always if `nested` is 0; the scope with its names."""
        name, fields = made.constructors[place]
        given = dict(zip(made.generics, kind.arguments, strict=True))
        parts = []
        for one in fields:
            inner = t.substituted(one.type, given)
            if nested and isinstance(inner, Data) and inner.name in self.world.sums:
                deeper = self.world.sums[inner.name]
                text, scope = self.pattern(scope, inner, deeper, self.pick.randrange(len(deeper.constructors)), nested - 1)
                parts.append(text)
            elif nested and inner == INT:
                parts.append(self.one("0", "1", "-1"))
            elif nested and inner == BOOL:
                parts.append(self.one("true", "false"))
            elif self.chance(0.15):
                parts.append("_")
            else:
                parts.append(self.fresh("v"))
                scope.add(Name(parts[-1], inner))
        return (f"{name}({', '.join(parts)})" if parts else name), scope

    def match_numbers(self, scope: Scope) -> bool:
        number, flag, text = self.value(scope, INT, 1), self.value(scope, BOOL, 1), self.value(scope, STR, 1)
        ends = []
        forms = [
            (f"({number}) % 4, {flag}", ("0, true", "1 | 2, _", "_, false", "{v}, _")),
            (f"({number}) % 3", ("0", "1", "{v}")),
            (text, ('"a" | "bc d"', '""', "_")),
            (f"{flag}, {flag}", ("true, true", "false, _", "_, _")),
        ]
        subject, patterns = self.pick.choice(forms)
        with self.block(f"match {subject}:"):
            for pattern in patterns:
                inner = scope.inner()
                if "{v}" in pattern:
                    v = self.fresh("v")
                    pattern = pattern.format(v=v)
                    inner.add(Name(v, INT))
                with self.block(f"{pattern}:"):
                    ends.append(self.body(inner))
        return not any(ends)

    def do_nested(self, scope: Scope) -> bool:
        """A function in the function, that captures."""
        if scope.loop:
            return self.do_branch(scope)
        name, z = self.fresh("g"), self.fresh("z")
        kind = self.item_type(1)
        inner = scope.closed(Name(z, kind))
        inner.depth = 2
        saved, self.results = self.results, (F64,)
        calls, self.calls = self.calls, False
        with self.block(f"fn {name}({z}: {kind}) -> f64:"):
            self.statements(inner, self.pick.randint(0, 2))
            self.leave(inner)
        self.results, self.calls = saved, calls
        scope.add(Name(name, Fun((kind,), F64)))
        return False


def root_of(place: str) -> str:
    """The name that a place begins with."""
    return place.partition(".")[0].partition("[")[0]
