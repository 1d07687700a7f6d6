"""A Postgres, and fleets of a test's own, as the fault suite has them."""

from tests.acceptance.faults.conftest import fault_postgres

__all__ = ["fault_postgres"]
