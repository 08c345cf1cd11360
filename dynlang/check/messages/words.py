"""Words that people bring along from Python, NumPy and PyTorch, and what they are called here.

A word is a hint and, where one word stands for another, what to write: then the error offers the repair.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dynlang.check import errors
from dynlang.diag import Diagnostic, Edit, Repair, replacing
from dynlang.source import Source, Span, resource
from dynlang.syntax import nodes as ast


@dataclass(frozen=True, slots=True)
class Word:
    """What to say of a word, and what to write for it ("" if nothing stands in its place as it is)."""

    hint: str
    write: str = ""


def called(name: str) -> Word:
    return Word(f"it is called `{name}` here", name)


NO_NULL = Word("there is no null: a sum type says what is missing, `type Option<T>:` with `Some(value: T)` and `Nothing`")
ARRAYS = Word("arrays are part of the language: `zeros(n, m)`, `x @ w`, `sum(x, axis=0)`, `f32[n, m]` for the type")

NAMES: Mapping[str, Word] = {
    "None": NO_NULL, "null": NO_NULL, "nil": NO_NULL, "undefined": NO_NULL,
    "True": Word("the word is `true`", "true"), "False": Word("the word is `false`", "false"),
    "torch": ARRAYS, "np": ARRAYS, "numpy": ARRAYS, "jnp": ARRAYS, "jax": ARRAYS, "tf": ARRAYS, "F": ARRAYS,
    "range": Word("a loop runs over a size or a range: `for i in n`, `for i in a..b`"),
    "lambda": Word("a lambda is `x => e`"),
    "self": Word("`self` is the first parameter of a method"),
    "super": Word("records have no parents: a field holds what is shared"),
    "float": Word("the type says its precision: `f32(x)` or `f64(x)`", "f32"),
    "double": called("f64"),
    "str": Word('an f-string makes text: `f"{x}"`'),
    "list": Word("a growing list is `var xs: List<int> = List()`; an array is `[a, b]`, `[e for x in xs]`"),
    "tuple": Word("a tuple is written `(a, b)`"),
    "dict": Word("a record has named fields: `record Point:`"),
    "map": Word("a comprehension does it: `[f(x) for x in xs]`"),
    "filter": Word("a comprehension does it: `[x for x in xs if test(x)]`"),
    "isinstance": Word("`match` tells the alternatives of a sum type apart"),
    "type": Word("types are known when the program is compiled: `match` tells alternatives apart"),
    "pow": Word("a power is `x ** y`"),
    "matmul": Word("a matrix product is `a @ b`"), "dot": Word("a product is `a @ b`"),
    "mm": Word("a matrix product is `a @ b`"), "bmm": Word("a batch of products: `[a @ b for a, b in zip(xs, ys)]`"),
    "cat": called("concat"), "concatenate": called("concat"), "full": called("fill"), "eye": called("identity"),
    "absolute": called("abs"), "ceil": Word("`-floor(-x)`"), "permute": called("transpose"),
    "rand": called("uniform"), "randn": called("normal"), "arange": Word("an array of indices is `[i for i in n]`"),
    "linspace": Word("a comprehension does it: `[a + f32(i) * step for i in n]`"),
    "input": Word("the parameters of `main` are the flags of the program"),
    "raise": Word("`fail(\"what is wrong\")` ends the program"),
    "len": Word("`len(x)`"),
    "device": Word("the compiler decides where a program runs: `dync build --target`"),
    "backward": Word("derivatives are functions: `grad(loss)(model, x)`"),
}

TYPES: Mapping[str, str] = {
    "float": "f32", "double": "f64", "string": "str", "String": "str", "integer": "int", "Int": "int", "boolean": "bool", "Bool": "bool",
    "float16": "f16", "half": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64", "Float": "f32", "Double": "f64",
    "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8", "byte": "u8", "long": "i64", "None": "()", "void": "()",
}
"""Types under other names. A type that takes its place is offered as a repair."""

TYPE_HINTS: Mapping[str, str] = {
    "Tensor": "an array's type says its numbers and its sizes: `f32[n, m]`",
    "ndarray": "an array's type says its numbers and its sizes: `f32[n, m]`",
    "Array": "an array's type says its numbers and its sizes: `f32[n, m]`",
    "list": "a growing list is `List<int>`, an array `int[n]`", "tuple": "a tuple's type is `(A, B)`",
    "dict": "a record has named fields: `record Point:`", "Any": "a type parameter stands for any type: `fn f<T>(x: T)`",
    "Callable": "a function's type is `f32 -> f32`, or `(f32, int) -> f32`", "Optional": "a sum type says what may be missing: `Option<T>`",
    "object": "a type parameter stands for any type: `fn f<T>(x: T)`",
}

MEMBERS: Mapping[str, str] = {
    "size": "`len(x)` is the first size, `x.shape` has all", "length": "`len(x)`", "T": "`transpose(x)`", "t": "`transpose(x)`",
    "transpose": "`transpose(x)`", "permute": "`transpose(x)` with the axes in their new order",
    "view": "`reshape(x, n, m)`", "reshape": "`reshape(x, n, m)`", "flatten": "`flatten(x)`", "ravel": "`flatten(x)`",
    "item": "one item is `x[0]`", "numpy": "it is an array already", "detach": "`stop_gradient(x)`",
    "clone": "values are never shared: `x`",
    "copy": "values are never shared: `x`", "to": "the type says the precision: `f32(x)`",
    "float": "`f32(x)`", "double": "`f64(x)`",
    "long": "`int(x)`", "int": "`int(x)`", "astype": "numbers are converted by name: `f32(x)`, `int(x)`", "dim": "the type has the rank",
    "ndim": "the type has the rank", "dtype": "the type has it", "device": "the compiler decides where a program runs",
    "backward": "derivatives are functions: `grad(loss)(model, x)`", "grad": "derivatives are functions: `grad(loss)(model, x)`",
    "requires_grad": "every `fn` has a derivative: `grad(f)(x)`", "squeeze": "`reshape(x, n)`", "unsqueeze": "`reshape(x, 1, n)`",
    "matmul": "`x @ y`", "dot": "`x @ y`", "append": "an array keeps its length: a growing list is `List()`, with `push`",
    "zero_": "`x = zeros(n)`", "add_": "`x += y`", "items": "`for x in xs` runs over the items",
}
"""Attributes and methods of arrays elsewhere; functions of one argument are offered as repairs."""

TEXT: Mapping[str, str] = {
    "format": 'an f-string puts values into text: `f"{x:.2f}"`', "encode": "text is UTF-8 already", "len": "`len(text)`",
    "strip": "`text.trim()`", "startswith": "`text.starts_with(...)`", "endswith": "`text.ends_with(...)`",
    "append": "text doesn't change: `a + b`",
}

SAME = ("sum", "mean", "max", "min", "prod", "any", "all", "argmax", "argmin", "abs", "exp", "log", "sqrt", "tanh", "sigmoid", "relu",
        "softmax", "norm", "sin", "cos", "len", "reshape", "transpose")
FUNCTIONS: Mapping[str, str] = {
    **{name: name for name in SAME}, "T": "transpose", "t": "transpose", "view": "reshape", "float": "f32", "double": "f64",
    "int": "int", "long": "int", "detach": "stop_gradient",
}
"""What is a method or attribute elsewhere, and a function here: `x.sum()` is `sum(x)`."""


def unknown_name(name: str, span: Span, known: Iterable[str], modules: Iterable[str]) -> Diagnostic:
    """A name that nothing declares: a word of another language, a module that isn't imported, or a slip."""
    found = errors.UnknownName(f"there is no `{name}` here", span)
    word = NAMES.get(name)
    if word is not None:
        known = set(known)
        repairs = [replacing(f"write `{word.write}`", span, word.write)] if word.write else []
        return replace(found, hint=word.hint, repairs=(*repairs, *without_module(span, known)))
    if name in modules:
        return replace(found, hint=f"`{name}` is a module of the library: `import {name}`", repairs=(importing(name, span.source),))
    return from_library(errors.misspelled(found, name, known), name, span)


