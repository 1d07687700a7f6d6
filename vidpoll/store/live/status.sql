-- status(owner, ids) -> a row for each of them that is there and the owner's
--
-- What a client polls: one read by primary key a generation, whatever its history.
--
-- eta_s    seconds until it is expected, NULL when nobody knows
-- next_s   seconds until the provider is asked next, NULL when that is not planned

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
    extract(epoch FROM expected_at - now())::float8,
    extract(epoch FROM next_check_at - now())::float8,
    project_id,
    updated_at
FROM generations
WHERE id = ANY(%(ids)s) AND owner = %(owner)s
