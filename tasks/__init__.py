"""What ``celery -A tasks worker`` loads: the app, and the thread that feeds it from the lanes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, setup_logging

from vidpoll.logs import set_up_logs
from vidpoll.settings import load_settings

app = Celery("vidpoll", task_cls="tasks.request:Task")
app.config_from_object("config.celeryconfig")
app.conf.imports = (
    "tasks.archive", "tasks.generations", "tasks.maintenance", "tasks.projects", "tasks.refused", "tasks.webhooks",
)  # fmt: skip

from tasks.bootsteps import DispatcherStep  # noqa: E402  needs the app's settings
from tasks.metrics import MetricsStep  # noqa: E402

for step in (MetricsStep, DispatcherStep):
    app.steps["worker"].add(step)


@setup_logging.connect(weak=False)
def _set_up_logs(loglevel: int, logfile: str | None, **_: object) -> None:
    """In place of Celery's own; ``--loglevel`` is for what is not vidpoll's.

    What any thread prints, such as the traceback it died of, becomes lines of the log too, without secrets.
    """
    set_up_logs(load_settings(), others=loglevel, file=Path(logfile) if logfile else None)
    app.log.redirect_stdouts("WARNING")


@celeryd_init.connect(weak=False)
def _set_up_logs_first(sender: str, options: Mapping[str, Any], **_: object) -> None:
    """Before Celery warns of whom a worker runs as, which is no line of a log otherwise."""
    app.log.setup(options.get("loglevel"), options.get("logfile"), hostname=sender)
