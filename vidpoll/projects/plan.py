"""What is asked for with a project, checked as a whole: everything that is wrong is told at once."""

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from vidpoll import catalogue, kinds, urls
from vidpoll.accounts import Account, Accounts
from vidpoll.errors import InvalidRequest, UnknownTarget
from vidpoll.generation import CONTINUING, A, Kind, Name, Params, Priority, Prompt, TimeoutS, problems_in
from vidpoll.projects.references import broken, parent_reference, within

#: Steps a project may have.
STEPS_LIMIT: Final = 1000
#: Longest pause between two starts, seconds.
PACE_LIMIT_S: Final = 3600.0
#: Problems told at once.
PROBLEMS_LIMIT: Final = 100
#: What every generation needs, and a local step has no use for.
_NEEDED: Final = ("provider", "model", "prompt")
_OF_GENERATIONS: Final = (*_NEEDED, "kind", "parent", "account", "priority", "timeout_s")

Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]


class StepRequest(BaseModel):
    """One step: a generation or, with ``local``, something that is done here and costs nothing.

    Attributes:
        key: its name in the project: letters, digits, ``_`` and ``-``.
        provider, model, prompt, kind, account, priority, timeout_s: as in :class:`vidpoll.GenerationRequest`.
        parent: of an upscale or an extend: a generation's id, or ``{"from": KEY}``, the one of that step, which this
            step waits for.
        params: the provider's own parameters. ``{"from": KEY, "path": "videos.0.url"}``, at any depth, stands for what
            that step's result has there, and makes this step wait for it.
        after: keys of steps that must be completed before.
        weight: its share of the project's progress.
        title: what is being done while it runs, in words, e.g. "Animating scene 2 of 5".
        local: ``collect``: the result is ``params``, references replaced.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    key: Key
    provider: Name | None = None
    model: Name | None = None
    prompt: Prompt | None = None
    kind: Kind = "video"
    parent: Annotated[str | dict[str, str] | None, BeforeValidator(parent_reference)] = None
    account: Name | None = None
    params: Params = Field(default_factory=dict)
    priority: Priority = 0
    timeout_s: TimeoutS | None = None
    after: list[Key] = Field(default_factory=list)
    weight: float = Field(default=1.0, gt=0, le=1e6, allow_inf_nan=False)
    title: Name | None = None
    local: Literal["collect"] | None = None

    @property
    def needs(self) -> list[str]:
        """Keys of the steps it waits for: those named in ``after``, and those whose results it takes."""
        parent = [self.parent_step] if self.parent_step else []
        return list(dict.fromkeys([*self.after, *parent, *(one.key for one in within(self.params))]))

    @property
    def parent_step(self) -> str | None:
        """The key of the step that is its parent, if one is."""
        return self.parent["from"] if isinstance(self.parent, dict) else None


class ProjectRequest(BaseModel):
    """A project asked for. Checked as a whole when it is made: wrong values raise, nothing is coerced.

    Attributes:
        name: for people.
        owner: who asks; scopes ``idempotency_key``, and who may read.
        max_parallel: most steps at work at once; all that can be if not given.
        pace_s: seconds there are, at least, between two starts.
        on_failure: ``continue``: only what depends on a failed step is skipped; ``stop``: nothing new is started.
        idempotency_key: the same owner and key give the same project; made from the steps if not given.
        steps: 1 to 1000, in the order in which they are started as far as their dependencies allow.

    Raises:
        InvalidRequest: naming everything that is wrong, each as ``steps.KEY.field``.

    Example:
        >>> clip = {"key": "clip", "provider": "runware", "model": "google:3@3", "prompt": "a lion"}
        >>> ProjectRequest(name="a lion", steps=[clip]).steps[0].key
        'clip'
        >>> ProjectRequest(name="a lion", steps=[{**clip, "model": "", "after": ["cub"]}])
        Traceback (most recent call last):
        vidpoll.errors.InvalidRequest: steps.clip.model: string should have at least 1 character
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: Name
    owner: Name = "default"
    max_parallel: int | None = Field(default=None, ge=1, le=STEPS_LIMIT)
    pace_s: float = Field(default=0.0, ge=0, le=PACE_LIMIT_S, allow_inf_nan=False)
    on_failure: Literal["continue", "stop"] = "continue"
    idempotency_key: Name | None = None
    steps: list[StepRequest]

    if not TYPE_CHECKING:  # type checkers know the fields from the class

        def __init__(self, /, **fields: Any) -> None:
            problems, steps = [], fields.get("steps")
            if isinstance(steps, Sequence) and not isinstance(steps, str | bytes):
                fields["steps"], problems = _read_steps(steps)
            try:
                super().__init__(**fields)
            except ValidationError as error:
                problems = [*problems_in(error), *problems]
            if problems:
                raise InvalidRequest(_shortened(problems))

    @classmethod
    def checked(cls, fields: Mapping[str, Any]) -> "ProjectRequest":
        """The project in ``fields``, or :class:`InvalidRequest` naming every problem."""
        return cls(**fields)

    def fingerprint(self) -> str:
        """SHA-256 of everything but the key: equal for equal projects. Fields at their default are left out."""
        return _sha256(self.model_dump(mode="json", exclude={"idempotency_key"}, exclude_defaults=True))

    def steps_key(self) -> str:
        """The idempotency key where none is given: of the steps alone, so that no other option has them paid twice."""
        return f"steps:{_sha256(self.model_dump(mode='json', include={'steps'}, exclude_defaults=True))}"


