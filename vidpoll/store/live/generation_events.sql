-- generation_events(owner, id, version) -> the later events of one generation, oldest first
--
-- Versions of one generation follow its commits: each is written under the row's lock.

SELECT e.id, e.generation_id, g.owner, g.project_id, e.version, e.kind, e.status, e.data, e.at, e.transaction_id
FROM generation_events AS e JOIN generations AS g ON g.id = e.generation_id
WHERE g.id = %(id)s AND g.owner = %(owner)s AND e.version > %(version)s
ORDER BY e.version
