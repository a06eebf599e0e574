internal import Glibc

/// A file that is written beside its place and moved there whole: after a kill or a loss of power it is all there, or it
/// is not there.
///
/// The draft is `path.partial`; one that an earlier attempt left behind is written over. It goes with this object unless
/// ``publish()`` was called.
public final class DraftFile {
  private let path: String
  private var descriptor: CInt
  private var draft: String { path + ".partial" }

  /// Begins a file that only its owner may read.
  ///
  /// - Throws: ``StoreError/exists(path:)`` rather than write over a file, ``StoreError/inUse(path:)`` while another
  ///   process writes this draft, or what the system says.
  public init(path: String) throws(StoreError) {
    guard unsafe access(path, F_OK) != 0 else { throw .exists(path: path) }
    let draft = path + ".partial"
    let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw .system(operation: "create", path: draft) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw .inUse(path: draft)
    }
    self.path = path
    self.descriptor = descriptor
    guard ftruncate(descriptor, 0) == 0 else { throw .system(operation: "empty", path: draft) }
  }

  deinit {
    guard descriptor >= 0 else { return }
    unsafe unlink(draft)
    close(descriptor)
  }

  /// Appends bytes.
  ///
  /// - Throws: ``StoreError/diskFull(path:)`` or what else the system says.
  public func write(_ bytes: [UInt8]) throws(StoreError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .system(operation: "write", path: draft) }
      rest = rest.dropFirst(count)
    }
  }

  /// Makes the file durable and gives it its name.
  ///
  /// - Throws: ``StoreError/exists(path:)`` when somebody else made a file of that name meanwhile, or what the system says.
  public func publish() throws(StoreError) {
    guard fsync(descriptor) == 0 else { throw .system(operation: "sync", path: draft) }
    // Unlike `rename`, `link` never replaces what is there.
    guard unsafe link(draft, path) == 0 else {
      throw errno == EEXIST ? .exists(path: path) : .system(operation: "name", path: path)
    }
    unsafe unlink(draft)
    close(descriptor)
    descriptor = -1
    try JournalFile.syncFolder(of: path)
  }
}

/// A folder that is filled beside its place and moved there whole.
///
/// The draft is `path.partial`. What a killed attempt left there is removed at the next one.
public final class DraftFolder {
  /// Where to put the files.
  public let draft: String
  private let path: String
  private let lock: CInt
  private var isPublished = false

  /// Begins a folder that only its owner may enter.
  ///
  /// - Throws: ``StoreError/exists(path:)`` where there is anything but an empty folder, ``StoreError/inUse(path:)`` while
  ///   another process fills this draft, or what the system says.
  public init(path: String) throws(StoreError) {
    var trimmed = path
    while trimmed.utf8.count > 1, trimmed.utf8.last == UInt8(ascii: "/") { trimmed.removeLast() }
    self.path = trimmed
    draft = trimmed + ".partial"
    guard Self.isFree(trimmed) else { throw .exists(path: trimmed) }
    if unsafe mkdir(draft, 0o700) != 0, errno != EEXIST { throw .system(operation: "create", path: draft) }
    lock = unsafe open(draft, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
    guard lock >= 0 else { throw .system(operation: "open", path: draft) }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      isPublished = true
      throw .inUse(path: draft)
    }
    try empty()
  }

  deinit {
    if !isPublished {
      try? empty()
      unsafe rmdir(draft)
    }
    if lock >= 0 { close(lock) }
  }

  /// Makes the folder durable and gives it its name.
  ///
  /// - Throws: ``StoreError/exists(path:)`` when it is not free any more, or what the system says.
  public func publish() throws(StoreError) {
    for name in try names() {
      let file = "\(draft)/\(name)"
      let descriptor = unsafe open(file, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0, fsync(descriptor) == 0 else { throw .system(operation: "sync", path: file) }
      close(descriptor)
    }
    guard fsync(lock) == 0 else { throw .system(operation: "sync", path: draft) }
    // `rename` replaces an empty folder and nothing else.
    guard unsafe rename(draft, path) == 0 else {
      throw errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
        ? .exists(path: path) : .system(operation: "name", path: path)
    }
    isPublished = true
    try JournalFile.syncFolder(of: path)
  }

  private static func isFree(_ path: String) -> Bool {
    guard let names = try? names(in: path) else { return unsafe access(path, F_OK) != 0 }
    return names.isEmpty
  }

  private func empty() throws(StoreError) {
    for name in try names() {
      guard unsafe unlink("\(draft)/\(name)") == 0 else { throw .system(operation: "remove", path: "\(draft)/\(name)") }
    }
  }

  private func names() throws(StoreError) -> [String] { try Self.names(in: draft) }

  private static func names(in folder: String) throws(StoreError) -> [String] {
    guard let stream = unsafe opendir(folder) else { throw .system(operation: "list", path: folder) }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
        unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }
}

/// A file that is read from its beginning to its end.
public final class SourceFile {
  private let path: String
  private let descriptor: CInt

  /// Opens a file.
  ///
  /// - Throws: What the system says.
  public init(path: String) throws(StoreError) {
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    self.path = path
    guard descriptor >= 0 else { throw .system(operation: "open", path: path) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// The next bytes: `count` of them, or fewer at the file's end.
  public func read(_ count: Int) throws(StoreError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let got = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe Glibc.read(descriptor, buffer.baseAddress?.advanced(by: filled), count - filled)
      }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw .system(operation: "read", path: path) }
      guard got > 0 else { break }
      filled += got
    }
    return Array(bytes.prefix(filled))
  }
}
