"""``tmkd settings``: every setting with its meaning, its default and the value that a run starts from, as Markdown.

Meanings are the comments in ``tmkd/config/``, read from its source, so that they are written once.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import tokenize
import typing
from collections.abc import Iterator
from typing import Any

from omegaconf import MISSING

from tmkd import config as schema
from tmkd.cli.usage import groups
from tmkd.config.marks import OF
from tmkd.shipped import CONF

HEAD = """\
<!-- Printed by `tmkd settings`: change the comments in tmkd/config/, then tmkd settings > docs/settings.md -->
# Settings

Set any of these behind a command, as `NAME=VALUE`: `tmkd stage3 student.layers=5`. Quote what the shell would read:
`'student.seeds=[1,2,3]'`.

- **by default** is the value of a run without settings, the small first look (`data=first_look`), which sets sizes in
  other sections, too. With other data, `student.layers` is {other.student.layers}, `stage1.batch_size` and
  `stage2.batch_size` are {other.stage2.batch_size}, `stage2.epochs` is {other.stage2.epochs}, `encoder.max_length`
  {other.encoder.max_length}, and the teachers are those of `teachers=learning_rates`. The files in `conf/` choose many
  of the values: `GROUP=OPTION` takes another file, such as `student=bottom5`, and changes them.
- **in the class** is what the field has where no file of `conf/` sets it, such as a field of an entry that you add
  to `teachers.roster`.
- `null` means that nothing is set; the meaning says what happens then.
- In parentheses before a meaning, as in `(files, hub)`, stand the readers, the sources of an encoder or the kinds of
  teacher that know the setting. Set for another one, it ends the run with a sentence.

`tmkd stage3 GROUP=OPTION --help` prints the values as they are composed with your options. Which ones to change first:
[tuning.md](tuning.md).
"""
# Sections that a user names: of an entry that is not there by default only the class has values.
ENTRIES = {
    "teachers.roster": "N",
    "method.arms": "ARM",
    "method.terms": "TERM",
    "table.rows": "LABEL",
    "table.claims": "N",
}
DEPENDS = "per entry"
# Groups of conf/ that set fields of several sections, and how one of their files is chosen.
OTHER_GROUPS = {
    "experiment": "experiment=OPTION",
    "objective": "objective=OPTION",
    "terms": "method=METHOD '+terms=[OPTION,OPTION]'",
    "sweep": "sweep=OPTION",
    "launcher": "--multirun launcher=OPTION",
}


def page() -> str:
    """Return the whole page."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = schema.resolve(compose("config"))
        other = schema.resolve(compose("config", ["data=documentation"]))
    options = dict(line.strip().split(": ", 1) for line in groups(CONF))
    parts = [HEAD.format(other=other)]
    for field in dataclasses.fields(schema.Config):
        value = getattr(composed, field.name)
        if not dataclasses.is_dataclass(value):
            continue
        parts.append(f"## {field.name}\n")
        if not (note := inspect.getdoc(type(value)) or "").startswith(f"{type(value).__name__}("):  # Python's own
            parts.append(f"{_prose(note)}\n")
        if offered := _options(field.name, options):
            parts.append(offered)
        parts += _tables(field.name, type(value), [value])
    top = [_row(field.name, field, [composed], comments(schema.Config)) for field in _leaves(schema.Config)]
    parts += [
        "## Groups beside the sections\n",
        *(f"- `{OTHER_GROUPS[group]}`: {_marked(group, options)}" for group in OTHER_GROUPS),
    ]
    return "\n".join([*parts[:1], "## The run\n", *_table(top), *parts[1:]]).rstrip() + "\n"


def comments(section: type) -> dict[str, str]:
    """Return the documentation of each field of a section: the comment on its lines, else the lines before it."""
    source = inspect.getsource(section)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    at = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    notes: dict[str, str] = {}
    start = 1
    for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            lines = range(start, (node.end_lineno or 0) + 1)
            notes[node.target.id] = " ".join(at[line] for line in lines if line in at)
        start = (node.end_lineno or 0) + 1
    return notes


def _options(section: str, options: dict[str, str]) -> str:
    found = _marked(section, options)
    return f"Options, as `{section}=OPTION`: {found}.\n" if found else ""


def _marked(group: str, options: dict[str, str]) -> str:
    """Return the names of a group's files; a group may have groups of its own (data/glue)."""
    names = [
        f"{folder.removeprefix(group).lstrip('/')}/{name}".lstrip("/")
        for folder, found in options.items()
        if folder == group or folder.startswith(f"{group}/")
        for name in found.split(", ")
    ]
    return ", ".join(f"`{name}`" for name in names)


def _tables(path: str, section: type, values: list[Any]) -> Iterator[str]:
    """Yield the table of a section, then those of the sections in it; ``values`` are of its entries by default."""
    known = comments(section)
    yield from _table([_row(f"{path}.{field.name}", field, values, known) for field in _leaves(section)])
    hints = typing.get_type_hints(section)
    for field in dataclasses.fields(section):
        inner = _section(hints[field.name])
        if inner is None:
            continue
        where = f"{path}.{field.name}"
        if inner is schema.EncoderConfig:
            yield f"`{where}` has the fields of [`encoder`](#encoder).\n"
            continue
        inside = [entry for value in values for entry in _entries(getattr(value, field.name))]
        where += f".{ENTRIES[where]}" if where in ENTRIES else ""
        yield f"### {where}\n"
        if meaning := _meaning(field, known):
            yield f"{meaning[0].upper()}{meaning[1:]}.\n"
        yield from _tables(where, inner, inside)


def _entries(value: Any) -> list[Any]:
    """Return the sections in a field's value, which may be one, several or none."""
    if value is None:
        return []
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]


def _leaves(section: type) -> list[dataclasses.Field[Any]]:
    hints = typing.get_type_hints(section)
    return [field for field in dataclasses.fields(section) if _section(hints[field.name]) is None]


def _section(hint: Any) -> type | None:
    """Return the section that a field holds: by itself, in a list or dictionary, or perhaps."""
    for kind in (hint, *typing.get_args(hint)):
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return kind
    return None


def _row(path: str, field: dataclasses.Field[Any], values: list[Any], known: dict[str, str]) -> list[str]:
    factory = field.default_factory
    default = field.default if factory is dataclasses.MISSING else factory()
    found = list(dict.fromkeys(_text(getattr(value, field.name)) for value in values))
    if path.startswith("method.arms."):
        found = found if len(found) == 1 else [DEPENDS]
    return [f"`{path}`", ", ".join(found) or "–", _text(default), _meaning(field, known)]


def _meaning(field: dataclasses.Field[Any], known: dict[str, str]) -> str:
    """Return what a field means, behind those that know it where not all do."""
    meaning, names = known.get(field.name, ""), field.metadata.get(OF)
    return f"({', '.join(names)}) {meaning}" if names else meaning


def _table(rows: list[list[str]]) -> list[str]:
    if not rows:
        return []
    lines = [["setting", "by default", "in the class", "meaning"], ["---"] * 4, *rows]
    return [*("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines), ""]


def _text(value: Any) -> str:
    """Return a value as one types it."""
    if value is MISSING:
        return "to be set"
    if value == "":
        return '""'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_text(each)}' for key, each in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _prose(text: str) -> str:
    return " ".join(text.split())
