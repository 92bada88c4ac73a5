"""Stage 1 that learns a language: DistilBERT's (``tmkd.results.language``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tmkd.config import ArmConfig, Config
from tmkd.errors import ConfigError
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.families.family import Family
from tmkd.results.language import TRIPLE, LanguageStudent, LanguageTeacher
from tmkd.results.terms import terms_of


class LanguageFamily(Family):
    """Students whose stage 1 learns to predict masked tokens."""

    setting = "stage1.kind"
    usual = "soft"

    def asked(self, config: Config) -> bool:
        return config.stage1.kind == "language"

    def check_student(self, experiment: Experiment, name: str, arm: ArmConfig, terms: Sequence[str]) -> None:
        from tmkd.models.encoder import inspect_encoder

        if not arm.pretrain:
            return
        source = experiment.encoder(experiment.config.student).source(experiment.context)
        _, tokenizer = inspect_encoder(**source)
        if tokenizer.mask_token_id is None:
            raise ConfigError(
                f"stage1.kind, for the arm {name}: language needs an encoder with a mask token, such as BERT, but the "
                "student's has none; choose another student.encoder or stage1.kind=soft."
            )
        if unused := terms_of(experiment.config.method.terms, terms, 1):
            raise ConfigError(
                f"method.terms.{next(iter(unused))}.stages, for the arm {name}: expected [2], since in a stage 1 of "
                "kind language no task's teacher takes part."
            )

    def stage1(self, experiment: Experiment, seed: int) -> LanguageStudent:
        config, student = experiment.config, experiment.architecture()
        encoder = experiment.encoder(config.student)
        as_it_is = replace(encoder, pooling=encoder.settings.pooling)
        return LanguageStudent(
            experiment.corpus,
            LanguageTeacher.of(experiment.corpus, as_it_is, student, config.language, config.trainer),
            {name: getattr(config.language, name) for name in TRIPLE},
            config.language.held_out,
            config.data.outputs,
            student,
            experiment.stage1_training,
            config.trainer,
            seed,
            config.stage1.share,
        )
