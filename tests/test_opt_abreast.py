"""`abreast`: several turns of a loop at once; by the interpreter and natively, bit by bit, and what must stay as it is."""

from __future__ import annotations

import numpy as np
import pytest

from dynlang.native.jit import compile_module
from dynlang.opt import optimise
from dynlang.opt.abreast import abreast
from dynlang.ssa.interpret import interpret
from dynlang.ssa.parse import parse_module
from dynlang.ssa.print import print_module
from dynlang.ssa.verify import verify

SUM = """%s: T = for %n, %first (%k: i64, %t: T) {
   %a: T = at %x, %k
   %b: T = mul %a, %START
   %c: T = sub %b, %t
   %e: T = multiply_add %c, %a, %t
   yield %e
 }"""
"""What an inner loop makes of a number that varies."""

CHAIN = """%z: T[%n] = for %n, %START (%k: i64, %old: T[%n]) {
   %a: T = at %x, %k
   %back: i64 = at %ids, %k
   %b: T = at %old, %back
   %c: T = mul %a, %b
   %e: T = at %old, %k
   %g: T = add %c, %e
   %h: T = sub %g, %a
   %l: T[%n] = update %old, %k, %h
   yield %l
 }"""
"""What an inner loop makes of an array that varies."""

NUMBER = "%d: T = convert %i {dtype = \"T\"}\n"
UNIT = """%zero: T = constant {value = 0.0}
 %one: T = constant {value = 1.0}
 %room: T[%m] = fill %zero sizes [%m]
 %unit: T[%m] = update %room, %i, %one
"""

BODIES = {
    "a number of each turn": (NUMBER + SUM.replace("START", "d"), "number"),
    "a number at a moved place": (NUMBER + SUM.replace("START", "d"), "moved"),
    "a number of each turn is read": ("%d: T = at %v, %i\n" + SUM.replace("START", "d"), "number"),
    "a row that begins as the same for all": (NUMBER + "%q: T = at %v, %i\n%copy: T[%n] = reshape %x sizes [%n]\n"
                                              "%o: i64 = constant {value = 0}\n%in: bool = less %o, %n\n"
                                              "%w: T[%n] = if %in {\n%p: T[%n] = update %copy, %o, %q\n yield %p\n} {\n yield %copy\n}\n"
                                              + CHAIN.replace("START", "w"), "row"),
    "a row filled with a number": (NUMBER + "%w: T[%n] = fill %d sizes [%n]\n" + CHAIN.replace("START", "w"), "row"),
    "a column": (NUMBER + "%w: T[%n] = fill %d sizes [%n]\n" + CHAIN.replace("START", "w"), "column"),
    "a row of each turn": ("%w: T[%n] = at %rows, %i\n" + CHAIN.replace("START", "w"), "row"),
    "a product of matrices": (NUMBER + "%w: T[%n] = fill %d sizes [%n]\n" + CHAIN.replace("START", "w") + """
 %wide: T[%n, 1] = reshape %z sizes [%n, 1]
 %made: T[%m, 1] = matmul %rows, %wide
 %o: i64 = constant {value = 0}
 %s: T = at %made, %o, %o""", "number"),
    "a direction": (UNIT + """%s: T = for %m, %first (%k: i64, %t: T) {
   %a: T = at %unit, %k
   %b: T = at %v, %k
   %c: T = mul %a, %b
   %e: T = add %c, %t
   %g: T = mul %e, %b
   yield %g
 }""", "number"),
    "what the direction has at its place": (UNIT + "%d: T = at %unit, %i\n" + SUM.replace("START", "d"), "number"),
    "a branch that all take": (NUMBER + """%s: T = for %n, %first (%k: i64, %t: T) {
   %a: T = at %x, %k
   %far: bool = less %a, %first
   %taken: T = if %far {
     %b: T = mul %t, %d
     %c: T = add %b, %a
     yield %c
   } {
     %e: T = sub %t, %d
     yield %e
   }
   yield %taken
 }""", "number"),
}

BODIES["turns that part"] = (NUMBER + SUM.replace("START", "d").replace("%c: T = sub %b, %t", """%less: bool = less %b, %t
   %more: bool = greater %d, %first
   %both: bool = logical_and %less, %more
   %c: T, %whether: bool = if %both {
     %far: T = sin %b
     %again: bool = less %far, %a
     %w: T = if %again {
       %h: T = mul %far, %a
       yield %h
     } {
       yield %d
     }
     yield %w, %again
   } {
     yield %t, %less
   }
   %as: T = convert %whether {dtype = "T"}
   %l: T = select %whether, %as, %c
   %u2: T = add %t, %l""").replace("multiply_add %c, %a, %t", "multiply_add %c, %a, %u2"), "number")
