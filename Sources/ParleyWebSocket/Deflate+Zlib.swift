internal import CZlib
internal import ParleyWire

/// What one stream of zlib is made with.
struct DeflateShape: Hashable {
  /// The window is 2 to this power bytes: 8...15.
  ///
  /// zlib makes raw streams with windows from 2^9 on only. For 8 it searches for runs of one byte alone (`Z_RLE`), which
  /// refer back one byte at most, so that a peer with a window of 256 bytes can follow.
  var windowBits: Int
  /// 1...9.
  var memoryLevel: Int
  /// 0...9.
  var level: Int
}

/// A raw stream of zlib that compresses (RFC 1951).
@safe
final class DeflateStream {
  let shape: DeflateShape
  /// zlib's own state points back here, so that its place must not change.
  private let stream: UnsafeMutablePointer<z_stream>

  /// The most bytes that one call of zlib may write.
  private static let step = 1 << 15

  init(_ shape: DeflateShape) {
    self.shape = shape
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    let strategy = shape.windowBits < 9 ? Z_RLE : Z_DEFAULT_STRATEGY
    let status = unsafe deflateInit2_(
      stream, Int32(shape.level), Z_DEFLATED, Int32(-max(9, shape.windowBits)), Int32(shape.memoryLevel), strategy,
      ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib could not make a stream: \(status)")
  }

  deinit {
    unsafe deflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// Forgets what was compressed before.
  func reset() { unsafe deflateReset(stream) }

  /// Appends the whole of `input`, compressed and flushed to a byte's end: the last four bytes are `00 00 ff ff`.
  func deflate(_ input: RawSpan, into output: inout [UInt8]) {
    // zlib counts in 32 bits.
    let piece = 1 << 30
    var position = 0
    while input.byteCount &- position > piece {
      deflate(input.extracting(position..<(position &+ piece)), Z_NO_FLUSH, into: &output)
      position &+= piece
    }
    deflate(input.extracting(position..<input.byteCount), Z_SYNC_FLUSH, into: &output)
  }

  private func deflate(_ input: RawSpan, _ flush: Int32, into output: inout [UInt8]) {
    unsafe input.withUnsafeBytes { unsafe deflate($0, flush, into: &output) }
  }

  private func deflate(_ input: UnsafeRawBufferPointer, _ flush: Int32, into output: inout [UInt8]) {
    unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.bindMemory(to: UInt8.self).baseAddress)
    unsafe stream.pointee.avail_in = UInt32(truncatingIfNeeded: input.count)
    let bound = unsafe Int(clamping: deflateBound(stream, UInt(truncatingIfNeeded: input.count)))
    var isDone = false
    while !isDone {
      output.append(addingCapacity: min(bound &+ 16, Self.step)) { span in
        unsafe span.withUnsafeMutableBufferPointer { buffer, count in
          unsafe stream.pointee.next_out = buffer.baseAddress
          unsafe stream.pointee.avail_out = UInt32(truncatingIfNeeded: buffer.count)
          // Z_BUF_ERROR says that there was nothing left to do.
          let status = unsafe zlibDeflate(stream, flush)
          precondition(status == Z_OK || status == Z_BUF_ERROR, "zlib could not compress: \(status)")
          count = unsafe buffer.count &- Int(stream.pointee.avail_out)
          isDone = unsafe stream.pointee.avail_out > 0
        }
      }
    }
    unsafe stream.pointee.next_in = nil
    unsafe stream.pointee.next_out = nil
  }
}

/// A raw stream of zlib that decompresses (RFC 1951).
@safe
final class InflateStream {
  /// Why a step ended.
  enum Pause {
    /// Everything that the input so far stands for has been written.
    case needsInput
    /// There was no room for more.
    case needsRoom
    /// A block with BFINAL ended, and its last byte with it.
    case finalBlockEnded
  }

  /// zlib's own state points back here, so that its place must not change.
  private let stream: UnsafeMutablePointer<z_stream>
  /// Nothing was taken in since the start, a reset or the end of a final block.
  private var isFresh = true

  init(windowBits: Int) {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    let status = unsafe inflateInit2_(
      stream, Int32(-windowBits), ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib could not make a stream: \(status)")
  }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// Whether what was taken in ends with a block, and the block with a byte.
  var isAtBoundary: Bool {
    // 128: right after the end of a block. The low bits count the bits of the last byte not used yet.
    let type = unsafe stream.pointee.data_type
    return isFresh || type & 128 != 0 && type & 63 == 0
  }

  /// Whether nothing has begun that an end could be missing from.
  var isBetweenStreams: Bool { isFresh }

  /// Forgets what was decompressed before.
  func reset() {
    unsafe inflateReset(stream)
    isFresh = true
  }

  /// Goes on after a block with BFINAL, with the same window: for RFC 7692, blocks of one message are one stream.
  func resume() {
    unsafe inflateResetKeep(stream)
    isFresh = true
  }

  /// Appends what the next bytes of `input` stand for, `room` bytes at most.
  ///
  /// - Parameters:
  ///   - input: compressed bytes.
  ///   - position: the first of them not taken in yet; moved.
  ///   - room: at least one.
  ///   - output: where the bytes go.
  /// - Returns: why it went no further.
  /// - Throws: `invalidDeflateData`. The stream must be reset.
  func inflate(
    _ input: RawSpan, from position: inout Int, room: Int, into output: inout [UInt8]
  ) throws(WebSocketError) -> Pause {
    precondition(room > 0 && position >= 0 && position <= input.byteCount)
    var status = Z_OK
    let start = position
    let end = min(input.byteCount, start &+ 1 << 30)
    var taken = 0
    output.append(addingCapacity: room) { span in
      unsafe span.withUnsafeMutableBufferPointer { buffer, count in
        unsafe input.withUnsafeBytes { bytes in
          let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<end])
          unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: rest.bindMemory(to: UInt8.self).baseAddress)
          unsafe stream.pointee.avail_in = UInt32(truncatingIfNeeded: rest.count)
          unsafe stream.pointee.next_out = buffer.baseAddress
          unsafe stream.pointee.avail_out = UInt32(truncatingIfNeeded: buffer.count)
          status = unsafe zlibInflate(stream, Z_SYNC_FLUSH)
          taken = unsafe rest.count &- Int(stream.pointee.avail_in)
          count = unsafe buffer.count &- Int(stream.pointee.avail_out)
          unsafe stream.pointee.next_in = nil
          unsafe stream.pointee.next_out = nil
        }
      }
    }
    position = start &+ taken
    if taken > 0 { isFresh = false }
    switch status {
    case Z_STREAM_END: return .finalBlockEnded
    // Z_BUF_ERROR says that there was nothing to do.
    case Z_OK, Z_BUF_ERROR:
      return unsafe stream.pointee.avail_out == 0 || position < input.byteCount ? .needsRoom : .needsInput
    default: throw .invalidDeflateData
    }
  }
}

// The methods above have the names of zlib's functions.

private func zlibDeflate(_ stream: UnsafeMutablePointer<z_stream>, _ flush: Int32) -> Int32 {
  unsafe deflate(stream, flush)
}

private func zlibInflate(_ stream: UnsafeMutablePointer<z_stream>, _ flush: Int32) -> Int32 {
  unsafe inflate(stream, flush)
}
