# ruff: noqa: E501
"""Printed derivatives: what `dync grad` prints checks, and gives the same bits as the derivative that it shows.

    python tests/printed_derivatives.py FILE...        every function of the files that can be differentiated

Arguments are made up from the types. Where a function fails on them (an index out of range), the printed program must fail, too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from dynlang import diag, pipeline
from dynlang.core.evaluate import SumValue, evaluate
from dynlang.core.nodes import Function, Module, Variable
from dynlang.core.print.module import ModulePrinter
from dynlang.grad import gradient_program
from dynlang.grad.engine import Engine
from dynlang.ops.dtypes import NUMPY, round_to_bf16
from dynlang.types import FLOATS, INT, ArrayType, ListType, RowsType, ScalarType, Size, StringType, SumType, Type, size_variables

DEEPEST = 3
"""How deep a made-up value of a recursive type is."""


class Different(Exception):
    """The printed program isn't the derivative."""


# ---------------------------------------------------------------- arguments


@dataclass
class Maker:
    """Values of any Core type."""

    module: Module
    random: np.random.Generator

    def all(self, variables: Sequence[Variable], sizes: Mapping[str, int], depth: int = 0) -> list[Any]:
        """Values of parameters or fields, whose types may mention earlier ints."""
        known, made = dict(sizes), []
        mentioned = {name for one in variables for name in size_variables(one.type)}
        for one in variables:
            if one.type == INT and one.name in mentioned:
                known[one.name] = int(self.random.integers(2, 4)) if one.name not in known else known[one.name]
                made.append(np.int64(known[one.name]))
            else:
                made.append(self.value(one.type, known, depth))
        return made

    def value(self, kind: Type, sizes: Mapping[str, int], depth: int) -> Any:
        match kind:
            case ScalarType(dtype):
                return self.numbers(dtype, ())
            case ArrayType(element, shape):
                counts = tuple(one.evaluate(sizes) for one in shape if isinstance(one, Size))
                if isinstance(element, ScalarType):
                    return self.numbers(element.dtype, counts)
                made = np.empty(counts, object)
                for place in np.ndindex(*counts):
                    made[place] = self.value(element, sizes, depth + 1)
                return made
            case StringType():
                return b"text"
            case ListType(elements):
                return [tuple(self.value(one, sizes, depth + 1) for one in elements) for _ in range(2 if depth < DEEPEST else 0)]
            case SumType(name, arguments):
                return self.sum(name, [one.evaluate(sizes) for one in arguments if isinstance(one, Size)], depth)
            case RowsType():
                return []
        raise TypeError(f"no value of {kind}")

    def sum(self, name: str, sizes: Sequence[int], depth: int) -> SumValue:
        declaration = self.module.sums[name]
        shallow = [one for one in declaration.constructors if not any(is_deep(place.type) for place in one.fields)]
        choices = (shallow if depth >= DEEPEST else [one for one in declaration.constructors if one not in shallow]) or declaration.constructors
        if depth > 20:
            raise TypeError(f"no end of {name}")
        chosen = choices[int(self.random.integers(len(choices)))]
        return SumValue(chosen.name, tuple(self.all(chosen.fields, dict(zip(declaration.sizes, sizes, strict=True)), depth + 1)))

    def numbers(self, dtype: str, shape: tuple[int, ...]) -> Any:
        if dtype == "bool":
            made = self.random.random(shape) < 0.5
        elif dtype in FLOATS:
            made = self.random.standard_normal(shape) * 0.5
        else:
            made = self.random.integers(0, 2, shape)
        array = np.asarray(made).astype(NUMPY[dtype])
        array = round_to_bf16(array) if dtype == "bf16" else array
        return array if shape else array[()]


def is_deep(kind: Type) -> bool:
    return isinstance(kind, SumType) or (isinstance(kind, (ArrayType, ListType)) and any(map(is_deep, contents(kind))))


def contents(kind: Type) -> tuple[Type, ...]:
    return (kind.element,) if isinstance(kind, ArrayType) else kind.elements if isinstance(kind, ListType) else ()


# ---------------------------------------------------------------- the same values in the printed program