BODIES["an arm that only turns elsewhere would take"] = (NUMBER + """%outside: i64 = constant {value = 1000000000000}
 %s: T = for %n, %first (%k: i64, %t: T) {
   %a: T = at %x, %k
   %b: T = mul %a, %d
   %less: bool = less %b, %first
   %g: T = if %less {
     %near: bool = less %first, %b
     %h: T = if %near {
       %e: T = at %x, %outside
       %l: T = sub %e, %t
       yield %l
     } {
       %p: T = mul %b, %t
       yield %p
     }
     %q: T = sub %h, %b
     yield %q
   } {
     yield %b
   }
   %o: T = sub %g, %t
   yield %o
 }""", "number")
BODIES["a turn without loops"] = ("%d0: T = at %v, %i\n" + "\n".join(
    f"%d{k + 1}: T = {('sin', 'cos', 'tanh')[k % 3]} %d{k}" if k % 4 else f"%d{k + 1}: T = mul %d{k}, %d{max(k - 1, 0)}" for k in range(33)
) + "\n%s: T = add %d33, %first", "number")

ENDS = {
    "number": ("T[%m]", "%u: T[%m] = update %r, %i, %s"),
    "moved": ("T[%m]", "%one: i64 = constant {value = 1}\n%p: i64 = add %i, %one\n%at: i64 = sub %p, %one\n"
              "%moved: i64 = add %i, %none\n%u: T[%m] = update %r, %moved, %s"),
    "row": ("T[%m, %n]", "%u: T[%m, %n] = update %r, %i, %z"),
    "column": ("T[%n, %m]", "%none2: i64 = constant {value = 0}\n%stripe: T[%n, 1] = reshape %z sizes [%n, 1]\n"
               "%u: T[%n, %m] = update_slice %r, %none2, %i, %stripe"),
}


def program(body: str, end: str, dtype: str) -> str:
    kind, put = ENDS[end]
    text = f"""func @f(%m: i64, %n: i64, %none: i64, %x: T[%n], %v: T[%m], %rows: T[%m, %n], %ids: i64[%n], %first: T) -> ({kind}) {{
 %nothing: T = constant {{value = 0.0}}
 %y: {kind} = fill %nothing sizes [{kind[2:-1]}]
 %done: {kind} = for %m, %y (%i: i64, %r: {kind}) {{
 {body}
 {put}
 yield %u
 }}
 return %done
}}"""
    return text.replace("T[", f"{dtype}[").replace(": T", f": {dtype}").replace('"T"', f'"{dtype}"')


def arguments(turns: int, count: int, dtype: str) -> list[object]:
    rng = np.random.default_rng(turns + count)
    number = np.dtype(dtype.replace("f", "float")).type
    made = [rng.normal(size=shape).astype(number) for shape in (count, turns, (turns, count))]
    return [np.int64(turns), np.int64(count), np.int64(0), *made, rng.integers(0, max(count, 1), count), number(0.3)]


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("what", BODIES)
def test_turns(what: str, dtype: str) -> None:
    module = parse_module(program(*BODIES[what], dtype))
    verify(module)
    changed = abreast(module)
    verify(changed)
    text = print_module(changed)
    assert {"f64": "f64x4", "f32": "f32x8"}[dtype] in text
    assert print_module(parse_module(text)) == text
    ready = optimise(module, check=True)
    slow, fast = (compile_module(optimise(module, level), level, ["f"]) for level in (0, 2))
    for turns, count in ((0, 3), (1, 3), (3, 2), (4, 5), (6, 3), (8, 4), (13, 1), (8, 0)):
        given = arguments(turns, count, dtype)
        expected = interpret(module, "f", given)[0]
        for found in (interpret(changed, "f", given)[0], interpret(ready, "f", given, count=True)[0]):
            # The bits of NumPy's products of matrices depend on how many columns there are.
            assert found.tobytes() == expected.tobytes() or ("matmul" in text and np.allclose(found, expected, rtol=1e-4))
        natively = slow.call("f", given)[0].tobytes()
        assert fast.call("f", given)[0].tobytes() == natively
    assert slow.live_blocks() == fast.live_blocks() == 0


