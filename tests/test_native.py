"""Compiled programs: the same results as the interpreter, constant memory, errors with their lines, interrupts, executables."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynlang.core.evaluate import SumValue
from dynlang.native import target as targets
from dynlang.native.build import build_executable
from dynlang.native.jit import Compiled, compile_module
from dynlang.native.link import archive
from dynlang.native.lower import lower
from dynlang.native.program import Flag
from dynlang.opt import optimise
from dynlang.source import Source
from dynlang.ssa.build import operations_in
from dynlang.ssa.interpret import RunTimeError, interpret
from dynlang.ssa.nodes import Module
from dynlang.ssa.parse import parse_module
from ssa_programs import Programs

TREES = """
sum @Tree { Leaf(word: i64) Node(left: box @Tree, right: box @Tree) }
func @chain(%n: i64) -> (box @Tree) {
  %z: i64 = constant {value = 0}
  %l: box @Tree = construct %z {sum = "Tree", constructor = "Leaf"}
  %r: box @Tree = for %n, %l (%i: i64, %acc: box @Tree) {
    %m: box @Tree = construct %i {sum = "Tree", constructor = "Leaf"}
    %t: box @Tree = construct %acc, %m {sum = "Tree", constructor = "Node"}
    yield %t
  }
  return %r
}
func @depth(%t: box @Tree) -> (i64) with {recursive = true} {
  %one: i64 = constant {value = 1}
  %r: i64 = switch %t (%w: i64) { yield %one } (%l: box @Tree, %x: box @Tree) {
    %a: i64 = call %l {function = "depth"}
    %s: i64 = add %a, %one
    yield %s
  }
  return %r
}
func @chain_and_drop(%n: i64) -> (i64) {
  %t: box @Tree = call %n {function = "chain"}
  release %t
  return %n
}
func @chain_depth(%n: i64) -> (i64) {
  %t: box @Tree = call %n {function = "chain"}
  %d: i64 = call %t {function = "depth"}
  release %t
  return %d
}
"""


def compiled(text: str, level: int = 2) -> Compiled:
    return compile_module(parse_module(text), level, cache=False)


# -- results


def same(native: Any, wanted: Any) -> bool:
    if isinstance(wanted, SumValue):
        return native.constructor == wanted.constructor and same(list(native.fields), list(wanted.fields))
    if isinstance(wanted, (list, tuple)):
        return len(native) == len(wanted) and all(map(same, native, wanted))
    if isinstance(wanted, bytes):
        return native == wanted
    wanted = np.asarray(wanted)
    if wanted.dtype == object:
        return native.shape == wanted.shape and all(map(same, native.ravel(), wanted.ravel()))
    return np.shape(native) == wanted.shape and np.allclose(native, wanted, rtol=1e-4, atol=1e-4, equal_nan=True)


def outcome(run: Any, name: str, arguments: Any) -> Any:
    """The results, or the code of the error."""
    try:
        return run(name, arguments)
    except RunTimeError as error:
        return error.code


@pytest.mark.parametrize("seed", range(200, 216))
def test_random_programs(seed: int) -> None:
    programs = Programs(seed)
    module = programs.module()
    code = compile_module(optimise(module, 2), seed % 2 * 2, cache=False)
    for name, function in module.functions.items():
        arguments = programs.arguments(function)
        wanted = outcome(lambda name, arguments: interpret(module, name, arguments), name, arguments)
        found = outcome(code.call, name, arguments)
        if isinstance(wanted, str):
            assert found == wanted
        else:
            assert same(found, wanted), name
        assert code.live_blocks() == 0


def test_values_of_any_depth_go_in_and_come_out() -> None:
    with_chain = compiled(TREES)
    (tree,) = with_chain.call("chain", [50_000])
    assert with_chain.call("depth", [tree]) == [50_001]
    assert with_chain.live_blocks() == 0


def test_the_size_of_a_result_that_the_function_computes() -> None:
    code = compiled("""
