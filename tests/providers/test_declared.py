"""Every provider of the catalogue does at its simulated vendor what its adapter declares; a new one is tested too."""

import uuid

from tests.providers.subject import Subject
from vidpoll.providers.outcomes import CannotCancel, Pending, Ready
from vidpoll.simulator import World


def test_what_the_catalogue_allows_is_taken_by_the_adapter_and_charged_once(subject: Subject, world: World):
    assert subject.provider.problems(subject.request()) == []
    assert subject.submitted().name
    assert (world.report()["charged"], world.report()["submit_calls"]) == (1, 1)


def test_progress_is_told_where_it_is_declared_and_nowhere_else(subject: Subject, world: World):
    world.durations.median_s = 1000
    now = 1_800_000_000.0
    world.clock = lambda: now
    operation = subject.submitted()
    (job,) = world.jobs()

    now = (job["starts_at"] + job["ready_at"]) / 2 + 0.5
    running = subject.check(operation)

    assert isinstance(running, Pending)
    assert running.progress == (50 if subject.provider.capabilities.progress else None)


def test_a_status_call_takes_as_many_as_are_declared(subject: Subject, world: World):
    batch = subject.provider.capabilities.check_batch
    world.durations.median_s = 1000
    operations = [subject.submitted(prompt=f"lion {number}") for number in range(batch + 1)]
    calls = world.report()["status_calls"]

    subject.provider.check(operations[:batch])

    assert world.report()["status_calls"] == calls + 1
    assert set(subject.provider.check(operations)) == {one.name for one in operations}


def test_an_undeclared_cancel_calls_nobody_and_a_declared_one_does(subject: Subject, world: World):
    world.durations.median_s = 1000
    operation = subject.submitted()

    answered = subject.provider.cancel(operation)

    assert isinstance(answered, CannotCancel) != subject.provider.capabilities.cancel
    assert bool(world.report()["status_calls"]) == subject.provider.capabilities.cancel


def test_who_may_download_is_declared(subject: Subject):
    ready = subject.check(subject.submitted())

    assert isinstance(ready, Ready)
    assert ready.videos[0].startswith("gs://") == (subject.provider.capabilities.access == "bucket")


def test_an_id_of_ours_is_sent_where_it_is_declared(subject: Subject, world: World):
    request = subject.request(id=uuid.UUID(int=7))
    subject.provider.submit(request, uuid.UUID(int=7), replay=False)
    subject.provider.submit(request, uuid.UUID(int=7), replay=True)

    assert (world.report()["charged"] == 1) or not subject.provider.capabilities.client_supplied_id
