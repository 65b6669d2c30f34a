"""Answer a question as a flow run: for the Prefect UI, for automations and for schedules.

Prefect caches an answer by the question, the index, the model and the program, so repeating a question on an unchanged
index costs nothing. On a terminal use `python -m rag.ask`, which does not need Prefect.
"""

from __future__ import annotations

import textwrap
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from prefect import flow, runtime
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import INPUTS, TASK_SOURCE
from prefect.client.orchestration import get_client
from prefect.transactions import get_transaction
from pydantic import Field

from flows.engine import in_thread, program, shared_engine
from flows.prefect.endings import told
from flows.prefect.retries import retrying_task
from flows.prefect.returned import keep
from rag.answer.answer import Answer
from rag.text.lines import one_line
from rag.trust.secrets import masked

__all__ = ["answer", "answer_markdown", "ask"]


def _run_name() -> str:
    question = masked(one_line(runtime.flow_run.parameters["question"]))
    return f"answer: {textwrap.shorten(question, 80, placeholder=' …')}"


@retrying_task(
    "ask",
    cache_policy=INPUTS + TASK_SOURCE,
    cache_expiration=timedelta(days=30),
    persist_result=True,
    result_serializer="json",
)
async def ask(question: str, source: str | None, top_k: int, made_from: str) -> Answer:
    """Ask the engine. An answer that the language model failed to write is not cached.

    :param made_from: what else the answer depends on: the state of the index, the model and the program
    """

    def ask_engine() -> Answer:
        with shared_engine() as engine:
            return engine.ask(question, top_k=top_k, source=source)

    found = await in_thread(ask_engine)
    transaction = get_transaction()
    if found.note and transaction is not None:
        transaction.write_on_commit = False
    return found


@flow(name="answer", flow_run_name=_run_name, persist_result=False)
@told
async def answer(
    question: Annotated[str, Field(min_length=1)],
    source: str | None = None,
    top_k: Annotated[int, Field(ge=1, le=1000)] = 8,
) -> Answer:
    """Answer a question from the ingested sources; every claim has a citation.

    The markdown artifact of the run shows the answer and its sources, or says that the sources do not answer it.

    Args:
        question: The question, in your own words.
        source: The name of a source; the answer is then drawn from this source only.
        top_k: The number of chunks that the answer may draw on.

    """
    question = await _without_secrets(question)
    with shared_engine() as engine:
        made_from = " ".join([await in_thread(engine.questions.index_state), engine.settings.llm, program()])
        found = await ask(question, source, top_k, made_from)
    await acreate_markdown_artifact(answer_markdown(found), key="answer", description=question)
    return keep(found)


async def _without_secrets(question: str) -> str:
    """Mask the secrets in a question, in the parameters that Prefect keeps of this run too."""
    clean = masked(question)
    run_id = runtime.flow_run.id
    if clean != question and run_id:
        async with get_client() as client:
            parameters = {**runtime.flow_run.parameters, "question": clean}
            await client.update_flow_run(UUID(run_id), parameters=parameters)
    return clean


def answer_markdown(answer: Answer) -> str:
    """Return an answer as Markdown, with links to its sources."""
    lines = [f"## {answer.question}", "", answer.answer, ""]
    if answer.sources:
        lines += ["### Sources" if answer.answered else "### Nearest pages", ""]
    for source in answer.sources:
        title = source.title.replace("[", r"\[").replace("]", r"\]")
        lines.append(f"{source.n}. [{title}](<{source.url}>) ({source.source}, {source.score:.0%})")
        if answer.answered:
            # A quote that begins with # would be rendered as a heading.
            lines.append(f"   > {' '.join(source.quote.split()).lstrip('# ')}")
    return "\n".join([*lines, "", f"*{answer.llm}, {answer.embedding_model}*"])
