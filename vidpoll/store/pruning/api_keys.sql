-- api_keys(id, keep_s, most, really) -> old, gone, next
--
-- A page of API keys; deleted are those that were revoked more than `keep_s` seconds ago.
--
-- id, most  the page: ids greater than `id`, so many at most
-- really    false: only count
-- old       how many may go
-- gone      how many went
-- next      where the next page begins; NULL when nothing old follows

WITH old AS MATERIALIZED (
    SELECT id FROM api_keys
    WHERE id > :id AND revoked_at < now() - make_interval(secs => CAST(:keep_s AS float8))
    ORDER BY id LIMIT :most
), mine AS MATERIALIZED (
    SELECT id FROM api_keys WHERE :really AND id IN (SELECT id FROM old) FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM api_keys AS k USING mine WHERE k.id = mine.id RETURNING k.id
)
SELECT
    (SELECT count(*) FROM old) AS old,
    (SELECT count(*) FROM gone) AS gone,
    (SELECT jsonb_build_object('id', max(id)) FROM old HAVING count(*) = :most) AS next
