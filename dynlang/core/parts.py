"""A part of an array that is read number by number is read from the array itself.

    row = at(a, i)      x = at(row, j)          is          x = at(a, i, j)

Law: every value is the same; indices of Core are checked where they are made, so no error is removed, moved or invented. It is done
where all that is ever done with `row` is to read from it, and where nothing takes over `a`, which would then have to be copied.
A derivative adds to the place of `a` that was read, where it would have made a row of zeros, added to that, and then the row to `a`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dynlang.core.nodes import Atom, Block, Call, Function, Let, Module, Operation, Variable
from dynlang.core.walk import atoms_of, blocks_of, map_blocks, statements_in
from dynlang.ops import OPS
from dynlang.types import ArrayType

Parts = dict[str, tuple[Variable, tuple[Atom, ...]]]
"""By the name of a part the array that it is of, and its indices there."""


def read_in_place(module: Module) -> Module:
    """The pass on every function."""
    functions = {name: _function(one, module) for name, one in module.functions.items()}
    return replace(module, functions=functions) if any(functions[name] is not one for name, one in module.functions.items()) else module


def _function(function: Function, module: Module) -> Function:
    parts = parts_of(function, module)
    if not parts:
        return function

    def read(block: Block) -> Block:
        return Block(tuple(_read(one, parts) for one in block.statements if not _defines(one, parts)), block.results)

    return replace(function, body=map_blocks(function.body, read))


def _defines(one: Let, parts: Parts) -> bool:
    return len(one.variables) == 1 and one.variables[0].name in parts


def _read(one: Let, parts: Parts) -> Let:
    match one.right:
        case Operation("at", (Variable(name), *indices)) if name in parts:
            array, first = parts[name]
            return replace(one, right=replace(one.right, arguments=(array, *first, *indices)))
    return one


def parts_of(function: Function, module: Module) -> Parts:
    """The parts that are only read from, of arrays that nothing takes over. A part of a part is one of the whole."""
    uses = _Uses(function, module)
    parts: Parts = {}
    for name, (array, indices) in uses.parts.items():
        whole, first = parts.get(array.name, (array, ()))
        if name not in uses.whole and whole.name not in uses.taken:
            parts[name] = whole, (*first, *indices)
    return parts


class _Uses:
    """`parts`: every part by its name, outer ones first. `whole`: variables of which more is done than reading elements. `taken`: those
    that an operation, a call or a block may take over."""

    def __init__(self, function: Function, module: Module) -> None:
        self.parts: Parts = {}
        self.whole: set[str] = set()
        self.taken: set[str] = set()
        self.take(function.body.results)
        for one in statements_in(function.body):
            for _, block in blocks_of(one.right):
                self.take(block.results)
            self.statement(one, module)

    def take(self, atoms: Iterable[Atom]) -> None:
        names = {one.name for one in atoms if isinstance(one, Variable)}
        self.whole |= names
        self.taken |= names

    def statement(self, one: Let, module: Module) -> None:
        match one.right:
            case Operation("at", (Variable() as array, *indices)):
                (result,) = one.variables
                if isinstance(result.type, ArrayType):
                    self.parts[result.name] = array, tuple(indices)
            case Operation(op, arguments):
                self.whole.update(atom.name for atom in arguments if isinstance(atom, Variable))
                self.take(arguments[:1] if OPS[op].has("consumes") else ())
            case Call(callee, arguments):
                self.whole.update(atom.name for atom in arguments if isinstance(atom, Variable))
                self.take(arguments[parameter] for parameter, _ in module.functions[callee].inout)
            case right:
                self.take(atoms_of(right))
