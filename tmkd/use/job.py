"""A file to be scored, with all that can be checked before a model is loaded."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tmkd.data.files import file_hash, files_of
from tmkd.errors import ConfigError, DataError
from tmkd.export.exported import ExportedModel
from tmkd.reranker import Reranker
from tmkd.store.disk import alone, check_new, files_in, written_whole
from tmkd.use.formats import STDIN, check_output, pair_file
from tmkd.use.pair_files import Fields, PairFile
from tmkd.use.score_file import Scored, score_file, score_stream

DASH = "-"  # standard input or output


@dataclass(frozen=True)
class ScoreJob:
    """What is scored, and where it goes; ``settings`` is what the output depends on beside the file and the model."""

    file: PairFile
    path: Path
    into: Path
    settings: Mapping[str, Any]
    calibrated: bool = False

    def run(self, reranker: Reranker) -> Scored:
        """Score the file; see ``score_file``. Standard input and output are streams: a killed run begins again.

        Raises:
            ModelError: calibrated probabilities of a model that has no calibration, before anything is scored.
        """
        if self.calibrated:
            _ = reranker.calibration
        if str(self.into) == DASH:
            return Scored(score_stream(reranker, self.file, sys.stdout.buffer, calibrated=self.calibrated), 0, 0)
        if self.path == STDIN:
            with alone(self.into), written_whole(self.into, durable=True) as temporary, temporary.open("wb") as to:
                rows = score_stream(reranker, self.file, to, calibrated=self.calibrated)
                if not rows:
                    raise DataError("Standard input: expected at least one pair but found none.")
                return Scored(rows, 0, 0)
        job = {"input": file_hash(self.path), "model": _identity(reranker), **self.settings}
        return score_file(reranker, self.file, self.path, self.into, job, calibrated=self.calibrated)


def score_job(
    path: Path,
    into: Path,
    fields: Fields,
    *,
    format: str | None = None,
    queries: str | None = None,
    documents: str | None = None,
    skip: bool = False,
    calibrated: bool = False,
) -> ScoreJob:
    """Return the job; arguments as for ``pair_file`` and ``write_scores``, and ``-`` is standard input or output.

    Raises:
        ConfigError, DataError: the output exists, or the two do not fit.
    """
    names = [fields.question, fields.passage, *fields.added]
    if len(set(names)) < len(names):
        raise ConfigError(f"Expected four different names of fields, got {', '.join(names)}; see `tmkd score --help`.")
    path = STDIN if str(path) == DASH else path
    for closed, name, option in ((path == STDIN and sys.stdin is None, "input", "FILE"),
                                 (str(into) == DASH and sys.stdout is None, "output", "--into")):  # fmt: skip
        if closed:
            raise ConfigError(f"Standard {name} is closed; name a file as {option}.")
    form = format or ("trec" if queries or documents else None)
    packed = False
    if str(into) != DASH:
        packed = check_output(path, into, form)
        check_new(into)
    if (form == "parquet" or path.suffix == ".parquet") and (path == STDIN or str(into) == DASH):
        raise ConfigError("Parquet is no stream; name files for input and output, or write JSON lines.")
    file = pair_file(path, fields, format=form, queries=queries, documents=documents, skip=skip, packed=packed)
    texts = {kind: [file_hash(each) for each in files_of(given)] for kind, given in
             (("queries", queries), ("documents", documents)) if given}  # fmt: skip
    settings = {"fields": asdict(fields), "format": form, "skip_bad_rows": skip, **texts}
    return ScoreJob(file, path, into, settings | ({"calibrated": True} if calibrated else {}), calibrated)


def _identity(reranker: Reranker) -> dict[str, Any]:
    """Return what a model's scores are known by: its weights, and which classifier answers."""
    digest, model = hashlib.sha256(), reranker.model
    if isinstance(model, ExportedModel):
        read = {name: file_hash(path) for name, path in files_in(model.folder).items()}
        return {**read, "max_length": reranker.max_length}
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).numpy().tobytes())
    facts = [model.predicting, reranker.max_length, model.long, reranker.exit_at]
    digest.update(json.dumps(facts).encode())
    return {"sha256": digest.hexdigest()}
