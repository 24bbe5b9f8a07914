"""Mail: encrypted or not sent, one header a line, the same identity when sent again, silent about its secrets."""

import dataclasses
import logging
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notification_examples import example
from smtp_sink import Behaviour, SmtpSink, tls_pair

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.notifications.errors import NotifyError, PermanentNotifyError, TemporaryNotifyError
from atmr_pipeline.notifications.mail import MailNotifier, message_id
from atmr_pipeline.notifications.texts import line

PASSWORD = "p4ssphrase-for-tests"
TO = ["Exploitation <exploitation@transporteur.example>", "astreinte@transporteur.example"]
HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Atmr-Subject-Id", "X-Atmr-Severity",
    "MIME-Version", "Content-Type",
}  # fmt: skip
SECRETS = (PASSWORD, "exploitation@", "astreinte@")


def notifier(port: int, security: str = "none", **options) -> MailNotifier:
    defaults = {"sender": "ATMR <atmr@transporteur.example>", "receivers": TO, "timeout_s": 15.0}
    return MailNotifier("127.0.0.1", port, security, **{**defaults, **options})


def failure(sink: SmtpSink, security: str = "none", **options) -> NotifyError:
    with pytest.raises(NotifyError) as error:
        notifier(sink.port, security, **options).send(example())
    assert not any(secret in f"{error.value!r} {error.value}" for secret in SECRETS)
    assert error.value.__cause__ is None
    assert sink.mails == []
    return error.value


def test_both_languages_reach_every_receiver():
    with SmtpSink() as sink:
        notifier(sink.port, now=lambda: datetime(2026, 6, 1, 4, tzinfo=UTC)).send(example())
    (mail,) = sink.mails
    assert mail.sender == "atmr@transporteur.example"
    assert mail.receivers == ("exploitation@transporteur.example", "astreinte@transporteur.example")
    message = mail.message
    assert message["Subject"] == "[ATMR critique] Les retards observés dérivent / The observed delays drift"
    assert message["Date"].datetime == datetime(2026, 6, 1, 4, tzinfo=UTC)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Atmr-Subject-Id"] == "drift:abc123:opened"
    french, english = message.iter_parts()
    assert (french["Content-Language"], english["Content-Language"]) == ("fr", "en")
    said = french.get_content()
    assert "Les retards observés dérivent" in said
    assert "- décalage (min) : 4,75" in said
    assert "2026-06-01 05:04 (Europe/Zurich)" in said
    assert "http://127.0.0.1:3000/assets/label_drift?view=events" in said
    assert "- shift (min): 4.75" in english.get_content()
    assert "Severity: critical" in english.get_content()


def test_a_mail_sent_again_has_the_same_identity_and_another_subject_another():
    with SmtpSink() as sink:
        for subject in ("drift:abc123:opened", "drift:abc123:opened", "drift:other:opened"):
            notifier(sink.port).send(example(subject))
    first, again, other = (mail.message["Message-ID"] for mail in sink.mails)
    assert first == again == message_id("drift:abc123:opened", "transporteur.example")
    assert other != first


def test_starttls_encrypts_before_login_and_mail(tmp_path):
    server, client = tls_pair(tmp_path)
    with SmtpSink(Behaviour(offers_starttls=True, offers_login=True), tls=server) as sink:
        notifier(sink.port, "starttls", tls=client, user="atmr", password=PASSWORD).send(example())
    assert sink.mails[0].was_encrypted
    assert sink.logins == [f"\0atmr\0{PASSWORD}"]
    assert sink.commands.index("STARTTLS") < sink.commands.index("AUTH") < sink.commands.index("MAIL")


def test_tls_from_the_first_byte(tmp_path):
    server, client = tls_pair(tmp_path)
    with SmtpSink(Behaviour(speaks_tls_at_once=True), tls=server) as sink:
        notifier(sink.port, "tls", tls=client).send(example())
    assert sink.mails[0].was_encrypted


def test_a_server_without_encryption_gets_neither_password_nor_mail():
    with SmtpSink(Behaviour(offers_login=True)) as sink:
        error = failure(sink, "starttls", user="atmr", password=PASSWORD)
    assert isinstance(error, PermanentNotifyError)
    assert error.kind == "not_offered"
    assert not {"AUTH", "MAIL"} & set(sink.commands)


def test_a_refusal_of_starttls_sends_nothing(tmp_path):
    server, _ = tls_pair(tmp_path)
    how = Behaviour(offers_starttls=True, answers={"STARTTLS": "454 not now"})
    with SmtpSink(how, tls=server) as sink:
        error = failure(sink, "starttls")
    assert isinstance(error, TemporaryNotifyError)
    assert error.kind == "smtp_454"
    assert "MAIL" not in sink.commands


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path, security):
    server, _ = tls_pair(tmp_path)
    how = Behaviour(offers_starttls=True, speaks_tls_at_once=security == "tls")
    with SmtpSink(how, tls=server) as sink:
        error = failure(sink, security)
    assert isinstance(error, PermanentNotifyError)
    assert error.kind == "certificate"


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"CONNECT": "421 too busy"}, "smtp_421"),
        ({"MAIL": "451 later"}, "smtp_451"),
        ({"RCPT": "450 greylisted"}, "smtp_450"),
        ({"DATA": "452 full"}, "smtp_452"),
        ({"END": "451 later"}, "smtp_451"),
    ],
)
def test_what_the_server_puts_off_is_temporary(answers, kind):
    with SmtpSink(Behaviour(answers=answers)) as sink:
        error = failure(sink)
    assert isinstance(error, TemporaryNotifyError)
    assert error.kind == kind


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"CONNECT": "554 go away"}, "smtp_554"),
        ({"MAIL": "550 unknown sender"}, "smtp_550"),
        ({"RCPT": "550 exploitation@transporteur.example is unknown"}, "smtp_550"),
        ({"END": "554 looks like spam"}, "smtp_554"),
    ],
)
def test_what_the_server_refuses_is_permanent(answers, kind):
    with SmtpSink(Behaviour(answers=answers)) as sink:
        error = failure(sink)
    assert isinstance(error, PermanentNotifyError)
    assert error.kind == kind


