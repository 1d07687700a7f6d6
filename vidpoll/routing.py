"""Which account pays for a request that names none: those that could share by weight and by what they have to do."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple

from pydantic import JsonValue

from vidpoll import catalogue, kinds, urls
from vidpoll.accounts import Account
from vidpoll.copies import fetchable_copies
from vidpoll.errors import InvalidRequest
from vidpoll.generation import GenerationRequest
from vidpoll.lanes import Load
from vidpoll.parents import Found, continued, parent_of, with_brought
from vidpoll.providers.base import NoParent, Provider
from vidpoll.services import Services
from vidpoll.urls import LookUp

log = logging.getLogger("vidpoll.routing")

#: Seconds after which a request that was routed counts half: about as long as a video takes.
HALF_LIFE_S: Final = 300.0

#: What accounts have to do, by name: asked for once, and counted on while more requests are routed.
Loads = dict[str, Load]


class Routed(NamedTuple):
    """Who pays, and the parameters that the parent brings with that account; None without a parent."""

    account: Account
    from_parent: dict[str, JsonValue] | None


class Router:
    """Picks accounts.

    Example::

        loads: Loads = {}
        names = [router.route(request, loads).account.name for request in requests]
    """

    def __init__(self, services: Services) -> None:
        self._accounts = services.accounts
        self._providers = services.providers
        self._lanes = services.lanes
        self._find = services.store.find
        self._copy_of = fetchable_copies(services.store, services.archive, services.resolver.addresses)
        self._resolver = services.resolver
        self._lately = Lately(services.clock.monotonic)

    def route(self, request: GenerationRequest, loads: Loads | None = None) -> Routed:
        """The account that is to pay. Where several could, the lanes are asked, unless ``loads`` knows them already.

        Raises:
            InvalidRequest: nobody here can make this video.
            LanesUnavailable: several accounts could pay, and Redis does not answer.
            StoreUnavailable: it has a parent, and Postgres does not answer.
        """
        parent = parent_of(request, self._find, self._copy_of)
        account = self._chosen(self._able(request, parent), loads)
        brought = continued(self._providers[account.name], request, parent)
        return Routed(account, None if isinstance(brought, NoParent) else brought)

    def _chosen(self, able: Sequence[Account], loads: Loads | None) -> Account:
        if len(able) == 1:
            return able[0]
        loads = {} if loads is None else loads
        loads |= self._lanes.loads([one.name for one in able if one.name not in loads])
        account = least_loaded(able, loads, self._lately.counts())
        self._lately.add(account.name)
        loads[account.name] = replace(loads[account.name], backlog=loads[account.name].backlog + 1)
        return account

    def _able(self, request: GenerationRequest, parent: Found) -> list[Account]:
        candidates = self._accounts.candidates(request.provider, request.model, request.account)
        problems = [self._problems(one, request, parent) for one in candidates]
        if all(problems):
            raise InvalidRequest(problems[0])
        return [one for one, its in zip(candidates, problems, strict=True) if not its]

    def _problems(self, account: Account, request: GenerationRequest, parent: Found) -> list[str]:
        """What is known to be wrong before anything is paid."""
        return problems(account, self._providers[account.name], request, parent, look_up=self._resolver.addresses)


def problems(
    account: Account, provider: Provider, request: GenerationRequest, parent: Found = None, *, look_up: LookUp
) -> list[str]:
    """Why this account cannot make it, as far as is known before anything is paid; one sentence each.

    ``look_up`` tells the addresses of names: the vendor is to fetch nothing from private networks.
    """
    has_parent, params = request.parent is not None, request.params
    found = kinds.problems(
        [account], request.provider, request.model, request.kind, params, has_parent=has_parent
    )  # fmt: skip
    brought = continued(provider, request, parent) or {}
    if isinstance(brought, NoParent):
        return [*found, f"parent: {brought.reason}"]
    if found:
        return found
    request = with_brought(request, brought)
    known = catalogue.find(request.provider, request.model)
    found += known.problems(request.params) if known else []
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


class Lately:
    """How many requests each account was given by this process; those of ``HALF_LIFE_S`` ago count half.

    Example:
        >>> now = 0.0
        >>> lately = Lately(lambda: now)
        >>> lately.add("veo")
        >>> now = HALF_LIFE_S
        >>> lately.add("veo")
        >>> lately.counts()
        {'veo': 1.5}
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._counts: dict[str, float] = {}
        self._as_of = monotonic()

    def add(self, account: str) -> None:
        """One more for this account, now."""
        with self._lock:
            self._decay()
            self._counts[account] = self._counts.get(account, 0.0) + 1.0

    def counts(self) -> dict[str, float]:
        """By account; those that were given nothing are not in it."""
        with self._lock:
            self._decay()
            return dict(self._counts)

    def _decay(self) -> None:
        now = self._monotonic()
        left = 0.5 ** ((now - self._as_of) / HALF_LIFE_S)
        self._counts = {account: count * left for account, count in self._counts.items()}
        self._as_of = now


def least_loaded(accounts: Sequence[Account], loads: Loads, lately: Mapping[str, float]) -> Account:
    """The one with the least to do for its weight; a full or paused one only if all of them are.

    What it has to do is its backlog, or what it was given lately if that is more: an account that refuses at once has
    nothing to do, and would draw all requests.
    """

    def load(account: Account) -> float:
        return (max(loads[account.name].backlog, lately.get(account.name, 0.0)) + 1) / account.weight

    free = [one for one in accounts if not _is_full(one, loads[one.name]) and not loads[one.name].paused]
    return min(free or accounts, key=load)


def _is_full(account: Account, load: Load) -> bool:
    return account.max_in_flight is not None and load.held >= account.max_in_flight
