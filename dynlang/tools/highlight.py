"""Colours for Dyn source: a Pygments lexer, for the prompt and for documentation."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text

KEYWORDS = ("fn", "proc", "record", "type", "let", "var", "if", "elif", "else", "while", "for", "in", "match", "return",
            "import", "from", "export", "test", "bench", "assert", "break", "continue", "and", "or", "not", "as", "inout")
TYPES = ("f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u8", "bool", "int", "str", "idx", "List", "Map", "Tangent")


class DynLexer(RegexLexer):
    """`pygmentize -x -l dynlang/tools/highlight.py:DynLexer model.dyn`"""

    name = "Dyn"
    aliases: ClassVar = ["dyn"]
    filenames: ClassVar = ["*.dyn"]
    tokens: ClassVar = {
        "root": [
            (r"#.*", Comment.Single),
            (r'f?"""(?:.|\n)*?"""', String.Doc),
            (r'f?"(?:\\.|[^"\\\n])*"', String),
            (r"(fn|proc|record|type)(\s+)(\w+)", bygroups(Keyword, Text, Name.Function)),
            (words(KEYWORDS, suffix=r"\b"), Keyword),
            (words(("true", "false"), suffix=r"\b"), Keyword.Constant),
            (words(TYPES, suffix=r"\b"), Keyword.Type),
            (r"@\w+", Name.Decorator),
            (r"\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?", Number),
            (r"\w+", Name),
            (r"[-+*/%@=<>!&|?.]+", Operator),
            (r"[()\[\]{},:]", Punctuation),
            (r"\s+", Text),
            (r".", Text),
        ],
    }
