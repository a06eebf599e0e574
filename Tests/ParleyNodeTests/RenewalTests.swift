import Foundation
import ParleyCrypto
import ParleyHandshake
import ParleyIO
import ParleyIdentity
import ParleyWebSocket
import ParleyWire
import Testing

@testable import ParleyNode

/// The keys of a channel are renewed while it is in use, over real sockets.
@Suite("Renewal of keys")
struct RenewalTests {
  @Test("two nodes go through epoch after epoch on one connection")
  func nodes() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "parley-renewal-\(UUID().uuidString.prefix(8))")
    defer { try? FileManager.default.removeItem(at: folder) }
    let listener = try ListeningSocket()
    let maker = try await Self.start(folder.appending(path: "maker"), listener)
    let taker = try await Self.start(folder.appending(path: "taker"), nil)
    let did = NodeIdentity.longForm(maker.identity)
    _ = try await taker.connect(did)
    #expect(
      await Self.eventually {
        let epochs = (await taker.epoch, await maker.epoch)
        return min(epochs.0, epochs.1) >= 8
      })
    #expect(await taker.nextChannelNumber == 1)
    await taker.stop()
    await maker.stop()
  }

  @Test("a node under load has its callers work, and lets those in first whom it knows")
  func load() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "parley-load-\(UUID().uuidString.prefix(8))")
    defer { try? FileManager.default.removeItem(at: folder) }
    let listener = try ListeningSocket()
    let maker = try await Self.start(folder.appending(path: "maker"), listener, freeLoad: -1)
    let taker = try await Self.start(folder.appending(path: "taker"), nil)
    _ = try await taker.connect(NodeIdentity.longForm(maker.identity))
    #expect(await taker.retries == 1)
    #expect(await taker.priorityTokens[maker.identity.did]?.count == 4)
    // The next call has a token to show.
    await taker.hangUp()
    #expect(await Self.eventually { await taker.isConnectedAgain })
    #expect(await taker.retries == 0)
    await taker.stop()
    await maker.stop()
  }

  private static func start(
    _ folder: URL, _ listener: ListeningSocket?, freeLoad: Int = 200
  ) async throws -> Node {
    let home = NodeHome(path: folder.path())
    let passphrase = Array("correct horse".utf8)
    let endpoint = listener.map { "ws://127.0.0.1:\($0.address.port)" }
    try home.initialize(
      Keystore.create(passphrase: SecretBytes(copying: passphrase), endpoint: endpoint, cost: .minimum))
    var configuration = NodeConfiguration(home: home, log: .standardError(.error))
    configuration.allowsAnyone = true
    configuration.listen = listener.map { .descriptor($0.descriptor) }
    configuration.admissionLimits.freeLoad = freeLoad
    configuration.channelLimits.renewalAge = .milliseconds(20)
    configuration.channelLimits.epochAge = .seconds(10)
    return try await Node.start(configuration, signer: home.openSigner(passphrase: passphrase))
  }

  static func eventually(within limit: Duration = .seconds(100), _ condition: () async -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
      if await condition() { return true }
      try? await Task.sleep(for: .milliseconds(5))
    }
    return await condition()
  }

  @Test("a flood of small messages shares records, and crosses many epochs in order", arguments: [false, true])
  func flood(postQuantum: Bool) async throws {
    let loop = try EventLoop()
    defer { loop.shutDown() }
    let pair = try await ChannelPair(on: loop, postQuantum: postQuantum)
    let count = 1_000
    await pair.run { pair in
      for number in 0..<count {
        pair.initiator?.send(ChannelPair.message(number, filling: 700))
        pair.responder?.send(ChannelPair.message(number, filling: 5))
      }
    }
    #expect(
      await Self.eventually { await pair.run { $0.received.initiator == count && $0.received.responder == count } })
    let counters = await pair.run { ($0.initiator?.counters, $0.responder?.counters, $0.faults) }
    #expect(counters.2 == [])
    // The initiator's messages need 43 records at least, of which an epoch carries 6.
    let sent = try #require(counters.0?.sent)
    #expect(sent.epoch >= 7)
    #expect(sent.records < 200, "messages should share records")
    let answered = try #require(counters.1?.sent)
    #expect(answered.records < 200, "messages should share records")
    await pair.run { $0.initiator?.close() }
    #expect(await Self.eventually { await pair.run { $0.endings == 2 } })
    #expect(await pair.run { $0.initiator?.endedInOrder == true && $0.responder?.endedInOrder == true })
  }

  @Test("a message to an idle peer leaves at once, by itself")
  func idle() async throws {
    let loop = try EventLoop()
    defer { loop.shutDown() }
    let pair = try await ChannelPair(on: loop, postQuantum: false)
    for number in 0..<5 {
      await pair.run { $0.initiator?.send(ChannelPair.message(number, filling: 10)) }
      #expect(await Self.eventually { await pair.run { $0.received.responder == number + 1 } })
    }
    #expect(await pair.run { $0.faults } == [])
  }
}

extension Node {
  /// The epoch in which the node's only channel sends.
  fileprivate var epoch: UInt32 { channels.values.first?.counters?.sent.epoch ?? 0 }

  /// How often the responder of the node's only channel has asked for work.
  fileprivate var retries: Int? { channels.values.first?.retries }

  /// Whether the channel is not the first one, and open.
  fileprivate var isConnectedAgain: Bool { nextChannelNumber > 1 && channels.values.first?.isOpen == true }

  /// Ends the node's channels; it calls again by itself.
  fileprivate func hangUp() { for channel in channels.values { channel.close() } }
}

