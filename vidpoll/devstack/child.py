"""One process of the embedded stack: started, watched, ended; never outlives its parent."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: prctl(2): ask for a signal when the parent dies.
_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A command of ours that should be running.

    Attributes:
        name: ``redis``, ``postgres``, ``simulator``, ``worker``, ``beat``, ``api`` or ``flower``.
        log: where its output goes; appended, so that a crash can be read after a restart.
        user: system user to run as; ours if not given.
        stop_signal: what asks it to end in good order.
        stop_timeout_s: seconds it is given for that before it is killed.
    """

    name: str
    command: Sequence[str]
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int:
        """Its process id; it must have been started."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C reaches the parent only, which then ends all in order."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environ},
                cwd=self.cwd,
                user=self.user,
                extra_groups=[] if self.user else None,
                start_new_session=True,
                preexec_fn=_die_with_parent(self.stop_signal),  # noqa: PLW1509  one prctl call, safe beside threads
            )

    def ask_to_stop(self) -> None:
        """Send the stop signal, if it still runs."""
        if self._process and self.exit_code is None:
            self._process.send_signal(self.stop_signal)

    def stop(self) -> None:
        """Ask it to stop, wait, and kill it if it does not."""
        if self._process is None:
            return
        self.ask_to_stop()
        try:
            self._process.wait(self.stop_timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self, lines: int = 5) -> str:
        """The end of its log, for an error message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _die_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """Have Linux stop the child when we are killed and cannot; elsewhere there is no such thing."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(stop_signal)) and None
