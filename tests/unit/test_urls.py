import threading
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.waiting import until
from vidpoll.accounts import Account, ModelPolicy
from vidpoll.providers import adapter_of
from vidpoll.providers.http import Http
from vidpoll.resolving import Resolver
from vidpoll.urls import is_loopback, is_public, path_below, problem, problems, same_origin

NOT_PUBLIC = "must be a public address"
AS_USUAL = "must give an IP address as a.b.c.d"
UNREADABLE = "has a host that cannot be read"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("127.0.0.1", NOT_PUBLIC), ("127.8.9.10", NOT_PUBLIC), ("0.0.0.0", NOT_PUBLIC), ("10.1.2.3", NOT_PUBLIC),
        ("172.16.0.1", NOT_PUBLIC), ("172.31.255.255", NOT_PUBLIC), ("192.168.1.1", NOT_PUBLIC),
        ("169.254.169.254", NOT_PUBLIC), ("100.64.0.1", NOT_PUBLIC), ("192.0.2.1", NOT_PUBLIC),
        ("198.18.0.1", NOT_PUBLIC), ("224.0.0.1", NOT_PUBLIC), ("239.1.1.1", NOT_PUBLIC), ("240.0.0.1", NOT_PUBLIC),
        ("255.255.255.255", NOT_PUBLIC), ("192.88.99.1", NOT_PUBLIC), ("192.0.0.192", NOT_PUBLIC), ("168.63.129.16", NOT_PUBLIC),
        ("[::1]", NOT_PUBLIC), ("[::]", NOT_PUBLIC), ("[fe80::1]", NOT_PUBLIC), ("[fe80::1%25eth0]", NOT_PUBLIC),
        ("[fc00::1]", NOT_PUBLIC), ("[fd00:ec2::254]", NOT_PUBLIC), ("[fec0::1]", NOT_PUBLIC), ("[ff02::1]", NOT_PUBLIC),
        ("[2001:db8::1]", NOT_PUBLIC), ("[100::1]", NOT_PUBLIC), ("[2001::1]", NOT_PUBLIC), ("[4000::1]", NOT_PUBLIC),
        ("[::ffff:127.0.0.1]", NOT_PUBLIC), ("[::ffff:7f00:1]", NOT_PUBLIC), ("[::ffff:a9fe:a9fe]", NOT_PUBLIC),
        ("[::127.0.0.1]", NOT_PUBLIC), ("[64:ff9b::10.0.0.1]", NOT_PUBLIC), ("[2002:7f00:1::]", NOT_PUBLIC),
        ("[2002:a9fe:a9fe::1]", NOT_PUBLIC), ("[::ffff:0:127.0.0.1]", NOT_PUBLIC),
        ("[2606:4700::5efe:10.0.0.1]", NOT_PUBLIC), ("[64:ff9b:1::1]", NOT_PUBLIC),
        ("2130706433", AS_USUAL), ("0x7f.1", AS_USUAL), ("127.1", AS_USUAL), ("0177.0.0.1", AS_USUAL),
        ("0x7f000001", AS_USUAL), ("017700000001", AS_USUAL), ("127.0.1", AS_USUAL), ("0x7f.0x0.0x0.0x1", AS_USUAL),
        ("010.8.8.8", AS_USUAL), ("256.256.256.256", AS_USUAL), ("1.2.3.4.5", AS_USUAL), ("4294967297", AS_USUAL),
        ("0x", AS_USUAL), ("redis.0x7f", AS_USUAL), ("08.8.8.8", AS_USUAL),
        ("127.0.0.1.", NOT_PUBLIC), ("127.0.0.1:80", NOT_PUBLIC), ("127.0.0.1:", NOT_PUBLIC), ("[::1]:80", NOT_PUBLIC),
        ("127%2e0%2e0%2e1", NOT_PUBLIC), ("１２７.0.0.1", NOT_PUBLIC), ("①②⑦.0.0.1", NOT_PUBLIC),
        ("127。0。0。1", NOT_PUBLIC), ("127.0.0.1 x", NOT_PUBLIC), ("127.0.0.1\t", NOT_PUBLIC),
        ("localhost", NOT_PUBLIC), ("LOCALHOST.", NOT_PUBLIC), ("a.localhost", NOT_PUBLIC), ("ｌocalhost", NOT_PUBLIC),
        ("redis", NOT_PUBLIC), ("metadata.google.internal", NOT_PUBLIC), ("printer.local", NOT_PUBLIC),
        ("router.home.arpa", NOT_PUBLIC), ("[::1", NOT_PUBLIC), ("::1", UNREADABLE), ("a..%00", UNREADABLE),
        ("[127.0.0.1]", NOT_PUBLIC), ("a%2fb.example", UNREADABLE),
        ("me@cdn.example", "must not hold a user or a password"),
        ("cdn.example@127.0.0.1", "must not hold a user or a password"),
        ("cdn.example%40127.0.0.1", "must not hold a user or a password"),
        ("me:secret@cdn.example", "must not hold a user or a password"),
        ("cdn.example\\@127.0.0.1", "has a backslash, which no address has"),
    ],
)  # fmt: skip
def test_what_leads_into_a_private_network_is_refused(host: str, said: str):
    for url in (f"http://{host}/x.png", f"HTTPS://{host}", f" \n{'https'}:/{host}?a=1", f"http://{host}#f"):
        assert problem(url) == said, url


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example/a.png", "http://cdn.example:8080/a.png?u=http://127.0.0.1/", "https://8.8.8.8/x", "https://[2606:4700::1111]/x",
        "https://[::ffff:8.8.8.8]/x", "https://[64:ff9b::8.8.8.8]/", "https://[2002:808:808::1]/", "https://bücher.example/ä.png",
        "https://xn--bcher-kva.example/", "https://a_b.example/x", "https://cdn.example./a", "https://1e100.example/",
        "data:image/png;base64,aGk=", "DATA:,x", "gs://bucket/lion.png", "3f2a8c1e-5d0f", "lion.png", "", "  ",
        "https://cdn.example/me@127.0.0.1", "https://cdn.example?\\",
    ],
)  # fmt: skip
def test_everything_else_is_left_to_the_vendor(url: str):
    assert problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "ftp://cdn.example/x",
        "jar:http://x!/",
        "dict://x",
        "FILE:/etc",
    ],
)
def test_other_schemes_are_refused(url: str):
    assert problem(url).startswith("must begin with https://, not ")


