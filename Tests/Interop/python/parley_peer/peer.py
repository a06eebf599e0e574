"""The two ends of a connection over `websockets` (secure-channel.md §1, §9): handshake, then messages over records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as websocket_serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, ProtocolError
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from .channel import MAX_BODY, MAX_RECORD, Channel, RecordType
from .errors import HandshakeError, PeerError, RecordError
from .handshake import MESSAGE1_SIZE, SUBPROTOCOL, Accept, IdentityPayload, Initiator, Responder, prologue
from .identity import Identity, Signer
from .multiformats import base64url_decode, base64url_encode
from .retry import MAX_RETRIES, RETRY_SIZE, Cookies
from .stream import Streams
from .wire import u16

HEADER = "Parley-Handshake"
MAX_HANDSHAKE_MESSAGE = 9392
MAX_MESSAGE = 64 * 1024  # what `websockets` lets through, so that too long a record is refused here, with 1008
HANDSHAKE_DEADLINE = 10.0
MESSAGE1_DEADLINE = 3.0
CLOSE_DEADLINE = 2.0
POLICY_VIOLATION = 1008
RETRY_DIFFICULTY = 12
CONTROL = (RecordType.OFFER, RecordType.REPLY, RecordType.DONE, RecordType.RESUME, RecordType.RESUMED)


@dataclass(eq=False)
class Closed(Exception):
    """How the connection ended, as this side saw it."""

    code: int | None = None
    reason: str = ""
    http_status: int | None = None
    close_record: bool = False
    refused: int | None = None

    def as_json(self) -> dict[str, Any]:
        fields = {
            "code": self.code,
            "reason": self.reason,
            "http_status": self.http_status,
            "close_record": self.close_record,
            "refused": self.refused,
        }
        return {name: value for name, value in fields.items() if value is not None}


class Hooks:
    """What a handshake sends; misbehaving peers override parts of it."""

    def header(self, message1: bytes) -> str | None:
        """Value of the `Parley-Handshake` field; `None` sends message 1 as the first WebSocket message."""
        return base64url_encode(message1)

    def initiator(self, signer: Signer, responder: Identity) -> Initiator:
        return Initiator(signer, responder)

    def responder(self, signer: Signer) -> Responder:
        return Responder(signer)

    def messages1(self, message1: bytes, in_header: bool) -> list[bytes]:
        """The WebSocket messages that bring message 1."""
        return [] if in_header else [message1]

    def message2(self, message: bytes) -> bytes:
        return message

    def message3(self, message: bytes) -> bytes:
        return message

    def retry(self, message: bytes) -> bytes:
        return message

    def accept(self, accept: Accept, channel: Channel) -> bytes:
        return channel.seal(RecordType.ACCEPT, accept.encode())

    async def opened(self, connection: PeerConnection) -> None:
        """The initiator has ACCEPT, and has sent no record."""


class HeaderlessHooks(Hooks):
    """As behind a proxy that drops unknown fields."""

    def header(self, message1: bytes) -> str | None:
        return None


class DocumentInMessage2(Hooks):
    """R's document is known to whoever dials it; receivers take it all the same."""

    def responder(self, signer: Signer) -> Responder:
        responder = Responder(signer)
        make = responder.make_identity_payload

        def with_document(handshake_hash: bytes) -> IdentityPayload:
            return replace(make(handshake_hash), document=signer.identity.document_bytes)

        responder.make_identity_payload = with_document  # type: ignore[method-assign]
        return responder


