"""A man in the middle: a TCP proxy before a node that reads the upgrade and the WebSocket frames, and changes one thing.

Each connection meets the next attack of the list, and those after the list pass untouched. For each a line says what
passed: `flights`, the turns of the conversation; `opened`, whether the initiator sent a record; `closes`, the close codes
of either side; `seconds`, from the connection to its end.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .report import Log

BINARY, TEXT, CLOSE, PING = 2, 1, 8, 9


@dataclass
class Frame:
    opcode: int
    payload: bytes
    final: bool = True

    def encode(self, masked: bool) -> bytes:
        size = len(self.payload)
        mask = 0x80 if masked else 0
        head = bytes([(0x80 if self.final else 0) | self.opcode])
        head += bytes([mask | size]) if size < 126 else bytes([mask | 126]) + size.to_bytes(2, "big")
        # A masking key of zeros leaves the payload as it is.
        return head + (bytes(4) if masked else b"") + self.payload


def read_frame(buffer: bytearray) -> Frame | None:
    """Takes the first whole frame out of the buffer."""
    if len(buffer) < 2:
        return None
    size, offset = buffer[1] & 0x7F, 2
    if size == 126:
        size, offset = int.from_bytes(buffer[2:4], "big"), 4
    key = bytes(4)
    if buffer[1] & 0x80:
        key, offset = bytes(buffer[offset : offset + 4]), offset + 4
    if len(buffer) < offset + size:
        return None
    repeated = (key * (size // 4 + 1))[:size]
    payload = int.from_bytes(buffer[offset : offset + size], "big") ^ int.from_bytes(repeated, "big")
    frame = Frame(buffer[0] & 0x0F, payload.to_bytes(size, "big"), bool(buffer[0] & 0x80))
    del buffer[: offset + size]
    return frame


@dataclass
class Memory:
    """What an earlier connection showed: the field with message 1, and the messages of either side by number."""

    header: str = ""
    messages: dict[tuple[str, int], bytes] = field(default_factory=dict)


Head = Callable[[str, Memory], str]
Change = Callable[[bytes, Memory], "list[Frame | float]"]


@dataclass(frozen=True)
class Attack:
    """What is changed: the head of the request or of the response, or a side's message of that number.

    `expected` holds for the line about the connection; `at_deadline` that it ends only with the handshake's time.
    """

    name: str
    rows: tuple[int, ...]
    expected: dict[str, Any]
    request: Head | None = None
    response: Head | None = None
    message: tuple[str, int] | None = None
    change: Change | None = None
    at_deadline: bool = False


def one(payload: bytes) -> list[Frame | float]:
    return [Frame(BINARY, payload)]


def flip(payload: bytes, _: Memory) -> list[Frame | float]:
    changed = bytearray(payload)
    changed[secrets.randbelow(len(changed))] ^= 1 << secrets.randbelow(8)
    return one(bytes(changed))


def cut(payload: bytes, _: Memory) -> list[Frame | float]:
    return one(payload[:-1])


def extend(payload: bytes, _: Memory) -> list[Frame | float]:
    return one(payload + b"\0")


def twice(payload: bytes, _: Memory) -> list[Frame | float]:
    return one(payload) + one(payload)


def drop(_: bytes, __: Memory) -> list[Frame | float]:
    return []


def earlier(side: str, number: int) -> Change:
    return lambda payload, memory: one(memory.messages.get((side, number), payload[::-1]))


def instead(replacement: bytes) -> Change:
    return lambda payload, memory: one(replacement)


def behind(*frames: Frame) -> Change:
    return lambda payload, memory: one(payload) + list(frames)


def before(*frames: Frame) -> Change:
    return lambda payload, memory: [*frames, *one(payload)]


def as_text(payload: bytes, _: Memory) -> list[Frame | float]:
    return [Frame(TEXT, payload)]


def in_fragments(payload: bytes, _: Memory) -> list[Frame | float]:
    return [Frame(BINARY, payload[:700], False), Frame(0, payload[700:])]


def late(payload: bytes, _: Memory) -> list[Frame | float]:
    return [0.7, *one(payload)]


def field_of(head: str, name: str) -> str:
    found = re.search(rf"(?im)^{name}: *(.*?)\r$", head)
    return found.group(1) if found else ""


def with_field(name: str, change: Callable[[str], str | None]) -> Head:
    def edit(head: str, _: Memory) -> str:
        lines = []
        for line in head.split("\r\n"):
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                changed = change(value.strip())
                if changed is None:
                    continue
                line = f"{key}: {changed}"
            lines.append(line)
        return "\r\n".join(lines)

    return edit


def added(line: str) -> Head:
    return lambda head, memory: head[:-2] + line + "\r\n\r\n"


def header_of_another(head: str, memory: Memory) -> str:
    return with_field("Parley-Handshake", lambda value: memory.header or value[::-1])(head, memory)


def flipped_character(value: str) -> str:
    """Another letter somewhere in the keys: base64url still, but not what was authenticated."""
    place = secrets.randbelow(1600)
    return value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]


BY_I: dict[str, Any] = {"opened": False, "closes": {"I": 1008}}
BY_R: dict[str, Any] = {"opened": False, "closes": {"R": 1008}}
ENDS: dict[str, Any] = {"opened": True, "refused": True}
HARMLESS: dict[str, Any] = {"opened": True, "refused": False}
SILENT: dict[str, Any] = {"opened": False, "answered": False}

I1, I2 = ("I", 1), ("I", 2)  # message 3, and the first record
R1, R2, R3 = ("R", 1), ("R", 2), ("R", 3)  # message 2, ACCEPT, and the next record
RECORD = bytes(4) + secrets.token_bytes(80)
ATTACKS = [
    # The upgrade
    Attack("offer-extended", (41,), BY_I, request=with_field("Sec-WebSocket-Protocol", lambda v: v + ", chat")),
    Attack("offer-replaced", (41, 42), SILENT, request=with_field("Sec-WebSocket-Protocol", lambda v: "chat")),
    Attack("offer-removed", (42,), SILENT, request=with_field("Sec-WebSocket-Protocol", lambda v: None)),
    Attack("selection-removed", (42,), {"opened": False}, response=with_field("Sec-WebSocket-Protocol", lambda v: None)),
    Attack(
        "selection-replaced", (42,), {"opened": False}, response=with_field("Sec-WebSocket-Protocol", lambda v: "chat")
    ),
    Attack("deflate-injected", (43,), {"opened": False}, response=added("Sec-WebSocket-Extensions: permessage-deflate")),
    Attack("deflate-offered", (43,), HARMLESS, request=added("Sec-WebSocket-Extensions: permessage-deflate")),
    Attack("m1-flipped", (1,), SILENT, request=with_field("Parley-Handshake", flipped_character)),
    Attack("m1-cut", (2, 48), SILENT, request=with_field("Parley-Handshake", lambda v: v[:-1])),
    Attack("m1-not-base64url", (48,), SILENT, request=with_field("Parley-Handshake", lambda v: v[:-2] + "+/")),
    Attack("m1-in-two-fields", (14, 48), SILENT, request=added("Parley-Handshake: AAAA")),
    Attack("m1-removed", (13,), BY_R, request=with_field("Parley-Handshake", lambda v: None)),
    Attack("m1-replayed", (5,), BY_I, request=header_of_another),
    # Message 2, and what comes in its place
    Attack("m2-flipped", (1,), BY_I, message=R1, change=flip),
    Attack("m2-cut", (2,), BY_I, message=R1, change=cut),
    Attack("m2-extended", (2,), BY_I, message=R1, change=extend),
    Attack("m2-of-another-session", (3,), BY_I, message=R1, change=earlier("R", 1)),
    Attack("m2-twice", (6,), BY_I, message=R1, change=twice),
    Attack("m2-dropped", (6,), {"opened": False}, message=R1, change=drop, at_deadline=True),
    Attack("m2-as-text", (60,), {"opened": False}, message=R1, change=as_text),
    Attack("m2-in-fragments", (60,), {"opened": False}, message=R1, change=in_fragments),
    Attack("m2-late", (74,), HARMLESS, message=R1, change=late),
    Attack("ping-before-m2", (60,), {"opened": False}, message=R1, change=before(Frame(PING, b""))),
    Attack("record-before-m2", (11,), BY_I, message=R1, change=before(Frame(BINARY, RECORD))),
    Attack("retry-forged-work", (73,), BY_I, message=R1, change=instead(bytes(32) + b"\xff\0\0")),
    Attack("retry-forged-wait", (73,), BY_I, message=R1, change=instead(bytes(33) + b"\xff\xff")),
    Attack("retry-forged", (73,), {"opened": False}, message=R1, change=instead(bytes(35)), at_deadline=True),
    # Message 3
    Attack("m3-flipped", (1, 76), BY_R, message=I1, change=flip, at_deadline=True),
    Attack("m3-cut", (2, 76), BY_R, message=I1, change=cut, at_deadline=True),
    Attack("m3-extended", (2, 76), BY_R, message=I1, change=extend, at_deadline=True),
    Attack("m3-replayed", (4,), BY_R, message=I1, change=earlier("I", 1), at_deadline=True),
    Attack("m3-dropped", (6,), {"opened": False}, message=I1, change=drop, at_deadline=True),
    Attack("m3-late", (74,), HARMLESS, message=I1, change=late),
    # ACCEPT
    Attack("accept-flipped", (12,), BY_I, message=R2, change=flip),
    Attack("accept-dropped", (13, 53), BY_I, message=R2, change=drop),
    Attack("accept-of-another-session", (12,), BY_I, message=R2, change=earlier("R", 2)),
    Attack("record-before-accept", (11,), BY_I, message=R2, change=before(Frame(BINARY, RECORD))),
    Attack("accept-twice", (49,), {"refused": True}, message=R2, change=twice),
    # Records
    Attack("record-of-i-flipped", (49,), ENDS, message=I2, change=flip),
    Attack("record-of-r-flipped", (49,), {"refused": True}, message=R3, change=flip),
    Attack("record-of-i-twice", (49,), ENDS, message=I2, change=twice),
    Attack("record-of-r-twice", (49,), {"refused": True}, message=R3, change=twice),
    Attack("record-of-another-session", (49,), ENDS, message=I2, change=earlier("I", 2)),
    Attack("record-of-i-cut", (58,), ENDS, message=I2, change=cut),
    Attack("record-of-r-extended", (58,), {"refused": True}, message=R3, change=extend),
    Attack("record-injected", (50,), ENDS, message=I2, change=before(Frame(BINARY, RECORD))),
    Attack("record-as-text", (60,), {"opened": True}, message=I2, change=as_text),
    Attack("record-reflected", (52,), {"refused": True}, message=R3, change=earlier("own", 0)),
    Attack("close-injected", (61,), {"opened": True}, message=I2, change=before(Frame(CLOSE, b"\x03\xe8"))),
    Attack("connection-cut", (61,), {"opened": True}, message=I2, change=lambda payload, memory: [-1.0]),
]


@dataclass
class Passage:
    """One connection: what has passed."""

    attack: Attack | None
    started: float = field(default_factory=time.monotonic)
    flights: list[list[Any]] = field(default_factory=list)
    seen: Memory = field(default_factory=Memory)
    counts: dict[str, int] = field(default_factory=lambda: {"I": 0, "R": 0})
    closes: dict[str, int] = field(default_factory=dict)

    def note(self, side: str, what: str, size: int) -> None:
        if not self.flights or self.flights[-1][0] != side:
            self.flights.append([side, []])
        self.flights[-1][1].append([what, size])

    def report(self) -> dict[str, Any]:
        return {
            "attack": None if self.attack is None else self.attack.name,
            "flights": self.flights,
            "opened": self.counts["I"] >= 2,
            "refused": 1008 in self.closes.values(),
            "answered": any(side == "R" and parts[0][0] == "101" for side, parts in self.flights),
            "closes": self.closes,
            "seconds": time.monotonic() - self.started,
        }


class Middle:
    def __init__(self, target: int, attacks: list[Attack | None], log: Log) -> None:
        self._target = target
        self._attacks = list(attacks)
        self._log = log
        self._memory = Memory()

    async def serve(self, lifetime: float) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self._log("listening", port=server.sockets[0].getsockname()[1])
        await asyncio.sleep(lifetime)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_listed = bool(self._attacks)
        passage = Passage(self._attacks.pop(0) if self._attacks else None)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
        both = [writer, inner_writer]
        tasks = [
            asyncio.create_task(self._pass("I", passage, reader, inner_writer, both)),
            asyncio.create_task(self._pass("R", passage, inner_reader, writer, both)),
        ]
        if is_listed:
            tasks.append(asyncio.create_task(self._make_room(passage, both)))
        await asyncio.wait(tasks[:2])
        for task in tasks[2:]:
            task.cancel()
        if passage.counts["I"] >= 2:
            self._memory = passage.seen
        self._log("passage", **passage.report())

    async def _make_room(self, passage: Passage, both: list[asyncio.StreamWriter]) -> None:
        """What goes well in spite of the attack is cut after a while, for the next connection to come."""
        while passage.counts["I"] < 2:
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        for end in both:
            end.transport.abort()

    async def _pass(
        self,
        side: str,
        passage: Passage,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        both: list[asyncio.StreamWriter],
    ) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self._note_head(side, passage, head)
            attack = passage.attack
            edit = None if attack is None else attack.request if side == "I" else attack.response
            if edit is not None:
                head = edit(head, self._memory)
            # Message 2 must stay in the flight of the 101.
            writer.write(head.encode("latin-1"))
            buffer = bytearray()
            while True:
                data = await reader.read(65536)
                if not data:
                    break
                buffer += data
                while (frame := read_frame(buffer)) is not None:
                    await self._frame(side, passage, frame, writer, both)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _note_head(self, side: str, passage: Passage, head: str) -> None:
        passage.note(side, "GET" if side == "I" else head[9:12], len(head))
        if side == "I":
            passage.seen.header = field_of(head, "Parley-Handshake")

    async def _frame(
        self,
        side: str,
        passage: Passage,
        frame: Frame,
        writer: asyncio.StreamWriter,
        both: list[asyncio.StreamWriter],
    ) -> None:
        parts: list[Frame | float] = [frame]
        if frame.opcode == CLOSE:
            code = int.from_bytes(frame.payload[:2], "big") if frame.payload else 1005
            # Who answers repeats the code: only the first says anything.
            if not passage.closes:
                passage.closes[side] = code
        elif frame.opcode == BINARY:
            passage.counts[side] += 1
            number = passage.counts[side]
            passage.note(side, "message", len(frame.payload))
            passage.seen.messages[(side, number)] = frame.payload
            attack = passage.attack
            if attack is not None and attack.message == (side, number) and attack.change is not None:
                memory = self._memory
                memory.messages[("own", 0)] = passage.seen.messages.get(I2, frame.payload[::-1])
                parts = attack.change(frame.payload, memory)
        for part in parts:
            if isinstance(part, Frame):
                writer.write(part.encode(side == "I"))
            elif part < 0:
                for end in both:
                    end.transport.abort()
            else:
                await asyncio.sleep(part)
        await writer.drain()


def run(target: int, names: list[str], lifetime: float) -> int:
    known: dict[str, Attack | None] = {"none": None} | {attack.name: attack for attack in ATTACKS}
    attacks = [known[name] for name in names]
    asyncio.run(Middle(target, attacks, Log()).serve(lifetime))
    return 0


def listed() -> list[dict[str, Any]]:
    return [
        {"name": item.name, "rows": list(item.rows), "expected": item.expected, "at_deadline": item.at_deadline}
        for item in ATTACKS
    ]
