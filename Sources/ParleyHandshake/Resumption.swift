import ParleyCrypto
public import ParleyIdentity
import ParleyWire

/// How far one side has received a stream of an earlier session.
public struct StreamPosition: Hashable, Sendable {
  /// The stream's number.
  public var stream: UInt32
  /// The sequence number of the last message that was received and kept; 0 for none.
  public var last: UInt64

  /// States both.
  public init(stream: UInt32, last: UInt64) {
    self.stream = stream
    self.last = last
  }
}

/// What resuming may cost (section 8.2).
public enum ResumptionLimits {
  /// The most streams that a session resumes.
  public static let streams = 256
  /// How long after its end a session can be resumed.
  public static let age: Duration = .seconds(3600)
}

/// What a side keeps of a session to resume its streams in a later one (section 8.2).
///
/// It is not a ticket that replaces a handshake: it is of use only inside a new session of the same two DIDs.
public struct ResumableSession: Sendable {
  /// The responder's name for the session, 16 bytes.
  public let resumeID: [UInt8]
  /// The other side.
  public let peer: DID
  /// What both sides prove to know.
  let continuity: SecretBytes

  /// The proof that `role` knew the old session, in the new one with this transcript.
  func proof(of role: Role, in transcriptHash: [UInt8]) -> [UInt8] {
    HMACSHA256.authenticate([role.rawValue] + transcriptHash, key: continuity)
  }
}

/// The sessions that a responder lets resume: few, each once, and none that is old.
///
/// A session goes in when its connection ends, and out when somebody names it, whatever comes of that.
public struct ResumptionTable: Sendable {
  private struct Entry {
    let session: ResumableSession
    let streams: [StreamPosition]
    let ended: ContinuousClock.Instant
  }

  /// The most sessions; the oldest goes when one more comes.
  public let limit: Int
  private var entries: [[UInt8]: Entry] = [:]
  /// The names in the order in which they came; some may be gone.
  private var order: [[UInt8]] = []

  /// Creates an empty table.
  ///
  /// - Precondition: `limit` is positive.
  public init(limit: Int = 1024) {
    precondition(limit > 0)
    self.limit = limit
  }

  /// How many sessions can be resumed, those that have grown too old since included.
  public var count: Int { entries.count }

  /// Keeps a session that has ended.
  ///
  /// - Parameters:
  ///   - session: The session.
  ///   - streams: How far this side has received its streams.
  ///   - now: The time.
  /// - Precondition: There are at most ``ResumptionLimits/streams`` streams.
  public mutating func insert(_ session: ResumableSession, streams: [StreamPosition], now: ContinuousClock.Instant) {
    precondition(streams.count <= ResumptionLimits.streams)
    while let oldest = order.first, entries.count >= limit || isOver(oldest, now) {
      entries[oldest] = nil
      order.removeFirst()
    }
    entries[session.resumeID] = Entry(session: session, streams: streams, ended: now)
    order.append(session.resumeID)
    if order.count > 2 * limit { order = order.filter { entries[$0] != nil } }
  }

  /// Takes the session of that name out, and gives it if it was with `peer` and is not too old.
  mutating func take(
    _ resumeID: [UInt8], of peer: DID, now: ContinuousClock.Instant
  ) -> (session: ResumableSession, streams: [StreamPosition])? {
    guard let entry = entries.removeValue(forKey: resumeID) else { return nil }
    guard entry.session.peer.hasSameBytes(as: peer), now - entry.ended <= ResumptionLimits.age else { return nil }
    return (entry.session, entry.streams)
  }

  private func isOver(_ name: [UInt8], _ now: ContinuousClock.Instant) -> Bool {
    guard let entry = entries[name] else { return true }
    return now - entry.ended > ResumptionLimits.age
  }
}

/// The body of a RESUME record.
///
///     resumeID[16] ‖ proof[32] ‖ u16 n ‖ n × (u32 stream ‖ u64 last)
struct ResumeBody: Hashable {
  var resumeID: [UInt8]
  var proof: [UInt8]
  var streams: [StreamPosition]

  var encoded: [UInt8] { resumeID + proof + StreamPosition.encode(streams) }

  init(resumeID: [UInt8], proof: [UInt8], streams: [StreamPosition]) {
    self.resumeID = resumeID
    self.proof = proof
    self.streams = streams
  }

  init(_ body: RawSpan) throws(HandshakeError) {
    var reader = ByteReader(body)
    guard let resumeID = reader.readBytes(count: AcceptBody.resumeIDByteCount),
      let proof = reader.readBytes(count: HMACSHA256.byteCount), let streams = reader.readStreamPositions(),
      reader.isAtEnd
    else { throw .malformedResumption }
    self.init(resumeID: resumeID, proof: proof, streams: streams)
  }
}

/// The body of a RESUMED record: nothing, which is a no; or a proof, and how far the responder has received.
///
///     proof[32] ‖ u16 n ‖ n × (u32 stream ‖ u64 last)
struct ResumedBody: Hashable {
  var proof: [UInt8]
  var streams: [StreamPosition]

  var encoded: [UInt8] { proof + StreamPosition.encode(streams) }

  init(proof: [UInt8], streams: [StreamPosition]) {
    self.proof = proof
    self.streams = streams
  }

  init(_ body: RawSpan) throws(HandshakeError) {
    var reader = ByteReader(body)
    guard let proof = reader.readBytes(count: HMACSHA256.byteCount), let streams = reader.readStreamPositions(),
      reader.isAtEnd
    else { throw .malformedResumption }
    self.init(proof: proof, streams: streams)
  }
}

extension StreamPosition {
  fileprivate static func encode(_ streams: [StreamPosition]) -> [UInt8] {
    precondition(streams.count <= ResumptionLimits.streams, "a session resumes at most 256 streams")
    var bytes = [UInt8]()
    bytes.appendBigEndian(UInt16(truncatingIfNeeded: streams.count))
    for position in streams.sorted(by: { $0.stream < $1.stream }) {
      bytes.appendBigEndian(position.stream)
      bytes.appendBigEndian(position.last)
    }
    return bytes
  }
}

extension ByteReader {
  /// A list of streams, which ascend; `nil` for one that is malformed or too long.
  fileprivate mutating func readStreamPositions() -> [StreamPosition]? {
    guard let count = readBigEndian(as: UInt16.self), Int(count) <= ResumptionLimits.streams else { return nil }
    var streams = [StreamPosition]()
    for _ in 0..<count {
      guard let stream = readBigEndian(as: UInt32.self), let last = readBigEndian(as: UInt64.self),
        streams.last.map({ $0.stream < stream }) ?? true
      else { return nil }
      streams.append(StreamPosition(stream: stream, last: last))
    }
    return streams
  }
}
