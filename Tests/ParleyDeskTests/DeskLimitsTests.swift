import ParleyWire
import Testing

@testable import ParleyDesk

@Suite("The file of limits")
struct DeskLimitsTests {
  static let whole = #"""
    {
      "version": 1,
      "band": {"vol_points": 5, "ticks": 2},
      "size": {"trade": "10", "counterparty": "50.5", "all": 200},
      "exposure": {"BTC": {"delta": {"counterparty": 5, "all": 20}, "vega": {"all": 5000}}, "ETH": {"gamma": {"all": 0.5}}},
      "protection": {"interval_s": 5, "frozen_s": 0.5, "fills": 3, "delta": {"BTC": 3}, "vega": {"BTC": 100}},
      "own": ["did:key:z6Mk1"],
      "allow": [{"web": "*.desk.example"}, {"alsoKnownAs": "https://lei.example/5493*"}],
      "deny": [{"controller": "did:web:bad.example"}, {"service": "Broker"}, {"did": "did:peer:4zQm1:zLong"}],
      "credits": {"start": 20, "trade": 10, "most": 60, "minute": 0.5}
    }
    """#

  @Test("everything in it is read")
  func whole() throws {
    let limits = try DeskLimits(Self.whole)
    #expect(limits.band == .init(volatilityPoints: 5, ticks: 2))
    #expect(limits.tradeSize == Contracts(millionths: 10_000_000))
    #expect(
      limits.size == .init(counterparty: Contracts(millionths: 50_500_000), all: Contracts(millionths: 200_000_000)))
    #expect(limits.exposure["BTC"]?.delta == .init(counterparty: 5, all: 20))
    #expect(limits.exposure["BTC"]?.vega == .init(all: 5_000) && limits.exposure["ETH"]?.gamma == .init(all: 0.5))
    #expect(
      limits.protection
        == .init(interval: 5_000_000_000, frozen: 500_000_000, fills: 3, delta: ["BTC": 3], vega: ["BTC": 100]))
    #expect(limits.ownGroup == [.did("did:key:z6Mk1")])
    #expect(limits.allow == [.web("*.desk.example"), .alsoKnownAs("https://lei.example/5493*")])
    #expect(limits.deny == [.controller("did:web:bad.example"), .service("Broker"), .did("did:peer:4zQm1")])
    #expect(limits.credits == .init(start: 20, most: 60, request: 1, trade: 10, minute: 0.5))
    #expect(try DeskLimits(#"{"version":1}"#) == DeskLimits())
  }

  @Test(
    "what does not read says where, and what is wanted",
    arguments: [
      ("", "", "not JSON"), ("[]", "", "an object"), ("{}", "version", "1 is wanted"),
      (#"{"version":2}"#, "version", "1 to 1"),
      (#"{"version":1,"bands":{}}"#, "bands", "is not known here: version, band"),
      (#"{"version":1,"band":{}}"#, "band", "is empty"),
      (#"{"version":1,"band":{"ticks":-1}}"#, "band.ticks", "from 0"),
      (#"{"version":1,"band":{"ticks":"1"}}"#, "band.ticks", "a number"),
      (#"{"version":1,"band":{"vol_points":1001}}"#, "band.vol_points", "to 1000"),
      (#"{"version":1,"size":{"trade":"1.0000001"}}"#, "size.trade", "contracts"),
      (#"{"version":1,"size":{"trade":-1}}"#, "size.trade", "contracts"),
      (#"{"version":1,"size":{"most":1}}"#, "size.most", "is not known"),
      (#"{"version":1,"exposure":{"btc":{"delta":{"all":1}}}}"#, "exposure.btc", "no underlying"),
      (#"{"version":1,"exposure":{"BTC":{}}}"#, "exposure.BTC", "is empty"),
      (#"{"version":1,"exposure":{"BTC":{"delta":{}}}}"#, "exposure.BTC.delta", "is empty"),
      (#"{"version":1,"exposure":{"BTC":{"theta":{"all":1}}}}"#, "exposure.BTC.theta", "is not known"),
      (#"{"version":1,"protection":{"frozen_s":1,"fills":1}}"#, "protection.interval_s", "is missing"),
      (#"{"version":1,"protection":{"interval_s":1,"fills":1}}"#, "protection.frozen_s", "is missing"),
      (#"{"version":1,"protection":{"interval_s":1,"frozen_s":1}}"#, "protection", "one of fills"),
      (#"{"version":1,"protection":{"interval_s":0,"frozen_s":1,"fills":1}}"#, "protection.interval_s", "from 0.001"),
      (#"{"version":1,"protection":{"interval_s":1,"frozen_s":1,"fills":1.5}}"#, "protection.fills", "whole"),
      (#"{"version":1,"deny":"did:key:z"}"#, "deny", "a list"),
      (#"{"version":1,"deny":["z6Mk"]}"#, "deny[0]", "no DID"),
      (#"{"version":1,"deny":["did:key:z1","did:web:*"]}"#, "deny[1]", "no DID"),
      (#"{"version":1,"allow":[{"web":"Desk.example"}]}"#, "allow[0]", "lower case"),
      (#"{"version":1,"allow":[{"web":"*."}]}"#, "allow[0]", "no host"),
      (#"{"version":1,"allow":[{"lei":"x"}]}"#, "allow[0]", "is none of"),
      (#"{"version":1,"own":[{}]}"#, "own[0]", "a DID"),
      (#"{"version":1,"credits":{"start":1}}"#, "credits", "start and trade"),
      (#"{"version":1,"credits":{"start":5,"trade":1,"most":4}}"#, "credits.most", "less than start"),
    ])
  func faults(text: String, path: String, why: String) {
    do throws(DeskError) {
      _ = try DeskLimits(text)
      Issue.record("it reads: \(text)")
    } catch {
      guard case .limits(let place, let reason) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(place == path && reason.contains(why), "\(error)")
    }
  }

  @Test("the limits of the file itself, at each and one past it")
  func sizes() throws {
    let padding = String(repeating: " ", count: DeskLimits.fileByteLimit - 13)
    #expect(try DeskLimits(padding + #"{"version":1}"#) == DeskLimits())
    #expect(throws: DeskError.self) { try DeskLimits(padding + #" {"version":1}"#) }
    func rules(_ count: Int) -> String {
      #"{"version":1,"deny":["# + [String](repeating: #""did:key:z""#, count: count).joined(separator: ",") + "]}"
    }
    #expect(try DeskLimits(rules(DeskLimits.entryLimit)).deny.count == DeskLimits.entryLimit)
    #expect(throws: DeskError.self) { try DeskLimits(rules(DeskLimits.entryLimit + 1)) }
    func alias(_ count: Int) -> String {
      #"{"version":1,"deny":[{"alsoKnownAs":""# + String(repeating: "a", count: count) + #""}]}"#
    }
    #expect(try DeskLimits(alias(DeskLimits.textByteLimit)).deny.count == 1)
    #expect(throws: DeskError.self) { try DeskLimits(alias(DeskLimits.textByteLimit + 1)) }
  }

  @Test("amounts are exact to a millionth")
  func contracts() {
    for (text, millionths) in [
      ("0", 0), ("1", 1_000_000), ("0.1", 100_000), ("12.000001", 12_000_001), ("01.50", 1_500_000),
    ] {
      #expect(Contracts(parsing: text)?.millionths == Int64(millionths))
    }
    #expect(Contracts(parsing: "1000000000")?.millionths == Contracts.limit)
    for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1.0000000", "1000000000.000001", "12345678901", "1 "] {
      #expect(Contracts(parsing: text) == nil, "\(text)")
    }
    #expect(
      Contracts(millionths: 1_500_000).description == "1.5" && Contracts(millionths: -1).description == "-0.000001")
  }
}

@Suite("Lists of counterparties")
struct CounterpartyRuleTests {
  static let bank = DeskPeer(
    did: "did:web:otc.desk.example", host: "otc.desk.example", services: ["ParleyNode", "LinkedDomains"],
    alsoKnownAs: ["https://lei.example/549300ABC"], controllers: ["did:web:bank.example"])

  @Test(
    "a rule is about whom it names, and about nobody else",
    arguments: [
      (CounterpartyRule.did("did:web:otc.desk.example"), true), (.did("did:web:otc.desk.exampl"), false),
      (.web("otc.desk.example"), true), (.web("*.desk.example"), true), (.web("*.example"), true),
      (.web("desk.example"), false), (.web("*.otc.desk.example"), false), (.web("*.sk.example"), false),
      (.service("LinkedDomains"), true), (.service("Linked"), false),
      (.alsoKnownAs("https://lei.example/549300ABC"), true), (.alsoKnownAs("https://lei.example/5493*"), true),
      (.alsoKnownAs("https://lei.example/5493"), false), (.alsoKnownAs("*"), true),
      (.controller("did:web:bank.example"), true), (.controller("did:web:other.example"), false),
    ])
  func rules(rule: CounterpartyRule, matches: Bool) {
    #expect(rule.matches(Self.bank) == matches)
    #expect(!rule.matches(DeskPeer(did: "did:key:z6Mk")))
  }

  @Test("deny comes before allow, the own group before both, and the kill switch before all")
  func order() throws {
    var desk = DeskGuard()
    desk.meet(Self.bank)
    func refusal(_ text: String, _ did: String = CounterpartyRuleTests.bank.did) throws -> DeskLimit? {
      desk.adopt(try DeskLimits(text))
      return desk.refusal(Sample.intent(.accept, peer: did, buys: 1))
    }
    #expect(try refusal(#"{"version":1,"allow":[{"web":"*.desk.example"}]}"#) == nil)
    #expect(try refusal(#"{"version":1,"allow":[{"web":"*.desk.example"}]}"#, "did:key:z6Mk") == .counterparty)
    #expect(
      try refusal(#"{"version":1,"allow":[{"web":"*.desk.example"}],"deny":[{"service":"ParleyNode"}]}"#)
        == .counterparty)
    #expect(
      try refusal(#"{"version":1,"own":[{"web":"*.desk.example"}],"deny":[{"service":"ParleyNode"}]}"#) == .selfTrade)
    desk.setKilled(true)
    #expect(try refusal(#"{"version":1,"own":[{"web":"*.desk.example"}]}"#) == .killSwitch)
    for act in DeskIntent.Act.allCases { #expect(desk.refusal(Sample.intent(act, buys: 1)) == .killSwitch) }
    desk.setKilled(false)
    #expect(try refusal(#"{"version":1}"#) == nil)
  }
}
