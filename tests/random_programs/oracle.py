# ruff: noqa: E501
"""What random programs are held against: every way through the compiler gives the same.

Laws, for a batch of programs in one file:

- the checker accepts it, formatted too, and the formatted program has the same Core; the printed Core reads back with the same meaning;
- no stage breaks a promise (the verifiers run), and no program fails, at any level;
- native code without optimisation gives the bits of native code with it;
- the interpreters of Core and of SSA give the same ints, bools and texts, and floats within the bound below;
- derivatives in reverse mode equal those in forward mode, and differences where those can be trusted;
- no block of memory is left.

The bound on floats: each op of the table states how far native code may be from NumPy, in units in the last place (`Op.tolerance`; one
where products may be fused with sums; for sums of n terms, n units of the sum of magnitudes). The program is run by the interpreter
with each op's results moved by as much at random, several times. Native results lie within `SAFETY` times the largest distance that
such runs show, and four units more. Where ints or texts change, a decision hangs on the last digits: the result is not compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dynlang import diag, pipeline
from dynlang.core import evaluate as core_evaluate
from dynlang.ops import OPS
from random_programs.program import part, together

SAFETY = 8.0
RUNS = 3
GRADIENT_TOLERANCE = 2e-6
KINK = 1e-5
"""Differences of two step sizes that differ by more than this stand near a kink, and say nothing."""
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?|-?\d+e[-+]?\d+")
ROUNDED = {"add", "sub", "mul", "div", "sqrt", "power", "convert", "matvec", "matmul"}


class Different(Exception):
    """Two ways that must agree don't."""


@dataclass
class Count:
    """What was seen."""

    programs: int = 0
    differentiated: int = 0
    differences: int = 0
    undecided: int = 0
    compared: int = 0
    widest: float = 0.0
    """The largest relative distance between native code and the interpreter."""
    not_built: dict[str, int] = field(default_factory=dict)


# ---------------------------------------------------------------- calls


def arguments_of(seed: int) -> list[Any]:
    """Sizes, then x, w, a, s, k."""
    numbers = np.random.default_rng(seed)
    n, m = int(numbers.integers(2, 4)), int(numbers.integers(2, 4))
    x, w, a = (numbers.standard_normal(shape) * 0.6 for shape in (n, m, (n, m)))
    return [n, m, x, w, a, np.float64(numbers.standard_normal() * 0.5), int(numbers.integers(-2, 6))]


def direction_of(seed: int, arguments: Sequence[Any]) -> list[Any]:
    numbers = np.random.default_rng(seed + 1)
    return [np.asarray(numbers.standard_normal(np.shape(one))) for one in arguments[2:6]]


def calls_of(seed: int, derivatives: bool) -> dict[str, list[Any]]:
    given = arguments_of(seed)
    calls = {f"run_{seed}": given}
    if derivatives:
        calls |= {f"slopes_{seed}": given, f"forward_{seed}": [*given, *direction_of(seed, given)]}
    return calls


# ---------------------------------------------------------------- the bound on floats


class Scattered(core_evaluate._Machine):
    """The interpreter of Core, each result moved by as much as native code may differ."""

    draw: np.random.Generator

    def operation(self, operation: Any, statement: Any, values: Mapping[str, Any]) -> Sequence[Any]:
        found = super().operation(operation, statement, values)
        row = OPS[operation.op]
        if not (row.tolerance or row.name in ROUNDED or row.has("bilinear")):
            return found
        operands = self.atoms(operation.arguments, values)
        moved = [self.moved(row, one, operands) for one in found]
        return [core_evaluate.represented(one, place.type) for one, place in zip(moved, statement.variables, strict=True)]

    def moved(self, row: Any, value: Any, operands: Sequence[Any]) -> Any:
        kind = getattr(value, "dtype", None)
        if kind is None or kind.kind != "f":
            return value
        scale = np.abs(value)
        terms = 1.0
        if row.name == "reduce_sum" or row.has("bilinear"):
            sizes = [np.asarray(one, np.float64) for one in operands if getattr(one, "dtype", None) is not None]
            terms = float(max((one.size for one in sizes), default=1))
            scale = scale + np.prod([np.max(np.abs(one), initial=0.0) for one in sizes]) * terms
        step = np.finfo(kind).eps * max(1.0, row.tolerance) * terms * self.draw.uniform(-1.0, 1.0, np.shape(value))
        return (value + scale * step).astype(kind)


def scattered(core: Any, name: str, arguments: Sequence[Any], seed: int) -> list[Any]:
    """The results with all ops moved a little."""
    from dynlang.core.deep import on_deep_stack

    def run() -> list[Any]:
        with np.errstate(all="ignore"):
            machine = Scattered(core, None)
            machine.draw = np.random.default_rng(seed)
            places = core.functions[name].parameters
            return list(machine.call(name, [core_evaluate.value_of(one, place.type) for one, place in zip(arguments, places, strict=True)]))

    return on_deep_stack(run, 1_000_000)


