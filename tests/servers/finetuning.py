"""The far end of the network: a local server that speaks OpenAI's files and fine-tuning jobs.

POST and GET /files, POST and GET /fine_tuning/jobs, GET /fine_tuning/jobs/ID, POST …/cancel, with
the fields and refusals of https://platform.openai.com/docs/api-reference/fine-tuning. A job goes one
state on each time it is asked for. `cut_after` names a request whose work is done and whose answer
is never heard.
"""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

KEY = "key-of-the-tests"
STATES = ("validating_files", "queued", "running", "succeeded")
BASE_MODELS = ("gpt-4.1-mini-2025-04-14",)


class FinetuningServer:
    """Runs while it is entered. `fails` is what jobs end with instead of success."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.fails: str | None = None
        self.cut_after: str | None = None
        self.on_request: Callable[[str], None] = lambda what: None

    def __enter__(self) -> Self:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer("GET")

            def do_POST(self) -> None:
                self._answer("POST")

            def _answer(self, method: str) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0].removeprefix("/v1")
                server.on_request(f"{method} {path}")
                if self.headers.get("Authorization") != f"Bearer {KEY}":
                    status, answer = 401, _error("Incorrect API key provided")
                else:
                    kind = self.headers.get("Content-Type") or ""
                    status, answer = server.answer(method, path, kind, body)
                if server.cut_after == f"{method} {path}":
                    server.cut_after = None
                    self.close_connection = True
                    self.connection.close()
                    return
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, kind: str, body: bytes) -> tuple[int, Any]:
        match (method, path.strip("/").split("/")):
            case ("POST", ["files"]):
                return self._upload(kind, body)
            case ("GET", ["files"]):
                return 200, _page(list(self.files.values()))
            case ("POST", ["fine_tuning", "jobs"]):
                return self._start(json.loads(body))
            case ("GET", ["fine_tuning", "jobs"]):
                return 200, _page(list(self.jobs.values()))
            case ("GET", ["fine_tuning", "jobs", name]) if name in self.jobs:
                self._go_on(self.jobs[name])
                return 200, self.jobs[name]
            case ("POST", ["fine_tuning", "jobs", name, "cancel"]) if name in self.jobs:
                self.jobs[name]["status"] = "cancelled"
                return 200, self.jobs[name]
        return 404, _error(f"there is no {method} {path}")

    def _upload(self, kind: str, body: bytes) -> tuple[int, Any]:
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        parts = {
            part.get_param("name", header="content-disposition"): part
            for part in message.iter_parts()
        }
        content = parts["file"].get_payload(decode=True)
        assert isinstance(content, bytes)
        if parts["purpose"].get_payload(decode=True) != b"fine-tune":
            return 400, _error("the purpose must be fine-tune")
        for line in content.splitlines():
            roles = [one["role"] for one in json.loads(line)["messages"]]
            if roles[-1] != "assistant":
                return 400, _error("the last message must be the assistant's")
        name = f"file-{len(self.files) + 1}"
        self.contents[name] = content
        self.files[name] = {
            "id": name,
            "object": "file",
            "bytes": len(content),
            "created_at": 0,
            "filename": parts["file"].get_filename(),
            "purpose": "fine-tune",
            "status": "processed",
        }
        return 200, self.files[name]

    def _start(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body["model"] not in BASE_MODELS:
            return 400, _error(f"model {body['model']} does not exist or cannot be fine-tuned")
        wanted = [body["training_file"], body.get("validation_file") or body["training_file"]]
        if any(name not in self.files for name in wanted):
            return 400, _error("there is no such file")
        if len(body.get("suffix") or "") > 64:
            return 400, _error("the suffix is too long")
        name = f"ftjob-{len(self.jobs) + 1}"
        self.jobs[name] = {
            "id": name,
            "object": "fine_tuning.job",
            "created_at": 0,
            "error": None,
            "fine_tuned_model": None,
            "finished_at": None,
            "hyperparameters": {},
            "method": body.get("method"),
            "model": body["model"],
            "organization_id": "org",
            "result_files": [],
            "seed": 0,
            "status": STATES[0],
            "trained_tokens": None,
            "training_file": body["training_file"],
            "validation_file": body.get("validation_file"),
            "user_provided_suffix": body.get("suffix"),
        }
        return 200, self.jobs[name]

    def _go_on(self, job: dict[str, Any]) -> None:
        if job["status"] not in STATES[:-1]:
            return
        job["status"] = STATES[STATES.index(job["status"]) + 1]
        if job["status"] == "succeeded" and self.fails:
            job["status"] = "failed"
            job["error"] = {"code": "invalid_training_file", "message": self.fails, "param": None}
        elif job["status"] == "succeeded":
            job["fine_tuned_model"] = f"ft:{job['model']}:org:{job['user_provided_suffix']}:1"


def _page(rows: list[Any]) -> dict[str, Any]:
    return {"object": "list", "data": rows, "has_more": False}


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error"}}
