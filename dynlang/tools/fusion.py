"""`dync ir --fusion`: what each comprehension of a program became, and why, in the order of the source.

    model.dyn:4   [sum(w[i, j] * x[j] for j) for i]
                  matrix times vector (gemv), one kernel
    model.dyn:7   [tanh(2.0 * u) for u in xs]
                  one fused loop of 4 operations (mul, tanh, mul, add), with line 8
    model.dyn:10  sum(v for v in xs if v > 0.0)
                  a loop: its guard lets some items through only

Two stages decide. Elaboration makes operations on whole arrays of a comprehension, or a loop; the pass `fuse` joins those operations. Both
are asked: the first by what it noted, the second by the operations that are left, which know where they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dynlang import pipeline
from dynlang.check import typed
from dynlang.core.elaborate import elaborate
from dynlang.core.elaborate.decisions import EXISTS, Decision, shown
from dynlang.ops import OPS
from dynlang.source import Span
from dynlang.ssa.build import folds_of, operations_in
from dynlang.ssa.nodes import Array, Module, Operation
from dynlang.tools.inspect import default_entries

PRODUCTS = {
    "matvec": "matrix times vector (gemv), one kernel",
    "vecmat": "vector times matrix (gemv), one kernel",
    "matmul": "matrix times matrix (gemm), one kernel",
    "matvecs": "matrix times many vectors, one kernel",
    "dot": "inner product of two vectors, one kernel",
}
REDUCTIONS = frozenset(name for name in OPS if name.startswith("reduce_")) | {"argmax", "argmin"}
STEPS = frozenset({"yield", "constant", "retain", "release"})


def fusion_text(request: pipeline.Request, functions: tuple[str, ...] = ()) -> str:
    """The whole listing: of what main and the exports reach, of the functions named, and of the tests."""
    program = pipeline.build(request, until="typed")
    if functions:
        found = [listing(replace(request, entries=functions, keep={"typed": program}), program)]
    else:
        entries = tuple(default_entries(program))
        found = [listing(replace(request, entries=entries, keep={"typed": program}), program)]
        if program.tests or program.benches:
            found.append(listing(replace(request, tests=True, keep={"typed": program}), program))
    lines = dict.fromkeys(line for one in found for line in one)
    return "\n".join(text for _, _, text in sorted(lines, key=lambda line: line[:2])) or "no comprehension is reached"


def listing(request: pipeline.Request, program: typed.Program) -> Iterator[tuple[int, int, str]]:
    """An entry for each comprehension of the file itself: (start, end, text)."""
    decisions: list[Decision] = []
    request.keep["core"] = elaborate(program, request.entries, tests=request.tests, decisions=decisions)
    module: Module = pipeline.build(request, until="opt")
    operations = list(placed(module))
    own = [one for one in dict.fromkeys(decisions) if one.span.source.name == str(request.path)]
    inside_products = [one.span for one in own if one.op in PRODUCTS]
    for one in own:
        if any(encloses(product, one.span) and product != one.span for product in inside_products):
            continue
        head = f"{one.span.source.name}:{one.span.line}  {shown(one.span).strip('`')}"
        yield one.span.start, -one.span.end, f"{head}\n    {became(one, operations)}"


def placed(module: Module) -> Iterator[tuple[Operation, Operation | None]]:
    """Every operation that knows its place, with the fused loop or the nest around it."""
    for function in module.functions.values():
        loops = {id(inner): one for one in operations_in(function.body) if one.name in ("fused", "nest")
                 for inner in operations_in(one.regions[0])}
        for one in operations_in(function.body):
            if one.span is not None and one.name not in STEPS:
                yield one, loops.get(id(one))


def encloses(outer: Span, inner: Span) -> bool:
    return outer.source is inner.source and outer.start <= inner.start and inner.end <= outer.end


def became(decision: Decision, operations: Iterable[tuple[Operation, Operation | None]]) -> str:
    """What is left of a comprehension in the optimised program."""
    mine = [(one, loop) for one, loop in operations if one.span is not None and encloses(decision.span, one.span)]
    if not decision.op:
        return decision.why if decision.why == EXISTS else f"a loop: {decision.why}{rows(loop for _, loop in mine)}"
    if decision.op in PRODUCTS:
        kept = any(one.name == decision.op for one, _ in mine)
        return PRODUCTS[decision.op] if kept else f"{PRODUCTS[decision.op]}, which is known when compiling or not needed"
    parts = [fused(loop, decision.span) for loop in unique(loop for _, loop in mine if loop is not None)]
    single = [one.name for one, loop in mine if loop is None and isinstance(result_type(one), Array) and not one.name.startswith("fused")]
    if single:
        parts.append(f"{'an operation' if len(single) == 1 else 'operations'} on whole arrays: {', '.join(dict.fromkeys(single))}")
    reductions = dict.fromkeys(one.name for one, _ in mine if one.name in REDUCTIONS and not isinstance(result_type(one), Array))
    if reductions:
        parts.append(f"{'then ' if parts else ''}one reduction ({', '.join(reductions)})")
    return "; ".join(parts) or "nothing is left of it: it is known when compiling, or a part of what uses it"


def rows(loops: Iterable[Operation | None]) -> str:
    """What `nest` made of the rows that a loop adds up or writes."""
    nests = [one for one in unique(loops) if one.name == "nest"]
    if any(inner.name == "for" for one in nests for inner in operations_in(one.regions[0])):
        return "; rows stay in registers while they are added up"
    return "; rows are written where they belong" if nests else ""


def unique(loops: Iterable[Operation | None]) -> list[Operation]:
    return list({id(one): one for one in loops if one is not None}.values())


def result_type(one: Operation) -> object:
    return one.results[0].type if one.results else None


def fused(loop: Operation, span: Span) -> str:
    """A loop that `fuse` made, and which other lines are in it."""
    inner = [one for one in operations_in(loop.regions[0]) if one.name not in STEPS]
    names = ", ".join(one.name for one in inner[:8]) + (", ..." if len(inner) > 8 else "")
    others = sorted({one.span.line for one in inner if one.span is not None and not encloses(span, one.span)} - {span.line})
    shared = f", with line{'s' if len(others) > 1 else ''} {', '.join(map(str, others))}" if others else ""
    if loop.name == "nest":
        return f"one loop over the elements of each row, with loops inside ({names}){shared}"
    words = [word for word in dict.fromkeys(folds_of(loop)) if word is not None]
    reduced = f", reduced as it runs ({', '.join(words)})" if words else ""
    return f"one fused loop of {len(inner)} operation{'s' if len(inner) > 1 else ''} ({names}){shared}{reduced}"
