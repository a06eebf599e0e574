internal import Glibc
import ParleyJournal
import ParleyWire

/// The file beside a journal that keeps a second node out and remembers how far the journal had come.
///
/// The lock is the kernel's (`flock`): it ends with the process, however that ends. The record is written after each
/// commit without a sync. It survives the process, and can only be behind the journal, never ahead of it; so a
/// journal that is behind the record has lost its end, to a damaged write-ahead log or an old copy put back.
final class JournalLock {
  /// How far a journal had come.
  struct Record: Hashable {
    let size: UInt64
    let root: Digest
  }

  private let descriptor: CInt
  private let path: String

  /// Takes the lock of the journal at `path`.
  ///
  /// - Throws: ``StoreError/inUse(path:)`` when another process, or another store of this one, holds it.
  init(journal path: String) throws(StoreError) {
    let lockPath = path + "-lock"
    let descriptor = unsafe open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system(operation: "open the lock", path: lockPath) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let error = errno == EWOULDBLOCK ? StoreError.inUse(path: path) : .system(operation: "lock", path: lockPath)
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    self.path = lockPath
  }

  deinit {
    close(descriptor)
  }

  /// What was last recorded; `nil` when nothing was, or not in a form that can be read.
  func recorded() throws(StoreError) -> Record? { try Self.read(descriptor, path) }

  /// The same of a journal that perhaps another process keeps.
  static func recorded(journal path: String) throws(StoreError) -> Record? {
    let lockPath = path + "-lock"
    let descriptor = unsafe open(lockPath, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw .system(operation: "open the lock", path: lockPath)
    }
    defer { close(descriptor) }
    return try read(descriptor, lockPath)
  }

  private static func read(_ descriptor: CInt, _ path: String) throws(StoreError) -> Record? {
    var bytes = [UInt8](repeating: 0, count: Self.byteCount)
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
    guard count >= 0 else { throw .system(operation: "read the lock", path: path) }
    let parts = String(decoding: bytes, as: UTF8.self).dropLast().split(separator: " ")
    guard count == Self.byteCount, parts.count == 2, let size = UInt64(parts[0]), let root = [UInt8](hex: parts[1]),
      let root = Digest(root)
    else { return nil }
    return Record(size: size, root: root)
  }

  /// Records how far the journal has come.
  func record(_ record: Record) throws(StoreError) {
    let digits = String(record.size)
    let text = String(repeating: "0", count: 20 - digits.count) + digits + " \(record.root)\n"
    let count = unsafe Array(text.utf8).withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    guard count == Self.byteCount else { throw .system(operation: "write the lock", path: path) }
  }

  /// Twenty digits, a space, 64 hexadecimal digits, a newline.
  private static let byteCount = 20 + 1 + 64 + 1
}

/// Files that SQLite should find as this store wants them.
enum JournalFile {
  /// Creates an empty file that only its owner may read, unless there is a file already.
  ///
  /// SQLite gives the files beside it the same permissions.
  static func create(_ path: String) throws(StoreError) {
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system(operation: "create", path: path) }
    close(descriptor)
    // The folder's entry must be as durable as what will be committed to the file.
    try syncFolder(of: path)
  }

  /// Makes the entry of a file in its folder durable.
  static func syncFolder(of path: String) throws(StoreError) {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let directory = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw .system(operation: "open the folder", path: folder) }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw .system(operation: "sync the folder", path: folder) }
  }

  /// Whether there is a file.
  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
}

extension StoreError {
  /// What `errno` says after a failed call.
  static func system(operation: String, path: String) -> StoreError {
    switch errno {
    case ENOSPC, EDQUOT, EFBIG: .diskFull(path: path)
    case EACCES, EPERM, EROFS: .readOnly(path: path)
    default: .failed(operation: "\(operation) \(path)", code: errno, message: unsafe String(cString: strerror(errno)))
    }
  }
}
