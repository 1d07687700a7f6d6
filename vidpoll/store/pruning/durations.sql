-- durations(keep_s, really, providers, models) -> old, gone, next
--
-- Learned durations; deleted are those of models that are offered no more, and of which none ended within the last
-- `keep_s` seconds. A few rows a model, so all at once.
--
-- providers, models  what is offered; element n of each belongs together
-- really             false: only count
-- old                how many may go
-- gone               how many went
-- next               NULL

WITH old AS MATERIALIZED (
    SELECT provider, model, params, part FROM durations
    WHERE newest_at < now() - make_interval(secs => CAST(:keep_s AS float8))
        AND (provider, model) NOT IN (SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:models AS text[])))
), mine AS MATERIALIZED (
    SELECT provider, model, params, part FROM durations
    WHERE :really AND (provider, model, params, part) IN (SELECT * FROM old) FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM durations AS d USING mine
    WHERE (d.provider, d.model, d.params, d.part) = (mine.provider, mine.model, mine.params, mine.part)
    RETURNING d.part
)
SELECT (SELECT count(*) FROM old) AS old, (SELECT count(*) FROM gone) AS gone, NULL::jsonb AS next
