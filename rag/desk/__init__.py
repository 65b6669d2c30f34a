"""The maintainer's desk: what people ask and what the docs lack (`insights`), and a picture of the index (`map`).

clusters     questions grouped by meaning
labels       a few words that tell a group from the others
gaps         questions that the docs do not answer
insights     the report, from the answer log
report       its shape
markdown     the report as Markdown
"""

from rag.desk.insights import Insights
from rag.desk.report import Report

__all__ = ["Insights", "Report"]