def test_addresses_are_found_by_name_and_by_shape_however_deep():
    params = {
        "image": "file:passwd",
        "frames": [{"at": 0, "url": "http://10.0.0.1/"}, "https://cdn.example/a.png", "\thttp:\\\\127.0.0.1"],
        "webhook": "//127.0.0.1/x",
        "negative_prompt": "file: no, http: neither",
        "audio": "//uQxAAAAAAAAAAAAAAAAAAAAAAAWGluZw",
        "seed": 7,
        "none": None,
    }

    assert problems(params, {"image", "webhook"}) == [
        "params.image: must begin with https://, not file:",
        "params.frames.0.url: must be a public address",
        "params.frames.2: has a backslash, which no address has",
        "params.webhook: must be a public address",
    ]


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]", "sim.example"])
def test_loopback_is_allowed_where_the_vendor_is_itself(host: str):
    def look_up(_: str) -> list[IPv4Address]:
        return [IPv4Address("127.0.0.1")]

    assert problem(f"http://{host}/a", look_up=look_up) == NOT_PUBLIC
    assert problem(f"http://{host}/a", local=True, look_up=look_up) is None
    assert problem("http://10.0.0.1/a", local=True) == NOT_PUBLIC


@pytest.mark.parametrize(
    ("told", "said"),
    [((), None), (("93.184.216.34",), None), (("10.0.0.1",), NOT_PUBLIC), (("93.184.216.34", "::1"), NOT_PUBLIC)],
)
def test_a_name_is_refused_if_any_of_its_addresses_is_not_public(told: tuple[str, ...], said: str | None):
    assert problem("https://cdn.example/a", look_up=lambda _: [ip_address(one) for one in told]) == said


V4 = st.integers(0, 2**32 - 1).map(IPv4Address)


def _part(number: int, form: str) -> str:
    return {"decimal": str(number), "hex": hex(number), "octal": f"0{number:o}", "padded": f"0x{number:08X}"}[form]


@settings(deadline=None)
@given(V4, st.integers(1, 4), st.lists(st.sampled_from(["decimal", "hex", "octal", "padded"]), min_size=4, max_size=4))
def test_no_encoding_of_an_address_gets_past(address: IPv4Address, length: int, forms: list[str]):
    """As ``inet_aton`` reads them: one to four numbers, the last one filling what is left, each in any base."""
    value = int(address)
    firsts = [value >> shift & 0xFF for shift in (24, 16, 8)][: length - 1]
    numbers = [*firsts, value & (256 ** (5 - length) - 1)]
    host = ".".join(_part(number, form) for number, form in zip(numbers, forms, strict=False))

    said = problem(f"http://{host}/")

    assert said == (None if is_public(address) and host == str(address) else said)
    assert said in (None, NOT_PUBLIC, AS_USUAL)
    assert said or host == str(address)


@settings(deadline=None)
@given(V4)
def test_an_address_inside_of_another_is_what_it_is(address: IPv4Address):
    value = int(address)
    holders = [0xFFFF << 32 | value, 0x64FF9B << 96 | value, 0x2002 << 112 | value << 80 | 1, 0xFFFF << 48 | value]

    assert {is_public(IPv6Address(one)) for one in holders} == {is_public(address)}
    assert {is_loopback(IPv6Address(one)) for one in holders} == {address.is_loopback}