@dataclass
class Bridge:
    """Values of a module as those of the program that was printed from it: constructors have other names, and what had a size that
    another value gave brings its own."""

    made: Module
    read: Module
    printer: ModulePrinter

    def arguments(self, old: Function, new: Function, values: Sequence[Any]) -> list[Any]:
        generic = self.printer.generics[old.name]
        pairs = [(one, value) for one, value in zip(old.parameters, values, strict=True) if one.name not in generic]
        sizes = [int(value) for one, value in zip(old.parameters, values, strict=True) if one.name in generic]
        return self.places(pairs, new.parameters, dict(zip((one.name for one in new.parameters), sizes, strict=False)), len(sizes))

    def places(self, pairs: Sequence[tuple[Variable, Any]], new: Sequence[Variable], sizes: dict[str, int], skipped: int = 0) -> list[Any]:
        """Values for the variables `new`; those that are sizes of others and aren't known are read off them."""
        waiting = iter(pairs)
        mentioned = {name for one in new for name in size_variables(one.type)}
        taken: dict[str, Any] = {}
        for place, one in enumerate(new):
            if place < skipped or (one.type == INT and one.name in mentioned):
                continue
            variable, value = next(waiting)
            taken[one.name] = self.value(variable.type, one.type, value)
            if isinstance(one.type, ArrayType):
                for size, count in zip(one.type.shape, np.shape(taken[one.name]), strict=False):
                    if isinstance(size, Size) and size.single_variable:
                        sizes.setdefault(size.single_variable, count)
        if any(True for _ in waiting):
            raise Different("the printed function has fewer parameters")
        return [taken[one.name] if one.name in taken else np.int64(sizes[one.name]) for one in new]

    def value(self, old: Type, new: Type, value: Any) -> Any:
        match old:
            case SumType(name):
                declaration = self.made.sums[name]
                constructor = declaration.constructor(value.constructor)
                label = self.printer.constructors[name, value.constructor]
                assert isinstance(new, SumType)
                fields = self.read.sums[new.name].constructor(label).fields
                return SumValue(label, tuple(self.places(list(zip(constructor.fields, value.fields, strict=True)), fields, {})))
            case ListType(elements):
                assert isinstance(new, ListType)
                return [tuple(map(self.value, elements, new.elements, one)) for one in value]
            case ArrayType(element) if not isinstance(element, ScalarType):
                assert isinstance(new, ArrayType)
                made = np.empty(np.shape(value), object)
                for place in np.ndindex(*np.shape(value)):
                    made[place] = self.value(element, new.element, value[place])
                return made
        return value

    def results(self, old: Function, new: Function, values: Sequence[Any], found: Sequence[Any]) -> None:
        """Raise if the results of the printed function differ in a bit."""
        self.compare(old.results, new.results, values, found, old.name)

    def compare(self, old: Sequence[Variable], new: Sequence[Variable], values: Sequence[Any], found: Sequence[Any], where: str) -> None:
        mentioned = {name for one in new for name in size_variables(one.type)}
        rest = [(one, value) for one, value in zip(new, found, strict=True) if not (one.type == INT and one.name in mentioned)]
        if len(rest) != len(old):
            raise Different(f"{where} has {len(rest)} values, and {len(old)} are wanted")
        for one, value, (place, other) in zip(old, values, rest, strict=True):
            self.same(one.type, place.type, value, other, f"{one.name} of {where}")

    def same(self, old: Type, new: Type, value: Any, found: Any, where: str) -> None:
        match old:
            case SumType(name):
                declaration = self.made.sums[name]
                constructor = declaration.constructor(value.constructor)
                if found.constructor != self.printer.constructors[name, value.constructor]:
                    raise Different(f"{where} is a {found.constructor}, and a {value.constructor} is wanted")
                assert isinstance(new, SumType)
                fields = self.read.sums[new.name].constructor(found.constructor).fields
                self.compare(constructor.fields, fields, value.fields, found.fields, where)
            case ListType(elements):
                assert isinstance(new, ListType)
                for one, other in zip(value, found, strict=True):
                    for kind, kind2, a, b in zip(elements, new.elements, one, other, strict=True):
                        self.same(kind, kind2, a, b, where)
            case ArrayType(element) if not isinstance(element, ScalarType):
                assert isinstance(new, ArrayType)
                for one, other in zip(np.ravel(value), np.ravel(found), strict=True):
                    self.same(element, new.element, one, other, where)
            case RowsType():
                same_rows(value, found, where)
            case StringType():
                if value != found:
                    raise Different(f"{where} is {found!r}, and {value!r} is wanted")
            case _:
                one, other = np.asarray(value), np.asarray(found)
                if one.shape != other.shape or one.astype(other.dtype).tobytes() != other.tobytes():
                    raise Different(f"{where} is {found}, and {value} is wanted")


def same_rows(value: Any, found: Any, where: str) -> None:
    for (i, row), (j, other) in zip(value, found, strict=True):
        if int(i) != int(j) or np.asarray(row).tobytes() != np.asarray(other).tobytes():
            raise Different(f"{where} is {found}, and {value} is wanted")


# ---------------------------------------------------------------- what must hold


