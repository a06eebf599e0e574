import CHandshakePeers
import ParleyCrypto
import ParleyHandshake
import ParleyIdentity

/// Whole handshakes between two nodes that keep their keys, with the time that each takes for its part.
///
/// A side does all that the node does with bytes and keys: it reads the request's field, passes the gate, draws its
/// randomness, and the responder asks its resolver for the document of a peer that it knows. Not part of it are sockets
/// and stores.
struct Exchange {
  private let initiator, responder: LocalSigner
  private let initiatorStatic = X25519.PrivateKey(), responderStatic = X25519.PrivateKey()
  private let source: AdmissionSource
  private var gate: HandshakeGate
  private var resolver = DIDResolver()

  init() throws {
    guard let source = AdmissionSource([127, 0, 0, 1]) else { throw Unexpected() }
    self.source = source
    initiator = try Self.makeSigner()
    responder = try Self.makeSigner()
    gate = HandshakeGate(responder: responder.identity.did, now: .now)
  }

  /// What one handshake took, in nanoseconds; `document` is a part of `responder`.
  struct Costs {
    var initiator = 0.0, responder = 0.0, document = 0.0
  }

  mutating func run() throws -> Costs {
    var clock = StopWatch()
    var costs = Costs()
    var near = Initiator(signer: initiator, responder: responder.identity, staticKey: initiatorStatic)
    let field = HandshakeHeader.encode(near.message1)
    costs.initiator += clock.lap()

    var far = Responder(signer: responder, staticKey: responderStatic)
    let message1 = try HandshakeHeader.decode(field)
    guard try gate.decide(message1, from: source, now: .now) == .proceed else { throw Unexpected() }
    let message2 = try far.receiveMessage1(message1, prologue: try Self.prologue())
    costs.responder += clock.lap()

    near.begin(prologue: try Self.prologue())
    let message3 = try near.receiveMessage2(message2)
    costs.initiator += clock.lap()

    let claim = try far.openMessage3(message3)
    costs.responder += clock.lap()
    var request = DIDResolver.Request(claim.did)
    request.documentBytes = claim.documentBytes
    request.isKnown = true
    guard case .answer(.success(let resolution)) = resolver.resolve(request, now: .zero) else { throw Unexpected() }
    let peer = try resolution.peerIdentity(keyFragment: claim.keyFragment)
    costs.document = clock.lap()
    let accept = try far.accept(peer)
    let listening = far.split()
    costs.responder += costs.document + clock.lap()

    try near.receiveAccept(accept)
    let dialling = near.split()
    costs.initiator += clock.lap()
    guard listening.transcriptHash == dialling.transcriptHash else { throw Unexpected() }
    return costs
  }

  private struct Unexpected: Error {}

  private static func prologue() throws -> Prologue {
    try Prologue(offered: [Prologue.subprotocol], selected: Prologue.subprotocol, channelBinding: .none)
  }

  private static func makeSigner() throws -> LocalSigner {
    let key = Ed25519.SigningKey()
    let input = try DIDPeer4.inputDocument(ed25519: key.publicKey, mldsa65: nil, endpoint: "ws://127.0.0.1:7001/")
    let identity = try LocalResolver.resolve(DIDPeer4.create(inputDocument: input).shortForm, documentBytes: input)
    return try LocalSigner(identity: identity, ed25519: key, mldsa65: nil)
  }
}

/// The processor time of this thread since it was asked last.
struct StopWatch {
  private var last = cpu_nanoseconds()

  mutating func lap() -> Double {
    let now = cpu_nanoseconds()
    defer { last = now }
    return now - last
  }
}
