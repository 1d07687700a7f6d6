-- project_list(owner, before_at, before_id, limit) -> projects, the newest first, with how many of their steps stand how,
--                                                     and how far each is
--
-- owner      whose projects; NULL for everybody's
-- before_*   only older ones than the project of this moment and id; NULL for the newest
--
-- A step with a generation stands as that does; one whose generation is gone (pruned) counts as failed.
--
-- running    steps that have a generation that has not ended
-- doing      what the first of those does, in words
-- share      what is done of all steps, by weight, 0 to 1; one that runs counts with its own progress

WITH page AS (
    SELECT * FROM projects
    WHERE (CAST(:owner AS text) IS NULL OR owner = :owner)
        AND (CAST(:before_at AS timestamptz) IS NULL
            OR (created_at, id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid)))
    ORDER BY created_at DESC, id DESC
    LIMIT :limit
)
SELECT page.id, page.owner, page.name, page.status, page.version, page.created_at, page.updated_at, page.completed_at,
    counted.*
FROM page CROSS JOIN LATERAL (
    SELECT count(*) AS total,
        count(*) FILTER (WHERE stands.state = 'completed') AS completed,
        count(*) FILTER (WHERE stands.state = 'failed') AS failed,
        count(*) FILTER (WHERE stands.state = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE stands.state = 'skipped') AS skipped,
        count(*) FILTER (WHERE stands.runs) AS running,
        (array_agg(stands.doing ORDER BY stands.position) FILTER (WHERE stands.runs))[1] AS doing,
        sum(stands.weight * CASE
            WHEN stands.state = 'completed' THEN 1
            WHEN stands.runs THEN least(stands.progress, 99) / 100.0
            ELSE 0 END) / sum(stands.weight) AS share
    FROM (
        SELECT step.position, step.weight, generation.progress, told.state,
            told.state IN ('pending', 'submitting', 'processing', 'unknown') AS runs,
            coalesce(
                nullif(step.spec ->> 'title', ''), step.key || ': ' || coalesce(nullif(generation.stage, ''), told.state)
            ) AS doing
        FROM project_steps AS step
        LEFT JOIN generations AS generation ON generation.id = step.generation_id
        CROSS JOIN LATERAL (SELECT CASE
            WHEN step.generation_id IS NOT NULL THEN coalesce(generation.status, 'failed')
            WHEN step.skipped IS NOT NULL THEN 'skipped'
            WHEN step.error IS NOT NULL THEN 'failed'
            WHEN step.result IS NOT NULL THEN 'completed'
            ELSE 'waiting' END AS state) AS told
        WHERE step.project_id = page.id
    ) AS stands
) AS counted
ORDER BY page.created_at DESC, page.id DESC