def from_library(found: Diagnostic, name: str, span: Span) -> Diagnostic:
    """What nothing declares here, and nothing here is spelled like, may be what a module of the library declares."""
    modules = declaring(name) if not found.repairs else []
    if not modules:
        return found
    lines = " or ".join(f"`from {module} import {name}`" for module in modules)
    repairs = tuple(importing(module, span.source, name) for module in modules)
    return replace(found, hint=f"the library declares `{name}`: {lines}", repairs=repairs)


def declaring(name: str) -> list[str]:
    """The modules of the library that declare a name which others may import.

    >>> declaring("fixpoint"), declaring("above")
    (['energy'], ['search', 'sparse'])
    """
    if name.startswith("_"):
        return []
    declared = re.compile(rf"^(?:export )?(?:fn|proc|record|type) {re.escape(name)}\b|^export from .* import .*\b{re.escape(name)}\b", re.M)
    files = ((module, Path(resource("stdlib")) / f"{module}.dyn") for module in sorted(library_modules()))
    return [module for module, file in files if declared.search(file.read_text(encoding="utf-8"))]


def unknown_module(path: ast.Dotted, known: Iterable[str], otherwise: str) -> Diagnostic:
    """An import of a module that isn't there: often one of Python's, whose functions are part of the language."""
    found = errors.MissingModule(f"there is no module `{path.text}`", path.span)
    word = NAMES.get(path.parts[0].text)
    if word is None:
        return errors.misspelled(found, path.text, known, otherwise)
    source = path.span.source
    line = source.line_starts[path.span.line - 1]
    whole = source.span(line, min(line + len(source.line(path.span.line)) + 1, len(source.text)))
    alias = re.search(r"\bas\s+(\w+)", whole.text)
    uses = re.compile(rf"\b{re.escape(alias[1] if alias else path.text)}{MEMBER}").finditer(source.text, whole.end)
    edits = [Edit(source.span(use.start(), use.end()), plain(use[1])) for use in uses]
    return replace(found, hint=word.hint, repairs=(Repair("leave the import out, and its name", (Edit(whole, ""), *edits)),))


