"""Plays dispatcher and worker, so that a test decides what happens when."""

import uuid

import psycopg

from vidpoll.advancing import Projects
from vidpoll.generation import Generation, GenerationRequest
from vidpoll.lanes import PROJECTS, Lane
from vidpoll.lifecycle import Lifecycle
from vidpoll.projects.standing import Project
from vidpoll.services import Services

RUNWARE = {"provider": "runware", "model": "google:3@3"}
REPLICATE = {"provider": "replicate", "model": "google/veo-3-fast"}


class Driver:
    """Plays dispatcher and worker: claims what a lane hands out and calls the verb for it."""

    def __init__(self, services: Services, lifecycle: Lifecycle, database_url: str) -> None:
        self.services, self.lifecycle, self._database_url = services, lifecycle, database_url
        self.projects = Projects(services, lifecycle)

    def claim(self, lane: Lane) -> tuple[list[uuid.UUID], int]:
        claim = self.services.lanes.claim(lane, self.services.limits(lane), want=100, lease_s=30)
        return claim.ids, claim.granted_at_us

    def submit(self, account: str = "vertex") -> None:
        ids, at = self.claim(Lane(account, "submit"))
        self.lifecycle.submit(account, ids, at)

    def check(self, account: str = "vertex") -> None:
        """Check everything the account watches, now."""
        lane = Lane(account, "status")
        for page in self.services.store.being_watched(account):
            self.services.lanes.schedule(lane, {one.id: 0.0 for one in page})
        ids, at = self.claim(lane)
        self.lifecycle.check(account, ids, at)

    def advance(self) -> list[uuid.UUID]:
        """Advance the projects whose lane hands them out; which those were."""
        ids, _ = self.claim(PROJECTS)
        self.projects.advance(ids)
        return ids

    def work_off(self, id: uuid.UUID, account: str = "runware") -> Project:
        """Let a project run until nothing is left to do."""
        for _ in range(50):
            self.advance()
            self.submit(account)
            self.check(account)
            project = self.services.store.project(id)
            if project.status.ended:
                return project
        raise AssertionError(f"it does not end: {project}")

    def end_pauses(self, account: str) -> None:
        for verb in ("submit", "status"):
            self.services.lanes._redis.delete(Lane(account, verb).key("bucket"))

    def accepted(self, request: GenerationRequest) -> uuid.UUID:
        return self.lifecycle.accept(request).id

    def submitted(self, request: GenerationRequest, account: str = "vertex") -> uuid.UUID:
        id = self.accepted(request)
        self.submit(account)
        return id

    def get(self, id: uuid.UUID) -> Generation:
        return self.services.store.get(id)

    def waits_in(self, lane: Lane, id: uuid.UUID) -> bool:
        client = self.services.lanes._redis
        return client.zscore(lane.key("due"), id.hex) is not None

    def sql(self, statement: str, *values: object) -> None:
        with psycopg.connect(self._database_url) as connection:
            connection.execute(statement, values)
