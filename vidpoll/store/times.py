"""Moments of the database's clock."""

from typing import Any

from sqlalchemy import ColumnElement, Float, func, literal


def later(seconds: float, since: ColumnElement[Any] | None = None) -> ColumnElement[Any]:
    """So many seconds from now, or from ``since``, on the database's clock."""
    return (func.now() if since is None else since) + func.make_interval(0, 0, 0, 0, 0, 0, literal(seconds, Float))
