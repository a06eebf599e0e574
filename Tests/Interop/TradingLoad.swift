import Foundation
import Parley

/// A client of a taker's control socket who deals without end, several orders at a time, and does not give up when a
/// node is away: it says the same again, under the same client order id.
actor TradingLoad {
  private let client: ControlClient
  private let maker: String
  private let instrument: String
  private var lastOrder = 0
  private var isStopping = false
  private var workers: [Task<Void, Never>] = []

  /// The trades that the node has reported, by the order's number.
  private(set) var trades: [Int: String] = [:]
  /// What the client was told and must not be.
  private(set) var contradictions: [String] = []
  /// Why orders ended without a trade, and how many did.
  private(set) var refusals: [String: Int] = [:]

  init(taker: RunningNode, maker: RunningNode, instrument: String) {
    client = ControlClient(home: taker.home)
    self.maker = maker.longForm
    self.instrument = instrument
  }

  /// Begins to deal, `width` orders at a time.
  func start(width: Int) {
    workers = (0..<width).map { _ in
      Task {
        while let number = nextOrder() {
          await deal(number)
          try? await Task.sleep(for: .milliseconds(5))
        }
      }
    }
  }

  /// Begins no more orders, and waits for those that are under way.
  func stop() async {
    isStopping = true
    for worker in workers { await worker.value }
  }

  private func nextOrder() -> Int? {
    guard !isStopping else { return nil }
    lastOrder += 1
    return lastOrder
  }

  /// The name of one step of an order.
  static func name(_ number: Int, _ step: String) -> String { "order-\(number)-\(step)" }

  /// One order: ask, haggle with every third, accept.
  private func deal(_ number: Int) async {
    let deadline = ContinuousClock.now + .seconds(20)
    let isBuying = number % 2 == 0
    func insist(
      _ step: String, _ parameters: JSONObject, until isSettled: (JSONValue) -> Bool
    ) async -> JSONValue? {
      var parameters = parameters
      parameters["client_order_id"] = .string(Self.name(number, step))
      parameters["wait_ms"] = 500
      return await self.insist(number, step, parameters, before: deadline, until: isSettled)
    }

    let asked = await insist(
      "rfq",
      [
        "instrument": .string(instrument), "amount": "0.1", "side": isBuying ? "buy" : "sell", "with": .string(maker),
      ]
    ) { !$0.isOpen || $0["theirs"] != .null }
    guard var last = asked, let dialogue = last["dialogue"] else { return }

    if number % 3 == 0, let price = counterPrice(last, isBuying) {
      let seen = last["theirs"]?["offer"]
      let haggled = await insist("counter", ["dialogue": dialogue, "price": .string(price)]) {
        !$0.isOpen || $0["mine"] == .null || ($0["theirs"] != .null && $0["theirs"]?["offer"] != seen)
      }
      last = haggled ?? last
    }
    if last.isOpen, last["theirs"] != .null {
      last = await insist("accept", ["dialogue": dialogue]) { $0["phase"]?.stringValue != "in doubt" } ?? last
    }
    // What stays open counts against the most that may be.
    if last.isOpen { _ = await insist("pass", ["dialogue": dialogue]) { _ in true } }
  }

  /// Two ticks better than what is offered.
  private func counterPrice(_ answer: JSONValue, _ isBuying: Bool) -> String? {
    let offered = answer["theirs"]?[isBuying ? "ask_ticks" : "bid_ticks"]?.int64Value
    guard let offered, let instrument = try? Instrument(listed: instrument) else { return nil }
    let price = try? instrument.price(Ticks(max(1, isBuying ? offered - 2 : offered + 2)))
    return price?.text(decimals: instrument.tick.scale)
  }

  /// Says one thing until it is settled; `nil` once it is refused or takes too long.
  private func insist(
    _ number: Int, _ method: String, _ parameters: JSONObject, before deadline: ContinuousClock.Instant,
    until isSettled: (JSONValue) -> Bool
  ) async -> JSONValue? {
    while ContinuousClock.now < deadline {
      do throws(ControlError) {
        let answer = try await client.call(method, parameters)
        note(answer["trade"]?["trade"]?.stringValue, number)
        if isSettled(answer) { return answer }
      } catch {
        guard error.isPassing, !(isStopping && error.isNodeAbsent) else {
          refusals["\(method): \(error.message)", default: 0] += 1
          return nil
        }
        try? await Task.sleep(for: .milliseconds(10))
      }
    }
    refusals["\(method): not settled in time", default: 0] += 1
    return nil
  }

  private func note(_ trade: String?, _ number: Int) {
    guard let trade else {
      if trades[number] != nil { contradictions.append("order \(number) traded, and then not") }
      return
    }
    if let old = trades.updateValue(trade, forKey: number), old != trade {
      contradictions.append("order \(number) became two trades")
    }
  }
}

extension ControlError {
  /// Whether it says that a node is away, and nothing about what was asked.
  fileprivate var isPassing: Bool {
    isNodeAbsent || ["without an answer", "no channel to this peer", "is stopping"].contains { message.contains($0) }
  }
}

extension JSONValue {
  /// Whether something can still happen in this dialogue.
  fileprivate var isOpen: Bool { self["phase"]?.stringValue == "open" }
}
