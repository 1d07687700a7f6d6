-- projects_retry(id) -> the keys of the steps that are to be tried again
--
-- What failed or was cancelled forgets its generation, which the next attempt is said to be asked for anew after.

UPDATE project_steps AS step
SET attempt = step.attempt + 1, retry_of = step.generation_id, generation_id = NULL, error = NULL
FROM project_steps AS before LEFT JOIN generations AS generation ON generation.id = before.generation_id
WHERE step.project_id = :id AND before.project_id = step.project_id AND before.key = step.key
    AND (before.error IS NOT NULL
        OR before.generation_id IS NOT NULL AND coalesce(generation.status, 'failed') IN ('failed', 'cancelled'))
RETURNING step.key
