"""Runware: one endpoint, every body an array of tasks, and an id of ours (``taskUUID``) that makes a submit repeatable.

The task follows from the request's kind: ``videoInference``, ``imageInference`` or ``upscale``, all of them delivered
``async`` and looked up alike. An upscale is one of its parent's video, or of that in ``params.inputs.video`` (a URL or
an id of Runware's), with one of Runware's upscale models; ``params.taskType`` = ``upscale`` asks for the same. Its
prompt is not sent, so any text will do, e.g. "upscale"; a model that takes words has them from
``params.positivePrompt``.

Wire format: Runware's "Task Polling" and error pages, and runware-sdk 1.8.0 (``client.py``, which has images made
``async`` too, ``errors.py``, ``types/task_map.py``).
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

from vidpoll.accounts import Account
from vidpoll.errors import NotConfigured
from vidpoll.generation import GenerationRequest, Kind
from vidpoll.kinds import kind_of
from vidpoll.media import Media
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import CannotContinue, Capabilities, Continued, Operation, Parent, Sent
from vidpoll.providers.http import NO_REFUSAL, Answer, Http, retry_after, understood, unusable
from vidpoll.providers.outcomes import (
    Absent,
    Ambiguous,
    CheckOutcome,
    Failed,
    FailureClass,
    Looked,
    LookUpOutcome,
    NotFound,
    Pending,
    RateLimited,
    Ready,
    Refused,
    SubmitOutcome,
    Submitted,
    Unauthorized,
    Unreachable,
)

#: Fields of the task that are ours to set.
_OURS: Final = frozenset(
    {"taskType", "taskUUID", "model", "positivePrompt", "deliveryMethod", "outputType", "webhookURL"}
)
#: The task of each kind.
_TASKS: Final[Mapping[Kind, str]] = {"video": "videoInference", "image": "imageInference", "upscale": "upscale"}
#: What an upscale may say for itself.
_UPSCALES_OWN: Final = frozenset({"taskType", "positivePrompt"})
_CONFLICT: Final = "conflictTaskUUID"
_RESULTS: Final = "numberResults"
#: Parts of an error code that mean the same request may work later, and whole codes (runware-sdk ``derive_code``).
_PASSING: Final = ("timeout", "provider", "ratelimit", "internal", "unavailable")
_PASSING_CODES: Final = frozenset({
    "inferenceError", "processingFailed", "taskFailed", "downloadFailed", "uploadFailed", "noAvailableServer",
    "modelNotReady", "modelDisabled", "standardError", "unknownError", "undefinedError", "defaultError",
    "unrecognizedResponse",
})  # fmt: skip
#: Parts that mean the account is refused, its key or its balance; and whole codes. (A provider's own key is not ours.)
_ACCOUNT: Final = ("apikey", "credits", "quota", "balance")
_ACCOUNT_CODES: Final = frozenset({
    "unauthorized", "forbidden", "permissionDenied", "insufficientPermissions", "authenticationFailed", "authFailed",
    "authTimeout", "invalidAuthentication", "invalidCredentials", "missingAuthentication", "tokenExpired",
    "tokenInvalid", "tokenMissing", "tokenRevoked", "accountSuspended", "accountDisabled", "organizationSuspended",
    "organizationDisabled", "workspaceSuspended", "workspaceDisabled", "paymentRequired",
})  # fmt: skip
#: Words of a task that has not ended; ``success`` without its URL is one of them.
_STAGES: Final = frozenset({"queued", "pending", "processing", "success"})
#: Those of one that has not begun: the documents know none, runware 0.5.24 (``base.py``) knows these.
_WAITING: Final = frozenset({"queued", "pending"})
_MODERATED: Final = ("content", "nsfw", "moderation", "promptblocked", "imageblocked")


class Runware(Adapter):
    """One Runware account.

    Several ids go into one status call. The vendor documents arrays of tasks in general, not this one literally;
    ``options.check_batch = "1"`` in the providers file goes back to one id per call.
    """

    options = frozenset({"check_batch"})

    def __init__(self, account: Account, http: Http) -> None:
        super().__init__(account, http)
        self.capabilities = Capabilities(
            client_supplied_id=True,
            check_batch=_check_batch(account),
            look_up=True,
            progress=True,
            results_param=_RESULTS,
            webhook="unsigned",
        )

    def problems(self, request: GenerationRequest) -> list[str]:
        """Parameters that would overwrite what vidpoll sets itself; an upscale of nothing."""
        ours = _OURS - _UPSCALES_OWN if _is_upscale(request) else _OURS
        found = [f"params.{name}: is set by vidpoll" for name in sorted(ours & request.params.keys())]
        return [*found, *_upscale_problems(request)] if _is_upscale(request) else found

    def continue_from(self, request: GenerationRequest, parent: Parent) -> Continued:
        """An upscale takes a video by its address, whoever made it."""
        inputs = request.params.get("inputs", {})
        if not isinstance(inputs, dict) or "video" in inputs:
            return CannotContinue("params.inputs.video names another one")
        if parent.fetched is None:
            return CannotContinue("the address of its result does not work any more")
        if parent.fetched.kind != "video":
            return CannotContinue("it is an image, and an upscale here begins with a video")
        if not parent.fetched.url.startswith(("https://", "http://")):
            return CannotContinue("its result is not on the web, where Runware would fetch it")
        return {"inputs": {**inputs, "video": parent.fetched.url}}

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """POST one task under an id derived from ours."""
        task_uuid, callback = task_uuid_of(our_id), self._account.callback_url(our_id)
        prompt = {} if _is_upscale(request) else {"positivePrompt": request.prompt}
        task = {
            "includeCost": True, **request.params, **prompt,
            "taskType": _TASKS[_kind(request)],
            "taskUUID": task_uuid, "model": request.model, "deliveryMethod": "async", "outputType": "URL",
            **({"webhookURL": callback} if callback else {}),
        }  # fmt: skip
        return self.send("", [task], partial(_submitted, task_uuid=task_uuid, replay=replay))

    def check(self, operations: Sequence[Operation]) -> dict[str, Looked]:
        """One POST of ``getResponse`` tasks for all of them."""
        tasks = [{"taskType": "getResponse", "taskUUID": operation.name} for operation in operations]
        answer = self.ask("POST", "", tasks)
        if not isinstance(answer, Answer):
            return dict.fromkeys((operation.name for operation in operations), answer)
        blocked = _blocked(answer)
        if blocked:
            return dict.fromkeys((operation.name for operation in operations), blocked)
        body = answer.object()
        return {one.name: understood(answer, partial(_outcome, body, one)) for one in operations}

    def check_one(self, operation: Operation) -> Looked:
        """The same for one."""
        return self.check([operation])[operation.name]

    def look_up(self, sent: Sent, cursor: str | None) -> LookUpOutcome:
        """``getTaskDetails`` of the id the submit carried: Runware keeps request and response under it."""
        task_uuid = task_uuid_of(sent.our_id)
        answer = self.ask("POST", "", [{"taskType": "getTaskDetails", "taskUUID": task_uuid}])
        return _looked_up(answer, task_uuid) if isinstance(answer, Answer) else answer


def _kind(request: GenerationRequest) -> Kind:
    return kind_of(request.provider, request.model, request.kind, request.params)


def _is_upscale(request: GenerationRequest) -> bool:
    return _kind(request) == "upscale"


def _upscale_problems(request: GenerationRequest) -> list[str]:
    inputs = request.params.get("inputs")
    video = inputs.get("video") if isinstance(inputs, dict) else None
    found = [] if isinstance(video, str) and video else ["params.inputs.video: an upscale needs a video, by URL or id"]
    # Several results would be waited for in vain: an upscale has one.
    return found + ([f"params.{_RESULTS}: an upscale has one result"] if _RESULTS in request.params else [])


def _check_batch(account: Account) -> int:
    written = account.options.get("check_batch", "20")
    if not written.isascii() or not written.isdigit() or not 1 <= int(written) <= 100:
        raise NotConfigured(f"account {account.name}: options.check_batch is {written!r}; it must be 1 to 100")
    return int(written)


def task_uuid_of(our_id: UUID) -> str:
    """The ``taskUUID`` of a generation: always the same one, in the shape of a version 4 UUID.

    Example:
        >>> UUID(task_uuid_of(UUID(int=7))).version
        4
    """
    digest = hashlib.sha256(b"vidpoll runware " + our_id.bytes).digest()
    return str(UUID(bytes=digest[:16], version=4))


def _submitted(answer: Answer, *, task_uuid: str, replay: bool) -> SubmitOutcome:
    body = answer.object()
    if any(item.get("taskUUID") == task_uuid for item in _dicts(body.get("data"))):
        return Submitted(task_uuid)
    errors = _dicts(body.get("errors"))
    if any(error.get("code") == _CONFLICT for error in errors):
        # Our own earlier call was taken, though its answer never reached us.
        return Submitted(task_uuid) if replay else Ambiguous("Runware already knows the taskUUID of a first call")
    refusal = _of_the_account(answer, errors)
    if refusal:
        return refusal
    if answer.status in NO_REFUSAL:
        return Ambiguous(f"HTTP {answer.status}")
    if any(_passes(str(error.get("code", ""))) for error in errors):
        # Runware may be at it all the same; a replay under our id finds out.
        return Ambiguous(_words(errors, "no acknowledgement"))
    told = next((error for error in errors if error.get("code")), None)
    if told and answer.status < 500:
        return Refused(_code(told), _words(errors, "refused"))
    if 400 <= answer.status < 500:
        return Refused("refused", _words(errors, f"HTTP {answer.status}"))
    return Ambiguous(f"HTTP {answer.status} without an acknowledgement")


def _looked_up(answer: Answer, task_uuid: str) -> LookUpOutcome:
    """Runware has the task; or says under our id that it has not; or says nothing of use."""
    body = answer.object()
    if any(item.get("taskUUID") == task_uuid for item in _dicts(body.get("data"))):
        return Submitted(task_uuid)
    errors = _dicts(body.get("errors"))
    refusal = _of_the_account(answer, errors)
    if refusal:
        return refusal
    about_it = [error for error in errors if error.get("taskUUID") == task_uuid]
    said_so = answer.status < 500 and any("notfound" in str(error.get("code", "")).lower() for error in about_it)
    if said_so or (answer.status == 200 and not errors and body.get("data") == []):
        return Absent()
    return unusable(answer, _words(errors, ""))


def _blocked(answer: Answer) -> CheckOutcome | None:
    """An answer that says nothing about any operation."""
    body = answer.object()
    of_the_call = [error for error in _dicts(body.get("errors")) if not error.get("taskUUID")]
    refusal = _of_the_account(answer, of_the_call)
    if refusal:
        return refusal
    if of_the_call and not body.get("data"):
        return Unreachable(_words(of_the_call, "the call was refused"))
    if answer.status >= 500 or not ("data" in body or "errors" in body):
        return unusable(answer)
    return None


def _of_the_account(answer: Answer, errors: list[dict[str, Any]]) -> RateLimited | Unauthorized | None:
    """A refusal that concerns every call of the account: told by the HTTP status, or by a code under any status."""
    codes = [str(error.get("code", "")) for error in errors]
    all_of_them = " ".join(codes).lower()
    if answer.status == 429 or "ratelimit" in all_of_them:
        return RateLimited(retry_after(answer.headers))
    named = not _ACCOUNT_CODES.isdisjoint(codes) or any(part in all_of_them for part in _ACCOUNT)
    return Unauthorized(_words(errors, f"HTTP {answer.status}")) if named or answer.status in (401, 402, 403) else None


def _passes(code: str) -> bool:
    return code in _PASSING_CODES or any(part in code.lower() for part in _PASSING)


def _outcome(body: Mapping[str, Any], operation: Operation) -> CheckOutcome:
    """What the (cumulative) answer says of one task: every result it asked for has come, failed, or is being made."""
    items = [item for item in _dicts(body.get("data")) if item.get("taskUUID") == operation.name]
    told = [error for error in _dicts(body.get("errors")) if error.get("taskUUID") == operation.name]
    of_the_look = next(
        (error for error in told if error.get("taskType") == "getResponse" or _is_not_found(error)), None
    )
    if of_the_look and not items:
        return _not_told(of_the_look)
    errors = told or [_nested(item) for item in items if item.get("status") == "error"]
    done = [item for item in items if item.get("status") == "success" and _url(item)]
    if not items and not errors:
        # An id it never saw and one that still waits look the same here; the deadline bounds both.
        return Pending(stage="queued")
    asked_for = operation.params.get(_RESULTS, 1)
    missing = (asked_for if isinstance(asked_for, int) else 1) - len(done) - len(errors)
    running = any(item not in done and item.get("status") != "error" for item in items)
    # An error of a whole task is told once, however many results were asked for.
    if running or (missing > 0 and (done or not errors)):
        progress = [item["progress"] for item in items if isinstance(item.get("progress"), int)]
        words = [str(item.get("status", "processing")) for item in items if item not in done]
        stages = [word for word in words if word != "error"]
        unknown = [stage for stage in stages if stage not in _STAGES]
        if unknown:
            return Unreachable(f"unknown status {unknown[0]!r}", FailureClass.UNKNOWN_STATUS)
        waiting = bool(stages) and not done and _WAITING.issuperset(stages)
        return Pending(max(progress, default=None), stages[0] if stages else "processing", queued=waiting)
    if not done:
        code = _code(errors[0])
        return Failed(code, _words(errors, "failed"), retryable=_passes(code))
    return _ready(done, errors, operation)


def _is_not_found(error: Mapping[str, Any]) -> bool:
    return "notfound" in str(error.get("code", "")).lower()


def _not_told(error: dict[str, Any]) -> CheckOutcome:
    """What an error of the look, not of the task, says of it: nothing."""
    if _is_not_found(error):
        return NotFound(_words([error], "not found"))
    return _of_the_account(Answer(200, {}, b""), [error]) or Unreachable(_words([error], "the look was refused"))


def _ready(done: list[dict[str, Any]], errors: list[dict[str, Any]], operation: Operation) -> Ready:
    costs = [float(item["cost"]) for item in done if isinstance(item.get("cost"), int | float)]
    ready = Ready(
        seed=done[0].get("seed") if isinstance(done[0].get("seed"), int) else None,
        # The vendor sometimes reports 0 for what it does charge.
        cost=sum(costs) if sum(costs) > 0 else None,
        notes=tuple(_words([error], "failed") for error in errors),
    )
    return ready.of([Media.of(_url(item), asked="image" if "imageURL" in item else operation.kind) for item in done])


def _url(item: Mapping[str, Any]) -> str:
    """The result's address, whatever the task type calls it: ``videoURL``, ``imageURL``, ``mediaURL``."""
    return next((str(value) for name, value in item.items() if name.endswith("URL") and value), "")


def _nested(item: Mapping[str, Any]) -> dict[str, Any]:
    error = item.get("error")
    return error if isinstance(error, dict) else dict(item)


def _code(error: Mapping[str, Any]) -> str:
    code = str(error.get("code") or "failed")
    return "content_filtered" if any(part in code.lower() for part in _MODERATED) else code


def _words(errors: list[dict[str, Any]], otherwise: str) -> str:
    return "; ".join(str(error.get("message") or error.get("code") or otherwise) for error in errors) or otherwise


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


ADAPTER = Runware
