"""How good search and answers are: over a file of queries, and files of queries made from what is there.

queries      a file of queries whose answering pages are known
retrieval    nDCG, MRR, recall and latency of search
answers      what citations hold, and how well the engine knows what it cannot answer
hidden       search that does not see a thread and all that was written later
threads      queries from answered discussions and from pull requests that fix issues
history      evaluations that are kept, and which metrics fell
"""

from rag.evaluate.answers import evaluate_answers
from rag.evaluate.command import main
from rag.evaluate.queries import Query, read_queries, write_queries
from rag.evaluate.retrieval import Score, evaluate, score

__all__ = ["Query", "Score", "evaluate", "evaluate_answers", "main", "read_queries", "score", "write_queries"]
