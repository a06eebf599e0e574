internal import CLinux
internal import Glibc

/// System calls on descriptors, their errors in Swift's terms.
enum Descriptor {
  /// What a read or a write came to.
  enum Transfer: Hashable {
    /// This many bytes, at least one.
    case count(Int)
    /// Nothing now.
    case wouldBlock
    /// TLS: nothing before the socket can be written.
    case wantsWrite
    /// The other side has ended the stream.
    case end
    /// The connection is broken.
    case failed(IOError)
  }

  static func close(_ fd: CInt) { Glibc.close(fd) }

  static func writeCounter(_ fd: CInt) {
    var one: UInt64 = 1
    _ = unsafe Glibc.write(fd, &one, 8)
  }

  /// Sets the counter to zero, and says whether it was not zero before.
  @discardableResult
  static func readCounter(_ fd: CInt) -> Bool {
    var count: UInt64 = 0
    return unsafe Glibc.read(fd, &count, 8) == 8
  }

  static func receive(_ fd: CInt, into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
    transfer(unsafe recv(fd, buffer.baseAddress, buffer.count, 0), "recv")
  }

  /// Sends once, through TLS if there is a session.
  static func send(_ fd: CInt, _ tls: TLSSession?, _ bytes: borrowing [UInt8], from start: Int) -> Transfer {
    unsafe bytes.withUnsafeBytes { all in
      unsafe send(fd, tls, UnsafeRawBufferPointer(rebasing: all[start...]))
    }
  }

