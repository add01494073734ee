"""Decides which ProviderError every failure of an SDK, a connection or a stream becomes, and which may be retried.

The SDKs are told apart by the names of their exception classes, which both generate from one template; so nothing
here imports them, and starting a kernel does not pay for them.
"""

from __future__ import annotations

import email.utils
import json
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from toolscript.errors import Json, ProviderError

RETRYABLE = frozenset(
    {
        "provider_rate_limit",
        "provider_overloaded",
        "provider_server",
        "provider_timeout",
        "provider_unreachable",
        "provider_stream_cut",
        "provider_malformed",
    }
)
"""Codes after which the same request may succeed."""

_BY_STATUS = {
    400: "provider_bad_request",
    401: "provider_auth",
    402: "provider_quota",
    403: "provider_permission",
    404: "provider_not_found",
    408: "provider_timeout",
    409: "provider_server",
    413: "context_too_long",
    422: "provider_bad_request",
    429: "provider_rate_limit",
    503: "provider_overloaded",
    504: "provider_timeout",
    529: "provider_overloaded",
}
_BY_WORD = {
    # The providers' own words for one exact cause: they say more than the status.
    "context_length_exceeded": "context_too_long",
    "model_context_window_exceeded": "context_too_long",
    "exceed_context_size_error": "context_too_long",
    "request_too_large": "context_too_long",
    "string_above_max_length": "context_too_long",
    "model_not_found": "unknown_model",
    "insufficient_quota": "provider_quota",
    "billing_error": "provider_quota",
    "invalid_prompt": "provider_refused",
    "bio_policy": "provider_refused",
    "misalignment_policy_violation": "provider_refused",
    "content_filter": "provider_refused",
}
_BY_KIND = {
    # Kinds of failure: they count where there is no status, in a stream that began well.
    "rate_limit_exceeded": "provider_rate_limit",
    "rate_limit_error": "provider_rate_limit",
    "overloaded_error": "provider_overloaded",
    "slow_down": "provider_overloaded",
    "server_error": "provider_server",
    "api_error": "provider_server",
    "timeout_error": "provider_timeout",
    "authentication_error": "provider_auth",
    "invalid_api_key": "provider_auth",
    "permission_error": "provider_permission",
    "not_found_error": "provider_not_found",
    "invalid_request_error": "provider_bad_request",
}
_CONTEXT_WORDS = (
    "context length",
    "context window",
    "context size",
    "maximum context",
    "prompt is too long",
    "exceeds the maximum number of tokens",
)
_UNKNOWN = "provider_error"
_CONTEXT_CODES = frozenset({"provider_bad_request", "provider_server", _UNKNOWN})
_ADVICE = {
    "provider_auth": "the provider does not accept the key{key}; check it and start the turn again",
    "provider_permission": "the key{key} may not do this with this model",
    "provider_quota": "the account has no credit or quota left",
    "provider_rate_limit": "the provider asks to slow down",
    "provider_overloaded": "the provider is overloaded; try again later",
    "provider_server": "the provider failed; try again later",
    "provider_timeout": "the provider did not answer in time",
    "provider_unreachable": "cannot reach {where}; is the server running and the base URL right?",
    "provider_not_found": "{where} does not know this address; check base_url and model",
    "unknown_model": "the provider does not know the model; check the agent's model",
    "context_too_long": "the conversation no longer fits the model's context",
    "provider_bad_request": "the provider refuses the request",
    "provider_refused": "the provider's policy refuses this prompt",
    "provider_stream_cut": "the reply was cut in the middle",
    "provider_malformed": "the provider sent what is not its own protocol",
    "provider_error": "the provider failed",
}


def failure(
    code: str, said: str = "", *, where: str = "the provider", key_name: str = "", **details: Json
) -> ProviderError:
    """Return the ProviderError of this code: what to do, then what the provider said."""
    advice = _ADVICE[code].format(where=where, key=f" in {key_name}" if key_name else "")
    kept = {name: value for name, value in details.items() if value is not None}
    return ProviderError(f"{advice}: {_tame(said)}" if said else advice, code=code, details=kept)


