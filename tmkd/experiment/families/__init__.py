"""Optional families, each in one file, registered here: the main road asks those that a config asks for."""

from __future__ import annotations

from tmkd.config import Config
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.families.exits import ExitsFamily
from tmkd.experiment.families.family import Family
from tmkd.experiment.families.language import LanguageFamily
from tmkd.experiment.families.online import OnlineFamily

FAMILIES: tuple[Family, ...] = (LanguageFamily(), ExitsFamily(), OnlineFamily())


def asked(config: Config) -> list[Family]:
    """Return the families that a config asks for."""
    return [family for family in FAMILIES if family.asked(config)]


def members(experiment: Experiment) -> list[Experiment]:
    """Return the experiment of each student that an arm has a seed; its own where there is one."""
    each = [experiment]
    for family in asked(experiment.config):
        each = [member for one in each for member in family.members(one)]
    return each
