"""The process in which a session's code runs: what crashes or loops there can't take the prompt with it.

Reads one JSON request a line from standard input and answers with one line on the descriptor named on the command line;
standard output belongs to the programs that run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import Any, TextIO


class WorkerDied(Exception):
    """The worker process ended without an answer; the text says how."""


class Worker:
    """A worker process, as its owner sees it."""

    def __init__(self) -> None:
        read, write = os.pipe()
        command = [sys.executable, "-m", "dynlang.tools.worker", str(write)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[write], start_new_session=True, text=True)
        os.close(write)
        self.answers: TextIO = os.fdopen(read, encoding="utf-8")

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request. Ctrl-C meanwhile is passed on, and ends the running code, not the session."""
        assert self.process.stdin is not None
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise self._death() from None
        for first in (True, False):
            try:
                line = self.answers.readline()
            except KeyboardInterrupt:
                if first:
                    self.process.send_signal(signal.SIGINT)
                    continue
                self.process.kill()
                raise self._death() from None
            if not line:
                raise self._death()
            return json.loads(line)
        raise self._death()

    def _death(self) -> WorkerDied:
        status = self.process.wait()
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        return WorkerDied(f"the process that ran the code has ended ({how})")

    def close(self) -> None:
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # a request that a dead worker never read
                self.process.stdin.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.answers.close()


def serve(answers: TextIO) -> None:
    """Answer requests until standard input ends."""
    from dynlang.tools.session import Session

    session = Session()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(session, request.pop("do"))(**request)
        except KeyboardInterrupt:
            answer = {"error": "interrupted"}
        sys.stdout.flush()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    try:
        with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as channel:
            serve(channel)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
