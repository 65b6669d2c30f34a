# syntax=docker/dockerfile:1
FROM python:3.12-slim AS build
WORKDIR /app
RUN python -m venv /venv
# Requirements change rarely, so this large layer stays cached between builds.
COPY requirements.txt .
RUN --mount=type=cache,target=/root/.cache/pip \
    /venv/bin/pip install --disable-pip-version-check --no-deps --require-hashes -r requirements.txt

FROM python:3.12-slim
# [[repository]] sources are cloned with git.
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 rag && install -d -o rag -g rag /data
COPY --from=build /venv /venv
WORKDIR /app
COPY rag rag
COPY flows flows
COPY sql sql
COPY docs docs
ENV PATH=/venv/bin:$PATH RAG_HOME=/data PYTHONUNBUFFERED=1
USER rag
VOLUME /data
CMD ["python", "-m", "rag.web", "--host", "0.0.0.0"]
