"""Which tests stay in one process where they are spread over several: those that share a stack, as a file's do."""

from xdist.scheduler import LoadScopeScheduling

_ACCEPTANCE = "tests/acceptance/"
_FAULTS = "tests/acceptance/faults/"


class Spreading(LoadScopeScheduling):
    """A file of acceptance tests goes to one process, and so do all of the faults'; any other test to whichever is free.

    In place of xdist 3.8's own `loadgroup`, which forgets its groups with pytest 9.2:
    https://github.com/pytest-dev/pytest-xdist/issues/1386
    """

    def _split_scope(self, nodeid: str) -> str:
        """Tests of the same answer stay together."""
        return together(nodeid)


def together(nodeid: str) -> str:
    """What a test stays together with: a folder, a file, or itself alone.

    Example:
        >>> together("tests/acceptance/test_flower.py::test_a[x::y]")
        'tests/acceptance/test_flower.py'
    """
    if nodeid.startswith(_FAULTS):
        return _FAULTS
    return nodeid.partition("::")[0] if nodeid.startswith(_ACCEPTANCE) else nodeid
