internal import ParleyIO
internal import ParleyWire

/// Answers the command line: JSON-RPC 2.0, one object a line, on a Unix socket that only its owner can open.
final class ControlServer: Sendable {
  private let socket: UnixSocketServer

  /// Listens in the node's home.
  init(node: Node) throws(NodeError) {
    let path = node.configuration.home.controlSocketPath
    do {
      socket = try UnixSocketServer(loop: node.loop, path: path) { [weak node] connection in
        let number = ObjectIdentifier(connection)
        connection.start(
          onLine: { [weak node] line in Task { [weak node] in await node?.answer(line, on: connection) } },
          onClose: { [weak node] _ in Task { [weak node] in await node?.clientEnded(number) } })
      }
    } catch {
      throw .listen("\(path): \(error)")
    }
  }

  func close() async { await socket.close() }
}

extension Node {
  /// Answers one line; the connection lives on this node's loop.
  func answer(_ line: [UInt8], on connection: LineConnection) async {
    var id = JSONValue.null
    var response: JSONObject = ["jsonrpc": "2.0"]
    do throws(ControlError) {
      let request = try ControlRequest(line)
      id = request.id
      response["result"] = try await answer(request, on: connection)
    } catch {
      response["error"] = error.json
    }
    response["id"] = id
    connection.send(line: Array(JSONValue.object(response).serialized().utf8))
  }
}

extension Node {
  /// Carries out a request that is about the connection itself, or any other.
  private func answer(
    _ request: ControlRequest, on connection: LineConnection
  ) async throws(ControlError) -> JSONValue {
    switch request.method {
    case "cancel_on_disconnect": break
    case "strategy": return try attachStrategy(connection)
    case "decide": return try decide(request, from: connection)
    default: return try await answer(request)
    }
    let isOn = request.flag("enabled")
    if isOn {
      supervisors.insert(ObjectIdentifier(connection))
    } else {
      supervisors.remove(ObjectIdentifier(connection))
    }
    return ["enabled": .bool(isOn)]
  }

  /// Notes that a client's connection has ended.
  fileprivate func clientEnded(_ number: ObjectIdentifier) {
    let wasStrategy = detachStrategy(number)
    if supervisors.remove(number) != nil || wasStrategy { clientIsGone() }
  }
}

/// One request of the control socket.
struct ControlRequest {
  let id: JSONValue
  let method: String
  private let parameters: JSONObject

  /// A request made within the process.
  init(_ method: String, _ parameters: JSONObject) {
    id = .null
    self.method = method
    self.parameters = parameters
  }

  /// Reads a JSON-RPC 2.0 request.
  init(_ line: [UInt8]) throws(ControlError) {
    let value: JSONValue
    do {
      value = try JSONValue.parse(line, limits: JSONLimits(byteCount: LineConnection.maximumLineByteCount))
    } catch {
      throw ControlError(.parse, "not JSON: \(error)")
    }
    guard value["jsonrpc"]?.stringValue == "2.0", let method = value["method"]?.stringValue, let id = value["id"] else {
      throw ControlError(.invalidRequest, "not a JSON-RPC 2.0 request")
    }
    self.id = id
    self.method = method
    parameters = value["params"]?.objectValue ?? JSONObject()
  }

  /// A text that must be there.
  func text(_ name: String) throws(ControlError) -> String {
    guard let text = parameters[name]?.stringValue else {
      throw ControlError(.invalidParameters, "'\(name)' is missing")
    }
    return text
  }

  /// A text that may be there.
  func optionalText(_ name: String) -> String? { parameters[name]?.stringValue }

  /// Several texts, where a list was given.
  func texts(_ name: String) -> [String]? { parameters[name]?.arrayValue?.compactMap(\.stringValue) }

  /// A time in milliseconds that may be there, as nanoseconds.
  func nanoseconds(_ name: String, upTo limit: Int64) throws(ControlError) -> Int64? {
    guard let value = parameters[name] else { return nil }
    guard let milliseconds = value.int64Value, (0...limit).contains(milliseconds) else {
      throw ControlError(.invalidParameters, "'\(name)' is 0 to \(limit)")
    }
    return milliseconds * 1_000_000
  }

  /// A switch, off unless given.
  func flag(_ name: String) -> Bool { parameters[name]?.boolValue ?? false }

  /// One of a few words, or what it is when it is not given.
  func choice<T>(_ name: String, _ words: KeyValuePairs<String, T>, default value: T) throws(ControlError) -> T {
    parameters[name] == nil ? value : try choice(name, words)
  }

  /// Milliseconds up to an hour, in nanoseconds; `value` where they are not given.
  func nanoseconds(_ name: String, default value: Int64) throws(ControlError) -> Int64 {
    let milliseconds = parameters[name].map(\.int64Value) ?? value
    guard let milliseconds, (0...3_600_000).contains(milliseconds) else {
      throw ControlError(.invalidParameters, "'\(name)' is 0 to 3,600,000")
    }
    return milliseconds * 1_000_000
  }

  /// How long to wait for the other side.
  var wait: Duration {
    .milliseconds(min(max(parameters["wait_ms"]?.int64Value ?? 5_000, 0), 600_000))
  }

  /// The page that was asked for: the newest `limit` (500 at most, 100 by default) but for the newest `skip`, the oldest
  /// of them first, so that an answer fits a line.
  func page<T>(of values: [T]) throws(ControlError) -> ArraySlice<T> {
    let limit = parameters["limit"].map(\.int64Value) ?? 100
    let skip = parameters["skip"].map(\.int64Value) ?? 0
    guard let limit, (1...500).contains(limit) else { throw ControlError(.invalidParameters, "'limit' is 1 to 500") }
    guard let skip, skip >= 0 else { throw ControlError(.invalidParameters, "'skip' is 0 or more") }
    return values.dropLast(Int(min(skip, Int64(values.count)))).suffix(Int(limit))
  }

  /// One of a few words.
  func choice<T>(_ name: String, _ words: KeyValuePairs<String, T>) throws(ControlError) -> T {
    let text = try text(name)
    guard let match = words.first(where: { $0.key == text }) else {
      throw ControlError(
        .invalidParameters, "'\(name)' is \(words.map(\.key).joined(separator: ", ")), not '\(text)'")
    }
    return match.value
  }
}
