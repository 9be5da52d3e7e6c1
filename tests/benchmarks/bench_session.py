"""The generated session whole: time by part, memory by the hour, work of the other processes."""

import resource
import tempfile
import time
from datetime import datetime
from operator import itemgetter
from pathlib import Path

from ops_local.engine.engine import Engine
from ops_local.exchange.launcher import RunningExchange
from ops_local.pipeline import Pipeline
from ops_local.synthetic import generate
from ops_pipeline.adapters.alpaca_wire import Wire
from ops_pipeline.adapters.vix import VixCsv
from ops_pipeline.db.driver.wire import PipelinedSession
from ops_pipeline.domain.market import NEW_YORK
from ops_pipeline.stages import rss_ingest
from tests.benchmarks.measuring import Stopwatch, memory_mb, say
from tests.replay.conftest import Day, run_day, server_home

BOUND_S, AIM_S = 120, 30
# What the rows of a day may add: the tally and a few caches, not a copy of the day.
BOUND_GROWTH_MB = 40


def watched() -> Stopwatch:
    """A stopwatch around all that the replay's own thread waits for or spends."""
    watch = Stopwatch()
    watch.around(Engine, "run", "engine")
    watch.around(Pipeline, "invoke", "handlers' Python")
    for method in ("ask", "execute_simple", "execute_unnamed", "prepare_statement"):
        watch.around(PipelinedSession, method, "SQL")
    watch.around(Wire, "ask", "HTTP to the broker")
    watch.around(VixCsv, "readings", "HTTP to feeds")
    watch.around_each(rss_ingest, "fetched", "HTTP to feeds")
    watch.around(RunningExchange, "set_clock", "HTTP: the exchange's clock")
    return watch


def run(until: datetime | None = None) -> tuple[Day, dict[str, float]]:
    """Replay the generated session; also the process's memory, MB, at each full hour."""
    by_hour: dict[str, float] = {}

    def each_minute(at: datetime) -> None:
        if at.minute == 0:
            by_hour[f"{at.astimezone(NEW_YORK):%H:%M}"] = memory_mb()

    with tempfile.TemporaryDirectory() as folder, server_home() as home:
        recording = generate(Path(folder) / "session")
        return run_day(home, recording, last=until, watch=each_minute), by_hour


def main() -> None:
    watch = watched()
    started, cpu = time.perf_counter(), time.process_time()
    day, by_hour = run()
    took_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    assert day.tally.failures == []
    say("33 tickers, 390 minutes, two accounts", f"{took_s:.1f} s", f"<= {BOUND_S} s")
    say("  aim", f"{AIM_S} s")
    for name, spent_s in sorted(watch.spent_s.items(), key=itemgetter(1), reverse=True):
        say(f"  {name} ({watch.calls[name]} calls)", f"{spent_s:.1f} s")
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    say("processor time of this process", f"{cpu_s:.1f} s")
    say("... of Postgres and the exchange", f"{children.ru_utime + children.ru_stime:.1f} s")
    hours = list(by_hour.items())
    for hour, held_mb in hours:
        say(f"memory at {hour} New York", f"{held_mb:.0f} MB")
    # By 10:00 every stage has run.
    growth = hours[-1][1] - by_hour["10:00"]
    say("growth from 10:00 on", f"{growth:.0f} MB", f"<= {BOUND_GROWTH_MB} MB")


if __name__ == "__main__":
    main()
