"""The parent of an upscale or an extend: found among its owner's generations, and made into what is sent."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from pydantic import JsonValue

from vidpoll import kinds
from vidpoll.generation import Generation, GenerationRequest
from vidpoll.providers.base import CannotContinue, NoParent, Parent, Provider
from vidpoll.results import at, first_result

#: What is known of a request's parent; None when it names none.
Found = Parent | NoParent | None


def parent_of(
    request: GenerationRequest,
    find: Callable[[Sequence[UUID]], Sequence[Generation]],
    copy_of: Callable[[Generation], str | None] = lambda _: None,
) -> Found:
    """The parent a request names, and where its copy is that is to be taken instead of its result, if there is one."""
    parent = kinds.parent_of(request, find([request.parent]) if request.parent else ())
    if parent is None or isinstance(parent, str):
        return NoParent(parent) if parent else None
    result, copy = first_result(parent), copy_of(parent)
    return Parent(
        parent.provider, str(parent.account), str(parent.operation_name), parent.kind, result,
        copy=at(parent, copy) if copy else None,
    )  # fmt: skip


def with_brought(request: GenerationRequest, brought: Mapping[str, JsonValue]) -> GenerationRequest:
    """The request as the provider is told it: with what its parent brings."""
    return request.model_copy(update={"params": {**request.params, **brought}})


def continued(provider: Provider, request: GenerationRequest, parent: Found) -> dict[str, JsonValue] | NoParent | None:
    """The parameters the parent brings; None when the request names none."""
    if parent is None or isinstance(parent, NoParent):
        return parent
    brought = provider.continue_from(request, parent)
    return NoParent(brought.reason) if isinstance(brought, CannotContinue) else brought
