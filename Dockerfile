FROM python:3.12-slim
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY vidpoll vidpoll
RUN PIP_CONSTRAINT=constraints.txt pip install --no-cache-dir '.[worker]'
COPY tasks tasks
COPY config config
RUN useradd --create-home vidpoll
USER vidpoll
CMD ["celery", "-A", "tasks", "worker", "-Q", "accept,submit,check,maintenance,celery", "--without-gossip", "--without-mingle"]