def flattened(results: Sequence[Any]) -> tuple[np.ndarray, list[Any]]:
    """The floats in results, in text too, and all else."""
    floats: list[float] = []
    rest: list[Any] = []
    for one in results:
        if isinstance(one, bytes | str):
            text = one.decode("utf-8", "replace") if isinstance(one, bytes) else one
            floats += [float(number) for number in NUMBER.findall(text)]
            rest.append(NUMBER.sub("#", text))
        elif np.asarray(one).dtype.kind == "f":
            floats += np.asarray(one, np.float64).ravel().tolist()
            rest.append(np.shape(one))
        else:
            rest.append(np.asarray(one).tolist())
    return np.asarray(floats), rest


@dataclass(frozen=True)
class Bound:
    """What a result may be: the interpreter's, and how far floats may be from it; None where a decision hangs on the last digits."""

    floats: np.ndarray
    rest: list[Any]
    room: np.ndarray | None

    def hold(self, what: str, results: Sequence[Any], count: Count) -> None:
        if self.room is None:
            return
        floats, rest = flattened(results)
        if rest != self.rest:
            raise Different(f"{what} is {rest}, and {self.rest} otherwise")
        same = (floats == self.floats) | (np.isnan(floats) & np.isnan(self.floats))
        distance = np.where(same, 0.0, np.abs(floats - self.floats))
        count.compared += len(floats)
        count.widest = max(count.widest, float(np.max(distance / (1e-300 + np.abs(self.floats) + 1.0), initial=0.0)))
        if np.any(~(distance <= self.room)):
            at = int(np.argmax(distance - self.room))
            raise Different(f"{what} is {floats[at]!r}, and {self.floats[at]!r} otherwise: {self.room[at]:.2g} is allowed")


def bound_of(core: Any, name: str, arguments: Sequence[Any], count: Count) -> Bound:
    floats, rest = flattened(core_evaluate.evaluate(core, name, arguments))
    room = 4 * np.finfo(np.float64).eps * np.abs(floats)
    for seed in range(RUNS):
        others, other_rest = flattened(scattered(core, name, arguments, seed))
        if other_rest != rest:
            count.undecided += 1
            return Bound(floats, rest, None)
        with np.errstate(all="ignore"):
            distance = np.where((floats == others) | np.isnan(floats), 0.0, np.abs(floats - others))
        room = np.maximum(room, SAFETY * distance)
    return Bound(floats, rest, room)


# ---------------------------------------------------------------- a batch


def hold(seeds: Sequence[int], folder: Path, count: Count, stage: list[str], derivatives: bool = True, texts: bool = True, verify: bool = True) -> None:
    """Raise if a law is broken by the programs of the seeds, in one file. Every third is differentiated."""
    hold_text(together([part(seed, f"_{seed}") for seed in seeds]), seeds, folder, count, stage, derivatives, texts, verify)


def is_differentiated(seed: int) -> bool:
    return seed % 4 == 0


def hold_text(text: str, seeds: Sequence[int], folder: Path, count: Count, stage: list[str], derivatives: bool = True, texts: bool = True, verify: bool = True) -> None:
    path = folder / "program.dyn"
    path.write_text(text, encoding="utf-8")
    calls: dict[str, list[Any]] = {}
    for seed in seeds:
        calls |= calls_of(seed, derivatives and is_differentiated(seed))
    request = pipeline.Request(path, entries=tuple(calls), verify=verify)
    stage[0] = "check"
    typed = pipeline.build(request, until="typed")
    stage[0] = "core"
    pipeline.build(request, until="core")
    if texts:
        stage[0] = "fmt"
        hold_format(text, typed, [f"run_{seed}" for seed in seeds], folder)
    for name in ("grad", "ssa", "opt"):
        stage[0] = name
        pipeline.build(request, until=name)
    optimised = natively(request, calls, stage, 2)
    plain = pipeline.Request(path, entries=tuple(calls), level=0)
    plain.keep.update({name: request.keep[name] for name in ("typed", "core", "grad")})
    same_bits(natively(plain, calls, stage, 0), optimised)
    hold_interpreters(request, calls, optimised, count, stage)
    if texts:
        stage[0] = "printed core"
        reread(pipeline.text_of("grad", request.keep["grad"]), calls, optimised, folder, count)
    for seed in seeds:
        count.programs += 1
        if f"slopes_{seed}" in calls:
            stage[0] = "gradient"
            hold_gradient(request.keep["grad"], seed, optimised, count)


def core_of(typed: Any, path: Path, entries: Sequence[str]) -> Any:
    request = pipeline.Request(path, entries=tuple(entries))
    request.keep["typed"] = typed
    return pipeline.build(request, until="core")


def hold_format(text: str, typed: Any, entries: Sequence[str], folder: Path) -> None:
    """Formatting twice changes nothing more, and the formatted program has the same Core."""
    from dynlang.syntax.formatter import format_source

    formatted = format_source(text)
    if format_source(formatted) != formatted:
        raise Different("the formatted program is formatted differently")
    path = folder / "formatted.dyn"
    path.write_text(formatted, encoding="utf-8")
    one = pipeline.text_of("core", core_of(typed, path, entries))
    other = pipeline.text_of("core", pipeline.build(pipeline.Request(path, entries=tuple(entries)), until="core"))
    if one != other:
        raise Different("the formatted program has another Core")


