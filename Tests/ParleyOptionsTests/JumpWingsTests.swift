import Foundation
import ParleyOptions
import TestSupport
import Testing

@Suite("SVI in jump wings, and SSVI")
struct JumpWingsTests {
  /// Gatheral and Jacquier 2013, sections 3.1 and 5.1.
  static let vogt = try? RawSVI(a: -0.0410, b: 0.1331, rho: 0.3060, m: 0.3586, sigma: 0.4153)

  @Test("the numbers of the paper, and back") func paper() throws {
    let vogt = try #require(Self.vogt)
    let wings = try #require(JumpWings(vogt, expiry: 1))
    #expect(abs(wings.variance - 0.01742625) < 5e-9 && abs(wings.skew + 0.1752111) < 5e-8)
    #expect(abs(wings.putWing - 0.6997381) < 5e-8 && abs(wings.callWing - 1.316798) < 5e-7)
    #expect(abs(wings.leastVariance - 0.0116249) < 5e-8)
    for expiry in [0.1, 1, 2.5] {
      let there = try #require(JumpWings(vogt, expiry: expiry))
      let back = try #require(there.raw(expiry: expiry))
      for (value, was) in [
        (back.a, vogt.a), (back.b, vogt.b), (back.rho, vogt.rho), (back.m, vogt.m),
        (back.sigma, vogt.sigma),
      ] {
        #expect(abs(value - was) < 1e-12)
      }
    }
    var impossible = wings
    impossible.skew = 5
    #expect(impossible.raw(expiry: 1) == nil)
  }

  @Test("Vogt's smile is repaired, no further than needed") func repair() throws {
    let vogt = try #require(Self.vogt)
    let grid = stride(from: -1.5, through: 1.5, by: 0.01).map { $0 }
    #expect(!vogt.butterflyFaults(on: grid).isEmpty)
    let repaired = try #require(vogt.repaired(expiry: 1, on: grid))
    #expect(repaired.butterflyFaults(on: grid).isEmpty)
    let (before, after) = (
      try #require(JumpWings(vogt, expiry: 1)), try #require(JumpWings(repaired, expiry: 1))
    )
    #expect(abs(after.variance - before.variance) < 1e-12 && abs(after.skew - before.skew) < 1e-11)
    #expect(abs(after.putWing - before.putWing) < 1e-11)
    // Between the smile and the end of the way, c' = 0.3493158 and 0.01548182.
    #expect(after.callWing > 0.3493158 && after.callWing < 1.316798)
    #expect(after.leastVariance > 0.0116249 && after.leastVariance < 0.01548182)
    // The next step back has the fault again.
    #expect(grid.map { repaired.durrleman(at: $0) }.min() ?? 1 < 1e-6)
    #expect(repaired.repaired(expiry: 1, on: grid) == repaired)
  }

  private struct File: Decodable {
    struct Surface: Decodable {
      let rho: String, eta: String, gamma: String
      let slices: [Slice]
    }
    struct Slice: Decodable {
      let theta: String, phi: String, butterfly_condition_1: String, butterfly_condition_2: String
      let grid: [Point]
    }
    struct Point: Decodable {
      let k: String, w: String
    }
    let ssvi: [Surface]
  }

  @Test(
    "the public SSVI surfaces",
    .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
  func ssvi() throws {
    func close(_ value: Double, _ text: String) throws -> Bool {
      let reference = try ReferenceCase.number(text)
      return abs(value - reference) <= 1e-12 * abs(reference)
    }
    var points = 0
    for surface in try SharedVectors.json("options/svi_reference.json", as: File.self).ssvi {
      let form = try SSVI(
        rho: ReferenceCase.number(surface.rho), eta: ReferenceCase.number(surface.eta),
        gamma: ReferenceCase.number(surface.gamma))
      for slice in surface.slices {
        let theta = try ReferenceCase.number(slice.theta)
        #expect(try close(form.curvature(theta), slice.phi))
        let conditions = form.butterflyConditions(theta: theta)
        #expect(try close(conditions.first, slice.butterfly_condition_1))
        #expect(try close(conditions.second, slice.butterfly_condition_2))
        let raw = try form.raw(theta: theta)
        for point in slice.grid {
          let k = try ReferenceCase.number(point.k)
          #expect(try close(form.totalVariance(at: k, theta: theta), point.w))
          #expect(try close(raw.totalVariance(at: k), point.w))
          points += 1
        }
        if form.isFreeOfButterflies(theta: theta) {
          #expect(raw.butterflyFaults(on: VolatilitySurface.grid) == [])
        }
      }
    }
    #expect(points > 100)
  }

  @Test("refuses what is no surface") func refusals() {
    #expect(throws: OptionsError.surface(1)) { try SSVI(rho: 1, eta: 1, gamma: 0.5) }
    #expect(throws: OptionsError.surface(0)) { try SSVI(rho: 0, eta: 0, gamma: 0.5) }
    #expect(throws: OptionsError.surface(1.5)) { try SSVI(rho: 0, eta: 1, gamma: 1.5) }
  }
}
