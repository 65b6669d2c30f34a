"""Plot results as SVG images: `python -m bench plots FILE FOLDER`.

The file has the output of `python -m bench scale --json` or of `python -m bench answers --json`. matplotlib is installed into a separate environment.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Sequence

from bench import peers

_PROGRAM = """
import json, sys
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
read = json.load(open(sys.argv[1]))
tables = {table["title"]: table["rows"] for table in (read["scale"] if isinstance(read, dict) else read)}
plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "0"})

def axes(ylabel):
    figure, axis = plt.subplots(figsize=(5.2, 3.4), layout="constrained")
    axis.set(xscale="log", yscale="log", xlabel="chunks", ylabel=ylabel)
    axis.grid(True, which="major", alpha=0.3)
    return figure, axis

if by_score := tables.get("Right answers by score"):
    figure, axis = plt.subplots(figsize=(4.4, 4.2), layout="constrained")
    axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="mean score of the answers", ylabel="share that is right")
    axis.plot([0, 1], [0, 1], ":", color="gray")
    axis.plot([row["mean score"] for row in by_score], [row["right"] for row in by_score], "o-", markersize=4)
    for row in by_score:
        axis.annotate(str(row["answers"]), (row["mean score"], row["right"]), (4, -10), textcoords="offset points", fontsize=8)
    axis.grid(True, alpha=0.3)
    axis.set_title("Right answers by score, with their number")
    figure.savefig(f"{sys.argv[2]}/answers-by-score.svg", metadata={"Date": None})
    sys.exit()

search = tables["Searching the whole index, ms"]
for words in (4, 20):
    rows = [row for row in search if row["words"] == words]
    sizes = [row["chunks"] for row in rows]
    figure, axis = axes("p50, ms")
    for column, label, style in (
        ("BM25 p50", "BM25 here", "o-"), ("ts_rank p50", "ts_rank", "s--"), ("ts_rank_cd p50", "ts_rank_cd", "^--"),
        ("vectors p50", "ten nearest vectors", "d-"), ("both p50", "the whole search", "o:"),
    ):
        axis.plot(sizes, [row[column] for row in rows], style, label=label, markersize=4)
    axis.set_title(f"Questions of {words} words")
    axis.legend(frameon=False)
    figure.savefig(f"{sys.argv[2]}/search-{words}-words.svg", metadata={"Date": None})

rows = tables["Searching one source"]
figure, axis = axes("p50, ms")
for source in dict.fromkeys(row["source"] for row in rows):
    some = [row for row in rows if row["source"] == source]
    axis.plot([row["chunks"] for row in some], [row["both p50 ms"] for row in some], "o-", markersize=4,
              label=f"{source} ({some[-1]['share']:.1%}), recall@10 {min(row['recall@10'] for row in some):.3f} at least")
axis.set_title("Searching one source")
axis.set_ylim(top=20 * axis.get_ylim()[1])  # room for the legend
axis.legend(frameon=False)
figure.savefig(f"{sys.argv[2]}/search-one-source.svg", metadata={"Date": None})

rows = tables["Filling an index"]
figure, axis = plt.subplots(figsize=(5.2, 3.4), layout="constrained")
sizes = [row["chunks"] for row in rows]
axis.set(xscale="log", xlabel="chunks", ylabel="seconds per 10,000 chunks")
axis.plot(sizes, [1e4 / row["chunks/s"] for row in rows], "o-", label="writing chunks and postings", markersize=4)
axis.plot(sizes, [1e4 * row["HNSW, s"] / row["chunks"] for row in rows], "s-", label="building the vectors' indexes", markersize=4)
axis.set_ylim(bottom=0)
axis.grid(True, alpha=0.3)
axis.set_title("Filling an index")
axis.legend(frameon=False)
figure.savefig(f"{sys.argv[2]}/filling.svg", metadata={"Date": None})
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Plot the tables of a file as SVG images in a folder."""
    parser = argparse.ArgumentParser(prog="python -m bench plots", description=__doc__)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("folder", metavar="FOLDER")
    options = parser.parse_args(arguments)
    python = peers.python("plots", ("matplotlib==3.11.1",))
    return subprocess.run([python, "-c", _PROGRAM, options.file, options.folder], check=False).returncode
