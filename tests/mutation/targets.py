"""The modules that decide whether, how much and when is traded, each with its own tests.

These tests need no database: a module's mutants are run against its own tests alone, so a
promise that only another stage's tests hold counts as one that nobody holds.
"""

from tests.mutation.runner import Target

_BOOKING = ("tests/execution/test_booking.py",)
_REPORTS = ("tests/execution/test_execution_reports.py",)
_ENTRY = ("tests/execution/test_entry_decisions.py",)
_APPLIED = "tests/unit/test_applied_actions.py"
_DECISIONS = "ops_pipeline.execution.decisions"
_CORPORATE = "ops_pipeline.domain.corporate"

TARGETS = (
    Target.of("ops_pipeline.domain.gates", "tests/unit/test_gates.py"),
    Target.of("ops_pipeline.domain.exits", "tests/unit/test_exits.py"),
    Target.of("ops_pipeline.domain.sizing", "tests/unit/test_sizing.py"),
    Target.of("ops_pipeline.domain.orders", "tests/unit/test_orders.py"),
    Target.of("ops_pipeline.domain.costs.fee_table", "tests/unit/test_fee_table.py"),
    Target.of("ops_pipeline.domain.costs.fees", "tests/unit/test_fees.py"),
    Target.of("ops_pipeline.domain.costs.impact", "tests/unit/test_impact.py"),
    Target.of("ops_pipeline.domain.costs.settling", "tests/unit/test_fee_settling.py"),
    Target.of(f"{_CORPORATE}.terms", _APPLIED),
    Target.of(f"{_CORPORATE}.due_actions", "tests/unit/test_due_actions.py"),
    Target.of(f"{_CORPORATE}.applying", _APPLIED),
    Target.of(f"{_CORPORATE}.later_cash", "tests/unit/test_later_cash.py"),
    Target.of(f"{_CORPORATE}.restated", "tests/unit/test_restated_terms.py"),
    Target.of(f"{_DECISIONS}.entry", *_ENTRY),
    Target.of(f"{_DECISIONS}.entry_facts", *_ENTRY),
    Target.of(f"{_DECISIONS}.intents", *_ENTRY),
    Target.of(f"{_DECISIONS}.sending", "tests/execution/test_sending.py"),
    Target.of(f"{_DECISIONS}.execution_reports", *_REPORTS),
    Target.of(f"{_DECISIONS}.order_updates", *_BOOKING),
    Target.of(f"{_DECISIONS}.booking", *_BOOKING),
    Target.of(f"{_DECISIONS}.costs", "tests/execution/test_cost_estimates.py"),
    Target.of(f"{_DECISIONS}.changes", *_BOOKING),
    Target.of(f"{_DECISIONS}.purchases", *_BOOKING),
    Target.of(f"{_DECISIONS}.sales", *_BOOKING),
)
