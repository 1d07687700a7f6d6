"""What all tables share: one MetaData, and how their constraints and moments are written."""

from sqlalchemy import Column, DateTime, MetaData, func

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)


def moment(name: str, *, default: bool = False, comment: str | None = None) -> Column[object]:
    """A moment of the database's clock; with ``default`` that of the row's making."""
    if default:
        return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now(), comment=comment)
    return Column(name, DateTime(timezone=True), comment=comment)
