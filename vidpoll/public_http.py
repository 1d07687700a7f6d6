"""HTTP to addresses that others name: an owner's webhook, a provider's file. Only the public internet is reached.

Checking a name before a request is not enough, since it may resolve to another address a moment later. So a name is
resolved where the connection is made, all its addresses are checked, and one of those very addresses is connected to;
the certificate is still that of the name.

Source: OWASP, Server-Side Request Forgery Prevention Cheat Sheet (DNS pinning).
"""

import socket
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from requests import PreparedRequest, Response, Session
from requests.exceptions import InvalidURL
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from vidpoll.deadline import Connection, SecureConnection, WatchedAdapter
from vidpoll.resolving import Resolver
from vidpoll.urls import Address, LookUp, address_of, is_loopback, is_public, problem

_RESOLVER: Final = Resolver()


class NotPublic(InvalidURL):
    """The address leads, or could lead, into a private network: nothing was sent. One of ``requests``' errors."""


def session(*, local: bool = False, look_up: LookUp = _RESOLVER.addresses) -> Session:
    """A session of ``requests`` that connects to public addresses only.

    No proxy and no login of the environment is used. Redirects are not followed, a 3xx is the answer: follow it by
    hand, with another call, which is checked anew. Not to be shared between threads.

    Args:
        local: this machine may be reached too: for the simulator, and for a receiver beside ``vidpoll up``.
        look_up: tells a name's addresses.

    Raises:
        NotPublic: by each call, before anything is sent.

    Example::

        with session() as http, deadline(15):
            http.post(url, data=body, timeout=5)
    """
    http = _Session()
    http.trust_env = False
    http.adapters.clear()
    adapter = _PublicAdapter(local=local, look_up=look_up)
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    return http


class _Session(Session):
    """Follows no redirect."""

    def get_redirect_target(self, resp: Response) -> None:
        """None, whatever the answer says."""


class _PublicAdapter(WatchedAdapter):
    """Refuses addresses that are not public; calls can be ended by ``deadline``."""

    def __init__(self, *, local: bool, look_up: LookUp) -> None:
        self._local = local
        super().__init__()
        self.poolmanager.pool_classes_by_scheme = _pools(lambda host: _allowed(host, local, look_up))

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send it, if its address may be connected to."""
        words = problem(str(request.url), local=self._local)
        if words:
            raise NotPublic(f"the address {words}", request=request)
        try:
            return super().send(request, *args, **kwargs)
        except _Refused as refused:
            raise NotPublic(str(refused), request=request) from None


class _Refused(ValueError):
    """As NotPublic, while the connection is made: no OSError there, which urllib3 would take for a broken one."""


def _allowed(host: str, local: bool, look_up: LookUp) -> Collection[Address]:
    """The addresses to connect to; one that is not allowed is enough to refuse them all."""
    literal = address_of(host)
    addresses = (literal,) if literal else look_up(host)
    if not all(is_public(one) or (local and is_loopback(one)) for one in addresses):
        raise _Refused(f"{host} must lead to public addresses only")
    return addresses


def _pools(allowed: Callable[[str], Collection[Address]]) -> Mapping[str, Any]:
    """Pools of connections that ask ``allowed`` where to connect to."""

    class Plain(_Pinned, Connection):
        addresses = staticmethod(allowed)

    class Secure(_Pinned, SecureConnection):
        addresses = staticmethod(allowed)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


class _Pinned:
    """Connects to an address that was checked; a mixin of urllib3's connections, whose errors it raises."""

    addresses: Callable[[str], Collection[Address]]

    def _new_conn(self: Any) -> socket.socket:
        addresses = self.addresses(self.host)
        if not addresses:
            raise NameResolutionError(self.host, self, socket.gaierror("it has no address, or nobody told it in time"))
        reasons = []
        for address in sorted(addresses, key=lambda one: one.version):
            try:
                return create_connection((str(address), self.port), self.timeout, socket_options=self.socket_options)
            except TimeoutError:
                raise ConnectTimeoutError(self, f"no connection to {self.host} within {self.timeout} s") from None
            except OSError as error:
                reasons.append(str(error))
        raise NewConnectionError(self, f"no connection to {self.host}: {'; '.join(reasons)}")
