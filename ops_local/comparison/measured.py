"""The columns in which two replays of one day may differ, each with the reason.

Everything else is compared row for row: a column that is not here must come out the same.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """What a comparison leaves out of one table.

    Attributes:
        columns: The columns left out; empty means the whole table.
        only_after_kill: Left out only if a replay was killed; otherwise both must agree.
    """

    table: str
    columns: tuple[str, ...]
    reason: str
    only_after_kill: bool = False


MEASURED = (
    Measured(
        "run_timings",
        (),
        "How long each handler took on the wall clock, which no replay can repeat.",
    ),
    Measured(
        "broker_comparisons",
        ("duration_ms",),
        "How long an account's comparison took on the wall clock.",
    ),
    Measured(
        "binding_salt",
        (),
        "The reader, who compares, may not read it; the marks that are made with it count.",
    ),
    Measured(
        "schema_migrations",
        ("applied_at", "execution_ms"),
        "When and how fast this very database was made; its versions and checksums count.",
    ),
    Measured(
        "pipeline_runs",
        ("attempt", "lease_expires_at", "counts"),
        "A stage that was cut off runs again as the next attempt, under a new lease, and counts"
        " what was left to do.",
        only_after_kill=True,
    ),
    Measured(
        "dispatcher_runs",
        (
            "pulled_count",
            "processed_count",
            "simulated_count",
            "skipped_count",
            "failed_count",
            "run_summary_json",
        ),
        "A run that was cut off runs again and counts what was left to do.",
        only_after_kill=True,
    ),
    Measured(
        "dispatch_recommendations",
        ("claimed_until",),
        "The dispatcher's lease on a recommendation that is still under way.",
        only_after_kill=True,
    ),
)


def left_out(table: str, *, after_kill: bool) -> frozenset[str] | None:
    """The columns of a table that a comparison leaves out; None means the whole table."""
    columns: set[str] = set()
    for measured in MEASURED:
        if measured.table != table or (measured.only_after_kill and not after_kill):
            continue
        if not measured.columns:
            return None
        columns.update(measured.columns)
    return frozenset(columns)
