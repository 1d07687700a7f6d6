-- generation_events(id, keep_s, most, really) -> old, gone, next
--
-- A page of events, in the order of their ids; deleted are those whose generation ended more than `keep_s` seconds ago
-- and is looked at no more. How far events are gone is noted with it: a cursor that is not newer cannot be resumed.
-- Rows that somebody has locked, another prune for example, are left to the next time.
--
-- id, most  the page: ids greater than `id`, so many at most
-- really    false: only count
-- old       how many may go
-- gone      how many went
-- next      where the next page begins; NULL when what follows is too young

WITH page AS MATERIALIZED (
    SELECT id, generation_id, at FROM generation_events WHERE id > :id ORDER BY id LIMIT :most
), old AS MATERIALIZED (
    SELECT page.id FROM page JOIN generations AS g ON g.id = page.generation_id
    WHERE g.completed_at < now() - make_interval(secs => CAST(:keep_s AS float8)) AND g.watch_until IS NULL
), mine AS MATERIALIZED (
    SELECT id FROM generation_events WHERE :really AND id IN (SELECT id FROM old) FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM generation_events AS e USING mine WHERE e.id = mine.id RETURNING e.transaction_id
), noted AS (
    INSERT INTO pruned (table_name, transaction_id)
    SELECT 'generation_events', max(transaction_id) FROM gone HAVING count(*) > 0
    ON CONFLICT (table_name) DO UPDATE SET transaction_id = greatest(pruned.transaction_id, excluded.transaction_id)
)
SELECT
    (SELECT count(*) FROM old) AS old,
    (SELECT count(*) FROM gone) AS gone,
    (SELECT jsonb_build_object('id', max(id)) FROM page
     HAVING count(*) = :most AND min(at) < now() - make_interval(secs => CAST(:keep_s AS float8))) AS next
