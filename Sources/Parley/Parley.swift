// One import for a whole node: floors 1 to 4 under one name.

@_exported public import ParleyCrypto
@_exported public import ParleyDesk
@_exported public import ParleyHandshake
@_exported public import ParleyIO
@_exported public import ParleyIdentity
@_exported public import ParleyJournal
@_exported public import ParleyMarket
@_exported public import ParleyNegotiation
@_exported public import ParleyNode
@_exported public import ParleyNoise
@_exported public import ParleyOptions
@_exported public import ParleyPeer
@_exported public import ParleyStore
@_exported public import ParleyWebSocket
@_exported public import ParleyWire
