"""A support engine for software projects: sync, index, search and answer with sources."""

__version__ = "0.1.0"
