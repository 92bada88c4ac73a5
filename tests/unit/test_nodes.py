"""Results are known by their fields, need those among them, and are built after what they need."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

import tmkd.results
from tmkd.config import RuntimeConfig
from tmkd.errors import DamagedArtifact, DataError
from tmkd.results.context import RunContext
from tmkd.results.node import Result, identity, merged, outside, results_in, spelled_out, unless
from tmkd.store.artifacts import MANIFEST
from tmkd.store.identity import MADE_WITH, VERSIONS, key


@pytest.fixture(autouse=True)
def known(monkeypatch):
    for kind in ("leaf", "whole", "mixed"):
        monkeypatch.setitem(VERSIONS, kind, 1)


@pytest.fixture
def context(tmp_path):
    return RunContext(tmp_path / "artifacts", RuntimeConfig(threads=1))


class Logged(Result):
    """Says what it is called in the folder's log, in the order of being made."""

    @property
    def what(self):
        return str(self.name)

    def make(self, context, work):
        context.made = [*getattr(context, "made", []), self.name]
        (work / "content").write_text(self.name)
        return {}


@dataclass(frozen=True, eq=False)
class Leaf(Logged):
    kind: ClassVar[str] = "leaf"

    number: int
    called: str = outside(default="leaf")
    share: float = unless(1.0)
    also: Any = outside(default=None)


@dataclass(frozen=True)
class Part:
    """No result of its own, but it holds one."""

    of: Leaf
    split: str
    told: Mapping[str, Any] = merged(default_factory=dict)


@dataclass(frozen=True)
class Named:
    """What has a name of its own, as the splits of a task have."""

    of: Leaf

    def identity(self):
        return f"{self.of.key}/train"


@dataclass(frozen=True, eq=False)
class Whole(Logged):
    kind: ClassVar[str] = "whole"

    parts: tuple[Any, ...] = ()
    by_name: Mapping[str, Any] | None = unless(None)
    read: tuple[Leaf, ...] = outside(default=())

    def reads(self, context):
        return list(self.read)


@dataclass(frozen=True, eq=False)
class Mixed(Logged):
    kind: ClassVar[str] = "mixed"

    own: int
    merged_in: Any = merged(default_factory=dict)
    spelled: tuple[Whole, ...] = spelled_out(default=())


ONE, TWO, THREE = Leaf(1), Leaf(2), Leaf(3)


def test_what_stands_outside_shapes_no_key():
    assert replace(ONE, called="another", also=TWO) == ONE
    assert ONE.spec == {"number": 1}
    assert ONE.key == key("leaf", {"number": 1})


def test_usual_value_is_left_out_and_another_one_is_not():
    assert Leaf(1, share=1.0).spec == {"number": 1}
    assert Leaf(1, share=0.5).spec == {"number": 1, "share": 0.5}
    assert Whole(by_name={}).spec == {"parts": [], "by_name": {}}, "empty is not the same as none"


def test_result_is_known_by_the_keys_of_those_that_it_is_made_of():
    assert Whole((ONE,), {"two": [TWO]}).spec == {"parts": [ONE.key], "by_name": {"two": [TWO.key]}}
    assert Whole((Part(ONE, "train"), Named(TWO))).spec["parts"] == [
        {"of": ONE.key, "split": "train"},
        f"{TWO.key}/train",
    ]
    assert Whole((ONE, TWO)) != Whole((TWO, ONE))


def test_merged_entries_stand_beside_the_fields():
    assert Mixed(1, {"loss": "kl", "of": ONE}).spec == {"own": 1, "loss": "kl", "of": ONE.key, "spelled": []}
    assert Mixed(1, Part(ONE, "train", {"a": 1})).spec == {
        "own": 1, "of": ONE.key, "split": "train", "a": 1, "spelled": [],
    }  # fmt: skip
    assert Mixed(1, Whole((ONE,))).spec == {"own": 1, "parts": [ONE.key], "spelled": []}