class PeerConnection:
    """An open channel. `send` and `receive` carry whole messages of the negotiation."""

    def __init__(self, socket: Connection, channel: Channel, me: Identity, peer: Identity, accept: Accept) -> None:
        self.socket = socket
        self.channel = channel
        self.me = me
        self.peer = peer
        self.accept = accept
        self.chunk = MAX_BODY
        self.renew_after: int | None = None  # records of either side in an epoch; None: never
        self.last_received = b""
        self.streams = Streams(channel.initiator)
        self._sealing = asyncio.Lock()

    async def send(self, *messages: bytes) -> None:
        """Messages that leave together share records."""
        self.streams.send(*messages)
        await self.flush_streams()

    async def flush_streams(self) -> None:
        """Puts the frames that wait into as few records as `chunk` allows."""
        async with self._sealing:
            while waiting := self.streams.take():
                for start in range(0, len(waiting), self.chunk):
                    await self.send_record(RecordType.APP, waiting[start : start + self.chunk])

    async def send_record(self, kind: RecordType | int, body: bytes) -> None:
        await self.send_raw(self.channel.seal(kind, body))
        await self._renew_if_due()

    async def _renew_if_due(self) -> None:
        channel = self.channel
        most = max(channel.sending.sequence, channel.receiving.sequence)
        if self.renew_after is not None and channel.may_offer and most >= self.renew_after:
            await self.send_raw(channel.offer())

    async def send_raw(self, data: bytes | str) -> None:
        try:
            await self.socket.send(data)
        except ConnectionClosed:
            raise _closed(self.socket) from None

    async def receive(self) -> bytes:
        """The next message. Raises `Closed` at the end, `RecordError` (and closes) at a broken record."""
        while not self.streams.messages:
            record = await _receive(self.socket)
            try:
                if len(record) > MAX_RECORD:
                    raise RecordError("RECORD_LENGTH", str(len(record)))
                kind, body = self.channel.open(record)
                self.last_received = record
                if kind in CONTROL:
                    await self.flush()
                    continue
                if kind is RecordType.CLOSE:
                    if body:
                        raise RecordError("CLOSE_BODY")
                    self.streams.finish()
                    await self._finish_close()
                if kind is not RecordType.APP:
                    raise RecordError("UNEXPECTED_RECORD", kind.name)
                self.streams.receive(body)
                await self.flush_streams()
            except RecordError:
                await fail(self.socket)
                raise
        return self.streams.messages.popleft()

    async def flush(self) -> None:
        """Sends what a renewal owes."""
        records, self.channel.outbox = self.channel.outbox, []
        for record in records:
            await self.send_raw(record)

    async def _finish_close(self) -> NoReturn:
        """After CLOSE only the WebSocket's end may come."""
        try:
            async with asyncio.timeout(CLOSE_DEADLINE):
                await _receive(self.socket)
            raise RecordError("AFTER_CLOSE")
        except TimeoutError:
            await self.socket.close(1000)
        except Closed:
            pass
        end = _closed(self.socket)
        raise Closed(end.code, end.reason, close_record=True)

    async def close(self) -> None:
        """CLOSE record, then the WebSocket's own closing handshake."""
        try:
            await self.send_record(RecordType.CLOSE, b"")
        except Closed:
            return
        await self.socket.close(1000)


async def fail(socket: Connection) -> None:
    """§9: one way to fail."""
    await socket.close(POLICY_VIOLATION)


def _closed(socket: Connection) -> Closed:
    return Closed(socket.close_code, socket.close_reason or "")


async def _receive_handshake(socket: Connection) -> bytes:
    message = await _receive(socket)
    if len(message) > MAX_HANDSHAKE_MESSAGE:
        raise HandshakeError("MESSAGE_LENGTH", str(len(message)))
    return message


async def _receive(socket: Connection) -> bytes:
    try:
        message = await socket.recv()
    except ConnectionClosed:
        raise _closed(socket) from None
    if isinstance(message, str):
        await fail(socket)
        raise RecordError("TEXT_FRAME")
    return message


@asynccontextmanager
async def connect(
    url: str, signer: Signer, responder: Identity, hooks: Hooks | None = None
) -> AsyncIterator[PeerConnection]:
    """Dials and completes the handshake as initiator."""
    hooks = hooks or Hooks()
    if not url.startswith("ws://"):
        raise HandshakeError("CHANNEL_BINDING", "Python's ssl exports no RFC 9266 binding: only ws:// here")
    initiator = hooks.initiator(signer, responder)
    header = hooks.header(initiator.message1)
    try:
        socket = await websocket_connect(
            url,
            subprotocols=[SUBPROTOCOL],
            additional_headers={} if header is None else {HEADER: header},
            compression=None,
            user_agent_header=None,
            proxy=None,
            ping_interval=None,
            close_timeout=2,
            max_size=MAX_MESSAGE,
        )
    except InvalidStatus as error:
        raise Closed(http_status=error.response.status_code) from None
    except (InvalidHandshake, ProtocolError, OSError, EOFError) as error:
        raise Closed(reason=type(error).__name__) from None
    try:
        async with asyncio.timeout(HANDSHAKE_DEADLINE + 5):
            connection = await _initiate(socket, signer, responder, initiator, hooks, header is not None)
        await hooks.opened(connection)
        yield connection
    finally:
        await socket.close()


