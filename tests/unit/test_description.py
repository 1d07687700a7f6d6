"""Descriptions of providers in the providers file: what is refused, with its place; what templates send."""

import re
import tomllib
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpoll.accounts import Account
from vidpoll.description.templates import Body, Template
from vidpoll.errors import NotConfigured
from vidpoll.generation import GenerationRequest
from vidpoll.providers.http import Http
from vidpoll.providers.vendors.http import Described
from vidpoll.providers_file import load_accounts

ACCOUNT = """
[accounts.a]
provider = "http"
base_url = "https://v.example"
api_key_env = "K"
models.m = {}
"""
SUBMIT = """
[accounts.a.http.submit]
path = "/jobs"
body = { text = "{prompt}" }
id = "id"
"""
STATUS = """
[accounts.a.http.status]
path = "/jobs/{id}"
word = "state"
urls = "url"
done = ["ok"]
failed = ["bad"]
"""
WELL = ACCOUNT + SUBMIT + STATUS


def without(text: str, line: str) -> str:
    assert f"{line}\n" in text
    return text.replace(f"{line}\n", "")


def test_the_smallest_description_is_taken(tmp_path: Path):
    path = tmp_path / "p.toml"
    path.write_text(WELL)

    assert load_accounts(path)["a"].http is not None


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        # what is missing, what is too much, what is of another type
        (ACCOUNT, "accounts.a", "the provider http needs its description, in a table [accounts.a.http]"),
        (WELL.replace('"http"', '"veo"'), "accounts.a", 'veo has an adapter of its own; a description needs provider = "http"'),
        (ACCOUNT + STATUS, "accounts.a.http.submit", "this key is missing"),
        (ACCOUNT + SUBMIT, "accounts.a.http.status", "this key is missing"),
        (ACCOUNT + "http = 7", "accounts.a.http", "must be a table"),
        (WELL + "[accounts.a.http]\nheaders = 7", "accounts.a.http.headers", "must be a table"),
        (without(WELL, 'id = "id"'), "accounts.a.http.submit.id", "this key is missing"),
        (without(WELL, 'urls = "url"'), "accounts.a.http.status.urls", "this key is missing"),
        (WELL + 'url = "u"', "accounts.a.http.status.url", "there is no such key"),
        (WELL + "[accounts.a.http.errors.codes]\nslow = [1]", "accounts.a.http.errors.codes.slow", "there is no such key"),
        (WELL + 'done_when_url = "yes"', "accounts.a.http.status.done_when_url", "valid boolean"),
        (WELL + 'done_when = "some"', "accounts.a.http.status.done_when", "'every' or 'latest'"),
        (WELL + 'method = "PUT"', "accounts.a.http.status.method", "'GET' or 'POST'"),
        (WELL + "queued = 'waiting'", "accounts.a.http.status.queued", "must be a list"),
        (WELL + "queued = ['waiting', 1979-05-27]", "accounts.a.http.status.queued.1", "must be a word"),
        (WELL + "queued = ['']", "accounts.a.http.status.queued.0", "must be a word"),
        (WELL + "[accounts.a.http]\nmin_interval_s = '5'", "accounts.a.http.min_interval_s", "valid number"),
        (WELL + "[accounts.a.http]\nretention_s = nan", "accounts.a.http.retention_s", "finite number"),
        (WELL + "[accounts.a.http.errors]\nstatuses.refused = [200]", "accounts.a.http.errors.statuses.refused.0", "equal to 400"),
        (WELL + "[accounts.a.http.errors]\nstatuses.refused = [502]", "accounts.a.http.errors.statuses", "after a 502 nobody knows"),
        # templates
        (WELL.replace("/jobs/{id}", "/jobs"), "accounts.a.http.status", "{id} must stand in the path or in the body"),
        (WELL.replace("/jobs/{id}", "jobs/{id}"), "accounts.a.http.status.path", "begins with /"),
        (WELL.replace("/jobs/{id}", "/jobs/{job}"), "accounts.a.http.status.path", "unknown placeholder {job}; here there are {id}"),
        (WELL.replace("/jobs/{id}", "/jobs/{id}?k={key}"), "accounts.a.http.status.path", "a key in a URL ends up in logs"),
        (WELL.replace("/jobs/{id}", "/jobs/{id"), "accounts.a.http.status.path", "write {{ and }} for braces"),
        (WELL.replace('"/jobs"', '"/jobs/{id}"'), "accounts.a.http.submit.path", "unknown placeholder {id}"),
        (WELL.replace('"/jobs"', '"/jobs/{params}"'), "accounts.a.http.submit.path", "unknown placeholder {params}"),
        (WELL.replace('"{prompt}"', '"a fox"'), "accounts.a.http.submit", "{prompt} must stand in it"),
        (WELL.replace('"{prompt}"', '"{promt}"'), "accounts.a.http.submit.body", "text: unknown placeholder {promt}"),
        (WELL.replace('"{prompt}"', '["{prompt!r}"]'), "accounts.a.http.submit.body", "text[0]: unknown placeholder {prompt!r}"),
        (WELL.replace('"{prompt}"', '{ a = "x {params}" }'), "accounts.a.http.submit.body", "text.a: {params} is an object"),
        (WELL.replace('"{prompt}"', '"{prompt}", "*" = 7'), "accounts.a.http.submit.body", "*: the key * takes"),
        (WELL.replace('"{prompt}"', '"{prompt}", on = 1979-05-27'), "accounts.a.http.submit.body", "on: datetime.date(1979, 5, 27) has no form in JSON"),
        (WELL.replace('"{prompt}"', '"{prompt}", n = inf'), "accounts.a.http.submit.body", "n: inf has no form in JSON"),
        (WELL.replace('{ text = "{prompt}" }', '"{prompt}"'), "accounts.a.http.submit.body", "must be a table"),
        (WELL + "[accounts.a.http.headers]\nX = 'k {kee}'", "accounts.a.http.headers.X", "unknown placeholder {kee}; here there are {key}"),
        (WELL + "[accounts.a.http.headers]\nX = 7", "accounts.a.http.headers.X", "one line of ASCII text"),
        (WELL + '[accounts.a.http.headers]\nX = "a\\nb"', "accounts.a.http.headers.X", "one line of ASCII text"),
        (WELL + '[accounts.a.http.headers]\n"X Y" = "a"', "accounts.a.http.headers.X Y.[key]", "cannot be the name of a header"),
        (WELL + '[accounts.a.http.headers]\nX = "a"\nx = "b"', "accounts.a.http", "a header is named twice"),
        (WELL.replace('id = "id"', 'id = "id"\nidempotency_header = "authorization"'), "accounts.a.http", "a header is named twice"),
        (WELL + 'body = { id = "{id}" }', "accounts.a.http.status", "a GET has none"),
        # where things sit
        (WELL.replace('id = "id"', 'id = "$.id"'), "accounts.a.http.submit.id", "'$.id' is no JMESPath"),
        (WELL.replace('id = "id"', 'id = "data[0"'), "accounts.a.http.submit.id", "is no JMESPath"),
        (WELL.replace('id = "id"', 'id = "job-id"'), "accounts.a.http.submit.id", "is no JMESPath"),
        (WELL.replace('id = "id"', 'id = ""'), "accounts.a.http.submit.id", "must be a JMESPath in quotes"),
        (WELL.replace('id = "id"', "id = 7"), "accounts.a.http.submit.id", "must be a JMESPath in quotes"),
        (WELL.replace('urls = "url"', 'urls = "first(outputs)"'), "accounts.a.http.status.urls", "JMESPath has no function first()"),
        (WELL.replace('urls = "url"', 'urls = "a[?b(c)].d"'), "accounts.a.http.status.urls", "JMESPath has no function b()"),
        # what answers mean
        (without(WELL, 'done = ["ok"]'), "accounts.a.http.status", "done: nothing tells that it is done"),
        (without(WELL, 'failed = ["bad"]'), "accounts.a.http", "status.failed: nothing tells that it failed"),
        (without(WELL, 'word = "state"'), "accounts.a.http.status", "word: say where an answer has the words"),
        (WELL + 'words = "states"', "accounts.a.http.status", "words: give word (there is one) or words (a list), not both"),
        (WELL + 'failed_when = "any"', "accounts.a.http.status", "are about a list: give words"),
        (WELL + 'running = ["ok"]', "accounts.a.http.status", "'ok' is listed as running and as done"),
        (WELL.replace('["ok"]', "[2]") + 'failed_when_found = "e"\ncancelled = ["2"]', "accounts.a.http.status", "'2' is listed as done and as cancelled"),
        (
            without(without(without(WELL, 'word = "state"'), 'done = ["ok"]'), 'failed = ["bad"]') + 'done_when_url = true\nfailed_when_found = "e"',
            "accounts.a.http.status",
            'without_word = "running"',
        ),
        (WELL + "[accounts.a.http.errors]\ncodes.refused = [1]", "accounts.a.http.errors", "say with errors.code where"),
        (WELL + "[accounts.a.http.errors]\ncode = 'c'\ncodes = { refused = [1], failed = ['1'] }", "accounts.a.http.errors.codes", "'1' is listed as refused and as failed"),
        (WELL + "[accounts.a.http.errors]\nstatuses = { rate_limited = [403] }", "accounts.a.http.errors.statuses", "403 is listed as rate_limited and as unauthorized"),
        # what is promised
        (WELL.replace('id = "id"', 'id = "id"\nreplay_safe = true'), "accounts.a.http.submit", "replay_safe: nothing tells the vendor"),
        (WELL + "[accounts.a.http.cancel]\npath = '/jobs/{id}/stop'", "accounts.a.http", "status.cancelled: with a cancel"),
        (WELL + "[accounts.a.http.cancel]\npath = '/stop'\nat_once = true", "accounts.a.http.cancel", "{id} must stand"),
    ],
)  # fmt: skip
def test_a_broken_description_is_refused_with_file_place_and_reason(tmp_path: Path, text: str, place: str, reason: str):
    path = tmp_path / "providers.toml"
    path.write_text(text)

    with pytest.raises(NotConfigured) as refused:
        load_accounts(path)

    assert re.search(rf"(^|; |: ){re.escape(place)}: ", str(refused.value)), str(refused.value)
    assert reason in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    assert "Value error" not in str(refused.value)


