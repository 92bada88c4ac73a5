"""Run a stage: Hydra in front, one sentence and exit code 2 for a mistake, a last line at the end."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sys
import time
from io import TextIOWrapper
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from tmkd.choices import NO_TASK
from tmkd.cli import usage
from tmkd.cli.arguments import as_typed, names_in
from tmkd.cli.explain import explain, missing_plugin, unset_section
from tmkd.cli.stages import STAGES
from tmkd.collector import process_is_ours
from tmkd.config import check, check_given, check_typed, resolve
from tmkd.errors import SecretInSettings, TmkdError
from tmkd.shipped import CONF

log = logging.getLogger("tmkd")


def launch(stage: str, by: str = "make") -> None:
    """Run ``tmkd.pipelines.<stage>`` on the command line's settings.

    Args:
        by: the command that stages are run with, ``make`` or ``tmkd``, for the line that says which comes next.
    """
    process_is_ours()
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
            config = check_typed(check_given(check(resolve(composed))), names_in(arguments), stage)
            made = STAGES[stage].run(stage, config)
        except TmkdError as error:
            if isinstance(error, SecretInSettings):
                _forget_settings()
            _stop(str(error))
        if isinstance(made, list):
            made = f"{len(made)} results in {config.paths.artifacts}/"
        elif stage == "stage3":
            made = f"{made}/index.html"
        following = STAGES[stage].then(by, config.data.reader != NO_TASK, set_any=bool(arguments))
        log.info("%s done: %s, in %.0f s. Next: %s", stage, made, time.monotonic() - started, following)

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale may lack letters of names and texts
    logging.raiseExceptions = False  # `| head` or a full disk takes lines of the log; each had been a traceback
    begun: list[DictConfig] = []
    arguments: list[str] = []
    try:
        arguments = as_typed(sys.argv[1:])
        sys.argv[1:] = arguments
        if usage.FLAGS & set(arguments):
            chosen = [each for each in arguments if not each.startswith("-")]
            print(usage.text(CONF, STAGES[stage].what, stage, chosen), flush=True)
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
    except BrokenPipeError:
        if begun:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read the answer has seen enough
    except OSError as error:
        known = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.ENAMETOOLONG)
        if begun and error.errno not in known:  # before, it is the folder of the log that cannot be made
            raise
        _stop(f"Cannot write {error.filename} ({error.strerror}); choose another folder with paths.runs, or make room.")
    except KeyboardInterrupt:
        _stop("Stopped; what was done is kept, the same command goes on from there.", code=130)


def _forget_settings() -> None:
    """Remove what Hydra has written of the settings."""
    here = HydraConfig.get()
    if here.output_subdir is not None:
        shutil.rmtree(Path(here.runtime.output_dir, here.output_subdir), ignore_errors=True)
    Path(here.sweep.dir, "multirun.yaml").unlink(missing_ok=True)


def _stop(sentence: str, code: int = 2) -> None:
    print(f"tmkd: {sentence}", file=sys.stderr)
    sys.exit(code)
