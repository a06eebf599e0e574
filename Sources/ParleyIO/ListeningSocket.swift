/// A listening TCP socket to hand down to another process, which takes it as ``ListenAddress/inherited(descriptor:)``.
///
/// The child finds its port open from its first instruction on, and no other process can take the port in between.
public final class ListeningSocket: Sendable {
  /// The descriptor; open for as long as this object lives.
  public let descriptor: Int32
  /// Where it listens.
  public let address: SocketAddress

  /// Listens on a port of the loopback interface that the kernel chooses.
  ///
  /// - Throws: `system`.
  public init() throws(IOError) {
    guard let loopback = SocketAddress("127.0.0.1", port: 0) else { throw .invalidAddress("127.0.0.1") }
    descriptor = try Descriptor.listen(at: loopback)
    guard let address = Descriptor.address(of: descriptor, isPeer: false) else {
      Descriptor.close(descriptor)
      throw .last("getsockname")
    }
    self.address = address
  }

  deinit { Descriptor.close(descriptor) }
}
