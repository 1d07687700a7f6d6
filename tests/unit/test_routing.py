from typing import Any

import pytest

from vidpoll.accounts import Account, ModelPolicy
from vidpoll.lanes import Load
from vidpoll.routing import least_loaded


def _account(name: str, **more: Any) -> Account:
    return Account(
        name=name, provider="veo", base_url="http://127.0.0.1:1", api_key="k", models={"m": ModelPolicy()}, **more
    )


@pytest.mark.parametrize(
    ("a", "b", "picked"),
    [
        (Load(0, 0, False), Load(0, 0, False), "b"),
        (Load(3, 0, False), Load(10, 0, False), "b"),
        (Load(3, 0, False), Load(12, 0, False), "a"),
        (Load(9, 2, False), Load(0, 0, True), "b"),
        (Load(0, 2, False), Load(90, 0, False), "b"),
        (Load(90, 0, False), Load(0, 0, True), "a"),
        (Load(9, 0, True), Load(99, 0, True), "a"),
    ],
    ids=["idle", "by weight", "too much for its weight", "both out", "a full", "b paused", "both paused"],
)
def test_the_account_with_the_least_to_do_for_its_weight_pays(a: Load, b: Load, picked: str):
    accounts = [_account("a", max_in_flight=2), _account("b", weight=3)]

    assert least_loaded(accounts, {"a": a, "b": b}, {}).name == picked


def test_of_equals_the_first_in_the_file_pays():
    load = Load(5, 0, False)

    assert least_loaded([_account("a"), _account("b")], {"a": load, "b": load}, {}).name == "a"


@pytest.mark.parametrize(("lately", "picked"), [(2.9, "a"), (3.1, "b"), (4.0, "b")])
def test_what_was_given_lately_counts_where_it_is_more_than_the_backlog(lately: float, picked: str):
    loads = {"a": Load(0, 0, False), "b": Load(3, 0, False)}

    assert least_loaded([_account("a"), _account("b")], loads, {"a": lately, "b": 2.0}).name == picked
