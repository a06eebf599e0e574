import ParleyCrypto
import ParleyIdentity
import ParleyWire
import Testing

/// A keystore of fixed randomness and the least cost.
enum TestKeystores {
  static let passphrase = SecretBytes(copying: Array("correct horse".utf8))

  static func randomness() -> KeystoreRandomness {
    KeystoreRandomness(
      ed25519Seed: SecretBytes(copying: [UInt8](repeating: 1, count: 32)),
      mldsa65Seed: SecretBytes(copying: [UInt8](repeating: 3, count: 32)),
      salt: [UInt8](repeating: 4, count: 16), nonce: [UInt8](repeating: 5, count: 12))
  }

  static func keystore(postQuantum: Bool) throws -> Keystore {
    try Keystore.create(
      passphrase: passphrase, endpoint: "ws://127.0.0.1:7001/", postQuantum: postQuantum, cost: .minimum,
      randomness: randomness())
  }

  static let suite1: Result<Keystore, any Error> = Result { try keystore(postQuantum: false) }
  static let suite2: Result<Keystore, any Error> = Result { try keystore(postQuantum: true) }
}

@Suite("Keystore")
struct KeystoreTests {
  @Test("what is sealed opens, through the file's bytes", arguments: [false, true])
  func roundTrip(postQuantum: Bool) throws {
    let keystore = try (postQuantum ? TestKeystores.suite2 : TestKeystores.suite1).get()
    let read = try Keystore(parsing: keystore.encoded)
    #expect(read == keystore)
    #expect(read.encoded == keystore.encoded)
    let signer = try read.open(passphrase: TestKeystores.passphrase)
    #expect(signer.identity.did == keystore.did)
    #expect(signer.identity.documentBytes == keystore.documentBytes)
    #expect(signer.identity.suite == (postQuantum ? .ed25519MLDSA65 : .ed25519))
    #expect(signer.identity.ed25519 == TestDocuments.ed25519.publicKey)
    #expect(signer.identity.mldsa65 == (postQuantum ? TestDocuments.mldsa65.publicKey : nil))
    #expect(signer.identity.serviceEndpoint == "ws://127.0.0.1:7001/")
    let signature = signer.sign([1, 2, 3], context: "test")
    #expect(signer.identity.isValid(signature, for: [1, 2, 3], context: "test"))
  }

  @Test("two keystores have nothing in common")
  func randomness() throws {
    func create() throws -> Keystore {
      try Keystore.create(passphrase: TestKeystores.passphrase, endpoint: nil, cost: .minimum)
    }
    let (one, two) = (try create(), try create())
    #expect(one.did != two.did)
    let (first, second) = (try JSONValue.parse(one.encoded), try JSONValue.parse(two.encoded))
    #expect(first["kdf"]?["salt"] != second["kdf"]?["salt"])
    #expect(first["cipher"]?["nonce"] != second["cipher"]?["nonce"])
    #expect(first["sealed"] != second["sealed"])
  }

