-- generation_events(owner, id, version, params) -> the later events of one generation, oldest first
--
-- Versions of one generation follow its commits: each is written under the row's lock.
--
-- params  names of the parameters whose values are wanted with events at the provider
-- age_s   seconds from the paid call to the event

SELECT
    e.id, e.generation_id, g.owner, g.project_id, e.version, e.kind, e.status, e.data, e.at, e.transaction_id,
    g.provider, g.model,
    CASE WHEN e.status = 'processing' THEN
        (SELECT coalesce(jsonb_object_agg(name, g.params -> name), '{}') FROM unnest(CAST(%(params)s AS text[])) AS name
         WHERE g.params ? name)
    END AS params,
    greatest(0, extract(epoch FROM e.at - g.submitted_at))::float8 AS age_s
FROM generation_events AS e JOIN generations AS g ON g.id = e.generation_id
WHERE g.id = %(id)s AND g.owner = %(owner)s AND e.version > %(version)s
ORDER BY e.version
