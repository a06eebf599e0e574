internal import Glibc
internal import ParleyWire

/// Payloads that a callback sends on from the loop's receive buffer, where they lie until the callback ends: they go to
/// the kernel from there, between the bytes of the socket's own output.
@safe
struct GatheredOutput {
  @safe
  private struct Segment {
    /// Where in the output it belongs.
    let offset: Int
    let base: UnsafeRawPointer
    let count: Int
  }

  private static let maximumCount = 256

  private var segments: [Segment] = []
  private var parts: [iovec] = unsafe []
  /// Bytes in all segments.
  private(set) var byteCount = 0

  var isFull: Bool { segments.count >= Self.maximumCount }

  mutating func append(_ payload: RawSpan, at offset: Int) {
    unsafe payload.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      segments.append(unsafe Segment(offset: offset, base: base, count: bytes.count))
    }
    byteCount &+= payload.byteCount
  }

  mutating func removeAll() {
    segments.removeAll(keepingCapacity: true)
    byteCount = 0
  }

  /// Sends the output with the segments between, in one call.
  mutating func send(_ fd: CInt, _ output: borrowing [UInt8]) -> Descriptor.Transfer {
    unsafe parts.removeAll(keepingCapacity: true)
    return unsafe output.withUnsafeBytes { output in
      var position = 0
      func appendOutput(to end: Int) {
        guard end > position, let base = output.baseAddress else { return }
        let part = unsafe UnsafeMutableRawPointer(mutating: base + position)
        unsafe parts.append(iovec(iov_base: part, iov_len: end &- position))
        position = end
      }
      for segment in segments {
        appendOutput(to: segment.offset)
        let part = unsafe UnsafeMutableRawPointer(mutating: segment.base)
        unsafe parts.append(iovec(iov_base: part, iov_len: segment.count))
      }
      appendOutput(to: output.count)
      return unsafe parts.withUnsafeMutableBufferPointer { parts in unsafe Descriptor.send(fd, parts) }
    }
  }

  /// What is left after the first `sent` bytes, in one array, and the offset there at which the first message begins that has
  /// not begun to leave; there are no segments afterwards.
  mutating func rest(
    of output: borrowing [UInt8], after sent: Int
  ) -> (output: [UInt8], boundary: Int) {
    defer { removeAll() }
    var rest: [UInt8] = []
    rest.reserveCapacity(output.count &+ byteCount &- sent)
    var skipped = sent
    var boundary: Int?
    unsafe output.withUnsafeBytes { output in
      func append(_ bytes: UnsafeRawBufferPointer) {
        let skip = min(skipped, bytes.count)
        skipped &-= skip
        unsafe rest.append(contentsOf: bytes[skip...])
      }
      var position = 0
      for segment in segments {
        let end = segment.offset
        unsafe append(UnsafeRawBufferPointer(rebasing: output[position..<end]))
        position = end
        unsafe append(UnsafeRawBufferPointer(start: segment.base, count: segment.count))
        // Every segment ends a message.
        if boundary == nil, skipped == 0 { boundary = rest.count }
      }
      unsafe append(UnsafeRawBufferPointer(rebasing: output[position...]))
    }
    return (rest, boundary ?? rest.count)
  }
}
