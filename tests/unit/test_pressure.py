from vidpoll.pressure import HIGHEST, Pressure


def planned(pressure: Pressure, interval_s: float, times: int = 1000, *, waiting: int = 1000) -> Pressure:
    for _ in range(times):
        pressure.planned(interval_s, waiting=waiting, looks_per_s=10)
    return pressure


def test_there_is_none_while_there_are_tokens_enough():
    pressure = planned(Pressure(), 5.0, waiting=40)

    assert pressure.factor == 1
    assert pressure.longest_s(waiting=40, looks_per_s=10) is None


def test_it_rises_while_more_is_asked_for_than_may_be_called_and_falls_when_less_is():
    pressure = planned(Pressure(), 50.0)
    high = pressure.factor

    assert high > 100
    assert planned(pressure, 200.0, 200).factor < high
    assert planned(pressure, 200.0, 5000).factor == 1


def test_it_settles_where_what_is_asked_for_fits():
    pressure = Pressure()
    for _ in range(3000):  # intervals grow with the root of the price, as a plan's do
        pressure.planned(5 * pressure.factor**0.5, waiting=1000, looks_per_s=10)

    assert 10 < 1000 / (5 * pressure.factor**0.5) < 13.5


def test_nothing_waits_for_two_rounds_of_the_lane():
    pressure = planned(Pressure(), 50.0)

    longest_s = pressure.longest_s(waiting=1000, looks_per_s=10)
    assert longest_s is not None
    assert 100 < longest_s < 200


def test_it_never_grows_without_end():
    assert planned(Pressure(), 1e-3, 10_000, waiting=10**6).factor == HIGHEST
