"""`python -m rag.triage`."""

from rag.triage.command import main

if __name__ == "__main__":
    raise SystemExit(main())
