-- dead_letters(id, keep_s, most, really) -> old, gone, next
--
-- A page of refused messages, oldest first; deleted are those that were refused more than `keep_s` seconds ago.
--
-- id, most  the page: ids greater than `id`, so many at most
-- really    false: only count
-- old       how many may go
-- gone      how many went
-- next      where the next page begins; NULL when nothing old follows

WITH old AS MATERIALIZED (
    SELECT id FROM dead_letters
    WHERE id > :id AND at < now() - make_interval(secs => CAST(:keep_s AS float8))
    ORDER BY id LIMIT :most
), mine AS MATERIALIZED (
    SELECT id FROM dead_letters WHERE :really AND id IN (SELECT id FROM old) FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM dead_letters AS d USING mine WHERE d.id = mine.id RETURNING d.id
)
SELECT
    (SELECT count(*) FROM old) AS old,
    (SELECT count(*) FROM gone) AS gone,
    (SELECT jsonb_build_object('id', max(id)) FROM old HAVING count(*) = :most) AS next
