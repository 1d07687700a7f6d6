"""The HTTP side: ``docs/http.md`` says what it answers. Needs ``vidpoll[api]``.

``app.py`` puts it together. Its routes: ``submitting.py``, ``status.py``, ``generations.py``, ``events.py`` and
``operating.py``. ``keys.py`` says who may use them, ``tail.py`` lets events come in; the files of ``page/`` are served
as they are.
"""

from vidpoll.api.app import create_app
from vidpoll.api.serving import serve

__all__ = ["create_app", "serve"]
