"""Part of the contract suite: JSON that means nothing ends no generation, and breaks no adapter.

Calls go to the simulated vendors in this process, without a socket between: that is how so many can be made.
"""

import copy
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.providers.subject import Subject, pass_by, subject_of
from vidpoll.catalogue import catalogue
from vidpoll.providers.base import Operation
from vidpoll.providers.http import Answer, Http
from vidpoll.providers.outcomes import (
    Ambiguous,
    FailureClass,
    NotFound,
    Pending,
    RateLimited,
    Ready,
    Refused,
    Submitted,
    Unauthorized,
    Unreachable,
)
from vidpoll.simulator import Call, Reply, World, answer

#: One subject serves all examples: each says anew what it is answered.
quickly = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


def anything(keys: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Any JSON, of few levels."""
    return st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
    )


class Wire(Http):
    """No wire.

    Attributes:
        answer: what comes back for a call.
    """

    def __init__(self, world: World, base: str) -> None:
        super().__init__(f"http://127.0.0.1{base}")
        self._base = base
        self.answer: Callable[[Call], Reply] = partial(answer, world)

    def check(self, method: str, path: str, headers: Mapping[str, str], body: object = None) -> Answer:
        lowered = {name.lower(): value for name, value in headers.items()}
        reply = self.answer(Call(method, self._base + path, lowered, json.dumps(body).encode()))
        return Answer(reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.data())

    def submit(self, path: str, headers: Mapping[str, str], body: object, *, method: str = "POST") -> Answer:
        return self.check(method, path, headers, body)


@pytest.fixture(params=catalogue())
def wire(request: pytest.FixtureRequest, world: World) -> Wire:
    return Wire(world, catalogue()[request.param].simulator)


@pytest.fixture
def subject(request: pytest.FixtureRequest, wire: Wire, world: World) -> Subject:
    return subject_of(request.node.callspec.params["wire"], world, http=wire)


@pytest.fixture
def operations(subject: Subject) -> list[Operation]:
    """One in every end that a generation can come to, and one that runs."""
    params = {subject.can.results_param: 2} if subject.can.results_param else {}
    found = []
    for end in ("job_failed", "job_filtered", "job_partial", ""):
        subject.world.faults.change({end: 1} if end else {})
        found.append(subject.submitted(params=params))
        subject.world.faults.change({end: 0} if end else {})
    pass_by(subject.world, 0.001)
    subject.world.durations.median_s = 1000
    return [*found, subject.submitted(params=params)]


@pytest.fixture
def words(subject: Subject, wire: Wire, operations: list[Operation]) -> list[str]:
    """Every name in what the vendor says of them: garbage is most dangerous where it looks like an answer."""
    said: list[Any] = []

    def overheard(call: Call) -> Reply:
        said.append((reply := answer(subject.world, call)).body)
        return reply

    wire.answer = overheard
    subject.submitted()
    for operation in operations:
        subject.check(operation)
    return sorted({place[-1] for body in said for place in _places(body) if place and isinstance(place[-1], str)})


@quickly
@given(data=st.data())
def test_garbage_is_no_answer(
    subject: Subject, wire: Wire, operations: list[Operation], words: list[str], data: st.DataObject
):
    garbage = data.draw(anything(st.sampled_from(words) | st.text(max_size=5)))
    wire.answer = lambda call: Reply(200, garbage)

    submitted = subject.submit()
    outcome = subject.check(operations[0])

    assert isinstance(submitted, Ambiguous | Submitted | RateLimited | Unauthorized)
    assert isinstance(outcome, Pending | Unreachable | NotFound | RateLimited | Unauthorized)
    _can_be_kept(submitted)
    _can_be_kept(outcome)


@quickly
@given(choice=st.integers(min_value=0), garbage=anything(st.text(max_size=5)))
def test_an_answer_with_garbage_in_one_place_breaks_nothing(
    subject: Subject, wire: Wire, operations: list[Operation], choice: int, garbage: Any
):
    def spoiled(call: Call) -> Reply:
        reply = answer(subject.world, call)
        return replace(reply, body=_with(reply.body, choice, garbage)) if reply.raw is None else reply

    wire.answer = spoiled

    _can_be_kept(subject.submit())
    for operation in operations:
        _can_be_kept(subject.check(operation))
    if subject.can.cancel:
        _can_be_kept(subject.cancel(operations[-1]))


def _places(body: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a body."""
    yield place
    parts = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, part in parts:
        yield from _places(part, (*place, name))


def _with(body: Any, choice: int, garbage: Any) -> Any:
    places = list(_places(body))
    place = places[choice % len(places)]
    if not place:
        return garbage
    spoiled = inside = copy.deepcopy(body)
    for name in place[:-1]:
        inside = inside[name]
    inside[place[-1]] = garbage
    return spoiled


def _can_be_kept(outcome: Any) -> None:
    """Whether what an adapter told is of the types it promises, and fit for a store and a page."""
    match outcome:
        case Ready(videos, seed, cost):
            assert videos
            assert all(url.startswith(("http://", "https://", "gs://")) for url in videos)
            assert seed is None or type(seed) is int
            assert cost is None or (math.isfinite(cost) and cost >= 0)
            assert all(type(note) is str for note in outcome.notes)
        case Pending(progress, stage):
            assert progress is None or (type(progress) is int and 0 <= progress <= 100)
            assert type(stage) is str
        case Submitted(name):
            assert type(name) is str
            assert name
        case Unreachable(reason, failure_class):
            assert type(reason) is str
            assert failure_class is not FailureClass.BROKEN
        case Refused(code, message):
            assert type(code) is type(message) is str
        case RateLimited(seconds):
            assert seconds is None or 0 <= seconds <= 300
