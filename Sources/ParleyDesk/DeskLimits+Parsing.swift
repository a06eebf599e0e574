public import ParleyWire

extension DeskLimits {
  /// The largest file, in bytes.
  public static let fileByteLimit = 65_536
  /// The most entries of one list or object.
  public static let entryLimit = 1_000
  /// The longest text, in bytes.
  public static let textByteLimit = 2_048

  /// Reads `limits.json`: section 2 of docs/desk.md.
  ///
  /// Strict: what is misspelt must not turn a limit off, so an unknown name is an error.
  ///
  /// - Throws: ``DeskError/limits(path:_:)``.
  public init(parsing file: [UInt8]) throws(DeskError) {
    guard file.count <= Self.fileByteLimit else {
      throw .limits(path: "", "the file has more than \(Self.fileByteLimit) bytes")
    }
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue.parse(file)
    } catch {
      throw .limits(path: "", "not JSON: \(error)")
    }
    try self.init(value)
  }

  /// Reads limits that are JSON already.
  ///
  /// - Throws: ``DeskError/limits(path:_:)``.
  public init(_ value: JSONValue) throws(DeskError) {
    self.init()
    let root = try LimitsReader(
      value, "", known: ["version", "band", "size", "exposure", "protection", "own", "allow", "deny", "credits"])
    guard try root.number("version", in: 1...1) != nil else { throw .limits(path: "version", "1 is wanted") }
    if let reader = try root.child("band", known: ["vol_points", "ticks"]) {
      band = Band(
        volatilityPoints: try reader.number("vol_points", in: 0...1_000),
        ticks: try reader.number("ticks", in: 0...1e15))
      try reader.needsOne
    }
    if let reader = try root.child("size", known: ["trade", "counterparty", "all"]) {
      tradeSize = try reader.contracts("trade")
      size = DeskBounds(counterparty: try reader.contracts("counterparty"), all: try reader.contracts("all"))
      try reader.needsOne
    }
    if let reader = try root.child("exposure", known: nil) {
      for key in reader.object.keys {
        guard let greeks = try reader.child(key, known: ["delta", "gamma", "vega"]) else { continue }
        var bounds = Exposure()
        bounds.delta = try greeks.bounds("delta")
        bounds.gamma = try greeks.bounds("gamma")
        bounds.vega = try greeks.bounds("vega")
        try greeks.needsOne
        exposure[key] = bounds
      }
    }
    protection = try root.child("protection", known: ["interval_s", "frozen_s", "fills", "delta", "vega"])
      .map { reader throws(DeskError) in try Protection(reader) }
    ownGroup = try root.rules("own")
    allow = try root.rules("allow")
    deny = try root.rules("deny")
    credits = try root.child("credits", known: ["start", "most", "request", "trade", "minute"])
      .map { reader throws(DeskError) in try Credits(reader) }
  }
}

extension DeskLimits.Protection {
  fileprivate init(_ reader: LimitsReader) throws(DeskError) {
    guard let interval = try reader.number("interval_s", in: 0.001...86_400) else {
      throw reader.fault("interval_s", "is missing: over how many seconds fills count")
    }
    guard let frozen = try reader.number("frozen_s", in: 0...86_400) else {
      throw reader.fault("frozen_s", "is missing: for how many seconds no quote is made; 0 until 'parley mmp reset'")
    }
    self.init(
      // At most 86,400 seconds: far inside 64 bits.
      interval: Int64(interval * 1e9), frozen: Int64(frozen * 1e9),
      fills: try reader.number("fills", in: 1...1_000_000, whole: true).map { Int64($0) },
      delta: try reader.numbers("delta"), vega: try reader.numbers("vega"))
    guard fills != nil || !delta.isEmpty || !vega.isEmpty else {
      throw reader.fault("", "one of fills, delta and vega is wanted")
    }
  }
}

extension DeskLimits.Credits {
  fileprivate init(_ reader: LimitsReader) throws(DeskError) {
    let range = 0...1_000_000.0
    guard let start = try reader.number("start", in: range), let trade = try reader.number("trade", in: range) else {
      throw reader.fault("", "start and trade are wanted: what a counterparty begins with, and what a trade brings")
    }
    self.init(
      start: start, most: try reader.number("most", in: range) ?? max(start, trade),
      request: try reader.number("request", in: range) ?? 1, trade: trade,
      minute: try reader.number("minute", in: range) ?? 0)
    guard most >= start else { throw reader.fault("most", "is less than start") }
  }
}

/// One object of the file, and where it stands.
private struct LimitsReader {
  let object: JSONObject
  let path: String

