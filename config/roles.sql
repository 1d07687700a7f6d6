-- A role for each kind of process, and what it may do. docs/operations.md says how to use it.
--
-- Run it as a superuser (or as whoever may create roles and owns the tables), before the first `vidpoll db upgrade` and
-- again after each: it may be run at any time, and leaves exactly what it says. `vidpoll db upgrade` itself is run as
-- vidpoll_migrate, who owns the tables.
--
--   vidpoll_migrate   owns the tables; for `vidpoll db upgrade` alone
--   vidpoll_worker    workers, which do the work of beat's jobs too; beat itself needs no database
--   vidpoll_api       vidpoll api
--   vidpoll_client    services that use vidpoll.Client
--   vidpoll_operator  people: vidpoll keys, unknown, lanes, health, dead-letters …
--   vidpoll_reader    dashboards and reports: reads, but no keys
--
-- A table that this file does not name yet (a newer version's) is the workers' to use, and nobody else's: that is what
-- ALTER DEFAULT PRIVILEGES below does. Columns numbered by Postgres need no grant on their sequence.

DO $$
DECLARE
  -- What asking for a cancel changes; nothing else of a row may be changed from outside of a worker.
  cancels CONSTANT text := 'SELECT, INSERT, UPDATE (cancel_requested_at, version, updated_at)';
  -- A project of one's own: asked for, tried again, cancelled. It is moved on by workers alone.
  asks    CONSTANT text := 'SELECT, INSERT, UPDATE (status, version, updated_at, completed_at, cancel_requested_at)';
  steps   CONSTANT text := 'SELECT, INSERT, UPDATE (attempt, retry_of, generation_id, error)';
  -- What deletes keys that were revoked long ago: it locks them first, and sees neither owner nor hash.
  prunes  CONSTANT text := 'SELECT (id, revoked_at), UPDATE (revoked_at), DELETE';
  -- Endpoints of webhooks: made, disabled, enabled, removed; what is sent to them, and how they do, workers write. Their
  -- secrets are written, and ended by time, by whoever makes them, and read by workers alone.
  hooks   CONSTANT text := 'SELECT, INSERT, DELETE, UPDATE (status, disabled_code, disabled_reason, failing_since,'
                           ' failures_in_a_row, rests_until, updated_at)';
  secrets CONSTANT text := 'SELECT (id, endpoint_id, created_at, expires_at), INSERT, UPDATE (expires_at)';
  replays CONSTANT text := 'SELECT, INSERT, UPDATE (status, attempts, next_at, scheduled_at, ended_at)';
  every   CONSTANT text := 'SELECT, INSERT, UPDATE, DELETE';
  roles   CONSTANT text[] := ARRAY['vidpoll_worker', 'vidpoll_api', 'vidpoll_client', 'vidpoll_operator', 'vidpoll_reader'];
  role    text;
  may     record;
BEGIN
  FOREACH role IN ARRAY array_prepend('vidpoll_migrate', roles) LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I LOGIN', role);
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
  END LOOP;
  REVOKE CREATE ON SCHEMA public FROM PUBLIC;
  GRANT CREATE ON SCHEMA public TO vidpoll_migrate;
  ALTER DEFAULT PRIVILEGES FOR ROLE vidpoll_migrate IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO vidpoll_worker;

  FOR may IN SELECT * FROM (VALUES
    -- table              worker        api               client            operator  reader
    ('generations',       ARRAY[every,  cancels,          cancels,          every,    'SELECT']),
    ('generation_events', ARRAY[every,  'SELECT, INSERT', 'SELECT, INSERT', every,    'SELECT']),
    ('projects',          ARRAY[every,  asks,             asks,             every,    'SELECT']),
    ('project_steps',     ARRAY[every,  steps,            steps,            every,    'SELECT']),
    ('project_events',    ARRAY[every,  'SELECT, INSERT', 'SELECT, INSERT', every,    'SELECT']),
    ('webhook_endpoints', ARRAY[every,  hooks,            hooks,            every,    'SELECT']),
    ('webhook_secrets',   ARRAY[every,  secrets,          secrets,          secrets,  NULL]),
    ('webhook_deliveries', ARRAY[every, replays,          replays,          every,    'SELECT']),
    ('webhook_cursor',    ARRAY[every,  NULL,             NULL,             every,    'SELECT']),
    ('project_outbox',    ARRAY[every,  NULL,             NULL,             every,    'SELECT']),
    ('archived_files',    ARRAY[every,  'SELECT',         'SELECT',         every,    'SELECT']),
    ('pruned',            ARRAY[every,  'SELECT',         NULL,             every,    'SELECT']),
    ('durations',         ARRAY[every,  'SELECT',         'SELECT',         every,    'SELECT']),
    ('dead_letters',      ARRAY[every,  NULL,             NULL,             every,    'SELECT']),
    ('account_controls',  ARRAY[every,  'SELECT',         NULL,             every,    'SELECT']),
    ('api_keys',          ARRAY[prunes, 'SELECT',         NULL,             every,    NULL]),
    ('alembic_version',   ARRAY[NULL,   NULL,             NULL,             'SELECT', NULL])
  ) AS decided (name, granted) LOOP
    CONTINUE WHEN to_regclass('public.' || may.name) IS NULL;
    EXECUTE format('ALTER TABLE public.%I OWNER TO vidpoll_migrate', may.name);
    FOR place IN 1 .. array_length(roles, 1) LOOP
      EXECUTE format('REVOKE ALL ON public.%I FROM %I', may.name, roles[place]);
      IF may.granted[place] IS NOT NULL THEN
        EXECUTE format('GRANT %s ON public.%I TO %I', may.granted[place], may.name, roles[place]);
      END IF;
    END LOOP;
  END LOOP;
END $$;
