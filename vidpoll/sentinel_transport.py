"""kombu's Sentinel transport, told all Sentinels by an option instead of by a list of URLs.

Of a list of URLs kombu 5.7 takes the next one after a lost connection, and its transport from that URL's scheme: the
transport it was told to use (ours, which is hardened) would be gone with the first failover.
"""

from typing import Any

from kombu.transport.redis import SentinelChannel, SentinelTransport
from redis.sentinel import Sentinel


class Channel(SentinelChannel):
    """A channel to the server that the Sentinels call the master."""

    from_transport_options: Any = (*SentinelChannel.from_transport_options, "sentinels")
    sentinels: tuple[tuple[str, int], ...] = ()
    sentinel_kwargs: dict[str, Any]
    master_name: str

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        """The pool of connections; kombu closes the Sentinels' with the channel, wherefore it is told of them."""
        arguments: dict[str, Any] = self._connparams(asynchronous)  # type: ignore[no-untyped-call]
        for of_one_server in ("host", "port"):
            arguments.pop(of_one_server, None)
        manager = Sentinel(self.sentinels, sentinel_kwargs=self.sentinel_kwargs)  # type: ignore[no-untyped-call]
        setattr(self, "_async_sentinel_manager" if asynchronous else "_sentinel_manager", manager)
        return manager.master_for(self.master_name, **arguments).connection_pool  # type: ignore[no-untyped-call]


class Transport(SentinelTransport):
    """Named in ``vidpoll/brokers.py``."""

    Channel = Channel
