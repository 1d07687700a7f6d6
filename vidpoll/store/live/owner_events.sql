-- owner_events(owner, transaction, after, most, params) -> events of one owner, in the order of their ids
--
-- For a client that comes back: everything since the oldest transaction that was under way when it was told its cursor.
-- Events without an owner were written by a worker of an older version during a roll-out.
--
-- owner        whose
-- transaction  the cursor
-- after, most  the page: ids greater than `after`, so many at most
-- params       names of the parameters whose values are wanted with events at the provider
-- age_s        seconds from the paid call to the event

SELECT
    e.id, e.generation_id, g.owner, g.project_id, e.version, e.kind, e.status, e.data, e.at, e.transaction_id,
    g.provider, g.model,
    CASE WHEN e.status = 'processing' THEN
        (SELECT coalesce(jsonb_object_agg(name, g.params -> name), '{}') FROM unnest(CAST(%(params)s AS text[])) AS name
         WHERE g.params ? name)
    END AS params,
    greatest(0, extract(epoch FROM e.at - g.submitted_at))::float8 AS age_s
FROM (
    SELECT * FROM generation_events
    WHERE owner = %(owner)s AND transaction_id >= %(transaction)s AND id > %(after)s
    UNION ALL
    SELECT * FROM generation_events
    WHERE owner IS NULL AND transaction_id >= %(transaction)s AND id > %(after)s
) AS e JOIN generations AS g ON g.id = e.generation_id AND g.owner = %(owner)s
ORDER BY e.id
LIMIT %(most)s
