public import ParleyNegotiation

/// Why a maker does not quote or trade: what a Reject or Pass carries.
public struct MakerRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  /// The reason, of docs/protocol/negotiation.md section 9.
  public let code: NegotiationCode
  /// Which field of the request or counter is at fault; `nil` for none.
  public let field: Field?
  /// The reason for a person; at most 128 bytes.
  public let text: String

  /// What a request or counter says.
  public enum Field: String, Hashable, Sendable {
    /// The name of the option, or its definition.
    case instrument
    /// The amount.
    case lots
    /// Who buys.
    case side
    /// The price.
    case price
  }

  /// Describes a refusal.
  ///
  /// What is not printable ASCII in `text` becomes a question mark, and it is cut at 128 bytes.
  public init(_ code: NegotiationCode, _ field: Field?, _ text: String) {
    self.code = code
    self.field = field
    let printable = text.utf8.prefix(128).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
    self.text = String(decoding: printable, as: UTF8.self)
  }

  /// The code, the field and the text in one line.
  public var description: String {
    "\(code)\(field.map { " (\($0.rawValue))" } ?? ""): \(text)"
  }
}