def test_spelled_out_results_stand_there_with_all_that_they_are_made_of():
    assert Mixed(1, spelled=(Whole((ONE,)), Whole())).spec == {
        "own": 1,
        "spelled": [{"parts": [ONE.key]}, {"parts": []}],
    }


def test_value_is_json_whatever_it_is_made_of():
    assert identity({"a": (ONE, [None, 1.5]), "b": Part(ONE, "x")}) == {
        "a": [ONE.key, [None, 1.5]],
        "b": {"of": ONE.key, "split": "x"},
    }


def test_changed_result_is_not_taken_for_the_one_that_it_was_made_from():
    assert ONE.key != TWO.key  # which are remembered
    assert replace(ONE, number=2) == TWO


def test_equal_specs_of_two_kinds_are_two_results():
    @dataclass(frozen=True, eq=False)
    class Other(Logged):
        kind: ClassVar[str] = "whole"
        number: int

    assert Other(1).spec == ONE.spec
    assert Other(1) != ONE and len({Other(1), ONE, Leaf(1)}) == 2


def test_results_among_fields_are_needed_each_once_and_in_order():
    whole = Whole((TWO, Part(ONE, "train"), [TWO, Named(THREE)]), {"again": (ONE,)})
    assert whole.needs() == [TWO, ONE, THREE]
    assert list(results_in([whole])) == [whole], "what it is made of is its own affair"


def test_what_stands_outside_is_not_needed():
    assert Leaf(1, also=TWO).needs() == []


def test_merged_and_spelled_out_results_are_not_needed_but_what_they_are_made_of_is():
    # or each student of several that are trained together would be trained alone first
    assert Mixed(1, Whole((ONE,)), (Whole((TWO,)), Whole((ONE, THREE)))).needs() == [ONE, TWO, THREE]
    assert Mixed(1, {"of": ONE}).needs() == [ONE]
    assert Mixed(1, Part(ONE, "train")).needs() == [ONE]


def test_result_is_built_after_what_it_needs_and_reads(context):
    whole = Whole((TWO, Part(ONE, "train")), read=(THREE,))
    made = Mixed(1, whole).build(context)
    assert made.name == Mixed(1, whole).name
    assert context.made == [TWO.name, ONE.name, made.name], "merged: it is not made itself"
    context.made = []
    outer = Whole((whole,))
    outer.build(context)
    assert context.made == [THREE.name, whole.name, outer.name], "two of them were there"


def test_result_that_is_there_is_not_made_again(context):
    first = Whole((ONE,)).build(context)
    context.made = []
    assert Whole((ONE,)).build(context) == first == Whole((ONE,)).find(context)
    assert context.made == []


@pytest.mark.parametrize("harm", ["removed", "damaged"])
def test_result_that_is_there_touches_nothing_that_it_was_made_from(context, monkeypatch, harm):
    # or results that were removed to save disk would be made again, for nothing
    whole = Whole((ONE,), read=(TWO,))
    whole.build(context)
    for result in (ONE, TWO):
        folder = context.store.root / result.name
        shutil.rmtree(folder) if harm == "removed" else (folder / MANIFEST).write_text("{")
    context.made = []
    looked = []
    monkeypatch.setattr(Leaf, "find", lambda self, context: looked.append(self))
    monkeypatch.setattr(Whole, "reads", lambda self, context: pytest.fail("asked what it reads"))
    assert whole.build(context).name == whole.name
    assert looked == context.made == []


def test_damage_to_what_is_needed_is_said_where_it_is_needed(context):
    ONE.build(context)
    (context.store.root / ONE.name / MANIFEST).write_text("{")
    with pytest.raises(DamagedArtifact, match=ONE.name):
        Whole((ONE,)).build(context)


def test_plan_of_a_result_without_a_cost_is_told_its_kind(context):
    with pytest.raises(LookupError, match="leaf"):
        ONE.cost(context)


