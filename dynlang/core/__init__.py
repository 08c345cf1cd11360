"""Core: the typed, monomorphic, first-order program in A-normal form, and what every stage does with it.

    nodes.py      the tree, and the rules it keeps
    sizes.py      between int atoms and the sizes that mention them
    walk.py       traversals: free variables, substitution, renaming
    build.py      makes blocks: fresh names, result types, sizes as ints
    verify.py     refuses a module that breaks a rule
    show.py       Core as plain text, for dumps and messages
    unmade.py     alternatives that nothing makes, cut
    parts.py      parts of arrays that are read number by number, read in place before derivatives are made
    simplify/     dead code, constants, common subexpressions, inlining
    evaluate.py   the reference meaning, with NumPy
    print/        Core as Dyn source
    elaborate/    typed tree -> Core
"""
