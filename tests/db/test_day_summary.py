"""The summary of a day: one part that cannot be read is told, and the others are there."""

from ops_local.day_summary import read
from ops_local.looks import is_known
from ops_pipeline.db.driver.connection import Database, Transaction
from ops_pipeline.domain.operations.manifest import stage_named
from tests.support.builders_trading import TradingBench


def test_a_part_that_cannot_be_read_takes_no_other_down(owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        whole = {part.title: part.rows for part in read(tx)}
    with owner_db.transaction() as tx:
        renamed(tx, "pnl_dollars", "gone")
        parts = {part.title: part.rows for part in read(tx)}
        renamed(tx, "gone", "pnl_dollars")
    assert list(parts) == list(whole)
    for title in ("Positions", "Closed trades"):
        assert "not known: DatabaseError" in parts[title][0]["problem"], title
    known = set(parts) - {"Positions", "Closed trades"}
    assert {title: parts[title] for title in known} == {title: whole[title] for title in known}


def renamed(tx: Transaction, name: str, to: str) -> None:
    """In the table and in the view on it, whose columns keep their names otherwise."""
    tx.execute(f"ALTER TABLE position_history RENAME COLUMN {name} TO {to}")
    tx.execute(f"ALTER VIEW position_results RENAME COLUMN {name} TO {to}")


def test_a_stage_whose_counts_are_odd_is_named_beside_the_others(bench: TradingBench) -> None:
    bench.buy()
    with bench.db.transaction() as tx:
        before = {row["stage"] for row in read(tx)[1].rows}
    assert before
    odd = min(before)
    column = stage_named(odd).rows_in
    bench.run(
        "UPDATE pipeline_runs SET counts = jsonb_build_object(CAST(:column AS text), 'many') "
        "WHERE stage = :stage",
        column=column,
        stage=odd,
    )
    with bench.db.transaction() as tx:
        _, stages, unread, *_ = parts = read(tx)
    assert {row["stage"] for row in stages.rows} == before - {odd}
    assert [row["stage"] for row in unread.rows] == [odd]
    assert not is_known(parts)
    assert "many" not in str(unread.rows)
