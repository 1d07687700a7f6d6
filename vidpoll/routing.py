"""Which account pays for a request that names none: those that could share by weight and by what they have to do."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from vidpoll import catalogue, urls
from vidpoll.accounts import Account
from vidpoll.errors import InvalidRequest
from vidpoll.generation import GenerationRequest
from vidpoll.lanes import Load
from vidpoll.providers.base import Provider
from vidpoll.services import Services
from vidpoll.urls import LookUp

log = logging.getLogger("vidpoll.routing")

#: What accounts have to do, by name: asked for once, and counted on while more requests are routed.
Loads = dict[str, Load]


class Router:
    """Picks accounts.

    Example::

        loads: Loads = {}
        names = [router.route(request, loads).name for request in requests]
    """

    def __init__(self, services: Services) -> None:
        self._accounts = services.accounts
        self._providers = services.providers
        self._lanes = services.lanes
        self._resolver = services.resolver

    def route(self, request: GenerationRequest, loads: Loads | None = None) -> Account:
        """The account that is to pay. Where several could, the lanes are asked, unless ``loads`` knows them already.

        Raises:
            InvalidRequest: nobody here can make this video.
            LanesUnavailable: several accounts could pay, and Redis does not answer.
        """
        able = self._able(request)
        if len(able) == 1:
            return able[0]
        loads = {} if loads is None else loads
        loads |= self._lanes.loads([one.name for one in able if one.name not in loads])
        account = least_loaded(able, loads)
        loads[account.name] = replace(loads[account.name], backlog=loads[account.name].backlog + 1)
        return account

    def _able(self, request: GenerationRequest) -> list[Account]:
        candidates = self._accounts.candidates(request.provider, request.model, request.account)
        problems = [self._problems(one, request) for one in candidates]
        if all(problems):
            raise InvalidRequest(problems[0])
        return [one for one, its in zip(candidates, problems, strict=True) if not its]

    def _problems(self, account: Account, request: GenerationRequest) -> list[str]:
        """What is known to be wrong before anything is paid."""
        return problems(account, self._providers[account.name], request, look_up=self._resolver.addresses)


def problems(account: Account, provider: Provider, request: GenerationRequest, *, look_up: LookUp) -> list[str]:
    """Why this account cannot make this video, as far as is known before anything is paid; one sentence each.

    ``look_up`` tells the addresses of names: the vendor is to fetch nothing from private networks.
    """
    known = catalogue.find(request.provider, request.model)
    found = known.problems(request.params) if known else []
    named = known.urls if known else ()
    found += urls.problems(request.params, named, local=account.is_local, look_up=look_up)
    if known and known.retired(datetime.now(UTC).date()):
        words = _retired(request.model, known)
        if account.retired_models == "refuse":
            found.append(f"model: {words}")
        _warn_once(words)
    return found + provider.problems(request)


def _retired(name: str, model: catalogue.Model) -> str:
    instead = f"; the vendor names {model.replaced_by} instead" if model.replaced_by else ""
    return f"{name} was retired by its vendor on {model.retires} or later{instead}"


@cache
def _warn_once(words: str) -> None:
    log.warning("%s", words)


def least_loaded(accounts: Sequence[Account], loads: Loads) -> Account:
    """The one with the least to do for its weight; a full or paused one only if all of them are."""
    free = [one for one in accounts if not _is_full(one, loads[one.name]) and not loads[one.name].paused]
    return min(free or accounts, key=lambda one: (loads[one.name].backlog + 1) / one.weight)


def _is_full(account: Account, load: Load) -> bool:
    return account.max_in_flight is not None and load.held >= account.max_in_flight
