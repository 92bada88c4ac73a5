"""Every encoder is tried out before anything is trained: each teacher's that is not trained yet, and the student's."""

from __future__ import annotations

import gc
import json
from collections.abc import Collection

from tmkd.collector import loading
from tmkd.config import StudentConfig, TeacherConfig, encoder_of, settings, teaching
from tmkd.errors import ConfigError, ModelError
from tmkd.experiment.experiment import Experiment
from tmkd.results.encoder import MadeEncoder, encoder_identity
from tmkd.results.teacher import Teacher
from tmkd.results.untrained import UntrainedTeacher

SHAPING = ("max_length", "dropout", "freeze_embeddings", "lora", "layers", "keep", "token_types", "pooling")
passed: set[str] = set()  # in this process: arms and the jobs of a sweep share encoders


def try_encoders(experiment: Experiment, arm: str, own: Collection[str]) -> None:
    """Try the encoders of an arm that are not trained yet.

    Args:
        arm: its name in ``method.arms``.
        own: the sections of settings that its ``set`` changes.

    Raises:
        ModelError: one cannot be loaded, or cannot be what the settings say: one sentence that names the setting.
    """
    config = experiment.config
    members: list[tuple[str, TeacherConfig | StudentConfig]] = []
    for number, (teacher, node) in enumerate(zip(teaching(config), experiment.roster)):
        node = node.trained
        if node.find(experiment.context) is not None:
            continue
        if isinstance(node, UntrainedTeacher):
            try:
                node.check()
            except (ConfigError, ModelError) as error:
                raise type(error)(f"teachers.roster[{number}]: {error}") from None
        else:
            members.append((f"teachers.roster[{number}]", teacher))
    # one that starts from a trained teacher has no need of the checkpoint that the teacher started from
    if config.student.init == "encoder" or members:
        members.append(("student", config.student))
    for look in (_look, _try):  # what reads no weights first
        for where, member in members:
            try:
                look(experiment, member)
            except ModelError as error:
                reason = str(error).removeprefix("encoder.name: ").removeprefix("encoder ")
                shared = member.encoder.source == "same"
                setting = f"encoder (for {where})" if shared else f"{where}.encoder"
                if where.partition(".")[0] in own or (shared and "encoder" in own):
                    setting = f"method.arms.{arm}.set, {setting}"
                raise ModelError(f"{setting}: {reason}") from None


def _look(experiment: Experiment, member: TeacherConfig | StudentConfig) -> None:
    with loading():  # the models of transformers come with it
        from tmkd.models.encoder import check_encoder

    keep = member.layers if isinstance(member, StudentConfig) else None
    check_encoder(keep=keep, **settings(encoder_of(member, experiment.config)))
    made = experiment.encoder(member).made
    if isinstance(made, MadeEncoder) and made.pieces is not None:
        from tmkd.models.encoder import inspect_encoder
        from tmkd.models.word_pieces import check_width

        check_width(inspect_encoder(**made.pieces.source(experiment.context))[0], made.encoder.dimensions)


def _try(experiment: Experiment, member: TeacherConfig | StudentConfig) -> None:
    from tmkd.models.heads import GOLD
    from tmkd.training.trial import try_out

    encoder, runtime = encoder_of(member, experiment.config), experiment.context.runtime
    if encoder.source == "bilstm":
        return  # made here, to fit
    shape = {name: value for name, value in settings(member).items() if name in SHAPING}
    shape |= {"encoder": encoder_identity(encoder) | {"pooling": encoder.pooling}}
    shape |= {"max_length": member.max_length or encoder.max_length}
    known = json.dumps([shape, str(runtime.device), runtime.bf16, runtime.attention], sort_keys=True)
    if known in passed:
        return
    if isinstance(member, StudentConfig):
        model = experiment.architecture().new(experiment.context, [GOLD], experiment.config.data.outputs)
    else:
        place = next(place for place, each in enumerate(teaching(experiment.config)) if each is member)
        teacher = experiment.roster[place].trained
        assert isinstance(teacher, Teacher)
        model = teacher.untrained(experiment.context)
    try_out(model, runtime)
    passed.add(known)
    del model
    gc.collect()