def test_what_stands_in_a_header_is_shown_nowhere(tmp_path: Path):
    path = tmp_path / "providers.toml"
    path.write_text(WELL + "[accounts.a.http.headers]\nX = '${SECRET}'")

    assert "s3cret" not in repr(load_accounts(path, {"SECRET": "s3cret"}))
    with pytest.raises(NotConfigured) as refused:
        load_accounts(path, {"SECRET": "s3cret {no}"})
    assert "unknown placeholder {no}" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_every_problem_is_told_at_once(tmp_path: Path):
    path = tmp_path / "providers.toml"
    path.write_text(WELL.replace('id = "id"', 'id = "$"').replace('urls = "url"', 'urls = "["'))

    with pytest.raises(NotConfigured, match=r"http\.submit\.id: .*; accounts\.a\.http\.status\.urls: "):
        load_accounts(path)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["{id}", "/", "{", "a.b", "GET"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["submit", "status", "cancel", "errors", "headers", "path", "body", "id", "word", "codes", "*"]), inner, max_size=5
        ),
        max_leaves=20,
    )
)  # fmt: skip
def test_whatever_stands_in_a_description_is_taken_or_refused_as_a_wrong_value(written: Any):
    try:
        account = described(written)
    except ValueError:  # pydantic's, which the loader turns into NotConfigured
        return
    assert account.http is not None


