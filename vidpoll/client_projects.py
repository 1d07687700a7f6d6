"""What other services do with projects: a part of :class:`vidpoll.Client`."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from vidpoll import messages
from vidpoll.errors import BrokerUnavailable, InvalidRequest, StoreUnavailable, WaitTimeout
from vidpoll.projects.plan import ProjectRequest, check_targets

if TYPE_CHECKING:
    from vidpoll.accounts import Accounts
    from vidpoll.projects.standing import Project
    from vidpoll.store import Admitted, Store

log = logging.getLogger("vidpoll.client")

#: Seconds between two looks at the database while waiting: at first, and at most.
WAIT_FIRST_S: Final = 0.2
WAIT_CAP_S: Final = 2.0


class ProjectCalls:
    """Asking for projects and reading them. All of it needs the database."""

    if TYPE_CHECKING:

        @property
        def _accounts(self) -> "Accounts | None": ...
        @property
        def _broker_errors(self) -> tuple[type[Exception], ...]: ...
        def _readable(self) -> "Store": ...
        def _send(self, task: str, payloads: Sequence[Mapping[str, Any]]) -> None: ...

    def submit_project(self, project: ProjectRequest, *, again: bool = False) -> "Admitted":
        """Ask for a project: all of its steps, or nothing. It runs as results arrive.

        The same owner and ``idempotency_key`` give the same project and no second charge; without a key, the same
        owner and steps do. What such a project lacks is found out again, so it mends one that got stuck; what
        failed is tried again by :meth:`retry_project` only.

        Args:
            again: make another project, though there may be one of the same steps: it is paid for.

        Returns:
            Its ``id``, and whether it is ``new``.

        Raises:
            UnknownTarget, InvalidRequest: naming everything that is wrong (told here where the providers file can be
                read, else as the steps' errors).
            IdempotencyConflict: the key belongs to another project; or, without a key, the steps to one of another
                name or with other options.
            StoreUnavailable: the database does not answer; nothing was enqueued.

        Example::

            scene = {"key": "scene", "provider": "runware", "model": "google:3@3", "prompt": "a lion at dawn"}
            admitted = client.submit_project(ProjectRequest(name="lions", owner="alice", steps=[scene]))
            project = client.wait_project(admitted.id)
            print(project.status, project.steps[0].video_url)
        """
        store = self._readable()
        _ = self._broker_errors  # a broker URL that cannot be used is told before anything is stored
        if self._accounts is not None:
            check_targets(project, self._accounts)
        if again and project.idempotency_key is not None:
            raise InvalidRequest(["idempotency_key: the same key is the same project, never another one; change it"])
        if again:
            project = project.model_copy(update={"idempotency_key": f"again:{uuid4()}"})
        admitted = store.admit(project, uuid4())
        self._advance_soon(admitted.id)
        return admitted

    def project(self, id: UUID | str, *, owner: str | None = None) -> "Project":
        """How a project stands; one statement. With ``owner`` only if it is theirs.

        Raises:
            ProjectNotFound: it is not there.
            StoreUnavailable: the database does not answer.
        """
        return self._readable().project(messages.as_uuid(id), owner=owner)

    def wait_project(
        self,
        id: UUID | str,
        *,
        timeout_s: float | None = None,
        on_change: "Callable[[Project], None] | None" = None,
    ) -> "Project":
        """Wait until nothing more is to come of a project; how it stands then.

        Args:
            timeout_s: give up after so many seconds; never if not given. The project goes on either way.
            on_change: called with the project each time anything about it is new.

        Raises:
            WaitTimeout: it goes on.
            ProjectNotFound: it is not there.
            StoreUnavailable: the database does not answer at the first look; later ones wait for it.
        """
        from vidpoll.projects.view import version_tag

        give_up_at = math.inf if timeout_s is None else time.monotonic() + timeout_s
        pause, seen = WAIT_FIRST_S, ""
        while True:
            try:
                project = self.project(id)
            except StoreUnavailable as error:
                if not seen:
                    raise
                log.warning("project %s cannot be looked at, and is again soon: %s", id, error)
            else:
                if on_change and seen != version_tag(project):
                    on_change(project)
                seen = version_tag(project)
                if project.status.ended:
                    return project
            left_s = give_up_at - time.monotonic()
            if left_s <= 0:
                raise WaitTimeout(f"project {id} has not ended after {timeout_s} s; it goes on")
            time.sleep(min(pause, left_s))
            pause = min(WAIT_CAP_S, pause * 1.5)

    def retry_project(self, id: UUID | str, *, owner: str | None = None) -> list[str]:
        """Try again, and pay again, what failed or was cancelled; the keys of those steps. What is completed stays.

        Raises:
            ProjectNotFound: it is not there.
            WrongState: a step is still being cancelled.
        """
        keys = self._readable().retry_project(messages.as_uuid(id), owner=owner)
        self._advance_soon(messages.as_uuid(id))
        return keys

    def cancel_project(self, id: UUID | str, *, owner: str | None = None) -> bool:
        """Start nothing more, and cancel what runs, as far as providers can; False when it was completed or cancelled.

        One that failed is cancelled too: a step that is done late starts nothing then.

        Raises:
            ProjectNotFound: it is not there.
        """
        asked = self._readable().cancel_project(messages.as_uuid(id), owner=owner)
        self._advance_soon(messages.as_uuid(id))
        return asked

    def _advance_soon(self, id: UUID) -> None:
        """Tell a worker; while the broker is away, the sweep finds the project."""
        try:
            self._send(messages.ADVANCE, [{"ids": [str(id)]}])
        except BrokerUnavailable as error:
            log.warning("project %s is stored, and goes on when the broker answers again: %s", id, error)
