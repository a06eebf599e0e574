import CCycles

/// Two classes of inputs for one operation.
struct Trial {
  /// How many inputs are prepared at a time, so that preparing one is long over when it is used.
  static let batch = 256

  let name: String
  /// What the first class is, and the second.
  let classes: String
  /// Whether this is the trial that must be found.
  var isPlanted = false
  /// Writes an input of the first or the second class to a slot.
  let prepare: (_ slot: Int, _ isSecond: Bool) -> Void
  /// Does what is measured with the input of a slot.
  let run: (_ slot: Int) -> Void

  /// Times the operation, the classes in random order.
  ///
  /// - Parameters:
  ///   - samples: How many.
  ///   - progress: Called now and then with how many there are.
  /// - Returns: What ``Welch/worst`` is then.
  func measure(samples: Int, progress: (Int) -> Void) -> (t: Double, difference: Double) {
    var random = SystemRandomNumberGenerator()
    var first: [UInt64] = []
    while first.count < 20_000 { batch(&random) { time, _ in first.append(time) } }
    var welch = Welch(percentilesOf: first)
    var done = 0
    while done < samples {
      batch(&random) { time, isSecond in welch.add(time, isSecond: isSecond) }
      done += Self.batch
      if done & 0xFFFF == 0 { progress(done) }
    }
    return welch.worst
  }

  private func batch(_ random: inout SystemRandomNumberGenerator, _ note: (UInt64, Bool) -> Void) {
    let bits = (0..<Self.batch / 64).map { _ in random.next() as UInt64 }
    func isSecond(_ slot: Int) -> Bool { bits[slot / 64] >> UInt64(slot % 64) & 1 == 1 }
    for slot in 0..<Self.batch { prepare(slot, isSecond(slot)) }
    let times = (0..<Self.batch).map { slot in
      let start = cycles()
      run(slot)
      return cycles() &- start
    }
    for slot in 0..<Self.batch { note(times[slot], isSecond(slot)) }
  }
}

/// Inputs that lie at the same places whatever their class.
final class Slots {
  var bytes: [[UInt8]]

  init(byteCount: Int) {
    bytes = (0..<Trial.batch).map { _ in [UInt8](repeating: 0, count: byteCount) }
  }

  /// Overwrites a slot, with one byte of it wrong if there is an index.
  func write(_ input: [UInt8], to slot: Int, wrongAt index: Int? = nil) {
    for position in input.indices { bytes[slot][position] = input[position] }
    if let index { bytes[slot][index] ^= 1 << UInt8.random(in: 0..<8) }
  }
}

/// Keeps the optimiser from dropping what is measured.
@inline(never)
func keep<T>(_ value: T) { withExtendedLifetime(value) {} }
