/// Memory in which large messages are assembled, kept from one message to the next: what the system gives anew for each it
/// has to clear first, page by page.
public final class MessageBuffers {
  /// Below this nothing is gained.
  static let minimumByteCount = 65_536
  private static let maximumKeptByteCount = 16 << 20

  private var kept: [[UInt8]] = []
  private var keptByteCount = 0

  /// Starts without memory.
  public init() {}

  /// An empty array with memory for `byteCount` bytes, or nearly so.
  public func take(byteCount: Int) -> [UInt8] {
    guard byteCount >= Self.minimumByteCount, let buffer = kept.popLast() else { return [] }
    keptByteCount &-= buffer.capacity
    return buffer
  }

  /// Takes the memory of a message that is done with.
  ///
  /// The caller must be its only holder and give it away (`consume`): memory with another holder would be made anew here.
  public func putBack(_ message: consuming [UInt8]) {
    let byteCount = message.capacity
    guard byteCount >= Self.minimumByteCount, byteCount <= Self.maximumKeptByteCount &- keptByteCount else { return }
    message.removeAll(keepingCapacity: true)
    keptByteCount &+= message.capacity
    kept.append(message)
  }
}
