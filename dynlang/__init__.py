"""dync, the compiler of the language Dyn.

The way of a program through the house, one folder a stage; imports run along this line and never back:

    source.py diag.py   where text comes from, and errors as data
    syntax/             text -> AST; AST -> text
    check/ types.py     names, types, sizes: AST -> typed tree
    core/               typed, monomorphic, first-order core
    grad/               differentiation, Core -> Core
    ssa/ opt/           blocks and passes
    native/ runtime/    LLVM, and what compiled programs need
    ops/                the op table that every stage reads
    tools/ pipeline.py  the command line, and the list of stages it follows
"""

__version__ = '0.1.0'
