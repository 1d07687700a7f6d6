"""Every connection over TLS: certificates and names are checked, and what is wrong is told in one sentence."""

import shutil
import socket
import ssl
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import requests
import trustme
from redis.sentinel import Sentinel

from tests import brokers
from tests.acceptance.deployed.tls import TlsEnd
from tests.acceptance.faults.fleet import Fleet, Postgres
from tests.waiting import until
from vidpoll import Client, GenerationRequest
from vidpoll.devstack.child import Child
from vidpoll.devstack.servers import free_port, wait_until
from vidpoll.errors import BrokerUnavailable
from vidpoll.keys import new_key
from vidpoll.redis_url import connect
from vidpoll.store import Store
from vidpoll.store import connect as connect_postgres

pytestmark = pytest.mark.skipif(brokers.RABBITMQ, reason="Redis is the broker here")


@dataclass(frozen=True)
class Secured:
    """A fleet without processes, and the ports with TLS before its servers."""

    fleet: Fleet
    redis: TlsEnd
    postgres: TlsEnd
    folder: Path

    def redis_url(self, *, host: str = "localhost", port: int = 0, ca: str = "ca.pem") -> str:
        own = f"&ssl_certfile={self.folder}/own.pem&ssl_keyfile={self.folder}/own.pem"
        return f"rediss://{host}:{port or self.redis.port}/0?ssl_ca_certs={self.folder}/{ca}{own}"

    def database_url(self, *, host: str = "localhost", port: int = 0, ca: str = "ca.pem") -> str:
        name = self.fleet.urls[1].rpartition("/")[2]
        address = f"{host}:{port or self.postgres.port}/{name}"
        return f"postgresql://postgres@{address}?sslmode=verify-full&sslrootcert={self.folder}/{ca}"

    @property
    def environ(self) -> dict[str, str]:
        url = self.redis_url()
        return {"VIDPOLL_REDIS_URL": url, "VIDPOLL_BROKER_URL": url, "VIDPOLL_DATABASE_URL": self.database_url()}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, fault_postgres: Postgres) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    ca = _authority(folder)
    fleet = Fleet(folder, fault_postgres, workers=0, beats=0)
    redis_port = fleet.redis().connection_pool.connection_kwargs["port"]
    fleet.simulate("durations", median_s=0.2, sigma=0, fixed_s=0, scale=1)
    try:
        with (
            TlsEnd(_context(ca, client=True), redis_port) as before_redis,
            TlsEnd(_context(ca), fault_postgres.port, postgres=True) as before_postgres,
        ):
            yield Secured(fleet, before_redis, before_postgres, folder)
            for name in fleet.running():
                fleet.kill(name)
    finally:
        fleet.stop()


