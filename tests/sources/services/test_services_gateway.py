import gzip
import json
import logging
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_service import HTML, Reply, ScriptedService, as_json, closed_port_url

from atmr_pipeline.domain.errors import SettingsError, SourceError
from atmr_pipeline.sources.services import (
    BadRequestError,
    BadResponseError,
    CircuitOpenError,
    JsonGateway,
    LocalBreaker,
    LocalLimiter,
    RateLimitedError,
    ServiceRefusedError,
    ServiceUnavailableError,
)
from atmr_pipeline.sources.services.responses import retry_after_s

AGENT = "atmr-test/1 (ops@example.org)"
SECRET = "Rue Imaginaire 12"
PATH, PARAMS = "/search/6.1432,46.2044", {"q": SECRET}


@pytest.fixture
def service():
    with ScriptedService() as running:
        yield running


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def gateway(service, pauses):
    with JsonGateway("fictional", service.url, user_agent=AGENT, timeout_s=5.0, sleep=pauses.append) as ready:
        yield ready


def assert_private(error: BaseException) -> None:
    said = "".join(traceback.format_exception(error))
    assert "Imaginaire" not in said
    assert "46.2044" not in said


def test_an_answer_is_parsed_and_the_request_is_ours(gateway, service):
    service.then(as_json({"rows": [1, 2.5, None]}))
    assert gateway.get(PATH, {"q": SECRET, "limit": 5, "lat": 46.5}) == {"rows": [1, 2.5, None]}
    (seen,) = service.requests
    assert seen.path == PATH
    assert seen.params == {"q": SECRET, "limit": "5", "lat": "46.5"}
    assert seen.headers["User-Agent"] == AGENT


def test_a_base_url_may_have_a_path(service):
    with JsonGateway("fictional", f"{service.url}/maps/v1/", user_agent=AGENT) as gateway:
        gateway.get("/table")
    assert service.requests[0].path == "/maps/v1/table"


@pytest.mark.parametrize(
    ("reply", "error", "kind", "asked"),
    [
        (HTML, BadResponseError, "bad_response", 1),
        (Reply(200, b'{"rows": [1, '), BadResponseError, "bad_response", 1),
        (Reply(200, b""), BadResponseError, "bad_response", 1),
        (Reply(200, b'{"lat": NaN}'), BadResponseError, "bad_response", 1),
        (Reply(200, b"[" * 100_000), BadResponseError, "bad_response", 1),
        (Reply(200, b'{"name": "\xff\xfe"}'), BadResponseError, "bad_response", 1),
        (Reply(200, b"no gzip", {"Content-Encoding": "gzip"}), BadResponseError, "bad_response", 1),
        (Reply(204), BadResponseError, "bad_response", 1),
        (Reply(302), BadResponseError, "bad_response", 1),
        (Reply(400, b"what?"), BadRequestError, "bad_request", 1),
        (as_json({"code": "InvalidQuery"}, 400), BadRequestError, "bad_request", 1),
        (Reply(404), BadRequestError, "bad_request", 1),
        (Reply(401), ServiceRefusedError, "refused", 1),
        (Reply(403, b"<html>blocked</html>"), ServiceRefusedError, "refused", 1),
        (Reply(429), RateLimitedError, "rate_limited", 3),
        (Reply(408), ServiceUnavailableError, "unavailable", 3),
        (Reply(500), ServiceUnavailableError, "unavailable", 3),
        (Reply(502, HTML.body), ServiceUnavailableError, "unavailable", 3),
        (Reply(503), ServiceUnavailableError, "unavailable", 3),
        (Reply(504), ServiceUnavailableError, "unavailable", 3),
        (Reply(200, b'{"a"', declared=500), ServiceUnavailableError, "unavailable", 3),
    ],
)
def test_each_failure_is_told_apart_and_only_passing_ones_are_tried_again(gateway, service, reply, error, kind, asked):
    service.answer = lambda seen: reply
    with pytest.raises(error, match=r"^fictional: ") as caught:
        gateway.get(PATH, PARAMS)
    assert caught.type is error
    assert (caught.value.kind, caught.value.service) == (kind, "fictional")
    assert isinstance(caught.value, SourceError)
    assert len(service.requests) == asked
    assert_private(caught.value)


def test_the_status_of_a_bad_request_is_kept(gateway, service):
    service.then(Reply(404), as_json({"message": "no"}, 400))
    for status in (404, 400):
        with pytest.raises(BadRequestError) as caught:
            gateway.get(PATH)
        assert caught.value.status == status


def test_a_service_that_explains_its_400_is_heard(gateway, service):
    service.then(as_json({"code": "TooBig"}, 400), as_json({"code": "Ok"}), Reply(400, b"<p>no</p>"))
    assert gateway.get_or_error(PATH) == (400, {"code": "TooBig"})
    assert gateway.get_or_error(PATH) == (200, {"code": "Ok"})
    with pytest.raises(BadRequestError):
        gateway.get_or_error(PATH)


