"""What an operator sets of the HTTP side, in the environment.

================================ ==============================================================================
``VIDPOLL_API_READ_LIMIT``       requests that read, per key and process, e.g. ``6000/minute``
``VIDPOLL_API_WRITE_LIMIT``      requests that write, per key and process
``VIDPOLL_API_REFRESH_LIMIT``    refreshes of one generation, per process
``VIDPOLL_API_WEBHOOK_LIMIT``    webhooks of vendors, per address and process
``VIDPOLL_API_STREAMS``          event streams an owner may have open, per process
``VIDPOLL_API_CORS_ORIGINS``     JSON array of origins whose pages may use the API; none if not set
``VIDPOLL_API_MEDIA_SOURCES``    where the page may show videos and images from, as in a Content-Security-Policy
``VIDPOLL_API_POOL_SIZE``        connections to Postgres for the reads of the event loop
``VIDPOLL_API_ETA_REFRESH_S``    seconds between two reads of the learned durations
================================ ==============================================================================
"""

from typing import Annotated

from limits import RateLimitItem, parse
from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from vidpoll.errors import NotConfigured


def _readable(limit: str) -> str:
    try:
        parse(limit)
    except ValueError:
        raise ValueError(f"{limit!r} is no limit; write e.g. 100/minute") from None
    return limit


Limit = Annotated[str, AfterValidator(_readable)]


class ApiSettings(BaseSettings):
    """The table above. Take it through :func:`load_api_settings`."""

    model_config = SettingsConfigDict(env_prefix="VIDPOLL_API_", frozen=True)

    read_limit: Limit = "6000/minute"
    write_limit: Limit = "600/minute"
    refresh_limit: Limit = "1/5 seconds"
    webhook_limit: Limit = "6000/minute"
    streams: int = Field(default=100, ge=1)
    cors_origins: list[str] = []
    media_sources: str = "https: http://127.0.0.1:*"
    pool_size: int = Field(default=16, ge=1, le=1000)
    eta_refresh_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)

    def limit(self, name: str) -> RateLimitItem:
        """The limit called ``read``, ``write``, ``refresh`` or ``webhook``."""
        return parse(getattr(self, f"{name}_limit"))


def load_api_settings() -> ApiSettings:
    """What the environment says.

    Raises:
        NotConfigured: something in it cannot be used.
    """
    try:
        return ApiSettings()
    except ValidationError as error:
        found = "; ".join(f"VIDPOLL_API_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors())
        raise NotConfigured(found) from None
