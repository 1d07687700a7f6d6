"""A private RabbitMQ node for the tests: own name, ports, cookie and data, no plugins at first; nothing of it is left at the end."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import amqp
import pytest

from tests.waiting import until
from vidpoll.devstack.child import Child
from vidpoll.devstack.servers import free_port, wait_until

#: Debian's command on PATH is a wrapper that writes to the system's log and becomes the system's user; this is the real one.
_SCRIPTS: Final = ("/usr/lib/rabbitmq/bin",)
#: Two schedulers that do not spin: the node shares the machine with everything under test.
_ERLANG: Final = "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"


class RabbitMQ:
    """The running node. A virtual host keeps one test's queues apart from another's.

    Attributes:
        port: where it speaks AMQP, on loopback.
    """

    def __init__(self, folder: Path) -> None:
        """Raises NotConfigured when it does not come up; skips the test where there is no RabbitMQ."""
        self._scripts = _scripts()
        self._folder, self.port = folder, free_port()
        (folder / "logs").mkdir(exist_ok=True)
        self._plugins = folder / "enabled_plugins"
        self._plugins.write_text("[].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.console = true\nlog.file = false\n"
        )
        epmd_port = free_port()
        self._environ = {
            "HOME": str(folder),  # of the cookie
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"vidpoll-{secrets.token_hex(4)}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._plugins),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            "RABBITMQ_ALLOW_INPUT": "1",  # the process we start becomes the node, instead of a shell that waits for it
        }
        # Started here, it is ours to end; the node would start one that outlives it.
        self._epmd = Child(
            "epmd", ["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"], folder / "logs" / "epmd.log", {}
        )
        self._node = Child(
            "rabbitmq", [str(self._scripts / "rabbitmq-server"), "-noinput"], folder / "logs" / "rabbitmq.log",
            self._environ, stop_timeout_s=30,
        )  # fmt: skip
        self._epmd.start()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._node.pid

    @property
    def version(self) -> str:
        connection = self._connect()
        connection.close()
        return str(connection.server_properties["version"])

    def vhost(self) -> str:
        """The URL of a new virtual host, in which ``guest`` may do anything."""
        name = f"v{secrets.token_hex(4)}"
        grant = f'rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"t">>)'
        self.ctl("eval", f'rabbit_vhost:add(<<"{name}">>, <<"t">>), {grant}.')
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{name}"

    def ctl(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on it; what it said."""
        done = subprocess.run(
            [self._scripts / "rabbitmqctl", "-q", *arguments],
            env={**os.environ, **self._environ}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def manage(self) -> str:
        """Turn the management plugin on until the node's next start; its API's URL, with the login of ``guest``."""
        port = free_port()
        self._plugins.write_text("[rabbitmq_management].\n")
        listens = f'application:set_env(rabbitmq_management, tcp_config, [{{port, {port}}}, {{ip, "127.0.0.1"}}])'
        self.ctl("eval", f'{listens}, {{ok, _, _}} = rabbit_plugins:ensure("{self._plugins}").')
        self._plugins.write_text("[].\n")  # a node that starts anew would serve it on its standard port
        return f"http://guest:guest@127.0.0.1:{port}/api/"

    def queues(self, url: str) -> dict[str, dict[str, Any]]:
        """The queues of a virtual host by name, with ``messages``, ``consumers`` and ``arguments``."""
        columns = ("name", "messages", "consumers", "arguments")
        found = json.loads(self.ctl("list_queues", "-p", url.rpartition("/")[2], *columns, "--formatter", "json"))
        return {one["name"]: {**one, "arguments": {key: value for key, _, value in one["arguments"]}} for one in found}

    def clients(self, url: str) -> dict[int, str]:
        """What the clients of a virtual host call themselves, by the port they come from."""
        found = json.loads(
            self.ctl("list_connections", "vhost", "peer_port", "client_properties", "--formatter", "json")
        )
        named = {one["peer_port"]: one for one in found if one["vhost"] == url.rpartition("/")[2]}
        return {
            port: next((value for key, _, value in one["client_properties"] if key == "connection_name"), "")
            for port, one in named.items()
        }

    def block(self, on: bool) -> None:
        """Turn the memory alarm on, or off: while it is on, it takes no messages."""
        self.ctl("set_vm_memory_high_watermark", "0.00001" if on else "0.6")
        until(lambda: bool(re.search(r"memory", self.ctl("eval", "rabbit_alarm:get_alarms()."))) == on)

    @contextmanager
    def impatient(self, seconds: int) -> Iterator[None]:
        """Channels opened meanwhile are closed when a message lies unacknowledged for so long; else it is half an hour."""
        setting = (
            "application:set_env(rabbit, consumer_timeout, {}), application:set_env(rabbit, channel_tick_interval, {})."
        )
        self.ctl("eval", setting.format(1000 * seconds, 500))
        yield
        self.ctl("eval", setting.format(1_800_000, 60_000))

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: self._node.exit_code is not None, what="RabbitMQ to die")

    def terminate(self) -> None:
        """SIGTERM; returns when it has ended."""
        self._node.stop()

    def start(self) -> None:
        """Start it (again) on its port; returns when it answers."""
        self._node.start()
        wait_until(lambda: self._connect().close(), self._node, (OSError, amqp.AMQPError))

    def stop(self) -> None:
        """End it, and all that came with it."""
        if self._node.exit_code is None:
            os.kill(self.pid, signal.SIGKILL)  # nothing of it is kept
        self._node.stop()
        self._epmd.stop()

    def _connect(self) -> amqp.Connection:
        connection = amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=5)
        connection.connect()
        return connection


def _scripts() -> Path:
    on_path = shutil.which("rabbitmq-server")
    if on_path is None or shutil.which("epmd") is None:
        pytest.skip("needs RabbitMQ: a rabbitmq-server on PATH (on Debian: apt-get install rabbitmq-server)")
    for folder in (*map(Path, _SCRIPTS), Path(on_path).resolve().parent):
        if (folder / "rabbitmq-server").exists():
            return folder
    raise AssertionError(on_path)
