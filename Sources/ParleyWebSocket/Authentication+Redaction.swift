// What clients prove themselves with does not get into a log by way of a description.

extension HTTPFields.Field: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  private var shownValue: String {
    switch name {
    case "authorization", "proxy-authorization", "cookie", "set-cookie":
      return "(\(value.utf8.count) bytes)"
    case "sec-websocket-protocol":
      let offers = value.split(separator: ",").map { $0.trimmingWhitespace() }
      return offers.map { BearerTokens.isCredential($0) ? "bearer.(\($0.utf8.count) bytes)" : String($0) }
        .joined(separator: ", ")
    default:
      return value
    }
  }

  /// The field as it is on the wire; of one that may carry a secret, only how long it is.
  public var description: String { "\(name): \(shownValue)" }

  /// As ``description``.
  public var debugDescription: String { description }

  /// As ``description``.
  public var customMirror: Mirror { Mirror(self, children: ["name": name, "value": shownValue]) }
}

extension ChallengeAnswer: CustomStringConvertible, CustomReflectable {
  var description: String { "ChallengeAnswer(key \(publicKey.count) bytes)" }
  var customMirror: Mirror { Mirror(self, children: []) }
}

extension ClientUpgrade: CustomStringConvertible, CustomReflectable {
  /// How long the request is.
  public var description: String { "ClientUpgrade(\(request.count) bytes)" }

  /// Shows no children.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
