"""Part of the contract suite: an account's key goes to its ``base_url`` and nowhere else, whatever a vendor answers."""

from tests.providers.gateway import Gateway
from tests.providers.subject import Subject, followed, sent
from vidpoll.providers.base import Ambiguous, Unreachable


def test_no_url_in_an_answer_is_called(subject: Subject, gateway: Gateway, stranger: Gateway):
    gateway.passes_on(subject.world)
    subject.world.address = stranger.url
    behind = subject.again(url=gateway.url)

    _every_call(behind)
    subject.world.durations.median_s = 1000
    _every_call(behind)

    assert stranger.calls == []
    assert len(gateway.calls) >= 4
    assert all(call.path.startswith(subject.entry.simulator) for call in gateway.calls)


def test_no_redirect_is_followed(subject: Subject, gateway: Gateway, stranger: Gateway):
    operation, behind = subject.submitted(), subject.again(url=gateway.url)

    for status in (301, 302, 303, 307, 308):
        gateway.says("", status, {"Location": f"{stranger.url}/elsewhere"})
        assert isinstance(behind.submit(), Ambiguous), status
        assert isinstance(behind.check(operation), Unreachable), status
        if behind.can.cancel:
            assert isinstance(behind.cancel(operation), Unreachable), status
        if behind.can.look_up:
            assert isinstance(behind.provider.look_up(sent(subject.request()), None), Unreachable), status
        assert len(gateway.calls) == 2 + behind.can.cancel + behind.can.look_up
    assert stranger.calls == []


def test_a_key_stands_in_a_header_only(subject: Subject, gateway: Gateway):
    gateway.passes_on(subject.world)

    _every_call(subject.again(url=gateway.url, key="as-secret-as-can-be"))

    assert all("as-secret-as-can-be" not in call.path for call in gateway.calls)
    assert all(b"as-secret-as-can-be" not in call.body for call in gateway.calls)


def _every_call(subject: Subject) -> None:
    request = subject.request()
    operation = subject.submitted()
    subject.check(operation)
    followed(subject.provider.cancel(operation))
    subject.provider.look_up(sent(request), None)
