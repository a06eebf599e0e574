import Foundation
import ParleyMarket
import ParleyWire
import Testing

@Suite("Civil dates")
struct CivilDateTests {
  @Test("every day of the century agrees with the system's calendar") func century() throws {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = try #require(TimeZone(secondsFromGMT: 0))
    var date = try #require(CivilDate(year: 2000, month: 1, day: 1))
    #expect(date == .earliest)
    for number in 10_957...47_481 as ClosedRange<Int64> {
      #expect(date.dayNumber == number)
      let system = calendar.dateComponents(
        [.year, .month, .day, .weekday], from: Date(timeIntervalSince1970: Double(number) * 86_400))
      #expect(date.year == system.year && date.month == system.month && date.day == system.day)
      #expect((date.weekday + 1) % 7 + 1 == system.weekday)
      #expect(CivilDate(UnixNanoseconds(number * 86_400_000_000_000)) == date)
      #expect(CivilDate(UnixNanoseconds((number + 1) * 86_400_000_000_000 - 1)) == date)
      #expect(CivilDate(deribit: date.deribit) == date)
      guard let next = date.advanced(byDays: 1) else { break }
      date = next
    }
    #expect(date.description == "2099-12-31")
  }

  @Test("expire at eight in the morning") func expiry() throws {
    let date = try #require(CivilDate(deribit: "27NOV26"))
    #expect(date.expiry == UnixNanoseconds(1_795_766_400_000_000_000))
    #expect(date.description == "2026-11-27" && date.weekday == 4)
    #expect(CivilDate(date.expiry) == date)
  }

  @Test(
    "do not exist",
    arguments: [
      (2026, 2, 29), (2026, 4, 31), (2026, 0, 1), (2026, 13, 1), (2026, 1, 0), (1999, 12, 31), (2100, 1, 1),
      (2026, 1, 32),
    ])
  func absent(year: Int, month: Int, day: Int) {
    #expect(CivilDate(year: year, month: month, day: day) == nil)
  }

  @Test("leap days") func leap() {
    #expect(CivilDate(deribit: "29FEB28") != nil)
    #expect(CivilDate(deribit: "29FEB27") == nil)
    #expect(CivilDate(year: 2000, month: 2, day: 29) != nil)
  }

  @Test(
    "are not days of a name",
    arguments: [
      "02MAY26", "2MAY2026", "2may26", "MAY26", "32MAY26", "2MAI26", "2MAY6", "", "0MAY26", "-1MAY26", "2MAYx6",
      "+2MAY26", "27NOV26 ",
    ])
  func malformed(text: String) {
    #expect(CivilDate(deribit: text) == nil)
  }

  @Test("times outside the century have no day") func outside() {
    for time in [Int64.min, -1, 946_684_799_999_999_999, 4_102_444_800_000_000_000, .max] {
      #expect(CivilDate(UnixNanoseconds(time)) == nil)
    }
    #expect(CivilDate.earliest.advanced(byDays: -1) == nil)
    #expect(CivilDate.earliest.advanced(byDays: .max) == nil)
    #expect(CivilDate.earliest.advanced(byDays: .min) == nil)
  }
}
