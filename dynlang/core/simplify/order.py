"""Read before write: an op that consumes an array sinks below the last read of that array in its block.

    m2 = update(m, i, v)           x = at(m, j)
    x = at(m, j)            is     m2 = update(m, i, v)

Then nothing reads `m` after the update, and it is done in place.
"""

from __future__ import annotations

from dynlang.core.nodes import Block, Let, Operation, Variable
from dynlang.core.walk import atoms_of, blocks_of, free_in_right, map_blocks
from dynlang.ops import OPS


def sink_updates(block: Block) -> Block:
    return map_blocks(block, _sunk)


def _reads(statement: Let) -> set[str]:
    if blocks_of(statement.right):
        return {one.name for one in free_in_right(statement.right)}
    return {one.name for one in atoms_of(statement.right) if isinstance(one, Variable)}


def _sunk(block: Block) -> Block:
    statements = list(block.statements)
    if not any(_consumed(one) for one in statements):
        return block
    reads = [_reads(one) for one in statements]
    position = len(statements) - 1
    while position >= 0:
        consumed = _consumed(statements[position])
        if consumed is not None:
            target = _last_read(position, consumed, statements, reads)
            if target > position:
                statements.insert(target, statements.pop(position))
                reads.insert(target, reads.pop(position))
        position -= 1
    stays = all(new is old for new, old in zip(statements, block.statements, strict=True))
    return block if stays else Block(tuple(statements), block.results)


def _consumed(statement: Let) -> str | None:
    """The name of what the statement changes in place, if it does."""
    right = statement.right
    if isinstance(right, Operation) and OPS[right.op].has("consumes") and right.arguments:
        first = right.arguments[0]
        return first.name if isinstance(first, Variable) else None
    return None


def _last_read(position: int, consumed: str, statements: list[Let], reads: list[set[str]]) -> int:
    """The last statement that reads `consumed`, if nothing up to it needs what the statement makes."""
    made = {one.name for one in statements[position].variables}
    last = position
    for later in range(position + 1, len(statements)):
        if made & reads[later]:
            break
        if consumed in reads[later]:
            last = later
    return last
