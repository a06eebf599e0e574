import ParleyWebSocket
import ParleyWire

/// What a stranger writes into `Authorization` or offers as a subprotocol never traps, and lets nobody in who does not
/// show the token: no signature can be guessed.
@c(LLVMFuzzerTestOneInput)
public func fuzzAuthentication(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  // The first byte says where the rest goes.
  let name = (input.first ?? 0) & 1 == 0 ? "Authorization: " : "Sec-WebSocket-Protocol: v1, "
  let value = Array(input.dropFirst())
  if let upgrade = request(name, value) {
    var authenticator = ways
    let attempt = AuthenticationAttempt(
      request: upgrade, exporter: nil, certificate: nil, now: UnixNanoseconds(1), time: MonotonicTime(nanoseconds: 2),
      randomness: [UInt8](repeating: 3, count: 16))
    if let identity = try? authenticator.identify(attempt) {
      precondition(identity.proof == .token(id: "one"))
      let shown = name.hasPrefix("A") ? Array(token.utf8) : Array(Base64URL.encode(Array(token.utf8)).utf8)
      precondition(value.indices.contains { value[$0...].starts(with: shown) })
    }
  }
  let refusal = Array("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: ".utf8) + value + Array("\r\n\r\n".utf8)
  if let head = try? HTTPResponseHead(reader(refusal)), let challenge = AuthenticationFields.challenge(in: head) {
    let url = WebURL("ws://localhost/")!
    _ = AuthenticationFields.answer(
      to: challenge, at: url, exporter: nil, publicKey: [UInt8](repeating: 1, count: 32)
    ) { _ in [UInt8](repeating: 2, count: 64) }
  }
  return 0
}

private let token = "parley"

private let ways = ClientAuthenticator(
  tokens: BearerTokens([
    BearerTokens.Grant(id: "one", hash: BearerTokens.hash(token), subject: "bot", scopes: ["read"])
  ]),
  challenges: SignedChallenges(
    [SignedChallenges.Grant(id: "key", publicKey: [UInt8](repeating: 1, count: 32), subject: "bot", scopes: [])],
    hosts: ["localhost"], secret: [UInt8](repeating: 4, count: 32)))

private struct Incomplete: Error {}

private func reader(_ bytes: [UInt8]) throws -> HTTPHeadReader {
  var reader = HTTPHeadReader()
  _ = try reader.receive(bytes.rawSpan)
  guard reader.isComplete else { throw Incomplete() }
  return reader
}

private func request(_ name: String, _ value: [UInt8]) -> UpgradeRequest? {
  let before =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + name
  guard let head = try? HTTPRequestHead(reader(Array(before.utf8) + value + Array("\r\n\r\n".utf8))) else { return nil }
  return try? UpgradeRequest(head, policy: UpgradePolicy(subprotocols: ["v1"]))
}
