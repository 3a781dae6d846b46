import asyncio
import ssl
from collections import defaultdict, deque
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Literal

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.lab.listening import accept_no_more

USERNAME = "coinbox"
PASSWORD = "s3cret"  # noqa: S105 - it opens nothing
HANG = "hang"  # in place of a reply
TAKEN = "250 taken"


@dataclass
class MailServer:
    """A mail server that takes mails over STARTTLS, TLS or neither, and with TLS asks for a login.

    `orders` has, for MAIL, RCPT, DATA and QUIT, what is said to the next of them in place of a yes;
    where a reply to DATA says yes, the mail is taken. The server may be stopped and started again.
    """

    port: int
    folder: Path
    tls: Literal["starttls", "tls", "none"] = "starttls"
    mails: list[EmailMessage] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)  # in which the mails came
    orders: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _server: asyncio.Server | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _trust: ssl.SSLContext = field(
        default_factory=lambda: ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    )

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        authority.issue_cert("127.0.0.1").configure_cert(self._trust)
        authority.cert_pem.write_to_path(self.ca_file)

    @property
    def ca_file(self) -> Path:
        """Whom to trust, to believe the server."""
        return self.folder / "mail-ca.pem"

    @property
    def settings(self) -> dict[str, str | int]:
        """The section `mail` of a gateway that sends here."""
        of_all: dict[str, str | int] = {
            "host": "127.0.0.1",
            "port": self.port,
            "sender": "Coinbox <coinbox@example.com>",
        }
        if self.tls == "none":
            return {**of_all, "tls": "none"}
        login = {"username": USERNAME, "password": PASSWORD}
        return {**of_all, **login, "tls": self.tls, "ca_file": str(self.ca_file)}

    async def start(self) -> None:
        self._stopping.clear()
        loop = asyncio.get_running_loop()
        trust = self._trust if self.tls == "tls" else None
        self._server = await loop.create_server(self._protocol, "127.0.0.1", self.port, ssl=trust)

    async def stop(self) -> None:
        """Refuse connections, and end those that there are."""
        self._stopping.set()
        if self._server:
            await accept_no_more(self._server.sockets)
            self._server.close()
            await self._server.wait_closed()

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.example.com",
            tls_context=self._trust if self.tls == "starttls" else None,
            require_starttls=self.tls == "starttls",
            auth_required=self.tls == "starttls",
            auth_require_tls=self.tls != "tls",  # it knows of no other TLS than STARTTLS
            authenticator=_authenticate,
            loop=asyncio.get_running_loop(),
            ident="lab",
        )

    async def _reply(self, command: str, otherwise: str) -> str:
        self.asked[command] += 1
        reply = self.orders[command].popleft() if self.orders[command] else otherwise
        if reply == HANG:
            await self._stopping.wait()
            return "421 closing"
        return reply

    async def handle_MAIL(  # noqa: N802 - as aiosmtpd calls it, and the others
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self._reply("MAIL", TAKEN)
        if reply == TAKEN:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self._reply("RCPT", TAKEN)
        if reply == TAKEN:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return reply

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        reply = await self._reply("DATA", TAKEN)
        if reply == TAKEN:
            content = envelope.original_content
            assert content is not None
            mail = message_from_bytes(content, policy=default)
            assert isinstance(mail, EmailMessage)
            self.sessions.append(session)
            self.mails.append(mail)
        return reply

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        return await self._reply("QUIT", "221 bye")


def part(mail: EmailMessage, subtype: str) -> str:
    """Give what a mail says in plain or html."""
    body = mail.get_body((subtype,))
    assert isinstance(body, EmailMessage)
    return str(body.get_content())


def _authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
) -> AuthResult:
    known = LoginPassword(USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=data == known, handled=False)