/// Two ends of a channel over a socket of this machine, both on one loop.
final class ChannelPair: @unchecked Sendable {
  // Touched on the loop only.
  private let loop: EventLoop
  private(set) var initiator: PeerChannel?
  private(set) var responder: PeerChannel?
  private(set) var received = (initiator: 0, responder: 0)
  private(set) var faults: [String] = []
  private(set) var endings = 0
  private var server: WebSocketServer?

  static func message(_ number: Int, filling count: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt32(number).bigEndian) { Array($0) } + [UInt8](repeating: 0x5A, count: count)
  }

  init(on loop: EventLoop, postQuantum: Bool) async throws {
    self.loop = loop
    var limits = ChannelLimits()
    limits.renewalRecords = 4
    limits.epochRecords = 8
    let (maker, taker) = (try Self.signer(1, postQuantum), try Self.signer(2, postQuantum))
    let (makerKey, takerKey) = (X25519.PrivateKey(), X25519.PrivateKey())
    // Other tests may keep every thread busy for longer than a ping would wait.
    var patient = WebSocketLimits.peerPort
    patient.pingInterval = .seconds(600)
    var policy = UpgradePolicy(subprotocols: [Prologue.subprotocol], requiresSubprotocol: true)
    policy.allowedOrigins = []
    let prologue = try Prologue(
      offered: [Prologue.subprotocol], selected: Prologue.subprotocol, channelBinding: .none)
    let settings = limits
    server = try WebSocketServer(
      loop: loop,
      configuration: .init(
        address: .address(#require(SocketAddress("127.0.0.1", port: 0))), policy: policy, limits: patient)
    ) { [weak self] _, _ in
      .accept(subprotocol: Prologue.subprotocol) { [weak self] connection in
        let channel = PeerChannel(
          number: 2, connection: connection, responder: Responder(signer: maker, staticKey: makerKey),
          prologue: prologue, hasMessage1: false, limits: settings)
        self?.responder = channel
        self?.start(connection, channel, taker.identity)
      }
    }
    guard let port = server?.localAddress.port, let url = WebURL("ws://127.0.0.1:\(port)/") else { return }
    var options = WebSocketClient.Options(subprotocols: [Prologue.subprotocol])
    options.limits = patient
    let connection = try await WebSocketClient.connect(to: url, on: loop, options: options)
    await run { pair in
      let machine = Initiator(signer: taker, responder: maker.identity, staticKey: takerKey)
      let message1 = machine.message1
      let channel = PeerChannel(
        number: 1, to: maker.identity.did, connection: connection, initiator: machine, prologue: prologue,
        limits: settings)
      pair.initiator = channel
      pair.start(connection, channel, nil)
      connection.send(binary: message1)
    }
    guard await RenewalTests.eventually({ await run { $0.initiator?.isOpen == true && $0.responder?.isOpen == true } })
    else { throw NodeError.connect("the pair", faults.joined()) }
  }

  private static func signer(_ number: UInt8, _ postQuantum: Bool) throws -> LocalSigner {
    let seed = SecretBytes(copying: [UInt8](repeating: number, count: 32))
    let ed25519 = Ed25519.SigningKey(seed: seed)
    let mldsa65 = postQuantum ? MLDSA65.SigningKey(seed: seed) : nil
    let input = try DIDPeer4.inputDocument(
      ed25519: ed25519.publicKey, mldsa65: mldsa65?.publicKey, endpoint: "ws://127.0.0.1:1/")
    let identity = try LocalResolver.resolve(DIDPeer4.create(inputDocument: input).shortForm, documentBytes: input)
    return try LocalSigner(identity: identity, ed25519: ed25519, mldsa65: mldsa65)
  }

  /// Runs `body` on the loop.
  func run<T: Sendable>(_ body: @escaping @Sendable (ChannelPair) -> T) async -> T {
    await withCheckedContinuation { continuation in loop.execute { continuation.resume(returning: body(self)) } }
  }

  private func start(_ connection: WebSocketConnection, _ channel: PeerChannel, _ expected: PeerIdentity?) {
    let isInitiator = channel.isInitiator
    connection.setDrainHandler { [weak self] in self?.end(isInitiator)?.flush() }
    channel.wakeUp = { [weak self, loop] delay in
      loop.schedule(after: delay) { [weak self] in self?.end(isInitiator)?.tick() }
    }
    connection.start(
      onMessage: { [weak self] _, bytes in
        let message = [UInt8](bytes)
        self?.take(message, isInitiator, expected)
      },
      onClose: { [weak self] _ in self?.endings += 1 })
  }

  private func take(_ message: [UInt8], _ isInitiator: Bool, _ expected: PeerIdentity?) {
    do throws(ChannelFault) {
      let event = try end(isInitiator)?.receive(message)
      try ChannelFault.ofHandshake { () throws(HandshakeError) in try take(event, isInitiator, expected) }
      end(isInitiator)?.flush()
    } catch {
      faults.append("\(error)")
      end(isInitiator)?.refuse()
    }
  }

  private func end(_ isInitiator: Bool) -> PeerChannel? { isInitiator ? initiator : responder }

  private func take(
    _ event: PeerChannel.Event?, _ isInitiator: Bool, _ expected: PeerIdentity?
  ) throws(HandshakeError) {
    switch event {
    case .claim: if let expected { try end(isInitiator)?.accept(expected) }
    case .messages(let messages):
      for message in messages {
        let number = isInitiator ? received.initiator : received.responder
        if message.prefix(4) != Self.message(number, filling: 0)[...] { faults.append("\(number) out of order") }
        if isInitiator { received.initiator += 1 } else { received.responder += 1 }
        end(isInitiator)?.consume(message)
      }
    case .closedByPeer: end(isInitiator)?.close()
    case .nothing, .answered, .opened, nil: break
    }
  }
}
