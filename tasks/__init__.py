"""What ``celery -A tasks worker`` loads: the app, and the thread that feeds it from the lanes."""

from celery import Celery
from celery.signals import after_setup_logger, after_setup_task_logger

from vidpoll.guarded_logs import guard_logs

app = Celery("vidpoll")
app.config_from_object("config.celeryconfig")
app.conf.imports = ("tasks.generations", "tasks.maintenance", "tasks.refused")

from tasks.bootsteps import DispatcherStep  # noqa: E402  needs the app's settings

app.steps["worker"].add(DispatcherStep)
for logs_are_set_up in (after_setup_logger, after_setup_task_logger):
    logs_are_set_up.connect(lambda **_: guard_logs(), weak=False)
