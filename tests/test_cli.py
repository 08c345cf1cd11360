"""The command line from outside: exit statuses, hostile inputs, start-up time."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def dync(*arguments: object, cwd: Path | None = None, **more) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dynlang", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, errors="replace",
                          timeout=120, check=False, **more)


def check_bytes(folder: Path, data: bytes) -> subprocess.CompletedProcess[str]:
    (folder / "input.dyn").write_bytes(data)
    return dync("check", "input.dyn", cwd=folder)


def assert_refused(done: subprocess.CompletedProcess[str], part: str) -> None:
    """Exit 1, the message on standard error, no traceback."""
    assert done.returncode == 1, done
    assert part in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.stdout == ""


# ---------------------------------------------------------------- usage


def test_help_lists_every_verb_and_is_quick() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = dync("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    for verb in ("run", "build", "check", "fmt", "test", "bench", "grad", "ir", "call", "repl", "new", "doctor"):
        assert f"\n    {verb} " in done.stdout
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 0.2


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["run"], ["check"], ["ir", "x.dyn", "--stage", "tea"],
                                       ["call", "x.dyn"], ["run", "-O", "9", "x.dyn"], ["explain", "DYN9999"]])
def test_a_wrong_command_line_exits_2(arguments: list[str]) -> None:
    done = dync(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and done.stderr


def test_check_loads_neither_numpy_nor_llvm(tmp_path: Path) -> None:
    (tmp_path / "a.dyn").write_text("fn f(x: f32) -> f32:\n    return x + 1.0\n")
    program = ("import sys; from dynlang.tools.cli import main; status = main(['check', 'a.dyn']);"
               "sys.exit(status or ' '.join({'numpy', 'llvmlite'} & set(sys.modules)) or 0)")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=ENVIRONMENT, check=False)
    assert done.returncode == 0


def test_programs_run_without_numpy(tmp_path: Path) -> None:
    (tmp_path / "a.dyn").write_text("proc main():\n    print(sum([1.0, 2.0]))\n")
    program = "import sys; from dynlang.tools.cli import main; sys.exit(main(['run', 'a.dyn']) or int('numpy' in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "3.0\n"), done.stderr


# ---------------------------------------------------------------- hostile text


def test_nul_bytes(tmp_path: Path) -> None:
    assert_refused(check_bytes(tmp_path, b"fn f(x: f32) -> f32:\n    return \0x\n"), "DYN0014")


def test_invalid_utf8(tmp_path: Path) -> None:
    assert_refused(check_bytes(tmp_path, b"# caf\xe9\n"), "DYN0013")


def test_ten_thousand_parentheses(tmp_path: Path) -> None:
    text = "fn f(x: f32) -> f32:\n    return " + "(" * 10_000 + "x" + ")" * 10_000 + "\n"
    done = check_bytes(tmp_path, text.encode())
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr and "DYN0002" not in done.stderr


def test_a_hundred_thousand_terms(tmp_path: Path) -> None:
    text = "fn f(x: f32) -> f32:\n    return " + " + ".join(["x"] * 100_000) + "\n"
    done = check_bytes(tmp_path, text.encode())
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr and "DYN0002" not in done.stderr


def test_a_line_of_a_megabyte(tmp_path: Path) -> None:
    done = check_bytes(tmp_path, b"# " + b"x" * 1_000_000 + b"\nlet y = undefined_name" + b" " * 1_000_000 + b"\n")
    assert_refused(done, "undefined_name")
    assert len(done.stderr) < 10_000


def test_random_bytes_never_crash(tmp_path: Path) -> None:
    import random

    generator = random.Random(1)
    words = ["fn", "proc", "let", "match", "if", "x", "f32", "0", "é", *"()[]<>:,.=+-*/@#\"'\\", "\n", "\n\t", "\n    "]
    for number in range(10):
        text = " ".join(generator.choice(words) for _ in range(200))
        (tmp_path / f"r{number}.dyn").write_text(text, encoding="utf-8")
    done = dync("check", *sorted(tmp_path.glob("r*.dyn")))
    assert done.returncode == 1 and "Traceback" not in done.stderr and "DYN0002" not in done.stderr


# ---------------------------------------------------------------- the world outside


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
@pytest.mark.parametrize("arguments", [["--help"], ["doctor"], ["explain"]])
def test_a_full_disk_is_an_error(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "dynlang", *arguments], env=ENVIRONMENT, stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "can't be written" in done.stderr and "Traceback" not in done.stderr


def test_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = subprocess.run([sys.executable, "-m", "dynlang", "explain"], env=ENVIRONMENT, stdout=pipe,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 141 and done.stderr == ""


def test_unreadable_and_missing_files(tmp_path: Path) -> None:
    assert_refused(dync("check", tmp_path / "absent.dyn"), "DYN0010")
    assert_refused(dync("run", tmp_path / "absent.dyn"), "DYN0010")
    (tmp_path / "folder.dyn").mkdir()
    assert_refused(dync("check", tmp_path / "folder.dyn"), "DYN0011")


def test_an_import_outside_the_root_is_refused(tmp_path: Path) -> None:
    """Also where a link leads there."""
    (tmp_path / "outside.dyn").write_text("fn f(x: f32) -> f32:\n    return x\n")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "inside.dyn").symlink_to(tmp_path / "outside.dyn")
    (tmp_path / "root" / "main.dyn").write_text("import inside\n")
    assert_refused(dync("check", "main.dyn", cwd=tmp_path / "root"), "DYN0206")


@pytest.mark.parametrize(("compiler", "code"), [("", "DYN0030"), ("false", "DYN0031")])
def test_building_needs_a_linker(tmp_path: Path, compiler: str, code: str) -> None:
    (tmp_path / "a.dyn").write_text("proc main():\n    print(1)\n")
    found = shutil.which(compiler) if compiler else None
    (tmp_path / "bin").mkdir()
    if found:
        (tmp_path / "bin" / "cc").symlink_to(found)
    command = [sys.executable, "-m", "dynlang", "build", "a.dyn"]
    environment = {**ENVIRONMENT, "PATH": str(tmp_path / "bin")}
    environment.pop("CC", None)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert_refused(done, code)
    assert not (tmp_path / "a").exists()


LOADER = """record Weights:
    w: f32[2, 3]

