"""Expressions, but for calls: each file registers the handlers of the nodes that it reads.

simple.py          literals, names, tuples, conditionals, text, lambdas
arithmetic.py      logic.py  structure.py  elementary.py: operators and comparisons
members.py         what stands after a dot
indexing.py        gathers.py  joining.py  maps.py: items, slices, indices that move items, arrays put together
comprehensions.py  iteration.py  ranges.py: what runs, over what, how far
debugging.py       `debug(x)`
"""
