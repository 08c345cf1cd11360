"""`dync repl`: an interactive session. The code runs in a worker process (`worker.py`); here are the prompt and the words.

On a terminal: editing, history, completion, colours; an entry is submitted as soon as it is complete. Otherwise plain lines.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dynlang.source import Source, read_source
from dynlang.tools.worker import Worker, WorkerDied

HELP = """\
Enter declarations, statements and expressions; values are shown with their types.
  :type E        the type of an expression            :grad F        the derivative of a function
  :time E        how long an expression takes         :ir F          the SSA of a function
  :load FILE     the declarations of a file           :names         what is defined
  :reset         forget everything                    :quit          leave (or Ctrl-D)
Ctrl-C stops running code and keeps what is defined."""


def repl(arguments: argparse.Namespace) -> int:
    session = Connection()
    try:
        if arguments.file:
            session.enter(read_source(arguments.file).text, arguments.file)
        entries = prompted(session) if sys.stdin.isatty() and sys.stdout.isatty() else piped()
        for text in entries:
            if not text.strip():
                continue
            if text.strip() in (":quit", ":q"):
                break
            session.enter(text)
    finally:
        session.close()
    return 1 if session.failed and not sys.stdin.isatty() else 0


class Connection:
    """A session in a worker, started again when it dies: declarations are replayed, values are lost."""

    def __init__(self) -> None:
        self.worker = Worker()
        self.declarations: list[str] = []
        self.failed = False

    def enter(self, text: str, name: str = "<prompt>") -> None:
        """Run an entry and print what it gave."""
        if text.strip() in (":help", ":h", "?"):
            print(HELP)
            return
        try:
            answer = self.worker.ask(do="enter", text=text, name=name)
        except WorkerDied as death:
            self.failed = True
            print(f"error: {death}; declarations are kept, values are lost", file=sys.stderr)
            self._restart()
            return
        if text.strip() == ":reset":
            self.declarations.clear()
        elif answer.get("declared"):
            self.declarations.append(text)
        if answer.get("text"):
            print(answer["text"])
        if answer.get("error"):
            self.failed = True
            print(answer["error"], file=sys.stderr)

    def names(self) -> list[str]:
        try:
            return self.worker.ask(do="names")["names"]
        except WorkerDied:
            return []

    def _restart(self) -> None:
        self.worker.close()
        self.worker = Worker()
        for text in self.declarations:
            self.worker.ask(do="enter", text=text, name="<prompt>")

    def close(self) -> None:
        self.worker.close()


def is_complete(text: str) -> bool:
    """Whether an entry can be run, or another line must follow."""
    from dynlang.syntax.parser import parse_entry

    return text.lstrip().startswith(":") or not text.strip() or parse_entry(Source("<prompt>", text)).complete


def piped(read: Callable[[], str] = sys.stdin.readline) -> Iterator[str]:
    """Entries from lines that are not typed: from a file, or another program."""
    text = ""
    while line := read():
        text += line
        if is_complete(text):
            yield text
            text = ""
    if text:
        yield text


def prompted(session: Connection) -> Iterator[str]:
    """Entries typed at a terminal."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    print("Dyn session; :help lists the commands")
    history = history_file()
    prompt: Any = PromptSession(
        message="dyn> ", multiline=True, prompt_continuation="...> ", key_bindings=bindings(), lexer=lexer(),
        completer=completer(session), complete_while_typing=False,
        history=FileHistory(str(history)) if history else InMemoryHistory())
    while True:
        try:
            yield prompt.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def history_file() -> Path | None:
    """Where entries are remembered between sessions, if it can be written."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "dync"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "history").touch()
    except OSError:
        return None
    return folder / "history"


def bindings() -> Any:
    """Enter submits a complete entry, and otherwise begins the next line at the right depth."""
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("enter")
    def _(event: Any) -> None:
        buffer = event.current_buffer
        if is_complete(buffer.text + ("\n" if buffer.text.endswith("\n") or not buffer.document.current_line.strip() else "")):
            buffer.validate_and_handle()
            return
        line = buffer.document.current_line_before_cursor
        indent = len(line) - len(line.lstrip(" ")) + (4 if line.rstrip().endswith(":") else 0)
        buffer.insert_text("\n" + " " * indent)

    @keys.add("tab")
    def _(event: Any) -> None:
        buffer = event.current_buffer
        if buffer.document.current_line_before_cursor.strip():
            buffer.start_completion(select_first=False)
        else:
            buffer.insert_text("    ")

    return keys


def completer(session: Connection) -> Any:
    """Completes the names of the session, the language and the prelude."""
    from prompt_toolkit.completion import Completer, Completion

    class Names(Completer):
        def get_completions(self, document: Any, complete_event: Any) -> Iterator[Any]:
            word = document.get_word_before_cursor(WORD=False)
            for name in session.names() if word else []:
                if name.startswith(word):
                    yield Completion(name, start_position=-len(word))

    return Names()


def lexer() -> Any:
    from prompt_toolkit.lexers import PygmentsLexer

    from dynlang.tools.highlight import DynLexer

    return PygmentsLexer(DynLexer)
