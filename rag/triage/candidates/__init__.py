"""The candidates of a report: which earlier issues it may repeat, compared and ranked."""
