"""Verifiers of vendors' webhooks: what they take, and everything they do not."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vidpoll.errors import NotConfigured
from vidpoll.inbound import fal, openai_videos, replicate, unsigned
from vidpoll.inbound.base import AGED, FORGED, MALFORMED, TOLERANCE_S, Post, Verdict, Verified
from vidpoll.inbound.jwks import KEPT_S, LEAST_S, Jwks, KeysUnavailable

NOW = 1_800_000_000.0
#: RFC 8032, section 7.1, test 1: a secret key and its public key.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
JWK = {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(PUBLIC).rstrip(b"=").decode()}
#: The example secret of the Standard Webhooks specification and its libraries, with the message they sign.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PREDICTION = json.dumps({"id": "p1", "status": "succeeded", "output": "https://v/1.mp4"}).encode()


def signed_by_fal(body: bytes, at: float = NOW, key: Ed25519PrivateKey = KEY) -> Post:
    parts = ["R", "user", str(int(at))]
    message = "\n".join([*parts, hashlib.sha256(body).hexdigest()]).encode()
    values = dict(zip(("request-id", "user-id", "timestamp"), parts, strict=True))
    headers = {f"x-fal-webhook-{name}": value for name, value in values.items()}
    return Post({**headers, "x-fal-webhook-signature": key.sign(message).hex()}, body, NOW)


def signed_as_standard(body: bytes, at: float = NOW, secret: str = SECRET) -> Post:
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), b"msg_1.%d." % int(at) + body, "sha256")
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(at))}
    return Post({**headers, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}, body, NOW)


def by_fal(post: Post) -> Verdict:
    return fal.verify(post, fal.keys_in({"keys": [JWK]}))


def by_replicate(post: Post) -> Verdict:
    return replicate.verify(post, SECRET)


def by_openai(post: Post) -> Verdict:
    return openai_videos.verify(post, SECRET)


FAL = json.dumps({"request_id": "R", "gateway_request_id": "R", "status": "OK", "payload": {}}).encode()
EVENT = json.dumps({"id": "evt_1", "object": "event", "type": "video.completed", "data": {"id": "video_1"}}).encode()
SIGNING = [
    pytest.param(by_fal, signed_by_fal, FAL, "R", id="fal"),
    pytest.param(by_replicate, signed_as_standard, PREDICTION, "p1", id="replicate"),
    pytest.param(by_openai, signed_as_standard, EVENT, "video_1", id="openai_videos"),
]
Verify = Callable[[Post], Verdict]
Sign = Callable[..., Post]


@pytest.mark.parametrize(("verify", "sign", "body", "operation"), SIGNING)
class TestSigned:
    def test_a_genuine_one_names_its_operation_and_says_that_it_has_ended(
        self, verify: Verify, sign: Sign, body: bytes, operation: str
    ):
        found = verify(sign(body))

        assert isinstance(found, Verified)
        assert (found.operation, found.ended) == (operation, True)

    def test_sent_again_it_is_the_same_delivery(self, verify: Verify, sign: Sign, body: bytes, operation: str):
        first, second = verify(sign(body, NOW)), verify(sign(body, NOW - 60))

        assert isinstance(first, Verified)
        assert first == second

    @pytest.mark.parametrize("seconds", [-TOLERANCE_S, TOLERANCE_S])
    def test_clocks_may_differ_by_five_minutes(
        self, verify: Verify, sign: Sign, body: bytes, operation: str, seconds: float
    ):
        assert isinstance(verify(sign(body, NOW + seconds)), Verified)

    @pytest.mark.parametrize("seconds", [-TOLERANCE_S - 1, TOLERANCE_S + 1, -1e6, 1e8])
    def test_one_that_was_signed_too_long_ago_or_too_soon_is_aged(
        self, verify: Verify, sign: Sign, body: bytes, operation: str, seconds: float
    ):
        assert verify(sign(body, NOW + seconds)) == AGED

    def test_a_body_changed_by_any_one_byte_is_forged(self, verify: Verify, sign: Sign, body: bytes, operation: str):
        genuine = sign(body)

        for place in range(len(body)):
            changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
            assert verify(replace(genuine, body=changed)) in (FORGED, MALFORMED)

    def test_a_signature_for_another_moment_is_forged(self, verify: Verify, sign: Sign, body: bytes, operation: str):
        old = sign(body, NOW - 3600)
        (name,) = [name for name in old.headers if name.endswith("timestamp")]

        assert verify(replace(old, headers={**old.headers, name: str(int(NOW))})) == FORGED

    def test_without_any_one_header_it_is_refused(self, verify: Verify, sign: Sign, body: bytes, operation: str):
        genuine = sign(body)

        for missing in genuine.headers:
            found = verify(replace(genuine, headers={n: v for n, v in genuine.headers.items() if n != missing}))
            assert found in (FORGED, MALFORMED)

    @pytest.mark.parametrize(
        "rubbish", ["", " ", "x", "v1", "v1,", "v1,é", "v1,////", "v2,AAAA", "00", "\u0661", ",,,", "v1 v1,,"]
    )
    def test_rubbish_for_a_signature_is_refused(
        self, verify: Verify, sign: Sign, body: bytes, operation: str, rubbish: str
    ):
        genuine = sign(body)
        (name,) = [name for name in genuine.headers if name.endswith("signature")]

        assert verify(replace(genuine, headers={**genuine.headers, name: rubbish})) in (FORGED, MALFORMED)

    @pytest.mark.parametrize("rubbish", ["", "now", "1e9", "-5", "inf", "nan", "9" * 12, "9" * 40, "١٢٣"])
    def test_rubbish_for_a_timestamp_is_refused(
        self, verify: Verify, sign: Sign, body: bytes, operation: str, rubbish: str
    ):
        genuine = sign(body)
        (name,) = [name for name in genuine.headers if name.endswith("timestamp")]

        assert verify(replace(genuine, headers={**genuine.headers, name: rubbish})) == MALFORMED

    @pytest.mark.parametrize(
        "odd",
        [b"", b"null", b"[]", b"{}", b'"p1"', b"\xff\xfe", b"[" * 100_000, b'{"id": 7, "request_id": [], "data": 3}'],
    )
    def test_genuine_rubbish_is_malformed(self, verify: Verify, sign: Sign, body: bytes, operation: str, odd: bytes):
        assert verify(sign(odd)) == MALFORMED


@pytest.mark.parametrize("status", ["starting", "processing", None, 7])
def test_what_has_not_ended_is_progress(status: object):
    found = by_replicate(signed_as_standard(json.dumps({"id": "p1", "status": status}).encode()))

    assert isinstance(found, Verified)
    assert not found.ended


def test_an_event_of_something_else_is_progress():
    found = by_openai(signed_as_standard(EVENT.replace(b"video.completed", b"batch.completed")))

    assert isinstance(found, Verified)
    assert not found.ended


def test_a_key_that_nobody_published_is_a_forgers():
    assert by_fal(signed_by_fal(FAL, key=Ed25519PrivateKey.generate())) == FORGED
    assert fal.verify(signed_by_fal(FAL), []) == FORGED


def test_any_of_the_published_keys_will_do_and_what_is_no_key_is_passed_over():
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    jwks = {"keys": [7, {}, {"kty": "RSA"}, {**JWK, "x": "short"}, {**JWK, "x": base64.b64encode(other).decode()}, JWK]}

    assert isinstance(fal.verify(signed_by_fal(FAL), fal.keys_in(jwks)), Verified)


@pytest.mark.parametrize("jwks", [None, [], {}, {"keys": 3}, {"keys": []}])
def test_a_set_of_no_keys_has_none(jwks: object):
    assert fal.keys_in(jwks) == []


def test_the_vector_of_the_standard_is_verified():
    """From the specification's own libraries: this id, moment and body under SECRET have this signature."""
    post = Post(
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
        1614265330.0,
    )

    assert by_replicate(post) == MALFORMED  # genuine, but no prediction
    assert by_replicate(replace(post, body=b'{"test": 2432232315}')) == FORGED


