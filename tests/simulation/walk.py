"""A random walk: at each step one thing happens, chosen by the seed; at the end everything is calm until it is quiet."""

from collections.abc import Callable
from typing import Final

from tests.simulation import invariants
from tests.simulation.accounts import ACCOUNT_LANES, TARGETS
from tests.simulation.faults import FATES, Armed
from tests.simulation.sim import SHARED, VENDOR_FAULTS, Sim

#: Steps between two looks at the invariants.
EVERY: Final = 50
#: Virtual seconds after which everything must have come to its end.
QUIET_WITHIN_S: Final = 6 * 3600.0
RESTORE_EVERY_S: Final = 10.0


def walk(sim: Sim, steps: int) -> None:
    """So many steps, then the end; raises AssertionError when something is not as it must be."""
    actions, weights = zip(*_ACTIONS, strict=True)
    for step in range(1, steps + 1):
        action: Callable[[Sim], object] = sim.dice.choices(actions, weights)[0]
        sim.note("step", step, action.__name__)
        action(sim)
        if step % EVERY == 0:
            invariants.during(sim)
    end(sim)


def end(sim: Sim, *, calm: bool = True) -> None:
    """No more faults, unless not ``calm``; time runs until nothing moves any more."""
    sim.note("the end begins")
    if calm:
        sim.calm()
    began = next_restore = sim.loop.now
    while not _quiet(sim) and sim.loop.now < began + QUIET_WITHIN_S:
        if sim.loop.now >= next_restore:
            sim.restore()
            for worker in sim.fleet.workers:
                sim.tick(worker)
            next_restore = sim.loop.now + (RESTORE_EVERY_S if sim.loop.now < began + 90 else 60.0)
        sim.tick(sim.fleet.workers[0])
        wait = min(_until_due(sim), next_restore - sim.loop.now)
        sim.loop.run_until(sim.loop.now + max(wait, 0.05))
    invariants.during(sim)
    invariants.finally_(sim)


def _quiet(sim: Sim) -> bool:
    if (
        sim.fleet.running
        or sim.loop.next_at is not None
        or any(sim.redis.zcard(lane.key("due")) for lane in ACCOUNT_LANES)
    ):
        return False
    return not sim.rows(
        "status IN ('pending', 'submitting', 'processing') OR status = 'unknown' AND next_check_at IS NOT NULL"
        " OR watch_until IS NOT NULL"
    )


def _until_due(sim: Sim) -> float:
    """Seconds until a lane could hand out something, or something happens by itself."""
    now = sim.time.redis_us()
    waits = [sim.loop.next_at - sim.loop.now] if sim.loop.next_at is not None else []
    for lane in ACCOUNT_LANES:
        first = sim.redis.zrange(lane.key("due"), 0, 0, withscores=True)
        if first:
            paused_until = float(sim.redis.hget(lane.key("bucket"), "paused_until") or 0)
            waits.append((max(first[0][1], paused_until) - now) / 1e6)
    return min(waits, default=60.0)


# -- what may happen --------------------------------------------------------------------------------------------------


def _ask(sim: Sim) -> None:
    account = sim.dice.choice(list(TARGETS))
    shared = sim.dice.random() < (0.5 if account == "replicate" else 0.1)
    prompt = sim.dice.choice(SHARED) if shared else f"prompt {len(sim.requests)}"
    more = {}
    if sim.dice.random() < 0.2:
        more["priority"] = sim.dice.randrange(10)
    if sim.dice.random() < 0.3:
        more["owner"] = sim.dice.choice(["alice", "bob"])
    if sim.dice.random() < 0.2:
        more["timeout_s"] = sim.dice.choice([5.0, 20.0, 60.0])
    if sim.dice.random() < 0.3:
        more["idempotency_key"] = f"key {len(sim.requests)}"
    request = sim.request(account, prompt, **more)
    way = sim.dice.random()
    if way < 0.3:
        sim.insert(request)
    if way > 0.2:
        sim.send(request)


def _ask_for_many(sim: Sim) -> None:
    for _ in range(sim.dice.choice([5, 10, 20])):
        _ask(sim)


def _ask_again(sim: Sim) -> None:
    if sim.requests:
        request = sim.dice.choice(sim.requests[-20:])
        if request.idempotency_key and sim.dice.random() < 0.5:
            request = request.model_copy(update={"id": sim.uuid4()})
        sim.send(request)


def _a_moment(sim: Sim) -> None:
    sim.advance(sim.dice.choice([0.02, 0.05, 0.05, 0.1, 0.1, 0.3]))


def _a_while(sim: Sim) -> None:
    sim.advance(sim.dice.choice([1.0, 1.0, 2.0, 5.0]))


def _a_long_while(sim: Sim) -> None:
    sim.advance(sim.dice.choice([60.0, 130.0]))


def _silence(sim: Sim) -> None:
    """Time passes while no dispatcher turns."""
    sim.loop.run_until(sim.loop.now + sim.dice.choice([0.2, 1.0, 5.0, 20.0]))


def _tick(sim: Sim) -> None:
    sim.tick(sim.fleet.any())


def _restore(sim: Sim) -> None:
    sim.restore()


def _cancel(sim: Sim) -> None:
    if sim.accepted:
        sim.cancel(sim.dice.choice(sorted(sim.accepted)[-30:]))


def _refresh(sim: Sim) -> None:
    if sim.accepted:
        sim.refresh(sim.dice.choice(sorted(sim.accepted)))


def _decide(sim: Sim) -> None:
    unknown = sim.rows("status = 'unknown'")
    if unknown:
        sim.decide(sim.dice.choice(unknown)["id"])


def _kill(sim: Sim) -> None:
    sim.kill(sim.fleet.any())


def _arm(sim: Sim) -> None:
    kind = sim.dice.choice(["sql", "sql", "redis", "call", "call"])
    within = sim.dice.choice(["", "submit", "submit", "check_status", "accept"])
    sim.trouble.armed.append(Armed(kind, sim.dice.randrange(12 if not within else 4), sim.dice.choice(FATES), within))
    sim.note("armed", sim.trouble.armed[-1])


def _flush(sim: Sim) -> None:
    sim.flush()


def _drop(sim: Sim) -> None:
    sim.drop_messages()


def _hold(sim: Sim) -> None:
    sim.hold_messages(sim.dice.choice([0.5, 2.0, 5.0]))


def _away(sim: Sim) -> None:
    sim.away(sim.dice.choice(["sql", "redis"]), sim.dice.choice([0.5, 5.0, 30.0, 80.0]))


def _clock(sim: Sim) -> None:
    sim.step_redis_clock(sim.dice.choice([-300.0, -30.0, -2.0, 2.0, 30.0, 300.0]))


def _vendors(sim: Sim) -> None:
    names = sim.dice.sample(sorted(VENDOR_FAULTS), sim.dice.choice([0, 0, 1, 2, 4]))
    sim.vendors(**{name: VENDOR_FAULTS[name] for name in names})


def _rough(sim: Sim) -> None:
    sim.rough(sim.dice.random() < 0.5)


_ACTIONS: Final = [
    (_ask, 7), (_ask_for_many, 0.4), (_ask_again, 3), (_a_moment, 40), (_a_while, 3), (_a_long_while, 0.1),
    (_silence, 2), (_tick, 8), (_restore, 4), (_cancel, 3), (_refresh, 2), (_decide, 2), (_kill, 1.5), (_arm, 7),
    (_flush, 0.4), (_drop, 0.6), (_hold, 1), (_away, 0.5), (_clock, 0.3), (_vendors, 2), (_rough, 1),
]  # fmt: skip
