"""Everything that can go wrong with what the other side sent."""


class PeerError(Exception):
    """The other side broke a rule; `code` is a short stable name for tests."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class IdentityError(PeerError):
    """A DID, a DID document or a key is not what the pages allow."""


class HandshakeError(PeerError):
    """A handshake message cannot be accepted."""


class RecordError(PeerError):
    """A record, or the message stream inside the records, is broken; the channel is dead."""


class NegotiationError(PeerError):
    """A statement or a session frame breaks a rule."""
