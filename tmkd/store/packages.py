"""Whether the packages that are installed are those that the project asks for, and was tested with."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from tmkd.shipped import CONF
from tmkd.store.provenance import versions

CONSTRAINTS = CONF.parent / "constraints.txt"  # in a checkout; a wheel has the ranges alone


@dataclass(frozen=True)
class Package:
    """A package that the project needs.

    Attributes:
        installed: its version; None: it is missing.
        wanted: the range that is allowed.
        tested: the version of ``constraints.txt``; None where that is not known.
        allowed: the version is in the range.
    """

    name: str
    installed: str | None
    wanted: str
    tested: str | None
    allowed: bool

    @property
    def as_tested(self) -> bool:
        """Whether it has the tested version, whatever build of it."""
        return self.tested is None or (
            self.installed is not None and Version(self.installed).public == Version(self.tested).public
        )


def packages(project: str = "tmkd", constraints: Path = CONSTRAINTS) -> list[Package]:
    """Return what a project needs without its extras, by name."""
    try:
        listed = [Requirement(line) for line in requires(project) or []]
    except PackageNotFoundError:
        return []
    needed = [each for each in listed if each.marker is None or each.marker.evaluate({"extra": ""})]
    tested = _pinned(constraints)
    found = []
    for each in sorted(needed, key=lambda one: one.name):
        here = versions([each.name]).get(each.name)
        allowed = here is not None and each.specifier.contains(here, prereleases=True)
        found.append(Package(each.name, here, str(each.specifier), tested.get(each.name.lower()), allowed))
    return found


def _pinned(constraints: Path) -> dict[str, str]:
    pinned: dict[str, str] = {}
    for line in constraints.read_text(encoding="utf-8").splitlines() if constraints.exists() else ():
        try:
            each = Requirement(line.partition("#")[0].strip())
        except InvalidRequirement:
            continue
        pinned |= {each.name.lower(): spec.version for spec in each.specifier if spec.operator == "=="}
    return pinned
