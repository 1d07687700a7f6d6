-- webhook_endpoint(id, owner, most) -> endpoints, newest first, with what waits for each
--
-- id, owner  which, and whose; NULL for any
-- most       so many at most

SELECT
    w.id, w.owner, w.url, w.event_types, w.description, w.status, w.disabled_code, w.disabled_reason, w.failing_since,
    w.failures_in_a_row, w.rests_until, w.last_delivered_at, w.created_at, w.updated_at,
    (SELECT count(*) FROM webhook_secrets AS s
     WHERE s.endpoint_id = w.id AND (s.expires_at IS NULL OR s.expires_at > now())) AS secrets,
    waiting.count AS waiting,
    (SELECT count(*) FROM webhook_deliveries AS d WHERE d.endpoint_id = w.id AND d.status = 'failed') AS failed,
    waiting.since AS waiting_since
FROM webhook_endpoints AS w
CROSS JOIN LATERAL (
    SELECT count(*) AS count, min(created_at) AS since
    FROM webhook_deliveries AS d WHERE d.endpoint_id = w.id AND d.status = 'waiting'
) AS waiting
WHERE (CAST(:id AS uuid) IS NULL OR w.id = :id) AND (CAST(:owner AS text) IS NULL OR w.owner = :owner)
ORDER BY w.created_at DESC, w.id
LIMIT :most
