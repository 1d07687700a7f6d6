-- generations(at, id, keep_s, most, really, owner) -> old, gone, next
--
-- A page of generations with all their events, in the order in which they were asked for; deleted are those that ended
-- more than `keep_s` seconds ago and are looked at no more, and whose project, if they are a step, is gone. How far events
-- are gone is noted with it, and copies of their files are marked to be deleted.
-- Rows that somebody has locked are left to the next time, and so is a generation with such an event.
--
-- at, id  the page: asked for after that, or then with a greater id
-- most    so many at most
-- really  false: only count
-- owner   whose; the condition is taken out for everybody's
-- old     how many may go
-- gone    how many went
-- next    where the next page begins; NULL when what follows is too young

WITH page AS MATERIALIZED (
    SELECT id, created_at, completed_at, watch_until, step_of FROM generations
    WHERE owner = :owner
        AND created_at < now() - make_interval(secs => CAST(:keep_s AS float8))
        AND created_at >= CAST(:at AS timestamptz) AND (created_at, id) > (CAST(:at AS timestamptz), CAST(:id AS uuid))
    ORDER BY created_at, id LIMIT :most
), old AS MATERIALIZED (
    SELECT id FROM page
    WHERE completed_at < now() - make_interval(secs => CAST(:keep_s AS float8)) AND watch_until IS NULL
        AND NOT EXISTS (SELECT FROM projects WHERE projects.id = page.step_of)
), locked AS MATERIALIZED (
    SELECT id FROM generations WHERE :really AND id IN (SELECT id FROM old) FOR UPDATE SKIP LOCKED
), events AS MATERIALIZED (
    SELECT id FROM generation_events WHERE generation_id IN (SELECT id FROM locked) FOR UPDATE SKIP LOCKED
), mine AS MATERIALIZED (
    SELECT id FROM locked
    EXCEPT
    SELECT generation_id FROM generation_events
    WHERE generation_id IN (SELECT id FROM locked) AND id NOT IN (SELECT id FROM events)
), gone_events AS (
    DELETE FROM generation_events AS e USING mine WHERE e.generation_id = mine.id RETURNING e.transaction_id
), noted AS (
    INSERT INTO pruned (table_name, transaction_id)
    SELECT 'generation_events', max(transaction_id) FROM gone_events HAVING count(*) > 0
    ON CONFLICT (table_name) DO UPDATE SET transaction_id = greatest(pruned.transaction_id, excluded.transaction_id)
), copies AS (
    UPDATE archived_files SET status = 'erasing' WHERE generation_id IN (SELECT id FROM mine)
), gone AS (
    DELETE FROM generations AS g USING mine WHERE g.id = mine.id RETURNING g.id
)
SELECT
    (SELECT count(*) FROM old) AS old,
    (SELECT count(*) FROM gone) AS gone,
    (SELECT jsonb_build_object('at', created_at, 'id', id) FROM page
     WHERE (SELECT count(*) FROM page) = :most ORDER BY created_at DESC, id DESC LIMIT 1) AS next
