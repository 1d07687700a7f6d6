-- status(owner, ids) -> a row for each of them that is there and the owner's
--
-- What a client polls: one read by primary key a generation, whatever its history.
--
-- params     what the provider was asked for, unless that is large; NULL for those that are final
-- next_s     seconds until the provider is asked next, NULL when that is not planned
-- elapsed_s  seconds since the paid call, until it ended if it has; while none was made, since it was asked for

SELECT
    id,
    version,
    status,
    progress,
    stage,
    overdue,
    video_url,
    error,
    result -> 'seed',
    extract(epoch FROM next_check_at - now())::float8,
    project_id,
    updated_at,
    provider,
    model,
    CASE WHEN completed_at IS NULL AND pg_column_size(params) < 2000 THEN params END,
    checks,
    greatest(0, extract(epoch FROM coalesce(completed_at, now())
        - CASE WHEN status = 'pending' THEN created_at ELSE coalesce(submitted_at, sent_at, created_at) END))::float8,
    kind,
    result ->> 'content_type'
FROM generations
WHERE id = ANY(%(ids)s) AND owner = %(owner)s
