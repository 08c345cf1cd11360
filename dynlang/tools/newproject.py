"""`dync new NAME`: a project that runs, is tested, and shows the way on."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from dynlang.tools.cli import EXIT_USAGE, complain

MODEL = '''"""A line fitted to points: the smallest model that learns."""

record Line:
    slope:  f32
    offset: f32

    fn call(self, x: f32) -> f32:
        return self.slope * x + self.offset

fn loss<n>(line: Line, xs: f32[n], ys: f32[n]) -> f32:
    return mean([(line(x) - y) ** 2 for x, y in zip(xs, ys)])

test "a line through its own points has no loss":
    let line = Line(2.0, 1.0)
    assert loss(line, [0.0, 1.0], [1.0, 3.0]) == 0.0

test "the gradient agrees with differences":
    assert gradcheck(line => loss(line, [0.0, 1.0, 2.0], [1.0, 0.5, 3.0]), Line(0.5, 0.1))
'''

MAIN = '''"""Trains the model: `dync run main.dyn --steps 200`."""
import model

proc main(steps: int = 100, rate: f32 = 0.1):
    let xs = [0.0, 1.0, 2.0, 3.0]
    let ys = [1.0, 3.0, 5.0, 7.0]
    var line = model.Line(0.0, 0.0)
    for step in steps:
        let l, g = value_and_grad(model.loss)(line, xs, ys)
        sgd(&line, g, rate)
        if step % 20 == 0:
            print(f"step {step}: loss {l:.4f}")
    print(f"y = {line.slope:.3f} x + {line.offset:.3f}")
'''

README = """# {name}

    dync run main.dyn             train; `--help` lists the flags
    dync test model.dyn           the tests beside the code
    dync build main.dyn           one native program, `./main --steps 200`
    dync grad model.dyn loss      the derivative, as a program
"""


def new(arguments: argparse.Namespace) -> int | None:
    folder = Path(arguments.name)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", folder.name):
        return complain(f"`{folder.name}` can't name a project: letters, digits, - and _, a letter first", EXIT_USAGE)
    try:
        folder.mkdir(parents=True)
        for name, text in {"model.dyn": MODEL, "main.dyn": MAIN, "README.md": README.format(name=folder.name)}.items():
            (folder / name).write_text(text, encoding="utf-8")
    except FileExistsError:
        return complain(f"`{folder}` is there already")
    except OSError as error:
        return complain(f"`{folder}` can't be written: {error.strerror or error}")
    print(f"created {folder}/  main.dyn  model.dyn  README.md\nnext:  cd {folder} && dync run main.dyn")
    return None