def _sha256(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def check_targets(project: ProjectRequest, accounts: Accounts) -> None:
    """Refuse what nobody here can make, as far as accounts and catalogue tell.

    Values that references bring are not known yet, and are not checked.

    Raises:
        UnknownTarget: there is no such provider, model or account; whatever else is wrong is told with it.
        InvalidRequest: parameters are wrong.
    """
    unknown, problems = False, []
    for step in project.steps:
        if step.local is None:
            try:
                found = _params_problems(step, accounts.candidates(str(step.provider), str(step.model), step.account))
            except UnknownTarget as error:
                unknown, found = True, list(error.problems)
            problems += [f"steps.{step.key}.{words}" for words in found]
    if problems:
        raise (UnknownTarget if unknown else InvalidRequest)(_shortened(problems))


def _params_problems(step: StepRequest, able: Sequence[Account]) -> list[str]:
    known = catalogue.find(str(step.provider), str(step.model))
    fixed = {name: value for name, value in step.params.items() if not any(within(value))}
    brought = tuple(f"params.{name}:" for name in step.params.keys() - fixed.keys())
    provider, model = str(step.provider), str(step.model)
    problems = kinds.problems(able, provider, model, step.kind, step.params, has_parent=step.parent is not None)
    found = known.problems(step.params, brought=kinds.brought(known, step.kind, step.parent)) if known else []
    problems += [words for words in found if not words.startswith(brought)]
    local = any(account.is_local for account in able)
    return problems + urls.problems(fixed, known.urls if known else (), local=local)


# -- the steps ----------------------------------------------------------------------------------------------------


def _read_steps(given: Sequence[Any]) -> tuple[list[StepRequest], list[str]]:
    """The steps that can be read, and what is wrong with the others and with all of them together."""
    if not 1 <= len(given) <= STEPS_LIMIT:
        return [], [f"steps: must be 1 to {STEPS_LIMIT}, not {len(given)}"]
    steps, problems = [], []
    for place, fields in enumerate(given):
        try:
            step = fields if isinstance(fields, StepRequest) else StepRequest.model_validate(fields)
        except ValidationError as error:
            problems += [f"steps.{_named(fields, place)}.{words}" for words in problems_in(error)]
        else:
            steps.append(step)
            problems += [f"steps.{step.key}.{words}" for words in _kind_problems(step)]
    keys = [key for fields in given if isinstance(key := _key(fields), str)]
    return steps, [*problems, *_together(steps, keys)]


def _key(fields: object) -> object:
    return fields.key if isinstance(fields, StepRequest) else fields.get("key") if isinstance(fields, Mapping) else None


def _named(fields: object, place: int) -> str:
    """A step's key where it has one that can be told, else its place."""
    key = _key(fields)
    return key if isinstance(key, str) and 0 < len(key) <= 100 and key.isascii() and key.isprintable() else str(place)


def _kind_problems(step: StepRequest) -> Iterator[str]:
    if step.local:
        given = (name for name in _OF_GENERATIONS if name in step.model_fields_set)
        yield from (f"{name}: a local step has none" for name in given)
    else:
        yield from (f"{name}: field required" for name in _NEEDED if getattr(step, name) is None)
        if step.parent is not None and step.kind not in CONTINUING:
            yield f"parent: only an upscale or an extend has one, not {A[step.kind]}"


def _together(steps: Sequence[StepRequest], keys: Sequence[str]) -> Iterator[str]:
    for key, times in Counter(step.key for step in steps).items():
        if times > 1:
            yield f"steps.{key}: there are {times} steps of this key"
    known, local = set(keys), {step.key for step in steps if step.local}
    images = {step.key for step in steps if step.kind == "image"}
    for step in steps:
        if step.parent_step and step.parent_step not in known:
            yield f"steps.{step.key}.parent: there is no step {step.parent_step!r}"
        if step.parent_step in local:
            yield f"steps.{step.key}.parent: {step.parent_step} is a local step, which generates nothing"
        if step.parent_step in images and step.kind in CONTINUING:
            words = f"{step.parent_step} makes an image, and {A[step.kind]} begins with a video"
            yield f"steps.{step.key}.parent: {words}"
        yield from (f"steps.{step.key}.after: there is no step {key!r}" for key in step.after if key not in known)
        taken = {one.key for one in within(step.params)} - known
        yield from (f"steps.{step.key}.params: there is no step {key!r} to take a result from" for key in sorted(taken))
        yield from (
            f"steps.{step.key}.{at}: is no reference: one has `from` and `path`, both texts, and nothing else"
            for at in broken(step.params, known, "params")
        )
    if cycle := _cycle({step.key: step.needs for step in steps}):
        yield f"steps: wait for one another: {' → '.join([*cycle, cycle[0]])}"


def _cycle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Steps that wait for one another in a ring; none if there is no such ring."""
    left = needs.keys() - set(order(needs))
    if not left:
        return []
    path: list[str] = []
    key = min(left)
    while key not in path:  # each that is left waits for another that is left
        path.append(key)
        key = min(left & set(needs[key]))
    return path[path.index(key) :]


def _shortened(problems: list[str]) -> list[str]:
    more = len(problems) - PROBLEMS_LIMIT
    return problems if more <= 0 else [*problems[:PROBLEMS_LIMIT], f"steps: {more} more problems"]


def order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The keys, each behind those that it needs, else as they are; those that can never be reached are left out.

    Kahn's algorithm; of the keys that could be next, the first one given is.

    Example:
        >>> order({"a": ["c"], "b": [], "c": []})
        ['b', 'c', 'a']
    """
    places = {key: place for place, key in enumerate(needs)}
    keys = list(needs)
    left = {key: {one for one in its if one in needs} for key, its in needs.items()}
    behind: dict[str, list[str]] = {key: [] for key in keys}
    for key, its in left.items():
        for one in its:
            behind[one].append(key)
    free = [places[key] for key, its in left.items() if not its]
    done = []
    while free:
        key = keys[heapq.heappop(free)]
        done.append(key)
        for other in behind[key]:
            left[other].discard(key)
            if not left[other]:
                heapq.heappush(free, places[other])
    return done


def json_object(text: str) -> dict[str, JsonValue]:
    """The object in a project file.

    Raises:
        InvalidRequest: it is no JSON, or no object.
    """
    if not text.strip():
        raise InvalidRequest(["project: is empty"])
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest([f"project: not valid JSON: {error}"]) from None
    if not isinstance(found, dict):
        raise InvalidRequest([f"project: must be a JSON object: {{…}}, not {text.strip()[:20]}"])
    return found