@pytest.mark.parametrize("missing", [True, False])
def test_all_processes_build_what_is_needed_or_none_does(context, missing):
    """One that finds the result that another has just published would not wait where the others wait for it."""
    context.processes = SimpleNamespace(
        is_main_process=True,
        broadcast_object=lambda said=None: missing,
        gather=lambda said=None: [said],
        build=lambda build, make: build(make),
    )
    whole = Whole((ONE,))
    context.store.build("whole", whole.spec, lambda work: {}, "there already")
    whole.build(context)
    assert (ONE.find(context) is not None) == missing


@pytest.mark.parametrize("missing", [True, False])
def test_processes_that_make_only_a_needed_result_together_are_asked_too(context, monkeypatch, missing):
    """Each trains a peer, and the rest of the run is every process's own: one that sees the peers published would skip
    what the others wait for."""
    processes = SimpleNamespace(
        is_main_process=True,
        broadcast_object=lambda found=None: missing,
        gather=lambda found=None: [found],
        build=lambda build, make: build(make),
    )
    monkeypatch.setattr(Leaf, "together", lambda self, context: processes)
    monkeypatch.setattr(Whole, "alone", True)
    whole = Whole((ONE,))
    context.store.build("whole", whole.spec, lambda work: {}, "there already")
    whole.build(context)
    assert (ONE.find(context) is not None) == missing


def test_result_that_one_process_makes_alone_asks_no_other(context, monkeypatch):
    """The others wait for its lock, or ask for nothing: whoever waited for all of them would wait for ever."""
    monkeypatch.setattr(Leaf, "alone", True)
    _ = context.runtime
    context.processes = SimpleNamespace(is_main_process=True)  # and nothing that talks to others
    assert ONE.build(context).name == ONE.name


def test_checks_that_are_due_are_done_once_before_the_first_thing_that_is_computed(context):
    done = []
    context.before_making.append(lambda: done.append(list(getattr(context, "made", []))))
    Whole((ONE,)).build(context)
    TWO.build(context)
    assert done == [[]]


def test_checks_are_left_where_everything_is_there(context):
    ONE.build(context)
    context.before_making.append(lambda: pytest.fail("nothing is computed"))
    ONE.build(context)


def test_checks_are_left_for_what_is_only_read(context, monkeypatch):
    """Tokens are read while encoders are tried out: that must not have encoders tried out."""
    monkeypatch.setattr(Leaf, "alone", True)
    context.before_making.append(lambda: pytest.fail("nothing is trained"))
    ONE.build(context)


def kinds(base):
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_kind_is_compared_by_its_name_and_has_a_version():
    """A dataclass that forgets ``eq=False`` is compared by its fields, those outside the identity among them."""
    for module in pkgutil.iter_modules(tmkd.results.__path__, "tmkd.results."):
        importlib.import_module(module.name)
    found = [kind for kind in kinds(Result) if kind.__module__.startswith("tmkd.")]
    assert all(kind.__eq__ is Result.__eq__ and kind.__hash__ is Result.__hash__ for kind in found)
    own = {kind.kind for kind in found if "kind" in vars(kind)}
    assert own == set(VERSIONS) - {"leaf", "whole", "mixed"} and set(MADE_WITH) <= own


class Folder:
    """What is read from files, and known by what is in them."""

    content = "before"

    def identity(self):
        return self.content


def test_what_changed_since_the_run_began_is_not_kept_under_the_name_of_what_was_there(context, monkeypatch):
    # Every later run with the files as they were would have found it.
    result = Whole(parts=(Folder(),))
    assert result.find(context) is None
    monkeypatch.setattr(Folder, "content", "after")
    with pytest.raises(DataError, match="some have changed since it began; run the same command again"):
        result.build(context)
    assert result.find(context) is None and Whole(parts=(Folder(),)).build(context)
