"""Every exception of the SDKs and of their HTTP client comes out as one of ours."""

from __future__ import annotations

import inspect
import json

import anthropic
import httpx2
import openai
import pytest

from toolscript.errors import ProviderError
from toolscript.models.errors import RETRYABLE, mapped

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1")

CODES = {
    # By name, for both SDKs; an exception that is not listed is judged by the nearest base that is.
    "APIError": "provider_error",
    "APIStatusError": "provider_bad_request",
    "APIResponseValidationError": "provider_malformed",
    "APIWebhookValidationError": "provider_error",
    "APIConnectionError": "provider_unreachable",
    "APITimeoutError": "provider_timeout",
    "AuthenticationError": "provider_auth",
    "OAuthError": "provider_auth",
    "SubjectTokenProviderError": "provider_auth",
    "CredentialsError": "provider_auth",
    "IdentityTokenFileError": "provider_auth",
    "PaymentRequiredError": "provider_quota",
    "PermissionDeniedError": "provider_permission",
    "NotFoundError": "provider_not_found",
    "RequestTimeoutError": "provider_timeout",
    "ConflictError": "provider_server",
    "PreconditionFailedError": "provider_bad_request",
    "ContentTooLargeError": "context_too_long",
    "BadRequestError": "provider_bad_request",
    "UnprocessableEntityError": "provider_bad_request",
    "RateLimitError": "provider_rate_limit",
    "RequestHeaderFieldsTooLargeError": "provider_bad_request",
    "ClientClosedRequestError": "provider_bad_request",
    "InternalServerError": "provider_server",
    "HTTPNotImplementedError": "provider_server",
    "ServiceUnavailableError": "provider_overloaded",
    "GatewayTimeoutError": "provider_timeout",
    "OverloadedError": "provider_overloaded",
    "DeadlineExceededError": "provider_timeout",
    "RetryableError": "provider_error",
    "ContentFilterFinishReasonError": "provider_refused",
    "LengthFinishReasonError": "provider_error",
    "WebSocketConnectionClosedError": "provider_error",
    "WebSocketQueueFullError": "provider_error",
    "OpenAIError": "provider_error",
    "AnthropicError": "provider_error",
    "WorkloadIdentityError": "provider_auth",
}


def sdk_errors():
    for sdk, root in ((openai, openai.OpenAIError), (anthropic, anthropic.AnthropicError)):
        for kind in [root, *subclasses(root)]:
            if kind.__module__.startswith(sdk.__name__):
                yield pytest.param(kind, id=f"{sdk.__name__}.{kind.__name__}")


def subclasses(kind):
    """Return the classes below one, by name: processes that share the tests must find them in one order."""
    found = {below for sub in kind.__subclasses__() for below in {sub, *subclasses(sub)}}
    return sorted(found, key=lambda it: (it.__module__, it.__qualname__))


def made(kind):
    """Return an exception of the class, made as its SDK makes it."""
    parameters = inspect.signature(kind.__init__).parameters
    if "response" in parameters and "body" in parameters and "status_code" not in parameters:
        status = getattr(kind, "status_code", None)
        status = status if isinstance(status, int) else 500 if "Server" in kind.__name__ else 418
        response = httpx2.Response(status, request=REQUEST, headers={"retry-after": "7"})
        if parameters["response"].kind is parameters["response"].POSITIONAL_OR_KEYWORD:
            return kind(response, None)
        arguments = {"response": response, "body": None}
        return kind("it says why", **arguments) if "message" in parameters else kind(**arguments)
    if "body" in parameters and "request" in parameters:
        return kind("it says why", REQUEST, body=None)
    if "request" in parameters:
        return kind(request=REQUEST)
    if [name for name, p in parameters.items() if p.default is p.empty] == ["self", "message"]:
        return kind("it says why")
    error = kind.__new__(kind)
    Exception.__init__(error, "it says why")
    return error


@pytest.mark.parametrize("kind", [*sdk_errors()])
def test_every_exception_of_the_sdks_is_mapped(kind):
    error = mapped(made(kind), where="http://127.0.0.1", key_name="THE_KEY")

    assert isinstance(error, ProviderError)
    assert error.code == next(CODES[base.__name__] for base in kind.__mro__ if base.__name__ in CODES)
    assert error.message


@pytest.mark.parametrize(
    ("sdk", "root"), [(openai, openai.OpenAIError), (anthropic, anthropic.AnthropicError)], ids=["openai", "anthropic"]
)
def test_every_family_of_exceptions_of_an_sdk_was_decided_upon(sdk, root):
    families = [kind for base in (root, sdk.APIError, sdk.APIStatusError) for kind in base.__subclasses__()]

    assert {
        kind.__name__ for kind in families if kind.__module__ == sdk.__name__ and kind.__name__[0] != "_"
    } - CODES.keys() == set()


def http_errors():
    for root in (httpx2.RequestError, httpx2.StreamError, httpx2.HTTPStatusError, httpx2.InvalidURL):
        yield from (pytest.param(kind, id=kind.__name__) for kind in [root, *subclasses(root)])


@pytest.mark.parametrize("kind", [*http_errors()])
@pytest.mark.parametrize("begun", [False, True])
def test_every_exception_of_the_http_client_is_mapped(kind, begun):
    error = kind.__new__(kind)
    Exception.__init__(error, "it says why")

    code = mapped(error, begun=begun).code

    if issubclass(kind, httpx2.ConnectTimeout):
        assert code == "provider_unreachable"
    elif issubclass(kind, httpx2.TimeoutException):
        assert code == "provider_timeout"
    elif issubclass(kind, httpx2.RequestError | httpx2.StreamError):
        assert code == ("provider_stream_cut" if begun else "provider_unreachable")
    else:
        assert code in ("provider_error", "provider_malformed")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (json.JSONDecodeError("bad", "{", 1), "provider_malformed"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "provider_malformed"),
        (AttributeError("'list' has no attribute 'type'"), "provider_malformed"),
        (TimeoutError(), "provider_timeout"),
        (ConnectionResetError("reset"), "provider_stream_cut"),
    ],
)
def test_what_an_sdk_stumbles_over_in_a_stream_is_mapped(error, code):
    assert mapped(error, begun=True).code == code


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, 0.0),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers, seconds):
    response = httpx2.Response(429, request=REQUEST, headers=headers)
    error = mapped(openai.RateLimitError("slow", response=response, body=None))

    assert error.details.get("retry_after") == seconds


def test_only_what_can_succeed_is_tried_again():
    assert not RETRYABLE & {"provider_auth", "provider_quota", "context_too_long", "unknown_model", "reply_too_large"}


def test_an_address_that_nobody_answers_at_is_named():
    error = openai.APITimeoutError.__new__(openai.APITimeoutError)
    error.__cause__ = httpx2.ConnectTimeout("")

    said = mapped(error, where="https://10.0.0.1/v1")

    assert said.code == "provider_unreachable"
    assert "https://10.0.0.1/v1" in said.message
