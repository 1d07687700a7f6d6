"""``[accounts.NAME.http.status]``: how to look at an operation, and what the answer means."""

from functools import cached_property
from typing import Literal, Self

from pydantic import model_validator

from vidpoll.description.paths import JsonPath
from vidpoll.description.tables import OperationBody, OperationPath, Table
from vidpoll.description.words import KINDS, Words, meanings


class Status(Table):
    """The look, and where its answer holds what; ``docs/providers-http.md`` has every key with an example.

    Attributes:
        word, words: where the status word sits, or a list of them, one per part of the work.
        without_word: what it means when there is none; if not given, such an answer is unreadable.
        queued, running, done, failed, filtered, cancelled: the words that mean this.
        done_when: of a list: done when every word, or the last one, is one of ``done``.
        failed_when: of a list: failed (filtered, cancelled) when the last word, or any, is one of those.
        done_when_url: done when a URL is there, whatever the words are.
        failed_when_found: failed when something is there: not null, false, zero or empty.
    """

    method: Literal["GET", "POST"] = "GET"
    path: OperationPath
    body: OperationBody | None = None

    word: JsonPath | None = None
    words: JsonPath | None = None
    without_word: Literal["queued", "running"] | None = None
    queued: Words = ()
    running: Words = ()
    done: Words = ()
    failed: Words = ()
    filtered: Words = ()
    cancelled: Words = ()
    done_when: Literal["every", "latest"] = "every"
    failed_when: Literal["latest", "any"] = "latest"
    done_when_url: bool = False
    failed_when_found: JsonPath | None = None

    urls: JsonPath
    content_types: JsonPath | None = None
    notes: JsonPath | None = None
    seed: JsonPath | None = None
    progress: JsonPath | None = None
    progress_is: Literal["percent", "fraction"] = "percent"
    error_code: JsonPath | None = None
    error_message: JsonPath | None = None
    created_at: JsonPath | None = None
    started_at: JsonPath | None = None
    ended_at: JsonPath | None = None
    queued_s: JsonPath | None = None
    run_s: JsonPath | None = None

    @model_validator(mode="after")
    def _names_the_operation(self) -> Self:
        if "id" not in self.path.names | (self.body.names if self.body else frozenset()):
            raise ValueError("path: {id} must stand in the path or in the body: else it is not told what to look at")
        if self.body is not None and self.method == "GET":
            raise ValueError('body: a GET has none; say method = "POST"')
        return self

    @model_validator(mode="after")
    def _words_are_found(self) -> Self:
        if self.word is not None and self.words is not None:
            raise ValueError("words: give word (there is one) or words (a list), not both")
        if self.kinds and self.word is None and self.words is None:
            raise ValueError("word: say where an answer has the words that are listed, with word or words")
        if self.words is None and {"done_when", "failed_when"} & self.model_fields_set:
            raise ValueError("done_when and failed_when are about a list: give words")
        return self

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if not self.done and not self.done_when_url:
            raise ValueError("done: nothing tells that it is done: list words in done, or set done_when_url = true")
        if self.word is None and self.words is None and self.without_word is None:
            raise ValueError('without_word: without word and words, say what no URL means: without_word = "running"')
        return self

    @property
    def tells_failed(self) -> bool:
        """Whether an operation that failed can be known."""
        return bool(self.failed or self.failed_when_found)

    @cached_property
    def kinds(self) -> dict[str, str]:
        """What each status word means."""
        return meanings({kind: getattr(self, kind) for kind in KINDS})
