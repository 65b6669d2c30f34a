"""Similar issues: which threads report the same problem, how likely, and whether that is sure enough to say it aloud.

`Triage` is what the command and the flow use. The pipeline: `history` reads what GitHub said of each issue and when,
`corpus` finds candidates among the issues before one, `features` describes each pair, `model` predicts how likely it is
the same problem, `replay` learns the model and its threshold from the repository's own declared duplicates.
"""

from rag.triage.command import main

__all__ = ["main"]
