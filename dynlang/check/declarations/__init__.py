"""Declarations: from the items of a file to the tables of what its names mean.

declare.py    names, types, signatures: an `Interface` for each module
world.py      what is declared: the tables that every module adds to
typenames.py  types and sizes as they are written
kinds.py      what a type parameter can do
finite.py     types that contain themselves
"""
