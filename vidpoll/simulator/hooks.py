"""Webhooks of the simulated vendors: what each sends, when, and what goes wrong on the way.

Formats and signatures stand in the vendors' own files. In here is what they have in common: a moment, a URL, tries
until somebody answers 2xx, and the faults whose names begin with ``hook``.
"""

import base64
import heapq
import hmac
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import requests

from vidpoll.simulator.jobs import Job, Seen

#: What every vendor here signs with that signs with a secret: an account's ``webhook_secret`` at the simulator.
SECRET: Final = "whsec_c2ltdWxhdG9yLXNpZ25zLXdpdGgtdGhpcw=="  # noqa: S105
#: Seconds a receiver may take, and pauses between tries.
TIMEOUT_S: Final = 5.0
PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
#: Seconds by which an aged webhook was signed too long ago.
AGED_S: Final = 900.0
#: Deliveries that are remembered.
REMEMBERED: Final = 10_000

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Hook:
    """Somewhere to tell that a job began or ended.

    Attributes:
        write: the bodies to send of what is seen; several where each result is told apart.
        sign: the headers for a body sent at a moment (Unix seconds); its number tells the bodies of one job apart.
        begins: tells that it began, too.
        pauses_s: seconds between tries while nobody answers 2xx.
    """

    vendor: str
    url: str
    write: Callable[[Seen], Sequence[bytes]]
    sign: Callable[[Job, bytes, float, int], Headers] = lambda *_: {}
    begins: bool = False
    pauses_s: Sequence[float] = PAUSES_S


@dataclass(order=True)
class _Due:
    at: float
    order: int
    job: Job = field(compare=False)
    hook: Hook = field(compare=False)
    tries: int = field(default=0, compare=False)
    body: bytes | None = field(default=None, compare=False)
    number: int = field(default=0, compare=False)


class Sender:
    """Sends webhooks over real sockets, from threads of its own, until it is closed.

    Args:
        world: the present one: what is due of another is dropped.
    """

    def __init__(self, world: Callable[[], Any]) -> None:
        self._world = world
        self._due: list[_Due] = []
        self._order = itertools.count()
        self._turn = threading.Condition()
        self._closed = False
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="simulator-hook")
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, job: Job, hook: Hook) -> None:
        """Tell of a job that was taken just now."""
        if hook.begins:
            self._put(_Due(job.starts_at, next(self._order), job, hook))
        self._put(_Due(job.ready_at, next(self._order), job, hook))

    def close(self) -> None:
        """Send nothing more."""
        with self._turn:
            self._closed = True
            self._turn.notify()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _put(self, due: _Due) -> None:
        with self._turn:
            heapq.heappush(self._due, due)
            self._turn.notify()

    def _run(self) -> None:
        while True:
            with self._turn:
                if self._closed:
                    return
                wait_s = self._due[0].at - self._world().clock() if self._due else None
                if wait_s is None or wait_s > 0:
                    self._turn.wait(wait_s)
                    continue
                due = heapq.heappop(self._due)
                self._threads.submit(self._send if due.body else self._write, due)

    def _write(self, due: _Due) -> None:
        """What is told of the job, each part on its way with what goes wrong."""
        world = self._world()
        if not self._is_of(world, due.job):
            return
        for number, body in enumerate(due.hook.write(world.seen(due.job))):
            for late_s in world.hook_delays():
                self._put(_Due(due.at + late_s, next(self._order), due.job, due.hook, body=body, number=number))

    @staticmethod
    def _is_of(world: Any, job: Job) -> bool:
        """Whether the world has the job, and was not reset since."""
        return world.job(job.key, job.name) is job and not job.lost

    def _send(self, due: _Due) -> None:
        world, body = self._world(), due.body or b""
        if not self._is_of(world, due.job):
            return
        signed_at = world.clock() - (AGED_S if world.strikes("hook_aged") else 0.0)
        headers = {"Content-Type": "application/json", **due.hook.sign(due.job, body, signed_at, due.number)}
        sent = body.replace(b"{", b"{ ", 1) if world.strikes("hook_forged") else body
        try:
            answer = requests.post(due.hook.url, sent, headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
            status = answer.status_code
        except requests.RequestException:
            status = 0
        world.hook_sent({"vendor": due.hook.vendor, "job": due.job.name, "at": world.clock(), "status": status})
        if status // 100 != 2 and due.tries < len(due.hook.pauses_s):
            due.at, due.tries = world.clock() + due.hook.pauses_s[due.tries], due.tries + 1
            self._put(due)


def standard_headers(id: str, body: bytes, at: float) -> Headers:
    """How a body is signed by the specification of Standard Webhooks 1.0, under :data:`SECRET`."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = hmac.digest(key, f"{id}.{int(at)}.".encode() + body, "sha256")
    return {
        "Webhook-Id": id, "Webhook-Timestamp": str(int(at)),
        "Webhook-Signature": f"v1,{base64.b64encode(signature).decode()}",
    }  # fmt: skip
