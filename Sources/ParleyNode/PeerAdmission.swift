internal import ParleyHandshake
internal import ParleyIdentity
internal import ParleyStore
internal import ParleyWire

/// What the owner has decided about a peer that has proved itself.
enum PeerVerdict {
  /// It may come in; `statements` are what its pinned keys have signed about its new ones.
  case admitted(KnownPeer.Approval, statements: [RotationStatement])
  /// It may not, and is told so.
  case refused(RefusalCode)
}

/// How a peer came to be before this node, as far as the owner's consent goes.
enum PeerOccasion {
  /// The owner named its DID.
  case called
  /// It called, and the configuration lists its DID.
  case listed
  /// It called, and the configuration lets everybody in.
  case anybody
  /// It called, and nobody has said anything about it.
  case stranger
}

/// A peer that has proved itself and was refused until the owner decides.
struct Contact {
  let peer: PeerIdentity
  var code: RefusalCode
  var count: Int
  var last: UnixNanoseconds

  /// How many are remembered; the one that was longest away goes when there are more.
  static let limit = 256
}

extension DID {
  /// Whether the DID itself settles which keys are its own: it is its document, or a history signed from the keys that its
  /// name is the hash of.
  ///
  /// Of others somebody's server says so, and the owner must have compared a fingerprint.
  var namesItsKeys: Bool {
    switch method {
    case .key, .jwk, .peer2, .peer4, .webvh: true
    case .web, .other: false
    }
  }

  /// Whether its document may be another one tomorrow.
  var canChange: Bool { method == .web || method == .webvh }
}

extension KnownPeer {
  /// The identity that was let in; `nil` where the journal's document does not read.
  var pinned: PeerIdentity? {
    guard let did = try? DID(parsing: did) else { return nil }
    return try? LocalResolver.resolve(did, documentBytes: document.bytes, keyFragment: keyFragment)
  }
}

extension RefusalCode {
  /// Why, in words for the one who was refused.
  var reason: String {
    switch self {
    case .busy: "it has no room for another session"
    case .duplicate: "a session with this DID is open there"
    case .shuttingDown: "it is stopping"
    case .awaitingApproval: "its operator has not approved this DID"
    case .denied: "its operator has denied this DID"
    case .keysChanged: "these are not the keys that its operator approved for this DID"
    default: "it refused with code \(rawValue)"
    }
  }

  /// What the one who was refused can do.
  var advice: String {
    switch self {
    case .busy, .shuttingDown: "try again later"
    case .duplicate: "wait until the other session has ended"
    case .awaitingApproval:
      "it has been told: give its operator your fingerprint ('parley id --fingerprint') and try again"
    case .denied: "only its operator can change that, with 'parley peers approve'"
    case .keysChanged: "publish the rotation statement that 'parley rotate' made, or ask its operator to approve anew"
    default: "its operator's log says more"
    }
  }
}
