"""Source text to AST and back.

    nodes.py        the AST
    parser.py       parse(source) -> (Module, diagnostics); parse_module, parse_entry, parse_expression
    printer.py      AST -> text
    formatter.py    text -> the same text in the one layout
"""