def test_a_vendor_that_changes_its_secret_sends_two_signatures():
    genuine = signed_as_standard(PREDICTION)
    both = f"v1,{base64.b64encode(b'x' * 32).decode()} v1a,other {genuine.headers['webhook-signature']}"

    assert isinstance(by_replicate(replace(genuine, headers={**genuine.headers, "webhook-signature": both})), Verified)


def test_another_secret_is_a_forgers():
    other = "whsec_" + base64.b64encode(b"another secret of another one").decode()

    assert by_replicate(signed_as_standard(PREDICTION, secret=other)) == FORGED


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_é"])
def test_a_secret_that_is_none_is_told_to_the_operator(secret: str):
    with pytest.raises(NotConfigured, match="whsec_"):
        replicate.verify(signed_as_standard(PREDICTION), secret)


UNSIGNED: Sequence[Any] = [
    (unsigned.runware, {"data": [{"taskType": "videoInference", "taskUUID": "u", "videoURL": "https://v"}]}, "u", True),
    (unsigned.runware, {"errors": [{"code": "timeoutProvider", "taskUUID": "u"}]}, "u", True),
    (unsigned.runware, {"taskUUID": "u", "videoURL": "https://v"}, "u", True),
    (unsigned.runware, {"data": [{"taskUUID": "u", "status": "processing"}]}, "u", False),
    (unsigned.luma, {"id": "g", "state": "dreaming"}, "g", False),
    (unsigned.luma, {"id": "g", "state": "completed"}, "g", True),
    (unsigned.kling, {"task_id": "k", "task_status": "succeed"}, "k", True),
    (unsigned.kling, {"code": 0, "data": {"task_id": "k", "task_status": "failed"}}, "k", True),
    (unsigned.kling, {"task_id": "k", "task_status": "processing"}, "k", False),
]


