-- webhook_replay(endpoint, event, since, failed) -> how many deliveries wait again
--
-- What ended is sent once more under the same webhook-id, with its schedule from the start.
--
-- endpoint  to which
-- event     this one; NULL for all
-- since     made since then; NULL for whenever
-- failed    true: only those that were given up

WITH again AS (
    UPDATE webhook_deliveries
    SET status = 'waiting', attempts = 0, next_at = now(), scheduled_at = now(), ended_at = NULL
    WHERE endpoint_id = :endpoint AND status <> 'waiting' AND event_type <> 'webhook.test'
        AND (CAST(:event AS text) IS NULL OR event_id = :event)
        AND (CAST(:since AS timestamptz) IS NULL OR created_at >= :since)
        AND (NOT :failed OR status = 'failed')
    RETURNING id
)
SELECT count(*) FROM again
