"""Claude, through Anthropic's SDK: one client, one call, errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ragpg.arguments import told
from ragpg.errors import AnswerError, SettingsError

if TYPE_CHECKING:  # importing anthropic takes two seconds: only a call to the model pays them
    import anthropic
    from anthropic.resources.messages import Messages
    from anthropic.types import Message

NOT_A_MESSAGE = "the server did not answer with a message: check ANTHROPIC_BASE_URL"
LONGEST_RETRY_WAIT = 60.0


class MessagesClient(Protocol):
    """Any client of the SDK that has `messages`: Anthropic, Bedrock, Vertex, Foundry."""

    @property
    def messages(self) -> Messages: ...


def make_client(
    *, api_key: str, base_url: str | None = None, timeout: float = 300.0, max_retries: int = 2
) -> anthropic.Anthropic:
    """Returns a client of the Messages API that retries, but never waits long to do so.

    `timeout` (seconds) is the longest silence; without streaming that is the whole answer.
    Raises SettingsError for a key that no HTTP header can hold.
    """
    import anthropic

    key = api_key.strip()
    if not (key and key.isascii() and key.isprintable()):  # else httpx2's error quotes the key
        raise SettingsError("ANTHROPIC_API_KEY is empty or holds a character that no key has")
    return anthropic.Anthropic(
        api_key=key,
        base_url=base_url,
        timeout=anthropic.Timeout(timeout, connect=min(timeout, 10.0)),
        max_retries=max_retries,
        middleware=[_bound_retry_wait],
    )


def require_client(client: MessagesClient | None, doing: str) -> MessagesClient:
    """Returns the client; raises AnswerError when no API key is set."""
    if client is None:
        raise AnswerError(f"{doing} asks Claude, and no API key is set (ANTHROPIC_API_KEY)")
    return client


@told
def ask_model(
    client: MessagesClient,
    request: dict[str, Any],
    on_text: Callable[[str], None] | None = None,
    on_event: Callable[[], None] | None = None,
) -> Message:
    """Returns the model's message; AnswerError says in one sentence why there is none.

    `on_event` is called as it streams, before any text too: what it raises ends the message.
    """
    import anthropic

    try:
        if on_text is not None or on_event is not None:
            return _stream(client, request, on_text, on_event)
        message: Message = client.messages.create(**request)
    except anthropic.APIError as error:
        raise AnswerError(explain(error)) from error
    if getattr(message, "content", None) is None:  # a web page, or JSON of another kind
        raise AnswerError(NOT_A_MESSAGE)
    return message


def _stream(
    client: MessagesClient,
    request: dict[str, Any],
    on_text: Callable[[str], None] | None,
    on_event: Callable[[], None] | None,
) -> Message:
    received = 0
    with client.messages.stream(**request) as stream:
        while (event := _next_event(stream, received)).type != "message_stop":
            if on_event is not None:
                on_event()
            if event.type == "text":
                received += len(event.text)
                if on_text is not None:
                    on_text(event.text)
        return stream.current_message_snapshot


def _next_event(stream: Any, received: int) -> Any:
    """Returns the next event; the end before `message_stop` is a cut, however it comes about."""
    import httpx2

    # The SDK passes a transport's errors through, calls a clean end without `message_stop` a
    # success, and decodes what it has: half a character or half an event are ValueErrors.
    try:
        return next(stream)
    except (StopIteration, httpx2.RequestError, ValueError) as error:
        # text/event-stream, or application/vnd.amazon.eventstream from Bedrock
        if "event" not in stream.response.headers.get("content-type", ""):
            raise AnswerError(NOT_A_MESSAGE) from error
        reason = " ".join(str(error).split()) or "it ended without message_stop"
        raise AnswerError(
            f"the answer was cut after {received} characters ({reason}): ask again"
        ) from error


def _bound_retry_wait(
    request: anthropic.APIRequest, call_next: anthropic.CallNext
) -> anthropic.APIResponse[Any]:
    """Returns the response, marked as not to be retried when it asks for too long a wait.

    The SDK sleeps as long as `retry-after` says, hours included.
    """
    response = call_next(request)
    if _retry_after(response.headers) > LONGEST_RETRY_WAIT:
        response.http_response.headers["x-should-retry"] = "false"
    return response


def _retry_after(headers: Mapping[str, str]) -> float:
    """Returns the seconds the API asks to wait; 0 when it names none, or a date."""
    try:
        return float(headers.get("retry-after", 0))
    except ValueError:
        return 0.0


@contextmanager
def api_errors() -> Iterator[None]:
    """Turns an error of the SDK into an AnswerError that says what to do."""
    import anthropic

    try:
        yield
    except anthropic.APIError as error:
        raise AnswerError(explain(error)) from error


# Errors --------------------------------------------------------------------------------------

_KINDS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_ADVICE = {
    "authentication_error": "check ANTHROPIC_API_KEY",
    "billing_error": "check the credit of the account",
    "permission_error": "check what this ANTHROPIC_API_KEY may use",
    "not_found_error": "check the model name and ANTHROPIC_BASE_URL",
    "request_too_large": "ask with fewer hits",
    "rate_limit_error": "rate limited, try again {when}",
    "overloaded_error": "overloaded, try again {when}",
    "api_error": "a fault of the API, try again {when}",
    "timeout_error": "try again {when}",
}


def explain(error: anthropic.APIError) -> str:
    """Returns one sentence: what happened, what the API said, what to do next."""
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        return _explain_status(error)
    said = _one_line(str(error.__cause__ or error.message))
    where = str(error.request.url)
    return f"no answer came from {where}: {said}: check the network and ANTHROPIC_BASE_URL"


def _explain_status(error: anthropic.APIStatusError) -> str:
    status = error.status_code
    kind = error.type or _KINDS.get(status, "api_error" if status >= 500 else "")
    # An `error` event comes inside a stream that began with 200.
    happened = f"answered {status}" if status >= 400 else f"broke off its answer with {kind}"
    wait = _retry_after(error.response.headers)
    advice = _ADVICE.get(kind, "").format(when=f"in {wait:g} s" if wait else "later")
    said = _one_line(_message_in(error.body) or error.message)
    return f"the Messages API {happened}: {said}" + (f" ({advice})" if advice else "")


def _message_in(body: object) -> str | None:
    """Returns the API's own words: what the SDK calls so quotes all of the body."""
    told = body.get("error") if isinstance(body, dict) else None
    said = told.get("message") if isinstance(told, dict) else None
    return said if isinstance(said, str) else None


def _one_line(text: str, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}..."
