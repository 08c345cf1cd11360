"""`if` and `case`: the forward gives one more value, a residual with a constructor for each branch; the backward is a `case` on it.

Results of the backward: adjoints of all outer variables that any branch touched (the others pass them through), then arrays
rewound to their value before. An active scrutinee's adjoint is opened at the arm's constructor, where the payload's adjoints
are its fields, and closed at the end; `Zero` opens to lazy zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

from dynlang.core.nodes import Arm, Atom, Block, Case, Construct, If, Let, Variable
from dynlang.core.walk import blocks_of
from dynlang.grad.adjoints import Region
from dynlang.grad.reverse.context import Reversal, can_rewind, common_root
from dynlang.grad.reverse.residuals import Packed
from dynlang.grad.reverse.statements import close_tangent, open_tangent, reverse_block
from dynlang.types import SumType


@dataclass(slots=True)
class Branch:
    """One branch: its label, what it binds, and what its reversal made."""

    label: str
    fields: tuple[Variable, ...]
    body: Block
    region: Region
    forward: list[Let]


def reverse_branches(r: Reversal, statement: Let, right: Case | If, region: Region) -> list[Let]:
    taken = [region.adjoints.pop(one.name, None) for one in statement.variables]
    rewinds = _rewinds(r, statement, right)
    if all(one is None for one in taken) and not rewinds:
        return [statement]
    cotangents = [
        None if one is None else _dense(r, region, one, variable) for one, variable in zip(taken, statement.variables, strict=True)
    ]
    branches = [
        _reverse_branch(r, statement, right, label, fields, body, cotangents, rewinds, region) for label, fields, body in _labelled(right)
    ]
    touched = _touched(branches, region)
    packed = [_pack(r, one, touched, rewinds) for one in branches]
    return _emit(r, statement, right, region, branches, packed, touched, rewinds)


def _dense(r: Reversal, region: Region, value: Atom, variable: Variable) -> Atom:
    return r.engine.adjoints.force(region.builder, value, variable)


def _labelled(right: Case | If) -> list[tuple[str, tuple[Variable, ...], Block]]:
    labels = [arm.constructor for arm in right.arms] if isinstance(right, Case) else ["Then", "Else"]
    return [(label, fields, body) for label, (fields, body) in zip(labels, blocks_of(right), strict=True)]


def _rewinds(r: Reversal, statement: Let, right: Case | If) -> list[tuple[int, Variable]]:
    """Results that are one outer array, changed in place by some branch: (result, that array)."""
    found: list[tuple[int, Variable]] = []
    for k, variable in enumerate(statement.variables):
        if not can_rewind(variable.type):
            continue
        before = common_root(right, k, r.engine.state.functions)
        if before is None or before.type != variable.type or before.name in {one.name for _, one in found}:
            continue
        if any(block.results[k] != before for _, block in blocks_of(right)):
            found.append((k, before))
    return found


def _reverse_branch(
    r: Reversal,
    statement: Let,
    right: Case | If,
    label: str,
    fields: tuple[Variable, ...],
    body: Block,
    cotangents: list[Atom | None],
    rewinds: list[tuple[int, Variable]],
    region: Region,
) -> Branch:
    inner = region.inside()
    for k, _ in rewinds:
        after = body.results[k]
        if isinstance(after, Variable):
            inner.primal[after.name] = region.primal.get(statement.variables[k].name, statement.variables[k])
    fitted = [
        None if one is None else r.engine.adjoints.retype(inner.builder, one, r.tangent(result.type))
        for one, result in zip(cotangents, body.results, strict=True)
    ]
    scrutinee = right.scrutinee if isinstance(right, Case) else None
    if not isinstance(scrutinee, Variable) or not r.is_active(scrutinee):
        return Branch(label, fields, body, inner, reverse_block(r, body, fitted, inner))
    return _reverse_open_arm(r, scrutinee, label, fields, body, fitted, inner)


def _reverse_open_arm(
    r: Reversal, scrutinee: Variable, label: str, fields: tuple[Variable, ...], body: Block, cotangents: list[Atom | None], inner: Region
) -> Branch:
    """An arm of a `case` on an active sum."""
    kind = scrutinee.type
    assert isinstance(kind, SumType)
    declaration = r.engine.state.sums[kind.name]
    before = inner.adjoints.pop(scrutinee.name, None)
    opened: dict[str, Atom] = {}
    if before is not None and any(one.name in r.active for one in fields):
        values = open_tangent(r.engine, inner, before, declaration, kind, label, fields)
        opened = {field.name: value for field, value in zip(fields, values, strict=True) if value is not None}
        inner.adjoints.update(opened)
    forward = reverse_block(r, body, cotangents, inner)
    touched = any(inner.adjoints.get(one.name) is not opened.get(one.name) for one in fields)
    rest: Atom | None = before
    if touched:
        values_now = {one.name: inner.adjoints.get(one.name) for one in fields}
        rest = close_tangent(r, inner, kind, label, fields, values_now, f"d_{scrutinee.name}")
    own = inner.adjoints.get(scrutinee.name)
    if rest is not None:
        inner.adjoints[scrutinee.name] = rest if own is None else r.engine.adjoints.merge(inner.builder, own, rest, f"d_{scrutinee.name}")
    return Branch(label, fields, body, inner, forward)


def _touched(branches: list[Branch], region: Region) -> list[str]:
    """Outer variables whose adjoint any branch changed, in the order of first touch."""
    found: dict[str, None] = {}
    for branch in branches:
        local = {one.name for one in branch.fields} | {one.name for statement in branch.body.statements for one in statement.variables}
        for name, value in branch.region.adjoints.items():
            if name not in local and region.adjoints.get(name) is not value:
                found[name] = None
    return list(found)


def _pack(r: Reversal, branch: Branch, touched: list[str], rewinds: list[tuple[int, Variable]]) -> Packed:
    """The branch's backward ends with the adjoints of everything touched, and the rewound arrays."""
    results: list[Atom] = []
    for name in touched:
        variable = r.variable(name)
        value = branch.region.adjoints.get(name)
        results.append(
            r.engine.adjoints.zeros_like(branch.region, variable)
            if value is None
            else r.engine.adjoints.force(branch.region.builder, value, variable)
        )
    results += [branch.region.primal.get(before.name, before) for _, before in rewinds]
    return r.pack(branch.fields, branch.forward, branch.region.builder.block(*results))