func @f(%n: i64) -> (i64[%m, 2]) {
  %two: i64 = constant {value = 2}
  %m: i64 = mul %n, %two
  %x: i64[%m, 2] = fill %n sizes [%m, 2]
  return %x
}""")
    assert code.call("f", [3])[0].shape == (6, 2)


def test_code_is_the_same_from_run_to_run() -> None:
    module = parse_module(TREES)
    assert lower(module, targets.host()) == lower(module, targets.host())


@pytest.mark.parametrize(
    "target", [targets.X86_64, targets.AARCH64, targets.RISCV64, targets.X86_64_V4], ids=lambda one: one.triple + one.cpu
)
def test_other_machines(target: targets.Target) -> None:
    module = optimise(Programs(7).module(), 2)
    assert targets.compile_object(lower(module, target), target, 1)[:4] == b"\x7fELF"


# -- memory


def test_a_long_chain_is_freed_without_a_stack() -> None:
    code = compiled(TREES)
    assert code.call("chain_and_drop", [1_000_000]) == [1_000_000]
    assert code.live_blocks() == 0


CARRIED = {
    "tree": (
        "box @Tree",
        '%z: i64 = constant {value = 0} %s: box @Tree = construct %z {sum = "Tree", constructor = "Leaf"}',
        '%a: box @Tree = construct %i {sum = "Tree", constructor = "Leaf"} '
        '%b: box @Tree = construct %i {sum = "Tree", constructor = "Leaf"} '
        '%y: box @Tree = construct %a, %b {sum = "Tree", constructor = "Node"} release %x yield %y',
    ),
    "list": ("list<i64>", "%s: list<i64> = list_empty", "%a: list<i64> = list_push %x, %i %b: list<i64>, %v: i64 = list_pop %a yield %b"),
    "array": (
        "f32[4]",
        "%zero: f32 = constant {value = 0.0} %s: f32[4] = fill %zero sizes [4]",
        "%one: f32 = constant {value = 1.0} %y: f32[4] = add %x, %one release %x yield %y",
    ),
    "string": ("str", '%s: str = constant {value = ""}', '%t: str = format_int %i {specification = ""} release %x yield %t'),
}


@pytest.mark.parametrize("what", CARRIED)
def test_a_million_turns_in_constant_memory(what: str) -> None:
    kind, first, body = CARRIED[what]
    code = compiled(f"""
sum @Tree {{ Leaf(word: i64) Node(left: box @Tree, right: box @Tree) }}
func @f(%n: i64) -> ({kind}) {{
  {first}
  %r: {kind} = for %n, %s (%i: i64, %x: {kind}) {{ {body} }}
  return %r
}}""")
    code.call("f", [10])
    before = resident_bytes()
    code.call("f", [1_000_000])
    assert code.live_blocks() == 0
    assert resident_bytes() - before < 8 << 20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_what_is_shared_is_copied_before_it_is_written() -> None:
    code = compiled("""
func @f(%n: i64, %x: f32[%n]) -> (f32[%n], f32[%n]) with {owned = [1]} {
  %zero: i64 = constant {value = 0}
  %v: f32 = constant {value = 7.0}
  retain %x
  %y: f32[%n] = update %x, %zero, %v
  return %x, %y
}""")
    x, y = code.call("f", [3, np.ones(3, np.float32)])
    assert x.tolist() == [1, 1, 1]
    assert y.tolist() == [7, 1, 1]
    assert code.live_blocks() == 0


def test_memory_that_nobody_has() -> None:
    code = compiled("func @f(%n: i64) -> (f32[%n]) { %v: f32 = constant {value = 0.0} %x: f32[%n] = fill %v sizes [%n] return %x }")
    with pytest.raises(RunTimeError) as error:
        code.call("f", [1 << 55])
    assert error.value.code == "OUT_OF_MEMORY"
    assert len(code.call("f", [3])[0]) == 3


# -- errors


def with_lines(text: str) -> Module:
    """The module with the first operation of each function on line 1, the next on line 2, and so on; functions are on line 41."""
    module = parse_module(text)
    source = Source("test.dyn", "\n" * 100)
    for function in module.functions.values():
        for line, operation in enumerate(operations_in(function.body)):
            operation.span = source.span(line, line)
        function.span = source.span(40, 40)
    return module


def failure(module: Module, name: str, arguments: Any) -> RunTimeError:
    code = compile_module(module, 2, cache=False)
    with pytest.raises(RunTimeError) as error:
        code.call(name, arguments)
    return error.value


def test_an_index_outside_has_its_line() -> None:
    error = failure(
        with_lines("""
