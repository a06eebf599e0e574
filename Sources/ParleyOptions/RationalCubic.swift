/// A curve over an interval with given values and slopes at both ends, and one parameter for how it bends between.
///
/// R. Delbourgo, J. Gregory, "Shape preserving piecewise rational interpolation", 1985. With the parameter at 3 it is
/// the cubic of Hermite; towards -1 it grows a pole, upwards it nears the chord.
struct RationalCubic {
  /// Width of the interval.
  let width: Double
  /// Values at the two ends.
  let values: (left: Double, right: Double)
  /// Slopes at the two ends.
  let slopes: (left: Double, right: Double)
  /// How it bends; greater than -1.
  private(set) var bend = 3.0

  /// The end at which a second derivative is to be met.
  enum End {
    case left, right
  }

  /// Interpolates, and meets the second derivative at one end as far as a convex curve can.
  ///
  /// - Parameters:
  ///   - width: Width of the interval; positive.
  ///   - values: Values at the ends.
  ///   - slopes: Slopes at the ends.
  ///   - second: The second derivative.
  ///   - end: Where.
  init(
    width: Double, values: (left: Double, right: Double), slopes: (left: Double, right: Double), second: Double,
    at end: End
  ) {
    self.width = width
    self.values = values
    self.slopes = slopes
    let chord = (values.right - values.left) / width
    let (before, after) = (chord - slopes.left, slopes.right - chord)
    let wanted = (0.5 * width * second + (slopes.right - slopes.left)) / (end == .left ? before : after)
    // Below these the curve would not be convex (or concave), or not monotone, where its data are: section 3.
    let turn = slopes.right - slopes.left
    var least = before * after > 0 ? max(abs(turn / before), abs(turn / after)) : -1 + 0x1p-26
    if slopes.left * chord > 0, slopes.right * chord > 0 { least = max(least, (slopes.left + slopes.right) / chord) }
    bend = wanted >= least ? wanted : least
  }

  /// The value at a place.
  ///
  /// - Parameters:
  ///   - from: Distance from the left end over `width`, 0 to 1.
  ///   - to: Distance to the right end over `width`: `1 - from`, which the caller may know better.
  /// - Returns: The value.
  func value(_ from: Double, _ to: Double) -> Double {
    guard bend < 1e100 else { return values.right * from + values.left * to }
    let inner = (bend * values.right - width * slopes.right) * from + (bend * values.left + width * slopes.left) * to
    let sum = values.right * from * from * from + inner * from * to + values.left * to * to * to
    return sum / (1 + (bend - 3) * from * to)
  }
}
