/// Finds a minimum by values alone.
///
/// Nelder and Mead, "A simplex method for function minimization", 1965.
struct NelderMead {
  /// How many values may be asked for.
  var evaluationLimit = 2_000
  /// It stops when the values of the simplex differ by less than this share of the best.
  var tolerance = 1e-9

  /// Searches from a point.
  ///
  /// - Parameters:
  ///   - start: Where to begin.
  ///   - steps: How far the first simplex reaches in each direction; none is 0.
  ///   - value: The function; what is not finite counts as the worst.
  /// - Returns: The best point and its value.
  func minimum(
    from start: [Double], steps: [Double], of value: ([Double]) -> Double
  ) -> (point: [Double], value: Double) {
    func finite(_ point: [Double]) -> Double {
      let result = value(point)
      return result.isFinite ? result : .greatestFiniteMagnitude
    }
    var simplex = [(point: start, value: finite(start))]
    for (place, step) in steps.enumerated() {
      var point = start
      point[place] += step
      simplex.append((point, finite(point)))
    }
    var evaluations = simplex.count
    while evaluations < evaluationLimit {
      simplex.sort { $0.value < $1.value }
      let (best, worst) = (simplex[0], simplex[simplex.count - 1])
      if worst.value - best.value <= tolerance * abs(best.value) + 1e-300 { break }
      let others = simplex.dropLast()
      let center = start.indices.map { place in
        others.reduce(0) { $0 + $1.point[place] } / Double(others.count)
      }
      func along(_ factor: Double) -> (point: [Double], value: Double) {
        let point = zip(center, worst.point).map { $0 + factor * ($0 - $1) }
        evaluations += 1
        return (point, finite(point))
      }
      let reflected = along(1)
      if reflected.value < best.value {
        let expanded = along(2)
        simplex[simplex.count - 1] = expanded.value < reflected.value ? expanded : reflected
      } else if reflected.value < simplex[simplex.count - 2].value {
        simplex[simplex.count - 1] = reflected
      } else {
        let contracted = along(reflected.value < worst.value ? 0.5 : -0.5)
        if contracted.value < min(reflected.value, worst.value) {
          simplex[simplex.count - 1] = contracted
        } else {
          for place in 1..<simplex.count {
            let point = zip(best.point, simplex[place].point).map { $0 + 0.5 * ($1 - $0) }
            simplex[place] = (point, finite(point))
          }
          evaluations += simplex.count - 1
        }
      }
    }
    return simplex.min { $0.value < $1.value } ?? (start, .greatestFiniteMagnitude)
  }
}
