internal import CLinux

/// Where a server listens.
public enum ListenAddress: Hashable, Sendable {
  /// An address of this machine; port 0 has the kernel choose.
  case address(SocketAddress)
  /// A listening TCP socket that the process which started this one has opened. It stays open when the server closes.
  case inherited(descriptor: Int32)
}

/// A listening socket on a loop.
///
/// Loop thread only.
final class Listener: EventHandler, @unchecked Sendable {
  private let loop: EventLoop
  private let fd: CInt
  private let isOwned: Bool
  private var isClosed = false
  private var registration: EventLoop.Registration?
  private var onAccept: ((CInt) -> Void)?

  init(loop: EventLoop, fd: CInt, isOwned: Bool) {
    self.loop = loop
    self.fd = fd
    self.isOwned = isOwned
  }

  deinit { close() }

  private func close() {
    guard isOwned, !isClosed else { return }
    isClosed = true
    Descriptor.close(fd)
  }

  var localAddress: SocketAddress? { Descriptor.address(of: fd, isPeer: false) }

  func start(onAccept: @escaping (CInt) -> Void) throws(IOError) {
    self.onAccept = onAccept
    registration = try loop.register(fd, events: PARLEY_EPOLL_IN, self)
  }

  func stop() {
    guard let registration else { return }
    loop.deregister(registration, fd)
    self.registration = nil
    onAccept = nil
    // Now, whoever still holds this object: what is listened on must be free again.
    close()
  }

  func handle(events _: UInt32) {
    // A bounded batch, so that a flood of connections does not starve those that are there.
    for _ in 0..<64 {
      do throws(IOError) {
        guard let fd = try Descriptor.accept(fd) else { return }
        guard let onAccept else { return Descriptor.close(fd) }
        onAccept(fd)
      } catch {
        // Out of descriptors or memory: the report would come again at once, so listen again a little later.
        pause()
        return
      }
    }
  }

  private func pause() {
    guard let registration else { return }
    loop.change(registration, fd, events: 0)
    loop.schedule(after: .milliseconds(100)) { [self] in
      if let registration = self.registration { loop.change(registration, fd, events: PARLEY_EPOLL_IN) }
    }
  }

  func wake() {}
  func endOfTurn() {}
  func loopDidEnd() { stop() }
}
