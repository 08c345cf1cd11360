"""What a generated program is held against: every way through the compiler gives the same; derivatives are those of differences."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import numpy as np


class Different(Exception):
    """Two ways that must agree don't."""


GRADIENT_TOLERANCE = 2e-6
KINK = 1e-5
"""Differences of two step sizes that differ by more than this stand near a kink, and say nothing."""


def arguments_of(seed: int, dtype: str) -> list[Any]:
    """Sizes, then x, w, a, s, k."""
    numbers = np.random.default_rng(seed)
    n, m = int(numbers.integers(1, 4)), int(numbers.integers(1, 4))
    kind = np.float64 if dtype == "f64" else np.float32
    x, w, a = (numbers.standard_normal(shape).astype(kind) * kind(0.6) for shape in (n, m, (n, m)))
    return [n, m, x, w, a, kind(numbers.standard_normal() * 0.5), int(numbers.integers(-2, 6))]


def failure_of(text: str, seed: int, folder: Path, derivatives: bool = True, texts: bool = True) -> str | None:
    """What is wrong with the way a program goes through the compiler, in one line; None if all agree."""
    stage = ["check"]
    try:
        hold(text, seed, folder, derivatives, texts, stage)
    except Exception as error:
        place = "" if isinstance(error, Different) else deepest(error)
        return f"{stage[0]}: {type(error).__name__}: {str(error)[:400]}{place}"
    return None


def deepest(error: Exception) -> str:
    """Where in the compiler an exception was raised."""
    from dynlang.diag import CompileError

    if isinstance(error, CompileError):
        return ""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f" ({Path(last.filename).name}:{last.name})"


def hold(text: str, seed: int, folder: Path, derivatives: bool, texts: bool, stage: list[str]) -> None:
    """Raise if an oracle fails; `stage` names the one at work. `derivatives` and `texts` ask for those oracles."""
    from dynlang import pipeline

    dtype = "f64" if "x: f64[n]" in text else "f32"
    derivatives = derivatives and dtype == "f64"
    entries = ("all_of", "loss", "slopes", "forward") if derivatives else ("all_of", "loss")
    if not derivatives:
        text = text.partition("\nfn slopes")[0] + "\n"
    path = folder / "program.dyn"
    path.write_text(text, encoding="utf-8")
    request = pipeline.Request(path, entries=entries, verify=True)
    typed = pipeline.build(request, until="typed")

    stage[0] = "core"
    pipeline.build(request, until="core")
    without = pipeline.Request(path, entries=("all_of", "loss"))
    without.keep["typed"] = typed
    plain = pipeline.build(without, until="core")
    printed = pipeline.text_of("core", plain)

    if texts:
        stage[0] = "fmt"
        check_format(text, printed, folder)

    stage[0] = "grad"
    pipeline.build(request, until="grad")
    stage[0] = "opt"
    arguments = arguments_of(seed, dtype)
    calls = {"all_of": arguments, "loss": arguments}
    if derivatives:
        numbers = np.random.default_rng(seed + 1)
        direction = [np.asarray(numbers.standard_normal(np.shape(one))) for one in arguments[2:6]]
        calls |= {"slopes": arguments, "forward": [*arguments, *direction]}
    reference = natively(request, calls, stage, level=2)
    loose = 1e-9 if dtype == "f64" else 2e-3
    unoptimised = pipeline.Request(path, entries=entries, level=0)
    unoptimised.keep.update({name: request.keep[name] for name in ("typed", "core", "grad")})
    same_results(natively(unoptimised, calls, stage, level=0), reference, 0.0)

    stage[0] = "interpreter"
    from dynlang.ssa import interpret

    meant = {name: interpret.interpret(request.keep["opt"], name, given) for name, given in calls.items()}
    same_results(meant, reference, loose)
    stage[0] = "core evaluator"
    from dynlang.core.evaluate import evaluate

    same_results({name: evaluate(request.keep["grad"], name, given) for name, given in calls.items()}, reference, loose)

    stage[0] = "printed core"
    if texts:
        reread(folder / "core.dyn", printed, {"all_of": arguments}, reference, loose)
    if derivatives:
        stage[0] = "gradient"
        check_gradient(plain, arguments, direction, reference)
        stage[0] = "dync grad"
        from dynlang.tools.derivative import derivative_of

        made = derivative_of(plain, "loss", ["x", "w", "a", "s"])
        wanted = {"loss_grad": [*reference["loss"], *reference["slopes"]]}
        reread(folder / "derivative.dyn", made, {"loss_grad": arguments}, wanted, 1e-9)