def natively(request: pipeline.Request, calls: Mapping[str, list[Any]], stage: list[str], level: int) -> dict[str, list[Any]]:
    from dynlang.tools.execute import compiled

    stage[0] = f"build -O{level}"
    ssa = pipeline.build(request, until="opt")
    found = {}
    with compiled(ssa, list(calls), level) as code:
        for name, given in calls.items():
            stage[0] = f"run {name.partition('_')[0]} -O{level}"
            found[name] = code.call(name, given)
            if code.compiled.live_blocks():
                raise Different(f"{code.compiled.live_blocks()} blocks are alive")
    stage[0] = "O0 and O2"
    return found


def same_bits(found: Mapping[str, list[Any]], wanted: Mapping[str, list[Any]]) -> None:
    for name, values in found.items():
        for place, (one, other) in enumerate(zip(values, wanted[name], strict=True)):
            if isinstance(one, bytes | str) and one != other:
                raise Different(f"text {place} of {name.partition('_')[0]} differs: {one!r} {other!r}")
            if not isinstance(one, bytes | str) and np.asarray(one).tobytes() != np.asarray(other).tobytes():
                raise Different(f"result {place} of {name.partition('_')[0]} is {one}, and {other} optimised")


def hold_interpreters(request: pipeline.Request, calls: Mapping[str, list[Any]], native: Mapping[str, list[Any]], count: Count, stage: list[str]) -> None:
    from dynlang.ssa import interpret

    for name, given in calls.items():
        stage[0] = "core evaluator"
        bound = bound_of(request.keep["grad"], name, given, count)
        bound.hold(f"the native result of {name.partition('_')[0]}", native[name], count)
        stage[0] = "interpreter"
        bound.hold(f"the interpreter's result of {name.partition('_')[0]}", interpret.interpret(request.keep["opt"], name, given), count)


def reread(printed: str, calls: Mapping[str, list[Any]], native: Mapping[str, list[Any]], folder: Path, count: Count) -> None:
    """A printed program checks, and gives the same."""
    path = folder / "printed.dyn"
    path.write_text(printed, encoding="utf-8")
    names = [name for name in calls if name.startswith("run_")]
    core = pipeline.build(pipeline.Request(path, entries=tuple(names)), until="core")
    for name in names:
        bound_of(core, name, calls[name], count).hold("the printed program's result", native[name], count)


def hold_gradient(core: Any, seed: int, native: Mapping[str, list[Any]], count: Count) -> None:
    """Forward mode equals reverse mode in a direction; both equal differences where two step sizes agree."""
    given = arguments_of(seed)
    direction = direction_of(seed, given)
    slope = sum(float(np.sum(one * other)) for one, other in zip(native[f"slopes_{seed}"], direction, strict=True))
    [forward] = native[f"forward_{seed}"]
    count.differentiated += 1
    if not abs(float(forward) - slope) <= 1e-9 * (1.0 + abs(slope)):
        raise Different(f"forward mode gives {forward}, reverse mode {slope}")

    def at(step: float) -> float:
        moved = [one + step * other for one, other in zip(given[2:6], direction, strict=True)]
        value, _, vector, _ = core_evaluate.evaluate(core, f"run_{seed}", [*given[:2], *moved, given[6]])
        return float(value + 0.1 * np.sum(np.sin(vector)))

    def richardson(step: float) -> float:
        one, two = ((at(h) - at(-h)) / (2 * h) for h in (step, step / 2))
        return (4 * two - one) / 3

    coarse, fine = richardson(1e-3), richardson(2.5e-4)
    scale = 1.0 + abs(slope)
    if abs(coarse - fine) < KINK * scale:
        count.differences += 1
        if abs(fine - slope) > 10 * abs(coarse - fine) + GRADIENT_TOLERANCE * scale:
            raise Different(f"the gradient is {slope}, differences give {fine} and {coarse}")


def failure_of(seeds: Sequence[int], folder: Path, count: Count, text: str | None = None, **asked: bool) -> str | None:
    """What is wrong with a batch, in one line; None if all laws hold. What isn't built yet is counted."""
    import traceback

    stage = ["check"]
    try:
        if text is None:
            hold(seeds, folder, count, stage, **asked)
        else:
            hold_text(text, seeds, folder, count, stage, **asked)
    except diag.NotBuilt as error:
        count.not_built[error.what] = count.not_built.get(error.what, 0) + 1
        return f"{stage[0]}: not built: {error.what}"
    except Exception as error:
        last = [frame for frame in traceback.extract_tb(error.__traceback__) if "dynlang" in frame.filename][-1:]
        place = f" ({Path(last[0].filename).name}:{last[0].name})" if last and not isinstance(error, diag.CompileError) else ""
        return f"{stage[0]}: {type(error).__name__}: {str(error)[:500]}{place}"
    return None
