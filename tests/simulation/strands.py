"""Tasks that take turns on one virtual clock: each has a stack of its own, and exactly one of all runs at any time.

A strand is a thread that runs only while it holds the baton; it hands the baton back when it waits. So everything that
happens, happens in an order that the seed decides, and a strand can be left in the middle of any call, or killed there.
"""

import heapq
import queue
import threading
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")


class Killed(BaseException):
    """SIGKILL: the stack unwinds, and whatever it tries on its way out raises the same again."""


class Strand:
    """A stack that can be left and resumed.

    Attributes:
        name: for the trace.
        doomed: its worker was killed; it raises Killed at the next thing it does.
        error: what it ended with, if it raised.
    """

    def __init__(self, name: str, work: Callable[[], object], done: Callable[["Strand"], None]) -> None:
        self.name, self.doomed, self.ended = name, False, False
        self.error: BaseException | None = None
        self._work, self._done = work, done
        self._mine, self._back = threading.Lock(), threading.Lock()
        self._mine.acquire()
        self._back.acquire()
        self._begun = False

    def resume(self, carriers: "Carriers") -> None:
        """Let it run until it waits or ends."""
        if self.ended:
            return
        if self._begun:
            self._mine.release()
        else:
            self._begun = True
            carriers.carry(self._run)
        self._back.acquire()
        if self.ended:
            self._done(self)

    def suspend(self) -> None:
        """Called by itself: hand the baton back, and go on when resumed."""
        self._back.release()
        self._mine.acquire()
        if self.doomed:
            raise Killed

    def _run(self) -> None:
        try:
            if self.doomed:
                raise Killed
            self._work()
        except BaseException as error:
            self.error = error
        finally:
            self.ended = True
            self._back.release()


class Carriers:
    """Threads that carry strands, kept for the next one: starting a thread takes longer than most strands."""

    def __init__(self) -> None:
        self._idle: list[queue.SimpleQueue[Callable[[], None] | None]] = []
        self._threads: list[threading.Thread] = []

    def carry(self, run: Callable[[], None]) -> None:
        """Run it in a thread of its own."""
        if not self._idle:
            self._idle.append(queue.SimpleQueue())
            self._threads.append(threading.Thread(target=self._carry, args=[self._idle[-1]], name="strand"))
            self._threads[-1].start()
        self._idle.pop().put(run)

    def end(self) -> None:
        """End the threads; every strand must have ended."""
        for _ in range(len(self._threads)):
            self._wait_for_idle().put(None)
        for thread in self._threads:
            thread.join()

    def _wait_for_idle(self) -> "queue.SimpleQueue[Callable[[], None] | None]":
        while not self._idle:  # a strand that has ended is a moment from being idle
            threading.Event().wait(0.001)
        return self._idle.pop()

    def _carry(self, mine: "queue.SimpleQueue[Callable[[], None] | None]") -> None:
        while run := mine.get():
            run()
            self._idle.append(mine)


class Loop:
    """Virtual time, and what is to happen when.

    Attributes:
        now: seconds since the beginning.
        current: the strand that runs; None while the simulation itself does.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.current: Strand | None = None
        self._coming: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._carriers = Carriers()

    def at(self, moment: float, happen: Callable[[], object]) -> None:
        """Have something happen then; of two at the same moment the one told first."""
        heapq.heappush(self._coming, (moment, next(self._order), happen))

    def start(self, strand: Strand) -> None:
        """Begin with it at this moment."""
        self.at(self.now, lambda: self._turn(strand))

    def sleep(self, seconds: float) -> None:
        """The strand that runs waits; the others go on."""
        strand = self.current
        assert strand is not None, "only a strand can sleep"
        if strand.doomed:
            raise Killed
        self.at(self.now + seconds, lambda: self._turn(strand))
        strand.suspend()

    def doom(self, strand: Strand) -> None:
        """It ends now, wherever it is."""
        strand.doomed = True
        if strand is not self.current:
            self.start(strand)

    def together(self, call: Callable[[T], Any], items: Sequence[T], start: Callable[..., Strand]) -> list[Any]:
        """``call`` for every item at the same time; ``start`` begins a strand of the same worker."""
        parent, answers, left = self.current, [None] * len(items), [len(items)]
        assert parent is not None

        def one(place: int) -> None:
            answers[place] = call(items[place])

        def ended(_: Strand) -> None:
            left[0] -= 1
            if not left[0]:
                self.start(parent)

        for place in range(len(items)):
            start(f"{parent.name}/{place}", lambda place=place: one(place), ended)
        parent.suspend()
        return answers

    def run_until(self, moment: float) -> None:
        """Everything that happens until then."""
        while self._coming and self._coming[0][0] <= moment:
            when, _, happen = heapq.heappop(self._coming)
            self.now = max(self.now, when)
            happen()
        self.now = max(self.now, moment)

    def close(self) -> None:
        """Every strand must have ended."""
        self._carriers.end()

    @property
    def next_at(self) -> float | None:
        """When the next thing happens."""
        return self._coming[0][0] if self._coming else None

    def _turn(self, strand: Strand) -> None:
        assert self.current is None
        self.current = strand
        try:
            strand.resume(self._carriers)
        finally:
            self.current = None