def positions_of(core: Module, function: str) -> list[tuple[int, ...]]:
    """By what to differentiate: the first parameter that carries a derivative, and all of them."""
    target = core.functions[function]
    carries = Engine(core).tangents.carries
    owners = [label.split(".")[0] for label in target.parameter_labels]
    active = [place for place, one in enumerate(target.parameters) if carries(one.type)]
    if not active:
        return []
    first = tuple(place for place in active if owners[place] == owners[active[0]])
    return list(dict.fromkeys((first, tuple(active))))


def outcome(module: Module, function: str, arguments: Sequence[Any]) -> list[Any] | str:
    """The results, or the code of the error."""
    try:
        return evaluate(module, function, arguments)
    except diag.CompileError as error:
        return error.diagnostics[0].code


def hold(made: Module, folder: Path, seed: int = 0) -> str:
    """Raise if the printed derivative doesn't check or gives other bits; gives what was printed."""
    (name,) = made.roots or (next(iter(made.functions)),)
    printed = pipeline.text_of("grad", made)
    path = folder / "printed.dyn"
    path.write_text(printed, encoding="utf-8")
    printer = ModulePrinter(made)
    label = printer.functions[name]
    read = pipeline.build(pipeline.Request(path, entries=(label,), verify=True), until="core")
    old, new = made.functions[name], read.functions[label]
    arguments = Maker(made, np.random.default_rng(seed)).all(old.parameters, {})
    bridge = Bridge(made, read, printer)
    given = bridge.arguments(old, new, arguments)
    wanted, found = outcome(made, name, arguments), outcome(read, label, given)
    if isinstance(wanted, str) or isinstance(found, str):
        if wanted != found:
            raise Different(f"it gives {found if isinstance(found, str) else 'a value'} where the derivative gives {wanted if isinstance(wanted, str) else 'a value'}")
        return ""
    bridge.results(old, new, wanted, found)
    return printed


def derivatives(core: Module, function: str) -> Iterator[tuple[str, Module]]:
    """The derivatives of a function that exist, with what they are called."""
    for wrt in positions_of(core, function):
        for forward in (False, True):
            try:
                made = gradient_program(core, function, wrt, forward)
            except diag.CompileError as error:
                if error.diagnostics[0].code == "DYN0001":
                    yield f"{function} by {wrt}{' forward' if forward else ''}: {error.diagnostics[0].title}", Module()
                continue
            yield f"{function} by {wrt}{' forward' if forward else ''}", made


def names_of(path: Path) -> list[str]:
    """The functions of a file that can be asked for."""
    checked = pipeline.build(pipeline.Request(path), until="typed")
    own = [(name.removeprefix(f"{checked.module}."), function) for name, function in checked.functions.items() if name.startswith(f"{checked.module}.")]
    return [name for name, function in own if function.kind == "fn" and "." not in name]


def failures(path: Path, folder: Path, count: dict[str, int]) -> Iterator[tuple[str, str]]:
    """What is wrong with the derivatives of a file's functions."""
    for function in names_of(path):
        try:
            core = pipeline.build(pipeline.Request(path, entries=(function,)), until="core")
            for title, made in derivatives(core, function):
                if not made.functions:
                    yield title, "not built"
                    continue
                count["derivatives"] = count.get("derivatives", 0) + 1
                try:
                    printed = hold(made, folder)
                    count["failing"] = count.get("failing", 0) + (not printed)
                except TypeError as error:
                    if "no value of" not in str(error) and "no end of" not in str(error):
                        raise
                    count["without arguments"] = count.get("without arguments", 0) + 1
                except Exception as error:
                    yield title, described(error)
        except diag.CompileError as error:
            count["not compiled"] = count.get("not compiled", 0) + 1
            if error.diagnostics[0].code == "DYN0002":
                yield function, described(error)
        except Exception as error:
            yield function, described(error)


def described(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error) if not isinstance(error, diag.CompileError) else "; ".join(f"{one.code} {one.title} [{line_of(one)}]" for one in error.diagnostics[:3])
    return f"{type(error).__name__}: {text[:400]} ({Path(last.filename).name}:{last.name})"


def line_of(one: diag.Diagnostic) -> str:
    if one.span is None:
        return ""
    text = one.span.source.text
    return text[text.rfind("\n", 0, one.span.start) + 1:].partition("\n")[0].strip()


def main() -> int:
    parser = argparse.ArgumentParser(description="check printed derivatives")
    parser.add_argument("files", nargs="+", type=Path)
    count: dict[str, int] = {}
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in parser.parse_args().files:
            try:
                for title, failure in failures(path, Path(folder), count):
                    wrong += 1
                    print(f"{path.name}: {title}: {failure}", flush=True)
            except diag.CompileError as error:
                print(f"{path.name}: skipped: {error.diagnostics[0].title}")
    print(", ".join(f"{number} {name}" for name, number in count.items()), f"{wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
