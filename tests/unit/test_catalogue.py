import json
from datetime import date

import pytest
from pydantic import JsonValue
from typer.testing import CliRunner

from vidpoll import providers
from vidpoll.catalogue import Model, catalogue, find
from vidpoll.catalogue.params import Param
from vidpoll.cli import app
from vidpoll.simulator.dispatch import bases


@pytest.mark.parametrize(
    ("param", "value", "said"),
    [
        (Param(values=[4, 6, 8]), 5, "must be one of 4, 6, 8, not 5"),
        (Param(values=["4s"]), "4s", None),
        (Param(values=[1]), True, "must be one of 1, not True"),
        (Param(type="integer", min=1, max=4), 0, "must be at least 1, not 0"),
        (Param(type="integer", min=1, max=4), 5, "must be at most 4, not 5"),
        (Param(type="integer"), 2.5, "must be of type integer, not 2.5"),
        (Param(type="integer"), True, "must be of type integer, not True"),
        (Param(type="number"), 2, None),
        (Param(type="boolean"), 1, "must be of type boolean, not 1"),
        (Param(type="string"), None, "must be of type string, not None"),
        (Param(type="object"), {"a": 1}, None),
        (Param(), [1, "x"], None),
    ],
)
def test_a_parameter_says_what_is_wrong_with_a_value(param: Param, value: JsonValue, said: str | None):
    assert param.problem(value) == said


def test_a_model_names_every_problem_and_passes_on_what_it_does_not_know():
    model = Model(params={"seconds": Param(values=["4", "8"]), "image": Param(type="url", required=True)})

    assert model.problems({"seconds": "5", "new": 1}) == [
        "params.image: is required",
        "params.seconds: must be one of 4, 8, not '5'",
    ]
    assert model.problems({"seconds": "4", "image": "https://x.example/a.png", "new": 1}) == []


def test_a_model_is_retired_from_its_day_on():
    model = Model(retires=date(2026, 11, 17))

    assert [model.retired(date(2026, 11, day)) for day in (16, 17, 18)] == [False, True, True]
    assert not Model().retired(date(2100, 1, 1))


@pytest.mark.parametrize("name", catalogue())
def test_every_entry_has_an_adapter_a_simulator_and_a_model(name: str):
    entry = catalogue()[name]

    assert entry.provider in providers.names()
    assert any(entry.simulator == base or entry.simulator.startswith(base + "/") for base in bases())
    assert entry.models
    assert all(find(entry.provider, model) is not None for model in entry.models)


def test_every_adapter_but_the_declared_one_is_in_the_catalogue():
    assert {entry.provider for entry in catalogue().values()} == set(providers.names()) - {"http"}


def test_models_are_listed_for_people_and_for_machines():
    people = CliRunner().invoke(app, ["models", "--provider", "runware"])
    machines = CliRunner().invoke(app, ["models", "--json"])

    assert people.exit_code == machines.exit_code == 0
    assert "google:3@3" in people.stdout
    assert "RUNWARE_API_KEY" in people.stdout
    listed = json.loads(machines.stdout)
    assert {"provider", "model", "key_env", "params", "retired"} <= listed[0].keys()
