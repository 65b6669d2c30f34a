"""Prefect flows over `rag`: they schedule, retry, cache and record, and hold no rules of their own."""

import os

# Prefect reads these when it is imported, which is after this: nothing is reported to anybody, unless the user's
# environment says otherwise.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# A run that has given no sign of life for some of these is marked Crashed: see flows.prefect.lost_runs.
os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