@pytest.mark.parametrize(("read", "body", "operation", "ended"), UNSIGNED)
def test_what_is_unsigned_is_read_all_the_same(read: Verify, body: dict[str, Any], operation: str, ended: bool):
    found = read(Post({}, json.dumps(body).encode(), NOW))

    assert isinstance(found, Verified)
    assert (found.operation, found.ended) == (operation, ended)


@pytest.mark.parametrize("read", [unsigned.runware, unsigned.luma, unsigned.kling])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b"[1]", b'{"id": "", "task_id": "a\\nb", "taskUUID": {}}', b'{"data": 7}']
)
def test_what_names_no_operation_is_malformed(read: Verify, body: bytes):
    assert read(Post({}, body, NOW)) == MALFORMED


class Publisher:
    """A JWKS, and a clock, turned by hand."""

    def __init__(self) -> None:
        self.now, self.fetched, self.away = 0.0, 0, False
        self.keys: list[dict[str, str]] = [JWK]
        self.jwks = Jwks(self.fetch, lambda: self.now)

    def fetch(self) -> object:
        self.fetched += 1
        if self.away:
            raise KeysUnavailable("away")
        return {"keys": self.keys}

    def known(self, keys: Sequence[Ed25519PublicKey]) -> int:
        return len(keys)


def test_keys_are_fetched_once_and_kept_for_half_a_day():
    publisher = Publisher()

    for publisher.now in (0, 1, KEPT_S):
        assert publisher.known(publisher.jwks.keys()) == 1
    assert publisher.fetched == 1
    publisher.now = KEPT_S + 1
    publisher.jwks.keys()
    assert publisher.fetched == 2


def test_a_flood_of_forgeries_fetches_keys_once_a_minute():
    publisher = Publisher()
    publisher.jwks.keys()
    publisher.now = LEAST_S

    for _ in range(1000):
        publisher.jwks.newer()
    assert publisher.fetched == 2


def test_a_new_key_is_found_and_old_ones_serve_while_the_vendor_is_away():
    publisher = Publisher()
    publisher.jwks.keys()
    publisher.away, publisher.now = True, LEAST_S
    with pytest.raises(KeysUnavailable):
        publisher.jwks.newer()
    assert publisher.known(publisher.jwks.keys()) == 1

    publisher.away, publisher.keys, publisher.now = False, [JWK, {**JWK, "x": JWK["x"]}], 2 * LEAST_S
    assert publisher.known(publisher.jwks.newer()) == 2


def test_without_keys_nothing_can_be_verified():
    publisher = Publisher()
    publisher.keys = []

    with pytest.raises(KeysUnavailable):
        publisher.jwks.keys()
