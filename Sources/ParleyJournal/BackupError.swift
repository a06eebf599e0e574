public import ParleyIdentity

/// Why a backup could not be taken up.
///
/// Nothing of it may be used then: a backup is whole or it is none.
public enum BackupError: Error, Hashable, Sendable {
  /// The file does not begin as backups do.
  case notABackup
  /// A later version of Parley made it.
  case version(UInt8)
  /// Deriving its key would cost too little to be safe, or too much for a machine.
  case unacceptableCost
  /// Its first piece does not open: the passphrase is wrong, or the file's beginning was changed. Which, cannot be told.
  case cannotOpen
  /// The passphrase is right, and this piece, counted from 0, was changed.
  case damaged(piece: UInt64)
  /// It ends before its end.
  case cutShort
  /// Bytes follow its end.
  case trailingBytes
  /// A record that cannot be read, or not in the place where one of its type may stand.
  case malformedRecord(type: UInt8)
  /// The keystore in it is none.
  case keystore(IdentityError)
  /// An entry, or the checkpoint at the end, does not hold.
  case journal(JournalError)
  /// The entries are not all that the signed checkpoint at the end counts.
  case missingEntries(found: UInt64, signed: UInt64)
  /// The entries are as many as the checkpoint at the end says, and not those.
  case otherEntries(size: UInt64)
}

extension BackupError: CustomStringConvertible {
  /// What went wrong, for a person.
  public var description: String {
    switch self {
    case .notABackup: "this is no backup of a Parley journal"
    case .version(let version): "the backup has format \(version), which this version of parley does not know"
    case .unacceptableCost: "the backup asks for a key derivation that is too weak or too expensive"
    case .cannotOpen: "the passphrase is wrong, or the backup was changed or cut near its beginning"
    case .damaged(let piece): "the backup is damaged in its piece \(piece)"
    case .cutShort: "the backup is cut short: its end is missing"
    case .trailingBytes: "bytes follow the backup's end"
    case .malformedRecord(let type): "the backup holds a record of type \(type) that cannot be read where it stands"
    case .keystore(let error): "the keystore in the backup cannot be used: \(error)"
    case .journal(let error): "the backup's journal does not hold: \(error)"
    case .missingEntries(let found, let signed):
      "the backup holds \(found) entries, and its signed checkpoint counts \(signed)"
    case .otherEntries(let size): "the backup's \(size) entries are not those that its checkpoint signs"
    }
  }
}
