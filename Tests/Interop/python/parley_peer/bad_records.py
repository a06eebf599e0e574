"""Peers that break one rule of the record layer or of the ratchet (secure-channel.md §6, §8.1) on an open channel."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from .channel import RECORDS_PER_KEY, Channel, Direction, RecordType, pad_inner
from .handshake import Accept
from .noise import hkdf_expand, public_raw
from .peer import Hooks, PeerConnection
from .ratchet import Part
from .resumption import Resumable
from .wire import u32
from .yamux import HARMLESS


def _harmless(connection: PeerConnection) -> bytes:
    return connection.channel.seal(RecordType.APP, HARMLESS)


# Sequence and direction


class AcceptRemoved(Hooks):
    """The second record comes first."""

    def accept(self, accept: Accept, channel: Channel) -> bytes:
        channel.seal(RecordType.ACCEPT, accept.encode())
        return channel.seal(RecordType.APP, HARMLESS)


async def dropped_record(connection: PeerConnection) -> None:
    _harmless(connection)
    await connection.send_raw(_harmless(connection))


async def reordered_records(connection: PeerConnection) -> None:
    first, second = _harmless(connection), _harmless(connection)
    await connection.send_raw(second)
    await connection.send_raw(first)


async def reflected_record(connection: PeerConnection) -> None:
    await connection.send_raw(connection.last_received)


async def swapped_direction(connection: PeerConnection) -> None:
    connection.channel.sending.role = connection.channel.receiving.role
    await connection.send_raw(_harmless(connection))


async def swapped_keys(connection: PeerConnection) -> None:
    theirs = connection.channel.receiving
    mine = Direction(theirs.secret, connection.channel.sending.role)
    mine.sequence = connection.channel.sending.sequence
    await connection.send_raw(mine.seal(RecordType.APP, HARMLESS))


async def skipped_sequence(connection: PeerConnection) -> None:
    sending = connection.channel.sending
    sending.sequence += 1 << 32
    record = sending.seal_inner(pad_inner(RecordType.APP, HARMLESS))
    sending.sequence -= 1 << 32
    await connection.send_raw(record)


# Key updates and epochs


async def _until_update(connection: PeerConnection, remaining: int) -> None:
    """Empty records, up to `remaining` before the one that changes the key."""
    while RECORDS_PER_KEY - connection.channel.sending.sequence % RECORDS_PER_KEY > remaining:
        await connection.send_record(RecordType.APP, b"")


async def late_key_update(connection: PeerConnection) -> None:
    """Record 512 under the key of record 511."""
    await _until_update(connection, 1)
    old, sequence = connection.channel.sending.secret, connection.channel.sending.sequence
    await connection.send_record(RecordType.APP, b"")
    connection.channel.sending._install(old)
    assert connection.channel.sending.sequence == sequence + 1
    await connection.send_raw(_harmless(connection))


async def early_key_update(connection: PeerConnection) -> None:
    """Record 511 under the key of record 512."""
    await _until_update(connection, 1)
    sending = connection.channel.sending
    sending._install(hkdf_expand(sending.secret, b"parley/psc1 upd", 32))
    await connection.send_raw(_harmless(connection))


async def far_epoch(connection: PeerConnection) -> None:
    await connection.send_raw(u32(connection.channel.sending.epoch + 2) + _harmless(connection)[4:])


async def next_epoch_unasked(connection: PeerConnection) -> None:
    """A record of an epoch that nobody agreed on."""
    secrets = connection.channel.ratchet.secrets
    sending = Direction(secrets.i2r, connection.channel.sending.role, 1)
    await connection.send_raw(sending.seal(RecordType.DONE, u32(1)))


async def _renew(connection: PeerConnection) -> Direction:
    """Offers, and waits until the peer has its DONE; gives the sending keys of the epoch before."""
    old = connection.channel.sending
    await connection.send_raw(connection.channel.offer())
    await _switched(connection, old)
    return old


async def _switched(connection: PeerConnection, old: Direction) -> None:
    # The task that reads takes REPLY and sends DONE.
    while connection.channel.sending is old:
        await asyncio.sleep(0.005)


async def old_epoch(connection: PeerConnection) -> None:
    old = await _renew(connection)
    await connection.send_raw(old.seal(RecordType.APP, HARMLESS))


async def length_beyond_record(connection: PeerConnection) -> None:
    """A length that goes beyond the record."""
    inner = bytearray(pad_inner(RecordType.APP, HARMLESS))
    inner[1:5] = u32(len(inner) - 4)
    await connection.send_raw(connection.channel.sending.seal_inner(bytes(inner)))


async def huge_length(connection: PeerConnection) -> None:
    inner = bytearray(pad_inner(RecordType.APP, HARMLESS))
    inner[1:5] = b"\xff\xff\xff\xff"
    await connection.send_raw(connection.channel.sending.seal_inner(bytes(inner)))


async def odd_bucket(connection: PeerConnection) -> None:
    inner = pad_inner(RecordType.APP, HARMLESS).ljust(96, b"\0")
    await connection.send_raw(connection.channel.sending.seal_inner(inner))


async def small_record(connection: PeerConnection) -> None:
    await connection.send_raw(connection.channel.sending.seal_inner(pad_inner(RecordType.APP, HARMLESS)[:32]))


async def first_padding_byte(connection: PeerConnection) -> None:
    inner = bytearray(pad_inner(RecordType.APP, HARMLESS))
    inner[5 + len(HARMLESS)] = 0x80
    await connection.send_raw(connection.channel.sending.seal_inner(bytes(inner)))


async def reply_unasked(connection: PeerConnection) -> None:
    ratchet = connection.channel.ratchet
    e = public_raw(X25519PrivateKey.generate())
    signature = ratchet.sign(ratchet.reply_statement(1, b"", e, bytes(1088)))
    await connection.send_record(RecordType.REPLY, Part(1, e, bytes(1088), signature).encode())


async def done_unasked(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.DONE, u32(connection.channel.sending.epoch))


async def offer_from_responder(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.OFFER, connection.channel.ratchet.make_offer())


# OFFER and what follows it, by the initiator


async def offer_twice(connection: PeerConnection) -> None:
    await connection.send_raw(connection.channel.offer())
    await connection.send_raw(connection.channel.offer())


async def offer_replayed(connection: PeerConnection) -> None:
    """The body of an OFFER that has done its work, in a record of the next epoch."""
    old, offered = connection.channel.sending, connection.channel.ratchet.make_offer()
    await connection.send_record(RecordType.OFFER, offered)
    await _switched(connection, old)
    await connection.send_record(RecordType.OFFER, offered)


async def offer_cut(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.OFFER, connection.channel.ratchet.make_offer()[:-1])


async def offer_extended(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.OFFER, connection.channel.ratchet.make_offer() + b"\0")


async def _send_offer(
    connection: PeerConnection, step: int = 1, e: bytes | None = None, kem: bytes | None = None, flip: bool = False
) -> None:
    ratchet = connection.channel.ratchet
    epoch = ratchet.epoch + step
    e = public_raw(X25519PrivateKey.generate()) if e is None else e
    kem = MLKEM768PrivateKey.generate().public_key().public_bytes_raw() if kem is None else kem
    signature = ratchet.sign(ratchet.offer_statement(epoch, e, kem))
    if flip:
        signature = replace(signature, ed25519=bytes([signature.ed25519[0] ^ 1]) + signature.ed25519[1:])
    await connection.send_record(RecordType.OFFER, Part(epoch, e, kem, signature).encode())


async def offer_wrong_signature(connection: PeerConnection) -> None:
    await _send_offer(connection, flip=True)


async def offer_far_epoch(connection: PeerConnection) -> None:
    await _send_offer(connection, step=2)


async def offer_same_epoch(connection: PeerConnection) -> None:
    await _send_offer(connection, step=0)


async def offer_small_order(connection: PeerConnection) -> None:
    await _send_offer(connection, e=bytes(32))


async def offer_unreduced_key(connection: PeerConnection) -> None:
    await _send_offer(connection, kem=b"\xff" * 1184)


async def offer_as_reply(connection: PeerConnection) -> None:
    """Signed as if it were a REPLY."""
    ratchet = connection.channel.ratchet
    part = Part.decode(ratchet.make_offer(), 1184)
    signature = ratchet.sign(ratchet.reply_statement(part.epoch, b"", part.e, part.kem))
    await connection.send_record(RecordType.OFFER, replace(part, signature=signature).encode())


async def offer_half_suite(connection: PeerConnection) -> None:
    ratchet = connection.channel.ratchet
    part = Part.decode(ratchet.make_offer(), 1184)
    await connection.send_record(
        RecordType.OFFER, replace(part, signature=replace(part.signature, mldsa65=b"")).encode()
    )


async def _replace_done(connection: PeerConnection, kind: RecordType, body: bytes) -> None:
    """Renews, but the first record of the new epoch is another one."""
    channel = connection.channel
    await connection.send_raw(channel.offer())
    finish = channel.ratchet.finish

    def without_done(reply: bytes) -> bytes:
        finish(reply)
        channel.sending = Direction(channel.ratchet.secrets.i2r, b"I", channel.ratchet.epoch)
        record = channel.seal(kind, body)
        channel.outbox.append(record)
        raise _Done

    channel.ratchet.finish = without_done  # type: ignore[method-assign]
    original = channel._receive_reply

    def receive(reply: bytes) -> None:
        try:
            original(reply)
        except _Done:
            channel.receiving = Direction(channel.ratchet.secrets.r2i, b"R", channel.ratchet.epoch)

    channel._receive_reply = receive  # type: ignore[method-assign]


class _Done(Exception):
    pass


async def done_missing(connection: PeerConnection) -> None:
    await _replace_done(connection, RecordType.APP, HARMLESS)


async def done_wrong_epoch(connection: PeerConnection) -> None:
    await _replace_done(connection, RecordType.DONE, u32(2))


async def done_extended(connection: PeerConnection) -> None:
    await _replace_done(connection, RecordType.DONE, u32(1) + b"\0")


# Resumption


def _resume(connection: PeerConnection) -> bytes:
    return Resumable(bytes(16), bytes(32), connection.peer.did).resume(connection.channel.transcript_hash, {0: 1})


async def resume_late(connection: PeerConnection) -> None:
    """SYNC has gone before it."""
    await connection.send_record(RecordType.RESUME, _resume(connection))


async def resume_from_responder(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.RESUME, _resume(connection))


async def resumed_unasked(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.RESUMED, b"")
