"""What is wrong with the kind of a request, and with the parent it names, before anything is paid. Pure."""

from collections.abc import Collection, Iterable, Mapping

from pydantic import JsonValue

from vidpoll import catalogue
from vidpoll.accounts import Account
from vidpoll.generation import CONTINUING, A, Generation, GenerationRequest, Kind, Status


def kind_of(provider: str, model: str, kind: Kind, params: Mapping[str, JsonValue]) -> Kind:
    """What is really asked for: an upscale can be asked for in the vendors' own ways, without a word of its kind.

    Those are Runware's parameter ``taskType``, and the parameter that says what to begin with of a model that makes
    nothing new.

    Example:
        >>> kind_of("runway", "magnific_video_upscaler_creative", "video", {"videoUri": "https://v/1.mp4"})
        'upscale'
    """
    known = catalogue.find(provider, model)
    if kind != "video" or (known and "video" in known.kinds):
        return kind
    if provider == "runware" and params.get("taskType") == "upscale":
        return "upscale"
    begun = (one for one, name in known.begins_with.items() if name in params) if known else iter(())
    return next(begun, kind)


def parent_of(request: GenerationRequest, found: Iterable[Generation]) -> Generation | str | None:
    """The parent among what was ``found``, or why it is none; None when the request names none.

    Another owner's is told in the words of one that is not there.
    """
    if request.parent is None:
        return None
    parent = next((one for one in found if one.id == request.parent and one.owner == request.owner), None)
    if parent is None:
        return f"there is no generation {request.parent}"
    if parent.status is not Status.COMPLETED:
        return f"{parent.id} is {parent.status}: only what is completed can be continued"
    return parent


def brought(model: catalogue.Model | None, kind: Kind, parent: object) -> Collection[str]:
    """The parameters a parent is going to bring, if there is one."""
    return {model.begins_with[kind]} if model and parent and kind in model.begins_with else ()


def problems(
    accounts: Collection[Account], provider: str, model: str, kind: Kind, params: Mapping[str, JsonValue], *,
    has_parent: bool,
) -> list[str]:  # fmt: skip
    """Why none of these accounts could make it, by what they and the catalogue say of the model; a sentence each."""
    asked, found = kind_of(provider, model, kind, params), []
    makes = [_makes(account, model) for account in accounts]
    if makes and all(asked not in kinds for kinds in makes):
        able = dict.fromkeys(one for kinds in makes for one in kinds)
        found.append(f"kind: {model} makes {' or '.join(A[one] for one in able) or 'nothing'}, not {A[asked]}")
    if kind in CONTINUING and not has_parent:
        known = catalogue.find(provider, model)
        own = known.begins_with.get(kind) if known else None
        if own is None:
            found.append(f"parent: {A[kind]} needs one")
        elif own not in params:
            found.append(f"parent: {A[kind]} needs one, or params.{own}")
    return found


def _makes(account: Account, model: str) -> list[Kind]:
    """What the account says the model makes, if it says so, as far as its provider makes that with any model at all.

    What a provider has no call for would be asked for with another one, and paid: a video instead of an image.
    """
    has_calls_for = catalogue.kinds_of(account.provider) or A.keys()
    return [one for one in account.policy(model).kinds or A if one in has_calls_for]
