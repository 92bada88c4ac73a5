"""What can be wrong with the settings of a served teacher."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib.util import find_spec
from urllib.parse import urlsplit

from tmkd.choices import APIS
from tmkd.errors import ConfigError, SecretInSettings
from tmkd.teachers.served.chat import VARIABLES
from tmkd.teachers.served.scale import SCALES
from tmkd.teachers.served.settings import Settings

INSTALL = 'pip install -c constraints.txt -e ".[served]"'
VARIABLE = re.compile(r"[A-Z][A-Z0-9]{0,15}(_[A-Z0-9]{1,15})*")  # capitals in short words: no provider's keys look so
POSITIVE = (
    "concurrency", "requests_per_second", "timeout", "texts_a_request", "budget_requests", "budget_money",
)  # fmt: skip
NOT_NEGATIVE = ("retries", "price_per_request", "price_per_1000_tokens")


def refuse_secrets(settings: Settings) -> None:
    """Raise SecretInSettings for what may be a key: it would be in every repr and manifest, so it is not shown here."""
    if settings.api_key is not None and not VARIABLE.fullmatch(settings.api_key):
        raise SecretInSettings(
            "teachers.roster, kind served: expected api_key to be the name of an environment variable, such as "
            "JINA_API_KEY, got something else (not shown, since it may be a key); export the key under such a name."
        )
    try:
        where = urlsplit(settings.url)
        sound = where.scheme in ("http", "https") and where.hostname and (where.port is None or where.port)
    except ValueError:
        sound = None
    if not sound or "@" in where.netloc or where.query or where.fragment:
        raise SecretInSettings(
            "teachers.roster, kind served: expected url as http://HOST:PORT or https://HOST, without a password, "
            "'?' or '#' (not shown, since a key may be in it); api_key names the environment variable of a key."
        )


def check(settings: Settings, classes: Sequence[str]) -> None:
    """Raise ConfigError for settings that make no sense, a key that is not there, or an extra not installed."""
    if settings.api not in APIS:
        raise wrong(settings, f"expected api to be one of {', '.join(APIS)}, got {settings.api}")
    if len(classes) > 2:
        raise wrong(settings, f"expected a task of two classes, since it gives one score a pair, got {len(classes)}")
    if settings.name is None and settings.api != "tei":
        raise wrong(settings, f"expected a name, the model that api={settings.api} is asked for, got none")
    if settings.api != "openai" and (settings.prompt is not None or settings.answers is not None):
        raise wrong(settings, f"prompt and answers are for api=openai, got api={settings.api}; take them out")
    if settings.prompt is not None and set(VARIABLES.findall(settings.prompt)) != {"query", "document"}:
        raise wrong(settings, "expected {query} and {document} in prompt, got " + repr(settings.prompt))
    if settings.words and (len(settings.words) != 2 or len({word.casefold() for word in settings.words}) != 2):
        raise wrong(settings, f"expected answers to be two words, or [] for a score in JSON, got {settings.words}")
    if settings.scale is not None and settings.scale not in SCALES:
        raise wrong(settings, f"expected scale to be one of {', '.join(SCALES)}, got {settings.scale}")
    for names, sound in ((POSITIVE, "more than 0"), (NOT_NEGATIVE, "0 or more")):
        for name in names:
            value = getattr(settings, name)
            if value is not None and (value < 0 or (value == 0 and names is POSITIVE)):
                raise wrong(settings, f"expected {name} to be {sound}, got {value:g}")
    if settings.budget_money is not None and not settings.tariff.known:
        raise wrong(settings, "budget_money needs price_per_request or price_per_1000_tokens, got neither")
    key_of(settings)
    if find_spec("httpx2") is None or find_spec("tenacity") is None:
        raise wrong(settings, f"its packages are not installed; install them with: {INSTALL}")


def key_of(settings: Settings) -> str | None:
    """Return the key that is sent, or None; ConfigError where its variable has none."""
    if settings.api_key is None:
        return None
    key = os.environ.get(settings.api_key, "").strip()
    if not key:
        raise wrong(settings, f"expected a key in the environment variable {settings.api_key}, got none; export it")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise wrong(settings, f"expected a key of plain characters in the environment variable {settings.api_key}")
    return key


def wrong(settings: Settings, sentence: str) -> ConfigError:
    return ConfigError(f"teachers.roster, {settings.what}: {sentence}.")
