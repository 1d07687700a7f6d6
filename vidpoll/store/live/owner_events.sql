-- owner_events(owner, transaction, after, most) -> events of one owner, in the order of their ids
--
-- For a client that comes back: everything since the oldest transaction that was under way when it was told its cursor.
-- Events without an owner were written by a worker of an older version during a roll-out.
--
-- owner        whose
-- transaction  the cursor
-- after, most  the page: ids greater than `after`, so many at most
-- params       what the provider was asked for, of events at the provider, unless that is large
-- age_s        seconds from the paid call to the event
-- of_kind      what was asked for: video, image, upscale, extend

SELECT
    e.id, e.generation_id, g.owner, g.project_id, e.version, e.kind, e.status, e.data, e.at, e.transaction_id,
    g.provider, g.model,
    CASE WHEN e.status = 'processing' AND pg_column_size(g.params) < 2000 THEN g.params END AS params,
    greatest(0, extract(epoch FROM e.at - g.submitted_at))::float8 AS age_s,
    g.kind AS of_kind
FROM (
    SELECT * FROM generation_events
    WHERE owner = %(owner)s AND transaction_id >= %(transaction)s AND id > %(after)s
    UNION ALL
    SELECT * FROM generation_events
    WHERE owner IS NULL AND transaction_id >= %(transaction)s AND id > %(after)s
) AS e JOIN generations AS g ON g.id = e.generation_id AND g.owner = %(owner)s
ORDER BY e.id
LIMIT %(most)s