func @f(%n: i64, %i: i64, %x: f32[%n]) -> (f32) {
  %one: i64 = constant {value = 1}
  %j: i64 = check_index %i, %n
  %v: f32 = at %x, %j
  return %v
}"""),
        "f",
        [3, 5, np.ones(3, np.float32)],
    )
    assert (error.code, error.message, error.line) == ("BOUNDS", "index 5 is outside 0..3", 2)


def test_an_error_in_another_file_names_it(tmp_path: Path) -> None:
    module = with_lines("""
func @main() -> () {
  call {function = "g"}
  return
}
func @g() -> () {
  %c: bool = constant {value = false}
  check %c {message = "the reason"}
  return
}""")
    other = Source("lib/other.dyn", "\n" * 9)
    for operation in operations_in(module.functions["g"].body):
        operation.span = other.span(3, 3)
    error = failure(module, "main", [])
    assert (error.message, error.line, error.file) == ("the reason", 4, "lib/other.dyn")
    if shutil.which("cc"):
        build_executable(module, tmp_path / "program", [], "usage: program")
        done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=False)
        assert done.stderr == "error: the reason (line 4 of other.dyn)\n"


def test_checks_and_failures() -> None:
    module = with_lines("""
func @g(%c: bool, %s: str) -> (i64) {
  %r: i64 = if %c {
    %one: i64 = constant {value = 1}
    yield %one
  } {
    fail %s
    %two: i64 = constant {value = 2}
    yield %two
  }
  check %c {message = "never", code = "SIZE"}
  return %r
}
func @f(%c: bool, %s: str) -> (i64) {
  %r: i64 = call %c, %s {function = "g"}
  return %r
}""")
    error = failure(module, "f", [False, b"the text"])
    assert (error.code, error.message, error.line) == ("FAILED", "the text", 4)
    assert compile_module(module, 0, cache=False).call("f", [True, b""]) == [1]


@pytest.mark.parametrize("level", [0, 2])
def test_recursion_without_end_is_an_error(level: int) -> None:
    module = with_lines("""
func @f(%n: i64) -> (i64) with {recursive = true} {
  %m: i64 = call %n {function = "f"}
  %s: i64 = add %m, %n
  return %s
}""")
    code = compile_module(module, level, cache=False)
    with pytest.raises(RunTimeError, match="f calls itself too deeply") as error:
        code.call("f", [1])
    assert error.value.line == 41


def test_a_running_loop_can_be_stopped() -> None:
    code = compiled("""
func @f(%n: i64) -> (i64) {
  %r: i64 = while %n (%a: i64) { %t: bool = constant {value = true} yield %t } (%b: i64) { %c: i64 = add %b, %b yield %c }
  return %r
}""")
    threading.Timer(0.1, code.cancel).start()
    with pytest.raises(RunTimeError) as error:
        code.call("f", [1])
    assert error.value.code == "CANCELLED"


def test_a_running_recursion_can_be_stopped() -> None:
    code = compiled("""
