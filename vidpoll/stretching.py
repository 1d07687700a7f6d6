"""How much rarer looks may be while webhooks arrive: pure arithmetic. Polling is then what catches the lost ones."""

from typing import Final

#: How many times longer an interval may become, and by how many seconds at most.
MOST: Final = 4.0
MOST_S: Final = 300.0
#: Ends that webhooks must have announced lately before they are relied on, and the least share of all ends.
ENOUGH: Final = 3.0
LEAST_SHARE: Final = 0.5


def factor(announced: float, ended: float) -> float:
    """How many times longer intervals may be, from how many ends were announced lately, and how many there were.

    1 until a few were announced and while half of the ends come without; 4 when all are announced; in a straight line
    between. So it goes back by itself when webhooks stop.

    Example:
        >>> [factor(*counts) for counts in ((0, 0), (2, 2), (10, 10), (9, 12), (4, 10))]
        [1.0, 1.0, 4.0, 2.5, 1.0]
    """
    if announced < ENOUGH:
        return 1.0
    share = min(1.0, announced / max(ended, announced))
    return 1.0 + (MOST - 1.0) * max(0.0, share - LEAST_SHARE) / (1.0 - LEAST_SHARE)


def stretched(countdown: float, factor: float, until_expected_s: float) -> float:
    """Seconds until the next look, for a schedule that says ``countdown``.

    The moment by which it is expected, in ``until_expected_s``, still gets a look. (The deadline gets one whatever this
    says, see ``looks.still_pending``.)

    Example:
        >>> stretched(10, 4.0, 600), stretched(10, 4.0, 25), stretched(10, 4.0, -5), stretched(200, 4.0, 1e9)
        (40.0, 25, 40.0, 500.0)
    """
    longer = min(countdown * factor, countdown + MOST_S)
    return until_expected_s if countdown < until_expected_s < longer else longer
