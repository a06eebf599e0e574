extension Array where Element == UInt8 {
  /// The bytes, borrowed. (`Span.bytes` counts as unsafe for element types that have padding; `UInt8` has none.)
  var rawSpan: RawSpan {
    @_lifetime(borrow self)
    get { unsafe span.bytes }
  }
}