MEMBER = r"(?:\.(?:nn|functional|linalg|numpy|math))*\.(\w+)"
"""What follows the name of a module of Python's where its function is called."""


def plain(name: str) -> str:
    """
    >>> plain("cat"), plain("tanh")
    ('concat', 'tanh')
    """
    word = NAMES.get(name)
    return word.write if word is not None and word.write else name


def without_module(name: Span, known: Iterable[str]) -> Iterable[Repair]:
    """``sum(x)`` for ``np.sum(x)``, ``concat(...)`` for ``torch.cat(...)``."""
    found = re.compile(MEMBER).match(name.source.text, name.end)
    if found is not None and plain(found[1]) in set(known):
        written = plain(found[1])
        yield replacing(f"write `{written}`", name.source.span(name.start, found.end()), written)


def unknown_type(name: str, span: Span, known: Iterable[str]) -> Diagnostic:
    """A type that nothing declares."""
    found = errors.UnknownType(f"there is no type `{name}`", span)
    module = name.partition(".")[0]
    if module != name and module in library_modules():
        return replace(found, hint=f"`{module}` is a module of the library: `import {module}`", repairs=(importing(module, span.source),))
    if name in TYPES:
        written = TYPES[name]
        return replace(found, hint=f"the type is written `{written}`", repairs=(replacing(f"write `{written}`", span, written),))
    if name in TYPE_HINTS:
        return replace(found, hint=TYPE_HINTS[name])
    return from_library(errors.misspelled(found, name, known), name, span)


def unknown_array_member(found: Diagnostic, name: str, receiver: Span, known: Iterable[str], otherwise: str) -> Diagnostic:
    """An attribute or method that arrays don't have, often a function here: `x.sum(axis=0)` is `sum(x, axis=0)`."""
    function = FUNCTIONS.get(name)
    if function is not None:
        hint = MEMBERS.get(name) or f"it is a function: `{function}(x)`"
        return replace(found, hint=hint, repairs=tuple(as_function(function, receiver, found.span)))
    if name in MEMBERS:
        return replace(found, hint=MEMBERS[name])
    return errors.misspelled(found, name, known, otherwise)


def as_function(function: str, receiver: Span, name: Span | None) -> Iterable[Repair]:
    """`x.name(y)` as `function(x, y)`, by edits of the text."""
    text = receiver.source.text
    if name is None or receiver.end > name.start or text[receiver.end : name.start] != ".":
        return
    end, between = name.end, ")"
    if text[end : end + 2] == "()":
        end += 2
    elif text[end : end + 1] == "(":
        end, between = end + 1, ", "
    before = Edit(receiver.source.span(receiver.start, receiver.start), f"{function}(")
    yield Repair(f"call `{function}`", (before, Edit(receiver.source.span(receiver.end, end), between)))


def library_modules() -> set[str]:
    """The modules of the standard library that a program imports by name."""
    return {path.stem for path in Path(resource("stdlib")).glob("*.dyn")} - {"prelude"}


def importing(module: str, source: Source, name: str = "") -> Repair:
    """The repair that imports a module, or a name of it: below the last import, else below the doc string, else at the top."""
    lines = list(re.finditer(r"^(?:import|from|export from) .*\n", source.text, re.M))
    documentation = re.match(r'\s*"""(?:[^"]|"(?!""))*"""[ \t]*\n', source.text)
    at = lines[-1].end() if lines else documentation.end() if documentation else 0
    line = f"from {module} import {name}\n" if name else f"import {module}\n"
    what = f"import `{name}` from `{module}`" if name else f"import `{module}`"
    return replacing(what, source.span(at, at), line if lines or documentation else f"{line}\n")
