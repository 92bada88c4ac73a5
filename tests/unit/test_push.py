"""Exports on the hub: a stand-in of its API on loopback gets the whole folder; mistakes are told before the work."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import huggingface_hub.constants
import huggingface_hub.hf_api
import pytest

from tmkd.errors import ConfigError
from tmkd.export.hub import check_push, push_folder


class Hub(BaseHTTPRequestHandler):
    """What `huggingface_hub` asks when a folder of small files is uploaded."""

    repositories: ClassVar[dict[str, dict[str, bytes]]] = {}
    asked: ClassVar[list[tuple[str, Any]]] = []

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == "Bearer hf_right"
        if self.path == "/api/whoami-v2" and known:
            self._answer({"name": "owner", "type": "user", "auth": {"type": "access_token"}})
        else:
            self._answer({"error": "Invalid credentials"}, 401)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        self.asked.append((self.path, lines))
        if self.path == "/api/repos/create":
            self.repositories[f"owner/{lines[0]['name']}"] = {}
            self._answer({"url": f"http://{self.headers['Host']}/owner/{lines[0]['name']}"})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            self._answer(
                {"files": [{**each, "uploadMode": "regular", "shouldIgnore": False} for each in lines[0]["files"]]}
            )
        else:
            files = [line["value"] for line in lines if line["key"] == "file"]
            content = {each["path"]: base64.b64decode(each["content"]) for each in files}
            self.repositories["owner/mine"].update(content)
            address = f"http://{self.headers['Host']}/owner/mine"
            self._answer({"success": True, "commitOid": "0" * 40, "commitUrl": f"{address}/commit/{'0' * 40}"})

    def _answer(self, content: dict[str, Any], status: int = 200) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for module in (huggingface_hub.constants, huggingface_hub.hf_api.constants):
        monkeypatch.setattr(module, "ENDPOINT", address)
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", address)
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    Hub.repositories, Hub.asked = {}, []
    yield Hub
    server.shutdown()
    server.server_close()


def test_whole_folder_is_in_a_new_repository_that_is_private(hub: type[Hub], tmp_path: Path) -> None:
    files = {
        "README.md": b"---\nlibrary_name: transformers\n---\n",
        "onnx/model.onnx": b"\0\1",
        "calibration.json": b"{}",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    check_push("owner/mine")
    address = push_folder(tmp_path, "owner/mine", "a student")
    assert hub.repositories == {"owner/mine": files}
    assert address.endswith("/owner/mine")
    assert hub.asked[0][0] == "/api/repos/create"
    assert hub.asked[0][1][0].get("private") or hub.asked[0][1][0].get("visibility") == "private"


@pytest.mark.parametrize(
    ("repo", "token", "said"),
    [
        ("a/b/c", "hf_right", "--push a/b/c: expected OWNER/NAME"),
        ("owner/mine", "hf_wrong", "--push owner/mine: the hub refused"),
        ("owner/mine", "", "--push owner/mine: expected a token of the hub: run `hf auth login`"),
    ],
)
def test_what_the_hub_would_refuse_is_said_before_an_export_is_written(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch, repo: str, token: str, said: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", "/nowhere")
    with pytest.raises(ConfigError, match=said):
        check_push(repo)
    assert not hub.asked


def test_hub_that_is_not_there_is_one_sentence_that_names_the_folder(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"the hub cannot be reached .*is whole: `hf upload owner/mine"):
        push_folder(tmp_path, "owner/mine", "a student")
