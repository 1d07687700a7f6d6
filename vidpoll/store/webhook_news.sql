-- webhook_news(since, from_at, seen, endpoint, after, most, kinds) -> events of generations that endpoints are to be told,
-- in the order of their ids, each with the endpoints
--
-- An id is handed out before its transaction commits, so events are found by their transactions: `since` is a moment
-- when every older one had ended and was read. What is found again is not written again (webhook_deliveries_event_unique).
-- An endpoint is told what had not been committed when it was made.
--
-- since        events of this transaction and later ones
-- from_at      and not older than this
-- seen         and committed when this snapshot was taken, so that all pages tell of one moment: else a version could be
--              missed whose later one is found; NULL for whatever is committed
-- endpoint     only what this one is to be told; NULL for all
-- after, most  the page: ids greater than `after`, so many at most
-- kinds        which events, as in vidpoll/webhooks/events.py

WITH news AS MATERIALIZED (
    SELECT
        e.id, e.generation_id, g.owner, g.project_id, e.version, e.kind, e.status, e.data, e.at, e.transaction_id,
        g.idempotency_key, g.provider, g.model, g.kind AS of_kind
    FROM generation_events AS e JOIN generations AS g ON g.id = e.generation_id
    WHERE e.transaction_id >= :since AND e.at >= CAST(:from_at AS timestamptz) AND e.id > :after
        AND e.kind = ANY(CAST(:kinds AS text[]))
        AND (CAST(:seen AS pg_snapshot) IS NULL
             OR pg_visible_in_snapshot(e.transaction_id::text::xid8, CAST(:seen AS pg_snapshot)))
        AND EXISTS (
            SELECT FROM webhook_endpoints AS w
            WHERE w.owner = g.owner AND w.status = 'enabled' AND (CAST(:endpoint AS uuid) IS NULL OR w.id = :endpoint)
        )
    ORDER BY e.id LIMIT :most
)
SELECT news.*, ARRAY(
    SELECT w.id FROM webhook_endpoints AS w
    WHERE w.owner = news.owner AND w.status = 'enabled' AND (CAST(:endpoint AS uuid) IS NULL OR w.id = :endpoint)
        AND 'generation.' || news.kind = ANY(w.event_types)
        AND (news.at >= w.created_at
             OR NOT pg_visible_in_snapshot(news.transaction_id::text::xid8, w.made_in::pg_snapshot))
) AS endpoints
FROM news ORDER BY news.id
