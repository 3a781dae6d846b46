"""Notices for people: mail by SMTP, in text and HTML."""

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

import aiosmtplib

from gateway.config import MailSettings
from gateway.notices import delivery
from gateway.notices.delivery import Delivery, Result
from gateway.notices.notice import Notice
from gateway.notices.rendering import render

_QUIT_SECONDS = 2.0
_FOR_GOOD = 500
# Longer than any header of ours: one that is folded after its name is taken for empty by some.
_POLICY = SMTP.clone(max_line_length=300)


class Mailer:
    """Sends notices through one mail server."""

    def __init__(self, settings: MailSettings) -> None:
        """Read what certificates are trusted. Raises OSError."""
        self._settings = settings
        self._trust = ssl.create_default_context(cafile=settings.ca_file)

    async def deliver(self, notice: Notice) -> Delivery:
        """Hand a mail to the server; a refusal of it is for good, all else may pass."""
        if not self._settings.host:
            return Delivery(Result.LATER, "mail.host is not set")
        sender = self._settings.sender
        message = bytes(mail_of(notice, sender, datetime.now(UTC)))
        client = self._client()
        try:
            async with asyncio.timeout(delivery.SECONDS_MAX):
                await client.connect()
                _, answer = await client.sendmail(parseaddr(sender)[1], notice.to, message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _refused(error.recipients[0])
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            return _refused(error)
        except TimeoutError:
            return delivery.too_slow()
        except (aiosmtplib.SMTPException, OSError) as error:
            return Delivery(Result.LATER, f"{type(error).__name__}: {error}")
        else:
            # It is the server's now, whatever becomes of the connection.
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=_QUIT_SECONDS)
            return Delivery(Result.SENT, answer)
        finally:
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        of = self._settings
        return aiosmtplib.SMTP(
            hostname=of.host,
            port=of.port,
            username=of.username or None,
            password=of.password or None,
            use_tls=of.tls == "tls",
            start_tls=of.tls == "starttls",
            tls_context=None if of.tls == "none" else self._trust,
        )


def mail_of(notice: Notice, sender: str, now: datetime) -> EmailMessage:
    """Write a mail. Its Message-ID tells a mail that was sent twice from another one."""
    subject, text, html = render(notice)
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = notice.to
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{notice.notice_id}@{parseaddr(sender)[1].partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers that he is away
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message


def _refused(error: aiosmtplib.SMTPResponseException) -> Delivery:
    result = Result.DEAD if error.code >= _FOR_GOOD else Result.LATER
    return Delivery(result, f"{error.code} {error.message}")
