"""Dyn: a language for dynamic neural networks, and `dync`, its compiler.

A program goes through the folders of this package in this order; each stage is a pure function to the next form:

    syntax   text                  -> Module      the program as written: spans, comments; also the formatter
    check    Module                -> Program     names, types, symbolic sizes, exhaustiveness
    core     Program               -> CoreModule  monomorphic A-normal form with structured control flow
    grad     CoreModule            -> CoreModule  derivatives are ordinary functions
    ssa      CoreModule            -> SsaModule   blocks with arguments, tensor operations
    opt      SsaModule             -> SsaModule   one file a pass
    native   SsaModule             -> LLVM text   then machine code in memory, an executable or a library

Beside them: `ops` (one row for each primitive, read by every stage), `source` and `diag` (spans, errors as data),
`runtime` (what compiled programs need at run time), `pipeline` (the stages as a list of rows), `tools` (the command
line). `README.md` in this folder is the hacking guide.
"""

__version__ = "0.1.0"
