"""An export on the hub: asked for before anything is written, uploaded once it is proven."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError
from huggingface_hub.errors import HTTPError as NetworkError  # type: ignore[attr-defined]
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from tmkd.errors import ConfigError


def check_push(repo: str) -> None:
    """Raise ConfigError where a repository's name is none, or the hub does not know who asks."""
    with _asking(repo):
        validate_repo_id(repo)
        HfApi().whoami()


def push_folder(folder: Path, repo: str, message: str) -> str:
    """Upload a folder and return the address of its page.

    A repository that does not exist is made, and is private: its page is where that can be changed.

    Raises:
        ConfigError: the hub cannot be reached, or refuses; the folder stays.
    """
    with _asking(repo, f"; {folder} is whole: `hf upload {repo} {folder}` tries again"):
        api = HfApi()
        address = api.create_repo(repo, private=True, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message=message)
        return str(address)


@contextmanager
def _asking(repo: str, then: str = "") -> Iterator[None]:
    try:
        yield
    except HFValidationError as error:
        raise ConfigError(f"--push {repo}: expected OWNER/NAME, as the hub allows it ({_first(error)}).") from None
    except LocalTokenNotFoundError:
        expected = "expected a token of the hub: run `hf auth login`, or set HF_TOKEN"
        raise ConfigError(f"--push {repo}: {expected}{then}.") from None
    except HfHubHTTPError as error:
        raise ConfigError(f"--push {repo}: the hub refused ({_first(error)}){then}.") from None
    except (NetworkError, OSError) as error:
        raise ConfigError(f"--push {repo}: the hub cannot be reached ({_first(error)}){then}.") from None


def _first(error: Exception) -> str:
    """Return the first line of an error."""
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
