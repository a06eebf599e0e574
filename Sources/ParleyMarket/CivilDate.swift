public import ParleyWire

/// A day of the Gregorian calendar, in UTC.
public struct CivilDate: Hashable, Sendable {
  /// The year, 2000 to 2099: what two digits of an instrument name can say.
  public let year: Int
  /// The month, 1 to 12.
  public let month: Int
  /// The day of the month, from 1.
  public let day: Int

  /// A day that exists; `nil` for another one.
  public init?(year: Int, month: Int, day: Int) {
    guard (2000...2099).contains(year), (1...12).contains(month),
      (1...Self.dayCount(month: month, year: year)).contains(day)
    else { return nil }
    self.year = year
    self.month = month
    self.day = day
  }

  /// The UTC day in which a time lies; `nil` outside the years 2000 to 2099.
  public init?(_ time: UnixNanoseconds) {
    // Days to a civil date: H. Hinnant, "chrono-compatible low-level date algorithms"; eras of 400 years.
    let sinceEpoch = Self.floorDivide(time.rawValue, Self.nanosecondsPerDay)
    let shifted = sinceEpoch + 719_468
    let era = Self.floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    self.init(year: Int(year), month: Int(month), day: Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1))
  }

  private init(validYear year: Int) {
    self.year = year
    month = 1
    day = 1
  }

  /// 2000-01-01, the first day there is.
  public static let earliest = Self(validYear: 2000)

  /// 08:00 UTC of the day, when Deribit's contracts expire.
  public var expiry: UnixNanoseconds {
    UnixNanoseconds(dayNumber * Self.nanosecondsPerDay + 8 * 3_600_000_000_000)
  }

  /// Days since 1970-01-01.
  public var dayNumber: Int64 {
    let year = Int64(month <= 2 ? year - 1 : year)
    let era = year / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * Int64(month > 2 ? month - 3 : month + 9) + 2) / 5 + Int64(day) - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  /// The day of the week, 0 for Monday to 6 for Sunday.
  public var weekday: Int { Int((dayNumber + 3) % 7) }

  /// The day after so many days; `nil` outside the years 2000 to 2099.
  public func advanced(byDays days: Int) -> Self? {
    let (day, overflow) = dayNumber.addingReportingOverflow(Int64(days))
    guard !overflow, (0...100_000).contains(day) else { return nil }
    return Self(UnixNanoseconds(day * Self.nanosecondsPerDay))
  }

  private static func dayCount(month: Int, year: Int) -> Int {
    switch month {
    case 2: year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }

  private static let nanosecondsPerDay: Int64 = 86_400_000_000_000
  private static let months = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
  ]

  /// Reads a day as in Deribit's names: `2MAY26`, `27NOV26`; `nil` for anything else, also for `02MAY26`.
  public init?(deribit text: some StringProtocol) {
    let bytes = Array(text.utf8)
    guard bytes.count == 6 || bytes.count == 7, bytes.first != UInt8(ascii: "0") else { return nil }
    let monthStart = bytes.count - 5
    let name = String(decoding: bytes[monthStart..<(monthStart + 3)], as: UTF8.self)
    guard let month = Self.months.firstIndex(of: name), let day = Self.number(bytes[..<monthStart]),
      let year = Self.number(bytes[(monthStart + 3)...])
    else { return nil }
    self.init(year: 2000 + year, month: month + 1, day: day)
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    var value = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return value
  }

  /// The day as in Deribit's names: `2MAY26`.
  public var deribit: String {
    let year = year - 2000
    return "\(day)\(Self.months[month - 1])\(year < 10 ? "0" : "")\(year)"
  }
}

extension CivilDate: Comparable {
  /// Whether the left day is earlier.
  public static func < (left: Self, right: Self) -> Bool { left.dayNumber < right.dayNumber }
}

extension CivilDate: CustomStringConvertible {
  /// The day as ISO 8601 has it: `2026-05-02`.
  public var description: String {
    "\(year)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
  }
}
