"""A fleet over several hosts: servers on one, each worker on its own."""

import asyncio
import threading
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
import redis

from tests.acceptance.faults import providers
from tests.acceptance.faults.fleet import Fleet, Postgres
from tests.hosts.network import Network
from vidpoll.devstack.child import Child
from vidpoll.devstack.servers import free_port, redis_binary, wait_until

#: Who has the servers, beat and the simulator.
SERVERS: Final = "servers"


class OpenPostgres(Postgres):
    """One that the other hosts may reach."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.halt()
        self._child.command = [str(part).replace("=127.0.0.1", "=*") for part in self._child.command]
        with (folder / "postgres" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.99.0.0/24 trust\n")
        self.start()


class HostsFleet(Fleet):
    """To be made and used on the host ``servers``."""

    def __init__(self, network: Network, folder: Path, postgres: Postgres, limits: providers.Limits) -> None:
        self.network, self._address = network, network.address(SERVERS)
        super().__init__(folder, postgres, workers=0, beats=1, limits=limits)

    def start_worker_on(self, host: str) -> None:
        """Start a worker there, named like its host."""
        with self.network.on(host):
            self._start_celery(host, "", {})
        self._listening()

    def vidpoll_on(self, host: str, *arguments: str) -> str:
        """Run a command there; what it printed."""
        with self.network.on(host):
            done = self.vidpoll(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def reaches_postgres(self, host: str) -> bool:
        """Whether that host's connections arrive; after a cable is back, neighbours find one another in a second or so."""
        try:
            with self.network.on(host):
                psycopg.connect(self.database_url_of_hosts, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def database_url_of_hosts(self) -> str:
        """The database as the other hosts see it."""
        return self._environ["VIDPOLL_DATABASE_URL"]

    def _serve_redis(self) -> tuple[Any, str, int]:
        port = free_port()
        command = [
            redis_binary(), "--bind", "127.0.0.1", self._address, "--port", str(port), "--save", "",
            "--protected-mode", "no",
        ]  # fmt: skip
        child = Child("redis", command, self.folder / "logs" / "redis.log", cwd=self.folder)
        child.start()
        url = f"redis://127.0.0.1:{port}/0"
        wait_until(redis.Redis.from_url(url).ping, child, (redis.RedisError,))
        return child, url, port

    def _settings(self) -> dict[str, str]:
        """The servers as the other hosts see them; the simulator, which serves loopback only, through a forwarder."""
        settings = super()._settings()
        forwarder = Forwarder(self._address, self.simulator_port)
        file = providers.write(
            self.folder / "providers.toml", f"http://{self._address}:{forwarder.port}", self.limits
        )  # fmt: skip
        # A key may stand in the file only where the provider is on the same machine.
        keys = {f"KEY_OF_{name.upper()}": providers.key(name) for name in providers.accounts()}
        text = file.read_text()
        for name, key in keys.items():
            text = text.replace(f'api_key = "{key}"', f'api_key_env = "{name}"')
        file.write_text(text)
        url = f"redis://{self._address}:{urlsplit(self._redis_url).port}/0"
        database = f"{self._address}:{self.postgres.port}/{self._database_url.rpartition('/')[2]}"
        return {
            **settings,
            **keys,
            "VIDPOLL_REDIS_URL": url,
            "VIDPOLL_BROKER_URL": url,
            "VIDPOLL_DATABASE_URL": f"postgresql://postgres@{database}",
            "VIDPOLL_PROVIDERS_FILE": str(file),
        }


class Forwarder:
    """A port of this host's address in front of one of its loopback; lives as long as this process."""

    def __init__(self, address: str, target_port: int) -> None:
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        serving = asyncio.start_server(self._serve, address, 0)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        await asyncio.gather(_pump(client, to_server), _pump(server, to_client))


async def _pump(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            to.write(data)
            await to.drain()
    except OSError:
        pass
    finally:
        to.close()
