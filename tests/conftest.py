"""Collects golden cases: `tests/cases/STAGE/*.dyn` hold input and expected output together.

    # run: dync check wrong_arity.dyn            the commands, run in a folder that holds the case's files
    fn f(x: f32) -> f32:
        return g(x)                              # ! DYN0201 unknown name
    # file: other.dyn                            what follows is another file of the case (optional)
    # ---
    # error[DYN0201]: ...                        the output as comments, rewritten by `pytest --bless`
    # exit 1

An inline mark `# ! CODE part of the message` says that this line is reported with this code; blessing never touches
it, so a careless bless can't hide a lost error. A case that reports an error must carry a mark for each one reported
in a file of the case.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background deaf to Ctrl-C, and so would be the programs that the tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hundreds of tests start the compiler as a process of its own. Compiling its source anew takes as long as what most of them compile,
# so what they start may keep its bytecode (git ignores it), whatever the environment says of other programs.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).parent.parent
RUN = re.compile(r"^# run: dync (.*)$", re.M)
MARK = re.compile(r"# ! (DYN\d{4})\b ?(.*?)\s*$")
REPORTED = re.compile(r"^(?:error|warning|copy)\[(DYN\d{4})\]: (.*)\n\s*(?:-->|┌─) ([^\s:]+):(\d+)", re.M)
SEPARATOR = "# ---"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the expected output of the golden cases")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix == ".dyn" and CASES in file_path.parents:
        return GoldenFile.from_parent(parent, path=file_path)
    return None


class GoldenFile(pytest.File):
    def collect(self):
        yield GoldenCase.from_parent(self, name="golden")


class GoldenMismatch(Exception):
    """The output isn't the expected one, or a mark wasn't met."""


@dataclass(frozen=True)
class Case:
    """A golden file, read: its commands, its input files and the expected output (None where there is none yet)."""

    commands: list[str]
    files: dict[str, str]
    expected: str | None

    @staticmethod
    def read(path: Path) -> Case:
        source, separator, tail = path.read_text(encoding="utf-8").partition(f"\n{SEPARATOR}\n")
        files = split_files(path.name, source + "\n")
        expected = "".join(line.removeprefix("#").removeprefix(" ") for line in tail.splitlines(keepends=True))
        return Case(RUN.findall(source), files, expected if separator else None)

    def marks(self) -> list[tuple[str, int, str, str]]:
        """The inline marks as (file, line, code, part of the message)."""
        found = []
        for name, text in self.files.items():
            for number, line in enumerate(text.splitlines(), 1):
                if match := MARK.search(line):
                    found.append((name, number, match[1], match[2]))
        return found


def split_files(name: str, source: str) -> dict[str, str]:
    """`# file: NAME` starts the next file of a case; what stands above the first is the case's own file."""
    parts = re.split(r"^# file: (\S+)\n", source, flags=re.M)
    return {name: parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def run_dync(arguments: str, folder: Path) -> str:
    """Run one command as a user would; standard error follows standard output, then the exit status if not 0."""
    command = [sys.executable, "-m", "dynlang", *shlex.split(arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=120, check=False)
    text = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
    text = text.replace(str(folder) + os.sep, "")
    if text and not text.endswith("\n"):
        text += "\n"
    return text + (f"exit {done.returncode}\n" if done.returncode else "")


class GoldenCase(pytest.Item):
    def runtest(self) -> None:
        case = Case.read(self.path)
        if not case.commands:
            raise GoldenMismatch("the case has no line `# run: dync ...`")
        with tempfile.TemporaryDirectory() as folder:
            for name, text in case.files.items():
                (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / name).write_text(text, encoding="utf-8")
            output = "".join(run_dync(command, Path(folder)) for command in case.commands)
        check_marks(case, output)
        if self.config.getoption("--bless"):
            bless(self.path, output)
        elif output != case.expected:
            raise GoldenMismatch(difference(case.expected or "", output))

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, GoldenMismatch):
            command = f"python -m pytest {self.path.relative_to(ROOT)} --bless"
            return f"{excinfo.value}\nIf the new output is right: {command}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, 0, f"{self.path.parent.name}/{self.path.stem}"


def check_marks(case: Case, output: str) -> None:
    """Each mark was reported on its line, and each error reported in a file of the case has its mark."""
    reported = [(file, int(line), code, title) for code, title, file, line in REPORTED.findall(output)]
    marks = case.marks()
    for file, line, code, part in marks:
        if not any((f, n, c) == (file, line, code) and part in title for f, n, c, title in reported):
            raise GoldenMismatch(f"{file}:{line}: no {code} with `{part}` in its title was reported\n{output}")
    if marks:
        for file, line, code, title in reported:
            if file in case.files and (file, line, code) not in [mark[:3] for mark in marks]:
                raise GoldenMismatch(f"{file}:{line}: {code} `{title}` was reported without a mark\n{output}")


def bless(path: Path, output: str) -> None:
    """Rewrite what follows the separator, and nothing else."""
    source = path.read_text(encoding="utf-8").partition(f"\n{SEPARATOR}\n")[0].rstrip("\n")
    tail = "".join(f"# {line}".rstrip() + "\n" for line in output.splitlines())
    path.write_text(f"{source}\n{SEPARATOR}\n{tail}", encoding="utf-8")


def difference(expected: str, output: str) -> str:
    lines = difflib.unified_diff(expected.splitlines(), output.splitlines(), "expected", "output", lineterm="")
    return "\n".join(lines)

