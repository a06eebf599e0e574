import ParleyCrypto
import ParleyWire

/// RETRY: what a responder under load answers message 1 with (section 8.3), told from message 2 by its length.
///
///     cookie[32] ‖ u8 difficulty ‖ u16 milliseconds
public struct Retry: Hashable, Sendable {
  /// Bytes of a RETRY.
  public static let byteCount = 35
  /// The most work that may be asked for, in leading zero bits.
  public static let difficultyLimit: UInt8 = 20
  /// The longest wait that may be asked for.
  public static let delayLimit: Duration = .milliseconds(2000)
  /// How often an initiator lets itself be asked.
  public static let countLimit = 2

  static let cookieByteCount = 32

  let cookie: [UInt8]
  let difficulty: UInt8
  let milliseconds: UInt16
  /// How long to wait before the next message 1.
  public var delay: Duration { .milliseconds(Int(milliseconds)) }

  init(cookie: [UInt8], difficulty: UInt8, milliseconds: UInt16) {
    self.cookie = cookie
    self.difficulty = difficulty
    self.milliseconds = milliseconds
  }

  var encoded: [UInt8] {
    var bytes = cookie
    bytes.append(difficulty)
    bytes.appendBigEndian(milliseconds)
    return bytes
  }

  init(_ bytes: [UInt8]) throws(HandshakeError) {
    var reader = ByteReader(bytes.rawSpan)
    guard let cookie = reader.readBytes(count: Self.cookieByteCount), let difficulty = reader.readUInt8(),
      let milliseconds = reader.readBigEndian(as: UInt16.self), reader.isAtEnd, difficulty <= Self.difficultyLimit,
      Duration.milliseconds(Int(milliseconds)) <= Self.delayLimit
    else { throw .malformedRetry }
    self.init(cookie: cookie, difficulty: difficulty, milliseconds: milliseconds)
  }
}

/// The search for a number that makes a message 1 cost its sender something.
///
/// Some 2^difficulty hashes: a driver searches in steps, so that nothing else has to wait.
public struct ProofOfWork: Sendable {
  private let prefix: [UInt8]
  private let difficulty: UInt8
  private var next: UInt64 = 0

  init(token: [UInt8], e: [UInt8], e1: [UInt8], difficulty: UInt8) {
    prefix = token + e + e1
    self.difficulty = difficulty
  }

  /// Tries up to `count` more numbers.
  ///
  /// All but their last block is hashed once for all of them.
  ///
  /// - Returns: The number that does it; `nil` if none of these did.
  public mutating func search(_ count: Int) -> UInt64? {
    var hashes = SHA256Continuations(of: prefix)
    for _ in 0..<count {
      let work = next
      next &+= 1
      if hashes.leadingBits(with: work).leadingZeroBitCount >= Int(difficulty) { return work }
    }
    return nil
  }

  /// The leading zero bits of `H(token ‖ e ‖ e1 ‖ work)`, 64 for more.
  static func zeroBits(_ prefix: [UInt8], _ work: UInt64) -> Int {
    var hash = SHA256Continuations(of: prefix)
    return hash.leadingBits(with: work).leadingZeroBitCount
  }
}

/// Makes and checks cookies without remembering any (section 8.3).
///
///     cookie = u8 difficulty ‖ HMAC(key, "parley/psc1 cookie" ‖ 00 ‖ u8 difficulty ‖ u64 bucket ‖ source)[0..31]
struct RetryCookies: Sendable {
  static let bucket: Duration = .seconds(120)

  private let key: SecretBytes
  private let epoch: ContinuousClock.Instant

  /// - Parameters:
  ///   - key: 32 random bytes of this process alone.
  ///   - epoch: From when on buckets are counted.
  init(key: SecretBytes, epoch: ContinuousClock.Instant) {
    self.key = key
    self.epoch = epoch
  }

  func cookie(for source: AdmissionSource, difficulty: UInt8, now: ContinuousClock.Instant) -> [UInt8] {
    cookie(source, difficulty, bucket(now))
  }

  /// The difficulty that a cookie was issued with, to this source in this bucket or the one before; `nil` for any other.
  func difficulty(of cookie: [UInt8], from source: AdmissionSource, now: ContinuousClock.Instant) -> UInt8? {
    guard let difficulty = cookie.first else { return nil }
    let current = bucket(now)
    for bucket in [current, current &- 1] where ConstantTime.equal(cookie, self.cookie(source, difficulty, bucket)) {
      return difficulty
    }
    return nil
  }

  private func bucket(_ now: ContinuousClock.Instant) -> UInt64 {
    UInt64(max(0, (now - epoch) / Self.bucket)) &+ 1
  }

  private func cookie(_ source: AdmissionSource, _ difficulty: UInt8, _ bucket: UInt64) -> [UInt8] {
    var message = Array("parley/psc1 cookie\0".utf8)
    message.append(difficulty)
    message.appendBigEndian(bucket)
    message += source.bytes
    return [difficulty] + HMACSHA256.authenticate(message, key: key).prefix(Retry.cookieByteCount - 1)
  }
}
