"""Every process under a role and a Redis user of its own: config/roles.sql and config/redis-users.acl suffice, and no more."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import redis
import requests
from psycopg.errors import InsufficientPrivilege

from tests import brokers
from tests.acceptance.faults.fleet import Fleet, Postgres
from tests.acceptance.stack import PROJECT
from tests.receiver import receiving
from tests.waiting import until
from vidpoll import Client, GenerationRequest, ProjectRequest, messages
from vidpoll.devstack.child import Child
from vidpoll.devstack.servers import free_port, redis_binary, wait_until
from vidpoll.store import connect
from vidpoll.store.migrating import upgrade
from vidpoll.store.tables import metadata

pytestmark = pytest.mark.skipif(brokers.RABBITMQ, reason="Redis is the broker here")

ROLES: Final = (PROJECT / "config" / "roles.sql").read_text()
ACL: Final = (PROJECT / "config" / "redis-users.acl").read_text()
BODY: Final = {"provider": "runware", "model": "google:3@3", "prompt": "a lion at dawn"}
REPLICATE: Final = {"provider": "replicate", "model": "google/veo-3-fast", "prompt": "a lion"}
_USERS: Final = re.findall(r"^user (vidpoll_\w+)", ACL, re.MULTILINE)


class RolesFleet(Fleet):
    """A fleet without processes; its Redis knows the users of config/redis-users.acl, and one of the test's own."""

    def _serve_redis(self) -> tuple[Any, str, int]:
        port, acl = free_port(), self.folder / "users.acl"
        acl.write_text(f"{ACL}user test on nopass allkeys allchannels +@all\n")
        command = [redis_binary(), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--aclfile", str(acl)]
        child = Child("redis", command, self.folder / "logs" / "redis.log", cwd=self.folder)
        child.start()
        admin = redis.Redis(port=port, username="test", password="any")
        wait_until(admin.ping, child, (redis.RedisError,))
        for user in _USERS:
            admin.acl_setuser(user, enabled=True, passwords=[f"+secret-of-{user}"])
        self.redis_port = port
        return child, f"redis://test:any@127.0.0.1:{port}/0", port

    def redis_url(self, user: str) -> str:
        return f"redis://{user}:secret-of-{user}@127.0.0.1:{self.redis_port}/0"

    def database_url(self, role: str) -> str:
        return f"postgresql://{role}@127.0.0.1:{self.postgres.port}/{self.urls[1].rpartition('/')[2]}"

    def of(self, name: str) -> dict[str, str]:
        """The environment of a process of this name."""
        url = self.redis_url(name)
        return {"VIDPOLL_REDIS_URL": url, "VIDPOLL_BROKER_URL": url, "VIDPOLL_DATABASE_URL": self.database_url(name)}

    def refusals(self) -> list[str]:
        """What Redis refused so far: user, kind and thing; without `CLIENT …`, whose refusal redis-py takes for a no."""
        found = [one for one in self.redis().acl_log() if one["object"] != "client"]
        return [f"{one['username']} {one['reason']} {one['object']}" for one in found]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, fault_postgres: Postgres) -> Iterator[RolesFleet]:
    running = RolesFleet(tmp_path_factory.mktemp("roles"), fault_postgres, workers=0, beats=0)
    try:
        with psycopg.connect(running.urls[1], autocommit=True) as owner:
            owner.execute(ROLES)
        running.simulate("durations", median_s=0.2, sigma=0, fixed_s=0, scale=1)
        yield running
    finally:
        running.stop()


