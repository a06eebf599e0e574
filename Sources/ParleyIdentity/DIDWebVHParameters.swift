import ParleyCrypto
import ParleyWire

/// The parameters that hold after an entry in the log of a did:webvh 1.0.
public struct DIDWebVHParameters: Hashable, Sendable {
  /// The one version of the method that is understood here.
  public static let method = "did:webvh:1.0"
  /// Entries of each list.
  public static let listLimit = 64

  /// Who must approve an entry, and how many of them.
  public struct Witnesses: Hashable, Sendable {
    /// did:key DIDs, each once.
    public let ids: [String]
    /// From 1 to the number of witnesses.
    public let threshold: Int
  }

  /// The hash of the first entry.
  public let scid: String
  /// The Multikeys that may sign the next entry, or this one while keys are promised ahead.
  public private(set) var updateKeys: [String] = []
  /// The hashes of which the next entry's keys must be; empty without pre-rotation.
  public private(set) var nextKeyHashes: [String] = []
  /// Who must approve the next entry; `nil` for nobody.
  public private(set) var witnesses: Witnesses?
  /// URLs of those who keep copies.
  public private(set) var watchers: [String] = []
  /// Whether the DID may move to another host.
  public private(set) var isPortable = false
  /// Whether the DID has ended.
  public private(set) var isDeactivated = false
  /// For how many seconds a resolved document may be kept; 0 for not at all.
  public private(set) var timeToLive = 3600

  /// The parameters of a first entry.
  init(first object: JSONObject) throws(WebVHFault) {
    guard object["method"]?.stringValue == Self.method else { throw .parameter("method") }
    guard let scid = object["scid"]?.stringValue, SHA256Multihash.isWellFormed(scid) else { throw .parameter("scid") }
    guard object["updateKeys"] != nil else { throw .parameter("updateKeys") }
    self.scid = scid
    try set(object, isFirst: true)
  }

  /// These parameters with the changes of the next entry.
  func updated(by object: JSONObject) throws(WebVHFault) -> Self {
    guard object["method"].map({ $0.stringValue == Self.method }) ?? true else { throw .parameter("method") }
    guard object["scid"] == nil else { throw .parameter("scid") }
    if !nextKeyHashes.isEmpty {
      // What is promised cannot be inherited around.
      guard object["updateKeys"] != nil else { throw .parameter("updateKeys") }
      guard object["nextKeyHashes"] != nil else { throw .parameter("nextKeyHashes") }
    }
    var updated = self
    try updated.set(object, isFirst: false)
    guard nextKeyHashes.isEmpty || updated.updateKeys.allSatisfy(isPromised) else { throw .unpromisedKey }
    return updated
  }

  private func isPromised(_ multikey: String) -> Bool {
    nextKeyHashes.contains(SHA256Multihash.text(of: Array(multikey.utf8)))
  }

  private mutating func set(_ object: JSONObject, isFirst: Bool) throws(WebVHFault) {
    for member in object.members {
      let (name, value) = (member.key, member.value)
      switch name {
      case "method", "scid": break
      case "updateKeys":
        updateKeys = try Self.texts(value, name)
        guard updateKeys.allSatisfy({ $0.hasPrefix("z") && Multikey.decode($0) != nil }) else { throw .parameter(name) }
      case "nextKeyHashes": nextKeyHashes = try Self.texts(value, name)
      case "watchers": watchers = try Self.texts(value, name)
      case "witness": witnesses = try Self.witnesses(value)
      case "portable":
        guard let flag = value.boolValue, isFirst || !flag else { throw .parameter(name) }
        isPortable = flag
      case "deactivated":
        guard let flag = value.boolValue else { throw .parameter(name) }
        isDeactivated = flag
      case "ttl":
        guard let seconds = value.int64Value, (0...(1 << 31)).contains(seconds) else { throw .parameter(name) }
        timeToLive = Int(seconds)
      default:
        throw .parameter(IdentityError.cut(name))
      }
    }
  }

  /// A list of different texts.
  private static func texts(_ value: JSONValue, _ name: String) throws(WebVHFault) -> [String] {
    guard let entries = value.arrayValue, entries.count <= listLimit else { throw .parameter(name) }
    let texts = entries.compactMap(\.stringValue)
    guard texts.count == entries.count, Set(texts).count == texts.count else { throw .parameter(name) }
    return texts
  }

  private static func witnesses(_ value: JSONValue) throws(WebVHFault) -> Witnesses? {
    guard let object = value.objectValue else { throw .parameter("witness") }
    if object.count == 0 { return nil }
    guard Set(object.keys) == ["threshold", "witnesses"], let threshold = object["threshold"]?.int64Value,
      let entries = object["witnesses"]?.arrayValue, entries.count <= listLimit,
      (1...max(1, Int64(entries.count))).contains(threshold)
    else { throw .parameter("witness") }
    var ids: [String] = []
    for entry in entries {
      guard let witness = entry.objectValue, witness.keys == ["id"], let id = witness["id"]?.stringValue,
        DataIntegrityProof.key(ofDIDKey: id) != nil, !ids.contains(id)
      else { throw .parameter("witness") }
      ids.append(id)
    }
    guard !ids.isEmpty else { throw .parameter("witness") }
    return Witnesses(ids: ids, threshold: Int(threshold))
  }
}
