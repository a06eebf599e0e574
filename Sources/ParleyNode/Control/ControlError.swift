internal import ParleyWire

/// Why a request over the control socket was not carried out.
///
/// The wire form is JSON-RPC 2.0's error object, with `data.hint` for a person.
public struct ControlError: Error, Hashable, Sendable {
  /// JSON-RPC 2.0's codes, and Parley's own above -32000.
  public enum Code: Int64, Sendable {
    /// The line was not JSON.
    case parse = -32700
    /// The JSON was not a request.
    case invalidRequest = -32600
    /// There is no such method.
    case methodNotFound = -32601
    /// A parameter is missing or cannot be read.
    case invalidParameters = -32602
    /// The node could not do it.
    case failed = -32000
    /// No node answers on the socket. Never sent: the client says it.
    case nodeAbsent = -32001
  }

  /// Which kind of fault.
  public let code: Code
  /// What went wrong.
  public let message: String
  /// What to do about it.
  public let hint: String?

  /// Describes a fault.
  public init(_ code: Code, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  /// Describes what a node could not do.
  public init(_ error: NodeError) {
    self.init(.failed, error.description, hint: error.hint)
  }

  /// Whether no node was there to ask.
  public var isNodeAbsent: Bool { code == .nodeAbsent }

  var json: JSONValue {
    var object: JSONObject = ["code": .integer(code.rawValue), "message": .string(message)]
    if let hint { object["data"] = ["hint": .string(hint)] }
    return .object(object)
  }

  init(json: JSONValue) {
    code = json["code"]?.int64Value.flatMap(Code.init(rawValue:)) ?? .failed
    message = json["message"]?.stringValue ?? "the node's answer could not be read"
    hint = json["data"]?["hint"]?.stringValue
  }
}
