/// What goes wrong.
enum Disturbance: CaseIterable {
  /// A channel breaks; what was on its way is lost, and each end learns of it at its own time.
  case cut
  /// A new channel takes the place of one that still works.
  case replacement
  /// Nothing passes between two nodes for a while.
  case partition
  /// Everything between two nodes takes long for a while.
  case slowNetwork
  /// A node dies in the middle of what it does.
  case crash
  /// A node's disk takes long for a while.
  case slowDisk
  /// A node's disk is full for a while.
  case fullDisk
  /// A node's clock is put forward or back by up to minutes.
  case clockStep
}

/// How a seed's world is: each has its own mixture of what goes wrong, so that rare combinations meet.
struct Profile {
  let makerCount: Int
  /// How often somebody has an idea, and how many ideas there are.
  let ideaGap: Int64
  let ideaCount: Int
  let kinds: [Disturbance]
  let disturbanceCount: Int
  /// How far clocks are off at first.
  let skew: Int64
  /// What a frame takes.
  let latency: ClosedRange<Int64>
  /// What a write to the disk takes.
  let writing: ClosedRange<Int64>
  /// How long a broken channel may go unnoticed.
  let patience: Int64
  /// Whether a node loses, once, rows that were durable: only a freeze can answer that.
  let losesDurableRows: Bool
  /// Whether statements come twice at times, as from a peer that sends too much again.
  let repeats: Bool
  /// Whether signatures are real.
  let isReal: Bool
  /// Whether each session is compared with a fold of its durable rows after every step, and not only at restarts and rest.
  ///
  /// It is a good part of the work of a world.
  let comparesAlways: Bool

  /// How long ideas and disturbances go on.
  var duration: Int64 { ideaGap * Int64(ideaCount) }

  init(_ chance: inout Chance, seed: UInt64) {
    makerCount = [1, 1, 2, 3][chance.below(4)]
    ideaGap = [5, 20, 60, 300][chance.below(4)] * Span.millisecond
    ideaCount = 15 + chance.below(36)
    kinds = Disturbance.allCases.filter { _ in chance.percent(35) }
    disturbanceCount = kinds.isEmpty ? 0 : chance.below(9)
    let small: [Int64] = [0, 20 * Span.millisecond, 45 * Span.millisecond, 300 * Span.millisecond]
    let skews = small + [45 * Span.millisecond, 900 * Span.millisecond, 5 * Span.minute]
    skew = skews[chance.below(skews.count)]
    let slowest: Int64 = [1, 4, 20, 150][chance.below(4)]
    latency = 100_000...slowest * Span.millisecond
    writing = 50_000...([1, 5, 40][chance.below(3)] * Span.millisecond)
    patience = [20 * Span.millisecond, Span.second, 20 * Span.second][chance.below(3)]
    losesDurableRows = chance.percent(8)
    repeats = chance.percent(40)
    isReal = seed % 64 == 63
    comparesAlways = seed % 4 == 0
  }
}