proc main(path: str):
    let x: Weights = load(path)
    print(x.w)
"""


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], start: int, stop: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


DATA = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
LYING = {
    "empty": b"", "short": b"abc", "long_header": safetensors({}, length=2**40), "negative_header": safetensors({}, length=2**63),
    "no_json": safetensors(b"hello world"), "open_json": safetensors(b'{"w": {"dtype": "F32", "shape": [2,'),
    "cut": safetensors({"w": entry([2, 3], 0, 24)}, DATA[:20]), "beyond": safetensors({"w": entry([2, 3], 100, 124)}, DATA),
    "backwards": safetensors({"w": entry([2, 3], 24, 0)}, DATA), "huge": safetensors({"w": entry([2, 3], 0, 2**62)}, DATA),
    "overflow": safetensors({"w": entry([2**62, 2**62], 0, 24)}, DATA), "other_shape": safetensors({"w": entry([3, 2], 0, 24)}, DATA),
    "other_type": safetensors({"w": entry([2, 3], 0, 24, "I32")}, DATA), "other_name": safetensors({"v": entry([2, 3], 0, 24)}, DATA),
    "wrong_count": safetensors({"w": entry([2, 3], 0, 20)}, DATA), "nested": safetensors(b'{"a":' * 10_000),
    "digits": safetensors(b'{"w":{"dtype":"F32","shape":[' + b"9" * 100 + b'],"data_offsets":[0,24]}}', DATA),
}


def test_files_of_weights_that_lie(tmp_path: Path) -> None:
    """Each is an error of the input; the same program reads what is right."""
    (tmp_path / "load.dyn").write_text(LOADER)
    assert dync("build", "load.dyn", cwd=tmp_path).returncode == 0
    for name, content in {**LYING, "right": safetensors({"w": entry([2, 3], 0, 24)}, DATA)}.items():
        (tmp_path / name).write_bytes(content)
        done = subprocess.run([tmp_path / "load", "--path", name], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
        if name == "right":
            assert done.returncode == 0 and "6.0" in done.stdout
        else:
            assert done.returncode == 1 and done.stderr.startswith("error: "), (name, done)


def test_check_reports_json(tmp_path: Path) -> None:
    (tmp_path / "a.dyn").write_text("fn f(x: f32) -> f32:\n    return y\n")
    done = dync("check", "--json", "a.dyn", cwd=tmp_path)
    assert done.returncode == 1
    (found,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert found["file"] == "a.dyn" and found["range"]["start"]["line"] == 1 and found["severity"] == 1


def test_control_c_stops_a_running_program(tmp_path: Path) -> None:
    (tmp_path / "loop.dyn").write_text(
        "proc main():\n    print(\"started\")\n    var n = 0\n    while n >= 0:\n        n = (n + 1) % 1000\n")
    process = subprocess.Popen([sys.executable, "-m", "dynlang", "run", "loop.dyn"], cwd=tmp_path, env=ENVIRONMENT,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors


# ---------------------------------------------------------------- verbs


def test_new_makes_a_project_that_runs(tmp_path: Path) -> None:
    assert dync("new", "demo", cwd=tmp_path).returncode == 0
    assert dync("check", "model.dyn", "main.dyn", cwd=tmp_path / "demo").returncode == 0
    assert dync("fmt", "--check", "model.dyn", "main.dyn", cwd=tmp_path / "demo").returncode == 0
    done = dync("test", "model.dyn", cwd=tmp_path / "demo")
    assert done.returncode == 0, done
    done = dync("run", "main.dyn", "--steps", "400", cwd=tmp_path / "demo")
    assert done.returncode == 0 and "y = 2.0" in done.stdout, done
    again = dync("new", "demo", cwd=tmp_path)
    assert again.returncode == 1 and "is there already" in again.stderr


def test_fmt_rewrites_in_place_and_keeps_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "a.dyn").write_text("fn f( x:f32 )->f32:\n        # one\n        return x+1.0\n")
    shown = dync("fmt", "--check", "a.dyn", cwd=tmp_path)
    assert shown.returncode == 1 and "+++ a.dyn, formatted" in shown.stdout
    piped = subprocess.run([sys.executable, "-m", "dynlang", "fmt", "-"], input="fn f( x:f32 )->f32:\n  return x # c\n", text=True,
                           capture_output=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False)
    assert piped.stdout == "fn f(x: f32) -> f32:\n    return x  # c\n" and piped.returncode == 0
    assert dync("fmt", "a.dyn", cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.dyn").read_text() == "fn f(x: f32) -> f32:\n    # one\n    return x + 1.0\n"
    (tmp_path / "b.dyn").write_text("fn f(x: f32 -> f32:\n")
    assert dync("fmt", "b.dyn", cwd=tmp_path).returncode == 1
    assert (tmp_path / "b.dyn").read_text() == "fn f(x: f32 -> f32:\n"


def test_doctor_names_what_it_found() -> None:
    done = dync("doctor")
    assert done.returncode == 0 and "llvmlite" in done.stdout and "linker" in done.stdout
