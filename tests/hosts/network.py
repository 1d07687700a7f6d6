"""Hosts on one machine: Linux network namespaces, each with a cable to a switch. Needs root and ``ip`` (iproute2).

Nothing of this machine's own network is touched: switch and cables live in namespaces too, and go with them.
"""

import ctypes
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import TracebackType
from typing import Final, Self

#: setns(2): a network namespace.
_CLONE_NEWNET: Final = 0x40000000
_SWITCH: Final = "switch"


@cache
def why_not() -> str:
    """Why there can be no hosts here; empty when there can."""
    if os.geteuid() != 0:
        return "needs root"
    if not shutil.which("ip"):
        return "needs `ip` (iproute2)"
    try:
        with Network():
            return ""
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here: {error.stderr.strip()}"


class Network:
    """A switch with hosts, from ``with`` to its end. The first host has the address 10.99.0.1, and so on."""

    def __init__(self, *hosts: str) -> None:
        self._hosts = {name: f"10.99.0.{number}" for number, name in enumerate(hosts, 1)}
        self._run = f"vidpoll-{uuid.uuid4().hex[:8]}"
        self._made: list[str] = []

    def __enter__(self) -> Self:
        try:
            self._add(_SWITCH)
            self._ip("-n", self._name(_SWITCH), "link", "add", "bridge", "type", "bridge")
            self._ip("-n", self._name(_SWITCH), "link", "set", "bridge", "up")
            for host, address in self._hosts.items():
                self._plug_in(host, address)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def address(self, host: str) -> str:
        return self._hosts[host]

    def cut(self, host: str) -> None:
        """Pull the host's cable: nothing is told to anybody, packets are gone."""
        self._ip("-n", self._name(_SWITCH), "link", "set", host, "down")

    def mend(self, host: str) -> None:
        self._ip("-n", self._name(_SWITCH), "link", "set", host, "up")

    @contextmanager
    def on(self, host: str) -> Iterator[None]:
        """This thread is on the host, with all processes, threads and sockets it makes meanwhile."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/var/run/netns/{self._name(host)}", os.O_RDONLY)
        try:
            _enter(there)
            yield
        finally:
            _enter(here)
            os.close(there)
            os.close(here)

    def _plug_in(self, host: str, address: str) -> None:
        self._add(host)
        there, switch = self._name(host), self._name(_SWITCH)
        self._ip("link", "add", "eth0", "netns", there, "type", "veth", "peer", "name", host, "netns", switch)
        self._ip("-n", switch, "link", "set", host, "master", "bridge", "up")
        self._ip("-n", there, "address", "add", f"{address}/24", "dev", "eth0")
        self._ip("-n", there, "link", "set", "eth0", "up")
        self._ip("-n", there, "link", "set", "lo", "up")

    def _add(self, host: str) -> None:
        self._ip("netns", "add", self._name(host))
        self._made.append(host)

    def _remove(self) -> None:
        for host in self._made:
            with suppress(subprocess.CalledProcessError):
                self._ip("netns", "delete", self._name(host))

    def _name(self, host: str) -> str:
        return f"{self._run}-{host}"

    @staticmethod
    def _ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
