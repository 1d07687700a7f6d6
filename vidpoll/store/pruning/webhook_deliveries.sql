-- webhook_deliveries(id, keep_s, most, really) -> old, gone, next
--
-- A page of webhooks, in the order of their ids; deleted are those that were delivered or given up more than `keep_s`
-- seconds ago.
--
-- id, most  the page: ids greater than `id`, so many at most
-- really    false: only count
-- old       how many may go
-- gone      how many went
-- next      where the next page begins; NULL when what follows is too young

WITH page AS MATERIALIZED (
    SELECT id, created_at, ended_at FROM webhook_deliveries WHERE id > :id ORDER BY id LIMIT :most
), old AS MATERIALIZED (
    SELECT id FROM page WHERE ended_at < now() - make_interval(secs => CAST(:keep_s AS float8))
), mine AS MATERIALIZED (
    SELECT id FROM webhook_deliveries WHERE :really AND id IN (SELECT id FROM old) FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM webhook_deliveries AS d USING mine WHERE d.id = mine.id RETURNING d.id
)
SELECT
    (SELECT count(*) FROM old) AS old,
    (SELECT count(*) FROM gone) AS gone,
    (SELECT jsonb_build_object('id', max(id)) FROM page
     HAVING count(*) = :most AND min(created_at) < now() - make_interval(secs => CAST(:keep_s AS float8))) AS next
