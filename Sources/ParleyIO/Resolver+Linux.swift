internal import Glibc

/// Looks names up by the system's resolver, on threads of its own: `getaddrinfo` blocks for as long as it likes.
enum Resolver {
  /// How many look-ups may be under way in this process.
  static let maximumConcurrentCount = 16

  private static let concurrentCount = Locked(0)

  /// Resolves `host`, a name or an address in numbers, and calls `completion` on `loop`.
  static func resolve(
    _ host: String, port: UInt16, on loop: EventLoop,
    completion: @escaping @Sendable (Result<[SocketAddress], IOError>) -> Void
  ) {
    if let address = SocketAddress(host, port: port) {
      return loop.execute { completion(.success([address])) }
    }
    let isAdmitted = concurrentCount.withLock { count in
      guard count < maximumConcurrentCount else { return false }
      count &+= 1
      return true
    }
    guard isAdmitted else { return loop.execute { completion(.failure(.resolverBusy)) } }
    do throws(IOError) {
      _ = try Thread.start(isDetached: true) {
        let result = look(up: host, port: port)
        concurrentCount.withLock { $0 &-= 1 }
        loop.execute { completion(result) }
      }
    } catch {
      concurrentCount.withLock { $0 &-= 1 }
      loop.execute { completion(.failure(error)) }
    }
  }

  private static func look(up host: String, port: UInt16) -> Result<[SocketAddress], IOError> {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_ADDRCONFIG
    var list: UnsafeMutablePointer<addrinfo>?
    let result = unsafe getaddrinfo(host, String(port), &hints, &list)
    guard result == 0 else {
      return .failure(.resolution(host: host, reason: unsafe String(cString: gai_strerror(result))))
    }
    defer { unsafe freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var next = unsafe list
    while let entry = unsafe next {
      var storage = sockaddr_storage()
      let size = min(Int(unsafe entry.pointee.ai_addrlen), MemoryLayout<sockaddr_storage>.size)
      if let address = unsafe entry.pointee.ai_addr {
        unsafe withUnsafeMutableBytes(of: &storage) {
          unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: size))
        }
        if let address = SocketAddress(storage), !addresses.contains(address) { addresses.append(address) }
      }
      unsafe next = entry.pointee.ai_next
    }
    return addresses.isEmpty ? .failure(.resolution(host: host, reason: "no address")) : .success(addresses)
  }
}
