"""Random programs that fail somewhere, by what their argument says: which error, which line and what was written before are the point.

Every value is an int below 1000 by construction, so nothing but the seeded faults fails: indices out of range, divisions by zero,
assertions and casts. Faults stand in values that nobody reads, in branches, in loops that don't run, behind output, in calls, and
beside one another in one expression.
"""

from __future__ import annotations

import random

PREAMBLE = '''fn pick<n>(xs: int[n], i: int) -> int:
    return xs[i]

fn part(a: int, b: int) -> int:
    if b > 5:
        return a
    return a // (b - 2)

fn checked(a: int, limit: int) -> int:
    assert a % 7 != limit, f"{a} is {limit}"
    return a % 11

fn narrowed<n>(xs: int[n], k: int) -> int:
    let i = k as idx<n>
    return xs[i]

fn unused<n>(xs: int[n], k: int) -> int:
    let a = xs[k]
    let b = 10 // (k - 3)
    return k % 5

fn walked(k: int) -> int:
    if k <= 0:
        return 1
    return (walked(k - 1) + part(k, 9 - k)) % 13

'''


class Failing:
    """One program: `main(k)` runs statements over ints `a..`, an array and a list."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = ["k"]
        self.lines: list[str] = []

    def program(self) -> str:
        self.lines = ["    var xs = [3, 1, 4, 1, 5]", "    var ys: List<int> = [2, 7, 1]", "    var t = k"]
        self.names = ["k", "t"]
        self.block(4, 7, 2)
        self.lines.append('    print("end", t, xs, ys)')
        return PREAMBLE + "proc main(k: int):\n" + "\n".join(self.lines) + "\n"

    def block(self, indent: int, count: int, depth: int) -> None:
        known = list(self.names)
        for _ in range(count):
            self.statement(indent, depth)
        self.names = known

    def statement(self, indent: int, depth: int) -> None:
        r, pad = self.random, " " * indent
        kinds = ["let", "let", "set", "item", "list", "print", "assert", "idle"] + (["if", "for", "while"] if depth else [])
        match r.choice(kinds):
            case "let":
                name = f"v{len(self.lines)}"
                self.lines.append(f"{pad}let {name} = {self.value(2)}")
                self.names.append(name)
            case "set":
                self.lines.append(f"{pad}t = ({self.value(2)}) % 100")
            case "item":
                self.lines.append(f"{pad}xs[{self.place()}] = {self.value(2)} % 50")
            case "list":
                self.lines.append(pad + r.choice([f"ys.push({self.value(1)} % 50)", f"ys[{self.place()}] += {self.value(1)} % 9"]))
            case "print":
                self.lines.append(f'{pad}print("at", {self.value(1)})')
            case "assert":
                self.lines.append(f"{pad}assert {self.value(1)} % {r.randint(5, 9)} != {r.randint(0, 4)}")
            case "idle":
                self.lines.append(f"{pad}let _ = {self.value(2)}")
            case "if":
                self.lines.append(f"{pad}if {self.value(1)} % 3 == {r.randint(0, 2)}:")
                self.block(indent + 4, r.randint(1, 3), depth - 1)
                if r.random() < 0.5:
                    self.lines.append(f"{pad}else:")
                    self.block(indent + 4, r.randint(1, 2), depth - 1)
            case "for":
                name = f"i{len(self.lines)}"
                self.lines.append(f"{pad}for {name} in ({self.atom()}) % 4:")
                self.names.append(name)
                self.block(indent + 4, r.randint(1, 3), depth - 1)
                self.names.remove(name)
            case "while":
                name = f"w{len(self.lines)}"
                self.lines.append(f"{pad}var {name} = ({self.atom()}) % 4")
                self.lines.append(f"{pad}while {name} > 0:")
                self.lines.append(f"{pad}    {name} -= 1")
                self.block(indent + 4, r.randint(1, 2), depth - 1)

    def atom(self) -> str:
        return self.random.choice([*self.names, str(self.random.randint(0, 9))])

    def place(self) -> str:
        """An index; no literal alone, which the checker would refuse."""
        r, name = self.random, self.random.choice(self.names)
        return r.choice([f"({self.atom()}) % 5", f"({self.atom()}) % 3", f"({self.atom()}) % 7", name, f"{name} - 1"])

    def value(self, depth: int) -> str:
        r = self.random
        if not depth:
            return self.atom()
        a, b = (self.value(depth - 1) for _ in range(2))
        return r.choice([
            a, f"({a} + {b})", f"({a} - {b})", "len(ys)",
            f"({a} // ({self.atom()} - {r.randint(0, 6)}))", f"({a} % ({self.atom()} - {r.randint(0, 6)}))",
            f"xs[{self.place()}]", f"ys[{self.place()}]", f"pick(xs, {self.place()})",
            f"part({a}, {b})", f"checked({a}, {r.randint(0, 6)})", f"narrowed(xs, {self.place()})",
            f"unused(xs, {self.place()})", f"walked(({self.atom()}) % 12)", f"({a} if {b} % 2 == 0 else xs[{self.place()}])",
            f"sum(xs[(j + {self.atom()}) % 6] for j in 3)", f"sum([{self.atom()} // (j - {r.randint(1, 5)}) for j in 3])",
        ])