  @Test("another passphrase", arguments: ["", "correct hors", "correct horse ", "Correct horse"])
  func wrongPassphrase(text: String) throws {
    let keystore = try TestKeystores.suite1.get()
    #expect(throws: IdentityError.cannotOpenKeystore) {
      try keystore.open(passphrase: SecretBytes(copying: Array(text.utf8)))
    }
  }

  @Test func emptyPassphrase() {
    #expect(throws: IdentityError.emptyPassphrase) {
      try Keystore.create(passphrase: SecretBytes(count: 0), endpoint: nil, cost: .minimum)
    }
  }

  private func changed(_ path: [String], _ value: JSONValue?) throws -> [UInt8] {
    func change(_ object: JSONObject, _ path: ArraySlice<String>) -> JSONObject {
      guard let key = path.first else { return object }
      var object = object
      object[key] = path.count == 1 ? value : object[key]?.objectValue.map { .object(change($0, path.dropFirst())) }
      return object
    }
    let file = try #require(JSONValue.parse(TestKeystores.suite1.get().encoded).objectValue)
    return TestDocuments.bytes(change(file, path[...]))
  }

  @Test("anything that is changed and still well-formed looks like a wrong passphrase")
  func tampered() throws {
    let other = try Keystore.create(
      passphrase: TestKeystores.passphrase, endpoint: "ws://127.0.0.1:7002/", cost: .minimum,
      randomness: TestKeystores.randomness())
    let document = String(decoding: other.documentBytes, as: UTF8.self)
    let sealed = try #require(JSONValue.parse(TestKeystores.suite1.get().encoded)["sealed"]?.stringValue)
    let bits = try #require(Base64URL.decode(sealed))
    var changes: [([String], JSONValue)] = [
      (["did"], .string(other.did.string)), (["document"], .string(document)), (["document"], "{}"), (["document"], ""),
      (["kdf", "memory_kib"], 19_457), (["kdf", "iterations"], 3), (["kdf", "lanes"], 2),
      (["kdf", "salt"], .string(Base64URL.encode([UInt8](repeating: 6, count: 16)))),
      (["cipher", "nonce"], .string(Base64URL.encode([UInt8](repeating: 6, count: 12)))),
      (["sealed"], .string(Base64URL.encode(bits + [UInt8](repeating: 0, count: 32)))),
    ]
    for index in [0, 1, 32, 33, bits.count - 1] {
      var flipped = bits
      flipped[index] ^= 0x80
      changes.append((["sealed"], .string(Base64URL.encode(flipped))))
    }
    for (path, value) in changes {
      let keystore = try Keystore(parsing: changed(path, value))
      #expect(throws: IdentityError.cannotOpenKeystore, "\(path) \(value)") {
        try keystore.open(passphrase: TestKeystores.passphrase)
      }
    }
    // Another endpoint for the same keys, consistent in itself: only the tag tells.
    var file = try #require(JSONValue.parse(TestKeystores.suite1.get().encoded).objectValue)
    file["did"] = .string(other.did.string)
    file["document"] = .string(document)
    let redirected = try Keystore(parsing: TestDocuments.bytes(file))
    #expect(throws: IdentityError.cannotOpenKeystore) { try redirected.open(passphrase: TestKeystores.passphrase) }
    // The order and the spaces of the file are nobody's business.
    let same = try Keystore(parsing: changed(["cipher", "name"], "aes-256-gcm"))
    #expect(try same.open(passphrase: TestKeystores.passphrase).identity.did == same.did)
  }

  @Test(
    "files that are none",
    arguments: [
      (["format"], JSONValue?.none, IdentityError.malformedKeystore("the file")),
      (["format"], "parley-keystore-2", .malformedKeystore("format")), (["extra"], 1, .malformedKeystore("extra")),
      (["did"], "did:key:z6Mk", .malformedKeystore("did")), (["did"], "x", .malformedKeystore("did")),
      (["document"], 1, .malformedKeystore("document")),
      (["document"], .string(String(repeating: "x", count: 4097)), .malformedKeystore("document")),
      (["kdf"], 1, .malformedKeystore("kdf")), (["kdf", "name"], "argon2i", .malformedKeystore("kdf.name")),
      (["kdf", "memory_kib"], 65536.5, .malformedKeystore("kdf.memory_kib")),
      (["kdf", "iterations"], "3", .malformedKeystore("kdf.iterations")),
      (["kdf", "lanes"], .null, .malformedKeystore("kdf.lanes")),
      (["kdf", "pepper"], 1, .malformedKeystore("pepper")), (["kdf", "salt"], nil, .malformedKeystore("kdf")),
      (["kdf", "salt"], "AAAA", .malformedKeystore("kdf.salt")),
      (["kdf", "salt"], "!", .malformedKeystore("kdf.salt")),
      (["cipher"], .array([]), .malformedKeystore("cipher")),
      (["cipher", "name"], "aes-128-gcm", .malformedKeystore("cipher.name")),
      (["cipher", "nonce"], "AAAA", .malformedKeystore("cipher.nonce")),
      (["sealed"], "AAAA", .malformedKeystore("sealed")),
      (["sealed"], .string(Base64URL.encode(.init(repeating: 0, count: 48))), .malformedKeystore("sealed")),
      (["sealed"], .string(Base64URL.encode(.init(repeating: 0, count: 50))), .malformedKeystore("sealed")),
    ])
  func malformed(path: [String], value: JSONValue?, error: IdentityError) throws {
    let file = try changed(path, value)
    #expect(throws: error) { try Keystore(parsing: file) }
  }

  @Test(
    "the cost has bounds on both sides, in files too",
    arguments: [
      (19_456, 2, 1, true), (19_455, 2, 1, false), (19_456, 1, 1, false), (19_456, 2, 0, false),
      (1_048_576, 16, 16, true),
      (1_048_577, 16, 16, false), (1_048_576, 17, 16, false), (1_048_576, 16, 17, false), (Int.max, 2, 1, false),
      (-1, 2, 1, false),
    ])
  func cost(memoryKiB: Int, iterations: Int, lanes: Int, isAcceptable: Bool) throws {
    var file = try #require(JSONValue.parse(TestKeystores.suite1.get().encoded).objectValue)
    var kdf = try #require(file["kdf"]?.objectValue)
    kdf["memory_kib"] = .integer(Int64(memoryKiB))
    kdf["iterations"] = .integer(Int64(iterations))
    kdf["lanes"] = .integer(Int64(lanes))
    file["kdf"] = .object(kdf)
    if isAcceptable {
      let cost = try KeystoreCost(memoryKiB: memoryKiB, iterations: iterations, lanes: lanes)
      #expect(try Keystore(parsing: TestDocuments.bytes(file)).cost == cost)
    } else {
      #expect(throws: IdentityError.unacceptableCost) {
        try KeystoreCost(memoryKiB: memoryKiB, iterations: iterations, lanes: lanes)
      }
      #expect(throws: IdentityError.unacceptableCost) { try Keystore(parsing: TestDocuments.bytes(file)) }
    }
  }

  @Test func costConstants() throws {
    #expect(try KeystoreCost.standard == KeystoreCost(memoryKiB: 65_536, iterations: 3, lanes: 4))
    #expect(try KeystoreCost.minimum == KeystoreCost(memoryKiB: 19_456, iterations: 2, lanes: 1))
  }

  @Test("a file cut anywhere, too long, or with something behind it")
  func cut() throws {
    let file = try TestKeystores.suite2.get().encoded
    // The last byte is a newline.
    for cut in 0..<(file.count - 1) {
      #expect(throws: IdentityError.self) { try Keystore(parsing: Array(file[..<cut])) }
    }
    #expect(throws: IdentityError.self) { try Keystore(parsing: file + [0]) }
    let padding = [UInt8](repeating: 0x20, count: Keystore.byteLimit - file.count)
    _ = try Keystore(parsing: file + padding)
    #expect(throws: IdentityError.documentTooLong(16_385, limit: 16_384)) {
      try Keystore(parsing: file + padding + [0x20])
    }
  }

  @Test("no seed and no passphrase is in the file or in a description")
  func secrecy() throws {
    let keystore = try TestKeystores.suite2.get()
    let signer = try keystore.open(passphrase: TestKeystores.passphrase)
    var text = String(decoding: keystore.encoded, as: UTF8.self)
    dump(keystore, to: &text)
    dump(signer, to: &text)
    dump(TestKeystores.randomness(), to: &text)
    for seed in [[UInt8](repeating: 1, count: 32), [UInt8](repeating: 3, count: 32), Array("correct horse".utf8)] {
      #expect(!text.contains(seed.hex))
      #expect(!text.contains(Base64URL.encode(seed)))
    }
    #expect(!text.contains("correct horse"))
    let bytes = try #require(JSONValue.parse(keystore.encoded)["sealed"]?.stringValue.flatMap(Base64URL.decode))
    #expect(bytes.count == 65 + 16)
    #expect(!bytes.hex.contains([UInt8](repeating: 1, count: 8).hex))
  }
}
