"""Names of the pipeline's metrics, shared by the code that emits them and the alarms.

Each name and dimension is billed monthly, so there are few, and none per ticker.
"""

NAMESPACE = "OpsPipeline"
SERVICE = "ops-pipeline"

# By stage, once per run.
STAGE = "stage"
FAILED = "Failed"

# From each healthcheck, zero included, so that missing data raises an alarm too.
CRITICAL_ALERTS = "CriticalAlertsOpen"
UNKNOWN_ORDERS = "UnknownOrders"
# By kind of finding, see domain/operations/health.py.
BY_FINDING = {
    "stage_silent": "StagesSilent",
    "output_stale": "OutputsStale",
    "failure_rate": "FailureRateHigh",
    "classifier_backlog": "ClassifierBacklog",
    "invariant_broken": "InvariantsBroken",
}
# Everything that a healthcheck emits.
OF_HEALTH = (*BY_FINDING.values(), UNKNOWN_ORDERS, CRITICAL_ALERTS)
