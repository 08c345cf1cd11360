"""Lists, checks, randomness, and the world outside (procs only)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynlang.ops.table import Op
from dynlang.types import BOOL, F64, INT, ArrayType, ListType, ScalarType, Size, StringType, Type, with_sizes

Kinds = tuple[Type, ...]
Attributes = Mapping[str, Any]
Sizes = tuple[Size, ...]
STRING = StringType()


def _list(kind: Type) -> ListType:
    if not isinstance(kind, ListType):
        raise TypeError(f"a list is needed, not {kind}")
    return kind


def _outside(name: str) -> Any:
    """The meaning of an effect: the interpreter's host does it (`dynlang/runtime/reference.py`)."""

    def meaning(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
        from dynlang.runtime import reference

        return getattr(reference, name)(*a, *sizes)

    return meaning


def _effect(name: str, operands: tuple[str, ...], accepts: tuple[str, ...], results: Kinds, documentation: str, surface: str | None = "") -> Op:
    return Op(name, operands, accepts, lambda kinds, attributes, sizes: results, _outside(name), None, {}, frozenset({"effect", "check"}),
              name if surface == "" else surface, documentation=documentation)


class Failure(Exception):
    """A failed check in the reference semantics; the text is what native code reports."""


def _check(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    if not bool(a[0]):
        raise Failure(filled(str(attributes["message"]), [int(one) for one in a[1:]]))
    return ()


def filled(message: str, numbers: list[int]) -> str:
    """The text of an error, each `{}` replaced by the next number.

    >>> filled("h - 2 is {} because h = {}", [-1, 1])
    'h - 2 is -1 because h = 1'
    """
    for one in numbers:
        message = message.replace("{}", str(one), 1)
    return message


def _check_index(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    if not 0 <= int(a[0]) < int(a[1]):
        raise Failure(f"index {int(a[0])} is outside 0..{int(a[1])}")
    return a[0]


def _fail(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    raise Failure(a[0].decode(errors="replace") if isinstance(a[0], bytes) else str(a[0]))


def _one(item: list[Any]) -> tuple[Any, ...]:
    return tuple(item)


def _list_take(np: Any, a: list[Any], attributes: Attributes, sizes: tuple[int, ...]) -> Any:
    items, place = a[0], int(a[1])
    return [*items[:place], (None,) * len(items[place]), *items[place + 1:]], *_one(items[place])


ROWS: list[Op] = [
    # -- lists: an element is one or several values side by side (attribute `elements` of list_empty: their types)
    Op("list_empty", (), (), lambda kinds, attributes, sizes: (ListType(tuple(attributes["elements"])),), lambda np, a, attributes, sizes: [], "rule",
       documentation="A list without elements."),
    Op("list_push", ("l", "*values"), ("list", "any"), lambda kinds, attributes, sizes: (kinds[0],), lambda np, a, attributes, sizes: [*a[0], tuple(a[1:])], "rule", {},
       frozenset({"consumes"}), documentation="The list with one more element at its end."),
    Op("list_pop", ("l",), ("list",), lambda kinds, attributes, sizes: (kinds[0], *_list(kinds[0]).elements),
       lambda np, a, attributes, sizes: (a[0][:-1], *_one(a[0][-1])), "rule", {}, frozenset({"consumes"}),
       documentation="The list without its last element, and that element. Not empty (checked before)."),
    Op("list_get", ("l", "i"), ("list", "int"), lambda kinds, attributes, sizes: _list(kinds[0]).elements, lambda np, a, attributes, sizes: _one(a[0][int(a[1])]), "rule",
       documentation="Element i, inside the list (checked before)."),
    Op("list_set", ("l", "i", "*values"), ("list", "int", "any"), lambda kinds, attributes, sizes: (kinds[0],),
       lambda np, a, attributes, sizes: [*a[0][:int(a[1])], tuple(a[2:]), *a[0][int(a[1]) + 1:]], "rule", {}, frozenset({"consumes"}),
       documentation="The list with element i replaced."),
    Op("list_take", ("l", "i"), ("list", "int"), lambda kinds, attributes, sizes: (kinds[0], *_list(kinds[0]).elements), _list_take, None, {},
       frozenset({"consumes"}), documentation="The list with nothing in the place of element i, to be written before it is read, and that element."),
    Op("list_length", ("l",), ("list",), lambda kinds, attributes, sizes: (INT,), lambda np, a, attributes, sizes: np.int64(len(a[0])), {}, documentation="How many elements."),
    Op("retype", ("x",), ("any",), lambda kinds, attributes, sizes: (with_sizes(kinds[0], sizes),), lambda np, a, attributes, sizes: a[0], "rule", {},
       documentation="The same value under a type that writes equal sizes differently: `sizes` are all that it has, left to right."),
    # -- checks: kept, in order, never moved across one another
    Op("check", ("condition", "*numbers"), ("bool", "int"), lambda kinds, attributes, sizes: (), _check, {}, {}, frozenset({"check"}),
       documentation="An error with attribute `message` (and `code`) where the condition is false; each `{}` in it is one of the numbers, at most three."),
    Op("check_index", ("i", "n"), ("int", "int"), lambda kinds, attributes, sizes: (INT,), _check_index, {}, {}, frozenset({"check"}),
       documentation="i, or the error \"index I is outside 0..N\" (attribute `code`)."),
    Op("fail", ("message",), ("str",), lambda kinds, attributes, sizes: (), _fail, {}, {}, frozenset({"check"}), documentation="Always an error, with this text."),
    # -- randomness: a pure function of key, stream and counter (Philox 4x32-10, Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3")
    Op("random_bits", ("key", "stream", "counter"), ("int", "int", "int"), lambda kinds, attributes, sizes: (ArrayType(ScalarType("i32"), sizes),), _outside("random_bits"), {}, {},
       frozenset(), "random_bits", documentation="`sizes` = (n,) words of 32 random bits: word j is word j % 4 of block counter + j // 4."),
    # -- effects
    _effect("print", ("text",), ("str",), (), "Writes the text and a newline.", None),
    _effect("write_text", ("text",), ("str",), (), "Writes the text, no newline, at once."),
    _effect("write_error", ("text",), ("str",), (), "Writes the text to standard error, no newline."),
    Op("debug_text", ("text",), ("str",), lambda kinds, attributes, sizes: (), _outside("write_error"), None, {}, frozenset({"effect", "check", "debug"}),
       "debug_text", documentation="Writes the text to standard error, no newline; in a `fn`, too, where it is left out of derivatives."),
    _effect("is_terminal", ("stream",), ("int",), (BOOL,), "Whether stream 1 (output) or 2 (errors) is a terminal."),
    _effect("read_file", ("path",), ("str",), (STRING,), "The bytes of a file; an error that names it where it can't be read."),
    _effect("write_file", ("path", "bytes"), ("str", "str"), (), "Writes a file whole: temporary name, synced, renamed."),
    _effect("file_exists", ("path",), ("str",), (BOOL,), "Whether there is a file, or a folder, of this name."),
    _effect("clock", (), (), (F64,), "Seconds, from some fixed moment."),
    _effect("sleep", ("seconds",), ("f64",), (), "Waits; not at all for what is no positive number."),
    _effect("environment", ("name",), ("str",), (STRING,), "The value of an environment variable; the empty text where it isn't set."),
    _effect("has_environment", ("name",), ("str",), (BOOL,), "Whether an environment variable is set."),
]
