"""Derivatives of whole programs: native code at two levels and the interpreter agree, and so do differences and `dync grad`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynlang import pipeline
from dynlang.native import jit
from dynlang.ssa import interpret
from dynlang.tools import flat
from dynlang.tools.call import results_of
from dynlang.tools.derivative import derivative_text

PROGRAM = Path(__file__).parent / "language" / "_derivatives.dyn"
HEADER = re.compile(r"^#: (.*)\n(?:#: wrt ([\d ]+)\n)?fn (\w+)(<[^>]*>)?\((.*)\) -> f64:", re.M)
Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A function of the program: its arguments by name, and the positions that its gradient is taken by."""

    name: str
    arguments: dict[str, Any]
    wrt: tuple[int, ...]
    generics: str
    parameters: list[list[str]]

    @property
    def wrapper(self) -> str:
        """A function that gives the value and the gradient."""
        kinds = [f"Tangent<{self.parameters[place][1]}>" for place in self.wrt]
        result = kinds[0] if len(kinds) == 1 else f"({', '.join(kinds)})"
        places = "" if self.wrt == (0,) else f", wrt=({', '.join(map(str, self.wrt))})"
        parameters = ", ".join(": ".join(one) for one in self.parameters)
        return (f"\nfn {self.name}_slope{self.generics}({parameters}) -> (f64, {result}):\n"
                f"    return value_and_grad({self.name}{places})({', '.join(one[0] for one in self.parameters)})\n")

    @property
    def active(self) -> list[str]:
        """The arrays that the gradient is taken by, in the order in which it holds theirs."""
        owners = [self.parameters[place][0] for place in self.wrt]
        return [name for name, array in self.arguments.items() if name.split(".")[0] in owners and array.dtype.kind == "f"]


def cases() -> Iterator[Case]:
    random = np.random.default_rng(3)
    makers = {"r": lambda *shape: np.asarray(random.standard_normal(shape)),
              "p": lambda *shape: np.asarray(random.uniform(0.5, 2.0, shape)),
              "i": lambda n, *shape: random.integers(n, size=shape), "ints": lambda *items: np.array(items), "np": np}
    for given, wrt, name, generics, parameters in HEADER.findall(PROGRAM.read_text(encoding="utf-8")):
        apart = re.split(r", (?=\w+: )", parameters)
        yield Case(name, eval(given, makers), tuple(map(int, (wrt or "0").split())), generics, [one.split(": ", 1) for one in apart])


CASES = list(cases())


def callable_of(path: Path, names: tuple[str, ...], way: str) -> Callable[[str, Arrays], dict[str, np.ndarray]]:
    """Calls the functions of a file in one way: 'interp' or a level of optimisation."""
    request = pipeline.Request(path, entries=names, level=2 if way == "interp" else int(way))
    ssa = pipeline.build(request, until="opt")
    core = request.keep["grad"]
    code = None if way == "interp" else jit.compile_module(ssa, int(way), list(names))

    def call(name: str, arrays: Arrays) -> dict[str, np.ndarray]:
        function = core.functions[name]
        reader = flat.Reader(core.sums, {one: np.asarray(array) for one, array in arrays.items()})
        values = reader.arguments(function, function.parameter_labels)
        reader.finish(function.parameter_labels)
        results = interpret.interpret(ssa, name, values) if code is None else code.call(name, values)
        return results_of(function, results, core.sums)

    return call


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Callable[[str, Arrays], dict[str, np.ndarray]]]:
    path = tmp_path_factory.mktemp("slopes") / "slopes.dyn"
    path.write_text(PROGRAM.read_text(encoding="utf-8") + "".join(case.wrapper for case in CASES), encoding="utf-8")
    names = tuple(name for case in CASES for name in (case.name, f"{case.name}_slope"))
    return cache(lambda way: callable_of(path, names, way))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_backends_agree(ways, case: Case) -> None:
    plain, fast, slow = (ways(way)(f"{case.name}_slope", case.arguments) for way in ("0", "2", "interp"))
    assert plain.keys() == fast.keys() == slow.keys()
    for name in plain:
        assert np.array_equal(plain[name], fast[name], equal_nan=True), name
        assert np.allclose(slow[name], fast[name], rtol=1e-11, atol=1e-12, equal_nan=True), name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_differences(ways, case: Case) -> None:
    """Three central differences, extrapolated twice (Richardson)."""
    call = ways("2")
    results = call(f"{case.name}_slope", case.arguments)
    active, found = case.active, [array for name, array in results.items() if name != "result.0" and array.dtype.kind == "f"]
    assert [array.shape for array in found] == [case.arguments[name].shape for name in active]
    random = np.random.default_rng(4)
    direction = {name: random.standard_normal(np.shape(case.arguments[name])) for name in active}

    def difference(step: float) -> float:
        ends = [call(case.name, {**case.arguments, **{name: case.arguments[name] + h * direction[name] for name in active}})["result"]
                for h in (step, -step)]
        return float(ends[0] - ends[1]) / (2 * step)

    wide, middle, near = (difference(1e-3 / part) for part in (1, 2, 4))
    coarse, fine = (4 * middle - wide) / 3, (4 * near - middle) / 3
    expected = (16 * fine - coarse) / 15
    slope = sum(np.sum(array * direction[name]) for name, array in zip(active, found, strict=True))
    assert abs(slope - expected) <= 1e-8 * (1 + abs(expected))


PRINTED = ("tree_lstm", "early_return", "nested_breaks", "active_payloads", "while_trips", "sliced", "strided_write", "strided_none",
           "chosen_where", "solve", "chosen_closure", "list_of_arrays", "soft_dtw", "determinant",
           "unrolled_minimum", "memory_model", "array_of_records")


@pytest.mark.parametrize("case", [case for case in CASES if case.name in PRINTED], ids=lambda case: case.name)
def test_printed_derivative(ways, tmp_path: Path, case: Case) -> None:
    """`dync grad` prints a program that checks, and gives the same bits."""
    path = tmp_path / "printed.dyn"
    path.write_text(derivative_text(PROGRAM, case.name, [case.parameters[place][0] for place in case.wrt]), encoding="utf-8")
    call = callable_of(path, (f"{case.name}_grad",), "0")
    flattened = {name if name.startswith("t.") else name.replace(".", "_"): array for name, array in case.arguments.items()}
    found = call(f"{case.name}_grad", flattened)
    expected = ways("0")(f"{case.name}_slope", case.arguments)
    assert len(found) == len(expected)
    for one, other in zip(found.values(), expected.values(), strict=True):
        assert np.array_equal(one, other, equal_nan=True)