def mapped(
    error: BaseException, *, begun: bool = False, where: str = "the provider", key_name: str = "", secret: str = ""
) -> ProviderError:
    """Return the ProviderError that this exception of an SDK, of its HTTP client or of a decoder stands for.

    ``begun``: the answer had begun. ``secret`` is taken out of every text: a server may echo the key it was sent.
    """
    if isinstance(error, ProviderError):
        return error
    code, said = _code_and_text(error, begun)
    said = said.replace(secret, f"⟦secret:{key_name}⟧") if secret else said
    status = getattr(error, "status_code", None)
    return failure(
        code, said, where=where, key_name=key_name,
        status=status if isinstance(status, int) else None, retry_after=retry_after(error),
    )  # fmt: skip


def from_event(code: str | None, message: str | None, **where: str) -> ProviderError:
    """Return the ProviderError of an error event inside a stream that began well."""
    text = message or code or "no reason given"
    return failure(_judged((code,), text, None), text, **where)


def retry_after(error: BaseException) -> float | None:
    """Return the seconds that the provider asks us to wait, if it does."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value and (seconds := _seconds(value)) is not None:
            return max(0.0, seconds * unit)
    return None


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
        return None if math.isnan(seconds) else seconds
    except ValueError:
        moment = email.utils.parsedate_tz(value)
        return None if moment is None else email.utils.mktime_tz(moment) - time.time()


def _code_and_text(error: BaseException, begun: bool) -> tuple[str, str]:
    # The SDKs wrap the HTTP client's exceptions, but not all of them, and not all while a stream is read.
    names = {kind.__name__ for kind in type(error).__mro__}
    if "ConnectTimeout" in names | {type(error.__cause__).__name__}:
        return "provider_unreachable", "no answer"
    if names & {"APITimeoutError", "TimeoutException", "DeadlineExceededError", "TimeoutError"}:
        return "provider_timeout", ""
    if names & {"APIConnectionError", "RequestError", "StreamError", "ConnectionError"}:
        return ("provider_stream_cut" if begun else "provider_unreachable"), _root(error)
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) or "APIResponseValidationError" in names:
        return "provider_malformed", str(error)
    if names & {"CredentialsError", "OAuthError", "SubjectTokenProviderError", "WorkloadIdentityError"}:
        return "provider_auth", str(error)
    if "ContentFilterFinishReasonError" in names:
        return "provider_refused", str(error)
    if begun and isinstance(error, TypeError | ValueError | AttributeError | KeyError):
        # An SDK that stumbles over what it was sent, and says so in Python's own words.
        return "provider_malformed", f"{type(error).__name__}: {error}"
    inner = _inner(getattr(error, "body", None))
    text = str(inner.get("message") or getattr(error, "message", None) or error)
    status = getattr(error, "status_code", None)
    words = (getattr(error, "code", None), inner.get("code"), inner.get("type"))
    return _judged(words, text, status if isinstance(status, int) else None), text


def _judged(words: Iterable[Any], text: str, status: int | None) -> str:
    """Return the code that a provider's own words, and the status of its answer, come to."""
    said = [word for word in words if isinstance(word, str)]
    if exact := next((_BY_WORD[word] for word in said if word in _BY_WORD), None):
        return exact
    lowered = text.lower()
    if status is not None and status >= 300:
        code = _BY_STATUS.get(status, "provider_server" if status >= 500 else "provider_bad_request")
    else:
        code = next((_BY_KIND[word] for word in said if word in _BY_KIND), "provider_server" if said else _UNKNOWN)
    if code in _CONTEXT_CODES and any(part in lowered for part in _CONTEXT_WORDS):
        return "context_too_long"
    return "unknown_model" if code == "provider_not_found" and "model" in lowered else code


def _inner(body: Any) -> Mapping[str, Any]:
    """Return the object that speaks of the error: the body itself, or the one under its key ``error``."""
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error", body)
    return inner if isinstance(inner, Mapping) else {}


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


def _tame(text: str, limit: int = 600) -> str:
    """Return foreign text on one line, without control characters, at most ``limit`` long."""
    flat = "".join(c if c.isprintable() else " " for c in text)
    return flat if len(flat) <= limit else flat[:limit] + "…"
