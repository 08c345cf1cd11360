"""Parameters and results of generated functions that nobody reads, through recursion: liveness over the whole module.

A result is live when some caller reads it, a parameter when its body needs it for a live result. All start dead and are
raised until nothing changes, so an array that recursion only hands around goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from dynlang.core.nodes import Atom, Block, Call, Function, Let, Module, Variable
from dynlang.core.walk import blocks_of, free_variables, rebuild, statements_in
from dynlang.grad.dead import needed, without_dead_code
from dynlang.types import size_variables

MayGo = Callable[[str], bool]
Positions = Mapping[str, set[int]]


def without_dead_values(module: Module, generated: frozenset[str], may_go: MayGo) -> Module:
    analysis = _Liveness(module, generated, may_go)
    analysis.solve()
    return Module(module.sums, {name: analysis.rewritten(one) for name, one in module.functions.items()})


class _Liveness:
    def __init__(self, module: Module, generated: frozenset[str], may_go: MayGo) -> None:
        self.module, self.may_go = module, may_go
        self.generated = {name for name in generated if name in module.functions}
        self.parameters: dict[str, set[int]] = {}
        self.results: dict[str, set[int]] = {}
        for name, one in module.functions.items():
            free = name in self.generated
            self.parameters[name] = set() if free else set(range(len(one.parameters)))
            self.results[name] = set() if free else set(range(len(one.results)))

    def solve(self) -> None:
        """A function is looked at again when more of its results, or of the parameters it passes, are live."""
        callers: dict[str, set[str]] = {name: set() for name in self.module.functions}
        for name, one in self.module.functions.items():
            for statement in statements_in(one.body):
                if isinstance(statement.right, Call) and statement.right.function in callers:
                    callers[statement.right.function].add(name)
        todo = dict.fromkeys(self.module.functions)
        while todo:
            name = next(iter(todo))
            del todo[name]
            for changed in self.visit(name):
                todo[changed] = None
                if changed != name:
                    continue
            if self.grown:
                todo.update(dict.fromkeys(sorted(callers[name])))

    def visit(self, name: str) -> list[str]:
        """Marks what the live part of a body needs; gives the functions of which more results are live."""
        function = self.module.functions[name]
        body = self.live_body(function)
        read = {one.name for one in free_variables(body)}
        own = self.parameters[name]
        before = len(own)
        own |= {k for k, one in enumerate(function.parameters) if one.name in read}
        for position in sorted(own):
            mentioned = size_variables(function.parameters[position].type)
            own |= {k for k, one in enumerate(function.parameters) if one.name in mentioned}
        self.grown = len(own) > before
        changed: list[str] = []
        used = used_names(body)
        for statement in statements_in(body):
            right = statement.right
            if isinstance(right, Call) and right.function in self.generated:
                live = set(needed(statement.variables, {one.name for one in statement.variables} & used))
                if not live <= self.results[right.function]:
                    self.results[right.function] |= live
                    changed.append(right.function)
        return changed

    def live_body(self, function: Function) -> Block:
        """The body without arguments for dead parameters, cut down to the live results."""

        def cut(block: Block) -> Block:
            statements = []
            for one in block.statements:
                right = one.right
                if isinstance(right, Call) and right.function in self.generated:
                    live = self.parameters[right.function]
                    right = Call(right.function, tuple(a for k, a in enumerate(right.arguments) if k in live))
                elif blocks_of(right):
                    right = rebuild(right, lambda atom: atom, cut)
                statements.append(replace(one, right=right))
            return Block(tuple(statements), block.results)

        body = cut(function.body)
        if function.name not in self.generated:
            return body
        keep = sorted(self.results[function.name])
        return without_dead_code(Block(body.statements, tuple(body.results[k] for k in keep)), self.may_go)

    # -- rewriting

    def rewritten(self, function: Function) -> Function:
        name = function.name
        if name not in self.generated:
            return replace(function, body=self.block(function.body))
        results = needed(function.results, {function.results[k].name for k in self.results[name]})
        body = without_dead_code(Block(self.block(function.body).statements, tuple(function.body.results[k] for k in results)), self.may_go)
        parameters = sorted(self.parameters[name])
        inout = tuple((parameters.index(p), results.index(r)) for p, r in function.inout if p in parameters and r in results)
        return replace(
            function,
            parameters=tuple(function.parameters[k] for k in parameters),
            results=tuple(function.results[k] for k in results),
            body=body,
            inout=inout,
            sizes=sum(1 for k in parameters if k < function.sizes),
        )

    def block(self, block: Block) -> Block:
        return Block(tuple(map(self.statement, block.statements)), block.results)

    def statement(self, statement: Let) -> Let:
        right = statement.right
        if isinstance(right, Call) and right.function in self.generated:
            called = self.module.functions[right.function]
            keep = needed(called.results, {called.results[k].name for k in self.results[right.function]})
            live = self.parameters[right.function]
            arguments: tuple[Atom, ...] = tuple(a for k, a in enumerate(right.arguments) if k in live)
            return replace(statement, variables=tuple(statement.variables[k] for k in keep), right=Call(right.function, arguments))
        return replace(statement, right=rebuild(right, lambda atom: atom, self.block)) if blocks_of(right) else statement


def used_names(block: Block) -> set[str]:
    """Names read anywhere in a block, sizes in types too."""
    from dynlang.core.walk import atoms_of, sizes_in

    found: set[str] = set()

    def walk(one: Block) -> None:
        for statement in one.statements:
            found.update(a.name for a in atoms_of(statement.right) if isinstance(a, Variable))
            found.update(sizes_in(statement.right))
            for variable in statement.variables:
                found.update(size_variables(variable.type))
            for binders, inner in blocks_of(statement.right):
                for variable in binders:
                    found.update(size_variables(variable.type))
                walk(inner)
        found.update(a.name for a in one.results if isinstance(a, Variable))

    walk(block)
    return found