@settings(deadline=None)
@given(st.text(max_size=60))
def test_rubbish_is_never_an_error(text: str):
    for url in (text, f"http://{text}", f"https://[{text}"):
        assert isinstance(problem(url), str | None)
        assert path_below("https://api.vendor.example/v1", url) is None


# -- what a provider names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://api.vendor.example/v1/jobs/7", "/jobs/7"),
        ("https://API.Vendor.Example:443/v1/jobs/7?full=1", "/jobs/7?full=1"),
        ("https://api.vendor.example/v1", ""),
        ("https://api.vendor.example/v10/jobs/7", None),
        ("https://api.vendor.example/v2/jobs/7", None),
        ("https://api.vendor.example/v1/../admin", None),
        ("https://api.vendor.example/v1/%2e%2E/admin", None),
        ("http://api.vendor.example/v1/jobs/7", None),
        ("https://api.vendor.example:444/v1/jobs/7", None),
        ("https://api.vendor.example:x/v1/jobs/7", None),
        ("https://api.vendor.example./v1/jobs/7", None),
        ("https://api.vendor.example@evil.example/v1/jobs/7", None),
        ("https://evil.example@api.vendor.example/v1/jobs/7", None),
        ("https://api.vendor.example%40evil.example/v1/jobs/7", None),
        ("https://api.vendor.example\\@evil.example/v1/jobs/7", None),
        ("https://evil.example\\.api.vendor.example/v1/jobs/7", None),
        ("https://api.vendor.example.evil.example/v1/jobs/7", None),
        ("https://evil.example/https://api.vendor.example/v1/jobs/7", None),
        ("https://evil.example#@api.vendor.example/v1/jobs/7", None),
        ("https://ａpi.vendor.example/v1/jobs/7", None),
        ("https://аpi.vendor.example/v1/jobs/7", None),
        ("https://api.vendor.example/v1/jobs/7\r\nHost: evil.example", None),
        ("https://api.ven\tdor.example/v1/jobs/7", None),
        ("//api.vendor.example/v1/jobs/7", None),
        ("/v1/jobs/7", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)  # fmt: skip
def test_only_what_is_below_the_accounts_own_address_is_called(url: object, path: str | None):
    account = Account(
        name="a",
        provider="replicate",
        base_url="https://api.vendor.example/v1",
        api_key_env="X",
        models={"m": ModelPolicy()},
    )

    assert adapter_of(account, Http(account.base_url)).own(url) == path


def test_an_origin_is_scheme_host_and_port():
    base = "http://127.0.0.1:8000/replicate/v1/"

    assert same_origin("http://127.0.0.1:8000/elsewhere", base)
    assert not same_origin("http://127.0.0.1:8001/replicate/v1/", base)
    assert not same_origin("http://me@127.0.0.1:8000/", base)
    assert path_below(base, "http://127.0.0.1:8000/replicate/v1/p/7") == "/p/7"


# -- names ---------------------------------------------------------------------------------------------------------------


def test_an_answer_holds_for_a_while():
    asked = []

    def ask(name: str) -> list[IPv4Address]:
        asked.append(name)
        return [IPv4Address("10.0.0.1")]

    resolver = Resolver(ask)

    assert [list(resolver.addresses("a.example")) for _ in range(3)] == [[IPv4Address("10.0.0.1")]] * 3
    assert asked == ["a.example"]


def test_a_name_nobody_knows_has_no_addresses():
    def ask(_: str) -> list[IPv4Address]:
        raise OSError("no such name")

    assert list(Resolver(ask).addresses("nobody.example")) == []
    assert list(Resolver().addresses("a" * 300)) == []


def test_a_name_server_that_hangs_costs_no_more_than_a_few_threads_and_their_patience():
    answer, asked = threading.Event(), []

    def ask(name: str) -> list[IPv4Address]:
        asked.append(name)
        answer.wait(30)
        return [IPv4Address("10.0.0.1")]

    resolver = Resolver(ask, patience_s=0.01, at_once=2)
    assert [list(resolver.addresses(f"{number}.example")) for number in range(20)] == [[]] * 20
    assert asked == ["0.example", "1.example"]

    answer.set()
    until(lambda: resolver.addresses("2.example"))
    assert resolver.addresses("0.example")  # told meanwhile


@pytest.mark.parametrize(
    "text",
    [
        "\u00a0http://10.0.0.1/x",
        "\ufeffhttp://169.254.169.254/",
        "\u0085http://10.0.0.1",
        "url:http://169.254.169.254/",
        "jar:http://10.0.0.1/a!/b",
    ],
)
def test_what_readers_of_urls_trim_and_unwrap_hides_no_address(text: str):
    assert problems({"image": text}, ()) != []
