/// Welch's t of two classes of times, over all of them and over those below some percentiles.
///
/// Interrupts make a few times enormous, which hides small differences; slow outliers may be the leak itself. So both are
/// looked at, as dudect does (Reparaz, Balasch and Verbauwhede, "Dude, is my code constant time?", 2017).
struct Welch {
  private struct Moments {
    var count = 0.0, mean = 0.0, squares = 0.0

    mutating func add(_ value: Double) {
      count += 1
      let difference = value - mean
      mean += difference / count
      squares += difference * (value - mean)
    }

    var variance: Double { count > 1 ? squares / (count - 1) : 0 }
  }

  private static let percentiles = [0.5, 0.75, 0.9, 0.99, 0.999]

  private let limits: [UInt64]
  private var moments: [(Moments, Moments)]

  /// - Parameter sample: Times of both classes, from which the percentiles are taken; they are not counted.
  init(percentilesOf sample: [UInt64]) {
    let sorted = sample.sorted()
    limits = Self.percentiles.map { sorted[Int(Double(sorted.count) * $0)] } + [.max]
    moments = Array(repeating: (Moments(), Moments()), count: limits.count)
  }

  mutating func add(_ time: UInt64, isSecond: Bool) {
    for index in limits.indices where time <= limits[index] {
      if isSecond { moments[index].1.add(Double(time)) } else { moments[index].0.add(Double(time)) }
    }
  }

  /// The t that is farthest from zero, and the difference of the means there, in cycles.
  var worst: (t: Double, difference: Double) {
    let all = moments.map { one, other -> (t: Double, difference: Double) in
      let difference = other.mean - one.mean
      let error = (one.variance / one.count + other.variance / other.count).squareRoot()
      return error > 0 ? (difference / error, difference) : (0, difference)
    }
    return all.max { abs($0.t) < abs($1.t) } ?? (0, 0)
  }
}
