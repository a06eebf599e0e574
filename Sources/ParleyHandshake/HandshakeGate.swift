public import ParleyCrypto
public import ParleyIdentity

/// Decides about message 1 before any public-key operation (section 8.3): the cheapest check first, and a price when
/// handshakes take too much of the processor.
///
///                       ┌─ wrong length, version, flags, mac1 ─▶ error: drop, and a penalty
///     message 1 ────────┼─ load is low ────────────────────────▶ proceed
///                       ├─ priority token, spent by this ──────▶ proceed
///                       ├─ cookie of this source, and work ────▶ proceed
///                       └─ anything else ──────────────────────▶ retry
public struct HandshakeGate: Sendable {
  /// What becomes of a message 1.
  public enum Decision: Hashable, Sendable {
    /// It goes to the ``Responder``.
    case proceed
    /// These 35 bytes are the answer, and the connection waits for another message 1.
    case retry([UInt8])
  }

  private let responder: DID
  private let limits: AdmissionLimits
  private let cookies: RetryCookies
  private var load = LoadMeter()
  // By their hashes: a search compares byte by byte, and how long that takes must say nothing of a token.
  private var tokens: [[UInt8]: DID] = [:]
  private var tokenOrder: [[UInt8]] = []
  private var nextToken = 0
  private var solutions: Recent

  /// Creates the gate of one responder.
  ///
  /// - Parameters:
  ///   - responder: Whom message 1 must be meant for.
  ///   - limits: What to grant.
  ///   - cookieKey: 32 random bytes, of this process alone.
  ///   - now: The time.
  public init(
    responder: DID, limits: AdmissionLimits = AdmissionLimits(), cookieKey: SecretBytes = .random(count: 32),
    now: ContinuousClock.Instant
  ) {
    self.responder = responder
    self.limits = limits
    cookies = RetryCookies(key: cookieKey, epoch: now)
    solutions = Recent(limit: limits.solutions)
  }

  /// Notes how much processor time a handshake has taken.
  public mutating func spent(_ time: Duration, now: ContinuousClock.Instant) { load.add(time, now) }

  /// Remembers the priority tokens of an ACCEPT; each opens the gate once.
  ///
  /// When there are too many, the oldest go.
  public mutating func issued(_ priorityTokens: [[UInt8]], to peer: DID) {
    for token in priorityTokens.map({ SHA256.hash($0) }) where tokens.updateValue(peer, forKey: token) == nil {
      if tokenOrder.count < limits.priorityTokens {
        tokenOrder.append(token)
      } else {
        tokens[tokenOrder[nextToken]] = nil
        tokenOrder[nextToken] = token
        nextToken = (nextToken + 1) % limits.priorityTokens
      }
    }
  }

  /// Decides about a message 1.
  ///
  /// - Parameters:
  ///   - message: The message.
  ///   - source: Where it comes from.
  ///   - now: The time.
  /// - Returns: What to do.
  /// - Throws: What is wrong with the message: the connection is dropped without an answer.
  public mutating func decide(
    _ message: [UInt8], from source: AdmissionSource, now: ContinuousClock.Instant
  ) throws(HandshakeError) -> Decision {
    let message1 = try Message1(message, at: responder)
    let share = load.thousandths(now)
    guard share > limits.freeLoad else { return .proceed }
    let token = message1.token
    if tokens.removeValue(forKey: SHA256.hash(token)) != nil { return .proceed }
    if let difficulty = cookies.difficulty(of: token, from: source, now: now),
      ProofOfWork.zeroBits(token + message1.e + message1.e1, message1.work) >= Int(difficulty),
      solutions.insert(token + message1.e)
    {
      return .proceed
    }
    return .retry(retry(source, share, now).encoded)
  }

  /// From 14 bits up to 20 as the load grows, and a longer wait.
  private func retry(_ source: AdmissionSource, _ share: Int, _ now: ContinuousClock.Instant) -> Retry {
    let step = min(6, max(0, share - limits.freeLoad) / 100)
    let difficulty = min(Retry.difficultyLimit, UInt8(truncatingIfNeeded: 14 + step))
    return Retry(
      cookie: cookies.cookie(for: source, difficulty: difficulty, now: now), difficulty: difficulty,
      milliseconds: UInt16(truncatingIfNeeded: 250 * step))
  }
}

/// What was seen lately: up to a limit, of which the oldest goes first.
struct Recent: Sendable {
  private let limit: Int
  private var members: Set<[UInt8]> = []
  private var order: [[UInt8]] = []
  private var next = 0

  /// - Precondition: `limit > 0`.
  init(limit: Int) {
    precondition(limit > 0)
    self.limit = limit
  }

  /// Remembers it; `false` if it was there already.
  mutating func insert(_ member: [UInt8]) -> Bool {
    guard members.insert(member).inserted else { return false }
    guard order.count == limit else {
      order.append(member)
      return true
    }
    members.remove(order[next])
    order[next] = member
    next = (next + 1) % limit
    return true
  }
}

/// How much of a core's time something has taken lately: in this second, and what of the second before is not a second ago.
struct LoadMeter: Sendable {
  private var begin: ContinuousClock.Instant?
  private var current: Duration = .zero
  private var previous: Duration = .zero

  mutating func add(_ time: Duration, _ now: ContinuousClock.Instant) {
    advance(now)
    current += time
  }

  /// The share in thousandths.
  mutating func thousandths(_ now: ContinuousClock.Instant) -> Int {
    advance(now)
    guard let begin else { return 0 }
    let rest = 1 - min(1, (now - begin) / .seconds(1))
    return Int(min(1_000_000, 1000 * (current / .seconds(1) + rest * (previous / .seconds(1)))))
  }

  private mutating func advance(_ now: ContinuousClock.Instant) {
    guard let start = begin else {
      begin = now
      return
    }
    let age = now - start
    guard age >= .seconds(1) else { return }
    previous = age < .seconds(2) ? current : .zero
    current = .zero
    begin = age < .seconds(2) ? start + .seconds(1) : now
  }
}
