import Foundation
import ParleyOptions
import TestSupport
import Testing

@Suite("Raw SVI")
struct RawSVITests {
  private static let grid = Array(stride(from: -1.5, through: 1.5, by: 0.05))

  /// Gatheral and Jacquier 2013, section 3.1: a butterfly is worth less than nothing for some k of 0.65 to 1.25.
  @Test("finds the butterflies of Vogt's example") func vogt() throws {
    let smile = try RawSVI(a: -0.0410, b: 0.1331, rho: 0.3060, m: 0.3586, sigma: 0.4153)
    let faults = smile.butterflyFaults(on: Self.grid)
    #expect(faults.count == 13)
    for fault in faults {
      guard case .butterfly(let k) = fault else {
        Issue.record("\(fault)")
        continue
      }
      #expect(k > 0.64 && k < 1.26)
    }
    #expect(abs(smile.minimumTotalVariance - 0.0116249032354778752576) < 1e-15)
  }

  @Test("a flat smile is free of arbitrage") func flat() throws {
    let smile = try RawSVI(a: 0.04, b: 0, rho: 0, m: 0, sigma: 0.1)
    #expect(smile.butterflyFaults(on: Self.grid).isEmpty)
    #expect(smile.durrleman(at: 0.7) == 1)
    #expect(smile.volatility(at: -1, expiry: 1) == 0.2)
    #expect(smile.volatility(at: -1, expiry: 0.25) == 0.4)
  }

  @Test("says which rule a slice breaks") func faults() throws {
    func faults(_ a: Double, _ b: Double, _ rho: Double, _ sigma: Double) throws -> [RawSVI.Fault] {
      try RawSVI(a: a, b: b, rho: rho, m: 0, sigma: sigma).butterflyFaults(on: [0])
    }
    #expect(try faults(0.04, 0.1, 0, 0.1).isEmpty)
    #expect(try faults(-0.05, 0.1, 0, 0.1).contains(.negativeVariance(-0.05 + 0.1 * 0.1)))
    #expect(try faults(0.04, 1.5, 0.5, 0.1).contains(.wingSlope(2.25)))
    #expect(try faults(0.04, -0.1, 0, 0.1).contains(.parameters))
    #expect(try faults(0.04, 0.1, 1, 0.1).contains(.parameters))
    #expect(try faults(0.04, 0.1, 0, 0).contains(.parameters))
  }

  @Test("has no volatility where the variance is negative") func negative() throws {
    let smile = try RawSVI(a: -0.1, b: 0.1, rho: 0, m: 0, sigma: 0.1)
    #expect(smile.volatility(at: 0, expiry: 1) == nil)
    #expect(smile.volatility(at: 0, expiry: 0) == nil)
  }

  @Test("refuses what is not finite") func finite() {
    #expect(throws: OptionsError.surface(.infinity)) {
      try RawSVI(a: 0, b: .infinity, rho: 0, m: 0, sigma: 0)
    }
  }

  @Test("slices that cross admit calendar arbitrage, in one order or the other") func calendar() throws {
    let early = try RawSVI(a: 0.02, b: 0.12, rho: -0.4, m: 0, sigma: 0.1)
    let late = try RawSVI(a: 0.03, b: 0.05, rho: -0.1, m: 0, sigma: 0.2)
    let there = early.calendarFaults(before: late, on: Self.grid)
    let back = late.calendarFaults(before: early, on: Self.grid)
    #expect(!there.isEmpty && !back.isEmpty && there.count + back.count == Self.grid.count)
    #expect(early.calendarFaults(before: early, on: Self.grid).isEmpty)
  }
}

