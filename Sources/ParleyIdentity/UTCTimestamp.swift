public import ParleyWire

/// A time as the log of a did:webvh writes it: ISO 8601 in UTC, to the second or finer.
public struct UTCTimestamp: Hashable, Comparable, Sendable {
  /// The text.
  public let text: String
  /// The time that it means; digits below the nanosecond are cut off.
  public let time: UnixNanoseconds

  /// Whether the left time is earlier.
  public static func < (left: Self, right: Self) -> Bool { left.time < right.time }

  /// Whether both are the same time, however they are written.
  public static func == (left: Self, right: Self) -> Bool { left.time == right.time }

  /// Feeds what `==` compares.
  public func hash(into hasher: inout Hasher) { hasher.combine(time) }

  /// Reads `YYYY-MM-DDThh:mm:ss`, perhaps a fraction, and `Z` or `+00:00`; years from 1970 to 2261.
  ///
  /// `nil` for anything else: no zone, another zone, a date that is none, a leap second.
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard (20...40).contains(bytes.count) else { return nil }
    for (index, mark) in zip([4, 7, 10, 13, 16], "--T::".utf8) {
      guard bytes[index] == mark else { return nil }
    }
    guard let year = Self.number(bytes[0..<4]), let month = Self.number(bytes[5..<7]), (1...12).contains(month),
      (1970...2261).contains(year), let day = Self.number(bytes[8..<10]), day >= 1,
      day <= Self.dayCount(year: year, month: month), let hour = Self.number(bytes[11..<13]), hour < 24,
      let minute = Self.number(bytes[14..<16]), minute < 60, let second = Self.number(bytes[17..<19]), second < 60,
      let fraction = Self.fraction(bytes[19...])
    else { return nil }
    let days = Self.days(before: year) + (1..<month).reduce(0) { $0 + Self.dayCount(year: year, month: $1) } + day - 1
    // Below 2^63 for every year up to 2261.
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    self.text = text
    time = UnixNanoseconds(Int64(seconds) * 1_000_000_000 + fraction)
  }

  /// The nanoseconds of `.123` behind the seconds; `nil` unless the zone follows.
  private static func fraction(_ bytes: ArraySlice<UInt8>) -> Int64? {
    var rest = bytes
    var nanoseconds: Int64 = 0
    if rest.first == UInt8(ascii: ".") {
      let digits = rest.dropFirst().prefix(while: DID.isDigit)
      guard !digits.isEmpty else { return nil }
      for index in 0..<9 {
        let digit = digits.dropFirst(index).first.map { Int64($0 &- UInt8(ascii: "0")) } ?? 0
        nanoseconds = nanoseconds * 10 + digit
      }
      rest = rest.dropFirst(1 + digits.count)
    }
    return rest.elementsEqual("Z".utf8) || rest.elementsEqual("+00:00".utf8) ? nanoseconds : nil
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    guard digits.allSatisfy(DID.isDigit) else { return nil }
    return digits.reduce(0) { $0 * 10 + Int($1 &- UInt8(ascii: "0")) }
  }

  private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  private static func dayCount(year: Int, month: Int) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  private static func days(before year: Int) -> Int { (1970..<year).reduce(0) { $0 + (isLeap($1) ? 366 : 365) } }
}
