"""The two runtimes of the local model: onnxruntime for a question, OpenVINO for a corpus."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import Lock, local
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rag.embedding.parallel import in_parallel
from rag.errors import EmbeddingError
from rag.text.lines import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import onnxruntime  # type: ignore[import-untyped]
    import openvino  # type: ignore[import-untyped]

__all__ = ["compiled_model", "cores", "has_fast_bf16", "infer", "inference_session"]

#: The inputs of one inference by name, each of shape (texts, tokens).
Batch = dict[str, NDArray[np.int64]]

# More threads do not speed up a question, which is too little work.
_QUERY_THREADS = 4
# In seconds: the longest that an inference under way may take when the process ends.
_GRACE = 30.0
_first_inference = Lock()


def inference_session(graph: Path) -> onnxruntime.InferenceSession:
    """Load the graph into onnxruntime, in fp32.

    :raises EmbeddingError: onnxruntime cannot load it
    """
    # Both runtimes send telemetry from their import on; it has to be off before.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(_QUERY_THREADS, cores())
    # Threads that spin between questions save 0.6 ms of 2.6, and take the cores from the database.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _not_loaded("onnxruntime", error) from error


def compiled_model(graph: Path, warm_up: Batch, *, bf16: bool) -> openvino.CompiledModel:
    """Compile the graph with OpenVINO.

    :param warm_up: the batch of the first inference, which is part of loading
    :param bf16: compute in bfloat16 instead of float32
    :raises EmbeddingError: OpenVINO cannot load it
    """
    os.environ.setdefault("OPENVINO_TELEMETRY_OPT_OUT", "1")
    # Without its telemetry package, OpenVINO starts without telemetry.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    # One batch per core at a time: 147 chunks/s, against 126 with all cores on each batch.
    properties: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "INFERENCE_NUM_THREADS": cores(),
        "NUM_STREAMS": cores(),
    }
    try:
        compiled = openvino.Core().compile_model(graph, "CPU", properties)
        # The first inference of a process initialises the numpy binding. Two threads that do so at once deadlock
        # between the interpreter's lock and the initialisation's (seen with 2026.4.1).
        with _first_inference:
            compiled.create_infer_request().infer(warm_up)
    except RuntimeError as error:
        raise _not_loaded("OpenVINO", error) from error
    return compiled


def compute(session: onnxruntime.InferenceSession, inputs: Batch) -> NDArray[np.float32]:
    """Return the only output of a graph for one batch.

    :raises EmbeddingError: the graph does not fit the tokenizer, or itself
    """
    try:
        output: NDArray[np.float32] = session.run(None, inputs)[0]
    except Exception as error:
        raise _not_computed(error) from error
    return output


def infer(
    compiled: openvino.CompiledModel,
    batches: Iterable[list[int]],
    inputs: Callable[[list[int]], Batch],
    out: NDArray[np.float32],
) -> None:
    """Compute the vectors of the texts in `batches`, one batch per core at a time.

    In threads of this process: OpenVINO's own AsyncInferQueue sometimes hangs in native code when a process creates
    several of them (2026.4.1).

    :param batches: indices of texts
    :param inputs: makes the inputs of a batch
    :param out: shape (texts, dimension); the vector of text i is written to row i
    :raises EmbeddingError: the graph does not fit the tokenizer, or itself
    """
    thread = local()

    def run(rows: list[int]) -> None:
        if not hasattr(thread, "request"):
            thread.request = compiled.create_infer_request()
        try:
            out[rows] = thread.request.infer(inputs(rows))[0]
        except (RuntimeError, ValueError) as error:
            raise _not_computed(error) from error

    in_parallel(run, batches, threads=cores(), grace=_GRACE)


def has_fast_bf16() -> bool:
    """Return whether /proc/cpuinfo lists instructions for bfloat16 (AMX or AVX512-BF16); False without that file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    return "amx_bf16" in flags or "avx512_bf16" in flags


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _not_computed(error: Exception) -> EmbeddingError:
    reason = one_line(error)[:200].rstrip(".")
    return EmbeddingError(f"The local model cannot compute a text: {reason}. Check that its files belong to one model.")


def _not_loaded(runtime: str, error: Exception) -> EmbeddingError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return EmbeddingError(
        f"The local embedding model could not be loaded by {runtime}: {reason}. "
        "Delete the folder models in RAG_HOME and try again; if that fails, reinstall the requirements."
    )
