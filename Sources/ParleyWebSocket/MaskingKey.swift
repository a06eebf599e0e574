/// The four bytes that a client's frame is masked with (RFC 6455 section 5.3).
public struct MaskingKey: Hashable, Sendable {
  /// The key in memory order: its first byte is the lowest.
  private let littleEndian: UInt32

  /// Creates a key from four bytes in the order of the wire.
  public init(_ first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8) {
    littleEndian = UInt32(first) | UInt32(second) << 8 | UInt32(third) << 16 | UInt32(fourth) << 24
  }

  /// Creates a key from 32 unpredictable bits.
  public init(random: UInt32) { littleEndian = random }

  /// The key's bytes in the order of the wire.
  var bytes: (UInt8, UInt8, UInt8, UInt8) {
    (
      UInt8(truncatingIfNeeded: littleEndian), UInt8(truncatingIfNeeded: littleEndian >> 8),
      UInt8(truncatingIfNeeded: littleEndian >> 16), UInt8(truncatingIfNeeded: littleEndian >> 24)
    )
  }

  /// Masks or unmasks (it is the same) part of a frame's payload in place.
  ///
  /// - Parameters:
  ///   - bytes: memory that holds the payload.
  ///   - range: the bytes to change, within `bytes`.
  ///   - phase: how many payload bytes came before them.
  public func apply(to bytes: inout MutableRawSpan, _ range: Range<Int>, phase: Int) {
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.byteCount)
    unsafe bytes.withUnsafeMutableBytes { all in
      let part = unsafe UnsafeMutableRawBufferPointer(rebasing: all[range])
      unsafe apply(toAll: part, phase: phase)
    }
  }

  /// Unmasks part of a frame's payload while it moves it toward the front.
  ///
  /// - Parameters:
  ///   - bytes: memory that holds the payload.
  ///   - range: the bytes to move, within `bytes`, the payload's first among them.
  ///   - start: where the first of them goes, not behind where it is.
  func apply(to bytes: inout MutableRawSpan, _ range: Range<Int>, movedTo start: Int) {
    precondition(start >= 0 && start <= range.lowerBound && range.upperBound <= bytes.byteCount)
    unsafe bytes.withUnsafeMutableBytes { all in
      guard let base = all.baseAddress else { return }
      unsafe apply(from: base + range.lowerBound, to: base + start, range.count, key: littleEndian)
    }
  }

  /// Masks or unmasks part of a frame's payload on its way to the end of an array.
  ///
  /// - Parameters:
  ///   - payload: the part.
  ///   - output: where it goes.
  ///   - phase: how many payload bytes came before it.
  func append(_ payload: RawSpan, to output: inout [UInt8], phase: Int) {
    let key = rotated(by: phase)
    output.append(addingCapacity: payload.byteCount) { span in
      unsafe payload.withUnsafeBytes { payload in
        unsafe span.withUnsafeMutableBufferPointer { buffer, count in
          guard let source = payload.baseAddress, let target = buffer.baseAddress else { return }
          unsafe apply(from: source, to: UnsafeMutableRawPointer(target), payload.count, key: key)
          count = payload.count
        }
      }
    }
  }

  private func rotated(by phase: Int) -> UInt32 {
    let shift = UInt32(truncatingIfNeeded: (phase & 3) &* 8)
    return shift == 0 ? littleEndian : littleEndian >> shift | littleEndian << (32 &- shift)
  }

  /// Masks or unmasks part of an array in place; see the other form.
  func apply(to bytes: inout [UInt8], _ range: Range<Int>, phase: Int) {
    var elements = bytes.mutableSpan
    var raw = unsafe elements.mutableBytes
    apply(to: &raw, range, phase: phase)
  }

  private func apply(toAll part: UnsafeMutableRawBufferPointer, phase: Int) {
    guard let base = part.baseAddress, self.littleEndian != 0 else { return }
    unsafe apply(from: base, to: base, part.count, key: rotated(by: phase))
  }

  /// Reads each word before anything behind it is written, so that the two places may overlap.
  private func apply(from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, _ count: Int, key: UInt32) {
    let native = UInt64(littleEndian: UInt64(key) << 32 | UInt64(key))
    let wide = SIMD4<UInt64>(repeating: native)
    var index = 0
    while count &- index >= 32 {
      let value = unsafe source.loadUnaligned(fromByteOffset: index, as: SIMD4<UInt64>.self)
      unsafe target.storeBytes(of: value ^ wide, toByteOffset: index, as: SIMD4<UInt64>.self)
      index &+= 32
    }
    while count &- index >= 8 {
      let value = unsafe source.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      unsafe target.storeBytes(of: value ^ native, toByteOffset: index, as: UInt64.self)
      index &+= 8
    }
    while index < count {
      let byte = UInt8(truncatingIfNeeded: key >> UInt32(truncatingIfNeeded: (index & 3) &* 8))
      let value = unsafe source.load(fromByteOffset: index, as: UInt8.self)
      unsafe target.storeBytes(of: value ^ byte, toByteOffset: index, as: UInt8.self)
      index &+= 1
    }
  }
}
