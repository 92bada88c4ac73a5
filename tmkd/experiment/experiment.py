"""A config as results: everything that a run can ask for, before any of it is made."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tmkd.choices import FINE_TUNED, FROM_ENCODER
from tmkd.config import Config, EncoderConfig, StudentConfig, TeacherConfig, check, encoder_of, teaching, vary
from tmkd.distributed import Processes, init
from tmkd.measures import main_metric, own_choice
from tmkd.results.architecture import Architecture
from tmkd.results.calibrated import CalibratedTeacher
from tmkd.results.classifier import Classifier
from tmkd.results.context import RunContext
from tmkd.results.corpus import Corpus
from tmkd.results.cross_fitted import CrossFittedTeacher
from tmkd.results.encoder import Encoder, MadeEncoder, UnpackedEncoder, encoder_identity
from tmkd.results.task import Task
from tmkd.results.teacher import LeftOut, Teacher, best_teacher
from tmkd.results.untrained import UntrainedTeacher
from tmkd.store.artifacts import Artifact


class Experiment:
    """The results that a config describes, and the context that they are made in.

    Args:
        of: the experiment that this one varies, whose task and context it shares.
    """

    def __init__(self, config: Config, of: Experiment | None = None) -> None:
        self.config = config
        # Now, since all processes must join: later on, one might hold the lock of a result that another waits for.
        self.context: RunContext = of.context if of else _context(config)
        self._of = of
        self._varied: dict[str, Experiment] = {}
        for length, names in length_settings(config).items():
            self.context.lengths.setdefault(length, names)

    def varied(self, changes: dict[str, Any]) -> Experiment:
        """Return the experiment with other settings; the same object where nothing changes."""
        named = json.dumps(changes, sort_keys=True)
        if named not in self._varied:
            self._varied[named] = Experiment(check(vary(self.config, changes)), of=self) if changes else self
        return self._varied[named]

    @functools.cached_property
    def task(self) -> Task:
        """The labelled task."""
        return self._of.task if self._of else Task.of(self.config.data, self.config.corpus)

    @functools.cached_property
    def corpus(self) -> Corpus:
        """The unlabelled corpus."""
        return Corpus.of(self.config.data, self.config.corpus)

    @property
    def needs_corpus(self) -> bool:
        """Whether any arm has a stage 1: without one, no corpus is read."""
        return any(arm.pretrain for arm in self.config.method.arms.values())

    @property
    def metric(self) -> str:
        """What epochs, students and teachers are compared by."""
        data = self.config.data
        return main_metric(data.ranking, self.config.metric, data.label_kind)

    @property
    def own_metric(self) -> str | None:
        """That metric where it is not the task's usual one, which shapes no key."""
        data = self.config.data
        return own_choice(data.ranking, self.config.metric, data.label_kind)

    def encoder(self, member: TeacherConfig | StudentConfig) -> Encoder:
        """Return a teacher's or the student's encoder."""
        own = encoder_of(member, self.config)
        return self._encoder(own, (member.pooling if isinstance(member, StudentConfig) else None) or own.pooling)

    def _encoder(self, own: EncoderConfig, pooling: str) -> Encoder:
        made: MadeEncoder | UnpackedEncoder | None = None
        if own.source == "mpnet":
            made = UnpackedEncoder()
        elif own.source == "bilstm":
            corpus = self.corpus if self.needs_corpus else None
            from_encoder = own.word_vectors == FROM_ENCODER and own.vectors is None
            pieces = self._encoder(self.config.encoder, "auto") if from_encoder else None
            made = MadeEncoder(self.task, corpus, encoder_identity(own)["bilstm"], own, pieces)
        return Encoder(own, pooling, made)

    @functools.cached_property
    def roster(self) -> list[Classifier]:
        """The teachers that teach in the run, or at any of the numbers of teachers that it compares."""
        return [self._teacher(teacher, number) for number, teacher in enumerate(teaching(self.config), start=1)]

    def _teacher(self, teacher: TeacherConfig, number: int) -> Classifier:
        """Return a teacher of the roster: what scores, then its copies, then its scale."""
        made, teachers = self._scoring(teacher, number), self.config.teachers
        if teachers.cross_fit and isinstance(made, Teacher) and made.learns_task:
            parts = (LeftOut(fold, teachers.cross_fit) for fold in range(teachers.cross_fit))
            made = CrossFittedTeacher(tuple(replace(made, left_out=part) for part in parts))
        scale = teachers.scale_of(len(self.config.data.outputs))
        return made if scale == "none" else CalibratedTeacher(made, scale)

    def _scoring(self, teacher: TeacherConfig, number: int) -> Classifier:
        if teacher.kind == FINE_TUNED:
            own = self.config.teachers.settled(teacher)
            return Teacher.of(self.task, own, self.encoder(teacher), self.config.trainer, number, self.own_metric)
        asked = [self.task.rows(split) for split in self.task.splits]
        asked += [self.corpus.rows()] if self.needs_corpus or not asked else []
        return UntrainedTeacher.of(self.task, teacher, number, self.config.teachers.missing, asked)

    def teachers(self, count: int | None = None) -> list[Classifier]:
        """Return the first ``count`` teachers (``teachers.count`` without it)."""
        return self.roster[: count or self.config.teachers.size]

    def architecture(self, best: Classifier | None = None) -> Architecture:
        """Return the student's architecture; ``best`` is the teacher whose layers it keeps, if it keeps a teacher's."""
        student = self.config.student
        return Architecture.of(
            student, self.encoder(student), best.trained if best and student.init == "teacher" else None
        )

    @property
    def stage1_training(self) -> dict[str, Any]:
        """How stage 1 trains."""
        own = self.config.stage1
        training = {"learning_rate": own.learning_rate, "batch_size": own.batch_size, "epochs": own.epochs}
        groups = {"group_size": own.group_size, "batch_questions": own.batch_questions}
        return training | {name: value for name, value in groups.items() if value is not None}

    def untrained(self, teachers: Sequence[Classifier] | None = None) -> bool:
        """Return whether a teacher is still to be trained, of all that teach or of ``teachers``."""
        return any(teacher.find(self.context) is None for teacher in teachers or self.roster)

    def best(self, teachers: Sequence[Classifier]) -> int:
        """Return the index of the best teacher on the validation split; teachers that are missing are trained."""
        if self.untrained(teachers):  # what is wrong with the task or the corpus is reported now, not after it
            self.task.build(self.context)
            if self.needs_corpus:
                self.corpus.build(self.context)
        return self._best([teacher.build(self.context) for teacher in teachers])

    def best_so_far(self, teachers: Sequence[Classifier]) -> int:
        """Return the index of the best teacher of those that are there, for a plan; the first one where none is."""
        found = [teacher.find(self.context) for teacher in teachers]
        there = [place for place, artifact in enumerate(found) if artifact is not None]
        if not there:
            return 0
        return there[self._best([artifact for artifact in found if artifact is not None])]

    def _best(self, trained: Sequence[Artifact]) -> int:
        return best_teacher(self.context, self.task, trained, self.metric)


