-- projects_due(soon_s, at_latest_s) -> ids of projects that should have been advanced, and were not
--
-- What the sweep looks for; anything that told a worker may have been lost with Redis or with the worker.
--
-- soon_s       seconds after which a line about a step that ended must have been read, and after which a project of
--              which nothing runs, or that keeps a pace or is being cancelled, is looked at again
-- at_latest_s  seconds after which any running project is: a worker of the version before writes no lines

SELECT DISTINCT project_id FROM project_outbox WHERE at < now() - make_interval(secs => :soon_s)
UNION
SELECT project.id FROM projects AS project
WHERE project.status = 'running' AND (
    project.advanced_at IS NULL AND project.created_at < now() - make_interval(secs => :soon_s)
    OR project.advanced_at < now() - make_interval(secs => :at_latest_s)
    OR project.advanced_at < now() - make_interval(secs => :soon_s + project.pace_s) AND (
        project.pace_s > 0
        OR project.cancel_requested_at IS NOT NULL
        OR NOT EXISTS (
            SELECT FROM project_steps AS step JOIN generations AS generation ON generation.id = step.generation_id
            WHERE step.project_id = project.id AND generation.completed_at IS NULL
        )
    )
)
