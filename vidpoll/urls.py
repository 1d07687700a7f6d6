"""Addresses that requests and providers name: which may be handed on, and which are a given host's. Pure.

Providers fetch the images and videos a request names, and some services of theirs, or of ours, can be reached from
where they do that. So what is known to lead into a private network is refused before anything is paid. Readers of URLs
differ; whatever two of them could read differently is refused too.

Sources: RFC 3986, WHATWG URL (hosts), RFC 6890 (special addresses), RFC 6761 (special names).
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import JsonValue

Address = IPv4Address | IPv6Address
#: Tells a name's addresses; nothing when it cannot.
LookUp = Callable[[str], Collection[Address]]

#: What an address may begin with, beside http and https: the vendor reads it by itself, over no network of its choice.
OPAQUE: Final = frozenset({"data", "gs"})
#: Names that are never public, by their last part.
_PRIVATE_NAMES: Final = (".localhost", ".local", ".internal", ".localdomain", ".lan", ".intranet", ".home.arpa")
#: IPv6 networks whose addresses hold one of IPv4, and how many bits follow it.
_EMBEDDING: Final[Mapping[IPv6Network, int]] = {
    IPv6Network("::/96"): 0, IPv6Network("::ffff:0:0/96"): 0, IPv6Network("::ffff:0:0:0/96"): 0,
    IPv6Network("64:ff9b::/96"): 0, IPv6Network("2002::/16"): 80,
}  # fmt: skip
_UNICAST: Final = IPv6Network("2000::/3")
#: What the standard library takes for public: protocol assignments (a cloud has its metadata there), 6to4 relays, and
#: the address under which Azure answers its machines.
_NOT_PUBLIC: Final = tuple(map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")))

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)
#: Texts that are taken for an address wherever they stand.
_SHAPE: Final = re.compile(r"https?:\S|(?:[a-z][a-z0-9+.-]+:)+[/\\]", re.IGNORECASE)
_DROPPED: Final = str.maketrans("", "", "\t\r\n")
_AROUND: Final = "".join(chr(code) for code in range(0x3001) if code <= 32 or chr(code).isspace()) + "\u200b\ufeff"
_DOTS: Final = str.maketrans("\u3002\uff0e\uff61", "...")
_NAME: Final = re.compile(r"[\w.-]+")
_PLAIN: Final = re.compile(r"[!-\[\]-~]+")
_NUMERIC: Final = re.compile(r"(?:\d+|0x[0-9a-f]*)", re.IGNORECASE)


def problems(
    params: Mapping[str, JsonValue], named: Collection[str] = (), *, local: bool = False, look_up: LookUp = lambda _: ()
) -> list[str]:
    """What is wrong with the addresses in a request's parameters, one sentence each.

    Args:
        named: parameters known to be addresses; others count as one when they look like it, however deep they are.
        local: loopback is allowed, since the provider itself is there: the simulator.
        look_up: tells the addresses of names.

    Example:
        >>> problems({"image": "http://127.0.0.1/x.png", "seed": 7})
        ['params.image: must be a public address']
    """
    texts = ((where, text) for name, value in params.items() for where, text in _texts(f"params.{name}", value))
    found = (
        (where, problem(text, local=local, look_up=look_up)) for where, text in texts if _is_url(where, text, named)
    )
    return [f"{where}: {words}" for where, words in found if words]


def _texts(where: str, value: JsonValue) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts(f"{where}.{name}", one)
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _texts(f"{where}.{place}", one)


def _is_url(where: str, text: str, named: Collection[str]) -> bool:
    return where.removeprefix("params.") in named or bool(_SHAPE.match(_clean(text)))


def problem(url: str, *, local: bool = False, look_up: LookUp = lambda _: ()) -> str | None:
    """Why this address must not be handed on; None when nothing is known against it. As :func:`problems`."""
    text = _clean(url)
    scheme = _SCHEME.match(text)
    if scheme is None and not text.startswith(("//", "\\\\")):
        return None  # an id of the vendor's, or nothing it could fetch
    if scheme and scheme[1].lower() in OPAQUE:
        return None
    if scheme and scheme[1].lower() not in ("http", "https"):
        return f"must begin with https://, not {scheme[1][:20]}:"
    rest = text[scheme.end() :] if scheme else text
    if "\\" in re.split(r"[?#]", rest, maxsplit=1)[0]:
        return "has a backslash, which no address has"
    return _host_problem(re.split(r"[/?#]", rest.lstrip("/"), maxsplit=1)[0], local, look_up)


def _host_problem(authority: str, local: bool, look_up: LookUp) -> str | None:
    host = _host(authority)
    if "@" in host:
        return "must not hold a user or a password"
    if host.startswith("[") or ":" in host:
        address = address_of(host)
        return "has a host that cannot be read" if address is None else _address_problem([address], local)
    if _NUMERIC.fullmatch(host.rpartition(".")[2]):
        address = address_of(host)
        return "must give an IP address as a.b.c.d" if address is None else _address_problem([address], local)
    if not _NAME.fullmatch(host):
        return "has a host that cannot be read"
    if host == "localhost" or host.endswith(".localhost"):
        return None if local else "must be a public address"
    if "." not in host or host.endswith(_PRIVATE_NAMES):
        return "must be a public address"
    return _address_problem(look_up(host), local)


def _host(authority: str) -> str:
    """The host as its readers come to see it: decoded, in one form of its characters, without port and final dot."""
    decoded = unicodedata.normalize("NFKC", unquote(f"{authority} ".split(" ", 1)[0]))
    host, colon, port = decoded.translate(_DOTS).lower().rpartition(":")
    if not colon or not (port.isdigit() or not port) or (host.startswith("[") and not host.endswith("]")):
        host = f"{host}{colon}{port}"
    return host.rstrip(".")


def _address_problem(addresses: Iterable[Address], local: bool) -> str | None:
    """One that is not public is enough: nobody knows which of them the vendor takes."""
    allowed = all(is_public(one) or (local and is_loopback(one)) for one in addresses)
    return None if allowed else "must be a public address"


def address_of(host: str) -> Address | None:
    """The address a URL's host is, written as usual; None for names, and for forms such as ``0x7f.1``.

    Example:
        >>> address_of("[::1]"), address_of("127.1")
        (IPv6Address('::1'), None)
    """
    try:
        return ip_address(host.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether anybody on the internet has this address; one of IPv6 that holds one of IPv4 is what that is.

    Example:
        >>> [is_public(ip_address(one)) for one in ("93.184.216.34", "169.254.169.254", "::ffff:10.0.0.1")]
        [True, False, False]
    """
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not any(address in one for one in _NOT_PUBLIC)
    inner = _embedded(address)
    if inner is not None:
        return is_public(inner)
    return address in _UNICAST and address.is_global and not address.is_multicast


