"""What Hydra and OmegaConf say of a mistake, in one sentence that says what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

EXTRA = 'pip install -c constraints.txt -e ".[{}]"'
PLUGINS = {  # of conf/launcher: what installs them
    "hydra_joblib_launcher": EXTRA.format("joblib"),
    "hydra_submitit_launcher": EXTRA.format("slurm"),
    # by itself, since it asks for Amazon's library beside Ray, which no version of python-dateutil here satisfies
    "hydra_ray_launcher": f"{EXTRA.format('ray')} && pip install --no-deps hydra-ray-launcher==1.2.2",
}


def explain(error: Exception) -> str:
    """Turn what Hydra or OmegaConf says of a setting into one sentence."""
    if isinstance(error, OverrideParseException):
        return _explain_value(error.override)
    lines: list[str] = []
    current: BaseException | None = error
    while isinstance(current, HydraException | OmegaConfBaseException):
        lines += [line.strip().rstrip(".:;") for line in str(current).splitlines()]
        current = current.__cause__
    noise = ("full_key", "reference_type", "object_type", "provider=", "Config search path", "See https", "To append")
    message = "; ".join(line for line in dict.fromkeys(lines) if line and not line.startswith(noise))
    if ambiguous := re.match(r"Ambiguous value for argument '([^=]+)=(.*?)'; 1\.", message):
        key, value = ambiguous.groups()
        return (
            f"'{key}={value}' has a comma, which means several values; where it is one text, put it in quotes inside "
            f"those of the shell, '{key}=\"{value}\"', and to run each of the values add --multirun."
        )
    if unfit := re.match(
        r"Error merging override \+*((method|table)\.(arms|terms|rows))\.([^.=]+).*is not a subclass", message
    ):
        entries, name = unfit[1], unfit[4]
        return (
            f"{entries}: a new entry comes with the map that it goes into, '+{entries}={{{name}: {{...}}}}'; those "
            f"that are there stay. Its settings are under {entries} in what `tmkd settings` prints."
        )
    if "is not in struct" in message:
        message += '; a "+" in front of the setting adds one that is not there'
    return f"{message}. `tmkd settings` prints all settings and options."


def _explain_value(override: str) -> str:
    """Say how to write what Hydra's parser did not read; the parser's own words are about its rules."""
    key = override.partition("=")[0]
    return (
        f"'{override}' cannot be read: expected SETTING=VALUE. A value with other characters than a-z, A-Z, 0-9 and "
        f"_ - . / : + % @ * needs quotes inside those of the shell: '{key}=\"...\"'; in a list each of its texts: "
        '\'data.classes=["für","gegen"]\'. The names in a map can have none: put such a map into a YAML file in conf/.'
    )


def missing_plugin(error: RuntimeError) -> str | None:
    """Say what a launcher lacks, if that is the error: its plugin, or the scheduler that it hands jobs to."""
    if "srun" in str(error):
        return "launcher=slurm: expected the command srun but it is not there; start from a node of a Slurm cluster."
    if not str(error).startswith("Unknown plugin class"):
        return None
    plugin = next((name for name in PLUGINS if name in str(error)), None)
    return plugin and f"launcher: expected {plugin} but it is not installed; install it with: {PLUGINS[plugin]}"


def unset_section(arguments: Sequence[str]) -> str | None:
    """Say which section's settings came without the section, if that is why Hydra could not compose."""
    setting = next((each for each in arguments if each.lstrip("+").startswith("runtime.ray")), None)
    return setting and f"{setting}: expected runtime=ray as well, since without it there are no settings of Ray."
