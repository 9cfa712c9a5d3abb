"""A mail server that speaks as much SMTP as a client needs, and fails as it is told to."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast


@dataclass
class SmtpServer:
    """`answers` are given to the next commands of that name, and once each; `silent` ones get none."""

    answers: dict[str, list[str]] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    tls: ssl.SSLContext | None = None
    mails: list[EmailMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    port: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def verbs(self) -> list[str]:
        return [command.partition(" ")[0] for command in self.commands]

    async def wait_for(self, count: int) -> list[EmailMessage]:
        """The mails, when there are so many."""
        async with asyncio.timeout(15), self.arrived:
            await self.arrived.wait_for(lambda: len(self.mails) >= count)
        return self.mails

    async def wait_for_command(self, verb: str, count: int = 1) -> None:
        async with asyncio.timeout(15), self.arrived:
            await self.arrived.wait_for(lambda: self.verbs.count(verb) >= count)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(writer, "CONNECT", "220 ready")
            while line := (await reader.readline()).decode().strip():
                verb = line.partition(" ")[0].upper()
                async with self.arrived:
                    self.commands.append(line)
                    self.arrived.notify_all()
                await self._serve(verb, line, reader, writer)
                if verb == "QUIT":
                    break
        except (ConnectionError, ssl.SSLError):
            # What a test is about: the client did not like the certificate, or went away.
            pass
        finally:
            writer.close()

    async def _serve(self, verb: str, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match verb:
            case "EHLO":
                extension = "250-STARTTLS\r\n" if self.tls is not None else ""
                await self._answer(writer, verb, f"250-localhost\r\n{extension}250 AUTH PLAIN")
            case "STARTTLS":
                await self._answer(writer, verb, "220 go ahead")
                await writer.start_tls(cast(ssl.SSLContext, self.tls))
            case "AUTH":
                self.logins.append(base64.b64decode(line.split()[-1]).decode())
                await self._answer(writer, verb, "235 welcome")
            case "DATA":
                await self._answer(writer, verb, "354 go on")
                content = await reader.readuntil(b"\r\n.\r\n")
                answer = self._planned("CONTENT", "250 taken")
                if answer.startswith("250"):
                    async with self.arrived:
                        self.mails.append(cast(EmailMessage, message_from_bytes(content[:-3], policy=policy.default)))
                        self.arrived.notify_all()
                writer.write(f"{answer}\r\n".encode())
            case _:
                await self._answer(writer, verb, "221 bye" if verb == "QUIT" else "250 fine")

    def _planned(self, verb: str, default: str) -> str:
        return self.answers[verb].pop(0) if self.answers.get(verb) else default

    async def _answer(self, writer: asyncio.StreamWriter, verb: str, default: str) -> None:
        if verb in self.silent:
            await asyncio.Event().wait()
        writer.write(f"{self._planned(verb, default)}\r\n".encode())
        await writer.drain()


@asynccontextmanager
async def smtp_server(**plan: object) -> AsyncIterator[SmtpServer]:
    """On a loopback port of its own. `plan`: the fields of SmtpServer."""
    server = SmtpServer(**plan)  # type: ignore[arg-type]
    talks: set[asyncio.Task[None]] = set()

    def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server.talk(reader, writer))
        talks.add(task)
        task.add_done_callback(talks.discard)

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
