"""Turns the functions of this Python's own standard library into trees that hide the function's name.

    python examples/treelstm/prepare.py [--out DIR] [--verbs 16]

Each function becomes one line `LABEL TREE` of train.txt or test.txt. The label is the verb of its name (`get` for
`get_payload` and `getPayload`), one of the most frequent. The tree is its syntax tree, binarised, with word numbers at
the leaves: the kinds of its nodes, the words of its identifiers, its small constants. Hidden are the name, wherever it
is mentioned, and the docstring. A file's functions all go to train.txt or all to test.txt, and a tree that occurs
twice is kept once, so nothing is tested that was trained on. The same library gives the same files, bit for bit.

Also written: vocabulary.txt and labels.txt, where line i names the word or the label i (from 0).
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import re
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SMALLEST, LARGEST = 4, 200  # leaves
SKIPPED_FOLDERS = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test", "encodings"}
HIDDEN, UNKNOWN = "<name>", "<unknown>"

Tree = str | tuple["Tree", "Tree"]
Sample = tuple[str, Tree]


def words_of(identifier: str) -> list[str]:
    """The words of an identifier: `get_rawPayload` has get, raw, payload."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", identifier)]


def join(parts: list[Tree]) -> Tree:
    """A balanced tree over the parts, in their order: of `n` leaves none is deeper than log2 n."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return join(parts[:middle]), join(parts[middle:])


def identifier(name: str, hidden: str) -> Tree:
    return HIDDEN if name == hidden else join([*(words_of(name) or ["_"])])


def constant(value: object) -> str:
    """A constant's leaf: small and singular values keep their identity, all others their type."""
    if value is None or isinstance(value, bool) or value in (-1, 0, 1, 2, ""):
        return repr(value)
    return f"<{type(value).__name__}>"


def tree_of(node: ast.AST, hidden: str) -> Tree:
    """A node is its kind beside the tree of its parts; an expression that is just a name or constant is its leaf."""
    if isinstance(node, ast.Constant):
        return constant(node.value)
    if isinstance(node, ast.Name):
        return identifier(node.id, hidden)
    parts: list[Tree] = []
    for field, value in ast.iter_fields(node):
        if field in ("ctx", "kind", "type_comment", "lineno", "simple", "returns", "annotation", "decorator_list"):
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST):
                parts.append(tree_of(item, hidden))
            elif isinstance(item, str):
                parts.append(identifier(item, hidden))
    kind = f"<{type(node).__name__}>"
    return (kind, join(parts)) if parts else kind


def body_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    """The statements, without the docstring."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return function.body[1:] if documented else function.body


def functions(source: bytes) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # templates and files of other versions
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_of(node):
            yield node


def samples(source: bytes) -> Iterator[Sample]:
    """The functions of one file as (verb, tree)."""
    for function in functions(source):
        words = words_of(function.name)
        if not words or function.name.startswith("__"):
            continue
        parts = [tree_of(part, function.name) for part in (function.args, *body_of(function))]
        tree = join(parts)
        if SMALLEST <= sum(1 for _ in leaves(tree)) <= LARGEST:
            yield words[0], tree


def leaves(tree: Tree) -> Iterator[str]:
    pending = [tree]
    while pending:
        tree = pending.pop()
        if isinstance(tree, str):
            yield tree
        else:
            pending += (tree[1], tree[0])


def library_files(root: Path) -> list[Path]:
    """The library's own modules, without its tests and the generated codecs."""
    files = (path for path in root.rglob("*.py") if not SKIPPED_FOLDERS & set(path.relative_to(root).parts))
    return sorted(files, key=lambda path: path.relative_to(root).parts)


def is_test_file(name: str) -> bool:
    """One file in five, chosen by a hash of its name, so that the choice is stable."""
    return hashlib.sha256(name.encode()).digest()[0] % 5 == 0


def collect(root: Path) -> tuple[list[Sample], list[Sample]]:
    """The distinct samples of all files, as (train, test)."""
    train: list[Sample] = []
    test: list[Sample] = []
    seen: set[Tree] = set()
    for path in library_files(root):
        part = test if is_test_file(path.relative_to(root).as_posix()) else train
        for verb, tree in samples(path.read_bytes()):
            if tree not in seen:
                seen.add(tree)
                part.append((verb, tree))
    return train, test


def numbered(tree: Tree, number: dict[str, int]) -> str:
    """The tree as text: a leaf is its word's number, a pair `(LEFT RIGHT)`."""
    if isinstance(tree, str):
        return str(number.get(tree, 0))
    return f"({numbered(tree[0], number)} {numbered(tree[1], number)})"


def write(path: Path, lines: Iterator[str] | list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder for the files")
    parser.add_argument("--verbs", type=int, default=16, help="how many labels")
    parser.add_argument("--words", type=int, default=600, help="size of the vocabulary")
    options = parser.parse_args()

    train, test = collect(Path(sysconfig.get_path("stdlib")))
    labels = [verb for verb, _ in Counter(verb for verb, _ in train).most_common(options.verbs)]
    train, test = ([sample for sample in part if sample[0] in labels] for part in (train, test))
    counts = Counter(word for _, tree in train for word in leaves(tree))
    vocabulary = [UNKNOWN, *(word for word, _ in counts.most_common(options.words - 1))]
    number = {word: index for index, word in enumerate(vocabulary)}

    options.out.mkdir(parents=True, exist_ok=True)
    for name, part in (("train.txt", train), ("test.txt", test)):
        write(options.out / name, [f"{labels.index(verb)} {numbered(tree, number)}" for verb, tree in part])
        size = sum(sum(1 for _ in leaves(tree)) for _, tree in part) / max(1, len(part))
        print(f"{options.out / name}: {len(part)} functions, {size:.0f} leaves on average")
    write(options.out / "vocabulary.txt", vocabulary)
    write(options.out / "labels.txt", labels)
    print(f"{len(labels)} labels: {', '.join(labels)}; {len(vocabulary)} words")


if __name__ == "__main__":
    main()
