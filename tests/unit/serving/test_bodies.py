"""Bodies that cannot be answered: one sentence each, by the names that the client sent, and no traceback in the log."""

import pytest

from tests.unit.serving.server import Served

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body", [b'{"query": "\xe9", "texts": []}', b"[" * 100_000, b'{"query": ' + b"9" * 6000 + b"}"]
)
def test_what_is_no_json_is_told_so(served: Served, body: bytes) -> None:
    # nested too deeply, or a number too long, was "There was an error parsing the body", as 400
    found = served.client.post("/rerank", content=body, headers=JSON)
    assert (found.status_code, found.json()["error"]) == (422, "The body is no valid JSON.")


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/rerank", {"query": "q", "documents": ["a", 3]}, "documents[1]: input should be a valid string."),
        ("/predict", {"inputs": "a"}, "inputs: input should be a valid list."),
        ("/predict", {"inputs": ["a", ["b"]]}, "inputs[1]: input should be a valid string."),
    ],
)
def test_error_names_only_fields_that_the_client_sent(served: Served, path: str, body: object, said: str) -> None:
    found = served.post(path, body)
    assert (found.status_code, *found.json().values()) in [(422, said), (422, said, "validation")]


def test_half_a_character_is_told_so_without_a_traceback_in_the_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    for body in (b'{"query": "a", "texts": ["b", "c \\ud83d"]}', b'{"query": "\\ud83d", "texts": ["b"]}'):
        found = served.client.post("/rerank", content=body, headers=JSON)
        assert (found.status_code, found.json()["error_type"]) == (422, "tokenizer")
        assert "half a character" in found.json()["error"]
    assert "Traceback" not in caplog.text
