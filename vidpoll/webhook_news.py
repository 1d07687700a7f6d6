"""What endpoints are told of an event: the bridge from the store's lines to the bodies of ``webhooks/events.py``."""

from typing import Any

from vidpoll.event_document import event_document
from vidpoll.store import GenerationNews, NewDelivery, News
from vidpoll.webhooks import events


def deliveries_of(news: News) -> list[NewDelivery]:
    """One for each endpoint that is to be told; all with one body, and one id."""
    if isinstance(news, GenerationNews):
        event_type, subject, data = f"{events.GENERATION}.{news.kind}", news.generation_id, _document(news)
    else:
        event_type, subject, data = f"{events.PROJECT}.{news.kind}", news.project_id, news.document
    event_id = events.event_id(subject, news.version, news.kind)
    body = events.body(event_type, news.at, data)
    return [NewDelivery(id, event_id, event_type, subject, news.version, body) for id in news.endpoints]


def _document(news: GenerationNews) -> dict[str, Any]:
    """As streams tell it, and by what the receiver may know it."""
    told = event_document(
        news.generation_id, version=news.version, kind=news.kind, status=news.status, data=news.data, at=news.at,
        project_id=news.project_id, of_kind=news.of_kind,
    )  # fmt: skip
    return told | {"idempotency_key": news.idempotency_key, "provider": news.provider, "model": news.model}
