"""Random expressions over all scalar types mean the same, bit for bit, without and with optimisation and in the interpreter.

Only operations that are exact or rounded once are drawn, and reductions whose order is part of their meaning.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from dyn_calls import WAYS, callable_program
from test_scalars import ALL, FLOATS, HALVES, INTEGERS, same, values

FUNCTIONS = 14
"""In each program."""


class Expressions:
    """Draws expressions of a type: elements `i` of the arrays `x_T`, and what is made of them."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def of(self, dtype: str, depth: int) -> str:
        if depth == 0:
            return self.leaf(dtype)
        if dtype == "bool":
            return self.truth(depth)
        draw = self.random.random()
        if draw < 0.2:
            return f"{dtype}({self.of(self.random.choice(ALL), depth - 1)})"
        if draw < 0.3:
            return f"where({self.of('bool', depth - 1)}, {self.of(dtype, depth - 1)}, {self.of(dtype, depth - 1)})"
        if draw < 0.4:
            return f"({self.of(dtype, depth - 1)} if {self.of('bool', depth - 1)} else {self.of(dtype, depth - 1)})"
        if draw < 0.5:
            return f"{self.random.choice(['abs', 'sign'])}({self.of(dtype, depth - 1)})"
        left, right = self.of(dtype, depth - 1), self.of(dtype, depth - 1)
        if draw < 0.6:
            return f"{self.random.choice(['max', 'min'])}({left}, {right})"
        if dtype in INTEGERS and draw < 0.75:
            word = self.random.choice(["bit_and", "bit_or", "bit_xor", "shift_left", "shift_right", "//", "%"])
            return f"({left} {word} {self.divisor(dtype, right)})" if word in "//%" else f"{word}({left}, {right})"
        return f"({left} {self.random.choice('+-*/' if dtype in FLOATS else '+-*')} {right})"

    def divisor(self, dtype: str, value: str) -> str:
        """Never 0: an odd number."""
        return f"bit_or({value}, {dtype}(1))"

    def truth(self, depth: int) -> str:
        draw = self.random.random()
        if draw < 0.3:
            return f"({self.of('bool', depth - 1)} {self.random.choice(['and', 'or'])} {self.of('bool', depth - 1)})"
        if draw < 0.4:
            return f"(not {self.of('bool', depth - 1)})"
        dtype = self.random.choice([*FLOATS, *INTEGERS])
        sign = self.random.choice(["<", "<=", ">", ">=", "==", "!="])
        return f"({self.of(dtype, depth - 1)} {sign} {self.of(dtype, depth - 1)})"

    def leaf(self, dtype: str) -> str:
        if self.random.random() < 0.8 or dtype == "bool":
            return f"x_{dtype}[i]"
        number = self.random.choice([0, 1, 2, 3, 7, 100])
        return f"{dtype}({number})" if dtype in INTEGERS else f"{dtype}({number + 0.5})"


def function(random: Random, name: str) -> str:
    """One over all arrays: a comprehension, or a reduction of one, with a guard or without."""
    drawn, dtype = Expressions(random), random.choice(ALL)
    depth = random.randrange(1, 4)
    parameters = ", ".join(f"x_{one}: {one}[n]" for one in ALL)
    guard = f" if {drawn.of('bool', 1)}" if random.random() < 0.4 else ""
    reductions = ["any", "all", "count"] if dtype == "bool" else ["max", "min"]
    if dtype in (*INTEGERS, *HALVES):
        reductions += ["sum", "prod"]
    word = random.choice(["", *reductions])
    result = {"": f"{dtype}[?]" if guard else f"{dtype}[n]", "any": "bool", "all": "bool", "count": "int"}.get(word, dtype)
    if word in ("max", "min") and dtype in INTEGERS and guard:
        guard = ""  # of nothing there is none
    body = f"{drawn.of(dtype, depth)} for i in n{guard}"
    return f"fn {name}<n>({parameters}) -> {result}:\n    return {f'{word}({body})' if word else f'[{body}]'}\n"


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=pytest.mark.slow) if seed > 2 else seed for seed in range(40)])
def test_mixed_scalars(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    names = [f"f{place}" for place in range(FUNCTIONS)]
    path = tmp_path / "mixed.dyn"
    path.write_text("\n".join(function(random, name) for name in names))
    arguments = {f"x_{one}": np.roll(values(one, 37, seed + place), 3 * place) for place, one in enumerate(ALL)}
    found: dict[str, list] = {}
    for way in WAYS:
        with callable_program(path, names, way) as call, np.errstate(all="ignore"):
            found[way] = [call(name, **arguments)["result"] for name in names]
    for place, name in enumerate(names):
        text = path.read_text().split("\n\n")[place]
        assert same(found["0"][place], found["2"][place]), (name, text)
        native, wanted = found["2"][place], found["interp"][place]
        if "return max(" in text or "return min(" in text:
            native, wanted = native + native.dtype.type(0), wanted + wanted.dtype.type(0)  # which zero of several is the machine's affair
        assert same(native, wanted), (name, text, native, wanted)
