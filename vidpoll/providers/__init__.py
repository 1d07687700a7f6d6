"""Adapters to the vendors, one file each; :func:`build` makes one for every account."""

from collections.abc import Callable
from typing import Final

from vidpoll.accounts import Account, Accounts
from vidpoll.providers.base import Provider
from vidpoll.providers.http import Http
from vidpoll.providers.replicate import Replicate
from vidpoll.providers.runware import Runware
from vidpoll.providers.veo import Veo

_ADAPTERS: Final[dict[str, Callable[[Account, Http], Provider]]] = {
    "replicate": Replicate,
    "runware": Runware,
    "veo": Veo,
}


def build(accounts: Accounts) -> dict[str, Provider]:
    """An adapter for every account, by the account's name.

    Raises:
        NotConfigured: an account's options cannot work.
    """
    return {
        name: _ADAPTERS[account.provider](account, Http(account.base_url, submit_timeout_s=account.submit_timeout_s))
        for name, account in accounts.accounts.items()
    }
