"""The event loop: one status lane in virtual time, from the submit of each generation to the look that sees it done.

Nothing is waited for: the clock jumps from call to call. Moments are integer microseconds, as in the lanes.
"""

import heapq
import random
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.polling.bucket import Bucket
from tests.benchmarks.polling.cases import Case
from tests.benchmarks.polling.contenders import Contender
from tests.benchmarks.polling.durations import Truth
from tests.benchmarks.polling.figures import Phase
from vidpoll.dispatcher import LEAD_S

LEAD_US: Final = round(LEAD_S * 1e6)
#: A call that has room left takes generations along that are due so soon.
AHEAD_US: Final = 2_000_000


@dataclass(slots=True)
class _Generation:
    born_us: int
    done_us: int
    looked_us: int
    looks: int = 0
    calls: float = 0.0


class Simulation:
    """One lane and one schedule. The first generations are submitted evenly over a round of the lane.

    Example::

        simulation = Simulation(CASES["veo_like"], contender, seed=1)
        simulation.run(completions=500)  # to warm up
        figures([simulation.run(completions=4000)], rate=10)
    """

    def __init__(self, case: Case, contender: Contender, seed: int) -> None:
        random.seed(seed)  # schedules draw their jitter from the module
        self._dice = random.Random(seed)
        self._batch, self._in_flight = case.batch, case.in_flight
        self._contender = contender
        self._bucket = Bucket(case.rate, burst=1)
        self._now_us = 0
        self._due: list[tuple[int, int]] = []
        self._generations: dict[int, _Generation] = {}
        self._submitted = 0
        self.truth: Truth = case.truth
        first_round_s = max(case.truth.mean_s, case.in_flight / case.looks_per_s)
        self._starts_us = sorted(
            (round(self._dice.uniform(0, first_round_s) * 1e6) for _ in range(case.in_flight)), reverse=True
        )

    def run(self, completions: int) -> Phase:
        """Go on until so many more generations were seen as done."""
        phase = Phase(began_us=self._now_us)
        while len(phase.delays_s) < completions:
            self._to_next_call()
            self._call(phase)
        phase.ended_us = self._now_us
        since_us = min(generation.looked_us for generation in self._generations.values())
        phase.longest_gap_s = max(phase.longest_gap_s, (self._now_us - since_us) / 1e6)
        return phase

    def _to_next_call(self) -> None:
        """Let time pass until somebody is due and there is a token."""
        while True:
            while self._starts_us and self._starts_us[-1] <= self._now_us:
                self._submit(self._starts_us.pop())
            events = [self._due[0][0]] if self._due else []
            events += self._starts_us[-1:]
            if not self._due or self._due[0][0] > self._now_us:
                self._now_us = min(events)
            elif not self._bucket.tokens(self._now_us):
                self._now_us = self._bucket.free_at()
            else:
                return

    def _call(self, phase: Phase) -> None:
        """One call for those that are due, and for as many as it has room for of those that will be soon."""
        self._bucket.spend(self._now_us, calls=1)
        phase.called_at_us.append(self._now_us)
        numbers: list[int] = []
        while self._due and len(numbers) < self._batch and self._due[0][0] <= self._now_us + AHEAD_US * bool(numbers):
            numbers.append(heapq.heappop(self._due)[1])
        for number in numbers:
            self._look(number, self._now_us + LEAD_US, 1 / len(numbers), phase)

    def _look(self, number: int, at_us: int, calls: float, phase: Phase) -> None:
        generation = self._generations[number]
        before_us, generation.looked_us = generation.looked_us, at_us
        generation.looks += 1
        generation.calls += calls
        phase.longest_gap_s = max(phase.longest_gap_s, (at_us - before_us) / 1e6)
        if at_us < generation.done_us:
            self._wait(number, generation)
            return
        phase.calls.append(generation.calls)
        phase.delays_s.append((at_us - generation.done_us) / 1e6)
        self._contender.finished((before_us - generation.born_us) / 1e6, (at_us - generation.born_us) / 1e6)
        del self._generations[number]
        self._submit(at_us)

    def _submit(self, at_us: int) -> None:
        self._submitted += 1
        done_us = at_us + round(self.truth.draw(self._dice) * 1e6)
        generation = self._generations[self._submitted] = _Generation(at_us, done_us, at_us)
        self._wait(self._submitted, generation)

    def _wait(self, number: int, generation: _Generation) -> None:
        age_s = (generation.looked_us - generation.born_us) / 1e6
        countdown = self._contender.countdown(age_s, generation.looks, waiting=len(self._generations))
        heapq.heappush(self._due, (generation.looked_us + round(countdown * 1e6), number))
