"""Connections to Postgres that give up on a server which does not answer at all.

``statement_timeout`` is kept by the server, so it says nothing when the server, or the network, is gone without a word.
"""

from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen

#: Seconds without the end of an answer after which a connection is given up; more than any statement may take.
PATIENCE_S: Final = 20.0

T = TypeVar("T")


class PatientConnection(psycopg.Connection[Any]):
    """A connection whose every wait ends: with an answer, or closed and with an OperationalError.

    Attributes:
        patience_s: seconds; None waits for ever, for statements that may take any time.
    """

    patience_s: float | None = PATIENCE_S

    def wait(self, gen: "PQGen[T]", interval: float = 0.1, timeout: float | None = None) -> T:
        """Drive the conversation ``gen`` to its end. Called by psycopg for all it waits for."""
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except psycopg.errors._WaitTimeout:
            # Whatever comes later would be taken for the answer to another question.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {self.patience_s:g} s") from None
