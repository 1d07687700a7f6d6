# vidpoll's image: workers, beat, API, Flower and the commands. It needs no network at its start.
#     docker build -t vidpoll .

FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY vidpoll vidpoll
# The venv has no pip of its own, so the runtime has nothing to install with.
RUN python -m venv --without-pip /venv \
    && PIP_CONSTRAINT=constraints.txt pip --python /venv/bin/python install --no-cache-dir '.[worker,api,archive]'

FROM python:3.12-slim
LABEL org.opencontainers.image.title="vidpoll" \
      org.opencontainers.image.description="Asks AI providers for videos once, watches the long-running operations, keeps the outcome in Postgres." \
      org.opencontainers.image.licenses="Apache-2.0"
# /run/vidpoll is where docker-compose.yml keeps the key that Prometheus reads.
RUN groupadd --gid 10001 vidpoll \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin vidpoll \
    && install -d -m 1777 /run/vidpoll
COPY --from=build /venv /venv
WORKDIR /app
COPY tasks tasks
COPY config config
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
# No script stands between Docker and the process: what Docker sends to end it arrives there.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s --retries=3 \
    CMD ["sh", "-c", "exec vidpoll health --worker worker@$HOSTNAME"]
CMD ["celery", "-A", "tasks", "worker", "-E", "-n", "worker@%h", "-Q", "accept,submit,check,projects,webhooks,archive,maintenance,celery", "--without-gossip", "--without-mingle"]
