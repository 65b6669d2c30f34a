"""Evaluation of search and answers on query files, and the generation of query files.

queries      query files: queries with the pages that answer them
retrieval    nDCG, MRR, recall and latency of search
answers      quality of citations, and of the decision to abstain
hidden       search as of the creation of a thread, without the thread itself
threads      queries from answered discussions and from pull requests that fix issues
history      stored evaluations, and comparison with earlier ones
"""

from rag.evaluate.answers import evaluate_answers
from rag.evaluate.command import main
from rag.evaluate.queries import Query, read_queries, write_queries
from rag.evaluate.retrieval import Score, evaluate, score

__all__ = ["Query", "Score", "evaluate", "evaluate_answers", "main", "read_queries", "score", "write_queries"]
