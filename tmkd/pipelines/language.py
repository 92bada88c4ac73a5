"""Stage 1 as DistilBERT has it (Sanh et al. 2019): the student learns a language, not yet a task, from its encoder.

The teacher is the student's encoder at full depth with its masked-language-model head, which is fitted to the corpus
where the checkpoint has none. The student starts from some of its layers and from its head, and is trained on the
corpus's text with ``5 KL_T + 2 MLM + 1 (1 − cos)``. Stage 2 takes over its encoder alone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.config import encoder_of, settings
from tmkd.errors import ConfigError
from tmkd.pipelines.context import CORPUS, RunContext
from tmkd.pipelines.encoders import encoder_source, student_identity
from tmkd.pipelines.specs import encoder_spec
from tmkd.pipelines.terms import active_terms
from tmkd.store.artifacts import MODEL, SCRATCH, Artifact

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from tmkd.data.masking import MaskedPairs
    from tmkd.models.language import LanguageModel

log = logging.getLogger(__name__)
FIT = ("fit_encoder", "fit_epochs", "fit_learning_rate", "fit_batch_size", "seed", "masked", "held_out")
TRIPLE = ("kl", "mlm", "cosine", "temperature", "masked")


def check_language(context: RunContext, arm: str, terms: Sequence[str]) -> None:
    """Raise ConfigError, before any training, for an arm whose student cannot be pre-trained as a language model."""
    from tmkd.models.encoder import inspect_encoder

    _, tokenizer = inspect_encoder(**encoder_source(context, context.config.student))
    if tokenizer.mask_token_id is None:
        raise ConfigError(
            f"stage1.kind, for the arm {arm}: language needs an encoder with a mask token, such as BERT, but the "
            "student's has none; choose another student.encoder or stage1.kind=soft."
        )
    if unused := active_terms(context, terms, stage=1):
        raise ConfigError(
            f"method.terms.{next(iter(unused))}.stages, for the arm {arm}: expected [2], since in a stage 1 of "
            "kind language no task's teacher takes part."
        )


def language_teacher(context: RunContext) -> Artifact:
    """Return the student's encoder at full depth as a masked language model; its head is fitted if it has none."""
    config = context.config
    encoder = encoder_of(config.student, config)
    spec = {
        "corpus": context.corpus.key,
        "encoder": encoder_spec(encoder),
        "max_length": config.student.max_length or encoder.max_length,
        "fit": {name: getattr(config.language, name) for name in FIT},
        "trainer": settings(config.trainer),
    }
    return context.build("language", spec, lambda work: _fit_head(context, work), "masked language model")


def distilled_encoder(context: RunContext, seed: int) -> Artifact:
    """Return the stage-1 student that has learnt the language of its encoder, with a head that has learnt nothing."""
    config = context.config
    teacher = language_teacher(context)
    spec = {
        "kind": "language",
        "corpus": context.corpus.key,
        "language": teacher.key,
        "triple": {name: getattr(config.language, name) for name in TRIPLE},
        "held_out": config.language.held_out,
        "classes": config.data.classes,
        "student": student_identity(context),
        "training": {name: getattr(config.stage1, name) for name in ("learning_rate", "batch_size", "epochs")},
        "trainer": settings(config.trainer),
        "seed": seed,
    }
    if config.stage1.share < 1:
        spec["share"] = config.stage1.share
    what = f"stage-1 student of its encoder's language, seed {seed}"
    return context.build("stage1", spec, lambda work: _distil(context, teacher, seed, work), what)


def _fit_head(context: RunContext, work: Path) -> dict[str, Any]:
    import torch

    from tmkd.losses.language import masked_language_term
    from tmkd.models.encoder import load_encoder
    from tmkd.models.language import LanguageModel, pretrained_head

    config, language = context.config, context.config.language
    torch.manual_seed(language.seed)
    source = encoder_source(context, config.student)
    encoder = load_encoder(
        **source,
        dropout=None if language.fit_encoder else 0.0,  # what is not trained is not disturbed either
        attention=context.runtime.attention,
    )
    head = pretrained_head(encoder.model, **{name: source[name] for name in ("revision", "trust_remote_code")})
    model = LanguageModel(encoder, head).to(context.runtime.device)
    learnt, held_out = _text(context, model.tokenizer, 1.0, language.seed)
    details: dict[str, Any] = {"head": "the checkpoint's"}
    if head is None:
        log.info("the encoder has no masked-language-model head: one is fitted to the corpus")
        model.encoder.requires_grad_(language.fit_encoder)
        facts = _train(
            context, model, [masked_language_term()], learnt, None, "masked language model", work,
            seed=language.seed, learning_rate=language.fit_learning_rate, batch_size=language.fit_batch_size,
            epochs=language.fit_epochs,
        )  # fmt: skip
        details = {"head": "fitted", "encoder": "fitted" if language.fit_encoder else "frozen", "training": facts}
    if context.is_main_process:
        model.save(work / MODEL)
    return {**details, "held_out": _judged(context, model, held_out, "the encoder")}


