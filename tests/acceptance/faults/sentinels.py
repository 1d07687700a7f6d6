"""A master, two replicas and three Sentinels, each a process; and a fleet whose Redis they are."""

import os
import signal
from pathlib import Path
from typing import Any, Final

import redis
from redis.sentinel import Sentinel

from tests.acceptance.faults.fleet import Fleet
from tests.waiting import until
from vidpoll.devstack.child import Child
from vidpoll.devstack.servers import free_port, redis_binary, wait_until
from vidpoll.redis_url import connect

SERVICE: Final = "vidpoll"
#: Seconds of silence after which the master counts as gone.
DOWN_AFTER_S: Final = 1.5
#: Passwords of the servers and of the Sentinels; with what a URL must not hold as it is.
PASSWORD: Final = "red/is;@,"
SENTINEL_PASSWORD: Final = "senti nel"
_SENTINEL_CONF: Final = f"""
bind 127.0.0.1
requirepass "{SENTINEL_PASSWORD}"
sentinel sentinel-pass "{SENTINEL_PASSWORD}"
sentinel monitor {SERVICE} 127.0.0.1 %(master)s 2
sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_S * 1000:.0f}
sentinel failover-timeout {SERVICE} 10000
sentinel auth-pass {SERVICE} "{PASSWORD}"
"""
#: As docs/operations.md recommends them.
_GUARDED: Final = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")


class Sentinels:
    """Runs them, until :meth:`stop`.

    Attributes:
        url: as a user writes it into VIDPOLL_REDIS_URL.
    """

    exit_code = None  # a server of several is always there

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        self._servers = {port: self._server(port) for port in (free_port() for _ in range(3))}
        master, *replicas = self._servers
        for port in replicas:
            self.client(port).replicaof("127.0.0.1", master)
        until(lambda: self.client(master).info("replication")["connected_slaves"] == 2, what="two replicas")
        self._sentinels = {port: self._sentinel(port, master) for port in (free_port() for _ in range(3))}
        self._asked = Sentinel(
            [("127.0.0.1", port) for port in self._sentinels],
            sentinel_kwargs={"password": SENTINEL_PASSWORD, "socket_timeout": 2},
        )
        until(self._know_one_another, what="the Sentinels to know one another and the replicas")
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._sentinels)
        self.url = f"redis+sentinel://:red%2Fis%3B%40%2C@{hosts}/{SERVICE}/0?sentinel_password=senti%20nel"

    @property
    def master(self) -> int:
        """The port of the server the Sentinels call the master."""
        return int(self._asked.discover_master(SERVICE)[1])

    def client(self, port: int) -> "redis.Redis":
        return redis.Redis("127.0.0.1", port, password=PASSWORD, decode_responses=True)

    def signal(self, port: int, number: signal.Signals) -> None:
        """Send a signal to one server."""
        os.kill(self._servers[port].pid, number)

    @property
    def replicas(self) -> list[int]:
        """The ports of the others."""
        return [port for port in self._servers if port != self.master]

    def kill_master(self) -> int:
        """SIGKILL; the port it had."""
        port = self.master
        self.signal(port, signal.SIGKILL)
        return port

    def order_failover(self) -> int:
        """Have another server become the master while this one is well; its port."""
        port = self.master
        self._asked.sentinels[0].execute_command("SENTINEL", "FAILOVER", SERVICE)
        return port

    def failed_over(self, before: int) -> bool:
        """Whether there is a master again, and it is another one."""
        try:
            return self.master != before
        except redis.RedisError:
            return False

    def heal(self) -> None:
        """Everything runs, and the master has its two replicas."""
        for child in self._servers.values():
            if child.exit_code is not None:
                child.start()
            else:
                os.kill(child.pid, signal.SIGCONT)
        until(self._whole, within_s=40, what="the master to have two replicas")

    def stop(self) -> None:
        for child in [*self._sentinels.values(), *self._servers.values()]:
            if child.exit_code is None:
                os.kill(child.pid, signal.SIGKILL)
            child.stop()

    def _whole(self) -> bool:
        try:
            return int(self.client(self.master).info("replication")["connected_slaves"]) == 2
        except redis.RedisError:
            return False

    def _know_one_another(self) -> bool:
        found = [one.sentinel_masters()[SERVICE] for one in self._asked.sentinels]
        return all((one["num-other-sentinels"], one["num-slaves"]) == (2, 2) for one in found)

    def _server(self, port: int) -> Child:
        child = Child(
            "redis",
            [
                redis_binary(), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(self._folder.resolve()),
                "--save", "", "--appendonly", "no", "--requirepass", PASSWORD, "--masterauth", PASSWORD,
                "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", *_GUARDED,
            ],
            self._folder / "logs" / f"redis-{port}.log",
        )  # fmt: skip
        child.start()
        wait_until(self.client(port).ping, child, (redis.RedisError,))
        return child

    def _sentinel(self, port: int, master: int) -> Child:
        conf = self._folder / f"sentinel-{port}.conf"
        conf.write_text(f"port {port}\n{_SENTINEL_CONF % {'master': master}}")
        child = Child(
            "sentinel", [redis_binary(), str(conf), "--sentinel"], self._folder / "logs" / f"sentinel-{port}.log"
        )
        child.start()
        asked = redis.Redis("127.0.0.1", port, password=SENTINEL_PASSWORD)
        wait_until(asked.ping, child, (redis.RedisError,))
        return child


class SentinelFleet(Fleet):
    """A fleet whose workers, beats and client are told of the Sentinels only."""

    def _serve_redis(self) -> tuple[Any, str, int]:
        self.sentinels = Sentinels(self.folder / "sentinels")
        return self.sentinels, self.sentinels.url, self.sentinels.master

    def _settings(self) -> dict[str, str]:
        url = self.sentinels.url
        return {**super()._settings(), "VIDPOLL_REDIS_URL": url, "VIDPOLL_BROKER_URL": url}

    def redis(self) -> "redis.Redis":
        return connect(self.sentinels.url, decode_responses=True)

    def start_redis(self) -> None:
        self.sentinels.heal()
