"""SSA: tensor-level operations over explicit sizes, with regions for structured control flow.

`nodes.py` says what it is made of and what its text looks like. `lower` makes it from Core, `verify` checks its promises,
`print_module` and `parse.parse_module` are its text, `interpret.interpret` its meaning, `ownership.py` its references.
"""

from dynlang.ssa.lower import lower
from dynlang.ssa.print import print_module
from dynlang.ssa.verify import verify

__all__ = ["lower", "print_module", "verify"]
