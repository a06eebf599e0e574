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

  /// Masks or unmasks part of an array in place; see the other form.
  func apply(to bytes: inout [UInt8], _ range: Range<Int>, phase: Int) {
    var elements = bytes.mutableSpan
    var raw = unsafe elements.mutableBytes
    apply(to: &raw, range, phase: phase)
  }

  private func apply(toAll part: UnsafeMutableRawBufferPointer, phase: Int) {
    guard let base = part.baseAddress, self.littleEndian != 0 else { return }
    let shift = UInt32(truncatingIfNeeded: (phase & 3) &* 8)
    let key = shift == 0 ? littleEndian : littleEndian >> shift | littleEndian << (32 &- shift)
    let native = UInt64(key) << 32 | UInt64(key)
    let wide = SIMD4<UInt64>(repeating: UInt64(littleEndian: native))
    let count = part.count
    var index = 0
    while count &- index >= 32 {
      let value = unsafe base.loadUnaligned(fromByteOffset: index, as: SIMD4<UInt64>.self)
      unsafe base.storeBytes(of: value ^ wide, toByteOffset: index, as: SIMD4<UInt64>.self)
      index &+= 32
    }
    while count &- index >= 8 {
      let value = unsafe base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      unsafe base.storeBytes(of: value ^ UInt64(littleEndian: native), toByteOffset: index, as: UInt64.self)
      index &+= 8
    }
    while index < count {
      let byte = UInt8(truncatingIfNeeded: key >> UInt32(truncatingIfNeeded: (index & 3) &* 8))
      let value = unsafe base.load(fromByteOffset: index, as: UInt8.self)
      unsafe base.storeBytes(of: value ^ byte, toByteOffset: index, as: UInt8.self)
      index &+= 1
    }
  }
}
