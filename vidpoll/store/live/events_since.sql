-- events_since(transaction, after, most) -> events, whoever owns them, in the order of their ids
--
-- An id is handed out before its transaction commits, so "greater ids" would miss what commits late. Every transaction
-- that was under way at a moment has an id of at least pg_snapshot_xmin of that moment.
--
-- transaction  what may not have been seen yet: the horizon an earlier read answered
-- after, most  the page: ids greater than `after`, so many at most

SELECT e.id, e.generation_id, g.owner, g.project_id, e.version, e.kind, e.status, e.data, e.at, e.transaction_id
FROM generation_events AS e JOIN generations AS g ON g.id = e.generation_id
WHERE e.transaction_id >= %(transaction)s AND e.id > %(after)s
ORDER BY e.id
LIMIT %(most)s
