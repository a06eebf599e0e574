public import ParleyHandshake
public import ParleyIdentity
public import ParleyJournal

/// Why a node could not do what it was asked.
///
/// Every case says in words what went wrong (``description``) and, where a person can do something about it, what
/// (``hint``).
public enum NodeError: Error, Sendable, CustomStringConvertible {
  /// An identity exists already in this home.
  case alreadyInitialized(String)
  /// No identity has been made in this home.
  case notInitialized(String)
  /// A file or folder could not be used: its path, and why.
  case file(String, String)
  /// The passphrase could not be had.
  case passphrase(String)
  /// The keystore was refused.
  case keystore(IdentityError)
  /// The backup was refused.
  case backup(BackupError)
  /// The journal was refused.
  case journal(String)
  /// The address could not be listened on.
  case listen(String)
  /// A DID could not be resolved: the DID, and why.
  case resolution(String, String)
  /// The peer's document names no `ParleyNode` service.
  case noEndpoint(String)
  /// No channel could be opened to a peer: the DID, and at which step it failed.
  case connect(String, String)
  /// The peer proved itself, and refused this node: its DID, and why.
  case refused(String, RefusalCode)
  /// A DID's keys count only with their fingerprint: the DID, what it is today, and what was given.
  case fingerprint(String, String, String?)
  /// A DID has other keys than those that were let in: the DID, the fingerprint today, and the one let in.
  case keysChanged(String, String, String)
  /// The keys of this node could not be replaced: why, and what to do.
  case rotation(String)
  /// The owner has denied the peer.
  case denied(String)
  /// No open channel, or several where one must be meant.
  case peerUnclear([String])
  /// An instrument, amount or price that cannot be read.
  case terms(String)
  /// No such dialogue or trade in the journal.
  case unknown(String)
  /// What was asked is not possible now: why.
  case notNow(String)

  /// What went wrong.
  public var description: String {
    switch self {
    case .alreadyInitialized(let path): "there is an identity in \(path) already"
    case .notInitialized(let path): "there is no identity in \(path)"
    case .file(let path, let why): "\(path) \(why)"
    case .passphrase(let why): "no passphrase: \(why)"
    case .keystore(let error): "the keystore could not be opened: \(error)"
    case .backup(let error): "\(error)"
    case .journal(let why): "the journal could not be used: \(why)"
    case .listen(let why): "cannot listen: \(why)"
    case .resolution(let did, let why): "\(did) could not be resolved: \(why)"
    case .noEndpoint(let did): "the document of \(did) names no Parley endpoint"
    case .connect(let did, let why): "no channel to \(did): \(why)"
    case .refused(let did, let code): "\(did) refused this node: \(code.reason)"
    case .fingerprint(let did, let found, let given):
      given == nil
        ? "the keys of \(did) are what a server says: fingerprint \(found)"
        : "the keys of \(did) have the fingerprint \(found), not the one given"
    case .keysChanged(let did, let found, let pinned):
      "\(did) has other keys now (fingerprint \(found)) than those that were let in (\(pinned)), and the old ones have not signed for them"
    case .rotation(let why): "the keys were not replaced: \(why)"
    case .denied(let did): "\(did) is denied here"
    case .peerUnclear(let peers):
      peers.isEmpty ? "no peer is connected" : "\(peers.count) peers are connected and none was named"
    case .terms(let why): why
    case .unknown(let what): "there is no \(what) here"
    case .notNow(let why): why
    }
  }

  /// What to do about it.
  public var hint: String? {
    switch self {
    case .alreadyInitialized: "choose another --home; keys are never overwritten"
    case .notInitialized: "run 'parley init' first, or give --home"
    case .keystore: "check the passphrase; a changed file cannot be told from a wrong passphrase"
    case .backup(.cannotOpen):
      "it is the passphrase that the keystore had when the backup was made; nothing was restored"
    case .backup: "nothing was restored: take another backup, or another copy of this one"
    case .noEndpoint: "ask its owner for a DID made with 'parley init --endpoint'"
    case .refused(_, let code): code.advice
    case .fingerprint(let did, let found, let given):
      given == nil
        ? "ask its owner by another way; if they agree: parley peers approve \(did) --fingerprint \(found)"
        : "do not go on before its owner has told you the fingerprint by another way"
    case .keysChanged(let did, let found, _):
      "ask its owner by another way; if that is right: parley peers approve \(did) --fingerprint \(found)"
    case .denied(let did): "let it in again with 'parley peers approve \(did)'"
    case .peerUnclear(let peers):
      peers.isEmpty ? "run 'parley connect DID'" : "give --with DID; connected: " + peers.joined(separator: ", ")
    case .file, .passphrase, .journal, .rotation, .listen, .resolution, .connect, .terms, .unknown, .notNow: nil
    }
  }
}