def is_loopback(address: Address) -> bool:
    """Whether it is this machine's own."""
    inner = _embedded(address) if isinstance(address, IPv6Address) else None
    return address.is_loopback or (inner is not None and inner.is_loopback)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    for network, bits in _EMBEDDING.items():
        if address in network:
            return IPv4Address(int(address) >> bits & 0xFFFFFFFF)
    is_isatap = int(address) >> 32 & 0xFDFFFFFF == 0x00005EFE
    return IPv4Address(int(address) & 0xFFFFFFFF) if is_isatap else None


def _clean(text: str) -> str:
    """Without what readers of URLs drop: white space around, tabs and line ends anywhere."""
    return text.strip(_AROUND).translate(_DROPPED)


# -- what a provider names -------------------------------------------------------------------------------------------


def path_below(base_url: str, url: object) -> str | None:
    """What follows ``base_url`` in ``url``: its path and query; None when that is somewhere else, or could be read so.

    Example:
        >>> path_below("https://api.example/v1", "https://api.example/v1/jobs/7?full=1")
        '/jobs/7?full=1'
        >>> path_below("https://api.example/v1", "https://api.example@evil.example/v1/jobs/7") is None
        True
    """
    base, own = _split(base_url), _split(url)
    if base is None or own is None or _origin(base) != _origin(own):
        return None
    below = own.path.removeprefix(base.path.rstrip("/"))
    is_below = own.path.startswith(base.path.rstrip("/")) and (below.startswith("/") or not below)
    if not is_below or {".", ".."} & set(unquote(own.path).split("/")):
        return None
    return f"{below}?{own.query}" if own.query else below


def same_origin(url: object, base_url: str) -> bool:
    """Whether scheme, host and port are the same, without a user before the host."""
    own, base = _split(url), _split(base_url)
    return own is not None and base is not None and _origin(own) == _origin(base)


def _split(url: object) -> SplitResult | None:
    """Its parts, if there is but one way to read them."""
    if not isinstance(url, str) or not _PLAIN.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.hostname and "@" not in parts.netloc else None


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, str(parts.hostname), usual if parts.port is None else parts.port