  static func send(_ fd: CInt, _ tls: TLSSession?, _ bytes: UnsafeRawBufferPointer) -> Transfer {
    if let tls { return unsafe tls.send(bytes) }
    return transfer(unsafe Glibc.send(fd, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL)), "send")
  }

  /// Sends the rest of `head`, then `body`, in one call.
  static func send(_ fd: CInt, _ head: borrowing [UInt8], from start: Int, then body: RawSpan) -> Transfer {
    let count = unsafe head.withUnsafeBytes { head in
      unsafe body.withUnsafeBytes { body in
        unsafe parley_send_both(
          fd, head.baseAddress.map { unsafe $0 + start }, head.count &- start, body.baseAddress, body.count)
      }
    }
    return transfer(count, "sendmsg")
  }

  /// Sends all of `parts`, or as much as the kernel takes, in one call.
  static func send(_ fd: CInt, _ parts: UnsafeMutableBufferPointer<iovec>) -> Transfer {
    var message = unsafe msghdr()
    unsafe message.msg_iov = parts.baseAddress
    unsafe message.msg_iovlen = parts.count
    return transfer(unsafe sendmsg(fd, &message, CInt(MSG_NOSIGNAL)), "sendmsg")
  }

  /// Reads once, through TLS if there is a session, to the end of what `span` holds.
  static func receive(_ fd: CInt, _ tls: TLSSession?, into span: inout OutputSpan<UInt8>) -> Transfer {
    var result = Transfer.wouldBlock
    unsafe span.withUnsafeMutableBufferPointer { buffer, count in
      let room = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[count...])
      result = if let tls { unsafe tls.receive(into: room) } else { unsafe receive(fd, into: room) }
      if case .count(let added) = result { count &+= added }
    }
    return result
  }

  private static func transfer(_ count: Int, _ call: String) -> Transfer {
    if count > 0 { return .count(count) }
    if count == 0 { return .end }
    switch errno {
    case EAGAIN, EINTR: return .wouldBlock
    case ECONNRESET, EPIPE, ETIMEDOUT: return .failed(.connectionLost)
    default: return .failed(.last(call))
    }
  }

  /// The offset of the next line feed from `start` on; `nil` if there is none.
  static func lineEnd(in bytes: RawSpan, from start: Int) -> Int? {
    unsafe bytes.withUnsafeBytes { all in
      guard start < all.count, let base = all.baseAddress else { return nil }
      guard let found = unsafe memchr(base + start, 0x0A, all.count &- start) else { return nil }
      return unsafe UnsafeRawPointer(found) - base
    }
  }

  /// How many of the bytes given to a socket its peer has not acknowledged yet.
  static func queuedByteCount(_ fd: CInt) -> CInt { parley_queued(fd) }

  // MARK: Sockets

  /// A TCP socket: non-blocking, closed on exec, without Nagle's delay.
  static func makeTCP(_ address: SocketAddress) throws(IOError) -> CInt {
    let fd = socket(
      address.isIPv6 ? AF_INET6 : AF_INET,
      CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
    guard fd >= 0 else { throw .last("socket") }
    disableDelay(fd)
    return fd
  }

  static func makeUnix() throws(IOError) -> CInt {
    let fd = socket(
      AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
    guard fd >= 0 else { throw .last("socket") }
    return fd
  }

  static func disableDelay(_ fd: CInt) { setOption(fd, CInt(IPPROTO_TCP), TCP_NODELAY, 1) }

  static func setOption(_ fd: CInt, _ level: CInt, _ name: CInt, _ value: CInt) {
    var value = value
    unsafe setsockopt(fd, level, name, &value, socklen_t(MemoryLayout<CInt>.size))
  }

  static func option(_ fd: CInt, _ level: CInt, _ name: CInt) -> CInt? {
    var value: CInt = 0
    var size = socklen_t(MemoryLayout<CInt>.size)
    return unsafe getsockopt(fd, level, name, &value, &size) == 0 ? value : nil
  }

  /// The error that a socket has kept, which is how a connect that did not finish at once ends; 0 for none.
  static func pendingError(_ fd: CInt) -> CInt { option(fd, SOL_SOCKET, SO_ERROR) ?? EBADF }

  /// Makes the coming `close` send a reset instead of what is unsent.
  static func resetOnClose(_ fd: CInt) {
    var value = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
  }

  static func shutDownWriting(_ fd: CInt) { shutdown(fd, CInt(SHUT_WR)) }

  static func makeNonBlocking(_ fd: CInt) {
    _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)
    _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
  }

  /// Begins to connect; the end shows as writability and `pendingError`.
  static func connect(_ fd: CInt, to address: SocketAddress) throws(IOError) {
    let result = unsafe address.withSocketAddress { unsafe Glibc.connect(fd, $0, $1) }
    guard result == 0 || errno == EINPROGRESS else {
      throw .connectFailed(address.description, errno: errno)
    }
  }

  /// Accepts one connection; `nil` when none waits.
  static func accept(_ listener: CInt) throws(IOError) -> CInt? {
    let fd = parley_accept(listener, nil, nil)
    guard fd < 0 else { return fd }
    switch errno {
    case EAGAIN: return nil
    // The connection died while it waited, or a signal came: the next one may be fine.
    case ECONNABORTED, EINTR, EPROTO: return nil
    default: throw .last("accept4")
    }
  }

  /// This end's address of a TCP socket, or the other end's.
  static func address(of fd: CInt, isPeer: Bool) -> SocketAddress? {
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe isPeer ? getpeername(fd, address, &size) : getsockname(fd, address, &size)
      }
    }
    guard result == 0 else { return nil }
    return SocketAddress(storage)
  }

  // MARK: Unix sockets

  private static func withUnixAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt)
    throws(IOError) -> CInt
  {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, !bytes.contains(0), bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw .invalidAddress(path)
    }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  static func connect(_ fd: CInt, toUnix path: String) throws(IOError) {
    let result = try unsafe withUnixAddress(path) { unsafe Glibc.connect(fd, $0, $1) }
    guard result == 0 else { throw .connectFailed(path, errno: errno) }
  }

  /// Listens at `path` with permission for its owner only.
  static func listen(_ fd: CInt, atUnix path: String) throws(IOError) {
    // The mode of a socket's file is that of the socket when it is bound, so there is no moment at which others may.
    guard fchmod(fd, 0o600) == 0 else { throw .last("fchmod") }
    let result = try unsafe withUnixAddress(path) { unsafe bind(fd, $0, $1) }
    guard result == 0 else {
      throw errno == EADDRINUSE ? .addressInUse(path) : .last("bind \(path)")
    }
    guard Glibc.listen(fd, 64) == 0 else { throw .last("listen") }
  }

  /// Whether a socket, not a file of another kind, is at `path`.
  static func isSocket(_ path: String) -> Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
  }

  static func removeFile(_ path: String) { _ = unsafe unlink(path) }

  /// The user at the other end of a Unix socket; `nil` if the system does not say.
  static func peerUser(_ fd: CInt) -> UInt32? { UInt32(exactly: parley_peer_user(fd)) }

  static var currentUser: UInt32 { geteuid() }

  // MARK: TCP listeners

  /// Listens; `isShared` lets other sockets of this user listen at the same address and share what comes.
  static func listen(at address: SocketAddress, isShared: Bool = false) throws(IOError) -> CInt {
    let fd = try makeTCP(address)
    setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    if isShared { setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1) }
    if address.isIPv6 { setOption(fd, CInt(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
    let result = unsafe address.withSocketAddress { unsafe bind(fd, $0, $1) }
    guard result == 0, Glibc.listen(fd, 1024) == 0 else {
      let error: IOError = errno == EADDRINUSE ? .addressInUse(address.description) : .last("bind \(address)")
      close(fd)
      throw error
    }
    return fd
  }

  /// Takes over a listening TCP socket that this process inherited.
  static func adopt(listener fd: CInt) throws(IOError) {
    guard option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1, address(of: fd, isPeer: false) != nil else {
      throw .invalidAddress("descriptor \(fd)")
    }
    makeNonBlocking(fd)
  }
}

/// The memory that a loop receives into; one callback at a time looks at it.
@safe
final class ReceiveBuffer {
  static let byteCount = (1 << 19) + 4_096

  private let memory: UnsafeMutableRawBufferPointer

  init() { unsafe memory = .allocate(byteCount: Self.byteCount, alignment: 64) }

  deinit { unsafe memory.deallocate() }

  /// Whether `bytes` lie in this memory.
  func holds(_ bytes: RawSpan) -> Bool {
    unsafe bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, let start = unsafe UnsafeRawPointer(memory.baseAddress) else { return false }
      return unsafe base >= start && base < start + memory.count
    }
  }

  /// Reads once, through TLS if there is a session, and hands what came to `body`.
  func receive(_ fd: CInt, _ tls: TLSSession?, _ body: (inout MutableRawSpan) -> Void) -> Descriptor.Transfer {
    let result = if let tls { unsafe tls.receive(into: memory) } else { unsafe Descriptor.receive(fd, into: memory) }
    if case .count(let count) = result {
      var bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[..<count]).mutableBytes
      body(&bytes)
    }
    return result
  }
}
