-- webhook_next(endpoints) -> of endpoints that are enabled and for which something waits: in how many seconds it is due
--
-- endpoints  which; NULL for all of them
-- down       failures in a row from which on one is only probed: then nothing's own moment counts, but its rest
-- seconds    negative when it is late; 0 for one that is down and whose rest somebody ended

SELECT w.id, extract(epoch FROM coalesce(greatest(
    CASE WHEN w.failures_in_a_row >= :down THEN w.rests_until ELSE waiting.next_at END, w.rests_until
), now()) - now())::float8 AS seconds
FROM webhook_endpoints AS w
CROSS JOIN LATERAL (
    SELECT min(d.next_at) AS next_at FROM webhook_deliveries AS d
    WHERE d.endpoint_id = w.id AND d.status = 'waiting'
        AND NOT EXISTS (
            SELECT FROM webhook_deliveries AS before
            WHERE before.endpoint_id = d.endpoint_id AND before.status = 'waiting' AND before.subject = d.subject
                AND before.version < d.version
        )
) AS waiting
WHERE w.status = 'enabled' AND waiting.next_at IS NOT NULL
    AND (CAST(:endpoints AS uuid[]) IS NULL OR w.id = ANY(CAST(:endpoints AS uuid[])))
