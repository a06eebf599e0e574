import ParleyCrypto
public import ParleyIdentity
import ParleyWire

/// The clear beginning of a backup: how to come from the passphrase to the key.
///
///     0                 14   15            19           23      27         43              67
///     +-----------------+----+-------------+------------+-------+----------+---------------+
///     | "parley backup" 0A| 1 | u32 KiB    | u32 passes | u32 lanes | salt 16 | stream's 24   |
///     +-----------------+----+-------------+------------+-------+----------+---------------+
public struct BackupHeader: Hashable, Sendable {
  /// The format's version.
  public static let version: UInt8 = 1
  /// Bytes of a header.
  public static let byteCount = magic.count + 1 + 12 + saltByteCount + SecretStream.headerByteCount
  /// Bytes of the salt.
  public static let saltByteCount = 16
  /// Bytes of a piece's text; only the last one has fewer.
  public static let pieceByteCount = 65_536
  /// Bytes of a sealed piece; only the last one has fewer.
  public static let sealedPieceByteCount = pieceByteCount + SecretStream.overhead

  static let magic = Array("parley backup\n".utf8)

  /// What deriving the key costs.
  public let cost: KeystoreCost
  /// The salt of the key derivation.
  public let salt: [UInt8]
  /// The stream's own header.
  public let stream: [UInt8]

  init(cost: KeystoreCost, salt: [UInt8], stream: [UInt8]) {
    precondition(salt.count == Self.saltByteCount && stream.count == SecretStream.headerByteCount)
    self.cost = cost
    self.salt = salt
    self.stream = stream
  }

  /// The header's bytes.
  public var encoded: [UInt8] {
    var bytes = Self.magic
    bytes.append(Self.version)
    for value in [cost.memoryKiB, cost.iterations, cost.lanes] { bytes.appendBigEndian(UInt32(value)) }
    return bytes + salt + stream
  }

  /// Reads the first bytes of a file.
  ///
  /// - Parameter bytes: ``byteCount`` of them; fewer where the file ends before.
  /// - Throws: ``BackupError/notABackup``, ``BackupError/version(_:)``, ``BackupError/cutShort`` or
  ///   ``BackupError/unacceptableCost``.
  public init(decoding bytes: [UInt8]) throws(BackupError) {
    guard bytes.starts(with: Self.magic) else { throw .notABackup }
    var reader = ByteReader(bytes.rawSpan)
    _ = reader.readBytes(count: Self.magic.count)
    guard let version = reader.readUInt8() else { throw .cutShort }
    guard version == Self.version else { throw .version(version) }
    guard let memory = reader.readBigEndian(as: UInt32.self), let passes = reader.readBigEndian(as: UInt32.self),
      let lanes = reader.readBigEndian(as: UInt32.self), let salt = reader.readBytes(count: Self.saltByteCount),
      let stream = reader.readBytes(count: SecretStream.headerByteCount)
    else { throw .cutShort }
    guard reader.isAtEnd else { throw .trailingBytes }
    guard let cost = try? KeystoreCost(memoryKiB: Int(memory), iterations: Int(passes), lanes: Int(lanes)) else {
      throw .unacceptableCost
    }
    self.init(cost: cost, salt: salt, stream: stream)
  }

  /// The key that the passphrase gives.
  ///
  /// - Throws: ``BackupError/unacceptableCost`` where the machine has not the memory.
  static func key(_ passphrase: SecretBytes, cost: KeystoreCost, salt: [UInt8]) throws(BackupError) -> SecretBytes {
    do {
      return try Argon2id.derive(
        passphrase: passphrase, salt: salt, memoryKiB: cost.memoryKiB, iterations: cost.iterations, lanes: cost.lanes,
        count: SecretStream.keyByteCount)
    } catch {
      throw .unacceptableCost
    }
  }
}
