"""Prefect: flows, tasks, retries, schedules and artifacts. No business rules."""
