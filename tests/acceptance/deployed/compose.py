"""``docker-compose.yml`` and the ``Dockerfile`` as data, and a folder laid out like the image they make."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import yaml

from tests.acceptance.stack import PROJECT

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:[-?])([^}]*))?\})")
#: As `cap_drop: [ALL]` and `no-new-privileges` have it; then root may not even write where permissions say so.
_POWERLESS = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]


class Missing(Exception):
    """A variable without a value; the text is what the file says of it."""


def load(environ: Mapping[str, str]) -> dict[str, Any]:
    """The compose file, its anchors merged and its variables filled in."""
    return dict(_filled(yaml.safe_load((PROJECT / "docker-compose.yml").read_text()), environ))


def _filled(value: Any, environ: Mapping[str, str]) -> Any:
    match value:
        case str():
            return _VARIABLE.sub(lambda found: _value(found, environ), value)
        case dict():
            return {name: _filled(one, environ) for name, one in value.items()}
        case list():
            return [_filled(one, environ) for one in value]
    return value


def _value(found: "re.Match[str]", environ: Mapping[str, str]) -> str:
    dollar, name, how, text = found.groups()
    if dollar:
        return "$"
    if how == ":?" and not environ.get(name):
        raise Missing(f"{name}: {text}")
    return environ.get(name) or (text or "")


def seconds(text: str) -> float:
    """A duration as the file writes it."""
    number, unit = re.fullmatch(r"(\d+)(s|m|min)", text).groups()
    return int(number) * {"s": 1, "m": 60, "min": 60}[unit]


def arguments(command: Any) -> list[str]:
    """A command in either of its forms, as it is executed."""
    return shlex.split(command) if isinstance(command, str) else list(map(str, command))


def probe(test: list[str]) -> list[str]:
    """A healthcheck's command, as it is executed."""
    return ["/bin/sh", "-c", test[1]] if test[0] == "CMD-SHELL" else test[1:]


def dockerfile() -> list[tuple[str, str]]:
    """Its instructions, those of the last stage only, continuation lines joined."""
    text = re.sub(r"^#.*\n", "", (PROJECT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    found = [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in lines if line.strip()]
    last = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    return found[last:]


@dataclass
class Image:
    """A folder with what the Dockerfile puts into the image: ``app``, ``venv``, ``tmp``, ``run/vidpoll``."""

    root: Path
    python: str
    user: int | None

    @classmethod
    def build(cls, root: Path, wheel: Path) -> "Image":
        image = cls(root, *_python_and_user())
        root.chmod(0o755)
        (root / "app").mkdir()
        for name in ("tmp", "run", "run/vidpoll", "data"):
            (root / name).mkdir()
            (root / name).chmod(0o1777)
        for source, target in (text.split() for name, text in dockerfile() if name == "COPY" and "--from" not in text):
            subprocess.run(["cp", "-r", PROJECT / source, root / "app" / target], check=True)
        image._install(wheel)
        subprocess.run(["chmod", "-R", "a-w", root / "app", root / "venv"], check=True)
        return image

    def _install(self, wheel: Path) -> None:
        """The wheel in a venv of its own; what it needs comes from the one that the tests run in, not from the network."""
        subprocess.run([self.python, "-m", "venv", "--without-pip", self.root / "venv"], check=True)
        (site,) = (self.root / "venv").glob("lib/python*/site-packages")
        with ZipFile(wheel) as packed:  # which is all that installing one of Python code alone means
            packed.extractall(site)
        (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
        for name, module in (("celery", "celery.__main__"), ("vidpoll", "vidpoll.cli")):
            script = self.root / "venv" / "bin" / name
            script.write_text(f"#!{self.root}/venv/bin/python\nfrom {module} import main\nmain()\n")
            script.chmod(0o755)

    @property
    def environ(self) -> dict[str, str]:
        """What the Dockerfile sets, as far as it applies here, and what Docker sets."""
        (text,) = (text for name, text in dockerfile() if name == "ENV")
        given = dict(part.split("=", 1) for part in shlex.split(text))
        paths = given["PATH"].replace("/venv", f"{self.root}/venv").replace("$PATH", os.defpath)
        return {**given, "PATH": paths, "HOSTNAME": os.uname().nodename, "HOME": str(self.root / "app")}

    def start(self, argv: list[str], environ: Mapping[str, str], **more: Any) -> "subprocess.Popen[str]":
        """Run a command as the image's user with nothing of our environment; else as root without root's powers."""
        as_user = {"user": self.user, "group": self.user, "extra_groups": []} if self.user is not None else {}
        powerless = _POWERLESS if self.user is None and os.getuid() == 0 and shutil.which(_POWERLESS[0]) else []
        return subprocess.Popen(
            [*powerless, *argv], cwd=self.root / "app", env={**self.environ, **environ}, stdin=subprocess.DEVNULL,
            text=True, **as_user, **more,
        )  # fmt: skip


def _python_and_user() -> tuple[str, int | None]:
    """What runs the image's commands, and as whom: its own user where we are root and that user may use our packages."""
    (text,) = (text for name, text in dockerfile() if name == "USER")
    uid, system = int(text.partition(":")[0]), f"python3.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(system, path="/usr/local/bin:/usr/bin")):
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run(
                [str(python), "-c", "import celery, flower, psycopg, redis, uvicorn"], check=True, capture_output=True,
                env={"PYTHONPATH": sysconfig.get_path("purelib")}, user=uid, group=uid, extra_groups=[],
            )  # fmt: skip
            return str(python), uid
    return sys.executable, None


def exec_form(name: str) -> list[str]:
    """The Dockerfile's ``CMD``, which must be a JSON list."""
    (text,) = (text for found, text in dockerfile() if found == name)
    return list(json.loads(text))
