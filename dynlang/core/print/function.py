"""A function as source: its head, its blocks, and the statements that aren't loops or writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from dynlang.core.nodes import (
    Atom,
    Block,
    Call,
    Case,
    Construct,
    For,
    Function,
    If,
    Jvp,
    Let,
    Literal,
    Operation,
    Right,
    Variable,
    Vjp,
    While,
)
from dynlang.core.print.loops import LoopPrinter
from dynlang.core.print.names import RESERVED, field_name, identifier
from dynlang.core.print.requests import print_request
from dynlang.core.print.sizes import hidden_sizes, is_sure_slice, masked, packed
from dynlang.core.print.spelling import (
    CAST,
    CHOICE,
    NOT,
    Text,
    call,
    literal_text,
    operation_text,
    quoted,
    size_expression,
    size_text,
)
from dynlang.core.print.statements import writer_of
from dynlang.core.sizes import expand, expand_size, may_wrap, size_of, size_of_right
from dynlang.core.walk import Names, atoms_of, blocks_of, sizes_in
from dynlang.diag import NotBuilt
from dynlang.ops import OPS
from dynlang.types import FLOATS, INT, ArrayType, ListType, RowsType, ScalarType, Size, StringType, SumType, Type, map_type, size_variables

if TYPE_CHECKING:
    from dynlang.core.print.module import ModulePrinter

WIDEST = 100
"""Longest expression that is written where it is used."""

Finish = Callable[[Sequence[Atom]], None]
Item = TypeVar("Item")


@dataclass
class Scope:
    """A block being printed: values waiting to be written where they are used, and those that are used in it alone."""

    waiting: dict[str, tuple[Text, frozenset[str]]] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    """What is returned, whose type the function's head says."""


