"""Run a stage: Hydra in front, one sentence and exit code 2 for a mistake, a last line at the end."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import time
from collections.abc import Sequence
from io import TextIOWrapper

import hydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from tmkd.choices import NO_TASK
from tmkd.cli import usage
from tmkd.cli.arguments import as_typed
from tmkd.cli.stages import STAGES
from tmkd.config import check, resolve
from tmkd.errors import TmkdError
from tmkd.shipped import CONF

EXTRA = 'pip install -c constraints.txt -e ".[{}]"'
PLUGINS = {  # of conf/launcher: what installs them
    "hydra_joblib_launcher": EXTRA.format("joblib"),
    "hydra_submitit_launcher": EXTRA.format("slurm"),
    # by itself, since it asks for Amazon's library beside Ray, which no version of python-dateutil here satisfies
    "hydra_ray_launcher": f"{EXTRA.format('ray')} && pip install --no-deps hydra-ray-launcher==1.2.2",
}
log = logging.getLogger("tmkd")


def launch(stage: str, by: str = "make") -> None:
    """Run ``tmkd.pipelines.<stage>`` on the command line's settings.

    Args:
        by: the command that stages are run with, ``make`` or ``tmkd``, for the line that says which comes next.
    """
    os.environ["TMKD_STAGE"] = stage  # names the log's folder, in conf/config.yaml
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands errors over instead of printing them
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")  # the bars here are the stages' own

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    def job(composed: DictConfig) -> None:
        begun.append(composed)
        started = time.monotonic()
        if int(os.environ.get("RANK", 0)):  # one of several processes, of which the first speaks for all
            logging.getLogger().setLevel(logging.WARNING)
        try:
            config = check(resolve(composed))
            made = STAGES[stage].run(stage, config)
        except TmkdError as error:
            _stop(str(error))
        if isinstance(made, list):
            made = f"{len(made)} results in {config.paths.artifacts}/"
        elif stage == "stage3":
            made = f"{made}/index.html"
        following = STAGES[stage].then(by, config.data.reader != NO_TASK)
        log.info("%s done: %s, in %.0f s. Next: %s", stage, made, time.monotonic() - started, following)

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale may lack letters of names and texts
    begun: list[DictConfig] = []
    arguments: list[str] = []
    try:
        arguments = as_typed(sys.argv[1:])
        sys.argv[1:] = arguments
        if usage.FLAGS & set(arguments):
            print(usage.text(CONF, STAGES[stage].what, stage, [each for each in arguments if not each.startswith("-")]))
        else:
            job()
    except TmkdError as error:
        _stop(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        _stop(explain(error))
    except ValueError as error:
        if not str(error).startswith("Only one of --run"):  # Hydra's own word on two of its flags
            raise
        _stop(str(error))
    except RuntimeError as error:
        if (message := missing_plugin(error)) is None:
            raise
        _stop(message)
    except (AssertionError, AttributeError):
        if begun or (message := unset_section(arguments)) is None:
            raise
        _stop(message)
    except OSError as error:
        known = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.ENAMETOOLONG)
        if begun and error.errno not in known:  # before, it is the folder of the log that cannot be made
            raise
        _stop(f"Cannot write {error.filename} ({error.strerror}); choose another folder with paths.runs, or make room.")
    except KeyboardInterrupt:
        _stop("Stopped; what was done is kept, the same command goes on from there.", code=130)


def _stop(sentence: str, code: int = 2) -> None:
    print(f"tmkd: {sentence}", file=sys.stderr)
    sys.exit(code)


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
