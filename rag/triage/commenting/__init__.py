"""Comments: what is read in one process is planned as fixed JSON and written by another."""