class FunctionPrinter:
    def __init__(self, module: ModulePrinter, function: Function) -> None:
        self.module = module
        self.function = function
        self.out: list[str] = []
        self.depth = 0
        self.names = Names(RESERVED | set(module.functions.values()) | set(module.constructors.values()))
        self.printed: dict[str, str] = {}
        self.mutable: set[str] = set()
        self.uses: dict[str, int] = {}
        self.in_sizes: set[str] = set()
        self.known: dict[str, Size] = {}
        self._count(function)
        self.scopes: list[Scope] = [Scope()]
        self.places = module.places[function.name]
        self.lent = module.lent.get(function.name, {})
        self.handed_back = frozenset(self.lent.values())

    def _count(self, function: Function) -> None:
        def block(one: Block) -> None:
            for statement in one.statements:
                for atom in atoms_of(statement.right):
                    use(atom)
                self.in_sizes.update(sizes_in(statement.right))
                for variable in statement.variables:
                    self.in_sizes.update(size_variables(variable.type))
                for binders, inner in blocks_of(statement.right):
                    for binder in binders:
                        self.in_sizes.update(size_variables(binder.type))
                    block(inner)
            for atom in one.results:
                use(atom)

        def use(atom: Atom) -> None:
            if isinstance(atom, Variable):
                self.uses[atom.name] = self.uses.get(atom.name, 0) + 1

        block(function.body)
        for one in (*function.parameters, *function.results):
            self.in_sizes.update(size_variables(one.type))

    # -- the head

    def lines(self) -> list[str]:
        function = self.function
        generics = self.module.generics[function.name]
        hidden = hidden_sizes(function)
        own = [one for one in function.parameters if one.name in generics]
        rest = [one for one in function.parameters if one not in own]
        casts: list[tuple[str, Variable]] = []
        heads: list[str] = []
        for one in function.parameters:
            if size_variables(one.type) & hidden:
                casts.append((self.names.fresh(f"{field_name(one.name)}_given"), one))
            else:
                self.declare(one)
        given = {one.name: name for name, one in casts}
        lent = {function.parameters[number].name for number in self.lent}
        for one in rest:
            mode = "inout " if one.name in lent else ""
            heads.append(f"{given.get(one.name) or self.name(one)}: {mode}{self.type(packed(one.type, hidden))}")
        self.mutable |= {self.name(one) for one in rest if one.name in lent}
        if function.name.startswith(("test.", "bench.")) and not function.parameters:
            word, _, number = function.name.partition(".")
            if number.isdigit():
                title = function.documentation or number
                return self.whole(f'{word} {quoted(title)}:')
        word = "fn" if function.pure else "proc"
        shown = ", ".join(heads)
        results = self.returned(function.results)
        arrow = f" -> {self.result_type(results, hidden)}" if results else ""
        export = "export " if function.export else ""
        sizes = ", ".join(self.name(one) for one in own)
        return self.whole(f"{export}{word} {self.module.functions[function.name]}{f'<{sizes}>' if sizes else ''}({shown}){arrow}:", casts)

    def whole(self, head: str, casts: Sequence[tuple[str, Variable]] = ()) -> list[str]:
        self.out = [head]
        self.depth = 1
        for given, one in casts:
            kind = self.type(one.type)
            self.write(f"let {self.declare(one)} = {given} as {kind}")
        self.tail(self.function.body)
        if len(self.out) == 1:
            self.write("pass")
        return self.out

    def returned(self, results: Sequence[Item]) -> list[Item]:
        """Those of the function's results that no parameter hands back."""
        return [one for number, one in enumerate(results) if number not in self.handed_back]

    def result_type(self, results: Sequence[Variable], hidden: frozenset[str] = frozenset()) -> str:
        """Results as a tuple; sizes that are results themselves are unknown to the caller, as are hidden ones."""
        inner = {one.name for one in results if one.type == INT} | hidden
        return self.tuple_type([packed(one.type, inner) for one in results])

    def tuple_type(self, kinds: Sequence[Type]) -> str:
        return self.type(kinds[0]) if len(kinds) == 1 else f"({', '.join(map(self.type, kinds))})"

    # -- names and types

    def declare(self, variable: Variable, wish: str | None = None) -> str:
        cleaned = self.module.short(identifier(wish or variable.name))
        self.printed[variable.name] = self.names.fresh(f"{cleaned}_" if cleaned in RESERVED else cleaned)
        return self.printed[variable.name]

    def name(self, variable: Variable) -> str:
        return self.printed[variable.name]

    def size_name(self, name: str) -> str:
        found = self.printed.get(name)
        return found if found is not None else name

    def type(self, kind: Type) -> str:
        return self.module.type(expand(kind, self.known), self.size_name)

    def size(self, size: Size) -> str:
        return size_text(expand_size(size, self.known), self.size_name)

    # -- lines

    def write(self, text: str) -> None:
        self.out.append("    " * self.depth + text)

    @property
    def scope(self) -> Scope:
        return self.scopes[-1]

    def atom(self, atom: Atom) -> Text:
        if isinstance(atom, Literal):
            return literal_text(atom)
        if atom.name in self.known:
            return size_expression(self.known[atom.name], self.size_name)
        for scope in reversed(self.scopes):
            waiting = scope.waiting.pop(atom.name, None)
            if waiting is not None:
                return waiting[0]
        return Text(self.printed[atom.name])

    def atoms(self, atoms: Sequence[Atom]) -> list[Text]:
        return [self.atom(one) for one in atoms]

    def reads(self, atoms: Sequence[Atom]) -> frozenset[str]:
        """The variables that may change which an expression of these atoms reads."""
        found: set[str] = set()
        for one in atoms:
            if isinstance(one, Variable):
                if one.name in self.scope.waiting:
                    found |= self.scope.waiting[one.name][1]
                elif self.printed.get(one.name) in self.mutable:
                    found.add(self.printed[one.name])
        return frozenset(found)

    def flush(self, changed: str) -> None:
        """Write down what waits and reads a variable that is about to change."""
        for name, (text, reads) in list(self.scope.waiting.items()):
            if changed in reads:
                del self.scope.waiting[name]
                self.write(f"let {self.names_for(name)} = {text.text}")

    def settle_changing(self, right: Right) -> None:
        """Before a branch or loop: write down what waits, reads a variable that may change, and isn't for its head."""
        head = {one.name for one in atoms_of(right) if isinstance(one, Variable)}
        for name, (text, reads) in list(self.scope.waiting.items()):
            if reads and name not in head:
                del self.scope.waiting[name]
                self.write(f"let {self.names_for(name)} = {text.text}")

    def settle(self, atoms: Sequence[Atom]) -> None:
        """Write down those of the atoms that wait: a size is about to mention them by name."""
        for one in atoms:
            if isinstance(one, Variable) and one.name in self.scope.waiting:
                text, _ = self.scope.waiting.pop(one.name)
                self.write(f"let {self.names_for(one.name)} = {text.text}")

    def names_for(self, name: str) -> str:
        self.declare(Variable(name, INT))
        return self.printed[name]

    # -- blocks

    def enter(self) -> None:
        """A new block begins."""
        self.scopes.append(Scope())

    def tail(self, block: Block) -> None:
        """A block whose results are returned."""
        self.enter()
        self.note_locals(block)
        self.scope.returned = {one.name for one in block.results if isinstance(one, Variable)}
        *before, last = block.statements or (None,)
        for statement in before:
            self.statement(statement, block)  # type: ignore[arg-type]
        if last is not None:
            if last.variables and tuple(last.variables) == block.results and isinstance(last.right, (If, Case)):
                self.branch(last.right, lambda inner: self.tail(inner))
                self.scopes.pop()
                return
            self.statement(last, block)
        results = self.returned(block.results)
        if results:
            self.write(f"return {', '.join(one.text for one in self.atoms(results))}")
        self.scopes.pop()

    def inner(self, block: Block, finish: Finish, begin: Callable[[], None] | None = None) -> None:
        """A block within: `finish` writes what becomes of its results."""
        self.depth += 1
        self.enter()
        self.note_locals(block)
        before = len(self.out)
        if begin is not None:
            begin()
        for statement in block.statements:
            self.statement(statement, block)
        finish(block.results)
        if len(self.out) == before:
            self.write("pass")
        self.scopes.pop()
        self.depth -= 1

    def note_locals(self, block: Block) -> None:
        """Count what the block itself reads, to know what is used in it alone."""
        counts: dict[str, int] = {}
        for statement in block.statements:
            for atom in atoms_of(statement.right):
                if isinstance(atom, Variable):
                    counts[atom.name] = counts.get(atom.name, 0) + 1
        for atom in block.results:
            if isinstance(atom, Variable):
                counts[atom.name] = counts.get(atom.name, 0) + 1
        self.scope.own = {name for name, count in counts.items() if count == self.uses.get(name)}

    def branch(self, right: If | Case, arm: Callable[[Block], None]) -> None:
        if isinstance(right, If):
            self.write(f"if {self.atom(right.condition).text}:")
            self.indented(lambda: arm(right.then))
            self.write("else:")
            self.indented(lambda: arm(right.otherwise))
            return
        self.write(f"match {self.atom(right.scrutinee).text}:")
        kind = right.scrutinee.type
        assert isinstance(kind, SumType)
        self.depth += 1
        for one in right.arms:
            names, casts = self.field_names(one.fields)
            constructor = self.module.constructors[kind.name, one.constructor]
            self.write(f"{constructor}({', '.join(names)}):" if names else f"{constructor}:")
            self.depth += 1
            for name, place in casts:
                self.write(f"let {self.declare(place)} = {name} as {self.type(place.type)}")
            self.depth -= 1
            self.indented(lambda one=one: arm(one.body), bool(casts))
        self.depth -= 1

    def field_names(self, fields: Sequence[Variable]) -> tuple[list[str], list[tuple[str, Variable]]]:
        """Names of an arm's fields, and those that must be cast: their sizes are other fields."""
        own = {one.name for one in fields if one.type == INT}
        names: list[str] = []
        casts: list[tuple[str, Variable]] = []
        for one in fields:
            if not self.is_read(one):
                names.append("_")
            elif size_variables(one.type) & own:
                names.append(self.names.fresh(f"{field_name(one.name)}_packed"))
                casts.append((names[-1], one))
            else:
                names.append(self.declare(one))
        return names, casts

    def is_read(self, variable: Variable) -> bool:
        return self.uses.get(variable.name, 0) > 0 or variable.name in self.in_sizes

    def indented(self, run: Callable[[], None], filled: bool = False) -> None:
        self.depth += 1
        before = len(self.out)
        run()
        if len(self.out) == before and not filled:
            self.write("pass")
        self.depth -= 1

    # -- statements

    def statement(self, statement: Let, block: Block) -> None:
        match statement.right:
            case Operation():
                self.operation(statement, statement.right)
            case Call(function, arguments):
                self.bind_call(statement.variables, function, arguments)
            case Construct(kind, constructor, arguments):
                self.construct(statement, kind, constructor, arguments)
            case If() | Case():
                self.choice(statement, statement.right)
            case For() | While():
                LoopPrinter(self, statement, statement.right).run()
            case Vjp() | Jvp():
                print_request(self, statement, statement.right)

    def call_text(self, function: str, arguments: Sequence[Atom]) -> Text:
        declared = self.module.module.functions[function]
        generics = self.module.generics[function]
        lent = self.module.lent.get(function, {})
        given = [(number in lent, atom) for number, (place, atom) in enumerate(zip(declared.parameters, arguments, strict=True))
                 if place.name not in generics]
        texts = [("&" if is_lent else "") + self.atom(atom).text for is_lent, atom in given]
        return call(self.module.functions[function], texts)

    def bind_call(self, variables: Sequence[Variable], function: str, arguments: Sequence[Atom]) -> None:
        """The results of a call: those whose sizes the callee doesn't tell are cast."""
        declared = self.module.module.functions[function]
        hidden = hidden_sizes(declared)
        arguments = self.lend(variables, function, arguments)
        lent = self.module.lent.get(function, {}).values()
        kept = [number for number in range(len(variables)) if number not in lent]
        variables, results = [variables[number] for number in kept], [declared.results[number] for number in kept]
        untold = {one.name for one, place in zip(variables, results, strict=True) if size_variables(place.type) & hidden}
        kinds = None
        if self.module.expected[function]:
            inner = {one.name for one in declared.results if one.type == INT} | hidden
            kinds = [masked(one.type, place.type, inner) for one, place in zip(variables, results, strict=True)]
        self.bind(variables, self.call_text(function, arguments), kinds is not None, untold, kinds)

    def lend(self, variables: Sequence[Variable], function: str, arguments: Sequence[Atom]) -> list[Atom]:
        """The arguments of a call; what is lent is a variable then, which has the name of the result that hands it back."""
        given = list(arguments)
        lent = self.module.lent.get(function, {})
        for parameter, result in lent.items():
            self.change(variables[result], arguments[parameter])
        for parameter, result in lent.items():
            given[parameter] = variables[result]
        return given

    def change(self, result: Variable, source: Atom) -> str:
        """The variable that holds `source` and is about to become `result`: its own, if `result` takes its place, else a copy."""
        if result.name in self.places.taken:
            assert isinstance(source, Variable)
            self.flush(self.printed[source.name])
            self.printed[result.name] = self.printed[source.name]
        else:
            self.variable(result, self.atom(source))
        return self.printed[result.name]

    def variable(self, variable: Variable, text: Text) -> None:
        """``var x: f32[n] = text``"""
        self.printed[variable.name] = self.names.fresh(self.module.short(field_name(variable.name)))
        self.mutable.add(self.printed[variable.name])
        self.write(f"var {self.printed[variable.name]}: {self.type(variable.type)} = {text.text}")

    def bind(self, variables: Sequence[Variable], text: Text, annotate: bool = False, untold: Iterable[str] = (),
             kinds: Sequence[Type] | None = None) -> None:
        """``let variables = text``; sizes among several results are given their names again, those untold are cast."""
        if not variables:
            self.write(text.text)
            return
        if len(variables) == 1 and variables[0].name in self.places.roots:
            self.variable(variables[0], text)
            return
        inner = {one.name for one in variables if one.type == INT}
        dependent = [one for one in variables if size_variables(one.type) & inner or one.name in untold]
        names = []
        for one in variables:
            if one in dependent and self.is_read(one):
                names.append(self.names.fresh(f"{identifier(one.name)}_packed"))
            else:
                names.append(self.declare(one) if self.is_read(one) else "_")
        kind = f": {self.tuple_type(kinds)}" if kinds is not None else f": {self.result_type(variables)}" if annotate else ""
        self.write(f"let {', '.join(names)}{kind} = {text.text}")
        for one, name in zip(variables, names, strict=True):
            if one in dependent and self.is_read(one):
                self.write(f"let {self.declare(one)} = {name} as {self.type(one.type)}")

    def construct(self, statement: Let, kind: SumType, constructor: str, arguments: Sequence[Atom]) -> None:
        (variable,) = statement.variables
        name = self.module.constructors[kind.name, constructor]
        reads = self.reads(arguments)
        annotate = bool(kind.arguments) and not (variable.name in self.scope.returned and self.module.tells(kind.name, constructor))
        text = call(name, [one.text for one in self.atoms(arguments)]) if arguments else Text(name)
        self.wait_or_bind(variable, text, reads, annotate, bool(kind.arguments))

    def wait_or_bind(self, variable: Variable, text: Text, reads: frozenset[str], annotate: bool = False, sized: bool = False) -> None:
        """Keep an expression for its one use in this block, or name it; under its type, if that has sizes that its parts may not tell."""
        if (self.uses.get(variable.name) == 1 and variable.name in self.scope.own and variable.name not in self.in_sizes
                and len(text.text) <= WIDEST and not annotate and variable.name not in self.places.roots):
            self.scope.waiting[variable.name] = (text, reads)
            return
        if self.is_read(variable):
            self.bind([variable], text, annotate or sized)

    def wraps(self, operation: Operation) -> bool:
        """Whether an int operation must be printed as it stands, since its polynomial is another number where ints wrap."""
        read = {name for one in operation.arguments if one.type == INT for name in size_of(one, self.known).variables()}
        return not read <= self.module.generics[self.function.name] and may_wrap(operation, self.known)

    def operation(self, statement: Let, operation: Operation) -> None:
        row = OPS[operation.op]
        size = size_of_right(operation, self.known)
        if size is not None and not self.wraps(operation) and (size.value is None or -2**63 < size.value < 2**63):
            self.settle(operation.arguments)
            self.known[statement.variables[0].name] = size
            return
        written = writer_of(operation, bool(statement.variables) and statement.variables[0].name in self.places.taken)
        if written is not None:
            written(self, statement, operation)
            return
        reads = self.reads(operation.arguments)
        if operation.op == "slice":
            self.settle(operation.arguments[1:])
        result = statement.variables[0].type if statement.variables else INT
        starts = {one.name: self.known[one.name] for one in operation.arguments if isinstance(one, Variable) and one.name in self.known}
        typed = operation.arguments[1:] if operation.op == "select" else operation.arguments
        alone = not any(isinstance(one, Variable) for one in typed)
        texts = [replace(literal_text(one, alone), free=True) if isinstance(one, Literal) else self.atom(one)
                 for one in operation.arguments]
        text = operation_text(operation, texts, self.size, result, starts)
        if text is None:
            raise NotBuilt(f"printing the op {operation.op}", statement.span)
        if operation.op == "slice" and not self.is_sure(operation):
            text = Text(f"{text.at(CAST)} as {self.type(result)}", CAST)
        indices = (isinstance(result, ArrayType) and result.element == INT) or operation.op == "bytes_to_numbers"
        if len(statement.variables) == 1 and not row.has("check") and not row.has("effect") and not row.has("consumes"):
            only_literals = all(isinstance(one, Literal) for one in operation.arguments)
            text = replace(text, free=operation.op != "convert" and all(one.free for one in texts))
            self.wait_or_bind(statement.variables[0], text, reads, annotate=indices or (only_literals and needs_annotation(result)))
            return
        self.bind(statement.variables, text, annotate=indices and len(statement.variables) == 1)

    def is_sure(self, operation: Operation) -> bool:
        """Whether a slice has its items by proof; one with steps goes to the end of its axis, or has a start of its own."""
        if operation.attribute("steps") is not None:
            return True
        source = operation.arguments[0].type
        assert isinstance(source, ArrayType)
        starts = [expand_size(size_of(one, self.known), self.known) for one in operation.arguments[1:]]
        counts = [expand_size(one, self.known) for one in operation.sizes]
        axes = [expand_size(one, self.known).variables() for one in source.shape if isinstance(one, Size)]
        generics = self.module.generics[self.function.name]
        return all(is_sure_slice(start, count, generics | axis) for start, count, axis in zip(starts, counts, axes, strict=False))

    # -- choices

    def choice(self, statement: Let, right: If | Case) -> None:
        results = statement.variables
        if isinstance(right, If) and not results:
            self.effects(right)
            return
        taken = self.places.taken
        if isinstance(right, If) and len(results) == 1 and not right.then.statements and not right.otherwise.statements:
            (then,), (otherwise,) = right.then.results, right.otherwise.results
            if isinstance(results[0].type, (ScalarType, StringType)) and results[0].name not in taken:
                reads = self.reads((right.condition, then, otherwise))
                condition = self.atom(right.condition)
                yes, no = self.atom(then).at(CHOICE + 1), self.atom(otherwise).at(CHOICE)
                text = Text(f"{yes} if {condition.at(CHOICE + 1)} else {no}", CHOICE)
                self.wait_or_bind(results[0], text, reads)
                return
        if results and idle_arm(right) is None and any(self.initial(one.type) is None for one in results if one.name not in taken):
            self.nested(statement, right)
            return
        self.settle_changing(right)
        inner = {one.name for one in results if one.type == INT and any(one.name in size_variables(other.type) for other in results)}
        idle = idle_arm(right)
        first = [None] * len(results) if idle is None else [one.text for one in self.atoms(idle.results)]
        names: list[str] = []
        for one, start in zip(results, first, strict=True):
            if one.name in taken:
                names.append(self.printed[self.places.root(one.name)])
                continue
            name = self.names.fresh(self.module.short(field_name(one.name)))
            self.mutable.add(name)
            names.append(name)
            value = start if start is not None else self.initial(self.emptied(one.type, inner))
            self.write(f"var {name}: {self.type(packed(one.type, inner))} = {value}")
        if idle is not None and isinstance(right, If):
            self.one_arm(right, idle, names)
        else:
            self.branch_into(right, names)
        self.take_over(results, names, inner)

    def take_over(self, results: Sequence[Variable], names: Sequence[str], inner: set[str]) -> None:
        """The variables' values are in these vars; those that sizes mention, and those of such sizes, get names of their own."""
        for one, name in zip(results, names, strict=True):
            if one.name in self.in_sizes and one.name not in self.places.taken:
                self.write(f"let {self.declare(one)} = {name}")
            elif size_variables(one.type) & inner:
                self.write(f"let {self.declare(one)} = {name} as {self.type(one.type)}")
            else:
                self.printed[one.name] = name

    def one_arm(self, right: If, idle: Block, names: Sequence[str]) -> None:
        """``if`` whose other arm does nothing: the variables begin with what it gives."""
        condition = self.atom(right.condition)
        other = right.otherwise if idle is right.then else right.then
        self.write(f"if {condition.text}:" if other is right.then else f"if not {condition.at(NOT + 1)}:")
        self.inner(other, lambda results: self.assign(names, self.atoms(results)))

    def branch_into(self, right: If | Case, names: Sequence[str]) -> None:
        def arm(block: Block) -> None:
            self.depth -= 1
            self.inner(block, lambda results: self.assign(names, self.atoms(results)))
            self.depth += 1

        self.branch(right, arm)

    def assign(self, names: Sequence[str], values: Sequence[Text]) -> None:
        pairs = [(name, value) for name, value in zip(names, values, strict=True) if name != value.text]
        if pairs:
            self.write(f"{', '.join(name for name, _ in pairs)} = {', '.join(value.text for _, value in pairs)}")

    def effects(self, right: If) -> None:
        """``if`` for its effects or checks alone."""
        condition = self.atom(right.condition)
        then, otherwise = right.then, right.otherwise
        if not then.statements:
            self.write(f"if not {condition.at(NOT + 1)}:")
            then, otherwise = otherwise, then
        else:
            self.write(f"if {condition.text}:")
        self.inner(then, lambda results: None)
        if otherwise.statements:
            self.write("else:")
            self.inner(otherwise, lambda results: None)

    def nested(self, statement: Let, right: If | Case) -> None:
        """A branch whose results have no value to begin with: a function of its own, called at once."""
        name = self.module.nested.fresh("chosen")
        self.write(f"fn {name}() -> {self.result_type(statement.variables)}:")
        self.depth += 1
        handed_back, self.handed_back = self.handed_back, frozenset()
        self.branch(right, lambda inner: self.tail(inner))
        self.handed_back = handed_back
        self.depth -= 1
        self.bind(statement.variables, Text(f"{name}()"))

    def emptied(self, kind: Type, inner: set[str]) -> Type:
        """The type with sizes that aren't known yet as 0."""
        return map_type(kind, lambda one: Size.constant(0) if isinstance(one, Size) and one.variables() & inner else one, lambda one: None)

    def initial(self, kind: Type) -> str | None:
        """Some value of a type, for a variable that is assigned before it is read."""
        match kind:
            case ScalarType(dtype):
                plain = {"bool": "false", "i64": "0", **dict.fromkeys(FLOATS, "0.0")}
                return plain.get(dtype, f"{dtype}(0)")
            case StringType():
                return '""'
            case ListType():
                return "List()"
            case ArrayType(ScalarType() as element, shape):
                sizes = ", ".join(self.size(size) if isinstance(size, Size) else "0" for size in shape)
                return f"fill({self.initial(element)}, {sizes})"
            case RowsType(_, shape):
                return f"rows_empty({', '.join(self.size(one) for one in shape)})"
        return None


def idle_arm(right: If | Case) -> Block | None:
    """The arm of an ``if`` that computes nothing."""
    if not isinstance(right, If):
        return None
    return right.otherwise if not right.otherwise.statements else right.then if not right.then.statements else None


def needs_annotation(kind: Type) -> bool:
    element = kind.element if isinstance(kind, ArrayType) else kind
    return isinstance(element, ScalarType) and element.dtype not in ("f32", "i64", "bool")
