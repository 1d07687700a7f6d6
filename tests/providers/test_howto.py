"""The provider that docs/providers.md adds as an example keeps the contract, as it stands there."""

import re
import sys
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path

import pytest

from tests.providers import subject, test_contract
from tests.providers.subject import Subject
from vidpoll.catalogue import _entry
from vidpoll.providers import names
from vidpoll.providers import vendors as adapters
from vidpoll.simulator import Simulator, World
from vidpoll.simulator import vendors as simulated
from vidpoll.simulator.dispatch import bases

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()
FILES = dict(re.findall(r"^`([\w/]+\.\w+)`\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page's files, where adapters and simulated vendors are looked for."""
    for package in (adapters, simulated):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "acme.py").write_text(FILES[f"{package.__name__.replace('.', '/')}/acme.py"])
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    bases.cache_clear()
    yield
    bases.cache_clear()
    for package in (adapters, simulated):
        sys.modules.pop(f"{package.__name__}.acme", None)


def test_the_page_has_every_file_and_each_is_found_by_its_name():
    assert list(FILES) == [
        "vidpoll/providers/vendors/acme.py",
        "vidpoll/simulator/vendors/acme.py",
        "vidpoll/catalogue/acme.toml",
    ]
    assert "acme" in names()
    assert "/acme/v1" in bases()


def test_its_catalogue_entry_is_right():
    entry = _entry("acme", FILES["vidpoll/catalogue/acme.toml"])

    assert (entry.provider, entry.simulator, list(entry.models)) == ("acme", "/acme/v1", ["acme-1"])


@pytest.fixture
def acme(world: World, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Subject:
    entry = _entry("acme", FILES["vidpoll/catalogue/acme.toml"])
    monkeypatch.setattr(subject, "catalogue", lambda: {"acme": entry})
    return subject.subject_of("acme", world)


#: Those of the contract's tests that want nothing but a subject.
BEHAVIOURS = [
    test
    for name, test in vars(test_contract).items()
    if name.startswith("test_") and list(signature(test).parameters) == ["subject"] and not hasattr(test, "pytestmark")
]


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda test: test.__name__)
def test_it_keeps_the_contract(behaviour: Callable[[Subject], None], acme: Subject):
    behaviour(acme)