  // `known` are the names that may be in it; `nil` for names of underlyings.
  init(_ value: JSONValue, _ path: String, known: [String]?) throws(DeskError) {
    guard let object = value.objectValue else { throw .limits(path: path, "an object is wanted") }
    self.object = object
    self.path = path
    guard object.count <= DeskLimits.entryLimit else { throw fault("", "more than \(DeskLimits.entryLimit) entries") }
    for key in object.keys {
      guard let known else {
        guard (1...16).contains(key.utf8.count),
          key.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) })
        else { throw fault(key, "is no underlying: one is BTC") }
        continue
      }
      guard known.contains(where: { $0.hasSameBytes(as: key) }) else {
        throw fault(key, "is not known here: \(known.joined(separator: ", "))")
      }
    }
  }

  func fault(_ key: String, _ why: String) -> DeskError {
    // What stands in the file may be long, and is shown.
    let name = String(key.prefix(40))
    return .limits(path: path.isEmpty || name.isEmpty ? path + name : "\(path).\(name)", why)
  }

  /// That an object which is there says something.
  var needsOne: Void {
    get throws(DeskError) {
      guard object.count > 0 else { throw fault("", "is empty: leave it out, or set something in it") }
    }
  }

  func child(_ key: String, known: [String]?) throws(DeskError) -> LimitsReader? {
    guard let value = object[key] else { return nil }
    return try LimitsReader(value, path.isEmpty ? key : "\(path).\(key)", known: known)
  }

  func number(_ key: String, in range: ClosedRange<Double>, whole: Bool = false) throws(DeskError) -> Double? {
    guard let value = object[key] else { return nil }
    guard let number = value.doubleValue, range.contains(number), !whole || number == number.rounded() else {
      throw fault(
        key, "a \(whole ? "whole " : "")number from \(text(range.lowerBound)) to \(text(range.upperBound)) is wanted")
    }
    return number
  }

  private func text(_ number: Double) -> String { JSONValue.number(number).serialized() }

  func contracts(_ key: String) throws(DeskError) -> Contracts? {
    guard let value = object[key] else { return nil }
    let text = value.stringValue ?? value.int64Value.map(String.init)
    guard let contracts = text.flatMap(Contracts.init(parsing:)) else {
      throw fault(key, "an amount of contracts is wanted, such as \"10\" or \"0.5\"")
    }
    return contracts
  }

  func bounds(_ key: String) throws(DeskError) -> DeskBounds<Double> {
    guard let reader = try child(key, known: ["counterparty", "all"]) else { return DeskBounds() }
    try reader.needsOne
    return DeskBounds(
      counterparty: try reader.number("counterparty", in: 0...1e15), all: try reader.number("all", in: 0...1e15))
  }

  func numbers(_ key: String) throws(DeskError) -> [String: Double] {
    guard let reader = try child(key, known: nil) else { return [:] }
    var numbers: [String: Double] = [:]
    for key in reader.object.keys { numbers[key] = try reader.number(key, in: 0...1e15) }
    return numbers
  }

  func rules(_ key: String) throws(DeskError) -> [CounterpartyRule] {
    guard let value = object[key] else { return [] }
    guard let elements = value.arrayValue, elements.count <= DeskLimits.entryLimit else {
      throw fault(key, "a list of at most \(DeskLimits.entryLimit) rules is wanted")
    }
    var rules: [CounterpartyRule] = []
    for (index, element) in elements.enumerated() { rules.append(try rule(element, "\(key)[\(index)]")) }
    return rules
  }

  private func rule(_ value: JSONValue, _ place: String) throws(DeskError) -> CounterpartyRule {
    if let did = value.stringValue { return .did(try checked(did: did, place)) }
    guard let object = value.objectValue, object.count == 1,
      let (key, value) = object.members.first.map({ ($0.key, $0.value) }),
      let text = value.stringValue, (1...DeskLimits.textByteLimit).contains(text.utf8.count)
    else { throw fault(place, "a DID, or an object with one of \(Self.ruleKeys.joined(separator: ", ")) is wanted") }
    switch key {
    case "did": return .did(try checked(did: text, place))
    case "web": return .web(try checked(host: text, place))
    case "service": return .service(text)
    case "alsoKnownAs": return .alsoKnownAs(text)
    case "controller": return .controller(try checked(did: text, place))
    default: throw fault(place, "is none of \(Self.ruleKeys.joined(separator: ", "))")
    }
  }

  private static let ruleKeys = ["did", "web", "service", "alsoKnownAs", "controller"]

  private func checked(did: String, _ place: String) throws(DeskError) -> String {
    guard did.utf8.starts(with: "did:".utf8), (8...DeskLimits.textByteLimit).contains(did.utf8.count),
      did.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "*") })
    else { throw fault(place, "is no DID; for the hosts of did:web write {\"web\": \"*.example\"}") }
    // The long form of a did:peer:4 carries its document behind the third colon; peers go by the short one.
    guard did.utf8.starts(with: "did:peer:4".utf8) else { return did }
    return did.split(separator: ":").prefix(3).joined(separator: ":")
  }

  private func checked(host: String, _ place: String) throws(DeskError) -> String {
    let name = host.utf8.starts(with: "*.".utf8) ? host.dropFirst(2) : host[...]
    guard !name.isEmpty, !name.utf8.starts(with: ".".utf8),
      name.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D || $0 == 0x2E })
    else { throw fault(place, "is no host in lower case, such as desk.example or *.desk.example") }
    return host
  }
}
