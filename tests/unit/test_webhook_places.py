"""Places to send webhooks from: shared between owners, whoever is slow."""

from vidpoll.webhooks.places import WAITS_S, Places


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_owner_may_have_all_places_while_nobody_else_wants_any():
    places = Places(4)
    assert [places.take("alice") for _ in range(5)] == [True, True, True, True, False]


def test_an_owner_that_found_none_is_let_in_before_those_who_had_more_than_half_come_back():
    clock = Clock()
    places = Places(4, clock)
    for _ in range(4):
        assert places.take("alice")
    assert not places.take("bob")

    clock.now += 1
    places.give_back("alice")
    clock.now += 0.1
    assert not places.take("alice"), "though it asks first"
    assert places.take("bob")
    places.give_back("alice")
    assert places.take("alice"), "nobody else waits any more"


def test_one_that_waits_no_longer_keeps_nobody_out():
    clock = Clock()
    places = Places(2, clock)
    assert (places.take("alice"), places.take("alice"), places.take("bob")) == (True, True, False)
    places.give_back("alice")

    clock.now += WAITS_S
    assert places.take("alice")


def test_a_worker_with_one_place_lends_it_to_one_after_the_other():
    clock = Clock()
    places = Places(1, clock)
    asked = []
    for owner in ("alice", "bob", "carol"):
        clock.now += 0.1
        asked.append(places.take(owner))
    assert asked == [True, False, False]
    places.give_back("alice")
    clock.now += 0.1
    assert (places.take("alice"), places.take("carol"), places.take("bob")) == (False, False, True)
    places.give_back("bob")
    assert (places.take("alice"), places.take("carol")) == (False, True)