def test_every_process_works_under_its_own_role_and_user(fleet: RolesFleet):
    nowhere = {"VIDPOLL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    fleet.start_worker("worker1", **fleet.of("vidpoll_worker"), VIDPOLL_WEBHOOKS_LOCAL="true")
    fleet.start_beat("beat1", **fleet.of("vidpoll_beat") | nowhere)
    api = fleet.start_api(**fleet.of("vidpoll_api"), VIDPOLL_WEBHOOKS_LOCAL="true")
    made = fleet.vidpoll(
        "keys", "create", "--owner", "alice", VIDPOLL_DATABASE_URL=fleet.database_url("vidpoll_operator")
    )
    assert made.returncode == 0, made.stderr
    login = {"Authorization": f"Bearer {made.stdout.strip()}"}
    client = Client(fleet.redis_url("vidpoll_client"), fleet.database_url("vidpoll_client"))

    mine = client.submit_many([GenerationRequest(owner="alice", **BODY) for _ in range(5)])
    asked = requests.post(f"{api}/v1/generations", json=BODY, headers=login, timeout=10)
    by_message = Client(fleet.redis_url("vidpoll_client"), "").submit(GenerationRequest(owner="alice", **BODY))

    assert asked.status_code == 202, asked.text
    ids = [*mine, asked.json()["id"], by_message]
    assert {row["status"] for row in fleet.finished(ids, within_s=90)} == {"completed"}
    url = f"{api}/v1/generations/{asked.json()['id']}"
    assert requests.get(url, headers=login, timeout=10).json()["status"] == "completed"
    for things in ("generations", "projects"):
        assert "items" in requests.get(f"{api}/v1/{things}", headers=login, timeout=10).json()
    assert client.eta(client.status(mine[0])) is None

    scene = {"key": "a", **BODY}
    one = client.submit_project(
        ProjectRequest(name="lions", owner="alice", steps=[scene, {**scene, "key": "z", "after": ["a"]}])
    )
    assert client.wait_project(one.id, timeout_s=90).status == "completed"
    more = {"name": "more", "steps": [{**scene, "key": "b"}]}
    asked = requests.post(f"{api}/v1/projects", json=more, headers=login, timeout=10)
    assert asked.status_code == 202, asked.text
    assert client.wait_project(asked.json()["project_id"], timeout_s=90).status == "completed"
    assert client.retry_project(one.id) == []
    assert client.cancel_project(one.id) is False

    _a_webhook_is_told(f"{api}/v1/webhooks", login)

    fleet.simulate("durations", median_s=3000)
    _a_project_is_cancelled_and_retried(f"{api}/v1/projects", login)
    running = client.submit(GenerationRequest(owner="alice", **REPLICATE))
    until(lambda: client.status(running).status == "processing", what="it to be made")
    client.refresh(running)
    cancelled = requests.post(f"{api}/v1/generations/{running}/cancel", headers=login, timeout=10)
    assert cancelled.status_code == 202, cancelled.text
    until(lambda: client.status(running).status == "cancelled", what="the cancel to be done")
    with psycopg.connect(fleet.urls[1], autocommit=True) as owner:
        owner.execute(
            "INSERT INTO api_keys (id, owner, scopes, secret_hash, revoked_at)"
            " VALUES ('old', 'bob', '{read}', '', now() - interval '1 year')"
        )
    fleet.send(messages.PRUNE)
    until(lambda: not fleet.sql("SELECT FROM api_keys WHERE id = 'old'"), what="the old key to be pruned")
    fleet.redis().flushall()
    until(lambda: fleet.redis().exists("vidpoll:once:vidpoll.restore_stuck"), what="a sweep of beat's")
    assert not re.search("NOPERM|permission denied", fleet.log("worker1") + fleet.log("beat1") + fleet.log("api"))
    assert fleet.refusals() == []

    _metrics_have_lanes(fleet, api)


def _a_webhook_is_told(url: str, login: dict[str, str]) -> None:
    with receiving() as receiver:
        made = requests.post(url, json={"url": receiver.url}, headers=login, timeout=10)
        assert made.status_code == 201, made.text
        one = f"{url}/{made.json()['id']}"
        for verb in ("disable", "enable", "rotate", "test"):
            told = requests.post(f"{one}/{verb}", headers=login, timeout=10)
            assert told.status_code < 300, (verb, told.text)
        until(receiver.delivered, within_s=60, what="the test to be sent")
        receiver.got[0].verified(made.json()["secret"])
        again = requests.post(f"{one}/replay", json={"since": "2020-01-01T00:00:00Z"}, headers=login, timeout=30)
        assert again.status_code == 202, again.text
        assert requests.delete(one, headers=login, timeout=10).status_code == 204


def _a_project_is_cancelled_and_retried(url: str, login: dict[str, str]) -> None:
    many = {"name": "many", "max_parallel": 1, "steps": [{**REPLICATE, "key": key} for key in "cd"]}
    url += f"/{requests.post(url, json=many, headers=login, timeout=10).json()['project_id']}"
    for verb in ("cancel", "retry"):
        told = requests.post(f"{url}/{verb}", headers=login, timeout=10)
        assert told.status_code == 202, told.text
        if verb == "cancel":
            until(
                lambda: requests.get(url, headers=login, timeout=10).json()["status"] == "cancelled",
                what="the project to be cancelled",
            )


def _metrics_have_lanes(fleet: RolesFleet, api: str) -> None:
    operate = fleet.vidpoll(
        "keys", "create", "--owner", "ops", "--scope", "operate",
        VIDPOLL_DATABASE_URL=fleet.database_url("vidpoll_operator"),
    )  # fmt: skip
    metrics = requests.get(
        f"{api}/metrics", headers={"Authorization": f"Bearer {operate.stdout.strip()}"}, timeout=30
    ).text
    assert 'vidpoll_lane_rate{account="runware",verb="submit"}' in metrics, metrics
    assert 'vidpoll_scrape_errors_total{part="lanes"} 0.0' in metrics
    assert all(one.split()[:2] == ["vidpoll_api", "key"] for one in fleet.refusals()), "lengths of queues, and no more"


def test_an_operator_sees_lanes_health_and_dead_letters(fleet: RolesFleet):
    environ = {**fleet.of("vidpoll_operator"), "VIDPOLL_REDIS_URL": fleet.redis_url("vidpoll_reader")}
    environ["VIDPOLL_BROKER_URL"] = environ["VIDPOLL_REDIS_URL"]

    for command in (["health"], ["dead-letters"], ["keys", "list"], ["lanes"], ["lanes", "--json"]):
        told = fleet.vidpoll(*command, **environ)
        assert "permission" not in told.stderr.lower() + told.stdout, (command, told.stderr, told.stdout)
        assert not told.stderr, (command, told.stderr)


def test_an_operator_decides_prunes_and_cancels(fleet: RolesFleet):
    id = uuid.uuid4()
    with psycopg.connect(fleet.urls[1], autocommit=True) as owner:
        owner.execute(
            "INSERT INTO generations (id, owner, request_hash, provider, model, prompt, account, status, step_of)"
            " VALUES (%s, 'bob', '', 'runware', 'google:3@3', 'p', 'runware', 'unknown', %s)",
            [id, uuid.uuid4()],
        )
    environ = fleet.of("vidpoll_operator")

    for command in (
        ["unknown", "fail", str(id)], ["prune"], ["project", "list"], ["prune", "--owner", "bob", "--erase"],
    ):  # fmt: skip
        told = fleet.vidpoll(*command, **environ)
        assert told.returncode == 0, (command, told.stderr, told.stdout)
    assert fleet.sql("SELECT FROM generations WHERE owner = 'bob'") == []


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("vidpoll_api", "DELETE FROM generations"),
        ("vidpoll_api", "UPDATE generations SET status = 'failed'"),
        ("vidpoll_api", "INSERT INTO api_keys (id, owner, scopes, secret_hash) VALUES ('x', 'x', '{read}', '')"),
        ("vidpoll_client", "SELECT * FROM api_keys"),
        ("vidpoll_client", "UPDATE generations SET video_url = 'https://elsewhere.example'"),
        ("vidpoll_client", "DELETE FROM generation_events"),
        ("vidpoll_client", "UPDATE projects SET owner = 'me'"),
        ("vidpoll_client", "UPDATE project_steps SET spec = '{}'"),
        ("vidpoll_api", "DELETE FROM projects"),
        ("vidpoll_api", "SELECT * FROM project_outbox"),
        ("vidpoll_api", "SELECT secret FROM webhook_secrets"),
        ("vidpoll_client", "SELECT secret FROM webhook_secrets"),
        ("vidpoll_operator", "SELECT secret FROM webhook_secrets"),
        ("vidpoll_reader", "SELECT id FROM webhook_secrets"),
        ("vidpoll_api", "UPDATE webhook_endpoints SET url = 'https://elsewhere.example'"),
        ("vidpoll_api", "UPDATE webhook_deliveries SET body = ''"),
        ("vidpoll_reader", "DELETE FROM webhook_endpoints"),
        ("vidpoll_reader", "UPDATE projects SET status = 'failed'"),
        ("vidpoll_reader", "UPDATE generations SET priority = 9"),
        ("vidpoll_reader", "INSERT INTO generation_events (generation_id) SELECT id FROM generations"),
        ("vidpoll_reader", "SELECT * FROM api_keys"),
        ("vidpoll_worker", "SELECT * FROM api_keys"),
        ("vidpoll_worker", "DROP TABLE dead_letters"),
        ("vidpoll_worker", "CREATE TABLE mine (id int)"),
        ("vidpoll_operator", "TRUNCATE generations"),
    ],
)
def test_what_a_role_does_not_need_is_refused(fleet: RolesFleet, role: str, statement: str):
    with psycopg.connect(fleet.database_url(role)) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("vidpoll_worker", "FLUSHALL"),
        ("vidpoll_worker", "CONFIG GET *"),
        ("vidpoll_worker", "GET other"),
        ("vidpoll_api", "LPUSH submit x"),
        ("vidpoll_api", "BRPOP projects 1"),
        ("vidpoll_beat", "LPUSH projects x"),
        ("vidpoll_api", "BRPOP webhooks 1"),
        ("vidpoll_api", "ZADD vidpoll:{runware:submit}:due 0 x"),
        ("vidpoll_api", "BRPOP accept 1"),
        ("vidpoll_client", "LRANGE accept 0 -1"),
        ("vidpoll_client", "DEL vidpoll:{runware:submit}:bucket"),
        ("vidpoll_client", "PUBLISH vidpoll:doorbell x"),
        ("vidpoll_beat", "LPUSH accept x"),
        ("vidpoll_reader", "LPUSH accept x"),
        ("vidpoll_reader", "DEL vidpoll:workers"),
        ("default", "PING"),
    ],
)
def test_what_a_user_of_redis_does_not_need_is_refused(fleet: RolesFleet, user: str, command: str):
    client = redis.Redis.from_url(fleet.redis_url(user))

    with pytest.raises((redis.exceptions.NoPermissionError, redis.exceptions.AuthenticationError)):
        client.execute_command(*command.split())


