"""Adapters to the vendors, one file each in ``vendors``; :func:`build` makes one for every account."""

import pkgutil
from collections.abc import Callable
from importlib import import_module

from vidpoll.accounts import Account, Accounts
from vidpoll.errors import NotConfigured
from vidpoll.providers import vendors
from vidpoll.providers.base import Provider
from vidpoll.providers.http import Http


def names() -> list[str]:
    """Every provider there is an adapter for.

    Example:
        >>> "veo" in names()
        True
    """
    return sorted(module.name for module in pkgutil.iter_modules(vendors.__path__))


def build(accounts: Accounts) -> dict[str, Provider]:
    """An adapter for every account, by the account's name.

    Raises:
        NotConfigured: there is no adapter for an account's provider, or its options cannot work.
    """
    return {
        name: adapter_of(account, Http(account.base_url, submit_timeout_s=account.submit_timeout_s))
        for name, account in accounts.accounts.items()
    }


def options_of(provider: str) -> frozenset[str]:
    """The ``options`` that accounts of a provider may have.

    Example:
        >>> sorted(options_of("veo"))
        ['dialect', 'storage_uri']
    """
    return frozenset(import_module(f"{vendors.__name__}.{provider}").ADAPTER.options)


def adapter_of(account: Account, http: Http) -> Provider:
    """The adapter of one account, which makes its calls through ``http``.

    Raises:
        NotConfigured: as :func:`build`.
    """
    if account.provider not in names():
        raise NotConfigured(
            f"account {account.name}: there is no provider {account.provider!r}; there are {', '.join(names())}"
        )
    adapter: Callable[[Account, Http], Provider] = import_module(f"{vendors.__name__}.{account.provider}").ADAPTER
    return adapter(account, http)
