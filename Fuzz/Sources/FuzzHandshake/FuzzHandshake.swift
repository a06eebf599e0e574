import ParleyCrypto
@_spi(Fuzzing) import ParleyHandshake
import ParleyIdentity

/// No bytes trap a machine of the handshake, in any state in which they can come; the first one chooses the state.
@c(LLVMFuzzerTestOneInput)
public func fuzzHandshake(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let choice = input.first else { return 0 }
  let bytes = Array(input.dropFirst())
  switch choice % 6 {
  case 0:
    _ = try? HandshakeHeader.decode(String(decoding: bytes, as: UTF8.self))
    _ = try? Prologue(
      offered: [String(decoding: bytes, as: UTF8.self)], selected: Prologue.subprotocol, channelBinding: .none)
  case 1:
    var responder = Sides.shared.responder()
    _ = try? responder.receiveMessage1(bytes, prologue: Sides.shared.prologue)
  case 2:
    // Any two keys, behind an authenticator that is right.
    let keys = bytes + [UInt8](repeating: 0, count: max(0, 1216 - bytes.count))
    var responder = Sides.shared.responder()
    guard
      let message = HandshakeFuzzing.message1(keys: Array(keys[..<1216]), to: Sides.shared.signer.identity.did)
    else { return 0 }
    _ = try? responder.receiveMessage1(message, prologue: Sides.shared.prologue)
  case 3:
    var initiator = Sides.shared.initiator()
    _ = try? initiator.receiveMessage2(bytes)
  case 4:
    var responder = Sides.shared.responder()
    _ = try? responder.receiveMessage1(Sides.shared.initiator().message1, prologue: Sides.shared.prologue)
    _ = try? responder.openMessage3(bytes)
  default:
    var initiator = Sides.shared.initiator()
    var responder = Sides.shared.responder()
    guard
      let two = try? responder.receiveMessage1(initiator.message1, prologue: Sides.shared.prologue),
      (try? initiator.receiveMessage2(two)) != nil
    else { return 0 }
    try? initiator.receiveAccept(bytes)
  }
  return 0
}

/// Two sides with fixed keys; a finding repeats.
private struct Sides: Sendable {
  static let shared = Sides()

  let signer: LocalSigner
  let dialler: LocalSigner
  let prologue: Prologue
  let keys = [X25519.PrivateKey(raw: secret(3)), X25519.PrivateKey(raw: secret(4))]

  init() {
    do {
      signer = try Self.signer(1)
      dialler = try Self.signer(2)
      prologue = try Prologue(
        offered: [Prologue.subprotocol], selected: Prologue.subprotocol, channelBinding: .none)
    } catch {
      preconditionFailure("\(error)")
    }
  }

  func initiator() -> Initiator {
    var initiator = Initiator(
      signer: dialler, responder: signer.identity, staticKey: keys[0], randomness: Self.randomness(5))
    initiator.begin(prologue: prologue)
    return initiator
  }

  func responder() -> Responder {
    Responder(signer: signer, staticKey: keys[1], randomness: Self.randomness(6))
  }

  private static func secret(_ byte: UInt8, count: Int = 32) -> SecretBytes {
    SecretBytes(copying: [UInt8](repeating: byte, count: count))
  }

  private static func randomness(_ byte: UInt8) -> HandshakeRandomness {
    HandshakeRandomness(
      ephemeralKey: secret(byte), kemSeed: secret(byte, count: 64), kemMessage: secret(byte),
      resumeID: [UInt8](repeating: byte, count: 16), priorityTokens: [UInt8](repeating: byte, count: 128))
  }

  private static func signer(_ byte: UInt8) throws -> LocalSigner {
    let key = Ed25519.SigningKey(seed: secret(byte))
    return try LocalSigner(
      identity: LocalResolver.resolve(DIDKey.did(for: key.publicKey.raw)), ed25519: key)
  }
}
