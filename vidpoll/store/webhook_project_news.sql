-- webhook_project_news(since, from_at, seen, endpoint, after, most, kinds) -> ends of projects that endpoints are to be told; as webhook_news

WITH news AS MATERIALIZED (
    SELECT e.* FROM project_events AS e
    WHERE e.transaction_id >= :since AND e.at >= CAST(:from_at AS timestamptz) AND e.id > :after
        AND e.kind = ANY(CAST(:kinds AS text[]))
        AND (CAST(:seen AS pg_snapshot) IS NULL
             OR pg_visible_in_snapshot(e.transaction_id::text::xid8, CAST(:seen AS pg_snapshot)))
        AND EXISTS (
            SELECT FROM webhook_endpoints AS w
            WHERE w.owner = e.owner AND w.status = 'enabled' AND (CAST(:endpoint AS uuid) IS NULL OR w.id = :endpoint)
        )
    ORDER BY e.id LIMIT :most
)
SELECT news.*, ARRAY(
    SELECT w.id FROM webhook_endpoints AS w
    WHERE w.owner = news.owner AND w.status = 'enabled' AND (CAST(:endpoint AS uuid) IS NULL OR w.id = :endpoint)
        AND 'project.' || news.kind = ANY(w.event_types)
        AND (news.at >= w.created_at
             OR NOT pg_visible_in_snapshot(news.transaction_id::text::xid8, w.made_in::pg_snapshot))
) AS endpoints
FROM news ORDER BY news.id