async def _initiate(
    socket: ClientConnection, signer: Signer, responder: Identity, initiator: Initiator, hooks: Hooks, in_header: bool
) -> PeerConnection:
    try:
        if socket.subprotocol != SUBPROTOCOL:
            raise HandshakeError("SUBPROTOCOL", socket.subprotocol or "none")
        initiator.begin(prologue(SUBPROTOCOL, socket.subprotocol, responder.did))
        for message in hooks.messages1(initiator.message1, in_header):
            await _send(socket, message)
        message2 = await _receive_handshake(socket)
        while len(message2) == RETRY_SIZE:
            retry = initiator.read_retry(message2)
            await asyncio.sleep(retry.milliseconds / 1000)
            await _send(socket, initiator.message1)
            message2 = await _receive_handshake(socket)
        message3 = initiator.read_message2(message2)
        await _send(socket, hooks.message3(message3))
        channel = Channel(initiator.secrets, True, signer, initiator.peer)
        kind, body = channel.open(await _receive_handshake(socket))
        if kind is RecordType.REFUSE:
            raise Closed(refused=_refusal(body))
        if kind is not RecordType.ACCEPT:
            raise HandshakeError("ACCEPT", kind.name)
        accept = Accept.decode(body)
        initiator.check_accept(accept)
    except PeerError:
        await fail(socket)
        raise
    return PeerConnection(socket, channel, signer.identity, initiator.peer, accept)


def _refusal(body: bytes) -> int:
    if len(body) != 2:
        raise HandshakeError("REFUSE", "not a code")
    return int.from_bytes(body, "big")


async def _send(socket: Connection, message: bytes) -> None:
    try:
        await socket.send(message)
    except ConnectionClosed:
        raise _closed(socket) from None


class _FirstFlight(ServerConnection):
    """Puts message 2 into the same write as the 101."""

    def __init__(self, protocol: ServerProtocol, server: Server, **options: Any) -> None:
        super().__init__(protocol, server, **options)
        self.message1: bytes | None = None
        self.retries = 0
        self.first_message: Callable[[_FirstFlight], bytes | None] = lambda _: None
        send_response = protocol.send_response

        def send_response_and_message2(response: Response) -> None:
            send_response(response)
            message = self.first_message(self) if response.status_code == 101 else None
            if message is not None:
                protocol.send_binary(message)
                protocol.writes[-2:] = [b"".join(protocol.writes[-2:])]

        protocol.send_response = send_response_and_message2  # type: ignore[method-assign]


class _Message3Failed(Exception):
    def __init__(self, error: HandshakeError) -> None:
        super().__init__(error.code)
        self.error = error


