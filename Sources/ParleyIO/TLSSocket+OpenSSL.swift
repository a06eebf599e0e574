internal import COpenSSL
internal import Glibc

/// The socket beneath a ``TLSSession``, as OpenSSL reads and writes it.
///
/// OpenSSL's own kind would ask the kernel again after each read to learn that there is no more, and would send each
/// record as a segment of its own. This one takes a read that fills less than it might as the last, and says when more
/// records follow. Readiness must be reported by level, so that bytes which come meanwhile are reported again.
@safe
struct TLSSocket {
  /// Reads in one call of a session, so that a peer that sends without pause does not hold the loop in it.
  private static let maximumReceiveCount = 4

  private let fd: CInt
  private var receivesLeft = 0
  /// Whether the record that is being written is followed by another right away.
  var moreFollows = false
  /// Whether the stream has ended.
  private(set) var hasEnded = false
  /// The error with which the kernel ended the connection; 0 for none.
  private(set) var errorNumber: CInt = 0

  init(fd: CInt) { self.fd = fd }

  /// Begins one call of a session.
  mutating func begin() { receivesLeft = Self.maximumReceiveCount }

  /// Whether this call has read what there was to read.
  var isDrained: Bool { receivesLeft == 0 }

  private mutating func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    guard receivesLeft > 0 else { return -1 }
    let count = unsafe recv(fd, buffer.baseAddress, buffer.count, 0)
    receivesLeft = count == buffer.count ? receivesLeft &- 1 : 0
    if count == 0 { hasEnded = true }
    if count < 0 { note(errno) }
    return count
  }

  private mutating func send(_ bytes: UnsafeRawBufferPointer) -> Int {
    let flags = CInt(MSG_NOSIGNAL) | (moreFollows ? CInt(MSG_MORE) : 0)
    let count = unsafe Glibc.send(fd, bytes.baseAddress, bytes.count, flags)
    if count < 0 { note(errno) }
    return count
  }

  private mutating func note(_ number: CInt) {
    if number != EAGAIN, number != EINTR { errorNumber = number }
  }

  /// Whether a transfer that did not take place may be tried again.
  private var mayRetry: Bool { !hasEnded && errorNumber == 0 }

  // MARK: OpenSSL

  /// Makes OpenSSL's view of the socket of `session`, which must live for as long.
  static func makeBIO(for session: TLSSession) -> OpaquePointer? {
    guard let bio = unsafe BIO_new(method.pointer) else { return nil }
    unsafe BIO_set_data(bio, Unmanaged.passUnretained(session).toOpaque())
    unsafe BIO_set_init(bio, 1)
    return unsafe bio
  }

  @safe
  private struct Method: @unchecked Sendable {
    let pointer: OpaquePointer
  }

  private static let method: Method = {
    let kind = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
    guard let method = unsafe BIO_meth_new(kind, "socket of a loop") else { preconditionFailure("out of memory") }
    unsafe BIO_meth_set_read(method) { bio, start, count in
      guard let bio = unsafe bio, let session = unsafe session(of: bio), count > 0 else { return -1 }
      unsafe BIO_clear_flags(bio, retry | BIO_FLAGS_READ | BIO_FLAGS_WRITE)
      let received = unsafe session.socket.receive(into: UnsafeMutableRawBufferPointer(start: start, count: Int(count)))
      if received < 0, session.socket.mayRetry { unsafe BIO_set_flags(bio, retry | BIO_FLAGS_READ) }
      return CInt(received)
    }
    unsafe BIO_meth_set_write(method) { bio, start, count in
      guard let bio = unsafe bio, let session = unsafe session(of: bio), count > 0 else { return -1 }
      unsafe BIO_clear_flags(bio, retry | BIO_FLAGS_READ | BIO_FLAGS_WRITE)
      let sent = unsafe session.socket.send(UnsafeRawBufferPointer(start: start, count: Int(count)))
      if sent < 0, session.socket.mayRetry { unsafe BIO_set_flags(bio, retry | BIO_FLAGS_WRITE) }
      return CInt(sent)
    }
    unsafe BIO_meth_set_ctrl(method) { bio, command, _, _ in
      switch command {
      case BIO_CTRL_FLUSH: 1
      case BIO_CTRL_EOF: unsafe bio.flatMap { unsafe session(of: $0) }?.socket.hasEnded == true ? 1 : 0
      default: 0
      }
    }
    return unsafe Method(pointer: method)
  }()

  private static let retry = BIO_FLAGS_SHOULD_RETRY

  static func session(of bio: OpaquePointer) -> TLSSession? {
    unsafe BIO_get_data(bio).map { unsafe Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
  }
}
