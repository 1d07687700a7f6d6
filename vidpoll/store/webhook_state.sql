-- webhook_state(down) -> endpoints by state, deliveries that wait and that were given up, the oldest wait
--
-- ok, down, asked, gave_up  endpoints: that take what is sent; that fail again and again; that somebody disabled; that
--                           were disabled since they answered 410 or failed for days
-- waiting, failed           deliveries to enabled endpoints; those of all that were given up
-- late_s                    for how long the oldest has waited for an endpoint that is not down

SELECT
    (SELECT count(*) FROM webhook_endpoints WHERE status = 'enabled' AND failures_in_a_row < :down) AS ok,
    (SELECT count(*) FROM webhook_endpoints WHERE status = 'enabled' AND failures_in_a_row >= :down) AS down,
    (SELECT count(*) FROM webhook_endpoints WHERE disabled_code = 'asked') AS asked,
    (SELECT count(*) FROM webhook_endpoints WHERE disabled_code IN ('gone', 'failing')) AS gave_up,
    (SELECT count(*) FROM webhook_deliveries WHERE status = 'waiting') AS waiting,
    (SELECT count(*) FROM webhook_deliveries WHERE status = 'failed') AS failed,
    (SELECT coalesce(extract(epoch FROM now() - min(d.next_at)), 0)
     FROM webhook_deliveries AS d JOIN webhook_endpoints AS w ON w.id = d.endpoint_id
     WHERE d.status = 'waiting' AND d.next_at < now() AND w.status = 'enabled' AND w.failures_in_a_row < :down) AS late_s