def test_what_passes_is_answered_after_growing_pauses(gateway, service, pauses):
    service.then(Reply(503), Reply(500), as_json([1]))
    assert gateway.get(PATH) == [1]
    assert len(service.requests) == 3
    first, second = pauses
    assert 0.5 <= first <= 1.0
    assert 1.0 <= second <= 1.5


def test_nobody_there(pauses):
    gateway = JsonGateway("fictional", closed_port_url(), user_agent=AGENT, sleep=pauses.append)
    with gateway, pytest.raises(ServiceUnavailableError) as caught:
        gateway.get(PATH, PARAMS)
    assert caught.value.kind == "unavailable"
    assert len(pauses) == 2
    assert_private(caught.value)


def test_an_unknown_host(pauses):
    gateway = JsonGateway("fictional", "http://nowhere.invalid", user_agent=AGENT, sleep=pauses.append)
    with gateway, pytest.raises(ServiceUnavailableError) as caught:
        gateway.get(PATH, PARAMS)
    assert_private(caught.value)


@pytest.mark.parametrize("reply", [Reply(hangs=True), Reply(200, b" " * 500, drips=True)])
def test_a_service_that_never_ends_its_answer(service, pauses, reply):
    service.answer = lambda seen: reply
    gateway = JsonGateway("fictional", service.url, user_agent=AGENT, timeout_s=0.1, attempts=2, sleep=pauses.append)
    with gateway, pytest.raises(ServiceUnavailableError) as caught:
        gateway.get(PATH, PARAMS)
    assert caught.value.kind == "timeout"
    assert len(service.requests) == 2
    assert_private(caught.value)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_obeyed(gateway, service, pauses, status):
    service.then(Reply(status, headers={"Retry-After": "7"}), as_json("served"))
    assert gateway.get(PATH) == "served"
    assert pauses == [7.0]


def test_retry_after_as_a_date_is_obeyed(gateway, service, pauses):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=45), usegmt=True)
    service.then(Reply(429, headers={"Retry-After": later}), as_json("served"))
    assert gateway.get(PATH) == "served"
    assert 0 < pauses[0] <= 45


def test_a_pause_beyond_the_cap_ends_the_call(gateway, service, pauses):
    service.then(Reply(429, headers={"Retry-After": "3600"}))
    with pytest.raises(RateLimitedError) as caught:
        gateway.get(PATH)
    assert caught.value.retry_after_s == 3600
    assert (len(service.requests), pauses) == (1, [])


def test_a_429_that_says_no_pause(gateway, service, pauses):
    service.answer = lambda seen: Reply(429, headers={"Retry-After": "soon"})
    with pytest.raises(RateLimitedError) as caught:
        gateway.get(PATH)
    assert caught.value.retry_after_s is None
    assert len(pauses) == 2


@given(st.text() | st.integers().map(str) | st.floats().map(str) | st.datetimes().map(format_datetime))
def test_any_retry_after_is_read_without_a_crash(value):
    try:
        headers = httpx.Headers([(b"Retry-After", value.encode("latin-1"))])
    except UnicodeEncodeError:
        return
    seconds = retry_after_s(headers)
    assert seconds is None or seconds >= 0


def test_a_redirect_on_the_same_server_is_followed(gateway, service):
    service.then(Reply(301, headers={"Location": "/moved?q=x"}), as_json("there"))
    assert gateway.get(PATH, PARAMS) == "there"
    assert [seen.path for seen in service.requests] == [PATH, "/moved"]


def test_a_redirect_elsewhere_is_not_followed(gateway, service):
    with ScriptedService() as other:
        for place in (other.url, "http://localhost:1", "https://example.org"):
            service.then(Reply(302, headers={"Location": f"{place}/search?q=Imaginaire"}))
            with pytest.raises(BadResponseError, match="redirects to another place") as caught:
                gateway.get(PATH, PARAMS)
            assert_private(caught.value)
        assert other.requests == []


def test_redirects_without_end(gateway, service):
    service.answer = lambda seen: Reply(302, headers={"Location": "/again"})
    with pytest.raises(BadResponseError, match="more than 3 times"):
        gateway.get(PATH)
    assert len(service.requests) == 4


def test_a_redirect_may_only_add_encryption():
    moved = {
        "http://maps.example/a": "https://maps.example/b",
        "https://safe.example/a": "http://safe.example/b",
    }

    def answer(request: httpx.Request) -> httpx.Response:
        place = moved.get(str(request.url))
        return httpx.Response(302, headers={"Location": place}) if place else httpx.Response(200, json=str(request.url))

    transport = httpx.MockTransport(answer)
    with JsonGateway("fictional", "http://maps.example", user_agent=AGENT, transport=transport) as gateway:
        assert gateway.get("/a") == "https://maps.example/b"
    gateway = JsonGateway("fictional", "https://safe.example", user_agent=AGENT, transport=transport)
    with gateway, pytest.raises(BadResponseError, match="redirects"):
        gateway.get("/a")


