"""Nobody sees or changes what is another owner's. The routes are taken from the OpenAPI document, so that none is forgotten."""

import uuid
from collections.abc import Callable

import psycopg
import pytest

from tests.api.serving import Caller
from tests.integration.driver import Driver
from tests.unit.projects import clip
from vidpoll.api import create_app
from vidpoll.api.settings import ApiSettings
from vidpoll.generation import Failure, Status
from vidpoll.projects.plan import ProjectRequest
from vidpoll.settings import Settings

#: It does not end; test_events shows that it tells of nobody else's.
STREAM = "/v1/events"
#: What needs no key.
#: Routes without a key, and what they answer to anybody: a vendor's webhook is refused by what it lacks.
OPEN = {("get", "/healthz"): 200, ("get", "/readyz"): 200, ("post", "/v1/webhooks/in/{provider}/{account}"): 404}
#: What needs more than to read.
SCOPES = {
    ("post", "/v1/generations"): "write",
    ("post", "/v1/generations/{id}/refresh"): "write",
    ("post", "/v1/generations/{id}/cancel"): "write",
    ("post", "/v1/generations/{id}/retry"): "write",
    ("post", "/v1/projects"): "write",
    ("post", "/v1/projects/{id}/retry"): "write",
    ("post", "/v1/projects/{id}/cancel"): "write",
    ("get", "/metrics"): "operate",
    # An endpoint is told what others may only read, and its list tells where.
    ("get", "/v1/webhooks"): "write",
    ("post", "/v1/webhooks"): "write",
    ("get", "/v1/webhooks/{id}"): "write",
    ("delete", "/v1/webhooks/{id}"): "write",
    ("get", "/v1/webhooks/{id}/deliveries"): "write",
    **{("post", f"/v1/webhooks/{{id}}/{verb}"): "write" for verb in ("rotate", "enable", "disable", "test", "replay")},
}
#: What a route cannot do without.
BODIES = {"/v1/webhooks/{id}/replay": {"failed": True}}


def routes() -> list[tuple[str, str]]:
    nowhere = Settings(redis_url="redis://127.0.0.1:1/0", database_url="postgresql://nobody@127.0.0.1:1/none")
    document = create_app(nowhere, ApiSettings()).openapi()
    return [(method, path) for path, methods in document["paths"].items() for method in methods]


def of_one(path: str) -> bool:
    return "{id}" in path


@pytest.mark.parametrize(("method", "path"), [route for route in routes() if of_one(route[1])])
def test_a_foreign_id_is_answered_like_one_that_does_not_exist(
    alice: Caller, bob: Caller, driver: Driver, make_request, services, method: str, path: str
):
    processing, failed, done = (
        driver.submitted(make_request()),
        driver.submitted(make_request()),
        driver.submitted(make_request()),
    )
    services.store.failed(failed, Failure("refused", "no"), expected=Status.PROCESSING)
    services.store.completed(done, "https://example.com/v.mp4", {"videos": []})
    before = [driver.get(id) for id in (processing, failed, done)]
    project = services.store.admit(ProjectRequest(name="hers", owner="alice", steps=[clip("a")]), uuid.uuid4()).id
    project_before = services.store.project(project)

    def ask(id: object) -> tuple[int, dict]:
        body = BODIES.get(path)
        answer = bob.request(method, path.replace("{id}", str(id)), json=body, allow_redirects=False)
        return answer.status_code, answer.json()

    answers = [ask(id) for id in (processing, failed, done, project, uuid.uuid4())]

    assert answers == [answers[-1]] * 5
    assert services.store.project(project) == project_before
    assert answers[0][0] == 404
    assert answers[0][1]["code"] == "not_found"
    after = [driver.get(one.id) for one in before]
    assert [(one.version, one.updated_at) for one in after] == [(one.version, one.updated_at) for one in before]


@pytest.mark.parametrize(
    "path", [path for method, path in routes() if method == "get" and not of_one(path) and path != STREAM]
)
def test_what_lists_or_counts_shows_nothing_of_others(
    caller: Callable[..., Caller], driver: Driver, make_request, services, path: str
):
    bob, secret = (
        caller("bob", "read", "write", "operate"),
        make_request(prompt="a secret of alice's", project_id="hers"),
    )
    id = driver.submitted(secret)
    services.store.failed(id, Failure("secret_code", "secret words"), expected=Status.PROCESSING)
    waiting = driver.accepted(make_request())
    services.store.admit(ProjectRequest(name="a secret of alice's", owner="alice", steps=[clip("a")]), uuid.uuid4())

    answer = bob.get(path, params={"ids": f"{id},{waiting}", "project": "hers"})

    assert answer.status_code == 200
    assert "secret" not in answer.text
    assert "hers" not in answer.text
    if path == "/v1/generations/status":
        assert answer.json() == {"generations": [], "not_found": [str(id), str(waiting)]}
    if path == "/v1/queue":
        assert answer.json()["pending"]["count"] == 0


NO_KEYS = (
    None, "", "x", "vp_", "vp_0123456789ab_", "vp_0123456789ab_wrong", "vp_" + "\u00fc" * 9, "vp_1_" + "x" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("key", NO_KEYS)
def test_without_a_valid_key_there_is_no_answer(url: str, key: str | None):
    with Caller(url, "") as nobody:
        headers = {"Authorization": None if key is None else f"Bearer {key}".encode()}
        for method, path in routes():
            answer = nobody.request(method, path.replace("{id}", str(uuid.uuid4())), headers=headers)

            if (method, path) in OPEN:
                assert answer.status_code == OPEN[method, path]
            else:
                assert answer.status_code == 401
                assert answer.json()["code"] == "unauthorized"
                assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_may_do_what_its_scopes_say(caller: Callable[..., Caller]):
    for method, path in routes():
        if (method, path) not in OPEN:
            others = {"read", "write", "operate"} - {SCOPES.get((method, path), "read")}

            answer = caller("alice", *others).request(method, path.replace("{id}", str(uuid.uuid4())))

            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_everybodys_numbers_are_for_operators(
    caller: Callable[..., Caller], alice: Caller, driver: Driver, make_request
):
    driver.accepted(make_request(owner="bob"))
    operator = caller("alice", "read", "operate")

    assert operator.get("/v1/queue", params={"all": "true"}).json()["pending"]["count"] == 1
    assert operator.get("/v1/queue").json()["pending"]["count"] == 0
    assert operator.get("/v1/stats", params={"all": "true"}).json()["total"] == 1
    assert alice.get("/v1/queue", params={"all": "true"}).json()["code"] == "forbidden"


def test_a_revoked_key_stops_working(alice: Caller, app, services):
    assert alice.get("/v1/queue").status_code == 200

    services.store.revoke_key(alice.key.split("_")[1])
    app.state.parts.keyring._known.clear()  # what TRUST_S does by itself

    assert alice.get("/v1/queue").status_code == 401


def test_only_the_hash_of_a_key_is_stored(alice: Caller, driver: Driver, database_url: str):
    with psycopg.connect(database_url) as connection:
        stored = str(connection.execute("SELECT * FROM api_keys").fetchall())

    assert alice.key.split("_", 2)[2] not in stored
