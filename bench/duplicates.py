"""Duplicate issues: nDCG@10 of the declared duplicate, and the precision that a replay promises and keeps.

python -m bench.duplicates EXPORT.json.gz [--until 2014-01-01] [--cache FOLDER]
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np

from rag.triage.history import Declaration, Issue, declared, seconds


def load(path, until=None):
    d = json.loads(gzip.decompress(Path(path).read_bytes()))
    repo = d["full_name"]
    out = {}
    lim = seconds(until + "T00:00:00+00:00") if until else None
    fixes = {}
    from rag.sources.github.rows import fixes as fx

    for r in d["issues"]:
        if "pull_request" in r and (r["pull_request"] or {}).get("merged_at"):
            for n in fx(r["body"] or "", f"https://github.com/{repo}/pull/{r['number']}"):
                fixes.setdefault(n, []).append((r["number"], seconds(r["pull_request"]["merged_at"])))
    for r in d["issues"]:
        if "pull_request" in r:
            continue
        o = seconds(r["created_at"])
        if lim and o >= lim:
            continue
        ds = []
        if r["state"] == "closed":
            for c in r["comments_list"]:
                n = declared(c["body"] or "", repo)
                if n and n != r["number"]:
                    ds.append(Declaration(n, seconds(c["created_at"])))
        out[r["number"]] = Issue(
            r["number"],
            r["title"],
            r["body"] or "",
            r["user"],
            "",
            o,
            seconds(r["closed_at"]),
            r.get("state_reason"),
            tuple(r["labels"]),
            tuple(sorted(seconds(c["created_at"]) for c in r["comments_list"])),
            tuple(ds),
            fixes=tuple(fixes.get(r["number"], ())),
        )
    return out


def encoder(cache):
    from rag.embedding import LocalEncoder

    enc = LocalEncoder(Path(cache))
    store = Path(cache) / "vec.npz"
    known = {}
    if store.exists():
        z = np.load(store, allow_pickle=False)
        known = dict(zip(z["k"].tolist(), z["v"]))

    def encode(texts):
        keys = [hashlib.sha256(t.encode()).hexdigest() for t in texts]
        miss = {k: t for k, t in zip(keys, texts) if k not in known}
        if miss:
            ks = sorted(miss, key=lambda k: len(miss[k]))
            t0 = time.time()
            for i in range(0, len(ks), 1000):
                v = enc.encode([miss[k] for k in ks[i : i + 1000]])
                known.update(zip(ks[i : i + 1000], v.astype(np.float16)))
                if len(ks) > 50:
                    print(i, len(ks), time.time() - t0, file=sys.stderr)
            if len(ks) > 50:
                np.savez(store, k=np.array(list(known)), v=np.array(list(known.values())))
        return np.array([known[k] for k in keys], np.float32)

    return encode
