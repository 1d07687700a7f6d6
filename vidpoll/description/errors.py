"""``[accounts.NAME.http.errors]``: how the vendor says no to a call."""

from functools import cached_property
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from vidpoll.description.paths import JsonPath
from vidpoll.description.tables import Table
from vidpoll.description.words import Words, meanings

HttpStatus = Annotated[int, Field(ge=400, le=599)]
HttpStatuses = Annotated[tuple[HttpStatus, ...], Field(strict=False)]
#: HTTP statuses from 400 to 499 that say nothing of what became of a submit: a timeout, a conflict, "too early".
NO_REFUSAL: Final = frozenset({408, 409, 425, 499})


class Statuses(Table):
    """What HTTP statuses mean, where they differ from the usual.

    Attributes:
        refused: of a submit: the vendor did not take it, and never will; None for 400 to 499 but 408, 409, 425, 499.
    """

    rate_limited: HttpStatuses = (429,)
    unauthorized: HttpStatuses = (401, 402, 403)
    not_found: HttpStatuses = (404, 410)
    refused: HttpStatuses | None = None

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        # 404 is "no such job" to a look and "no such model" to a submit, so not_found may meet refused.
        account = {"rate_limited": self.rate_limited, "unauthorized": self.unauthorized}
        meanings({**account, "not_found": self.not_found})
        meanings({**account, "refused": self.refused or ()})
        vague = [one for one in self.refused or () if one >= 500 or one == 408]
        if vague:
            raise ValueError(f"refused: after a {vague[0]} nobody knows whether the submit was taken")
        return self


class Codes(Table):
    """What the vendor's own codes mean, under any HTTP status; a code that is not listed means nothing.

    Attributes:
        rate_limited, unauthorized: of the account.
        not_found: the vendor knows no such operation.
        refused: of a submit: the vendor did not take it, and never will.
        filtered: a prompt or a result that moderation refused.
        failed: of an operation that failed, where no status word says so.
    """

    rate_limited: Words = ()
    unauthorized: Words = ()
    not_found: Words = ()
    refused: Words = ()
    filtered: Words = ()
    failed: Words = ()

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        assert self.meanings is not None
        return self

    @cached_property
    def meanings(self) -> dict[str, str]:
        """What each code means."""
        return meanings({name: getattr(self, name) for name in type(self).model_fields})


class Errors(Table):
    """How an answer says what is wrong.

    Attributes:
        code: where the vendor's own code of an error sits.
        message: where its words for people sit.
        retry_after: where the seconds to wait sit, of an answer that means ``rate_limited``, if not in its headers.
    """

    code: JsonPath | None = None
    message: JsonPath | None = None
    retry_after: JsonPath | None = None
    statuses: Statuses = Statuses()
    codes: Codes = Codes()

    @model_validator(mode="after")
    def _codes_are_found(self) -> Self:
        if self.codes.meanings and self.code is None:
            raise ValueError("codes: say with errors.code where an answer has its code")
        return self
