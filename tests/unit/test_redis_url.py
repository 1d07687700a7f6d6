"""One URL for the lanes and for Celery: what is read out of it, and what is refused."""

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from celery import Celery

from vidpoll.brokers import broker_of
from vidpoll.errors import NotConfigured
from vidpoll.redact import redacted
from vidpoll.redis_url import connect, connect_async, for_kombu, parse

SENTINELS = "redis+sentinel://worker:p%40ss%2C;@h1,h2:26380,[::1]:26381/vidpoll/3?sentinel_password=other"


def test_a_sentinel_url_names_sentinels_service_database_and_two_logins():
    found = parse(SENTINELS)

    assert found.hosts == (("h1", 26379), ("h2", 26380), ("::1", 26381))
    assert (found.service, found.db, found.replicas, found.tls) == ("vidpoll", 3, 1, None)
    assert found.connection == {"username": "worker", "password": "p@ss,;", "db": 3}
    assert found.sentinel_connection["password"] == "other"
    assert "username" not in found.sentinel_connection


def test_both_clients_ask_the_sentinels_for_the_master():
    for make in (connect, connect_async):
        pool = make(SENTINELS, socket_timeout=5).connection_pool
        assert (pool.service_name, pool.is_master) == ("vidpoll", True)
        assert pool.connection_kwargs["password"] == "p@ss,;"
        assert pool.connection_kwargs["socket_timeout"] == 5


def test_celery_gets_one_url_and_the_sentinels_beside_it_so_that_its_transport_stays_what_it_is():
    named = broker_of(SENTINELS)

    assert named.url == "sentinel://worker:p%40ss%2C%3B@h1:26379/3"
    assert (named.options["master_name"], named.options["sentinels"]) == ("vidpoll", parse(SENTINELS).hosts)
    with Celery(broker=named.url, set_as_current=False) as app:
        app.conf.update(broker_transport=named.transport, broker_transport_options=dict(named.options))
        connection = app.connection_for_write()
        assert (connection.userid, connection.password, connection.virtual_host) == ("worker", "p@ss,;", "3")
        assert connection.alt == []


def test_over_tls_certificate_and_name_are_checked_unless_the_url_says_otherwise(tmp_path: Path):
    (tmp_path / "ca.pem").touch()
    named = for_kombu(f"rediss://h/0?ssl_ca_certs={tmp_path}/ca.pem")
    assert named.url == "rediss://h/0"
    assert named.tls == {
        "ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, "ssl_ca_certs": f"{tmp_path}/ca.pem",
    }  # fmt: skip
    assert for_kombu("rediss://h/0").tls == {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    unchecked = for_kombu("rediss://h/0?ssl_cert_reqs=none").tls
    assert unchecked == {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}
    assert (
        connect("rediss://h/0?ssl_check_hostname=false").connection_pool.connection_kwargs["ssl_check_hostname"]
        is False
    )
    assert for_kombu("rediss+sentinel://h1/vidpoll").options["sentinel_kwargs"]["ssl"] is True


def test_other_urls_pass_as_they_are():
    for url in ("amqps://u:p@h//", "redis://:p@h:1/2?health_check_interval=9", "redis+socket:///run/redis.sock"):
        assert broker_of(url).url == url
    assert broker_of("redis://h/0").use_ssl is False


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sentinel://h1:26379;sentinel://h2:26379/0", r"write redis://, rediss:// \(TLS\), redis\+sentinel://"),
        ("redis+sentinel://h1,h2", "it ends in /SERVICE/DATABASE"),
        ("redis+sentinel://h1,h2/vidpoll/x", "it ends in /SERVICE/DATABASE"),
        ("redis+sentinel://h1,h2:port/vidpoll/0", "one of the Sentinels is no host:port"),
        ("redis+sentinel://h1,/vidpoll/0", "one of the Sentinels is no host:port"),
        ("redis+sentinel://h1/vidpoll/0?replicas=some", "replicas=some is no number"),
        ("redis+sentinel://h1/vidpoll/0?ssl_ca_certs=/x", r"ssl_ca_certs needs rediss:// or rediss\+sentinel://"),
        ("redis://h/0?ssl_certfile=/x", "ssl_certfile needs rediss://"),
        ("rediss://h/0?ssl_ca_cert=/x", "there is no parameter 'ssl_ca_cert'; known are .*ssl_ca_certs"),
        ("rediss://h/0?ssl_ca_certs=/no/such/file", "ssl_ca_certs: there is no file /no/such/file"),
        ("rediss://h/0?ssl_cert_reqs=maybe", "ssl_cert_reqs is required, or none"),
        ("http://h/0", "write redis://"),
        ("redis://h:port/0", "it is malformed; .* the port is a number"),
        ("redis://u:red?ret@h/0", "it is malformed"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(url: str, words: str):
    with pytest.raises(NotConfigured, match=words):
        connect(url)


@pytest.mark.parametrize("password", ["red/ret", "red?ret", "red#ret", "red[ret", "redret:1", "redret/0/0/0"])
@pytest.mark.parametrize("form", ["redis://u:%s@h/0", "rediss://%s@h", "redis+sentinel://u:%s@h1,h2/vidpoll/0"])
def test_no_part_of_a_malformed_url_is_shown(form: str, password: str):
    with suppress(Exception):
        connect(form % password)
        return
    with pytest.raises(NotConfigured) as told:
        connect(form % password)
    assert [part for part in ("red/", "red?", "ret", "red[", "redret") if part in str(told.value)] == []


def test_no_password_of_a_url_is_shown():
    shown = repr(parse(SENTINELS)) + repr(broker_of(SENTINELS)) + redacted(SENTINELS)

    assert "p@ss" not in shown
    assert "p%40ss" not in shown
    assert "other" not in shown
