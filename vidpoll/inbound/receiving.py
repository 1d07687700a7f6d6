"""From a POST of somebody to a wake: the account it is for, whether it is genuine, whether it tells anything.

Nothing is read of generations in here, so that no answer can tell whether there is one; a worker finds it out.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Literal
from uuid import UUID

from vidpoll.accounts import Account, Accounts
from vidpoll.inbound import fal, openai_videos, replicate, unsigned
from vidpoll.inbound.base import FORGED, MALFORMED, Post, Reason, Rejected, Verdict, Verified
from vidpoll.inbound.jwks import Jwks, jwks_at

#: What becomes of a POST: handed on, known already, of no end; or refused, and why.
Received = Literal["accepted", "duplicate", "progress"] | Reason
#: Deliveries that a process knows again without asking anybody, at most.
REMEMBERED: Final = 10_000

#: ``account, operation, delivery, generation``: tells workers.
Wake = Callable[[str, str, str, UUID | None], None]


class Receiving:
    """Receives webhooks for all accounts. Safe to use from many threads.

    Args:
        wake: hands on what is genuine.
        jwks: the public keys at a URL.
    """

    def __init__(self, accounts: Accounts, wake: Wake, jwks: Callable[[str], Jwks] = jwks_at) -> None:
        self._accounts = accounts
        self._wake = wake
        self._make_jwks = jwks
        self._jwks: dict[str, Jwks] = {}
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def account(self, provider: str, name: str) -> Account | None:
        """The account whose webhooks are wanted; None when there is none of this name and provider."""
        found = self._accounts.get(name)
        wanted = found is not None and found.provider == provider and found.webhooks and provider in VERIFIERS
        return found if wanted else None

    def receive(self, account: Account, post: Post, generation: str | None, token: str | None) -> Received:
        """Have a worker look, if the vendor says that something has ended.

        Raises:
            Unavailable: it cannot be verified now, or nobody can be told; the vendor sends it again.
            NotConfigured: what it is signed with is not set.
        """
        id = self._named(account, generation, token)
        if isinstance(id, Rejected):
            return id.reason
        match self._verified(account, post):
            case Rejected(reason):
                return reason
            case Verified(ended=False):
                return "progress"
            case Verified(operation, delivery):
                # An address is for one generation, so the same body at another is another delivery.
                known = account.name, f"{delivery}{id.hex if id else ''}"
                if self._is_known(known):
                    return "duplicate"
                self._wake(account.name, operation, known[1], id)
                self._remember(known)
                return "accepted"

    def _named(self, account: Account, generation: str | None, token: str | None) -> UUID | Rejected | None:
        """The generation that the address names; None for an address that a person registered at the vendor."""
        if account.provider in REGISTERED:
            return None
        try:
            id = UUID(generation or "")
        except ValueError:
            return MALFORMED
        makes = account.callbacks
        return id if makes and makes.made(account.name, id, token or "") else FORGED

    def _verified(self, account: Account, post: Post) -> Verdict:
        return VERIFIERS[account.provider](self, account, post)

    def _fal(self, account: Account, post: Post) -> Verdict:
        """One that no known key signed may be signed by a new one."""
        jwks = self._jwks_of(account)
        found = fal.verify(post, jwks.keys())
        return fal.verify(post, jwks.newer()) if found == FORGED else found

    def _jwks_of(self, account: Account) -> Jwks:
        url = account.options.get("jwks_url", "")
        whole = account.base_url.rstrip("/") + url if url.startswith("/") else url
        with self._lock:
            if whole not in self._jwks:
                self._jwks[whole] = self._make_jwks(whole)
            return self._jwks[whole]

    def _replicate(self, account: Account, post: Post) -> Verdict:
        return replicate.verify(post, account.webhook_key())

    def _openai_videos(self, account: Account, post: Post) -> Verdict:
        return openai_videos.verify(post, account.webhook_key())

    # -- what came before: the workers know for sure, this spares them floods ------------------------------------------

    def _is_known(self, delivery: tuple[str, str]) -> bool:
        with self._lock:
            return delivery in self._seen

    def _remember(self, delivery: tuple[str, str]) -> None:
        with self._lock:
            self._seen[delivery] = None
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)


#: How each vendor's are verified.
VERIFIERS: Final[dict[str, Callable[[Receiving, Account, Post], Verdict]]] = {
    "fal": Receiving._fal,
    "replicate": Receiving._replicate,
    "openai_videos": Receiving._openai_videos,
    "runware": lambda _, __, post: unsigned.runware(post),
    "luma": lambda _, __, post: unsigned.luma(post),
    "kling": lambda _, __, post: unsigned.kling(post),
}
#: Vendors at which a person registers the address of the account.
REGISTERED: Final = frozenset({"openai_videos"})
#: Vendors that sign with a secret of the account.
WITH_SECRET: Final = frozenset({"replicate", "openai_videos"})
