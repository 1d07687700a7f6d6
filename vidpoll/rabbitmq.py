"""kombu's AMQP transport, with a limit to every wait: py-amqp waits for ever for a RabbitMQ that is silent.

``read_timeout`` does not help there: py-amqp takes it for an interrupted call, and goes on reading.
"""

from typing import Any, Final

from amqp.exceptions import IrrecoverableConnectionError
from kombu.transport import pyamqp

#: Seconds within which RabbitMQ must answer.
ANSWER_S: Final = 10.0


class NoAnswer(IrrecoverableConnectionError):  # type: ignore[misc]  # py-amqp has no types
    """RabbitMQ does not answer, or takes no messages. Trying again at once would wait as long again."""


class _Answered:
    """Waits for answers, but not for ever.

    A connection that was given up is cut: closing it in good order would wait for one more answer, and an answer that
    comes late would be taken for the next one.
    """

    def wait(self, method: Any, callback: Any = None, timeout: float | None = None, returns_tuple: bool = False) -> Any:
        """The answer of one of these methods. Raises NoAnswer."""
        limit_s = ANSWER_S if timeout is None else timeout
        connection = self.connection  # type: ignore[attr-defined]
        try:
            return super().wait(method, callback, limit_s, returns_tuple)  # type: ignore[misc]
        except TimeoutError:
            connection.collect()
            raise NoAnswer(f"RabbitMQ did not answer within {limit_s:g} s") from None


class Channel(_Answered, pyamqp.Channel):
    """A channel that waits for no answer longer than ``ANSWER_S``."""


class Connection(_Answered, pyamqp.Connection):
    """A connection that does so too, and raises when RabbitMQ blocks it."""

    Channel = Channel

    def _on_blocked(self) -> None:
        """RabbitMQ says so to connections that publish, and reads nothing more from them until the alarm is over."""
        self.collect()
        raise NoAnswer("RabbitMQ takes no messages: its memory or disk alarm is on (rabbitmq-diagnostics alarms)")


class Transport(pyamqp.Transport):
    """Named by :mod:`vidpoll.brokers`."""

    Connection = Connection
