"""Whether a value fits the type that is asked for, and what that tells of types and sizes still open.

fit.py        the small steps that make a value fit
solve.py      type and size parameters of one use (rule 3)
settle.py     types that a later use decides
opening.py    sizes of a binding are opened once (rule 4)
casts.py      `as`: sizes and indices checked when the program runs (rule 6)
guards.py     sizes are never negative (rules 2 and 6)
"""
