"""What can go wrong through no fault of the code.

Every message is one sentence that a user can act on: what was expected, what came, where, and what to do. The entry
points print it without a traceback and exit with code 2; anything else that escapes is a bug and keeps its traceback.
"""


class TmkdError(Exception):
    """Base of every error that is the user's to mend."""


class ConfigError(TmkdError):
    """A setting, or two settings together, make no sense."""


class SecretInSettings(ConfigError):
    """A setting may hold a key, so that what was written of the settings is removed."""


class DataError(TmkdError):
    """A row, a file or a split is not what the task needs."""


class ModelError(TmkdError):
    """An encoder or a checkpoint cannot be found, reached or read."""


class DamagedArtifact(TmkdError):
    """A published file is not what its manifest says."""


class TrainingDiverged(TmkdError):
    """The loss, the weights or the scores are no longer numbers."""


class BudgetSpent(TmkdError):
    """A teacher that is paid for may not be asked any more."""


REMEDY = "try a lower learning rate, a longer warm-up (trainer.warmup) or runtime.precision=fp32"
