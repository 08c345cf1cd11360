"""Reverse mode: each construct's backward, and what its forward saves.

functions.py   f_forward and f_backward of a key, with the residual type
statements.py  blocks, ops, constructors, in-place updates rewound
branches.py    `if` and `case`
loops.py       `for` and `while` with their tapes
calls.py       calls, custom rules, aliased arguments
residuals.py   what the backward reads is what is saved
"""