def _emit(
    r: Reversal,
    statement: Let,
    right: Case | If,
    region: Region,
    branches: list[Branch],
    packed: list[Packed],
    touched: list[str],
    rewinds: list[tuple[int, Variable]],
) -> list[Let]:
    outputs = [Variable(f"d_{name}", r.tangent(r.variable(name).type)) for name in touched]
    outputs += [Variable(f"{before.name}_before", before.type) for _, before in rewinds]
    if isinstance(right, If) and not any(one.saved for one in packed):
        condition = r.primal(region, right.condition)
        found = region.builder.bind(If(condition, packed[0].backward, packed[1].backward), outputs)
        forward = [Let(statement.variables, If(right.condition, *_bodies(branches, packed)), statement.span)]
    else:
        what = "Branch" if isinstance(right, If) else "Case"
        kind, constructors = r.residual_type(what, [(one.label, pack.saved) for one, pack in zip(branches, packed, strict=True)])
        residual = Variable(r.names.fresh("saved"), kind)
        arms = tuple(Arm(constructors[one.label], pack.saved, pack.backward) for one, pack in zip(branches, packed, strict=True))
        found = region.builder.bind(Case(residual, arms), outputs)
        forward = [_forward(r, statement, right, branches, packed, kind, constructors, residual)]
    for name, value in zip(touched, found, strict=False):
        region.adjoints[name] = value
    for (_, before), value in zip(rewinds, found[len(touched) :], strict=True):
        region.primal[before.name] = value
    return forward


def _bodies(branches: list[Branch], packed: list[Packed]) -> tuple[Block, Block]:
    first, second = (Block(tuple(pack.forward), one.body.results) for one, pack in zip(branches, packed, strict=True))
    return first, second


def _forward(
    r: Reversal,
    statement: Let,
    right: Case | If,
    branches: list[Branch],
    packed: list[Packed],
    kind: SumType,
    constructors: dict[str, str],
    residual: Variable,
) -> Let:
    """The primal construct, each branch with its residual as one more result."""
    blocks = []
    for one, pack in zip(branches, packed, strict=True):
        made = Variable(r.names.fresh(residual.name), kind)
        construct = Let((made,), Construct(kind, constructors[one.label], pack.saved), statement.span)
        blocks.append(Block((*pack.forward, construct), (*one.body.results, made)))
    changed: Case | If
    if isinstance(right, If):
        changed = If(right.condition, blocks[0], blocks[1])
    else:
        changed = Case(
            right.scrutinee, tuple(Arm(arm.constructor, arm.fields, block) for arm, block in zip(right.arms, blocks, strict=True))
        )
    return Let((*statement.variables, residual), changed, statement.span)
