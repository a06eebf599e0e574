import ParleyWire

extension Receipt {
  /// The receipt's file: JSON with a newline at its end.
  public var encoded: [UInt8] {
    var json: JSONObject = [
      "parley_receipt": .integer(Self.version),
      "issuer": issuer.json,
      "counterparty": counterparty.json,
      "statements": .array(statements.map(\.json)),
    ]
    if !stamps.isEmpty {
      json["witnesses"] = .array(witnesses.map(\.json))
      json["stamps"] = .array(stamps.map { .string(Base64URL.encode($0)) })
    }
    json["checkpoint"] = .string(String(decoding: checkpoint.encoded, as: UTF8.self))
    return Array((JSONValue.object(json).serialized(pretty: true) + "\n").utf8)
  }

  /// Reads a receipt's file.
  ///
  /// Nothing it says may be believed before ``verify(statementInBody:)``.
  ///
  /// - Throws: ``JournalError/malformedReceipt(_:)``, or what ``Entry/init(decoding:)`` and
  ///   ``SignedNote/init(parsing:)`` throw.
  public init(decoding bytes: [UInt8]) throws(JournalError) {
    guard bytes.count <= Limits.byteCount else { throw .malformedReceipt(.tooLong(bytes.count)) }
    guard let json = try? JSONValue.parse(bytes, limits: JSONLimits(byteCount: Limits.byteCount, depth: 8)) else {
      throw .malformedReceipt(.notJSON)
    }
    // The version first: what another one looks like is unknown.
    guard json["parley_receipt"] == .integer(Self.version) else { throw .malformedReceipt(.version) }
    let isWitnessed = json["witnesses"] != nil || json["stamps"] != nil
    let fields = try Fields(
      json, "",
      ["parley_receipt", "issuer", "counterparty", "statements"] + (isWitnessed ? ["witnesses", "stamps"] : [])
        + ["checkpoint"])
    issuer = try Party(try fields.value("issuer"), "issuer")
    counterparty = try Party(try fields.value("counterparty"), "counterparty")
    guard let items = try fields.value("statements").arrayValue else { throw .malformedReceipt(.value("statements")) }
    guard !items.isEmpty, items.count <= Limits.statements else { throw .malformedReceipt(.limit("statements")) }
    var statements = [Item]()
    for (index, item) in items.enumerated() { statements.append(try Item(item, "statements[\(index)]")) }
    self.statements = statements
    var (witnesses, stamps): ([Party], [[UInt8]]) = ([], [])
    if isWitnessed {
      for (index, party) in try fields.list("witnesses", limit: Limits.witnesses).enumerated() {
        witnesses.append(try Party(party, "witnesses[\(index)]"))
      }
      for stamp in try fields.list("stamps", limit: Limits.stamps) {
        guard let text = stamp.stringValue, let bytes = Base64URL.decode(text), bytes.count <= Limits.stampByteCount
        else { throw .malformedReceipt(.value("stamps")) }
        stamps.append(bytes)
      }
    }
    (self.witnesses, self.stamps) = (witnesses, stamps)
    checkpoint = try SignedNote(parsing: Array(try fields.text("checkpoint").utf8))
    // One content, one file: so no byte of it can be another and the receipt the same.
    guard encoded == bytes else { throw .malformedReceipt(.form) }
  }
}

extension Receipt.Party {
  fileprivate var json: JSONValue {
    ["did": .string(did), "key": .string(keyFragment), "document": .string(Base64URL.encode(document))]
  }

  fileprivate init(_ json: JSONValue, _ path: String) throws(JournalError) {
    let fields = try Receipt.Fields(json, path, ["did", "key", "document"])
    self.init(
      did: try fields.text("did"), keyFragment: try fields.text("key"),
      document: try fields.bytes("document", limit: Receipt.Limits.documentByteCount))
  }
}

extension Receipt.Item {
  fileprivate var json: JSONValue {
    [
      "direction": .string(direction.rawValue),
      "statement": .string(Base64URL.encode(statement)),
      "entry": .string(Base64URL.encode(entry.encoded)),
      "proof": .array(proof.map { .string(Base64URL.encode($0.bytes)) }),
    ]
  }

  fileprivate init(_ json: JSONValue, _ path: String) throws(JournalError) {
    let fields = try Receipt.Fields(json, path, ["direction", "statement", "entry", "proof"])
    guard let direction = Receipt.Direction(exactly: try fields.text("direction")) else {
      throw .malformedReceipt(.value(fields.path("direction")))
    }
    let statement = try fields.bytes("statement", limit: Receipt.Limits.statementByteCount)
    let entry = try Entry(decoding: try fields.bytes("entry", limit: Entry.Limits.encoded))
    guard let hashes = try fields.value("proof").arrayValue else {
      throw .malformedReceipt(.value(fields.path("proof")))
    }
    guard hashes.count <= Receipt.Limits.proofLength else { throw .malformedReceipt(.limit(fields.path("proof"))) }
    var proof = [Digest]()
    for hash in hashes {
      guard let text = hash.stringValue, let bytes = Base64URL.decode(text), let digest = Digest(bytes) else {
        throw .malformedReceipt(.value(fields.path("proof")))
      }
      proof.append(digest)
    }
    self.init(direction: direction, statement: statement, entry: entry, proof: proof)
  }
}

extension Receipt.Direction {
  /// By bytes: no two spellings of one word.
  fileprivate init?(exactly text: String) {
    if text.hasSameBytes(as: Self.sent.rawValue) {
      self = .sent
    } else if text.hasSameBytes(as: Self.received.rawValue) {
      self = .received
    } else {
      return nil
    }
  }
}

extension Receipt {
  /// An object that has exactly the fields it should have.
  fileprivate struct Fields {
    private let object: JSONObject
    private let prefix: String

    init(_ json: JSONValue, _ path: String, _ names: [String]) throws(JournalError) {
      guard let object = json.objectValue else { throw .malformedReceipt(.value(path)) }
      self.object = object
      prefix = path.isEmpty ? "" : path + "."
      for key in object.keys where !names.contains(where: { $0.hasSameBytes(as: key) }) {
        throw .malformedReceipt(.unknown(self.path(String(decoding: key.utf8.prefix(64), as: UTF8.self))))
      }
      for name in names where object[name] == nil { throw .malformedReceipt(.missing(self.path(name))) }
    }

    func path(_ name: String) -> String { prefix + name }

    func value(_ name: String) throws(JournalError) -> JSONValue {
      guard let value = object[name] else { throw .malformedReceipt(.missing(path(name))) }
      return value
    }

    func text(_ name: String) throws(JournalError) -> String {
      guard let text = try value(name).stringValue else { throw .malformedReceipt(.value(path(name))) }
      return text
    }

    /// A list of 1 to `limit` elements.
    func list(_ name: String, limit: Int) throws(JournalError) -> [JSONValue] {
      guard let items = try value(name).arrayValue else { throw .malformedReceipt(.value(path(name))) }
      guard !items.isEmpty, items.count <= limit else { throw .malformedReceipt(.limit(path(name))) }
      return items
    }

    func bytes(_ name: String, limit: Int) throws(JournalError) -> [UInt8] {
      guard let bytes = Base64URL.decode(try text(name)) else { throw .malformedReceipt(.value(path(name))) }
      guard bytes.count <= limit else { throw .malformedReceipt(.limit(path(name))) }
      return bytes
    }
  }
}
