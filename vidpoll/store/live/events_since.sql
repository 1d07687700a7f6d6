-- events_since(next, running, after, most) -> events, whoever owns them, in the order of their ids
--
-- What was committed since a moment, and perhaps some of what was committed just before the read of that moment ended.
-- An id is handed out before its transaction commits, so "greater ids" would miss what commits late. What commits after
-- a moment was under way then, or had not begun.
--
-- next, running  the moment: the next transaction to begin, those under way
-- after, most    the page: ids greater than `after`, so many at most
-- params         what the provider was asked for, of events at the provider, unless that is large
-- age_s          seconds from the paid call to the event
-- of_kind        what was asked for: video, image, upscale, extend

SELECT
    e.id, e.generation_id, g.owner, g.project_id, e.version, e.kind, e.status, e.data, e.at, e.transaction_id,
    g.provider, g.model,
    CASE WHEN e.status = 'processing' AND pg_column_size(g.params) < 2000 THEN g.params END AS params,
    greatest(0, extract(epoch FROM e.at - g.submitted_at))::float8 AS age_s,
    g.kind AS of_kind
FROM generation_events AS e JOIN generations AS g ON g.id = e.generation_id
WHERE (e.transaction_id >= %(next)s OR e.transaction_id = ANY(%(running)s)) AND e.id > %(after)s
ORDER BY e.id
LIMIT %(most)s