/// `options/svi_reference.json`: grids calculated with many digits.
@Suite("Raw SVI against references", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct RawSVIReferenceTests {
  struct File: Decodable {
    let sets: [Smile]
    let calendar_crossing: Crossing
  }

  struct Parameters: Decodable {
    let a: String
    let b: String
    let rho: String
    let m: String
    let sigma: String

    func svi() throws -> RawSVI {
      try RawSVI(
        a: ReferenceCase.number(a), b: ReferenceCase.number(b), rho: ReferenceCase.number(rho),
        m: ReferenceCase.number(m), sigma: ReferenceCase.number(sigma))
    }
  }

  struct Smile: Decodable {
    struct Point: Decodable {
      let k: String
      let w: String
      let iv: String?
      let g: String?
    }
    let name: String
    let raw: Parameters
    let T: String
    let min_total_variance: String
    let lee_left_slope: String
    let lee_right_slope: String
    let grid: [Point]
    let negative_g_at: [String]
  }

  struct Crossing: Decodable {
    struct Point: Decodable {
      let k: String
      let w_early: String
      let w_late: String
      let arbitrage: Bool
    }
    let early: Parameters
    let late: Parameters
    let grid: [Point]
  }

  /// A few roundings of the largest term of a sum: w and the least variance may nearly cancel.
  private func isClose(_ value: Double, _ reference: String, terms: Double) throws -> Bool {
    abs(value - (try ReferenceCase.number(reference))) <= 8 * 0x1p-53 * terms
  }

  @Test("w, volatility, Durrleman's function and the slopes of every set") func sets() throws {
    let file = try SharedVectors.json("options/svi_reference.json", as: File.self)
    #expect(file.sets.count == 5)
    var points = 0
    for smile in file.sets {
      let svi = try smile.raw.svi()
      let expiry = try ReferenceCase.number(smile.T)
      #expect(try isClose(svi.minimumTotalVariance, smile.min_total_variance, terms: abs(svi.a) + svi.b * svi.sigma))
      #expect(try isClose(svi.wingSlopes.left, smile.lee_left_slope, terms: 2 * svi.b))
      #expect(try isClose(svi.wingSlopes.right, smile.lee_right_slope, terms: 2 * svi.b))
      var negative = [Double]()
      for point in smile.grid {
        let k = try ReferenceCase.number(point.k)
        let terms = abs(svi.a) + svi.b * (abs(k - svi.m) + svi.sigma) * 2
        let w = svi.totalVariance(at: k)
        #expect(try isClose(w, point.w, terms: terms), "\(smile.name) w at \(k)")
        if let iv = point.iv {
          let volatility = try #require(svi.volatility(at: k, expiry: expiry))
          #expect(try isClose(volatility, iv, terms: volatility * terms / w), "\(smile.name) iv at \(k)")
        } else {
          #expect(svi.volatility(at: k, expiry: expiry) == nil)
        }
        if let g = point.g {
          // g divides by w, once squared in effect: its terms grow as w vanishes.
          let value = svi.durrleman(at: k)
          let slope = svi.b * 2
          let scale = 1 + pow(k * slope / w, 2) + slope * slope * (1 / abs(w) + 1)
          #expect(try isClose(value, g, terms: 4 * (scale + abs(value)) * terms / abs(w)), "\(smile.name) g at \(k)")
          if value < 0 { negative.append(k) }
        }
        points += 1
      }
      #expect(try negative == smile.negative_g_at.map(ReferenceCase.number), "\(smile.name)")
    }
    #expect(points >= 5 * 61)
  }

  @Test("a calendar crossing") func calendar() throws {
    let crossing = try SharedVectors.json("options/svi_reference.json", as: File.self).calendar_crossing
    let (early, late) = (try crossing.early.svi(), try crossing.late.svi())
    let grid = try crossing.grid.map { try ReferenceCase.number($0.k) }
    let expected = try crossing.grid.filter(\.arbitrage).map { try ReferenceCase.number($0.k) }
    #expect(!expected.isEmpty && expected.count < grid.count)
    #expect(early.calendarFaults(before: late, on: grid) == expected)
    for point in crossing.grid {
      let k = try ReferenceCase.number(point.k)
      #expect(try isClose(early.totalVariance(at: k), point.w_early, terms: 1))
      #expect(try isClose(late.totalVariance(at: k), point.w_late, terms: 1))
    }
  }
}
