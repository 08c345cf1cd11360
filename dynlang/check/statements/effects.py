"""The way from a `fn` to an effect: which calls lead from the proc that it calls to what that proc does.

    proc log(text: str):            `f` calls `report`, which calls `log`, which prints
        print(text)

    proc report(x: f32):
        log(f"{x}")

    fn f(x: f32) -> f32:
        report(x)                   # the error is here
        return x

The bodies are read again from the text, since this is asked for only where there is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from dynlang.check import errors
from dynlang.check.context import Context, NestedEntry
from dynlang.check.declarations.world import Signature
from dynlang.check.messages import rewrites
from dynlang.diag import Label, Repair, replacing
from dynlang.ops.table import SURFACE
from dynlang.source import Source, Span
from dynlang.syntax import nodes as ast

PROC = re.compile(r"\bproc\s+$")
DIRECT = frozenset({"print", "progress"})


@dataclass(frozen=True, slots=True)
class Step:
    """A call on the way: of the proc `signature`, or of what has the effect itself (None)."""

    text: str
    span: Span
    signature: Signature | None


def pure_place(context: Context) -> tuple[str, str]:
    """What has no effects here, and what to do about it."""
    if context.frozen == "a lambda":
        return "a lambda", "functions as values are pure: take the value first, `let x = ...`, and use it in the lambda"
    return "a `fn`", f"make `{context.owner}` a `proc`, or hand it the value" if context.owner else ""


def effect_used(context: Context, name: str, does: str, span: Span) -> errors.ProcInFn:
    """An effect of the language in a place that has none: ``print`` writes."""
    place, hint = pure_place(context)
    repairs = () if place == "a lambda" else rewrites.as_proc(context.owner, span)
    if name == "print":
        hint = f"make `{context.owner}` a `proc`, or look at a value with `debug(x)`" if repairs else "`debug(x)` shows a value"
        repairs = (*repairs, replacing("write `debug`", span.source.span(span.start, span.start + len(name)), "debug"))
    return errors.ProcInFn(f"`{name}` {does}, and {place} has no effects", span, hint=hint, repairs=repairs)


def proc_called(context: Context, signature: Signature, span: Span) -> errors.ProcInFn:
    """A `fn` calls a proc: with the way to what the proc does, or the advice to make it a `fn` if it does nothing."""
    place, hint = pure_place(context)
    title = f"`{signature.short}` is a proc, and {place} calls no proc"
    declared = Label(signature.span, "declared as a proc here")
    way = way_to_effect(context, signature)
    if way is None:
        return errors.ProcInFn(title, span, secondary=(declared,), hint=f"`{signature.short}` has no effect: declare it with `fn`",
                               repairs=tuple(as_fn(signature.span)))
    caller = f"`{context.owner}`" if context.owner and place == "a `fn`" else "this"
    names = [f"{caller} calls `{signature.short}`"]
    names += [f"which calls `{one.text}` (line {one.span.line})" for one in way[:-1]]
    names.append(f"which uses `{way[-1].text}` (line {way[-1].span.line})")
    repairs = () if place == "a lambda" else rewrites.as_proc(context.owner, span)
    return errors.ProcInFn(title, span, secondary=(declared, Label(way[-1].span, "the effect")), notes=(", ".join(names),), hint=hint,
                           repairs=repairs)


def as_fn(declared: Span) -> Iterator[Repair]:
    """The edit that turns a `proc` into a `fn`."""
    text = declared.source.text
    found = PROC.search(text[:declared.start])
    if found is not None:
        yield replacing("declare it with `fn`", declared.source.span(found.start(), found.start() + 4), "fn")


def way_to_effect(context: Context, signature: Signature) -> list[Step] | None:
    """The calls that lead from a proc to an effect; None if there is none."""
    waiting: list[tuple[Signature, list[Step]]] = [(signature, [])]
    seen = {signature.name}
    while waiting:
        current, way = waiting.pop(0)
        for step in steps(context, current):
            if step.signature is None:
                return [*way, step]
            if step.signature.name not in seen:
                seen.add(step.signature.name)
                waiting.append((step.signature, [*way, step]))
    return None


def steps(context: Context, signature: Signature) -> Iterator[Step]:
    """The effects and the procs that a proc uses itself, in the order of its text."""
    body = body_of(signature.span)
    for node in (inner for statement in body for inner in ast.walk(statement)):
        if not isinstance(node, ast.Call):
            continue
        match node.function:
            case ast.Name(text):
                symbol = context.world.lookup(signature.module, text)
                entry = context.find(text)
                if isinstance(entry, NestedEntry):
                    found: Signature | None = entry.signature
                elif symbol is not None:
                    found = context.world.signatures.get(symbol.name)
                elif text in DIRECT or (text in SURFACE and SURFACE[text].has("effect")):
                    yield Step(text, node.span, None)
                    continue
                else:
                    found = None
            case ast.Attribute(_, name):
                found = next((one for one in context.world.signatures.values() if one.is_proc and one.short == name.text), None)
            case _:
                found = None
        if found is not None and found.is_proc:
            yield Step(found.short, node.span, found)


def body_of(name: Span) -> ast.Block:
    """The statements of the function whose name stands here."""
    return next((one.body for one in functions(name.source) if one.name.span.start == name.start), ())


@lru_cache(maxsize=16)
def functions(source: Source) -> tuple[ast.Function, ...]:
    from dynlang.syntax.parser import parse

    module, _ = parse(source)
    return tuple(one for one in ast.walk(module) if isinstance(one, ast.Function)) if module is not None else ()