def test_the_owner_alone_migrates_and_the_grants_may_be_made_before_and_after(fleet: RolesFleet, tmp_path: Path):
    name = "migrated_by_the_owner"
    with psycopg.connect(fleet.postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    try:
        with psycopg.connect(fleet.postgres.url(name), autocommit=True) as owner:
            owner.execute(ROLES)
            url = fleet.postgres.url(name).replace("postgres@", "%s@")
            refused = fleet.vidpoll("db", "upgrade", VIDPOLL_DATABASE_URL=url % "vidpoll_worker")
            engine = connect(url % "vidpoll_migrate")
            upgrade(engine)
            engine.dispose()
            with psycopg.connect(url % "vidpoll_worker") as worker:
                worker.execute("DELETE FROM dead_letters")  # a new table is the workers' at once
            owner.execute(ROLES)
            with psycopg.connect(url % "vidpoll_reader") as reader:
                reader.execute("SELECT * FROM generations")
        assert refused.returncode == 1
        assert refused.stderr.startswith("error:")
        assert len(refused.stderr.splitlines()) == 1
    finally:
        with psycopg.connect(fleet.postgres.url("postgres"), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_every_table_and_sequence_is_decided_about(fleet: RolesFleet):
    """Fails when a migration added a table: add a line to config/roles.sql, and say what each role may do with it."""
    decided = set(re.findall(r"^    \('(\w+)',", ROLES, re.MULTILINE))
    tables = {row["relname"] for row in fleet.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
    )}  # fmt: skip
    free = fleet.sql(
        "SELECT relname FROM pg_class AS seq WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace"
        " AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = seq.oid AND deptype = 'i')"
    )

    assert tables | set(metadata.tables) == decided, "config/roles.sql and the tables differ"
    assert free == [], "a sequence that is no identity column's needs a grant"


def test_the_file_names_only_commands_that_the_oldest_redis_has():
    """`client|setinfo` is 7.2's, and 7.0 does not start with a file that names it; redis-py does without."""
    assert set(re.findall(r"\+(\w+\|\w+)", ACL)) == {"client|setname"}


def test_every_queue_is_decided_about():
    """Fails when a queue was added: say in config/redis-users.acl who may push to it and who reads it."""
    worker = next(line for line in ACL.splitlines() if line.startswith("user vidpoll_worker"))

    assert [name for name in messages.QUEUES if f"~{name}*" not in worker] == []
