"""The metrics that the pipeline writes: one list for the code that emits and the alarms that read.

Each name and dimension is billed by the month, so there are few and none per ticker.
"""

NAMESPACE = "OpsPipeline"
SERVICE = "ops-pipeline"

# By stage, once a run.
STAGE = "stage"
FAILED = "Failed"
DURATION = "Duration"

# From each healthcheck, zero included, so that silence is an alarm too.
CRITICAL_ALERTS = "CriticalAlertsOpen"
UNKNOWN_ORDERS = "UnknownOrders"
# By the kind of finding, see domain/operations/health.py.
UNWELL = {
    "stage_silent": "StagesSilent",
    "output_stale": "OutputsStale",
    "failure_rate": "FailureRateHigh",
    "classifier_backlog": "ClassifierBacklog",
    "invariant_broken": "InvariantsBroken",
}
# All that a healthcheck writes.
OF_HEALTH = (*UNWELL.values(), UNKNOWN_ORDERS, CRITICAL_ALERTS)
