"""What a PromQL expression reads: names of metrics, their label matchers, the labels it groups by.

No parser of the language: it finds selectors and ``by (…)`` in expressions as they are written here, and `promtool` and a
real Prometheus judge the rest.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_METRIC = re.compile(r"\b(?P<name>vidpoll_\w+|up|ALERTS)\b(?:\{(?P<matchers>[^}]*)\})?")
_MATCHER = re.compile(r'(?P<label>\w+)\s*(?P<sign>=~|!~|!=|=)\s*"(?P<value>[^"]*)"')
_BY = re.compile(r"\bby\s*\((?P<labels>[^)]*)\)")
#: A label's values, where they are written out: `a`, or `a|b`.
_WORDS = re.compile(r"\w+(\|\w+)*")
_TEXT = re.compile(r'"[^"]*"')
#: Prometheus' own: what it notes of targets and alerts, and adds to every series.
OWN_METRICS = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "severity"}}
OWN_LABELS = frozenset({"job", "instance"})
#: What processes tell: the labels of each series, by the metric's name.
Series = Mapping[str, Sequence[Mapping[str, str]]]


@dataclass(frozen=True)
class Selector:
    """A metric, and what its labels must be: (label, sign, value)."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]


def selectors(expression: str) -> list[Selector]:
    return [
        Selector(found["name"], tuple(_MATCHER.findall(found["matchers"] or "")))
        for found in _METRIC.finditer(expression)
    ]


def grouped_by(expression: str) -> set[str]:
    """Every label in a ``by (…)`` of the expression."""
    found = _BY.findall(_TEXT.sub('""', expression))
    return {label.strip() for labels in found for label in labels.split(",") if label.strip()}


def not_there(expression: str, series: Series) -> Iterator[str]:
    """What the expression names, in words, and no process tells."""
    for one in selectors(expression):
        label_sets = series.get(one.metric, [])
        if not label_sets and one.metric not in OWN_METRICS:
            yield f"no metric {one.metric}"
            continue
        labels = OWN_METRICS.get(one.metric) or {label for labels in label_sets for label in labels}
        for label in {label for label, _, _ in one.matchers} | grouped_by(expression):
            if label not in labels:
                yield f"{one.metric} has no label {label}"
        for label, _, value in one.matchers:
            if _WORDS.fullmatch(value) and label_sets:
                for word in set(value.split("|")) - {labels.get(label) for labels in label_sets}:
                    yield f"no {one.metric} has {label}={word!r}"
