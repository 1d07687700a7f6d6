"""Faults at random, each ended before the next begins. One seed, one order of faults; what they meet is the world's."""

import random
import time
from collections.abc import Callable
from typing import Final

from tests.acceptance.faults.fleet import Fleet

#: Longest fault, seconds.
LONGEST_S: Final = 12.0
#: What a vendor can do wrong, with the probability while it lasts.
_VENDOR: Final = {
    "submit_429": 0.3, "submit_500": 0.3, "submit_500_after": 0.2, "submit_cut_before": 0.2, "submit_cut_after": 0.2,
    "submit_reset_mid_body": 0.2, "status_429": 0.3, "status_500": 0.5, "status_cut": 0.5, "status_html": 0.5,
    "status_html_200": 0.5, "status_empty": 0.5, "status_truncated": 0.5, "status_unauthorized": 0.2,
    "status_not_found": 0.3, "status_unknown_word": 0.5, "status_no_url": 0.3, "status_backwards": 0.5,
    "lookup_500": 0.5, "cancel_500": 0.5, "cancel_refused": 0.5, "cancel_ignored": 0.5,
}  # fmt: skip
#: worker1 is never harmed itself, so that its memory can be followed from the first minute to the last.
VICTIM: Final = "worker2"


class Chaos:
    """Draws a fault, makes it, ends it."""

    def __init__(self, fleet: Fleet, dice: random.Random) -> None:
        self._fleet, self._dice = fleet, dice
        self._faults: dict[str, Callable[[float], None]] = {
            "worker killed": self._worker_killed,
            "worker told to end": self._worker_told_to_end,
            "worker hangs": self._worker_hangs,
            "beat killed": self._beat_killed,
            "vendor misbehaves": self._vendor_misbehaves,
            "Redis forgets everything": lambda _: self._fleet.redis().flushall() and None,
            "Redis killed": lambda seconds: self._redis_killed(seconds, empty=False),
            "Redis killed, and back empty": lambda seconds: self._redis_killed(seconds, empty=True),
            "Postgres killed": self._postgres_killed,
            "Postgres read-only": self._postgres_read_only,
            "Postgres loses answers": self._postgres_loses_answers,
            "provider holds its answers": self._provider_holds,
        }
        for name in ("redis", "postgres", "provider"):
            for mode in ("cut", "refuse", "black_hole", "delay"):
                self._faults[f"{name}: {mode.replace('_', ' ')}"] = self._of_network(name, mode)

    def strike(self) -> str:
        """Make a fault at random and end it; its name."""
        name = self._dice.choice(list(self._faults))
        self._faults[name](self._dice.uniform(0.5, LONGEST_S))
        return name

    def _worker_killed(self, seconds: float) -> None:
        self._fleet.kill(VICTIM)
        time.sleep(seconds)
        self._fleet.start_worker(VICTIM)

    def _worker_told_to_end(self, seconds: float) -> None:
        self._fleet.terminate(VICTIM)
        time.sleep(seconds / 4)
        self._fleet.start_worker(VICTIM)

    def _worker_hangs(self, seconds: float) -> None:
        self._fleet.pause(VICTIM)
        time.sleep(seconds)
        self._fleet.resume(VICTIM)

    def _beat_killed(self, seconds: float) -> None:
        self._fleet.kill("beat1")
        time.sleep(seconds)
        self._fleet.start_beat("beat1")

    def _vendor_misbehaves(self, seconds: float) -> None:
        chosen = self._dice.sample(list(_VENDOR), 2)
        self._fleet.simulate("faults", **{name: _VENDOR[name] for name in chosen})
        time.sleep(seconds)
        self._fleet.simulate("faults", **dict.fromkeys(chosen, 0))

    def _redis_killed(self, seconds: float, *, empty: bool) -> None:
        self._fleet.kill_redis(empty=empty)
        time.sleep(seconds)
        self._fleet.start_redis()

    def _postgres_killed(self, seconds: float) -> None:
        self._fleet.postgres.halt()
        time.sleep(seconds)
        self._fleet.postgres.start()

    def _postgres_read_only(self, seconds: float) -> None:
        self._fleet.read_only(True)
        time.sleep(seconds)
        self._fleet.read_only(False)

    def _postgres_loses_answers(self, seconds: float) -> None:
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            self._fleet.postgres_proxy.lose_answers(1)
            time.sleep(0.3)
        self._fleet.postgres_proxy.pass_through()

    def _provider_holds(self, seconds: float) -> None:
        self._fleet.provider_proxy.hold_answers()
        time.sleep(seconds)
        self._fleet.provider_proxy.release()

    def _of_network(self, name: str, mode: str) -> Callable[[float], None]:
        def strike(seconds: float) -> None:
            proxy = getattr(self._fleet, f"{name}_proxy")
            getattr(proxy, mode)(*([0.2] if mode == "delay" else []))
            if mode != "cut":
                time.sleep(seconds)
            proxy.pass_through()

        return strike
