"""Errors as problem documents (RFC 9457), with a stable ``code`` and nothing of the inside."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidpoll.errors import (
    EndpointNotFound,
    GenerationNotFound,
    IdempotencyConflict,
    InvalidRequest,
    NotConfigured,
    ProjectNotFound,
    Unavailable,
    UnknownTarget,
    VidpollError,
    WrongState,
)

log = logging.getLogger("vidpoll.api")

MEDIA_TYPE: Final = "application/problem+json"
#: Seconds after which a client may try again when a server of ours is away.
UNAVAILABLE_S: Final = 5


class Problem(BaseModel):
    """A problem document, as the OpenAPI document describes it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[str] | None = None


class Refusal(Exception):
    """An answer that is a problem.

    Attributes:
        status: the HTTP status.
        code: stable word for machines.
        detail: a sentence for people.
        errors: one sentence for each thing wrong, where there are several.
        headers: further headers.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.headers = errors, dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The problem document."""
        document: dict[str, Any] = {
            "type": f"urn:vidpoll:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        return document | ({"errors": list(self.errors)} if self.errors else {})

    def response(self) -> Response:
        """The answer."""
        body = json.dumps(self.document())  # ASCII: what is told of a request may be no valid text
        return Response(body, self.status, self.headers, media_type=MEDIA_TYPE)


def refusal_of(error: VidpollError) -> Refusal:
    """What a client is told of ``error``."""
    match error:
        case UnknownTarget():
            words = "there is no such provider, model or account here"
            return Refusal(422, error.code, words, errors=[f"provider, model, account: {words}"])
        case InvalidRequest():
            return Refusal(422, error.code, "the request cannot be accepted as it is", errors=error.problems)
        case IdempotencyConflict():
            return Refusal(409, error.code, str(error))
        case GenerationNotFound():
            return Refusal(404, error.code, "there is no such generation")
        case ProjectNotFound():
            return Refusal(404, error.code, "there is no such project")
        case EndpointNotFound():
            return Refusal(404, error.code, "there is no such webhook endpoint")
        case WrongState():
            return Refusal(409, error.code, str(error))
        case Unavailable() | NotConfigured():
            log.warning("answered 503: %s", error)
            words = "a server this one depends on does not answer; try again in a few seconds"
            return Refusal(503, "unavailable", words, headers={"Retry-After": str(UNAVAILABLE_S)})
        case _:
            log.error("answered 500: %s", error)
            return Refusal(500, "internal_error", "something went wrong here; it has been logged")


#: What else the framework refuses by itself, by status.
_CODES: Final = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
}


def answer_with_problems(app: FastAPI) -> None:
    """Have every error of ``app`` answered as a problem document."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return refusal.response()

    @app.exception_handler(VidpollError)
    async def failed(_: Request, error: VidpollError) -> Response:
        return refusal_of(error).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        problems = [_sentence(found) for found in error.errors()]
        return Refusal(422, "invalid_request", "the request cannot be read", errors=problems).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "refused")
        headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
        return Refusal(error.status_code, code, str(error.detail), headers=headers).response()


class Unbroken:
    """Has what nobody expected answered as a problem document too, inside of what counts and guards all answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        has_begun = False

        async def noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if scope["type"] != "http" or has_begun:
                raise
            log.exception("%s %s failed", scope["method"], scope["path"])
            refusal = Refusal(500, "internal_error", "something went wrong here; it has been logged")
            await refusal.response()(scope, receive, send)


def _allowed(request: Request) -> str:
    """The methods of every route with this path; the framework names those of the first."""
    for path, methods in request.app.openapi()["paths"].items():
        if compile_path(path)[0].match(request.url.path):
            return ", ".join(sorted(method.upper() for method in methods))
    return "GET, HEAD"


def _sentence(found: Mapping[str, Any]) -> str:
    """One finding, without the input it was found in."""
    where = ".".join(str(part) for part in found["loc"] if part not in ("body", "query", "path", "header"))
    return f"{where or found['loc'][0]}: {found['msg'].removeprefix('Value error, ')}"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's OpenAPI entry says of these statuses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content, "model": Problem} for status in statuses
    }