def length_settings(config: Config) -> dict[int, list[str]]:
    """Return, for each number of tokens that pairs are cut at, the settings that it comes from."""
    members: dict[str, StudentConfig | TeacherConfig] = {"student": config.student}
    trained = (each for each in enumerate(teaching(config)) if each[1].kind == FINE_TUNED)
    members |= {f"teachers.roster.{place}": teacher for place, teacher in trained}
    names: dict[int, list[str]] = {}
    for name, member in members.items():
        owner = name if member.max_length else "encoder" if member.encoder.source == "same" else f"{name}.encoder"
        length = member.max_length or encoder_of(member, config).max_length
        if (setting := f"{owner}.max_length") not in names.setdefault(length, []):
            names[length].append(setting)
    return names


def _context(config: Config) -> RunContext:
    return RunContext(
        config.paths.artifacts, config.runtime, _processes(config), project=config.name, runs=config.paths.runs
    )


def _processes(config: Config) -> Processes | None:
    """Return those that make each result together; None: this one alone, or each has a peer of its own to train."""
    method = config.method
    each = [arm.set.get("method", {}).get("online") for arm in method.arms.values()]
    # what is no section of settings is refused where the arm's config is made
    apart = method.online.processes or any(isinstance(own, dict) and own.get("processes") for own in each)
    return None if apart else init()
