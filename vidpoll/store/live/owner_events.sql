-- owner_events(owner, transaction, after, most) -> events of one owner, in the order of their ids
--
-- For a client that comes back: everything since the oldest transaction that was under way when it was told its cursor.
-- Events without an owner were written by a worker of an older version during a roll-out.
--
-- owner        whose
-- transaction  the cursor
-- after, most  the page: ids greater than `after`, so many at most

SELECT * FROM (
    SELECT e.id, e.generation_id, g.owner, g.project_id, e.version, e.kind, e.status, e.data, e.at, e.transaction_id
    FROM generation_events AS e JOIN generations AS g ON g.id = e.generation_id
    WHERE e.owner = %(owner)s AND g.owner = %(owner)s AND e.transaction_id >= %(transaction)s AND e.id > %(after)s
    UNION ALL
    SELECT e.id, e.generation_id, g.owner, g.project_id, e.version, e.kind, e.status, e.data, e.at, e.transaction_id
    FROM generation_events AS e JOIN generations AS g ON g.id = e.generation_id
    WHERE e.owner IS NULL AND g.owner = %(owner)s AND e.transaction_id >= %(transaction)s AND e.id > %(after)s
) AS found
ORDER BY id
LIMIT %(most)s
