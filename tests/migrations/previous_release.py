"""Runs handlers of whatever release is first on the path; the test puts an older one there.

Reads `{"stage": event}` and the environment, answers `{"stage": status or error}`.
"""

import json
import sys
from importlib import import_module


def run() -> None:
    answers = {}
    for stage, event in json.load(sys.stdin).items():
        handler = import_module(f"functions.{stage}.handler").lambda_handler
        try:
            answers[stage] = handler(event, None).get("status", "run")
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must tell it
            answers[stage] = f"{type(error).__name__}: {error}"
    sys.stdout.write(f"\n{json.dumps(answers)}\n")


if __name__ == "__main__":
    run()
