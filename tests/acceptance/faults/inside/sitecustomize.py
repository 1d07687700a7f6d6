"""Misbehaviour inside a process of the fleet; Python runs this at its start when this folder is on PYTHONPATH.

``VIDPOLL_TEST_INSIDE`` holds words, comma-separated::

    skew=300        this process' clock is so many seconds ahead (time.time, datetime.now; not the monotonic one)
    die_on_submit=WORD, die_on_check=WORD
                    the process aborts when an adapter is asked to submit, or to check, something that holds WORD
"""

import ctypes
import datetime
import gc
import importlib.abc
import importlib.util
import os
import sys
import time


def _skew(seconds: float) -> None:
    """A subclass of datetime would not be pickled by beat, nor made by psycopg: so the class itself is changed."""
    true_time, methods = time.time, gc.get_referents(datetime.datetime.__dict__)[0]
    time.time = lambda: true_time() + seconds
    time.time_ns = lambda: int(time.time() * 1e9)
    methods["now"] = classmethod(lambda cls, tz=None: cls.fromtimestamp(time.time(), tz))
    methods["utcnow"] = classmethod(lambda cls: cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None))
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


class _DieOn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Wraps the adapters once ``vidpoll.providers`` is imported."""

    def __init__(self, word: str, verb: str) -> None:
        self._word, self._verb = word, verb

    def find_spec(self, name, path, target=None):
        if name != "vidpoll.providers":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        build = module.build

        def deadly(accounts):
            adapters = build(accounts)
            for adapter in adapters.values():
                setattr(adapter, self._verb, self._guarded(getattr(adapter, self._verb)))
            return adapters

        module.build = deadly

    def _guarded(self, call):
        def guarded(*args, **kwargs):
            if self._word in repr(args):
                os.abort()
            return call(*args, **kwargs)

        return guarded


for _said in filter(None, os.environ.get("VIDPOLL_TEST_INSIDE", "").split(",")):
    _name, _, _value = _said.partition("=")
    if _name == "skew":
        _skew(float(_value))
    elif _name in ("die_on_submit", "die_on_check"):
        sys.meta_path.insert(0, _DieOn(_value, _name.removeprefix("die_on_")))
    else:
        raise SystemExit(f"VIDPOLL_TEST_INSIDE: no {_name!r}")
