import ParleyCrypto
import ParleyWire
import Testing

@testable import ParleyIdentity

@Suite("Lists of rotation statements, and fingerprints")
struct RotationListTests {
  private static let did = "did:web:maker.example"

  private static func key(_ number: UInt8) -> Ed25519.SigningKey {
    Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32)))
  }

  private static func signer(_ number: UInt8, _ postQuantum: Bool = false) throws -> LocalSigner {
    let ed25519 = key(number)
    let mldsa65 =
      postQuantum ? MLDSA65.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32))) : nil
    let did = try DID(parsing: did)
    let document = try DIDWeb.document(
      of: did, ed25519: ed25519.publicKey, mldsa65: mldsa65?.publicKey, endpoint: "ws://maker.example:7")
    return try LocalSigner(
      identity: LocalResolver.resolve(did, documentBytes: document), ed25519: ed25519, mldsa65: mldsa65)
  }

  private static func statement(_ from: LocalSigner, _ to: LocalSigner, _ second: Int) throws -> RotationStatement {
    let time = try #require(UTCTimestamp("2026-11-21T18:00:0\(second)Z"))
    return try RotationStatement(signer: from, new: to.identity, time: time)
  }

  private static func list(_ statements: [RotationStatement]) -> RotationList {
    var list = RotationList()
    for statement in statements { list.append(statement) }
    return list
  }

  @Test("it leads over every step to the keys of today, from whichever keys are pinned")
  func chain() throws {
    let keys = try [Self.signer(1), Self.signer(2), Self.signer(3, true), Self.signer(4, true)]
    let steps = try (0..<3).map { try Self.statement(keys[$0], keys[$0 + 1], $0) }
    let list = try RotationList(parsing: Self.list(steps).encoded)
    #expect(list.statements == steps)
    for start in 0..<3 {
      #expect(list.chain(from: keys[start].identity, to: keys[3].identity) == Array(steps[start...]))
    }
    #expect(list.chain(from: keys[3].identity, to: keys[3].identity) == nil)
    #expect(list.chain(from: keys[0].identity, to: keys[1].identity) == nil, "keys that were replaced in turn")
    #expect(list.chain(from: keys[0].identity, to: try Self.signer(9).identity) == nil)
    #expect(list.chain(from: try Self.signer(9).identity, to: keys[3].identity) == nil)
  }

  @Test("statements that were followed, are older, lead back, or give a post-quantum key up lead nowhere")
  func refused() throws {
    let (one, two, three) = try (Self.signer(1), Self.signer(2), Self.signer(3, true))
    let first = try Self.statement(one, two, 1)
    #expect(Self.list([first]).chain(from: one.identity, to: two.identity, after: first.time) == nil)
    let back = try Self.statement(two, one, 2)
    #expect(Self.list([first, back]).chain(from: one.identity, to: one.identity) == nil)
    #expect(Self.list([first, back]).chain(from: two.identity, to: one.identity) == [back])
    #expect(Self.list([first, back]).chain(from: two.identity, to: one.identity, after: back.time) == nil)
    let earlier = try Self.statement(two, three, 0)
    #expect(Self.list([first, earlier]).chain(from: one.identity, to: three.identity) == nil)
    let down = try Self.statement(three, one, 3)
    #expect(!down.isSigned && Self.list([down]).chain(from: three.identity, to: one.identity) == nil)
  }

  @Test("lines and bytes at the limit and past it")
  func limits() throws {
    let (one, two) = try (Self.signer(1), Self.signer(2))
    let line = try Self.statement(one, two, 1).encoded + [0x0A]
    let full = Array(repeatElement(line, count: RotationList.countLimit).joined())
    #expect(try RotationList(parsing: full).statements.count == 16)
    #expect(try RotationList(parsing: full.dropLast()).statements.count == 16)
    #expect(throws: IdentityError.malformedStatement) { try RotationList(parsing: full + line) }
    #expect(throws: IdentityError.malformedStatement) { try RotationList(parsing: line + [0x0A] + line) }
    #expect(throws: IdentityError.self) { try RotationList(parsing: Array(line.dropFirst())) }
    #expect(try RotationList(parsing: []).statements.isEmpty)
    #expect(throws: IdentityError.documentTooLong(65_537, limit: 65_536)) {
      try RotationList(parsing: [UInt8](repeating: 0x0A, count: 65_537))
    }
    var long = RotationList()
    for second in 0..<9 { long.append(try Self.statement(Self.signer(5, true), Self.signer(6, true), second)) }
    #expect(long.encoded.count <= RotationList.byteLimit && long.statements.count < 9)
    #expect(long.statements.last?.time.text == "2026-11-21T18:00:08Z")
  }

  @Test("the resolver asks for statements only where other keys are pinned, and a missing file is an answer")
  func resolver() throws {
    let (one, two) = try (Self.signer(1), Self.signer(2))
    let statement = try Self.statement(one, two, 1)
    for (file, expected) in [
      (Result.success(Self.list([statement]).encoded), DIDResolution.Succession.rotated([statement])),
      (.failure(.missing), .broken), (.success([0x7B]), .broken),
    ] as [(Result<[UInt8], ResolutionError>, DIDResolution.Succession)] {
      var resolver = DIDResolver()
      var request = DIDResolver.Request(one.identity.did)
      request.pinned = one.identity
      _ = resolver.resolve(request, now: .zero)
      guard case .fetch(let document, _) = resolver.poll(now: .zero) else { throw ResolutionError.timedOut }
      resolver.receive(document, .success(two.identity.documentBytes), now: .zero, date: UnixNanoseconds(0))
      guard case .fetch(let second, let url) = resolver.poll(now: .zero) else { throw ResolutionError.timedOut }
      #expect(url == "https://maker.example/.well-known/did-rotations.jsonl")
      resolver.receive(second, file, now: .zero, date: UnixNanoseconds(0))
      guard case .answer(_, .success(let resolution)) = resolver.poll(now: .zero) else {
        throw ResolutionError.timedOut
      }
      #expect(resolution.succession(of: two.identity, from: one.identity) == expected)
      #expect(resolution.succession(of: two.identity, from: two.identity) == .same)
    }
    // The same keys: one file.
    var resolver = DIDResolver()
    var request = DIDResolver.Request(one.identity.did)
    request.pinned = one.identity
    _ = resolver.resolve(request, now: .zero)
    guard case .fetch(let document, _) = resolver.poll(now: .zero) else { throw ResolutionError.timedOut }
    resolver.receive(document, .success(one.identity.documentBytes), now: .zero, date: UnixNanoseconds(0))
    guard case .answer(_, .success) = resolver.poll(now: .zero) else { throw ResolutionError.timedOut }
    // A file that cannot be fetched is no answer.
    resolver = DIDResolver()
    _ = resolver.resolve(request, now: .zero)
    guard case .fetch(let other, _) = resolver.poll(now: .zero) else { throw ResolutionError.timedOut }
    resolver.receive(other, .success(two.identity.documentBytes), now: .zero, date: UnixNanoseconds(0))
    guard case .fetch(let lost, _) = resolver.poll(now: .zero) else { throw ResolutionError.timedOut }
    resolver.receive(lost, .failure(.unreachable("no")), now: .zero, date: UnixNanoseconds(0))
    guard case .answer(_, .failure(.unreachable)) = resolver.poll(now: .zero) else { throw ResolutionError.timedOut }
  }

  @Test("fingerprints: of all keys, and as a person types them")
  func fingerprints() throws {
    let (one, both) = try (Self.signer(1).identity, Self.signer(1, true).identity)
    let text = KeyFingerprint(one).description
    #expect(text.count == 49 && text.split(separator: "-").allSatisfy { $0.count == 4 })
    #expect(KeyFingerprint(text) == KeyFingerprint(one))
    #expect(KeyFingerprint(text.uppercased().replacing("-", with: " ")) == KeyFingerprint(one))
    #expect(KeyFingerprint(one) != KeyFingerprint(both))
    let message = Array("parley fingerprint 1\0".utf8) + [1] + one.ed25519.raw
    #expect(KeyFingerprint(one).bytes == Array(SHA256.hash(message).prefix(20)))
    for wrong in ["", "12", String(text.dropLast()), text + "0", text.replacing("-", with: "_")] {
      #expect(KeyFingerprint(wrong) == nil)
    }
  }

  @Test("a keystore keeps the keys of a did:web")
  func keystore() throws {
    let did = try DID(parsing: Self.did)
    let passphrase = SecretBytes(copying: Array("x".utf8))
    let keystore = try Keystore.create(
      passphrase: passphrase, web: did, endpoint: "ws://maker.example:7", postQuantum: true, cost: .minimum)
    let signer = try Keystore(parsing: keystore.encoded).open(passphrase: passphrase)
    #expect(signer.identity.did == did && signer.identity.suite == .ed25519MLDSA65)
    #expect(signer.identity.documentBytes == keystore.documentBytes)
    #expect(throws: IdentityError.unsupportedMethod("did:example:a")) {
      try Keystore.create(passphrase: passphrase, web: DID(parsing: "did:example:a"), endpoint: nil, cost: .minimum)
    }
  }
}
