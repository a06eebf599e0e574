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
  /// Entries in its journal.
  public let entries: UInt64
  /// What it quotes, in lines for a person; `nil` if nothing.
  public let quoting: [String]?

  /// For programs: one object.
  public var json: JSONValue {
    [
      "event": "ready", "did": .string(did), "listen": listen.map(JSONValue.string) ?? .null,
      "control": .string(control), "connected": .array(connected.map(JSONValue.string)),
      "entries": .integer(Int64(clamping: entries)),
    ]
  }

  /// For people.
  public var lines: [String] {
    var lines = ["\(did)", "  listening  \(listen ?? "no: this node only calls")", "  control    \(control)"]
    lines.append("  journal    \(entries) entries")
    return lines + (quoting ?? []).map { "  " + $0 }
  }
}