@pytest.mark.parametrize(("turns", "lanes"), [(3, 0), (4, 4), (7, 4), (8, 8), (9, 8)])
def test_a_known_count_takes_as_many_lanes_as_there_are_turns(turns: int, lanes: int) -> None:
    text = program(*BODIES["a number of each turn"], "f32").replace("= for %m", "= for %turns")
    text = text.replace("%nothing: f32", f"%turns: i64 = constant {{value = {turns}}}\n %nothing: f32")
    changed = abreast(parse_module(text))
    verify(changed)
    assert [lanes] * bool(lanes) == [one for one in (4, 8) if f"f32x{one}" in print_module(changed)]
    given = arguments(turns, 5, "f32")
    assert interpret(changed, "f", given)[0].tobytes() == interpret(parse_module(text), "f", given)[0].tobytes()


STAYS = {
    "a turn reads what others wrote": NUMBER + "%before: T = at %r, %none\n" + SUM.replace("START", "before"),
    "an index is checked": "%j: i64 = add %i, %i\n%at: i64 = check_index %j, %m {code = \"DYN0902\"}\n%d: T = at %v, %at\n"
                           + SUM.replace("START", "d"),
    "the inner loop has another length": NUMBER + SUM.replace("START", "d").replace("for %n", "for %i"),
    "an arm reads what only some may read": NUMBER + SUM.replace("START", "d").replace("%c: T = sub %b, %t", """%less: bool = less %b, %t
   %c: T = if %less {
     %near: T = at %v, %i
     yield %near
   } {
     yield %t
   }"""),
    "places are shared": "%d: T = at %v, %i\n" + SUM.replace("START", "d"),
    "there is no inner loop": NUMBER + "%b: T = mul %d, %d\n %s: T = mul %b, %first",
}


@pytest.mark.parametrize("what", STAYS)
def test_other_loops_stay(what: str) -> None:
    text = program(STAYS[what], "number", "f64")
    if what == "places are shared":
        text = text.replace("update %r, %i", "update %r, %none")
    module = parse_module(text)
    verify(module)
    assert "x4" not in print_module(abreast(module))


CALLED = """

func @g(%k: i64, %n: i64, %x: f64[%n], %d: f64, %i: i64) -> (f64, f64[%n], f64) {
 %zero: f64 = constant {value = 0.0}
 %room: f64[%n] = fill %zero sizes [%n]
 %own: f64 = at %x, %i
 %e: f64 = mul %own, %d
 %total: f64, %z: f64[%n] = for %n, %zero, %room (%j: i64, %t: f64, %r: f64[%n]) {
   %a: f64 = at %x, %j
   %b: f64 = mul %a, %e
   %c: f64 = call %k, %b {function = "h"}
   %u: f64[%n] = accumulate_at %r, %j, %c
   %v: f64[%n] = accumulate_at %u, %i, %b
   %w: f64 = sub %t, %c
   yield %w, %v
 }
 return %total, %z, %zero
}

func @h(%k: i64, %x: f64) -> (f64) {
 %y: f64 = for %k, %x (%j: i64, %t: f64) {
   %a: f64 = mul %t, %x
   %b: f64 = add %a, %x
   yield %b
 }
 return %y
}"""


def test_functions_that_are_called() -> None:
    text = program(NUMBER + """%k: i64 = constant {value = 3}
 %q: f64, %z: f64[%m], %p: f64 = call %k, %m, %v, %d, %i {function = "g"}
 %l: f64 = at %z, %i
 %s: f64 = sub %q, %l""", "number", "f64") + CALLED
    module = parse_module(text)
    verify(module)
    changed = abreast(module)
    verify(changed)
    assert sorted(changed.functions) == ["f", "g", "g.x4.3.4", "h", "h.x4.1"]
    assert print_module(parse_module(print_module(changed))) == print_module(changed)
    slow, fast = (compile_module(optimise(module, level), level, ["f"]) for level in (0, 2))
    whole = compile_module(changed, 1)
    for turns in (0, 2, 4, 7):
        given = arguments(turns, 3, "f64")
        expected = interpret(module, "f", given)[0].tobytes()
        assert interpret(changed, "f", given)[0].tobytes() == expected
        natively = slow.call("f", given)[0].tobytes()
        assert fast.call("f", given)[0].tobytes() == natively == whole.call("f", given)[0].tobytes()
    assert slow.live_blocks() == fast.live_blocks() == 0
