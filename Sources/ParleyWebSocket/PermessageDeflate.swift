/// Compression of messages (RFC 7692): what is offered, what is agreed.
public enum PermessageDeflate {
  /// The extension's name in `Sec-WebSocket-Extensions`.
  static let name = "permessage-deflate"
  /// The powers of two that a window's size may be (section 7.1.2).
  static let windowBits = 8...15

  /// What both ends agreed to in the opening handshake (section 7.1).
  public struct Agreement: Hashable, Sendable {
    /// Whether each message of the server is compressed by itself.
    public var serverNoContextTakeover: Bool
    /// Whether each message of the client is compressed by itself.
    public var clientNoContextTakeover: Bool
    /// The server's window is 2 to this power bytes: 8...15.
    public var serverMaximumWindowBits: Int
    /// The client's window is 2 to this power bytes: 8...15.
    public var clientMaximumWindowBits: Int

    /// Creates an agreement; without arguments the one that no parameter restricts.
    public init(
      serverNoContextTakeover: Bool = false, clientNoContextTakeover: Bool = false, serverMaximumWindowBits: Int = 15,
      clientMaximumWindowBits: Int = 15
    ) {
      precondition(PermessageDeflate.windowBits.contains(serverMaximumWindowBits))
      precondition(PermessageDeflate.windowBits.contains(clientMaximumWindowBits))
      self.serverNoContextTakeover = serverNoContextTakeover
      self.clientNoContextTakeover = clientNoContextTakeover
      self.serverMaximumWindowBits = serverMaximumWindowBits
      self.clientMaximumWindowBits = clientMaximumWindowBits
    }

    /// Whether messages of this end may refer back to those before them.
    public func keepsContext(of sender: WebSocketMachine.Role) -> Bool {
      sender == .server ? !serverNoContextTakeover : !clientNoContextTakeover
    }

    /// The window of this end's messages is 2 to this power bytes.
    public func windowBits(of sender: WebSocketMachine.Role) -> Int {
      sender == .server ? serverMaximumWindowBits : clientMaximumWindowBits
    }
  }

  /// What this end wants, and what its compression costs.
  ///
  /// By default no context is kept in either direction: an idle connection then holds no memory of zlib.
  public struct Options: Hashable, Sendable {
    /// zlib's level: 0 (stored) and 1 (fast) to 9 (small).
    ///
    /// zlib's own default, 6, takes two to three times as long on messages of some kilobytes, which come out a tenth smaller.
    public var level = 1 {
      didSet { precondition((0...9).contains(level)) }
    }
    /// zlib's memory for hashing: 2 to the power of this and 9 bytes: 1...9.
    public var memoryLevel = 8 {
      didSet { precondition((1...9).contains(memoryLevel)) }
    }
    /// Messages below this many bytes are sent as they are.
    public var minimumByteCount = 128 {
      didSet { precondition(minimumByteCount >= 0) }
    }
    /// The largest window that this end compresses with is 2 to this power bytes: 8...15.
    public var sendingWindowBits = 15 {
      didSet { precondition(PermessageDeflate.windowBits.contains(sendingWindowBits)) }
    }
    /// The largest window that this end keeps for what it inflates is 2 to this power bytes: 8...15.
    public var receivingWindowBits = 15 {
      didSet { precondition(PermessageDeflate.windowBits.contains(receivingWindowBits)) }
    }
    /// Whether this end's messages may refer back to those before them, if the peer lets them.
    ///
    /// That compresses small messages that are alike much better, and costs 2 to the power of ``sendingWindowBits`` and 2
    /// more, and 2 to the power of ``memoryLevel`` and 9 bytes a connection: 256 KiB by default.
    public var keepsSendingContext = false
    /// Whether the peer's messages may refer back to those before them.
    ///
    /// That costs 10 KiB and 2 to the power of ``receivingWindowBits`` bytes a connection: 42 KiB by default.
    public var keepsReceivingContext = false

    /// Creates the options of a connection that keeps no context.
    public init() {}
  }
}
