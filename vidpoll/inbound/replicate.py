"""Replicate's webhooks: the prediction as it is, signed as Standard Webhooks are.

``GET /v1/webhooks/default/secret`` tells the secret. Source: Replicate's pages on receiving and verifying webhooks.
"""

from typing import Final

from vidpoll.inbound.base import Post, Rejected, Verdict, verdict
from vidpoll.inbound.standard import signed

_ENDED: Final = frozenset({"succeeded", "failed", "canceled", "aborted"})


def verify(post: Post, secret: str) -> Verdict:
    """Whether it was signed with the account's secret."""
    id = signed(post, secret)
    if isinstance(id, Rejected):
        return id
    prediction = post.said()
    return verdict(prediction.get("id"), id, ended=prediction.get("status") in _ENDED)
