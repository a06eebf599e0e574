internal import Glibc

/// Accepts line connections on a Unix socket that only this user can open.
public final class UnixSocketServer: @unchecked Sendable {
  /// Where the socket is.
  public let path: String

  private let loop: EventLoop
  private let listener: Listener
  private let onConnection: @Sendable (LineConnection) -> Void
  private var connections: [ObjectIdentifier: LineConnection] = [:]
  private static let maximumConnectionCount = 64

  /// Listens at `path` with mode 0600.
  ///
  /// A socket that a dead process has left there is replaced.
  ///
  /// - Parameters:
  ///   - loop: where it will live.
  ///   - path: the socket's file.
  ///   - onConnection: called on the loop for each connection of this user or of root, and calls
  ///     ``LineConnection/start(onLine:onClose:)``.
  /// - Throws: `addressInUse` when a process listens there, `invalidAddress`, or `system`.
  public init(
    loop: EventLoop, path: String, onConnection: @escaping @Sendable (LineConnection) -> Void
  ) throws(IOError) {
    self.loop = loop
    self.path = path
    self.onConnection = onConnection
    try Self.removeLeftover(path)
    let fd = try Descriptor.makeUnix()
    do throws(IOError) {
      try Descriptor.listen(fd, atUnix: path)
    } catch {
      Descriptor.close(fd)
      throw error
    }
    listener = Listener(loop: loop, fd: fd, isOwned: true)
    loop.execute { [self] in
      try? listener.start { self.accept($0) }
    }
  }

  /// Removes the socket's file and ends the connections.
  public func close() async {
    await withCheckedContinuation { continuation in
      loop.execute { [self] in
        listener.stop()
        Descriptor.removeFile(path)
        for connection in connections.values { connection.close() }
        continuation.resume()
      }
    }
  }

  private static func removeLeftover(_ path: String) throws(IOError) {
    let fd = try Descriptor.makeUnix()
    defer { Descriptor.close(fd) }
    do throws(IOError) {
      try Descriptor.connect(fd, toUnix: path)
    } catch {
      // A socket that nobody listens on is a leftover. Anything else there is told when the socket is bound.
      if case .connectFailed(_, errno: ECONNREFUSED) = error, Descriptor.isSocket(path) { Descriptor.removeFile(path) }
      return
    }
    throw .addressInUse(path)
  }

  private func accept(_ fd: CInt) {
    let user = Descriptor.peerUser(fd)
    guard connections.count < Self.maximumConnectionCount, user == 0 || user == Descriptor.currentUser else {
      return Descriptor.close(fd)
    }
    let connection = LineConnection(loop: loop, fd: fd)
    connections[ObjectIdentifier(connection)] = connection
    connection.attach { [self] in connections[ObjectIdentifier($0)] = nil }
    onConnection(connection)
  }
}

/// Opens line connections to a ``UnixSocketServer``.
public enum UnixSocketClient {
  /// Connects to `path`.
  ///
  /// The connection receives nothing before its `start` is called, on its loop.
  ///
  /// - Throws: `connectFailed` when nobody listens there.
  /// - Returns: the connection, on `loop`.
  public static func connect(to path: String, on loop: EventLoop) throws(IOError) -> LineConnection {
    let fd = try Descriptor.makeUnix()
    do throws(IOError) {
      try Descriptor.connect(fd, toUnix: path)
    } catch {
      Descriptor.close(fd)
      throw error
    }
    return LineConnection(loop: loop, fd: fd)
  }
}
