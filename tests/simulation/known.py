"""What the simulation finds and is not mended yet: told as an expected failure, as long as nothing else is wrong."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.simulation.invariants import Broken

#: A problem's words, and what is wrong.
KNOWN: Final[dict[str, str]] = {
    r"of replicate is still unknown|still in vidpoll:\{replicate:status\}:due": (
        "restore has what was left to a person looked up again, for ever"
    ),
}


@contextmanager
def tell_known() -> Iterator[None]:
    """Turn failures of which every line is known into expected ones."""
    try:
        yield
    except Broken as broken:
        reasons = [next((why for words, why in KNOWN.items() if re.search(words, one)), "") for one in broken.problems]
        if not all(reasons):
            raise
        pytest.xfail("; ".join(sorted(set(reasons))))
