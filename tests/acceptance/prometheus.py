"""What a stack tells Prometheus; and a Prometheus of a test's own, with the files of ``config/`` as in a checkout."""

import json
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any, Self

import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.monitoring.files import CONFIG
from tests.waiting import until
from vidpoll.devstack.servers import free_port


def scraped(folder: Path) -> dict[str, list[dict[str, str]]]:
    """The labels of every series by its name, got as Prometheus does: from the targets in a stack's folder, with the key."""
    key = (folder / "metrics-key").read_text()
    series = defaultdict(list)
    for group in json.loads((folder / "prometheus-targets.json").read_text()):
        for target in group["targets"]:
            answer = requests.get(f"http://{target}/metrics", headers={"Authorization": f"Bearer {key}"}, timeout=10)
            answer.raise_for_status()
            for family in text_string_to_metric_families(answer.text):
                for sample in family.samples:
                    series[sample.name].append(sample.labels)
    return dict(series)


class Prometheus:
    """Runs within ``with``; ``folder`` is to hold the stack as ``.vidpoll``."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder, self.config = program, folder, folder / "config" / "prometheus-up.yml"
        self.url = f"http://127.0.0.1:{free_port()}"
        self.config.parent.mkdir()
        shutil.copy(CONFIG / "alerts.yml", self.config.parent)
        self.config.write_text((CONFIG / self.config.name).read_text().replace("5s", "1s"))

    def __enter__(self) -> Self:
        options = [
            f"--config.file={self.config}",
            f"--storage.tsdb.path={self._folder / 'prometheus'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        self._log = (self._folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen([self._program, *options], stdout=self._log, stderr=subprocess.STDOUT)
        until(self._ready, what="Prometheus")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def _ready(self) -> bool:
        assert self._process.poll() is None, (self._folder / "prometheus.log").read_text()
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def ask(self, expression: str) -> list[float]:
        """The values an expression has now; NaN, a median of nothing, is none."""
        result = self._get("query", query=expression)["result"]
        return [float(series["value"][1]) for series in result if series["value"][1] != "NaN"]

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/api/v1/{what}", params=parameters, timeout=20).json()
        assert answer["status"] == "success", f"{parameters}: {answer}"
        return dict(answer["data"])
