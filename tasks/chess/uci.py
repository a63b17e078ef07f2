"""A chess engine as a process, spoken to over UCI.

`chess.engine.SimpleEngine` waits for ever for a search that is limited by nodes or depth, and
its thread keeps the interpreter from ending. Here every wait has an end, a daemon thread reads,
and an engine that dies, hangs or answers rubbish is an `EngineFault`, after which it is killed:
an engine whose conversation was cut short is never spoken to again.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

import chess


class EngineFault(Exception):  # noqa: N818 - a fault of the engine's, never seen by a caller
    """An engine died, hung or answered rubbish; the message says which."""


class UciEngine:
    """One running engine.

    Args:
        path: The executable.
        options: UCI options by name.
        timeout_s: How long any one answer may take, in seconds.

    Raises:
        EngineFault: It cannot be started, or is no UCI engine.
    """

    name: str = "unknown engine"
    """As it calls itself, version included."""

    def __init__(self, path: str, options: Mapping[str, int], timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a path that the user has set
                [path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # so that Ctrl-C reaches the harness alone
            )
        except OSError as error:
            raise EngineFault(f"cannot be started: {error.strerror}") from error
        Thread(target=self._read, name="uci", daemon=True).start()
        try:
            self._greet(options)
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def choose(self, board: chess.Board, go: str, *, forget: bool = False) -> chess.Move:
        """Returns the engine's move.

        Args:
            board: The position, with the moves that led to it.
            go: What limits the search, as UCI's `go` takes it, such as `nodes 1`.
            forget: Whether the engine first forgets what it has searched before.

        Raises:
            EngineFault: It did not answer with a legal move.
        """
        if forget:
            self._say("ucinewgame", "isready")
            self._wait("readyok")
        moves = " ".join(["moves", *map(chess.Move.uci, board.move_stack)])
        self._say(f"position fen {board.root().fen()} {moves}", f"go {go}")
        said = self._wait("bestmove").split()
        try:
            return board.parse_uci(said[1])
        except (IndexError, ValueError) as error:
            raise EngineFault(f"answered {' '.join(said)[:40]!r}, which is no move here") from error

    def kill(self) -> None:
        """Ends the process, and what it may have started."""
        if self._process.poll() is None:
            if hasattr(os, "killpg"):
                with suppress(ProcessLookupError, PermissionError):  # it ended just now
                    os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(OSError):  # of what was not yet written to a dead engine
            self._process.stdin.close()

    def _greet(self, options: Mapping[str, int]) -> None:
        self._say("uci")
        for line in self._until("uciok"):
            if line.startswith("id name "):
                self.name = line.removeprefix("id name ")
        self._say(*(f"setoption name {key} value {value}" for key, value in options.items()))
        self._say("isready")
        self._wait("readyok")

    def _say(self, *lines: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("".join(f"{line}\n" for line in lines))
            self._process.stdin.flush()
        except OSError as error:
            raise EngineFault("died") from error

    def _wait(self, word: str) -> str:
        """Returns the first line that begins with a word."""
        *_, line = self._until(word)
        return line

    def _until(self, word: str) -> Iterator[str]:
        """Yields what the engine says, up to and with a line that begins with a word."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                message = f"did not say {word!r} within {self._timeout_s:g} s"
                raise EngineFault(message) from None
            if line is None:
                raise EngineFault("died")
            yield line
            if line.split(maxsplit=1)[:1] == [word]:
                return

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._lines.put(line.strip())
        self._lines.put(None)
