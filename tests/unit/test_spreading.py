import pytest

from tests.spreading import together

FILE = "tests/acceptance/test_flower.py"


@pytest.mark.parametrize(
    ("one", "other", "stay"),
    [
        (f"{FILE}::test_a", f"{FILE}::test_b[x::y]", True),
        (f"{FILE}::test_a", "tests/acceptance/test_stack.py::test_a", False),
        ("tests/acceptance/faults/test_redis.py::test_a", "tests/acceptance/faults/test_clocks.py::test_b", True),
        ("tests/acceptance/faults/test_redis.py::test_a", f"{FILE}::test_a", False),
        ("tests/acceptance/deployed/test_tls.py::test_a", "tests/acceptance/deployed/test_tls.py::test_b", True),
        ("tests/unit/test_eta.py::test_a", "tests/unit/test_eta.py::test_b", False),
    ],
)
def test_those_that_share_a_stack_stay_in_one_process(one: str, other: str, stay: bool):
    assert (together(one) == together(other)) == stay
