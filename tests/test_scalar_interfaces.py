"""Every scalar type on its way in and out: `dync call` with .npz files, the C interface, printing."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynlang.ops.dtypes import NUMPY, convert
from dynlang.tools import cli

TYPES = ("f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u8", "bool")
FUNCTION = """
export fn turned_{t}<n>(a: {t}[n], s: {t}) -> ({t}[n], {t}):
    return reverse(a), s
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("types") / "types.dyn"
    path.write_text("".join(FUNCTION.format(t=one) for one in TYPES))
    return path


def sample(dtype: str) -> Any:
    """Numbers that the type holds, its limits among them."""
    if dtype == "bool":
        return np.array([True, False, False])
    kind = np.dtype(NUMPY[dtype])
    if kind.kind in "iu":
        return np.array([np.iinfo(kind).min, np.iinfo(kind).max, 5], kind)
    return convert(np.array([0.1, -65504.0, np.inf]), dtype)


@pytest.mark.parametrize("backend", ["native", "interp"])
@pytest.mark.parametrize("dtype", TYPES)
def test_call(program: Path, tmp_path: Path, dtype: str, backend: str) -> None:
    a, out = sample(dtype), tmp_path / "out.npz"
    np.savez(tmp_path / "in.npz", a=a, s=a[0])
    options = ["--in", str(tmp_path / "in.npz"), "--out", str(out), "--backend", backend]
    assert cli.main(["call", str(program), f"turned_{dtype}", *options]) == 0
    with np.load(out) as found:
        assert found["result.0"].dtype == a.dtype and found["result.0"].tobytes() == a[::-1].tobytes()
        assert found["result.1"].dtype == a.dtype and found["result.1"][()] == a[0]


def test_another_type_is_refused(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What doesn't fit isn't rounded silently."""
    np.savez(tmp_path / "in.npz", a=np.array([1.5, 2.0]), s=np.int8(1))
    assert cli.main(["call", str(program), "turned_i8", "--in", str(tmp_path / "in.npz")]) == 1
    assert "i8" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_c_interface(program: Path, tmp_path: Path) -> None:
    """Half types cross as their bits."""
    assert cli.main(["build", "--lib", str(program), "-o", str(tmp_path / "types")]) == 0
    library = ctypes.CDLL(str(next((tmp_path / "types").glob("*.so"))))
    library.types_create.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.types_create())
    scalars = {"f64": ctypes.c_double, "f32": ctypes.c_float, "f16": ctypes.c_uint16, "bf16": ctypes.c_uint16, "i64": ctypes.c_int64,
               "i32": ctypes.c_int32, "i16": ctypes.c_int16, "i8": ctypes.c_int8, "u8": ctypes.c_uint8, "bool": ctypes.c_bool}  # fmt: skip
    for dtype in TYPES:
        a = memory(sample(dtype), dtype)
        array, scalar = np.zeros_like(a), np.zeros(1, a.dtype)
        pointers = [ctypes.c_void_p(one.ctypes.data) for one in (a, array, scalar)]
        function = getattr(library, f"types_turned_{dtype}")
        function.restype = ctypes.c_int32
        status = function(context, ctypes.c_int64(len(a)), pointers[0], scalars[dtype](a[0].item()), pointers[1], pointers[2])
        assert status == 0, dtype
        assert array.tobytes() == a[::-1].tobytes() and scalar.tobytes() == a[:1].tobytes(), dtype
    library.types_live_blocks.restype = ctypes.c_int64
    assert library.types_live_blocks(context) == 0
    library.types_destroy(context)


def memory(array: Any, dtype: str) -> Any:
    """The numbers as they lie in the memory of a C program."""
    if dtype == "bf16":
        return (array.view(np.uint32) >> 16).astype(np.uint16)
    return array.view(np.uint16) if dtype == "f16" else array


def test_printing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Half types print as the f32 that they are."""
    values = dict.fromkeys(("f64", "f32", "f16", "bf16"), "0.1") | dict.fromkeys(("i64", "i32", "i16", "i8"), "-5")
    values |= {"u8": "200", "bool": "true"}
    lines = [f"    let {t}_one: {t} = {v}\n    let {t}_two: {t}[2] = [{v}, {v}]\n    print({t}_one, {t}_two)" for t, v in values.items()]
    path = tmp_path / "shown.dyn"
    path.write_text("proc main():\n" + "\n".join(lines) + "\n")
    assert cli.main(["run", str(path)]) == 0
    shown = {**values, "f16": "0.099975586", "bf16": "0.100097656"}
    assert capfd.readouterr().out.splitlines() == [f"{one} [{one}, {one}]" for one in shown.values()]


def test_flags(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A flag of every type, rounded as a literal is; what its type can't hold is refused."""
    path = tmp_path / "flags.dyn"
    parameters = "a: f64 = 0.1, b: f16 = 0.1, c: bf16 = 0.1, d: i8 = -3, e: i16 = 300, f: i32 = 70000, g: u8 = 255, h: bool = false"
    path.write_text(f"proc main({parameters}):\n    let x: bf16 = 0.1\n    print(a, b, c == x, d, e, f, g, h)\n")
    assert cli.main(["run", str(path)]) == 0
    assert cli.main(["run", str(path), "--c", "0.1", "--d", "127", "--g", "0", "--h", "true"]) == 0
    shown = capfd.readouterr().out.splitlines()
    assert shown == ["0.1 0.099975586 true -3 300 70000 255 false", "0.1 0.099975586 true 127 300 70000 0 true"]
    for wrong in (["--d", "128"], ["--g", "-1"], ["--e", "40000"], ["--f", "1.5"]):
        assert cli.main(["run", str(path), *wrong]) == 2
