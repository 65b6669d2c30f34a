"""`python -m rag.evaluate`."""

from rag.evaluate.command import main

if __name__ == "__main__":
    raise SystemExit(main())
