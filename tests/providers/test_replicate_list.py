"""Finding a submit of unknown outcome in Replicate's list of predictions."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.providers.subject import Subject, said, sent, subject_of
from vidpoll.generation import GenerationRequest
from vidpoll.providers.http import Answer
from vidpoll.providers.outcomes import Ambiguous, FailureClass, Listed, RateLimited, Unauthorized, Unreachable
from vidpoll.providers.vendors.replicate import _listed
from vidpoll.simulator import Simulator, World
from vidpoll.simulator.vendors import replicate

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
ASKED = GenerationRequest(
    provider="replicate", model="google/veo-3", prompt="a lion", params={"duration": 8}, id=uuid.uuid4()
)
SENT = sent(ASKED, around=NOW)


@pytest.fixture
def subject(world: World, simulator: Simulator) -> Subject:
    return subject_of("replicate", world)


def listed(*changes: dict[str, Any], following: object = None) -> Answer:
    like_it = {"id": "p1", "model": ASKED.model, "input": {"duration": 8, "prompt": "a lion"}, "created_at": NOW}
    return said(200, {"next": following, "results": [json_ready({**like_it, **one}) for one in changes]})


def json_ready(prediction: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, datetime) else value for name, value in prediction.items()}


@pytest.mark.parametrize(
    ("prediction", "fits"),
    [
        ({}, True),
        ({"status": "canceled"}, True),
        ({"model": "google/veo-3-fast"}, False),
        ({"input": {"duration": 8, "prompt": "a lioness"}}, False),
        ({"input": {"duration": 6, "prompt": "a lion"}}, False),
        ({"input": {"duration": 8, "prompt": "a lion", "seed": 7}}, False),
        ({"input": {"prompt": "a lion"}}, False),
        ({"input": None}, False),
        ({"created_at": SENT.after}, True),
        ({"created_at": SENT.before}, True),
        ({"created_at": SENT.before + timedelta(microseconds=1)}, False),
        ({"created_at": SENT.after - timedelta(microseconds=1)}, False),
        ({"created_at": "2026-11-21T12:00:00.123456Z"}, True),
        ({"created_at": "some day"}, False),
        ({"created_at": None}, False),
        ({"id": None}, False),
    ],
)
def test_a_prediction_fits_by_model_input_and_time(prediction: dict, fits: bool):
    assert _listed(listed(prediction), SENT) == Listed(("p1",) if fits else ())


def test_all_that_fit_are_told():
    assert _listed(listed({}, {"id": "p2"}, {"id": "p3", "model": "x/y"}), SENT) == Listed(("p1", "p2"))


@pytest.mark.parametrize(
    ("following", "cursor"),
    [
        ("https://api.replicate.com/v1/predictions?cursor=cD0y%3D", "cD0y="),
        ("https://thief.example/v1/predictions?cursor=cD0y", "cD0y"),
        ("//[thief/predictions?cursor=cD0y", None),
        ("https://api.replicate.com/v1/predictions", None),
        (7, None),
        (None, None),
    ],
)
def test_of_the_next_page_only_the_cursor_is_taken(following: object, cursor: str | None):
    assert _listed(listed({}, following=following), SENT).cursor == cursor


def test_the_list_ends_where_it_is_older_than_the_submit():
    following = "https://api.replicate.com/v1/predictions?cursor=x"
    before_it = {"id": "old", "created_at": SENT.after - timedelta(seconds=1)}

    assert _listed(listed({}, before_it, following=following), SENT) == Listed(("p1",))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(401, {"detail": "who?"}), Unauthorized("who?")),
        (said(429, {"detail": "Your rate limit resets in ~30s."}), RateLimited(30.0)),
        (said(500, {}), Unreachable("HTTP 500: HTTP 500 without a word", FailureClass.SERVER_ERROR)),
        (said(404, {"detail": "no"}), Unreachable("HTTP 404: no", FailureClass.SERVER_ERROR)),
        (
            said(200, {"results": None}),
            Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE),
        ),
    ],
)
def test_an_answer_without_a_list_says_nothing_of_the_submit(answer: Answer, outcome: object):
    assert _listed(answer, SENT) == outcome


def test_a_lost_submit_is_found_among_others(world: World, subject: Subject):
    world.faults.submit_cut_after = 1
    request = subject.request(params={"duration": 8, "image": None, "seed": 7})
    assert isinstance(subject.provider.submit(request, request.id, replay=False), Ambiguous)
    world.faults.submit_cut_after = 0
    subject.submitted(prompt="another lion")

    found = subject.provider.look_up(sent(request), None)

    [lost] = [job["name"] for job in world.jobs() if job["request"]["prompt"] == request.prompt]
    assert found == Listed((lost,))
    assert subject.provider.look_up(sent(subject.request(prompt="never sent")), None) == Listed(())


def test_the_list_is_read_page_by_page_as_far_back_as_the_submit(world: World, subject: Subject):
    began = datetime.now(UTC)
    names = [_taken(world, began + timedelta(seconds=second)) for second in range(5 * replicate.PAGE)]
    looked_for = sent(subject.request(), around=began + timedelta(seconds=350))

    pages, cursor = [], None
    while not pages or cursor:
        page = subject.provider.look_up(looked_for, cursor)
        assert isinstance(page, Listed)
        cursor = page.cursor
        pages.append(page.fitting)

    assert [len(page) for page in pages] == [11, 100, 10]
    assert [name for page in pages for name in page] == names[410:289:-1]


def test_a_look_up_of_another_account_finds_nothing(world: World, subject: Subject):
    _taken(world, datetime.now(UTC), key="key-of-others")

    assert subject.provider.look_up(sent(subject.request()), None) == Listed(())


def _taken(world: World, moment: datetime, key: str = "key-replicate") -> str:
    world.clock = moment.timestamp
    asked = {"prompt": "a lion"}
    return world.accept(key, "google/veo-3-fast", samples=1, reference="r", name=lambda id: id.hex, request=asked).name
