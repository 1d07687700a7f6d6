"""How much and how long: the short form by default, the full one with ``VIDPOLL_FAULTS=full``."""

import os
from pathlib import Path
from typing import Final

import pytest


def told(name: str) -> str:
    """A variable as this process was started with; the tests' conftest clears all of ``VIDPOLL_*`` for good."""
    if name in os.environ:
        return os.environ[name]
    try:
        given = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((one.partition(b"=")[2].decode() for one in given if one.startswith(name.encode() + b"=")), "")


FULL: Final = told("VIDPOLL_FAULTS") == "full"
#: Generations in flight when a worker dies (case 9), and when it is asked to end (case 23).
IN_FLIGHT: Final = 10_000 if FULL else 200
#: How long a job takes when so many are to be in flight at once, seconds.
LONG_JOB_S: Final = 420.0 if FULL else 10.0
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
#: For a variant that says little more than its sisters.
only_full: Final = pytest.mark.skipif(not FULL, reason="in the full form only: VIDPOLL_FAULTS=full")
#: Factor of every wait's patience.
PATIENCE: Final = 20 if FULL else 1
