import ParleyJournal

/// Reading the clear header of a backup, and the records in it, never traps; what is read is written the same.
@c(LLVMFuzzerTestOneInput)
public func fuzzBackup(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  if let header = try? BackupHeader(decoding: input) { precondition(header.encoded == input) }
  guard let type = input.first else { return 0 }
  let content = Array(input.dropFirst())
  if let record = try? BackupRecord(type: type, content: content) {
    precondition(
      record.encoded == [type] + (0..<4).reversed().map { UInt8(truncatingIfNeeded: content.count >> ($0 * 8)) }
        + content)
  }
  return 0
}
