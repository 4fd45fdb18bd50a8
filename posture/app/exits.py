"""How a command ends: its exit code, and one clear line on stderr for everything that went wrong.

0 fine, 1 a run that failed or was stopped, 2 input or usage that is wrong.
"""

from __future__ import annotations

import io
import signal
import sys
import threading
from _thread import interrupt_main
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from posture.vocabulary import InputError, PostureError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN_S = 0.05
"""Until an interrupt that could not be raised comes once more: a finaliser is over by then. Ours."""
# typer's own name for this class differs between its versions, with click inside or beside it.
_UsageError: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


class StoppedError(PostureError):
    """The user or the system ended the run; what it had made so far is gone."""


class Interrupted(KeyboardInterrupt):
    """A KeyboardInterrupt in all but type: where the plain one crosses an `exec`, Python ends with its own exit code."""


class Commands(TyperGroup):
    """The commands, in which an interrupt becomes an exception with words, before typer makes it a silent exit."""

    def invoke(self, ctx: Any) -> Any:
        """As typer."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise StoppedError("stopped; nothing was written") from None


def run(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Run a command line and give back its exit code. No arguments: the help."""
    command = typer.main.get_command(app)
    try:
        code = command(list(arguments) or ["--help"], prog_name=app.info.name, standalone_mode=False)
    except _UsageError as error:
        return _say(_usage(error), 2)
    except InputError as error:
        return _say(f"posture: {error}", 2)
    except PostureError as error:
        return _say(f"posture: {error}", 1)
    except typer.Abort:
        return _say("posture: stopped; nothing was written", 1)
    except OSError as error:  # a full disk, a folder taken away meanwhile
        where = f" ({error.filename})" if error.filename else ""
        return _say(f"posture: the run failed: {error.strerror or error}{where}", 1)
    return code if isinstance(code, int) else 0


def end_cleanly() -> None:
    """Ctrl-C and the system's request to end both unwind the program, so that everything is put back and cleaned up."""
    sys.unraisablehook = _again
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job is not meant to hear Ctrl-C
            signal.signal(number, interrupt)


def _again(unraisable: Any) -> None:
    """What Python cannot raise, such as in a finaliser, it drops: an interrupt that fell there comes once more, a moment later."""
    if not isinstance(unraisable.exc_value, Interrupted):
        sys.__unraisablehook__(unraisable)
        return
    later = threading.Timer(_AGAIN_S, interrupt_main, unraisable.exc_value.args)
    later.daemon = True
    later.start()


class _Output(io.FileIO):
    """Where the text of a command goes. Once that fails it goes nowhere, and the command goes on: its results are files.

    failed : how the first write failed, None as long as none did.
    """

    failed: OSError | None = None

    def write(self, data: Any, /) -> int:
        """As `FileIO`, without its errors."""
        if self.failed is None:
            try:
                return super().write(data)
            except OSError as error:
                self.failed = error
        return memoryview(data).nbytes


@contextmanager
def steady_output() -> Iterator[None]:
    """Standard output and error on which printing never ends the work.

    A reader that has seen enough (`posture ... | head -1`) is no failure and not told; a full disk is one line on standard error.
    What the encoding of the terminal lacks, such as a byte of a file name that is none of it, is printed as its code.
    """
    made: dict[str, _Output] = {}
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):  # closed from the start, or somebody's own
            continue
        if stream.isatty():
            stream.reconfigure(errors="backslashreplace")
            continue
        made[name] = raw = _Output(stream.fileno(), "wb", closefd=False)
        buffer = io.BufferedWriter(raw)
        lines = stream.line_buffering
        setattr(sys, name, io.TextIOWrapper(buffer, stream.encoding, "backslashreplace", line_buffering=lines))
    try:
        yield
    finally:
        for name in made:
            getattr(sys, name).flush()
        error = made["stdout"].failed if "stdout" in made else None
        if error is not None and not isinstance(error, BrokenPipeError):
            _say(f"posture: the output could not be printed whole ({error.strerror}); files are written as always", 0)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Signal handler: unwind the program from wherever it is."""
    del frame
    raise Interrupted(number)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back interrupts for the few milliseconds in which results are put in place."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line: str, code: int) -> int:
    print(" ".join(line.split()), file=sys.stderr)  # noqa: T201 - a file name may hold a line break; this is one line
    return code


def _usage(error: Any) -> str:
    """`posture replay: missing option '--out' / '-o'; see posture replay --help`."""
    command = error.ctx.command_path if getattr(error, "ctx", None) else "posture"
    message = error.format_message().rstrip(".")
    return f"{command}: {message[:1].lower()}{message[1:]}; see `{command} --help`"
