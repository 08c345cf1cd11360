"""What random programs are held against: every way through the compiler gives the same.

Laws, for a batch of programs in one file:

- the checker accepts it, formatted too, and the formatted program has the same Core; the printed Core reads back with the same meaning;
- no stage breaks a promise (the verifiers run), and no program fails, at any level;
- native code without optimisation gives the bits of native code with it;
- the interpreters of Core and of SSA give the same ints, bools and texts, and floats within the bound below;
- derivatives in reverse mode equal those in forward mode, and differences where those can be trusted; second derivatives
  (forward over reverse) are symmetric, and equal differences of the first;
- no block of memory is left.

The bound on floats: each op of the table states how far native code may be from NumPy, in units in the last place (`Op.tolerance`; one
where products may be fused with sums; for sums of n terms, n units of the sum of magnitudes). The program is run by the interpreter
with each op's results moved by as much at random, several times. Native results lie within `SAFETY` times the largest distance that
such runs show, and four units more. Where ints or texts change, a decision hangs on the last digits: the result is not compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
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
    """Gradients that differences could be trusted for."""
    second: int = 0
    second_differences: int = 0
    undecided: int = 0
    compared: int = 0
    loops: int = 0
    """Differentiated programs with a loop; below, with a `match`, with a function of their own that calls itself."""
    matches: int = 0
    recursive: int = 0
    widest: float = 0.0
    """The largest relative distance between native code and the interpreter."""

    def add(self, more: Count) -> None:
        for one in fields(self):
            mine, other = getattr(self, one.name), getattr(more, one.name)
            setattr(self, one.name, max(mine, other) if one.name == "widest" else mine + other)


@dataclass(frozen=True)
class Laws:
    """Which laws programs are held against; `every=4` differentiates each fourth program, 0 none."""

    small: bool = False
    texts: bool = True
    verify: bool = True
    levels: tuple[int, ...] = (2, 0)
    """Of native code; none: the interpreter of Core alone."""
    every: int = 4
    second: int = 16

    def first_order(self, seed: int) -> bool:
        return self.every > 0 and seed % self.every == 0

    def second_order(self, seed: int) -> bool:
        return self.first_order(seed) and self.second > 0 and seed % self.second == 0

    def program(self, seed: int) -> str:
        return part(seed, f"_{seed}", self.small, self.first_order(seed) + self.second_order(seed))


ALL = Laws()
VALUES = Laws(texts=False, verify=False, every=0)
GRADIENTS = Laws(texts=False, verify=False, levels=(), every=1, second=8)


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


def calls_of(seed: int, laws: Laws) -> dict[str, list[Any]]:
    given = arguments_of(seed)
    calls = {f"run_{seed}": given}
    if laws.first_order(seed):
        calls |= {f"slopes_{seed}": given, f"forward_{seed}": [*given, *direction_of(seed, given)]}
    if laws.second_order(seed):
        calls[f"bend_{seed}"] = [*given, *direction_of(seed, given), *direction_of(seed + 1, given)]
    return calls


# ---------------------------------------------------------------- the bound on floats


class Scattered(core_evaluate._Machine):
    """The interpreter of Core, each result moved by as much as native code may differ."""

    draw: np.random.Generator
    rounding = False
    """Move results of f16 and bf16 by a unit of theirs: derivatives in two modes round at different places."""

    def operation(self, operation: Any, statement: Any, values: Mapping[str, Any]) -> Sequence[Any]:
        found = super().operation(operation, statement, values)
        row = OPS[operation.op]
        if not (row.tolerance or row.name in ROUNDED or row.has("bilinear")):
            return found
        operands = self.atoms(operation.arguments, values)
        moved = [self.moved(row, one, operands, place.type) for one, place in zip(found, statement.variables, strict=True)]
        return [core_evaluate.represented(one, place.type) for one, place in zip(moved, statement.variables, strict=True)]

    def moved(self, row: Any, value: Any, operands: Sequence[Any], type: Any) -> Any:
        kind = getattr(value, "dtype", None)
        if kind is None or kind.kind != "f":
            return value
        scale = np.abs(value)
        terms = 1.0
        if row.name == "reduce_sum" or row.has("bilinear"):
            sizes = [np.asarray(one, np.float64) for one in operands if getattr(one, "dtype", None) is not None]
            terms = float(max((one.size for one in sizes), default=1))
            scale = scale + np.prod([np.max(np.abs(one), initial=0.0) for one in sizes]) * terms
        narrow = self.rounding and "bf16" in str(type)
        step = (2.0**-8 if narrow else np.finfo(kind).eps) * max(1.0, row.tolerance) * terms * self.draw.uniform(-1.0, 1.0, np.shape(value))
        return (value + scale * step).astype(kind)


def scattered(core: Any, name: str, arguments: Sequence[Any], seed: int, rounding: bool = False) -> list[Any]:
    """The results with all ops moved a little."""
    from dynlang.core.deep import on_deep_stack

    def run() -> list[Any]:
        with np.errstate(all="ignore"):
            machine = Scattered(core, None)
            machine.draw, machine.rounding = np.random.default_rng(seed), rounding
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
        if other_rest != rest or np.any(np.isnan(others) != np.isnan(floats)):
            count.undecided += 1
            return Bound(floats, rest, None)
        with np.errstate(all="ignore"):
            distance = np.where((floats == others) | np.isnan(floats), 0.0, np.abs(floats - others))
        room = np.maximum(room, SAFETY * distance)
    return Bound(floats, rest, room)


# ---------------------------------------------------------------- a batch


@dataclass
class Batch:
    """Programs in one file, and how far they have come: `stage` names what is looked at."""

    text: str
    seeds: Sequence[int]
    folder: Path
    laws: Laws
    count: Count
    stage: str = "check"

    def hold(self) -> None:
        """Raise if a law is broken."""
        path = self.folder / "program.dyn"
        path.write_text(self.text, encoding="utf-8")
        calls: dict[str, list[Any]] = {}
        for seed in self.seeds:
            calls |= calls_of(seed, self.laws)
        request = pipeline.Request(path, entries=tuple(calls), verify=self.laws.verify, level=max(self.laws.levels, default=0))
        for self.stage in ("typed", "core"):
            pipeline.build(request, until=self.stage)
        if self.laws.texts:
            self.stage = "fmt"
            self.hold_format(request.keep["typed"])
        self.stage = "grad"
        core = pipeline.build(request, until="grad")
        results = self.compiled(request, calls) if self.laws.levels else self.interpreted(core, calls)
        if self.laws.texts:
            self.stage = "printed core"
            reread(pipeline.text_of("grad", core), calls, results, self.folder, self.count)
        self.hold_derivatives(core, results)

    def interpreted(self, core: Any, calls: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        found = {}
        for name, given in calls.items():
            self.stage = f"{name} core evaluator"
            found[name] = core_evaluate.evaluate(core, name, given)
        return found

    def compiled(self, request: pipeline.Request, calls: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """The results of native code, the same at all levels, and held against the interpreters."""
        for self.stage in ("ssa", "opt"):
            pipeline.build(request, until=self.stage)
        native = self.natively(request, calls, request.level)
        for level in set(self.laws.levels) - {request.level}:
            other = pipeline.Request(request.path, entries=tuple(calls), level=level)
            other.keep.update({name: request.keep[name] for name in ("typed", "core", "grad")})
            found = self.natively(other, calls, level)
            self.stage = f"-O{level} and -O{request.level}"
            same_bits(found, native)
        self.hold_interpreters(request, calls, native)
        return native

    def hold_derivatives(self, core: Any, native: Mapping[str, list[Any]]) -> None:
        for seed in self.seeds:
            self.count.programs += 1
            self.stage = f"gradient {seed}"
            if self.laws.first_order(seed):
                hold_gradient(core, seed, native, self.count)
                self.count_features(seed)
            if self.laws.second_order(seed):
                hold_second(core, seed, native, self.count)

    def hold_format(self, typed: Any) -> None:
        """Formatting twice changes nothing more, and the formatted program has the same Core."""
        from dynlang.syntax.formatter import format_source

        formatted = format_source(self.text)
        if format_source(formatted) != formatted:
            raise Different("the formatted program is formatted differently")
        path, entries = self.folder / "formatted.dyn", [f"run_{seed}" for seed in self.seeds]
        path.write_text(formatted, encoding="utf-8")
        one = pipeline.text_of("core", core_of(typed, path, entries))
        other = pipeline.text_of("core", pipeline.build(pipeline.Request(path, entries=tuple(entries)), until="core"))
        if one != other:
            raise Different("the formatted program has another Core")

    def natively(self, request: pipeline.Request, calls: Mapping[str, list[Any]], level: int) -> dict[str, list[Any]]:
        from dynlang.native.jit import compile_module
        from dynlang.tools.running import Program

        self.stage = f"build -O{level}"
        ssa = pipeline.build(request, until="opt")
        found = {}
        with Program(compile_module(ssa, level, list(calls), cache=False), ssa) as code:
            for name, given in calls.items():
                self.stage = f"{name} -O{level}"
                found[name] = code.call(name, given)
                if code.compiled.live_blocks():
                    raise Different(f"{code.compiled.live_blocks()} blocks are alive")
        return found

    def hold_interpreters(self, request: pipeline.Request, calls: Mapping[str, list[Any]], native: Mapping[str, list[Any]]) -> None:
        from dynlang.ssa import interpret

        for name, given in calls.items():
            self.stage = f"{name} core evaluator"
            bound = bound_of(request.keep["grad"], name, given, self.count)
            bound.hold(f"the native result of {name.partition('_')[0]}", native[name], self.count)
            self.stage = f"{name} interpreter"
            found = interpret.interpret(request.keep["opt"], name, given)
            bound.hold(f"the interpreter's result of {name.partition('_')[0]}", found, self.count)

    def count_features(self, seed: int) -> None:
        text = self.laws.program(seed)
        self.count.loops += bool(re.search(r"^ *(for|while) ", text, re.MULTILINE))
        self.count.matches += bool(re.search(r"^ *match ", text, re.MULTILINE))
        self.count.recursive += "fuel - 1" in text

    def suspects(self, failure: str) -> list[int]:
        """The programs that a failure names, by their tag or by a line of a file; most likely first."""
        found = self.named(f"{self.stage} {failure}")
        for file, line in re.findall(r"(\w+\.dyn):(\d+):", failure):
            path = self.folder / file
            lines = path.read_text(encoding="utf-8").splitlines()[: int(line)] if path.exists() else []
            found += self.named("\n".join(reversed(lines)))[:1]
        return list(dict.fromkeys(found))

    def named(self, text: str) -> list[int]:
        held = set(self.seeds)
        return [seed for seed in map(int, re.findall(r"[_ ](\d+)(?![\d.])", text)) if seed in held]


def core_of(typed: Any, path: Path, entries: Sequence[str]) -> Any:
    request = pipeline.Request(path, entries=tuple(entries))
    request.keep["typed"] = typed
    return pipeline.build(request, until="core")


def same_bits(found: Mapping[str, list[Any]], wanted: Mapping[str, list[Any]]) -> None:
    for name, values in found.items():
        for place, (one, other) in enumerate(zip(values, wanted[name], strict=True)):
            if isinstance(one, bytes | str) and one != other:
                raise Different(f"text {place} of {name} differs: {one!r} {other!r}")
            if not isinstance(one, bytes | str) and np.asarray(one).tobytes() != np.asarray(other).tobytes():
                raise Different(f"result {place} of {name} is {one}, and {other} optimised")


def reread(printed: str, calls: Mapping[str, list[Any]], native: Mapping[str, list[Any]], folder: Path, count: Count) -> None:
    """A printed program checks, and gives the same."""
    path = folder / "printed.dyn"
    path.write_text(printed, encoding="utf-8")
    names = [name for name in calls if name.startswith("run_")]
    core = pipeline.build(pipeline.Request(path, entries=tuple(names)), until="core")
    for name in names:
        bound_of(core, name, calls[name], count).hold(f"the printed program's result of {name}", native[name], count)


# ---------------------------------------------------------------- derivatives


def hold_gradient(core: Any, seed: int, native: Mapping[str, list[Any]], count: Count) -> None:
    """Forward mode equals reverse mode in a direction; both equal differences where two step sizes agree."""
    given = arguments_of(seed)
    direction = direction_of(seed, given)
    slope = along(native[f"slopes_{seed}"], direction)
    [forward] = native[f"forward_{seed}"]
    count.differentiated += 1
    distance = abs(float(forward) - slope)
    if not distance <= 1e-11 * (1.0 + abs(slope)) and not distance <= rounding_of(core, seed, slope):
        raise Different(f"forward mode gives {forward}, reverse mode {slope}")

    def at(step: float) -> float:
        value, _, vector, _ = core_evaluate.evaluate(core, f"run_{seed}", moved(given, direction, step))
        return float(value + 0.1 * np.sum(np.sin(vector)))

    count.differences += agrees(at, slope, "the gradient")


def rounding_of(core: Any, seed: int, slope: float) -> float:
    """How far two modes may be apart that round at different places: much in programs that compute in f16."""
    given = arguments_of(seed)
    direction = direction_of(seed, given)
    with np.errstate(all="ignore"):
        forward = [float(scattered(core, f"forward_{seed}", [*given, *direction], run, rounding=True)[0]) for run in range(RUNS)]
        reverse = [along(scattered(core, f"slopes_{seed}", given, run, rounding=True), direction) for run in range(RUNS)]
    return SAFETY * max(abs(one - slope) for one in (*forward, *reverse))


def hold_second(core: Any, seed: int, native: Mapping[str, list[Any]], count: Count) -> None:
    """Second derivatives are symmetric, and equal differences of the first."""
    given = arguments_of(seed)
    first, second = direction_of(seed, given), direction_of(seed + 1, given)
    one, other = (float(value) for value in native[f"bend_{seed}"])
    count.second += 1
    if not abs(one - other) <= 1e-8 * (1.0 + abs(one)):
        raise Different(f"the second derivative in two directions is {one}, and {other} with the directions exchanged")

    def at(step: float) -> float:
        return along(core_evaluate.evaluate(core, f"slopes_{seed}", moved(given, first, step)), second)

    count.second_differences += agrees(at, one, "the second derivative")


def along(slopes: Sequence[Any], direction: Sequence[Any]) -> float:
    return sum(float(np.sum(one * other)) for one, other in zip(slopes, direction, strict=True))


def moved(given: Sequence[Any], direction: Sequence[Any], step: float) -> list[Any]:
    return [*given[:2], *(one + step * other for one, other in zip(given[2:6], direction, strict=True)), given[6]]


def agrees(at: Callable[[float], float], slope: float, what: str) -> bool:
    """Is the slope of a function of one number at 0 as differences say? False where those can't be trusted."""

    def richardson(step: float) -> float:
        one, two = ((at(h) - at(-h)) / (2 * h) for h in (step, step / 2))
        return (4 * two - one) / 3

    coarse, fine = richardson(1e-3), richardson(2.5e-4)
    scale = 1.0 + abs(slope)
    if not abs(coarse - fine) < KINK * scale:
        return False
    if not abs(fine - slope) <= 10 * abs(coarse - fine) + GRADIENT_TOLERANCE * scale:
        raise Different(f"{what} is {slope}, differences give {fine} and {coarse}")
    return True


# ---------------------------------------------------------------- failures


@dataclass(frozen=True)
class Failure:
    """What is wrong with a batch, in one line, and the programs that it may be about."""

    text: str
    suspects: tuple[int, ...] = ()


def failure_of(seeds: Sequence[int], folder: Path, count: Count, text: str | None = None, laws: Laws = ALL) -> Failure | None:
    """What is wrong with a batch; None if all laws hold."""
    import traceback

    whole = together([laws.program(seed) for seed in seeds]) if text is None else text
    batch = Batch(whole, seeds, folder, laws, count)
    try:
        batch.hold()
    except diag.NotBuilt as error:
        found = str(error)
    except Exception as error:
        last = [frame for frame in traceback.extract_tb(error.__traceback__) if "dynlang" in frame.filename][-1:]
        place = f" ({Path(last[0].filename).name}:{last[0].name})" if last and not isinstance(error, diag.CompileError) else ""
        found = f"{type(error).__name__}: {str(error)[:500]}{place}"
    else:
        return None
    return Failure(f"{re.sub(r'_[0-9]+', '', batch.stage)}: {found}", tuple(batch.suspects(found)))
