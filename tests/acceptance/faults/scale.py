"""How much and how long: the short form by default, the full one with ``VIDPOLL_FAULTS=full``."""

import os
from typing import Final

import pytest

FULL: Final = os.environ.get("VIDPOLL_FAULTS") == "full"
#: Generations in flight when a worker dies (case 9), and when it is asked to end (case 23).
IN_FLIGHT: Final = 10_000 if FULL else 200
#: Generations open when Redis loses everything (case 10).
OPEN: Final = 5_000 if FULL else 200
#: Seconds for which Redis or Postgres is away or useless.
OUTAGE_S: Final = 60.0 if FULL else 5.0
READ_ONLY_S: Final = 30.0 if FULL else 5.0
#: Generations a test needs a handful of.
SOME: Final = 200 if FULL else 40
#: Commits whose answer is lost (case 13).
LOST_COMMITS: Final = 100 if FULL else 15
#: Seconds between so many looks at first, and between later ones: what many in flight cost this machine.
FIRST_LOOKS: Final = 2 if FULL else 10
FIRST_LOOKS_S: Final = 0.5
LATER_LOOKS_S: Final = 15.0 if FULL else 1.0
#: For a variant that says little more than its sisters: left out of the short form, see conftest.py.
only_full: Final = pytest.mark.full
#: Factor of every wait's patience.
PATIENCE: Final = 20 if FULL else 1
