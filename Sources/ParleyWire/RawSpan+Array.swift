extension Array where Element == UInt8 {
  /// The bytes, borrowed.
  ///
  /// `Span.bytes` counts as unsafe because elements may have padding; a byte has none.
  @inlinable public var rawSpan: RawSpan {
    @_lifetime(borrow self)
    get { unsafe span.bytes }
  }
}

extension InlineArray where Element == UInt8 {
  /// The bytes, borrowed.
  @inlinable public var rawSpan: RawSpan {
    @_lifetime(borrow self)
    get { unsafe span.bytes }
  }
}
