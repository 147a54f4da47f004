"""What a browser makes of it: the documentation page, and a front end from another origin.

Debian's Chromium, driven by playwright-core. `make check` fetches both; without them this is
skipped, for `make test` needs Python alone.
"""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.architecture.sources import ROOT
from tests.assurance.installation import PASSWORD, Installation, installed

SCRIPTS = ROOT / "tests" / "browser"
SECONDS = 240
SEARCH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
CHROMIUM, NODE = shutil.which("chromium"), shutil.which("node", path=SEARCH)
MANAGER = "manager@radio.example.com"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or NODE is None or not (ROOT / "node_modules" / "playwright-core").exists(),
    reason="Chromium or playwright-core is not installed: run `make check`",
)


class Pages(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the suite's output is not for this."""

    def do_GET(self) -> None:
        if self.path == "/favicon.ico":  # a browser asks by itself, and tells of a 404
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Another origin, which serves the front end's page."""
    handler = functools.partial(Pages, directory=str(SCRIPTS))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def open_to_it(origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("browser"), CRM_CORS_ORIGINS=origin) as made:
        yield made


def driven(script: str, url: str, *hosts: str) -> dict[str, Any]:
    """What the script found, having reached no host but these."""
    allowed = [urlsplit(each).netloc for each in (url, *hosts)]
    done = subprocess.run(
        [str(NODE), str(SCRIPTS / script), url, MANAGER, PASSWORD],
        env=os.environ | {"BROWSER": json.dumps([CHROMIUM, *allowed])},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["strangers"] == [], "a page reached for another host"
    return found


def test_documentation_page_signs_in_and_tries_an_operation(open_to_it: Installation) -> None:
    found = driven("docs.mjs", f"{open_to_it.address}/docs")
    assert found["errors"] == []
    assert "default-src 'none'" in found["policy"]
    assert "unsafe" not in found["policy"]
    assert found["login"]["status"] == "200", found["login"]
    assert found["list"]["status"] == "200", found["list"]
    assert "next_cursor" in found["list"]["text"]
    assert "Authorization: Bearer" in found["list"]["request"]
    # The default is sent, and no example of an optional parameter as if it were a filter.
    assert f"{open_to_it.address}/v1/clients?limit=50'" in found["list"]["request"]


def test_front_end_of_another_origin_does_its_first_day(
    open_to_it: Installation, origin: str
) -> None:
    page = f"{origin}/front_end.html?api={open_to_it.address}"
    found = driven("front_end.mjs", page, open_to_it.address)
    assert found["state"] == "done", found
    seen = found["seen"]
    assert seen["next"].startswith("</v1/clients?")
    assert seen["next"].endswith('>; rel="next"')
    assert seen["quota"][0].startswith('"default";r=')
    assert seen["quota"][1].startswith('"default";q=')
    assert seen["requestId"]
    assert seen["location"].startswith("/v1/clients/")
    assert seen["replayed"] == "true"
    assert seen["etag"].startswith('"')
    assert seen["remarks"] == "Seen"
    assert seen["stale"] == [412, "version_conflict", True]
    assert found["told"].startswith("The record has changed since you read it")
    assert seen["refreshed"] is True
    assert seen["me"] == "manager"
    assert seen["copy"] == 304
    assert int(seen["retryAfter"]) > 0
    # A browser tells of each refusal by itself; of nothing else.
    assert all("Failed to load resource" in error for error in found["errors"]), found["errors"]


def test_front_end_of_an_origin_that_is_not_configured_is_shut_out(
    open_to_it: Installation,
) -> None:
    handler = functools.partial(Pages, directory=str(SCRIPTS))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{server.server_port}/front_end.html?api={open_to_it.address}"
        found = driven("front_end.mjs", page, open_to_it.address)
        server.shutdown()
    assert found["state"].startswith("failed: TypeError")
    assert found["seen"] == {}
    assert any("CORS policy" in error for error in found["errors"])
