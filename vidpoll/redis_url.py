"""One URL says where a Redis is, for the lanes and for Celery alike: one server, or those that Sentinel keeps.

=================================================================  =================================================
``redis://user:password@host:6379/0``                              one server
``rediss://…?ssl_ca_certs=/etc/ca.pem``                            the same over TLS
``redis+sentinel://user:password@h1:26379,h2:26379/SERVICE/0``     whichever server these Sentinels call the master
``rediss+sentinel://…``                                            the same, Sentinels and servers over TLS
``unix:///path/to/socket``                                         one server, lanes only
=================================================================  =================================================

With TLS the server's certificate and its name are checked, by the system's authorities unless ``ssl_ca_certs`` names a
file; ``ssl_certfile`` and ``ssl_keyfile`` are our own. With Sentinel, ``sentinel_username`` and ``sentinel_password``
are for the Sentinels, and ``replicas`` is how many replicas must have a grant or a pause before it counts (1; 0 for
none).
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.connection import URL_QUERY_ARGUMENT_PARSERS

from vidpoll.errors import NotConfigured

#: Seconds a Sentinel may take to connect and to answer; the next one is asked then.
SENTINEL_TIMEOUT_S: Final = 1.0
SENTINEL_PORT: Final = 26379
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS: Final = frozenset({*_FILES, "ssl_password", "ssl_check_hostname", "ssl_cert_reqs"})
_SENTINEL: Final = frozenset({"sentinel_username", "sentinel_password", "replicas"})
_FORMS: Final = "redis://, rediss:// (TLS), redis+sentinel:// or rediss+sentinel://, see docs/operations.md"


#: No part of a malformed URL is shown: any of them may be the password.
_ESCAPED: Final = "what a URL cannot hold (@ / , ; : ?) is written as %40 and so on"
_MALFORMED: Final = f"it is malformed; {_ESCAPED}, the port is a number, and parameters are name=value"


@dataclass(frozen=True)
class RedisUrl:
    """A URL, taken apart.

    Attributes:
        service: the name the Sentinels know the servers by; None without Sentinel.
        hosts: the Sentinels; none without Sentinel.
        login: ``username`` and ``password`` of the servers, as far as there are.
        sentinel_login: the same of the Sentinels.
        tls: redis-py's ``ssl_…`` arguments; None without TLS.
        replicas: how many replicas must have a grant or a pause before it counts.
    """

    url: str = field(repr=False)
    scheme: str
    db: int = 0
    service: str | None = None
    hosts: tuple[tuple[str, int], ...] = ()
    login: Mapping[str, str] = field(default_factory=dict, repr=False)
    sentinel_login: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Mapping[str, Any] | None = field(default=None, repr=False)
    replicas: int = 0

    @property
    def connection(self) -> dict[str, Any]:
        """Arguments of every connection to a server that Sentinel named."""
        return {**self.login, "db": self.db, **self._tls_arguments}

    @property
    def sentinel_connection(self) -> dict[str, Any]:
        """Arguments of every connection to a Sentinel."""
        times = {"socket_timeout": SENTINEL_TIMEOUT_S, "socket_connect_timeout": SENTINEL_TIMEOUT_S}
        return {**self.sentinel_login, **times, **self._tls_arguments}

    @property
    def _tls_arguments(self) -> dict[str, Any]:
        return {} if self.tls is None else {"ssl": True, **self.tls}


@dataclass(frozen=True)
class ForKombu:
    """What kombu is told of a Redis, as far as this module knows it; see ``brokers.py``.

    Attributes:
        options: belong into the transport options.
        tls: kombu's ``ssl``; None without TLS.
    """

    url: str = field(repr=False)
    with_sentinel: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    tls: Mapping[str, Any] | None = field(default=None, repr=False)


def parse(url: str) -> RedisUrl:
    """Take a URL apart; nothing is contacted.

    Raises:
        NotConfigured: it cannot be used; the text says why.

    Example:
        >>> found = parse("redis+sentinel://worker:secret@10.0.0.1,10.0.0.2:26380/vidpoll/0?sentinel_password=other")
        >>> found.service, found.hosts
        ('vidpoll', (('10.0.0.1', 26379), ('10.0.0.2', 26380)))
    """
    scheme = url.partition("://")[0]
    if scheme not in ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"):
        raise _wrong(f"write {_FORMS}")
    try:
        found = urlsplit(url)
        given = dict(parse_qsl(found.query, keep_blank_values=True, strict_parsing=bool(found.query)))
    except ValueError:
        raise _wrong(_MALFORMED) from None
    tls = _tls(given) if scheme.startswith("rediss") else None
    if scheme.endswith("+sentinel"):
        _only(given, _SENTINEL | _TLS if tls is not None else _SENTINEL)
        return _with_sentinels(url, scheme, given, tls)
    _only(given, {*URL_QUERY_ARGUMENT_PARSERS, "client_name"} - _TLS | (_TLS if tls is not None else set()))
    return RedisUrl(url, scheme, tls=tls)


def connect(url: str, **options: Any) -> "redis.Redis":
    """A client of the Redis at ``url``; ``options`` are redis-py's, of each of its connections.

    Raises:
        NotConfigured: the URL cannot be used.
    """
    found = parse(url)
    if found.service is None:
        return cast("redis.Redis", _from_url(redis.Redis, found, options))
    sentinels: Any = redis.sentinel
    known = sentinels.Sentinel(found.hosts, sentinel_kwargs=found.sentinel_connection)
    client: redis.Redis = known.master_for(found.service, redis.Redis, **{**options, **found.connection})
    return client


def connect_async(url: str, **options: Any) -> "redis.asyncio.Redis":
    """The same for an event loop."""
    found = parse(url)
    if found.service is None:
        return cast("redis.asyncio.Redis", _from_url(redis.asyncio.Redis, found, options))
    sentinels: Any = redis.asyncio.sentinel
    known = sentinels.Sentinel(found.hosts, sentinel_kwargs=found.sentinel_connection)
    client: redis.asyncio.Redis = known.master_for(
        found.service, redis.asyncio.Redis, **{**options, **found.connection}
    )
    return client


def for_kombu(url: str) -> ForKombu:
    """What to tell kombu.

    Raises:
        NotConfigured: the URL cannot be used.
    """
    if url.startswith("redis+socket://"):
        return ForKombu(url)
    found = parse(url)
    tls = None if found.tls is None else {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, **found.tls}
    if found.service is None:
        # kombu checks no certificate when the URL alone says rediss://, so it is told what to check.
        return ForKombu(url if tls is None else _without_tls(url), tls=tls)
    login = ":".join(quote(found.login.get(part, ""), safe="") for part in ("username", "password"))
    host, port = found.hosts[0]
    options = {
        "master_name": found.service, "sentinels": found.hosts, "sentinel_kwargs": found.sentinel_connection,
    }  # fmt: skip
    at = f"{login}@" if found.login else ""
    return ForKombu(f"sentinel://{at}{_bracketed(host)}:{port}/{found.db}", True, options, tls)


def explained(error: Exception) -> str:
    """An error of redis-py in words, with what to mend where it is one of TLS."""
    said = str(error)
    if "handshake operation timed out" in repr(error.__cause__ or error.__context__):
        return f"{said}: the TLS handshake got no answer (does that server speak TLS on this port?)"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return f"{said} (is ssl_ca_certs the file of who signed the server's certificate, and its name the URL's host?)"
    if "WRONG_VERSION_NUMBER" in said:
        return f"{said} (that server speaks no TLS on this port: write redis://, or give it TLS)"
    if "CERTIFICATE_REQUIRED" in said:
        return f"{said} (the server wants a certificate of ours: ssl_certfile and ssl_keyfile)"
    return said


def _with_sentinels(url: str, scheme: str, given: Mapping[str, str], tls: Mapping[str, Any] | None) -> RedisUrl:
    found = urlsplit(url)
    _, service, db, *more = [*found.path.split("/"), "", ""] if found.path else ["", "", ""]
    if not service or any(more) or not (db or "0").isdigit():
        raise _wrong("with Sentinel it ends in /SERVICE/DATABASE, e.g. redis+sentinel://h1:26379,h2:26379/vidpoll/0")
    login, at, hosts = found.netloc.rpartition("@")
    user, _, password = login.partition(":") if at else ("", "", "")
    try:
        replicas = int(given.get("replicas", "1"))
    except ValueError:
        raise _wrong(f"replicas={given['replicas']} is no number") from None
    return RedisUrl(
        url, scheme, int(db or "0"), unquote(service), tuple(_host(one) for one in hosts.split(",")),
        _login(unquote(user), unquote(password)),
        _login(given.get("sentinel_username", ""), given.get("sentinel_password", "")),
        tls, replicas,
    )  # fmt: skip


def _host(text: str) -> tuple[str, int]:
    try:
        found = urlsplit(f"//{text}")
        if found.hostname:
            return found.hostname, found.port or SENTINEL_PORT
    except ValueError:
        pass
    raise _wrong(f"one of the Sentinels is no host:port; {_ESCAPED}")


def _login(username: str, password: str) -> dict[str, str]:
    return {name: value for name, value in (("username", username), ("password", password)) if value}


def _tls(given: Mapping[str, str]) -> dict[str, Any]:
    """redis-py's arguments; a file that is not there is told now, not by every connection."""
    for name in _FILES:
        if name in given and not Path(given[name]).is_file():
            raise _wrong(f"{name}: there is no file {given[name]}")
    found: dict[str, Any] = {name: value for name, value in given.items() if name in _TLS}
    if "ssl_check_hostname" in found:
        found["ssl_check_hostname"] = found["ssl_check_hostname"].lower() not in ("false", "0", "no")
    if found.get("ssl_cert_reqs", "required") not in ("required", "none"):
        raise _wrong("ssl_cert_reqs is required, or none to check nothing")
    if found.get("ssl_cert_reqs") == "none":
        found |= {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}
    return found


def _only(given: Mapping[str, str], known: "set[str] | frozenset[str]") -> None:
    for name in given.keys() - known:
        if name in _TLS:
            raise _wrong(f"{name} needs rediss:// or rediss+sentinel://")
        raise _wrong(f"there is no parameter {name!r}; known are {', '.join(sorted(known))}")


def _from_url(client: Any, found: RedisUrl, options: Mapping[str, Any]) -> Any:
    try:
        return client.from_url(_without_tls(found.url), **{**options, **(found.tls or {})})
    except ValueError:
        raise _wrong(_MALFORMED) from None


def _without_tls(url: str) -> str:
    """What is said of TLS is handed over beside the URL, which knows it as texts only."""
    address, _, query = url.partition("?")
    rest = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in _TLS]
    return f"{address}?{urlencode(rest)}" if rest else address


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _wrong(why: str) -> NotConfigured:
    return NotConfigured(f"the Redis URL cannot be used: {why}")
