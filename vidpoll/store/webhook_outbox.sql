-- webhook_outbox(endpoints, events, types, subjects, versions, bodies) -> the endpoints that got something new, in how many
-- seconds each may be sent to, and how much
--
-- The arrays run in parallel: element n of each belongs to delivery n. Those that are there already stay as they are, and
-- so do endpoints that were removed meanwhile.

WITH given AS (
    SELECT * FROM unnest(
        CAST(:endpoints AS uuid[]), CAST(:events AS text[]), CAST(:types AS text[]), CAST(:subjects AS uuid[]),
        CAST(:versions AS int[]), CAST(:bodies AS text[])
    ) WITH ORDINALITY AS g (endpoint_id, event_id, event_type, subject, version, body, place)
), there AS MATERIALIZED (
    SELECT id, rests_until FROM webhook_endpoints WHERE id = ANY(CAST(:endpoints AS uuid[])) FOR KEY SHARE
), made AS (
    INSERT INTO webhook_deliveries (endpoint_id, event_id, event_type, subject, version, body)
    SELECT g.endpoint_id, g.event_id, g.event_type, g.subject, g.version, g.body
    FROM given AS g JOIN there ON there.id = g.endpoint_id ORDER BY g.place
    ON CONFLICT (endpoint_id, event_id) DO NOTHING
    RETURNING endpoint_id
)
SELECT
    made.endpoint_id, greatest(0, extract(epoch FROM coalesce(there.rests_until, now()) - now()))::float8 AS free_s,
    count(*) AS deliveries
FROM made JOIN there ON there.id = made.endpoint_id
GROUP BY made.endpoint_id, there.rests_until