def _distil(context: RunContext, teacher: Artifact, seed: int, work: Path) -> dict[str, Any]:
    import torch

    from tmkd.losses.language import distilbert_terms
    from tmkd.models.encoder import Encoder
    from tmkd.models.heads import AVERAGE
    from tmkd.models.language import LanguageModel
    from tmkd.pipelines.classifiers import new_student

    config = context.config
    torch.manual_seed(seed)
    classifier = new_student(context, [AVERAGE], teacher)
    taught_by = _load(context, teacher)
    encoder = Encoder(classifier.encoder, classifier.tokenizer, classifier.pooling, classifier.trust_remote_code)
    student = LanguageModel(encoder).to(context.runtime.device)
    student.head.load_state_dict(taught_by.head.state_dict())
    learnt, held_out = _text(context, student.tokenizer, config.stage1.share, seed)
    weights = config.language
    terms = distilbert_terms(kl=weights.kl, mlm=weights.mlm, cos=weights.cosine, temperature=weights.temperature)
    facts = _train(
        context, student, terms, learnt, taught_by, "stage 1 (language)", work,
        seed=seed, learning_rate=config.stage1.learning_rate, batch_size=config.stage1.batch_size,
        epochs=config.stage1.epochs,
    )  # fmt: skip
    if context.is_main_process:
        classifier.save(work / MODEL)
    judged = _judged(context, student, held_out, "the student")
    return {"training": facts, "held_out": judged, "parameters": classifier.parameter_count}


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
    from tmkd.training.fit import train
    from tmkd.training.language import LanguageLearner, MaskAnew

    return train(
        LanguageLearner(model, terms, teacher),
        pairs,
        MaskedCollator(model.tokenizer.pad_token_id, positions_of(model.encoder)),
        scratch=work / SCRATCH,
        runtime=context.runtime,
        what=what,
        callbacks=[MaskAnew(pairs)],
        **how,
        **settings(context.config.trainer),
    )


def _text(
    context: RunContext, tokenizer: PreTrainedTokenizerBase, share: float, seed: int
) -> tuple[MaskedPairs, MaskedPairs | None]:
    """Return a share of the corpus's text to learn from, and the text of the passages that are held out (None where
    there are none), always masked alike. A pair is one segment: students without token types read it so later on."""
    from tmkd.data.masking import MaskedPairs
    from tmkd.data.splits import draw_pairs, held_out

    config = context.config
    max_length = config.student.max_length or encoder_of(config.student, config).max_length
    tokens: Dataset = context.tokens(CORPUS, tokenizer, max_length).select_columns(["id", "input_ids", "length"])
    learnt, held = held_out(context.rows(CORPUS), "passage", config.language.held_out)
    pairs, judges = draw_pairs(tokens.select(learnt), max(1, round(len(learnt) * share))), tokens.select(held)
    masked = config.language.masked
    return (
        MaskedPairs(pairs, tokenizer, masked, seed),
        MaskedPairs(judges, tokenizer, masked, seed=0) if len(held) else None,
    )


def _judged(context: RunContext, model: LanguageModel, pairs: MaskedPairs | None, who: str) -> dict[str, Any] | None:
    from tmkd.training.language import masked_accuracy

    if pairs is None:
        log.info("%s is not judged: language.held_out leaves no passage to judge by", who)
        return None
    found = masked_accuracy(model, pairs, context.runtime)
    log.info("%s tells %.1f %% of masked tokens (%d, held out)", who, 100 * found["accuracy"], found["masked"])
    return found


def _load(context: RunContext, teacher: Artifact) -> LanguageModel:
    from tmkd.models.language import LanguageModel

    trusted = encoder_of(context.config.student, context.config).trust_remote_code
    model = LanguageModel.load(teacher.folder(MODEL), attention=context.runtime.attention, trust_remote_code=trusted)
    return model.to(context.runtime.device)