def _authority(folder: Path) -> trustme.CA:
    """``ca.pem``, ``own.pem`` (a certificate it signed, and its key) and ``other.pem``, an authority of somebody else."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ca.issue_cert("vidpoll").private_key_and_cert_chain_pem.write_to_path(folder / "own.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    return ca


def _context(ca: trustme.CA, *, client: bool = False) -> ssl.SSLContext:
    """Of a server called ``localhost``; with ``client`` it wants a certificate of whoever connects."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(context)
    if client:
        ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_worker_beat_api_and_client_reach_their_servers_over_tls_alone(secured: Secured):
    fleet, environ = secured.fleet, secured.environ
    fleet.start_worker("worker1", **environ)
    fleet.start_beat("beat1", **environ)
    api = fleet.start_api(**environ)
    id, key, secret_hash = new_key()
    Store(connect_postgres(secured.database_url())).add_key(id, "alice", ["read", "write"], secret_hash)
    until(lambda: fleet.redis().pubsub_numsub("vidpoll:doorbell")[0][1], what="the API to hear the doorbell")

    body = {"provider": "runware", "model": "google:3@3", "prompt": "a lion at dawn"}
    asked = requests.post(f"{api}/v1/generations", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=10)
    client = Client(secured.redis_url(), secured.database_url())
    mine = client.submit(GenerationRequest(owner="alice", **body))

    assert asked.status_code == 202
    assert client.wait(mine, timeout_s=30).status == "completed"
    status = f"{api}/v1/generations/{asked.json()['id']}"
    until(
        lambda: (
            requests.get(status, headers={"Authorization": f"Bearer {key}"}, timeout=10).json()["status"] == "completed"
        )
    )
    healthy = fleet.vidpoll("health", **environ)
    assert healthy.returncode == 0, healthy.stdout
    assert secured.redis.connections > 5
    assert secured.postgres.connections > 5


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ca": "other.pem"}, "is ssl_ca_certs the file of who signed"),
        ({"host": "127.0.0.1"}, "IP address mismatch"),
        ({"ca": "none.pem"}, "there is no file"),
        ({"port": -1}, "does that server speak TLS on this port?"),
    ],
)
def test_a_redis_that_is_not_the_one_meant_is_told_in_one_sentence(secured: Secured, changed: dict, words: str):
    if "port" in changed:
        changed = {"port": secured.fleet.redis().connection_pool.connection_kwargs["port"]}
    url = secured.redis_url(**changed)

    told = secured.fleet.vidpoll("lanes", VIDPOLL_REDIS_URL=url)

    assert told.returncode == 1
    assert words in told.stderr
    assert told.stderr.startswith("error:")
    assert len(told.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ca": "other.pem"}, "certificate verify failed"),
        ({"host": "127.0.0.1"}, "does not match host name"),
        ({"port": -1}, "server does not support SSL"),
    ],
)
def test_a_postgres_that_is_not_the_one_meant_is_told_in_one_sentence(secured: Secured, changed: dict, words: str):
    if "port" in changed:
        changed = {"port": secured.fleet.postgres.port}

    told = secured.fleet.vidpoll("status", VIDPOLL_DATABASE_URL=secured.database_url(**changed))

    assert told.returncode == 1
    assert words in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_the_broker_is_not_trusted_without_a_certificate_that_can_be_checked(secured: Secured):
    """kombu alone checks none when the URL says no more than rediss://."""
    url = f"rediss://localhost:{secured.redis.port}/1"  # kombu shares what it connected to /0 within this process

    with pytest.raises(BrokerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        Client(url, "").submit(
            GenerationRequest(provider="runware", model="google:3@3", prompt="a lion", owner="alice")
        )


def test_without_a_certificate_of_ours_a_server_that_wants_one_refuses(secured: Secured):
    url = f"rediss://localhost:{secured.redis.port}/0?ssl_ca_certs={secured.folder}/ca.pem"

    with pytest.raises(redis.RedisError), connect(url, socket_timeout=5) as client:
        client.ping()


@pytest.fixture
def tls_sentinel(tmp_path: Path) -> Iterator[str]:
    """A master and a Sentinel that speak TLS only; the URL to them."""
    binary = shutil.which("redis-server")
    if (
        not binary
        or "libssl" not in subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    ):
        pytest.skip("needs a redis-server with TLS on PATH")
    ca = _authority(tmp_path)
    ca.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    tls = {"cert-file": "server.pem", "key-file": "server.pem", "ca-cert-file": "ca.pem"}
    options = "".join(f"tls-{name} {tmp_path / file}\n" for name, file in tls.items())
    options += "port 0\ntls-replication yes\nbind 127.0.0.1\nsave ''\n"
    master, sentinel = free_port(), free_port()
    (tmp_path / "master.conf").write_text(f"{options}tls-port {master}\n")
    watched = f"sentinel monitor vidpoll 127.0.0.1 {master} 1\n"
    (tmp_path / "sentinel.conf").write_text(f"{options.replace('save', '#')}tls-port {sentinel}\n{watched}")
    children = [
        Child("redis", [binary, str(tmp_path / "master.conf")], tmp_path / "master.log"),
        Child("sentinel", [binary, str(tmp_path / "sentinel.conf"), "--sentinel"], tmp_path / "sentinel.log"),
    ]
    for child, port in zip(children, (master, sentinel), strict=True):
        child.start()
        wait_until(lambda port=port: socket.create_connection(("127.0.0.1", port), 2).close(), child, (OSError,))
    own = f"ssl_ca_certs={tmp_path}/ca.pem&ssl_certfile={tmp_path}/own.pem&ssl_keyfile={tmp_path}/own.pem"
    asked = Sentinel(
        [("127.0.0.1", sentinel)],
        sentinel_kwargs={"ssl": True, **dict(part.split("=") for part in own.split("&"))},
    )
    until(
        lambda: (
            asked.sentinels[0].sentinel_masters()["vidpoll"]["flags"] == {"master"} or asked.discover_master("vidpoll")
        )
    )
    yield f"rediss+sentinel://127.0.0.1:{sentinel}/vidpoll/0?replicas=0&{own}"
    for child in children:
        child.stop()


def test_sentinels_and_their_servers_are_reached_over_tls(tls_sentinel: str):
    client, id = Client(tls_sentinel, ""), uuid.uuid4()

    client.submit(GenerationRequest(id=id, provider="runware", model="google:3@3", prompt="a lion", owner="alice"))

    with connect(tls_sentinel, socket_timeout=5) as direct:
        assert str(id).encode() in direct.lrange("accept", 0, -1)[0]
