-- projects(at, id, keep_s, most, really, owner) -> old, gone, next
--
-- A page of projects with their steps, in the order in which they were asked for; deleted are those that ended more than
-- `keep_s` seconds ago. The generations of their steps are not; they may go from then on.
--
-- at, id  the page: asked for after that, or then with a greater id
-- most    so many at most
-- really  false: only count
-- owner   whose; the condition is taken out for everybody's
-- old     how many may go
-- gone    how many went
-- next    where the next page begins; NULL when what follows is too young

WITH page AS MATERIALIZED (
    SELECT id, created_at, completed_at FROM projects
    WHERE owner = :owner
        AND created_at < now() - make_interval(secs => CAST(:keep_s AS float8))
        AND created_at >= CAST(:at AS timestamptz) AND (created_at, id) > (CAST(:at AS timestamptz), CAST(:id AS uuid))
    ORDER BY created_at, id LIMIT :most
), old AS MATERIALIZED (
    SELECT id FROM page WHERE completed_at < now() - make_interval(secs => CAST(:keep_s AS float8))
), mine AS MATERIALIZED (
    SELECT id FROM projects WHERE :really AND id IN (SELECT id FROM old) FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM projects AS p USING mine WHERE p.id = mine.id RETURNING p.id
)
SELECT
    (SELECT count(*) FROM old) AS old,
    (SELECT count(*) FROM gone) AS gone,
    (SELECT jsonb_build_object('at', created_at, 'id', id) FROM page
     WHERE (SELECT count(*) FROM page) = :most ORDER BY created_at DESC, id DESC LIMIT 1) AS next
