-- horizon() -> the oldest transaction under way, the next to begin, and those under way
--
-- What they are good for: see events_since.sql.

SELECT
    pg_snapshot_xmin(now)::text::bigint,
    pg_snapshot_xmax(now)::text::bigint,
    ARRAY(SELECT pg_snapshot_xip(now)::text::bigint)
FROM pg_current_snapshot() AS now
