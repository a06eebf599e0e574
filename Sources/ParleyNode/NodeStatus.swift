public import ParleyWire

/// What a node is and how it stands.
public struct NodeStatus: Hashable, Sendable {
  /// Its DID.
  public let did: String
  /// Where others reach it; `nil` if it does not listen.
  public let listen: String?
  /// Its control socket.
  public let control: String
  /// The peers it is connected to.
  public let connected: [String]
  /// What its open channels have carried, by the peer's DID.
  public let channels: [ChannelStatus]
  /// Whom it waits for since it has lost a part of its journal: until they have synchronised, or are waived, it signs nothing.
  public let awaited: [String]
  /// Entries in its journal.
  public let entries: UInt64
  /// What it keeps as a witness, and asks of others.
  public let witness: WitnessStatus
  /// What it quotes, in lines for a person; `nil` if nothing.
  public let quoting: [String]?

  /// For programs: one object.
  public var json: JSONValue {
    [
      "event": "ready", "did": .string(did), "listen": listen.map(JSONValue.string) ?? .null,
      "control": .string(control), "connected": .array(connected.map(JSONValue.string)),
      "channels": .array(channels.map(\.json)), "awaited": .array(awaited.map(JSONValue.string)),
      "entries": .integer(Int64(clamping: entries)),
      "witness": witness.json,
    ]
  }

  /// For people.
  public var lines: [String] {
    var lines = ["\(did)", "  listening  \(listen ?? "no: this node only calls")", "  control    \(control)"]
    lines.append("  journal    \(entries) entries")
    if let slots = witness.slots { lines.append("  witness    \(slots) slots kept for others") }
    if witness.doubts > 0 { lines.append("  doubts     \(witness.doubts) that a witness will end") }
    return lines + (quoting ?? []).map { "  " + $0 }
  }
}

/// What a node keeps as a witness, and asks of others.
public struct WitnessStatus: Hashable, Sendable {
  /// Slots that are written and kept; `nil` for a node that is no witness.
  public let slots: Int?
  /// Slots of which this node has to know what is in them, and does not yet.
  public let doubts: Int

  /// For programs: one object.
  public var json: JSONValue {
    ["slots": slots.map { .integer(Int64($0)) } ?? .null, "doubts": .integer(Int64(doubts))]
  }
}

/// What an open channel has carried.
public struct ChannelStatus: Hashable, Sendable {
  /// One direction.
  public struct Direction: Hashable, Sendable {
    /// How often the keys were renewed.
    public let epoch: UInt32
    /// Records.
    public let records: UInt64
    /// Their bytes, as WebSocket messages.
    public let bytes: UInt64
  }

  /// The peer's DID.
  public let peer: String
  /// Whether this node called.
  public let isInitiator: Bool
  /// How long the last ping through the channel took; `nil` before the first answer.
  public let roundTrip: Duration?
  /// How the peer's clock stands against this one; `nil` while it is not measured.
  public var clock: ClockStatus?
  /// Streams that are open: one is the negotiation's, one a side measures round trips.
  public let streams: Int
  /// Streams that did not end in order.
  public let resetStreams: Int
  /// Pings that were not answered in time.
  public let lostPings: Int
  /// What this node has sent.
  public let sent: Direction
  /// What it has received.
  public let received: Direction

  /// For programs: one object.
  public var json: JSONValue {
    [
      "peer": .string(peer), "role": isInitiator ? "initiator" : "responder",
      "round_trip_ms": roundTrip.map { JSONValue.number(Self.milliseconds($0)) } ?? .null,
      "clock": clock?.json ?? .null, "streams": .integer(Int64(streams)),
      "streams_reset": .integer(Int64(resetStreams)), "pings_lost": .integer(Int64(lostPings)),
      "sent": sent.json, "received": received.json,
    ]
  }

  fileprivate static func milliseconds(_ duration: Duration) -> Double {
    (duration / .microseconds(1)).rounded() / 1_000
  }
}

extension ChannelStatus.Direction {
  fileprivate var json: JSONValue {
    [
      "epoch": .integer(Int64(epoch)), "records": .integer(Int64(clamping: records)),
      "bytes": .integer(Int64(clamping: bytes)),
    ]
  }
}

/// How a peer's clock stands against this one.
public struct ClockStatus: Hashable, Sendable {
  /// What the peer's clock shows more than this one.
  public let offset: Duration
  /// How far that may be wrong.
  public let bound: Duration

  var json: JSONValue {
    [
      "offset_ms": .number(ChannelStatus.milliseconds(offset)), "bound_ms": .number(ChannelStatus.milliseconds(bound)),
    ]
  }
}
