"""Statements and bodies: bindings, places, patterns, control flow, effects.

statement.py   bindings, assignments, control flow
bodies.py      of functions, constants, tests and benchmarks
places.py      lending.py: what can be assigned or lent (rules 12 to 16)
patterns.py    `match`, and the cases that are left out
nested.py      functions inside functions
effects.py     the way from a `fn` to an effect
endings.py     where a body ends without `return`
varying.py     which `var`s are computed with
properties.py  tests that hold for many values
"""
