-- letters_of(needles, id, most, really) -> old, gone, next
--
-- A page of refused messages; deleted are those whose payload has one of `needles` in it: `"owner": "…"`, as it may be spelled.
--
-- id, most  the page: ids greater than `id`, so many at most
-- really    false: only count
-- old       how many may go
-- gone      how many went
-- next      where the next page begins; NULL at the end

WITH page AS MATERIALIZED (
    SELECT id, EXISTS (SELECT FROM unnest(CAST(:needles AS text[])) AS one WHERE strpos(payload, one) > 0) AS found
    FROM dead_letters WHERE id > :id ORDER BY id LIMIT :most
), mine AS MATERIALIZED (
    SELECT id FROM dead_letters WHERE :really AND id IN (SELECT id FROM page WHERE found) FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM dead_letters AS d USING mine WHERE d.id = mine.id RETURNING d.id
)
SELECT
    (SELECT count(*) FROM page WHERE found) AS old,
    (SELECT count(*) FROM gone) AS gone,
    (SELECT jsonb_build_object('id', max(id)) FROM page HAVING count(*) = :most) AS next
