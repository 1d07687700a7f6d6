-- webhook_due(endpoint, probe, most) -> deliveries to send now: of each subject the first that waits
--
-- So a later event of a generation is not sent while an earlier one waits, and different ones do not wait for each other.
--
-- probe   one try to see whether the endpoint is up again: whatever its moment; a test first, then what was tried least
-- most    so many at most
-- counts  its own moment has come: the try is one of its schedule

SELECT d.id, d.event_id, d.event_type, d.body, d.attempts, d.scheduled_at <= now() AS counts
FROM webhook_deliveries AS d
WHERE d.endpoint_id = :endpoint AND d.status = 'waiting' AND (:probe OR d.next_at <= now())
    AND NOT EXISTS (
        SELECT FROM webhook_deliveries AS before
        WHERE before.endpoint_id = d.endpoint_id AND before.status = 'waiting' AND before.subject = d.subject
            AND before.version < d.version
    )
ORDER BY CASE WHEN :probe AND d.event_type <> 'webhook.test' THEN d.tries + 1 ELSE 0 END, d.id
LIMIT :most
