"""Functions of a Dyn program as Python callables on NumPy arrays, run in three ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dynlang import pipeline
from dynlang.ssa import interpret
from dynlang.tools import flat
from dynlang.tools.call import results_of
from dynlang.tools.execute import compiled

WAYS = ("0", "2", "interp")
Call = Callable[..., dict[str, np.ndarray]]


@contextmanager
def callable_program(path: Path, names: Sequence[str], way: str) -> Iterator[Call]:
    """`call(name, x=array)` gives the results by name; `way` is 'interp' or a level of optimisation."""
    level = 2 if way == "interp" else int(way)
    asked = pipeline.Request(path, entries=tuple(names), level=level)
    ssa = pipeline.build(asked, until="opt")
    core = asked.keep["grad"]

    def call(run: Callable[[str, list], list], name: str, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
        function = core.functions[name]
        reader = flat.Reader(core.sums, {one: np.asarray(array) for one, array in arrays.items()})
        values = reader.arguments(function, function.parameter_labels)
        reader.finish(function.parameter_labels)
        return results_of(function, run(name, values), core.sums)

    if way == "interp":
        yield lambda name, **arrays: call(lambda one, values: interpret.interpret(ssa, one, values), name, arrays)
        return
    with compiled(ssa, list(names), level) as code:
        yield lambda name, **arrays: call(code.call, name, arrays)
