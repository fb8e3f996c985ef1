"""What stands before every page: who may ask, by which name, and what a browser may do."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragpg.settings import LOCAL_HOSTS

HEADERS = {
    # Nothing but what the package brings: no inline script or style, no other server, no frame.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # no-referrer would make Origin null on our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Refuses what is not asked of this page by its own name, or by another page's script.

    A page elsewhere may point its own name at 127.0.0.1 (DNS rebinding) and then read what
    answers; its requests carry that name in the Host header.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str] = LOCAL_HOSTS) -> None:
        self.app = app
        self.allowed_hosts = {host.strip("[]").lower() for host in allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if not scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        app = refusal or self.app
        await app(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> ASGIApp | None:
        host = host_name(headers.get("host", ""))
        if "*" not in self.allowed_hosts and host not in self.allowed_hosts:
            return PlainTextResponse(
                f"this page is not served under the name {host!r}: ragpg ui --allow-host NAME",
                status_code=421,
            )
        # Asking a model costs money, so only a form of this page may do so.
        origin = headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != headers.get("host")
        if method == "POST" and (
            foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        ):
            return PlainTextResponse("another site may not ask here", status_code=403)
        return None


def host_name(host: str) -> str:
    """Returns a Host header's name without its port; empty when it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
