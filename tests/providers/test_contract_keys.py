"""Part of the contract suite: keys that are refused, and that a key goes to the account's ``base_url`` and nowhere else."""

from tests.providers.gateway import Gateway
from tests.providers.subject import Subject, followed, sent
from vidpoll.providers.outcomes import Ambiguous, Ready, Unauthorized, Unreachable


def test_a_wrong_key_is_told_as_one_and_pays_nothing(subject: Subject):
    operation = subject.submitted()
    wrong = subject.again(key="wrong")

    assert isinstance(wrong.submit(), Unauthorized)
    assert isinstance(wrong.check(operation), Unauthorized)
    assert subject.paid[1] == 1


def test_a_key_that_is_refused_for_a_while_says_nothing_of_the_generation(subject: Subject):
    operation = subject.submitted()
    subject.world.faults.status_unauthorized = 1
    assert isinstance(subject.check(operation), Unauthorized)

    subject.world.faults.status_unauthorized = 0
    assert isinstance(subject.check(operation), Ready)


def test_a_refusal_of_the_account_by_a_gateway_is_one(subject: Subject, gateway: Gateway):
    behind, operation = subject.again(url=gateway.url), subject.submitted()

    for status in (401, 402, 403):
        gateway.says("<html>", status)
        assert isinstance(behind.submit(), Unauthorized), status
        assert isinstance(behind.check(operation), Unauthorized), status


def test_a_key_that_is_not_set_is_told_without_a_call(subject: Subject):
    operation = subject.submitted()
    keyless = subject.again(api_key=None, api_key_env="NOT_SET_ANYWHERE")

    outcomes = [keyless.submit(), keyless.check(operation)]

    assert all(isinstance(outcome, Unauthorized) and "NOT_SET_ANYWHERE" in outcome.reason for outcome in outcomes)
    assert (subject.paid[0], subject.world.report()["status_calls"]) == (1, 0)


# -- where they go --------------------------------------------------------------------------------------------------------


def test_no_url_in_an_answer_is_called(subject: Subject, gateway: Gateway, stranger: Gateway):
    gateway.passes_on(subject.world)
    subject.world.address = stranger.url
    behind = subject.again(url=gateway.url)

    _every_call(behind)
    subject.world.durations.median_s = 1000
    _every_call(behind)

    assert stranger.calls == []
    assert len(gateway.calls) >= 4
    assert gateway.was_only_called_under(subject.entry.simulator)


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
