import CHandshakePeers
import Glibc
import ParleyCrypto
import ParleyHandshake
import ParleyIdentity

/// What a handshake costs each side, against its asymmetric operations alone and against mutual TLS 1.3.
///
/// A side runs against the recorded messages of the other, with the same randomness each time: the time of one side is
/// then that side's alone.
@main
enum BenchHandshake {
  static let rounds = 301

  static func main() throws {
    var primitives = primitive_costs()
    var tls = tls_costs()
    // In turn, so that what else the machine does meets all of them.
    guard unsafe measure_primitives(CInt(rounds), &primitives) == 0, unsafe measure_tls(CInt(rounds), &tls) == 0 else {
      print("BenchHandshake: OpenSSL or libsodium failed")
      exit(1)
    }
    let run = try Recording()
    let initiator = try median { try run.initiate() }
    let responder = try median { try run.respond() }

    let shared = primitives.x25519_keygen + 3 * primitives.x25519_derive + primitives.sign + primitives.verify
    let ofInitiator = shared + primitives.kem_keygen + primitives.kem_decapsulate
    let ofResponder = shared + primitives.kem_encapsulate
    print("Handshake: CPU time a side, suite 1; medians of \(rounds)\n")
    print(
      "  X25519 \(us(primitives.x25519_keygen)) keygen, \(us(primitives.x25519_derive)) derive;"
        + " ML-KEM-768 \(us(primitives.kem_keygen)) keygen, \(us(primitives.kem_encapsulate)) encapsulate,"
        + " \(us(primitives.kem_decapsulate)) decapsulate; Ed25519 \(us(primitives.sign)) sign,"
        + " \(us(primitives.verify)) verify\n")
    row("initiator", initiator, ofInitiator, tls.client)
    row("responder", responder, ofResponder, tls.server)
  }

  static func row(_ name: String, _ cost: Double, _ primitives: Double, _ tls: Double) {
    print(
      "  \(name): \(us(cost)) = \(hundredths(cost / primitives)) x its primitives (\(us(primitives)))"
        + " = \(hundredths(cost / tls)) x mutual TLS 1.3 (\(us(tls)))")
  }

  static func us(_ nanoseconds: Double) -> String { "\((nanoseconds / 100).rounded() / 10) us" }

  static func hundredths(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }

  static func median(_ body: () throws -> Void) rethrows -> Double {
    var samples: [Double] = []
    for _ in 0..<rounds {
      let start = cpuNanoseconds()
      try body()
      samples.append(cpuNanoseconds() - start)
    }
    samples.sort()
    return samples[rounds / 2]
  }

  static func cpuNanoseconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }
}

/// One handshake, of which each side can be run again alone.
struct Recording {
  let prologue: Prologue
  let initiator, responder: LocalSigner
  let initiatorStatic = X25519.PrivateKey(), responderStatic = X25519.PrivateKey()
  let initiatorRandomness = HandshakeRandomness.system(), responderRandomness = HandshakeRandomness.system()
  var message1: [UInt8] = [], message2: [UInt8] = [], message3: [UInt8] = [], accept: [UInt8] = []

  init() throws {
    prologue = try Prologue(offered: ["parley.v1"], selected: "parley.v1", channelBinding: .none)
    initiator = try Self.makeSigner()
    responder = try Self.makeSigner()
    var near = makeInitiator()
    var far = makeResponder()
    near.begin(prologue: prologue)
    message1 = near.message1
    message2 = try far.receiveMessage1(message1, prologue: prologue)
    message3 = try near.receiveMessage2(message2)
    _ = try far.openMessage3(message3)
    accept = try far.accept(initiator.identity)
    try near.receiveAccept(accept)
  }

  static func makeSigner() throws -> LocalSigner {
    let key = Ed25519.SigningKey()
    let input = try DIDPeer4.inputDocument(ed25519: key.publicKey, mldsa65: nil, endpoint: "ws://127.0.0.1:7001/")
    let identity = try LocalResolver.resolve(DIDPeer4.create(inputDocument: input).shortForm, documentBytes: input)
    return try LocalSigner(identity: identity, ed25519: key, mldsa65: nil)
  }

  func makeInitiator() -> Initiator {
    Initiator(
      signer: initiator, responder: responder.identity, staticKey: initiatorStatic, randomness: initiatorRandomness)
  }

  func makeResponder() -> Responder {
    Responder(signer: responder, staticKey: responderStatic, randomness: responderRandomness)
  }

  func initiate() throws {
    var machine = makeInitiator()
    machine.begin(prologue: prologue)
    _ = try machine.receiveMessage2(message2)
    try machine.receiveAccept(accept)
    _ = machine.split()
  }

  func respond() throws {
    var machine = makeResponder()
    _ = try machine.receiveMessage1(message1, prologue: prologue)
    _ = try machine.openMessage3(message3)
    _ = try machine.accept(initiator.identity)
    _ = machine.split()
  }
}
