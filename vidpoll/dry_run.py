"""What would be sent to the provider for a request: found out by the same code that sends it, without sending it."""

import json
from dataclasses import dataclass
from uuid import uuid4

from pydantic import JsonValue, SecretStr

from vidpoll.accounts import Account, Accounts
from vidpoll.errors import InvalidRequest, NotConfigured
from vidpoll.generation import GenerationRequest
from vidpoll.parents import Found, continued, with_brought
from vidpoll.providers import adapter_of
from vidpoll.providers.base import NoParent
from vidpoll.providers.recording import Recording
from vidpoll.redact import headers_shown, redacted, without_keys
from vidpoll.resolving import Resolver
from vidpoll.routing import problems


@dataclass(frozen=True, slots=True)
class Preview:
    """The call that would be made, without the key.

    Attributes:
        account: who would pay; of several that could, the first in the providers file.
        missing: why the key cannot be read, if it cannot; the headers then say so in its place.
    """

    account: str
    method: str
    url: str
    headers: dict[str, str]
    body: JsonValue
    missing: str | None = None


def preview(accounts: Accounts, request: GenerationRequest, parent: Found = None) -> Preview:
    """The paid call of ``request``, whose parent is given as found.

    It asks name servers about addresses in ``params``, and nobody else.

    Raises:
        InvalidRequest: nobody here can make this video.
        NotConfigured: an account cannot work as it is set up.
    """
    refusals = []
    for account in accounts.candidates(request.provider, request.model, request.account):
        found = _preview(account, request, parent)
        if isinstance(found, Preview):
            return found
        refusals.append(found)
    raise InvalidRequest(refusals[0])


def _preview(account: Account, request: GenerationRequest, parent: Found) -> Preview | list[str]:
    """The call this account would make; or why it would make none."""
    missing = _missing(account)
    http = Recording(account.base_url)
    adapter = adapter_of(_with_words_for_the_key(account) if missing else account, http)
    found = problems(account, adapter, request, parent, look_up=Resolver().addresses)
    if found:
        return found
    brought = continued(adapter, request, parent)
    sent = request if brought is None or isinstance(brought, NoParent) else with_brought(request, brought)
    outcome = adapter.submit(sent, request.id or uuid4(), replay=False)
    if not http.calls:
        raise NotConfigured(f"account {account.name} would send nothing: {redacted(str(outcome))}")
    call = http.calls[0]
    headers = {str(name): str(value) for name, value in call.headers.items()}
    body = call.body.decode() if isinstance(call.body, bytes) else call.body or "null"
    return Preview(
        account=account.name,
        method=str(call.method),
        url=redacted(str(call.url)),
        headers=_shown(headers, _words_for_the_key(account) if missing else None),
        body=json.loads(without_keys(str(body))),
        missing=missing,
    )


def _shown(headers: dict[str, str], words: str | None) -> dict[str, str]:
    """Without keys; where the words stand in place of one there is none."""
    shown = headers_shown(headers)
    return {name: value if words and words in value else shown[name] for name, value in headers.items()}


def _missing(account: Account) -> str | None:
    if account.http is not None and not account.http.uses_key:
        return None
    try:
        account.key()
    except NotConfigured as error:
        return str(error)
    return None


def _words_for_the_key(account: Account) -> str:
    return f"<{account.api_key_env} is not set>" if account.api_key_env else f"<{account.api_key_file} cannot be read>"


def _with_words_for_the_key(account: Account) -> Account:
    words = _words_for_the_key(account)
    return account.model_copy(update={"api_key": SecretStr(words), "api_key_env": None, "api_key_file": None})
