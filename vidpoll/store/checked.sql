-- checked(ids, countdowns, progresses, stages, overdues, failures, events) -> how many rows were still watched
--
-- What a round of looks that ended nothing leaves behind, for many generations in one statement.
-- The arrays run in parallel: element n of each belongs to generation n.
--
-- countdowns  seconds until the next look, on the database's clock
-- failures    class of a look that got no usable answer (counts as a failure, not as a check), else NULL
-- pending_ats a moment at which it was not done yet, or NULL
-- events      kind of the event to write when something a client can see is new (the version grows), else NULL
--
-- progress never falls. A row that was left meanwhile is not touched; of one that timed out, which is final, only what
-- concerns our looking is noted.

WITH given AS (
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:countdowns AS float8[]), CAST(:progresses AS int[]), CAST(:stages AS text[]),
        CAST(:overdues AS bool[]), CAST(:failures AS text[]), CAST(:events AS text[]),
        CAST(:pending_ats AS timestamptz[])
    ) AS g (id, countdown, progress, stage, overdue, failure, event, pending_at)
), moved AS (
    UPDATE generations AS row
    SET next_check_at = now() + make_interval(secs => given.countdown),
        progress = CASE WHEN row.status = 'failed' THEN row.progress ELSE greatest(row.progress, given.progress) END,
        stage = CASE WHEN row.status = 'failed' THEN row.stage ELSE given.stage END,
        overdue = row.overdue OR given.overdue,
        checks = row.checks + CASE WHEN given.failure IS NULL THEN 1 ELSE 0 END,
        failures = row.failures + CASE WHEN given.failure IS NULL THEN 0 ELSE 1 END,
        failures_in_a_row = CASE WHEN given.failure IS NULL THEN 0 ELSE row.failures_in_a_row + 1 END,
        failure_counts = CASE WHEN given.failure IS NULL THEN row.failure_counts ELSE
            jsonb_set(row.failure_counts, ARRAY[given.failure],
                      to_jsonb(coalesce((row.failure_counts ->> given.failure)::int, 0) + 1)) END,
        not_found_in_a_row = CASE
            WHEN given.failure IS NULL THEN 0
            WHEN given.failure = 'not_found' THEN row.not_found_in_a_row + 1
            ELSE row.not_found_in_a_row END,
        not_found_since = CASE
            WHEN given.failure IS NULL THEN NULL
            WHEN given.failure = 'not_found' THEN coalesce(row.not_found_since, now())
            ELSE row.not_found_since END,
        version = row.version + CASE WHEN given.event IS NULL OR row.status = 'failed' THEN 0 ELSE 1 END,
        last_pending_at = coalesce(given.pending_at, row.last_pending_at),
        updated_at = now()
    FROM given
    WHERE row.id = given.id
        AND (row.status IN ('processing', 'unknown') OR row.status = 'failed' AND row.watch_until IS NOT NULL)
    RETURNING row.id, row.version, row.status, row.progress, row.stage, row.overdue, row.owner, given.event
), event AS (
    INSERT INTO generation_events (generation_id, version, kind, status, data, owner)
    SELECT id, version, event, status, jsonb_build_object('progress', progress, 'stage', stage, 'overdue', overdue),
        owner
    FROM moved
    WHERE event IS NOT NULL AND status <> 'failed'
)
SELECT count(*) FROM moved
