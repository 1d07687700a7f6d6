"""Webhook endpoints over HTTP: the owner's own, secrets told once."""

import uuid
from collections.abc import Callable

import pytest

from tests.api.serving import Caller

HOOK = {"url": "https://93.184.216.34/hook", "event_types": ["generation.completed"], "description": "ours"}
ROUTES = [
    ("GET", "", None),
    ("DELETE", "", None),
    ("GET", "/deliveries", None),
    ("POST", "/rotate", None),
    ("POST", "/enable", None),
    ("POST", "/disable", None),
    ("POST", "/test", None),
    ("POST", "/replay", {"failed": True}),
]


def made(caller: Caller) -> dict[str, str]:
    answer = caller.post("/v1/webhooks", json=HOOK)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/webhooks/{answer.json()['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    return dict(answer.json())


def test_an_endpoint_is_made_read_rotated_disabled_and_removed_and_its_secret_is_told_once(alice: Caller):
    one = made(alice)
    path = f"/v1/webhooks/{one['id']}"

    read = alice.get(path).json()
    assert (read["url"], read["event_types"], read["description"], read["health"], read["secrets"]) == (
        HOOK["url"], HOOK["event_types"], "ours", "ok", 1,
    )  # fmt: skip
    rotated = alice.post(f"{path}/rotate", json={"keep_hours": 1}).json()
    assert rotated["secret"] != one["secret"]
    assert alice.get(path).json()["secrets"] == 2
    assert alice.post(f"{path}/disable").json() == {"id": one["id"], "changed": True}
    assert alice.post(f"{path}/test").status_code == 409
    assert alice.post(f"{path}/replay", json={"failed": True}).status_code == 409
    assert alice.post(f"{path}/enable").json()["changed"] is True
    tested = alice.post(f"{path}/test")
    assert tested.status_code == 202
    (delivery,) = alice.get(f"{path}/deliveries").json()["items"]
    assert (delivery["id"], delivery["event_type"], delivery["status"]) == (
        tested.json()["delivery_id"], "webhook.test", "waiting",
    )  # fmt: skip
    everything = "".join(alice.get(where).text for where in ("/v1/webhooks", path, f"{path}/deliveries"))
    assert one["secret"][6:] not in everything
    assert rotated["secret"][6:] not in everything
    assert alice.delete(path).status_code == 204
    assert alice.get("/v1/webhooks").json() == {"items": []}


@pytest.mark.parametrize(("method", "route", "body"), ROUTES)
def test_a_foreign_endpoint_is_as_one_that_is_not_there(
    alice: Caller, bob: Caller, method: str, route: str, body: object
):
    id = made(alice)["id"]

    foreign = bob.request(method, f"/v1/webhooks/{id}{route}", json=body)
    nowhere = bob.request(method, f"/v1/webhooks/{uuid.uuid4()}{route}", json=body)

    assert foreign.status_code == nowhere.status_code == 404
    assert foreign.content == nowhere.content
    assert bob.get("/v1/webhooks").json() == {"items": []}
    assert alice.get(f"/v1/webhooks/{id}").json()["status"] == "enabled"


def test_reading_is_not_enough(caller: Callable[..., Caller]):
    reader = caller("alice", "read")

    assert reader.get("/v1/webhooks").status_code == 403
    assert reader.post("/v1/webhooks", json=HOOK).status_code == 403


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://93.184.216.34/"}, "url: must begin with https://"),
        ({"url": "https://10.0.0.1/"}, "url: must be a public address"),
        ({"url": "https://localhost/"}, "url: must be a public address"),
        ({"event_types": ["x"]}, "there is no 'x'"),
        ({"event_types": []}, "event_types"),
        ({"owner": "bob"}, "owner"),
    ],
)
def test_what_is_wrong_is_told(alice: Caller, changes: dict[str, object], words: str):
    answer = alice.post("/v1/webhooks", json={**HOOK, **changes})

    assert answer.status_code == 422
    assert words in answer.text


def test_an_owner_has_twenty_at_most(alice: Caller):
    for _ in range(20):
        made(alice)

    assert alice.post("/v1/webhooks", json=HOOK).status_code == 409