class Listener:
    """Accepts connections as responder and gives each open channel to `handle`.

    `failed` is told why a connection ended before its handshake did. With a `refuse_code` every peer that passed all
    checks gets REFUSE instead of ACCEPT.
    """

    def __init__(
        self,
        handle: Callable[[PeerConnection], Awaitable[None]],
        failed: Callable[[Exception], None],
        hooks: Hooks | None = None,
        deadline: float = HANDSHAKE_DEADLINE,
        refuse_code: int | None = None,
        retries: int = 0,
    ) -> None:
        self._handle = handle
        self._failed = failed
        self._hooks = hooks or Hooks()
        self._deadline = deadline
        self._refuse_code = refuse_code
        self._retries = retries
        self._cookies = Cookies(RETRY_DIFFICULTY)
        self._responders: dict[Connection, Responder] = {}
        self.signer: Signer | None = None

    @asynccontextmanager
    async def listen(self, host: str, port: int, make_signer: Callable[[int], Signer]) -> AsyncIterator[int]:
        """Yields the port. The signer is made after the port is known, because the document names the endpoint."""
        async with websocket_serve(
            self._serve,
            host,
            port,
            origins=[None],
            subprotocols=[SUBPROTOCOL],
            compression=None,
            process_request=self._process_request,
            server_header=None,
            open_timeout=5,
            ping_interval=None,
            close_timeout=2,
            max_size=MAX_MESSAGE,
            create_connection=_FirstFlight,
        ) as server:
            bound = next(iter(server.sockets)).getsockname()[1]
            self.signer = make_signer(bound)
            yield bound

    def _process_request(self, socket: ServerConnection, request: Request) -> Response | None:
        values = request.headers.get_all(HEADER)
        assert isinstance(socket, _FirstFlight) and self.signer is not None
        self._responders[socket] = responder = self._hooks.responder(self.signer)
        if not values:
            return None
        message1 = base64url_decode(values[0]) if len(values) == 1 else None
        if message1 is None or len(message1) != MESSAGE1_SIZE:
            self._failed(HandshakeError("M1_HEADER"))
            return socket.respond(400, "")
        try:
            responder.check_message1(message1)
        except HandshakeError as error:
            self._failed(error)
            socket.transport.abort()  # §3: whoever does not know the DID gets no answer
            return socket.respond(400, "")
        socket.message1 = message1
        socket.first_message = self._first_message
        return None

    def _retry(self, socket: Connection, message1: bytes, sent: int) -> bytes | None:
        """§8.3: what asks for work, while this side wants more of it."""
        source = socket.remote_address[0].encode()
        token, keys = message1[1220:1252], message1[:1216]
        is_paid = self._cookies.is_paid(source, token, keys, int.from_bytes(message1[1252:1260], "big"))
        return None if sent >= self._retries and (is_paid or sent == 0) else self._cookies.retry(source)

    def _message2(self, socket: Connection, message1: bytes) -> bytes:
        request = socket.request
        assert request is not None and self.signer is not None
        offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
        bound = prologue(offered, socket.subprotocol or "", self.signer.identity.did)
        return self._hooks.message2(self._responders[socket].read_message1(message1, bound))

    def _first_message(self, socket: _FirstFlight) -> bytes | None:
        assert socket.message1 is not None
        if retry := self._retry(socket, socket.message1, 0):
            socket.retries, socket.message1 = 1, None
            return self._hooks.retry(retry)
        try:
            return self._message2(socket, socket.message1)
        except HandshakeError as error:
            self._failed(error)
            return None

    async def _serve(self, socket: ServerConnection) -> None:
        deadline = asyncio.get_running_loop().time() + self._deadline
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self._respond(socket)
        except _Message3Failed as failure:
            # §9: that message 3 failed shows only at the deadline, whatever was wrong with it.
            await asyncio.sleep(deadline - asyncio.get_running_loop().time())
            return await self._refuse(socket, failure.error)
        except (PeerError, Closed) as error:
            return await self._refuse(socket, error)
        except TimeoutError:
            return await self._refuse(socket, HandshakeError("DEADLINE"))
        finally:
            self._responders.pop(socket, None)
        await self._handle(connection)

    async def _refuse(self, socket: ServerConnection, error: Exception) -> None:
        await fail(socket)
        self._failed(error)

    async def _respond(self, socket: ServerConnection) -> PeerConnection:
        assert isinstance(socket, _FirstFlight) and self.signer is not None
        responder = self._responders[socket]
        if socket.message1 is None:
            async with asyncio.timeout(MESSAGE1_DEADLINE):
                message1 = await _receive_handshake(socket)
            responder.check_message1(message1)
            while retry := self._retry(socket, message1, socket.retries):
                socket.retries += 1
                if socket.retries > max(MAX_RETRIES, self._retries):
                    raise HandshakeError("RETRIES")
                await _send(socket, self._hooks.retry(retry))
                message1 = await _receive_handshake(socket)
                responder.check_message1(message1)
            await _send(socket, self._message2(socket, message1))
        message3 = await _receive_handshake(socket)
        try:
            accept = responder.read_message3(message3)
        except HandshakeError as error:
            raise _Message3Failed(error) from error
        channel = Channel(responder.secrets, False, self.signer, responder.peer)
        if self._refuse_code is not None:
            await _send(socket, channel.seal(RecordType.REFUSE, u16(self._refuse_code)))
            raise Closed(refused=self._refuse_code)
        await _send(socket, self._hooks.accept(accept, channel))
        return PeerConnection(socket, channel, self.signer.identity, responder.peer, accept)
