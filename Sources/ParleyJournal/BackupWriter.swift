public import ParleyCrypto
public import ParleyIdentity

/// Writes a backup: records go in, bytes of the file come out.
///
///     BackupHeader ‖ piece ‖ piece ‖ … ‖ last piece
///
/// The pieces are those of a ``SecretStream`` whose text is the records, 64 KiB each but for the last one; each is
/// bound to the header.
public struct BackupWriter {
  private let sealer: SecretStream.Sealer
  private let header: [UInt8]
  private var text: [UInt8] = []

  /// Begins a backup.
  ///
  /// - Parameters:
  ///   - passphrase: Its bytes as they are.
  ///   - cost: What opening it will cost.
  ///   - salt: ``BackupHeader/saltByteCount`` random bytes, new for each backup.
  ///   - output: The file's first bytes are appended.
  /// - Throws: ``BackupError/unacceptableCost`` where the machine has not the memory.
  public init(
    passphrase: SecretBytes, cost: KeystoreCost = .standard, salt: [UInt8], appendingTo output: inout [UInt8]
  ) throws(BackupError) {
    sealer = SecretStream.Sealer(key: try BackupHeader.key(passphrase, cost: cost, salt: salt))
    header = BackupHeader(cost: cost, salt: salt, stream: sealer.header).encoded
    output += header
  }

  /// Writes one record; the file's next bytes are appended to `output`, if there are any yet.
  ///
  /// - Precondition: Records come in the order of ``BackupRecord``, and are within its limits.
  public mutating func write(_ record: BackupRecord, appendingTo output: inout [UInt8]) {
    text += record.encoded
    var start = 0
    // The last piece is whatever is left at the end, so a full one waits until more has come.
    while text.count - start > BackupHeader.pieceByteCount {
      let piece = Array(text[start..<start + BackupHeader.pieceByteCount])
      output += sealer.seal(piece, additionalData: header, isLast: false)
      start += BackupHeader.pieceByteCount
    }
    if start > 0 { text.removeFirst(start) }
  }

  /// Ends the backup with its checkpoint; the file's last bytes are appended to `output`.
  public consuming func finish(_ checkpoint: SignedNote, appendingTo output: inout [UInt8]) {
    write(.checkpoint(checkpoint), appendingTo: &output)
    output += sealer.seal(text, additionalData: header, isLast: true)
  }
}
