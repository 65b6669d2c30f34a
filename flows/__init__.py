"""Prefect flows over `rag`: they schedule, retry, cache and record what `rag` does."""

import os

from rag.net.proxies import keep_loopback_from_proxies

# Prefect reads these when it is imported, which happens later. It sends no telemetry unless the user's environment
# enables it.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# A run that misses several heartbeats is marked Crashed: see flows.prefect.lost_runs.
os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
# Of each event that does not reach its server, Prefect would log a line of the event's whole content.
os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")
# Prefect keeps results and its database in files of the default mode; they hold answers.
os.umask(os.umask(0o077) | 0o077)
# The temporary server is on this machine.
keep_loopback_from_proxies()
