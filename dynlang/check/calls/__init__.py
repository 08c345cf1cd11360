"""Calls: what is called, with which arguments, and what the checker itself knows of it.

call.py        a declared function, a record or constructor, a method, a function value or a builtin
arguments.py   which argument belongs to which parameter, and what it tells of a generic callee
functions.py   functions as values
builtins.py    what no signature can say: arrays of any rank, `split`, `concat`, `print`
primitives.py  rows of the op table by their surface names
derivatives.py `grad`, `vjp`, `jvp` and their like
leaves.py      structure-generic code (rule 21)
"""
