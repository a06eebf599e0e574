internal import ParleyCrypto
public import ParleyIdentity
public import ParleyWire

/// Making, naming and describing a node's identity.
public enum NodeIdentity {
  /// Makes new keys, and a did:peer:4 of them or a document for a did:web, encrypted under a passphrase.
  ///
  /// - Parameters:
  ///   - web: The did:web whose keys these are to be; `nil` for a did:peer:4.
  ///   - endpoint: Where others reach the node, `ws://host:port` or `wss://host:port`; `nil` for one that only calls.
  ///   - postQuantum: Whether it signs with ML-DSA-65 too.
  ///   - passphrase: Its bytes as they are; they are wiped from the copy made here, not from the caller's.
  ///   - kdfMemoryMiB: What opening the keystore costs in memory.
  /// - Returns: The keystore, to be written by ``NodeHome/initialize(_:)``.
  /// - Throws: ``NodeError/keystore(_:)``.
  public static func make(
    web: DID? = nil, endpoint: String?, postQuantum: Bool, passphrase: [UInt8], kdfMemoryMiB: Int = 64
  ) throws(NodeError) -> Keystore {
    do {
      let standard = KeystoreCost.standard
      let cost = try KeystoreCost(
        memoryKiB: kdfMemoryMiB * 1_024, iterations: standard.iterations, lanes: standard.lanes)
      return try Keystore.create(
        passphrase: SecretBytes(copying: passphrase), web: web, endpoint: endpoint, postQuantum: postQuantum, cost: cost
      )
    } catch {
      throw .keystore(error)
    }
  }

  /// Reads a DID as a person gives it.
  ///
  /// - Throws: ``NodeError/resolution(_:_:)``.
  public static func parseDID(_ text: String) throws(NodeError) -> DID {
    do {
      return try DID(parsing: text)
    } catch {
      throw .resolution(String(text.prefix(60)), "\(error)")
    }
  }

  /// The form of the DID that others need to reach this node: the long one of a did:peer:4.
  public static func longForm(_ identity: PeerIdentity) -> String {
    guard identity.did.method == .peer4, let long = try? DIDPeer4.create(inputDocument: identity.documentBytes) else {
      return identity.did.string
    }
    return long.string
  }

  /// What a document rests on, for programs.
  public static func describe(_ evidence: DIDResolution.Evidence) -> JSONValue {
    switch evidence {
    case .theDIDItself:
      return ["by": "the DID itself"]
    case .server(let url):
      return ["by": "server", "url": .string(url)]
    case .history(let url, let version, let witnesses):
      return [
        "by": "history", "url": .string(url), "version": .integer(Int64(clamping: version.number)),
        "version_id": .string(version.id), "version_time": .string(version.time.text),
        "witnesses": .integer(Int64(clamping: witnesses?.ids.count ?? 0)),
        "threshold": .integer(Int64(clamping: witnesses?.threshold ?? 0)),
        "pre_rotation": .bool(!version.parameters.nextKeyHashes.isEmpty),
      ]
    }
  }

  /// An identity for programs.
  public static func describe(_ identity: PeerIdentity) -> JSONValue {
    [
      "did": .string(identity.did.string), "long_form": .string(longForm(identity)),
      "key": .string(identity.keyFragment), "fingerprint": .string("\(KeyFingerprint(identity))"),
      "ed25519": .string(identity.ed25519.raw.hex),
      "post_quantum": .bool(identity.mldsa65 != nil),
      "endpoint": identity.serviceEndpoint.map(JSONValue.string) ?? .null,
      "document_hash": .string(identity.documentHash.hex), "document": identity.document.json,
    ]
  }
}
