import ParleyWire

extension Keystore {
  /// The file's `format` member.
  static let format = "parley-keystore-1"
  private static let kdf = "argon2id"
  private static let cipher = "aes-256-gcm"

  /// The file.
  public var encoded: [UInt8] {
    var file = header.json
    file["sealed"] = .string(Base64URL.encode(sealed))
    return Array((JSONValue.object(file).serialized(pretty: true) + "\n").utf8)
  }

  /// Reads a file; its members are exactly those of the format.
  ///
  /// - Throws: ``IdentityError/malformedKeystore(_:)`` with the member that is wrong,
  ///   ``IdentityError/documentTooLong(_:limit:)``, ``IdentityError/notJSON(_:)`` or
  ///   ``IdentityError/unacceptableCost``.
  public init(parsing bytes: [UInt8]) throws(IdentityError) {
    guard let file = try DIDDocument.json(bytes, limit: Self.byteLimit).objectValue else {
      throw .malformedKeystore("the file")
    }
    try Self.checkMembers(file, ["format", "did", "document", "kdf", "cipher", "sealed"], "the file")
    guard file["format"] == .string(Self.format) else { throw .malformedKeystore("format") }
    guard let text = file["did"]?.stringValue, let did = try? DID(parsing: text),
      did.method == .peer4 || did.method == .web, !did.isLongForm
    else { throw .malformedKeystore("did") }
    guard let document = file["document"]?.stringValue, document.utf8.count <= DIDPeer4.inputDocumentByteLimit else {
      throw .malformedKeystore("document")
    }
    let (cost, salt) = try Self.cost(file["kdf"])
    guard let cipher = file["cipher"]?.objectValue else { throw .malformedKeystore("cipher") }
    try Self.checkMembers(cipher, ["name", "nonce"], "cipher")
    guard cipher["name"] == .string(Self.cipher) else { throw .malformedKeystore("cipher.name") }
    let nonce = try Self.bytes(cipher["nonce"], "cipher.nonce") { $0 == Self.nonceByteCount }
    let counts = [Self.seedsByteCount.suite1 + 16, Self.seedsByteCount.suite2 + 16]
    let sealed = try Self.bytes(file["sealed"], "sealed") { counts.contains($0) }
    self.init(
      header: Header(did: did, documentBytes: Array(document.utf8), cost: cost, salt: salt, nonce: nonce),
      sealed: sealed)
  }

  private static func cost(_ value: JSONValue?) throws(IdentityError) -> (KeystoreCost, salt: [UInt8]) {
    guard let kdf = value?.objectValue else { throw .malformedKeystore("kdf") }
    try checkMembers(kdf, ["name", "memory_kib", "iterations", "lanes", "salt"], "kdf")
    guard kdf["name"] == .string(Self.kdf) else { throw .malformedKeystore("kdf.name") }
    guard case .integer(let memory)? = kdf["memory_kib"] else { throw .malformedKeystore("kdf.memory_kib") }
    guard case .integer(let iterations)? = kdf["iterations"] else { throw .malformedKeystore("kdf.iterations") }
    guard case .integer(let lanes)? = kdf["lanes"] else { throw .malformedKeystore("kdf.lanes") }
    let salt = try bytes(kdf["salt"], "kdf.salt") { $0 == Self.saltByteCount }
    // An Int has 64 bits here, so these conversions cannot fail.
    return (try KeystoreCost(memoryKiB: Int(memory), iterations: Int(iterations), lanes: Int(lanes)), salt)
  }

  private static func bytes(
    _ value: JSONValue?, _ name: String, _ isCount: (Int) -> Bool
  ) throws(IdentityError) -> [UInt8] {
    guard let bytes = value?.stringValue.flatMap(Base64URL.decode), isCount(bytes.count) else {
      throw .malformedKeystore(name)
    }
    return bytes
  }

  private static func checkMembers(
    _ object: JSONObject, _ names: [String], _ what: String
  ) throws(IdentityError) {
    for key in object.keys where !names.contains(where: { $0.hasSameBytes(as: key) }) {
      throw .malformedKeystore(IdentityError.cut(key))
    }
    guard object.count == names.count else { throw .malformedKeystore(what) }
  }
}

extension Keystore.Header {
  /// The file's members but `sealed`.
  var json: JSONObject {
    [
      "format": .string(Keystore.format),
      "did": .string(did.string),
      "document": .string(String(decoding: documentBytes, as: UTF8.self)),
      "kdf": [
        "name": "argon2id", "memory_kib": .integer(Int64(cost.memoryKiB)),
        "iterations": .integer(Int64(cost.iterations)), "lanes": .integer(Int64(cost.lanes)),
        "salt": .string(Base64URL.encode(salt)),
      ],
      "cipher": ["name": "aes-256-gcm", "nonce": .string(Base64URL.encode(nonce))],
    ]
  }

  /// What the tag covers beside the seeds: all of it, as canonical JSON behind a label.
  var additionalData: [UInt8] {
    Array("parley keystore 1".utf8) + [0] + JSONValue.object(json).canonical()
  }
}
