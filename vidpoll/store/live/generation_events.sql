-- generation_events(owner, id, version) -> the later events of one generation, oldest first
--
-- Versions of one generation follow its commits: each is written under the row's lock.
--
-- params  what the provider was asked for, of events at the provider, unless that is large
-- age_s   seconds from the paid call to the event
-- of_kind what was asked for: video, image, upscale, extend

SELECT
    e.id, e.generation_id, g.owner, g.project_id, e.version, e.kind, e.status, e.data, e.at, e.transaction_id,
    g.provider, g.model,
    CASE WHEN e.status = 'processing' AND pg_column_size(g.params) < 2000 THEN g.params END AS params,
    greatest(0, extract(epoch FROM e.at - g.submitted_at))::float8 AS age_s,
    g.kind AS of_kind
FROM generation_events AS e JOIN generations AS g ON g.id = e.generation_id
WHERE g.id = %(id)s AND g.owner = %(owner)s AND e.version > %(version)s
ORDER BY e.version
