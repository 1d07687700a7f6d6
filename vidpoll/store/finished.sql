-- finished(provider, model, params, limit) -> the newest completed generations of a model, newest first
--
-- Seconds count from `submitted_at`, the moment of the paid call. The video was not there at `last_pending_at`, and was
-- there at `completed_at`.
--
-- params  names of the parameters whose values are wanted

SELECT
    (SELECT coalesce(jsonb_object_agg(name, g.params -> name), '{}') FROM unnest(CAST(:params AS text[])) AS name
     WHERE g.params ? name) AS params,
    greatest(0, coalesce(extract(epoch FROM g.last_pending_at - g.submitted_at), 0))::float8 AS after_s,
    greatest(0, extract(epoch FROM g.completed_at - g.submitted_at))::float8 AS until_s,
    g.queued_s,
    g.run_s
FROM generations AS g
WHERE g.provider = :provider AND g.model = :model AND g.status = 'completed' AND g.submitted_at IS NOT NULL
    -- When it was still not done was not noted by versions before: then how long it took is not known.
    AND (g.last_pending_at IS NOT NULL OR g.checks <= 1 OR g.run_s IS NOT NULL)
ORDER BY g.completed_at DESC
LIMIT :limit
