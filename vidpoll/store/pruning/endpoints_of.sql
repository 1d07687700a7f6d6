-- endpoints_of(owner, really) -> old, gone, next
--
-- The webhook endpoints of one owner, at most a few; their secrets and deliveries go with them.
--
-- really  false: only count
-- old     how many may go
-- gone    how many went
-- next    NULL

WITH old AS MATERIALIZED (
    SELECT id FROM webhook_endpoints WHERE owner = :owner
), gone AS (
    DELETE FROM webhook_endpoints AS w USING old WHERE :really AND w.id = old.id RETURNING w.id
)
SELECT (SELECT count(*) FROM old) AS old, (SELECT count(*) FROM gone) AS gone, NULL::jsonb AS next