func @f(%n: i64) -> (i64) with {recursive = true} {
  %one: i64 = constant {value = 1}
  %c: bool = less %n, %one
  %r: i64 = if %c { yield %one } {
    %m: i64 = sub %n, %one
    %a: i64 = call %m {function = "f"}
    %b: i64 = call %m {function = "f"}
    %s: i64 = add %a, %b
    yield %s
  }
  return %r
}""")
    assert code.call("f", [10]) == [1024]
    threading.Timer(0.1, code.cancel).start()
    with pytest.raises(RunTimeError) as error:
        code.call("f", [60])
    assert error.value.code == "CANCELLED"


def test_integer_division_never_traps() -> None:
    code = compiled(
        "func @f(%x: i64, %y: i64) -> (i64, i64) { %q: i64 = floor_division %x, %y %r: i64 = floor_modulo %x, %y return %q, %r }"
    )
    least = -(1 << 63)
    assert code.call("f", [least, -1]) == [least, 0]
    assert code.call("f", [-7, 2]) == [-4, 1]
    code.call("f", [1, 0])


# -- object code, archives, executables


def test_object_code_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNC_CACHE", str(tmp_path))
    module = parse_module(TREES)
    compile_module(module, 1)
    kept = list((tmp_path / "objects").iterdir())
    monkeypatch.setattr(targets, "compile_object", lambda *arguments: pytest.fail("compiled again"))
    assert compile_module(module, 1).call("chain_depth", [3]) == [4]
    assert kept and all(one.stat().st_size > 0 for one in kept)


needs_linker = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler to link with")

PROGRAM = """
func @main(%n: i64, %name: str, %rate: f32, %loud: bool) -> () {
  %zero: i64 = constant {value = 0}
  %c: bool = greater_equal %n, %zero
  check %c {message = "n is negative"}
  %w: f64 = convert %rate {dtype = "f64"}
  %b: str = format_float %w {single = true, specification = ""}
  %l: str = format_bool %loud
  %1: str = string_concat %name, %b
  %2: str = string_concat %1, %l
  print %2
  release %1 release %2 release %b release %l
  return
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("program") / "program"
    flags = [Flag("--count", "i64", 3), Flag("--name", "str", "you "), Flag("--learning-rate", "f32", 0.1), Flag("--loud", "bool", False)]
    build_executable(with_lines(PROGRAM), output, flags, "usage: program\n\nWhat it does.")
    return output


@needs_linker
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 0, "you 0.1false"),
        (["--count", "5", "--name=bob ", "--loud"], 0, "bob 0.1true"),
        (["--loud", "false", "--learning_rate", "1e-3"], 0, "you 0.001false"),
        (["--loud=true"], 0, "you 0.1true"),
        (["--help"], 0, "usage: program\n\nWhat it does."),
        (["--count=-1"], 1, "error: n is negative (line 3)"),
        (["--number", "3"], 2, "error: there is no flag `--number`; there are --count, --name, --learning-rate, --loud"),
        (["--count", "x"], 2, "error: `--count` takes a value of type int, not `x`"),
        (["--count"], 2, "error: `--count` needs a value of type int"),
    ],
)
def test_flags_of_an_executable(program: Path, arguments: list[str], status: int, said: str) -> None:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert (done.stdout if status == 0 else done.stderr).strip() == said


@needs_linker
def test_an_executable_is_small_frees_everything_and_says_when_it_cannot_write(program: Path) -> None:
    assert program.stat().st_size < 1 << 20
    done = subprocess.run([program], capture_output=True, text=True, check=True, env={"DYN_LIVE_BLOCKS": "1"})
    assert done.stderr == "live blocks: 0\n"
    with open("/dev/full", "w") as full:
        assert subprocess.run([program], stdout=full, stderr=subprocess.DEVNULL, check=False).returncode == 1


@needs_linker
def test_where_address_space_is_short_the_stack_is_smaller(program: Path) -> None:
    done = subprocess.run(["bash", "-c", f"ulimit -v 300000; {program}"], capture_output=True, text=True, check=False)
    assert done.stdout == "you 0.1false\n", done.stderr


@needs_linker
def test_an_archive_links(tmp_path: Path) -> None:
    text = "define i32 @seven() {\n  ret i32 7\n}\n"
    made = targets.compile_object(text, targets.host())
    (tmp_path / "libseven.a").write_bytes(archive([("seven.o", made, ["seven"])]))
    (tmp_path / "use.c").write_text("int seven(void); int main(void) { return seven(); }")
    subprocess.run(["cc", tmp_path / "use.c", tmp_path / "libseven.a", "-o", tmp_path / "use"], check=True)
    assert subprocess.run([tmp_path / "use"], check=False).returncode == 7
