"""What did the gates' refusals cost? Asks a replay what each refused ticker did in the next hour.

    .venv/bin/python examples/query_a_replay.py            the replay that ran last
    .venv/bin/python examples/query_a_replay.py NAME       another one of the state folder

Logs in as the reader, so nothing here can change the replay. The same question in one line:
`ops query "$(cat question.sql)"`.
"""

import os
import sys

from ops_local.commandline.target import Target
from ops_pipeline.errors import OpsError

# One row a gate: how many entries it refused, alone or beside others, and where the price of
# these tickers stood an hour later. A recommendation's `ts` is its tick; the newest bar that was
# final then began a minute before.
QUESTION = """
SELECT gate.key AS gate,
       count(*) AS refused,
       round(100 * avg(later.close / decided.close - 1), 3) AS percent_an_hour_later
FROM dispatch_recommendations AS r
CROSS JOIN LATERAL jsonb_each(r.risk_gate_json) AS gate
JOIN lane_telemetry AS decided
  ON decided.ticker = r.ticker AND decided.ts = r.ts - interval '1 minute'
LEFT JOIN lane_telemetry AS later
  ON later.ticker = r.ticker AND later.ts = decided.ts + interval '60 minutes'
WHERE r.action = 'BUY' AND r.status = 'SKIPPED' AND gate.value ->> 'passed' = 'false'
GROUP BY gate.key
ORDER BY refused DESC, gate
"""


def main(arguments: list[str]) -> int:
    replay = arguments[0] if arguments else None
    try:
        with Target(os.environ, replay=replay).reading("example") as tx:
            rows = tx.rows(QUESTION)
    except OpsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{'gate':<24}{'refused':>8}{'% an hour later':>18}\n")
    for row in rows:
        later = row["percent_an_hour_later"]
        shown = "not known" if later is None else f"{later:+}"
        sys.stdout.write(f"{row['gate']:<24}{row['refused']:>8}{shown:>18}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
