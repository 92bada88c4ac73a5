"""Settings of served teachers: what is refused before anything is sent, and what scores are known by."""

import importlib.util
import logging
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import yaml

from tests.unit.served.asking import CLASSES, ask
from tests.unit.served.server import pairs_of, status
from tmkd.errors import ConfigError, ModelError
from tmkd.teachers.served import Served

KEY = "sk-Secret0123456789"
CHAT = {"api": "openai", "name": "chat"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api": "grpc"}, "api to be one of tei, jina, cohere, openai, got grpc"),
        ({"api": "jina"}, "expected a name"),
        ({"api": "cohere"}, "expected a name"),
        ({"api": "openai"}, "expected a name"),
        ({"api": "tei", "prompt": "{query}{document}"}, "prompt and answers are for api=openai"),
        ({"api": "tei", "answers": ["yes", "no"]}, "prompt and answers are for api=openai"),
        ({**CHAT, "prompt": "Is {document} good?"}, r"expected \{query\} and \{document\} in prompt"),
        ({**CHAT, "answers": ["yes"]}, "answers to be two words"),
        ({**CHAT, "answers": ["yes", "Yes"]}, "answers to be two words"),
        ({"api": "tei", "scale": "percent"}, "scale to be one of margin, probability"),
        ({"api": "tei", "concurrency": 0}, "concurrency to be more than 0"),
        ({"api": "tei", "requests_per_second": 0.0}, "requests_per_second to be more than 0"),
        ({"api": "tei", "timeout": -1.0}, "timeout to be more than 0"),
        ({"api": "tei", "retries": -1}, "retries to be 0 or more"),
        ({"api": "tei", "texts_a_request": 0}, "texts_a_request to be more than 0"),
        ({"api": "tei", "budget_requests": 0}, "budget_requests to be more than 0"),
        ({"api": "tei", "budget_money": 1.0}, "budget_money needs price_per_request"),
        ({"api": "tei", "api_key": "ABSENT_KEY"}, "variable ABSENT_KEY, got none"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, words):
    with pytest.raises(ConfigError, match=words):
        Served("http://localhost:8080", **settings).check(CLASSES)


def test_task_of_three_classes_is_refused():
    with pytest.raises(ConfigError, match="two classes, since it gives one score a pair, got 3"):
        Served("http://localhost:8080", "tei").check(("a", "b", "c"))


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", "http://x:port", "//x"])
def test_url_that_is_none_is_refused(url):
    with pytest.raises(ConfigError, match=r"expected url as http://HOST:PORT"):
        Served(url, "tei")


def test_missing_extra_is_named(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "tmkd.teachers.served.check.find_spec", lambda name: None if name == "tenacity" else found(name)
    )
    with pytest.raises(ConfigError, match=r"install them with: pip install .*\[served\]"):
        Served("http://localhost:8080", "tei").check(CLASSES)


def test_identity_is_what_shapes_the_scores_alone():
    served = Served("http://a:1", "jina", "m")
    assert served.identity() == Served("https://b", "jina", "m", concurrency=1, budget_requests=3).identity()
    assert served.identity() != Served("http://a:1", "jina", "n").identity()
    assert served.identity() != Served("http://a:1", "jina", "m", scale="margin").identity()
    assert Served("http://a:1", "tei").identity() != Served("http://b:1", "tei").identity()
    assert Served("http://a:1", "tei").identity() == Served("http://a:1/", "tei").identity()
    chat = Served("http://a:1", **CHAT)
    assert chat.identity() == Served("http://b:1", **CHAT, answers=["yes", "no"]).identity()
    assert hash(Served("http://a:1", **CHAT, answers=[])) == hash(Served("http://a:1", **CHAT, answers=[]))
    assert chat.identity() != Served("http://a:1", **CHAT, answers=["true", "false"]).identity()
    assert chat.identity() != Served("http://a:1", **CHAT, prompt="{query}{document}").identity()


@pytest.mark.parametrize("key", [KEY, "jina_0123456789abcdef0123456789abcdef", "AKIA0123456789ABCDEF", "my key", ""])
def test_key_in_place_of_its_variables_name_is_refused_and_not_shown(key):
    with pytest.raises(ConfigError, match="name of an environment variable, such as JINA_API_KEY") as raised:
        Served("http://x", "tei", api_key=key)
    assert not key or key not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("url", [f"https://me:{KEY}@x", f"https://x/rerank?key={KEY}", f"https://x#{KEY}"])
def test_key_in_a_url_is_refused_and_not_shown(url):
    with pytest.raises(ConfigError, match="expected url as") as raised:
        Served(url, "tei")
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("key", [f"{KEY}\nX", f"{KEY} X", f"{KEY}é"])
def test_key_that_no_header_can_hold_is_not_shown(key, monkeypatch, tmp_path):
    monkeypatch.setenv("OUR_KEY", key)
    with pytest.raises(ConfigError, match="plain characters in the environment variable OUR_KEY") as raised:
        ask(Served("http://x", "tei", api_key="OUR_KEY"), pairs_of(1, 1), tmp_path)
    assert KEY not in "".join(traceback.format_exception(raised.value))


def test_entries_of_the_page_are_settings(monkeypatch):
    for name in ("JINA_API_KEY", "CO_API_KEY"):
        monkeypatch.setenv(name, KEY)
    page = (Path(__file__).parents[3] / "docs/served_teachers.md").read_text("utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    apis = []
    for entry in yaml.safe_load(block)["teachers"]["roster"]:
        assert entry.pop("kind") == Served.kind
        Served(**entry).check(CLASSES)
        apis.append(entry["api"])
    assert apis == ["tei", "jina", "cohere", "openai"]


def texts_of(error):
    """Return all that a traceback shows, with the errors that an error came from."""
    texts, seen = [], error
    while seen is not None:
        texts += [repr(seen), *traceback.format_exception(seen)]
        seen = seen.__context__
    return "".join(texts)


@pytest.mark.parametrize("trouble", [None, status(429), status(401), status(404, f"no model for {KEY}"), "timeout"])
def test_key_is_sent_and_is_in_no_log_error_or_file(trouble, server, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("OUR_KEY", f"{KEY}\n")  # as `export OUR_KEY="$(cat file)"` on some systems leaves it
    server.key = KEY
    teacher = Served(server.url, "tei", api_key="OUR_KEY", retries=1, timeout=0.2 if trouble == "timeout" else 5.0)
    shown = repr(teacher) + str(teacher.identity()) + teacher.what
    with caplog.at_level(logging.DEBUG):
        if trouble is None:
            ask(teacher, pairs_of(2, 2), tmp_path)
        else:
            server.seconds, server.always = (0.4, None) if trouble == "timeout" else (0.0, trouble)
            with pytest.raises(ModelError) as raised:
                ask(teacher, pairs_of(1, 1), tmp_path)
            shown += texts_of(raised.value)
    assert server.requests[0][1]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in shown + caplog.text
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_server_that_repeats_a_wrong_key_does_not_get_it_shown(server, monkeypatch, tmp_path):
    monkeypatch.setenv("OUR_KEY", KEY)
    server.key = "another"
    with pytest.raises(ModelError, match=r"status 401 \(wrong key: Bearer \*\*\*\); look at the key") as raised:
        ask(Served(server.url, "tei", api_key="OUR_KEY"), pairs_of(1, 1), tmp_path)
    assert KEY not in texts_of(raised.value)


@pytest.mark.thorough
@pytest.mark.parametrize("sweep", [[], ["--multirun"]])
def test_key_that_was_refused_is_left_in_no_file(sweep, tmp_path):
    entry = f'{{kind: served, url: "http://localhost:1", api: tei, api_key: {KEY}}}'
    settings = ["experiment=smoke", f"teachers.roster=[{entry}]", f"paths.runs={tmp_path}/runs"]
    command = [sys.executable, "-m", "tmkd", "plan", *sweep, *settings]
    asked = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert asked.returncode == 2 and "name of an environment variable" in asked.stderr
    assert sweep or KEY not in asked.stderr + asked.stdout  # Hydra prints what was typed of each job of a sweep
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files and not [file for file in files if KEY in file.read_text("utf-8")]
