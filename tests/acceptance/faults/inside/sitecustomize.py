"""Misbehaviour inside a process of the fleet; Python runs this at its start when this folder is on PYTHONPATH.

``VIDPOLL_TEST_INSIDE`` holds words, comma-separated::

    skew=300        this process' clock is so many seconds ahead (time.time, datetime.now; not the monotonic one)
    die_on=WORD     the process aborts when an adapter is asked to submit or check something that holds WORD
    die_on_check=WORD  only when it is asked to check
"""

import datetime
import importlib.abc
import importlib.util
import os
import sys
import time


def _skew(seconds: float) -> None:
    true_time, true_datetime = time.time, datetime.datetime

    class AnyDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, true_datetime)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, true_datetime)

    class Datetime(true_datetime, metaclass=AnyDatetime):
        @classmethod
        def now(cls, tz=None):
            return true_datetime.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls):
            return true_datetime.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

    time.time = lambda: true_time() + seconds
    time.time_ns = lambda: int(time.time() * 1e9)
    datetime.datetime = Datetime


class _DieOn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Wraps the adapters once ``vidpoll.providers`` is imported."""

    def __init__(self, word: str, *verbs: str) -> None:
        self._word, self._verbs = word, verbs

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
                for verb in self._verbs:
                    setattr(adapter, verb, self._guarded(getattr(adapter, verb)))
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
    elif _name == "die_on":
        sys.meta_path.insert(0, _DieOn(_value, "submit", "check"))
    elif _name == "die_on_check":
        sys.meta_path.insert(0, _DieOn(_value, "check"))
    else:
        raise SystemExit(f"VIDPOLL_TEST_INSIDE: no {_name!r}")
