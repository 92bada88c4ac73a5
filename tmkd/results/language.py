"""Stage 1 as DistilBERT has it (Sanh et al. 2019): the student learns a language, not yet a task, from its encoder.

The teacher is the student's encoder at full depth with its masked-language-model head, which is fitted to the corpus
where the checkpoint has none. The student starts from some of its layers and from its head, and is trained on the
corpus's text with ``5 KL_T + 2 MLM + 1 (1 − cos)``. Stage 2 takes over its encoder alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.choices import CUT
from tmkd.config import LanguageConfig, TrainerConfig
from tmkd.results.architecture import Architecture
from tmkd.results.context import RunContext
from tmkd.results.corpus import Corpus
from tmkd.results.encoder import Encoder
from tmkd.results.node import Result, merged, unless
from tmkd.store.artifacts import MODEL, SCRATCH, Artifact

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from tmkd.data.masking import MaskedPairs
    from tmkd.models.language import LanguageModel

log = logging.getLogger(__name__)
FIT = ("fit_encoder", "fit_epochs", "fit_learning_rate", "fit_batch_size", "seed", "masked", "held_out")
TRIPLE = ("kl", "mlm", "cosine", "temperature", "masked")


@dataclass(frozen=True, eq=False)
class LanguageTeacher(Result):
    """The student's encoder at full depth as a masked language model; its head is fitted if it has none.

    Attributes:
        fit: the settings ``language`` that shape it.
    """

    kind: ClassVar[str] = "language"

    corpus: Corpus
    encoder: Encoder
    max_length: int
    fit: Mapping[str, Any]
    trainer: TrainerConfig
    long: str = unless(CUT)

    @classmethod
    def of(
        cls, corpus: Corpus, encoder: Encoder, student: Architecture, language: LanguageConfig, trainer: TrainerConfig
    ) -> LanguageTeacher:
        """Return the teacher of a student, whose lengths it has."""
        fit = {name: getattr(language, name) for name in FIT}
        return cls(corpus, encoder, student.max_length, fit, trainer, student.long)

    @property
    def what(self) -> str:
        return "masked language model"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import torch

        from tmkd.losses.language import masked_language_term
        from tmkd.models.encoder import load_encoder
        from tmkd.models.language import LanguageModel, pretrained_head

        fit = self.fit
        torch.manual_seed(fit["seed"])
        source = self.encoder.source(context)
        encoder = load_encoder(
            **source,
            dropout=None if fit["fit_encoder"] else 0.0,  # what is not trained is not disturbed either
            attention=context.runtime.attention,
        )
        head = pretrained_head(encoder.model, **{name: source[name] for name in ("revision", "trust_remote_code")})
        model = context.runtime.hold(LanguageModel(encoder, head))
        text = CorpusText(self.corpus, self.max_length, fit["held_out"], fit["masked"], self.long)
        learnt, held_out = text.read(context, model.tokenizer, 1.0, fit["seed"])
        details: dict[str, Any] = {"head": "the checkpoint's"}
        if head is None:
            log.info("the encoder has no masked-language-model head: one is fitted to the corpus")
            model.encoder.requires_grad_(fit["fit_encoder"])
            facts = _train(
                context, model, [masked_language_term()], learnt, None, "masked language model", work,
                seed=fit["seed"], learning_rate=fit["fit_learning_rate"], batch_size=fit["fit_batch_size"],
                epochs=fit["fit_epochs"], **asdict(self.trainer),
            )  # fmt: skip
            details = {"head": "fitted", "encoder": "fitted" if fit["fit_encoder"] else "frozen", "training": facts}
        if context.is_main_process:
            model.save(work / MODEL)
        return {**details, "held_out": _judged(context, model, held_out, "the encoder")}


@dataclass(frozen=True, eq=False)
class LanguageStudent(Result):
    """The stage-1 student that has learnt the language of its encoder, with a head that has learnt nothing.

    Attributes:
        triple: the settings ``language`` of its losses.
        training: its learning rate, batch size and epochs.
        share: of the corpus.
    """

    kind: ClassVar[str] = "stage1"

    corpus: Corpus
    language: LanguageTeacher
    triple: Mapping[str, Any]
    held_out: float
    classes: list[str]
    student: Architecture
    training: Mapping[str, Any]
    trainer: TrainerConfig
    seed: int
    share: float = unless(1.0)
    learns: Mapping[str, str] = merged(default_factory=lambda: {"kind": "language"})

    @property
    def what(self) -> str:
        return f"stage-1 student of its encoder's language, seed {self.seed}"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import torch

        from tmkd.losses.language import distilbert_terms
        from tmkd.models import encoder
        from tmkd.models.heads import AVERAGE
        from tmkd.models.language import LanguageModel

        teacher = self.language.build(context)
        torch.manual_seed(self.seed)
        classifier = self.student.new(context, [AVERAGE], self.classes, start=teacher)
        taught_by = _load(context, teacher, self.student.encoder.settings.trust_remote_code)
        shared = encoder.Encoder(
            classifier.encoder, classifier.tokenizer, classifier.pooling, classifier.trust_remote_code
        )
        student = context.runtime.hold(LanguageModel(shared))
        student.head.load_state_dict(taught_by.head.state_dict())
        text = CorpusText(self.corpus, self.student.max_length, self.held_out, self.triple["masked"], self.student.long)
        learnt, held_out = text.read(context, student.tokenizer, self.share, self.seed)
        weights = self.triple
        terms = distilbert_terms(
            kl=weights["kl"], mlm=weights["mlm"], cos=weights["cosine"], temperature=weights["temperature"]
        )
        facts = _train(
            context, student, terms, learnt, taught_by, "stage 1 (language)", work,
            seed=self.seed, **self.training, **asdict(self.trainer),
        )  # fmt: skip
        if context.is_main_process:
            classifier.save(work / MODEL)
        judged = _judged(context, student, held_out, "the student")
        return {"training": facts, "held_out": judged, "parameters": classifier.parameter_count}


@dataclass(frozen=True)
class CorpusText:
    """The corpus's text, always masked alike. A pair is one segment: students without token types read it so later on.

    Attributes:
        held_out: the share of the passages that nothing is learnt from.
        masked: the share of the tokens that are masked.
    """

    corpus: Corpus
    max_length: int
    held_out: float
    masked: float
    long: str = CUT

    def read(
        self, context: RunContext, tokenizer: PreTrainedTokenizerBase, share: float, seed: int
    ) -> tuple[MaskedPairs, MaskedPairs | None]:
        """Return a share of the text to learn from, and the text that is held out (None: there is none)."""
        from tmkd.data.masking import MaskedPairs
        from tmkd.data.splits import draw_pairs, held_out

        rows = self.corpus.rows()
        tokens = rows.tokens(context, tokenizer, self.max_length, self.long).select_columns(
            ["id", "input_ids", "length"]
        )
        learnt, held = held_out(rows.read(context), "passage", self.held_out)
        pairs, judges = draw_pairs(tokens.select(learnt), max(1, round(len(learnt) * share))), tokens.select(held)
        return (
            MaskedPairs(pairs, tokenizer, self.masked, seed),
            MaskedPairs(judges, tokenizer, self.masked, seed=0) if len(held) else None,
        )


def _train(
    context: RunContext,
    model: LanguageModel,
    terms: Sequence[Any],
    pairs: MaskedPairs,
    teacher: LanguageModel | None,
    what: str,
    work: Path,
    **how: Any,
) -> dict[str, Any]:
    from tmkd.data.masking import MaskedCollator
    from tmkd.models.positions import positions_of
    from tmkd.store.memmap import letting_go
    from tmkd.training.fit import train
    from tmkd.training.language import LanguageLearner, Remask

    with letting_go(pairs.tokens, at_random=True):
        return train(
            LanguageLearner(model, terms, teacher),
            pairs,
            MaskedCollator(model.tokenizer.pad_token_id, positions_of(model.encoder)),
            scratch=work / SCRATCH,
            runtime=context.runtime,
            what=what,
            callbacks=[Remask(pairs)],
            **how,
        )


def _judged(context: RunContext, model: LanguageModel, pairs: MaskedPairs | None, who: str) -> dict[str, Any] | None:
    from tmkd.training.language import masked_accuracy

    if pairs is None:
        log.info("%s is not judged: language.held_out leaves no passage to judge by", who)
        return None
    found = masked_accuracy(model, pairs, context.runtime)
    log.info(
        "%s predicts %.1f %% of the masked tokens right (%d, held out)", who, 100 * found["accuracy"], found["masked"]
    )
    return found


def _load(context: RunContext, teacher: Artifact, trusted: bool) -> LanguageModel:
    from tmkd.models.language import LanguageModel

    model = LanguageModel.load(teacher.folder(MODEL), attention=context.runtime.attention, trust_remote_code=trusted)
    return context.runtime.hold(model)