def test_a_huge_answer_is_refused_also_when_it_comes_small(service):
    huge = json.dumps("x" * 2_000_000).encode()
    service.then(Reply(200, huge), Reply(200, gzip.compress(huge), {"Content-Encoding": "gzip"}))
    with JsonGateway("fictional", service.url, user_agent=AGENT, max_response_bytes=1_000_000) as gateway:
        for _ in range(2):
            with pytest.raises(BadResponseError, match="more than 1,000,000 bytes"):
                gateway.get(PATH)


def test_nothing_that_is_asked_reaches_a_log(gateway, service, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, name)
    service.then(
        Reply(302, headers={"Location": f"{PATH}?q=Imaginaire"}),
        as_json("found"),
        Reply(503),
        Reply(403, SECRET.encode(), {"X-Echo": SECRET}),
    )
    gateway.get(PATH, PARAMS)
    with pytest.raises(ServiceRefusedError):
        gateway.get(PATH, PARAMS)
    records = [(record.name, record.getMessage()) for record in caplog.records]
    assert ("atmr_pipeline.sources.services.gateway", "fictional: HTTP 403, 17 bytes") in records
    assert not [record for record in records if "Imaginaire" in record[1] or "46.2044" in record[1]]


def test_requests_of_others_are_still_logged(gateway, service, caplog):
    caplog.set_level(logging.INFO)
    gateway.get(PATH)
    httpx.get(f"{service.url}/elsewhere")
    assert [record.name for record in caplog.records] == ["httpx"]


@pytest.mark.parametrize("url", ["", "maps.example", "ftp://maps.example", "http://", "http://h/?q=1", "http://h:bad"])
def test_an_unusable_url_is_a_setting_to_correct(url):
    with pytest.raises(SettingsError, match="the URL of fictional"):
        JsonGateway("fictional", url, user_agent=AGENT)


@pytest.mark.parametrize("agent", ["", "  ", "näme", "two\r\nlines"])
def test_an_unusable_user_agent_is_a_setting_to_correct(agent):
    with pytest.raises(SettingsError, match="User-Agent"):
        JsonGateway("fictional", "http://maps.example", user_agent=agent)


def test_neither_url_nor_password_is_in_its_repr():
    gateway = JsonGateway("fictional", "https://me:hidden@maps.example/v1", user_agent=AGENT)
    assert repr(gateway) == "JsonGateway(fictional at maps.example)"


def test_a_path_must_be_a_path(gateway):
    with pytest.raises(ValueError, match="begins with /"):
        gateway.get("https://elsewhere.example/")


def test_an_open_breaker_spares_the_service(service, pauses):
    breaker = LocalBreaker("fictional", threshold=2)
    service.answer = lambda seen: Reply(500)
    with JsonGateway("fictional", service.url, user_agent=AGENT, breaker=breaker, sleep=pauses.append) as gateway:
        with pytest.raises(ServiceUnavailableError) as caught:
            gateway.get(PATH)
        assert caught.type is ServiceUnavailableError  # not the breaker's own error: the cause is told first
        assert len(service.requests) == 2
        with pytest.raises(CircuitOpenError):
            gateway.get(PATH)
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("reply", "opens"),
    [(Reply(403), True), (HTML, True), (Reply(404), True), (Reply(400), False), (as_json(1), False)],
)
def test_what_speaks_against_a_service(service, reply, opens):
    breaker = LocalBreaker("fictional", threshold=1)
    service.answer = lambda seen: reply
    with JsonGateway("fictional", service.url, user_agent=AGENT, breaker=breaker, attempts=1) as gateway:
        for _ in range(2):
            try:
                gateway.get(PATH)
            except (BadRequestError, BadResponseError, ServiceRefusedError):
                assert not opens or len(service.requests) == 1
            except CircuitOpenError:
                assert opens
    assert len(service.requests) == (1 if opens else 2)


class CountingLimiter(LocalLimiter):
    def __init__(self) -> None:
        super().__init__(1e-9)
        self.waits, self.postponements = 0, []

    def wait(self) -> None:
        self.waits += 1

    def postpone(self, seconds: float) -> None:
        self.postponements.append(seconds)


def test_the_limiter_is_asked_before_every_request_and_told_of_every_pause(service, pauses):
    limiter = CountingLimiter()
    service.then(
        Reply(302, headers={"Location": "/moved"}),
        Reply(429, headers={"Retry-After": "9"}),
        Reply(503),
        as_json("ok"),
    )
    with JsonGateway("fictional", service.url, user_agent=AGENT, limiter=limiter, sleep=pauses.append) as gateway:
        gateway.get(PATH)
    assert len(service.requests) == limiter.waits == 4
    assert limiter.postponements == [9.0]


def test_running_out_of_patience_is_not_the_services_failure(service):
    limiter = LocalLimiter(1.0, service="fictional", patience_s=10)
    limiter.postpone(3600)
    breaker = LocalBreaker("fictional", threshold=1)
    gateway = JsonGateway("fictional", service.url, user_agent=AGENT, limiter=limiter, breaker=breaker)
    with gateway, pytest.raises(RateLimitedError):
        gateway.get(PATH)
    breaker.check()
    assert service.requests == []
