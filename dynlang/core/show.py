"""Core as plain text, one statement a line: for dumps and for error messages. `print.py` writes Dyn."""

from __future__ import annotations

from collections.abc import Iterator

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
    Module,
    Operation,
    Right,
    Variable,
    Vjp,
    While,
)


def show(module: Module) -> str:
    lines: list[str] = []
    for declaration in module.sums.values():
        lines.append(f"type {declaration.name}<{', '.join(declaration.sizes)}>:")
        lines += [f"    {one.name}({_typed(one.fields)})" for one in declaration.constructors]
        lines.append("")
    for function in module.functions.values():
        lines += [*show_function(function), ""]
    return "\n".join(lines)


def show_function(function: Function) -> list[str]:
    marks = "".join(f" inout({p} -> {r})" for p, r in function.inout)
    head = f"fn {function.name}({_typed(function.parameters)}) -> ({_typed(function.results)}){marks}:"
    return [head, *_block(function.body, 1, "return")]


def show_statement(statement: Let) -> str:
    """The first line of a statement."""
    return _head(statement)


def _typed(variables: tuple[Variable, ...]) -> str:
    return ", ".join(f"{one.name}: {one.type}" for one in variables)


def _atom(atom: Atom | None) -> str:
    if atom is None:
        return "_"
    return repr(atom.value) if isinstance(atom, Literal) else atom.name


def _atoms(atoms: tuple[Atom | None, ...]) -> str:
    return ", ".join(map(_atom, atoms))


def _head(statement: Let) -> str:
    right = _right(statement.right)
    return f"{_typed(statement.variables)} = {right}" if statement.variables else right


def _right(right: Right) -> str:
    match right:
        case Operation(op, arguments, attributes, sizes):
            extra = [f"{name}={value}" for name, value in attributes]
            if sizes:
                extra.append(f"sizes=[{', '.join(map(str, sizes))}]")
            return f"{op}({', '.join([*map(_atom, arguments), *extra])})"
        case Call(function, arguments):
            return f"call {function}({_atoms(arguments)})"
        case Construct(kind, constructor, arguments):
            return f"{constructor}({_atoms(arguments)}) of {kind}"
        case Case(scrutinee, _):
            return f"case {_atom(scrutinee)}"
        case If(condition, _, _):
            return f"if {_atom(condition)}"
        case For(index, count, carried, initial, _):
            return f"for {index} in {_atom(count)} with ({_typed(carried)}) = ({_atoms(initial)})"
        case While(carried, initial, _, _):
            return f"while with ({_typed(carried)}) = ({_atoms(initial)})"
        case Vjp(function, arguments, wrt, cotangents):
            return f"vjp {function}({_atoms(arguments)}) wrt {wrt} by ({_atoms(cotangents)})"
        case Jvp(function, arguments, tangents):
            return f"jvp {function}({_atoms(arguments)}) along ({_atoms(tangents)})"


def _block(block: Block, depth: int, word: str) -> Iterator[str]:
    indent = "    " * depth
    for statement in block.statements:
        yield indent + _head(statement) + (":" if isinstance(statement.right, (Case, If, For, While)) else "")
        yield from _inside(statement.right, depth)
    yield f"{indent}{word} {_atoms(block.results)}"


def _inside(right: Right, depth: int) -> Iterator[str]:
    indent = "    " * (depth + 1)
    match right:
        case Case(_, arms):
            for arm in arms:
                yield f"{indent}{arm.constructor}({_typed(arm.fields)}):"
                yield from _block(arm.body, depth + 2, "yield")
        case If(_, then, otherwise):
            yield from _block(then, depth + 1, "yield")
            yield "    " * depth + "else:"
            yield from _block(otherwise, depth + 1, "yield")
        case For(_, _, _, _, body):
            yield from _block(body, depth + 1, "next")
        case While(_, _, condition, body):
            yield from _block(condition, depth + 1, "while")
            yield "    " * depth + "do:"
            yield from _block(body, depth + 1, "next")
