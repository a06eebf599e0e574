internal import COpenSSL

/// Bytes that are overwritten when the last reference goes, and that no description shows.
///
/// Copying the reference does not copy the bytes. Whoever copies them out with ``withBytes(_:)`` owns the problem
/// of erasing the copy.
@safe
public final class SecretBytes: @unchecked Sendable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  // Written only by initializers and `erase()`, read only by `withUnsafeBytes`: sound to share between threads.
  private let storage: UnsafeMutableRawBufferPointer
  private let ownsMemory: Bool

  /// How many bytes there are; this is not secret.
  public let count: Int

  /// Creates zero bytes.
  ///
  /// - Precondition: `count >= 0`.
  public convenience init(count: Int) {
    unsafe self.init(writing: count) { _ in }
  }

  /// Copies bytes; the array stays as it is.
  public convenience init(copying bytes: [UInt8]) {
    unsafe self.init(writing: bytes.count) { storage in unsafe storage.copyBytes(from: bytes) }
  }

  /// Takes bytes over: they are overwritten with zeros where they were, and the array is empty then.
  ///
  /// Another copy of the array, if there is one, keeps them.
  public convenience init(taking bytes: inout [UInt8]) {
    self.init(copying: bytes)
    unsafe bytes.withUnsafeMutableBytes { unsafe OPENSSL_cleanse($0.baseAddress, $0.count) }
    bytes.removeAll(keepingCapacity: true)
  }

  /// Copies bytes that someone else owns.
  public convenience init(copying bytes: RawSpan) {
    unsafe self.init(writing: bytes.byteCount) { storage in
      unsafe bytes.withUnsafeBytes { unsafe storage.copyMemory(from: $0) }
    }
  }

  /// Joins secrets in order.
  public convenience init(joining parts: SecretBytes...) {
    unsafe self.init(writing: parts.reduce(0) { $0 + $1.count }) { storage in
      var offset = 0
      for part in parts {
        unsafe part.withUnsafeBytes { bytes in
          unsafe UnsafeMutableRawBufferPointer(rebasing: storage[offset..<offset + bytes.count])
            .copyMemory(from: bytes)
        }
        offset += part.count
      }
    }
  }

  /// Creates `count` zero bytes and lets `body` write them.
  init(writing count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) {
    precondition(count >= 0)
    unsafe storage = .allocate(byteCount: count, alignment: 16)
    unsafe storage.initializeMemory(as: UInt8.self, repeating: 0)
    ownsMemory = true
    self.count = count
    unsafe body(storage)
  }

  /// Uses memory of the caller, which must outlive this object and is erased, not freed, with it.
  init(borrowing memory: UnsafeMutableRawBufferPointer) {
    unsafe storage = memory
    ownsMemory = false
    count = memory.count
  }

  deinit {
    erase()
    if ownsMemory { unsafe storage.deallocate() }
  }

  /// Draws from the system's generator.
  ///
  /// - Precondition: `count >= 0`.
  public static func random(count: Int) -> SecretBytes {
    unsafe SecretBytes(writing: count) { unsafe SystemRandom.fill($0) }
  }

  /// Lends the bytes.
  public func withBytes<Result: ~Copyable, Failure: Error>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(storage)))
  }

  /// A copy of the bytes `range` as a secret of its own.
  ///
  /// - Precondition: `range` lies within the bytes.
  public subscript(range: Range<Int>) -> SecretBytes {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return unsafe SecretBytes(writing: range.count) { copy in
      unsafe copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[range]))
    }
  }

  /// Always `SecretBytes(n bytes)`.
  public var description: String { "SecretBytes(\(count) bytes)" }

  /// Always `SecretBytes(n bytes)`.
  public var debugDescription: String { description }

  /// Shows no children.
  public var customMirror: Mirror { Mirror(self, children: []) }

  /// Lends the bytes to a C function.
  func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(UnsafeRawBufferPointer(storage))
  }

  private func erase() {
    unsafe OPENSSL_cleanse(storage.baseAddress, storage.count)
  }
}
