"""Every setting: one dataclass a section, one comment a field, and beside it what the setting may be.

The comments are the page that ``tmkd settings`` prints (docs/settings.md), beside the default here and the value that
the YAML files in ``conf/`` choose. A setting that depends on one of another section is checked in ``whole``. Symbols: α
is ``method.alpha``, the N teachers are the first ``teachers.count`` entries of ``teachers.roster``.
"""

from tmkd.config.compose import kind_of, resolve, takes_text, value_of, vary, with_settings
from tmkd.config.data import CorpusConfig, DataConfig
from tmkd.config.families import ExitsConfig, LanguageConfig, OnlineConfig, TermConfig
from tmkd.config.given import check_given
from tmkd.config.label import LabelConfig
from tmkd.config.marks import APART, OUTSIDE, settings
from tmkd.config.method import ArmConfig, MethodConfig
from tmkd.config.mine import MineConfig
from tmkd.config.models import EncoderConfig, StudentConfig
from tmkd.config.run import (
    COLUMNS,
    ClaimConfig,
    ComparisonConfig,
    PathsConfig,
    RayConfig,
    RowConfig,
    RuntimeConfig,
    TableConfig,
)
from tmkd.config.spend import SpendConfig
from tmkd.config.stages import Stage1Config, Stage2Config, TrainerConfig
from tmkd.config.teachers import LoraConfig, TeacherConfig, TeachersConfig, kind_settings
from tmkd.config.tune import Choice, Interval, TuneConfig, read_space
from tmkd.config.typed import check_typed
from tmkd.config.whole import Config, check, encoder_of, task_folder, teaching

__all__ = [
    "APART", "COLUMNS", "OUTSIDE", "ArmConfig", "Choice", "ClaimConfig", "ComparisonConfig", "Config", "CorpusConfig",
    "DataConfig", "EncoderConfig", "ExitsConfig", "Interval", "LabelConfig", "LanguageConfig", "LoraConfig",
    "MethodConfig", "MineConfig", "OnlineConfig", "PathsConfig", "RayConfig", "RowConfig", "RuntimeConfig",
    "SpendConfig", "Stage1Config", "Stage2Config", "StudentConfig", "TableConfig", "TeacherConfig", "TeachersConfig",
    "TermConfig", "TrainerConfig", "TuneConfig", "check", "check_given", "check_typed", "encoder_of", "kind_of",
    "kind_settings", "read_space", "resolve", "settings", "takes_text", "task_folder", "teaching", "value_of", "vary",
    "with_settings",
]  # fmt: skip
