/// Volatility over strike and time: a raw SVI slice an expiry.
///
/// Between expiries total variance is interpolated along k = ln(K/F), in proportion to time, which keeps it free of
/// calendar arbitrage where the slices are. Before the first and after the last the volatility of that slice holds.
public struct VolatilitySurface: Hashable, Sendable {
  /// One expiry.
  public struct Slice: Hashable, Sendable {
    /// Years until expiry.
    public let expiry: Double
    /// Forward price.
    public let forward: Double
    /// Total variance over k.
    public let svi: RawSVI

    /// Holds a slice.
    public init(expiry: Double, forward: Double, svi: RawSVI) {
      self.expiry = expiry
      self.forward = forward
      self.svi = svi
    }
  }

  /// By expiry, ascending; at least one.
  public let slices: [Slice]

  /// Makes a surface of slices.
  ///
  /// - Throws: `OptionsError.surface` for no slice, an expiry that is not positive and finite, or one that occurs twice.
  public init(_ slices: [Slice]) throws(OptionsError) {
    guard !slices.isEmpty else { throw .surface(0) }
    let sorted = slices.sorted { $0.expiry < $1.expiry }
    var last = 0.0
    for slice in sorted {
      guard slice.expiry.isFinite, slice.expiry > last else { throw .surface(slice.expiry) }
      last = slice.expiry
    }
    self.slices = sorted
  }

  /// The volatility a year at a place.
  ///
  /// - Parameters:
  ///   - k: ln(K/F), with the forward of the expiry.
  ///   - expiry: Years until expiry; positive.
  /// - Returns: The volatility, 0.5 for 50 %; `nil` where the total variance is negative or the expiry not positive.
  public func volatility(at k: Double, expiry: Double) -> Double? {
    guard expiry > 0 else { return nil }
    guard let right = slices.firstIndex(where: { $0.expiry >= expiry }) else {
      let last = slices[slices.count - 1]
      return last.svi.volatility(at: k, expiry: last.expiry)
    }
    let late = slices[right]
    guard right > 0, late.expiry > expiry else {
      return late.svi.volatility(at: k, expiry: late.expiry)
    }
    let early = slices[right - 1]
    let share = (expiry - early.expiry) / (late.expiry - early.expiry)
    let (from, to) = (early.svi.totalVariance(at: k), late.svi.totalVariance(at: k))
    let variance = (from + share * (to - from)) / expiry
    return variance >= 0 ? variance.squareRoot() : nil
  }

  /// What is wrong with the surface.
  public enum Fault: Hashable, Sendable {
    /// A slice by itself.
    case slice(expiry: Double, RawSVI.Fault)
    /// Total variance falls between two expiries at this k.
    case calendar(k: Double, expiries: [Double])
    /// A wing of the later slice is flatter: far enough out total variance falls.
    case wings(expiries: [Double])
  }

  /// Every fault that is found on a grid, and beyond it.
  ///
  /// - Parameter grid: Values of k.
  /// - Returns: The faults; empty if the surface is free of static arbitrage as far as the grid shows.
  public func faults(on grid: [Double] = Self.grid) -> [Fault] {
    var faults = slices.flatMap { slice in
      slice.svi.butterflyFaults(on: grid).map { Fault.slice(expiry: slice.expiry, $0) }
    }
    for (early, late) in zip(slices, slices.dropFirst()) {
      let expiries = [early.expiry, late.expiry]
      faults += early.svi.calendarFaults(before: late.svi, on: grid).map {
        .calendar(k: $0, expiries: expiries)
      }
      let (near, far) = (early.svi.wingSlopes, late.svi.wingSlopes)
      if far.left < near.left || far.right < near.right {
        faults.append(.wings(expiries: expiries))
      }
    }
    return faults
  }

  /// Where faults are looked for by default: k from -5 to 5, closer together about the money.
  public static let grid: [Double] = (-200...200).map { place in
    let share = Double(place) / 200
    return 5 * share * (0.06 + 0.94 * share * share)
  }
}