def test_a_wrong_password_is_permanent_and_not_quoted(tmp_path):
    server, client = tls_pair(tmp_path)
    how = Behaviour(offers_starttls=True, offers_login=True, answers={"AUTH": f"535 {PASSWORD} is wrong"})
    with SmtpSink(how, tls=server) as sink:
        error = failure(sink, "starttls", tls=client, user="atmr", password=PASSWORD)
    assert isinstance(error, PermanentNotifyError)
    assert error.kind == "smtp_535"


@pytest.mark.parametrize("moment", ["EHLO", "MAIL", "DATA", "END"])
def test_a_connection_that_breaks_off_is_temporary(moment):
    with SmtpSink(Behaviour(drops_at=moment)) as sink:
        assert isinstance(failure(sink), TemporaryNotifyError)


def test_a_server_that_breaks_off_at_the_farewell_has_the_mail():
    with SmtpSink(Behaviour(drops_at="QUIT")) as sink:
        notifier(sink.port).send(example())
    assert len(sink.mails) == 1


def test_a_server_that_says_nothing_and_a_closed_port_are_temporary():
    with SmtpSink(Behaviour(greets=False)) as sink:
        error = failure(sink, timeout_s=0.2)
        port = sink.port
    assert isinstance(error, TemporaryNotifyError)
    assert error.kind == "timeout"
    with pytest.raises(TemporaryNotifyError) as refused:
        notifier(port).send(example())
    assert refused.value.kind == "unreachable"


def test_one_receiver_that_is_refused_is_counted_and_the_others_have_it(caplog):
    with SmtpSink(Behaviour(refuses=("astreinte@transporteur.example",))) as sink:
        notifier(sink.port).send(example())
    assert sink.mails[0].receivers == ("exploitation@transporteur.example",)
    assert "1 of 2 receivers" in caplog.text
    assert "astreinte" not in caplog.text


@settings(max_examples=80, deadline=None)
@given(title=st.text(min_size=1, max_size=300).filter(str.isprintable))
def test_whatever_the_title_the_headers_stay_as_they_are(title):
    told = dataclasses.replace(example(), title_fr=title, title_en=title)
    parsed = message_from_bytes(notifier(25).message(told).as_bytes(), policy=policy.default)
    assert set(parsed.keys()) == HEADERS
    assert len(parsed.keys()) == len(HEADERS)
    assert parsed["To"].addresses[1].addr_spec == "astreinte@transporteur.example"
    assert title.split() == parsed["Subject"].removeprefix("[ATMR critique] ").split(" / ")[0].split() or " / " in title
    assert all(len(line) <= 998 for line in notifier(25).message(told).as_bytes().splitlines())


@pytest.mark.parametrize("field", ["title_fr", "title_en", "link", "kind"])
@pytest.mark.parametrize("smuggled", ["\r\nBcc: other@elsewhere.example", "\nBcc: x", "\u2028Bcc: x", "\x00"])
def test_no_text_can_become_a_header(field, smuggled):
    with pytest.raises(ValueError, match="single lines"):
        dataclasses.replace(example(), **{field: f"title{smuggled}"})


def test_no_line_or_subject_can_become_a_header():
    with pytest.raises(ValueError, match="single lines"):
        dataclasses.replace(example(), lines=(dataclasses.replace(line("n", 1), fr="n\r\nBcc: x"),))
    with pytest.raises(ValueError, match="subject id"):
        dataclasses.replace(example(), subject_id="a\r\nBcc: other@elsewhere.example")


@pytest.mark.parametrize(
    "address",
    ["a@b.example\r\nBcc: x@y.example", "a@b.example, c@d.example", "nobody", "@b.example", "a@", "é@b.example", ""],
)
def test_an_address_that_is_none_or_several_is_refused(address):
    with pytest.raises(SettingsError, match="ATMR_NOTIFY_FROM") as error:
        notifier(25, sender=address)
    assert "Bcc" not in str(error.value)
    with pytest.raises(SettingsError, match="ATMR_NOTIFY_TO"):
        notifier(25, receivers=[address])


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"user": "atmr"}, "ATMR_NOTIFY_SMTP_PASSWORD"),
        ({"password": PASSWORD}, "ATMR_NOTIFY_SMTP_USER"),
        ({"user": "atmr", "password": "pässphrase-for-tests"}, "ASCII"),
        ({"receivers": []}, "ATMR_NOTIFY_TO"),
    ],
)
def test_half_a_setting_is_refused_without_quoting_it(options, setting):
    with pytest.raises(SettingsError, match=setting) as error:
        notifier(25, **options)
    assert "phrase" not in str(error.value)


def test_clear_text_is_for_this_machine_only():
    with pytest.raises(SettingsError, match="ATMR_NOTIFY_SMTP_SECURITY"):
        MailNotifier("mail.example", 25, "none", sender="a@b.example", receivers=["c@d.example"])


def test_no_log_line_or_repr_holds_a_secret(caplog):
    caplog.set_level(logging.DEBUG)
    with SmtpSink(Behaviour(offers_login=True)) as sink:
        mailer = notifier(sink.port, user="atmr", password=PASSWORD)
        mailer.send(example())
    assert not any(secret in f"{caplog.text} {mailer!r}" for secret in SECRETS)
