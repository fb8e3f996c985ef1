"""Containers of Azure: adlfs against Azurite, where that is installed (npm install -g azurite)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

import ragpg
from ragpg import errors

PROGRAM = shutil.which("azurite-blob")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="azurite-blob is not installed")
# Of the emulator, as its documentation has it.
ACCOUNT = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmE"
    "tlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
)


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    with subprocess.Popen([str(PROGRAM), *options, "--blobPort", port]) as emulator:
        for _ in range(200):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", int(port))) == 0:
                    break
            time.sleep(0.1)
        told = f"{ACCOUNT}BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", told)
        with BlobServiceClient.from_connection_string(told) as service:
            container = service.create_container("papers")
            for name, text in {
                "handbook/refunds.md": "# Refunds\n\nA refund takes five days.",
                "handbook/deep/limits.txt": "The rate limit is high.",
                "other/login.md": "Login here.",
            }.items():
                container.upload_blob(name, text)
            yield container
        emulator.terminate()


def test_a_prefix_a_file_and_a_pattern(client: ragpg.Client, container: Any) -> None:
    pages = client.collection("pages")
    assert pages.add("az://papers/handbook").added == 2
    assert pages.search("refund")[0].source == "az://papers/handbook/refunds.md"
    assert pages.add("az://papers/handbook/refunds.md").unchanged == 1
    assert pages.add("az://papers/**/login.md").added == 1
    container.upload_blob("handbook/refunds.md", "# Refunds\n\nSix days.", overwrite=True)
    report = pages.add("az://papers/handbook")
    assert (report.unchanged, report.updated) == (1, 1)
    container.delete_blob("handbook/deep/limits.txt")
    report = pages.add("az://papers/handbook", sync=True, max_deleted_share=0.5)
    assert (report.unchanged, report.deleted) == (1, 1)
    with pytest.raises(errors.LoadError, match="holds no file"):
        pages.add("az://papers/none")
