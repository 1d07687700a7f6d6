-- checked(ids, countdowns, progresses, stages, overdues, failed, changed) -> how many rows were still processing
--
-- What a round of checks that ended nothing leaves behind, for many generations in one statement.
-- The arrays run in parallel: element n of each belongs to generation n.
--
-- countdowns  seconds until the next check, on the database's clock
-- failed      the try got no answer: counts as a failure, not as a check
-- changed     something a client can see is new: an event is written and the version grows
--
-- progress never falls; a row that left `processing` meanwhile is not touched.

WITH given AS (
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:countdowns AS float8[]), CAST(:progresses AS int[]), CAST(:stages AS text[]),
        CAST(:overdues AS bool[]), CAST(:failed AS bool[]), CAST(:changed AS bool[])
    ) AS g (id, countdown, progress, stage, overdue, failed, changed)
), moved AS (
    UPDATE generations AS row
    SET next_check_at = now() + make_interval(secs => given.countdown),
        progress = greatest(row.progress, given.progress),
        stage = given.stage,
        overdue = row.overdue OR given.overdue,
        checks = row.checks + CASE WHEN given.failed THEN 0 ELSE 1 END,
        failures = row.failures + CASE WHEN given.failed THEN 1 ELSE 0 END,
        failures_in_a_row = CASE WHEN given.failed THEN row.failures_in_a_row + 1 ELSE 0 END,
        version = row.version + CASE WHEN given.changed THEN 1 ELSE 0 END,
        updated_at = now()
    FROM given
    WHERE row.id = given.id AND row.status = 'processing'
    RETURNING row.id, row.version, row.status, row.progress, row.stage, row.overdue, given.changed
), event AS (
    INSERT INTO generation_events (generation_id, version, kind, status, data)
    SELECT id, version, 'progress', status, jsonb_build_object('progress', progress, 'stage', stage, 'overdue', overdue)
    FROM moved
    WHERE changed
)
SELECT count(*) FROM moved