# -- what is sent ------------------------------------------------------------------------------------------------------


def described(http: Any, **changes: Any) -> Account:
    like = {"name": "a", "provider": "http", "base_url": "https://v.example", "api_key_env": "K", "models": {"m": {}}}
    return Account.model_validate({**like, "http": http, **changes})


def adapter(submit: dict[str, Any], **more: Any) -> Described:
    status = tomllib.loads(STATUS)["accounts"]["a"]["http"]["status"]
    account = described({"submit": {"path": "/jobs", "id": "id", **submit}, "status": status, **more})
    return Described(account, Http(account.base_url))


def asked(**params: Any) -> GenerationRequest:
    return GenerationRequest(provider="http", model="m", prompt="a fox", params=params, id=uuid.uuid4())


ALL = frozenset({"prompt", "model", "our_id", "params", "params.", "key", "id"})


@pytest.mark.parametrize(
    ("table", "sent"),
    [
        ({"t": "{prompt}"}, {"t": "a {fox}"}),
        ({"t": "{{{prompt}}} {{x}}"}, {"t": "{a {fox}} {x}"}),
        ({"s": "{params.seed}", "n": "seed-{params.seed}"}, {"s": 7, "n": "seed-7"}),
        ({"s": "{params.none}", "n": "x{params.none}", "l": ["{params.none}", 1]}, {"l": [1]}),
        ({"deep": {"list": [{"t": "{model}"}], "on": True, "f": 0.5}}, {"deep": {"list": [{"t": "m"}], "on": True, "f": 0.5}}),
        ({"p": "{params}"}, {"p": {"fps": 30}}),
        ({"*": "{params}", "fps": 24, "t": "{prompt}"}, {"fps": 30, "t": "a {fox}"}),
        ({"f": "{params.flag} {params.style}"}, {"f": 'true {"ink": 1}'}),
        ({"n": "{params.null}"}, {"n": None}),
    ],
)  # fmt: skip
def test_a_body_is_filled_in(table: dict, sent: dict):
    values = {
        "prompt": "a {fox}", "model": "m", "params": {"fps": 30},
        "params.seed": 7, "params.flag": True, "params.style": {"ink": 1}, "params.null": None,
    }  # fmt: skip

    assert Body(table, ALL).filled(values) == sent


