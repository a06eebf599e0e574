internal import Glibc
internal import ParleyWebSocket
internal import ParleyWire

/// Payloads that a callback sends on from the loop's receive buffer, where they lie until the callback ends: they go to
/// the kernel from there, between the bytes that it writes otherwise.
///
/// The message under way has room for a header before it. Sent back as it is, it gets its header there, and if the one before it
/// was sent back too, the two are one piece.
@safe
struct GatheredOutput {
  @safe
  private struct Segment {
    /// Where among the other bytes it belongs.
    let offset: Int
    let base: UnsafeMutableRawPointer
    var count: Int

    var end: UnsafeMutableRawPointer { unsafe base + count }
  }

  private static let maximumCount = 256

  private var segments: [Segment] = []
  private var parts: [iovec] = unsafe []
  /// Bytes in all segments.
  private(set) var byteCount = 0
  /// The payload of the message under way, and the bytes before it that nobody needs.
  private var current: UnsafeMutableRawPointer?
  private var currentCount = 0
  private var room = 0

  var isFull: Bool { segments.count >= Self.maximumCount }

  // MARK: The message under way

  /// Takes note of the message that a callback is about to see.
  @inline(__always)
  mutating func begin(_ bytes: inout MutableRawSpan, _ payload: Range<Int>, room: Int) {
    unsafe bytes.withUnsafeMutableBytes { all in
      unsafe current = all.baseAddress.map { unsafe $0 + payload.lowerBound }
    }
    currentCount = payload.count
    self.room = room
  }

  /// The callback is done.
  ///
  /// - Returns: whether the last that it sent on ends where the message does.
  @inline(__always)
  mutating func end() -> Bool {
    let end = unsafe current.map { unsafe $0 + currentCount }
    unsafe current = nil
    guard byteCount > 0, let last = segments.last else { return false }
    return unsafe last.end == end
  }

  /// Sends the message under way back with this header, if `payload` is that message and nothing of it has been sent yet.
  ///
  /// - Parameters:
  ///   - header: without a mask.
  ///   - payload: what is to be sent.
  ///   - offset: where among the other bytes it belongs.
  /// - Returns: whether it is that.
  @inline(__always)
  mutating func sendBack(_ header: FrameHeader, _ payload: RawSpan, at offset: Int) -> Bool {
    let size = FrameHeader.encodedSize(ofByteCount: payload.byteCount)
    guard let start = unsafe current, size <= room, payload.byteCount == currentCount else { return false }
    let isCurrent = unsafe payload.withUnsafeBytes { unsafe $0.baseAddress == UnsafeRawPointer(start) }
    guard isCurrent else { return false }
    room = 0
    let base = unsafe start - size
    let place = unsafe UnsafeMutableBufferPointer(start: base.assumingMemoryBound(to: UInt8.self), count: size)
    var span = unsafe OutputSpan(buffer: place, initializedCount: 0)
    header.encode(into: &span)
    _ = unsafe span.finalize(for: place)
    add(unsafe Segment(offset: offset, base: base, count: size &+ payload.byteCount))
    return true
  }

  /// Sends `payload`, which lies in the receive buffer, after the bytes before `offset`.
  mutating func append(_ payload: RawSpan, at offset: Int) {
    unsafe payload.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      add(unsafe Segment(offset: offset, base: UnsafeMutableRawPointer(mutating: base), count: bytes.count))
    }
  }

  @inline(__always)
  private mutating func add(_ segment: Segment) {
    byteCount &+= segment.count
    let last = segments.count &- 1
    if last >= 0, segments[last].offset == segment.offset, unsafe segments[last].end == segment.base {
      segments[last].count &+= segment.count
    } else {
      segments.append(segment)
    }
  }

  mutating func removeAll() {
    segments.removeAll(keepingCapacity: true)
    byteCount = 0
  }

  // MARK: Sending

  /// Sends all of it with the other bytes between, in one call.
  ///
  /// - Parameters:
  ///   - fd: the socket.
  ///   - tls: its session; only where there is one segment and no other bytes.
  ///   - others: the other bytes.
  ///   - start: how much of the one segment has been sent.
  /// - Returns: how much was sent.
  mutating func send(
    _ fd: CInt, _ tls: TLSSession?, _ others: borrowing [UInt8], from start: Int
  ) -> Descriptor.Transfer {
    if others.isEmpty, segments.count == 1, let only = segments.first {
      let rest = unsafe UnsafeRawBufferPointer(start: only.base + start, count: only.count &- start)
      return unsafe Descriptor.send(fd, tls, rest)
    }
    unsafe parts.removeAll(keepingCapacity: true)
    return unsafe others.withUnsafeBytes { others in
      var position = 0
      func appendOthers(to end: Int) {
        guard end > position, let base = others.baseAddress else { return }
        let part = unsafe UnsafeMutableRawPointer(mutating: base + position)
        unsafe parts.append(iovec(iov_base: part, iov_len: end &- position))
        position = end
      }
      for segment in segments {
        appendOthers(to: segment.offset)
        unsafe parts.append(iovec(iov_base: segment.base, iov_len: segment.count))
      }
      appendOthers(to: others.count)
      return unsafe parts.withUnsafeMutableBufferPointer { parts in unsafe Descriptor.send(fd, parts) }
    }
  }

  /// What is left after the first `sent` bytes, in one array, and an offset there at which a message begins that has not begun to
  /// leave; there are no segments afterwards.
  mutating func rest(
    of others: borrowing [UInt8], after sent: Int, _ buffers: MessageBuffers
  ) -> (output: [UInt8], boundary: Int) {
    defer { removeAll() }
    var rest = buffers.take(byteCount: others.count &+ byteCount &- sent)
    rest.reserveCapacity(others.count &+ byteCount &- sent)
    var skipped = sent
    var boundary: Int?
    unsafe others.withUnsafeBytes { others in
      func append(_ bytes: UnsafeRawBufferPointer) {
        let skip = min(skipped, bytes.count)
        skipped &-= skip
        unsafe rest.append(contentsOf: bytes[skip...])
      }
      var position = 0
      for segment in segments {
        let end = segment.offset
        unsafe append(UnsafeRawBufferPointer(rebasing: others[position..<end]))
        position = end
        unsafe append(UnsafeRawBufferPointer(start: segment.base, count: segment.count))
        // Every segment ends a message.
        if boundary == nil, skipped == 0 { boundary = rest.count }
      }
      unsafe append(UnsafeRawBufferPointer(rebasing: others[position...]))
    }
    return (rest, boundary ?? rest.count)
  }
}