def check_format(text: str, printed: str, folder: Path) -> None:
    """Formatting twice changes nothing more, and the formatted program has the same Core."""
    from dynlang import pipeline
    from dynlang.syntax.formatter import format_source

    formatted = format_source(text)
    if format_source(formatted) != formatted:
        raise Different("the formatted program is formatted differently")
    path = folder / "formatted.dyn"
    path.write_text(formatted, encoding="utf-8")
    if pipeline.text_of("core", pipeline.build(pipeline.Request(path, entries=("all_of", "loss")), until="core")) != printed:
        raise Different("the formatted program has another Core")


def natively(request: Any, calls: dict[str, list[Any]], stage: list[str], level: int) -> dict[str, list[Any]]:
    """The results at a level of optimisation; no block may stay alive."""
    from dynlang import pipeline
    from dynlang.tools.execute import compiled

    stage[0] = f"build -O{level}"
    ssa = pipeline.build(request, until="opt")
    found = {}
    with compiled(ssa, list(calls), level) as code:
        for name, given in calls.items():
            stage[0] = f"run {name} -O{level}"
            found[name] = code.call(name, given)
            if code.compiled.live_blocks():
                raise Different(f"{code.compiled.live_blocks()} blocks are alive")
    stage[0] = f"O{level} and O2"
    return found


def reread(path: Path, printed: str, calls: dict[str, list[Any]], wanted: dict[str, list[Any]], tolerance: float) -> None:
    """A printed program checks, and gives the same."""
    from dynlang import pipeline
    from dynlang.core.evaluate import evaluate

    path.write_text(printed, encoding="utf-8")
    core = pipeline.build(pipeline.Request(path, entries=tuple(calls)), until="core")
    for name, given in calls.items():
        same_results({name: evaluate(core, name, given)}, {name: wanted[name]}, tolerance)


def same_results(found: dict[str, list[Any]], wanted: dict[str, list[Any]], tolerance: float) -> None:
    for name, values in found.items():
        for place, (one, other) in enumerate(zip(values, wanted[name], strict=True)):
            if not same(one, other, tolerance):
                raise Different(f"result {place} of {name} is {one}, and {other} otherwise")


def same(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, str | bytes) or isinstance(other, str | bytes):
        return text_of(one) == text_of(other)
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape:
        return False
    if tolerance == 0.0:
        return a.astype(b.dtype).tobytes() == b.tobytes()
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True))


def text_of(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def check_gradient(core: Any, arguments: list[Any], direction: list[Any], reference: dict[str, list[Any]]) -> None:
    """Forward mode equals reverse mode in a direction; both equal differences where two step sizes agree."""
    from dynlang.core.evaluate import evaluate

    slope = sum(float(np.sum(one * other)) for one, other in zip(reference["slopes"], direction, strict=True))
    [forward] = reference["forward"]
    if abs(float(forward) - slope) > 1e-10 * (1.0 + abs(slope)):
        raise Different(f"forward mode gives {forward}, reverse mode {slope}")

    def at(step: float) -> float:
        moved = [one + step * other for one, other in zip(arguments[2:6], direction, strict=True)]
        return float(evaluate(core, "loss", [*arguments[:2], *moved, arguments[6]])[0])

    def richardson(h: float) -> float:
        one, two = ((at(step) - at(-step)) / (2 * step) for step in (h, h / 2))
        return (4 * two - one) / 3

    coarse, fine = richardson(1e-3), richardson(2.5e-4)
    scale = 1.0 + abs(slope)
    if abs(coarse - fine) < KINK * scale and abs(fine - slope) > 10 * abs(coarse - fine) + GRADIENT_TOLERANCE * scale:
        raise Different(f"the gradient is {slope}, differences give {fine} and {coarse}")