@given(st.text())
def test_what_is_filled_into_a_path_stays_in_its_segment(id: str):
    try:
        id.encode()
    except UnicodeEncodeError:
        return
    filled = Template("/jobs/{id}/frames", {"id"}).in_url({"id": id})

    assert re.fullmatch(r"/jobs/[A-Za-z0-9_.~%-]*/frames", filled)


@pytest.mark.parametrize(
    ("submit", "params", "problems"),
    [
        ({"body": {"t": "{prompt}"}}, {"fps": 24}, ["params.fps: account a sends no such parameter"]),
        ({"body": {"t": "{prompt}", "f": "{params.fps}"}}, {"fps": 24}, []),
        ({"body": {"t": "{prompt}", "*": "{params}", "f": 1}}, {"f": 24, "g": 1}, []),
        ({"body": {"t": "{prompt}", "*": "{params}"}}, {"t": "x"}, ["params.t: is set by vidpoll"]),
        ({"body": {"in": {"t": ["{prompt}"]}, "*": "{params}"}}, {"in": 1}, ["params.in: is set by vidpoll"]),
        ({"body": {"in": {"t": "{prompt}"}, "rest": "{params}"}}, {"in": 1}, []),
        ({"path": "/{params.kind}", "body": {"t": "{prompt}"}}, {"kind": "film"}, []),
        ({"path": "/{params.kind}", "body": {"t": "{prompt}"}}, {}, ["params.kind: is part of the URL, and must be text or a number"]),
        ({"path": "/{params.kind}", "body": {"t": "{prompt}"}}, {"kind": ".."}, ["params.kind: is part of the URL, and must be text or a number"]),
    ],
)  # fmt: skip
def test_parameters_without_a_place_are_problems(submit: dict, params: dict, problems: list[str]):
    assert adapter(submit).problems(asked(**params)) == problems


def test_an_account_without_a_placeholder_for_the_key_needs_none():
    submit = {"path": "/jobs", "id": "id", "body": {"t": "{prompt}"}}
    status = tomllib.loads(STATUS)["accounts"]["a"]["http"]["status"]

    keyless = described({"headers": {}, "submit": submit, "status": status}, api_key_env=None)

    assert Described(keyless, Http(keyless.base_url)).headers() == {}
    with pytest.raises(ValueError, match="give one of"):
        described({"submit": submit, "status": status}, api_key_env=None)


@pytest.mark.parametrize(
    ("promised", "can_be_replayed"), [({}, False), ({"replay_safe": False}, False), ({"replay_safe": True}, True)]
)
def test_an_idempotency_header_alone_promises_nothing(promised: dict, can_be_replayed: bool):
    submit = {"body": {"t": "{prompt}"}, "idempotency_header": "Idempotency-Key", **promised}

    assert adapter(submit).capabilities.client_supplied_id is can_be_replayed
