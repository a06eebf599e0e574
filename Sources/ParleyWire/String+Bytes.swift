extension StringProtocol {
  /// Whether both are the same bytes of UTF-8.
  ///
  /// `==` compares by canonical equivalence: U+212A (the Kelvin sign) `== "K"`. That is wrong wherever a text is an
  /// identifier, a key of a map or anything that somebody signs.
  public func hasSameBytes(as other: some StringProtocol) -> Bool {
    utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
  }
}

extension String {
  /// Whether both are the same bytes of UTF-8.
  ///
  /// It is what the generic one says, in the one case that is compiled for its type: members of JSON are found with it.
  public func hasSameBytes(as other: String) -> Bool {
    utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
  }
}
