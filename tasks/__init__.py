"""What ``celery -A tasks worker`` loads: the app, and the thread that feeds it from the lanes."""

from celery import Celery

app = Celery("vidpoll")
app.config_from_object("config.celeryconfig")
app.conf.imports = ("tasks.generations", "tasks.maintenance", "tasks.refused")

from tasks.bootsteps import DispatcherStep  # noqa: E402  needs the app's settings

app.steps["worker"].add(DispatcherStep)
